/* ssd-mma-common.cu: the gradients of B and C in Mamba-2's scan, on tensor cores.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * They are sums over heads (ssd-backward.h). A first kernel has those parts that
 * need states, and u: a block has some heads of a piece, one after the other,
 * whose sum it keeps in registers. A second one has the rest, once for all heads:
 * their K, summed up, times C and B.
 */

#include "ssd-backward.h"
#include "ssd-mma.h"

#define HEADS_THREADS 256

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
  size_t stride = is_c ? a.heads * a.head_dim : a.xbc_stride;
  SsdPiece piece = ssd_piece (a, index);
  const SsdSteps &steps = a.steps[tile];

  ssd_mma_load_rows<HEADS_THREADS> (shared.left, a,
      (is_c ? back.d_y : a.x) + piece.row * stride + h * a.head_dim, stride,
      piece.count, [&] (unsigned j) {
        SsdDecay own = is_c ? steps.pre[j] : steps.post[j];

        own.value *= is_c ? 1.0f : steps.dt[j];
        return own;
      });
  ssd_mma_copy<N, HEADS_THREADS> (shared.state,
      is_c ? ssd_mma_state (a, tile, h) : back.d_halves + tile * SSD_TILE * N);
}

/* Blocks: piece; part of the heads for d_B, then d_C. */
template <int N>
__global__ static void
__launch_bounds__ (HEADS_THREADS, 2) heads_kernel (Ssd a, SsdBack back)
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
    mblm_cuda_launch (queue, heads_kernel<64>, heads, HEADS_THREADS,
        sizeof (HeadsShared<64>), *a, *back);
    mblm_cuda_launch (queue, common_kernel<64>, both, SSD_THREADS,
        sizeof (CommonShared<64>), *a, *back);
  } else {
    mblm_cuda_launch (queue, heads_kernel<128>, heads, HEADS_THREADS,
        sizeof (HeadsShared<128>), *a, *back);
    mblm_cuda_launch (queue, common_kernel<128>, both, SSD_THREADS,
        sizeof (CommonShared<128>), *a, *back);
  }
}
