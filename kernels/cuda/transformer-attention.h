/* transformer-attention.h: attention in a step of a Transformer.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A block has a head of a sequence, eight lanes a key, and threads beside each other
 * have columns of values beside each other.
 */

#pragma once

#include "reduce.h"
#include "transformer-step.h"

struct StepAttention {
  const Step &a;
  float *memory; /* shared */

  /* Lane t of eight: its part of the product of the query and a key. */
  __device__ float
  score (const float *query, const float *key, unsigned t) const
  {
    float sum = 0.0f;

    if (a.head_dim % 4 == 0) {
      for (unsigned i = 4 * t; i < a.head_dim; i += 32) {
        float4 p = *(const float4 *) (query + i);
        float4 q = *(const float4 *) (key + i);

        sum = fmaf (p.x, q.x, sum);
        sum = fmaf (p.y, q.y, sum);
        sum = fmaf (p.z, q.z, sum);
        sum = fmaf (p.w, q.w, sum);
      }
    } else {
      for (unsigned i = t; i < a.head_dim; i += 8)
        sum = fmaf (query[i], key[i], sum);
    }
    return sum;
  }

  /* The same where lane t has its part of the key. */
  __device__ float
  score_early (const float *query, const float4 (&key)[2], unsigned t) const
  {
    float sum = 0.0f;

#pragma unroll
    for (unsigned i = 0; i < 2; i++)
      if (4 * t + 32 * i < a.head_dim) {
        float4 p = *(const float4 *) (query + 4 * t + 32 * i);

        sum = fmaf (p.x, key[i].x, sum);
        sum = fmaf (p.y, key[i].y, sum);
        sum = fmaf (p.z, key[i].z, sum);
        sum = fmaf (p.w, key[i].w, sum);
      }
    return sum;
  }

  /* A head of a sequence. Of a few keys, all that is older than this row is here
   * before the row is. */
  template <bool few>
  __device__ void
  attend (unsigned layer, unsigned b, unsigned head)
  {
    unsigned width = (a.head_dim + 3) / 4 * 4, past = a.past[b];
    float *query = memory, *key = query + width, *value = key + width;
    float *parts = value + width, *scores = parts + STEP_THREADS;
    const MblmTransformerState &state = a.state[b * a.layers + layer];
    size_t at = (size_t) head * a.head_dim;
    MblmCudaLetter *from = step_letters (a, layer, 0) + b * 3 * a.inner + at;
    unsigned padded = (a.head_dim + 31) / 32 * 32;
    unsigned groups = STEP_THREADS / padded;
    unsigned group = threadIdx.x / padded, d = threadIdx.x % padded;
    unsigned t = threadIdx.x % 8;
    bool has_column = group < groups && d < a.head_dim;
    float most = -INFINITY, total = 0.0f, sum = 0.0f;
    float4 keys[2] = {};
    float values[STEP_FEW_VALUES] = {};

    if constexpr (few) {
      const float *mine = state.key + threadIdx.x / 8 * (size_t) a.inner + at;

#pragma unroll
      for (unsigned i = 0; i < 2; i++)
        if (threadIdx.x / 8 < past && 4 * t + 32 * i < a.head_dim)
          keys[i] = *(const float4 *) (mine + 4 * t + 32 * i);
#pragma unroll
      for (unsigned i = 0; i < STEP_FEW_VALUES; i++)
        if (has_column && group + i * groups < past)
          values[i] =
              state.value[(group + i * groups) * (size_t) a.inner + at + d];
    }
    for (unsigned i = threadIdx.x; i < 3 * a.head_dim; i += STEP_THREADS) {
      unsigned part = i / a.head_dim, column = i % a.head_dim;
      float one[1];

      mblm_cuda_receive (from + part * a.inner + column, a.letters.stamp, one);
      memory[part * width + column] = one[0];
    }
    __syncthreads ();
    for (unsigned i = 0; i <= past; i += STEP_THREADS / 8) {
      unsigned j = i + threadIdx.x / 8;
      float product = 0.0f;

      if (j < past && few)
        product = score_early (query, keys, t);
      else if (j < past)
        product = score (query, state.key + j * (size_t) a.inner + at, t);
      else if (j == past)
        product = score (query, key, t);
      product = mblm_cuda_warp_sum<8> (product);
      if (t == 0 && j <= past)
        scores[j] = product * a.score_scale;
    }
    __syncthreads ();
    for (unsigned j = threadIdx.x % MBLM_CUDA_WARP; j <= past;
         j += MBLM_CUDA_WARP)
      most = fmaxf (most, scores[j]);
    most = mblm_cuda_warp_most (most);
    for (unsigned j = threadIdx.x % MBLM_CUDA_WARP; j <= past;
         j += MBLM_CUDA_WARP)
      total += expf (scores[j] - most);
    total = mblm_cuda_warp_sum (total);
    if constexpr (few) {
#pragma unroll
      for (unsigned i = 0; i < STEP_FEW_VALUES; i++)
        if (has_column && group + i * groups <= past)
          sum = fmaf (expf (scores[group + i * groups] - most),
              group + i * groups < past ? values[i] : value[d], sum);
    } else if (has_column) {
      for (unsigned j = group; j <= past; j += groups)
        sum = fmaf (expf (scores[j] - most),
            j < past ? state.value[j * (size_t) a.inner + at + d] : value[d],
            sum);
    }
    parts[threadIdx.x] = sum;
    __syncthreads ();
    if (threadIdx.x >= a.head_dim)
      return;
    for (unsigned g = 1; g < groups; g++)
      sum += parts[g * padded + d];
    mblm_cuda_send (
        step_letters (a, layer, a.letters.attended) + b * a.inner + at + d,
        sum / total, a.letters.stamp);
  }

  __device__ void
  attend_any (unsigned layer, unsigned i)
  {
    unsigned b = i / a.heads, head = i % a.heads;

    if (a.head_dim % 4 == 0 && a.head_dim <= 64 && a.past[b] < STEP_THREADS / 8)
      attend<true> (layer, b, head);
    else
      attend<false> (layer, b, head);
  }

  /* Heads, as far from each other as they can be. */
  __device__ void
  run (unsigned layer)
  {
    unsigned all = a.batch * a.heads, apart = gridDim.x / all;

    if (apart > 1 && blockIdx.x % apart == 0 && blockIdx.x / apart < all)
      attend_any (layer, blockIdx.x / apart);
    for (unsigned i = blockIdx.x; apart <= 1 && i < all; i += gridDim.x)
      attend_any (layer, i);
  }
};
