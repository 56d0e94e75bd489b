/* norms.h: what the norms share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A row is held in the registers of a group of threads, NORM_HELD floats in each:
 * so memory is read and written once, and variances are taken around means that
 * are known. The width alone decides how many threads these are, and so the order
 * of all sums of a row: a warp, of which a block has NORM_ROWS, or a block. What
 * a row has beyond the registers of the largest block is read again where it is
 * needed. Every thread reads and writes the same columns of all rows, which is
 * why operations may work in place.
 *
 * All norms are out = n gain (+ bias), n = (x - mean) scale. Their gradients are
 *
 *   d_x = scale (g - mean (g) - n mean (g n)),  g = d_out gain
 *
 * where the first mean is LayerNorm's alone. A block goes over many rows and adds
 * up the gradient of the gain in registers as well; it leaves a row of partial
 * sums, see sums.h.
 *
 * V is float or float4; columns are of that type.
 */

#pragma once

#include "plane.h"
#include "reduce.h"
#include "sums.h"

#define NORM_HELD 8
#define NORM_ROWS 4

/* The threads of the largest blocks; backward, these need more registers. */
#define NORM_THREADS 1024
#define NORM_BACK_THREADS 512

/* Backward, a block has at least so many rows, so that there are fewer partial
 * sums than rows; and there are at most so many blocks. */
#define NORM_BACK_ROWS 4
#define NORM_BACK_BLOCKS 1024

/* ------------------------------------------------------------------------- */
/* Blocks                                                                    */
/* ------------------------------------------------------------------------- */

static inline dim3
norm_block (size_t rows, size_t width, unsigned most)
{
  unsigned threads = MBLM_CUDA_WARP;

  while (threads * NORM_HELD < width && threads < most)
    threads *= 2;
  return dim3 (threads, threads == MBLM_CUDA_WARP && rows > 1 ? NORM_ROWS : 1);
}

static inline MblmCudaPlane
norm_plane (size_t rows, size_t width)
{
  dim3 block = norm_block (rows, width, NORM_THREADS);

  return {dim3 (mblm_cuda_blocks (rows, block.y)), block};
}

static inline MblmCudaPlane
norm_back_plane (size_t rows, size_t width)
{
  dim3 block = norm_block (rows, width, NORM_BACK_THREADS);
  size_t blocks = divide_up (rows, block.y * NORM_BACK_ROWS);

  return {dim3 ((unsigned) min_size (blocks, NORM_BACK_BLOCKS)), block};
}

/* The partial sums of its blocks for `out`, [blocks, width]: a part of the scratch
 * memory, empty where there is no such output. */
static inline size_t
norm_part (MblmCudaScratch *scratch, const MblmCudaPlane *plane, size_t width,
    const float *out)
{
  return mblm_cuda_part (scratch,
      out ? mblm_cuda_count (plane->grid.x, width) : 0, sizeof (float));
}

/* ------------------------------------------------------------------------- */
/* Columns                                                                   */
/* ------------------------------------------------------------------------- */

/* f of each of the floats of columns. */
template <typename F, typename V, typename... W>
__device__ static inline V
norm_map (F f, V first, W... more)
{
  if constexpr (std::is_same_v<V, float>)
    return f (first, more...);
  else
    return make_float4 (f (first.x, more.x...), f (first.y, more.y...),
        f (first.z, more.z...), f (first.w, more.w...));
}

__device__ static inline float
norm_total (float v)
{
  return v;
}

__device__ static inline float
norm_total (float4 v)
{
  return (v.x + v.y) + (v.z + v.w);
}

template <typename V> constexpr int norm_lanes = sizeof (V) / sizeof (float);

/* The columns of a row that a thread holds. */
template <typename V> constexpr int norm_held = NORM_HELD / norm_lanes<V>;

/* f (k, j) for every column j of the thread: k is where it is held, or
 * norm_held<V> where it is not. */
template <typename V, typename F>
__device__ static inline void
norm_each (size_t columns, F f)
{
#pragma unroll
  for (int k = 0; k < norm_held<V>; k++) {
    size_t j = threadIdx.x + (size_t) k * blockDim.x;

    if (j < columns)
      f (k, j);
  }
  for (size_t j = threadIdx.x + (size_t) norm_held<V> * blockDim.x; j < columns;
       j += blockDim.x)
    f (norm_held<V>, j);
}

/* A row of what `source` has: a pointer, or what has an operator []. */
template <typename V, typename Source = const V *> struct NormRow {
  Source source;
  V held[norm_held<V>];

  __device__
  NormRow (Source from, size_t columns)
      : source (from)
  {
#pragma unroll
    for (int k = 0; k < norm_held<V>; k++) {
      size_t j = threadIdx.x + (size_t) k * blockDim.x;

      held[k] = j < columns ? source[j] : V ();
    }
  }

  __device__ V
  get (int k, size_t j) const
  {
    return k < norm_held<V> ? held[k % norm_held<V>] : source[j];
  }
};

/* *target (j) = value (k, j), or +=, of each column whose target isn't NULL. What
 * is added to is read at once, before anything is written. */
template <typename V, typename Target, typename Value>
__device__ static inline void
norm_give (size_t columns, bool accumulate, Target target, Value value)
{
  V before[norm_held<V>];

#pragma unroll
  for (int k = 0; k < norm_held<V>; k++) {
    size_t j = threadIdx.x + (size_t) k * blockDim.x;
    bool has = accumulate && j < columns && target (j);

    before[k] = has ? *target (j) : V ();
  }
  norm_each<V> (columns, [&] (int k, size_t j) {
    V *to = target (j);
    V v = value (k, j);

    if (to && accumulate)
      v = v + (k < norm_held<V> ? before[k % norm_held<V>] : *to);
    if (to)
      *to = v;
  });
}

/* ------------------------------------------------------------------------- */
/* Sums                                                                      */
/* ------------------------------------------------------------------------- */

/* Sums over a row; all of its threads get the same bits. */
template <int COUNT>
__device__ static inline void
norm_sum (float (&values)[COUNT])
{
  __shared__ float sums[COUNT][MBLM_CUDA_WARP];
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;

#pragma unroll
  for (int c = 0; c < COUNT; c++)
    values[c] = mblm_cuda_warp_sum (values[c]);
  if (blockDim.x == MBLM_CUDA_WARP)
    return;
  __syncthreads ();
  if (lane == 0)
    for (int c = 0; c < COUNT; c++)
      sums[c][threadIdx.x / MBLM_CUDA_WARP] = values[c];
  __syncthreads ();
#pragma unroll
  for (int c = 0; c < COUNT; c++)
    values[c] = mblm_cuda_warp_sum (
        lane < blockDim.x / MBLM_CUDA_WARP ? sums[c][lane] : 0.0f);
}

/* 1 / sqrt (x), good to 13 digits: what the entries of a row are scaled by has a
 * power of three of it in the gradient, so that a float is too little, and the
 * library's root and division in double too slow. */
__device__ static inline double
norm_rsqrt (double x)
{
  double r = rsqrtf ((float) x);

  /* The sum of squares ran over: no NaN comes of that, as on the CPU. */
  if (r == 0.0)
    return 0.0;
  return r + 0.5 * r * (1.0 - x * r * r);
}

/* Sums over the rows of a block, for row blockIdx.x of `rows`, [blocks, columns];
 * NULL: they aren't wanted. */
template <typename V> struct NormTotals {
  V *to;
  V held[norm_held<V>];

  __device__
  NormTotals (V *rows, size_t columns)
      : to (rows ? rows + blockIdx.x * columns : NULL)
  {
#pragma unroll
    for (int k = 0; k < norm_held<V>; k++)
      held[k] = V ();
    norm_each<V> (columns, [&] (int k, size_t j) {
      if (k == norm_held<V> && to)
        to[j] = V ();
    });
  }

  __device__ void
  add (int k, size_t j, V value)
  {
    if (k < norm_held<V>)
      held[k % norm_held<V>] = held[k % norm_held<V>] + value;
    else if (to)
      to[j] = to[j] + value;
  }

  /* Where rows are a warp's each, a block has several. */
  __device__ void
  join (void)
  {
    __shared__ float4 memory[NORM_ROWS * MBLM_CUDA_WARP * NORM_HELD / 4];
    V *sums = reinterpret_cast<V *> (memory);

    __syncthreads ();
#pragma unroll
    for (int k = 0; k < norm_held<V>; k++)
      sums[(threadIdx.y * norm_held<V> + k) * MBLM_CUDA_WARP + threadIdx.x] =
          held[k];
    __syncthreads ();
    for (unsigned y = 1; y < blockDim.y && threadIdx.y == 0; y++)
#pragma unroll
      for (int k = 0; k < norm_held<V>; k++)
        held[k] = held[k] +
            sums[(y * norm_held<V> + k) * MBLM_CUDA_WARP + threadIdx.x];
  }

  __device__ void
  finish (size_t columns)
  {
    if (!to)
      return;
    if (blockDim.y > 1)
      join ();
    norm_each<V> (columns, [&] (int k, size_t j) {
      if (k < norm_held<V> && threadIdx.y == 0)
        to[j] = held[k % norm_held<V>];
    });
  }
};

/* ------------------------------------------------------------------------- */
/* Gradients                                                                 */
/* ------------------------------------------------------------------------- */

/* The gradient by x of a norm whose mean is zero. */
struct NormBack {
  float scale, back; /* scale^3 mean (g x) */

  __device__ float
  operator() (float x, float d_out, float gain) const
  {
    return fmaf (-x, back, d_out * gain * scale);
  }
};

/* The sums of x^2 and of d_out gain x over a row. */
template <typename V, typename Row>
__device__ static inline void
norm_products (float (&sums)[2], const Row &x, const NormRow<V> &d_out,
    const NormRow<V> &gain, size_t columns)
{
  sums[0] = sums[1] = 0.0f;
  norm_each<V> (columns, [&] (int k, size_t j) {
    V v = x.get (k, j);

    sums[0] += norm_total (norm_map ([] (float p) { return p * p; }, v));
    sums[1] += norm_total (
        norm_map ([] (float p, float d, float g) { return d * g * p; }, v,
            d_out.get (k, j), gain.get (k, j)));
  });
  norm_sum (sums);
}

/* For scale = 1 / sqrt (mean (x^2) + epsilon). */
template <typename V, typename Row>
__device__ static inline NormBack
norm_back (const Row &x, const NormRow<V> &d_out, const NormRow<V> &gain,
    size_t columns, float epsilon)
{
  double part = 1.0 / (double) (columns * norm_lanes<V>), scale;
  float sums[2];

  norm_products (sums, x, d_out, gain, columns);
  scale = norm_rsqrt (sums[0] * part + epsilon);
  return {(float) scale, (float) (scale * scale * scale * part * sums[1])};
}
