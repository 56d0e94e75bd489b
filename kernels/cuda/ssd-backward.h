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
  float *k;               /* [tiles, SSD_CHUNK, SSD_CHUNK] */
  float *k_sum;           /* [pieces, SSD_CHUNK, SSD_CHUNK]: over the heads */
  SsdRows *rows;          /* [tiles] */
  float *u;               /* [parts of the state, tiles, SSD_CHUNK] */
  float *common;          /* [2, parts, pieces, SSD_CHUNK, state]: the sums over
                           * heads of d_B, then of d_C */
  float *sums; /* [3, pieces, heads]: d_delta_bias, d_a_log, d_skip */
};

/* Whether the gradient of the state after isn't zero. */
__device__ static inline bool
ssd_has_gradient (const Ssd &a, const SsdBack &back, size_t piece)
{
  return !back.to_zeros || a.first_chunk + piece % a.chunks + 1 < a.all_chunks;
}

/* Of a group whose S and G are there: d_x, K and the numbers of the steps; then
 * the sums over heads that need states. */
void mblm_cuda_ssd_chunks_back (
    MblmQueue *queue, const Ssd *a, const SsdBack *back);
void mblm_cuda_ssd_common_back (
    MblmQueue *queue, const Ssd *a, const SsdBack *back);
