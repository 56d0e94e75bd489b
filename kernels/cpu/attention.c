/* attention.c: softmax attention; here, for short sequences.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The inner stages have thousands of patches of a few rows behind one shared
 * row of their past. A tile is some heads of some of them; the visible keys of
 * one are an array of pointers, and all of a row's scores fit in a few vectors.
 */

#include "attention.h"

#define MAX_KEYS 64

/* Products of a query, a key and one of head_dim in a tile. */
#define TILE_WORK 65536

typedef struct {
  const MblmAttention *a;
  size_t step; /* heads of sequences of a tile */
  float scale;
} Short;

/* Keys and values of a head of a sequence. */
typedef struct {
  size_t past; /* how many of them are from the past */
  size_t count;
  const float *key[MAX_KEYS], *value[MAX_KEYS];
} Keys;

static void
collect (const MblmAttention *a, size_t b, size_t at, Keys *keys)
{
  size_t from = attention_from (a, b), width = a->heads * a->head_dim;
  const uint8_t *mask = attention_mask (a, b);
  bool all = !mask || attention_is_masked (mask, a->rows);

  keys->past = attention_past (a, b);
  for (size_t j = 0; j < keys->past; j++) {
    keys->key[j] = a->past_key[from] + j * width + at;
    keys->value[j] = a->past_value[from] + j * width + at;
  }
  keys->count = keys->past;
  for (size_t j = 0; j < a->rows; j++)
    if (all || mask[j]) {
      size_t offset = (b * a->rows + j) * a->key_stride + at;

      keys->key[keys->count] = a->key + offset;
      keys->value[keys->count++] = a->value + offset;
    }
}

/* out[d] = sum weights[j] * values[j][d] / total */
static void
mix (const float *weights, const float *const *values, size_t count,
    float total, size_t d, float *out)
{
  vf scale = v_set1 (1.0f / total);
  size_t i = 0;

  for (; i + 4 * VW <= d; i += 4 * VW) {
    vf o[4] = {v_zero (), v_zero (), v_zero (), v_zero ()};

    for (size_t j = 0; j < count; j++) {
      vf w = v_set1 (weights[j]);

      UNROLL
      for (int q = 0; q < 4; q++)
        o[q] = v_fma (w, v_load (values[j] + i + q * VW), o[q]);
    }
    UNROLL
    for (int q = 0; q < 4; q++)
      v_store (out + i + q * VW, o[q] * scale);
  }
  for (; i < d; i += VW) {
    vf o = v_zero ();

    for (size_t j = 0; j < count; j++)
      o = v_fma (v_set1 (weights[j]), v_load_n (values[j] + i, d - i), o);
    v_store_n (out + i, d - i, o * scale);
  }
}

/* scores[j] = query . keys[j] for j < count; memory for whole groups of 8. */
static void
score (const float *query, const float *const *keys, size_t count, size_t d,
    float *scores)
{
  for (size_t j = 0; j < count; j += 8) {
    const float *key[8];
    vf sums[8];
    size_t i = 0;

    if (count - j < 4) {
      for (size_t q = j; q < count; q++)
        scores[q] = score_1 (query, keys[q], d);
      return;
    }
    for (size_t q = 0; q < 8; q++) {
      key[q] = keys[min_size (j + q, count - 1)];
      sums[q] = v_zero ();
    }
    for (; i + VW <= d; i += VW) {
      vf x = v_load (query + i);

      UNROLL
      for (int q = 0; q < 8; q++)
        sums[q] = v_fma (x, v_load (key[q] + i), sums[q]);
    }
    for (; i < d; i += VW) {
      vf x = v_load_n (query + i, d - i);

      for (int q = 0; q < 8; q++)
        sums[q] = v_fma (x, v_load_n (key[q] + i, d - i), sums[q]);
    }
    v_sum8 (sums, scores + j);
  }
}

/* One head of one sequence; one step for all rows after the other, so that the
 * steps of a row, each of which waits for the one before, overlap with those of
 * other rows. */
static void
attend_head (const Short *self, size_t b, size_t h)
{
  const MblmAttention *a = self->a;
  size_t width = a->heads * a->head_dim, at = h * a->head_dim;
  const uint8_t *mask = attention_mask (a, b);
  const float *query = a->query + b * a->rows * a->query_stride + at;
  float *out = a->out + b * a->rows * width + at;
  float weights[MAX_KEYS][MAX_KEYS], sums[MAX_KEYS];
  size_t counts[MAX_KEYS];
  Keys keys;

  if (mask && attention_is_masked (mask, a->rows)) {
    if (a->masked_is_zero) {
      for (size_t i = 0; i < a->rows; i++)
        memset (out + i * width, 0, a->head_dim * sizeof (*out));
      return;
    }
    query = NULL;
  }
  collect (a, b, at, &keys);
  for (size_t i = 0; i < a->rows; i++) {
    counts[i] = a->causal ? keys.past + i + 1 : keys.count;
    if (query)
      score (query + i * a->query_stride, keys.key, counts[i], a->head_dim,
          weights[i]);
    else
      memset (weights[i], 0, counts[i] * sizeof (float));
  }
  for (size_t i = 0; i < a->rows; i++)
    soften (weights[i], counts[i], self->scale, -FLT_MAX, &sums[i]);
  for (size_t i = 0; i < a->rows; i++)
    mix (weights[i], keys.value, counts[i], sums[i], a->head_dim,
        out + i * width);
}

static void
short_tile (const void *data, size_t tile, unsigned worker)
{
  const Short *self = data;
  const MblmAttention *a = self->a;
  size_t end = min_size (a->batch * a->heads, (tile + 1) * self->step);

  for (size_t i = tile * self->step; i < end; i++)
    attend_head (self, i / a->heads, i % a->heads);
}

static void
attention_short (MblmQueue *queue, const MblmAttention *a, size_t keys)
{
  size_t heads = a->batch * a->heads, work = a->rows * keys * a->head_dim;
  Short self = {.a = a, .scale = attention_scale (a)};

  self.step = max_size (1, TILE_WORK / max_size (1, work));
  mblm_cpu_run (queue, divide_up (heads, self.step),
      2 * ATTENTION_WORK * (double) work * (double) heads, short_tile, &self);
}

void
FN (attention) (MblmQueue *queue, const MblmAttention *a)
{
  size_t longest = 0;

  if (a->batch == 0 || a->rows == 0 || a->heads == 0 || a->head_dim == 0)
    return;
  for (size_t b = 0; b < (a->past_shared ? 1 : a->batch); b++)
    longest = max_size (longest, attention_past (a, b));
  if (a->rows <= MAX_KEYS && longest <= MAX_KEYS - a->rows)
    attention_short (queue, a, longest + a->rows);
  else if (a->rows <= 8)
    FN (attention_step) (queue, a);
  else
    FN (attention_long) (queue, a);
}
