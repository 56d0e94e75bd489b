/* linear.c: x W^T with bias, GELU and accumulation.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Up to MATVEC_ROWS rows (a step of decoding, of one stream or of some) are a
 * matrix-vector product: tiles of the weight's rows. More rows are a matrix
 * product: tiles of rows of x and of the weight. What follows the product is
 * done on a tile while it is in the cache.
 */

#include "gemm.h"
#include "isa.h"
#include "matvec.h"
#include "tile.h"
#include "vecmath.h"

/* Elements of the weight of a tile of few rows: about a microsecond from the
 * second level cache. */
#define MATVEC_TILE 8192
#define MAX_MATVEC_COLUMNS 256

/* Estimates in nanoseconds: of an element of the weight that is read, of a
 * multiplication. */
#define READ_WORK 0.06
#define MULTIPLY_WORK 0.015

/* Tile of a product of many rows. */
#define GEMM_ROWS 128
#define GEMM_COLUMNS 512

typedef struct {
  const MblmLinear *a;
  const float *x; /* as matvec wants it */
  size_t x_stride;
  size_t columns; /* outputs of a tile */
  size_t column_tiles;
  char *workers; /* scratch of each worker, or NULL */
  size_t each;
} Linear;

/* out[count] = or += activation (sums + bias), in place where out is sums. */
static void
finish_row (const MblmLinear *a, const float *sums, size_t first, size_t count,
    bool accumulate, float *out)
{
  for (size_t j = 0; j < count; j += VW) {
    size_t n = count - j;
    vf y = v_load_n (sums + j, n);

    if (a->bias)
      y = y + v_load_n (a->bias + first + j, n);
    if (a->activation == MBLM_ACTIVATION_GELU)
      y = v_gelu (y);
    if (accumulate)
      y = v_load_n (out + j, n) + y;
    v_store_n (out + j, n, y);
  }
}

static void
matvec_tile (const void *data, size_t tile, unsigned worker)
{
  const Linear *self = data;
  const MblmLinear *a = self->a;
  size_t first = tile * self->columns;
  size_t count = min_size (self->columns, a->weight.rows - first);
  float sums[MATVEC_ROWS * MAX_MATVEC_COLUMNS];

  FN (matvec)
  (&a->weight, first, count, self->x, self->x_stride, a->rows, sums,
      MAX_MATVEC_COLUMNS);
  for (size_t r = 0; r < a->rows; r++)
    finish_row (a, sums + r * MAX_MATVEC_COLUMNS, first, count, a->accumulate,
        a->out + r * a->out_stride + first);
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

/* Rows [row, row + rows) and outputs [first, first + count). */
static void
gemm_tile (const void *data, size_t tile, unsigned worker)
{
  const Linear *self = data;
  const MblmLinear *a = self->a;
  size_t first = tile % self->column_tiles * self->columns;
  size_t count = min_size (self->columns, a->weight.rows - first);
  size_t row = tile / self->column_tiles * GEMM_ROWS;
  size_t rows = min_size (GEMM_ROWS, a->rows - row);
  float *out = a->out + row * a->out_stride + first;
  float *scratch = (float *) (self->workers + worker * self->each);
  float *to = out;
  size_t stride = a->out_stride;

  if (a->accumulate) {
    to = scratch;
    stride = count;
    scratch += GEMM_ROWS * self->columns;
  }
  FN (gemm)
  (&a->weight, first, count, a->x + row * a->x_stride, a->x_stride, rows, to,
      stride, scratch);
  if (!a->accumulate && !a->bias && a->activation == MBLM_ACTIVATION_NONE)
    return;
  for (size_t r = 0; r < rows; r++)
    finish_row (a, to + r * stride, first, count, a->accumulate,
        out + r * a->out_stride);
}

static void
linear_many (MblmQueue *queue, const MblmLinear *a)
{
  size_t k = a->weight.cols, n = a->weight.rows;
  Linear self = {.a = a, .columns = min_size (n, GEMM_COLUMNS)};

  self.column_tiles = divide_up (n, self.columns);
  self.each = FN (gemm_scratch) (&a->weight, self.columns, GEMM_ROWS);
  if (a->accumulate)
    self.each += mblm_cpu_bytes (GEMM_ROWS * self.columns, sizeof (float));
  if (!mblm_cpu_scratch (queue, 0, &self.each, &self.workers))
    return;
  mblm_cpu_run (queue, self.column_tiles * divide_up (a->rows, GEMM_ROWS),
      (double) n * (double) k * (double) a->rows * MULTIPLY_WORK, gemm_tile,
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
  else if (a->rows <= MATVEC_ROWS)
    linear_few (queue, a);
  else
    linear_many (queue, a);
}
