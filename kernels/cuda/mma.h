/* mma.h: products of small matrices of bfloat16 by a warp, on tensor cores.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * d [16, 8] += a [16, 16] b [16, 8], sums in float32. With lane = 4 g + t, a lane
 * holds, each word being two bfloat16, the lower half first:
 *
 *   a[0]  a (g, 2t .. 2t + 1)          b[0]  b (2t .. 2t + 1, g)
 *   a[1]  a (g + 8, 2t .. 2t + 1)      b[1]  b (2t + 8 .. 2t + 9, g)
 *   a[2]  a (g, 2t + 8 .. 2t + 9)      d[0], d[1]  d (g, 2t .. 2t + 1)
 *   a[3]  a (g + 8, 2t + 8 .. 2t + 9)  d[2], d[3]  d (g + 8, 2t .. 2t + 1)
 *
 * So d of one product, rounded, is half of an `a` of the next. All lanes of the
 * warp take part. Needs compute capability 8.0, as the device does.
 */

#pragma once

#include "bf16.h"

__device__ static inline void
mma_bf16 (float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
{
#ifdef __CUDACC__
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  cuda_host_mma_bf16 (d, a, b);
#endif
}

/* The transpose of a matrix [8, 8] of bfloat16, of which this lane has (g, 2t .. 2t
 * + 1): then it has (2t .. 2t + 1, g). */
__device__ static inline uint32_t
mma_across (uint32_t x)
{
#ifdef __CUDACC__
  uint32_t y;

  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;"
               : "=r"(y)
               : "r"(x));
  return y;
#else
  return cuda_host_mma_across (x);
#endif
}

/* Two neighbours of a row as one word; `x` has the alignment of a word. */
__device__ static inline uint32_t
mma_pair (const uint16_t *x)
{
  return *(const uint32_t *) x;
}

__device__ static inline uint32_t
mma_pair (const float *x)
{
  return mblm_cuda_to_bf16x2 (x[0], x[1]);
}

/* `a` from row-major memory: entry (i, k) is x[i * stride + k]. Memory of
 * bfloat16 has an even stride. */
template <typename T>
__device__ static inline void
mma_load_a (uint32_t (&a)[4], const T *x, size_t stride)
{
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;
  const T *row = x + (lane / 4) * stride + lane % 4 * 2;

  a[0] = mma_pair (row);
  a[1] = mma_pair (row + 8 * stride);
  a[2] = mma_pair (row + 8);
  a[3] = mma_pair (row + 8 * stride + 8);
}

/* `a` from shared memory of its transpose: entry (i, k) is x[k * stride + i]. Rows
 * begin at multiples of 16 bytes. */
__device__ static inline void
mma_load_a_columns (uint32_t (&a)[4], const uint16_t *x, size_t stride)
{
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;

#ifdef __CUDACC__
  const uint16_t *row = x + (lane % 8 + lane / 16 * 8) * stride +
      lane / 8 % 2 * 8;

  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
      : "r"((unsigned) __cvta_generic_to_shared (row))
      : "memory");
#else
  const uint16_t *column = x + lane % 4 * 2 * stride + lane / 4;

  for (int i = 0; i < 4; i++) {
    const uint16_t *at = column + i / 2 * 8 * stride + i % 2 * 8;

    a[i] = at[0] | (uint32_t) at[stride] << 16;
  }
#endif
}

/* `b` from memory of its transpose, as weights and keys lie: entry (k, j) is
 * x[j * stride + k]. */
template <typename T>
__device__ static inline void
mma_load_b (uint32_t (&b)[2], const T *x, size_t stride)
{
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;
  const T *row = x + (lane / 4) * stride + lane % 4 * 2;

  b[0] = mma_pair (row);
  b[1] = mma_pair (row + 8);
}

__device__ static inline uint16_t
mma_half (uint16_t x)
{
  return x;
}

__device__ static inline uint16_t
mma_half (float x)
{
  return mblm_cuda_to_bf16 (x);
}

/* `b` from row-major memory, as values lie: entry (k, j) is x[k * stride + j]. */
template <typename T>
__device__ static inline void
mma_load_b_rows (uint32_t (&b)[2], const T *x, size_t stride)
{
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;
  const T *column = x + (lane % 4 * 2) * stride + lane / 4;

  for (int half = 0; half < 2; half++, column += 8 * stride)
    b[half] = mma_half (column[0]) | (uint32_t) mma_half (column[stride]) << 16;
}

/* Two `b` beside each other, [16, 16] in all, from shared memory of their
 * transpose: entry (k, j) is x[j * stride + k], b[0] has the columns j < 8. Rows
 * begin at multiples of 16 bytes. */
__device__ static inline void
mma_load_b_pair (uint32_t (&b)[2][2], const uint16_t *x, size_t stride)
{
#ifdef __CUDACC__
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;
  const uint16_t *row = x + (lane % 8 + lane / 16 * 8) * stride +
      lane / 8 % 2 * 8;

  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(b[0][0]), "=r"(b[0][1]), "=r"(b[1][0]), "=r"(b[1][1])
      : "r"((unsigned) __cvta_generic_to_shared (row))
      : "memory");
#else
  mma_load_b (b[0], x, stride);
  mma_load_b (b[1], x + 8 * stride, stride);
#endif
}

/* The same from row-major shared memory: entry (k, j) is x[k * stride + j]. */
__device__ static inline void
mma_load_b_rows_pair (uint32_t (&b)[2][2], const uint16_t *x, size_t stride)
{
#ifdef __CUDACC__
  unsigned lane = threadIdx.x % MBLM_CUDA_WARP;
  const uint16_t *row = x + lane % 16 * stride + lane / 16 * 8;

  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(b[0][0]), "=r"(b[0][1]), "=r"(b[1][0]), "=r"(b[1][1])
      : "r"((unsigned) __cvta_generic_to_shared (row))
      : "memory");
#else
  mma_load_b_rows (b[0], x, stride);
  mma_load_b_rows (b[1], x + 8, stride);
#endif
}
