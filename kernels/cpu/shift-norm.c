/* shift-norm.c: token shift and MEGABYTE's RMS norm.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "norms.h"

/* Numbers that are rounded at once. */
#define PIECE 512

typedef struct {
  RowTiles tiles;
  void (*round) (uint16_t *to, const float *from, size_t n);
} ShiftNorm;

/* Entries of the result from `at` on = x * scale * gain; without x zeros. */
static void
give (const ShiftNorm *self, size_t at, const float *x, size_t width,
    float scale, const float *gain)
{
  const MblmShiftNorm *a = self->tiles.args;
  float piece[PIECE];

  if (a->out_type == MBLM_TYPE_F32 && x)
    scale_row (x, width, 0.0f, scale, gain, NULL, (float *) a->out + at);
  else if (a->out_type == MBLM_TYPE_F32)
    memset ((float *) a->out + at, 0, width * sizeof (float));
  else
    for (size_t i = 0; i < width; i += PIECE) {
      size_t n = min_size (PIECE, width - i);

      if (x)
        scale_row (x + i, n, 0.0f, scale, gain + i, NULL, piece);
      else
        memset (piece, 0, n * sizeof (*piece));
      self->round ((uint16_t *) a->out + at + i, piece, n);
    }
}

static void
shift_norm_row (
    const ShiftNorm *self, const float *x, const float *before, size_t at)
{
  const MblmShiftNorm *a = self->tiles.args;
  size_t second = a->width / 2, first = a->width - second;
  double sum = sum_row (x, first, 0.0f, true);
  double r;
  float scale;

  if (before)
    sum += sum_row (before, second, 0.0f, true);
  r = sqrt (sum) / sqrt ((double) a->width);
  scale = (float) (1.0 / (r > a->epsilon ? r : a->epsilon));
  give (self, at, x, first, scale, a->gain);
  give (self, at + first, before, second, scale, a->gain + first);
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
  const ShiftNorm *self = data;
  const MblmShiftNorm *a = self->tiles.args;
  size_t end = row_tiles_end (&self->tiles, tile);
  size_t w = a->width, first = w - w / 2;

  for (size_t i = row_tiles_first (&self->tiles, tile); i < end; i++) {
    const float *x = a->x + i * w, *before = x + first;

    if (a->shift)
      before = i % a->rows > 0 ? before - w : shift_carry (a, i / a->rows);
    shift_norm_row (self, x, before, i * w);
  }
}

void
FN (shift_norm) (MblmQueue *queue, const MblmShiftNorm *a)
{
  ShiftNorm self = {.tiles = row_tiles (a, a->batch * a->rows, a->width),
      .round = queue->device->ops.round_bf16};
  size_t second = a->width / 2;

  run_norm_rows (queue, &self.tiles, a->width, shift_norm_tile);
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

/* The two parts of row i on their way back: the second lies in the row before,
 * or in what was carried in. */
static void
shift_row_back (const NormBack *self, size_t i, NormRow *own, NormRow *second)
{
  const MblmShiftNormBackward *a = self->args;
  const MblmShiftNorm *f = &a->forward;
  size_t w = f->width, half = f->shift ? w / 2 : 0, b = i / f->rows;
  double n = (double) w, r, scale;
  NormSums s = {0.0, 0.0, 0.0, 0.0};

  *own = (NormRow){.x = f->x + i * w,
      .d_out = a->d_out + i * w,
      .d_x = a->d_x ? a->d_x + i * w : NULL};
  *second = (NormRow){.d_out = own->d_out + w - half};
  if (i % f->rows > 0) {
    second->x = own->x - half;
    second->d_x = own->d_x ? own->d_x - half : NULL;
  } else {
    second->x = shift_carry (f, b);
    if (!second->x)
      second->x = self->zeros;
    second->d_x = self->start ? self->start + b * half : NULL;
    if (second->d_x && a->accumulate)
      memset (second->d_x, 0, half * sizeof (float));
  }
  norm_sums (&s, own, f->gain, w - half, false);
  norm_sums (&s, second, f->gain + w - half, half, false);
  r = sqrt (s.pp) / sqrt (n);
  scale = 1.0 / (r > f->epsilon ? r : f->epsilon);
  own->scale = (float) scale;
  if (r >= f->epsilon)
    own->back = (float) (scale * scale * scale * s.gp / n);
  second->scale = own->scale;
  second->back = own->back;
}

/* The second part of the last row of a sequence: what is carried on. */
static void
shift_last_back (const MblmShiftNormBackward *a, size_t b)
{
  const MblmShiftNorm *f = &a->forward;
  size_t half = f->width / 2;
  float *d_x = a->d_x + (b + 1) * f->rows * f->width - half;
  const float *d = f->carry.to && a->d_carry.to ? a->d_carry.to[b] : NULL;

  for (size_t j = 0; j < half; j++) {
    float more = d ? d[j] : 0.0f;

    d_x[j] = a->accumulate ? d_x[j] + more : more;
  }
}

static void
shift_norm_back_tile (const void *data, size_t tile, unsigned worker)
{
  const NormBack *self = data;
  const MblmShiftNormBackward *a = self->args;
  const MblmShiftNorm *f = &a->forward;
  size_t end = norm_back_end (self, tile), w = self->width;
  size_t half = f->shift ? w / 2 : 0, first = w - half;
  float *d_gain = self->sums + tile * w;

  memset (d_gain, 0, w * sizeof (*d_gain));
  for (size_t i = tile * self->block; i < end; i += 4) {
    size_t count = min_size (4, end - i);
    NormRow own[4], second[4];

    for (size_t r = 0; r < count; r++) {
      shift_row_back (self, i + r, &own[r], &second[r]);
      if (half > 0 && a->d_x && (i + r + 1) % f->rows == 0)
        shift_last_back (a, (i + r) / f->rows);
    }
    norm_group_back (
        own, count, f->gain, first, false, a->accumulate, d_gain, NULL);
    norm_group_back (second, count, f->gain + first, half, false, a->accumulate,
        d_gain + first, NULL);
  }
}

/* from [size] += what came in: the start of each sequence, or, where there are
 * no rows, what was carried on. */
static void
shift_carry_back (MblmQueue *queue, const NormBack *self)
{
  const MblmShiftNormBackward *a = self->args;
  const MblmShiftNorm *f = &a->forward;
  size_t size = f->width / 2;

  if (f->rows > 0 && f->carry.shared) {
    ColumnSums job = {self->start, size, f->batch, size, a->d_carry.from[0]};

    column_sums (queue, &job);
    return;
  }
  for (size_t b = 0; b < f->batch; b++) {
    float *from = a->d_carry.from[f->carry.shared ? 0 : b];
    const float *d = self->start + b * size;

    if (f->rows == 0)
      d = f->carry.to && a->d_carry.to ? a->d_carry.to[b] : self->zeros;
    for (size_t j = 0; j < size; j++)
      from[j] += d[j];
  }
}

void
FN (shift_norm_backward) (MblmQueue *queue, const MblmShiftNormBackward *a)
{
  const MblmShiftNorm *f = &a->forward;
  size_t rows = f->batch * f->rows, half = f->width / 2;
  size_t blocks = divide_up (rows, SUM_ROWS);
  bool has_from = f->shift && a->d_carry.from && f->batch > 0;
  size_t starts = has_from ? f->batch : 0;
  NormBack self = {
      .args = a, .rows = rows, .block = SUM_ROWS, .width = f->width};

  self.sums = mblm_cpu_scratch (queue,
      mblm_cpu_bytes (blocks + starts + 1, f->width * sizeof (float)), NULL,
      NULL);
  if (!self.sums)
    return;
  self.zeros = self.sums + blocks * f->width;
  memset (self.zeros, 0, half * sizeof (float));
  if (has_from)
    self.start = self.zeros + half;
  run_norm_back (queue, &self, shift_norm_back_tile);
  add_norm_sums (queue, &self, self.sums, a->d_gain);
  if (has_from)
    shift_carry_back (queue, &self);
}
