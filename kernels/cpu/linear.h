/* linear.h: what the ways to a product share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "isa.h"
#include "vecmath.h"

/* Estimates in nanoseconds: of an element of the weight that is read, of a
 * multiplication. */
#define READ_WORK 0.06
#define MULTIPLY_WORK 0.015

/* Products of few rows; the sums have at least one term. */
void FN (linear_few) (MblmQueue *queue, const MblmLinear *a);
/* Products of many rows in float32, by OpenBLAS. */
void FN (linear_blas) (MblmQueue *queue, const MblmLinear *a);

/* out[count] = activation (sums + bias), or += that, for the outputs from `first`
 * on of row `row`; `out` may be `sums`. */
static inline void
finish_row (const MblmLinear *a, size_t row, const float *sums, size_t first,
    size_t count, float *out)
{
  float *before = a->before ? a->before + row * a->weight.rows + first : NULL;

  for (size_t j = 0; j < count; j += VW) {
    size_t n = count - j;
    vf y = v_load_n (sums + j, n);

    if (a->bias)
      y = y + v_load_n (a->bias + first + j, n);
    if (before)
      v_store_n (before + j, n, y);
    if (a->activation == MBLM_ACTIVATION_GELU)
      y = v_gelu (y);
    if (a->accumulate)
      y = v_load_n (out + j, n) + y;
    v_store_n (out + j, n, y);
  }
}
