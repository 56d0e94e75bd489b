/* attention.cu: softmax attention and its gradients; here, the choice of a way.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "attention.h"

static bool
is_aligned (const float *const *rows, size_t count)
{
  bool aligned = true;

  for (size_t i = 0; rows && i < count; i++)
    aligned &= mblm_cuda_aligned (0, rows[i]);
  return aligned;
}

/* Whether rows of a stride allow loads of four numbers. */
template <typename... P>
static bool
in_fours (MblmType type, size_t stride, const P *...rows)
{
  return (mblm_cuda_in_fours (type, rows, stride) && ...);
}

/* Whether they allow loads of 16 bytes. */
template <typename... P>
static bool
is_whole (const P *...rows)
{
  return (((uintptr_t) rows | ...) & 15) == 0;
}

static void
begin_piece (AttentionPiece *piece, const MblmAttention *a)
{
  size_t pasts = a->past ? (a->past_shared ? 1 : a->batch) : 0;

  piece->is_aligned = a->head_dim % 4 == 0 &&
      in_fours (a->type, a->query_stride, a->query, a->out) &&
      in_fours (a->type, a->key_stride, a->key, a->value) &&
      is_aligned (a->past_key, pasts) && is_aligned (a->past_value, pasts);
  piece->scale = (float) (1.0 / sqrt ((double) a->head_dim));
}

bool
mblm_cuda_attention_turns (const MblmAttention *a)
{
  AttentionPiece piece;

  begin_piece (&piece, a);
  return attention_patches_takes (&piece, a);
}

void
mblm_cuda_attention (MblmQueue *queue, const MblmAttention *a)
{
  AttentionPiece piece;

  if (!mblm_cuda_begin (queue) || a->batch == 0 || a->rows == 0)
    return;
  begin_piece (&piece, a);
  if (attention_patches_takes (&piece, a))
    attention_patches (queue, &piece, a);
  else if (attention_short_takes (a, false))
    attention_short (queue, &piece, a);
  else if (attention_step_takes (a))
    attention_step (queue, &piece, a);
  else if (attention_cudnn (queue, a))
    return;
  else if (attention_mma_takes (a))
    attention_mma (queue, &piece, a);
  else
    attention_long (queue, &piece, a);
}

void
mblm_cuda_attention_backward (MblmQueue *queue, const MblmAttentionBackward *g)
{
  const MblmAttention *a = &g->forward;
  size_t pasts = attention_has_pasts (a) ? a->batch : 0;
  AttentionPiece piece;

  if (!mblm_cuda_begin (queue) || a->batch == 0 || a->rows == 0)
    return;
  begin_piece (&piece, a);
  piece.is_aligned &= in_fours (a->type, 0, g->d_out, g->d_query, g->d_key,
                          g->d_value) &&
      is_aligned (g->d_past_key, pasts) && is_aligned (g->d_past_value, pasts);
  if (attention_patches_takes (&piece, a) &&
      is_whole (g->d_out, g->d_query, g->d_key, g->d_value))
    attention_patches_backward (queue, &piece, g);
  else if (attention_short_takes (a, true))
    attention_short_backward (queue, &piece, g);
  else if (attention_cudnn_backward (queue, g))
    return;
  else if (attention_mma_takes (a))
    attention_mma_backward (queue, &piece, g);
  else
    attention_long_backward (queue, &piece, g);
}
