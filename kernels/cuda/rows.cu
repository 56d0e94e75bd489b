/* rows.cu: adding and copying rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "plane.h"

/* V is float or float4, which widths and strides count. */
template <typename V>
__global__ static void
add_kernel (size_t batch, size_t width, V *x, size_t x_stride, const V *y,
    size_t y_stride)
{
  for (size_t b = mblm_cuda_row (); b < batch; b += mblm_cuda_row_step ())
    for (size_t j = mblm_cuda_column (); j < width;
         j += mblm_cuda_column_step ())
      x[b * x_stride + j] = x[b * x_stride + j] + y[b * y_stride + j];
}

template <typename V>
static void
run_add (MblmQueue *queue, const MblmAdd *a, size_t lanes)
{
  MblmCudaPlane plane = mblm_cuda_plane (a->batch, a->width / lanes);

  mblm_cuda_launch (queue, add_kernel<V>, plane.grid, plane.block, 0, a->batch,
      a->width / lanes, (V *) a->x, a->x_stride / lanes, (const V *) a->y,
      a->y_stride / lanes);
}

void
mblm_cuda_add (MblmQueue *queue, const MblmAdd *a)
{
  if (!mblm_cuda_begin (queue))
    return;
  if (mblm_cuda_aligned (a->width | a->x_stride | a->y_stride, a->x, a->y))
    run_add<float4> (queue, a, 4);
  else
    run_add<float> (queue, a, 1);
}

template <typename V>
__global__ static void
copy_rows_kernel (size_t batch, size_t width, const V *x, size_t x_stride,
    V *out, size_t out_stride)
{
  for (size_t b = mblm_cuda_row (); b < batch; b += mblm_cuda_row_step ())
    for (size_t j = mblm_cuda_column (); j < width;
         j += mblm_cuda_column_step ())
      out[b * out_stride + j] = x[b * x_stride + j];
}

template <typename V>
static void
run_copy_rows (MblmQueue *queue, const MblmCopyRows *a, size_t lanes)
{
  MblmCudaPlane plane = mblm_cuda_plane (a->batch, a->width / lanes);

  mblm_cuda_launch (queue, copy_rows_kernel<V>, plane.grid, plane.block, 0,
      a->batch, a->width / lanes, (const V *) a->x, a->x_stride / lanes,
      (V *) a->out, a->out_stride / lanes);
}

void
mblm_cuda_copy_rows (MblmQueue *queue, const MblmCopyRows *a)
{
  if (!mblm_cuda_begin (queue))
    return;
  if (mblm_cuda_aligned (a->width | a->x_stride | a->out_stride, a->x, a->out))
    run_copy_rows<float4> (queue, a, 4);
  else
    run_copy_rows<float> (queue, a, 1);
}
