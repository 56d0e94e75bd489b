/* matvec.c: products of a weight with one to eight rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The weight comes from memory or an outer cache, so each of its elements is
 * read once for all rows, several weight rows side by side: their streams keep
 * the prefetchers busy, and their sums are enough independent chains for the
 * multipliers. A sum of one weight row and one row of x is one vector, the
 * products added to it in rising order, whatever block computes it.
 */

#include "matvec.h"
#include "tile.h"

/* Weight rows side by side for R rows: as many sums as there are registers. */
#if VW == 16
#define BLOCK(R) ((R) <= 3 ? 8 : (R) <= 6 ? 4 : 3)
#else
#define BLOCK(R) ((R) == 1 ? 8 : (R) <= 3 ? 4 : (R) == 4 ? 3 : (R) <= 6 ? 2 : 1)
#endif
#define MAX_SUMS 32

/* Stores sums [j * rows + r] as out[r][j]. */
static ALWAYS_INLINE void
store_sums (
    const vf *sums, const int block, const int rows, float *out, size_t stride)
{
  float flat[MAX_SUMS];

  UNROLL
  for (int i = 0; i < block * rows; i += 8) {
    vf part[8];

    UNROLL
    for (int j = 0; j < 8; j++)
      part[j] = i + j < block * rows ? sums[i + j] : v_zero ();
    v_sum8 (part, flat + i);
  }
  UNROLL
  for (int r = 0; r < rows; r++)
    UNROLL
  for (int j = 0; j < block; j++)
    out[r * stride + j] = flat[j * rows + r];
}

/* `block` weight rows of k floats at w, `rows` rows of x. */
static ALWAYS_INLINE void
block_f32 (const float *w, size_t k, const float *x, size_t x_stride,
    const int block, const int rows, float *out, size_t stride)
{
  vf sums[MAX_SUMS];
  size_t i = 0;

  UNROLL
  for (int s = 0; s < block * rows; s++)
    sums[s] = v_zero ();
  for (; i + VW <= k; i += VW) {
    vf y[MATVEC_ROWS];

    UNROLL
    for (int r = 0; r < rows; r++)
      y[r] = v_load (x + r * x_stride + i);
    UNROLL
    for (int j = 0; j < block; j++) {
      vf v = v_load (w + j * k + i);

      UNROLL
      for (int r = 0; r < rows; r++)
        sums[j * rows + r] = v_fma (v, y[r], sums[j * rows + r]);
    }
  }
  if (i < k) {
    vm m = v_first (k - i);

    UNROLL
    for (int j = 0; j < block; j++) {
      vf v = v_load_m (w + j * k + i, m);

      UNROLL
      for (int r = 0; r < rows; r++)
        sums[j * rows + r] = v_fma (
            v, v_load_m (x + r * x_stride + i, m), sums[j * rows + r]);
    }
  }
  store_sums (sums, block, rows, out, stride);
}

/* The same for bfloat16 and prepared rows. */
static ALWAYS_INLINE void
block_bf16 (const uint16_t *w, size_t k, const float *x, size_t x_stride,
    const int block, const int rows, float *out, size_t stride)
{
  vf sums[MAX_SUMS];

  UNROLL
  for (int s = 0; s < block * rows; s++)
    sums[s] = v_zero ();
  for (size_t i = 0; i < k; i += 2 * VW) {
    UNROLL
    for (int j = 0; j < block; j++) {
      const uint16_t *p = w + j * k + i;
      vi pairs = k - i >= 2 * VW ? v_bf16_pairs (p) : v_bf16_pairs_n (p, k - i);
      vf even = v_bf16_even (pairs), odd = v_bf16_odd (pairs);

      UNROLL
      for (int r = 0; r < rows; r++) {
        const float *y = x + r * x_stride + i;
        vf s = v_fma (even, v_load (y), sums[j * rows + r]);

        sums[j * rows + r] = v_fma (odd, v_load (y + VW), s);
      }
    }
  }
  store_sums (sums, block, rows, out, stride);
}

/* A block of the weight's own type from row `row` on. */
static ALWAYS_INLINE void
block_any (const MblmMatrix *weight, size_t row, const float *x,
    size_t x_stride, const int block, const int rows, float *out, size_t stride)
{
  size_t k = weight->cols;

  if (weight->type == MBLM_TYPE_BF16)
    block_bf16 ((const uint16_t *) weight->data + row * k, k, x, x_stride,
        block, rows, out, stride);
  else
    block_f32 ((const float *) weight->data + row * k, k, x, x_stride, block,
        rows, out, stride);
}

static ALWAYS_INLINE void
matvec_rows (const MblmMatrix *weight, size_t first, size_t count,
    const float *x, size_t x_stride, const int rows, float *sums,
    size_t sums_stride)
{
  const int block = BLOCK (rows);
  size_t j = 0;

  for (; j + block <= count; j += block)
    block_any (
        weight, first + j, x, x_stride, block, rows, sums + j, sums_stride);
  for (; block > 1 && j < count; j++)
    block_any (weight, first + j, x, x_stride, 1, rows, sums + j, sums_stride);
}

void
FN (matvec) (const MblmMatrix *weight, size_t first, size_t count,
    const float *x, size_t x_stride, size_t rows, float *sums,
    size_t sums_stride)
{
#define CASE(R)                                                                \
  case R:                                                                      \
    matvec_rows (weight, first, count, x, x_stride, R, sums, sums_stride);     \
    break;

  switch (rows) {
    CASE (1)
    CASE (2)
    CASE (3)
    CASE (4)
    CASE (5)
    CASE (6)
    CASE (7)
    CASE (8)
  }
#undef CASE
}

void
FN (matvec_split) (const float *x, size_t k, float *out)
{
  size_t length = matvec_split_length (k);

  for (size_t i = 0; i < length; i += 2 * VW)
    for (size_t j = 0; j < 2 * VW; j++)
      out[i + j % 2 * VW + j / 2] = i + j < k ? x[i + j] : 0.0f;
}
