/* gradients-linear.c: the gradients of products.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "gradients.h"

#include <math.h>
#include <string.h>

typedef struct {
  MblmLinear forward;
  float *x;           /* as in the forward struct */
  float *out;         /* so, too */
  const float *start; /* [rows, n], what `out` holds where it is added to */
  const float *d_out; /* [rows, n] */
  float *before;      /* [rows, k], what x is GELU of, or NULL */
} Product;

typedef struct {
  size_t rows, n, k, gap; /* `gap` is between rows */
  bool gelu;
  bool bias, accumulate; /* to the result, and to d_x */
} Shape;

static const Shape shapes[] = {
    {1, 1, 1, 0, false, false, false},
    {5, 7, 3, 0, false, true, false},
    {9, 4, 13, 3, true, true, true},
    {3, 11, 6, 1, true, false, false},
    {17, 5, 5, 2, false, true, true},
};

static double
product_loss (void *data)
{
  Product *self = data;
  const MblmLinear *f = &self->forward;
  size_t n = f->weight.rows, k = f->weight.cols;
  double sum = 0.0;

  for (size_t i = 0; self->before != NULL && i < f->rows * k; i++) {
    double y = self->before[i];

    self->x[i / k * f->x_stride + i % k] = (float) (0.5 * y *
        (1.0 + erf (y * G_SQRT2 / 2.0)));
  }
  for (size_t i = 0; i < f->rows; i++)
    memcpy (
        self->out + i * f->out_stride, self->start + i * n, n * sizeof (float));
  ref->linear (queue, f);
  for (size_t i = 0; i < f->rows; i++)
    sum += gradient_dot (self->out + i * f->out_stride, self->d_out + i * n, n);
  return sum;
}

/* The gradients of every input; `weight` and `bias` are those of the forward
 * struct, rows of d_x as far apart as those of x. */
static void
check_slopes (Product *self, const Shape *s, float *weight, float *bias,
    const MblmLinearBackward *b)
{
  const float *d_x = b->d_x;

  product_loss (self);
  ref->linear_backward (queue, b);
  for (size_t i = 0; i < s->rows; i++)
    gradient_check ("d_x", product_loss, self,
        s->gelu ? self->before + i * s->k : self->x + i * (s->k + s->gap),
        d_x + i * b->d_x_stride, s->k, 0.02f);
  gradient_check (
      "d_weight", product_loss, self, weight, b->d_weight, s->n * s->k, 0.02f);
  if (s->bias)
    gradient_check ("d_bias", product_loss, self, bias, b->d_bias, s->n, 0.02f);
}

static void
test_shape (gconstpointer data)
{
  const Shape *s = data;
  size_t x_stride = s->k + s->gap, out_stride = s->n + s->gap;
  size_t out_size = s->rows * out_stride;
  g_autofree float *x = gradient_floats (s->rows * x_stride, 1.f);
  g_autofree float *weight = gradient_floats (s->n * s->k, 1.f);
  g_autofree float *bias = gradient_floats (s->n, 1.f);
  g_autofree float *out = gradient_floats (out_size, 1.f);
  g_autofree float *start = gradient_floats (s->rows * s->n, 1.f);
  g_autofree float *before = gradient_floats (s->rows * s->k, 1.f);
  g_autofree float *factors = gradient_floats (s->rows * s->n, 1.f);
  g_autofree float *d_out = gradient_floats (out_size, 1.f);
  g_autofree float *d_x = g_new0 (float, s->rows *x_stride);
  g_autofree float *d_weight = g_new0 (float, s->n * s->k);
  g_autofree float *d_bias = g_new0 (float, s->n);
  Product self = {
      .forward = {.weight = {weight, MBLM_TYPE_F32, s->n, s->k},
          .bias = s->bias ? bias : NULL,
          .residual = s->accumulate ? out : NULL,
          .rows = s->rows,
          .x = x,
          .x_stride = x_stride,
          .out = out,
          .out_stride = out_stride},
      .x = x,
      .out = out,
      .start = start,
      .d_out = factors,
      .before = s->gelu ? before : NULL,
  };

  for (size_t i = 0; i < s->rows; i++)
    memcpy (d_out + i * out_stride, factors + i * s->n, s->n * sizeof (float));
  check_slopes (&self, s, weight, bias,
      &(MblmLinearBackward){.forward = self.forward,
          .d_out = d_out,
          .d_out_stride = out_stride,
          .before = self.before,
          .accumulate = s->accumulate,
          .d_x = d_x,
          .d_x_stride = x_stride,
          .d_weight = d_weight,
          .d_bias = s->bias ? d_bias : NULL});
}

/* Gradients are added to what is there, d_x where it is asked for; each is the
 * same whichever others are wanted. */
static void
test_added (void)
{
  enum { ROWS = 6, N = 5, K = 4 };
  g_autofree float *x = gradient_floats (ROWS * K, 1.f);
  g_autofree float *weight = gradient_floats (N * K, 1.f);
  g_autofree float *d_out = gradient_floats (ROWS * N, 1.f);
  float d_x[2][ROWS * K] = {{0}}, d_weight[2][N * K] = {{0}};
  float d_bias[2][N] = {{0}};
  MblmLinearBackward b = {
      .forward = {.weight = {weight, MBLM_TYPE_F32, N, K},
          .rows = ROWS,
          .x = x,
          .x_stride = K},
      .d_out = d_out,
      .d_out_stride = N,
      .d_x_stride = K,
  };

  b.d_x = d_x[0];
  ref->linear_backward (queue, &b);
  b.d_x = NULL;
  b.d_weight = d_weight[0];
  ref->linear_backward (queue, &b);
  b.d_weight = NULL;
  b.d_bias = d_bias[0];
  ref->linear_backward (queue, &b);
  b.d_x = d_x[1];
  b.d_weight = d_weight[1];
  b.d_bias = d_bias[1];
  ref->linear_backward (queue, &b);
  g_assert_cmpmem (d_x[0], sizeof d_x[0], d_x[1], sizeof d_x[1]);
  g_assert_cmpmem (
      d_weight[0], sizeof d_weight[0], d_weight[1], sizeof d_weight[1]);
  g_assert_cmpmem (d_bias[0], sizeof d_bias[0], d_bias[1], sizeof d_bias[1]);

  b.accumulate = true;
  ref->linear_backward (queue, &b);
  for (int i = 0; i < ROWS * K; i++)
    g_assert_cmpfloat_with_epsilon (d_x[1][i], 2 * d_x[0][i], 1e-5);
  for (int i = 0; i < N * K; i++)
    g_assert_cmpfloat_with_epsilon (d_weight[1][i], 2 * d_weight[0][i], 1e-5);
  for (int i = 0; i < N; i++)
    g_assert_cmpfloat_with_epsilon (d_bias[1][i], 2 * d_bias[0][i], 1e-5);
}

/* The slope of GELU at the ends, where its parts are infinite times zero, from
 * tables of the normal distribution elsewhere. */
static void
test_slope (void)
{
  static const double known[][2] = {{0.0, 0.5}, {1.0, 1.0833154705876863},
      {-1.0, -0.0833154705876863}, {-3.0, -0.0119456412}, {40.0, 1.0},
      {-40.0, 0.0}, {HUGE_VAL, 1.0}, {-HUGE_VAL, 0.0}};

  for (size_t i = 0; i < G_N_ELEMENTS (known); i++) {
    const float one = 1.f;
    float before = (float) known[i][0], d_x;

    ref->linear_backward (queue,
        &(MblmLinearBackward){
            .forward = {.weight = {&one, MBLM_TYPE_F32, 1, 1}, .rows = 1},
            .d_out = &one,
            .d_out_stride = 1,
            .before = &before,
            .d_x = &d_x,
            .d_x_stride = 1});
    g_assert_cmpfloat_with_epsilon (d_x, known[i][1], 1e-7);
  }
}

/* Memory of bfloat16 is read and written as such, what is written to the nearest,
 * ties to even. */
static void
test_memory (void)
{
  const float weight[2] = {1.0078125f, -3.f};
  const guint16 x = 0x4040, before = 0x3f80; /* 3, 1 */
  guint16 out[2], sums[2], d_x;
  MblmLinear forward = {.weight = {weight, MBLM_TYPE_F32, 2, 1},
      .rows = 1,
      .x = &x,
      .x_type = MBLM_TYPE_BF16,
      .x_stride = 1,
      .out = out,
      .out_type = MBLM_TYPE_BF16,
      .out_stride = 2,
      .product = MBLM_TYPE_BF16,
      .activation = MBLM_ACTIVATION_GELU,
      .before = sums};
  MblmLinearBackward b = {.forward = forward,
      .d_out = out,
      .d_out_type = MBLM_TYPE_BF16,
      .d_out_stride = 2,
      .before = &before,
      .d_x = &d_x,
      .d_x_type = MBLM_TYPE_BF16,
      .d_x_stride = 1};

  ref->linear (queue, &forward);
  g_assert_cmphex (sums[0], ==, 0x4042); /* 3.0234375 */
  g_assert_cmphex (sums[1], ==, 0xc110); /* -9 */
  g_assert_cmphex (out[0], ==, 0x4041);  /* 3.0196.. */
  g_assert_cmphex (out[1], ==, 0x8000);  /* hardly below 0 */
  ref->linear_backward (queue, &b);
  g_assert_cmphex (d_x, ==, 0x4053); /* 1.083.. times 1.0078125 times out[0] */
}

/* Products of BF16 round both operands, to nearest, ties to even. */
static void
test_rounding (void)
{
  static const float known[][2] = {{1.f, 1.f}, {1.00390625f, 1.f},
      {1.00390637f, 1.0078125f}, {1.01171875f, 1.015625f},
      {-1.01171875f, -1.015625f}, {3.4e38f, HUGE_VALF}, {HUGE_VALF, HUGE_VALF}};
  const float one = 1.f, not_a_number = NAN;
  float out, d_x, d_weight;
  MblmLinear forward = {.weight = {&one, MBLM_TYPE_F32, 1, 1},
      .rows = 1,
      .x = &one,
      .x_stride = 1,
      .out = &out,
      .out_stride = 1,
      .product = MBLM_TYPE_BF16};
  MblmLinearBackward b = {.forward = forward,
      .d_out_stride = 1,
      .d_x = &d_x,
      .d_x_stride = 1,
      .d_weight = &d_weight};

  for (size_t i = 0; i < G_N_ELEMENTS (known); i++) {
    float value = known[i][0];

    forward.x = &value;
    forward.weight.data = &one;
    ref->linear (queue, &forward);
    g_assert_cmpfloat (out, ==, known[i][1]);
    forward.x = &one;
    forward.weight.data = &value;
    ref->linear (queue, &forward);
    g_assert_cmpfloat (out, ==, known[i][1]);
    d_weight = 0.f;
    b.d_out = &value;
    ref->linear_backward (queue, &b);
    g_assert_cmpfloat (d_x, ==, known[i][1]);
    g_assert_cmpfloat (d_weight, ==, known[i][1]);
  }
  forward.x = &not_a_number;
  forward.weight.data = &one;
  ref->linear (queue, &forward);
  g_assert_true (isnan (out));
}

void
gradients_linear_add_tests (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (shapes); i++) {
    g_autofree char *name = g_strdup_printf ("/linear/shape-%zu", i);

    g_test_add_data_func (name, &shapes[i], test_shape);
  }
  g_test_add_func ("/linear/added", test_added);
  g_test_add_func ("/linear/slope", test_slope);
  g_test_add_func ("/linear/memory", test_memory);
  g_test_add_func ("/linear/rounding", test_rounding);
}
