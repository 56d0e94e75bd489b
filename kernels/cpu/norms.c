/* norms.c: layer norm and the RMS norm of the Mamba blocks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "norms.h"

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

  run_norm_rows (queue, &tiles, a->width, layer_norm_tile);
}

static void
layer_norm_row_back (const MblmLayerNorm *f, NormRow *row)
{
  NormSums s = {0.0, 0.0, 0.0, 0.0};
  double n = (double) f->width, rest, variance, scale, back;

  row->offset = (float) (sum_row (row->x, f->width, 0.0f, false) / n);
  norm_sums (&s, row, f->gain, f->width, true);
  /* The offset is the rounded mean; `rest` is what it lacks. */
  rest = s.p / n;
  variance = s.pp / n - rest * rest;
  scale = 1.0 / sqrt ((variance < 0.0 ? 0.0 : variance) + f->epsilon);
  back = scale * scale * scale * (s.gp - rest * s.g) / n;
  row->scale = (float) scale;
  row->back = (float) back;
  row->shift = (float) (scale * s.g / n - rest * back);
}

static void
layer_norm_back_tile (const void *data, size_t tile, unsigned worker)
{
  const NormBack *self = data;
  const MblmLayerNormBackward *a = self->args;
  size_t end = norm_back_end (self, tile), w = self->width;
  float *d_gain = self->sums + tile * w, *d_bias = self->more + tile * w;

  memset (d_gain, 0, w * sizeof (*d_gain));
  memset (d_bias, 0, w * sizeof (*d_bias));
  for (size_t i = tile * self->block; i < end; i += 4) {
    size_t count = min_size (4, end - i);
    NormRow rows[4];

    for (size_t r = 0; r < count; r++) {
      size_t at = (i + r) * w;

      rows[r] = (NormRow){.x = a->forward.x + at,
          .d_out = a->d_out + at,
          .d_x = a->d_x ? a->d_x + at : NULL};
      layer_norm_row_back (&a->forward, &rows[r]);
    }
    norm_group_back (
        rows, count, a->forward.gain, w, true, a->accumulate, d_gain, d_bias);
  }
}

void
FN (layer_norm_backward) (MblmQueue *queue, const MblmLayerNormBackward *a)
{
  NormBack self = {.args = a,
      .rows = a->forward.rows,
      .block = SUM_ROWS,
      .width = a->forward.width};
  size_t size = mblm_cpu_bytes (
      divide_up (self.rows, SUM_ROWS) * 2, self.width * sizeof (float));

  self.sums = mblm_cpu_scratch (queue, size, NULL, NULL);
  if (!self.sums)
    return;
  self.more = self.sums + divide_up (self.rows, SUM_ROWS) * self.width;
  run_norm_back (queue, &self, layer_norm_back_tile);
  add_norm_sums (queue, &self, self.sums, a->d_gain);
  add_norm_sums (queue, &self, self.more, a->d_bias);
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

  run_norm_rows (queue, &tiles, a->width, rms_norm_tile);
}

/* One row, whose first part is at x and second part at `before` (NULL: zeros).
 * Without a shift, `before` is the row's own second part. */

static void
rms_norm_row_back (const MblmRmsNorm *f, NormRow *row)
{
  NormSums s = {0.0, 0.0, 0.0, 0.0};
  double n = (double) f->width, scale;

  norm_sums (&s, row, f->gain, f->width, false);
  scale = 1.0 / sqrt (s.pp / n + f->epsilon);
  row->scale = (float) scale;
  row->back = (float) (scale * scale * scale * s.gp / n);
}

static void
rms_norm_back_tile (const void *data, size_t tile, unsigned worker)
{
  const NormBack *self = data;
  const MblmRmsNormBackward *a = self->args;
  size_t end = norm_back_end (self, tile), w = self->width;
  float *d_gain = self->sums + tile * w;

  memset (d_gain, 0, w * sizeof (*d_gain));
  for (size_t i = tile * self->block; i < end; i += 4) {
    size_t count = min_size (4, end - i);
    NormRow rows[4];

    for (size_t r = 0; r < count; r++) {
      size_t at = (i + r) * w;

      rows[r] = (NormRow){.x = a->forward.x + at,
          .d_out = a->d_out + at,
          .d_x = a->d_x ? a->d_x + at : NULL};
      rms_norm_row_back (&a->forward, &rows[r]);
    }
    norm_group_back (
        rows, count, a->forward.gain, w, false, a->accumulate, d_gain, NULL);
  }
}

void
FN (rms_norm_backward) (MblmQueue *queue, const MblmRmsNormBackward *a)
{
  NormBack self = {.args = a,
      .rows = a->forward.rows,
      .block = SUM_ROWS,
      .width = a->forward.width};

  self.sums = mblm_cpu_scratch (queue,
      mblm_cpu_bytes (
          divide_up (self.rows, SUM_ROWS), self.width * sizeof (float)),
      NULL, NULL);
  if (!self.sums)
    return;
  run_norm_back (queue, &self, rms_norm_back_tile);
  add_norm_sums (queue, &self, self.sums, a->d_gain);
}
