/* attention-mma.h: products of tiles of rows on tensor cores, for long attention.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * As attention-tile.h, but for operands of bfloat16 in shared memory: a warp has 16
 * rows of a block's tile, and of their scores what mma.h says of `d`: rows g and
 * g + 8, columns 2 t and 2 t + 1 of each group of eight. Rows are eight entries
 * longer than they must be, so that eight of them lie in different banks.
 */

#pragma once

#include "attention.h"
#include "mma.h"

#define ATTENTION_MMA_ROWS 16 /* of a warp */
#define ATTENTION_MMA_THREADS 128

/* Rows of up to D columns, a multiple of 16. */
template <int D> constexpr int attention_mma_stride = D + 8;

/* Row `half` (0 or 1) of this lane in the tile of the block. */
__device__ static inline unsigned
attention_mma_row (int half)
{
  return threadIdx.x / MBLM_CUDA_WARP * ATTENTION_MMA_ROWS +
      threadIdx.x % MBLM_CUDA_WARP / 4 + half * 8;
}

/* The first of the two columns of this lane in group n. */
__device__ static inline unsigned
attention_mma_column (int n)
{
  return n * 8 + threadIdx.x % 4 * 2;
}

/* Fills `count` rows with row_at (0), .. (count - 1); NULL is a row of zeros. */
template <int D, typename At>
__device__ static inline void
attention_mma_load (
    uint16_t *tile, unsigned count, size_t width, bool is_aligned, At row_at)
{
  for (unsigned i = threadIdx.x; i < count * (D / 4); i += blockDim.x) {
    unsigned row = i / (D / 4), c = i % (D / 4);
    float4 x = attention_load4 (row_at (row), c, width, is_aligned);

    *(uint2 *) (tile + row * attention_mma_stride<D> + 4 * c) = make_uint2 (
        mblm_cuda_to_bf16x2 (x.x, x.y), mblm_cuda_to_bf16x2 (x.z, x.w));
  }
}

template <int N>
__device__ static inline void
attention_mma_clear (float (&sums)[N][4])
{
#pragma unroll
  for (int n = 0; n < N; n++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      sums[n][e] = 0.0f;
}

/* scores = the warp's rows of a tile . 8 N keys */
template <int D, int N>
__device__ static inline void
attention_mma_score (
    float (&scores)[N][4], const uint16_t *tile, const uint16_t *keys)
{
  constexpr int stride = attention_mma_stride<D>;
  const uint16_t *rows = tile +
      threadIdx.x / MBLM_CUDA_WARP * ATTENTION_MMA_ROWS * stride;

  attention_mma_clear (scores);
  /* wide rows would need more registers than there are */
#pragma unroll(D > 64 ? 2 : D / 16)
  for (int k = 0; k < D; k += 16) {
    uint32_t a[4];

    mma_load_a (a, rows + k, stride);
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      uint32_t b[2][2];

      mma_load_b_pair (b, keys + n * 8 * stride + k, stride);
      mma_bf16 (scores[n], a, b[0]);
      mma_bf16 (scores[n + 1], a, b[1]);
    }
  }
}

/* sums += weights . 8 N values */
template <int D, int N>
__device__ static inline void
attention_mma_mix (float (&sums)[D / 8][4], const float (&weights)[N][4],
    const uint16_t *values)
{
  constexpr int stride = attention_mma_stride<D>;

#pragma unroll
  for (int n = 0; n < N; n += 2) {
    uint32_t a[4];

#pragma unroll
    for (int half = 0; half < 2; half++) {
      const float *w = weights[n + half];

      a[2 * half] = mblm_cuda_to_bf16x2 (w[0], w[1]);
      a[2 * half + 1] = mblm_cuda_to_bf16x2 (w[2], w[3]);
    }
#pragma unroll
    for (int d = 0; d < D / 8; d += 2) {
      uint32_t b[2][2];

      mma_load_b_rows_pair (b, values + n * 8 * stride + d * 8, stride);
      mma_bf16 (sums[d], a, b[0]);
      mma_bf16 (sums[d + 1], a, b[1]);
    }
  }
}

/* Row `half` of this lane, times `factor`, to float32. */
template <int D>
__device__ static inline void
attention_mma_store_floats (const float (&sums)[D / 8][4], int half,
    float factor, float *row, size_t width, bool is_aligned, bool add)
{
#pragma unroll
  for (int n = 0; n < D / 8; n++) {
    unsigned j = attention_mma_column (n);
    float x = sums[n][2 * half] * factor, y = sums[n][2 * half + 1] * factor;

    if (is_aligned && j < width) {
      float2 before = add ? *(float2 *) (row + j) : make_float2 (0.0f, 0.0f);

      *(float2 *) (row + j) = make_float2 (before.x + x, before.y + y);
      continue;
    }
    if (j < width)
      row[j] = add ? row[j] + x : x;
    if (j + 1 < width)
      row[j + 1] = add ? row[j + 1] + y : y;
  }
}

/* The same to bfloat16, which nothing is added to. */
template <int D>
__device__ static inline void
attention_mma_store_halves (const float (&sums)[D / 8][4], int half,
    float factor, uint16_t *row, size_t width, bool is_aligned)
{
#pragma unroll
  for (int n = 0; n < D / 8; n++) {
    unsigned j = attention_mma_column (n);
    float x = sums[n][2 * half] * factor, y = sums[n][2 * half + 1] * factor;

    if (is_aligned && j < width) {
      *(uint32_t *) (row + j) = mblm_cuda_to_bf16x2 (x, y);
      continue;
    }
    if (j < width)
      row[j] = mblm_cuda_to_bf16 (x);
    if (j + 1 < width)
      row[j + 1] = mblm_cuda_to_bf16 (y);
  }
}

/* To a row that begins with entry `at`. */
template <int D>
__device__ static inline void
attention_mma_store (const float (&sums)[D / 8][4], int half, float factor,
    MblmType type, void *data, size_t at, size_t width, bool is_aligned,
    bool add)
{
  if (type == MBLM_TYPE_F32)
    attention_mma_store_floats<D> (
        sums, half, factor, (float *) data + at, width, is_aligned, add);
  else
    attention_mma_store_halves<D> (
        sums, half, factor, (uint16_t *) data + at, width, is_aligned);
}

/* The threads of a block: fewer where tiles are too few for a large device. */
static inline unsigned
attention_mma_threads (const MblmAttention *a)
{
  size_t tiles = divide_up (
      a->rows, ATTENTION_MMA_THREADS / MBLM_CUDA_WARP * ATTENTION_MMA_ROWS);

  return mblm_cuda_count (tiles, a->heads, a->batch) < 256
      ? MBLM_CUDA_WARP
      : ATTENTION_MMA_THREADS;
}

static inline unsigned
attention_mma_rows (unsigned threads)
{
  return threads / MBLM_CUDA_WARP * ATTENTION_MMA_ROWS;
}
