/* rows.cu: adding and copying rows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Rows that lie anywhere go by lists of pointers, so that what many streams have is
 * moved in one launch. The floor is memory.
 */

#include "plane.h"
#include "sequences.h"

/* ------------------------------------------------------------------------- */
/* Adding                                                                    */
/* ------------------------------------------------------------------------- */

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

typedef MblmCudaList<const float *, MBLM_CUDA_POINTERS> FromList;

template <typename V>
__global__ static void
add_listed_kernel (
    size_t count, size_t width, V *x, size_t x_stride, const FromList ys)
{
  for (size_t b = mblm_cuda_row (); b < count; b += mblm_cuda_row_step ()) {
    const V *y = (const V *) ys.at[b];

    for (size_t j = mblm_cuda_column (); j < width;
         j += mblm_cuda_column_step ())
      x[b * x_stride + j] = x[b * x_stride + j] + y[j];
  }
}

template <typename V>
static void
run_add_listed (MblmQueue *queue, const MblmAdd *a, size_t lanes)
{
  size_t width = a->width / lanes, stride = a->x_stride / lanes, count;

  for (size_t b = 0; b < a->batch; b += count) {
    MblmCudaPlane plane;
    FromList ys;

    count = min_size (a->batch - b, MBLM_CUDA_POINTERS);
    plane = mblm_cuda_plane (count, width);
    mblm_cuda_list (&ys, a->ys, b, count);
    mblm_cuda_launch (queue, add_listed_kernel<V>, plane.grid, plane.block, 0,
        count, width, (V *) a->x + b * stride, stride, ys);
  }
}

template <typename V>
static void
run_add (MblmQueue *queue, const MblmAdd *a, size_t lanes)
{
  MblmCudaPlane plane = mblm_cuda_plane (a->batch, a->width / lanes);

  if (a->ys)
    run_add_listed<V> (queue, a, lanes);
  else
    mblm_cuda_launch (queue, add_kernel<V>, plane.grid, plane.block, 0,
        a->batch, a->width / lanes, (V *) a->x, a->x_stride / lanes,
        (const V *) a->y, a->y_stride / lanes);
}

/* Whether each of these allows loads of 16 bytes. */
static bool
are_aligned (const float *const *rows, size_t count)
{
  bool aligned = true;

  for (size_t i = 0; i < count; i++)
    aligned &= mblm_cuda_aligned (0, rows[i]);
  return aligned;
}

void
mblm_cuda_add (MblmQueue *queue, const MblmAdd *a)
{
  bool aligned = a->ys
      ? mblm_cuda_aligned (a->width | a->x_stride, a->x) &&
          are_aligned (a->ys, a->batch)
      : mblm_cuda_aligned (a->width | a->x_stride | a->y_stride, a->x, a->y);

  if (!mblm_cuda_begin (queue))
    return;
  if (aligned)
    run_add<float4> (queue, a, 4);
  else
    run_add<float> (queue, a, 1);
}

/* ------------------------------------------------------------------------- */
/* Copying                                                                   */
/* ------------------------------------------------------------------------- */

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

/* ------------------------------------------------------------------------- */
/* Scattering                                                                */
/* ------------------------------------------------------------------------- */

/* Parts first, first + 1, ... of all sequences, one sequence after the other. */
struct Scatter {
  size_t first, rows, parts, width, x_stride;
  MblmCudaList<float *, MBLM_CUDA_POINTERS> to;
};

template <typename V>
__global__ static void
scatter_rows_kernel (const V *x, const Scatter a)
{
  size_t entry = a.first + blockIdx.z;
  const V *from = x + entry / a.parts * a.rows * a.x_stride +
      entry % a.parts * a.width;
  V *to = (V *) a.to.at[blockIdx.z];

  for (size_t i = mblm_cuda_row (); i < a.rows; i += mblm_cuda_row_step ())
    for (size_t j = mblm_cuda_column (); j < a.width;
         j += mblm_cuda_column_step ())
      to[i * a.width + j] = from[i * a.x_stride + j];
}

template <typename V>
static void
run_scatter_rows (MblmQueue *queue, const MblmScatterRows *a, size_t lanes)
{
  size_t all = a->batch * a->parts, count;
  Scatter s = {.rows = a->rows,
      .parts = a->parts,
      .width = a->width / lanes,
      .x_stride = a->x_stride / lanes};
  MblmCudaPlane plane = mblm_cuda_plane (s.rows, s.width);

  for (; s.first < all; s.first += count) {
    count = min_size (all - s.first, MBLM_CUDA_POINTERS);
    plane.grid.z = (unsigned) count;
    mblm_cuda_list (&s.to, a->to, s.first, count);
    mblm_cuda_launch (queue, scatter_rows_kernel<V>, plane.grid, plane.block, 0,
        (const V *) a->x, s);
  }
}

void
mblm_cuda_scatter_rows (MblmQueue *queue, const MblmScatterRows *a)
{
  if (!mblm_cuda_begin (queue))
    return;
  if (mblm_cuda_aligned (a->width | a->x_stride, a->x) &&
      are_aligned (a->to, a->batch * a->parts))
    run_scatter_rows<float4> (queue, a, 4);
  else
    run_scatter_rows<float> (queue, a, 1);
}
