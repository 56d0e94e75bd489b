/* check-selective-backward.c: the gradient of Mamba-1's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "backward.h"
#include "shapes.h"

#include <math.h>

#define ROUNDS 100 /* random shapes */

/* All magnitudes of a call. */
typedef struct {
  double *d_x, *d_delta, *d_z; /* [batch * rows, width] */
  double *d_b, *d_c;           /* [batch * rows, state] */
  double *d_a_log, *d_skip;    /* [width, state], [width] */
  double *d_from;              /* [batch, width, state] */
} Magnitudes;

typedef struct {
  size_t batch, rows, width, state;
  size_t x_stride, delta_stride, bc_stride, z_stride;
  size_t d_x_stride, d_delta_stride, d_bc_stride, d_z_stride;
  CarryGradients carry;
  bool wanted[7]; /* d_x, d_delta, d_b, d_c, d_z, d_a_log, d_skip */
  size_t x, delta, bc, z, a_log, skip, d_y; /* offsets */
  size_t d_x, d_delta, d_b, d_c, d_z, d_a_log, d_skip;
  Magnitudes m;
} Selective;

static MblmSelectiveScan
forward_of (const Selective *s, char *memory, const GradientPointers *carry)
{
  return (MblmSelectiveScan){
      .batch = s->batch,
      .rows = s->rows,
      .width = s->width,
      .state = s->state,
      .x = AT (memory, s->x),
      .x_stride = s->x_stride,
      .delta = AT (memory, s->delta),
      .delta_stride = s->delta_stride,
      .b = AT (memory, s->bc),
      .c = AT (memory, s->bc) + s->state,
      .bc_stride = s->bc_stride,
      .z = AT (memory, s->z),
      .z_stride = s->z_stride,
      .a_log = AT (memory, s->a_log),
      .skip = AT (memory, s->skip),
      .carry = carry->forward.carry,
  };
}

static void
run (const Target *t, char *memory, const void *data)
{
  const Selective *s = data;
  GradientPointers carry;

#define WANTED(i, name) s->wanted[i] ? AT (memory, s->name) : NULL
  carry_gradients_at (memory, &s->carry, &carry);
  t->table->selective_scan_backward (t->queue,
      &(MblmSelectiveScanBackward){
          .forward = forward_of (s, memory, &carry),
          .d_y = AT (memory, s->d_y),
          .d_x = WANTED (0, d_x),
          .d_x_stride = s->d_x_stride,
          .d_delta = WANTED (1, d_delta),
          .d_delta_stride = s->d_delta_stride,
          .d_b = WANTED (2, d_b),
          .d_c = WANTED (3, d_c),
          .d_bc_stride = s->d_bc_stride,
          .d_z = WANTED (4, d_z),
          .d_z_stride = s->d_z_stride,
          .d_a_log = WANTED (5, d_a_log),
          .d_skip = WANTED (6, d_skip),
          .d_carry = carry.gradient,
      });
#undef WANTED
}

static void
add_outputs (Case *c, Selective *s)
{
  size_t rows = s->batch * s->rows, width = s->width;
  size_t terms = s->rows + s->state;

  if (s->wanted[0])
    s->d_x = case_output (c, "d_x", rows, width, s->d_x_stride, terms);
  if (s->wanted[1])
    s->d_delta = case_output (
        c, "d_delta", rows, width, s->d_delta_stride, 2 * terms);
  if (s->wanted[2])
    s->d_b = case_output (
        c, "d_b", rows, s->state, s->d_bc_stride, s->rows + width);
  if (s->wanted[3])
    s->d_c = case_output (
        c, "d_c", rows, s->state, s->d_bc_stride, s->rows + width);
  if (s->wanted[4])
    s->d_z = case_output (c, "d_z", rows, width, s->d_z_stride, terms);
  if (s->wanted[5])
    s->d_a_log = case_added_to (c, "d_a_log", width, s->state, terms + rows);
  /* One after the other: of equal numbers all may be rounded to the same side. */
  if (s->wanted[6])
    s->d_skip = case_added_to (c, "d_skip", 1, width, 16 * rows);
}

static Case *
selective_case (Check *check, Fill fill, CarryKind kind, Selective *s)
{
  size_t rows = s->batch * s->rows;
  Case *c = case_new (check, fill,
      "batch %zu, rows %zu, width %zu, state %zu, carry %d", s->batch, s->rows,
      s->width, s->state, kind);

  s->x = case_input (c, rows, s->width, s->x_stride, -1e3f, 1e3f);
  s->delta = case_input (c, rows, s->width, s->delta_stride, -100.f, 100.f);
  s->bc = case_input (c, rows, 2 * s->state, s->bc_stride, -1e3f, 1e3f);
  s->z = case_input (c, rows, s->width, s->z_stride, -200.f, 1e3f);
  s->a_log = case_input (c, s->width, s->state, s->state, -10.f, 10.f);
  s->skip = case_input (c, 1, s->width, s->width, -1e3f, 1e3f);
  s->d_y = case_input (c, rows, s->width, s->width, -1e3f, 1e3f);
  add_outputs (c, s);
  case_carry_gradients (c, &s->carry, kind, s->batch, s->width * s->state, 1e3f,
      s->rows + s->batch);
  return c;
}

/* silu, its slope, and what either may be off by where it is tiny. */
static double
silu_size (double z)
{
  return fabs (z) * (1.0 / (1.0 + exp (-z)) + UNDERFLOW_MAGNITUDE);
}

static double
silu_slope_size (double z)
{
  return (1.0 + fabs (z)) * (1.0 / (1.0 + exp (-z)) + UNDERFLOW_MAGNITUDE);
}

/* What a line gives, [rows] each. */
typedef struct {
  double *g, *d_input, *d_dt, *sum;
} Rows;

/* The rows of channel e of sequence b, whose line has been worked on. */
static void
channel_rows (Selective *s, char *image, size_t b, size_t e, const Step *steps,
    const Rows *r)
{
  double skip = fabs (AT (image, s->skip)[e]);

  for (size_t t = 0; t < s->rows; t++) {
    const Step *k = &steps[t * s->state];
    size_t row = b * s->rows + t, at = row * s->width + e;
    double x = fabs (AT (image, s->x)[row * s->x_stride + e]);
    double z = AT (image, s->z)[row * s->z_stride + e];
    double d_y = fabs (AT (image, s->d_y)[at]);

    s->m.d_x[at] = skip * r->g[t] + k->dt * (1.0 + k->dt_error) * r->d_input[t];
    s->m.d_delta[at] = (r->d_dt[t] + x * r->d_input[t]) * k->slope *
        (1.0 + k->dt_error);
    s->m.d_z[at] = d_y * (r->sum[t] + skip * x) * silu_slope_size (z);
    s->m.d_skip[e] += r->g[t] * x;
  }
}

/* Channel e of sequence b. */
static void
channel_magnitudes (Selective *s, char *image, size_t b, size_t e, Step *steps)
{
  size_t first = b * s->rows, from = carry_is_shared (&s->carry) ? 0 : b;
  g_autofree double *rows = g_new0 (double, 4 * s->rows + 1);
  Rows r = {rows, rows + s->rows, rows + 2 * s->rows, rows + 3 * s->rows};
  Line line = {
      .rows = s->rows,
      .state = s->state,
      .x = AT (image, s->x) + first * s->x_stride + e,
      .b = AT (image, s->bc) + first * s->bc_stride,
      .c = AT (image, s->bc) + first * s->bc_stride + s->state,
      .x_stride = s->x_stride,
      .bc_stride = s->bc_stride,
      .g = r.g,
      .steps = steps,
      .from = s->carry.forward.kind == CARRY_NONE
          ? NULL
          : AT (image, s->carry.forward.from[from]) + e * s->state,
      .d_to = s->carry.has_to ? AT (image, s->carry.d_to[b]) + e * s->state
                              : NULL,
      .d_input = r.d_input,
      .d_dt = r.d_dt,
      .d_b = s->m.d_b + first * s->state,
      .d_c = s->m.d_c + first * s->state,
      .d_a_log = s->m.d_a_log + e * s->state,
      .sum = r.sum,
      .d_from = s->m.d_from + (from * s->width + e) * s->state,
  };

  for (size_t t = 0; t < s->rows; t++) {
    double delta = AT (image, s->delta)[(first + t) * s->delta_stride + e];

    r.g[t] = fabs (AT (image, s->d_y)[(first + t) * s->width + e]) *
        silu_size (AT (image, s->z)[(first + t) * s->z_stride + e]);
    for (size_t n = 0; n < s->state; n++)
      steps[t * s->state + n] = step_of (
          delta, AT (image, s->a_log)[e * s->state + n]);
  }
  line_backward (&line);
  channel_rows (s, image, b, e, steps, &r);
}

static void
find_magnitudes (Selective *s, char *image)
{
  size_t rows = s->batch * s->rows, width = s->width;
  g_autofree Step *steps = g_new (Step, s->rows * s->state + 1);

  s->m.d_x = g_new0 (double, rows *width + 1);
  s->m.d_delta = g_new0 (double, rows *width + 1);
  s->m.d_z = g_new0 (double, rows *width + 1);
  s->m.d_b = g_new0 (double, rows * s->state + 1);
  s->m.d_c = g_new0 (double, rows * s->state + 1);
  s->m.d_a_log = g_new0 (double, width * s->state);
  s->m.d_skip = g_new0 (double, width);
  s->m.d_from = g_new0 (double, s->batch *width * s->state + 1);
  for (size_t b = 0; b < s->batch; b++)
    for (size_t e = 0; e < width; e++)
      channel_magnitudes (s, image, b, e, steps);
}

static void
free_magnitudes (Selective *s)
{
  g_free (s->m.d_x);
  g_free (s->m.d_delta);
  g_free (s->m.d_z);
  g_free (s->m.d_b);
  g_free (s->m.d_c);
  g_free (s->m.d_a_log);
  g_free (s->m.d_skip);
  g_free (s->m.d_from);
}

static void
magnitude_selective (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Selective *s = data;
  char *image = case_image (c);

  if (s->wanted[0])
    take_magnitude (output, s->d_x, s->m.d_x, NULL, magnitude);
  if (s->wanted[1])
    take_magnitude (output, s->d_delta, s->m.d_delta, NULL, magnitude);
  if (s->wanted[2])
    take_magnitude (output, s->d_b, s->m.d_b, NULL, magnitude);
  if (s->wanted[3])
    take_magnitude (output, s->d_c, s->m.d_c, NULL, magnitude);
  if (s->wanted[4])
    take_magnitude (output, s->d_z, s->m.d_z, NULL, magnitude);
  if (s->wanted[5])
    take_magnitude (output, s->d_a_log, s->m.d_a_log, image, magnitude);
  if (s->wanted[6])
    take_magnitude (output, s->d_skip, s->m.d_skip, image, magnitude);
  take_carry_magnitude (
      &s->carry, output, s->width * s->state, s->m.d_from, image, magnitude);
}

void
check_selective_scan_backward (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    /* Many short sequences of a shared start, which devices may join. */
    bool is_many = i % 56 == 11;
    size_t most_rows = is_many ? 2 : i % 16 == 2 ? 150 : 12;
    size_t width = is_many ? 1100 : check_size (check, 1, i % 8 ? 60 : 300);
    size_t state = i % 3 ? 16 : check_size (check, 1, 20);
    Selective s = {
        .batch = is_many ? CARRY_MOST
                         : check_size (check, 0, i % 16 == 1 ? 40 : 4),
        .rows = check_size (check, 0, most_rows),
        .width = width,
        .state = state,
        .x_stride = width + check_size (check, 0, 40),
        .delta_stride = width + check_size (check, 0, 40),
        .bc_stride = 2 * state + check_size (check, 0, 40),
        .z_stride = width + check_size (check, 0, 40),
        .d_x_stride = width + check_size (check, 0, 40),
        .d_delta_stride = width + check_size (check, 0, 40),
        .d_bc_stride = state + check_size (check, 0, 40),
        .d_z_stride = width + check_size (check, 0, 40),
    };
    Case *c;

    for (size_t j = 0; j < G_N_ELEMENTS (s.wanted); j++)
      s.wanted[j] = i % 4 || check_coin (check);
    c = selective_case (check, (i / 2) % FILL_KINDS, i % CARRY_KINDS, &s);
    find_magnitudes (&s, case_image (c));
    case_run (c, run, &s, magnitude_selective);
    free_magnitudes (&s);
    case_free (c);
  }
}

void
bench_selective_scan_backward (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (selective_backward_shapes); i++) {
    ScanBackwardShape n = selective_backward_shapes[i];
    size_t width = n.heads * n.head_dim;
    double elements = (double) n.batch * n.rows * width;
    Selective s = {.batch = n.batch,
        .rows = n.rows,
        .width = width,
        .state = n.state,
        .x_stride = width,
        .delta_stride = width,
        .bc_stride = 2 * n.state,
        .z_stride = width,
        .d_x_stride = width,
        .d_delta_stride = width,
        .d_bc_stride = n.state,
        .d_z_stride = width,
        .wanted = {true, true, true, true, true, true, true}};
    Case *c = selective_case (
        check, FILL_RANDOM, n.batch > 1 ? CARRY_SHARED : CARRY_NONE, &s);

    case_bench (c, run, &s, 28.0 * elements, 21.0 * elements * n.state);
    case_free (c);
  }
}
