/* selective-scan.c: Mamba-1's scan, as the plain recurrence.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

#include <stdlib.h>

/* Channel e of one row, given by its number: h [state] is the channel's, b and
 * c [state] are common to the channels. Returns h . c. */
static double
scan_channel (const MblmSelectiveScan *a, size_t e, double *h, double x,
    double dt, const float *b, const float *c)
{
  const float *a_log = a->a_log + e * a->state; /* [state] */
  double sum = 0.0;

  for (size_t n = 0; n < a->state; n++) {
    h[n] = exp (-exp (a_log[n]) * dt) * h[n] + dt * x * b[n];
    sum += h[n] * c[n];
  }
  return sum;
}

void
ref_selective_scan (MblmQueue *queue, const MblmSelectiveScan *a)
{
  RefState state; /* [width, state] */

  if (queue->status != MBLM_STATUS_OK)
    return;
  if (!ref_state_open (&state, queue, &a->carry, a->batch, a->width * a->state))
    return;
  for (size_t s = 0; s < a->batch; s++) {
    ref_state_load (&state, s);
    for (size_t t = 0; t < a->rows; t++) {
      size_t row = s * a->rows + t;
      const float *x = a->x + row * a->x_stride;             /* [width] */
      const float *z = a->z + row * a->z_stride;             /* [width] */
      const float *delta = a->delta + row * a->delta_stride; /* [width] */
      float *y = a->y + row * a->width;                      /* [width] */

      for (size_t e = 0; e < a->width; e++) {
        double sum = scan_channel (a, e, state.now + e * a->state, x[e],
            ref_softplus (delta[e]), a->b + row * a->bc_stride,
            a->c + row * a->bc_stride);

        y[e] = (float) ((sum + (double) a->skip[e] * x[e]) * ref_silu (z[e]));
      }
    }
    ref_state_store (&state, s);
  }
  ref_state_close (&state);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* One channel after the other, so that no more than the states of one are
 * kept. */
typedef struct {
  const MblmSelectiveScanBackward *a;
  double *states;    /* [1 + rows, state]: before the first row, after each */
  double *d_state;   /* [state] */
  double *d_start;   /* [state]: of what all sequences start from */
  double *d_a_log;   /* [state] */
  double *d_b, *d_c; /* [batch * rows, state], sums over channels */
  double d_skip;
} Backward;

/* The states of channel e of sequence s. */
static void
keep_states (Backward *self, size_t s, size_t e)
{
  const MblmSelectiveScan *f = &self->a->forward;
  const float *from = NULL; /* [width, state] */

  if (f->carry.from)
    from = f->carry.from[f->carry.shared ? 0 : s];
  for (size_t n = 0; n < f->state; n++)
    self->states[n] = from ? from[e * f->state + n] : 0.0;
  for (size_t t = 0; t < f->rows; t++) {
    size_t row = s * f->rows + t;
    double *h = self->states + t * f->state; /* [2, state] */

    memcpy (h + f->state, h, f->state * sizeof (*h));
    scan_channel (f, e, h + f->state, f->x[row * f->x_stride + e],
        ref_softplus (f->delta[row * f->delta_stride + e]),
        f->b + row * f->bc_stride, f->c + row * f->bc_stride);
  }
}

/* The state at row t of sequence s: d_sum is the gradient of h . c. Turns
 * d_state from the gradient of the state after the row, without what this row's
 * y adds, to that before. Returns the gradient of dt x; *d_dt gets that of dt
 * in the decays. */
static double
state_backward (Backward *self, size_t s, size_t t, size_t e, double d_sum,
    double x, double dt, double *d_dt)
{
  const MblmSelectiveScan *f = &self->a->forward;
  size_t row = s * f->rows + t;
  const float *b = f->b + row * f->bc_stride;         /* [state] */
  const float *c = f->c + row * f->bc_stride;         /* [state] */
  const double *before = self->states + t * f->state; /* [state] */
  const double *after = before + f->state;            /* [state] */
  double d_input = 0.0;

  *d_dt = 0.0;
  for (size_t n = 0; n < f->state; n++) {
    double rate = exp (f->a_log[e * f->state + n]), decay = exp (-rate * dt);
    double d = self->d_state[n] + d_sum * c[n];
    double d_exponent = d * before[n] * decay;

    self->d_c[row * f->state + n] += d_sum * after[n];
    self->d_b[row * f->state + n] += d * dt * x;
    d_input += d * b[n];
    *d_dt -= d_exponent * rate;
    self->d_a_log[n] -= d_exponent * rate * dt;
    self->d_state[n] = d * decay;
  }
  return d_input;
}

static void
row_backward (Backward *self, size_t s, size_t t, size_t e)
{
  const MblmSelectiveScanBackward *a = self->a;
  const MblmSelectiveScan *f = &a->forward;
  size_t row = s * f->rows + t;
  const float *c = f->c + row * f->bc_stride;              /* [state] */
  const double *after = self->states + (t + 1) * f->state; /* [state] */
  double x = f->x[row * f->x_stride + e], z = f->z[row * f->z_stride + e];
  double delta = f->delta[row * f->delta_stride + e];
  double d_y = a->d_y[row * f->width + e], d_sum = d_y * ref_silu (z);
  double dt = ref_softplus (delta), sum = f->skip[e] * x, d_input, d_dt;

  for (size_t n = 0; n < f->state; n++)
    sum += after[n] * c[n];
  d_input = state_backward (self, s, t, e, d_sum, x, dt, &d_dt);
  if (a->d_z)
    a->d_z[row * a->d_z_stride + e] = (float) (d_y * sum * ref_silu_slope (z));
  if (a->d_x)
    a->d_x[row * a->d_x_stride + e] = (float) (d_sum * f->skip[e] +
        dt * d_input);
  if (a->d_delta)
    a->d_delta[row * a->d_delta_stride + e] = (float) ((d_dt + x * d_input) *
        ref_softplus_slope (delta));
  self->d_skip += d_sum * x;
}

/* Channel e of all sequences. */
static void
channel_backward (Backward *self, size_t e)
{
  const MblmSelectiveScanBackward *a = self->a;
  const MblmSelectiveScan *f = &a->forward;

  self->d_skip = 0.0;
  for (size_t n = 0; n < f->state; n++)
    self->d_a_log[n] = self->d_start[n] = 0.0;
  for (size_t s = 0; s < f->batch; s++) {
    keep_states (self, s, e);
    for (size_t n = 0; n < f->state; n++)
      self->d_state[n] = a->d_carry.to ? a->d_carry.to[s][e * f->state + n]
                                       : 0.0;
    for (size_t t = f->rows; t-- > 0;)
      row_backward (self, s, t, e);
    for (size_t n = 0; n < f->state; n++)
      if (f->carry.shared)
        self->d_start[n] += self->d_state[n];
      else if (a->d_carry.from)
        ref_add_one (&a->d_carry.from[s][e * f->state + n], self->d_state[n]);
  }
  for (size_t n = 0; n < f->state; n++) {
    if (f->carry.shared && a->d_carry.from && f->batch > 0)
      ref_add_one (&a->d_carry.from[0][e * f->state + n], self->d_start[n]);
    if (a->d_a_log)
      ref_add_one (&a->d_a_log[e * f->state + n], self->d_a_log[n]);
  }
  if (a->d_skip)
    ref_add_one (&a->d_skip[e], self->d_skip);
}

void
ref_selective_scan_backward (
    MblmQueue *queue, const MblmSelectiveScanBackward *a)
{
  const MblmSelectiveScan *f = &a->forward;
  size_t rows = f->batch * f->rows, states = (1 + f->rows) * f->state;
  Backward self = {.a = a};

  if (queue->status != MBLM_STATUS_OK)
    return;
  self.states = ref_scratch (
      queue, states + 3 * f->state + 2 * rows * f->state);
  if (!self.states)
    return;
  self.d_state = self.states + states;
  self.d_start = self.d_state + f->state;
  self.d_a_log = self.d_start + f->state;
  self.d_b = self.d_a_log + f->state;
  self.d_c = self.d_b + rows * f->state;
  for (size_t i = 0; i < rows * f->state; i++)
    self.d_b[i] = self.d_c[i] = 0.0;
  for (size_t e = 0; e < f->width; e++)
    channel_backward (&self, e);
  for (size_t row = 0; row < rows; row++)
    for (size_t n = 0; n < f->state; n++) {
      if (a->d_b)
        a->d_b[row * a->d_bc_stride + n] = (float) self.d_b[row * f->state + n];
      if (a->d_c)
        a->d_c[row * a->d_bc_stride + n] = (float) self.d_c[row * f->state + n];
    }
  free (self.states);
}
