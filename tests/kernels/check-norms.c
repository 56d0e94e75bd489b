/* check-norms.c: the four norms.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"
#include "shapes.h"

#include <math.h>

#define ROUNDS 40          /* random shapes of each norm */
#define LARGE 1073741824.f /* 2^30 */

/* LayerNorm and the RMS norm of the Mamba blocks. */
typedef struct {
  size_t rows, width;
  float epsilon;
  bool in_place;
  size_t x, gain, bias, out; /* offsets */
} Norm;

static void
run_layer_norm (const Target *t, char *memory, const void *data)
{
  const Norm *s = data;

  t->table->layer_norm (t->queue,
      &(MblmLayerNorm){
          .rows = s->rows,
          .width = s->width,
          .x = AT (memory, s->x),
          .gain = AT (memory, s->gain),
          .bias = AT (memory, s->bias),
          .epsilon = s->epsilon,
          .out = AT (memory, s->out),
      });
}

static void
run_rms_norm (const Target *t, char *memory, const void *data)
{
  const Norm *s = data;

  t->table->rms_norm (t->queue,
      &(MblmRmsNorm){
          .rows = s->rows,
          .width = s->width,
          .x = AT (memory, s->x),
          .gain = AT (memory, s->gain),
          .epsilon = s->epsilon,
          .out = AT (memory, s->out),
      });
}

static Case *
norm_case (Check *check, Fill fill, Norm *s)
{
  Case *c = case_new (check, fill, "rows %zu, width %zu%s", s->rows, s->width,
      s->in_place ? ", in place" : "");

  s->x = case_input (c, s->rows, s->width, s->width, -LARGE, LARGE);
  s->gain = case_input (c, 1, s->width, s->width, -LARGE, LARGE);
  s->bias = case_input (c, 1, s->width, s->width, -LARGE, LARGE);
  s->out = s->x;
  if (s->in_place)
    case_in_place (c, "out", s->x, s->rows, s->width, s->width, s->width);
  else
    s->out = case_output (c, "out", s->rows, s->width, s->width, s->width);
  return c;
}

/* An entry is (x - mean) / deviation * gain + bias: what is subtracted counts as
 * if it were added, and so does the error of the mean. */
static void
magnitude_layer_norm (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Norm *s = data;
  const float *gain = AT (case_image (c), s->gain);
  const float *bias = AT (case_image (c), s->bias);

  for (size_t i = 0; i < s->rows; i++) {
    const float *x = AT (case_image (c), s->x) + i * s->width;
    double mean = 0.0, size = 0.0, variance = 0.0, scale;

    for (size_t j = 0; j < s->width; j++) {
      mean += x[j] / (double) s->width;
      size += fabs (x[j]) / s->width;
    }
    for (size_t j = 0; j < s->width; j++)
      variance += (x[j] - mean) * (x[j] - mean) / s->width;
    scale = 1.0 / sqrt (variance + s->epsilon);
    for (size_t j = 0; j < s->width; j++)
      magnitude[i * s->width + j] = (fabs (x[j]) + size) * scale *
              fabs (gain[j]) +
          fabs (bias[j]);
  }
}

static void
check_norm (Check *check, CaseRun run, CaseMagnitude magnitude)
{
  for (int i = 0; i < ROUNDS; i++) {
    Norm s = {
        .rows = check_size (check, 0, i % 8 ? 20 : 1500),
        .width = check_width (check, 1, i % 8 == 1 ? 12000 : 400),
        .epsilon = 1e-5f,
        .in_place = check_coin (check),
    };
    Case *c = norm_case (check, i % FILL_KINDS, &s);

    case_run (c, run, &s, magnitude);
    case_free (c);
  }
}

static void
bench_norm (Check *check, CaseRun run)
{
  for (size_t i = 0; i < G_N_ELEMENTS (norm_shapes); i++) {
    RowsShape r = norm_shapes[i];
    Norm s = {.rows = r.rows, .width = r.width, .epsilon = 1e-5f};
    Case *c = norm_case (check, FILL_RANDOM, &s);

    case_bench (c, run, &s, 8.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}

void
check_layer_norm (Check *check)
{
  check_norm (check, run_layer_norm, magnitude_layer_norm);
}

void
check_rms_norm (Check *check)
{
  check_norm (check, run_rms_norm, NULL);
}

void
bench_layer_norm (Check *check)
{
  bench_norm (check, run_layer_norm);
}

void
bench_rms_norm (Check *check)
{
  bench_norm (check, run_rms_norm);
}

/* ------------------------------------------------------------------------- */
/* Token shift and MEGABYTE's norm                                           */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t batch, rows, width;
  bool shift;
  MblmType out_type;
  CarryBuffers carry;
  size_t x, gain, out; /* offsets */
} ShiftNorm;

static void
run_shift_norm (const Target *t, char *memory, const void *data)
{
  const ShiftNorm *s = data;
  CarryPointers pointers;

  t->table->shift_norm (t->queue,
      &(MblmShiftNorm){
          .batch = s->batch,
          .rows = s->rows,
          .width = s->width,
          .x = AT (memory, s->x),
          .shift = s->shift,
          .carry = *carry_at (memory, &s->carry, &pointers),
          .gain = AT (memory, s->gain),
          .epsilon = 1e-8f,
          .out = AT (memory, s->out),
          .out_type = s->out_type,
      });
}

static Case *
shift_norm_case (Check *check, Fill fill, CarryKind kind, ShiftNorm *s)
{
  size_t rows = s->batch * s->rows;
  Case *c = case_new (check, fill,
      "batch %zu, rows %zu, width %zu%s%s, carry %d", s->batch, s->rows,
      s->width, s->shift ? ", shift" : "",
      s->out_type == MBLM_TYPE_BF16 ? ", out bf16" : "", kind);

  s->x = case_input (c, rows, s->width, s->width, -LARGE, LARGE);
  s->gain = case_input (c, 1, s->width, s->width, -LARGE, LARGE);
  s->out = case_typed_output (
      c, "out", s->out_type, rows, s->width, s->width, s->width);
  case_carry (c, &s->carry, kind, s->batch, s->width / 2, -LARGE, LARGE, 0);
  return c;
}

void
check_shift_norm (Check *check)
{
  for (int i = 0; i < 2 * ROUNDS; i++) {
    ShiftNorm s = {
        .batch = check_size (check, 0, i % 8 ? 8 : CARRY_MOST),
        .rows = check_size (check, 0, i % 8 == 1 ? 400 : 20),
        .width = check_width (check, 1, i % 8 == 2 ? 12000 : 400),
        .shift = i % 4 > 0,
        .out_type = check_coin (check) ? MBLM_TYPE_BF16 : MBLM_TYPE_F32,
    };
    CarryKind kind = s.shift ? i % CARRY_KINDS : CARRY_NONE;
    Case *c = shift_norm_case (check, (i / 2) % FILL_KINDS, kind, &s);

    case_run (c, run_shift_norm, &s, NULL);
    case_free (c);
  }
}

void
bench_shift_norm (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (norm_shapes); i++) {
    RowsShape r = norm_shapes[i];
    ShiftNorm s = {.batch = 1, .rows = r.rows, .width = r.width, .shift = true};
    Case *c = shift_norm_case (check, FILL_RANDOM, CARRY_IN_PLACE, &s);

    case_bench (c, run_shift_norm, &s, 8.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Gate and norm                                                             */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t rows, width, y_stride, z_stride;
  bool in_place;
  size_t y, z, gain, out; /* offsets */
} GatedNorm;

static void
run_gated_norm (const Target *t, char *memory, const void *data)
{
  const GatedNorm *s = data;

  t->table->gated_norm (t->queue,
      &(MblmGatedNorm){
          .rows = s->rows,
          .width = s->width,
          .y = AT (memory, s->y),
          .y_stride = s->y_stride,
          .z = AT (memory, s->z),
          .z_stride = s->z_stride,
          .gain = AT (memory, s->gain),
          .epsilon = 1e-5f,
          .out = AT (memory, s->out),
      });
}

static Case *
gated_norm_case (Check *check, Fill fill, GatedNorm *s)
{
  Case *c = case_new (check, fill, "rows %zu, width %zu, strides %zu, %zu%s",
      s->rows, s->width, s->y_stride, s->z_stride,
      s->in_place ? ", in place" : "");

  s->y = case_input (c, s->rows, s->width, s->y_stride, -LARGE, LARGE);
  s->z = case_input (c, s->rows, s->width, s->z_stride, -200.f, 1000.f);
  s->gain = case_input (c, 1, s->width, s->width, -LARGE, LARGE);
  s->out = s->y;
  if (s->in_place)
    case_in_place (c, "out", s->y, s->rows, s->width, s->width, s->width);
  else
    s->out = case_output (c, "out", s->rows, s->width, s->width, s->width);
  return c;
}

static void
magnitude_gated_norm (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const GatedNorm *s = data;
  const float *gain = AT (case_image (c), s->gain);

  for (size_t i = 0; i < s->rows; i++) {
    const float *y = AT (case_image (c), s->y) + i * s->y_stride;
    const float *z = AT (case_image (c), s->z) + i * s->z_stride;
    double squares = 0.0, scale;

    for (size_t j = 0; j < s->width; j++)
      squares += pow (y[j] * z[j] / (1.0 + exp (-z[j])), 2.0);
    scale = 1.0 / sqrt (squares / s->width + 1e-5);
    for (size_t j = 0; j < s->width; j++)
      magnitude[i * s->width + j] = fabs ((double) y[j] * z[j] * gain[j]) *
          scale * (1.0 / (1.0 + exp (-z[j])) + UNDERFLOW_MAGNITUDE);
  }
}

void
check_gated_norm (Check *check)
{
  for (int i = 0; i < ROUNDS; i++) {
    size_t width = check_width (check, 1, i % 8 == 1 ? 12000 : 400);
    bool in_place = check_coin (check);
    GatedNorm s = {
        .rows = check_size (check, 0, i % 8 ? 20 : 700),
        .width = width,
        .y_stride = in_place ? width : width + check_width (check, 0, 40),
        .z_stride = width + check_width (check, 0, 40),
        .in_place = in_place,
    };
    Case *c = gated_norm_case (check, i % FILL_KINDS, &s);

    case_run (c, run_gated_norm, &s, magnitude_gated_norm);
    case_free (c);
  }
}

void
bench_gated_norm (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (norm_shapes); i++) {
    RowsShape r = norm_shapes[i];
    GatedNorm s = {.rows = r.rows,
        .width = r.width,
        .y_stride = r.width,
        .z_stride = 2 * r.width};
    Case *c = gated_norm_case (check, FILL_RANDOM, &s);

    case_bench (c, run_gated_norm, &s, 12.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}
