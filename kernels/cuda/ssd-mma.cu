/* ssd-mma.cu: Mamba-2's scan on tensor cores.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The formulas are those of ssd-scan.cu. A block of the outputs has some heads of
 * a piece, one after the other: C lies in registers as the left operand of C S, C
 * B^T is found once for all heads and stays in registers, too, and what decays
 * make of it is the left operand of the product with x. The sums of outer products
 * have a tile a block, or a slab of them.
 *
 * The floor is memory, 32 KiB for x and y of a tile (heads of 64, 128 numbers of
 * state): 7 ns at 4.8 TB/s. Its operations are 1.05 M to read the state and 0.33 M
 * inside, 2 ns at 800 TFLOP/s. More than one chunk of a sequence adds 1.05 M and 16
 * KiB to find states, and 96 KiB of these (written and read in float32, written and
 * read rounded), which the second cache should hold. Short sequences from one start,
 * as patches are, see only that: 16 KiB of each head, from the second cache.
 */

#include "ssd-mma.h"

#define HALVES_THREADS 256
#define MOST_TOGETHER 8 /* heads of a block */
#define BLOCKS_EACH 4 /* of a multiprocessor, rather than more heads a block */

/* ------------------------------------------------------------------------- */
/* Rounding                                                                  */
/* ------------------------------------------------------------------------- */

/* Blocks: piece; B, then C. */
template <int N>
__global__ static void
__launch_bounds__ (HALVES_THREADS) halves_kernel (Ssd a)
{
  bool is_c = blockIdx.y > 0;
  SsdPiece piece = ssd_piece (a, blockIdx.x);
  const float *from = (is_c ? a.c : a.b) + piece.row * a.xbc_stride;
  uint16_t *to = (is_c ? a.c_halves : a.b_halves) +
      blockIdx.x * (size_t) (SSD_CHUNK * N);

#pragma unroll 4
  for (unsigned i = threadIdx.x; i < SSD_CHUNK * N; i += HALVES_THREADS) {
    unsigned j = i / N, n = i % N;

    to[i] = j < piece.count && n < a.state
        ? mblm_cuda_to_bf16 (from[j * a.xbc_stride + n])
        : 0;
  }
}

void
mblm_cuda_ssd_mma_halves (MblmQueue *queue, const Ssd *a)
{
  mblm_cuda_launch (queue,
      a->numbers == 64 ? halves_kernel<64> : halves_kernel<128>,
      dim3 ((unsigned) (a->units * a->chunks), 2), HALVES_THREADS, 0, *a);
}

__global__ static void
start_kernel (Ssd a)
{
  size_t at = mblm_cuda_thread ();
  size_t n = at % a.numbers, p = at / a.numbers % SSD_TILE;
  size_t h = at / (a.numbers * SSD_TILE);

  if (h < a.heads)
    a.state_halves[at] = p < a.head_dim && n < a.state
        ? mblm_cuda_to_bf16 (a.start[(h * a.head_dim + p) * a.state + n])
        : 0;
}

void
mblm_cuda_ssd_mma_start (MblmQueue *queue, const Ssd *a)
{
  size_t count = a->heads * SSD_TILE * a->numbers;

  mblm_cuda_launch (queue, start_kernel,
      (unsigned) divide_up (count, HALVES_THREADS), HALVES_THREADS, 0, *a);
}

/* ------------------------------------------------------------------------- */
/* Sums of outer products                                                    */
/* ------------------------------------------------------------------------- */

template <int N> struct OuterShared {
  alignas (16) SsdMmaRows left;
  alignas (16) uint16_t right[SSD_CHUNK * ssd_mma_line<N>];
};

/* Adds the product of what is in shared memory, of 16 channels a warp. */
template <int N>
__device__ static void
add_outer (const OuterShared<N> &shared, float (&sum)[N / 8][4])
{
  unsigned slice = threadIdx.x / MBLM_CUDA_WARP * SSD_MMA_ROWS;

#pragma unroll
  for (unsigned k = 0; k < SSD_CHUNK; k += 16) {
    uint32_t left[4];

    mma_load_a_columns (
        left, shared.left + k * SSD_MMA_LINE + slice, SSD_MMA_LINE);
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

template <int N>
__device__ static void
store_outer (const Ssd &a, const float (&sum)[N / 8][4], float *out)
{
  unsigned slice = threadIdx.x / MBLM_CUDA_WARP * SSD_MMA_ROWS;

#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    size_t p = slice + ssd_mma_row (half);

    if (p >= a.head_dim)
      continue;
#pragma unroll
    for (unsigned n = 0; n < N / 8; n++)
      ssd_mma_store2 (out + p * a.state, ssd_mma_column (n), a.state,
          a.state % 2 == 0, sum[n][2 * half], sum[n][2 * half + 1]);
  }
}

/* Blocks: piece, or units that are added up, and head. */
template <int N>
__global__ static void
__launch_bounds__ (SSD_THREADS, 3) outer_kernel (Ssd a, SsdOuter outer)
{
  MBLM_CUDA_DYNAMIC (OuterShared<N>, shared);
  size_t h = blockIdx.x % a.heads, each = max_size (1, outer.slab);
  size_t first = blockIdx.x / a.heads * each;
  size_t end = min_size (a.units * a.chunks, first + each);
  float sum[N / 8][4];

  ssd_mma_clear (sum);
  for (size_t index = first; index < end; index++) {
    SsdPiece piece = ssd_piece (a, index);
    const SsdSteps &steps = a.steps[index * a.heads + h];

    __syncthreads ();
    ssd_mma_load_rows<SSD_THREADS> (shared->left, a,
        outer.left + piece.row * outer.left_stride + h * a.head_dim,
        outer.left_stride, piece.count, [&] (unsigned j) {
          SsdDecay own = outer.is_gradient ? steps.pre[j] : steps.post[j];

          own.value *= outer.is_gradient ? 1.0f : steps.dt[j];
          return own;
        });
    ssd_mma_copy<N, SSD_THREADS> (
        shared->right, outer.halves + index * SSD_CHUNK * N);
    __syncthreads ();
    add_outer (*shared, sum);
  }
  store_outer<N> (a, sum, outer.out + blockIdx.x * a.head_dim * a.state);
}

void
mblm_cuda_ssd_mma_outer (MblmQueue *queue, const Ssd *a, const SsdOuter *outer)
{
  size_t sums = divide_up (a->units * a->chunks, max_size (1, outer->slab));
  unsigned grid = (unsigned) (sums * a->heads);

  if (a->numbers == 64)
    mblm_cuda_launch (queue, outer_kernel<64>, grid, SSD_THREADS,
        sizeof (OuterShared<64>), *a, *outer);
  else
    mblm_cuda_launch (queue, outer_kernel<128>, grid, SSD_THREADS,
        sizeof (OuterShared<128>), *a, *outer);
}

/* ------------------------------------------------------------------------- */
/* Outputs                                                                   */
/* ------------------------------------------------------------------------- */

template <int N> struct ChunkShared {
  alignas (16) SsdMmaRows x;
  alignas (16) uint16_t state[SSD_TILE * ssd_mma_line<N>]; /* or B */
  SsdMmaDecays decays;
  SsdDecay pre[SSD_CHUNK];
};

/* What a warp has of C and, for j up to its rows, of C B^T. */
template <int N> struct ChunkRows {
  uint32_t c[N / 16][4];
  float cb[SSD_SIXTEENS][2][4];
};

/* The rows of sixteen `own`; B is in the place of a state. */
template <int N>
__device__ static void
multiply_common (const ChunkShared<N> &shared, const uint16_t *c, unsigned own,
    ChunkRows<N> &rows)
{
#pragma unroll
  for (unsigned k = 0; k < N / 16; k++)
    mma_load_a (rows.c[k], c + own * SSD_MMA_ROWS * N + k * 16, N);
#pragma unroll
  for (unsigned to = 0; to < SSD_SIXTEENS; to++) {
    ssd_mma_clear (rows.cb[to]);
    if (to > own)
      continue;
#pragma unroll
    for (unsigned k = 0; k < N / 16; k++) {
      uint32_t b[2][2];

      mma_load_b_pair (b,
          shared.state + to * SSD_MMA_ROWS * ssd_mma_line<N> + k * 16,
          ssd_mma_line<N>);
      mma_bf16 (rows.cb[to][0], rows.c[k], b[0]);
      mma_bf16 (rows.cb[to][1], rows.c[k], b[1]);
    }
  }
}

/* sum [steps, channels] = pre[i] S C_i */
template <int N>
__device__ static void
read_state (const ChunkShared<N> &shared, const ChunkRows<N> &rows,
    unsigned own, float (&sum)[SSD_TILE / 8][4])
{
#pragma unroll
  for (unsigned k = 0; k < N / 16; k++)
#pragma unroll
    for (unsigned p = 0; p < SSD_TILE / 8; p += 2) {
      uint32_t s[2][2];

      mma_load_b_pair (
          s, shared.state + p * 8 * ssd_mma_line<N> + k * 16, ssd_mma_line<N>);
      mma_bf16 (sum[p], rows.c[k], s[0]);
      mma_bf16 (sum[p + 1], rows.c[k], s[1]);
    }
#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    SsdDecay pre = shared.pre[own * SSD_MMA_ROWS + ssd_mma_row (half)];

#pragma unroll
    for (unsigned p = 0; p < SSD_TILE / 8; p++) {
      sum[p][2 * half] = pre.times (sum[p][2 * half]);
      sum[p][2 * half + 1] = pre.times (sum[p][2 * half + 1]);
    }
  }
}

/* sum += the sum over j <= i of (C_i . B_j) L[i, j] dt_j x_j */
template <int N>
__device__ static void
add_inside (const ChunkShared<N> &shared, const ChunkRows<N> &rows,
    unsigned own, float (&sum)[SSD_TILE / 8][4])
{
  const SsdMmaDecays &decays = shared.decays;

#pragma unroll
  for (unsigned from = 0; from < SSD_SIXTEENS; from++) {
    float weight[2][4], between;
    uint32_t left[4];

    if (from > own)
      continue;
    between = ssd_mma_between (decays, from, own);
#pragma unroll
    for (unsigned e = 0; e < 8; e++) {
      unsigned i = own * SSD_MMA_ROWS + ssd_mma_row (e / 2 % 2);
      unsigned j = from * SSD_MMA_ROWS + ssd_mma_column (e / 4) + e % 2;

      weight[e / 4][e % 4] = rows.cb[from][e / 4][e % 4] *
          ssd_mma_decay (decays, i, j, from == own, between) * decays.dt[j];
    }
    ssd_mma_round (left, weight);
#pragma unroll
    for (unsigned p = 0; p < SSD_TILE / 8; p += 2) {
      uint32_t x[2][2];

      mma_load_b_rows_pair (x,
          shared.x + from * SSD_MMA_ROWS * SSD_MMA_LINE + p * 8, SSD_MMA_LINE);
      mma_bf16 (sum[p], left, x[0]);
      mma_bf16 (sum[p + 1], left, x[1]);
    }
  }
}

/* y of head h, `x` being what the head has of the piece. */
__device__ static void
store_y (const Ssd &a, const SsdPiece &piece, size_t h, unsigned own,
    const float *x, const float (&sum)[SSD_TILE / 8][4], float *y)
{
  size_t width = a.heads * a.head_dim;
  float skip = a.skip[h];

#pragma unroll
  for (unsigned half = 0; half < 2; half++) {
    unsigned i = own * SSD_MMA_ROWS + ssd_mma_row (half);

    if (i >= piece.count)
      continue;
#pragma unroll
    for (unsigned n = 0; n < SSD_TILE / 8; n++) {
      unsigned p = ssd_mma_column (n);
      float2 at = ssd_mma_load2 (
          x + i * a.xbc_stride, p, a.head_dim, a.is_aligned);

      ssd_mma_store2 (y + (piece.row + i) * width + h * a.head_dim, p,
          a.head_dim, a.is_aligned, fmaf (skip, at.x, sum[n][2 * half]),
          fmaf (skip, at.y, sum[n][2 * half + 1]));
    }
  }
}

/* Blocks: piece, and some heads, `together`. */
template <int N>
__global__ static void
__launch_bounds__ (SSD_THREADS, 3)
    chunks_kernel (Ssd a, unsigned together, float *y)
{
  MBLM_CUDA_DYNAMIC (ChunkShared<N>, shared);
  unsigned own = threadIdx.x / MBLM_CUDA_WARP;
  size_t parts = divide_up (a.heads, together), size = SSD_CHUNK * N;
  size_t index = blockIdx.x / parts, first = blockIdx.x % parts * together;
  size_t end = min_size (a.heads, first + together);
  SsdPiece piece = ssd_piece (a, index);
  bool has_state = ssd_has_state (a, index);
  ChunkRows<N> rows;

  ssd_mma_copy<N, SSD_THREADS> (shared->state, a.b_halves + index * size);
  __syncthreads ();
  multiply_common (*shared, a.c_halves + index * size, own, rows);
  for (size_t h = first; h < end; h++) {
    size_t tile = index * a.heads + h;
    const float *x = a.x + piece.row * a.xbc_stride + h * a.head_dim;
    float sum[SSD_TILE / 8][4];

    ssd_mma_clear (sum);
    __syncthreads ();
    ssd_mma_load_rows<SSD_THREADS> (shared->x, a, x, a.xbc_stride, piece.count);
    if (has_state)
      ssd_mma_copy<N, SSD_THREADS> (shared->state, ssd_mma_state (a, tile, h));
    ssd_mma_fill (a.steps[tile], &shared->decays);
    if (threadIdx.x < SSD_CHUNK)
      shared->pre[threadIdx.x] = a.steps[tile].pre[threadIdx.x];
    __syncthreads ();
    if (has_state)
      read_state (*shared, rows, own, sum);
    add_inside (*shared, rows, own, sum);
    store_y (a, piece, h, own, x, sum, y);
  }
}

/* As many heads together as leave blocks for all multiprocessors: no result depends
 * on it. */
void
mblm_cuda_ssd_mma_chunks (MblmQueue *queue, const Ssd *a, float *y)
{
  size_t pieces = a->units * a->chunks;
  size_t blocks = BLOCKS_EACH * (size_t) queue->device->multiprocessors;
  unsigned together = MOST_TOGETHER, grid;

  while (together > 1 && divide_up (a->heads, together) * pieces < blocks)
    together /= 2;
  grid = (unsigned) (divide_up (a->heads, together) * pieces);
  if (a->numbers == 64)
    mblm_cuda_launch (queue, chunks_kernel<64>, grid, SSD_THREADS,
        sizeof (ChunkShared<64>), *a, together, y);
  else
    mblm_cuda_launch (queue, chunks_kernel<128>, grid, SSD_THREADS,
        sizeof (ChunkShared<128>), *a, together, y);
}
