/* attention.c: softmax attention and its gradients; here, for short sequences.
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
  char *workers; /* Rows of each */
  size_t each;
} Short;

/* Keys and values of a head of a sequence. */
typedef struct {
  size_t past; /* how many of them are from the past */
  size_t count;
  const float *key[MAX_KEYS], *value[MAX_KEYS];
  size_t offset[MAX_KEYS]; /* from where the past's begin, or all own ones */
} Keys;

/* Rows of a head in float32: those that lie in memory so are taken from there,
 * copies of others follow each other at `next`. */
typedef struct {
  MblmType type;
  size_t d;
  float *next;
} Rows;

static size_t
padded (size_t d)
{
  return divide_up (d, VW) * VW;
}

/* Bytes for copies of `count` rows. */
static size_t
rows_size (const MblmAttention *a, size_t count)
{
  return a->type == MBLM_TYPE_F32
      ? 0
      : count * padded (a->head_dim) * sizeof (float);
}

/* Entries [at, at + d). */
static ALWAYS_INLINE const float *
take_row (Rows *rows, const void *data, size_t at)
{
  float *copy = rows->next;

  if (rows->type == MBLM_TYPE_F32)
    return (const float *) data + at;
  attention_widen (copy, rows->type, data, at, rows->d, padded (rows->d));
  rows->next += padded (rows->d);
  return copy;
}

static void
collect (const MblmAttention *a, size_t b, size_t at, Rows *rows, Keys *keys)
{
  size_t from = attention_from (a, b), width = a->heads * a->head_dim;
  const uint8_t *mask = attention_mask (a, b);
  bool all = !mask || attention_is_masked (mask, a->rows);

  keys->past = attention_past (a, b);
  for (size_t j = 0; j < keys->past; j++) {
    keys->offset[j] = j * width + at;
    keys->key[j] = a->past_key[from] + keys->offset[j];
    keys->value[j] = a->past_value[from] + keys->offset[j];
  }
  keys->count = keys->past;
  for (size_t j = 0; j < a->rows; j++)
    if (all || mask[j]) {
      size_t offset = (b * a->rows + j) * a->key_stride + at;

      keys->offset[keys->count] = offset;
      keys->key[keys->count] = take_row (rows, a->key, offset);
      keys->value[keys->count++] = take_row (rows, a->value, offset);
    }
}

/* Entries [at, at + d) of `out` = (or +=, with `add`) scale * sum of
 * weights[j * step] * values[j]. */
static ALWAYS_INLINE void
mix (const float *weights, const size_t step, const float *const *values,
    size_t count, vf scale, bool add, size_t d, MblmType type, void *out,
    size_t at)
{
  size_t i = 0;

  for (; i + 4 * VW <= d; i += 4 * VW) {
    vf o[4] = {v_zero (), v_zero (), v_zero (), v_zero ()};

    for (size_t j = 0; j < count; j++) {
      vf w = v_set1 (weights[j * step]);

      UNROLL
      for (int q = 0; q < 4; q++)
        o[q] = v_fma (w, v_load (values[j] + i + q * VW), o[q]);
    }
    UNROLL
    for (int q = 0; q < 4; q++) {
      o[q] = o[q] * scale;
      if (add)
        o[q] = v_load_as (type, out, at + i + q * VW, VW) + o[q];
      v_store_as (type, out, at + i + q * VW, VW, o[q]);
    }
  }
  for (; i < d; i += VW) {
    vf o = v_zero ();

    for (size_t j = 0; j < count; j++)
      o = v_fma (
          v_set1 (weights[j * step]), v_load_n (values[j] + i, d - i), o);
    o = o * scale;
    if (add)
      o = v_load_as (type, out, at + i, d - i) + o;
    v_store_as (type, out, at + i, d - i, o);
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
 * j < `keys` to weights[j][i], 0 from key limits[i] on, and their sums and the
 * logs of the sums of exp (score). */
static void
soften_lanes (float scores[][MAX_KEYS], size_t rows, size_t keys,
    const float limits[VW], float scale, float weights[][VW], float sums[VW],
    float log_sums[VW])
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
  /* the difference is 0, or not a number, which v_log would lose */
  v_store (log_sums, max + v_log (total) + (total - total));
}

/* One head of one sequence; `memory` is for copies of rows. */
static void
attend_head (const Short *self, size_t b, size_t h, float *memory)
{
  const MblmAttention *a = self->a;
  size_t width = a->heads * a->head_dim, at = h * a->head_dim;
  const uint8_t *mask = attention_mask (a, b);
  bool alike = mask && attention_is_masked (mask, a->rows);
  Rows all = {a->type, a->head_dim, memory};
  Keys keys;

  collect (a, b, at, &all, &keys);
  for (size_t first = 0; first < a->rows; first += VW) {
    size_t rows = min_size (VW, a->rows - first), most = keys.count;
    size_t row = b * a->rows + first;
    size_t out = row * width + at;
    float scores[VW][MAX_KEYS], weights[MAX_KEYS][VW], limits[VW], sums[VW];
    float log_sums[VW];

    if (a->causal)
      most = keys.past + first + rows;
    if (alike)
      memset (scores, 0, sizeof (scores));
    for (size_t i = 0; i < VW; i++)
      limits[i] = (float) (a->causal ? keys.past + first + i + 1 : most);
    for (size_t i = 0; i < rows && !alike; i++) {
      Rows one = all;

      score (take_row (&one, a->query, (row + i) * a->query_stride + at),
          keys.key, (size_t) limits[i], a->head_dim, scores[i]);
    }
    soften_lanes (
        scores, rows, most, limits, self->scale, weights, sums, log_sums);
    for (size_t i = 0; i < rows && a->log_sum; i++)
      a->log_sum[(row + i) * a->heads + h] = alike ? 0.0f : log_sums[i];
    for (size_t i = 0; i < rows; i++)
      if (alike && a->masked_is_zero)
        attention_clear (a->type, a->out, out + i * width, a->head_dim);
      else
        mix (weights[0] + i, VW, keys.value, (size_t) limits[i],
            v_set1 (1.0f / sums[i]), false, a->head_dim, a->type, a->out,
            out + i * width);
  }
}

static void
short_tile (const void *data, size_t tile, unsigned worker)
{
  const Short *self = data;
  const MblmAttention *a = self->a;
  size_t end = min_size (a->batch * a->heads, (tile + 1) * self->step);

  for (size_t i = tile * self->step; i < end; i++)
    attend_head (self, i / a->heads, i % a->heads,
        (float *) (self->workers + worker * self->each));
}

static void
attention_short (MblmQueue *queue, const MblmAttention *a, size_t keys)
{
  size_t heads = a->batch * a->heads, work = a->rows * keys * a->head_dim;
  Short self = {.a = a, .scale = attention_scale (a)};

  self.step = max_size (1, TILE_WORK / max_size (1, work));
  self.each = rows_size (a, 2 * a->rows + 1);
  if (!mblm_cpu_scratch (queue, MBLM_ALIGNMENT, &self.each, &self.workers))
    return;
  mblm_cpu_run (queue, divide_up (heads, self.step),
      2 * ATTENTION_WORK * (double) work * (double) heads, short_tile, &self);
}

/* ------------------------------------------------------------------------- */
/* Gradients                                                                 */
/* ------------------------------------------------------------------------- */

/* Partial sums of a shared past at most. */
#define MAX_PARTS 256

/* Columns of a tile that adds them up. */
#define SUM_COLUMNS 256

typedef struct {
  const MblmAttentionBackward *g;
  size_t step; /* sequences of a tile */
  float scale;
  size_t tiles;
  size_t part; /* numbers of a shared past, past * heads * head_dim */
  float *keys; /* [tiles, part], sums of d_past_key of a tile; NULL: the past
                * isn't shared */
  float *values;
  char *workers; /* copies of rows of each */
  size_t each;
} ShortBackward;

/* A head of a sequence. */
typedef struct {
  Keys keys;
  const float *query[MAX_KEYS], *d_out[MAX_KEYS], *out[MAX_KEYS];
  float weights[MAX_KEYS][MAX_KEYS];  /* of a row and a key */
  float d_scores[MAX_KEYS][MAX_KEYS]; /* times scale */
} Head;

static size_t
visible_keys (const MblmAttention *a, const Keys *keys, size_t i)
{
  return a->causal ? keys->past + i + 1 : keys->count;
}

/* The weights of row i, and the gradients of their scores. */
static void
weigh_row (
    const ShortBackward *self, Head *head, size_t row, size_t h, size_t i)
{
  const MblmAttention *a = &self->g->forward;
  size_t d = a->head_dim, count = visible_keys (a, &head->keys, i);
  vf log_sum = v_set1 (a->log_sum[(row + i) * a->heads + h]);
  vf scale = v_set1 (self->scale);
  vf delta = v_set1 (score_1 (head->d_out[i], head->out[i], d));

  score (head->query[i], head->keys.key, count, d, head->weights[i]);
  score (head->d_out[i], head->keys.value, count, d, head->d_scores[i]);
  for (size_t j = 0; j < count; j += VW) {
    vf x = v_load (head->weights[i] + j) * scale - log_sum, p = v_exp (x);
    vf d_weight = v_load (head->d_scores[i] + j);

    v_store (head->weights[i] + j, p);
    v_store (head->d_scores[i] + j, p * scale * (d_weight - delta));
  }
}

/* The gradients of key j and value j; `past_key` and `past_value` are where
 * those of the past are added up, [past, heads * head_dim], or NULL. */
static void
mix_key (const ShortBackward *self, const Head *head, size_t j, float *past_key,
    float *past_value)
{
  const MblmAttentionBackward *g = self->g;
  const MblmAttention *a = &g->forward;
  const Keys *keys = &head->keys;
  bool is_past = j < keys->past;
  size_t first = a->causal && !is_past ? j - keys->past : 0;
  MblmType type = is_past ? MBLM_TYPE_F32 : a->type;
  void *d_key = is_past ? past_key : g->d_key;
  void *d_value = is_past ? past_value : g->d_value;
  vf one = v_set1 (1.0f);

  if (d_key)
    mix (&head->d_scores[first][j], MAX_KEYS, head->query + first,
        a->rows - first, one, is_past, a->head_dim, type, d_key,
        keys->offset[j]);
  if (d_value)
    mix (&head->weights[first][j], MAX_KEYS, head->d_out + first,
        a->rows - first, one, is_past, a->head_dim, type, d_value,
        keys->offset[j]);
}

/* Rows that nothing sees get zeros. */
static void
clear_masked (const MblmAttentionBackward *g, size_t b, size_t h)
{
  const MblmAttention *a = &g->forward;
  const uint8_t *mask = attention_mask (a, b);

  for (size_t j = 0; mask && j < a->rows; j++) {
    size_t at = (b * a->rows + j) * a->key_stride + h * a->head_dim;

    if (mask[j])
      continue;
    attention_clear (a->type, g->d_key, at, a->head_dim);
    attention_clear (a->type, g->d_value, at, a->head_dim);
  }
}

static void
backward_head (const ShortBackward *self, size_t b, size_t h, float *past_key,
    float *past_value, float *memory)
{
  const MblmAttentionBackward *g = self->g;
  const MblmAttention *a = &g->forward;
  size_t d = a->head_dim, at = h * d, row = b * a->rows;
  const uint8_t *mask = attention_mask (a, b);
  Rows rows = {a->type, d, memory};
  Head head;

  if (mask && attention_is_masked (mask, a->rows)) {
    attention_backward_alike (g, b, h);
    return;
  }
  collect (a, b, at, &rows, &head.keys);
  for (size_t i = 0; i < a->rows; i++) {
    size_t out = (row + i) * a->heads * d + at;

    head.query[i] = take_row (
        &rows, a->query, (row + i) * a->query_stride + at);
    head.d_out[i] = take_row (&rows, g->d_out, out);
    head.out[i] = take_row (&rows, a->out, out);
  }
  for (size_t i = 0; i < a->rows; i++) {
    weigh_row (self, &head, row, h, i);
    if (g->d_query)
      mix (head.d_scores[i], 1, head.keys.key, visible_keys (a, &head.keys, i),
          v_set1 (1.0f), false, d, a->type, g->d_query,
          (row + i) * a->query_stride + at);
  }
  for (size_t j = 0; j < head.keys.count; j++)
    mix_key (self, &head, j, past_key, past_value);
  clear_masked (g, b, h);
}

static void
backward_tile (const void *data, size_t tile, unsigned worker)
{
  const ShortBackward *self = data;
  const MblmAttentionBackward *g = self->g;
  const MblmAttention *a = &g->forward;
  size_t end = min_size (a->batch, (tile + 1) * self->step);
  float *keys = self->keys ? self->keys + tile * self->part : NULL;
  float *values = self->values ? self->values + tile * self->part : NULL;

  if (keys)
    memset (keys, 0, self->part * sizeof (float));
  if (values)
    memset (values, 0, self->part * sizeof (float));
  for (size_t b = tile * self->step; b < end; b++) {
    if (!a->past_shared && attention_past (a, b) > 0) {
      keys = g->d_past_key ? g->d_past_key[b] : NULL;
      values = g->d_past_value ? g->d_past_value[b] : NULL;
    }
    for (size_t h = 0; h < a->heads; h++)
      backward_head (self, b, h, keys, values,
          (float *) (self->workers + worker * self->each));
  }
}

/* Adds columns [first, end) of parts [tiles, part] to `to`. */
static void
sum_parts (const ShortBackward *self, const float *parts, size_t first,
    size_t end, float *to)
{
  for (size_t t = 0; t < self->tiles; t++)
    for (size_t i = first; i < end; i += VW)
      v_store_n (to + i, end - i,
          v_load_n (to + i, end - i) +
              v_load_n (parts + t * self->part + i, end - i));
}

static void
sum_tile (const void *data, size_t tile, unsigned worker)
{
  const ShortBackward *self = data;
  size_t first = tile * SUM_COLUMNS;
  size_t end = min_size (self->part, first + SUM_COLUMNS);

  if (self->keys)
    sum_parts (self, self->keys, first, end, self->g->d_past_key[0]);
  if (self->values)
    sum_parts (self, self->values, first, end, self->g->d_past_value[0]);
}

static void
backward_short (
    MblmQueue *queue, const MblmAttentionBackward *g, size_t longest)
{
  const MblmAttention *a = &g->forward;
  size_t width = a->heads * a->head_dim;
  size_t work = a->rows * (longest + a->rows) * width, bytes = 0;
  ShortBackward self = {.g = g, .scale = attention_scale (a)};
  float *sums;

  self.step = max_size (TILE_WORK / work, divide_up (a->batch, MAX_PARTS));
  self.step = max_size (1, self.step);
  self.tiles = divide_up (a->batch, self.step);
  self.each = rows_size (a, 5 * a->rows);
  if (a->past_shared && longest > 0) {
    self.part = longest * width;
    bytes = mblm_cpu_bytes (self.tiles * self.part, sizeof (float));
  }
  sums = mblm_cpu_scratch (
      queue, max_size (2 * bytes, MBLM_ALIGNMENT), &self.each, &self.workers);
  if (!sums)
    return;
  if (self.part > 0 && g->d_past_key)
    self.keys = sums;
  if (self.part > 0 && g->d_past_value)
    self.values = sums + bytes / sizeof (float);
  mblm_cpu_run (queue, self.tiles,
      5 * ATTENTION_WORK * (double) work * (double) a->batch, backward_tile,
      &self);
  mblm_cpu_run (queue, divide_up (self.part, SUM_COLUMNS),
      0.2 * (double) (self.tiles * self.part), sum_tile, &self);
}

/* ------------------------------------------------------------------------- */
/* The operations                                                            */
/* ------------------------------------------------------------------------- */

/* The most rows that a past has. */
static size_t
longest_past (const MblmAttention *a)
{
  size_t longest = 0;

  for (size_t b = 0; b < (a->past_shared ? 1 : a->batch); b++)
    longest = max_size (longest, attention_past (a, b));
  return longest;
}

static bool
is_empty (const MblmAttention *a)
{
  return a->batch == 0 || a->rows == 0 || a->heads == 0 || a->head_dim == 0;
}

static bool
is_short (const MblmAttention *a, size_t longest)
{
  return a->rows <= MAX_KEYS && longest <= MAX_KEYS - a->rows;
}

void
FN (attention) (MblmQueue *queue, const MblmAttention *a)
{
  size_t longest;

  if (is_empty (a))
    return;
  longest = longest_past (a);
  if (is_short (a, longest))
    attention_short (queue, a, longest + a->rows);
  else if (a->rows <= 8 && a->type == MBLM_TYPE_F32)
    FN (attention_step) (queue, a);
  else
    FN (attention_long) (queue, a);
}

void
FN (attention_backward) (MblmQueue *queue, const MblmAttentionBackward *g)
{
  size_t longest;

  if (is_empty (&g->forward))
    return;
  longest = longest_past (&g->forward);
  if (is_short (&g->forward, longest))
    backward_short (queue, g, longest);
  else
    FN (attention_long_backward) (queue, g);
}
