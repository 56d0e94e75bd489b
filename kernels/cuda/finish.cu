/* finish.cu: what becomes of the sums of a product.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One pass after the product does all that it couldn't do itself. Threads next to
 * each other take entries next to each other, four or eight where all is aligned.
 * The floor is the bytes of sums and results; linear.cu takes so few rows at a time
 * that sums of float32 are still in the second level cache.
 */

#include "finish.h"
#include "plane.h"

template <int lanes>
__global__ static void
finish_kernel (MblmCudaFinish a, const void *sums, MblmType sums_type,
    size_t sums_stride, size_t first, size_t rows)
{
  for (size_t i = mblm_cuda_row (); i < rows; i += mblm_cuda_row_step ())
    for (size_t j = mblm_cuda_column () * lanes; j < a.width;
         j += mblm_cuda_column_step () * lanes) {
      float values[lanes];

      mblm_cuda_get<lanes> (sums_type, sums, i * sums_stride + j, values);
      mblm_cuda_finish_entries<lanes> (a, first + i, j, values);
    }
}

template <int lanes>
static void
run_finish (MblmQueue *queue, const MblmCudaFinish *a, const void *sums,
    MblmType sums_type, size_t sums_stride, size_t first, size_t rows)
{
  MblmCudaPlane plane = mblm_cuda_plane (rows, a->width / lanes);

  mblm_cuda_launch (queue, finish_kernel<lanes>, plane.grid, plane.block, 0, *a,
      sums, sums_type, sums_stride, first, rows);
}

/* Bias is read one by one anyway. */
static bool
is_in_fours (const MblmCudaFinish *a, const void *sums, MblmType sums_type,
    size_t sums_stride)
{
  return mblm_cuda_in_fours (sums_type, sums, sums_stride) &&
      mblm_cuda_in_fours (a->type, a->out, a->stride) &&
      mblm_cuda_in_fours (MBLM_TYPE_F32, a->residual, a->stride) &&
      mblm_cuda_in_fours (a->type, a->before, a->width) &&
      mblm_cuda_in_fours (a->slope_type, a->slope, a->width);
}

void
mblm_cuda_finish (MblmQueue *queue, const MblmCudaFinish *a, const void *sums,
    MblmType sums_type, size_t sums_stride, size_t first, size_t rows)
{
  if (is_in_fours (a, sums, sums_type, sums_stride) && a->width % 8 == 0)
    run_finish<8> (queue, a, sums, sums_type, sums_stride, first, rows);
  else if (is_in_fours (a, sums, sums_type, sums_stride))
    run_finish<4> (queue, a, sums, sums_type, sums_stride, first, rows);
  else
    run_finish<1> (queue, a, sums, sums_type, sums_stride, first, rows);
}
