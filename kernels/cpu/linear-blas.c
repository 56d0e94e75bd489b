/* linear-blas.c: x W^T for many rows through OpenBLAS.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For processors which vec.h knows nothing particular about; where it does, the
 * blocks of gemm.c are faster (docs/performance.md). The library runs within
 * a tile, on the thread that has the tile: the tiles are fixed, so results don't
 * depend on the number of threads.
 */

#include "isa.h"

#include "linear.h"
#include "tile.h"

#include <cblas.h>
#include <limits.h>
#include <stdatomic.h>

#define TILE_ROWS 128
#define TILE_COLUMNS 512

/* Debian puts either the serial build or the one with threads behind the same
 * name. The latter would start threads of its own inside our tiles, and only
 * this setting, which is one for the whole process, keeps it from that. The
 * symbol is weak because other BLAS libraries don't have it. */
#pragma weak openblas_set_num_threads

typedef struct {
  const MblmLinear *a;
  Finish finish;
  size_t columns; /* outputs of a tile */
  size_t column_tiles;
  char *workers;        /* widened weights, product */
  size_t each, product; /* size, offset of the product */
} Linear;

/* Outputs [first, first + count) of the weight as floats, [count, cols]. */
static const float *
widen (const MblmMatrix *weight, size_t first, size_t count, float *scratch)
{
  const uint16_t *from = (const uint16_t *) weight->data + first * weight->cols;
  size_t n = count * weight->cols;

  if (weight->type == MBLM_TYPE_F32)
    return (const float *) weight->data + first * weight->cols;
  for (size_t i = 0; i < n; i += VW)
    v_store_n (scratch + i, n - i,
        n - i >= VW ? v_bf16 (from + i) : v_bf16_n (from + i, n - i));
  return scratch;
}

static void
blas_tile (const void *data, size_t tile, unsigned worker)
{
  const Linear *self = data;
  const MblmLinear *a = self->a;
  size_t k = a->weight.cols, first = tile % self->column_tiles * self->columns;
  size_t count = min_size (self->columns, a->weight.rows - first);
  size_t row = tile / self->column_tiles * TILE_ROWS;
  size_t rows = min_size (TILE_ROWS, a->rows - row);
  char *scratch = self->workers + worker * self->each;
  const float *w = widen (&a->weight, first, count, (float *) scratch);
  float *product = (float *) (scratch + self->product);

  /* Not into the result itself, which may hold anything: the library's kernels
   * for small products multiply what is there by 0. */
  memset (product, 0, rows * count * sizeof (*product));
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) rows, (int) count,
      (int) k, 1.0f, (const float *) a->x + row * a->x_stride,
      (int) a->x_stride, w, (int) k, 0.0f, product, (int) count);
  for (size_t r = 0; r < rows; r++)
    finish_row (&self->finish, row + r, product + r * count, first, count,
        (float *) a->out + (row + r) * a->out_stride);
}

void
FN (linear_blas) (MblmQueue *queue, const MblmLinear *a)
{
  static atomic_flag limited = ATOMIC_FLAG_INIT;
  size_t k = a->weight.cols, n = a->weight.rows;
  Linear self = {.a = a,
      .finish = finish_linear (queue, a),
      .columns = min_size (n, TILE_COLUMNS)};

  if (!atomic_flag_test_and_set (&limited) && openblas_set_num_threads)
    openblas_set_num_threads (1);
  self.column_tiles = divide_up (n, self.columns);
  if (a->weight.type == MBLM_TYPE_BF16)
    self.product = mblm_cpu_bytes (self.columns * k, sizeof (float));
  self.each = self.product +
      mblm_cpu_bytes (TILE_ROWS * self.columns, sizeof (float));
  if (!mblm_cpu_scratch (queue, 0, &self.each, &self.workers))
    return;
  mblm_cpu_run (queue, self.column_tiles * divide_up (a->rows, TILE_ROWS),
      (double) n * (double) k * (double) a->rows * MULTIPLY_WORK, blas_tile,
      &self);
}
