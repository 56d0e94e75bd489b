/* attention-backward.h: the order of the launches of long attention's gradients.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * It is the same in float32 and on tensor cores: d_out . out of each row and head;
 * d_query; the gradients of the sequences' own keys and values, and of those of
 * their pasts; where all share a past, sums over parts of the batch and the sum of
 * these.
 */

#pragma once

#include "attention.h"

/* Keys that a launch finds the gradients of: own ones, pasts of sequences, or the
 * past that all share. */
enum AttentionPartKind {
  ATTENTION_OWN,
  ATTENTION_PASTS,
  ATTENTION_SHARED,
};

struct AttentionPart {
  AttentionPartKind kind;
  size_t sequences;       /* of a block, where the past is shared */
  float *d_key, *d_value; /* of it, [parts, past, heads * head_dim], or NULL */
};

/* Some of them, as a block has them. */
struct AttentionKeys {
  size_t begin, end;   /* sequences of the batch whose queries see them */
  size_t first, count; /* among the own keys, or among those of the past */
  bool is_own, is_aligned, adds;
  const uint8_t *mask; /* from the first on, or NULL */
  bool is_masked;      /* all of the sequence */
  float alike;         /* the weight of each then */
  MblmType type;
  const void *key, *value; /* from entry `at` on, as the gradients */
  void *d_key, *d_value;   /* or NULL */
  size_t at, d_at, stride;

  /* Zeros where it isn't looked at. */
  __device__ AttentionRow
  key_at (unsigned r) const
  {
    return is_used (r) ? attention_row (type, key, at + r * stride)
                       : AttentionRow ();
  }

  __device__ AttentionRow
  value_at (unsigned r) const
  {
    return is_used (r) ? attention_row (type, value, at + r * stride)
                       : AttentionRow ();
  }

  /* Whether key r is looked at. */
  __device__ bool
  is_used (unsigned r) const
  {
    return r < count && (is_masked || !mask || mask[r]);
  }

  /* Whether query i of a sequence sees key r. */
  __device__ bool
  sees (const AttentionPiece &piece, size_t i, unsigned r) const
  {
    return i < piece.a.rows && is_used (r) &&
        (!is_own || !piece.a.causal || first + r <= i);
  }

  __device__ size_t
  first_query (const AttentionPiece &piece) const
  {
    return is_own && piece.a.causal ? first : 0;
  }
};

__device__ static inline AttentionKeys
attention_own_keys (const AttentionPiece &piece,
    const AttentionGradients &gradients, size_t first)
{
  const MblmAttention &a = piece.a;
  size_t i = blockIdx.z, b = piece.first + i;
  size_t at = (b * a.rows + first) * a.key_stride + blockIdx.y * a.head_dim;
  const uint8_t *mask = piece.mask_of (i);
  AttentionKeys keys = {b, b + 1, first, 0, true, piece.is_aligned};

  keys.is_masked = attention_is_masked (mask, a.rows);
  keys.alike = a.masked_is_zero ? 0.0f : 1.0f / (float) a.rows;
  keys.mask = mask ? mask + first : NULL;
  keys.count = a.rows > first ? a.rows - first : 0;
  keys.type = a.type;
  keys.key = a.key;
  keys.value = a.value;
  keys.d_key = gradients.d_key;
  keys.d_value = gradients.d_value;
  keys.at = keys.d_at = at;
  keys.stride = a.key_stride;
  return keys;
}

__device__ static inline AttentionKeys
attention_past_keys (const AttentionPiece &piece,
    const AttentionGradients &gradients, const AttentionPart &part,
    size_t first)
{
  const MblmAttention &a = piece.a;
  bool is_shared = part.kind == ATTENTION_SHARED;
  size_t i = is_shared ? 0 : blockIdx.z, past = piece.past_of (i);
  size_t width = a.heads * a.head_dim;
  size_t at = first * width + blockIdx.y * a.head_dim;
  size_t shared = blockIdx.z * past * width + at;
  size_t b = is_shared ? blockIdx.z * part.sequences : piece.first + i;
  AttentionKeys keys = {b, b + 1, first, 0, false, piece.is_aligned};

  if (past <= first)
    return keys;
  keys.count = past - first;
  keys.type = MBLM_TYPE_F32;
  keys.key = piece.past_key.at[i];
  keys.value = piece.past_value.at[i];
  keys.at = keys.d_at = at;
  keys.stride = width;
  if (is_shared) {
    keys.end = min_size (b + part.sequences, a.batch);
    keys.d_key = part.d_key;
    keys.d_value = part.d_value;
    keys.d_at = shared;
    return keys;
  }
  keys.adds = true;
  keys.d_key = gradients.has_past_key ? gradients.past_key.at[i] : NULL;
  keys.d_value = gradients.has_past_value ? gradients.past_value.at[i] : NULL;
  return keys;
}

/* The keys of this block from the `first` of its sequence or past on. */
__device__ static inline AttentionKeys
attention_keys (const AttentionPiece &piece,
    const AttentionGradients &gradients, const AttentionPart &part,
    size_t first)
{
  return part.kind == ATTENTION_OWN
      ? attention_own_keys (piece, gradients, first)
      : attention_past_keys (piece, gradients, part, first);
}

/* ------------------------------------------------------------------------- */
/* Launches                                                                  */
/* ------------------------------------------------------------------------- */

/* deltas[row, head] = d_out . out; [batch * rows, heads] */
void attention_deltas (
    MblmQueue *queue, const MblmAttentionBackward *g, float *deltas);

/* How many parts of a batch the gradient of a shared past is first summed up for:
 * enough to fill a large device. */
static inline size_t
attention_parts (const MblmAttention *a, size_t tile_rows)
{
  size_t tiles = divide_up (a->past[0], tile_rows) * a->heads;
  size_t parts = max_size (min_size (a->batch, 512 / max_size (tiles, 1)), 1);

  return divide_up (a->batch, divide_up (a->batch, parts));
}

/* The keys of a launch: `most` of a sequence. */
template <typename Way>
static inline void
attention_launch_keys (MblmQueue *queue, const AttentionPiece *piece,
    const AttentionGradients *gradients, const AttentionPart *part,
    const float *deltas, unsigned threads, size_t most, size_t count)
{
  mblm_cuda_launch (queue, Way::d_key,
      dim3 ((unsigned) divide_up (most, Way::rows (threads)),
          (unsigned) piece->a.heads, (unsigned) count),
      threads, Way::shared (threads), *piece, *gradients, *part, deltas);
}

template <typename Way>
static inline void
attention_piece_backward (MblmQueue *queue, const AttentionPiece *piece,
    const MblmAttentionBackward *g, const float *deltas, unsigned threads)
{
  const MblmAttention *a = &g->forward;
  AttentionGradients gradients;
  AttentionPart part = {ATTENTION_OWN};

  attention_gradients (&gradients, g, piece);
  if (g->d_query)
    mblm_cuda_launch (queue, Way::d_query,
        dim3 ((unsigned) divide_up (a->rows, Way::rows (threads)),
            (unsigned) a->heads, (unsigned) piece->count),
        threads, Way::shared (threads), *piece, g->d_out, deltas, g->d_query);
  if (g->d_key || g->d_value)
    attention_launch_keys<Way> (queue, piece, &gradients, &part, deltas,
        threads, a->rows, piece->count);
  part.kind = ATTENTION_PASTS;
  if (gradients.has_past_key || gradients.has_past_value)
    attention_launch_keys<Way> (queue, piece, &gradients, &part, deltas,
        threads, attention_longest_past (a), piece->count);
}

/* `sums` [parts, size] twice. */
template <typename Way>
static inline void
attention_shared_backward (MblmCudaScratch *scratch, AttentionPiece *piece,
    const MblmAttentionBackward *g, const float *deltas, unsigned threads,
    size_t parts, size_t size, float *sums, size_t sum_part)
{
  const MblmAttention *a = &g->forward;
  AttentionPart part = {ATTENTION_SHARED, divide_up (a->batch, parts),
      g->d_past_key ? sums : NULL,
      g->d_past_value ? sums + parts * size : NULL};
  AttentionGradients gradients;

  attention_piece (piece, a, 0);
  attention_gradients (&gradients, g, piece);
  attention_launch_keys<Way> (scratch->queue, piece, &gradients, &part, deltas,
      threads, a->past[0], parts);
  if (part.d_key)
    mblm_cuda_sum_rows_to (
        scratch, sum_part, part.d_key, parts, size, size, g->d_past_key[0]);
  if (part.d_value)
    mblm_cuda_sum_rows_to (
        scratch, sum_part, part.d_value, parts, size, size, g->d_past_value[0]);
}

/* Way has the kernels `d_query` and `d_key`, how many `threads` (attention) a block
 * of them has, and the `rows` (threads) and bytes of `shared` (threads) memory. */
template <typename Way>
static inline void
attention_backward (
    MblmQueue *queue, AttentionPiece *piece, const MblmAttentionBackward *g)
{
  const MblmAttention *a = &g->forward;
  unsigned threads = Way::threads (a);
  size_t size = attention_shared_size (g);
  size_t parts = size ? attention_parts (a, Way::rows (threads)) : 0;
  MblmCudaScratch scratch = {queue};
  size_t delta_part = mblm_cuda_part (
      &scratch, mblm_cuda_count (a->batch, a->rows, a->heads), sizeof (float));
  size_t sums = mblm_cuda_part (
      &scratch, mblm_cuda_count (2 * parts, size), sizeof (float));
  size_t sum_part = mblm_cuda_sum_rows_part (&scratch, parts, size);
  float *deltas;

  if (!mblm_cuda_scratch (&scratch))
    return;
  deltas = mblm_cuda_at<float> (&scratch, delta_part);
  attention_deltas (queue, g, deltas);
  for (size_t b = 0; b < a->batch; b += piece->count) {
    attention_piece (piece, a, b);
    attention_piece_backward<Way> (queue, piece, g, deltas, threads);
  }
  if (size)
    attention_shared_backward<Way> (&scratch, piece, g, deltas, threads, parts,
        size, mblm_cuda_at<float> (&scratch, sums), sum_part);
}
