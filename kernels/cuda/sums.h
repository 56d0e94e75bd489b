/* sums.h: sums over the rows of a matrix.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Gradients of what all rows share end here: blocks write partial sums to scratch
 * memory, as rows of a matrix, and these are added up in order.
 */

#pragma once

#include "cuda.h"

/* A part of the operation's scratch memory for one such sum at a time. */
size_t mblm_cuda_sum_rows_part (
    MblmCudaScratch *scratch, size_t rows, size_t width);

/* out[j] += sum over i of x[i * stride + j], j < width; in double. A NULL `out`
 * isn't wanted. */
void mblm_cuda_sum_rows_to (MblmCudaScratch *scratch, size_t part,
    const float *x, size_t rows, size_t width, size_t stride, float *out);

/* The same, of bfloat16. */
void mblm_cuda_sum_rows_of_bf16_to (MblmCudaScratch *scratch, size_t part,
    const uint16_t *x, size_t rows, size_t width, size_t stride, float *out);
