/* attention-step.cu: attention of a few rows to a long past.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The next rows of streams. The floor is the keys and values, read once: 8 bytes
 * for each number of a key and head. So the keys of a head are split over blocks,
 * 128 or more for each; a block finds their scores, eight lanes for a key, their
 * softmax, and the weighted sum of their values, lanes beside each other having
 * columns beside each other. A second launch joins the splits in order. All memory
 * is float32: nothing else decodes.
 */

#include "attention.h"

#include <cfloat>

#define THREADS 128
#define LANES 8 /* for a key */
#define SPLIT_KEYS 128
#define MOST_SPLITS 256
/* ... but for very many keys: a split's weights lie in shared memory. */
#define MOST_KEYS 8192
#define MOST_ROWS 8
#define MOST_WIDTH 512

/* What splits leave; `largest` NULL: there is one, which writes the output. */
struct Splits {
  size_t keys; /* of one */
  size_t count;
  float *largest, *total; /* [batch * rows, heads, count] */
  float *sums;            /* [batch * rows, heads, count, head_dim] */
};

/* scores[j] of keys first + j < end, for query row i of the sequence; and the
 * largest. */
__device__ static float
score_keys (const AttentionPiece &piece, size_t head, const float4 *query,
    size_t first, size_t end, float *scores, float *shared)
{
  const MblmAttention &a = piece.a;
  unsigned t = threadIdx.x % LANES,
           quads = (unsigned) divide_up (a.head_dim, 4);
  AttentionRows rows = attention_rows (piece, blockIdx.z, head, false);
  float most = -FLT_MAX;

#pragma unroll 2
  for (size_t j = 0; first + j < end; j += THREADS / LANES) {
    size_t mine = j + threadIdx.x / LANES;
    AttentionRow key = {};
    float sum = 0.0f;

    if (first + mine < end)
      key = rows.at (first + mine);
#pragma unroll 2
    for (unsigned c = t; c < quads; c += LANES)
      sum = attention_dot4 (
          attention_load4 (key, c, a.head_dim, piece.is_aligned), query[c],
          sum);
    sum = mblm_cuda_warp_sum<LANES> (sum) * piece.scale;
    if (!key.data)
      continue;
    most = fmaxf (most, sum);
    if (t == 0)
      scores[mine] = sum;
  }
  return mblm_cuda_block_most (most, shared);
}

/* From scores to weights; returns their sum. */
__device__ static float
soften (float *scores, size_t count, float most, float *shared)
{
  float sum = 0.0f;

  for (size_t j = threadIdx.x; j < count; j += THREADS) {
    scores[j] = expf (scores[j] - most);
    sum += scores[j];
  }
  return mblm_cuda_block_sum (sum, shared);
}

/* Thread (g, c) of a block sums up the values g, g + groups, .. of quad c; the sum
 * over the groups is that of thread (0, c). `shared` [THREADS]. */
__device__ static float4
mix_values (const AttentionPiece &piece, size_t head, size_t first, size_t end,
    const float *weights, float4 *shared)
{
  const MblmAttention &a = piece.a;
  unsigned quads = (unsigned) divide_up (a.head_dim, 4);
  unsigned groups = THREADS / quads;
  unsigned group = threadIdx.x / quads, c = threadIdx.x % quads;
  AttentionRows rows = attention_rows (piece, blockIdx.z, head, true);
  float4 sum = make_float4 (0.0f, 0.0f, 0.0f, 0.0f);

  if (group < groups) {
#pragma unroll 4
    for (size_t j = first + group; j < end; j += groups)
      sum = fmaf (
          attention_load4 (rows.at (j), c, a.head_dim, piece.is_aligned),
          weights[j - first], sum);
  }
  shared[threadIdx.x] = sum;
  __syncthreads ();
  for (unsigned g = 1; g < groups && group == 0; g++)
    sum = sum + shared[g * quads + c];
  return sum;
}

__global__ static void
__launch_bounds__ (THREADS)
    step_kernel (const AttentionPiece piece, const Splits splits)
{
  MBLM_CUDA_DYNAMIC (float, scores);
  __shared__ float4 sums[THREADS];
  __shared__ float4 query[MOST_WIDTH / 4];
  __shared__ float shared[THREADS / MBLM_CUDA_WARP];
  const MblmAttention &a = piece.a;
  size_t head = blockIdx.y, past = piece.past_of (blockIdx.z);
  size_t first = blockIdx.x * splits.keys;
  unsigned quads = (unsigned) divide_up (a.head_dim, 4);

  for (size_t i = 0; i < a.rows; i++) {
    size_t row = (piece.first + blockIdx.z) * a.rows + i;
    size_t end = min_size (
        first + splits.keys, past + (a.causal ? i + 1 : a.rows));
    size_t at = row * a.heads + head, to = at * splits.count + blockIdx.x;
    AttentionRow from = attention_row (
        a.type, a.query, row * a.query_stride + head * a.head_dim);
    float *out = splits.largest ? splits.sums + to * a.head_dim
                                : (float *) a.out + at * a.head_dim;
    float most, total;
    float4 sum;

    __syncthreads ();
    for (unsigned c = threadIdx.x; c < quads; c += THREADS)
      query[c] = attention_load4 (from, c, a.head_dim, piece.is_aligned);
    __syncthreads ();
    most = score_keys (piece, head, query, first, end, scores, shared);
    __syncthreads ();
    total = soften (scores, end > first ? end - first : 0, most, shared);
    sum = mix_values (piece, head, first, end, scores, sums);
    if (threadIdx.x < quads)
      attention_store4 (MBLM_TYPE_F32, out, 0, threadIdx.x, a.head_dim,
          piece.is_aligned, splits.largest ? sum : sum * (1.0f / total));
    if (threadIdx.x > 0)
      continue;
    if (splits.largest) {
      splits.largest[to] = most;
      splits.total[to] = total;
    } else if (a.log_sum) {
      a.log_sum[at] = most + logf (total);
    }
  }
}

/* A block has a row of a head. A split without keys has a total of 0. */
__global__ static void
__launch_bounds__ (THREADS) join_kernel (const Splits splits, size_t rows,
    size_t head_dim, float *out, float *log_sum)
{
  for (size_t at = blockIdx.x; at < rows; at += gridDim.x) {
    const float *largest = splits.largest + at * splits.count;
    const float *total = splits.total + at * splits.count;
    const float *sums = splits.sums + at * splits.count * head_dim;
    float most = -FLT_MAX, all = 0.0f;

    for (size_t s = 0; s < splits.count; s++)
      most = fmaxf (most, largest[s]);
    for (size_t s = 0; s < splits.count; s++)
      all = fmaf (total[s], expf (largest[s] - most), all);
    for (size_t d = threadIdx.x; d < head_dim; d += THREADS) {
      float sum = 0.0f;

#pragma unroll 4
      for (size_t s = 0; s < splits.count; s++)
        sum = fmaf (sums[s * head_dim + d], expf (largest[s] - most), sum);
      out[at * head_dim + d] = sum / all;
    }
    if (log_sum && threadIdx.x == 0)
      log_sum[at] = most + logf (all);
  }
}

bool
attention_step_takes (const MblmAttention *a)
{
  return a->rows <= MOST_ROWS && a->type == MBLM_TYPE_F32 &&
      (a->causal || !a->key_mask);
}

void
attention_step (MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a)
{
  size_t keys = attention_longest_past (a) + a->rows;
  size_t rows = mblm_cuda_count (a->batch, a->rows, a->heads);
  size_t split = max_size (SPLIT_KEYS, divide_up (keys, MOST_SPLITS));
  Splits splits = {min_size (split, MOST_KEYS)};
  MblmCudaScratch scratch = {queue};
  size_t largest, total, sums, count;

  splits.count = divide_up (keys, splits.keys);
  count = splits.count > 1 ? mblm_cuda_count (rows, splits.count) : 0;
  largest = mblm_cuda_part (&scratch, count, sizeof (float));
  total = mblm_cuda_part (&scratch, count, sizeof (float));
  sums = mblm_cuda_part (
      &scratch, mblm_cuda_count (count, a->head_dim), sizeof (float));
  if (!mblm_cuda_scratch (&scratch))
    return;
  if (count) {
    splits.largest = mblm_cuda_at<float> (&scratch, largest);
    splits.total = mblm_cuda_at<float> (&scratch, total);
    splits.sums = mblm_cuda_at<float> (&scratch, sums);
  }
  for (size_t b = 0; b < a->batch; b += piece->count) {
    attention_piece (piece, a, b);
    mblm_cuda_launch (queue, step_kernel,
        dim3 ((unsigned) splits.count, (unsigned) a->heads,
            (unsigned) piece->count),
        THREADS, splits.keys * sizeof (float), *piece, splits);
  }
  if (count)
    mblm_cuda_launch (queue, join_kernel, (unsigned) min_size (rows, 1u << 20),
        THREADS, 0, splits, rows, a->head_dim, (float *) a->out, a->log_sum);
}
