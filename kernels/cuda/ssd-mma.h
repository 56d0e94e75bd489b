/* ssd-mma.h: Mamba-2's scan on tensor cores: what its files share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where products may round their operands to bfloat16. Chunks, pieces and tiles
 * are those of ssd.h. A warp has 16 rows of a tile, and of its products what mma.h
 * says of `d`: rows g and g + 8, columns 2 t and 2 t + 1 of each group of eight. A
 * tile has up to 64 channels and 128 numbers of the state; what is missing is
 * zeros.
 *
 * B, C and the states that chunks see are rounded once, to scratch memory, for all
 * heads and blocks that read them. x and gradients are rounded on their way to
 * shared memory. Decays are float32, multiplied up as in ssd.h, but kept as plain
 * numbers: what is left of less than the smallest float is nothing. Inside a
 * chunk, of 4 times 16 steps,
 *
 *   L[i, j] = in[i] * (all sixteens between) * out[j]
 *
 * where i and j are of different sixteens, in[i] being the product of the decays
 * from the first step of i's to i, and out[j] that of the decays after j in j's.
 */

#pragma once

#include "mma.h"
#include "ssd.h"

#define SSD_MMA_ROWS 16             /* of a warp */
#define SSD_MMA_LINE (SSD_TILE + 8) /* of channels, in shared memory */

/* Of N numbers of the state. */
template <int N> constexpr unsigned ssd_mma_line = N + 8;

typedef uint16_t SsdMmaRows[SSD_CHUNK * SSD_MMA_LINE];

/* ------------------------------------------------------------------------- */
/* Places                                                                    */
/* ------------------------------------------------------------------------- */

/* Row `half` (0 or 1) of this lane among the warp's. */
__device__ static inline unsigned
ssd_mma_row (unsigned half)
{
  return threadIdx.x % MBLM_CUDA_WARP / 4 + half * 8;
}

/* The first of the two columns of this lane in group n. */
__device__ static inline unsigned
ssd_mma_column (unsigned n)
{
  return n * 8 + threadIdx.x % 4 * 2;
}

template <int N>
__device__ static inline void
ssd_mma_clear (float (&sum)[N][4])
{
#pragma unroll
  for (unsigned n = 0; n < N; n++)
#pragma unroll
    for (unsigned e = 0; e < 4; e++)
      sum[n][e] = 0.0f;
}

/* The operand `a` of 16 columns of a product before. */
__device__ static inline void
ssd_mma_round (uint32_t (&a)[4], const float (&x)[2][4])
{
#pragma unroll
  for (unsigned n = 0; n < 2; n++) {
    a[2 * n] = mblm_cuda_to_bf16x2 (x[n][0], x[n][1]);
    a[2 * n + 1] = mblm_cuda_to_bf16x2 (x[n][2], x[n][3]);
  }
}

/* ------------------------------------------------------------------------- */
/* Memory                                                                    */
/* ------------------------------------------------------------------------- */

/* That of a tile, of head h. */
__device__ static inline const uint16_t *
ssd_mma_state (const Ssd &a, size_t tile, size_t h)
{
  return a.state_halves + (a.start ? h : tile) * SSD_TILE * a.numbers;
}

/* Numbers p and p + 1 of a row of `count`; p is even. */
__device__ static inline float2
ssd_mma_load2 (const float *row, size_t p, size_t count, bool is_aligned)
{
  if (is_aligned && p < count)
    return *(const float2 *) (row + p);
  return make_float2 (
      p < count ? row[p] : 0.0f, p + 1 < count ? row[p + 1] : 0.0f);
}

__device__ static inline void
ssd_mma_store2 (
    float *row, size_t p, size_t count, bool is_aligned, float x, float y)
{
  if (is_aligned && p < count) {
    *(float2 *) (row + p) = make_float2 (x, y);
    return;
  }
  if (p < count)
    row[p] = x;
  if (p + 1 < count)
    row[p + 1] = y;
}

__device__ static inline float4
ssd_mma_load4 (const float *row, size_t p, size_t count, bool is_aligned)
{
  float2 low, high;

  if (is_aligned && p < count)
    return *(const float4 *) (row + p);
  low = ssd_mma_load2 (row, p, count, false);
  high = ssd_mma_load2 (row, p + 2, count, false);
  return make_float4 (low.x, low.y, high.x, high.y);
}

/* A tile of rows of channels: row j times weight_of (j), an SsdDecay. */
template <unsigned THREADS, typename F>
__device__ static inline void
ssd_mma_load_rows (SsdMmaRows &tile, const Ssd &a, const float *rows,
    size_t stride, unsigned count, const F &weight_of)
{
#pragma unroll
  for (unsigned e = 0; e < SSD_CHUNK * SSD_TILE / 4 / THREADS; e++) {
    unsigned at = threadIdx.x + e * THREADS;
    unsigned j = at / (SSD_TILE / 4), p = at % (SSD_TILE / 4) * 4;
    float4 x = make_float4 (0.0f, 0.0f, 0.0f, 0.0f);

    if (j < count) {
      SsdDecay weight = weight_of (j);

      x = ssd_mma_load4 (rows + j * stride, p, a.head_dim, a.is_aligned);
      x = make_float4 (weight.times (x.x), weight.times (x.y),
          weight.times (x.z), weight.times (x.w));
    }
    *(uint2 *) (tile + j * SSD_MMA_LINE + p) = make_uint2 (
        mblm_cuda_to_bf16x2 (x.x, x.y), mblm_cuda_to_bf16x2 (x.z, x.w));
  }
}

template <unsigned THREADS>
__device__ static inline void
ssd_mma_load_rows (SsdMmaRows &tile, const Ssd &a, const float *rows,
    size_t stride, unsigned count)
{
  ssd_mma_load_rows<THREADS> (tile, a, rows, stride, count, [] (unsigned) {
    return SsdDecay{1.0f, 1.0f};
  });
}

/* Copies what is rounded, 64 lines of N. */
template <int N, unsigned THREADS>
__device__ static inline void
ssd_mma_copy (uint16_t *tile, const uint16_t *from)
{
#pragma unroll
  for (unsigned e = 0; e < 64 * N / 8 / THREADS; e++) {
    unsigned at = threadIdx.x + e * THREADS;
    unsigned row = at / (N / 8), n = at % (N / 8) * 8;

    *(uint4 *) (tile + row * ssd_mma_line<N> + n) = *(
        const uint4 *) (from + row * N + n);
  }
}

/* ------------------------------------------------------------------------- */
/* Decays inside a chunk                                                     */
/* ------------------------------------------------------------------------- */

#define SSD_SIXTEENS (SSD_CHUNK / SSD_MMA_ROWS)

struct SsdMmaDecays {
  float inside[SSD_CHUNK][20]; /* [j, i % 16]: L[i, j] of a sixteen; 16 count */
  float in[SSD_CHUNK], out[SSD_CHUNK], dt[SSD_CHUNK];
};

/* A thread has a step; the others do nothing. */
__device__ static inline void
ssd_mma_fill (const SsdSteps &steps, SsdMmaDecays *to)
{
  unsigned own = threadIdx.x % SSD_MMA_ROWS, first = threadIdx.x - own;
  float in = 1.0f, after = 1.0f;

  if (threadIdx.x >= SSD_CHUNK)
    return;
#pragma unroll
  for (unsigned i = 0; i < SSD_MMA_ROWS; i++) {
    float link = steps.link[first + i];

    if (i <= own)
      in *= link;
    else
      after *= link;
    to->inside[threadIdx.x][i] = i < own ? 0.0f : after;
  }
  to->in[threadIdx.x] = in;
  to->out[threadIdx.x] = after;
  to->dt[threadIdx.x] = steps.dt[threadIdx.x];
}

/* Of all sixteens after `from` and before `to`. */
__device__ static inline float
ssd_mma_between (const SsdMmaDecays &decays, unsigned from, unsigned to)
{
  float product = 1.0f;

  for (unsigned k = from + 1; k < to; k++)
    product *= decays.in[k * SSD_MMA_ROWS + SSD_MMA_ROWS - 1];
  return product;
}

/* L[i, j], whose sixteens are known, and what is between. */
__device__ static inline float
ssd_mma_decay (const SsdMmaDecays &decays, unsigned i, unsigned j, bool is_same,
    float between)
{
  return is_same ? decays.inside[j][i % SSD_MMA_ROWS]
                 : decays.in[i] * between * decays.out[j];
}

/* ------------------------------------------------------------------------- */
/* Kernels                                                                   */
/* ------------------------------------------------------------------------- */

/* Of the group, as their like in ssd.h: B and C, rounded; the outputs. */
void mblm_cuda_ssd_mma_halves (MblmQueue *queue, const Ssd *a);
void mblm_cuda_ssd_mma_outer (
    MblmQueue *queue, const Ssd *a, const SsdOuter *outer);
void mblm_cuda_ssd_mma_chunks (MblmQueue *queue, const Ssd *a, float *y);
/* The state that all sequences start from, rounded. */
void mblm_cuda_ssd_mma_start (MblmQueue *queue, const Ssd *a);
