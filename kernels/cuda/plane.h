/* plane.h: walking over the rows and columns of a matrix.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Threads next to each other have columns next to each other. Rows and columns go
 * in strides of the whole grid, so that any shape fits, of one row as of one
 * column:
 *
 *   for (size_t i = mblm_cuda_row (); i < rows; i += mblm_cuda_row_step ())
 *     for (size_t j = mblm_cuda_column (); j < width;
 *          j += mblm_cuda_column_step ())
 *
 * Where everything is aligned, a column is four floats.
 */

#pragma once

#include "cuda.h"

struct MblmCudaPlane {
  dim3 grid, block;
};

static inline MblmCudaPlane
mblm_cuda_plane (size_t rows, size_t width)
{
  unsigned across = 32, down, grid_x, grid_y;

  while (across < width && across < 256)
    across *= 2;
  down = 256 / across;
  grid_y = (unsigned) min_size (divide_up (width, across), 256);
  grid_x = (unsigned) min_size (divide_up (rows, down),
      max_size (MBLM_CUDA_BLOCKS / max_size (grid_y, 1), 1));
  return {dim3 (grid_x, grid_y), dim3 (across, down)};
}

__device__ static inline size_t
mblm_cuda_row (void)
{
  return (size_t) blockIdx.x * blockDim.y + threadIdx.y;
}

__device__ static inline size_t
mblm_cuda_row_step (void)
{
  return (size_t) gridDim.x * blockDim.y;
}

__device__ static inline size_t
mblm_cuda_column (void)
{
  return (size_t) blockIdx.y * blockDim.x + threadIdx.x;
}

__device__ static inline size_t
mblm_cuda_column_step (void)
{
  return (size_t) gridDim.y * blockDim.x;
}

/* ------------------------------------------------------------------------- */
/* Four floats                                                               */
/* ------------------------------------------------------------------------- */

__device__ static inline float4
operator+ (float4 a, float4 b)
{
  return make_float4 (a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

__device__ static inline float4
operator* (float4 a, float b)
{
  return make_float4 (a.x * b, a.y * b, a.z * b, a.w * b);
}

/* a * b + c, rounded once. */
__device__ static inline float4
fmaf (float4 a, float b, float4 c)
{
  return make_float4 (fmaf (a.x, b, c.x), fmaf (a.y, b, c.y),
      fmaf (a.z, b, c.z), fmaf (a.w, b, c.w));
}
