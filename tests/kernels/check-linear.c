/* check-linear.c: the matrix product.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "check.h"
#include "shapes.h"

#include <string.h>

#define ROUNDS 60          /* random shapes */
#define FEW 8              /* rows up to which a row's result is the same */
#define LARGE 1073741824.f /* 2^30 */

typedef struct {
  MblmType type;
  size_t rows, n, k, x_stride, out_stride;
  MblmActivation activation;
  bool bias, accumulate;
  size_t first;                   /* the row to begin with */
  size_t weight, bias_at, x, out; /* offsets */
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
          .accumulate = s->accumulate,
          .rows = s->rows,
          .x = AT (memory, s->x) + s->first * s->x_stride,
          .x_stride = s->x_stride,
          .out = AT (memory, s->out) + s->first * s->out_stride,
          .out_stride = s->out_stride,
      });
}

static Case *
linear_case (Check *check, Fill fill, Linear *s)
{
  Case *c = case_new (check, fill, "%s rows %zu, n %zu, k %zu%s%s%s",
      s->type == MBLM_TYPE_BF16 ? "bf16" : "f32", s->rows, s->n, s->k,
      s->bias ? ", bias" : "", s->activation ? ", gelu" : "",
      s->accumulate ? ", accumulate" : "");

  s->weight = case_matrix (c, s->type, s->n, s->k, -LARGE, LARGE);
  if (s->bias)
    s->bias_at = case_input (c, 1, s->n, s->n, -LARGE, LARGE);
  s->x = case_input (c, s->rows, s->k, s->x_stride, -LARGE, LARGE);
  if (s->accumulate) {
    s->out = case_input (c, s->rows, s->n, s->out_stride, -LARGE, LARGE);
    case_in_place (c, "out", s->out, s->rows, s->n, s->out_stride, s->k);
  } else {
    s->out = case_output (c, "out", s->rows, s->n, s->out_stride, s->k);
  }
  return c;
}

static Linear
random_linear (Check *check, size_t rows, size_t n, size_t k)
{
  return (Linear){
      .type = check_coin (check) ? MBLM_TYPE_BF16 : MBLM_TYPE_F32,
      .rows = rows,
      .n = n,
      .k = k,
      .x_stride = k + (check_coin (check) ? check_size (check, 0, 40) : 0),
      .out_stride = n + (check_coin (check) ? check_size (check, 0, 40) : 0),
      .activation = check_coin (check) ? MBLM_ACTIVATION_GELU : 0,
      .bias = check_coin (check),
      .accumulate = check_coin (check),
  };
}

static void
check_shape (Check *check, Fill fill, size_t rows, size_t n, size_t k)
{
  Linear s = random_linear (check, rows, n, k);
  Case *c = linear_case (check, fill, &s);

  case_run (c, run_linear, &s, magnitude_absolute);
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
    size_t at = all->out + i * all->out_stride * sizeof (float);

    if (memcmp (full + at, result + at, all->n * sizeof (float)) != 0) {
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
  for (int i = 0; i < ROUNDS; i++)
    check_shape (check, i % FILL_KINDS, check_size (check, 1, 100),
        check_size (check, 1, 200), check_size (check, 1, 200));
  /* Large enough for several threads and for blocks of every size. */
  check_shape (check, FILL_RANDOM, 1, 1543, 2049);
  check_shape (check, FILL_RANDOM, 3, 4096, 515);
  check_shape (check, FILL_RANDOM, 203, 259, 384);
  check_shape (check, FILL_RANDOM, 600, 96, 129);

  for (int i = 0; i < 6; i++)
    check_few_rows (
        check, check_size (check, 1, 300), check_size (check, 1, 300));
  check_few_rows (check, 1024, 256);
  check_few_rows (check, 257, 384);
}

void
bench_linear (Check *check)
{
  for (int type = MBLM_TYPE_F32; type <= MBLM_TYPE_BF16; type++)
    for (size_t i = 0; i < G_N_ELEMENTS (linear_shapes); i++) {
      LinearShape l = linear_shapes[i];
      Linear s = {.type = type,
          .rows = l.rows,
          .n = l.n,
          .k = l.k,
          .x_stride = l.k,
          .out_stride = l.n,
          .bias = true};
      Case *c = linear_case (check, FILL_RANDOM, &s);
      double weights = (type == MBLM_TYPE_BF16 ? 2.0 : 4.0) * l.n * l.k;

      case_bench (c, run_linear, &s, weights + 4.0 * l.rows * (l.n + l.k),
          2.0 * l.rows * l.n * l.k);
      case_free (c);
    }
}
