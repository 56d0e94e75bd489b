/* attention-short.h: the launches of attention to few keys, of many sequences.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A warp has a head of a sequence. Where sequences share a past it has that of some
 * sequences, a part of the batch, and leaves the sum of their gradients of the past;
 * the sums of the parts are added up afterwards, in order.
 */

#pragma once

#include "attention.h"

#define ATTENTION_SHORT_PARTS 1024 /* of a batch that shares a past */

/* The sequences from `first` on. Grids have one dimension here: so only lists limit
 * a piece. */
static inline void
attention_short_piece (
    AttentionPiece *piece, const MblmAttention *a, size_t first)
{
  attention_piece (piece, a, first);
  if (!attention_has_pasts (a))
    piece->count = a->batch;
}

/* Calls launch (gradients, each, past_key, past_value) for each piece: `each`
 * sequences are a part, and the last two where its sums of a shared past go, [parts,
 * past, heads * head_dim]; NULL: not wanted. */
template <typename Launch>
static inline void
attention_short_gradients (MblmQueue *queue, AttentionPiece *piece,
    const MblmAttentionBackward *g, Launch launch)
{
  const MblmAttention *a = &g->forward;
  size_t size = attention_shared_size (g);
  size_t each = size ? divide_up (a->batch, ATTENTION_SHORT_PARTS) : 1;
  size_t parts = size ? divide_up (a->batch, each) : 0;
  MblmCudaScratch scratch = {queue};
  AttentionGradients gradients;
  float *sums, *more;
  size_t sum_part, part;

  part = mblm_cuda_part (
      &scratch, mblm_cuda_count (2 * parts, size), sizeof (float));
  sum_part = mblm_cuda_sum_rows_part (&scratch, parts, size);
  if (!mblm_cuda_scratch (&scratch))
    return;
  sums = mblm_cuda_at<float> (&scratch, part);
  more = sums + parts * size;
  for (size_t b = 0; b < a->batch; b += piece->count) {
    attention_short_piece (piece, a, b);
    attention_gradients (&gradients, g, piece);
    launch (gradients, each, size && g->d_past_key ? sums : NULL,
        size && g->d_past_value ? more : NULL);
  }
  if (size && g->d_past_key)
    mblm_cuda_sum_rows_to (
        &scratch, sum_part, sums, parts, size, size, g->d_past_key[0]);
  if (size && g->d_past_value)
    mblm_cuda_sum_rows_to (
        &scratch, sum_part, more, parts, size, size, g->d_past_value[0]);
}
