/* check-norms-back.c: the four norms backward.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Magnitudes follow the formulas with everything that is subtracted added
 * instead.
 */

#include "check.h"
#include "shapes.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define ROUNDS 40          /* random shapes of each norm */
#define LARGE 1073741824.f /* 2^30 */

/* The size of a factor of a whole row, which is one float: below the smallest
 * normal number its digits become fewer. */
static double
factor (double size)
{
  return fmax (size, FLT_MIN);
}

/* out[i] = magnitude of what is there before, where it is added to. */
static void
begin_magnitude (const Case *c, size_t offset, size_t count, double *magnitude)
{
  for (size_t i = 0; i < count; i++)
    magnitude[i] = fabs (AT (case_image (c), offset)[i]);
}

/* ------------------------------------------------------------------------- */
/* LayerNorm and the RMS norm of the Mamba blocks                            */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t rows, width;
  bool layer, accumulate, in_place, has_x, has_gain;
  size_t x, gain, d_out, d_x, d_gain, d_bias; /* offsets */
} NormBack;

static void
run_norm_back (const Target *t, char *memory, const void *data)
{
  const NormBack *s = data;
  const float *x = AT (memory, s->x), *gain = AT (memory, s->gain);
  const float *d_out = AT (memory, s->d_out);
  float *d_x = s->has_x ? AT (memory, s->d_x) : NULL;
  float *d_gain = s->has_gain ? AT (memory, s->d_gain) : NULL;

  if (s->layer)
    t->table->layer_norm_backward (t->queue,
        &(MblmLayerNormBackward){
            {s->rows, s->width, x, gain, NULL, 1e-5f, NULL}, d_out,
            s->accumulate, d_x, d_gain, AT (memory, s->d_bias)});
  else
    t->table->rms_norm_backward (t->queue,
        &(MblmRmsNormBackward){{s->rows, s->width, x, gain, 1e-5f, NULL}, d_out,
            s->accumulate, d_x, d_gain});
}

static Case *
norm_back_case (Check *check, Fill fill, NormBack *s)
{
  size_t rows = s->rows, width = s->width;
  Case *c = case_new (check, fill, "rows %zu, width %zu%s%s", rows, width,
      s->accumulate ? ", accumulate" : "", s->in_place ? ", in place" : "");

  s->x = case_input (c, rows, width, width, -LARGE, LARGE);
  s->gain = case_input (c, 1, width, width, -LARGE, LARGE);
  s->d_out = case_input (c, rows, width, width, -LARGE, LARGE);
  s->d_gain = case_input (c, 1, width, width, -LARGE, LARGE);
  s->d_bias = case_input (c, 1, width, width, -LARGE, LARGE);
  if (s->has_gain)
    case_in_place (c, "d_gain", s->d_gain, 1, width, width, rows + width);
  if (s->layer)
    case_in_place (c, "d_bias", s->d_bias, 1, width, width, rows);
  if (!s->has_x)
    return c;
  s->d_x = s->d_out;
  if (!s->in_place && s->accumulate)
    s->d_x = case_input (c, rows, width, width, -LARGE, LARGE);
  if (s->in_place || s->accumulate)
    case_in_place (c, "d_x", s->d_x, rows, width, width, width);
  else
    s->d_x = case_output (c, "d_x", rows, width, width, width);
  return c;
}

/* Those of row i: what it adds to d_gain, or its d_x. */
static void
norm_row_magnitude (
    const Case *c, const NormBack *s, size_t i, double *d_gain, double *d_x)
{
  size_t w = s->width;
  const float *x = AT (case_image (c), s->x) + i * w;
  const float *d = AT (case_image (c), s->d_out) + i * w;
  const float *gain = AT (case_image (c), s->gain);
  double mean = 0.0, size = 0.0, variance = 0.0, scale, g = 0.0, gn = 0.0;

  for (size_t j = 0; j < w && s->layer; j++) {
    mean += x[j] / (double) w;
    size += fabs (x[j]) / (double) w;
  }
  for (size_t j = 0; j < w; j++)
    variance += (x[j] - mean) * (x[j] - mean) / (double) w;
  scale = 1.0 / sqrt (variance + 1e-5);
  for (size_t j = 0; j < w; j++) {
    double size_g = fabs ((double) d[j] * gain[j]) / (double) w;

    g += s->layer ? size_g : 0.0;
    gn += size_g * (fabs (x[j]) + size) * scale;
  }
  for (size_t j = 0; j < w; j++) {
    double n = (fabs (x[j]) + size) * scale;

    if (d_gain)
      d_gain[j] += fabs (d[j]) * n;
    if (d_x)
      d_x[j] += scale * (fabs ((double) d[j] * gain[j]) + g) +
          (fabs (x[j]) + size) * factor (scale * scale * gn);
  }
}

static void
magnitude_norm_back (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const NormBack *s = data;
  size_t w = s->width;
  bool is_x = strcmp (output->name, "d_x") == 0;

  if (!is_x || s->accumulate)
    begin_magnitude (c, output->offset, output->rows * w, magnitude);
  for (size_t i = 0; i < s->rows; i++)
    if (strcmp (output->name, "d_bias") == 0)
      for (size_t j = 0; j < w; j++)
        magnitude[j] += fabs (AT (case_image (c), s->d_out)[i * w + j]);
    else
      norm_row_magnitude (
          c, s, i, is_x ? NULL : magnitude, is_x ? magnitude + i * w : NULL);
}

static void
check_norm_back (Check *check, bool layer)
{
  for (int i = 0; i < 2 * ROUNDS; i++) {
    NormBack s = {
        .rows = check_size (check, 0, i % 8 ? 80 : 900),
        .width = check_width (check, 1, i % 8 == 1 ? 12000 : 400),
        .layer = layer,
        .accumulate = check_coin (check),
        .in_place = check_coin (check),
        .has_x = i % 9 > 0,
        .has_gain = i % 7 > 0,
    };
    Case *c = norm_back_case (check, i % FILL_KINDS, &s);

    case_run (c, run_norm_back, &s, magnitude_norm_back);
    case_free (c);
  }
}

static void
bench_norm_back (Check *check, bool layer)
{
  for (size_t i = 0; i < G_N_ELEMENTS (training_rows_shapes); i++) {
    RowsShape r = training_rows_shapes[i];
    NormBack s = {.rows = r.rows,
        .width = r.width,
        .layer = layer,
        .accumulate = true,
        .has_x = true,
        .has_gain = true};
    Case *c = norm_back_case (check, FILL_RANDOM, &s);

    case_bench (c, run_norm_back, &s, 16.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}

void
check_layer_norm_backward (Check *check)
{
  check_norm_back (check, true);
}

void
check_rms_norm_backward (Check *check)
{
  check_norm_back (check, false);
}

void
bench_layer_norm_backward (Check *check)
{
  bench_norm_back (check, true);
}

void
bench_rms_norm_backward (Check *check)
{
  bench_norm_back (check, false);
}

/* ------------------------------------------------------------------------- */
/* Gate and norm                                                             */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t rows, width, y_stride, z_stride, d_y_stride, d_z_stride;
  bool in_place, has_y, has_z, has_gain;
  size_t y, z, gain, d_out, d_y, d_z, d_gain; /* offsets */
} GatedBack;

static void
run_gated_back (const Target *t, char *memory, const void *data)
{
  const GatedBack *s = data;

  t->table->gated_norm_backward (t->queue,
      &(MblmGatedNormBackward){
          .forward = {s->rows, s->width, AT (memory, s->y), s->y_stride,
              AT (memory, s->z), s->z_stride, AT (memory, s->gain), 1e-5f,
              NULL},
          .d_out = AT (memory, s->d_out),
          .d_y = s->has_y ? AT (memory, s->d_y) : NULL,
          .d_y_stride = s->d_y_stride,
          .d_z = s->has_z ? AT (memory, s->d_z) : NULL,
          .d_z_stride = s->d_z_stride,
          .d_gain = s->has_gain ? AT (memory, s->d_gain) : NULL,
      });
}

static Case *
gated_back_case (Check *check, Fill fill, GatedBack *s)
{
  size_t rows = s->rows, w = s->width;
  Case *c = case_new (check, fill,
      "rows %zu, width %zu, strides %zu, %zu, %zu, %zu%s", rows, w, s->y_stride,
      s->z_stride, s->d_y_stride, s->d_z_stride,
      s->in_place ? ", in place" : "");

  s->y = case_input (c, rows, w, s->y_stride, -LARGE, LARGE);
  s->z = case_input (c, rows, w, s->z_stride, -200.f, 1000.f);
  s->gain = case_input (c, 1, w, w, -1e4f, 1e4f);
  s->d_out = case_input (c, rows, w, w, -1e4f, 1e4f);
  s->d_gain = case_input (c, 1, w, w, -LARGE, LARGE);
  if (s->has_gain)
    case_in_place (c, "d_gain", s->d_gain, 1, w, w, rows + w);
  s->d_y = s->d_out;
  if (s->has_y && s->in_place)
    case_in_place (c, "d_y", s->d_y, rows, w, w, w);
  else if (s->has_y)
    s->d_y = case_output (c, "d_y", rows, w, s->d_y_stride, w);
  if (s->has_z)
    s->d_z = case_output (c, "d_z", rows, w, s->d_z_stride, w);
  return c;
}

/* Those of row i: of d_y, of d_z, or what is added to that of d_gain. */
static void
gated_row_magnitude (
    const Case *c, const GatedBack *s, size_t i, char which, double *magnitude)
{
  size_t w = s->width;
  const float *y = AT (case_image (c), s->y) + i * s->y_stride;
  const float *z = AT (case_image (c), s->z) + i * s->z_stride;
  const float *d = AT (case_image (c), s->d_out) + i * w;
  const float *gain = AT (case_image (c), s->gain);
  double squares = 0.0, products = 0.0, scale;

  for (size_t j = 0; j < w; j++) {
    double sigmoid = 1.0 / (1.0 + exp (-z[j]));
    double u = fabs (y[j] * z[j]) * (sigmoid + UNDERFLOW_MAGNITUDE);

    squares += u * u;
    products += fabs ((double) d[j] * gain[j]) * u;
  }
  scale = 1.0 / sqrt (squares / (double) w + 1e-5);
  for (size_t j = 0; j < w; j++) {
    double sigmoid = 1.0 / (1.0 + exp (-z[j])) + UNDERFLOW_MAGNITUDE;
    double silu = fabs (z[j]) * sigmoid, u = fabs (y[j]) * silu;
    double d_u = scale * fabs ((double) d[j] * gain[j]) +
        u * factor (scale * scale * scale * products / (double) w);

    if (which == 'y')
      magnitude[j] = d_u * silu;
    else if (which == 'z')
      magnitude[j] = d_u * fabs (y[j]) * (sigmoid + silu / (1.0 + exp (z[j])));
    else
      magnitude[j] += fabs (d[j]) * u * scale;
  }
}

static void
magnitude_gated_back (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const GatedBack *s = data;
  char which = output->name[2];

  if (which == 'g')
    begin_magnitude (c, output->offset, s->width, magnitude);
  for (size_t i = 0; i < s->rows; i++)
    gated_row_magnitude (
        c, s, i, which, magnitude + (which == 'g' ? 0 : i * s->width));
}

void
check_gated_norm_backward (Check *check)
{
  for (int i = 0; i < 2 * ROUNDS; i++) {
    size_t width = check_width (check, 1, i % 8 == 1 ? 12000 : 400);
    bool in_place = check_coin (check);
    GatedBack s = {
        .rows = check_size (check, 0, i % 8 ? 40 : 500),
        .width = width,
        .y_stride = width + check_width (check, 0, 40),
        .z_stride = width + check_width (check, 0, 40),
        .d_y_stride = width + (in_place ? 0 : check_width (check, 0, 40)),
        .d_z_stride = width + check_width (check, 0, 40),
        .in_place = in_place,
        .has_y = i % 9 > 0,
        .has_z = i % 11 > 0,
        .has_gain = i % 7 > 0,
    };
    Case *c = gated_back_case (check, i % FILL_KINDS, &s);

    case_run (c, run_gated_back, &s, magnitude_gated_back);
    case_free (c);
  }
}

void
bench_gated_norm_backward (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (training_rows_shapes); i++) {
    RowsShape r = training_rows_shapes[i];
    GatedBack s = {r.rows, r.width, r.width, 2 * r.width, r.width, 2 * r.width,
        false, true, true, true};
    Case *c = gated_back_case (check, FILL_RANDOM, &s);

    case_bench (c, run_gated_back, &s, 20.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}

/* ------------------------------------------------------------------------- */
/* Token shift and MEGABYTE's norm                                           */
/* ------------------------------------------------------------------------- */

typedef struct {
  size_t batch, rows, width;
  bool shift, accumulate, has_from, has_to, shared, has_x, has_gain;
  size_t x, gain, d_out, d_x, d_gain;                            /* offsets */
  size_t from[CARRY_MOST], d_from[CARRY_MOST], d_to[CARRY_MOST]; /* as well */
} ShiftBack;

static void
run_shift_back (const Target *t, char *memory, const void *data)
{
  const ShiftBack *s = data;
  const float *from[CARRY_MOST], *d_to[CARRY_MOST];
  float *to[CARRY_MOST], *d_from[CARRY_MOST];

  for (size_t b = 0; b < s->batch; b++) {
    from[b] = AT (memory, s->from[b]);
    d_from[b] = AT (memory, s->d_from[b]);
    d_to[b] = to[b] = AT (memory, s->d_to[b]);
  }
  t->table->shift_norm_backward (t->queue,
      &(MblmShiftNormBackward){
          .forward = {s->batch, s->rows, s->width, AT (memory, s->x), s->shift,
              {s->has_from ? from : NULL, s->has_to ? to : NULL, s->shared},
              AT (memory, s->gain), 1e-8f, NULL},
          .d_out = AT (memory, s->d_out),
          .accumulate = s->accumulate,
          .d_x = s->has_x ? AT (memory, s->d_x) : NULL,
          .d_gain = s->has_gain ? AT (memory, s->d_gain) : NULL,
          .d_carry = {s->has_to ? d_to : NULL, s->has_from ? d_from : NULL},
      });
}

static void
shift_back_carry (Case *c, ShiftBack *s)
{
  size_t half = s->width / 2;

  for (size_t b = 0; b < s->batch; b++) {
    bool own = b == 0 || !s->shared;

    s->from[b] = s->from[0];
    s->d_from[b] = s->d_from[0];
    if (s->has_from && own) {
      s->from[b] = case_input (c, 1, half, half, -LARGE, LARGE);
      s->d_from[b] = case_input (c, 1, half, half, -1.f, 1.f);
      case_in_place (
          c, "from", s->d_from[b], 1, half, half, s->batch + s->width);
    }
    if (s->has_to)
      s->d_to[b] = case_input (c, 1, half, half, -LARGE, LARGE);
  }
}

static Case *
shift_back_case (Check *check, Fill fill, ShiftBack *s)
{
  size_t rows = s->batch * s->rows, w = s->width;
  Case *c = case_new (check, fill, "batch %zu, rows %zu, width %zu%s%s%s%s%s",
      s->batch, s->rows, w, s->shift ? ", shift" : "",
      s->has_from ? ", from" : "", s->shared ? " shared" : "",
      s->has_to ? ", to" : "", s->accumulate ? ", accumulate" : "");

  s->x = case_input (c, rows, w, w, -LARGE, LARGE);
  s->gain = case_input (c, 1, w, w, -LARGE, LARGE);
  s->d_out = case_input (c, rows, w, w, -LARGE, LARGE);
  s->d_gain = case_input (c, 1, w, w, -LARGE, LARGE);
  if (s->has_gain)
    case_in_place (c, "d_gain", s->d_gain, 1, w, w, rows + w);
  if (s->has_x && s->accumulate) {
    s->d_x = case_input (c, rows, w, w, -LARGE, LARGE);
    case_in_place (c, "d_x", s->d_x, rows, w, w, w);
  } else if (s->has_x) {
    s->d_x = case_output (c, "d_x", rows, w, w, w);
  }
  shift_back_carry (c, s);
  return c;
}

/* Adds those of row t of sequence b to the magnitudes that aren't NULL: [rows,
 * width], [width] and [width / 2]. */
static void
shift_row_magnitude (const Case *c, const ShiftBack *s, size_t b, size_t t,
    double *d_x, double *d_gain, double *d_from)
{
  size_t i = b * s->rows + t, w = s->width, half = s->shift ? w / 2 : 0;
  const float *x = AT (case_image (c), s->x) + i * w;
  const float *d = AT (case_image (c), s->d_out) + i * w;
  const float *gain = AT (case_image (c), s->gain);
  const float *before = t > 0 ? x - half
      : s->has_from           ? AT (case_image (c), s->from[s->shared ? 0 : b])
                              : NULL;
  double squares = 0.0, products = 0.0, scale;
  g_autofree double *v = g_new0 (double, w);

  for (size_t j = 0; j < w; j++) {
    if (j < w - half)
      v[j] = fabs (x[j]);
    else if (before)
      v[j] = fabs (before[j - (w - half)]);
    squares += v[j] * v[j];
    products += fabs ((double) d[j] * gain[j]) * v[j];
  }
  scale = 1.0 / fmax (sqrt (squares / (double) w), 1e-8);
  for (size_t j = 0; j < w; j++) {
    double d_s = scale * fabs ((double) d[j] * gain[j]) +
        v[j] * factor (scale * scale * scale * products / (double) w);

    if (d_gain)
      d_gain[j] += fabs (d[j]) * v[j] * scale;
    if (d_x && (j < w - half || t > 0))
      d_x[j < w - half ? i * w + j : (i - 1) * w + j] += d_s;
    if (d_from && j >= w - half && t == 0)
      d_from[j - (w - half)] += d_s;
  }
}

static void
magnitude_shift_back (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const ShiftBack *s = data;
  size_t w = s->width, half = w / 2;
  bool is_x = strcmp (output->name, "d_x") == 0;
  bool is_from = strcmp (output->name, "from") == 0;

  if (!is_x || s->accumulate)
    begin_magnitude (
        c, output->offset, output->rows * output->width, magnitude);
  for (size_t b = 0; b < s->batch; b++) {
    bool mine = is_from && output->offset == s->d_from[b];

    for (size_t t = 0; t < s->rows; t++)
      shift_row_magnitude (c, s, b, t, is_x ? magnitude : NULL,
          is_x || is_from ? NULL : magnitude, mine ? magnitude : NULL);
    for (size_t j = 0; j < half && s->has_to; j++) {
      double d = fabs (AT (case_image (c), s->d_to[b])[j]);

      if (is_x && s->rows > 0)
        magnitude[((b + 1) * s->rows) * w - half + j] += d;
      if (mine && s->rows == 0)
        magnitude[j] += d;
    }
  }
}

void
check_shift_norm_backward (Check *check)
{
  for (int i = 0; i < 4 * ROUNDS; i++) {
    ShiftBack s = {
        .batch = check_size (check, 0, i % 8 ? 8 : CARRY_MOST),
        .rows = check_size (check, 0, i % 8 == 1 ? 400 : 20),
        .width = check_width (check, 1, i % 8 == 2 ? 12000 : 400),
        .shift = i % 4 > 0,
        .accumulate = check_coin (check),
        .has_x = i % 9 > 0,
        .has_gain = i % 7 > 0,
    };
    Case *c;

    s.has_from = s.shift && i % 3 > 0;
    s.shared = s.has_from && check_coin (check);
    s.has_to = s.shift && check_coin (check);
    c = shift_back_case (check, (i / 2) % FILL_KINDS, &s);
    case_run (c, run_shift_back, &s, magnitude_shift_back);
    case_free (c);
  }
}

void
bench_shift_norm_backward (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (training_rows_shapes); i++) {
    RowsShape r = training_rows_shapes[i];
    ShiftBack s = {.batch = CARRY_MOST,
        .rows = r.rows / CARRY_MOST,
        .width = r.width,
        .shift = true,
        .accumulate = true,
        .has_from = true,
        .shared = true,
        .has_x = true,
        .has_gain = true};
    Case *c = shift_back_case (check, FILL_RANDOM, &s);

    case_bench (c, run_shift_back, &s, 16.0 * r.rows * r.width, 0.0);
    case_free (c);
  }
}
