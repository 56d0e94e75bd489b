/* norms.c: layer norm and the three RMS norms.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sums over a row are taken over parts of SUM_PART elements in float32, and over
 * the parts in double: wide rows (a patch of a thousand bytes' embeddings) lose
 * no digits.
 */

#include "isa.h"
#include "tile.h"
#include "vecmath.h"

#define SUM_PART 1024

/* Nanoseconds for an element. */
#define NORM_WORK 0.3

static void
run_rows (MblmQueue *queue, RowTiles *tiles, size_t width, MblmTask task)
{
  mblm_cpu_run (queue, row_tiles_count (tiles),
      NORM_WORK * (double) tiles->rows * (double) width, task, tiles);
}

/* sum (x - offset), or sum (x - offset)^2 with `square` */
static ALWAYS_INLINE double
sum_row (const float *x, size_t width, float offset, bool square)
{
  vf o = v_set1 (offset);
  double total = 0.0;

  for (size_t first = 0; first < width; first += SUM_PART) {
    size_t end = min_size (width, first + SUM_PART), i = first;
    vf s[2] = {v_zero (), v_zero ()};

    for (; i + 2 * VW <= end; i += 2 * VW) {
      vf p = v_load (x + i) - o, q = v_load (x + i + VW) - o;

      if (square) {
        s[0] = v_fma (p, p, s[0]);
        s[1] = v_fma (q, q, s[1]);
      } else {
        s[0] = s[0] + p;
        s[1] = s[1] + q;
      }
    }
    total += v_sum (s[0] + s[1]);
    for (; i < end; i++) {
      double p = x[i] - offset;

      total += square ? p * p : p;
    }
  }
  return total;
}

/* out = (x - offset) * scale * gain [+ bias] */
static ALWAYS_INLINE void
scale_row (const float *x, size_t width, float offset, float scale,
    const float *gain, const float *bias, float *out)
{
  vf o = v_set1 (offset), s = v_set1 (scale);

  for (size_t i = 0; i < width; i += VW) {
    size_t n = width - i;
    vf y = (v_load_n (x + i, n) - o) * s;

    if (bias)
      y = v_fma (y, v_load_n (gain + i, n), v_load_n (bias + i, n));
    else
      y = y * v_load_n (gain + i, n);
    v_store_n (out + i, n, y);
  }
}

static void
layer_norm_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmLayerNorm *a = tiles->args;
  size_t end = row_tiles_end (tiles, tile), w = a->width;

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++) {
    const float *x = a->x + i * w;
    double n = (double) w;
    float mean = (float) (sum_row (x, w, 0.0f, false) / n);
    /* around the rounded mean; the second sum takes the rounding out again */
    double rest = sum_row (x, w, mean, false) / n;
    double variance = sum_row (x, w, mean, true) / n - rest * rest;

    if (variance < 0.0)
      variance = 0.0;
    scale_row (x, w, mean, (float) (1.0 / sqrt (variance + a->epsilon)),
        a->gain, a->bias, a->out + i * w);
  }
}

void
FN (layer_norm) (MblmQueue *queue, const MblmLayerNorm *a)
{
  RowTiles tiles = row_tiles (a, a->rows, a->width);

  run_rows (queue, &tiles, a->width, layer_norm_tile);
}

static void
rms_norm_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmRmsNorm *a = tiles->args;
  size_t end = row_tiles_end (tiles, tile), w = a->width;

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++) {
    const float *x = a->x + i * w;
    double mean = sum_row (x, w, 0.0f, true) / (double) w;

    scale_row (x, w, 0.0f, (float) (1.0 / sqrt (mean + a->epsilon)), a->gain,
        NULL, a->out + i * w);
  }
}

void
FN (rms_norm) (MblmQueue *queue, const MblmRmsNorm *a)
{
  RowTiles tiles = row_tiles (a, a->rows, a->width);

  run_rows (queue, &tiles, a->width, rms_norm_tile);
}

/* One row, whose first part is at x and second part at `before` (NULL: zeros).
 * Without a shift, `before` is the row's own second part. */
static void
shift_norm_row (
    const MblmShiftNorm *a, const float *x, const float *before, float *out)
{
  size_t second = a->width / 2, first = a->width - second;
  double sum = sum_row (x, first, 0.0f, true);
  double r;
  float scale;

  if (before)
    sum += sum_row (before, second, 0.0f, true);
  r = sqrt (sum) / sqrt ((double) a->width);
  scale = (float) (1.0 / (r > a->epsilon ? r : a->epsilon));
  scale_row (x, first, 0.0f, scale, a->gain, NULL, out);
  if (before)
    scale_row (before, second, 0.0f, scale, a->gain + first, NULL, out + first);
  else
    memset (out + first, 0, second * sizeof (*out));
}

/* The second part of the row before the first of sequence b, or NULL. */
static const float *
shift_carry (const MblmShiftNorm *a, size_t b)
{
  return a->carry.from ? a->carry.from[a->carry.shared ? 0 : b] : NULL;
}

static void
shift_norm_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmShiftNorm *a = tiles->args;
  size_t end = row_tiles_end (tiles, tile), w = a->width, first = w - w / 2;

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++) {
    const float *x = a->x + i * w, *before = x + first;

    if (a->shift)
      before = i % a->rows > 0 ? before - w : shift_carry (a, i / a->rows);
    shift_norm_row (a, x, before, a->out + i * w);
  }
}

void
FN (shift_norm) (MblmQueue *queue, const MblmShiftNorm *a)
{
  RowTiles tiles = row_tiles (a, a->batch * a->rows, a->width);
  size_t second = a->width / 2;

  run_rows (queue, &tiles, a->width, shift_norm_tile);
  if (!a->shift || !a->carry.to)
    return;
  for (size_t b = 0; b < a->batch; b++) {
    const float *last = a->rows > 0
        ? a->x + (b + 1) * a->rows * a->width - second
        : shift_carry (a, b);

    if (!last)
      memset (a->carry.to[b], 0, second * sizeof (float));
    else
      memmove (a->carry.to[b], last, second * sizeof (float));
  }
}

static void
gated_norm_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmGatedNorm *a = tiles->args;
  size_t end = row_tiles_end (tiles, tile), w = a->width;

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++) {
    const float *y = a->y + i * a->y_stride, *z = a->z + i * a->z_stride;
    float *out = a->out + i * w;
    double mean;

    for (size_t j = 0; j < w; j += VW) {
      size_t n = w - j;

      v_store_n (
          out + j, n, v_load_n (y + j, n) * v_silu (v_load_n (z + j, n)));
    }
    mean = sum_row (out, w, 0.0f, true) / (double) w;
    scale_row (out, w, 0.0f, (float) (1.0 / sqrt (mean + a->epsilon)), a->gain,
        NULL, out);
  }
}

void
FN (gated_norm) (MblmQueue *queue, const MblmGatedNorm *a)
{
  RowTiles tiles = row_tiles (a, a->rows, a->width);

  run_rows (queue, &tiles, a->width, gated_norm_tile);
}
