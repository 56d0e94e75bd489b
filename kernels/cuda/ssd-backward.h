/* ssd-backward.h: what the files of the gradient of Mamba-2's scan share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * With S the state before a chunk, G the gradient of the one after it, g = d_y and
 * the products of decays of ssd.h:
 *
 *   K[i, j] = (g_i . x_j) L[i, j] dt_j,   M[i, j] = (C_i . B_j) K[i, j]
 *   w_j   = sum over i >= j of (C_i . B_j) L[i, j] g_i + post[j] G B_j
 *   d_x_j = dt_j w_j + skip g_j
 *   d_B_j = sum over heads of post[j] dt_j G^T x_j + sum over i of K[i, j] C_i
 *   d_C_i = sum over heads of pre[i] S^T g_i + sum over j of K[i, j] B_j
 *   d_S   = pre[last] G + sum over i of pre[i] g_i (outer) C_i
 *   d_dt_j = x_j . w_j - rate da_j,   and da_t, the gradient of log decay t, is
 *   pre[last] <S, G> + sum over i >= t of u_i + sum over j < t of v_j
 *     + sum over i >= t, j < t of M[i, j], with
 *   u_i   = (pre[i] S^T g_i) . C_i,   v_j = dt_j x_j . (post[j] G B_j)
 */

#pragma once

#include "ssd.h"

/* Numbers of the steps of a tile. */
struct SsdRows {
  float xw[SSD_CHUNK]; /* x_j . w_j */
  float v[SSD_CHUNK];
  float skip[SSD_CHUNK];   /* g_j . x_j */
  float inside[SSD_CHUNK]; /* the sum of M that da_t has */
};

struct SsdBack {
  const float *d_y;
  float *d_x, *d_b, *d_c;
  size_t d_xbc_stride;
  float *d_delta;
  size_t d_delta_stride;
  bool to_zeros;          /* the gradients of what all sequences leave */
  size_t parts, together; /* of the heads; the heads of a part */
  float *d_states;        /* [tiles, head_dim, state]: G */
  uint16_t *d_halves; /* [tiles, SSD_TILE, numbers]: the same, in the place of
                           * it after the chunks, where products may round */
  bool is_even;       /* d_b and d_c, to two numbers */
  float *k;           /* [tiles, SSD_CHUNK, SSD_CHUNK]; or, where products may
                           * round, of the parts of each piece, j before i */
  float *k_sum;       /* [pieces, SSD_CHUNK, SSD_CHUNK]: over the heads */
  SsdRows *rows;      /* [tiles] */
  size_t u_parts;     /* of the state */
  float *u;           /* [u_parts, tiles, SSD_CHUNK], where there are states */
  float *common;      /* [2, parts, pieces, SSD_CHUNK, state or numbers]: the
                           * sums over heads of d_B, then of d_C */
  float *sums;        /* [3, pieces, heads]: d_delta_bias, d_a_log, d_skip */
};

/* Whether the gradient of the state after isn't zero. */
__device__ static inline bool
ssd_has_gradient (const Ssd &a, const SsdBack &back, size_t piece)
{
  return !back.to_zeros || a.first_chunk + piece % a.chunks + 1 < a.all_chunks;
}

/* m[i, j] = the sum of row i before j, of this half of the columns; `half` gets
 * that of all of it. */
__device__ static inline void
ssd_sum_rows_before (float *m, float (&half)[2][SSD_CHUNK])
{
  unsigned i = threadIdx.x % SSD_CHUNK, side = threadIdx.x / SSD_CHUNK;
  float *row = m + i * SSD_LINE + side * (SSD_CHUNK / 2), sum = 0.0f;

  for (unsigned j = 0; j < SSD_CHUNK / 2; j += 8) {
    float ahead[8];

#pragma unroll
    for (unsigned q = 0; q < 8; q++)
      ahead[q] = row[j + q];
#pragma unroll
    for (unsigned q = 0; q < 8; q++) {
      row[j + q] = sum;
      sum += ahead[q];
    }
  }
  half[side][i] = sum;
  __syncthreads ();
}

/* inside[t] = the sum of M[i, j] over i >= t, j < t; m [SSD_CHUNK, SSD_LINE] is
 * lost. For a block of SSD_THREADS. */
__device__ static inline void
ssd_sum_inside (float *m, float (&half)[2][SSD_CHUNK], float *inside)
{
  unsigned t = threadIdx.x % SSD_CHUNK, side = threadIdx.x / SSD_CHUNK;
  unsigned first = side * (SSD_CHUNK / 2), end = first + SSD_CHUNK / 2;
  float sum = 0.0f;

  ssd_sum_rows_before (m, half);
#pragma unroll 8
  for (unsigned i = first; i < end; i++)
    if (i >= t)
      sum += m[i * SSD_LINE + t] + (t >= SSD_CHUNK / 2 ? half[0][i] : 0.0f);
  __syncthreads ();
  half[side][t] = sum;
  __syncthreads ();
  if (side == 0)
    inside[t] = sum + half[1][t];
}

/* Of a group whose S and G are there: d_x, K and the numbers of the steps; then
 * the sums over heads that need states. */
void mblm_cuda_ssd_chunks_back (
    MblmQueue *queue, const Ssd *a, const SsdBack *back);
void mblm_cuda_ssd_common_back (
    MblmQueue *queue, const Ssd *a, const SsdBack *back);

/* The same on tensor cores, and all of d_B and d_C. */
void mblm_cuda_ssd_mma_tiles_back (
    MblmQueue *queue, const Ssd *a, const SsdBack *back);
void mblm_cuda_ssd_mma_common_back (
    MblmQueue *queue, const Ssd *a, const SsdBack *back);
