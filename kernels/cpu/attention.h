/* attention.h: the three ways to attention, and what they share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *  - short: few keys, of many sequences (inner stages): attention.c
 *  - step: few rows against a long past, the next step of streams:
 *    attention-step.c
 *  - long: many rows, causal or masked: attention-long.c
 *
 * Gradients are found in the first way (attention.c too) or, for any other shape,
 * in the third (attention-long-backward.c).
 */

#pragma once

#include "bf16.h"
#include "isa.h"
#include "tile.h"
#include "vecmath.h"

#include <float.h>

/* Nanoseconds for a query, a key and one of head_dim, in products. */
#define ATTENTION_WORK 0.03

void FN (attention_step) (MblmQueue *queue, const MblmAttention *a);
void FN (attention_long) (MblmQueue *queue, const MblmAttention *a);
void FN (attention_long_backward) (
    MblmQueue *queue, const MblmAttentionBackward *g);

/* The entry of the arrays of the past that sequence b has. */
static inline size_t
attention_from (const MblmAttention *a, size_t b)
{
  return a->past_shared ? 0 : b;
}

static inline size_t
attention_past (const MblmAttention *a, size_t b)
{
  return a->past ? a->past[attention_from (a, b)] : 0;
}

/* The mask of sequence b, [rows], or NULL. */
static inline const uint8_t *
attention_mask (const MblmAttention *a, size_t b)
{
  return a->key_mask ? a->key_mask + b * a->rows : NULL;
}

static inline bool
attention_is_masked (const uint8_t *mask, size_t rows)
{
  for (size_t i = 0; i < rows; i++)
    if (mask[i])
      return false;
  return true;
}

static inline float
attention_scale (const MblmAttention *a)
{
  return (float) (1.0 / sqrt ((double) a->head_dim));
}

/* The address of entry i of memory of a type. */
static inline const void *
attention_at (MblmType type, const void *data, size_t i)
{
  return (const char *) data +
      i * (type == MBLM_TYPE_F32 ? sizeof (float) : sizeof (uint16_t));
}

/* to[padded] = entries [at, at + width) and zeros behind them; `padded` are whole
 * vectors. */
static inline void
attention_widen (float *to, MblmType type, const void *from, size_t at,
    size_t width, size_t padded)
{
  for (size_t i = 0; i < padded; i += VW)
    v_store (to + i,
        i < width ? v_load_as (type, from, at + i, width - i) : v_zero ());
}

/* Zeros for entries [at, at + count) of a gradient; NULL isn't wanted. */
static inline void
attention_clear (MblmType type, void *data, size_t at, size_t count)
{
  size_t size = type == MBLM_TYPE_F32 ? sizeof (float) : sizeof (uint16_t);

  if (data)
    memset ((char *) data + at * size, 0, count * size);
}

/* The gradients of head h of sequence b where all its keys are masked: those of
 * the values are the mean of d_out, or nothing with `masked_is_zero`. */
static inline void
attention_backward_alike (const MblmAttentionBackward *g, size_t b, size_t h)
{
  const MblmAttention *a = &g->forward;
  size_t row = b * a->rows, d = a->head_dim;
  size_t width = a->heads * d, at = h * d;
  float mean[512] = {0}; /* head_dim at most */

  for (size_t i = 0; i < a->rows && !a->masked_is_zero; i++)
    for (size_t j = 0; j < d; j += VW) {
      size_t n = d - j;
      vf x = v_load_as (a->type, g->d_out, (row + i) * width + at + j, n);

      v_store_n (mean + j, n, v_load_n (mean + j, n) + x);
    }
  for (size_t j = 0; j < d; j++)
    mean[j] /= (float) a->rows;
  for (size_t i = row; i < row + a->rows; i++) {
    attention_clear (a->type, g->d_query, i * a->query_stride + at, d);
    attention_clear (a->type, g->d_key, i * a->key_stride + at, d);
    for (size_t j = 0; g->d_value && j < d; j += VW)
      v_store_as (a->type, g->d_value, i * a->key_stride + at + j, d - j,
          v_load_n (mean + j, d - j));
  }
}

/* scores[j] = query . key[j, :] for j < 8; key rows are `stride` apart. */
static ALWAYS_INLINE void
score_8 (const float *query, const float *key, size_t stride, size_t d,
    float scores[8])
{
  vf sums[8];
  size_t i = 0;

  UNROLL
  for (int j = 0; j < 8; j++)
    sums[j] = v_zero ();
  for (; i + VW <= d; i += VW) {
    vf x = v_load (query + i);

    UNROLL
    for (int j = 0; j < 8; j++)
      sums[j] = v_fma (x, v_load (key + j * stride + i), sums[j]);
  }
  if (i < d) {
    vm m = v_first (d - i);
    vf x = v_load_m (query + i, m);

    UNROLL
    for (int j = 0; j < 8; j++)
      sums[j] = v_fma (x, v_load_m (key + j * stride + i, m), sums[j]);
  }
  v_sum8 (sums, scores);
}

/* The same for one key. */
static ALWAYS_INLINE float
score_1 (const float *query, const float *key, size_t d)
{
  vf sum = v_zero ();

  for (size_t i = 0; i < d; i += VW)
    sum = v_fma (v_load_n (query + i, d - i), v_load_n (key + i, d - i), sum);
  return v_sum (sum);
}

/* From scores[count] to exp (scores * scale - max), where max, which is
 * returned, is the largest of `before` and of the scaled scores; *sum is their
 * sum. Memory for whole vectors; what is beyond count becomes 0. */
static ALWAYS_INLINE float
soften (float *scores, size_t count, float scale, float before, float *sum)
{
  vf max = v_set1 (before), total = v_zero (), s = v_set1 (scale);
  size_t end = divide_up (count, VW) * VW;

  for (size_t j = count; j < end; j++)
    scores[j] = -INFINITY;
  for (size_t j = 0; j < end; j += VW) {
    vf x = v_load (scores + j) * s;

    v_store (scores + j, x);
    max = v_max (max, x);
  }
  max = v_set1 (v_max_lane (max));
  for (size_t j = 0; j < end; j += VW) {
    vf p = v_exp (v_load (scores + j) - max);

    v_store (scores + j, p);
    total = total + p;
  }
  *sum = v_sum (total);
  return max[0];
}
