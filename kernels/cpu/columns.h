/* columns.h: sums over many rows, column by column.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The gradients of weights are sums over all rows of a batch. They are taken
 * over blocks of SUM_ROWS rows in float32, four rows at a time, and over the
 * blocks in double, in the order of the rows: neither the number of threads nor
 * that of rows shows in the digits.
 */

#pragma once

#include "isa.h"
#include "tile.h"

#define SUM_ROWS 32
#define COLUMNS (4 * VW) /* that are added up in double at a time */

/* Nanoseconds for an element. */
#define SUM_WORK 0.1

/* Row k of a block is row list[k] of x, or row k where `list` is NULL. */
static ALWAYS_INLINE const float *
block_row (const float *x, size_t stride, const size_t *list, size_t k)
{
  return x + (list ? list[k] : k) * stride;
}

/* sum [width] = the sum of `count` <= SUM_ROWS rows of x [.., width]. */
static ALWAYS_INLINE void
sum_block (const float *x, size_t stride, const size_t *list, size_t count,
    size_t width, float *sum)
{
  size_t k = count % 4;

  memset (sum, 0, width * sizeof (*sum));
  for (size_t i = 0; i < k; i++) {
    const float *r = block_row (x, stride, list, i);

    for (size_t j = 0; j < width; j += VW)
      v_store_n (sum + j, width - j,
          v_load_n (sum + j, width - j) + v_load_n (r + j, width - j));
  }
  for (; k < count; k += 4) {
    const float *r0 = block_row (x, stride, list, k);
    const float *r1 = block_row (x, stride, list, k + 1);
    const float *r2 = block_row (x, stride, list, k + 2);
    const float *r3 = block_row (x, stride, list, k + 3);

    for (size_t j = 0; j < width; j += VW) {
      size_t n = width - j;
      vf s = v_load_n (r0 + j, n) + v_load_n (r1 + j, n);

      s = s + (v_load_n (r2 + j, n) + v_load_n (r3 + j, n));
      v_store_n (sum + j, n, v_load_n (sum + j, n) + s);
    }
  }
}

/* total [COLUMNS] += the sums of `count` rows of x, the first n columns. */
static inline void
add_columns (
    double *total, const float *x, size_t stride, size_t count, size_t n)
{
  for (size_t k = 0; k < count; k++) {
    const float *row = x + k * stride;

    if (n >= COLUMNS)
      for (size_t j = 0; j < COLUMNS; j++)
        total[j] += (double) row[j];
    else
      for (size_t j = 0; j < n; j++)
        total[j] += (double) row[j];
  }
}

/* out [n <= COLUMNS] += total, rounded once. */
static inline void
finish_columns (const double *total, size_t n, float *out)
{
  for (size_t j = 0; j < n; j++)
    out[j] = (float) ((double) out[j] + total[j]);
}

/* out [width] += the sum over the rows of x. */
typedef struct {
  const float *x; /* [rows, width] */
  size_t stride, rows, width;
  float *out;
} ColumnSums;

static inline void
column_sums_tile (const void *data, size_t tile, unsigned worker)
{
  const ColumnSums *self = data;
  size_t first = tile * COLUMNS, n = min_size (COLUMNS, self->width - first);
  double total[COLUMNS] = {0.0};

  add_columns (total, self->x + first, self->stride, self->rows, n);
  finish_columns (total, n, self->out + first);
}

/* Does nothing where `out` is NULL. */
static inline void
column_sums (MblmQueue *queue, const ColumnSums *self)
{
  if (self->out)
    mblm_cpu_run (queue, divide_up (self->width, COLUMNS),
        SUM_WORK * (double) self->rows * (double) self->width, column_sums_tile,
        self);
}
