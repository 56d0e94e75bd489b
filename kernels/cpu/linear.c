/* linear.c: x W^T with bias, GELU and accumulation, for few rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A few rows (a step of decoding, of one stream or of some) are matrix-vector
 * products, MATVEC_ROWS rows at a time: tiles of the weight's rows. More rows are
 * a matrix product, see linear-many.c.
 */

#include "linear.h"
#include "matvec.h"
#include "tile.h"

/* Elements of the weight of a tile of few rows: about a microsecond from the
 * second level cache. */
#define MATVEC_TILE 8192
#define MAX_MATVEC_COLUMNS 256

/* More rows are worth packing. */
#define FEW_ROWS 16

typedef struct {
  const MblmLinear *a;
  const float *x; /* as matvec wants it */
  size_t x_stride;
  size_t columns; /* outputs of a tile */
} Linear;

static void
matvec_tile (const void *data, size_t tile, unsigned worker)
{
  const Linear *self = data;
  const MblmLinear *a = self->a;
  size_t first = tile * self->columns;
  size_t count = min_size (self->columns, a->weight.rows - first);
  float sums[MATVEC_ROWS * MAX_MATVEC_COLUMNS];

  for (size_t row = 0; row < a->rows; row += MATVEC_ROWS) {
    size_t rows = min_size (MATVEC_ROWS, a->rows - row);

    FN (matvec)
    (&a->weight, first, count, self->x + row * self->x_stride, self->x_stride,
        rows, sums, MAX_MATVEC_COLUMNS);
    for (size_t r = 0; r < rows; r++)
      finish_row (a, sums + r * MAX_MATVEC_COLUMNS, first, count, a->accumulate,
          a->out + (row + r) * a->out_stride + first);
  }
}

static void
linear_few (MblmQueue *queue, const MblmLinear *a)
{
  size_t k = a->weight.cols, n = a->weight.rows;
  Linear self = {.a = a, .x = a->x, .x_stride = a->x_stride};
  double elements = (double) n * (double) k;

  self.columns = MATVEC_TILE / max_size (1, k) / 8 * 8 + 8;
  self.columns = min_size (self.columns, MAX_MATVEC_COLUMNS);
  if (a->weight.type == MBLM_TYPE_BF16) {
    size_t length = matvec_split_length (k);
    float *x;

    x = mblm_cpu_scratch (
        queue, mblm_cpu_bytes (a->rows * length, sizeof (*x)), NULL, NULL);
    if (!x)
      return;
    for (size_t r = 0; r < a->rows; r++)
      FN (matvec_split) (a->x + r * a->x_stride, k, x + r * length);
    self.x = x;
    self.x_stride = length;
  }
  mblm_cpu_run (queue, divide_up (n, self.columns),
      elements * (READ_WORK + MULTIPLY_WORK * (double) a->rows), matvec_tile,
      &self);
}

/* A weight without columns: the sum is empty. */
static void
linear_empty (const MblmLinear *a)
{
  static const float zeros[VW] = {0};

  for (size_t r = 0; r < a->rows; r++)
    for (size_t j = 0; j < a->weight.rows; j += VW)
      finish_row (a, zeros, j, min_size (VW, a->weight.rows - j), a->accumulate,
          a->out + r * a->out_stride + j);
}

void
FN (linear) (MblmQueue *queue, const MblmLinear *a)
{
  if (a->rows == 0 || a->weight.rows == 0)
    return;
  if (a->weight.cols == 0)
    linear_empty (a);
  else if (a->rows <= FEW_ROWS)
    linear_few (queue, a);
  else
#ifdef MBLM_CPU_BLAS
    FN (linear_blas) (queue, a);
#else
    FN (linear_many) (queue, a);
#endif
}
