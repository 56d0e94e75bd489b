/* attention-tile.h: products of tiles of rows in float32, for long attention.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A block holds a tile of `rows` (queries, or keys), and another of KEYS rows
 * passes by. Eight threads share a row: thread (i, t) of them has rows i, i +
 * threads / 8, .., R in all, and columns t, t + 8, .. of the scores, or the groups
 * of four columns t, t + 8, .. of what the rows gather. So a row is the affair of
 * one warp. Blocks are one to four warps. Rows in shared memory are four floats
 * longer than a multiple of 32, so that eight of them lie in different banks.
 */

#pragma once

#include "attention.h"

#define ATTENTION_TILE_THREADS 128
#define ATTENTION_LANES 8 /* that share a row */

/* Rows of up to 32 * C columns. */
template <int R_, int C_, int K_> struct AttentionTile {
  static constexpr int R = R_, C = C_, K = K_;
  static constexpr int KEYS = ATTENTION_LANES * K, QUADS = 8 * C;
  static constexpr int STRIDE = 32 * C + 4, WEIGHT_STRIDE = KEYS + 4;
  static constexpr int ROWS = ATTENTION_TILE_THREADS / ATTENTION_LANES * R;

  typedef float Scores[R][K];
  typedef float4 Sums[R][C];
};

/* Of the tile of a block of `threads`. */
template <typename T>
__host__ __device__ static constexpr unsigned
attention_tile_rows (unsigned threads)
{
  return threads / ATTENTION_LANES * T::R;
}

/* The row of a tile that row r of this thread is. */
__device__ static inline unsigned
attention_tile_row (int r)
{
  return threadIdx.x / ATTENTION_LANES + r * (blockDim.x / ATTENTION_LANES);
}

/* Fills `count` rows with row_at (0), .. (count - 1), times `scale`; NULL is a row
 * of zeros. */
template <typename T, typename At>
__device__ static inline void
attention_tile_load (float *tile, unsigned count, size_t width, bool is_aligned,
    float scale, At row_at)
{
  for (unsigned i = threadIdx.x; i < count * T::QUADS; i += blockDim.x) {
    unsigned row = i / T::QUADS, c = i % T::QUADS;
    float4 x = attention_load4 (row_at (row), c, width, is_aligned);

    *(float4 *) (tile + row * T::STRIDE + 4 * c) = x * scale;
  }
}

/* scores += rows . keys over 32 columns, from quad `c` of each row on. */
template <typename T>
__device__ static inline void
attention_tile_score_columns (
    typename T::Scores &scores, const float *rows, const float *keys, int c)
{
  const float *key = keys + threadIdx.x % ATTENTION_LANES * T::STRIDE;

#pragma unroll 2
  for (int end = c + 8; c < end; c++) {
    float4 x[T::R];

#pragma unroll
    for (int r = 0; r < T::R; r++)
      x[r] = *(
          const float4 *) (rows + attention_tile_row (r) * T::STRIDE + 4 * c);
#pragma unroll
    for (int k = 0; k < T::K; k++) {
      float4 y = *(
          const float4 *) (key + k * ATTENTION_LANES * T::STRIDE + 4 * c);

#pragma unroll
      for (int r = 0; r < T::R; r++)
        scores[r][k] = attention_dot4 (x[r], y, scores[r][k]);
    }
  }
}

template <typename T>
__device__ static inline void
attention_tile_zero (typename T::Scores &scores)
{
#pragma unroll
  for (int r = 0; r < T::R; r++)
#pragma unroll
    for (int k = 0; k < T::K; k++)
      scores[r][k] = 0.0f;
}

/* scores = rows . keys. Weights are as exact as the scores are, and long rows of
 * like numbers round alike: so their sums are sums of shorter ones. */
template <typename T>
__device__ static inline void
attention_tile_score (
    typename T::Scores &scores, const float *rows, const float *keys)
{
  attention_tile_zero<T> (scores);
  if constexpr (T::C <= 2) {
#pragma unroll
    for (int c = 0; c < T::QUADS; c += 8)
      attention_tile_score_columns<T> (scores, rows, keys, c);
  } else {
#pragma unroll 1
    for (int c = 0; c < T::QUADS; c += 8) {
      typename T::Scores part;

      attention_tile_zero<T> (part);
      attention_tile_score_columns<T> (part, rows, keys, c);
#pragma unroll
      for (int r = 0; r < T::R; r++)
#pragma unroll
        for (int k = 0; k < T::K; k++)
          scores[r][k] += part[r][k];
    }
  }
}

/* Hands the weights of a row over to the lanes that share it. */
template <typename T>
__device__ static inline void
attention_tile_put (float *weights, const typename T::Scores &scores)
{
  __syncwarp ();
#pragma unroll
  for (int r = 0; r < T::R; r++)
#pragma unroll
    for (int k = 0; k < T::K; k++)
      weights[attention_tile_row (r) * T::WEIGHT_STRIDE +
          threadIdx.x % ATTENTION_LANES + k * ATTENTION_LANES] = scores[r][k];
  __syncwarp ();
}

/* sums += weights . values */
template <typename T>
__device__ static inline void
attention_tile_mix (
    typename T::Sums &sums, const float *weights, const float *values)
{
  const float *value = values + threadIdx.x % ATTENTION_LANES * 4;

#pragma unroll 1
  for (int j = 0; j < T::KEYS; j += 4) {
    float w[T::R][4];

#pragma unroll
    for (int r = 0; r < T::R; r++) {
      float4 x = *(const float4 *) (weights +
          attention_tile_row (r) * T::WEIGHT_STRIDE + j);

      w[r][0] = x.x;
      w[r][1] = x.y;
      w[r][2] = x.z;
      w[r][3] = x.w;
    }
#pragma unroll
    for (int q = 0; q < 4; q++)
#pragma unroll
      for (int c = 0; c < T::C; c++) {
        float4 y = *(const float4 *) (value + (j + q) * T::STRIDE + 32 * c);

#pragma unroll
        for (int r = 0; r < T::R; r++)
          sums[r][c] = fmaf (y, w[r][q], sums[r][c]);
      }
  }
}

template <typename T>
__device__ static inline void
attention_tile_clear (typename T::Sums &sums)
{
#pragma unroll
  for (int r = 0; r < T::R; r++)
#pragma unroll
    for (int c = 0; c < T::C; c++)
      sums[r][c] = make_float4 (0.0f, 0.0f, 0.0f, 0.0f);
}

/* Row r of this thread, times `factor`, from entry `at` on. */
template <typename T>
__device__ static inline void
attention_tile_store (const typename T::Sums &sums, int r, float factor,
    MblmType type, void *data, size_t at, size_t width, bool is_aligned,
    bool add)
{
#pragma unroll
  for (int c = 0; c < T::C; c++)
    attention_give4 (type, data, at,
        threadIdx.x % ATTENTION_LANES + c * ATTENTION_LANES, width, is_aligned,
        add, sums[r][c] * factor);
}

/* The threads of a block: fewer where tiles are too few for a large device. */
static inline unsigned
attention_tile_threads (size_t rows, size_t tile_rows, size_t heads)
{
  size_t tiles = mblm_cuda_count (divide_up (rows, tile_rows), heads);

  return tiles < 256 ? MBLM_CUDA_WARP : ATTENTION_TILE_THREADS;
}
