/* ssd-chunk-backward.cu: the products of the gradient of Mamba-2's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two kernels have nearly all of the arithmetic, which is the floor. In one, a
 * block has a tile with all of its channels, as the numbers of a step are sums over
 * them. In the other a block has 64 numbers of the state of a few heads of a piece,
 * one head after the other, whose sum it keeps in registers.
 */

#include "ssd-backward.h"

/* ------------------------------------------------------------------------- */
/* A tile                                                                    */
/* ------------------------------------------------------------------------- */

/* What a block works on. */
struct Tile {
  SsdPiece piece;
  const float *x, *g; /* [count, head_dim], of its head */
  size_t x_stride, g_stride;
};

struct Shared {
  SsdTiles tiles; /* or M, for a while */
  float cbl[SSD_CHUNK * SSD_LINE];
  float half[2][SSD_CHUNK]; /* parts of sums */
  SsdSteps steps;
  SsdRows rows;
};

static_assert (sizeof (SsdTiles) >= sizeof (float) * SSD_CHUNK * SSD_LINE);

/* m = g_i . x_j dt_j for all i and j. */
__device__ static void
multiply_inside (const Ssd &a, const Tile &tile, Shared &shared, float *m)
{
  unsigned count = tile.piece.count;
  SsdSum sum = {};

  ssd_multiply<true, true> (
      shared.tiles, a.head_dim,
      [&] (unsigned p, unsigned i) {
        return i < count ? tile.g[i * tile.g_stride + p] : 0.0f;
      },
      [&] (unsigned p, unsigned j) {
        return j < count ? tile.x[j * tile.x_stride + p] : 0.0f;
      },
      sum);
  __syncthreads ();
#pragma unroll
  for (unsigned r = 0; r < 8; r++)
#pragma unroll
    for (unsigned j = 0; j < 4; j++)
      m[ssd_row (r) * SSD_LINE + ssd_column () + j] = sum[r][j] *
          shared.steps.dt[ssd_column () + j];
  __syncthreads ();
}

/* From that to K, which is stored, and M; and makes cbl. */
__device__ static void
decay_inside (const float *products, Shared &shared, float *m, float *k)
{
  for (unsigned i = threadIdx.x; i < SSD_CHUNK * SSD_CHUNK; i += SSD_THREADS)
    if (i / SSD_CHUNK < i % SSD_CHUNK) {
      unsigned at = i / SSD_CHUNK * SSD_LINE + i % SSD_CHUNK;

      shared.cbl[at] = m[at] = k[i] = 0.0f;
    }
  ssd_decays (shared.steps.link, [&] (unsigned i, unsigned j, SsdDecay decay) {
    unsigned at = i * SSD_LINE + j;
    float product = products[i * SSD_CHUNK + j], kij = decay.times (m[at]);

    shared.cbl[at] = decay.times (product);
    k[i * SSD_CHUNK + j] = kij;
    m[at] = kij * product;
  });
  __syncthreads ();
}

/* Adds to of[j] the sums over channels of rows of `sum` times x. */
__device__ static void
add_dots (const float *x, size_t stride, unsigned count, size_t channels,
    const SsdSum &sum, float *of)
{
#pragma unroll
  for (unsigned r = 0; r < 8; r++) {
    unsigned j = ssd_row (r);
    float dot = 0.0f;

#pragma unroll
    for (unsigned q = 0; q < 4; q++)
      if (j < count && ssd_column () + q < channels)
        dot = fmaf (sum[r][q], x[j * stride + ssd_column () + q], dot);
    dot = mblm_cuda_warp_sum<16> (dot);
    if (threadIdx.x % 16 == 0)
      of[j] += dot;
  }
}

/* sum [steps, channels] = post[j] G B_j; d [channels, state] is of G. */
__device__ static void
weigh_outside (const Ssd &a, const Tile &tile, Shared &shared, const float *d,
    size_t channels, SsdSum &sum)
{
  const float *b = a.b + tile.piece.row * a.xbc_stride;
  unsigned count = tile.piece.count;

  ssd_multiply<true, true> (
      shared.tiles, a.state,
      [&] (unsigned n, unsigned j) {
        return j < count ? b[j * a.xbc_stride + n] : 0.0f;
      },
      [&] (unsigned n, unsigned p) {
        return p < channels ? d[p * a.state + n] : 0.0f;
      },
      sum);
#pragma unroll
  for (unsigned r = 0; r < 8; r++)
#pragma unroll
    for (unsigned q = 0; q < 4; q++)
      sum[r][q] = shared.steps.post[ssd_row (r)].times (sum[r][q]);
}

/* d_x [steps, channels], sum being w. */
__device__ static void
store_d_x (const Tile &tile, const Shared &shared, size_t first_p,
    size_t channels, float skip, const SsdSum &sum, float *d_x, size_t stride)
{
#pragma unroll
  for (unsigned r = 0; r < 8; r++) {
    unsigned j = ssd_row (r), p = ssd_column ();
    float value[4];

    if (j >= tile.piece.count || p >= channels)
      continue;
#pragma unroll
    for (unsigned q = 0; q < 4; q++) {
      float g = p + q < channels ? tile.g[j * tile.g_stride + first_p + p + q]
                                 : 0.0f;

      value[q] = fmaf (shared.steps.dt[j], sum[r][q], skip * g);
    }
    ssd_store (d_x + j * stride + first_p + p, value, channels - p);
  }
}

/* Sums over channels of g_j x_j. */
__device__ static void
sum_skip (const Tile &tile, size_t channels, SsdRows &rows)
{
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;

  for (unsigned j = threadIdx.x / MBLM_CUDA_WARP; j < tile.piece.count;
       j += SSD_THREADS / MBLM_CUDA_WARP) {
    float sum = 0.0f;

    for (size_t p = lane; p < channels; p += MBLM_CUDA_WARP)
      sum = fmaf (
          tile.x[j * tile.x_stride + p], tile.g[j * tile.g_stride + p], sum);
    sum = mblm_cuda_warp_sum (sum);
    if (lane == 0)
      rows.skip[j] = sum;
  }
}

/* 64 channels: w, and what follows from it. */
__device__ static void
weigh (const Ssd &a, const SsdBack &back, const Tile &tile, Shared &shared,
    size_t index, size_t first_p)
{
  size_t h = index % a.heads, channels = a.head_dim - first_p;
  const float *x = tile.x + first_p, *g = tile.g + first_p;
  unsigned count = tile.piece.count;
  SsdSum sum = {};

  if (ssd_has_gradient (a, back, index / a.heads)) {
    weigh_outside (a, tile, shared,
        back.d_states + (index * a.head_dim + first_p) * a.state, channels,
        sum);
    add_dots (x, tile.x_stride, count, channels, sum, shared.rows.v);
  }
  ssd_multiply<false, false> (
      shared.tiles, count,
      [&] (unsigned i, unsigned j) { return shared.cbl[i * SSD_LINE + j]; },
      [&] (unsigned i, unsigned p) {
        return p < channels ? g[i * tile.g_stride + p] : 0.0f;
      },
      sum);
  add_dots (x, tile.x_stride, count, channels, sum, shared.rows.xw);
  if (back.d_x)
    store_d_x (tile, shared, first_p, channels, a.skip[h], sum,
        back.d_x + tile.piece.row * back.d_xbc_stride + h * a.head_dim,
        back.d_xbc_stride);
}

__global__ static void
__launch_bounds__ (SSD_THREADS, 2) chunks_back_kernel (Ssd a, SsdBack back)
{
  __shared__ Shared shared;
  size_t index = blockIdx.x, h = index % a.heads, piece = index / a.heads;
  size_t width = a.heads * a.head_dim, square = SSD_CHUNK * SSD_CHUNK;
  Tile tile = {ssd_piece (a, piece)};
  float *m = &shared.tiles.a[0][0][0];
  float *rows = reinterpret_cast<float *> (&shared.rows);

  tile.x = a.x + tile.piece.row * a.xbc_stride + h * a.head_dim;
  tile.x_stride = a.xbc_stride;
  tile.g = back.d_y + tile.piece.row * width + h * a.head_dim;
  tile.g_stride = width;
  for (unsigned i = threadIdx.x; i < sizeof (SsdRows) / sizeof (float);
       i += SSD_THREADS)
    rows[i] = 0.0f;
  ssd_copy_steps (&a.steps[index], &shared.steps);
  multiply_inside (a, tile, shared, m);
  decay_inside (
      a.products + piece * square, shared, m, back.k + index * square);
  ssd_sum_inside (m, shared.half, shared.rows.inside);
  sum_skip (tile, a.head_dim, shared.rows);
  for (size_t p = 0; p < a.head_dim; p += SSD_TILE)
    weigh (a, back, tile, shared, index, p);
  __syncthreads ();
  if (threadIdx.x < SSD_CHUNK) {
    SsdRows *rows = &back.rows[index];

    rows->xw[threadIdx.x] = shared.rows.xw[threadIdx.x];
    rows->v[threadIdx.x] = shared.rows.v[threadIdx.x] *
        shared.steps.dt[threadIdx.x];
    rows->skip[threadIdx.x] = shared.rows.skip[threadIdx.x];
    rows->inside[threadIdx.x] = shared.rows.inside[threadIdx.x];
  }
}

void
mblm_cuda_ssd_chunks_back (MblmQueue *queue, const Ssd *a, const SsdBack *back)
{
  mblm_cuda_launch (queue, chunks_back_kernel,
      (unsigned) (a->units * a->chunks * a->heads), SSD_THREADS, 0, *a, *back);
}

/* ------------------------------------------------------------------------- */
/* Sums over heads                                                           */
/* ------------------------------------------------------------------------- */

/* sum [steps, numbers] = rows of `left` [count, head_dim] times `state`
 * [head_dim, numbers]. */
__device__ static void
multiply_state (const Ssd &a, SsdTiles &tiles, const float *left, size_t stride,
    unsigned count, const float *state, size_t numbers, SsdSum &sum)
{
  ssd_multiply<true, false> (
      tiles, a.head_dim,
      [&] (unsigned p, unsigned i) {
        return i < count ? left[i * stride + p] : 0.0f;
      },
      [&] (unsigned p, unsigned n) {
        return n < numbers ? state[p * a.state + n] : 0.0f;
      },
      sum);
}

/* Takes rows of `sum` times pre, or post and dt, and adds them to `total`. */
__device__ static void
add_weighed (const SsdSteps *steps, bool is_c, SsdSum &sum, SsdSum &total)
{
#pragma unroll
  for (unsigned r = 0; r < 8; r++) {
    unsigned i = ssd_row (r);
    SsdDecay weight = is_c ? steps->pre[i] : steps->post[i];

    if (!is_c)
      weight.value *= steps->dt[i];
#pragma unroll
    for (unsigned q = 0; q < 4; q++) {
      sum[r][q] = weight.times (sum[r][q]);
      total[r][q] += sum[r][q];
    }
  }
}

/* u of these numbers of the state, for the rows of a head. */
__device__ static void
store_u (const Ssd &a, const SsdPiece &piece, size_t first_n, size_t numbers,
    const SsdSum &sum, float *u)
{
  const float *c = a.c + piece.row * a.xbc_stride + first_n + ssd_column ();

#pragma unroll
  for (unsigned r = 0; r < 8; r++) {
    unsigned i = ssd_row (r);
    float dot = 0.0f;

#pragma unroll
    for (unsigned q = 0; q < 4; q++)
      if (i < piece.count && ssd_column () + q < numbers)
        dot = fmaf (sum[r][q], c[i * a.xbc_stride + q], dot);
    dot = mblm_cuda_warp_sum<16> (dot);
    if (threadIdx.x % 16 == 0)
      u[i] = dot;
  }
}

/* Blocks: piece, part of the state, and part of the heads for d_B, then d_C. */
__global__ static void
__launch_bounds__ (SSD_THREADS, 2) common_back_kernel (Ssd a, SsdBack back)
{
  __shared__ SsdTiles tiles;
  size_t index = blockIdx.x, pieces = gridDim.x, width = a.heads * a.head_dim;
  size_t first_n = blockIdx.y * SSD_TILE, numbers = a.state - first_n;
  size_t part = blockIdx.z % back.parts;
  bool is_c = blockIdx.z >= back.parts;
  bool is_there = is_c ? ssd_has_state (a, index)
                       : ssd_has_gradient (a, back, index);
  SsdPiece piece = ssd_piece (a, index);
  size_t end = min_size (a.heads, (part + 1) * back.together);
  size_t stride = is_c ? width : a.xbc_stride;
  const float *left = (is_c ? back.d_y : a.x) + piece.row * stride;
  float *out = back.common +
      (blockIdx.z * pieces + index) * SSD_CHUNK * a.state;
  SsdSum total = {};

  for (size_t h = part * back.together; h < end; h++) {
    size_t tile = index * a.heads + h;
    SsdSum sum = {};

    if (is_there) {
      multiply_state (a, tiles, left + h * a.head_dim, stride, piece.count,
          (is_c ? ssd_state (a, tile, h)
                : back.d_states + tile * a.head_dim * a.state) +
              first_n,
          numbers, sum);
      add_weighed (&a.steps[tile], is_c, sum, total);
    }
    if (is_c)
      store_u (a, piece, first_n, numbers, sum,
          back.u + (blockIdx.y * pieces * a.heads + tile) * SSD_CHUNK);
  }
#pragma unroll
  for (unsigned r = 0; r < 8; r++)
    if (ssd_row (r) < piece.count && ssd_column () < numbers)
      ssd_store (out + ssd_row (r) * a.state + first_n + ssd_column (),
          total[r], numbers - ssd_column ());
}

void
mblm_cuda_ssd_common_back (MblmQueue *queue, const Ssd *a, const SsdBack *back)
{
  dim3 grid ((unsigned) (a->units * a->chunks),
      (unsigned) divide_up (a->state, SSD_TILE), (unsigned) (2 * back->parts));

  mblm_cuda_launch (queue, common_back_kernel, grid, SSD_THREADS, 0, *a, *back);
}
