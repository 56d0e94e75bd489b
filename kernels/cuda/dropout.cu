/* dropout.cu: dropout by a stream of random numbers that has a number for each
 * entry.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A thread computes a block of the stream, which is Philox4x32-10 (see the
 * reference), and drops the four entries that it is for.
 */

#include "plane.h"

#include <math.h>

#define THREADS 256
#define ROUNDS 10

__device__ static uint4
philox (uint64_t counter, uint64_t key)
{
  uint32_t key0 = (uint32_t) key, key1 = (uint32_t) (key >> 32);
  uint4 out = make_uint4 ((uint32_t) counter, (uint32_t) (counter >> 32), 0, 0);

#pragma unroll
  for (int round = 0; round < ROUNDS; round++) {
    uint32_t high0 = __umulhi (0xd2511f53u, out.x);
    uint32_t high1 = __umulhi (0xcd9e8d57u, out.z);
    uint32_t low0 = 0xd2511f53u * out.x, low1 = 0xcd9e8d57u * out.z;

    out = make_uint4 (high1 ^ out.y ^ key0, low1, high0 ^ out.w ^ key1, low0);
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return out;
}

struct Drop {
  uint64_t seed, first;
  uint64_t below; /* a word that is less drops its entry */
  float scale;
};

__device__ static float
drop (const Drop &a, uint32_t word, float x)
{
  return word < a.below ? 0.0f : x * a.scale;
}

/* Entries 4 b .. 4 b + 3 are of one block of the stream. */
__global__ static void
dropout4_kernel (float4 *x, size_t blocks, Drop a)
{
  for (size_t b = mblm_cuda_thread (); b < blocks; b += mblm_cuda_threads ()) {
    uint4 words = philox (a.first / 4 + b, a.seed);
    float4 v = x[b];

    x[b] = make_float4 (drop (a, words.x, v.x), drop (a, words.y, v.y),
        drop (a, words.z, v.z), drop (a, words.w, v.w));
  }
}

/* Blocks of the stream begin anywhere. */
__global__ static void
dropout_kernel (float *x, size_t count, size_t blocks, Drop a)
{
  for (size_t b = mblm_cuda_thread (); b < blocks; b += mblm_cuda_threads ()) {
    uint64_t block = a.first / 4 + b;
    uint4 four = philox (block, a.seed);
    uint32_t words[4] = {four.x, four.y, four.z, four.w};

#pragma unroll
    for (uint32_t w = 0; w < 4; w++) {
      /* Before the first entry this is a huge number. */
      size_t i = 4 * block + w - a.first;

      if (i < count)
        x[i] = drop (a, words[w], x[i]);
    }
  }
}

void
mblm_cuda_dropout (MblmQueue *queue, const MblmDropout *a)
{
  double rest = 1.0 - (double) a->probability;
  double below = ceil (a->probability * 4294967296.0 - 0.5);
  Drop d = {a->seed, a->first, below > 0.0 ? (uint64_t) below : 0,
      (float) (1.0 / rest)};

  if (a->count == 0 || !mblm_cuda_begin (queue))
    return;
  if (a->first % 4 == 0 && mblm_cuda_aligned (a->count, a->x)) {
    mblm_cuda_launch (queue, dropout4_kernel,
        mblm_cuda_blocks (a->count / 4, THREADS), THREADS, 0, (float4 *) a->x,
        a->count / 4, d);
  } else {
    size_t blocks = divide_up (a->first % 4 + a->count, 4);

    mblm_cuda_launch (queue, dropout_kernel, mblm_cuda_blocks (blocks, THREADS),
        THREADS, 0, a->x, a->count, blocks, d);
  }
}
