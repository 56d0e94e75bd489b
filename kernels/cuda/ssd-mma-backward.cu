/* ssd-mma-backward.cu: the gradient of Mamba-2's scan on tensor cores.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The formulas are in ssd-backward.h. One kernel has a tile after the other of some
 * heads of a piece, with rows j: d_x, the numbers of the steps, and the sum of K over
 * these heads. A second one has the sums over heads that need states, a third what
 * is left of d_B and d_C, once for all heads.
 *
 * The floor is memory: x, g and d_x of a tile are 48 KiB. The second kernel reads x
 * and g again, where there is a gradient of the state after and a state before; these
 * are 32 KiB, rounded, and are read twice and once. To find them costs, in a sequence
 * of more than one chunk, what it does forward, twice.
 */

#include "ssd-backward.h"
#include "ssd-mma.h"

#define COMMON_THREADS 256

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
  uint32_t x[SSD_TILE / 16][4];

#pragma unroll
  for (unsigned k = 0; k < SSD_TILE / 16; k++)
    mma_load_a (x[k], shared.x + own * SSD_MMA_ROWS * SSD_MMA_LINE + k * 16,
        SSD_MMA_LINE);
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
    for (unsigned k = 0; k < SSD_TILE / 16; k++) {
      mma_load_b_pair (right, g + k * 16, SSD_MMA_LINE);
      mma_bf16 (xg[0], x[k], right[0]);
      mma_bf16 (xg[1], x[k], right[1]);
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
__launch_bounds__ (SSD_THREADS, 2) tiles_kernel (Ssd a, SsdBack back)
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
  store_k (common, own, back.k + blockIdx.x * SSD_CHUNK * SSD_CHUNK);
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

/* ------------------------------------------------------------------------- */
/* Sums over heads                                                           */
/* ------------------------------------------------------------------------- */

template <int N> struct HeadsShared {
  alignas (16) SsdMmaRows left;
  alignas (16) uint16_t state[SSD_TILE * ssd_mma_line<N>];
};

/* A warp's numbers of the state: half of them, of 16 rows. */
template <int N> struct HeadsPlace {
  unsigned row, n; /* the first */

  __device__
  HeadsPlace ()
      : row (threadIdx.x / MBLM_CUDA_WARP % SSD_SIXTEENS * SSD_MMA_ROWS),
        n (threadIdx.x / MBLM_CUDA_WARP / SSD_SIXTEENS * (N / 2))
  {
  }
};

/* sum = rows of shared memory times its state. */
template <int N>
__device__ static void
multiply_state (const HeadsShared<N> &shared, const HeadsPlace<N> &place,
    float (&sum)[N / 16][4])
{
  ssd_mma_clear (sum);
#pragma unroll
  for (unsigned k = 0; k < SSD_TILE; k += 16) {
    uint32_t left[4];

    mma_load_a (left, shared.left + place.row * SSD_MMA_LINE + k, SSD_MMA_LINE);
#pragma unroll
    for (unsigned n = 0; n < N / 16; n += 2) {
      uint32_t right[2][2];

      mma_load_b_rows_pair (right,
          shared.state + k * ssd_mma_line<N> + place.n + n * 8,
          ssd_mma_line<N>);
      mma_bf16 (sum[n], left, right[0]);
      mma_bf16 (sum[n + 1], left, right[1]);
    }
  }
}

/* u of a warp's numbers; `c` has two of a row in each word. */
template <int N>
__device__ static void
store_u (const HeadsPlace<N> &place, const float (&sum)[N / 16][4],
    const uint32_t (&c)[2][N / 16], float *u)
{
#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    float dot = 0.0f;

#pragma unroll
    for (unsigned n = 0; n < N / 16; n++) {
      float2 at = mblm_cuda_from_bf16x2 (c[half][n]);

      dot = fmaf (sum[n][2 * half], at.x, dot);
      dot = fmaf (sum[n][2 * half + 1], at.y, dot);
    }
    dot = mblm_cuda_warp_sum<4> (dot);
    if (threadIdx.x % 4 == 0)
      u[place.row + ssd_mma_row (half)] = dot;
  }
}

/* What a block adds up: of d_B, or of d_C. */
template <int N>
__device__ static void
load_head (const Ssd &a, const SsdBack &back, bool is_c, size_t index, size_t h,
    HeadsShared<N> &shared)
{
  size_t tile = index * a.heads + h;
  Tile at = tile_of (a, back, ssd_piece (a, index), h);
  const SsdSteps &steps = a.steps[tile];

  ssd_mma_load_rows<COMMON_THREADS> (shared.left, a, is_c ? at.g : at.x,
      is_c ? at.g_stride : at.x_stride, at.piece.count, [&] (unsigned j) {
        SsdDecay own = is_c ? steps.pre[j] : steps.post[j];

        own.value *= is_c ? 1.0f : steps.dt[j];
        return own;
      });
  ssd_mma_copy<N, COMMON_THREADS> (shared.state,
      is_c ? ssd_mma_state (a, tile, h) : back.d_halves + tile * SSD_TILE * N);
}

/* Blocks: piece; part of the heads for d_B, then d_C. */
template <int N>
__global__ static void
__launch_bounds__ (COMMON_THREADS, 2) heads_kernel (Ssd a, SsdBack back)
{
  MBLM_CUDA_DYNAMIC (HeadsShared<N>, shared);
  HeadsPlace<N> place;
  size_t index = blockIdx.x, pieces = gridDim.x, part = blockIdx.y % back.parts;
  bool is_c = blockIdx.y >= back.parts;
  size_t end = min_size (a.heads, (part + 1) * back.together);
  const uint16_t *c_row = a.c_halves + (index * SSD_CHUNK + place.row) * N +
      place.n;
  float *out = back.common +
      ((blockIdx.y * pieces + index) * SSD_CHUNK + place.row) * N + place.n;
  float sum[N / 16][4], total[N / 16][4];
  uint32_t c[2][N / 16];

  if (is_c ? !ssd_has_state (a, index) : !ssd_has_gradient (a, back, index))
    return;
  ssd_mma_clear (total);
#pragma unroll
  for (unsigned half = 0; half < 2; half++)
#pragma unroll
    for (unsigned n = 0; n < N / 16; n++)
      c[half][n] = mma_pair (
          c_row + ssd_mma_row (half) * N + ssd_mma_column (n));
  for (size_t h = part * back.together; h < end; h++) {
    __syncthreads ();
    load_head (a, back, is_c, index, h, *shared);
    __syncthreads ();
    multiply_state (*shared, place, sum);
    if (is_c)
      store_u (place, sum, c,
          back.u +
              ((place.n > 0 ? pieces : 0) * a.heads + index * a.heads + h) *
                  SSD_CHUNK);
#pragma unroll
    for (unsigned n = 0; n < N / 16; n++)
#pragma unroll
      for (unsigned e = 0; e < 4; e++)
        total[n][e] += sum[n][e];
  }
#pragma unroll
  for (unsigned n = 0; n < N / 16; n++)
#pragma unroll
    for (unsigned half = 0; half < 2; half++)
      *(float2 *) (out + ssd_mma_row (half) * N +
          ssd_mma_column (n)) = make_float2 (total[n][2 * half],
          total[n][2 * half + 1]);
}

/* ------------------------------------------------------------------------- */
/* What is left                                                              */
/* ------------------------------------------------------------------------- */

template <int N> struct CommonShared {
  alignas (16) SsdMmaRows k; /* [j, i] */
  alignas (16) uint16_t right[SSD_CHUNK * ssd_mma_line<N>];
};

/* The sum of K over all parts of the heads. */
__device__ static void
load_k (const SsdBack &back, size_t index, SsdMmaRows &to)
{
  size_t square = SSD_CHUNK * SSD_CHUNK;
  const float *from = back.k + index * back.parts * square;

  for (unsigned at = 2 * threadIdx.x; at < square; at += 2 * SSD_THREADS) {
    float2 sum = make_float2 (0.0f, 0.0f);

    for (size_t part = 0; part < back.parts; part++) {
      float2 own = *(const float2 *) (from + part * square + at);

      sum = make_float2 (sum.x + own.x, sum.y + own.y);
    }
    *(uint32_t *) (to + at / SSD_CHUNK * SSD_MMA_LINE +
        at % SSD_CHUNK) = mblm_cuda_to_bf16x2 (sum.x, sum.y);
  }
}

/* A warp's rows of d_B, or d_C, without what needs states. */
template <int N>
__device__ static void
multiply_k (const CommonShared<N> &shared, bool is_c, unsigned row,
    float (&sum)[N / 8][4])
{
  ssd_mma_clear (sum);
#pragma unroll 2
  for (unsigned k = 0; k < SSD_CHUNK; k += 16) {
    uint32_t left[4];

    if (is_c)
      mma_load_a_columns (
          left, shared.k + k * SSD_MMA_LINE + row, SSD_MMA_LINE);
    else
      mma_load_a (left, shared.k + row * SSD_MMA_LINE + k, SSD_MMA_LINE);
#pragma unroll
    for (unsigned n = 0; n < N / 8; n += 2) {
      uint32_t right[2][2];

      mma_load_b_rows_pair (
          right, shared.right + k * ssd_mma_line<N> + n * 8, ssd_mma_line<N>);
      mma_bf16 (sum[n], left, right[0]);
      mma_bf16 (sum[n + 1], left, right[1]);
    }
  }
}

/* Two numbers of the sums that need states. */
__device__ static inline float2
common_of (const Ssd &a, const SsdBack &back, bool is_c, size_t index,
    size_t pieces, size_t at)
{
  float2 sum = make_float2 (0.0f, 0.0f);

  for (size_t part = 0; part < back.parts; part++) {
    float2 own = *(const float2 *) (back.common +
        (((is_c ? back.parts : 0) + part) * pieces + index) * SSD_CHUNK *
            a.numbers +
        at);

    sum = make_float2 (sum.x + own.x, sum.y + own.y);
  }
  return sum;
}

/* Blocks: piece; d_B, then d_C. */
template <int N>
__global__ static void
__launch_bounds__ (SSD_THREADS, 3) common_kernel (Ssd a, SsdBack back)
{
  MBLM_CUDA_DYNAMIC (CommonShared<N>, shared);
  size_t index = blockIdx.x, pieces = gridDim.x, size = SSD_CHUNK * N;
  bool is_c = blockIdx.y > 0;
  bool is_there = is_c ? ssd_has_state (a, index)
                       : ssd_has_gradient (a, back, index);
  SsdPiece piece = ssd_piece (a, index);
  float *out = is_c ? back.d_c : back.d_b;
  unsigned row = threadIdx.x / MBLM_CUDA_WARP * SSD_MMA_ROWS;
  float sum[N / 8][4];

  if (!out)
    return;
  load_k (back, index, shared->k);
  ssd_mma_copy<N, SSD_THREADS> (
      shared->right, (is_c ? a.b_halves : a.c_halves) + index * size);
  __syncthreads ();
  multiply_k (*shared, is_c, row, sum);
#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    unsigned i = row + ssd_mma_row (half);

    if (i >= piece.count)
      continue;
#pragma unroll
    for (unsigned n = 0; n < N / 8; n++) {
      unsigned at = ssd_mma_column (n);
      float2 more = is_there
          ? common_of (a, back, is_c, index, pieces, i * N + at)
          : make_float2 (0.0f, 0.0f);

      ssd_mma_store2 (out + (piece.row + i) * back.d_xbc_stride, at, a.state,
          back.is_even, sum[n][2 * half] + more.x,
          sum[n][2 * half + 1] + more.y);
    }
  }
}

void
mblm_cuda_ssd_mma_common_back (
    MblmQueue *queue, const Ssd *a, const SsdBack *back)
{
  unsigned pieces = (unsigned) (a->units * a->chunks);
  dim3 heads (pieces, (unsigned) (2 * back->parts)), both (pieces, 2);

  if (a->numbers == 64) {
    mblm_cuda_launch (queue, heads_kernel<64>, heads, COMMON_THREADS,
        sizeof (HeadsShared<64>), *a, *back);
    mblm_cuda_launch (queue, common_kernel<64>, both, SSD_THREADS,
        sizeof (CommonShared<64>), *a, *back);
  } else {
    mblm_cuda_launch (queue, heads_kernel<128>, heads, COMMON_THREADS,
        sizeof (HeadsShared<128>), *a, *back);
    mblm_cuda_launch (queue, common_kernel<128>, both, SSD_THREADS,
        sizeof (CommonShared<128>), *a, *back);
  }
}
