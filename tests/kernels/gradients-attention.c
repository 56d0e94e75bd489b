/* gradients-attention.c: the gradients of attention and rotary embeddings.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "gradients.h"

#include <math.h>
#include <string.h>

#define MAX_BATCH 4
#define STEP 0.02f

/* ------------------------------------------------------------------------- */
/* Attention                                                                 */
/* ------------------------------------------------------------------------- */

typedef struct {
  const char *name;
  size_t batch, rows, heads, head_dim, query_gap, key_gap;
  bool causal, past_shared, has_past, masked_is_zero;
  size_t past[MAX_BATCH];
  const char *mask; /* [batch, rows] of '0' and '1', or NULL */
} Shape;

static const Shape shapes[] = {
    {"plain", 1, 5, 1, 4, 0, 0, false},
    {"one", 1, 1, 1, 1, 0, 0, true},
    {"causal", 2, 7, 3, 5, 3, 2, true},
    {"shared past", 4, 4, 2, 3, 0, 5, true, true, true, .past = {1}},
    {"long shared past", 3, 2, 1, 8, 1, 0, true, true, true, .past = {6}},
    {"pasts", 3, 3, 2, 4, 1, 1, true, false, true, .past = {2, 0, 5}},
    {"past, all seen", 2, 3, 2, 4, 0, 0, false, false, true, .past = {1, 3}},
    {"mask", 2, 5, 2, 3, 2, 1, false, .mask = "0110110001"},
    {"all masked", 3, 3, 2, 4, 0, 0, false, .mask = "000101111"},
    {"masked to zero", 3, 3, 2, 4, 0, 0, false, .masked_is_zero = true,
        .mask = "000101000"},
};

typedef struct {
  MblmAttention a;
  float *query, *key, *value, *d_out, *log_sum;
  float *past_key[MAX_BATCH], *past_value[MAX_BATCH];
  uint8_t mask[64];
  size_t count, query_count, key_count; /* of out, query, key */
} Attention;

static double
attention_loss (void *data)
{
  Attention *s = data;

  ref->attention (queue, &s->a);
  return gradient_dot (s->a.out, s->d_out, s->count);
}

/* Numbers of the past of sequence b. */
static size_t
past_count (const Attention *s, size_t b)
{
  if (!s->a.past || (s->a.past_shared && b > 0))
    return 0;
  return s->a.past[b] * s->a.heads * s->a.head_dim;
}

static void
attention_open (Attention *s, const Shape *shape)
{
  size_t width = shape->heads * shape->head_dim;
  size_t rows = shape->batch * shape->rows;

  memset (s, 0, sizeof (*s));
  s->count = rows * width;
  s->query_count = rows * (width + shape->query_gap);
  s->key_count = rows * (width + shape->key_gap);
  s->query = gradient_floats (s->query_count, 1.5f);
  s->key = gradient_floats (s->key_count, 1.5f);
  s->value = gradient_floats (s->key_count, 1.0f);
  s->d_out = gradient_floats (s->count, 1.0f);
  s->log_sum = gradient_floats (rows * shape->heads, 1.0f);
  for (size_t i = 0; shape->mask && i < rows; i++)
    s->mask[i] = shape->mask[i] == '1';
  s->a = (MblmAttention){
      .batch = shape->batch,
      .rows = shape->rows,
      .heads = shape->heads,
      .head_dim = shape->head_dim,
      .query = s->query,
      .query_stride = width + shape->query_gap,
      .key = s->key,
      .value = s->value,
      .key_stride = width + shape->key_gap,
      .causal = shape->causal,
      .past_key = (const float *const *) s->past_key,
      .past_value = (const float *const *) s->past_value,
      .past = shape->has_past ? shape->past : NULL,
      .past_shared = shape->past_shared,
      .key_mask = shape->mask ? s->mask : NULL,
      .masked_is_zero = shape->masked_is_zero,
      .out = gradient_floats (s->count, 1.0f),
      .log_sum = s->log_sum,
  };
  for (size_t b = 0; b < shape->batch; b++) {
    s->past_key[b] = gradient_floats (past_count (s, b), 1.5f);
    s->past_value[b] = gradient_floats (past_count (s, b), 1.0f);
  }
}

static void
attention_close (Attention *s)
{
  for (size_t b = 0; b < s->a.batch; b++) {
    g_free (s->past_key[b]);
    g_free (s->past_value[b]);
  }
  g_free (s->query);
  g_free (s->key);
  g_free (s->value);
  g_free (s->d_out);
  g_free (s->log_sum);
  g_free (s->a.out);
}

/* A row of x, [rows, stride], beyond whose width nothing was written. */
static void
check_gaps (const float *x, size_t rows, size_t width, size_t stride)
{
  for (size_t i = 0; i < rows; i++)
    for (size_t j = width; j < stride; j++)
      g_assert_cmpfloat (x[i * stride + j], ==, 7.0f);
}

static float *
sevens (size_t count)
{
  float *x = g_new (float, count + 1);

  for (size_t i = 0; i < count; i++)
    x[i] = 7.0f;
  return x;
}

/* The gradients of a past were 7 and have been added to. */
static void
check_past (const char *name, Attention *s, float *x, float *d_x, size_t count)
{
  for (size_t i = 0; i < count; i++)
    d_x[i] -= 7.0f;
  gradient_check (name, attention_loss, s, x, d_x, count, STEP);
}

static void
test_attention (const void *data)
{
  const Shape *shape = data;
  size_t rows = shape->batch * shape->rows;
  size_t width = shape->heads * shape->head_dim;
  float *d_past_key[MAX_BATCH], *d_past_value[MAX_BATCH];
  Attention s;

  attention_open (&s, shape);
  g_autofree float *d_query = sevens (s.query_count);
  g_autofree float *d_key = sevens (s.key_count);
  g_autofree float *d_value = sevens (s.key_count);
  for (size_t b = 0; b < shape->batch; b++) {
    d_past_key[b] = sevens (past_count (&s, b));
    d_past_value[b] = sevens (past_count (&s, b));
  }
  ref->attention (queue, &s.a);
  ref->attention_backward (queue,
      &(MblmAttentionBackward){
          s.a, s.d_out, d_query, d_key, d_value, d_past_key, d_past_value});

  check_gaps (d_query, rows, width, s.a.query_stride);
  check_gaps (d_key, rows, width, s.a.key_stride);
  check_gaps (d_value, rows, width, s.a.key_stride);
  for (size_t i = 0; i < rows; i++) {
    size_t q = i * s.a.query_stride, k = i * s.a.key_stride;

    gradient_check (
        "query", attention_loss, &s, s.query + q, d_query + q, width, STEP);
    gradient_check (
        "key", attention_loss, &s, s.key + k, d_key + k, width, STEP);
    gradient_check (
        "value", attention_loss, &s, s.value + k, d_value + k, width, STEP);
  }
  for (size_t b = 0; b < shape->batch; b++) {
    size_t count = past_count (&s, b);

    check_past ("past key", &s, s.past_key[b], d_past_key[b], count);
    check_past ("past value", &s, s.past_value[b], d_past_value[b], count);
    g_free (d_past_key[b]);
    g_free (d_past_value[b]);
  }
  attention_close (&s);
}

/* Each gradient alone is what it is with the others. */
static void
test_attention_alone (void)
{
  static const Shape shape = {
      "", 2, 4, 2, 3, 0, 0, true, true, true, .past = {2}};
  Attention s;

  attention_open (&s, &shape);
  ref->attention (queue, &s.a);
  size_t sizes[] = {
      s.count, s.count, s.count, past_count (&s, 0), past_count (&s, 0)};
  for (int alone = 0; alone < 5; alone++) {
    float *all[5], *one = g_new0 (float, s.count);

    for (int i = 0; i < 5; i++)
      all[i] = g_new0 (float, s.count);
    ref->attention_backward (queue,
        &(MblmAttentionBackward){
            s.a, s.d_out, all[0], all[1], all[2], &all[3], &all[4]});
    ref->attention_backward (queue,
        &(MblmAttentionBackward){s.a, s.d_out, alone == 0 ? one : NULL,
            alone == 1 ? one : NULL, alone == 2 ? one : NULL,
            alone == 3 ? &one : NULL, alone == 4 ? &one : NULL});
    g_assert_cmpmem (one, sizes[alone] * sizeof (float), all[alone],
        sizes[alone] * sizeof (float));
    g_assert_cmpfloat (gradient_dot (one, one, sizes[alone]), >, 0.0);
    for (int i = 0; i < 5; i++)
      g_free (all[i]);
    g_free (one);
  }
  attention_close (&s);
}

/* log_sum's slope by a query is the mean of the keys, weighted as they are. */
static void
test_log_sum (void)
{
  static const Shape shape = {"", 2, 3, 2, 4, 1, 2, true};
  Attention s;

  attention_open (&s, &shape);
  ref->attention (queue, &s.a);
  for (size_t i = 0; i < 6; i++)
    for (size_t h = 0; h < 2; h++) {
      const float *query = s.query + i * s.a.query_stride + h * 4;
      double sum = 0.0;

      for (size_t j = i / 3 * 3; j <= i; j++)
        sum += exp (
            gradient_dot (query, s.key + j * s.a.key_stride + h * 4, 4) / 2.0);
      g_assert_cmpfloat (fabs (s.log_sum[i * 2 + h] - log (sum)), <, 1e-6);
    }
  attention_close (&s);
}

/* ------------------------------------------------------------------------- */
/* Rotary embedding                                                          */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmRope a;
  float *x, *d_out;
  size_t count;
} Rope;

static double
rope_loss (void *data)
{
  Rope *s = data;
  MblmRope a = s->a;

  a.x = g_memdup2 (s->x, s->count * sizeof (float));
  ref->rope (queue, &a);
  double sum = gradient_dot (a.x, s->d_out, s->count);
  g_free (a.x);
  return sum;
}

static void
test_rope (const void *data)
{
  size_t batch = 2, rows = 3, heads = 2, half = 3, angles = 5;
  Rope s = {.count = batch * rows * (heads * half * 2 + 1)};
  g_autofree float *cosine = gradient_floats (angles * half, 1.0f);
  g_autofree float *sine = gradient_floats (angles * half, 1.0f);

  s.x = gradient_floats (s.count, 1.0f);
  s.d_out = gradient_floats (s.count, 1.0f);
  g_autofree float *d_x = g_memdup2 (s.d_out, s.count * sizeof (float));
  s.a = (MblmRope){.form = GPOINTER_TO_INT (data),
      .batch = batch,
      .rows = rows,
      .heads = heads,
      .half = half,
      .x = d_x,
      .x_stride = heads * half * 2 + 1,
      .cosine = cosine,
      .sine = sine,
      .angle_stride = 2};
  ref->rope_backward (queue, &s.a);
  gradient_check ("x", rope_loss, &s, s.x, d_x, s.count, STEP);
  g_free (s.x);
  g_free (s.d_out);
}

void
gradients_attention_add_tests (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (shapes); i++) {
    g_autofree char *path = g_strdup_printf ("/attention/%s", shapes[i].name);

    g_test_add_data_func (path, &shapes[i], test_attention);
  }
  g_test_add_func ("/attention/alone", test_attention_alone);
  g_test_add_func ("/attention/log-sum", test_log_sum);
  g_test_add_data_func (
      "/rope/halves", GINT_TO_POINTER (MBLM_ROPE_HALVES), test_rope);
  g_test_add_data_func (
      "/rope/pairs", GINT_TO_POINTER (MBLM_ROPE_PAIRS), test_rope);
}
