/* gemm.c: a tile of a matrix product.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "gemm.h"
#include "matvec.h"
#include "tile.h"

#ifdef HAVE_BLAS
#include <cblas.h>
#endif

size_t
FN (gemm_scratch) (const MblmMatrix *weight, size_t count, size_t rows)
{
  if (weight->type == MBLM_TYPE_F32)
    return 0;
  return mblm_cpu_bytes (count * weight->cols, sizeof (float));
}

#ifdef HAVE_BLAS

/* [count, cols] of bfloat16 as floats. */
static void
widen (const uint16_t *from, size_t count, float *to)
{
  size_t i = 0;

  for (; i + VW <= count; i += VW)
    v_store (to + i, v_bf16 (from + i));
  if (i < count)
    v_store_n (to + i, count - i, v_bf16_n (from + i, count - i));
}

void
FN (gemm) (const MblmMatrix *weight, size_t first, size_t count, const float *x,
    size_t x_stride, size_t rows, float *out, size_t out_stride, void *scratch)
{
  size_t k = weight->cols;
  const float *w = (const float *) weight->data + first * k;

  if (weight->type == MBLM_TYPE_BF16) {
    widen ((const uint16_t *) weight->data + first * k, count * k, scratch);
    w = scratch;
  }
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (int) rows, (int) count,
      (int) k, 1.0f, x, (int) x_stride, w, (int) k, 0.0f, out,
      (int) out_stride);
}

#else

void
FN (gemm) (const MblmMatrix *weight, size_t first, size_t count, const float *x,
    size_t x_stride, size_t rows, float *out, size_t out_stride, void *scratch)
{
  for (size_t r = 0; r < rows; r += MATVEC_ROWS)
    FN (matvec)
  (weight, first, count, x + r * x_stride, x_stride,
      min_size (MATVEC_ROWS, rows - r), out + r * out_stride, out_stride);
}

#endif
