/* linear.h: what the two ways to a product share.
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

/* Products of many rows, more than a step of decoding has. */
void FN (linear_many) (MblmQueue *queue, const MblmLinear *a);
void FN (linear_blas) (MblmQueue *queue, const MblmLinear *a);

/* out[count] = activation (sums + bias), or += that with `add`, for the outputs
 * from `first` on; `out` may be `sums`. */
static inline void
finish_row (const MblmLinear *a, const float *sums, size_t first, size_t count,
    bool add, float *out)
{
  for (size_t j = 0; j < count; j += VW) {
    size_t n = count - j;
    vf y = v_load_n (sums + j, n);

    if (a->bias)
      y = y + v_load_n (a->bias + first + j, n);
    if (a->activation == MBLM_ACTIVATION_GELU)
      y = v_gelu (y);
    if (add)
      y = v_load_n (out + j, n) + y;
    v_store_n (out + j, n, y);
  }
}
