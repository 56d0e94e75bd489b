/* gated-norm.c: the gate and norm before Mamba-2's output projection.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "norms.h"
#include "vecmath.h"

/* Rows of a block on their way back; each adds to its sums by itself. */
#define GATED_ROWS 16

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

  run_norm_rows (queue, &tiles, a->width, gated_norm_tile);
}

/* Entries from j on of a row that comes next. Five streams, two of them with
 * space between the rows, are too many for the processor to foresee. */
static ALWAYS_INLINE void
prefetch_row (const MblmGatedNormBackward *a, size_t i, size_t j)
{
  const MblmGatedNorm *f = &a->forward;

  __builtin_prefetch (f->y + i * f->y_stride + j);
  __builtin_prefetch (f->z + i * f->z_stride + j);
  __builtin_prefetch (a->d_out + i * f->width + j);
  if (a->d_y)
    __builtin_prefetch (a->d_y + i * a->d_y_stride + j, 1);
  if (a->d_z)
    __builtin_prefetch (a->d_z + i * a->d_z_stride + j, 1);
}

/* silu [width] and slope [width] of a row of z, and with u = y silu the two
 * numbers of the norm. */
static void
gated_row_back (const MblmGatedNormBackward *a, size_t i, float *silu,
    float *slope, float *u, NormRow *row)
{
  const MblmGatedNorm *f = &a->forward;
  const float *y = f->y + i * f->y_stride, *z = f->z + i * f->z_stride;
  double n = (double) f->width, scale;
  NormSums s = {0.0, 0.0, 0.0, 0.0};
  vf one = v_set1 (1.0f);

  for (size_t j = 0; j < f->width; j += VW) {
    if (i + 1 < f->rows)
      prefetch_row (a, i + 1, j);
    size_t m = f->width - j;
    vf x = v_load_n (z + j, m), e = v_exp_bounded (v_zero () - x);
    vf sigmoid = v_reciprocal (one + e), gate = x * sigmoid;

    v_store_n (silu + j, m, gate);
    v_store_n (slope + j, m, sigmoid * v_fma (gate, e, one));
    v_store_n (u + j, m, v_load_n (y + j, m) * gate);
  }
  *row = (NormRow){.x = u, .d_out = a->d_out + i * f->width};
  norm_sums (&s, row, f->gain, f->width, false);
  scale = 1.0 / sqrt (s.pp / n + f->epsilon);
  row->scale = (float) scale;
  row->back = (float) (scale * scale * scale * s.gp / n);
}

static void
gated_norm_back_tile (const void *data, size_t tile, unsigned worker)
{
  const NormBack *self = data;
  const MblmGatedNormBackward *a = self->args;
  const MblmGatedNorm *f = &a->forward;
  size_t end = norm_back_end (self, tile), w = self->width;
  float *d_gain = self->sums + tile * w;
  float *silu = (float *) (self->workers + worker * self->each);
  float *slope = silu + w, *u = slope + w;

  memset (d_gain, 0, w * sizeof (*d_gain));
  for (size_t i = tile * self->block; i < end; i++) {
    const float *y = f->y + i * f->y_stride;
    float *d_y = a->d_y ? a->d_y + i * a->d_y_stride : NULL;
    float *d_z = a->d_z ? a->d_z + i * a->d_z_stride : NULL;
    vf s, back;
    NormRow row;

    gated_row_back (a, i, silu, slope, u, &row);
    s = v_set1 (row.scale);
    back = v_set1 (row.back);
    for (size_t j = 0; j < w; j += VW) {
      size_t n = w - j;
      vf d = v_load_n (row.d_out + j, n), x = v_load_n (u + j, n);
      vf d_u = v_fnma (x, back, d * v_load_n (f->gain + j, n) * s);

      v_store_n (d_gain + j, n, v_fma (d, x * s, v_load_n (d_gain + j, n)));
      if (d_y)
        v_store_n (d_y + j, n, d_u * v_load_n (silu + j, n));
      if (d_z)
        v_store_n (
            d_z + j, n, d_u * v_load_n (y + j, n) * v_load_n (slope + j, n));
    }
  }
}

void
FN (gated_norm_backward) (MblmQueue *queue, const MblmGatedNormBackward *a)
{
  NormBack self = {.args = a,
      .rows = a->forward.rows,
      .block = GATED_ROWS,
      .width = a->forward.width};

  self.each = mblm_cpu_bytes (self.width, 3 * sizeof (float));
  self.sums = mblm_cpu_scratch (queue,
      mblm_cpu_bytes (
          divide_up (self.rows, GATED_ROWS), self.width * sizeof (float)),
      &self.each, &self.workers);
  if (!self.sums)
    return;
  run_norm_back (queue, &self, gated_norm_back_tile);
  add_norm_sums (queue, &self, self.sums, a->d_gain);
}
