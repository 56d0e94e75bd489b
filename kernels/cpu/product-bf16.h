/* product-bf16.h: operands of a product as squares of bfloat16.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Instructions that multiply bfloat16 take pairs, two neighbours along the
 * depth in a word of four bytes. A square is 16 vectors of 16 such words: the
 * vectors are rows of the operand, or, turned, the words of a vector belong to
 * different rows.
 */

#pragma once

#include "product.h"
#include "tile.h"

#define SQUARE 16       /* rows */
#define SQUARE_DEPTH 32 /* elements along the depth */
#define SQUARE_BYTES (16 * 64)

/* Two vectors of floats to one of 32 bfloat16, `low` in its first half. */
static ALWAYS_INLINE __m512i
round_two (vf low, vf high)
{
  return (__m512i) _mm512_cvtne2ps_pbh (high, low);
}

/* MblmCpuOps.round_bf16 */
static void
round_row (uint16_t *to, const float *from, size_t n)
{
  for (size_t i = 0; i < n; i += 2 * VW) {
    size_t left = n - i;
    __m512i both = round_two (v_load_n (from + i, left),
        left > VW ? v_load_n (from + i + VW, left - VW) : v_zero ());

    if (left >= 2 * VW)
      _mm512_storeu_si512 (to + i, both);
    else
      _mm512_mask_storeu_epi16 (to + i, (__mmask32) ((1ull << left) - 1), both);
  }
}

/* One row of a square: n elements from element `at` on. */
static ALWAYS_INLINE __m512i
load_row (const ProductOperand *from, size_t at, size_t n)
{
  const float *p = (const float *) from->data + at;

  if (from->type == MBLM_TYPE_BF16)
    return _mm512_maskz_loadu_epi16 (
        (__mmask32) ((1ull << n) - 1), (const uint16_t *) from->data + at);
  if (n == SQUARE_DEPTH)
    return round_two (v_load (p), v_load (p + VW));
  return round_two (
      v_load_n (p, n), n > VW ? v_load_n (p + VW, n - VW) : v_zero ());
}

/* `count` rows at one place of the depth, 16 bfloat16, and at the next. */
static ALWAYS_INLINE __m512i
load_columns (const ProductOperand *from, size_t at, size_t count, bool both)
{
  size_t next = at + from->stride;

  if (from->type == MBLM_TYPE_BF16) {
    const uint16_t *p = from->data;
    __mmask16 mask = v_first (count);
    __m256i low = _mm256_maskz_loadu_epi16 (mask, p + at);
    __m256i high = both ? _mm256_maskz_loadu_epi16 (mask, p + next)
                        : _mm256_setzero_si256 ();

    return _mm512_inserti64x4 (_mm512_castsi256_si512 (low), high, 1);
  }
  return round_two (v_load_n ((const float *) from->data + at, count),
      both ? v_load_n ((const float *) from->data + next, count) : v_zero ());
}

/* A word of each two elements with the same number in the two halves. */
static ALWAYS_INLINE __m512i
interleave (__m512i halves)
{
  const __m512i order = _mm512_set_epi16 (31, 15, 30, 14, 29, 13, 28, 12, 27,
      11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1,
      16, 0);

  return _mm512_permutexvar_epi16 (order, halves);
}

/* Elements (row .. row + count - 1, col .. col + n - 1) of an operand, count <=
 * SQUARE, n <= SQUARE_DEPTH; the rest of the square is zero. */
static ALWAYS_INLINE void
load_square (vf *square, const ProductOperand *from, size_t row, size_t count,
    size_t col, size_t n)
{
  UNROLL
  for (size_t i = 0; i < SQUARE; i++) {
    __m512i words = _mm512_setzero_si512 ();

    if (!from->across && i < count)
      words = load_row (from, (row + i) * from->stride + col, n);
    else if (from->across && 2 * i < n)
      words = interleave (load_columns (
          from, (col + 2 * i) * from->stride + row, count, 2 * i + 1 < n));
    square[i] = (vf) words;
  }
}

/* So to `to`, whose vectors are `stride` bytes apart. */
static ALWAYS_INLINE void
pack_square (char *to, size_t stride, const ProductOperand *from, size_t row,
    size_t count, size_t col, size_t n, const bool turned)
{
  vf square[SQUARE];

  if (count >= SQUARE && n >= SQUARE_DEPTH)
    load_square (square, from, row, SQUARE, col, SQUARE_DEPTH);
  else
    load_square (square, from, row, min_size (count, SQUARE), col,
        min_size (n, SQUARE_DEPTH));
  if (from->across != turned)
    v_transpose (square);
  UNROLL
  for (size_t i = 0; i < SQUARE; i++)
    v_store ((float *) (to + i * stride), square[i]);
}

/* Asks for rows that will soon be wanted. */
static inline void
prefetch_rows (const ProductOperand *from, size_t row, size_t count, size_t col,
    size_t depth)
{
  size_t size = from->type == MBLM_TYPE_F32 ? sizeof (float)
                                            : sizeof (uint16_t);

  for (size_t i = 0; !from->across && i < count; i++) {
    const char *next = (const char *) from->data +
        ((row + i) * from->stride + col) * size;

    for (size_t k = 0; k < depth * size; k += 64)
      __builtin_prefetch (next + k, 0, 2);
  }
}
