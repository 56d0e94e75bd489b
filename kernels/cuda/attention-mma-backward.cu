/* attention-mma-backward.cu: the gradients of attention of many rows, on tensor
 * cores.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * As attention-long-backward.cu: one kernel has tiles of queries and gathers
 * d_query, another has tiles of keys and gathers d_key and d_value, a warp having 16
 * rows of a tile. Weights and the gradients of scores stay in registers, from one
 * product to the next; two blocks or more fit into a multiprocessor. The floor is 14
 * * rows * keys * head_dim operations.
 */

#include "attention-backward.h"
#include "attention-mma.h"

#define PASSING 32 /* rows that pass by at a time */
#define LOG2_E 1.44269504f

typedef float Scores[PASSING / 8][4];

/* ------------------------------------------------------------------------- */
/* Queries                                                                   */
/* ------------------------------------------------------------------------- */

/* d_score of the rows of this lane for the keys from j on, from their scores and
 * d_out . value. */
__device__ static inline void
differ (const AttentionPiece &piece, const uint8_t *mask, size_t first,
    size_t past, size_t keys, size_t j, const float (&log_sum)[2],
    const float (&delta)[2], const Scores &scores, Scores &d_weights)
{
  float scale = piece.scale * LOG2_E;

#pragma unroll
  for (int half = 0; half < 2; half++) {
    size_t row = first + attention_mma_row (half);
    size_t end = piece.a.causal ? min_size (keys, past + row + 1) : keys;

#pragma unroll
    for (int n = 0; n < PASSING / 8; n++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        size_t key = j + attention_mma_column (n) + e;
        bool is_seen = key < end && (!mask || mask[key]);
        float score = scores[n][2 * half + e];
        float &d_weight = d_weights[n][2 * half + e];

        d_weight = is_seen ? exp2f (fmaf (score, scale, -log_sum[half])) *
                (d_weight - delta[half])
                           : 0.0f;
      }
  }
}

/* Loads `count` queries from row `row` of the batch on, and their d_out. */
template <int D>
__device__ static inline void
load_queries (uint16_t *queries, uint16_t *d_outs, unsigned tile,
    const AttentionPiece &piece, const void *d_out, size_t row, size_t count)
{
  const MblmAttention &a = piece.a;
  size_t at = blockIdx.y * a.head_dim, width = a.heads * a.head_dim;

  attention_mma_load<D> (queries, tile, a.head_dim, piece.is_aligned,
      [&] (unsigned r) -> AttentionRow {
        return r < count
            ? attention_row (a.type, a.query, (row + r) * a.query_stride + at)
            : AttentionRow ();
      });
  attention_mma_load<D> (d_outs, tile, a.head_dim, piece.is_aligned,
      [&] (unsigned r) -> AttentionRow {
        return r < count ? attention_row (a.type, d_out, (row + r) * width + at)
                         : AttentionRow ();
      });
}

template <int D>
__device__ static inline void
load_keys (uint16_t *to, const AttentionPiece &piece, const uint8_t *mask,
    size_t j, size_t end, bool value)
{
  AttentionRows rows = attention_rows (piece, blockIdx.z, blockIdx.y, value);

  attention_mma_load<D> (to, PASSING, piece.a.head_dim, piece.is_aligned,
      [&] (unsigned k) -> AttentionRow {
        bool is_seen = j + k < end && (!mask || mask[j + k]);

        return is_seen ? rows.at (j + k) : AttentionRow ();
      });
}

template <int D>
__global__ static void
__launch_bounds__ (ATTENTION_MMA_THREADS, 2)
    d_query_kernel (const AttentionPiece piece, const void *d_out,
        const float *deltas, void *d_query)
{
  MBLM_CUDA_DYNAMIC (uint16_t, queries);
  constexpr int stride = attention_mma_stride<D>;
  const MblmAttention &a = piece.a;
  unsigned tile = blockDim.x / MBLM_CUDA_WARP * ATTENTION_MMA_ROWS;
  uint16_t *d_outs = queries + tile * stride, *keys = d_outs + tile * stride;
  uint16_t *values = keys + PASSING * stride;
  size_t i = blockIdx.z, head = blockIdx.y, past = piece.past_of (i);
  size_t first = (size_t) (gridDim.x - 1 - blockIdx.x) * tile;
  size_t row = (piece.first + i) * a.rows + first, count = a.rows - first;
  const uint8_t *mask = piece.mask_of (i);
  size_t end = past + (a.causal ? min_size (first + tile, a.rows) : a.rows);
  float log_sum[2], delta[2], sums[D / 8][4];

  if (attention_is_masked (mask, a.rows))
    end = 0;
  attention_mma_clear (sums);
  load_queries<D> (queries, d_outs, tile, piece, d_out, row, count);
#pragma unroll
  for (int half = 0; half < 2; half++) {
    unsigned mine = attention_mma_row (half);
    size_t at = (row + mine) * a.heads + head;

    log_sum[half] = mine < count ? a.log_sum[at] * LOG2_E : 0.0f;
    delta[half] = mine < count ? deltas[at] : 0.0f;
  }
  for (size_t j = 0; j < end; j += PASSING) {
    Scores scores, d_weights;

    __syncthreads ();
    load_keys<D> (keys, piece, mask, j, end, false);
    load_keys<D> (values, piece, mask, j, end, true);
    __syncthreads ();
    attention_mma_score<D> (scores, queries, keys);
    attention_mma_score<D> (d_weights, d_outs, values);
    differ (
        piece, mask, first, past, end, j, log_sum, delta, scores, d_weights);
    attention_mma_mix<D> (sums, d_weights, keys);
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    unsigned mine = attention_mma_row (half);
    size_t to = (row + mine) * a.query_stride + head * a.head_dim;

    if (mine < count)
      attention_mma_store<D> (sums, half, piece.scale, a.type, d_query, to,
          a.head_dim, piece.is_aligned, false);
  }
}

/* ------------------------------------------------------------------------- */
/* Keys                                                                      */
/* ------------------------------------------------------------------------- */

/* From scores to weights, and from d_out . value to d_score, of the keys of this
 * lane for the queries from `first` on. */
__device__ static inline void
differ_keys (const AttentionPiece &piece, const AttentionKeys &keys, size_t b,
    size_t first, const float *deltas, Scores &scores, Scores &d_weights)
{
  const MblmAttention &a = piece.a;

#pragma unroll
  for (int n = 0; n < PASSING / 8; n++)
#pragma unroll
    for (int e = 0; e < 2; e++) {
      size_t i = first + attention_mma_column (n) + e;
      size_t at = (b * a.rows + i) * a.heads + blockIdx.y;
      bool is_in = i < a.rows;
      float log_sum = is_in ? a.log_sum[at] * LOG2_E : 0.0f;
      float delta = is_in ? deltas[at] : 0.0f;

#pragma unroll
      for (int half = 0; half < 2; half++) {
        bool is_seen = keys.sees (piece, i, attention_mma_row (half));
        float &score = scores[n][2 * half + e];
        float &d_weight = d_weights[n][2 * half + e];
        float weight = keys.is_masked
            ? keys.alike
            : exp2f (fmaf (score, piece.scale * LOG2_E, -log_sum));

        score = is_seen ? weight : 0.0f;
        d_weight = is_seen && !keys.is_masked ? weight * (d_weight - delta)
                                              : 0.0f;
      }
    }
}

template <int D>
__global__ static void
__launch_bounds__ (ATTENTION_MMA_THREADS, 2) d_key_kernel (
    const AttentionPiece piece, const AttentionGradients gradients,
    const AttentionPart part, const float *deltas)
{
  MBLM_CUDA_DYNAMIC (uint16_t, keys);
  constexpr int stride = attention_mma_stride<D>;
  const MblmAttention &a = piece.a;
  unsigned tile = blockDim.x / MBLM_CUDA_WARP * ATTENTION_MMA_ROWS;
  uint16_t *values = keys + tile * stride, *queries = values + tile * stride;
  uint16_t *d_outs = queries + PASSING * stride;
  AttentionKeys mine = attention_keys (
      piece, gradients, part, (size_t) blockIdx.x * tile);
  float d_keys[D / 8][4], d_values[D / 8][4];

  if (mine.count == 0)
    return;
  attention_mma_clear (d_keys);
  attention_mma_clear (d_values);
  attention_mma_load<D> (keys, tile, a.head_dim, piece.is_aligned,
      [&] (unsigned r) { return mine.key_at (r); });
  attention_mma_load<D> (values, tile, a.head_dim, piece.is_aligned,
      [&] (unsigned r) { return mine.value_at (r); });
  for (size_t b = mine.begin; b < mine.end; b++)
    for (size_t i = mine.first_query (piece) / PASSING * PASSING; i < a.rows;
         i += PASSING) {
      Scores scores, d_weights;

      __syncthreads ();
      load_queries<D> (queries, d_outs, PASSING, piece, gradients.d_out,
          b * a.rows + i, a.rows - i);
      __syncthreads ();
      attention_mma_score<D> (scores, keys, queries);
      attention_mma_score<D> (d_weights, values, d_outs);
      differ_keys (piece, mine, b, i, deltas, scores, d_weights);
      attention_mma_mix<D> (d_values, scores, d_outs);
      attention_mma_mix<D> (d_keys, d_weights, queries);
    }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    unsigned row = attention_mma_row (half);

    if (row < mine.count && mine.d_key)
      attention_mma_store<D> (d_keys, half, piece.scale, mine.type, mine.d_key,
          mine.d_at + row * mine.stride, a.head_dim, mine.is_aligned,
          mine.adds);
    if (row < mine.count && mine.d_value)
      attention_mma_store<D> (d_values, half, 1.0f, mine.type, mine.d_value,
          mine.d_at + row * mine.stride, a.head_dim, mine.is_aligned,
          mine.adds);
  }
}

/* ------------------------------------------------------------------------- */
/* Launches                                                                  */
/* ------------------------------------------------------------------------- */

template <int D> struct Mma {
  static unsigned
  threads (const MblmAttention *a)
  {
    return attention_mma_threads (a);
  }

  static unsigned
  rows (unsigned threads)
  {
    return attention_mma_rows (threads);
  }

  static size_t
  shared (unsigned threads)
  {
    return 2 * (attention_mma_rows (threads) + PASSING) *
        attention_mma_stride<D> * sizeof (uint16_t);
  }

  static constexpr auto d_query = d_query_kernel<D>;
  static constexpr auto d_key = d_key_kernel<D>;
};

void
attention_mma_backward (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttentionBackward *g)
{
  size_t head_dim = g->forward.head_dim;

  if (head_dim <= 32)
    attention_backward<Mma<32>> (queue, piece, g);
  else if (head_dim <= 64)
    attention_backward<Mma<64>> (queue, piece, g);
  else
    attention_backward<Mma<128>> (queue, piece, g);
}
