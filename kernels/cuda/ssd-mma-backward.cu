/* ssd-mma-backward.cu: the gradient of Mamba-2's scan on tensor cores.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The formulas are in ssd-backward.h. A block has some heads of a piece, one after
 * the other, its warps rows j: d_x, the numbers of the steps, and the sum of K
 * over these heads. ssd-mma-common.cu has what is summed over heads besides.
 *
 * The floor is memory: x, g and d_x of a tile are 48 KiB, 10 ns at 4.8 TB/s. That
 * is all of short sequences that begin with zeros. Where they have a start, 16 KiB
 * of g are read again for d_C, and for the gradient of the start: 80 KiB in all,
 * and 2.8 M operations, 3.5 ns at 800 TFLOP/s. In a sequence of more than one
 * chunk x is read again for d_B and the states, which cost what they do forward,
 * twice: G is read twice, S once more.
 */

#include "ssd-backward.h"
#include "ssd-mma.h"

/* ------------------------------------------------------------------------- */
/* Tiles                                                                     */
/* ------------------------------------------------------------------------- */

template <int N> struct Shared {
  alignas (16) SsdMmaRows x;
  alignas (16) SsdMmaRows g;
  union {
    alignas (16) uint16_t d[SSD_TILE * ssd_mma_line<N>]; /* of G; or C, first */
    float m[SSD_CHUNK * SSD_LINE];
  };
  SsdMmaDecays decays;
  SsdDecay post[SSD_CHUNK];
  float half[2][SSD_CHUNK];
};

/* What a block works on: rows and columns of the head. */
struct Tile {
  SsdPiece piece;
  const float *x, *g;
  size_t x_stride, g_stride;
  float *d_x; /* or NULL */
  size_t d_x_stride;
};

/* What a warp has, for its j and i from these on. */
struct Common {
  float bc[SSD_SIXTEENS][2][4]; /* B_j . C_i */
  float k[SSD_SIXTEENS][2][4];  /* the sum of K[i, j] */
};

/* A row's dots with what it is multiplied by: of rows g and g + 8. */
struct Dots {
  float xw[2], v[2], skip[2];
};

typedef float Sum[SSD_TILE / 8][4];

__device__ static inline Tile
tile_of (const Ssd &a, const SsdBack &back, const SsdPiece &piece, size_t h)
{
  size_t width = a.heads * a.head_dim, at = h * a.head_dim;

  return {piece, a.x + piece.row * a.xbc_stride + at,
      back.d_y + piece.row * width + at, a.xbc_stride, width,
      back.d_x ? back.d_x + piece.row * back.d_xbc_stride + at : NULL,
      back.d_xbc_stride};
}

/* Of the rows of sixteen `own`; C is in shared memory. */
template <int N>
__device__ static void
multiply_common (
    const uint16_t *shared_c, const uint16_t *b, unsigned own, Common &common)
{
#pragma unroll
  for (unsigned to = 0; to < SSD_SIXTEENS; to++) {
    ssd_mma_clear (common.bc[to]);
    ssd_mma_clear (common.k[to]);
    if (to < own)
      continue;
#pragma unroll 2
    for (unsigned k = 0; k < N; k += 16) {
      uint32_t left[4], right[2][2];

      mma_load_a (left, b + own * SSD_MMA_ROWS * N + k, N);
      mma_load_b_pair (right,
          shared_c + to * SSD_MMA_ROWS * ssd_mma_line<N> + k, ssd_mma_line<N>);
      mma_bf16 (common.bc[to][0], left, right[0]);
      mma_bf16 (common.bc[to][1], left, right[1]);
    }
  }
}

/* sum [steps, channels] = post[j] G B_j; and v. */
template <int N>
__device__ static void
weigh_outside (const Ssd &a, const Tile &tile, const Shared<N> &shared,
    const uint16_t *b, unsigned own, Sum &sum, Dots &dots)
{
#pragma unroll 2
  for (unsigned k = 0; k < N; k += 16) {
    uint32_t left[4];

    mma_load_a (left, b + own * SSD_MMA_ROWS * N + k, N);
#pragma unroll
    for (unsigned p = 0; p < SSD_TILE / 8; p += 2) {
      uint32_t right[2][2];

      mma_load_b_pair (
          right, shared.d + p * 8 * ssd_mma_line<N> + k, ssd_mma_line<N>);
      mma_bf16 (sum[p], left, right[0]);
      mma_bf16 (sum[p + 1], left, right[1]);
    }
  }
#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    unsigned j = own * SSD_MMA_ROWS + ssd_mma_row (half);
    SsdDecay post = shared.post[j];

#pragma unroll
    for (unsigned p = 0; p < SSD_TILE / 8; p++) {
      float2 x = j < tile.piece.count
          ? ssd_mma_load2 (tile.x + j * tile.x_stride, ssd_mma_column (p),
                a.head_dim, a.is_aligned)
          : make_float2 (0.0f, 0.0f);

      sum[p][2 * half] = post.times (sum[p][2 * half]);
      sum[p][2 * half + 1] = post.times (sum[p][2 * half + 1]);
      dots.v[half] = fmaf (x.x, sum[p][2 * half], dots.v[half]);
      dots.v[half] = fmaf (x.y, sum[p][2 * half + 1], dots.v[half]);
    }
  }
}

/* From x_j . g_i, for all i of a sixteen, to K, which is added up, and M, which is
 * stored; and the left operand of the product with g. */
template <int N>
__device__ static void
decay_inside (Shared<N> &shared, unsigned own, unsigned to,
    const float (&xg)[2][4], Common &common, uint32_t (&left)[4])
{
  const SsdMmaDecays &decays = shared.decays;
  float between = ssd_mma_between (decays, own, to), weight[2][4];

#pragma unroll
  for (unsigned e = 0; e < 8; e++) {
    unsigned j = own * SSD_MMA_ROWS + ssd_mma_row (e / 2 % 2);
    unsigned i = to * SSD_MMA_ROWS + ssd_mma_column (e / 4) + e % 2;
    float decay = ssd_mma_decay (decays, i, j, to == own, between);
    float bc = common.bc[to][e / 4][e % 4];
    float k = xg[e / 4][e % 4] * decay * decays.dt[j];

    common.k[to][e / 4][e % 4] += k;
    weight[e / 4][e % 4] = bc * decay;
    shared.m[i * SSD_LINE + j] = k * bc;
  }
  ssd_mma_round (left, weight);
}

/* sum += the sum over i >= j of (C_i . B_j) L[i, j] g_i. */
template <int N>
__device__ static void
weigh_inside (Shared<N> &shared, unsigned own, Common &common, Sum &sum)
{
  const uint16_t *x = shared.x + own * SSD_MMA_ROWS * SSD_MMA_LINE;

#pragma unroll
  for (unsigned to = 0; to < SSD_SIXTEENS; to++) {
    const uint16_t *g = shared.g + to * SSD_MMA_ROWS * SSD_MMA_LINE;
    uint32_t left[4], right[2][2];
    float xg[2][4];

    if (to < own) {
#pragma unroll
      for (unsigned e = 0; e < 8; e++)
        shared
            .m[(to * SSD_MMA_ROWS + ssd_mma_column (e / 4) + e % 2) * SSD_LINE +
                own * SSD_MMA_ROWS + ssd_mma_row (e / 2 % 2)] = 0.0f;
      continue;
    }
    ssd_mma_clear (xg);
#pragma unroll
    for (unsigned k = 0; k < SSD_TILE; k += 16) {
      mma_load_a (left, x + k, SSD_MMA_LINE);
      mma_load_b_pair (right, g + k, SSD_MMA_LINE);
      mma_bf16 (xg[0], left, right[0]);
      mma_bf16 (xg[1], left, right[1]);
    }
    decay_inside (shared, own, to, xg, common, left);
#pragma unroll
    for (unsigned p = 0; p < SSD_TILE / 8; p += 2) {
      mma_load_b_rows_pair (right, g + p * 8, SSD_MMA_LINE);
      mma_bf16 (sum[p], left, right[0]);
      mma_bf16 (sum[p + 1], left, right[1]);
    }
  }
}

/* d_x, sum being w; and its dots. */
__device__ static void
store_d_x (const Ssd &a, const Tile &tile, const SsdMmaDecays &decays,
    float skip, unsigned own, const Sum &sum, Dots &dots)
{
#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    unsigned j = own * SSD_MMA_ROWS + ssd_mma_row (half);
    float dt = decays.dt[j];

    if (j >= tile.piece.count)
      continue;
#pragma unroll
    for (unsigned n = 0; n < SSD_TILE / 8; n++) {
      unsigned p = ssd_mma_column (n);
      float2 x = ssd_mma_load2 (
          tile.x + j * tile.x_stride, p, a.head_dim, a.is_aligned);
      float2 g = ssd_mma_load2 (
          tile.g + j * tile.g_stride, p, a.head_dim, a.is_aligned);
      float first = sum[n][2 * half], second = sum[n][2 * half + 1];

      dots.xw[half] = fmaf (x.x, first, dots.xw[half]);
      dots.xw[half] = fmaf (x.y, second, dots.xw[half]);
      dots.skip[half] = fmaf (x.x, g.x, dots.skip[half]);
      dots.skip[half] = fmaf (x.y, g.y, dots.skip[half]);
      if (tile.d_x)
        ssd_mma_store2 (tile.d_x + j * tile.d_x_stride, p, a.head_dim,
            a.is_aligned, fmaf (dt, first, skip * g.x),
            fmaf (dt, second, skip * g.y));
    }
  }
}

__device__ static void
store_dots (
    const SsdMmaDecays &decays, unsigned own, const Dots &dots, SsdRows *rows)
{
#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    unsigned j = own * SSD_MMA_ROWS + ssd_mma_row (half);
    float xw = mblm_cuda_warp_sum<4> (dots.xw[half]);
    float v = mblm_cuda_warp_sum<4> (dots.v[half]);
    float skip = mblm_cuda_warp_sum<4> (dots.skip[half]);

    if (threadIdx.x % 4 == 0) {
      rows->xw[j] = xw;
      rows->v[j] = v * decays.dt[j];
      rows->skip[j] = skip;
    }
  }
}

/* K of the warp's j, [SSD_CHUNK (j), SSD_CHUNK (i)]. */
__device__ static void
store_k (const Common &common, unsigned own, float *k)
{
#pragma unroll
  for (unsigned to = 0; to < SSD_SIXTEENS; to++)
#pragma unroll
    for (unsigned n = 0; n < 2; n++)
#pragma unroll
      for (unsigned half = 0; half < 2; half++)
        *(float2 *) (k + (own * SSD_MMA_ROWS + ssd_mma_row (half)) * SSD_CHUNK +
            to * SSD_MMA_ROWS +
            ssd_mma_column (n)) = make_float2 (common.k[to][n][2 * half],
            common.k[to][n][2 * half + 1]);
}

/* One head of a piece. */
template <int N>
__device__ static void
tile_back (const Ssd &a, const SsdBack &back, Shared<N> &shared, size_t index,
    size_t h, unsigned own, Common &common)
{
  size_t tile_index = index * a.heads + h;
  Tile tile = tile_of (a, back, ssd_piece (a, index), h);
  const SsdSteps &steps = a.steps[tile_index];
  bool has_gradient = ssd_has_gradient (a, back, index);
  SsdRows *rows = &back.rows[tile_index];
  Dots dots = {};
  Sum sum;

  ssd_mma_clear (sum);
  __syncthreads ();
  ssd_mma_load_rows<SSD_THREADS> (
      shared.x, a, tile.x, tile.x_stride, tile.piece.count);
  ssd_mma_load_rows<SSD_THREADS> (
      shared.g, a, tile.g, tile.g_stride, tile.piece.count);
  if (has_gradient)
    ssd_mma_copy<N, SSD_THREADS> (
        shared.d, back.d_halves + tile_index * SSD_TILE * N);
  ssd_mma_fill (steps, &shared.decays);
  if (threadIdx.x < SSD_CHUNK)
    shared.post[threadIdx.x] = steps.post[threadIdx.x];
  __syncthreads ();
  if (has_gradient) {
    weigh_outside (
        a, tile, shared, a.b_halves + index * SSD_CHUNK * N, own, sum, dots);
    __syncthreads ();
  }
  weigh_inside (shared, own, common, sum);
  store_d_x (a, tile, shared.decays, a.skip[h], own, sum, dots);
  store_dots (shared.decays, own, dots, rows);
  __syncthreads ();
  ssd_sum_inside (shared.m, shared.half, rows->inside);
}

/* Blocks: piece, and part of its heads. Warps with many i and few change places from
 * block to block. */
template <int N>
__global__ static void
__launch_bounds__ (SSD_THREADS, 3) tiles_kernel (Ssd a, SsdBack back)
{
  MBLM_CUDA_DYNAMIC (Shared<N>, shared);
  size_t index = blockIdx.x / back.parts, part = blockIdx.x % back.parts;
  size_t end = min_size (a.heads, (part + 1) * back.together);
  unsigned own = (threadIdx.x / MBLM_CUDA_WARP + blockIdx.x) % SSD_SIXTEENS;
  Common common;

  ssd_mma_copy<N, SSD_THREADS> (shared->d, a.c_halves + index * SSD_CHUNK * N);
  __syncthreads ();
  multiply_common<N> (
      shared->d, a.b_halves + index * SSD_CHUNK * N, own, common);
  for (size_t h = part * back.together; h < end; h++)
    tile_back (a, back, *shared, index, h, own, common);
  store_k (common, own, back.k + blockIdx.x * (size_t) (SSD_CHUNK * SSD_CHUNK));
}

void
mblm_cuda_ssd_mma_tiles_back (
    MblmQueue *queue, const Ssd *a, const SsdBack *back)
{
  unsigned grid = (unsigned) (a->units * a->chunks * back->parts);

  if (a->numbers == 64)
    mblm_cuda_launch (queue, tiles_kernel<64>, grid, SSD_THREADS,
        sizeof (Shared<64>), *a, *back);
  else
    mblm_cuda_launch (queue, tiles_kernel<128>, grid, SSD_THREADS,
        sizeof (Shared<128>), *a, *back);
}
