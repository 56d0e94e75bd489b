/* bf16.h: bfloat16, the upper half of a float32.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "cuda.h"

#include <cuda_bf16.h>

__device__ static inline float
mblm_cuda_from_bf16 (uint16_t bits)
{
  return __uint_as_float ((uint32_t) bits << 16);
}

/* The two of a word, the one with the lower address first. */
__device__ static inline float2
mblm_cuda_from_bf16x2 (uint32_t bits)
{
  return make_float2 (
      __uint_as_float (bits << 16), __uint_as_float (bits & 0xffff0000u));
}

/* To nearest, ties to even. */
__device__ static inline uint16_t
mblm_cuda_to_bf16 (float x)
{
  return __bfloat16_as_ushort (__float2bfloat16_rn (x));
}

__device__ static inline uint32_t
mblm_cuda_to_bf16x2 (float first, float second)
{
  return mblm_cuda_to_bf16 (first) |
      (uint32_t) mblm_cuda_to_bf16 (second) << 16;
}

/* An entry of a weight, whose type is that of the pointer: kernels over weights
 * are templates, for float and for uint16_t. */
__device__ static inline float
mblm_cuda_weight (const float *data, size_t i)
{
  return data[i];
}

__device__ static inline float
mblm_cuda_weight (const uint16_t *data, size_t i)
{
  return mblm_cuda_from_bf16 (data[i]);
}

/* Entries 4 i .. 4 i + 3, aligned. */
__device__ static inline float4
mblm_cuda_weight4 (const float *data, size_t i)
{
  return ((const float4 *) data)[i];
}

__device__ static inline float4
mblm_cuda_weight4 (const uint16_t *data, size_t i)
{
  uint2 words = ((const uint2 *) data)[i];
  float2 first = mblm_cuda_from_bf16x2 (words.x);
  float2 second = mblm_cuda_from_bf16x2 (words.y);

  return make_float4 (first.x, first.y, second.x, second.y);
}

/* Column j of a row of weights: one entry or four. */
template <typename V, typename T>
__device__ static inline V
mblm_cuda_weight_column (const T *row, size_t j)
{
  if constexpr (sizeof (V) == sizeof (float4))
    return mblm_cuda_weight4 (row, j);
  else
    return mblm_cuda_weight (row, j);
}
