/* matvec.h: products of a weight with few rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "isa.h"

/* Rows that one pass over the weight serves. */
#define MATVEC_ROWS 8

/* sums[r][j] = x[r, :] . weight[first + j, :] for r < rows <= MATVEC_ROWS and
 * j < count. Each is the same whatever `rows`, `first` and `count` are.
 *
 * For a weight of bfloat16 `x` are rows that matvec_split has prepared. */
void FN (matvec) (const MblmMatrix *weight, size_t first, size_t count,
    const float *x, size_t x_stride, size_t rows, float *sums,
    size_t sums_stride);

/* Length of a prepared row of k elements. */
static inline size_t
matvec_split_length (size_t k)
{
  return (k + 2 * VW - 1) / (2 * VW) * (2 * VW);
}

/* From x[k] to out[matvec_split_length (k)]: each 2 VW elements, first those of
 * even numbers, then the others; zeros at the end. */
void FN (matvec_split) (const float *x, size_t k, float *out);
