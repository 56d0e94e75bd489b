/* small-product.c: products of matrices that lie in the cache.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A block of up to BLOCK_ROWS x 2 vectors of results stays in registers over
 * all of the depth. Nothing is packed: b passes in vectors as it lies, entries
 * of a are broadcast from memory, which any strides allow.
 */

#include "small-product.h"
#include "tile.h"

#if VW == 16
#define BLOCK_ROWS 12
#elif VW == 8
#define BLOCK_ROWS 6
#else
#define BLOCK_ROWS 4
#endif

/* Rows of a are reached from a pointer to every fourth: so many registers of
 * addresses there are. */
static ALWAYS_INLINE void
block (const SmallProduct *self, const int rows, const int vectors,
    const size_t a_row, size_t row, size_t col)
{
  vf sums[BLOCK_ROWS][2];
  const float *a[(BLOCK_ROWS + 3) / 4];
  const float *b = self->b + col;
  float *out = self->out + row * self->out_stride + col;

  UNROLL
  for (int i = 0; i < rows; i++) {
    if (i % 4 == 0)
      a[i / 4] = self->a + (row + i) * a_row;
    UNROLL
    for (int v = 0; v < vectors; v++) {
      sums[i][v] = v_zero ();
      if (self->add)
        sums[i][v] = v_set1 (self->scale) *
            v_load (out + i * self->out_stride + v * VW);
    }
  }
  for (size_t k = 0; k < self->depth; k++, b += self->b_stride) {
    vf lanes[2];

    UNROLL
    for (int v = 0; v < vectors; v++)
      lanes[v] = v_load (b + v * VW);
    UNROLL
    for (int i = 0; i < rows; i++) {
      vf x = v_set1 (a[i / 4][(i % 4) * a_row]);

      UNROLL
      for (int v = 0; v < vectors; v++)
        sums[i][v] = v_fma (x, lanes[v], sums[i][v]);
    }
    UNROLL
    for (int i = 0; i < rows; i += 4)
      a[i / 4] += self->a_depth;
  }
  UNROLL
  for (int i = 0; i < rows; i++)
    UNROLL
  for (int v = 0; v < vectors; v++)
    v_store (out + i * self->out_stride + v * VW, sums[i][v]);
}

#define CASE(ROWS)                                                             \
  case ROWS:                                                                   \
    block (self, ROWS, vectors, a_row, row, col);                              \
    break;

static ALWAYS_INLINE void
any_rows (const SmallProduct *self, size_t rows, const int vectors,
    const size_t a_row, size_t row, size_t col)
{
  switch (rows) {
    CASE (1)
    CASE (2)
    CASE (3)
    CASE (4)
#if BLOCK_ROWS > 4
    CASE (5)
    CASE (6)
#endif
#if BLOCK_ROWS > 6
    CASE (7)
    CASE (8)
    CASE (9)
    CASE (10)
    CASE (11)
    CASE (12)
#endif
  }
}

/* The rows in blocks of about the same size. */
static ALWAYS_INLINE void
all_rows (
    const SmallProduct *self, const int vectors, const size_t a_row, size_t col)
{
  size_t blocks = divide_up (self->rows, BLOCK_ROWS), row = 0;

  for (; blocks > 0; blocks--) {
    size_t rows = divide_up (self->rows - row, blocks);

    any_rows (self, rows, vectors, a_row, row, col);
    row += rows;
  }
}

void
FN (small_product) (const SmallProduct *self)
{
  size_t col = 0;

  for (; col + 2 * VW <= self->width; col += 2 * VW)
    if (self->a_row == 1)
      all_rows (self, 2, 1, col);
    else
      all_rows (self, 2, self->a_row, col);
  if (col < self->width)
    all_rows (self, 1, self->a_row, col);
}

void
FN (transpose) (const float *from, size_t from_stride, size_t rows, size_t cols,
    float *to, size_t to_stride)
{
  for (size_t i = 0; i < rows; i += VW)
    for (size_t j = 0; j < cols; j += VW) {
      vf square[VW];

      for (size_t k = 0; k < VW; k++)
        square[k] = v_load (from + (i + k) * from_stride + j);
      v_transpose (square);
      for (size_t k = 0; k < VW; k++)
        v_store (to + (j + k) * to_stride + i, square[k]);
    }
}
