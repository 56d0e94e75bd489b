/* check-linear.c: the matrix product.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check-linear.h"

#include <math.h>
#include <string.h>

#define FEW 8 /* rows up to which a row's result is the same */

static void
run_linear (const Target *t, char *memory, const void *data)
{
  const Linear *s = data;

  linear_set_tf32 (t, s->tf32);
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
  linear_set_tf32 (t, false);
}

const char *
linear_name_product (const Linear *s)
{
  return s->product == MBLM_TYPE_BF16 ? ", in bf16"
      : s->tf32                       ? ", in tf32"
                                      : "";
}

const char *
linear_name_types (MblmType x, MblmType out)
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
      linear_name_product (s), linear_name_types (s->x_type, s->out_type),
      s->bias ? ", bias" : "", s->activation ? ", gelu" : "",
      s->in_place       ? ", in place"
          : s->residual ? ", residual"
                        : "");

  if (s->aligned)
    case_align (c);
  s->weight = case_matrix (c, s->type, s->n, s->k, -LINEAR_LARGE, LINEAR_LARGE);
  if (s->bias)
    s->bias_at = case_input (c, 1, s->n, s->n, -LINEAR_LARGE, LINEAR_LARGE);
  s->x = case_typed_input (
      c, s->x_type, s->rows, s->k, s->x_stride, -LINEAR_LARGE, LINEAR_LARGE);
  if (s->residual)
    s->residual_at = case_input (
        c, s->rows, s->n, s->out_stride, -LINEAR_LARGE, LINEAR_LARGE);
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

MblmType
linear_random_type (Check *check, MblmType product)
{
  return product == MBLM_TYPE_BF16 && check_coin (check) ? MBLM_TYPE_BF16
                                                         : MBLM_TYPE_F32;
}

Linear
linear_random (Check *check, size_t rows, size_t n, size_t k)
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

  s.x_type = linear_random_type (check, s.product);
  s.in_place = s.residual && check_coin (check);
  s.out_type = s.in_place ? MBLM_TYPE_F32
                          : linear_random_type (check, s.product);
  return s;
}

void
linear_add_share (const Output *output, double share, double *magnitude)
{
  double sum = 4.0 + sqrt ((double) output->terms) / 4.0;

  for (size_t i = 0; i < output->rows * output->width; i++)
    magnitude[i] *= 1.0 + share / FLT_EPSILON / sum;
}

/* Up to any number, the slope of GELU is at most so many times its height there over
 * that number. */
#define GELU_STEEPNESS 1.3

/* A sum that something is still done to on the way to bfloat16 may have been rounded
 * to it before: half of the last of eight bits, times the steepest slope of GELU. */
static void
magnitude_linear (const Case *c, const Output *output, const void *data,
    char *after, double *magnitude)
{
  const Linear *s = data;

  magnitude_absolute (c, output, data, after, magnitude);
  if (output->type == MBLM_TYPE_BF16 &&
      (s->bias || s->residual || s->activation))
    linear_add_share (output, 1.13 / 512.0, magnitude);
  if (s->tf32)
    linear_add_share (output,
        LINEAR_TF32_SHARE * (s->activation ? GELU_STEEPNESS : 1.0), magnitude);
}

static void
check_shape (Check *check, Fill fill, size_t rows, size_t n, size_t k)
{
  Linear s = linear_random (check, rows, n, k);
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
  Linear s = linear_random (check, FEW, n, k);
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

/* ------------------------------------------------------------------------- */
/* TF32                                                                      */
/* ------------------------------------------------------------------------- */

static bool
takes_tf32 (const Target *target, char *memory, const void *data)
{
  return target->table->queue_set_tf32 != NULL;
}

bool
linear_has_tf32 (const Check *check)
{
  for (guint i = 0; i < check->targets->len; i++)
    if (takes_tf32 (g_ptr_array_index (check->targets, i), NULL, NULL))
      return true;
  return false;
}

void
linear_set_tf32 (const Target *target, bool tf32)
{
  if (takes_tf32 (target, NULL, NULL))
    target->table->queue_set_tf32 (target->queue, tf32);
}

Linear
linear_random_tf32 (Check *check, size_t rows, size_t n, size_t k)
{
  Linear s = linear_random (check, rows, n, k);

  s.product = s.x_type = s.out_type = MBLM_TYPE_F32;
  s.tf32 = true;
  return s;
}

void
linear_run_tf32 (
    Case *c, CaseRun run, const void *data, CaseMagnitude magnitude)
{
  case_ask (c, takes_tf32);
  case_run (c, run, data, magnitude);
}

void
linear_check_switch (Check *check, Case *c, CaseRun run, const void *in_float32,
    const void *in_tf32, const Result *results, guint n)
{
  for (guint i = 0; i < check->targets->len; i++) {
    const Target *target = g_ptr_array_index (check->targets, i);

    if (!takes_tf32 (target, NULL, NULL))
      continue;

    g_autofree char *before = case_result (c, target, run, in_float32);
    g_autofree char *rounded = case_result (c, target, run, in_tf32);
    g_autofree char *after = case_result (c, target, run, in_float32);

    if (memcmp (before, after, case_size (c)) != 0)
      check_failed (check, target, case_title (c),
          "differs from what it was before it was one in TF32");
    for (guint r = 0; r < n; r++)
      if (memcmp (before + results[r].offset, rounded + results[r].offset,
              results[r].count * sizeof (float)) == 0)
        check_failed (check, target, case_title (c),
            "%s is the same in TF32 as in float32", results[r].name);
  }
}

static void
check_tf32_shape (Check *check, Fill fill, size_t rows, size_t n, size_t k)
{
  Linear s = linear_random_tf32 (check, rows, n, k);
  Case *c = linear_case (check, fill, &s);

  linear_run_tf32 (c, run_linear, &s, magnitude_linear);
  case_free (c);
}

static void
check_switch (Check *check, size_t rows, size_t n, size_t k)
{
  Linear s = {.rows = rows,
      .n = n,
      .k = k,
      .x_stride = k,
      .out_stride = n,
      .aligned = true};
  Case *c = linear_case (check, FILL_RANDOM, &s);
  Linear in_tf32 = s;

  in_tf32.tf32 = true;
  linear_check_switch (
      check, c, run_linear, &s, &in_tf32, &(Result){"out", s.out, rows * n}, 1);
  case_free (c);
}

static void
check_tf32 (Check *check)
{
  for (int i = 0; i < LINEAR_ROUNDS; i++)
    check_tf32_shape (check, i % FILL_KINDS, check_size (check, 1, 150),
        check_size (check, 1, 200), check_width (check, 1, 400));
  check_switch (check, 256, 384, 512);
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
  for (int i = 0; i < LINEAR_ROUNDS; i++)
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
  if (linear_has_tf32 (check))
    check_tf32 (check);
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
