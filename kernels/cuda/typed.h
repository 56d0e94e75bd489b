/* typed.h: memory of float32 or of bfloat16.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For kernels that pass by such memory once, where a branch that all threads take
 * alike costs nothing: the type is an argument, not one of a template.
 */

#pragma once

#include "bf16.h"

__host__ __device__ static inline size_t
mblm_cuda_type_size (MblmType type)
{
  return type == MBLM_TYPE_F32 ? sizeof (float) : sizeof (uint16_t);
}

/* The address of entry i. */
__host__ __device__ static inline void *
mblm_cuda_entry (MblmType type, const void *data, size_t i)
{
  return (char *) data + i * mblm_cuda_type_size (type);
}

/* Whether the entries 4 i .. 4 i + 3 of rows `stride` apart can be had at once. */
static inline bool
mblm_cuda_in_fours (MblmType type, const void *data, size_t stride)
{
  return stride % 4 == 0 &&
      (uintptr_t) data % (4 * mblm_cuda_type_size (type)) == 0;
}

/* Entries i .. i + lanes - 1, one or some fours. */
template <int lanes>
__device__ static inline void
mblm_cuda_get (MblmType type, const void *data, size_t i, float (&to)[lanes])
{
  if constexpr (lanes == 1) {
    to[0] = type == MBLM_TYPE_F32
        ? ((const float *) data)[i]
        : mblm_cuda_from_bf16 (((const uint16_t *) data)[i]);
  } else {
#pragma unroll
    for (int n = 0; n < lanes; n += 4) {
      float4 four = type == MBLM_TYPE_F32
          ? mblm_cuda_weight4 ((const float *) data, (i + n) / 4)
          : mblm_cuda_weight4 ((const uint16_t *) data, (i + n) / 4);

      to[n] = four.x;
      to[n + 1] = four.y;
      to[n + 2] = four.z;
      to[n + 3] = four.w;
    }
  }
}

template <int lanes>
__device__ static inline void
mblm_cuda_put (MblmType type, void *data, size_t i, const float (&from)[lanes])
{
  if constexpr (lanes == 1) {
    if (type == MBLM_TYPE_F32)
      ((float *) data)[i] = from[0];
    else
      ((uint16_t *) data)[i] = mblm_cuda_to_bf16 (from[0]);
  } else {
#pragma unroll
    for (int n = 0; n < lanes; n += 4)
      if (type == MBLM_TYPE_F32)
        ((float4 *) data)[(i + n) / 4] = make_float4 (
            from[n], from[n + 1], from[n + 2], from[n + 3]);
      else
        ((uint2 *) data)[(i + n) / 4] = make_uint2 (
            mblm_cuda_to_bf16x2 (from[n], from[n + 1]),
            mblm_cuda_to_bf16x2 (from[n + 2], from[n + 3]));
  }
}
