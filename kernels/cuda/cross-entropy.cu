/* cross-entropy.cu: the loss of each row, in float32, and its gradient.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The rounding is part of the definition (see the reference): exponentials in
 * float32, their sum rounded to float32, and every step after it. They are added
 * up in double, so that the order of the threads doesn't show.
 *
 * A warp takes a row, a block that of a large vocabulary. Rows are read once for
 * the largest logit, and for the sum and the gradient again, from the caches:
 * 4 bytes a logit of memory without the gradient, 8 with it.
 */

#include "reduce.h"

#include <math.h>

#define THREADS 256
#define WARP_VOCABULARY 2048 /* up to this a warp takes a row */

/* What a group of THREADS or MBLM_CUDA_WARP threads does together. */
template <int GROUP> struct Group {
  __device__ static unsigned
  thread (void)
  {
    return threadIdx.x % GROUP;
  }

  __device__ static void
  wait (void)
  {
    if (GROUP == MBLM_CUDA_WARP)
      __syncwarp ();
    else
      __syncthreads ();
  }

  template <typename Join, typename T>
  __device__ static T
  reduce (T value, T *shared)
  {
    if (GROUP == MBLM_CUDA_WARP)
      return mblm_cuda_warp_reduce<Join> (value);
    return mblm_cuda_block_reduce<Join> (value, shared);
  }
};

/* A row of logits. */
struct Row {
  float max;
  double sum; /* of exp (x - max) */
  float loss;
};

template <int GROUP>
__device__ static Row
find_loss (const float *x, size_t vocabulary, int32_t target)
{
  __shared__ float most[THREADS / MBLM_CUDA_WARP];
  __shared__ double sums[THREADS / MBLM_CUDA_WARP];
  float at_target = x[target];
  Row row = {-INFINITY, 0.0, 0.0f};

#pragma unroll 4
  for (size_t v = Group<GROUP>::thread (); v < vocabulary; v += GROUP)
    row.max = fmaxf (row.max, x[v]);
  row.max = Group<GROUP>::template reduce<MblmCudaMost> (row.max, most);
#pragma unroll 4
  for (size_t v = Group<GROUP>::thread (); v < vocabulary; v += GROUP)
    row.sum += expf (x[v] - row.max);
  row.sum = Group<GROUP>::template reduce<MblmCudaSum> (row.sum, sums);
  row.loss = logf ((float) row.sum) - (at_target - row.max);
  return row;
}

/* d [vocabulary], which may be x, gets weight (softmax (x) - one of the target). */
template <int GROUP>
__device__ static void
give_gradient (const Row &row, const float *x, size_t vocabulary,
    int32_t target, float weight, float *d)
{
  /* Between 1 and the vocabulary a sum suits the short division. */
  float scale = __fdividef (weight, (float) row.sum);
  float at_target = expf (x[target] - row.max);

  /* 1 - softmax would lose what is small. */
  at_target = -scale * (float) (row.sum - (double) at_target);
  /* All have read the target's logit before anyone writes over it. */
  Group<GROUP>::wait ();
#pragma unroll 2
  for (size_t v = Group<GROUP>::thread (); v < vocabulary; v += GROUP)
    d[v] = v == (size_t) target ? at_target : scale * expf (x[v] - row.max);
}

/* `loss`, `weight` and `d_logits` may be NULL. */
template <int GROUP>
__global__ static void
__launch_bounds__ (THREADS)
    cross_entropy_kernel (MblmCrossEntropy a, const float *weight, float *d)
{
  constexpr size_t groups = THREADS / GROUP;

  for (size_t i = blockIdx.x * groups + threadIdx.x / GROUP; i < a.rows;
       i += gridDim.x * groups) {
    const float *x = a.logits + i * a.vocabulary;
    int32_t target = a.targets[i];
    float w = weight ? weight[i] : 1.0f;
    Row row = {};

    if (target >= 0)
      row = find_loss<GROUP> (x, a.vocabulary, target);
    if (a.loss && Group<GROUP>::thread () == 0)
      a.loss[i] = row.loss;
    if (!d)
      continue;
    if (target >= 0 && row.loss * w != 0.0f)
      give_gradient<GROUP> (
          row, x, a.vocabulary, target, w, d + i * a.vocabulary);
    else
      for (size_t v = Group<GROUP>::thread (); v < a.vocabulary; v += GROUP)
        d[i * a.vocabulary + v] = 0.0f;
  }
}

static void
run (MblmQueue *queue, const MblmCrossEntropy *a, const float *weight, float *d)
{
  bool by_warp = a->vocabulary <= WARP_VOCABULARY;

  if (!mblm_cuda_begin (queue))
    return;
  if (by_warp)
    mblm_cuda_launch (queue, cross_entropy_kernel<MBLM_CUDA_WARP>,
        mblm_cuda_blocks (a->rows, THREADS / MBLM_CUDA_WARP), THREADS, 0, *a,
        weight, d);
  else
    mblm_cuda_launch (queue, cross_entropy_kernel<THREADS>,
        mblm_cuda_blocks (a->rows, 1), THREADS, 0, *a, weight, d);
}

void
mblm_cuda_cross_entropy (MblmQueue *queue, const MblmCrossEntropy *a)
{
  run (queue, a, NULL, NULL);
}

void
mblm_cuda_cross_entropy_backward (
    MblmQueue *queue, const MblmCrossEntropyBackward *a)
{
  run (queue, &a->forward, a->weight, a->d_logits);
}
