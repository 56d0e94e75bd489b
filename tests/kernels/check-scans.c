/* check-scans.c: the scans of the Mamba blocks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"
#include "shapes.h"

#include <math.h>

#define ROUNDS 120      /* random shapes of each */
#define CHUNK_ROUNDS 30 /* of Mamba-2 with products of bfloat16 */

/* How much larger the errors of Mamba-2 are with such products. A number is off by
 * up to 2^-8 of itself when it is rounded. In y there are four: x and B are
 * rounded on their way into the state, which is rounded where C reads it, as C is;
 * but they are of either sign. So two are allowed at their worst, 2^-7: four
 * float32 epsilons (see case_run) are 2^-21. */
#define ROUNDED 16384.0

/* ------------------------------------------------------------------------- */
/* Errors of a state                                                         */
/* ------------------------------------------------------------------------- */

/* An entry of a state, state = exp (-rate dt) state + dt x b. */
typedef struct {
  double size;  /* of the sum of the absolute values of all that went in */
  double error; /* more than that is in doubt, through dt and the decay */
} Entry;

/* A step's dt and decay, from the number before the softplus. */
typedef struct {
  double dt, decay;
  double dt_error;    /* relative */
  double decay_error; /* relative; in units of the rounding error */
} Decay;

/* An exponential has the relative error that its argument has absolutely. */
static Decay
decay_of (double raw, double a_log)
{
  double dt = raw > 20.0 ? raw : log1p (exp (raw));
  double exponent = exp (a_log) * dt;
  double dt_error = 1.0 + (raw < 0.0 ? -raw : 1.0);

  return (Decay){dt, exp (-exponent), dt_error, exponent * (dt_error + 2.0)};
}

/* One step, `input` being |x b|. A state below the smallest normal number may be
 * flushed to zero. */
static void
step (Entry *entry, const Decay *k, double input)
{
  input *= k->dt + UNDERFLOW_MAGNITUDE;
  entry->error = k->decay * (entry->error + k->decay_error * entry->size) +
      UNDERFLOW_MAGNITUDE * (1.0 + entry->size) + k->dt_error * input;
  entry->size = k->decay * entry->size + input;
}

/* The entries of the state [size] that sequence b begins with. */
static void
start (const Case *c, const CarryBuffers *carry, size_t b, size_t size,
    Entry *entries)
{
  CarryPointers pointers;
  const MblmCarry *from = carry_at (case_image (c), carry, &pointers);

  for (size_t i = 0; i < size; i++) {
    entries[i] = (Entry){0.0, 0.0};
    if (from->from)
      entries[i].size = fabs (from->from[from->shared ? 0 : b][i]);
  }
}

/* What the errors of the state are proportional to that sequence b leaves, where
 * this output is that one. */
static void
finish (const CarryBuffers *carry, size_t b, size_t size, const Entry *entries,
    const Output *output, double *magnitude)
{
  if (output->offset != carry->to[b])
    return;
  for (size_t i = 0; i < size; i++)
    magnitude[i] = entries[i].size + entries[i].error;
}

/* ------------------------------------------------------------------------- */
/* Mamba-2                                                                   */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t batch, rows, heads, head_dim, state, gap, delta_stride;
  MblmType product;
  bool is_aligned; /* as allocations are */
  CarryBuffers carry;
  size_t xbc, delta, delta_bias, a_log, skip, y; /* offsets */
} Ssd;

/* A row is x, b and c, and space after each. */
static size_t
ssd_stride (const Ssd *s)
{
  return s->heads * s->head_dim + 2 * s->state + s->gap;
}

static void
run_ssd (const Target *t, char *memory, const void *data)
{
  const Ssd *s = data;
  CarryPointers pointers;
  const float *x = AT (memory, s->xbc);
  const float *b = x + s->heads * s->head_dim, *c = b + s->state;

  t->table->ssd_scan (t->queue,
      &(MblmSsdScan){
          .batch = s->batch,
          .rows = s->rows,
          .heads = s->heads,
          .head_dim = s->head_dim,
          .state = s->state,
          .x = x,
          .b = b,
          .c = c,
          .xbc_stride = ssd_stride (s),
          .delta = AT (memory, s->delta),
          .delta_stride = s->delta_stride,
          .delta_bias = AT (memory, s->delta_bias),
          .a_log = AT (memory, s->a_log),
          .skip = AT (memory, s->skip),
          .carry = *carry_at (memory, &s->carry, &pointers),
          .y = AT (memory, s->y),
          .product = s->product,
      });
}

/* An entry of the state is a sum over the rows before, one of y over the states
 * of these. */
static Case *
ssd_case (Check *check, Fill fill, CarryKind kind, Ssd *s)
{
  size_t rows = s->batch * s->rows, width = s->heads * s->head_dim;
  size_t stride = ssd_stride (s);
  float most = s->product == MBLM_TYPE_BF16 ? 1e3f : 1e6f;
  Case *c = case_new (check, fill,
      "batch %zu, rows %zu, heads %zu of %zu, state %zu, carry %d%s", s->batch,
      s->rows, s->heads, s->head_dim, s->state, kind,
      s->product == MBLM_TYPE_BF16 ? ", bf16" : "");

  if (s->is_aligned)
    case_align (c);
  s->xbc = case_input (c, rows, stride - s->gap, stride, -most, most);
  s->delta = case_input (c, rows, s->heads, s->delta_stride, -100.f, 100.f);
  s->delta_bias = case_input (c, 1, s->heads, s->heads, -10.f, 10.f);
  s->a_log = case_input (c, 1, s->heads, s->heads, -10.f, 10.f);
  s->skip = case_input (c, 1, s->heads, s->heads, -1e6f, 1e6f);
  case_carry (
      c, &s->carry, kind, s->batch, width * s->state, -1e6f, 1e6f, s->rows + 1);
  s->y = case_output (c, "y", rows, width, width, s->rows + s->state);
  return c;
}

/* Head h of one row, with its part of the state and of y. */
static void
step_head (
    const Ssd *s, char *image, size_t row, size_t h, Entry *entries, double *y)
{
  const float *x = AT (image, s->xbc) + row * ssd_stride (s);
  const float *b = x + s->heads * s->head_dim, *c = b + s->state;
  double raw = (double) AT (image, s->delta)[row * s->delta_stride + h] +
      AT (image, s->delta_bias)[h];
  Decay k = decay_of (raw, AT (image, s->a_log)[h]);

  for (size_t p = 0; p < s->head_dim; p++) {
    double input = fabs (x[h * s->head_dim + p]);

    y[p] = fabs (AT (image, s->skip)[h]) * input;
    for (size_t n = 0; n < s->state; n++) {
      Entry *entry = &entries[p * s->state + n];

      step (entry, &k, input * fabs (b[n]));
      y[p] += (entry->size + entry->error) * fabs (c[n]);
    }
  }
}

static void
magnitude_ssd (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Ssd *s = data;
  size_t width = s->heads * s->head_dim, size = width * s->state;
  g_autofree Entry *entries = g_new (Entry, size);
  g_autofree double *y = g_new (double, width);

  for (size_t b = 0; b < s->batch; b++) {
    start (c, &s->carry, b, size, entries);
    for (size_t t = 0; t < s->rows; t++) {
      size_t row = b * s->rows + t;

      for (size_t h = 0; h < s->heads; h++)
        step_head (s, case_image (c), row, h,
            entries + h * s->head_dim * s->state, y + h * s->head_dim);
      for (size_t j = 0; j < width && output->offset == s->y; j++)
        magnitude[row * width + j] = y[j];
    }
    finish (&s->carry, b, size, entries, output, magnitude);
  }
  for (size_t i = 0; i < output->rows * output->width; i++)
    if (s->product == MBLM_TYPE_BF16)
      magnitude[i] *= ROUNDED;
}

/* Shapes that chunks are cut from, or short sequences that start alike and fill them
 * together; and some that tensor cores don't take. */
static void
check_chunks (Check *check, int i)
{
  size_t heads = check_size (check, 1, i % 8 ? 3 : 10);
  bool is_short = i % 2;
  Ssd s = {
      .batch = is_short ? check_size (check, 40, CARRY_MOST) : i % 2 + 1,
      .rows = check_size (check, is_short ? 5 : 16, is_short ? 10 : 150),
      .heads = heads,
      .head_dim = i % 5 ? check_size (check, 1, 64) : 64,
      .state = i % 5 > 1 ? check_size (check, 1, 64) : 128,
      .gap = check_size (check, 0, 10),
      .delta_stride = heads + check_size (check, 0, 10),
      .product = MBLM_TYPE_BF16,
      .is_aligned = i % 5 == 0,
  };
  Case *c;

  if (i == 0) {
    /* more chunks than a device keeps states of at once */
    s.rows = 3265 + check_size (check, 0, 100);
    s.heads = s.delta_stride = 40;
    s.head_dim = s.state = s.batch = 1;
  }
  if (i % 10 == 7)
    s.head_dim = 65;
  if (i % 10 == 8)
    s.state = 129;
  if (s.is_aligned)
    s.gap += -s.gap % 4;
  c = ssd_case (check, i / 2 % 3 ? FILL_RANDOM : i / 6 % FILL_KINDS,
      !is_short       ? i / 2 % CARRY_KINDS
          : i % 4 > 1 ? CARRY_SHARED
                      : CARRY_NONE,
      &s);
  case_run (c, run_ssd, &s, magnitude_ssd);
  case_free (c);
}

void
check_ssd_scan (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    size_t heads = check_size (check, 1, i % 8 ? 5 : 20);
    Ssd s = {
        .batch = check_size (check, 0, i % 16 == 1 ? 20 : 4),
        .rows = check_size (check, 0, i % 16 == 2 ? 150 : 12),
        .heads = heads,
        .head_dim = i % 3 ? check_size (check, 1, 40) : 64,
        .state = i % 3 == 1 ? 64 : check_size (check, 1, 130),
        .gap = check_size (check, 0, 40),
        .delta_stride = heads + check_size (check, 0, 40),
    };
    Case *c = ssd_case (check, (i / 2) % FILL_KINDS, i % CARRY_KINDS, &s);

    case_run (c, run_ssd, &s, magnitude_ssd);
    case_free (c);
  }
  for (int i = 0; i < CHUNK_ROUNDS; i++)
    check_chunks (check, i);
}

void
bench_ssd_scan (Check *check)
{
  for (size_t i = 0; i < 2 * G_N_ELEMENTS (scan_shapes); i++) {
    ScanShape n = scan_shapes[i / 2];
    Ssd s = {.batch = 1,
        .rows = n.rows,
        .heads = n.heads,
        .head_dim = n.head_dim,
        .state = n.state,
        .delta_stride = n.heads,
        .product = i % 2 ? MBLM_TYPE_BF16 : MBLM_TYPE_F32,
        .is_aligned = true};
    Case *c = ssd_case (check, FILL_RANDOM, CARRY_IN_PLACE, &s);
    double size = (double) n.heads * n.head_dim * n.state;

    case_bench (c, run_ssd, &s,
        8.0 * size + 8.0 * n.rows * (n.heads * n.head_dim + n.state),
        5.0 * size * n.rows);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Mamba-1                                                                   */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t batch, rows, width, state;
  size_t x_stride, delta_stride, bc_stride, z_stride;
  CarryBuffers carry;
  size_t x, delta, bc, z, a_log, skip, y; /* offsets */
} Selective;

static void
run_selective (const Target *t, char *memory, const void *data)
{
  const Selective *s = data;
  CarryPointers pointers;

  t->table->selective_scan (t->queue,
      &(MblmSelectiveScan){
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
          .carry = *carry_at (memory, &s->carry, &pointers),
          .y = AT (memory, s->y),
      });
}

static Case *
selective_case (Check *check, Fill fill, CarryKind kind, Selective *s)
{
  size_t rows = s->batch * s->rows;
  Case *c = case_new (check, fill,
      "batch %zu, rows %zu, width %zu, state %zu, carry %d", s->batch, s->rows,
      s->width, s->state, kind);

  s->x = case_input (c, rows, s->width, s->x_stride, -1e6f, 1e6f);
  s->delta = case_input (c, rows, s->width, s->delta_stride, -100.f, 100.f);
  s->bc = case_input (c, rows, 2 * s->state, s->bc_stride, -1e6f, 1e6f);
  s->z = case_input (c, rows, s->width, s->z_stride, -200.f, 1e3f);
  s->a_log = case_input (c, s->width, s->state, s->state, -10.f, 10.f);
  s->skip = case_input (c, 1, s->width, s->width, -1e6f, 1e6f);
  case_carry (c, &s->carry, kind, s->batch, s->width * s->state, -1e6f, 1e6f,
      s->rows + 1);
  s->y = case_output (c, "y", rows, s->width, s->width, s->rows + s->state);
  return c;
}

/* Channel e of one row, with its part of the state; returns what the errors of
 * its y are proportional to. */
static double
step_channel (
    const Selective *s, char *image, size_t row, size_t e, Entry *entries)
{
  const float *b = AT (image, s->bc) + row * s->bc_stride, *c = b + s->state;
  double x = fabs (AT (image, s->x)[row * s->x_stride + e]);
  double z = AT (image, s->z)[row * s->z_stride + e];
  double sum = fabs (AT (image, s->skip)[e]) * x;

  for (size_t n = 0; n < s->state; n++) {
    Decay k = decay_of (AT (image, s->delta)[row * s->delta_stride + e],
        AT (image, s->a_log)[e * s->state + n]);

    step (&entries[n], &k, x * fabs (b[n]));
    sum += (entries[n].size + entries[n].error) * fabs (c[n]);
  }
  return sum * fabs (z) * (1.0 / (1.0 + exp (-z)) + UNDERFLOW_MAGNITUDE);
}

static void
magnitude_selective (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Selective *s = data;
  size_t size = s->width * s->state;
  g_autofree Entry *entries = g_new (Entry, size);

  for (size_t b = 0; b < s->batch; b++) {
    start (c, &s->carry, b, size, entries);
    for (size_t t = 0; t < s->rows; t++)
      for (size_t e = 0; e < s->width; e++) {
        size_t row = b * s->rows + t;
        double y = step_channel (
            s, case_image (c), row, e, entries + e * s->state);

        if (output->offset == s->y)
          magnitude[row * s->width + e] = y;
      }
    finish (&s->carry, b, size, entries, output, magnitude);
  }
}

void
check_selective_scan (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    size_t width = check_size (check, 1, i % 8 ? 100 : 1000);
    size_t state = i % 3 ? 16 : check_size (check, 1, 40);
    Selective s = {
        .batch = check_size (check, 0, i % 16 == 1 ? CARRY_MOST : 4),
        .rows = check_size (check, 0, i % 16 == 2 ? 150 : 12),
        .width = width,
        .state = state,
        .x_stride = width + check_size (check, 0, 40),
        .delta_stride = width + check_size (check, 0, 40),
        .bc_stride = 2 * state + check_size (check, 0, 40),
        .z_stride = width + check_size (check, 0, 40),
    };
    Case *c = selective_case (check, (i / 2) % FILL_KINDS, i % CARRY_KINDS, &s);

    case_run (c, run_selective, &s, magnitude_selective);
    case_free (c);
  }
}

void
bench_selective_scan (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (selective_shapes); i++) {
    ScanShape n = selective_shapes[i];
    size_t width = n.heads;
    Selective s = {.batch = 1,
        .rows = n.rows,
        .width = width,
        .state = n.state,
        .x_stride = width,
        .delta_stride = width,
        .bc_stride = 2 * n.state,
        .z_stride = width};
    Case *c = selective_case (check, FILL_RANDOM, CARRY_IN_PLACE, &s);
    double size = (double) width * n.state;

    case_bench (c, run_selective, &s, 8.0 * size + 16.0 * n.rows * width,
        6.0 * size * n.rows);
    case_free (c);
  }
}
