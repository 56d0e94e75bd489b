/* linear-few.c: x W^T for few rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A few rows of float32 (a step of decoding, of one stream or of some) are
 * matrix-vector products, MATVEC_ROWS rows at a time: tiles of the weight's rows.
 */

#include "linear.h"
#include "matvec.h"
#include "tile.h"

/* Elements of the weight of a tile: about a microsecond from the second level
 * cache. */
#define MATVEC_TILE 8192
#define MAX_MATVEC_COLUMNS 256

typedef struct {
  const MblmLinear *a;
  Finish finish;
  const float *x; /* as matvec wants it */
  size_t x_stride;
  size_t columns; /* outputs of a tile */
  bool rounded;   /* the weight is still to be rounded to bfloat16 */
  char *weights;  /* then, each worker's [columns, k] */
  size_t each;
} Linear;

static void
round_floats (float *to, const float *from, size_t count)
{
  for (size_t i = 0; i < count; i += VW)
    v_store_n (
        to + i, count - i, v_round_bf16 (v_load_n (from + i, count - i)));
}

static void
matvec_tile (const void *data, size_t tile, unsigned worker)
{
  const Linear *self = data;
  const MblmLinear *a = self->a;
  size_t first = tile * self->columns, at = first;
  size_t count = min_size (self->columns, a->weight.rows - first);
  float sums[MATVEC_ROWS * MAX_MATVEC_COLUMNS];
  MblmMatrix weight = a->weight;

  if (self->rounded) {
    float *rounded = (float *) (self->weights + worker * self->each);

    round_floats (rounded, (const float *) weight.data + first * weight.cols,
        count * weight.cols);
    weight.data = rounded;
    at = 0;
  }
  for (size_t row = 0; row < a->rows; row += MATVEC_ROWS) {
    size_t rows = min_size (MATVEC_ROWS, a->rows - row);

    FN (matvec)
    (&weight, at, count, self->x + row * self->x_stride, self->x_stride, rows,
        sums, MAX_MATVEC_COLUMNS);
    for (size_t r = 0; r < rows; r++)
      finish_row (&self->finish, row + r, sums + r * MAX_MATVEC_COLUMNS, first,
          count, entry_at (a->out_type, a->out, (row + r) * a->out_stride));
  }
}

/* x as the kernels want it: apart for a weight of bfloat16, rounded for
 * a product of bfloat16. */
static bool
prepare (MblmQueue *queue, Linear *self)
{
  const MblmLinear *a = self->a;
  size_t k = a->weight.cols;
  bool split = a->weight.type == MBLM_TYPE_BF16;
  bool rounded = a->product == MBLM_TYPE_BF16;
  float *x;

  if (!split && !rounded)
    return true;
  self->rounded = rounded && !split;
  if (self->rounded)
    self->each = mblm_cpu_bytes (self->columns * k, sizeof (float));
  self->x_stride = split ? matvec_split_length (k) : k;
  x = mblm_cpu_scratch (queue,
      mblm_cpu_bytes (a->rows * self->x_stride, sizeof (*x)), &self->each,
      &self->weights);
  if (!x)
    return false;
  for (size_t r = 0; r < a->rows; r++) {
    const float *from = (const float *) a->x + r * a->x_stride;
    float *to = x + r * self->x_stride;

    if (split)
      FN (matvec_split) (from, k, to);
    if (rounded)
      round_floats (to, split ? to : from, self->x_stride);
  }
  self->x = x;
  return true;
}

void
FN (linear_few) (MblmQueue *queue, const MblmLinear *a)
{
  size_t k = a->weight.cols, n = a->weight.rows;
  Linear self = {.a = a,
      .finish = finish_linear (queue, a),
      .x = a->x,
      .x_stride = a->x_stride};
  double elements = (double) n * (double) k;

  self.columns = MATVEC_TILE / max_size (1, k) / 8 * 8 + 8;
  self.columns = min_size (self.columns, MAX_MATVEC_COLUMNS);
  if (!prepare (queue, &self))
    return;
  mblm_cpu_run (queue, divide_up (n, self.columns),
      elements * (READ_WORK + MULTIPLY_WORK * (double) a->rows), matvec_tile,
      &self);
}
