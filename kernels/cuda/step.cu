/* step.cu: what a step of an optimiser is made of.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All of it is limited by memory: each number is read once and written once.
 */

#include "convert.h"
#include "plane.h"
#include "reduce.h"

#include <math.h>

#define THREADS 256
#define MOST_PARTS 1024    /* of a sum of squares */
#define PART_ELEMENTS 4096 /* at least */

/* ------------------------------------------------------------------------- */
/* Sums of squares                                                           */
/* ------------------------------------------------------------------------- */

__device__ static double
square (float x)
{
  return (double) x * x;
}

__device__ static double
square (float4 x)
{
  return (square (x.x) + square (x.y)) + (square (x.z) + square (x.w));
}

/* Of one part for each block. */
template <typename V>
__global__ static void
sum_squares_kernel (const V *x, size_t count, size_t part, double *partial)
{
  __shared__ double shared[THREADS / MBLM_CUDA_WARP];
  size_t end = min_size (count, (blockIdx.x + 1) * part);
  double sum = 0.0;

#pragma unroll 4
  for (size_t i = blockIdx.x * part + threadIdx.x; i < end; i += THREADS)
    sum += square (x[i]);
  sum = mblm_cuda_block_sum (sum, shared);
  if (threadIdx.x == 0)
    partial[blockIdx.x] = sum;
}

__global__ static void
add_squares_kernel (const double *partial, size_t parts, double *out)
{
  __shared__ double shared[THREADS / MBLM_CUDA_WARP];
  double sum = 0.0;

  for (size_t i = threadIdx.x; i < parts; i += THREADS)
    sum += partial[i];
  sum = mblm_cuda_block_sum (sum, shared);
  if (threadIdx.x == 0)
    *out += sum;
}

void
mblm_cuda_sum_squares (MblmQueue *queue, const MblmSumSquares *a)
{
  MblmCudaScratch scratch = {queue};
  /* Groups of four floats are whole in every part, so that the order is the same
   * for any address. */
  size_t elements = max_size (
      PART_ELEMENTS, divide_up (divide_up (a->count, MOST_PARTS), 4) * 4);
  size_t parts = divide_up (a->count, elements);
  size_t part = mblm_cuda_part (&scratch, parts, sizeof (double));
  double *partial;

  if (parts == 0 || !mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  partial = mblm_cuda_at<double> (&scratch, part);
  if (mblm_cuda_aligned (a->count, a->x))
    mblm_cuda_launch (queue, sum_squares_kernel<float4>, (unsigned) parts,
        THREADS, 0, (const float4 *) a->x, a->count / 4, elements / 4, partial);
  else
    mblm_cuda_launch (queue, sum_squares_kernel<float>, (unsigned) parts,
        THREADS, 0, a->x, a->count, elements, partial);
  mblm_cuda_launch (
      queue, add_squares_kernel, 1, THREADS, 0, partial, parts, a->sum);
}

/* ------------------------------------------------------------------------- */
/* Scaled additions                                                          */
/* ------------------------------------------------------------------------- */

template <typename V>
__global__ static void
add_scaled_kernel (V *x, const V *y, float scale, size_t count)
{
  for (size_t i = mblm_cuda_thread (); i < count; i += mblm_cuda_threads ())
    x[i] = fmaf (y[i], scale, x[i]);
}

void
mblm_cuda_add_scaled (MblmQueue *queue, const MblmAddScaled *a)
{
  size_t fours = a->count / 4;

  if (!mblm_cuda_begin (queue))
    return;
  if (mblm_cuda_aligned (a->count, a->x, a->y))
    mblm_cuda_launch (queue, add_scaled_kernel<float4>,
        mblm_cuda_blocks (fours, THREADS), THREADS, 0, (float4 *) a->x,
        (const float4 *) a->y, a->scale, fours);
  else
    mblm_cuda_launch (queue, add_scaled_kernel<float>,
        mblm_cuda_blocks (a->count, THREADS), THREADS, 0, a->x, a->y, a->scale,
        a->count);
}

/* ------------------------------------------------------------------------- */
/* Conversions                                                               */
/* ------------------------------------------------------------------------- */

void
mblm_cuda_convert_all (MblmQueue *queue, const MblmConvert *a)
{
  if (a->count > 0 && mblm_cuda_begin (queue))
    mblm_cuda_convert (queue, 1, a->count, a->x, a->x_type, a->count, a->out,
        a->out_type, a->count);
}

/* ------------------------------------------------------------------------- */
/* Adam                                                                      */
/* ------------------------------------------------------------------------- */

struct Adam {
  float scale, beta1, rest1, beta2, rest2;
  float rate; /* over the first correction */
  float root; /* 1 over that of the second */
  float epsilon;
};

__device__ static void
adam_entry (const Adam &a, float &weight, float &m, float &v, float gradient)
{
  float g = a.scale * gradient;

  m = fmaf (a.beta1, m, a.rest1 * g);
  v = fmaf (a.beta2, v, a.rest2 * g * g);
  weight -= a.rate * m / fmaf (sqrtf (v), a.root, a.epsilon);
}

__global__ static void
adam_kernel (float *weight, float *m, float *v, const float *gradient,
    size_t count, Adam a)
{
  for (size_t i = mblm_cuda_thread (); i < count; i += mblm_cuda_threads ())
    adam_entry (a, weight[i], m[i], v[i], gradient[i]);
}

__global__ static void
adam4_kernel (float4 *weight, float4 *m, float4 *v, const float4 *gradient,
    size_t count, Adam a)
{
  for (size_t i = mblm_cuda_thread (); i < count; i += mblm_cuda_threads ()) {
    float4 g = gradient[i], w4 = weight[i], m4 = m[i], v4 = v[i];

    adam_entry (a, w4.x, m4.x, v4.x, g.x);
    adam_entry (a, w4.y, m4.y, v4.y, g.y);
    adam_entry (a, w4.z, m4.z, v4.z, g.z);
    adam_entry (a, w4.w, m4.w, v4.w, g.w);
    weight[i] = w4;
    m[i] = m4;
    v[i] = v4;
  }
}

void
mblm_cuda_adam (MblmQueue *queue, const MblmAdam *a)
{
  Adam s = {a->scale, (float) a->beta1, (float) (1.0 - a->beta1),
      (float) a->beta2, (float) (1.0 - a->beta2),
      (float) (a->rate / a->correction1), (float) (1.0 / sqrt (a->correction2)),
      (float) a->epsilon};
  size_t fours = a->count / 4;

  if (!mblm_cuda_begin (queue))
    return;
  if (mblm_cuda_aligned (a->count, a->weight, a->m, a->v, a->gradient))
    mblm_cuda_launch (queue, adam4_kernel, mblm_cuda_blocks (fours, THREADS),
        THREADS, 0, (float4 *) a->weight, (float4 *) a->m, (float4 *) a->v,
        (const float4 *) a->gradient, fours, s);
  else
    mblm_cuda_launch (queue, adam_kernel, mblm_cuda_blocks (a->count, THREADS),
        THREADS, 0, a->weight, a->m, a->v, a->gradient, a->count, s);
}
