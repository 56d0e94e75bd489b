/* gemm.c: the inner part of products of many rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "gemm.h"
#include "tile.h"

/* What a word of a row and one of a panel add to a sum: words are floats, or
 * where the build says so pairs of bfloat16 (product-bf16.c). */
#ifdef GEMM_PAIRS
#define MULTIPLY_ADD(x, y, sum)                                                \
  _mm512_dpbf16_ps (sum, (__m512bh) (x), (__m512bh) (y))
#else
#define MULTIPLY_ADD v_fma
#endif

void
FN (gemm_rows) (GemmRows *to, const void *data, MblmType type, size_t stride,
    size_t row, size_t rows, size_t col, size_t depth)
{
  size_t size = type == MBLM_TYPE_F32 ? sizeof (float) : sizeof (uint16_t);

  for (size_t i = 0; i < rows; i++) {
    size_t at = (row + i) * stride + col;
    const char *next = (const char *) data + (at + rows * stride) * size;
    float *out = to->data + i * GEMM_ROW_STRIDE;

    /* what the next call will want, on its way while this one's is used */
    for (size_t k = 0; k < depth * size; k += 64)
      __builtin_prefetch (next + k, 0, 2);
    if (type == MBLM_TYPE_F32) {
      memcpy (out, (const float *) data + at, depth * sizeof (*out));
      continue;
    }
    for (size_t k = 0; k < depth; k += VW) {
      const uint16_t *from = (const uint16_t *) data + at + k;
      size_t n = depth - k;

      v_store (out + k, n >= VW ? v_bf16 (from) : v_bf16_n (from, n));
    }
  }
}

/* ------------------------------------------------------------------------- */
/* Packing                                                                   */
/* ------------------------------------------------------------------------- */

/* Columns [col, col + n), n <= VW, of VW rows; those from `count` on are zero. */
static ALWAYS_INLINE void
load_square (vf *square, const void *const *rows, MblmType type, size_t count,
    size_t col, size_t n)
{
  for (size_t i = 0; i < VW; i++)
    if (i >= count)
      square[i] = v_zero ();
    else if (type == MBLM_TYPE_F32)
      square[i] = v_load_n ((const float *) rows[i] + col, n);
    else if (n >= VW)
      square[i] = v_bf16 ((const uint16_t *) rows[i] + col);
    else
      square[i] = v_bf16_n ((const uint16_t *) rows[i] + col, n);
}

void
FN (gemm_pack) (float *to, const void *const *rows, MblmType type, size_t count,
    size_t col, size_t depth)
{
  for (size_t lane = 0; lane < GEMM_LANES; lane += VW)
    for (size_t k = 0; k < depth; k += VW) {
      size_t n = min_size (VW, depth - k);
      vf square[VW];

      load_square (square, rows + lane, type, count > lane ? count - lane : 0,
          col + k, n);
      v_transpose (square);
      for (size_t i = 0; i < n; i++)
        v_store (to + (k + i) * GEMM_LANES + lane, square[i]);
    }
}

/* ------------------------------------------------------------------------- */
/* Blocks                                                                    */
/* ------------------------------------------------------------------------- */

/* sums[i][v] of `count` rows and `vectors` vectors of lanes. */
static ALWAYS_INLINE void
multiply (const float *rows, const int count, const float *panel,
    const int vectors, size_t depth, vf sums[][2])
{
  UNROLL
  for (int i = 0; i < count; i++)
    UNROLL
  for (int v = 0; v < vectors; v++)
    sums[i][v] = v_zero ();
  for (size_t k = 0; k < depth; k++, rows++, panel += GEMM_LANES) {
    vf lanes[2];

    UNROLL
    for (int v = 0; v < vectors; v++)
      lanes[v] = v_load (panel + v * VW);
    UNROLL
    for (int i = 0; i < count; i++) {
      vf x = v_set1 (rows[i * GEMM_ROW_STRIDE]);

      UNROLL
      for (int v = 0; v < vectors; v++)
        sums[i][v] = MULTIPLY_ADD (x, lanes[v], sums[i][v]);
    }
  }
}

static ALWAYS_INLINE void
block (const GemmRows *rows, const int count, const float *panel,
    const int vectors, size_t lanes, size_t depth, bool add, float *out,
    size_t stride)
{
  vf sums[GEMM_ROWS][2];
  size_t last = lanes - (vectors - 1) * VW;

  multiply (rows->data, count, panel, vectors, depth, sums);
  UNROLL
  for (int i = 0; i < count; i++)
    UNROLL
  for (int v = 0; v < vectors; v++) {
    float *to = out + i * stride + v * VW;
    size_t n = v == vectors - 1 ? last : VW;

    if (add)
      sums[i][v] = v_load_n (to, n) + sums[i][v];
    v_store_n (to, n, sums[i][v]);
  }
}

static ALWAYS_INLINE void
block_transposed (const GemmRows *rows, const int count, const float *panel,
    const int vectors, size_t lanes, size_t depth, bool add, float *out,
    size_t stride)
{
  vf sums[GEMM_ROWS][2];

  multiply (rows->data, count, panel, vectors, depth, sums);
  UNROLL
  for (int v = 0; v < vectors; v++) {
    size_t n = min_size (VW, lanes - v * VW);

    UNROLL
    for (int first = 0; first < count; first += VW) {
      size_t width = count - first;
      vf square[VW];

      UNROLL
      for (int i = 0; i < VW; i++)
        square[i] = first + i < count ? sums[first + i][v] : v_zero ();
      v_transpose (square);
      for (size_t j = 0; j < n; j++) {
        float *to = out + (v * VW + j) * stride + first;

        if (add)
          square[j] = v_load_n (to, width) + square[j];
        v_store_n (to, width, square[j]);
      }
    }
  }
}

#define CASE(NAME, COUNT)                                                      \
  case COUNT:                                                                  \
    if (lanes > VW)                                                            \
      NAME (rows, COUNT, panel, 2, lanes, depth, add, out, stride);            \
    else                                                                       \
      NAME (rows, COUNT, panel, 1, lanes, depth, add, out, stride);            \
    break;

#if GEMM_ROWS == 12
#define CASES(NAME)                                                            \
  CASE (NAME, 1)                                                               \
  CASE (NAME, 2)                                                               \
  CASE (NAME, 3)                                                               \
  CASE (NAME, 4)                                                               \
  CASE (NAME, 5)                                                               \
  CASE (NAME, 6)                                                               \
  CASE (NAME, 7)                                                               \
  CASE (NAME, 8)                                                               \
  CASE (NAME, 9)                                                               \
  CASE (NAME, 10)                                                              \
  CASE (NAME, 11)                                                              \
  CASE (NAME, 12)
#elif GEMM_ROWS == 6
#define CASES(NAME)                                                            \
  CASE (NAME, 1)                                                               \
  CASE (NAME, 2)                                                               \
  CASE (NAME, 3)                                                               \
  CASE (NAME, 4)                                                               \
  CASE (NAME, 5)                                                               \
  CASE (NAME, 6)
#else
#define CASES(NAME)                                                            \
  CASE (NAME, 1)                                                               \
  CASE (NAME, 2)                                                               \
  CASE (NAME, 3)                                                               \
  CASE (NAME, 4)
#endif

void
FN (gemm_block) (const GemmRows *rows, size_t count, const float *panel,
    size_t lanes, size_t depth, bool add, float *out, size_t stride)
{
  switch (count) {
    CASES (block)
  }
}

void
FN (gemm_block_transposed) (const GemmRows *rows, size_t count,
    const float *panel, size_t lanes, size_t depth, bool add, float *out,
    size_t stride)
{
  switch (count) {
    CASES (block_transposed)
  }
}
