/* attention-products.h: products of the weights of a block of rows and keys.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "amx.h"
#include "gemm.h"
#include "tile.h"

/* A multiple of GEMM_ROWS and GEMM_LANES. */
#define BLOCK_KEYS AMX_BLOCK_KEYS

/* Distance of the rows of weights: not a power of two, for the cache's sake. */
#define WEIGHTS_STRIDE (BLOCK_KEYS + 16)

/* out[i, j] += sum over k < depth of x[i * row_step + k * step] * panel[k, j],
 * for i < count and j < lanes; panel rows are `stride` apart. Reads GEMM_ROWS
 * rows and GEMM_LANES lanes whatever count and lanes are. */
static ALWAYS_INLINE void
product (const float *x, const size_t row_step, const size_t step, size_t count,
    const float *panel, size_t stride, size_t lanes, size_t depth, float *out,
    size_t out_stride)
{
  vf sums[GEMM_ROWS][2];

  UNROLL
  for (int i = 0; i < GEMM_ROWS; i++)
    sums[i][0] = sums[i][1] = v_zero ();
  for (size_t k = 0; k < depth; k++, x += step, panel += stride) {
    vf low = v_load (panel), high = v_load (panel + VW);

    UNROLL
    for (int i = 0; i < GEMM_ROWS; i++) {
      vf w = v_set1 (x[i * row_step]);

      sums[i][0] = v_fma (w, low, sums[i][0]);
      sums[i][1] = v_fma (w, high, sums[i][1]);
    }
  }
  UNROLL
  for (size_t i = 0; i < GEMM_ROWS; i++) {
    float *to = out + i * out_stride;

    if (i >= count)
      break;
    v_store_n (to, lanes, v_load_n (to, lanes) + sums[i][0]);
    if (lanes > VW)
      v_store_n (
          to + VW, lanes - VW, v_load_n (to + VW, lanes - VW) + sums[i][1]);
  }
}

/* out [count, width] += x y, for x [count, depth] in rows WEIGHTS_STRIDE apart
 * and y [depth, padded]. */
static void
multiply (const float *x, size_t count, const float *y, size_t padded,
    size_t width, size_t depth, float *out, size_t out_stride)
{
  for (size_t p = 0; p < width; p += GEMM_LANES)
    product (x, WEIGHTS_STRIDE, 1, count, y + p, padded,
        min_size (GEMM_LANES, width - p), depth, out + p, out_stride);
}

/* The same for x^T, x [depth, count]. */
static void
multiply_transposed (const float *x, size_t count, const float *y,
    size_t padded, size_t width, size_t depth, float *out, size_t out_stride)
{
  for (size_t p = 0; p < width; p += GEMM_LANES)
    product (x, 1, WEIGHTS_STRIDE, count, y + p, padded,
        min_size (GEMM_LANES, width - p), depth, out + p, out_stride);
}
