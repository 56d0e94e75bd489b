/* check-attention.c: softmax attention and its gradients.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"
#include "shapes.h"

#include <math.h>
#include <string.h>

#define ROUNDS 120 /* random shapes */

/* How much larger errors are with products of bfloat16; the tolerance is then at
 * least the error of rounding two operands. */
#define ROUNDED 8192.0

typedef struct {
  size_t batch, rows, heads, head_dim, query_stride, key_stride;
  bool causal, past_shared, masked_is_zero;
  size_t past[CARRY_MOST];
  size_t past_key[CARRY_MOST], past_value[CARRY_MOST]; /* offsets */
  bool has_past, has_mask, has_log_sum;
  MblmType product;
  double visible; /* the share of keys that the mask leaves */
  size_t query, key, value, mask, out, log_sum; /* offsets */
  /* gradients; offset 0: not wanted */
  size_t d_out, d_query, d_key, d_value;
  size_t d_past_key[CARRY_MOST], d_past_value[CARRY_MOST];
} Attention;

/* Into a target's memory. */
typedef struct {
  const float *past_key[CARRY_MOST], *past_value[CARRY_MOST];
  float *d_past_key[CARRY_MOST], *d_past_value[CARRY_MOST];
} Pointers;

/* How many sequences have a past of their own. */
static size_t
pasts (const Attention *s)
{
  return s->has_past ? MIN (s->past_shared ? 1 : s->batch, s->batch) : 0;
}

static MblmAttention
attention_at (char *memory, const Attention *s, Pointers *pointers)
{
  for (size_t b = 0; b < pasts (s); b++) {
    pointers->past_key[b] = AT (memory, s->past_key[b]);
    pointers->past_value[b] = AT (memory, s->past_value[b]);
  }
  return (MblmAttention){
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
      .past_key = s->has_past ? pointers->past_key : NULL,
      .past_value = s->has_past ? pointers->past_value : NULL,
      .past = s->has_past ? s->past : NULL,
      .past_shared = s->past_shared,
      .key_mask = s->has_mask ? (uint8_t *) memory + s->mask : NULL,
      .masked_is_zero = s->masked_is_zero,
      .product = s->product,
      .out = AT (memory, s->out),
      .log_sum = s->has_log_sum ? AT (memory, s->log_sum) : NULL,
  };
}

static void
run_attention (const Target *t, char *memory, const void *data)
{
  Pointers pointers;
  MblmAttention a = attention_at (memory, data, &pointers);

  t->table->attention (t->queue, &a);
}

static size_t
longest_past (const Attention *s)
{
  size_t longest = 0;

  for (size_t b = 0; b < pasts (s); b++)
    longest = MAX (longest, s->past[b]);
  return longest;
}

/* The inputs. Scores of up to head_dim * 64 / sqrt (head_dim) saturate the
 * softmax. */
static Case *
inputs_case (Check *check, Fill fill, Attention *s)
{
  size_t rows = s->batch * s->rows, width = s->heads * s->head_dim;
  Case *c;

  c = case_new (check, fill,
      "batch %zu, rows %zu, heads %zu of %zu, past %zu%s%s%s%s%s", s->batch,
      s->rows, s->heads, s->head_dim, longest_past (s),
      s->past_shared ? " shared" : "", s->causal ? ", causal" : "",
      s->has_mask ? ", masked" : "", s->masked_is_zero ? " to zero" : "",
      s->product == MBLM_TYPE_BF16 ? ", in bf16" : "");

  s->query = case_input (c, rows, width, s->query_stride, -8.f, 8.f);
  s->key = case_input (c, rows, width, s->key_stride, -8.f, 8.f);
  s->value = case_input (c, rows, width, s->key_stride, -1e4f, 1e4f);
  if (s->has_mask)
    s->mask = case_mask (c, rows, s->visible);
  for (size_t b = 0; b < pasts (s); b++) {
    s->past_key[b] = case_input (c, s->past[b], width, width, -8.f, 8.f);
    s->past_value[b] = case_input (c, s->past[b], width, width, -1e4f, 1e4f);
  }
  return c;
}

static Case *
attention_case (Check *check, Fill fill, Attention *s)
{
  Case *c = inputs_case (check, fill, s);
  size_t rows = s->batch * s->rows, width = s->heads * s->head_dim;
  size_t terms = s->rows + longest_past (s) + s->head_dim;

  s->out = case_output (c, "out", rows, width, width, terms);
  if (s->has_log_sum)
    s->log_sum = case_output (c, "log_sum", rows, s->heads, s->heads, terms);
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

/* The errors of the weights [keys] of a row of one head, which are relatively as
 * large as the absolute one of their score; returns the latter. */
static double
weigh (const Case *c, const Attention *s, size_t b, size_t i, size_t h,
    double *weight)
{
  const float *query = AT (case_image (c), s->query) +
      (b * s->rows + i) * s->query_stride + h * s->head_dim;
  double max = -INFINITY, most = 0.0, sum = 0.0;
  const float *key, *value;

  for (size_t j = 0; j < keys (s, b); j++) {
    double size = 0.0;

    weight[j] = -INFINITY;
    if (!key_and_value (c, s, b, i, j, &key, &value))
      continue;
    weight[j] = 0.0;
    for (size_t d = 0; d < s->head_dim; d++) {
      double term = (double) query[d] * key[h * s->head_dim + d];

      weight[j] += term / sqrt (s->head_dim);
      size += fabs (term) / sqrt (s->head_dim);
    }
    max = MAX (max, weight[j]);
    most = MAX (most, size);
  }
  for (size_t j = 0; j < keys (s, b); j++) {
    weight[j] = max == -INFINITY ? !s->masked_is_zero : exp (weight[j] - max);
    sum += weight[j];
    weight[j] += UNDERFLOW_MAGNITUDE;
  }
  for (size_t j = 0; j < keys (s, b); j++)
    weight[j] *= sum > 0.0 ? (1.0 + 2.0 * most) / sum : 0.0;
  return 1.0 + 2.0 * most;
}

static void
allow_rounding (const Attention *s, const Output *output, double *magnitude)
{
  for (size_t i = 0; i < output->rows * output->width; i++)
    if (s->product == MBLM_TYPE_BF16)
      magnitude[i] *= ROUNDED;
}

/* The errors of the sum of weight * |value|. */
static void
magnitude_attention (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Attention *s = data;
  const float *key, *value;
  g_autofree double *weight = g_new (double, s->rows + longest_past (s) + 1);

  for (size_t row = 0; row < s->batch * s->rows; row++)
    for (size_t h = 0; h < s->heads; h++) {
      size_t b = row / s->rows, at = row * s->heads + h;
      double error = weigh (c, s, b, row % s->rows, h, weight);

      if (strcmp (output->name, "log_sum") == 0) {
        magnitude[at] = error + fabs (AT (after, s->log_sum)[at]);
        continue;
      }
      for (size_t j = 0; j < keys (s, b); j++) {
        key_and_value (c, s, b, row % s->rows, j, &key, &value);
        for (size_t d = 0; d < s->head_dim; d++)
          magnitude[at * s->head_dim + d] += weight[j] *
              fabs (value[h * s->head_dim + d]);
      }
    }
  allow_rounding (s, output, magnitude);
}

typedef void (*CheckShape) (Check *check, Fill fill, Attention s);

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
check_random (Check *check, int i, CheckShape check_shape)
{
  Attention s = {
      .batch = check_size (check, 0, i % 16 ? 6 : CARRY_MOST),
      .rows = check_size (check, 0, i % 8 ? 20 : 70),
      .heads = check_size (check, 1, 6),
      .head_dim = check_size (check, 1, i % 4 ? 70 : 512),
      .causal = i % 3 > 0,
      .masked_is_zero = check_coin (check),
      .has_log_sum = check_coin (check),
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
      .has_log_sum = true,
      .has_past = true};

  for (size_t b = 0; b < s.batch; b++)
    s.past[b] = b * b * 20;
  check_shape (check, FILL_RANDOM, s);
}

static const Attention patches = {.batch = CARRY_MOST,
    .rows = 8,
    .heads = 4,
    .head_dim = 64,
    .causal = true,
    .has_log_sum = true,
    .has_past = true,
    .past_shared = true,
    .past = {1}};
static const Attention step = {.batch = 1,
    .rows = 1,
    .heads = 6,
    .head_dim = 64,
    .causal = true,
    .has_past = true,
    .past = {1500}};
static const Attention prompt = {.batch = 1,
    .rows = 301,
    .heads = 3,
    .head_dim = 64,
    .causal = true,
    .has_log_sum = true};
static const Attention piece = {.batch = 2,
    .rows = 130,
    .heads = 2,
    .head_dim = 64,
    .causal = true,
    .has_log_sum = true,
    .has_past = true,
    .past = {200, 77}};
static const Attention encoder = {.batch = 2,
    .rows = 150,
    .heads = 2,
    .head_dim = 33,
    .has_log_sum = true,
    .has_mask = true,
    .visible = 0.5};
static const Attention wide = {
    .batch = 1, .rows = 100, .heads = 2, .head_dim = 512, .causal = true};

/* What a device may do with operands rounded to bfloat16. */
static void
check_products (Check *check, CheckShape check_shape)
{
  Attention shared = {.batch = 3,
      .rows = 70,
      .heads = 2,
      .head_dim = 96,
      .causal = true,
      .has_past = true,
      .past_shared = true,
      .past = {3}};
  Attention all[] = {prompt, piece, encoder, patches, shared};

  for (size_t i = 0; i < G_N_ELEMENTS (all); i++) {
    all[i].product = MBLM_TYPE_BF16;
    if (all[i].has_mask)
      all[i].head_dim = 32;
    check_shape (check, FILL_RANDOM, all[i]);
  }
}

static void
check_named (Check *check, CheckShape check_shape)
{
  check_shape (check, FILL_RANDOM, wide);
  check_shape (check, FILL_RANDOM, patches);
  check_shape (check, FILL_EXTREME, patches);
  check_shape (check, FILL_RANDOM, step);
  check_shape (check, FILL_RANDOM, prompt);
  check_shape (check, FILL_RANDOM, piece);
  check_shape (check, FILL_EXTREME, piece);
  check_shape (check, FILL_RANDOM, encoder);
  check_products (check, check_shape);
}

void
check_attention (Check *check)
{
  for (int i = 0; i < ROUNDS; i++)
    check_random (check, i, check_shape);
  check_named (check, check_shape);
  check_steps (check);
}

/* ------------------------------------------------------------------------- */
/* Gradients                                                                 */
/* ------------------------------------------------------------------------- */

static void
run_backward (const Target *t, char *memory, const void *data)
{
  const Attention *s = data;
  Pointers p;
  MblmAttentionBackward g = {
      .forward = attention_at (memory, s, &p),
      .d_out = AT (memory, s->d_out),
      .d_query = s->d_query ? AT (memory, s->d_query) : NULL,
      .d_key = s->d_key ? AT (memory, s->d_key) : NULL,
      .d_value = s->d_value ? AT (memory, s->d_value) : NULL,
      .d_past_key = s->d_past_key[0] ? p.d_past_key : NULL,
      .d_past_value = s->d_past_value[0] ? p.d_past_value : NULL,
  };

  for (size_t b = 0; b < pasts (s); b++) {
    p.d_past_key[b] = AT (memory, s->d_past_key[b]);
    p.d_past_value[b] = AT (memory, s->d_past_value[b]);
  }
  t->table->attention_backward (t->queue, &g);
}

/* `out` and `log_sum` are what the reference leaves. */
static Case *
backward_case (Check *check, Fill fill, Attention *s, bool all)
{
  Case *c = inputs_case (check, fill, s);
  size_t rows = s->batch * s->rows, width = s->heads * s->head_dim;
  size_t terms = s->rows + longest_past (s) + s->head_dim;

  s->has_log_sum = true;
  s->out = case_input (c, rows, width, width, 0.f, 0.f);
  s->log_sum = case_input (c, rows, s->heads, s->heads, 0.f, 0.f);
  s->d_out = case_input (c, rows, width, width, -4.f, 4.f);
  run_attention (check->ref, case_image (c), s);
  if (all || check_coin (check))
    s->d_query = case_output (
        c, "d_query", rows, width, s->query_stride, terms);
  if (all || check_coin (check))
    s->d_key = case_output (c, "d_key", rows, width, s->key_stride, terms);
  if (all || check_coin (check))
    s->d_value = case_output (c, "d_value", rows, width, s->key_stride, terms);
  if (s->past_shared)
    terms += rows;
  all = all || check_coin (check);
  for (size_t b = 0; b < pasts (s) && all; b++) {
    s->d_past_key[b] = case_input (c, s->past[b], width, width, -8.f, 8.f);
    case_in_place (
        c, "d_past_key", s->d_past_key[b], s->past[b], width, width, terms);
    s->d_past_value[b] = case_input (c, s->past[b], width, width, -8.f, 8.f);
    case_in_place (
        c, "d_past_value", s->d_past_value[b], s->past[b], width, width, terms);
  }
  return c;
}

/* to[d] += factor * |x[d]| */
static void
add_absolute (double *to, double factor, const float *x, size_t count)
{
  for (size_t d = 0; d < count; d++)
    to[d] += factor * fabs (x[d]);
}

static double
dot_absolute (const float *x, const float *y, size_t count)
{
  double sum = 0.0;

  for (size_t d = 0; d < count; d++)
    sum += fabs ((double) x[d] * y[d]);
  return sum;
}

/* What key j of sequence b adds to the errors of an output at one head, where
 * its weight for row `row` has an error of `weight`; magnitude is that output's
 * at this head, or NULL where it has no such row. */
static void
magnitude_key (const Case *c, const Attention *s, const Output *output,
    size_t row, size_t h, size_t j, double weight, double *magnitude)
{
  char *image = case_image (c);
  size_t b = row / s->rows, width = s->heads * s->head_dim,
         at = h * s->head_dim;
  size_t past = s->has_past ? s->past[s->past_shared ? 0 : b] : 0;
  size_t own = j < past ? 0 : b * s->rows + j - past, d = s->head_dim;
  const float *d_out = AT (image, s->d_out) + row * width + at;
  const float *out = AT (image, s->out) + row * width + at;
  const float *query = AT (image, s->query) + row * s->query_stride + at;
  const float *key, *value;
  double score;

  if (!key_and_value (c, s, b, row % s->rows, j, &key, &value) && weight < 1e-6)
    return;
  score = weight / sqrt (d) *
      (dot_absolute (d_out, value + at, d) + dot_absolute (d_out, out, d));
  if (output->offset == s->d_query)
    add_absolute (magnitude + row * width + at, score, key + at, d);
  if (j >= past && output->offset == s->d_key)
    add_absolute (magnitude + own * width + at, score, query, d);
  if (j >= past && output->offset == s->d_value)
    add_absolute (magnitude + own * width + at, weight, d_out, d);
  b = s->past_shared ? 0 : b;
  if (j < past && output->offset == s->d_past_key[b])
    add_absolute (magnitude + j * width + at, score, query, d);
  if (j < past && output->offset == s->d_past_value[b])
    add_absolute (magnitude + j * width + at, weight, d_out, d);
}

static void
magnitude_backward (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Attention *s = data;
  g_autofree double *weight = g_new (double, s->rows + longest_past (s) + 1);
  bool is_past = g_str_has_prefix (output->name, "d_past");

  if (is_past)
    add_absolute (magnitude, 1.0, AT (case_image (c), output->offset),
        output->rows * output->width);
  for (size_t row = 0; row < s->batch * s->rows; row++)
    for (size_t h = 0; h < s->heads; h++) {
      size_t b = row / s->rows, from = s->past_shared ? 0 : b;

      if (is_past && output->offset != s->d_past_key[from] &&
          output->offset != s->d_past_value[from])
        continue;
      weigh (c, s, b, row % s->rows, h, weight);
      for (size_t j = 0; j < keys (s, b); j++)
        magnitude_key (c, s, output, row, h, j, weight[j], magnitude);
    }
  allow_rounding (s, output, magnitude);
}

static void
check_backward_shape (Check *check, Fill fill, Attention s)
{
  size_t width = s.heads * s.head_dim;
  Case *c;

  s.query_stride = width + check_size (check, 0, 40);
  s.key_stride = width + check_size (check, 0, 40);
  c = backward_case (check, fill, &s, check_size (check, 0, 3) > 0);
  case_run (c, run_backward, &s, magnitude_backward);
  case_free (c);
}

void
check_attention_backward (Check *check)
{
  for (int i = 0; i < ROUNDS; i++)
    check_random (check, i, check_backward_shape);
  check_named (check, check_backward_shape);
}

/* ------------------------------------------------------------------------- */
/* Time                                                                      */
/* ------------------------------------------------------------------------- */

/* Training: inner patches in chunks, outer stages. */
static const HeadsShape training_shapes[] = {
    {128, 16, 4, 64, 1},
    {1024, 8, 4, 64, 1},
    {1, 1024, 6, 64, 0},
    {1, 4096, 6, 64, 0},
};
static const HeadsShape many_rows = {1, 4096, 6, 64, 0};

static Attention
shape_of (HeadsShape h)
{
  size_t width = h.heads * h.head_dim;

  return (Attention){.batch = h.batch,
      .rows = h.rows,
      .heads = h.heads,
      .head_dim = h.head_dim,
      .query_stride = width,
      .key_stride = width,
      .causal = true,
      .has_past = h.past > 0,
      .past_shared = h.batch > 1,
      .past = {h.past}};
}

static double
pairs (HeadsShape h)
{
  return h.rows * (h.past + (h.rows + 1) / 2.0) * h.batch;
}

static void
bench_forward (Check *check, HeadsShape h, MblmType product)
{
  Attention s = shape_of (h);
  size_t width = h.heads * h.head_dim;
  Case *c;

  s.product = product;
  c = attention_case (check, FILL_RANDOM, &s);
  case_bench (c, run_attention, &s,
      8.0 * width * (s.batch * s.rows * 2.0 + (double) h.past),
      4.0 * pairs (h) * width);
  case_free (c);
}

void
bench_attention (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (heads_shapes); i++)
    bench_forward (check, heads_shapes[i], MBLM_TYPE_F32);
  bench_forward (check, many_rows, MBLM_TYPE_F32);
  bench_forward (check, many_rows, MBLM_TYPE_BF16);
}

static void
bench_backward (Check *check, HeadsShape h, MblmType product)
{
  Attention s = shape_of (h);
  size_t width = h.heads * h.head_dim;
  Case *c;

  s.product = product;
  c = backward_case (check, FILL_RANDOM, &s, true);
  case_bench (c, run_backward, &s, 32.0 * width * s.batch * s.rows,
      10.0 * pairs (h) * width);
  case_free (c);
}

void
bench_attention_backward (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (training_shapes); i++)
    bench_backward (check, training_shapes[i], MBLM_TYPE_F32);
  bench_backward (check, many_rows, MBLM_TYPE_BF16);
}
