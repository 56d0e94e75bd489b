/* gemm.h: the inner part of products of many rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One operand of a product is packed: cut into panels of GEMM_LANES rows, each
 * transposed, [k, GEMM_LANES], so that its rows lie in the lanes of vectors. The
 * other is taken as it is, GEMM_ROWS rows at a time, one number in all lanes.
 * A block of GEMM_ROWS x GEMM_LANES results stays in registers over all of k.
 *
 * Every result is the sum over k in rising order, in parts of GEMM_DEPTH, fused
 * multiply-adds where the processor has them: it does not depend on which of the
 * operands is packed, nor on where in a block it is computed.
 */

#pragma once

#include "isa.h"

#if VW == 16
#define GEMM_ROWS 12
#elif VW == 8
#define GEMM_ROWS 6
#else
#define GEMM_ROWS 4
#endif
#define GEMM_LANES (2 * VW)
#define GEMM_DEPTH 512

/* Distance of the rows of a GemmRows: not a power of two, for the cache's sake. */
#define GEMM_ROW_STRIDE (GEMM_DEPTH + 16)

/* The unpacked operand of a block. */
typedef struct {
  _Alignas(64) float data[GEMM_ROWS * GEMM_ROW_STRIDE];
} GemmRows;

/* Rows [row, row + rows), rows <= GEMM_ROWS, columns [col, col + depth), depth <=
 * GEMM_DEPTH, of a matrix whose rows are `stride` elements apart. */
void FN (gemm_rows) (GemmRows *to, const void *data, MblmType type,
    size_t stride, size_t row, size_t rows, size_t col, size_t depth);

/* Packs one panel: columns [col, col + depth) of `count` <= GEMM_LANES rows, to
 * [depth, GEMM_LANES]; lanes from `count` on are zero. */
void FN (gemm_pack) (float *to, const void *const *rows, MblmType type,
    size_t count, size_t col, size_t depth);

/* out[i, j] = (or +=, with `add`) sum over depth of row i of `rows` times lane j
 * of a panel, for i < count <= GEMM_ROWS and j < lanes <= GEMM_LANES. */
void FN (gemm_block) (const GemmRows *rows, size_t count, const float *panel,
    size_t lanes, size_t depth, bool add, float *out, size_t out_stride);

/* The same, but out[j, i]. */
void FN (gemm_block_transposed) (const GemmRows *rows, size_t count,
    const float *panel, size_t lanes, size_t depth, bool add, float *out,
    size_t out_stride);
