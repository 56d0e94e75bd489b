/* position.cu: fixed position embeddings.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "bf16.h"
#include "plane.h"
#include "sequences.h"
#include "sums.h"

/* The first positions of some sequences: all zeros, or a list. */
struct Positions {
  size_t period, all, rows; /* `all`: of these sequences together */
  bool has_first;
  MblmCudaList<size_t, MBLM_CUDA_POINTERS> first;
};

/* V is float or float4, which the width counts. */
template <typename T, typename V>
__global__ static void
add_position_kernel (const T *table, size_t width, V *x, const Positions p)
{
  constexpr size_t lanes = sizeof (V) / sizeof (float);

  for (size_t r = mblm_cuda_row (); r < p.all; r += mblm_cuda_row_step ()) {
    size_t first = p.has_first ? p.first.at[r / p.rows] : 0;
    const T *row = table + (first + r % p.rows) % p.period * width * lanes;

    for (size_t j = mblm_cuda_column (); j < width;
         j += mblm_cuda_column_step ())
      x[r * width + j] = x[r * width + j] + mblm_cuda_weight_column<V> (row, j);
  }
}

template <typename T, typename V>
static void
run_add_position (MblmQueue *queue, const MblmAddPosition *a, size_t lanes)
{
  size_t width = a->table.cols / lanes, count;
  Positions p = {
      .period = a->table.rows, .rows = a->rows, .has_first = a->first != NULL};

  for (size_t b = 0; b < a->batch; b += count) {
    MblmCudaPlane plane;

    count = p.has_first ? min_size (a->batch - b, MBLM_CUDA_POINTERS)
                        : a->batch;
    p.all = count * a->rows;
    mblm_cuda_list (&p.first, a->first, b, count);
    plane = mblm_cuda_plane (p.all, width);
    mblm_cuda_launch (queue, add_position_kernel<T, V>, plane.grid, plane.block,
        0, (const T *) a->table.data, width, (V *) a->x + b * a->rows * width,
        p);
  }
}

template <typename T>
static void
add_position (MblmQueue *queue, const MblmAddPosition *a)
{
  if (mblm_cuda_aligned (a->table.cols, (const float *) a->table.data, a->x))
    run_add_position<T, float4> (queue, a, 4);
  else
    run_add_position<T, float> (queue, a, 1);
}

void
mblm_cuda_add_position (MblmQueue *queue, const MblmAddPosition *a)
{
  if (!mblm_cuda_begin (queue))
    return;
  if (a->table.type == MBLM_TYPE_F32)
    add_position<float> (queue, a);
  else
    add_position<uint16_t> (queue, a);
}

/* The sum over the batch of rows that are rows * width long, one period after the
 * other: within one no entry of the table is met twice. */
void
mblm_cuda_add_position_backward (
    MblmQueue *queue, const MblmAddPositionBackward *a)
{
  const MblmAddPosition *f = &a->forward;
  size_t width = f->table.cols, period = f->table.rows;
  MblmCudaScratch scratch = {queue};
  size_t part = mblm_cuda_sum_rows_part (
      &scratch, f->batch, mblm_cuda_count (min_size (f->rows, period), width));

  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  for (size_t i = 0; i < f->rows; i += period)
    mblm_cuda_sum_rows_to (&scratch, part, f->x + i * width, f->batch,
        min_size (f->rows - i, period) * width, f->rows * width, a->d_table);
}
