/* attention.c: softmax attention over a past and a sequence's own keys.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A tile is some rows of one head of one sequence. Keys come in blocks of
 * KEY_BLOCK; the largest score so far, the sum of weights and the weighted sum
 * of values are carried from block to block, so that no matrix of scores ever
 * exists.
 */

#include "isa.h"
#include "tile.h"
#include "vecmath.h"

#include <float.h>

#define KEY_BLOCK 64
#define QUERY_BLOCK 8
#define MAX_HEAD_DIM 512

/* Nanoseconds for a query, a key and one of head_dim. */
#define ATTENTION_WORK 0.06

typedef struct {
  const MblmAttention *a;
  size_t blocks; /* of queries, of a sequence */
  float scale;
} Attention;

/* What one tile has of the softmax of a row. */
typedef struct {
  float max;               /* of the scores, -FLT_MAX at first */
  float sum;               /* of exp (score - max) */
  float out[MAX_HEAD_DIM]; /* sum of exp (score - max) * value */
} Row;

/* scores[j] = query . key[j] * scale for j < count <= KEY_BLOCK */
static void
score_block (const float *query, const float *key, size_t stride, size_t d,
    size_t count, float scale, float *scores)
{
  for (size_t j = 0; j < count; j += 8) {
    size_t n = min_size (8, count - j);
    vf sums[8];

    for (size_t q = 0; q < 8; q++)
      sums[q] = v_zero ();
    for (size_t i = 0; i < d; i += VW) {
      vf x = v_load_n (query + i, d - i);

      for (size_t q = 0; q < n; q++)
        sums[q] = v_fma (
            x, v_load_n (key + (j + q) * stride + i, d - i), sums[q]);
    }
    v_sum8 (sums, scores + j);
  }
  for (size_t j = 0; j < count; j += VW)
    v_store (scores + j, v_load (scores + j) * v_set1 (scale));
}

/* Adds `count` keys with these scores to a row. */
static void
add_block (Row *row, float *scores, size_t count, const float *value,
    size_t stride, size_t d)
{
  vf max = v_set1 (row->max), sum = v_zero ();
  float alpha;

  for (size_t j = count; j < divide_up (count, VW) * VW; j++)
    scores[j] = -INFINITY;
  for (size_t j = 0; j < count; j += VW)
    max = v_max (max, v_load (scores + j));
  max = v_set1 (v_max_lane (max));
  for (size_t j = 0; j < count; j += VW) {
    vf p = v_exp (v_load (scores + j) - max);

    v_store (scores + j, p);
    sum = sum + p;
  }
  alpha = expf (row->max - max[0]);
  row->max = max[0];
  row->sum = row->sum * alpha + v_sum (sum);
  for (size_t i = 0; i < d; i += VW) {
    vf o = v_load_n (row->out + i, d - i) * v_set1 (alpha);

    for (size_t j = 0; j < count; j++)
      if (scores[j] != 0.0f)
        o = v_fma (
            v_set1 (scores[j]), v_load_n (value + j * stride + i, d - i), o);
    v_store_n (row->out + i, d - i, o);
  }
}

/* Row `row` over keys [0, count) of a run of them; mask [count] or NULL. */
static void
attend_run (const Attention *self, Row *row, const float *query,
    const float *key, const float *value, size_t stride, size_t count,
    const uint8_t *mask, bool alike)
{
  size_t d = self->a->head_dim;
  float scores[KEY_BLOCK + VW];

  for (size_t j = 0; j < count; j += KEY_BLOCK) {
    size_t n = min_size (KEY_BLOCK, count - j);

    if (alike)
      memset (scores, 0, sizeof (scores));
    else
      score_block (query, key + j * stride, stride, d, n, self->scale, scores);
    for (size_t i = 0; mask && !alike && i < n; i++)
      if (!mask[j + i])
        scores[i] = -INFINITY;
    add_block (row, scores, n, value + j * stride, stride, d);
  }
}

static void
attention_tile (const void *data, size_t tile, unsigned worker)
{
  const Attention *self = data;
  const MblmAttention *a = self->a;
  size_t width = a->heads * a->head_dim;
  size_t block = tile % self->blocks, h = tile / self->blocks % a->heads;
  size_t b = tile / self->blocks / a->heads, at = h * a->head_dim;
  size_t from = a->past_shared ? 0 : b, past = a->past ? a->past[from] : 0;
  const float *key = a->key + b * a->rows * a->key_stride + at;
  const float *value = a->value + b * a->rows * a->key_stride + at;
  const uint8_t *mask = a->key_mask ? a->key_mask + b * a->rows : NULL;
  bool alike = mask && !memchr (mask, 1, a->rows);
  size_t end = min_size (a->rows, (block + 1) * QUERY_BLOCK);

  for (size_t i = block * QUERY_BLOCK; i < end; i++) {
    const float *query = a->query + (b * a->rows + i) * a->query_stride + at;
    float *out = a->out + (b * a->rows + i) * width + at;
    Row row = {.max = -FLT_MAX};
    vf scale;

    if (!alike || !a->masked_is_zero) {
      if (past > 0)
        attend_run (self, &row, query, a->past_key[from] + at,
            a->past_value[from] + at, width, past, NULL, false);
      attend_run (self, &row, query, key, value, a->key_stride,
          a->causal ? i + 1 : a->rows, mask, alike);
    }
    scale = v_set1 (row.sum > 0.0f ? 1.0f / row.sum : 0.0f);
    for (size_t j = 0; j < a->head_dim; j += VW)
      v_store_n (out + j, a->head_dim - j, v_load (row.out + j) * scale);
  }
}

void
FN (attention) (MblmQueue *queue, const MblmAttention *a)
{
  Attention self = {
      .a = a,
      .blocks = divide_up (a->rows, QUERY_BLOCK),
      .scale = 1.0f / sqrtf ((float) a->head_dim),
  };
  double keys = (double) a->rows / (a->causal ? 2 : 1);

  for (size_t b = 0; a->past && b < a->batch; b++)
    keys += (double) a->past[a->past_shared ? 0 : b] / (double) a->batch;
  mblm_cpu_run (queue, a->batch * a->heads * self.blocks,
      ATTENTION_WORK * keys * (double) a->rows * (double) a->batch *
          (double) (a->heads * a->head_dim),
      attention_tile, &self);
}
