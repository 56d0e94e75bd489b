/* ssd-scan.c: Mamba-2's scan, as the plain recurrence.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

#include <stdlib.h>

/* Head h of one row. S [head_dim, state] is this head's; x and y [head_dim] its
 * part of the row; b and c [state] are common to the heads. */
static void
scan_head (const MblmSsdScan *a, size_t h, double *S, const float *x,
    const float *b, const float *c, float delta, float *y)
{
  double dt = ref_softplus ((double) delta + a->delta_bias[h]);
  double decay = exp (-exp (a->a_log[h]) * dt);

  for (size_t p = 0; p < a->head_dim; p++) {
    double *row = S + p * a->state; /* [state] */
    double sum = 0.0;

    for (size_t n = 0; n < a->state; n++) {
      row[n] = decay * row[n] + dt * x[p] * b[n];
      sum += row[n] * c[n];
    }
    y[p] = (float) (sum + (double) a->skip[h] * x[p]);
  }
}

void
ref_ssd_scan (MblmQueue *queue, const MblmSsdScan *a)
{
  size_t head_size = a->head_dim * a->state;
  size_t width = a->heads * a->head_dim;
  RefState state; /* [heads, head_dim, state] */

  if (queue->status != MBLM_STATUS_OK)
    return;
  if (!ref_state_open (
          &state, queue, &a->carry, a->batch, a->heads * head_size))
    return;
  for (size_t b = 0; b < a->batch; b++) {
    ref_state_load (&state, b);
    for (size_t t = 0; t < a->rows; t++) {
      size_t row = b * a->rows + t;
      const float *x = a->x + row * a->xbc_stride;           /* [width] */
      const float *delta = a->delta + row * a->delta_stride; /* [heads] */

      for (size_t h = 0; h < a->heads; h++)
        scan_head (a, h, state.now + h * head_size, x + h * a->head_dim,
            a->b + row * a->xbc_stride, a->c + row * a->xbc_stride, delta[h],
            a->y + row * width + h * a->head_dim);
    }
    ref_state_store (&state, b);
  }
  ref_state_close (&state);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* A channel of a head has a line of the state, [state], which no other channel
 * touches: one channel after the other, so that no more than the lines of one
 * are kept. */
typedef struct {
  const MblmSsdScanBackward *a;
  double *lines;     /* [1 + rows, state]: before the first row, after each */
  double *d_line;    /* [state] */
  double *d_start;   /* [state]: of what all sequences start from */
  double *d_b, *d_c; /* [batch * rows, state], sums over heads and channels */
  double *d_dt;      /* [batch * rows], sums over the channels of a head */
  double d_a_log, d_skip; /* of a head */
} Backward;

/* The step of one head at one row. */
typedef struct {
  double raw, dt, rate, decay;
} Step;

static Step
step_at (const MblmSsdScan *f, size_t row, size_t h)
{
  double raw = (double) f->delta[row * f->delta_stride + h] + f->delta_bias[h];
  double dt = ref_softplus (raw), rate = exp (f->a_log[h]);

  return (Step){raw, dt, rate, exp (-rate * dt)};
}

/* The lines of channel p of head h of sequence s. */
static void
keep_lines (Backward *self, size_t s, size_t h, size_t p)
{
  const MblmSsdScan *f = &self->a->forward;
  const float *from = NULL; /* [heads, head_dim, state] */
  size_t channel = h * f->head_dim + p;

  if (f->carry.from)
    from = f->carry.from[f->carry.shared ? 0 : s];
  for (size_t n = 0; n < f->state; n++)
    self->lines[n] = from ? from[channel * f->state + n] : 0.0;
  for (size_t t = 0; t < f->rows; t++) {
    size_t row = s * f->rows + t;
    const float *b = f->b + row * f->xbc_stride; /* [state] */
    double *line = self->lines + t * f->state;   /* [2, state] */
    double x = f->x[row * f->xbc_stride + channel];
    Step k = step_at (f, row, h);

    for (size_t n = 0; n < f->state; n++)
      line[f->state + n] = k.decay * line[n] + k.dt * x * b[n];
  }
}

/* Row t of sequence s: from the gradient of the line after it, without what
 * this row's y adds, to that of the line before it. */
static void
row_backward (Backward *self, size_t s, size_t t, size_t h, size_t p)
{
  const MblmSsdScanBackward *a = self->a;
  const MblmSsdScan *f = &a->forward;
  size_t row = s * f->rows + t, channel = h * f->head_dim + p;
  const float *b = f->b + row * f->xbc_stride;       /* [state] */
  const float *c = f->c + row * f->xbc_stride;       /* [state] */
  const double *before = self->lines + t * f->state; /* [state] */
  const double *after = before + f->state;           /* [state] */
  double x = f->x[row * f->xbc_stride + channel];
  double g = a->d_y[row * f->heads * f->head_dim + channel];
  double d_input = 0.0, d_decay = 0.0;
  Step k = step_at (f, row, h);

  for (size_t n = 0; n < f->state; n++) {
    double d = self->d_line[n] + g * c[n];

    self->d_c[row * f->state + n] += g * after[n];
    self->d_b[row * f->state + n] += d * k.dt * x;
    d_input += d * b[n];
    d_decay += d * before[n];
    self->d_line[n] = d * k.decay;
  }
  if (a->d_x)
    a->d_x[row * a->d_xbc_stride + channel] = (float) (k.dt * d_input +
        f->skip[h] * g);
  self->d_dt[row] += x * d_input - k.rate * k.decay * d_decay;
  self->d_a_log -= k.rate * k.dt * k.decay * d_decay;
  self->d_skip += g * x;
}

/* Channel p of head h of sequence s. */
static void
channel_backward (Backward *self, size_t s, size_t h, size_t p)
{
  const MblmSsdScanBackward *a = self->a;
  const MblmSsdScan *f = &a->forward;
  size_t at = (h * f->head_dim + p) * f->state;

  keep_lines (self, s, h, p);
  for (size_t n = 0; n < f->state; n++)
    self->d_line[n] = a->d_carry.to ? a->d_carry.to[s][at + n] : 0.0;
  for (size_t t = f->rows; t-- > 0;)
    row_backward (self, s, t, h, p);
  for (size_t n = 0; n < f->state; n++)
    if (f->carry.shared)
      self->d_start[n] += self->d_line[n];
    else if (a->d_carry.from)
      ref_add_one (&a->d_carry.from[s][at + n], self->d_line[n]);
}

/* Adds what all sequences give to the line of channel p of head h that they
 * start from. */
static void
channel_finish (Backward *self, size_t h, size_t p)
{
  const MblmSsdScanBackward *a = self->a;
  const MblmSsdScan *f = &a->forward;
  size_t at = (h * f->head_dim + p) * f->state;

  if (f->carry.shared && a->d_carry.from && f->batch > 0)
    for (size_t n = 0; n < f->state; n++)
      ref_add_one (&a->d_carry.from[0][at + n], self->d_start[n]);
}

static void
head_backward (Backward *self, size_t h)
{
  const MblmSsdScanBackward *a = self->a;
  const MblmSsdScan *f = &a->forward;
  double d_bias = 0.0;

  self->d_a_log = self->d_skip = 0.0;
  for (size_t row = 0; row < f->batch * f->rows; row++)
    self->d_dt[row] = 0.0;
  for (size_t p = 0; p < f->head_dim; p++) {
    for (size_t n = 0; n < f->state; n++)
      self->d_start[n] = 0.0;
    for (size_t s = 0; s < f->batch; s++)
      channel_backward (self, s, h, p);
    channel_finish (self, h, p);
  }
  for (size_t row = 0; row < f->batch * f->rows; row++) {
    double d = self->d_dt[row] * ref_softplus_slope (step_at (f, row, h).raw);

    if (a->d_delta)
      a->d_delta[row * a->d_delta_stride + h] = (float) d;
    d_bias += d;
  }
  if (a->d_delta_bias)
    ref_add_one (&a->d_delta_bias[h], d_bias);
  if (a->d_a_log)
    ref_add_one (&a->d_a_log[h], self->d_a_log);
  if (a->d_skip)
    ref_add_one (&a->d_skip[h], self->d_skip);
}

void
ref_ssd_scan_backward (MblmQueue *queue, const MblmSsdScanBackward *a)
{
  const MblmSsdScan *f = &a->forward;
  size_t rows = f->batch * f->rows, lines = (1 + f->rows) * f->state;
  Backward self = {.a = a};

  if (queue->status != MBLM_STATUS_OK)
    return;
  self.lines = ref_scratch (
      queue, lines + 2 * f->state + 2 * rows * f->state + rows);
  if (!self.lines)
    return;
  self.d_line = self.lines + lines;
  self.d_start = self.d_line + f->state;
  self.d_b = self.d_start + f->state;
  self.d_c = self.d_b + rows * f->state;
  self.d_dt = self.d_c + rows * f->state;
  for (size_t i = 0; i < rows * f->state; i++)
    self.d_b[i] = self.d_c[i] = 0.0;
  for (size_t h = 0; h < f->heads; h++)
    head_backward (&self, h);
  for (size_t row = 0; row < rows; row++)
    for (size_t n = 0; n < f->state; n++) {
      if (a->d_b)
        a->d_b[row * a->d_xbc_stride + n] = (float)
                                                self.d_b[row * f->state + n];
      if (a->d_c)
        a->d_c[row * a->d_xbc_stride + n] = (float)
                                                self.d_c[row * f->state + n];
    }
  free (self.lines);
}
