/* attention-patches.h: products of a few rows of a head in registers.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A tile is 8 rows of D numbers of bfloat16, as they lie in memory: with lane = 4 g
 * + t, a lane has of row g the numbers W t .. W t + W - 1 of each 4 W, W being 8
 * (or 4 of narrow rows), which is a load of 16 bytes. Word i has two of them.
 *
 * Where rows are multiplied by rows the order of their columns doesn't matter: words
 * 2 s and 2 s + 1 are operands of step s as they are. Where rows are added up, the
 * other operand is needed across (mma_across), block by block: block i are the 8
 * columns that word i of all lanes has, and the sums of a block are word i of a tile
 * again. So nothing passes through shared memory.
 */

#pragma once

#include "attention.h"
#include "mma.h"

/* Numbers that a lane has side by side, words of a tile. */
template <int D> constexpr int patch_side = D < 64 ? 4 : 8;
template <int D> constexpr int patch_words = D / 8;

template <int D> struct PatchTile {
  uint32_t word[patch_words<D>];
};

/* The column of the first number of word i. */
template <int D>
__device__ static inline unsigned
patch_column (int i)
{
  constexpr int W = patch_side<D>;

  return 4 * W * (i / (W / 2)) + W * (threadIdx.x % 4) + 2 * (i % (W / 2));
}

/* The row of a tile that this lane has. */
__device__ static inline unsigned
patch_row (void)
{
  return threadIdx.x % MBLM_CUDA_WARP / 4;
}

/* Of a row; NULL is one of zeros. */
template <int D>
__device__ static inline void
patch_load (PatchTile<D> &tile, const uint16_t *row)
{
  constexpr int W = patch_side<D>;

#pragma unroll
  for (int i = 0; i < patch_words<D>; i += W / 2) {
    unsigned from = patch_column<D> (i);

    if constexpr (W == 8) {
      uint4 x = row ? *(const uint4 *) (row + from) : make_uint4 (0, 0, 0, 0);

      tile.word[i] = x.x;
      tile.word[i + 1] = x.y;
      tile.word[i + 2] = x.z;
      tile.word[i + 3] = x.w;
    } else {
      uint2 x = row ? *(const uint2 *) (row + from) : make_uint2 (0, 0);

      tile.word[i] = x.x;
      tile.word[i + 1] = x.y;
    }
  }
}

/* The same of float32, rounded. */
template <int D>
__device__ static inline void
patch_round (PatchTile<D> &tile, const float *row)
{
#pragma unroll
  for (int i = 0; i < patch_words<D>; i += 2) {
    float4 x = row ? *(const float4 *) (row + patch_column<D> (i))
                   : make_float4 (0.0f, 0.0f, 0.0f, 0.0f);

    tile.word[i] = mblm_cuda_to_bf16x2 (x.x, x.y);
    tile.word[i + 1] = mblm_cuda_to_bf16x2 (x.z, x.w);
  }
}

template <int D>
__device__ static inline void
patch_store (const PatchTile<D> &tile, uint16_t *row)
{
  constexpr int W = patch_side<D>;

#pragma unroll
  for (int i = 0; i < patch_words<D>; i += W / 2) {
    uint16_t *to = row + patch_column<D> (i);

    if constexpr (W == 8)
      *(uint4 *) to = make_uint4 (
          tile.word[i], tile.word[i + 1], tile.word[i + 2], tile.word[i + 3]);
    else
      *(uint2 *) to = make_uint2 (tile.word[i], tile.word[i + 1]);
  }
}

/* products = rows . keys; those of tile 0 of the rows are entries 0 and 1, of tile 1
 * entries 2 and 3, for the keys 2 t and 2 t + 1 of a tile of keys. */
template <int D, int R, int N>
__device__ static inline void
patch_multiply (float (&products)[N][4], const PatchTile<D> (&rows)[R],
    const PatchTile<D> (&keys)[N])
{
#pragma unroll
  for (int j = 0; j < N; j++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      products[j][e] = 0.0f;
#pragma unroll
  for (int i = 0; i < patch_words<D>; i += 2) {
    const uint32_t a[4] = {rows[0].word[i], R > 1 ? rows[R - 1].word[i] : 0,
        rows[0].word[i + 1], R > 1 ? rows[R - 1].word[i + 1] : 0};

#pragma unroll
    for (int j = 0; j < N; j++) {
      const uint32_t b[2] = {keys[j].word[i], keys[j].word[i + 1]};

      mma_bf16 (products[j], a, b);
    }
  }
}

/* Products, rounded: as operands whose rows are rows, and across. */
template <int R, int N> struct PatchWeights {
  uint32_t word[R][N];

  __device__ void
  round (const float (&products)[N][4])
  {
#pragma unroll
    for (int r = 0; r < R; r++)
#pragma unroll
      for (int j = 0; j < N; j++)
        word[r][j] = mblm_cuda_to_bf16x2 (
            products[j][2 * r], products[j][2 * r + 1]);
  }

  __device__ void
  turn (void)
  {
#pragma unroll
    for (int r = 0; r < R; r++)
#pragma unroll
      for (int j = 0; j < N; j++)
        word[r][j] = mma_across (word[r][j]);
  }
};

/* Block i of weights . values, of tile 0 of the rows and of tile 1. */
template <int D, int R, int N>
__device__ static inline void
patch_mix (float (&sums)[4], const PatchWeights<R, N> &weights,
    const PatchTile<D> (&values)[N], int i)
{
#pragma unroll
  for (int e = 0; e < 4; e++)
    sums[e] = 0.0f;
#pragma unroll
  for (int j = 0; j < N; j += 2) {
    constexpr int last = N - 1;
    bool two = j < last;
    int next = two ? j + 1 : j;
    const uint32_t a[4] = {weights.word[0][j],
        R > 1 ? weights.word[R - 1][j] : 0, two ? weights.word[0][next] : 0,
        R > 1 && two ? weights.word[R - 1][next] : 0};
    const uint32_t b[2] = {mma_across (values[j].word[i]),
        two ? mma_across (values[next].word[i]) : 0};

    mma_bf16 (sums, a, b);
  }
}

/* Block i of the sums over rows, of the tiles j and j + 1 of keys; `weights` lie
 * across. */
template <int D, int R, int N>
__device__ static inline void
patch_gather (float (&sums)[4], const PatchWeights<R, N> &weights,
    const PatchTile<D> (&rows)[R], int j, int i)
{
  bool two = j < N - 1;
  int next = two ? j + 1 : j;
  const uint32_t a[4] = {weights.word[0][j], two ? weights.word[0][next] : 0,
      R > 1 ? weights.word[R - 1][j] : 0,
      R > 1 && two ? weights.word[R - 1][next] : 0};
  const uint32_t b[2] = {mma_across (rows[0].word[i]),
      R > 1 ? mma_across (rows[R - 1].word[i]) : 0};

#pragma unroll
  for (int e = 0; e < 4; e++)
    sums[e] = 0.0f;
  mma_bf16 (sums, a, b);
}
