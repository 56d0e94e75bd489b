/* product-f32.c: strips, panels and blocks of float32.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Operands are packed as they are, or rounded to bfloat16: the same numbers as
 * where the processor multiplies bfloat16, and sums in float32 as there.
 */

#include "bf16.h"
#include "gemm.h"
#include "product.h"
#include "tile.h"

_Static_assert(sizeof (GemmRows) <= STRIP_BYTES, "strips are large enough");

/* n <= VW elements from element `at` on. */
static ALWAYS_INLINE vf
load (const ProductOperand *from, size_t at, size_t n, const bool rounded)
{
  vf x;

  if (from->type == MBLM_TYPE_BF16) {
    const uint16_t *p = (const uint16_t *) from->data + at;

    return n >= VW ? v_bf16 (p) : v_bf16_n (p, n);
  }
  x = v_load_n ((const float *) from->data + at, n);
  return rounded ? v_round_bf16 (x) : x;
}

/* Elements (row .. row + count - 1, col .. col + n - 1) to square [VW, VW]: its
 * vectors are rows, or columns where the operand lies across; `count` is
 * reduced to VW. */
static ALWAYS_INLINE void
load_square (vf *square, const ProductOperand *from, size_t row, size_t count,
    size_t col, size_t n, const bool rounded)
{
  size_t vectors = from->across ? n : min_size (count, VW);
  size_t length = from->across ? min_size (count, VW) : n;
  size_t at = from->across ? col * from->stride + row
                           : row * from->stride + col;

  UNROLL
  for (size_t i = 0; i < VW; i++)
    square[i] = i < vectors
        ? load (from, at + i * from->stride, length, rounded)
        : v_zero ();
}

static ALWAYS_INLINE void
pack_panel (float *to, const ProductOperand *from, size_t row, size_t count,
    size_t col, size_t depth, const bool rounded)
{
  for (size_t lane = 0; lane < GEMM_LANES; lane += VW)
    for (size_t k = 0; k < depth; k += VW) {
      size_t n = min_size (VW, depth - k);
      vf square[VW];

      load_square (square, from, row + lane, count > lane ? count - lane : 0,
          col + k, n, rounded);
      if (!from->across)
        v_transpose (square);
      for (size_t i = 0; i < n; i++)
        v_store (to + (k + i) * GEMM_LANES + lane, square[i]);
    }
}

/* What the next call will want, on its way while this one's is used. */
static ALWAYS_INLINE void
prefetch_strip (
    const ProductOperand *from, size_t row, size_t col, size_t depth)
{
  size_t size = from->type == MBLM_TYPE_F32 ? sizeof (float)
                                            : sizeof (uint16_t);
  const char *next = (const char *) from->data +
      (row * from->stride + col) * size;

  for (size_t i = 0; i < depth * size; i += 64)
    __builtin_prefetch (next + i, 0, 2);
}

static ALWAYS_INLINE void
pack_strip (float *to, const ProductOperand *from, size_t row, size_t count,
    size_t col, size_t depth, const bool rounded)
{
  if (!from->across)
    for (size_t i = 0; i < count; i++)
      prefetch_strip (from, row + count + i, col, depth);
  for (size_t k = 0; k < depth; k += VW) {
    vf square[VW];

    load_square (
        square, from, row, count, col + k, min_size (VW, depth - k), rounded);
    if (from->across)
      v_transpose (square);
    for (size_t i = 0; i < count; i++)
      v_store (to + i * GEMM_ROW_STRIDE + k, square[i]);
  }
}

static void
pack_panel_f32 (void *panel, const ProductOperand *from, size_t row,
    size_t count, size_t col, size_t depth)
{
  pack_panel (panel, from, row, count, col, depth, false);
}

static void
pack_strip_f32 (void *strip, const ProductOperand *from, size_t row,
    size_t count, size_t col, size_t depth)
{
  pack_strip (strip, from, row, count, col, depth, false);
}

static void
pack_panel_rounded (void *panel, const ProductOperand *from, size_t row,
    size_t count, size_t col, size_t depth)
{
  pack_panel (panel, from, row, count, col, depth, true);
}

static void
pack_strip_rounded (void *strip, const ProductOperand *from, size_t row,
    size_t count, size_t col, size_t depth)
{
  pack_strip (strip, from, row, count, col, depth, true);
}

static void
block (const void *strip, size_t rows, const void *panel, size_t lanes,
    size_t depth, float *sums, size_t stride)
{
  FN (gemm_block)
  (strip, rows, panel, lanes, depth, false, sums, stride);
}

static void
block_transposed (const void *strip, size_t rows, const void *panel,
    size_t lanes, size_t depth, float *sums, size_t stride)
{
  FN (gemm_block_transposed)
  (strip, rows, panel, lanes, depth, false, sums, stride);
}

const MblmBlocks FN (blocks_f32) = {
    .rows = GEMM_ROWS,
    .lanes = GEMM_LANES,
    .depth = GEMM_DEPTH,
    .size = sizeof (float),
    .pack_strip = pack_strip_f32,
    .pack_panel = pack_panel_f32,
    .block = block,
    .block_transposed = block_transposed,
};

const MblmBlocks FN (blocks_rounded) = {
    .rows = GEMM_ROWS,
    .lanes = GEMM_LANES,
    .depth = GEMM_DEPTH,
    .size = sizeof (float),
    .pack_strip = pack_strip_rounded,
    .pack_panel = pack_panel_rounded,
    .block = block,
    .block_transposed = block_transposed,
};
