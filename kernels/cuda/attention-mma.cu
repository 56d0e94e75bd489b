/* attention-mma.cu: attention of many rows, on tensor cores.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where products may round their operands to bfloat16. As in attention-long.cu, a
 * block has a tile of queries and walks over the keys; but scores and weights stay
 * in registers, the products of a warp feeding the next ones. Three or four blocks
 * fit into a multiprocessor, so that some load while others multiply. The floor is
 * 4 * rows * keys * head_dim operations; keys and values are read by each block
 * again, mostly from the second cache.
 */

#include "attention-mma.h"

#include <cfloat>

#define KEYS 64 /* that pass by at a time */
#define LOG2_E 1.44269504f
#define LN_2 0.693147181f

typedef float Scores[KEYS / 8][4];

/* What a block works on. */
struct Place {
  size_t sequence, head; /* of the piece */
  size_t first;          /* row of the sequence */
  size_t past, keys;
  const uint8_t *mask;
  bool is_masked; /* every key is */
};

__device__ static Place
place_of (const AttentionPiece &piece)
{
  const MblmAttention &a = piece.a;
  unsigned tile = blockDim.x / MBLM_CUDA_WARP * ATTENTION_MMA_ROWS;
  size_t i = blockIdx.z;
  size_t first = (size_t) (gridDim.x - 1 - blockIdx.x) * tile;
  Place p = {i, blockIdx.y, first, piece.past_of (i), 0, piece.mask_of (i)};

  p.keys = p.past + (a.causal ? min_size (first + tile, a.rows) : a.rows);
  p.is_masked = attention_is_masked (p.mask, a.rows);
  if (p.is_masked && a.masked_is_zero)
    p.keys = 0;
  return p;
}

template <int D>
__device__ static inline void
load_keys (uint16_t *tile, const AttentionPiece &piece, const Place &p,
    size_t j, bool value)
{
  AttentionRows rows = attention_rows (piece, p.sequence, p.head, value);

  attention_mma_load<D> (tile, KEYS, piece.a.head_dim, piece.is_aligned,
      [&] (unsigned k) -> AttentionRow {
        bool is_in = j + k < p.keys &&
            (p.is_masked || !p.mask || p.mask[j + k]);

        return is_in ? rows.at (j + k) : AttentionRow ();
      });
}

/* Scores in powers of two, -INFINITY where a key is not seen. */
__device__ static inline void
hide (const AttentionPiece &piece, const Place &p, size_t j, Scores &scores)
{
  float scale = piece.scale * LOG2_E;

#pragma unroll
  for (int half = 0; half < 2; half++) {
    size_t row = p.first + attention_mma_row (half);
    size_t end = piece.a.causal ? min_size (p.keys, p.past + row + 1) : p.keys;

#pragma unroll
    for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        size_t key = j + attention_mma_column (n) + e;
        bool is_seen = key < end && (p.is_masked || !p.mask || p.mask[key]);
        float &score = scores[n][2 * half + e];

        score = p.is_masked ? 0.0f : score * scale;
        score = is_seen ? score : -INFINITY;
      }
  }
}

/* From scores to weights; rescales what has been summed up. */
template <int D>
__device__ static inline void
soften (Scores &scores, float (&most)[2], float (&total)[2],
    float (&sums)[D / 8][4])
{
#pragma unroll
  for (int half = 0; half < 2; half++) {
    float before = most[half], sum = 0.0f, factor;

#pragma unroll
    for (int n = 0; n < KEYS / 8; n++)
      most[half] = fmaxf (
          most[half], fmaxf (scores[n][2 * half], scores[n][2 * half + 1]));
    most[half] = mblm_cuda_warp_most<4> (most[half]);
    factor = exp2f (before - most[half]);
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
      for (int e = 2 * half; e < 2 * half + 2; e++) {
        scores[n][e] = exp2f (scores[n][e] - most[half]);
        sum += scores[n][e];
      }
    total[half] = fmaf (total[half], factor, mblm_cuda_warp_sum<4> (sum));
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
      sums[n][2 * half] *= factor;
      sums[n][2 * half + 1] *= factor;
    }
  }
}

template <int D>
__device__ static inline void
store_rows (const AttentionPiece &piece, const Place &p,
    const float (&sums)[D / 8][4], const float (&most)[2],
    const float (&total)[2])
{
  const MblmAttention &a = piece.a;

#pragma unroll
  for (int half = 0; half < 2; half++) {
    size_t i = p.first + attention_mma_row (half);
    size_t at = ((piece.first + p.sequence) * a.rows + i) * a.heads + p.head;

    if (i >= a.rows)
      continue;
    attention_mma_store<D> (sums, half, p.keys > 0 ? 1.0f / total[half] : 0.0f,
        a.type, a.out, at * a.head_dim, a.head_dim, piece.is_aligned, false);
    if (a.log_sum && threadIdx.x % 4 == 0)
      a.log_sum[at] = p.is_masked ? 0.0f
                                  : most[half] * LN_2 + logf (total[half]);
  }
}

template <int D>
__global__ static void
__launch_bounds__ (ATTENTION_MMA_THREADS, 2)
    mma_kernel (const AttentionPiece piece)
{
  MBLM_CUDA_DYNAMIC (uint16_t, keys);
  const MblmAttention &a = piece.a;
  uint16_t *values = keys + KEYS * attention_mma_stride<D>;
  uint16_t *queries = values + KEYS * attention_mma_stride<D>;
  Place p = place_of (piece);
  AttentionRow query = attention_row (a.type, a.query,
      ((piece.first + p.sequence) * a.rows + p.first) * a.query_stride +
          p.head * a.head_dim);
  float most[2] = {-FLT_MAX, -FLT_MAX}, total[2] = {0.0f, 0.0f};
  float sums[D / 8][4];
  unsigned tile = blockDim.x / MBLM_CUDA_WARP * ATTENTION_MMA_ROWS;

  attention_mma_clear (sums);
  attention_mma_load<D> (queries, tile, a.head_dim, piece.is_aligned,
      [&] (unsigned i) -> AttentionRow {
        return p.first + i < a.rows
            ? attention_row (a.type, query.data, i * a.query_stride)
            : AttentionRow ();
      });
  for (size_t j = 0; j < p.keys; j += KEYS) {
    Scores scores;

    __syncthreads ();
    load_keys<D> (keys, piece, p, j, false);
    load_keys<D> (values, piece, p, j, true);
    __syncthreads ();
    attention_mma_score<D> (scores, queries, keys);
    hide (piece, p, j, scores);
    soften<D> (scores, most, total, sums);
    attention_mma_mix<D> (sums, scores, values);
  }
  store_rows<D> (piece, p, sums, most, total);
}

template <int D>
static void
run (MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a)
{
  unsigned threads = attention_mma_threads (a);
  unsigned rows = attention_mma_rows (threads);

  for (size_t b = 0; b < a->batch; b += piece->count) {
    attention_piece (piece, a, b);
    mblm_cuda_launch (queue, mma_kernel<D>,
        dim3 ((unsigned) divide_up (a->rows, rows), (unsigned) a->heads,
            (unsigned) piece->count),
        threads,
        (2 * KEYS + rows) * attention_mma_stride<D> * sizeof (uint16_t),
        *piece);
  }
}

bool
attention_mma_takes (const MblmAttention *a)
{
  return a->product == MBLM_TYPE_BF16 && a->head_dim <= 128;
}

void
attention_mma (MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a)
{
  if (a->head_dim <= 32)
    run<32> (queue, piece, a);
  else if (a->head_dim <= 64)
    run<64> (queue, piece, a);
  else
    run<128> (queue, piece, a);
}
