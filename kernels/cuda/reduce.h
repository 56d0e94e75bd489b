/* reduce.h: sums and largest values over a warp and over a block.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every thread gets the result, and the same bits: lanes exchange values
 * crosswise, and a + b is b + a. The order depends on the size of the block alone.
 * Blocks are whole warps, in x only; all threads of the warp or block take part.
 */

#pragma once

#include "cuda.h"

#define MBLM_CUDA_EVERY_LANE 0xffffffffu

struct MblmCudaSum {
  template <typename T>
  __device__ static T
  join (T a, T b)
  {
    return a + b;
  }
};

struct MblmCudaMost {
  template <typename T>
  __device__ static T
  join (T a, T b)
  {
    return a > b ? a : b;
  }
};

/* Over groups of `width` lanes, a power of two up to a warp. */
template <typename Join, int width = MBLM_CUDA_WARP, typename T>
__device__ static inline T
mblm_cuda_warp_reduce (T value)
{
#pragma unroll
  for (int offset = width / 2; offset > 0; offset /= 2)
    value = Join::join (
        value, __shfl_xor_sync (MBLM_CUDA_EVERY_LANE, value, offset));
  return value;
}

template <int width = MBLM_CUDA_WARP, typename T>
__device__ static inline T
mblm_cuda_warp_sum (T value)
{
  return mblm_cuda_warp_reduce<MblmCudaSum, width> (value);
}

template <int width = MBLM_CUDA_WARP, typename T>
__device__ static inline T
mblm_cuda_warp_most (T value)
{
  return mblm_cuda_warp_reduce<MblmCudaMost, width> (value);
}

/* Over a block; `shared` has room for one value of each warp, and may be used again
 * at once. */
template <typename Join, typename T>
__device__ static inline T
mblm_cuda_block_reduce (T value, T *shared)
{
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;
  unsigned warps = blockDim.x / MBLM_CUDA_WARP;

  value = mblm_cuda_warp_reduce<Join> (value);
  if (warps == 1)
    return value;
  __syncthreads ();
  if (lane == 0)
    shared[threadIdx.x / MBLM_CUDA_WARP] = value;
  __syncthreads ();
  value = shared[0];
  for (unsigned w = 1; w < warps; w++)
    value = Join::join (value, shared[w]);
  return value;
}

template <typename T>
__device__ static inline T
mblm_cuda_block_sum (T value, T *shared)
{
  return mblm_cuda_block_reduce<MblmCudaSum> (value, shared);
}

template <typename T>
__device__ static inline T
mblm_cuda_block_most (T value, T *shared)
{
  return mblm_cuda_block_reduce<MblmCudaMost> (value, shared);
}
