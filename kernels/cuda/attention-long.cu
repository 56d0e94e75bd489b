/* attention-long.cu: attention of many rows, in float32.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A block has a tile of queries of one head, and walks over the keys that it sees
 * in tiles: scores, their softmax with the largest score so far, the weighted sum
 * of values. Keys and values pass through the same shared memory, so that two to
 * four blocks fit into a multiprocessor. The tiles that see most keys come first.
 * The floor is 4 * rows * keys * head_dim operations outside tensor cores; a thread
 * has 16 or more multiply-adds for each load from shared memory of four floats.
 */

#include "attention-tile.h"

#include <cfloat>

/* What a block works on. */
struct Place {
  size_t sequence; /* of the piece */
  size_t head;
  size_t first; /* row of the sequence */
  size_t past, keys;
  const uint8_t *mask;
  bool is_masked; /* every key is */
};

template <typename T>
__device__ static Place
place_of (const AttentionPiece &piece)
{
  const MblmAttention &a = piece.a;
  unsigned rows = attention_tile_rows<T> (blockDim.x);
  size_t i = blockIdx.z;
  size_t first = (size_t) (gridDim.x - 1 - blockIdx.x) * rows;
  Place p = {i, blockIdx.y, first, piece.past_of (i), 0, piece.mask_of (i)};

  p.keys = p.past + (a.causal ? min_size (first + rows, a.rows) : a.rows);
  p.is_masked = attention_is_masked (p.mask, a.rows);
  if (p.is_masked && a.masked_is_zero)
    p.keys = 0;
  return p;
}

/* Whether a row sees key j. */
__device__ static inline bool
is_visible (const AttentionPiece &piece, const Place &p, size_t row, size_t j)
{
  if (j >= p.keys)
    return false;
  if (piece.a.causal)
    return j <= p.past + row;
  return p.is_masked || !p.mask || p.mask[j];
}

template <typename T>
__device__ static inline void
load_keys (float *tile, const AttentionPiece &piece, const Place &p, size_t j,
    bool value)
{
  AttentionRows rows = attention_rows (piece, p.sequence, p.head, value);

  attention_tile_load<T> (tile, T::KEYS, piece.a.head_dim, piece.is_aligned,
      1.0f, [&] (unsigned k) -> AttentionRow {
        bool is_in = j + k < p.keys &&
            (p.is_masked || !p.mask || p.mask[j + k]);

        return is_in ? rows.at (j + k) : AttentionRow ();
      });
}

/* From scores to weights; rescales what has been summed up. */
template <typename T>
__device__ static inline void
soften (const AttentionPiece &piece, const Place &p, size_t j,
    typename T::Scores &scores, float (&most)[T::R], float (&total)[T::R],
    typename T::Sums &sums)
{
#pragma unroll
  for (int r = 0; r < T::R; r++) {
    size_t row = p.first + attention_tile_row (r);
    float before = most[r], sum = 0.0f, factor;

#pragma unroll
    for (int k = 0; k < T::K; k++) {
      size_t key = j + threadIdx.x % ATTENTION_LANES + k * ATTENTION_LANES;

      if (p.is_masked)
        scores[r][k] = 0.0f;
      if (!is_visible (piece, p, row, key))
        scores[r][k] = -INFINITY;
      most[r] = fmaxf (most[r], scores[r][k]);
    }
    most[r] = mblm_cuda_warp_most<ATTENTION_LANES> (most[r]);
    factor = expf (before - most[r]);
#pragma unroll
    for (int k = 0; k < T::K; k++) {
      scores[r][k] = expf (scores[r][k] - most[r]);
      sum += scores[r][k];
    }
    total[r] = fmaf (
        total[r], factor, mblm_cuda_warp_sum<ATTENTION_LANES> (sum));
#pragma unroll
    for (int c = 0; c < T::C; c++)
      sums[r][c] = sums[r][c] * factor;
  }
}

template <typename T>
__device__ static inline void
store_rows (const AttentionPiece &piece, const Place &p,
    const typename T::Sums &sums, const float (&most)[T::R],
    const float (&total)[T::R])
{
  const MblmAttention &a = piece.a;

#pragma unroll
  for (int r = 0; r < T::R; r++) {
    size_t i = p.first + attention_tile_row (r);
    size_t at = ((piece.first + p.sequence) * a.rows + i) * a.heads + p.head;

    if (i >= a.rows)
      continue;
    attention_tile_store<T> (sums, r, p.keys > 0 ? 1.0f / total[r] : 0.0f,
        a.type, a.out, at * a.head_dim, a.head_dim, piece.is_aligned, false);
    if (a.log_sum && threadIdx.x % ATTENTION_LANES == 0)
      a.log_sum[at] = p.is_masked ? 0.0f : most[r] + logf (total[r]);
  }
}

template <typename T>
__global__ static void
__launch_bounds__ (ATTENTION_TILE_THREADS, 2)
    long_kernel (const AttentionPiece piece)
{
  MBLM_CUDA_DYNAMIC (float, queries);
  const MblmAttention &a = piece.a;
  unsigned rows = attention_tile_rows<T> (blockDim.x);
  float *keys = queries + rows * T::STRIDE;
  float *weights = keys + T::KEYS * T::STRIDE;
  Place p = place_of<T> (piece);
  AttentionRow query = attention_row (a.type, a.query,
      ((piece.first + p.sequence) * a.rows + p.first) * a.query_stride +
          p.head * a.head_dim);
  float most[T::R], total[T::R];
  typename T::Sums sums;

  attention_tile_clear<T> (sums);
#pragma unroll
  for (int r = 0; r < T::R; r++) {
    most[r] = -FLT_MAX;
    total[r] = 0.0f;
  }
  attention_tile_load<T> (queries, rows, a.head_dim, piece.is_aligned,
      piece.scale, [&] (unsigned i) -> AttentionRow {
        return p.first + i < a.rows
            ? attention_row (a.type, query.data, i * a.query_stride)
            : AttentionRow ();
      });
  for (size_t j = 0; j < p.keys; j += T::KEYS) {
    typename T::Scores scores;

    __syncthreads ();
    load_keys<T> (keys, piece, p, j, false);
    __syncthreads ();
    attention_tile_score<T> (scores, queries, keys);
    soften<T> (piece, p, j, scores, most, total, sums);
    attention_tile_put<T> (weights, scores);
    __syncthreads ();
    load_keys<T> (keys, piece, p, j, true);
    __syncthreads ();
    attention_tile_mix<T> (sums, weights, keys);
  }
  store_rows<T> (piece, p, sums, most, total);
}

template <typename T>
static void
run (MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a)
{
  unsigned threads = attention_tile_threads (
      a->rows, T::ROWS, mblm_cuda_count (a->heads, a->batch));
  unsigned rows = attention_tile_rows<T> (threads);
  size_t shared = (rows + T::KEYS) * T::STRIDE + rows * T::WEIGHT_STRIDE;

  for (size_t b = 0; b < a->batch; b += piece->count) {
    attention_piece (piece, a, b);
    mblm_cuda_launch (queue, long_kernel<T>,
        dim3 ((unsigned) divide_up (a->rows, rows), (unsigned) a->heads,
            (unsigned) piece->count),
        threads, shared * sizeof (float), *piece);
  }
}

void
attention_long (MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a)
{
  if (a->head_dim <= 32)
    run<AttentionTile<4, 1, 8>> (queue, piece, a);
  else if (a->head_dim <= 64)
    run<AttentionTile<4, 2, 8>> (queue, piece, a);
  else if (a->head_dim <= 128)
    run<AttentionTile<4, 4, 4>> (queue, piece, a);
  else if (a->head_dim <= 256)
    run<AttentionTile<2, 8, 4>> (queue, piece, a);
  else
    run<AttentionTile<1, 16, 2>> (queue, piece, a);
}
