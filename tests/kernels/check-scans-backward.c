/* check-scans-backward.c: the gradients of the scans of the Mamba blocks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A *line* is the part of a state, [state], of one channel; lines don't touch
 * each other. The magnitudes of all gradients follow from the recurrences of a
 * line and of its gradient, in absolute values, line by line.
 */

#include "check.h"
#include "shapes.h"

#include <math.h>
#include <string.h>

#define ROUNDS 100 /* random shapes of each */

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

/* A step's dt and decay, from the number before the softplus. */
typedef struct {
  double dt, decay, rate;
  double slope;       /* of the softplus */
  double dt_error;    /* relative, of dt and of the slope */
  double decay_error; /* relative; in units of the rounding error */
} Step;

static Step
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

/* The inputs of a line of one sequence and where the magnitudes go; of arrays
 * of rows, row t is at [t * stride]. */
typedef struct {
  size_t rows, state;
  const float *x, *b, *c; /* b and c [rows, state] */
  size_t x_stride, bc_stride;
  const double *g;   /* [rows]: of the sum over the state */
  const Step *steps; /* [rows, state] */
  const float *from; /* [state] or NULL */
  const float *d_to; /* [state] or NULL */
  double *d_input;   /* [rows]: of dt x */
  double *d_dt;      /* [rows], += */
  double *d_b, *d_c; /* [rows, state], += */
  double *d_a_log;   /* [state], += */
  double *sum;       /* [rows]: the state times c */
  double *d_from;    /* [state], += */
} Line;

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

static void
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

/* The gradient of what is carried on is given for the kinds that carry on. */
typedef struct {
  CarryBuffers forward;
  bool has_to, has_from;
  size_t batch;
  size_t d_to[CARRY_MOST], d_from[CARRY_MOST]; /* offsets */
} CarryGradients;

typedef struct {
  CarryPointers forward;
  MblmCarryGradient gradient;
  const float *to[CARRY_MOST];
  float *from[CARRY_MOST];
} GradientPointers;

static bool
is_shared (const CarryGradients *carry)
{
  return carry->forward.kind == CARRY_SHARED ||
      carry->forward.kind == CARRY_BACK;
}

/* Kinds with a memory of both ends would be outputs of the forward; a backward
 * only reads them. */
static void
add_carry (Case *c, CarryGradients *carry, CarryKind kind, size_t batch,
    size_t size, float high, size_t terms)
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

static GradientPointers *
carry_pointers (
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

/* ------------------------------------------------------------------------- */
/* Mamba-2                                                                   */
/* ------------------------------------------------------------------------- */

/* All magnitudes of a call. */
typedef struct {
  double *d_x, *d_b, *d_c, *d_delta;       /* [batch * rows, ..] */
  double *d_delta_bias, *d_a_log, *d_skip; /* [heads] */
  double *d_from;                          /* [batch, width, state] */
} SsdMagnitudes;

typedef struct {
  size_t batch, rows, heads, head_dim, state;
  size_t gap, delta_stride, d_gap, d_delta_stride;
  CarryGradients carry;
  bool wanted[6]; /* d_x, d_b, d_c, d_delta; both d_delta_bias and d_a_log;
                   * d_skip */
  size_t xbc, delta, delta_bias, a_log, skip, d_y; /* offsets */
  size_t d_x, d_b, d_c, d_delta, d_delta_bias, d_a_log, d_skip;
  SsdMagnitudes m;
} Ssd;

static size_t
ssd_width (const Ssd *s)
{
  return s->heads * s->head_dim;
}

static void
run_ssd (const Target *t, char *memory, const void *data)
{
  const Ssd *s = data;
  GradientPointers carry;
  const float *x = AT (memory, s->xbc);

#define WANTED(i, name) s->wanted[i] ? AT (memory, s->name) : NULL
  carry_pointers (memory, &s->carry, &carry);
  t->table->ssd_scan_backward (t->queue,
      &(MblmSsdScanBackward){
          .forward =
              {
                  .batch = s->batch,
                  .rows = s->rows,
                  .heads = s->heads,
                  .head_dim = s->head_dim,
                  .state = s->state,
                  .x = x,
                  .b = x + ssd_width (s),
                  .c = x + ssd_width (s) + s->state,
                  .xbc_stride = ssd_width (s) + 2 * s->state + s->gap,
                  .delta = AT (memory, s->delta),
                  .delta_stride = s->delta_stride,
                  .delta_bias = AT (memory, s->delta_bias),
                  .a_log = AT (memory, s->a_log),
                  .skip = AT (memory, s->skip),
                  .carry = carry.forward.carry,
              },
          .d_y = AT (memory, s->d_y),
          .d_x = WANTED (0, d_x),
          .d_b = WANTED (1, d_b),
          .d_c = WANTED (2, d_c),
          .d_xbc_stride = ssd_width (s) + 2 * s->state + s->d_gap,
          .d_delta = WANTED (3, d_delta),
          .d_delta_stride = s->d_delta_stride,
          .d_delta_bias = WANTED (4, d_delta_bias),
          .d_a_log = WANTED (4, d_a_log),
          .d_skip = WANTED (5, d_skip),
          .d_carry = carry.gradient,
      });
}

/* Weights' gradients begin with numbers, to which theirs are added. */
static size_t
case_added (Case *c, const char *name, size_t rows, size_t width, size_t terms)
{
  size_t offset = case_input (c, rows, width, width, -1e3f, 1e3f);

  case_in_place (c, name, offset, rows, width, width, terms);
  return offset;
}

static Case *
ssd_case (Check *check, Fill fill, CarryKind kind, Ssd *s)
{
  size_t rows = s->batch * s->rows, width = ssd_width (s);
  size_t d_stride = width + 2 * s->state + s->d_gap;
  size_t terms = s->rows + s->state + s->head_dim;
  Case *c = case_new (check, fill,
      "batch %zu, rows %zu, heads %zu of %zu, state %zu, carry %d", s->batch,
      s->rows, s->heads, s->head_dim, s->state, kind);

  s->xbc = case_input (c, rows, width + 2 * s->state,
      width + 2 * s->state + s->gap, -1e3f, 1e3f);
  s->delta = case_input (c, rows, s->heads, s->delta_stride, -100.f, 100.f);
  s->delta_bias = case_input (c, 1, s->heads, s->heads, -10.f, 10.f);
  s->a_log = case_input (c, 1, s->heads, s->heads, -10.f, 10.f);
  s->skip = case_input (c, 1, s->heads, s->heads, -1e3f, 1e3f);
  s->d_y = case_input (c, rows, width, width, -1e3f, 1e3f);
  if (s->wanted[0])
    s->d_x = case_output (c, "d_x", rows, width, d_stride, terms);
  if (s->wanted[1])
    s->d_b = case_output (c, "d_b", rows, s->state, d_stride, terms + width);
  if (s->wanted[2])
    s->d_c = case_output (c, "d_c", rows, s->state, d_stride, terms + width);
  if (s->wanted[3])
    s->d_delta = case_output (
        c, "d_delta", rows, s->heads, s->d_delta_stride, 2 * terms);
  if (s->wanted[4]) {
    s->d_delta_bias = case_added (c, "d_delta_bias", 1, s->heads, 2 * terms);
    s->d_a_log = case_added (c, "d_a_log", 1, s->heads, 2 * terms);
  }
  if (s->wanted[5])
    s->d_skip = case_added (c, "d_skip", 1, s->heads, terms);
  add_carry (
      c, &s->carry, kind, s->batch, width * s->state, 1e3f, s->rows + s->batch);
  return c;
}

static void
ssd_magnitudes_clear (SsdMagnitudes *m)
{
  g_free (m->d_x);
  g_free (m->d_b);
  g_free (m->d_c);
  g_free (m->d_delta);
  g_free (m->d_delta_bias);
  g_free (m->d_a_log);
  g_free (m->d_skip);
  g_free (m->d_from);
}

/* Channel p of head h of sequence b. */
static void
ssd_line (const Ssd *s, char *image, size_t b, size_t h, size_t p,
    const Step *steps, SsdMagnitudes *m)
{
  size_t stride = ssd_width (s) + 2 * s->state + s->gap, first = b * s->rows;
  size_t channel = h * s->head_dim + p, at = channel * s->state;
  const float *row = AT (image, s->xbc) + first * stride;
  const float *d_y = AT (image, s->d_y) + first * ssd_width (s) + channel;
  double skip = fabs (AT (image, s->skip)[h]);
  g_autofree double *g = g_new (double, s->rows + 1);
  g_autofree double *d_input = g_new0 (double, s->rows + 1);
  g_autofree double *d_dt = g_new0 (double, s->rows + 1);
  g_autofree double *sum = g_new0 (double, s->rows + 1);
  g_autofree double *d_a_log = g_new0 (double, s->state);
  size_t from = is_shared (&s->carry) ? 0 : b;
  Line line = {
      .rows = s->rows,
      .state = s->state,
      .x = row + channel,
      .b = row + ssd_width (s),
      .c = row + ssd_width (s) + s->state,
      .x_stride = stride,
      .bc_stride = stride,
      .g = g,
      .steps = steps,
      .from = s->carry.forward.kind == CARRY_NONE
          ? NULL
          : AT (image, s->carry.forward.from[from]) + at,
      .d_to = s->carry.has_to ? AT (image, s->carry.d_to[b]) + at : NULL,
      .d_input = d_input,
      .d_dt = d_dt,
      .d_b = m->d_b + first * s->state,
      .d_c = m->d_c + first * s->state,
      .d_a_log = d_a_log,
      .sum = sum,
      .d_from = m->d_from + from * ssd_width (s) * s->state + at,
  };

  for (size_t t = 0; t < s->rows; t++)
    g[t] = d_y[t * ssd_width (s)];
  line_backward (&line);
  for (size_t n = 0; n < s->state; n++)
    m->d_a_log[h] += d_a_log[n];
  for (size_t t = 0; t < s->rows; t++) {
    const Step *k = &steps[t * s->state];
    double x = fabs (line.x[t * stride]), d;

    m->d_x[(first + t) * ssd_width (s) + channel] = skip * fabs (g[t]) +
        k->dt * (1.0 + k->dt_error) * d_input[t];
    d = (d_dt[t] + x * d_input[t]) * k->slope * (1.0 + k->dt_error);
    m->d_delta[(first + t) * s->heads + h] += d;
    m->d_delta_bias[h] += d;
    m->d_skip[h] += fabs (g[t]) * x;
  }
}

static void
ssd_magnitudes (Ssd *s, char *image)
{
  SsdMagnitudes *m = &s->m;
  size_t rows = s->batch * s->rows, width = ssd_width (s);
  g_autofree Step *steps = g_new (Step, s->rows * s->state + 1);

  m->d_x = g_new0 (double, rows *width + 1);
  m->d_b = g_new0 (double, rows * s->state + 1);
  m->d_c = g_new0 (double, rows * s->state + 1);
  m->d_delta = g_new0 (double, rows * s->heads + 1);
  m->d_delta_bias = g_new0 (double, s->heads);
  m->d_a_log = g_new0 (double, s->heads);
  m->d_skip = g_new0 (double, s->heads);
  m->d_from = g_new0 (double, s->batch *width * s->state + 1);
  for (size_t b = 0; b < s->batch; b++)
    for (size_t h = 0; h < s->heads; h++) {
      for (size_t i = 0; i < s->rows * s->state; i++)
        steps[i] = step_of (
            (double) AT (image,
                s->delta)[(b * s->rows + i / s->state) * s->delta_stride + h] +
                AT (image, s->delta_bias)[h],
            AT (image, s->a_log)[h]);
      for (size_t p = 0; p < s->head_dim; p++)
        ssd_line (s, image, b, h, p, steps, m);
    }
}

/* What is added to is part of the sum. */
static void
take (const Output *output, size_t offset, const double *from, char *before,
    double *magnitude)
{
  if (output->offset != offset)
    return;
  for (size_t i = 0; i < output->rows * output->width; i++)
    magnitude[i] = from[i] + (before ? fabs (AT (before, offset)[i]) : 0.0);
}

static void
take_carry (const CarryGradients *carry, const Output *output, size_t size,
    const double *from, char *before, double *magnitude)
{
  for (size_t b = 0; b < carry->forward.batch; b++)
    if (carry->has_from)
      take (output, carry->d_from[b], from + b * size, before, magnitude);
}

static void
magnitude_ssd (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Ssd *s = data;
  char *image = case_image (c);

  if (s->wanted[0])
    take (output, s->d_x, s->m.d_x, NULL, magnitude);
  if (s->wanted[1])
    take (output, s->d_b, s->m.d_b, NULL, magnitude);
  if (s->wanted[2])
    take (output, s->d_c, s->m.d_c, NULL, magnitude);
  if (s->wanted[3])
    take (output, s->d_delta, s->m.d_delta, NULL, magnitude);
  if (s->wanted[4]) {
    take (output, s->d_delta_bias, s->m.d_delta_bias, image, magnitude);
    take (output, s->d_a_log, s->m.d_a_log, image, magnitude);
  }
  if (s->wanted[5])
    take (output, s->d_skip, s->m.d_skip, image, magnitude);
  take_carry (&s->carry, output, ssd_width (s) * s->state, s->m.d_from, image,
      magnitude);
}

void
check_ssd_scan_backward (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    size_t heads = check_size (check, 1, i % 8 ? 3 : 20);
    Ssd s = {
        .batch = check_size (check, 0, i % 16 == 1 ? 40 : 4),
        .rows = check_size (check, 0, i % 16 == 2 ? 300 : 12),
        .heads = heads,
        .head_dim = i % 3 ? check_size (check, 1, 20) : 64,
        .state = i % 3 == 1 ? 64 : check_size (check, 1, 40),
        .gap = check_size (check, 0, 40),
        .delta_stride = heads + check_size (check, 0, 40),
        .d_gap = check_size (check, 0, 40),
        .d_delta_stride = heads + check_size (check, 0, 40),
    };
    Case *c;

    if (i == 0) {
      /* more chunks than a device keeps states of */
      s.rows = 8192 + check_size (check, 1, 1000);
      s.batch = s.heads = s.head_dim = 2;
      s.state = 5;
    }
    for (size_t j = 0; j < G_N_ELEMENTS (s.wanted); j++)
      s.wanted[j] = i % 4 || check_coin (check);
    c = ssd_case (check, (i / 2) % FILL_KINDS, i % CARRY_KINDS, &s);
    ssd_magnitudes (&s, case_image (c));
    case_run (c, run_ssd, &s, magnitude_ssd);
    ssd_magnitudes_clear (&s.m);
    case_free (c);
  }
}

void
bench_ssd_scan_backward (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (scan_backward_shapes); i++) {
    ScanBackwardShape n = scan_backward_shapes[i];
    Ssd s = {.batch = n.batch,
        .rows = n.rows,
        .heads = n.heads,
        .head_dim = n.head_dim,
        .state = n.state,
        .delta_stride = n.heads,
        .d_delta_stride = n.heads,
        .wanted = {true, true, true, true, true, true}};
    Case *c;
    double size = (double) n.heads * n.head_dim * n.state;
    double rows = (double) n.batch * n.rows;

    /* the recurrence and its gradient, each two products of the state */
    s.carry = (CarryGradients){.has_to = false};
    c = ssd_case (
        check, FILL_RANDOM, n.batch > 1 ? CARRY_SHARED : CARRY_NONE, &s);
    case_bench (c, run_ssd, &s,
        rows * (12.0 * n.heads * n.head_dim + 16.0 * n.state),
        (n.batch > 1 ? 4.0 : 10.0) * size * rows);
    case_free (c);
  }
}
