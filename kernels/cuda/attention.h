/* attention.h: the six ways to attention, and what they share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *  - short: few keys, of many sequences (inner stages): attention-short.cu
 *  - patches: the same on tensor cores, in memory of bfloat16: attention-patches.cu
 *  - step: few rows against a long past (decoding): attention-step.cu
 *  - long: tiles of rows and of keys, in float32: attention-long.cu and
 *    attention-long-backward.cu
 *  - mma: the same on tensor cores: attention-mma.cu, attention-mma-backward.cu
 *  - cudnn: the same by NVIDIA's library, where that is asked for:
 *    attention-cudnn.cu
 *
 * attention.cu chooses. All but the step have gradients.
 */

#pragma once

#include "plane.h"
#include "reduce.h"
#include "sequences.h"
#include "sums.h"
#include "typed.h"

/* Some sequences of a batch, as an argument of kernels: for them the arrays are
 * lists, and those in `a` are of no use. */
struct AttentionPiece {
  MblmAttention a;
  size_t first, count; /* sequences */
  bool is_aligned;     /* all rows of heads allow loads of four numbers */
  float scale;
  MblmCudaList<const float *> past_key, past_value;
  MblmCudaList<size_t> past;

  /* The entry of the lists that sequence i of the piece has. */
  __device__ size_t
  entry_of (size_t i) const
  {
    return a.past_shared ? 0 : i;
  }

  __device__ size_t
  past_of (size_t i) const
  {
    return a.past ? past.at[entry_of (i)] : 0;
  }

  /* The mask of its keys, [rows], or NULL. */
  __device__ const uint8_t *
  mask_of (size_t i) const
  {
    return a.key_mask && !a.causal ? a.key_mask + (first + i) * a.rows : NULL;
  }
};

/* The gradients beside it. */
struct AttentionGradients {
  const void *d_out;
  void *d_query, *d_key, *d_value;
  bool has_past_key, has_past_value; /* of each sequence */
  MblmCudaList<float *> past_key, past_value;
};

/* The numbers of a head in a row; NULL: zeros. */
struct AttentionRow {
  const void *data;
  MblmType type;
};

/* Whose first one is entry `at`. */
__device__ static inline AttentionRow
attention_row (MblmType type, const void *data, size_t at)
{
  return {mblm_cuda_entry (type, data, at), type};
}

/* A head's keys (or values) of a sequence: its past, then its own. */
struct AttentionRows {
  const float *past;
  size_t past_rows, past_stride;
  AttentionRow own;
  size_t own_stride;

  __device__ AttentionRow
  at (size_t j) const
  {
    if (j < past_rows)
      return {past + j * past_stride, MBLM_TYPE_F32};
    return attention_row (own.type, own.data, (j - past_rows) * own_stride);
  }
};

__device__ static inline AttentionRows
attention_rows (const AttentionPiece &piece, size_t i, size_t head, bool value)
{
  const MblmAttention &a = piece.a;
  size_t at = head * a.head_dim, entry = piece.entry_of (i);
  size_t past = piece.past_of (i);
  const float *from = NULL;

  if (past > 0)
    from = (value ? piece.past_value : piece.past_key).at[entry] + at;
  return {from, past, a.heads * a.head_dim,
      attention_row (a.type, value ? a.value : a.key,
          (piece.first + i) * a.rows * a.key_stride + at),
      a.key_stride};
}

/* Columns 4 c .. 4 c + 3 of the `width` of a row; zeros beyond. */
__device__ static inline float4
attention_load4 (AttentionRow row, size_t c, size_t width, bool is_aligned)
{
  float x[4] = {0.0f, 0.0f, 0.0f, 0.0f};

  if (!row.data || 4 * c >= width)
    return make_float4 (0.0f, 0.0f, 0.0f, 0.0f);
  if (is_aligned) {
    mblm_cuda_get<4> (row.type, row.data, 4 * c, x);
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float one[1] = {0.0f};

      if (4 * c + i < width)
        mblm_cuda_get<1> (row.type, row.data, 4 * c + i, one);
      x[i] = one[0];
    }
  }
  return make_float4 (x[0], x[1], x[2], x[3]);
}

/* To a row that begins with entry `at` of `data`. */
__device__ static inline void
attention_store4 (MblmType type, void *data, size_t at, size_t c, size_t width,
    bool is_aligned, float4 x)
{
  const float numbers[4] = {x.x, x.y, x.z, x.w};

  if (4 * c >= width)
    return;
  if (is_aligned) {
    mblm_cuda_put<4> (type, data, at + 4 * c, numbers);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float one[1] = {numbers[i]};

    if (4 * c + i < width)
      mblm_cuda_put<1> (type, data, at + 4 * c + i, one);
  }
}

/* Adds to what is there, or not. */
__device__ static inline void
attention_give4 (MblmType type, void *data, size_t at, size_t c, size_t width,
    bool is_aligned, bool add, float4 x)
{
  if (add)
    x = attention_load4 (attention_row (type, data, at), c, width, is_aligned) +
        x;
  attention_store4 (type, data, at, c, width, is_aligned, x);
}

__device__ static inline float
attention_dot4 (float4 x, float4 y, float sum)
{
  sum = fmaf (x.x, y.x, sum);
  sum = fmaf (x.y, y.y, sum);
  sum = fmaf (x.z, y.z, sum);
  return fmaf (x.w, y.w, sum);
}

/* Whether no key of a sequence may be seen: all then count alike, or none. Every
 * thread of the block calls. */
__device__ static inline bool
attention_is_masked (const uint8_t *mask, size_t rows)
{
  bool is_seen = !mask;

  for (size_t j = threadIdx.x; mask && j < rows; j += blockDim.x)
    is_seen |= mask[j] != 0;
  return !__syncthreads_or (is_seen);
}

/* The most rows that a past has. */
static inline size_t
attention_longest_past (const MblmAttention *a)
{
  size_t longest = 0;

  for (size_t b = 0; a->past && b < (a->past_shared ? 1 : a->batch); b++)
    longest = max_size (longest, a->past[b]);
  return longest;
}

/* Whether every sequence has a past of its own. */
static inline bool
attention_has_pasts (const MblmAttention *a)
{
  return a->past && !a->past_shared;
}

/* Fills in all but `is_aligned` and `scale`, for the sequences from `first` on. */
static inline void
attention_piece (AttentionPiece *self, const MblmAttention *a, size_t first)
{
  size_t entries;

  self->a = *a;
  self->first = first;
  self->count = mblm_cuda_piece_count (
      attention_has_pasts (a), first, a->batch);
  entries = a->past_shared ? 1 : self->count;
  first = a->past_shared ? 0 : first;
  mblm_cuda_list (&self->past, a->past, first, entries);
  mblm_cuda_list (
      &self->past_key, a->past ? a->past_key : NULL, first, entries);
  mblm_cuda_list (
      &self->past_value, a->past ? a->past_value : NULL, first, entries);
}

/* For the same sequences; shared pasts are not in it. */
static inline void
attention_gradients (AttentionGradients *self, const MblmAttentionBackward *g,
    const AttentionPiece *piece)
{
  bool has_pasts = attention_has_pasts (&g->forward);

  self->d_out = g->d_out;
  self->d_query = g->d_query;
  self->d_key = g->d_key;
  self->d_value = g->d_value;
  self->has_past_key = has_pasts && g->d_past_key;
  self->has_past_value = has_pasts && g->d_past_value;
  mblm_cuda_list (&self->past_key, self->has_past_key ? g->d_past_key : NULL,
      piece->first, piece->count);
  mblm_cuda_list (&self->past_value,
      self->has_past_value ? g->d_past_value : NULL, piece->first,
      piece->count);
}

/* Where the gradients of a shared past are wanted: it has as many numbers. */
static inline size_t
attention_shared_size (const MblmAttentionBackward *g)
{
  const MblmAttention *a = &g->forward;

  if (!a->past || !a->past_shared || a->batch == 0 ||
      (!g->d_past_key && !g->d_past_value))
    return 0;
  return mblm_cuda_count (a->past[0], a->heads, a->head_dim);
}

/* Fits, and is worth it, where these are true. */
bool attention_short_takes (const MblmAttention *a, bool backward);
bool attention_patches_takes (
    const AttentionPiece *piece, const MblmAttention *a);
bool attention_step_takes (const MblmAttention *a);
bool attention_mma_takes (const MblmAttention *a);

/* `piece` is filled in but for its sequences. */
void attention_short (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a);
void attention_short_backward (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttentionBackward *g);
void attention_patches (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a);
void attention_patches_backward (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttentionBackward *g);
void attention_step (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a);
void attention_long (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a);
void attention_long_backward (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttentionBackward *g);
void attention_mma (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttention *a);
void attention_mma_backward (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttentionBackward *g);
/* These also find out whether they can: false, and the others must. */
bool attention_cudnn (MblmQueue *queue, const MblmAttention *a);
bool attention_cudnn_backward (
    MblmQueue *queue, const MblmAttentionBackward *g);
