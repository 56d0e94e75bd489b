/* backward.c: what the checks of the gradients of sequences share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "backward.h"

#include <math.h>

/* ------------------------------------------------------------------------- */
/* Errors of a line                                                          */
/* ------------------------------------------------------------------------- */

/* An entry of a state or of its gradient. */
typedef struct {
  double size;  /* of the sum of the absolute values of all that went in */
  double error; /* more than that is in doubt, through dt and the decays */
  double fresh; /* as size, without decay: of decays some may be flushed */
} Entry;

static double
doubt (const Entry *entry)
{
  return entry->size + entry->error + UNDERFLOW_MAGNITUDE * entry->fresh;
}

Step
step_of (double raw, double a_log)
{
  double dt = raw > 20.0 ? raw : log1p (exp (raw)), rate = exp (a_log);
  double error = 1.0 + (raw < 0.0 ? -raw : 1.0);

  return (Step){
      .dt = dt + UNDERFLOW_MAGNITUDE,
      .decay = exp (-rate * dt),
      .rate = rate,
      .slope = (raw > 20.0 ? 1.0 : 1.0 / (1.0 + exp (-raw))) +
          UNDERFLOW_MAGNITUDE,
      .dt_error = error,
      .decay_error = rate * dt * (error + 2.0),
  };
}

static void
decay (Entry *entry, const Step *k)
{
  entry->error = k->decay * (entry->error + k->decay_error * entry->size);
  entry->size *= k->decay;
}

static void
put_in (Entry *entry, double input, double error)
{
  entry->size += input;
  entry->fresh += input;
  entry->error += error * input;
}

/* The states before each row, and after the last: [1 + rows, state]. */
static Entry *
line_forward (const Line *l)
{
  Entry *states = g_new0 (Entry, (1 + l->rows) * l->state);

  for (size_t n = 0; n < l->state && l->from; n++)
    put_in (&states[n], fabs (l->from[n]), 0.0);
  for (size_t t = 0; t < l->rows; t++)
    for (size_t n = 0; n < l->state; n++) {
      const Step *k = &l->steps[t * l->state + n];
      Entry *next = &states[(t + 1) * l->state + n];

      *next = states[t * l->state + n];
      decay (next, k);
      put_in (next,
          k->dt * fabs (l->x[t * l->x_stride] * l->b[t * l->bc_stride + n]),
          k->dt_error);
    }
  return states;
}

/* Entry n at row t: `d` is the gradient of the state after the row. */
static void
entry_backward (const Line *l, size_t t, size_t n, const Entry *before,
    const Entry *after, Entry *d)
{
  const Step *k = &l->steps[t * l->state + n];
  double x = fabs (l->x[t * l->x_stride]), g = fabs (l->g[t]), d_log;
  double b = fabs (l->b[t * l->bc_stride + n]);
  double c = fabs (l->c[t * l->bc_stride + n]);
  Entry passed;

  l->sum[t] += doubt (after) * c;
  put_in (d, g * c, 0.0);
  passed = *d;
  decay (&passed, k);
  l->d_c[t * l->state + n] += g * doubt (after);
  l->d_b[t * l->state + n] += doubt (d) * k->dt * (1.0 + k->dt_error) * x;
  l->d_input[t] += doubt (d) * b;
  d_log = doubt (&passed) * doubt (before) * k->rate;
  l->d_dt[t] += d_log;
  l->d_a_log[n] += d_log * k->dt * (1.0 + k->dt_error);
  *d = passed;
}

void
line_backward (const Line *l)
{
  g_autofree Entry *states = line_forward (l);
  g_autofree Entry *d = g_new0 (Entry, l->state);

  for (size_t n = 0; n < l->state && l->d_to; n++)
    put_in (&d[n], fabs (l->d_to[n]), 0.0);
  for (size_t t = l->rows; t-- > 0;)
    for (size_t n = 0; n < l->state; n++)
      entry_backward (l, t, n, &states[t * l->state + n],
          &states[(t + 1) * l->state + n], &d[n]);
  for (size_t n = 0; n < l->state; n++)
    l->d_from[n] += doubt (&d[n]);
}

/* ------------------------------------------------------------------------- */
/* What sequences carry                                                      */
/* ------------------------------------------------------------------------- */

bool
carry_is_shared (const CarryGradients *carry)
{
  return carry->forward.kind == CARRY_SHARED ||
      carry->forward.kind == CARRY_BACK;
}

/* Kinds with a memory of both ends would be outputs of the forward; a backward
 * only reads them. */
void
case_carry_gradients (Case *c, CarryGradients *carry, CarryKind kind,
    size_t batch, size_t size, float high, size_t terms)
{
  static const CarryKind reads[CARRY_KINDS] = {
      [CARRY_NONE] = CARRY_NONE,
      [CARRY_FRESH] = CARRY_NONE,
      [CARRY_ON] = CARRY_END,
      [CARRY_IN_PLACE] = CARRY_END,
      [CARRY_SHARED] = CARRY_SHARED,
      [CARRY_BACK] = CARRY_SHARED,
      [CARRY_END] = CARRY_END,
  };
  bool shared = reads[kind] == CARRY_SHARED;

  carry->forward.kind = reads[kind];
  carry->batch = batch;
  carry->forward.batch = shared ? MIN (batch, 1) : batch;
  carry->has_to = kind == CARRY_FRESH || kind == CARRY_ON || kind == CARRY_BACK;
  carry->has_from = reads[kind] != CARRY_NONE && kind != CARRY_END;
  for (size_t b = 0; b < batch && carry->has_to; b++)
    carry->d_to[b] = case_input (c, 1, size, size, -high, high);
  for (size_t b = 0; b < carry->forward.batch; b++) {
    if (reads[kind] != CARRY_NONE)
      carry->forward.from[b] = case_input (c, 1, size, size, -high, high);
    if (carry->has_from) {
      carry->d_from[b] = case_input (c, 1, size, size, -high, high);
      case_in_place (c, "d_carry", carry->d_from[b], 1, size, size, terms);
    }
  }
}

const GradientPointers *
carry_gradients_at (
    char *memory, const CarryGradients *carry, GradientPointers *pointers)
{
  carry_at (memory, &carry->forward, &pointers->forward);
  pointers->forward.carry.to = NULL;
  for (size_t b = 0; b < carry->batch && carry->has_to; b++)
    pointers->to[b] = AT (memory, carry->d_to[b]);
  for (size_t b = 0; b < carry->forward.batch; b++)
    pointers->from[b] = AT (memory, carry->d_from[b]);
  pointers->gradient = (MblmCarryGradient){
      .to = carry->has_to ? pointers->to : NULL,
      .from = carry->has_from ? pointers->from : NULL,
  };
  return pointers;
}

/* Weights' gradients begin with numbers, to which theirs are added. */
size_t
case_added_to (
    Case *c, const char *name, size_t rows, size_t width, size_t terms)
{
  size_t offset = case_input (c, rows, width, width, -1e3f, 1e3f);

  case_in_place (c, name, offset, rows, width, width, terms);
  return offset;
}

/* What is added to is part of the sum. */
void
take_magnitude (const Output *output, size_t offset, const double *from,
    char *before, double *magnitude)
{
  if (output->offset != offset)
    return;
  for (size_t i = 0; i < output->rows * output->width; i++)
    magnitude[i] = from[i] + (before ? fabs (AT (before, offset)[i]) : 0.0);
}

void
take_carry_magnitude (const CarryGradients *carry, const Output *output,
    size_t size, const double *from, char *before, double *magnitude)
{
  for (size_t b = 0; b < carry->forward.batch; b++)
    if (carry->has_from)
      take_magnitude (
          output, carry->d_from[b], from + b * size, before, magnitude);
}
