/* check-attention-backward.c: the gradients of softmax attention.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check-attention.h"

#include <math.h>

static void
run_backward (const Target *t, char *memory, const void *data)
{
  const Attention *s = data;
  Pointers p;
  MblmAttentionBackward g = {
      .forward = attention_at (memory, s, &p),
      .d_out = memory + s->d_out,
      .d_query = s->d_query ? memory + s->d_query : NULL,
      .d_key = s->d_key ? memory + s->d_key : NULL,
      .d_value = s->d_value ? memory + s->d_value : NULL,
      .d_past_key = s->d_past_key[0] ? p.d_past_key : NULL,
      .d_past_value = s->d_past_value[0] ? p.d_past_value : NULL,
  };

  for (size_t b = 0; b < attention_pasts (s); b++) {
    p.d_past_key[b] = AT (memory, s->d_past_key[b]);
    p.d_past_value[b] = AT (memory, s->d_past_value[b]);
  }
  t->table->attention_backward (t->queue, &g);
}

/* `out` and `log_sum` are what the reference leaves. */
static Case *
backward_case (Check *check, Fill fill, Attention *s, bool all)
{
  Case *c = attention_inputs (check, fill, s);
  size_t rows = s->batch * s->rows, width = s->heads * s->head_dim;
  size_t terms = s->rows + attention_longest_past (s) + s->head_dim;

  s->has_log_sum = true;
  s->out = case_typed_input (c, s->type, rows, width, width, 0.f, 0.f);
  s->log_sum = case_input (c, rows, s->heads, s->heads, 0.f, 0.f);
  s->d_out = case_typed_input (c, s->type, rows, width, width, -4.f, 4.f);
  attention_run (check->ref, case_image (c), s);
  if (all || check_coin (check))
    s->d_query = case_typed_output (
        c, "d_query", s->type, rows, width, s->query_stride, terms);
  if (all || check_coin (check))
    s->d_key = case_typed_output (
        c, "d_key", s->type, rows, width, s->key_stride, terms);
  if (all || check_coin (check))
    s->d_value = case_typed_output (
        c, "d_value", s->type, rows, width, s->key_stride, terms);
  if (s->past_shared)
    terms += rows;
  all = all || check_coin (check);
  for (size_t b = 0; b < attention_pasts (s) && all; b++) {
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
add_absolute (double *to, double factor, Numbers x, size_t count)
{
  for (size_t d = 0; d < count; d++)
    to[d] += factor * fabs (attention_number (x, d));
}

static double
dot_absolute (Numbers x, Numbers y, size_t count)
{
  double sum = 0.0;

  for (size_t d = 0; d < count; d++)
    sum += fabs (attention_number (x, d) * attention_number (y, d));
  return sum;
}

/* What key j of sequence b adds to the errors of an output at one head, where
 * its weight for row `row` has an error of `weight`; magnitude is that output's
 * at this head, or NULL where it has no such row. */
static void
magnitude_key (const Case *c, const Attention *s, const Output *output,
    size_t row, size_t h, size_t j, double weight, double *magnitude)
{
  size_t b = row / s->rows, width = s->heads * s->head_dim,
         at = h * s->head_dim;
  size_t past = s->has_past ? s->past[s->past_shared ? 0 : b] : 0;
  size_t own = j < past ? 0 : b * s->rows + j - past, d = s->head_dim;
  Numbers d_out = attention_numbers (c, s->d_out, s->type, row * width + at);
  Numbers out = attention_numbers (c, s->out, s->type, row * width + at);
  Numbers query = attention_query (c, s, row / s->rows, row % s->rows, h);
  Numbers key, value;
  double score;

  if (!attention_key_and_value (c, s, b, row % s->rows, j, h, &key, &value) &&
      weight < 1e-6)
    return;
  score = weight / sqrt (d) *
      (dot_absolute (d_out, value, d) + dot_absolute (d_out, out, d));
  if (output->offset == s->d_query)
    add_absolute (magnitude + row * width + at, score, key, d);
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

/* Of rows that are turned back. */
static void
turn_magnitude (const Case *c, const Attention *s, double *magnitude)
{
  size_t half = s->head_dim / 2;

  for (size_t row = 0; row < s->batch * s->rows; row++)
    for (size_t h = 0; h < s->heads; h++) {
      Numbers x = attention_query (c, s, row / s->rows, row % s->rows, h);
      double *m = magnitude + (row * s->heads + h) * s->head_dim;

      for (size_t d = 0; d < half; d++) {
        double u = m[d], v = m[d + half];

        m[d] = u * fabs (x.cosine[d]) + v * fabs (x.sine[d]);
        m[d + half] = v * fabs (x.cosine[d]) + u * fabs (x.sine[d]);
      }
    }
}

static void
magnitude_backward (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Attention *s = data;
  g_autofree double *weight = g_new (
      double, s->rows + attention_longest_past (s) + 1);
  bool is_past = g_str_has_prefix (output->name, "d_past");

  if (is_past)
    add_absolute (magnitude, 1.0,
        attention_numbers (c, output->offset, MBLM_TYPE_F32, 0),
        output->rows * output->width);
  for (size_t row = 0; row < s->batch * s->rows; row++)
    for (size_t h = 0; h < s->heads; h++) {
      size_t b = row / s->rows, from = s->past_shared ? 0 : b;

      if (is_past && output->offset != s->d_past_key[from] &&
          output->offset != s->d_past_value[from])
        continue;
      attention_weigh (c, s, b, row % s->rows, h, weight);
      for (size_t j = 0; j < attention_keys (s, b); j++)
        magnitude_key (c, s, output, row, h, j, weight[j], magnitude);
    }
  if (s->turns && (output->offset == s->d_query || output->offset == s->d_key))
    turn_magnitude (c, s, magnitude);
  attention_allow_rounding (s, output, magnitude);
}

static void
check_backward_shape (Check *check, Fill fill, Attention s)
{
  Case *c;

  attention_strides (check, &s);
  c = backward_case (check, fill, &s, check_size (check, 0, 3) > 0);
  case_run (c, run_backward, &s, magnitude_backward);
  case_free (c);
}

void
check_attention_backward (Check *check)
{
  for (int i = 0; i < ATTENTION_ROUNDS; i++)
    attention_check_random (check, i, check_backward_shape);
  attention_check_named (check, check_backward_shape);
  attention_check_patches (check, check_backward_shape);
}

void
check_long_attention_backward (Check *check)
{
  attention_check_long (check, check_backward_shape);
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

static void
bench_backward (Check *check, HeadsShape h, MblmType product, MblmType type)
{
  Attention s = attention_shape (h);
  size_t width = h.heads * h.head_dim;
  double each = 8.0 * case_entry_size (type);
  Case *c;

  s.product = product;
  s.type = type;
  c = backward_case (check, FILL_RANDOM, &s, true);
  case_bench (c, run_backward, &s, each * width * s.batch * s.rows,
      10.0 * attention_pairs (h) * width);
  case_free (c);
}

void
bench_attention_backward (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (training_shapes); i++) {
    bench_backward (check, training_shapes[i], MBLM_TYPE_F32, MBLM_TYPE_F32);
    bench_backward (check, training_shapes[i], MBLM_TYPE_BF16, MBLM_TYPE_F32);
    bench_backward (check, training_shapes[i], MBLM_TYPE_BF16, MBLM_TYPE_BF16);
  }
}
