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

static void
attend_head (const Short *self, size_t b, size_t h)
{
  const MblmAttention *a = self->a;
  size_t width = a->heads * a->head_dim, at = h * a->head_dim;
  const uint8_t *mask = attention_mask (a, b);
  bool alike = mask && attention_is_masked (mask, a->rows);
  Keys keys;

  collect (a, b, at, &keys);
  for (size_t i = 0; i < a->rows; i++) {
    const float *query = a->query + (b * a->rows + i) * a->query_stride + at;
    float *out = a->out + (b * a->rows + i) * width + at;
    size_t count = a->causal ? keys.past + i + 1 : keys.count;
    float weights[MAX_KEYS] = {0}, sum;

    if (alike && a->masked_is_zero) {
      memset (out, 0, a->head_dim * sizeof (*out));
      continue;
    }
    for (size_t j = 0; !alike && j < count; j++)
      weights[j] = score_1 (query, keys.key[j], a->head_dim);
    soften (weights, count, self->scale, -FLT_MAX, &sum);
    mix (weights, keys.value, count, sum, a->head_dim, out);
  }
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
