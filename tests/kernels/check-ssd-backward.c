/* check-ssd-backward.c: the gradient of Mamba-2's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "backward.h"
#include "shapes.h"

#include <math.h>

#define ROUNDS 100      /* random shapes */
#define CHUNK_ROUNDS 40 /* with products of bfloat16 */

/* How much larger errors are with such products: see check-scans.c. Most products
 * have four numbers that are rounded, as there; those of states and their
 * gradients, in d_delta and d_a_log, have six. */
#define ROUNDED 16384.0

/* All magnitudes of a call. */
typedef struct {
  double *d_x, *d_b, *d_c, *d_delta;       /* [batch * rows, ..] */
  double *d_delta_bias, *d_a_log, *d_skip; /* [heads] */
  double *d_from;                          /* [batch, width, state] */
} SsdMagnitudes;

typedef struct {
  size_t batch, rows, heads, head_dim, state;
  size_t gap, delta_stride, d_gap, d_delta_stride;
  MblmType product;
  bool is_aligned; /* as allocations are */
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
  carry_gradients_at (memory, &s->carry, &carry);
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
                  .product = s->product,
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

static Case *
ssd_case (Check *check, Fill fill, CarryKind kind, Ssd *s)
{
  size_t rows = s->batch * s->rows, width = ssd_width (s);
  size_t d_stride = width + 2 * s->state + s->d_gap;
  size_t terms = s->rows + s->state + s->head_dim;
  Case *c = case_new (check, fill,
      "batch %zu, rows %zu, heads %zu of %zu, state %zu, carry %d%s", s->batch,
      s->rows, s->heads, s->head_dim, s->state, kind,
      s->product == MBLM_TYPE_BF16 ? ", bf16" : "");

  if (s->is_aligned)
    case_align (c);
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
    s->d_delta_bias = case_added_to (c, "d_delta_bias", 1, s->heads, 2 * terms);
    s->d_a_log = case_added_to (c, "d_a_log", 1, s->heads, 2 * terms);
  }
  if (s->wanted[5])
    s->d_skip = case_added_to (c, "d_skip", 1, s->heads, terms);
  case_carry_gradients (
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
  size_t from = carry_is_shared (&s->carry) ? 0 : b;
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

static void
magnitude_ssd (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Ssd *s = data;
  char *image = case_image (c);

  if (s->wanted[0])
    take_magnitude (output, s->d_x, s->m.d_x, NULL, magnitude);
  if (s->wanted[1])
    take_magnitude (output, s->d_b, s->m.d_b, NULL, magnitude);
  if (s->wanted[2])
    take_magnitude (output, s->d_c, s->m.d_c, NULL, magnitude);
  if (s->wanted[3])
    take_magnitude (output, s->d_delta, s->m.d_delta, NULL, magnitude);
  if (s->wanted[4]) {
    take_magnitude (
        output, s->d_delta_bias, s->m.d_delta_bias, image, magnitude);
    take_magnitude (output, s->d_a_log, s->m.d_a_log, image, magnitude);
  }
  if (s->wanted[5])
    take_magnitude (output, s->d_skip, s->m.d_skip, image, magnitude);
  take_carry_magnitude (&s->carry, output, ssd_width (s) * s->state,
      s->m.d_from, image, magnitude);
  for (size_t i = 0; i < output->rows * output->width; i++)
    if (s->product == MBLM_TYPE_BF16)
      magnitude[i] *= ROUNDED;
}

static void
check_shape (Check *check, Fill fill, CarryKind kind, Ssd *s)
{
  Case *c = ssd_case (check, fill, kind, s);

  ssd_magnitudes (s, case_image (c));
  case_run (c, run_ssd, s, magnitude_ssd);
  ssd_magnitudes_clear (&s->m);
  case_free (c);
}

/* Shapes that chunks are cut from, or short sequences that start alike and fill them
 * together; and some that tensor cores don't take. */
static void
check_chunks (Check *check, int i)
{
  size_t heads = check_size (check, 1, i % 4 ? 3 : 10);
  bool is_short = i % 2;
  Ssd s = {
      .batch = is_short ? check_size (check, 1, 40) : i / 2 % 3 + 1,
      .rows = check_size (check, 1, is_short ? 20 : 150),
      .heads = heads,
      .head_dim = i % 5 ? check_size (check, 1, 64) : 64,
      .state = i % 5 > 1 ? check_size (check, 1, 64) : 128,
      .gap = check_size (check, 0, 10),
      .delta_stride = heads + check_size (check, 0, 10),
      .d_gap = check_size (check, 0, 10),
      .d_delta_stride = heads + check_size (check, 0, 10),
      .product = MBLM_TYPE_BF16,
      .is_aligned = i % 5 == 0,
  };

  if (i == 0) {
    /* more chunks than a device keeps states of at once */
    s.rows = 3265 + check_size (check, 0, 100);
    s.heads = s.delta_stride = s.d_delta_stride = 40;
    s.head_dim = s.state = s.batch = 1;
  }
  if (i % 10 == 7)
    s.head_dim = 65;
  if (i % 10 == 8)
    s.state = 129;
  if (s.is_aligned) {
    s.gap += -s.gap % 4;
    s.d_gap += -s.d_gap % 4;
  }
  for (size_t j = 0; j < G_N_ELEMENTS (s.wanted); j++)
    s.wanted[j] = i % 4 || check_coin (check);
  check_shape (check, i / 2 % 3 ? FILL_RANDOM : i / 6 % FILL_KINDS,
      !is_short       ? i / 2 % CARRY_KINDS
          : i % 4 > 1 ? CARRY_SHARED
                      : CARRY_NONE,
      &s);
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

    if (i == 0) {
      /* more chunks than a device keeps states of */
      s.rows = 8192 + check_size (check, 1, 1000);
      s.batch = s.heads = s.head_dim = 2;
      s.delta_stride += s.heads;
      s.d_delta_stride += s.heads;
      s.state = 5;
    }
    for (size_t j = 0; j < G_N_ELEMENTS (s.wanted); j++)
      s.wanted[j] = i % 4 || check_coin (check);
    check_shape (check, (i / 2) % FILL_KINDS, i % CARRY_KINDS, &s);
  }
  for (int i = 0; i < CHUNK_ROUNDS; i++)
    check_chunks (check, i);
}

void
bench_ssd_scan_backward (Check *check)
{
  for (size_t i = 0; i < 2 * G_N_ELEMENTS (scan_backward_shapes); i++) {
    ScanBackwardShape n = scan_backward_shapes[i / 2];
    Ssd s = {.batch = n.batch,
        .rows = n.rows,
        .heads = n.heads,
        .head_dim = n.head_dim,
        .state = n.state,
        .delta_stride = n.heads,
        .d_delta_stride = n.heads,
        .product = i % 2 ? MBLM_TYPE_BF16 : MBLM_TYPE_F32,
        .is_aligned = true,
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
