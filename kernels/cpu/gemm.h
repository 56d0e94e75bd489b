/* gemm.h: a tile of a matrix product.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "isa.h"

/* Bytes that FN (gemm) needs for tiles of up to that size. */
size_t FN (gemm_scratch) (const MblmMatrix *weight, size_t count, size_t rows);

/* out[r, j] = x[r, :] . weight[first + j, :] for r < rows, j < count, by the
 * calling thread alone; `out` is not read. */
void FN (gemm) (const MblmMatrix *weight, size_t first, size_t count,
    const float *x, size_t x_stride, size_t rows, float *out, size_t out_stride,
    void *scratch);
