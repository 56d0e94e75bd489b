/* gradients-rows.c: the gradients of embeddings, rows, loss and steps.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "gradients.h"

#include <math.h>
#include <string.h>

#define STEP 0.01f

/* ------------------------------------------------------------------------- */
/* Tables and rows                                                           */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmEmbed forward;
  const float *d_out;
} Embed;

static double
embed_loss (void *data)
{
  const Embed *s = data;

  ref->embed (queue, &s->forward);
  return gradient_dot (
      s->forward.out, s->d_out, s->forward.rows * s->forward.table.cols);
}

static void
test_embed (void)
{
  enum {
    VOCABULARY = 6,
    WIDTH = 5,
    ROWS = 23,
    PADDING = 2,
    COUNT = ROWS * WIDTH
  };
  g_autofree float *table = gradient_floats (VOCABULARY * WIDTH, 1.0f);
  g_autofree float *d_out = gradient_floats (COUNT, 1.0f);
  g_autofree float *d = gradient_floats (VOCABULARY * WIDTH, 1.0f);
  g_autofree float *before = g_memdup2 (d, VOCABULARY * WIDTH * sizeof (*d));
  g_autofree float *padded = g_memdup2 (d, VOCABULARY * WIDTH * sizeof (*d));
  g_autofree float *out = g_new (float, COUNT);
  int32_t ids[ROWS];
  Embed s = {
      {{table, MBLM_TYPE_F32, VOCABULARY, WIDTH}, ids, ROWS, out}, d_out};

  for (int i = 0; i < ROWS; i++)
    ids[i] = i % 4; /* 4 and 5 never */
  ref->embed_backward (queue,
      &(MblmEmbedBackward){.forward = s.forward, .d_out = d_out, .d_table = d});
  ref->embed_backward (
      queue, &(MblmEmbedBackward){s.forward, d_out, true, PADDING, padded});
  for (int i = 0; i < VOCABULARY * WIDTH; i++)
    g_assert_cmpfloat (padded[i], ==, i / WIDTH == PADDING ? before[i] : d[i]);
  gradient_take (d, before, VOCABULARY * WIDTH);
  gradient_check (
      "d_table", embed_loss, &s, table, d, VOCABULARY * WIDTH, STEP);
}

typedef struct {
  MblmAddPosition forward;
  const float *x, *d_out;
} Position;

static double
position_loss (void *data)
{
  const Position *s = data;
  const MblmAddPosition *f = &s->forward;
  size_t count = f->batch * f->rows * f->table.cols;

  memcpy (f->x, s->x, count * sizeof (float));
  ref->add_position (queue, f);
  return gradient_dot (f->x, s->d_out, count);
}

static void
test_position_of (size_t period, size_t batch, size_t rows)
{
  size_t width = 5, count = batch * rows * width;
  g_autofree float *table = gradient_floats (period * width, 1.0f);
  g_autofree float *x = gradient_floats (count, 1.0f);
  g_autofree float *d_out = gradient_floats (count, 1.0f);
  g_autofree float *out = g_new (float, count);
  g_autofree float *d = gradient_floats (period * width, 1.0f);
  g_autofree float *before = g_memdup2 (d, period * width * sizeof (float));
  Position s = {{{table, MBLM_TYPE_F32, period, width}, batch, rows, NULL, out},
      x, d_out};
  MblmAddPositionBackward a = {s.forward, d};

  a.forward.x = d_out;
  ref->add_position_backward (queue, &a);
  gradient_take (d, before, period * width);
  gradient_check ("d_table", position_loss, &s, table, d, period * width, STEP);
}

static void
test_position (void)
{
  test_position_of (8, 3, 8);
  test_position_of (8, 1, 4);
  test_position_of (4, 2, 11);
  test_position_of (1, 1, 1);
}

/* The sum of rows is the gradient of a row that was repeated. */
typedef struct {
  MblmCopyRows forward;
  const float *d_out;
} Repeat;

static double
repeat_loss (void *data)
{
  const Repeat *s = data;

  ref->copy_rows (queue, &s->forward);
  return gradient_dot (
      s->forward.out, s->d_out, s->forward.batch * s->forward.width);
}

static void
test_sum_rows (void)
{
  enum { BATCH = 13, WIDTH = 7, COUNT = BATCH * WIDTH };
  g_autofree float *x = gradient_floats (WIDTH, 1.0f);
  g_autofree float *d_out = gradient_floats (COUNT, 1.0f);
  g_autofree float *wide = gradient_floats (BATCH * (WIDTH + 2), 1.0f);
  g_autofree float *out = g_new (float, COUNT);
  g_autofree float *d = gradient_floats (WIDTH, 1.0f);
  g_autofree float *before = g_memdup2 (d, WIDTH * sizeof (*d));
  Repeat s = {{BATCH, WIDTH, x, 0, out, WIDTH}, d_out};

  for (int b = 0; b < BATCH; b++)
    memcpy (wide + b * (WIDTH + 2), d_out + b * WIDTH, WIDTH * sizeof (*wide));
  ref->sum_rows (queue, &(MblmSumRows){BATCH, WIDTH, wide, WIDTH + 2, d});
  gradient_take (d, before, WIDTH);
  gradient_check ("out", repeat_loss, &s, x, d, WIDTH, STEP);
}

typedef struct {
  MblmDropout forward;
  const float *x, *d_out;
} Drop;

static double
drop_loss (void *data)
{
  const Drop *s = data;

  memcpy (s->forward.x, s->x, s->forward.count * sizeof (float));
  ref->dropout (queue, &s->forward);
  return gradient_dot (s->forward.x, s->d_out, s->forward.count);
}

static void
test_dropout (void)
{
  enum { COUNT = 250 };
  g_autofree float *x = gradient_floats (COUNT, 1.0f);
  g_autofree float *d_out = gradient_floats (COUNT, 1.0f);
  g_autofree float *d = g_memdup2 (d_out, COUNT * sizeof (float));
  g_autofree float *out = g_new (float, COUNT);
  Drop s = {{COUNT, out, 0.3f, 0x123456789abcdef0, 7}, x, d_out};
  MblmDropout back = s.forward;
  int dropped = 0;

  back.x = d;
  ref->dropout (queue, &back);
  for (int i = 0; i < COUNT; i++)
    dropped += d[i] == 0.0f;
  g_assert_cmpint (dropped, >, COUNT / 5);
  g_assert_cmpint (dropped, <, 2 * COUNT / 5);
  gradient_check ("x", drop_loss, &s, x, d, COUNT, STEP);
}

/* ------------------------------------------------------------------------- */
/* Loss                                                                      */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmCrossEntropy forward;
  const float *weight; /* or NULL */
} Loss;

/* In double: the rounding of the forward loss to float32 is too coarse here. */
static double
weighted_loss (void *data)
{
  const Loss *s = data;
  const MblmCrossEntropy *f = &s->forward;
  double loss = 0.0;

  for (size_t i = 0; i < f->rows; i++) {
    const float *x = f->logits + i * f->vocabulary;
    double sum = 0.0, weight = s->weight ? s->weight[i] : 1.0;

    for (size_t v = 0; v < f->vocabulary; v++)
      sum += exp (x[v]);
    if (f->targets[i] >= 0)
      loss += weight * (log (sum) - x[f->targets[i]]);
  }
  return loss;
}

static void
test_loss_of (size_t rows, size_t vocabulary, bool has_weight)
{
  size_t count = rows * vocabulary;
  g_autofree float *logits = gradient_floats (count, 3.0f);
  g_autofree float *weight = gradient_floats (rows, 1.0f);
  g_autofree float *d = g_memdup2 (logits, count * sizeof (float));
  g_autofree float *loss = g_new (float, rows);
  g_autofree float *expected = g_new (float, rows);
  g_autofree int32_t *targets = g_new (int32_t, rows);
  Loss s = {{rows, vocabulary, logits, targets, expected},
      has_weight ? weight : NULL};
  MblmCrossEntropyBackward a = {s.forward, s.weight, d};

  for (size_t i = 0; i < rows; i++)
    targets[i] = g_test_rand_int_range (-1, (gint32) vocabulary);
  weight[rows / 2] = 0.0f;
  ref->cross_entropy (queue, &s.forward);
  a.forward.logits = d; /* in place */
  a.forward.loss = loss;
  ref->cross_entropy_backward (queue, &a);
  g_assert_cmpmem (
      loss, rows * sizeof (float), expected, rows * sizeof (float));
  gradient_check ("d_logits", weighted_loss, &s, logits, d, count, STEP);
}

static void
test_loss (void)
{
  test_loss_of (1, 1, false);
  test_loss_of (7, 5, false);
  test_loss_of (7, 5, true);
  test_loss_of (2, 257, true);
}

/* A loss that float32 rounds to zero has no gradient; one that it doesn't has. */
static void
test_exact_zero (void)
{
  float logits[] = {17.0f, 0.0f, 15.0f, 0.0f}, d[4], loss[2];
  const int32_t targets[] = {0, 0};

  ref->cross_entropy_backward (queue,
      &(MblmCrossEntropyBackward){{2, 2, logits, targets, loss}, NULL, d});
  g_assert_cmpfloat (loss[0], ==, 0.0f);
  g_assert_cmpfloat (d[0], ==, 0.0f);
  g_assert_cmpfloat (d[1], ==, 0.0f);
  g_assert_cmpfloat (loss[1], >, 0.0f);
  g_assert_cmpfloat_with_epsilon (d[2], -3.059023e-7f, 1e-13f);
  g_assert_cmpfloat_with_epsilon (d[3], 3.059023e-7f, 1e-13f);
}

/* ------------------------------------------------------------------------- */
/* Steps                                                                     */
/* ------------------------------------------------------------------------- */

/* The first step of Adam is the rate, against the sign of the gradient, whatever
 * its size; numbers by hand for the second. */
static void
test_adam (void)
{
  float w[] = {1.0f, 1.0f}, m[2] = {0.0f}, v[2] = {0.0f};
  const float first[] = {4.0f, -0.004f}, second[] = {-2.0f, 0.004f};
  MblmAdam a = {2, w, m, v, first, 0.5f, 0.1, 0.9, 0.95, 0.1, 0.05, 1e-8};

  ref->adam (queue, &a);
  g_assert_cmpfloat_with_epsilon (w[0], 0.9f, 1e-6f);
  g_assert_cmpfloat_with_epsilon (w[1], 1.1f, 1e-6f);
  g_assert_cmpfloat_with_epsilon (m[0], 0.2f, 1e-7f);
  g_assert_cmpfloat_with_epsilon (v[0], 0.2f, 1e-7f);
  a.gradient = second;
  a.correction1 = 0.19;
  a.correction2 = 0.0975;
  ref->adam (queue, &a);
  /* m = 0.18 - 0.1, v = 0.19 + 0.05 */
  g_assert_cmpfloat_with_epsilon (m[0], 0.08f, 1e-7f);
  g_assert_cmpfloat_with_epsilon (v[0], 0.24f, 1e-7f);
  g_assert_cmpfloat_with_epsilon (w[0], 0.9f - 0.0268368f, 1e-6f);
}

static void
test_sums (void)
{
  float x[] = {1.0f, -2.0f, 3.0f};
  const float y[] = {1.0f, 1.0f, -4.0f};
  double sum = 0.5;

  ref->sum_squares (queue, &(MblmSumSquares){3, x, &sum});
  g_assert_cmpfloat (sum, ==, 14.5);
  ref->add_scaled (queue, &(MblmAddScaled){3, x, y, -0.5f});
  g_assert_cmpfloat (x[0], ==, 0.5f);
  g_assert_cmpfloat (x[1], ==, -2.5f);
  g_assert_cmpfloat (x[2], ==, 5.0f);
}

void
gradients_rows_add_tests (void)
{
  g_test_add_func ("/rows/embed", test_embed);
  g_test_add_func ("/rows/add-position", test_position);
  g_test_add_func ("/rows/sum-rows", test_sum_rows);
  g_test_add_func ("/rows/dropout", test_dropout);
  g_test_add_func ("/loss/gradient", test_loss);
  g_test_add_func ("/loss/exact-zero", test_exact_zero);
  g_test_add_func ("/steps/adam", test_adam);
  g_test_add_func ("/steps/sums", test_sums);
}
