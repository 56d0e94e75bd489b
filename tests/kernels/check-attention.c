/* check-attention.c: softmax attention.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"
#include "shapes.h"

#include <math.h>

#define ROUNDS 120 /* random shapes */

typedef struct {
  size_t batch, rows, heads, head_dim, query_stride, key_stride;
  bool causal, past_shared, masked_is_zero;
  size_t past[CARRY_MOST];
  size_t past_key[CARRY_MOST], past_value[CARRY_MOST]; /* offsets */
  bool has_past, has_mask;
  double visible; /* the share of keys that the mask leaves */
  size_t query, key, value, mask, out; /* offsets */
} Attention;

static void
run_attention (const Target *t, char *memory, const void *data)
{
  const Attention *s = data;
  const float *past_key[CARRY_MOST], *past_value[CARRY_MOST];

  for (size_t b = 0; s->has_past && b < s->batch; b++) {
    past_key[b] = AT (memory, s->past_key[b]);
    past_value[b] = AT (memory, s->past_value[b]);
  }
  t->table->attention (t->queue,
      &(MblmAttention){
          .batch = s->batch,
          .rows = s->rows,
          .heads = s->heads,
          .head_dim = s->head_dim,
          .query = AT (memory, s->query),
          .query_stride = s->query_stride,
          .key = AT (memory, s->key),
          .value = AT (memory, s->value),
          .key_stride = s->key_stride,
          .causal = s->causal,
          .past_key = s->has_past ? past_key : NULL,
          .past_value = s->has_past ? past_value : NULL,
          .past = s->has_past ? s->past : NULL,
          .past_shared = s->past_shared,
          .key_mask = s->has_mask ? (uint8_t *) memory + s->mask : NULL,
          .masked_is_zero = s->masked_is_zero,
          .out = AT (memory, s->out),
      });
}

/* Scores of up to head_dim * 64 / sqrt (head_dim) saturate the softmax. */
static Case *
attention_case (Check *check, Fill fill, Attention *s)
{
  size_t rows = s->batch * s->rows, width = s->heads * s->head_dim;
  size_t longest = 0, pasts = s->past_shared ? 1 : s->batch;
  Case *c;

  for (size_t b = 0; s->has_past && b < MIN (pasts, s->batch); b++)
    longest = MAX (longest, s->past[b]);
  c = case_new (check, fill,
      "batch %zu, rows %zu, heads %zu of %zu, past %zu%s%s%s%s", s->batch,
      s->rows, s->heads, s->head_dim, longest, s->past_shared ? " shared" : "",
      s->causal ? ", causal" : "", s->has_mask ? ", masked" : "",
      s->masked_is_zero ? " to zero" : "");

  s->query = case_input (c, rows, width, s->query_stride, -8.f, 8.f);
  s->key = case_input (c, rows, width, s->key_stride, -8.f, 8.f);
  s->value = case_input (c, rows, width, s->key_stride, -1e4f, 1e4f);
  if (s->has_mask)
    s->mask = case_mask (c, rows, s->visible);
  for (size_t b = 0; s->has_past && b < s->batch; b++) {
    size_t past = s->past[s->past_shared ? 0 : b];

    if (s->past_shared && b > 0)
      past = 0; /* never looked at */
    s->past_key[b] = case_input (c, past, width, width, -8.f, 8.f);
    s->past_value[b] = case_input (c, past, width, width, -1e4f, 1e4f);
  }
  s->out = case_output (
      c, "out", rows, width, width, s->rows + longest + s->head_dim);
  return c;
}

/* Whether row i of a sequence sees key j of it, and the key and the value. */
static bool
key_and_value (const Case *c, const Attention *s, size_t b, size_t i, size_t j,
    const float **key, const float **value)
{
  char *image = case_image (c);
  size_t from = s->past_shared ? 0 : b, width = s->heads * s->head_dim;
  size_t past = s->has_past ? s->past[from] : 0;

  if (j < past) {
    *key = AT (image, s->past_key[from]) + j * width;
    *value = AT (image, s->past_value[from]) + j * width;
    return true;
  }
  *key = AT (image, s->key) + (b * s->rows + j - past) * s->key_stride;
  *value = AT (image, s->value) + (b * s->rows + j - past) * s->key_stride;
  if (s->causal)
    return j - past <= i;
  return !s->has_mask || image[s->mask + b * s->rows + j - past];
}

static size_t
keys (const Attention *s, size_t b)
{
  return s->rows + (s->has_past ? s->past[s->past_shared ? 0 : b] : 0);
}

/* The errors of a row of one head: those of the sum of weight * |value|, and of
 * the weights, which have a relative error as large as the absolute one of their
 * score. */
static void
magnitude_row (const Case *c, const Attention *s, size_t b, size_t i, size_t h,
    double *magnitude)
{
  const float *query = AT (case_image (c), s->query) +
      (b * s->rows + i) * s->query_stride + h * s->head_dim;
  double max = -INFINITY, most = 0.0, sum = 0.0;
  const float *key, *value;
  g_autofree double *score = g_new (double, keys (s, b));

  for (size_t j = 0; j < keys (s, b); j++) {
    double size = 0.0;

    score[j] = -INFINITY;
    if (!key_and_value (c, s, b, i, j, &key, &value))
      continue;
    score[j] = 0.0;
    for (size_t d = 0; d < s->head_dim; d++) {
      double term = (double) query[d] * key[h * s->head_dim + d];

      score[j] += term / sqrt (s->head_dim);
      size += fabs (term) / sqrt (s->head_dim);
    }
    max = MAX (max, score[j]);
    most = MAX (most, size);
  }
  for (size_t j = 0; j < keys (s, b); j++) {
    double weight = max == -INFINITY ? !s->masked_is_zero
                                     : exp (score[j] - max);

    key_and_value (c, s, b, i, j, &key, &value);
    sum += weight;
    weight += UNDERFLOW_MAGNITUDE;
    for (size_t d = 0; d < s->head_dim; d++)
      magnitude[d] += weight * fabs (value[h * s->head_dim + d]);
  }
  for (size_t d = 0; d < s->head_dim; d++)
    magnitude[d] *= sum > 0.0 ? (1.0 + 2.0 * most) / sum : 0.0;
}

static void
magnitude_attention (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Attention *s = data;

  for (size_t b = 0; b < s->batch; b++)
    for (size_t i = 0; i < s->rows; i++)
      for (size_t h = 0; h < s->heads; h++)
        magnitude_row (c, s, b, i, h,
            magnitude + ((b * s->rows + i) * s->heads + h) * s->head_dim);
}

static void
check_shape (Check *check, Fill fill, Attention s)
{
  size_t width = s.heads * s.head_dim;
  Case *c;

  s.query_stride = width + check_size (check, 0, 40);
  s.key_stride = width + check_size (check, 0, 40);
  c = attention_case (check, fill, &s);
  case_run (c, run_attention, &s, magnitude_attention);
  case_free (c);
}

static void
add_past (Check *check, Attention *s, size_t longest)
{
  s->has_past = true;
  s->past_shared = check_coin (check);
  for (size_t b = 0; b < s->batch; b++)
    s->past[b] = check_size (check, 0, longest);
}

static void
check_random (Check *check, int i)
{
  Attention s = {
      .batch = check_size (check, 0, i % 16 ? 6 : CARRY_MOST),
      .rows = check_size (check, 0, i % 8 ? 20 : 70),
      .heads = check_size (check, 1, 6),
      .head_dim = check_size (check, 1, i % 4 ? 70 : 512),
      .causal = i % 3 > 0,
      .masked_is_zero = check_coin (check),
  };

  if (check_coin (check)) {
    add_past (check, &s, i % 8 ? 40 : 300);
  } else if (!s.causal) {
    s.has_mask = true;
    s.visible = i % 5 == 0 ? 0.0 : i % 5 == 1 ? 0.05 : 0.7;
  }
  check_shape (check, (i / 3) % FILL_KINDS, s);
}

/* One step of many streams, each with a past of its own. */
static void
check_steps (Check *check)
{
  Attention s = {.batch = 8,
      .rows = 1,
      .heads = 6,
      .head_dim = 64,
      .causal = true,
      .has_past = true};

  for (size_t b = 0; b < s.batch; b++)
    s.past[b] = b * b * 20;
  check_shape (check, FILL_RANDOM, s);
}

void
check_attention (Check *check)
{
  Attention patches = {.batch = CARRY_MOST,
      .rows = 8,
      .heads = 4,
      .head_dim = 64,
      .causal = true,
      .has_past = true,
      .past_shared = true,
      .past = {1}};
  Attention step = {.batch = 1,
      .rows = 1,
      .heads = 6,
      .head_dim = 64,
      .causal = true,
      .has_past = true,
      .past = {1500}};
  Attention prompt = {
      .batch = 1, .rows = 301, .heads = 3, .head_dim = 64, .causal = true};
  Attention piece = {.batch = 2,
      .rows = 130,
      .heads = 2,
      .head_dim = 64,
      .causal = true,
      .has_past = true,
      .past = {200, 77}};
  Attention encoder = {.batch = 2,
      .rows = 150,
      .heads = 2,
      .head_dim = 33,
      .has_mask = true,
      .visible = 0.5};

  Attention wide = {
      .batch = 1, .rows = 100, .heads = 2, .head_dim = 512, .causal = true};

  for (int i = 0; i < ROUNDS; i++)
    check_random (check, i);
  check_shape (check, FILL_RANDOM, wide);
  check_shape (check, FILL_RANDOM, patches);
  check_shape (check, FILL_EXTREME, patches);
  check_shape (check, FILL_RANDOM, step);
  check_shape (check, FILL_RANDOM, prompt);
  check_shape (check, FILL_RANDOM, piece);
  check_shape (check, FILL_EXTREME, piece);
  check_shape (check, FILL_RANDOM, encoder);
  check_steps (check);
}

static void
bench_shape (Check *check, HeadsShape h)
{
  size_t width = h.heads * h.head_dim;
  Attention s = {.batch = MIN (h.batch, CARRY_MOST),
      .rows = h.rows,
      .heads = h.heads,
      .head_dim = h.head_dim,
      .query_stride = width,
      .key_stride = width,
      .causal = true,
      .has_past = h.past > 0,
      .past_shared = h.batch > 1,
      .past = {h.past}};
  Case *c = attention_case (check, FILL_RANDOM, &s);
  double pairs = s.rows * (h.past + (s.rows + 1) / 2.0) * s.batch;

  case_bench (c, run_attention, &s,
      8.0 * width * (s.batch * s.rows * 2.0 + (double) h.past),
      4.0 * pairs * width);
  case_free (c);
}

void
bench_attention (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (heads_shapes); i++)
    bench_shape (check, heads_shapes[i]);
}
