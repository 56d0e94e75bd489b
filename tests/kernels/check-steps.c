/* check-steps.c: what a step of an optimiser is made of.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define ROUNDS 40            /* random shapes of each operation */
#define BENCH_COUNT 12000000 /* weights of the reference model */

/* ------------------------------------------------------------------------- */
/* Sums of squares                                                           */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t count;
  size_t x, sum; /* offsets */
} Squares;

static void
run_squares (const Target *t, char *memory, const void *data)
{
  const Squares *s = data;

  t->table->sum_squares (t->queue,
      &(MblmSumSquares){
          s->count, AT (memory, s->x), (double *) (memory + s->sum)});
}

static Case *
squares_case (Check *check, Fill fill, Squares *s)
{
  Case *c = case_new (check, fill, "count %zu", s->count);
  double before = 3.25;

  s->x = case_input (c, 1, s->count, s->count, -1e30f, 1e30f);
  s->sum = case_input (c, 1, 4, 4, 0.f, 0.f);
  s->sum += sizeof (double) - s->sum % sizeof (double);
  memcpy (case_image (c) + s->sum, &before, sizeof (before));
  return c;
}

/* The sum is a double, which a case has no output for. */
static void
squares_run (Check *check, const Case *c, const Squares *s)
{
  g_autofree char *expected = case_result (c, check->ref, run_squares, s);
  g_autofree char *image = g_memdup2 (case_image (c), case_size (c));
  double sum = *(double *) (expected + s->sum), first = 0.0;

  for (guint i = 0; i < check->targets->len; i++) {
    const Target *target = g_ptr_array_index (check->targets, i);
    g_autofree char *result = case_result (c, target, run_squares, s);
    double found = *(double *) (result + s->sum);
    double error = fabs (found - sum) / (sum * DBL_EPSILON);

    memcpy (image + s->sum, &found, sizeof (found));
    if (memcmp (image, result, case_size (c)) != 0)
      check_failed (check, target, case_title (c), "changes more than the sum");
    /* Equal numbers in another order: all roundings may go one way. */
    if (!(error <= 4.0 + (double) s->count / 4.0))
      check_failed (check, target, case_title (c),
          "the sum is %.17g, not %.17g", found, sum);
    if (target->threads == 1)
      first = found;
    else if (found != first)
      check_failed (
          check, target, case_title (c), "differs from one thread's result");
  }
}

void
check_sum_squares (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    Squares s = {.count = check_size (check, 0, i % 8 ? 300 : 40000)};
    Case *c = squares_case (check, i % FILL_KINDS, &s);

    squares_run (check, c, &s);
    case_free (c);
  }
}

void
bench_sum_squares (Check *check)
{
  Squares s = {.count = BENCH_COUNT};
  Case *c = squares_case (check, FILL_ZERO, &s);

  case_bench (c, run_squares, &s, 4.0 * s.count, 0.0);
  case_free (c);
}

/* ------------------------------------------------------------------------- */
/* Scaled additions                                                          */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t count;
  float scale;
  size_t x, y; /* offsets */
} Scaled;

static void
run_scaled (const Target *t, char *memory, const void *data)
{
  const Scaled *s = data;

  t->table->add_scaled (t->queue,
      &(MblmAddScaled){
          s->count, AT (memory, s->x), AT (memory, s->y), s->scale});
}

static Case *
scaled_case (Check *check, Fill fill, Scaled *s)
{
  Case *c = case_new (check, fill, "count %zu, scale %g", s->count, s->scale);

  s->x = case_input (c, 1, s->count, s->count, -1e30f, 1e30f);
  s->y = case_input (c, 1, s->count, s->count, -1e30f, 1e30f);
  case_in_place (c, "x", s->x, 1, s->count, s->count, 1);
  return c;
}

static void
magnitude_scaled (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Scaled *s = data;

  for (size_t i = 0; i < s->count; i++)
    magnitude[i] = fabs (AT (case_image (c), s->x)[i]) +
        fabs ((double) s->scale * AT (case_image (c), s->y)[i]);
}

void
check_add_scaled (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    Scaled s = {
        .count = check_size (check, 0, i % 8 ? 300 : 40000),
        .scale = (float) g_rand_double_range (check->rand, -3.0, 3.0),
    };
    Case *c = scaled_case (check, i % FILL_KINDS, &s);

    case_run (c, run_scaled, &s, magnitude_scaled);
    case_free (c);
  }
}

void
bench_add_scaled (Check *check)
{
  Scaled s = {.count = BENCH_COUNT, .scale = 0.5f};
  Case *c = scaled_case (check, FILL_ZERO, &s);

  case_bench (c, run_scaled, &s, 12.0 * s.count, 0.0);
  case_free (c);
}

/* ------------------------------------------------------------------------- */
/* Conversions                                                               */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t count;
  MblmType x_type, out_type;
  size_t x, out; /* offsets */
} Conversion;

static void
run_convert (const Target *t, char *memory, const void *data)
{
  const Conversion *s = data;

  t->table->convert (t->queue,
      &(MblmConvert){s->count, ENTRY_AT (memory, s->x, s->x_type, 0), s->x_type,
          ENTRY_AT (memory, s->out, s->out_type, 0), s->out_type});
}

/* It has one right result, also for what is no number. */
static Case *
convert_case (Check *check, Fill fill, Conversion *s)
{
  Case *c = case_new (check, fill, "count %zu, from %s to %s", s->count,
      s->x_type == MBLM_TYPE_F32 ? "f32" : "bf16",
      s->out_type == MBLM_TYPE_F32 ? "f32" : "bf16");

  s->x = case_typed_input (
      c, s->x_type, 1, s->count, s->count, -FLT_MAX, FLT_MAX);
  s->out = case_typed_output (c, "out", s->out_type, 1, s->count, s->count, 0);
  return c;
}

void
check_convert (Check *check)
{
  for (int i = 0; i < 2 * ROUNDS; i++) {
    Conversion s = {.count = check_size (check, 0, i % 8 ? 300 : 40000),
        .x_type = i % 4 / 2 ? MBLM_TYPE_BF16 : MBLM_TYPE_F32,
        .out_type = i % 2 ? MBLM_TYPE_BF16 : MBLM_TYPE_F32};
    Case *c = convert_case (check, i / 4 % FILL_KINDS, &s);

    case_run (c, run_convert, &s, NULL);
    case_free (c);
  }
}

void
bench_convert (Check *check)
{
  Conversion s = {.count = BENCH_COUNT, .out_type = MBLM_TYPE_BF16};
  Case *c = convert_case (check, FILL_ZERO, &s);

  case_bench (c, run_convert, &s, 6.0 * s.count, 0.0);
  case_free (c);
}

/* ------------------------------------------------------------------------- */
/* Adam                                                                      */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t count;
  int step; /* from 1 */
  float scale;
  double rate;
  size_t weight, m, v, gradient; /* offsets */
} Adam;

static void
run_adam (const Target *t, char *memory, const void *data)
{
  const Adam *s = data;

  t->table->adam (t->queue,
      &(MblmAdam){
          .count = s->count,
          .weight = AT (memory, s->weight),
          .m = AT (memory, s->m),
          .v = AT (memory, s->v),
          .gradient = AT (memory, s->gradient),
          .scale = s->scale,
          .rate = s->rate,
          .beta1 = 0.9,
          .beta2 = 0.95,
          .correction1 = 1.0 - pow (0.9, s->step),
          .correction2 = 1.0 - pow (0.95, s->step),
          .epsilon = 1e-8,
      });
}

static Case *
adam_case (Check *check, Fill fill, Adam *s)
{
  Case *c = case_new (check, fill, "count %zu, step %d, scale %g, rate %g",
      s->count, s->step, s->scale, s->rate);

  s->weight = case_input (c, 1, s->count, s->count, -1e3f, 1e3f);
  s->m = case_input (c, 1, s->count, s->count, -1e3f, 1e3f);
  s->v = case_input (c, 1, s->count, s->count, 0.f, 1e6f);
  s->gradient = case_input (c, 1, s->count, s->count, -1e12f, 1e12f);
  case_in_place (c, "weight", s->weight, 1, s->count, s->count, 1);
  case_in_place (c, "m", s->m, 1, s->count, s->count, 1);
  case_in_place (c, "v", s->v, 1, s->count, s->count, 1);
  return c;
}

/* What is added up in m may cancel, and its error then is a step's. */
static void
magnitude_adam (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Adam *s = data;

  for (size_t i = 0; i < s->count; i++) {
    double g = (double) s->scale * AT (case_image (c), s->gradient)[i];
    double m = 0.9 * fabs (AT (case_image (c), s->m)[i]) + 0.1 * fabs (g);
    double v = 0.95 * AT (case_image (c), s->v)[i] + 0.05 * g * g;
    double root = sqrt (v / (1.0 - pow (0.95, s->step))) + 1e-8;

    if (output->offset == s->m)
      magnitude[i] = m;
    else if (output->offset == s->v)
      magnitude[i] = v;
    else
      magnitude[i] = fabs (AT (case_image (c), s->weight)[i]) +
          s->rate / (1.0 - pow (0.9, s->step)) * m / root;
  }
}

void
check_adam (Check *check)
{
  for (int i = 0; i < 2 * ROUNDS; i++) {
    Adam s = {
        .count = check_size (check, 0, i % 8 ? 300 : 40000),
        .step = 1 + (int) check_size (check, 0, i % 2 ? 10 : 5000),
        .scale = i % 3 ? 1.0f / (float) (1 + i) : 1.0f,
        .rate = i % 5 ? 1e-3 : 10.0, /* the step alone */
    };
    Case *c = adam_case (check, i % FILL_KINDS, &s);

    case_run (c, run_adam, &s, magnitude_adam);
    case_free (c);
  }
}

void
bench_adam (Check *check)
{
  Adam s = {.count = BENCH_COUNT, .step = 10, .scale = 1.0f, .rate = 1e-3};
  Case *c = adam_case (check, FILL_HIGHEST, &s);

  case_bench (c, run_adam, &s, 28.0 * s.count, 0.0);
  case_free (c);
}
