/* small-product.h: products of matrices that lie in the cache.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "isa.h"

/* out = a b, or scale out + a b with `add`. Rows of b and out are padded to
 * whole vectors, so `width` is a multiple of VW; any strides. Every entry is a
 * sum over `depth` in rising order, whatever else is computed with it. */
typedef struct {
  size_t rows, width, depth;
  const float *a; /* a[i, k] = a[i * a_row + k * a_depth] */
  size_t a_row, a_depth;
  const float *b; /* [depth, width] */
  size_t b_stride;
  bool add;
  float scale;
  float *out; /* [rows, width] */
  size_t out_stride;
} SmallProduct;

void FN (small_product) (const SmallProduct *self);

/* to [cols, rows] = from [rows, cols] transposed; both numbers are multiples of
 * VW. */
void FN (transpose) (const float *from, size_t from_stride, size_t rows,
    size_t cols, float *to, size_t to_stride);
