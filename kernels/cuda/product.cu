/* product.cu: products of two matrices, of any strides and alignment.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What cuBLASLt refuses. A block has a tile of 64 x 64 results, a thread 16 of them,
 * 16 rows and columns apart; pieces of the operands of depth 16 pass by through
 * shared memory, widened to float32. A result is one sum in rising order. The floor
 * is the multiplications: 2 rows columns depth over what the device has in float32,
 * of which this is to reach about a third.
 */

#include "product.h"

#define TILE 64
#define DEPTH 16
#define SIDE 16 /* threads */
#define THREADS (SIDE * SIDE)
#define EACH (TILE / SIDE) /* rows, and columns, of a thread */

/* Rows first .. first + TILE - 1, depth d .. d + DEPTH - 1 of an operand; zeros
 * outside of [count, depth]. Threads next to each other read what is next to each
 * other. */
template <typename T>
__device__ static void
load (float (&tile)[DEPTH][TILE + 1], const MblmCudaOperand &from, size_t first,
    size_t count, size_t d, size_t depth)
{
  const T *data = (const T *) from.data;

#pragma unroll
  for (unsigned n = 0; n < TILE * DEPTH / THREADS; n++) {
    unsigned at = n * THREADS + threadIdx.x;
    unsigned i = from.across ? at % TILE : at / DEPTH;
    unsigned k = from.across ? at / TILE : at % DEPTH;
    size_t row = first + i, column = d + k;

    tile[k][i] = row >= count || column >= depth ? 0.0f
        : from.across ? mblm_cuda_weight (data, column * from.stride + row)
                      : mblm_cuda_weight (data, row * from.stride + column);
  }
}

__device__ static void
multiply (float (&sums)[EACH][EACH], const float (&a)[DEPTH][TILE + 1],
    const float (&b)[DEPTH][TILE + 1])
{
  unsigned x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;

#pragma unroll
  for (int k = 0; k < DEPTH; k++)
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
      for (int j = 0; j < EACH; j++)
        sums[i][j] = fmaf (a[k][y + i * SIDE], b[k][x + j * SIDE], sums[i][j]);
}

__device__ static void
store (const MblmCudaProduct &p, size_t i, size_t j, float sum)
{
  float value[1] = {sum + (p.bias ? p.bias[j] : 0.0f)};

  if (p.addend)
    value[0] += p.addend[i * p.out_stride + j];
  mblm_cuda_put<1> (p.out_type, p.out, i * p.out_stride + j, value);
}

template <typename T>
__global__ static void
__launch_bounds__ (THREADS) product_kernel (MblmCudaProduct p)
{
  __shared__ float a[DEPTH][TILE + 1], b[DEPTH][TILE + 1];
  size_t tiles = divide_up (p.columns, TILE);
  size_t row = blockIdx.x / tiles * TILE, column = blockIdx.x % tiles * TILE;
  unsigned x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
  float sums[EACH][EACH] = {};

  for (size_t d = 0; d < p.depth; d += DEPTH) {
    load<T> (a, p.a, row, p.rows, d, p.depth);
    load<T> (b, p.b, column, p.columns, d, p.depth);
    __syncthreads ();
    multiply (sums, a, b);
    __syncthreads ();
  }
#pragma unroll
  for (int i = 0; i < EACH; i++)
#pragma unroll
    for (int j = 0; j < EACH; j++)
      if (row + y + i * SIDE < p.rows && column + x + j * SIDE < p.columns)
        store (p, row + y + i * SIDE, column + x + j * SIDE, sums[i][j]);
}

void
mblm_cuda_product (MblmQueue *queue, const MblmCudaProduct *p)
{
  size_t tiles = mblm_cuda_count (
      divide_up (p->rows, TILE), divide_up (p->columns, TILE));

  if (queue->status != MBLM_STATUS_OK || tiles == 0 ||
      (p->depth > 0 && mblm_cuda_product_library (queue, p)))
    return;
  mblm_cuda_launch (queue,
      p->a.type == MBLM_TYPE_F32 ? product_kernel<float>
                                 : product_kernel<uint16_t>,
      (unsigned) tiles, THREADS, 0, *p);
}
