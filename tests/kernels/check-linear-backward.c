/* check-linear-backward.c: the gradients of the matrix product.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check-linear.h"

#include <string.h>

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

  linear_set_tf32 (t, f->tf32);
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
  linear_set_tf32 (t, false);
}

static void
gradient_buffers (Case *c, Backward *s)
{
  const Linear *f = &s->forward;

  if (s->want_x && s->accumulate) {
    s->d_x = case_input (
        c, f->rows, f->k, s->d_x_stride, -LINEAR_LARGE, LINEAR_LARGE);
    case_in_place (c, "d_x", s->d_x, f->rows, f->k, s->d_x_stride, f->n);
  } else if (s->want_x) {
    s->d_x = case_typed_output (
        c, "d_x", s->d_x_type, f->rows, f->k, s->d_x_stride, f->n);
  }
  if (s->want_weight) {
    s->d_weight = case_input (c, f->n, f->k, f->k, -LINEAR_LARGE, LINEAR_LARGE);
    case_in_place (c, "d_weight", s->d_weight, f->n, f->k, f->k, f->rows);
  }
  if (s->want_bias) {
    s->d_bias = case_input (c, 1, f->n, f->n, -LINEAR_LARGE, LINEAR_LARGE);
    case_in_place (c, "d_bias", s->d_bias, 1, f->n, f->n, f->rows);
  }
}

static Case *
backward_case (Check *check, Fill fill, Backward *s)
{
  Linear *f = &s->forward;
  Case *c = case_new (check, fill, "%s rows %zu, n %zu, k %zu%s%s%s%s%s%s%s%s",
      f->type == MBLM_TYPE_BF16 ? "bf16" : "f32", f->rows, f->n, f->k,
      linear_name_product (f), linear_name_types (f->x_type, s->d_out_type),
      s->d_x_type == MBLM_TYPE_BF16 ? ", d_x bf16" : "",
      s->gelu ? ", gelu" : "", s->accumulate ? ", accumulate" : "",
      s->want_x ? ", d_x" : "", s->want_weight ? ", d_weight" : "",
      s->want_bias ? ", d_bias" : "");

  if (f->aligned)
    case_align (c);
  f->weight = case_matrix (c, f->type, f->n, f->k, -LINEAR_LARGE, LINEAR_LARGE);
  f->x = case_typed_input (
      c, f->x_type, f->rows, f->k, f->x_stride, -LINEAR_LARGE, LINEAR_LARGE);
  s->d_out = case_typed_input (c, s->d_out_type, f->rows, f->n, s->d_out_stride,
      -LINEAR_LARGE, LINEAR_LARGE);
  if (s->gelu)
    s->before = case_typed_input (
        c, f->x_type, f->rows, f->k, f->k, -LINEAR_LARGE, LINEAR_LARGE);
  gradient_buffers (c, s);
  return c;
}

/* The slope of GELU is near 0 where it goes through it; its terms are not. What
 * is added to is no part of the product, and the gradient of the bias is none. */
static void
magnitude_backward (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Backward *s = data;

  magnitude_absolute (c, output, data, after, magnitude);
  if (s->gelu && strcmp (output->name, "d_x") == 0)
    for (size_t i = 0; i < output->rows * output->width; i++)
      magnitude[i] *= 2.0;
  if (s->forward.tf32 && strcmp (output->name, "d_bias") != 0)
    linear_add_share (output, LINEAR_TF32_SHARE, magnitude);
}

static void
check_backward_shape (Check *check, Fill fill, size_t rows, size_t n, size_t k)
{
  Backward s = {
      .forward = linear_random (check, rows, n, k),
      .accumulate = check_coin (check),
      .want_x = check_size (check, 0, 3) < 3,
      .want_weight = check_size (check, 0, 3) < 3,
      .want_bias = check_coin (check),
      .gelu = check_coin (check),
  };
  MblmType product = s.forward.product;
  Case *c;

  s.d_out_type = linear_random_type (check, product);
  s.d_x_type = s.accumulate ? MBLM_TYPE_F32
                            : linear_random_type (check, product);

  s.d_out_stride = s.forward.out_stride;
  s.d_x_stride = k + (check_coin (check) ? check_size (check, 0, 40) : 0);
  c = backward_case (check, fill, &s);
  case_run (c, run_backward, &s, magnitude_backward);
  case_free (c);
}

static void
check_tf32_shape (Check *check, Fill fill, size_t rows, size_t n, size_t k)
{
  Backward s = {
      .forward = linear_random_tf32 (check, rows, n, k),
      .accumulate = check_coin (check),
      .want_x = true,
      .want_weight = true,
      .want_bias = check_coin (check),
      .gelu = check_coin (check),
  };
  Case *c;

  s.d_out_stride = s.forward.out_stride;
  s.d_x_stride = k;
  c = backward_case (check, fill, &s);
  linear_run_tf32 (c, run_backward, &s, magnitude_backward);
  case_free (c);
}

static void
check_switch (Check *check, size_t rows, size_t n, size_t k)
{
  Backward s = {
      .forward = {.rows = rows, .n = n, .k = k, .x_stride = k, .aligned = true},
      .d_out_stride = n,
      .d_x_stride = k,
      .want_x = true,
      .want_weight = true};
  Case *c = backward_case (check, FILL_RANDOM, &s);
  Backward in_tf32 = s;

  in_tf32.forward.tf32 = true;
  linear_check_switch (check, c, run_backward, &s, &in_tf32,
      (Result[]){{"d_x", s.d_x, rows * k}, {"d_weight", s.d_weight, n * k}}, 2);
  case_free (c);
}

static void
check_tf32 (Check *check)
{
  for (int i = 0; i < LINEAR_ROUNDS; i++)
    check_tf32_shape (check, i % FILL_KINDS, check_size (check, 1, 200),
        check_width (check, 1, 120), check_width (check, 1, 120));
  check_switch (check, 512, 256, 384);
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
  for (int i = 0; i < LINEAR_ROUNDS; i++)
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
  if (linear_has_tf32 (check))
    check_tf32 (check);
}

/* ------------------------------------------------------------------------- */
/* Time                                                                      */
/* ------------------------------------------------------------------------- */

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
