/* product-bf16.c: strips, panels and blocks of bfloat16 in AVX-512.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * As with float32, but a word is a pair, half as many of them as the sum has
 * terms: a strip is [GEMM_ROWS, GEMM_ROW_STRIDE], a panel [words, GEMM_LANES].
 */

#include "gemm.h"
#include "product-bf16.h"

#define WORD 4 /* bytes */

static void
pack_panel (void *panel, const ProductOperand *from, size_t row, size_t count,
    size_t col, size_t depth)
{
  for (size_t lane = 0; lane < GEMM_LANES; lane += SQUARE)
    for (size_t k = 0; k < depth; k += SQUARE_DEPTH)
      pack_square ((char *) panel + (k / 2 * GEMM_LANES + lane) * WORD,
          GEMM_LANES * WORD, from, row + lane, count > lane ? count - lane : 0,
          col + k, depth - k, true);
}

/* The squares' last rows, which a strip lacks, go to what the next row has not
 * been written to yet; those of the last to what is over. */
static void
pack_strip (void *strip, const ProductOperand *from, size_t row, size_t count,
    size_t col, size_t depth)
{
  prefetch_rows (from, row + count, count, col, depth);
  for (size_t k = 0; k < depth; k += SQUARE_DEPTH)
    pack_square ((char *) strip + k / 2 * WORD, GEMM_ROW_STRIDE * WORD, from,
        row, count, col + k, depth - k, false);
}

static void
block (const void *strip, size_t rows, const void *panel, size_t lanes,
    size_t depth, float *sums, size_t stride)
{
  FN (gemm_block)
  (strip, rows, panel, lanes, divide_up (depth, 2), false, sums, stride);
}

static void
block_transposed (const void *strip, size_t rows, const void *panel,
    size_t lanes, size_t depth, float *sums, size_t stride)
{
  FN (gemm_block_transposed)
  (strip, rows, panel, lanes, divide_up (depth, 2), false, sums, stride);
}

_Static_assert(SQUARE *GEMM_ROW_STRIDE *WORD <= STRIP_BYTES,
    "strips are large enough for whole squares");

static const MblmBlocks blocks = {
    .rows = GEMM_ROWS,
    .lanes = GEMM_LANES,
    .depth = GEMM_DEPTH,
    .size = sizeof (uint16_t),
    .pack_strip = pack_strip,
    .pack_panel = pack_panel,
    .block = block,
    .block_transposed = block_transposed,
};

void
FN (fill) (MblmCpuOps *ops)
{
  ops->blocks_bf16 = &blocks;
  ops->round_bf16 = round_row;
}
