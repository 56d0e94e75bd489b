/* attention-long-backward.cu: the gradients of attention of many rows, in float32.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * With p = exp (score - log_sum) and d_score = p (d_out . value - d_out . out):
 * one kernel has a tile of queries in a block, walks over the keys and gathers
 * d_query; another has a tile of keys, walks over the queries and gathers d_key
 * and d_value. Scores are found twice for this, but no sum is shared between
 * blocks. Blocks for a past that all sequences share walk over those of a part of
 * the batch, too, and the parts are added up in order.
 * The floor is 14 * rows * keys * head_dim operations outside tensor cores.
 */

#include "attention-backward.h"
#include "attention-tile.h"

/* ------------------------------------------------------------------------- */
/* Queries                                                                   */
/* ------------------------------------------------------------------------- */

/* d_score of the rows of this thread for the keys from j on, from their scores and
 * d_out . value. */
template <typename T>
__device__ static inline void
differ (const AttentionPiece &piece, const uint8_t *mask, size_t first,
    size_t past, size_t keys, size_t j, const float (&log_sum)[T::R],
    const float (&delta)[T::R], const typename T::Scores &scores,
    typename T::Scores &d_weights)
{
#pragma unroll
  for (int r = 0; r < T::R; r++) {
    size_t end = piece.a.causal
        ? min_size (keys, past + first + attention_tile_row (r) + 1)
        : keys;

#pragma unroll
    for (int k = 0; k < T::K; k++) {
      size_t key = j + threadIdx.x % ATTENTION_LANES + k * ATTENTION_LANES;
      bool is_seen = key < end && (!mask || mask[key]);

      d_weights[r][k] = is_seen
          ? expf (scores[r][k] - log_sum[r]) * (d_weights[r][k] - delta[r])
          : 0.0f;
    }
  }
}

/* Loads the queries of a block, `count` of them being rows of the sequence. */
template <typename T>
__device__ static inline void
load_rows (float *queries, float *d_outs, const AttentionPiece &piece,
    const void *d_out, size_t row, size_t count, size_t head)
{
  const MblmAttention &a = piece.a;
  unsigned tile = attention_tile_rows<T> (blockDim.x);
  size_t at = head * a.head_dim, width = a.heads * a.head_dim;

  attention_tile_load<T> (queries, tile, a.head_dim, piece.is_aligned,
      piece.scale, [&] (unsigned r) -> AttentionRow {
        return r < count
            ? attention_row (a.type, a.query, (row + r) * a.query_stride + at)
            : AttentionRow ();
      });
  attention_tile_load<T> (d_outs, tile, a.head_dim, piece.is_aligned, 1.0f,
      [&] (unsigned r) -> AttentionRow {
        return r < count ? attention_row (a.type, d_out, (row + r) * width + at)
                         : AttentionRow ();
      });
}

template <typename T>
__device__ static inline void
load_keys (float *to, const AttentionPiece &piece, const uint8_t *mask,
    size_t j, size_t end, bool value)
{
  AttentionRows rows = attention_rows (piece, blockIdx.z, blockIdx.y, value);

  attention_tile_load<T> (to, T::KEYS, piece.a.head_dim, piece.is_aligned, 1.0f,
      [&] (unsigned k) -> AttentionRow {
        bool is_seen = j + k < end && (!mask || mask[j + k]);

        return is_seen ? rows.at (j + k) : AttentionRow ();
      });
}

template <typename T>
__global__ static void
__launch_bounds__ (ATTENTION_TILE_THREADS, 2)
    d_query_kernel (const AttentionPiece piece, const void *d_out,
        const float *deltas, void *d_query)
{
  MBLM_CUDA_DYNAMIC (float, queries);
  const MblmAttention &a = piece.a;
  unsigned tile = attention_tile_rows<T> (blockDim.x);
  float *d_outs = queries + tile * T::STRIDE;
  float *keys = d_outs + tile * T::STRIDE, *values = keys + T::KEYS * T::STRIDE;
  float *weights = values + T::KEYS * T::STRIDE;
  size_t i = blockIdx.z, head = blockIdx.y, past = piece.past_of (i);
  size_t first = (size_t) (gridDim.x - 1 - blockIdx.x) * tile;
  size_t row = (piece.first + i) * a.rows + first, count = a.rows - first;
  const uint8_t *mask = piece.mask_of (i);
  size_t end = past + (a.causal ? min_size (first + tile, a.rows) : a.rows);
  float log_sum[T::R], delta[T::R];
  typename T::Sums sums;

  if (attention_is_masked (mask, a.rows))
    end = 0;
  attention_tile_clear<T> (sums);
  load_rows<T> (queries, d_outs, piece, d_out, row, count, head);
#pragma unroll
  for (int r = 0; r < T::R; r++) {
    unsigned mine = attention_tile_row (r);
    size_t at = (row + mine) * a.heads + head;

    log_sum[r] = mine < count ? a.log_sum[at] : 0.0f;
    delta[r] = mine < count ? deltas[at] : 0.0f;
  }
  for (size_t j = 0; j < end; j += T::KEYS) {
    typename T::Scores scores, d_weights;

    __syncthreads ();
    load_keys<T> (keys, piece, mask, j, end, false);
    load_keys<T> (values, piece, mask, j, end, true);
    __syncthreads ();
    attention_tile_score<T> (scores, queries, keys);
    attention_tile_score<T> (d_weights, d_outs, values);
    differ<T> (
        piece, mask, first, past, end, j, log_sum, delta, scores, d_weights);
    attention_tile_put<T> (weights, d_weights);
    attention_tile_mix<T> (sums, weights, keys);
  }
#pragma unroll
  for (int r = 0; r < T::R; r++) {
    unsigned mine = attention_tile_row (r);
    size_t to = (row + mine) * a.query_stride + head * a.head_dim;

    if (mine < count)
      attention_tile_store<T> (sums, r, piece.scale, a.type, d_query, to,
          a.head_dim, piece.is_aligned, false);
  }
}

/* ------------------------------------------------------------------------- */
/* Keys                                                                      */
/* ------------------------------------------------------------------------- */

/* Loads the queries [first, first + KEYS) of sequence b of the batch, and their
 * d_out. */
template <typename T>
__device__ static inline void
load_queries (float *queries, float *d_outs, const AttentionPiece &piece,
    const void *d_out, size_t b, size_t head, size_t first)
{
  const MblmAttention &a = piece.a;
  size_t row = b * a.rows + first, at = head * a.head_dim;
  size_t count = a.rows - first, width = a.heads * a.head_dim;

  attention_tile_load<T> (queries, T::KEYS, a.head_dim, piece.is_aligned,
      piece.scale, [&] (unsigned k) -> AttentionRow {
        return k < count
            ? attention_row (a.type, a.query, (row + k) * a.query_stride + at)
            : AttentionRow ();
      });
  attention_tile_load<T> (d_outs, T::KEYS, a.head_dim, piece.is_aligned, 1.0f,
      [&] (unsigned k) -> AttentionRow {
        return k < count ? attention_row (a.type, d_out, (row + k) * width + at)
                         : AttentionRow ();
      });
}

/* From scores to weights, and from d_out . value to d_score, of the keys of this
 * thread for the queries from `first` on. */
template <typename T>
__device__ static inline void
differ_keys (const AttentionPiece &piece, const AttentionKeys &keys, size_t b,
    size_t head, size_t first, const float *deltas, typename T::Scores &scores,
    typename T::Scores &d_weights)
{
  const MblmAttention &a = piece.a;

#pragma unroll
  for (int k = 0; k < T::K; k++) {
    size_t i = first + threadIdx.x % ATTENTION_LANES + k * ATTENTION_LANES;
    size_t at = (b * a.rows + i) * a.heads + head;
    bool is_in = i < a.rows;
    float log_sum = is_in ? a.log_sum[at] : 0.0f;
    float delta = is_in ? deltas[at] : 0.0f;

#pragma unroll
    for (int r = 0; r < T::R; r++) {
      bool is_seen = keys.sees (piece, i, attention_tile_row (r));
      float weight = keys.is_masked ? keys.alike
                                    : expf (scores[r][k] - log_sum);

      scores[r][k] = is_seen ? weight : 0.0f;
      d_weights[r][k] = is_seen && !keys.is_masked
          ? weight * (d_weights[r][k] - delta)
          : 0.0f;
    }
  }
}

template <typename T>
__global__ static void
__launch_bounds__ (ATTENTION_TILE_THREADS, 2) d_key_kernel (
    const AttentionPiece piece, const AttentionGradients gradients,
    const AttentionPart part, const float *deltas)
{
  MBLM_CUDA_DYNAMIC (float, keys);
  const MblmAttention &a = piece.a;
  unsigned tile = attention_tile_rows<T> (blockDim.x);
  float *values = keys + tile * T::STRIDE;
  float *queries = values + tile * T::STRIDE;
  float *d_outs = queries + T::KEYS * T::STRIDE;
  float *weights = d_outs + T::KEYS * T::STRIDE;
  size_t head = blockIdx.y;
  AttentionKeys mine = attention_keys (
      piece, gradients, part, (size_t) blockIdx.x * tile);
  typename T::Sums d_keys, d_values;

  if (mine.count == 0)
    return;
  attention_tile_clear<T> (d_keys);
  attention_tile_clear<T> (d_values);
  attention_tile_load<T> (keys, tile, a.head_dim, piece.is_aligned, 1.0f,
      [&] (unsigned r) { return mine.key_at (r); });
  attention_tile_load<T> (values, tile, a.head_dim, piece.is_aligned, 1.0f,
      [&] (unsigned r) { return mine.value_at (r); });
  for (size_t b = mine.begin; b < mine.end; b++)
    for (size_t i = mine.first_query (piece) / T::KEYS * T::KEYS; i < a.rows;
         i += T::KEYS) {
      typename T::Scores scores, d_weights;

      __syncthreads ();
      load_queries<T> (queries, d_outs, piece, gradients.d_out, b, head, i);
      __syncthreads ();
      attention_tile_score<T> (scores, keys, queries);
      attention_tile_score<T> (d_weights, values, d_outs);
      differ_keys<T> (piece, mine, b, head, i, deltas, scores, d_weights);
      attention_tile_put<T> (weights, scores);
      attention_tile_mix<T> (d_values, weights, d_outs);
      attention_tile_put<T> (weights, d_weights);
      attention_tile_mix<T> (d_keys, weights, queries);
    }
#pragma unroll
  for (int r = 0; r < T::R; r++) {
    unsigned row = attention_tile_row (r);

    if (row < mine.count && mine.d_key)
      attention_tile_store<T> (d_keys, r, 1.0f, mine.type, mine.d_key,
          mine.d_at + row * mine.stride, a.head_dim, mine.is_aligned,
          mine.adds);
    if (row < mine.count && mine.d_value)
      attention_tile_store<T> (d_values, r, 1.0f, mine.type, mine.d_value,
          mine.d_at + row * mine.stride, a.head_dim, mine.is_aligned,
          mine.adds);
  }
}

/* ------------------------------------------------------------------------- */
/* d_out . out                                                               */
/* ------------------------------------------------------------------------- */

/* A warp has a row of a head. */
__global__ static void
deltas_kernel (MblmType type, const void *d_out, const void *out, size_t count,
    size_t head_dim, float *deltas)
{
  size_t lane = threadIdx.x % MBLM_CUDA_WARP;

  for (size_t i = mblm_cuda_thread () / MBLM_CUDA_WARP; i < count;
       i += mblm_cuda_threads () / MBLM_CUDA_WARP) {
    float sum = 0.0f;

    for (size_t j = lane; j < head_dim; j += MBLM_CUDA_WARP) {
      float x[1], y[1];

      mblm_cuda_get<1> (type, d_out, i * head_dim + j, x);
      mblm_cuda_get<1> (type, out, i * head_dim + j, y);
      sum = fmaf (x[0], y[0], sum);
    }
    sum = mblm_cuda_warp_sum (sum);
    if (lane == 0)
      deltas[i] = sum;
  }
}

void
attention_deltas (
    MblmQueue *queue, const MblmAttentionBackward *g, float *deltas)
{
  const MblmAttention *a = &g->forward;
  size_t count = mblm_cuda_count (a->batch, a->rows, a->heads);

  mblm_cuda_launch (queue, deltas_kernel,
      mblm_cuda_blocks (mblm_cuda_count (count, MBLM_CUDA_WARP), 256), 256, 0,
      a->type, g->d_out, a->out, count, a->head_dim, deltas);
}

/* ------------------------------------------------------------------------- */
/* Launches                                                                  */
/* ------------------------------------------------------------------------- */

template <typename T> struct Long {
  static unsigned
  threads (const MblmAttention *a)
  {
    return attention_tile_threads (
        a->rows, T::ROWS, mblm_cuda_count (a->heads, a->batch));
  }

  static unsigned
  rows (unsigned threads)
  {
    return attention_tile_rows<T> (threads);
  }

  static size_t
  shared (unsigned threads)
  {
    size_t rows = attention_tile_rows<T> (threads);

    return (2 * (rows + T::KEYS) * T::STRIDE + rows * T::WEIGHT_STRIDE) *
        sizeof (float);
  }

  static constexpr auto d_query = d_query_kernel<T>;
  static constexpr auto d_key = d_key_kernel<T>;
};

void
attention_long_backward (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttentionBackward *g)
{
  size_t head_dim = g->forward.head_dim;

  if (head_dim <= 32)
    attention_backward<Long<AttentionTile<4, 1, 4>>> (queue, piece, g);
  else if (head_dim <= 64)
    attention_backward<Long<AttentionTile<4, 2, 4>>> (queue, piece, g);
  else if (head_dim <= 128)
    attention_backward<Long<AttentionTile<4, 4, 2>>> (queue, piece, g);
  else if (head_dim <= 256)
    attention_backward<Long<AttentionTile<2, 8, 1>>> (queue, piece, g);
  else
    attention_backward<Long<AttentionTile<1, 16, 1>>> (queue, piece, g);
}
