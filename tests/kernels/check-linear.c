/* check-linear.c: the matrix product and its gradients.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"
#include "shapes.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define ROUNDS 60          /* random shapes */
#define FEW 8              /* rows up to which a row's result is the same */
#define LARGE 1073741824.f /* 2^30 */

typedef struct {
  MblmType type;
  size_t rows, n, k, x_stride, out_stride;
  MblmActivation activation;
  bool bias, residual, in_place,
      keep; /* `keep`: what is before the activation */
  MblmType product, x_type, out_type;
  size_t first; /* the row to begin with */
  size_t weight, bias_at, x, residual_at, out, before_at; /* offsets */
} Linear;

static void
run_linear (const Target *t, char *memory, const void *data)
{
  const Linear *s = data;

  t->table->linear (t->queue,
      &(MblmLinear){
          .weight = matrix_at (memory, s->weight, s->type, s->n, s->k),
          .bias = s->bias ? AT (memory, s->bias_at) : NULL,
          .activation = s->activation,
          .residual = s->residual
              ? AT (memory, s->residual_at) + s->first * s->out_stride
              : NULL,
          .rows = s->rows,
          .x = ENTRY_AT (memory, s->x, s->x_type, s->first * s->x_stride),
          .x_type = s->x_type,
          .x_stride = s->x_stride,
          .out = ENTRY_AT (
              memory, s->out, s->out_type, s->first * s->out_stride),
          .out_type = s->out_type,
          .out_stride = s->out_stride,
          .product = s->product,
          .before = s->keep
              ? ENTRY_AT (memory, s->before_at, s->out_type, s->first * s->n)
              : NULL,
      });
}

/* What lies in memory as bfloat16, for messages. */
static const char *
name_types (MblmType x, MblmType out)
{
  static const char *const names[2][2] = {
      {"", ", out bf16"}, {", x bf16", ", x and out bf16"}};

  return names[x == MBLM_TYPE_BF16][out == MBLM_TYPE_BF16];
}

static Case *
linear_case (Check *check, Fill fill, Linear *s)
{
  Case *c = case_new (check, fill, "%s rows %zu, n %zu, k %zu%s%s%s%s%s",
      s->type == MBLM_TYPE_BF16 ? "bf16" : "f32", s->rows, s->n, s->k,
      s->product == MBLM_TYPE_BF16 ? ", in bf16" : "",
      name_types (s->x_type, s->out_type), s->bias ? ", bias" : "",
      s->activation ? ", gelu" : "",
      s->in_place       ? ", in place"
          : s->residual ? ", residual"
                        : "");

  s->weight = case_matrix (c, s->type, s->n, s->k, -LARGE, LARGE);
  if (s->bias)
    s->bias_at = case_input (c, 1, s->n, s->n, -LARGE, LARGE);
  s->x = case_typed_input (
      c, s->x_type, s->rows, s->k, s->x_stride, -LARGE, LARGE);
  if (s->residual)
    s->residual_at = case_input (
        c, s->rows, s->n, s->out_stride, -LARGE, LARGE);
  if (s->in_place) {
    s->out = s->residual_at;
    case_in_place (c, "out", s->out, s->rows, s->n, s->out_stride, s->k + 1);
  } else {
    s->out = case_typed_output (
        c, "out", s->out_type, s->rows, s->n, s->out_stride, s->k + 1);
  }
  if (s->keep)
    s->before_at = case_typed_output (
        c, "before", s->out_type, s->rows, s->n, s->n, s->k + 1);
  return c;
}

/* Of what is only with products of bfloat16. */
static MblmType
random_type (Check *check, MblmType product)
{
  return product == MBLM_TYPE_BF16 && check_coin (check) ? MBLM_TYPE_BF16
                                                         : MBLM_TYPE_F32;
}

static Linear
random_linear (Check *check, size_t rows, size_t n, size_t k)
{
  Linear s = {
      .type = check_coin (check) ? MBLM_TYPE_BF16 : MBLM_TYPE_F32,
      .rows = rows,
      .n = n,
      .k = k,
      .x_stride = k + (check_coin (check) ? check_size (check, 0, 40) : 0),
      .out_stride = n + (check_coin (check) ? check_size (check, 0, 40) : 0),
      .activation = check_coin (check) ? MBLM_ACTIVATION_GELU : 0,
      .bias = check_coin (check),
      .residual = check_coin (check),
      .keep = check_coin (check),
      .product = check_coin (check) ? MBLM_TYPE_BF16 : MBLM_TYPE_F32,
  };

  s.x_type = random_type (check, s.product);
  s.in_place = s.residual && check_coin (check);
  s.out_type = s.in_place ? MBLM_TYPE_F32 : random_type (check, s.product);
  return s;
}

/* A sum that something is still done to on the way to bfloat16 may have been rounded
 * to it before: half of the last of eight bits, times the steepest slope of GELU. */
static void
magnitude_linear (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Linear *s = data;
  double share = 1.13 / 512.0 / FLT_EPSILON;
  double sum = 4.0 + sqrt ((double) output->terms) / 4.0;

  magnitude_absolute (c, output, data, after, magnitude);
  if (output->type == MBLM_TYPE_BF16 &&
      (s->bias || s->residual || s->activation))
    for (size_t i = 0; i < output->rows * output->width; i++)
      magnitude[i] *= 1.0 + share / sum;
}

static void
check_shape (Check *check, Fill fill, size_t rows, size_t n, size_t k)
{
  Linear s = random_linear (check, rows, n, k);
  Case *c = linear_case (check, fill, &s);

  case_run (c, run_linear, &s, magnitude_linear);
  case_free (c);
}

/* Rows first .. first + rows - 1 alone give what they give among all. */
static void
check_part (Check *check, Case *c, const Target *target, const Linear *all,
    const char *full, size_t first, size_t rows)
{
  Linear part = *all;
  g_autofree char *result = NULL;

  part.first = first;
  part.rows = rows;
  result = case_result (c, target, run_linear, &part);
  for (size_t i = first; i < first + rows; i++) {
    size_t size = case_entry_size (all->out_type);
    size_t at = all->out + i * all->out_stride * size;

    if (memcmp (full + at, result + at, all->n * size) != 0) {
      check_failed (check, target, case_title (c),
          "row %zu is another one when it is computed with rows %zu to %zu", i,
          first, first + rows - 1);
      return;
    }
  }
}

static void
check_few_rows (Check *check, size_t n, size_t k)
{
  Linear s = random_linear (check, FEW, n, k);
  Case *c = linear_case (check, FILL_RANDOM, &s);

  for (guint i = 0; i < check->targets->len; i++) {
    const Target *target = g_ptr_array_index (check->targets, i);
    g_autofree char *full = case_result (c, target, run_linear, &s);

    for (size_t rows = 1; rows < FEW; rows++)
      check_part (
          check, c, target, &s, full, check_size (check, 0, FEW - rows), rows);
  }
  case_free (c);
}

void
check_linear (Check *check)
{
  for (size_t rows = 0; rows <= FEW + 1; rows++)
    for (int fill = 0; fill < FILL_KINDS; fill++)
      check_shape (check, fill, rows, check_size (check, 1, 200),
          check_size (check, 1, 300));
  check_shape (check, FILL_RANDOM, 5, 3, 0);
  check_shape (check, FILL_RANDOM, 50, 0, 3);
  check_shape (check, FILL_RANDOM, 50, 3, 0);
  for (int i = 0; i < ROUNDS; i++)
    check_shape (check, i % FILL_KINDS, check_size (check, 1, 100),
        check_size (check, 1, 200), check_size (check, 1, 200));
  /* Large enough for several threads and for blocks of every size. */
  check_shape (check, FILL_RANDOM, 1, 1543, 2049);
  check_shape (check, FILL_RANDOM, 3, 4096, 515);
  check_shape (check, FILL_RANDOM, 203, 259, 384);
  check_shape (check, FILL_RANDOM, 600, 96, 129);
  check_shape (check, FILL_RANDOM, 270, 280, 520);
  for (int i = 0; i < 4; i++)
    check_shape (check, FILL_RANDOM, 70, 65, 1100);
  /* ... and for every way to pack them. */
  for (int i = 0; i < 2; i++) {
    check_shape (check, FILL_RANDOM, 45, 580, 1100);
    check_shape (check, FILL_RANDOM, 17, 1100, 530);
    check_shape (check, FILL_RANDOM, 280, 1100, 530);
  }

  for (int i = 0; i < 6; i++)
    check_few_rows (
        check, check_size (check, 1, 300), check_size (check, 1, 300));
  check_few_rows (check, 1024, 256);
  check_few_rows (check, 257, 384);
  check_few_rows (check, 580, 1100);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

typedef struct {
  Linear forward;
  MblmType d_out_type, d_x_type;
  size_t d_out_stride, d_x_stride;
  bool gelu; /* x is GELU of something */
  bool accumulate, want_x, want_weight, want_bias;
  size_t d_out, before, d_x, d_weight, d_bias; /* offsets */
} Backward;

static void
run_backward (const Target *t, char *memory, const void *data)
{
  const Backward *s = data;
  const Linear *f = &s->forward;

  t->table->linear_backward (t->queue,
      &(MblmLinearBackward){
          .forward =
              {
                  .weight = matrix_at (memory, f->weight, f->type, f->n, f->k),
                  .rows = f->rows,
                  .x = AT (memory, f->x),
                  .x_type = f->x_type,
                  .x_stride = f->x_stride,
                  .product = f->product,
              },
          .d_out = AT (memory, s->d_out),
          .d_out_type = s->d_out_type,
          .d_out_stride = s->d_out_stride,
          .before = s->gelu ? AT (memory, s->before) : NULL,
          .accumulate = s->accumulate,
          .d_x = s->want_x ? AT (memory, s->d_x) : NULL,
          .d_x_type = s->d_x_type,
          .d_x_stride = s->d_x_stride,
          .d_weight = s->want_weight ? AT (memory, s->d_weight) : NULL,
          .d_bias = s->want_bias ? AT (memory, s->d_bias) : NULL,
      });
}

static void
gradient_buffers (Case *c, Backward *s)
{
  const Linear *f = &s->forward;

  if (s->want_x && s->accumulate) {
    s->d_x = case_input (c, f->rows, f->k, s->d_x_stride, -LARGE, LARGE);
    case_in_place (c, "d_x", s->d_x, f->rows, f->k, s->d_x_stride, f->n);
  } else if (s->want_x) {
    s->d_x = case_typed_output (
        c, "d_x", s->d_x_type, f->rows, f->k, s->d_x_stride, f->n);
  }
  if (s->want_weight) {
    s->d_weight = case_input (c, f->n, f->k, f->k, -LARGE, LARGE);
    case_in_place (c, "d_weight", s->d_weight, f->n, f->k, f->k, f->rows);
  }
  if (s->want_bias) {
    s->d_bias = case_input (c, 1, f->n, f->n, -LARGE, LARGE);
    case_in_place (c, "d_bias", s->d_bias, 1, f->n, f->n, f->rows);
  }
}

static Case *
backward_case (Check *check, Fill fill, Backward *s)
{
  Linear *f = &s->forward;
  Case *c = case_new (check, fill, "%s rows %zu, n %zu, k %zu%s%s%s%s%s%s%s%s",
      f->type == MBLM_TYPE_BF16 ? "bf16" : "f32", f->rows, f->n, f->k,
      f->product == MBLM_TYPE_BF16 ? ", in bf16" : "",
      name_types (f->x_type, s->d_out_type),
      s->d_x_type == MBLM_TYPE_BF16 ? ", d_x bf16" : "",
      s->gelu ? ", gelu" : "", s->accumulate ? ", accumulate" : "",
      s->want_x ? ", d_x" : "", s->want_weight ? ", d_weight" : "",
      s->want_bias ? ", d_bias" : "");

  f->weight = case_matrix (c, f->type, f->n, f->k, -LARGE, LARGE);
  f->x = case_typed_input (
      c, f->x_type, f->rows, f->k, f->x_stride, -LARGE, LARGE);
  s->d_out = case_typed_input (
      c, s->d_out_type, f->rows, f->n, s->d_out_stride, -LARGE, LARGE);
  if (s->gelu)
    s->before = case_typed_input (
        c, f->x_type, f->rows, f->k, f->k, -LARGE, LARGE);
  gradient_buffers (c, s);
  return c;
}

/* The slope of GELU is near 0 where it goes through it; its terms are not. What
 * is added to is no part of the product. */
static void
magnitude_backward (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Backward *s = data;

  magnitude_absolute (c, output, data, after, magnitude);
  if (s->gelu && strcmp (output->name, "d_x") == 0)
    for (size_t i = 0; i < output->rows * output->width; i++)
      magnitude[i] *= 2.0;
}

static void
check_backward_shape (Check *check, Fill fill, size_t rows, size_t n, size_t k)
{
  Backward s = {
      .forward = random_linear (check, rows, n, k),
      .accumulate = check_coin (check),
      .want_x = check_size (check, 0, 3) < 3,
      .want_weight = check_size (check, 0, 3) < 3,
      .want_bias = check_coin (check),
      .gelu = check_coin (check),
  };
  MblmType product = s.forward.product;
  Case *c;

  s.d_out_type = random_type (check, product);
  s.d_x_type = s.accumulate ? MBLM_TYPE_F32 : random_type (check, product);

  s.d_out_stride = s.forward.out_stride;
  s.d_x_stride = k + (check_coin (check) ? check_size (check, 0, 40) : 0);
  c = backward_case (check, fill, &s);
  case_run (c, run_backward, &s, magnitude_backward);
  case_free (c);
}

void
check_linear_backward (Check *check)
{
  for (size_t rows = 0; rows <= 4; rows++)
    for (int fill = 0; fill < FILL_KINDS; fill++)
      check_backward_shape (check, fill, rows, check_size (check, 1, 100),
          check_size (check, 1, 100));
  for (int i = 0; i < 3; i++) {
    check_backward_shape (check, FILL_RANDOM, 50, 0, 3);
    check_backward_shape (check, FILL_RANDOM, 50, 3, 0);
  }
  for (int i = 0; i < ROUNDS; i++)
    check_backward_shape (check, i % FILL_KINDS, check_size (check, 1, 200),
        check_size (check, 1, 120), check_size (check, 1, 120));
  /* Large enough for several threads, for parts of every sum, and for pieces of
   * many rows. */
  for (int i = 0; i < 4; i++) {
    check_backward_shape (check, FILL_RANDOM, 203, 259, 384);
    check_backward_shape (check, FILL_RANDOM, 67, 1100, 40);
    check_backward_shape (check, FILL_RANDOM, 1100, 260, 33);
    check_backward_shape (check, i, 4500, 20, 23);
    check_backward_shape (check, FILL_RANDOM, 9000, 8, 3);
  }
  check_backward_shape (check, FILL_RANDOM, 40, 1100, 580);
  check_backward_shape (check, FILL_RANDOM, 530, 300, 1100);
}

/* ------------------------------------------------------------------------- */
/* Time                                                                      */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmType type, product;
} Precision;

static const Precision precisions[] = {
    {MBLM_TYPE_F32, MBLM_TYPE_F32},
    {MBLM_TYPE_BF16, MBLM_TYPE_F32},
    {MBLM_TYPE_F32, MBLM_TYPE_BF16},
};

void
bench_linear (Check *check)
{
  for (size_t p = 0; p < G_N_ELEMENTS (precisions); p++)
    for (size_t i = 0; i < G_N_ELEMENTS (linear_shapes); i++) {
      LinearShape l = linear_shapes[i];
      Linear s = {.type = precisions[p].type,
          .product = precisions[p].product,
          .rows = l.rows,
          .n = l.n,
          .k = l.k,
          .x_stride = l.k,
          .out_stride = l.n,
          .bias = true};
      Case *c = linear_case (check, FILL_RANDOM, &s);
      double weights = (s.type == MBLM_TYPE_BF16 ? 2.0 : 4.0) * l.n * l.k;

      case_bench (c, run_linear, &s, weights + 4.0 * l.rows * (l.n + l.k),
          2.0 * l.rows * l.n * l.k);
      case_free (c);
    }
}

/* One of the two products. */
static void
bench_gradient (Check *check, LinearShape l, MblmType product, bool weight)
{
  Backward s = {
      .forward = {.rows = l.rows,
          .n = l.n,
          .k = l.k,
          .x_stride = l.k,
          .product = product},
      .d_out_stride = l.n,
      .d_x_stride = l.k,
      .want_x = !weight,
      .want_weight = weight,
  };
  Case *c = backward_case (check, FILL_RANDOM, &s);
  double outputs = 4.0 * l.rows * l.n, inputs = 4.0 * l.rows * l.k;
  double weights = 4.0 * l.n * l.k;

  case_bench (c, run_backward, &s,
      outputs + inputs + weights * (weight ? 2.0 : 1.0),
      2.0 * l.rows * l.n * l.k);
  case_free (c);
}

void
bench_linear_backward (Check *check)
{
  for (size_t i = 0; i < G_N_ELEMENTS (linear_backward_shapes); i++)
    for (int product = MBLM_TYPE_F32; product <= MBLM_TYPE_BF16; product++)
      for (int weight = 0; weight < 2; weight++)
        bench_gradient (check, linear_backward_shapes[i], product, weight);
}
