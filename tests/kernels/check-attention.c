/* check-attention.c: softmax attention.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check-attention.h"

#include <math.h>
#include <string.h>

/* How much larger errors are with products of bfloat16: their rounding errors are
 * 65536 times as large, but of either sign. Where what attention gave lies in memory
 * as such, d_out . out may be off by 2^-9 of its terms: four float32 epsilons (see
 * case_run) are 2^-21. */
#define ROUNDED 2048.0
#define ROUNDED_OUT 4096.0

/* How many sequences have a past of their own. */
size_t
attention_pasts (const Attention *s)
{
  return s->has_past ? MIN (s->past_shared ? 1 : s->batch, s->batch) : 0;
}

MblmAttention
attention_at (char *memory, const Attention *s, Pointers *pointers)
{
  for (size_t b = 0; b < attention_pasts (s); b++) {
    pointers->past_key[b] = AT (memory, s->past_key[b]);
    pointers->past_value[b] = AT (memory, s->past_value[b]);
  }
  return (MblmAttention){
      .batch = s->batch,
      .rows = s->rows,
      .heads = s->heads,
      .head_dim = s->head_dim,
      .type = s->type,
      .query = memory + s->query,
      .query_stride = s->query_stride,
      .key = memory + s->key,
      .value = memory + s->value,
      .key_stride = s->key_stride,
      .causal = s->causal,
      .past_key = s->has_past ? pointers->past_key : NULL,
      .past_value = s->has_past ? pointers->past_value : NULL,
      .past = s->has_past ? s->past : NULL,
      .past_shared = s->past_shared,
      .key_mask = s->has_mask ? (uint8_t *) memory + s->mask : NULL,
      .masked_is_zero = s->masked_is_zero,
      .product = s->product,
      .out = memory + s->out,
      .log_sum = s->has_log_sum ? AT (memory, s->log_sum) : NULL,
      .cosine = s->turns ? AT (memory, s->cosine) : NULL,
      .sine = s->turns ? AT (memory, s->sine) : NULL,
      .angle_stride = s->angle_stride,
  };
}

bool
attention_takes (const Target *t, char *memory, const void *data)
{
  const Attention *s = data;
  Pointers pointers;
  MblmAttention a = attention_at (memory, data, &pointers);

  return !s->turns ||
      (t->table->attention_turns && t->table->attention_turns (&a));
}

void
attention_run (const Target *t, char *memory, const void *data)
{
  Pointers pointers;
  MblmAttention a = attention_at (memory, data, &pointers);

  t->table->attention (t->queue, &a);
}

size_t
attention_longest_past (const Attention *s)
{
  size_t longest = 0;

  for (size_t b = 0; b < attention_pasts (s); b++)
    longest = MAX (longest, s->past[b]);
  return longest;
}

/* The inputs. Scores of up to head_dim * 64 / sqrt (head_dim) saturate the
 * softmax. */
Case *
attention_inputs (Check *check, Fill fill, Attention *s)
{
  size_t rows = s->batch * s->rows, width = s->heads * s->head_dim;
  Case *c;

  c = case_new (check, fill,
      "batch %zu, rows %zu, heads %zu of %zu, past %zu%s%s%s%s%s%s%s", s->batch,
      s->rows, s->heads, s->head_dim, attention_longest_past (s),
      s->past_shared ? " shared" : "", s->causal ? ", causal" : "",
      s->has_mask ? ", masked" : "", s->masked_is_zero ? " to zero" : "",
      s->product == MBLM_TYPE_BF16 ? ", in bf16" : "",
      s->type == MBLM_TYPE_BF16 ? ", of bf16" : "", s->turns ? ", turned" : "");
  case_ask (c, attention_takes);
  if (s->turns || s->is_aligned)
    case_align (c);
  if (s->turns) {
    size_t angles = (s->batch - 1) * s->angle_stride + s->rows;

    s->cosine = case_input (
        c, angles, s->head_dim / 2, s->head_dim / 2, -1.f, 1.f);
    s->sine = case_input (
        c, angles, s->head_dim / 2, s->head_dim / 2, -1.f, 1.f);
  }
  s->query = case_typed_input (
      c, s->type, rows, width, s->query_stride, -8.f, 8.f);
  s->key = case_typed_input (c, s->type, rows, width, s->key_stride, -8.f, 8.f);
  s->value = case_typed_input (
      c, s->type, rows, width, s->key_stride, -1e4f, 1e4f);
  if (s->has_mask)
    s->mask = case_mask (c, rows, s->visible);
  for (size_t b = 0; b < attention_pasts (s); b++) {
    s->past_key[b] = case_input (c, s->past[b], width, width, -8.f, 8.f);
    s->past_value[b] = case_input (c, s->past[b], width, width, -1e4f, 1e4f);
  }
  return c;
}

static Case *
attention_case (Check *check, Fill fill, Attention *s)
{
  Case *c = attention_inputs (check, fill, s);
  size_t rows = s->batch * s->rows, width = s->heads * s->head_dim;
  size_t terms = s->rows + attention_longest_past (s) + s->head_dim;

  s->out = case_typed_output (c, "out", s->type, rows, width, width, terms);
  if (s->has_log_sum)
    s->log_sum = case_output (c, "log_sum", rows, s->heads, s->heads, terms);
  return c;
}

/* Those of a buffer from number `first` on. */
Numbers
attention_numbers (const Case *c, size_t offset, MblmType type, size_t first)
{
  return (Numbers){
      .data = ENTRY_AT (case_image (c), offset, type, first), .type = type};
}

double
attention_number (Numbers x, size_t i)
{
  double number = case_number (x.data, x.type, i);
  size_t pair = i < x.half ? i : i - x.half;

  if (!x.cosine)
    return number;
  number *= x.cosine[pair];
  if (i < x.half)
    return number - case_number (x.data, x.type, i + x.half) * x.sine[pair];
  return number + case_number (x.data, x.type, pair) * x.sine[pair];
}

/* Turned, where that is asked for, by the angles of row i of sequence b. */
static Numbers
turn (const Case *c, const Attention *s, size_t b, size_t i, Numbers x)
{
  x.half = s->head_dim / 2;
  if (s->turns) {
    size_t at = (b * s->angle_stride + i) * x.half;

    x.cosine = AT (case_image (c), s->cosine) + at;
    x.sine = AT (case_image (c), s->sine) + at;
  }
  return x;
}

Numbers
attention_query (
    const Case *c, const Attention *s, size_t b, size_t i, size_t h)
{
  size_t at = (b * s->rows + i) * s->query_stride + h * s->head_dim;

  return turn (c, s, b, i, attention_numbers (c, s->query, s->type, at));
}

/* Whether row i of a sequence sees key j of it, and the key and the value of head
 * h. */
bool
attention_key_and_value (const Case *c, const Attention *s, size_t b, size_t i,
    size_t j, size_t h, Numbers *key, Numbers *value)
{
  size_t from = s->past_shared ? 0 : b, width = s->heads * s->head_dim;
  size_t past = s->has_past ? s->past[from] : 0, at = h * s->head_dim;

  if (j < past) {
    at += j * width;
    *key = attention_numbers (c, s->past_key[from], MBLM_TYPE_F32, at);
    *value = attention_numbers (c, s->past_value[from], MBLM_TYPE_F32, at);
    return true;
  }
  j -= past;
  at += (b * s->rows + j) * s->key_stride;
  *key = turn (c, s, b, j, attention_numbers (c, s->key, s->type, at));
  *value = attention_numbers (c, s->value, s->type, at);
  if (s->causal)
    return j <= i;
  return !s->has_mask || case_image (c)[s->mask + b * s->rows + j];
}

size_t
attention_keys (const Attention *s, size_t b)
{
  return s->rows + (s->has_past ? s->past[s->past_shared ? 0 : b] : 0);
}

/* The errors of the weights [keys] of a row of one head, which are relatively as
 * large as the absolute one of their score; returns the latter. */
double
attention_weigh (const Case *c, const Attention *s, size_t b, size_t i,
    size_t h, double *weight)
{
  Numbers query = attention_query (c, s, b, i, h);
  double max = -INFINITY, most = 0.0, sum = 0.0;
  Numbers key, value;

  for (size_t j = 0; j < attention_keys (s, b); j++) {
    double size = 0.0;

    weight[j] = -INFINITY;
    if (!attention_key_and_value (c, s, b, i, j, h, &key, &value))
      continue;
    weight[j] = 0.0;
    for (size_t d = 0; d < s->head_dim; d++) {
      double term = attention_number (query, d) * attention_number (key, d);

      weight[j] += term / sqrt (s->head_dim);
      size += fabs (term) / sqrt (s->head_dim);
    }
    max = MAX (max, weight[j]);
    most = MAX (most, size);
  }
  for (size_t j = 0; j < attention_keys (s, b); j++) {
    weight[j] = max == -INFINITY ? !s->masked_is_zero : exp (weight[j] - max);
    sum += weight[j];
    weight[j] += UNDERFLOW_MAGNITUDE;
  }
  for (size_t j = 0; j < attention_keys (s, b); j++)
    weight[j] *= sum > 0.0 ? (1.0 + 2.0 * most) / sum : 0.0;
  return 1.0 + 2.0 * most;
}

void
attention_allow_rounding (
    const Attention *s, const Output *output, double *magnitude)
{
  for (size_t i = 0; i < output->rows * output->width; i++)
    if (s->product == MBLM_TYPE_BF16)
      magnitude[i] *= s->type == MBLM_TYPE_BF16 ? ROUNDED_OUT : ROUNDED;
}

/* The errors of the sum of weight * |value|. */
static void
magnitude_attention (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Attention *s = data;
  Numbers key, value;
  g_autofree double *weight = g_new (
      double, s->rows + attention_longest_past (s) + 1);

  for (size_t row = 0; row < s->batch * s->rows; row++)
    for (size_t h = 0; h < s->heads; h++) {
      size_t b = row / s->rows, at = row * s->heads + h;
      double error = attention_weigh (c, s, b, row % s->rows, h, weight);

      if (strcmp (output->name, "log_sum") == 0) {
        magnitude[at] = error + fabs (AT (after, s->log_sum)[at]);
        continue;
      }
      for (size_t j = 0; j < attention_keys (s, b); j++) {
        attention_key_and_value (c, s, b, row % s->rows, j, h, &key, &value);
        for (size_t d = 0; d < s->head_dim; d++)
          magnitude[at * s->head_dim + d] += weight[j] *
              fabs (attention_number (value, d));
      }
    }
  attention_allow_rounding (s, output, magnitude);
}

void
attention_strides (Check *check, Attention *s)
{
  size_t width = s->heads * s->head_dim;

  s->query_stride = width + check_width (check, 0, 40);
  s->key_stride = width + check_width (check, 0, 40);
  if (s->turns || s->is_aligned) {
    s->query_stride += -s->query_stride % 8;
    s->key_stride += -s->key_stride % 8;
  }
}

static void
check_shape (Check *check, Fill fill, Attention s)
{
  Case *c;

  attention_strides (check, &s);
  c = attention_case (check, fill, &s);
  case_run (c, attention_run, &s, magnitude_attention);
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

void
attention_check_random (Check *check, int i, CheckShape check_shape)
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

  if (i % 3 == 1 && check_coin (check))
    s.product = s.type = MBLM_TYPE_BF16;
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
    all[i].type = MBLM_TYPE_BF16;
    check_shape (check, FILL_RANDOM, all[i]);
  }
}

/* Few rows of many sequences, as inner stages have them in training. */
void
attention_check_patches (Check *check, CheckShape check_shape)
{
  static const size_t dims[] = {32, 64, 128};

  for (int i = 0; i < PATCH_ROUNDS; i++) {
    Attention s = {
        .batch = check_size (check, 1, i % 8 ? 6 : CARRY_MOST),
        .rows = check_size (check, 1, 17),
        .heads = check_size (check, 1, 5),
        .head_dim = dims[i % G_N_ELEMENTS (dims)],
        .type = MBLM_TYPE_BF16,
        .product = MBLM_TYPE_BF16,
        .causal = i % 4 > 0,
        .has_log_sum = check_coin (check),
        .turns = check_coin (check),
    };

    if (i % 3 < 2)
      add_past (check, &s, i % 6 ? 3 : 9);
    if (s.turns && check_coin (check))
      s.angle_stride = s.rows;
    check_shape (check, FILL_RANDOM, s);
  }
}

void
attention_check_named (Check *check, CheckShape check_shape)
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

static bool
has_gpu (const Check *check)
{
  bool found = false;

  for (guint i = 0; i < check->targets->len; i++)
    found |= strcmp (
                 ((Target *) g_ptr_array_index (check->targets, i))->variant,
                 "cuda") == 0;
  return found;
}

/* Many rows of bfloat16, as outer stages have them in training: first as many as are
 * many on the host, and then on a GPU. */
void
attention_check_long (Check *check, CheckShape check_shape)
{
  static const HeadsShape shapes[] = {{2, 70, 3, 16, 0}, {1, 130, 2, 64, 0},
      {1, 67, 12, 8, 0}, {3, 99, 2, 24, 0}, {1, 1030, 2, 64, 0},
      {1, 1024, 1, 128, 0}, {2, 1100, 2, 24, 0}};

  for (size_t i = 0; i < G_N_ELEMENTS (shapes); i++) {
    Attention s = attention_shape (shapes[i]);

    if (s.rows >= 1000 && !has_gpu (check))
      continue;
    s.product = s.type = MBLM_TYPE_BF16;
    s.has_log_sum = check_coin (check);
    check_shape (check, i % 2 ? FILL_EXTREME : FILL_RANDOM, s);
  }
}

void
check_attention (Check *check)
{
  for (int i = 0; i < ATTENTION_ROUNDS; i++)
    attention_check_random (check, i, check_shape);
  attention_check_named (check, check_shape);
  attention_check_patches (check, check_shape);
  check_steps (check);
}

void
check_long_attention (Check *check)
{
  attention_check_long (check, check_shape);
}

/* ------------------------------------------------------------------------- */
/* Time                                                                      */
/* ------------------------------------------------------------------------- */

Attention
attention_shape (HeadsShape h)
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
      .past = {h.past},
      .is_aligned = true};
}

double
attention_pairs (HeadsShape h)
{
  return h.rows * (h.past + (h.rows + 1) / 2.0) * h.batch;
}

static void
bench_forward (Check *check, HeadsShape h, MblmType product, MblmType type)
{
  Attention s = attention_shape (h);
  size_t width = h.heads * h.head_dim;
  double each = 2.0 * case_entry_size (type);
  Case *c;

  s.product = product;
  s.type = type;
  c = attention_case (check, FILL_RANDOM, &s);
  case_bench (c, attention_run, &s,
      width * (each * s.batch * s.rows * 2.0 + 8.0 * h.past),
      4.0 * attention_pairs (h) * width);
  case_free (c);
}

void
bench_attention (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (heads_shapes); i++)
    bench_forward (check, heads_shapes[i], MBLM_TYPE_F32, MBLM_TYPE_F32);
  bench_forward (check, many_patches, MBLM_TYPE_F32, MBLM_TYPE_F32);
  bench_forward (check, many_patches, MBLM_TYPE_BF16, MBLM_TYPE_BF16);
  bench_forward (check, many_rows, MBLM_TYPE_F32, MBLM_TYPE_F32);
  bench_forward (check, many_rows, MBLM_TYPE_BF16, MBLM_TYPE_F32);
  bench_forward (check, many_rows, MBLM_TYPE_BF16, MBLM_TYPE_BF16);
}
