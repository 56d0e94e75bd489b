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

/* out[d] = sum weights[j * VW] * values[j][d] / total */
static void
mix (const float *weights, const float *const *values, size_t count,
    float total, size_t d, float *out)
{
  vf scale = v_set1 (1.0f / total);
  size_t i = 0;

  for (; i + 4 * VW <= d; i += 4 * VW) {
    vf o[4] = {v_zero (), v_zero (), v_zero (), v_zero ()};

    for (size_t j = 0; j < count; j++) {
      vf w = v_set1 (weights[j * VW]);

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
      o = v_fma (v_set1 (weights[j * VW]), v_load_n (values[j] + i, d - i), o);
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

/* The softmax of VW rows, one in each lane. From scores[i][j] of row i and key
 * j < `keys` to weights[j][i], 0 from key limits[i] on, and their sums. */
static void
soften_lanes (float scores[][MAX_KEYS], size_t rows, size_t keys,
    const float limits[VW], float scale, float weights[][VW], float sums[VW])
{
  vf max = v_set1 (-FLT_MAX), total = v_zero (), limit = v_load (limits);

  for (size_t first = 0; first < keys; first += VW) {
    vf square[VW];

    for (size_t i = 0; i < VW; i++)
      square[i] = v_load (scores[min_size (i, rows - 1)] + first);
    v_transpose (square);
    for (size_t j = 0; j < VW && first + j < keys; j++) {
      vf x = v_select_lt (v_set1 ((float) (first + j)), limit,
          square[j] * v_set1 (scale), v_set1 (-INFINITY));

      v_store (weights[first + j], x);
      max = v_max (max, x);
    }
  }
  for (size_t j = 0; j < keys; j++) {
    vf p = v_exp (v_load (weights[j]) - max);

    v_store (weights[j], p);
    total = total + p;
  }
  v_store (sums, total);
}

/* One head of one sequence. */
static void
attend_head (const Short *self, size_t b, size_t h)
{
  const MblmAttention *a = self->a;
  size_t width = a->heads * a->head_dim, at = h * a->head_dim;
  const uint8_t *mask = attention_mask (a, b);
  bool alike = mask && attention_is_masked (mask, a->rows);
  Keys keys;

  collect (a, b, at, &keys);
  for (size_t first = 0; first < a->rows; first += VW) {
    size_t rows = min_size (VW, a->rows - first), most = keys.count;
    size_t row = b * a->rows + first;
    const float *query = a->query + row * a->query_stride + at;
    float *out = a->out + row * width + at;
    float scores[VW][MAX_KEYS], weights[MAX_KEYS][VW], limits[VW], sums[VW];

    if (a->causal)
      most = keys.past + first + rows;
    if (alike)
      memset (scores, 0, sizeof (scores));
    for (size_t i = 0; i < VW; i++)
      limits[i] = (float) (a->causal ? keys.past + first + i + 1 : most);
    for (size_t i = 0; i < rows && !alike; i++)
      score (query + i * a->query_stride, keys.key, (size_t) limits[i],
          a->head_dim, scores[i]);
    soften_lanes (scores, rows, most, limits, self->scale, weights, sums);
    for (size_t i = 0; i < rows; i++)
      if (alike && a->masked_is_zero)
        memset (out + i * width, 0, a->head_dim * sizeof (*out));
      else
        mix (weights[0] + i, keys.value, (size_t) limits[i], sums[i],
            a->head_dim, out + i * width);
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
