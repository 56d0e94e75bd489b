/* linear-few.cu: x W^T for few rows, as in a step of decoding.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A warp has a few rows of the weight, which its lanes read side by side, four
 * entries each; many loads are on their way at once, and there are as many warps as
 * outputs, or up to four times fewer where several rows of x use what was read. x
 * is read through the first level cache, which holds it after the first warp of a
 * multiprocessor: nobody waits at a barrier for it. The floor is the bytes of the
 * weight; one small weight is a matter of the latency of one load.
 *
 * The shape alone says which lane has which terms of a sum, and lanes are added up
 * in one order: so neither the number of rows nor alignment changes the result of
 * a row.
 */

#include "linear-few.h"

#include "finish.h"
#include "reduce.h"

#define THREADS 64 /* small blocks, so that small weights reach everywhere */
#define WARPS (THREADS / MBLM_CUDA_WARP)
#define LANE_TERMS 4                             /* at once, of a lane */
#define WARP_TERMS (MBLM_CUDA_WARP * LANE_TERMS) /* and of a warp */

/* Blocks that a multiprocessor is to hold: with more of them there would be too few
 * registers for what is on its way. */
template <int rows> constexpr int blocks = rows == 1 ? 16 : rows == 8 ? 6 : 8;

struct Few {
  const void *weight; /* [n, k] */
  const void *x;
  size_t x_stride;
  size_t rows, n, k;
  MblmCudaFinish finish;
};

/* Entries j .. j + 3 of a row of k, zeros after its end. */
template <typename T, bool fours>
__device__ static float4
load (const T *row, size_t j, size_t k)
{
  if (j >= k)
    return make_float4 (0.0f, 0.0f, 0.0f, 0.0f);
  if constexpr (fours)
    return mblm_cuda_weight4 (row, j / 4);
  else
    return make_float4 (mblm_cuda_weight (row, j),
        j + 1 < k ? mblm_cuda_weight (row, j + 1) : 0.0f,
        j + 2 < k ? mblm_cuda_weight (row, j + 2) : 0.0f,
        j + 3 < k ? mblm_cuda_weight (row, j + 3) : 0.0f);
}

__device__ static float
rounded (float x)
{
  return mblm_cuda_from_bf16 (mblm_cuda_to_bf16 (x));
}

/* As an operand of the product; what is bfloat16 already stays as it is. */
template <typename T, bool round>
__device__ static float4
operand (float4 x)
{
  if constexpr (round && sizeof (T) == sizeof (float))
    return make_float4 (
        rounded (x.x), rounded (x.y), rounded (x.z), rounded (x.w));
  else
    return x;
}

__device__ static float
dot (float4 a, float4 b, float sum)
{
  sum = fmaf (a.x, b.x, sum);
  sum = fmaf (a.y, b.y, sum);
  sum = fmaf (a.z, b.z, sum);
  return fmaf (a.w, b.w, sum);
}

/* The sum over all lanes of value[i], i = lane * count / 32: lanes give away the
 * half of the values that isn't theirs, while there are halves. Every sum is
 * added up in the same order, whatever the count. */
template <int count, int offset = MBLM_CUDA_WARP / 2, int total>
__device__ static float
sum_of_lanes (float (&value)[total])
{
  bool is_upper = (threadIdx.x & offset) != 0;

  if constexpr (offset == 0) {
    return value[0];
  } else if constexpr (count == 1) {
    value[0] += __shfl_xor_sync (MBLM_CUDA_EVERY_LANE, value[0], offset);
    return sum_of_lanes<1, offset / 2> (value);
  } else {
#pragma unroll
    for (int i = 0; i < count / 2; i++) {
      float given = is_upper ? value[i] : value[i + count / 2];
      float kept = is_upper ? value[i + count / 2] : value[i];

      value[i] = kept + __shfl_xor_sync (MBLM_CUDA_EVERY_LANE, given, offset);
    }
    return sum_of_lanes<count / 2, offset / 2> (value);
  }
}

/* Outputs of a warp. */
template <int rows> constexpr int outputs_of = rows < 4 ? 1 : rows / 2;

/* sums[r * outputs + o] += terms j .. j + 3 of each step of row r by output o. */
template <bool round, bool fours, int rows, int outputs, int count, typename T,
    typename X>
__device__ static void
add_terms (float (&sums)[count], const T *const (&w)[outputs],
    const X *const (&x)[rows], size_t j, size_t k)
{
  constexpr int steps = 8 / outputs;
  float4 weights[steps][outputs];

#pragma unroll
  for (int s = 0; s < steps; s++)
#pragma unroll
    for (int o = 0; o < outputs; o++)
      weights[s][o] = operand<T, round> (
          load<T, fours> (w[o], j + s * WARP_TERMS, k));
#pragma unroll
  for (int s = 0; s < steps; s++)
#pragma unroll
    for (int r = 0; r < rows; r++) {
      float4 terms = operand<X, round> (
          load<X, fours> (x[r], j + s * WARP_TERMS, k));

#pragma unroll
      for (int o = 0; o < outputs; o++)
        sums[r * outputs + o] = dot (
            weights[s][o], terms, sums[r * outputs + o]);
    }
}

/* T is the type of the weight, X of x; `round`: products of bfloat16. What lies
 * after the last row or output is the last one again. */
template <typename T, typename X, bool round, int rows, bool fours>
__global__ static void
__launch_bounds__ (THREADS, blocks<rows>) few_kernel (Few a)
{
  constexpr int outputs = outputs_of<rows>, count = rows * outputs;
  constexpr size_t step = 8 / outputs * WARP_TERMS;
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;
  unsigned mine = lane * count / MBLM_CUDA_WARP; /* of the sums */
  size_t warp = (size_t) blockIdx.x * WARPS + threadIdx.x / MBLM_CUDA_WARP;
  size_t column = warp * outputs, row = (size_t) blockIdx.y * rows;
  float sums[count] = {}, result[1];
  const T *w[outputs];
  const X *x[rows];

  if (column >= a.n)
    return;

#pragma unroll
  for (int o = 0; o < outputs; o++)
    w[o] = (const T *) a.weight + min_size (column + o, a.n - 1) * a.k;
#pragma unroll
  for (int r = 0; r < rows; r++)
    x[r] = (const X *) a.x + min_size (row + r, a.rows - 1) * a.x_stride;

  for (size_t j = lane * LANE_TERMS; j < a.k; j += step)
    add_terms<round, fours> (sums, w, x, j, a.k);
  result[0] = sum_of_lanes<count> (sums);
  row += mine / outputs;
  column += mine % outputs;
  if (lane % (MBLM_CUDA_WARP / count) == 0 && row < a.rows && column < a.n)
    mblm_cuda_finish_entries<1> (a.finish, row, column, result);
}

template <typename T, typename X, bool round, int rows, bool fours>
static void
run (MblmQueue *queue, const Few *a)
{
  dim3 grid ((unsigned) divide_up (a->n, WARPS * outputs_of<rows>),
      (unsigned) divide_up (a->rows, rows));

  mblm_cuda_launch (
      queue, few_kernel<T, X, round, rows, fours>, grid, THREADS, 0, *a);
}

template <typename T, typename X, bool round>
static void
run_rows (MblmQueue *queue, const Few *a, bool fours)
{
  if (!fours)
    run<T, X, round, 8, false> (queue, a);
  else if (a->rows == 1)
    run<T, X, round, 1, true> (queue, a);
  else if (a->rows == 2)
    run<T, X, round, 2, true> (queue, a);
  else if (a->rows <= 4)
    run<T, X, round, 4, true> (queue, a);
  else
    run<T, X, round, 8, true> (queue, a);
}

template <typename T>
static void
run_types (
    MblmQueue *queue, const Few *a, MblmType x_type, bool round, bool fours)
{
  if (x_type == MBLM_TYPE_BF16)
    run_rows<T, uint16_t, true> (queue, a, fours);
  else if (round)
    run_rows<T, float, true> (queue, a, fours);
  else
    run_rows<T, float, false> (queue, a, fours);
}

void
mblm_cuda_linear_few (MblmQueue *queue, const MblmLinear *a)
{
  size_t n = a->weight.rows, k = a->weight.cols;
  Few few = {a->weight.data, a->x, a->x_stride, a->rows, n, k,
      {.bias = a->bias,
          .before = a->before,
          .activation = a->activation,
          .residual = a->residual,
          .out = a->out,
          .type = a->out_type,
          .stride = a->out_stride,
          .width = n}};
  bool fours = mblm_cuda_in_fours (a->weight.type, a->weight.data, k) &&
      mblm_cuda_in_fours (a->x_type, a->x, a->x_stride);
  bool round = a->product == MBLM_TYPE_BF16;

  if (a->weight.type == MBLM_TYPE_F32)
    run_types<float> (queue, &few, a->x_type, round, fours);
  else
    run_types<uint16_t> (queue, &few, a->x_type, round, fours);
}
