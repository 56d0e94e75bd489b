/* finish.h: what becomes of the sums of a product.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "typed.h"

#include <math.h>

/* A sum becomes
 *   s = sum + bias[j], times the slope of GELU at slope[i, j]
 * which `before` gets, and then the result gets residual[i, j] + activation (s). */
struct MblmCudaFinish {
  const float *bias; /* [width] or NULL */
  const void *slope; /* [rows, width] contiguous or NULL */
  MblmType slope_type;
  void *before; /* [rows, width] contiguous or NULL; of `type` */
  MblmActivation activation;
  const float *residual; /* [rows, width], rows `stride` apart, or NULL; may be
                          * `out` */
  void *out;             /* [rows, width] */
  MblmType type;
  size_t stride;
  size_t width;
};

/* For the sums [rows, width] of the rows from `first` on. They may lie where the
 * result does, unless that is the residual, or where `before` does. */
void mblm_cuda_finish (MblmQueue *queue, const MblmCudaFinish *finish,
    const void *sums, MblmType sums_type, size_t sums_stride, size_t first,
    size_t rows);

/* erfc (x) with a relative error below 2e-7 sqrt (1 + x^2), which bfloat16 doesn't
 * see: exp (-x^2) and a rational function, the fit of Numerical Recipes. */
__device__ static inline float
mblm_cuda_erfc_soon (float x)
{
  float z = fabsf (x), t = 1.0f / fmaf (0.5f, z, 1.0f), p;

  p = fmaf (t, 0.17087277f, -0.82215223f);
  p = fmaf (t, p, 1.48851587f);
  p = fmaf (t, p, -1.13520398f);
  p = fmaf (t, p, 0.27886807f);
  p = fmaf (t, p, -0.18628806f);
  p = fmaf (t, p, 0.09678418f);
  p = fmaf (t, p, 0.37409196f);
  p = fmaf (t, p, 1.00002368f);
  p = fmaf (t, p, -1.26551223f);
  p = t * expf (fmaf (-z, z, p));
  return x < 0.0f ? 2.0f - p : p;
}

/* For a result of the type. */
__device__ static inline float
mblm_cuda_erfc (MblmType type, float x)
{
  return type == MBLM_TYPE_F32 ? erfcf (x) : mblm_cuda_erfc_soon (x);
}

/* x P (x), P the normal distribution function, which is exact far out, too. */
__device__ static inline float
mblm_cuda_gelu (MblmType type, float x)
{
  return 0.5f * x * mblm_cuda_erfc (type, -x * (float) M_SQRT1_2);
}

/* P (x) + x p (x), p the density: 0 far out, also where x is infinite. */
__device__ static inline float
mblm_cuda_gelu_slope (MblmType type, float x)
{
  float density = expf (-0.5f * x * x) * 0.3989422804f; /* 1 / sqrt (2 pi) */

  return 0.5f * mblm_cuda_erfc (type, -x * (float) M_SQRT1_2) +
      (density > 0.0f ? x * density : 0.0f);
}

/* The results [row, column .. column + lanes - 1]. */
template <int lanes>
__device__ static inline void
mblm_cuda_finish_entries (
    const MblmCudaFinish &a, size_t row, size_t column, float (&sums)[lanes])
{
  size_t at = row * a.width + column, out = row * a.stride + column;
  float other[lanes];

  if (a.bias)
    for (int i = 0; i < lanes; i++)
      sums[i] += a.bias[column + i];
  if (a.slope) {
    mblm_cuda_get<lanes> (a.slope_type, a.slope, at, other);
    for (int i = 0; i < lanes; i++)
      sums[i] *= mblm_cuda_gelu_slope (a.type, other[i]);
  }
  if (a.before)
    mblm_cuda_put<lanes> (a.type, a.before, at, sums);
  if (a.activation == MBLM_ACTIVATION_GELU)
    for (int i = 0; i < lanes; i++)
      sums[i] = mblm_cuda_gelu (a.type, sums[i]);
  if (a.residual) {
    mblm_cuda_get<lanes> (MBLM_TYPE_F32, a.residual, out, other);
    for (int i = 0; i < lanes; i++)
      sums[i] += other[i];
  }
  mblm_cuda_put<lanes> (a.type, a.out, out, sums);
}
