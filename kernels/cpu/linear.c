/* linear.c: x W^T with bias, GELU and accumulation, and its gradients.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Few rows are a matter of their own (linear-few.c); many are a product of two
 * matrices (product.h), and so are the gradients of x and of the weight.
 */

#include "product.h"
#include "linear.h"
#include "tile.h"

#ifdef MBLM_CPU_BLAS
#include <limits.h>
#endif

/* More rows are worth packing. */
#define FEW_ROWS 16

/* The gradient before the activation: rows of a tile, and at most so many
 * tiles; outputs of a tile of the bias. */
#define GRADIENT_ROWS 32
#define MAX_GRADIENT_TILES 256
#define BIAS_COLUMNS 128

static void
linear_many (MblmQueue *queue, const MblmLinear *a)
{
  MblmLinear finish = *a;
  /* What nothing but the bias is done to can be added to at once. */
  bool add = a->accumulate && a->activation == MBLM_ACTIVATION_NONE &&
      !a->before;
  bool plain = a->activation == MBLM_ACTIVATION_NONE && !a->before &&
      !a->bias && (add || !a->accumulate);

  finish.accumulate = a->accumulate && !add;
  FN (product)
  (queue,
      &(Product){
          .a = {a->x, MBLM_TYPE_F32, a->rows, a->x_stride, false},
          .b = {a->weight.data, a->weight.type, a->weight.rows, a->weight.cols,
              false},
          .depth = a->weight.cols,
          .product = a->product,
          .add = add,
          .out = a->out,
          .out_stride = a->out_stride,
          .finish = plain ? NULL : &finish,
      });
}

static bool
is_for_blas (const MblmLinear *a)
{
#ifdef MBLM_CPU_BLAS
  return a->product == MBLM_TYPE_F32 && a->weight.cols > 0 &&
      a->weight.cols <= INT_MAX && a->x_stride <= INT_MAX;
#else
  return false;
#endif
}

void
FN (linear) (MblmQueue *queue, const MblmLinear *a)
{
  if (a->rows == 0 || a->weight.rows == 0)
    return;
  if (a->rows <= FEW_ROWS && a->weight.cols > 0)
    FN (linear_few) (queue, a);
  else if (is_for_blas (a))
    FN (linear_blas) (queue, a);
  else
    linear_many (queue, a);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

typedef struct {
  const MblmLinearBackward *a;
  size_t step, count; /* rows of a tile, tiles */
  float *sums;        /* [count, n], of the columns of a tile's rows, or NULL */
} Gradient;

/* A row of d_out becomes g. */
static void
undo_activation (float *d_out, const float *before, size_t n)
{
  for (size_t j = 0; j < n; j += VW) {
    vf slope = v_gelu_slope (v_load_n (before + j, n - j));

    v_store_n (d_out + j, n - j, v_load_n (d_out + j, n - j) * slope);
  }
}

static void
gradient_tile (const void *data, size_t tile, unsigned worker)
{
  const Gradient *self = data;
  const MblmLinearBackward *a = self->a;
  size_t n = a->forward.weight.rows, row = tile * self->step;
  size_t end = min_size (a->forward.rows, row + self->step);
  float *sums = self->sums ? self->sums + tile * n : NULL;

  if (sums)
    memset (sums, 0, n * sizeof (*sums));
  for (; row < end; row++) {
    float *g = a->d_out + row * a->d_out_stride;

    if (a->forward.activation != MBLM_ACTIVATION_NONE)
      undo_activation (g, a->forward.before + row * n, n);
    for (size_t j = 0; sums && j < n; j += VW)
      v_store_n (sums + j, n - j,
          v_load_n (sums + j, n - j) + v_load_n (g + j, n - j));
  }
}

static void
bias_tile (const void *data, size_t tile, unsigned worker)
{
  const Gradient *self = data;
  size_t n = self->a->forward.weight.rows, j = tile * BIAS_COLUMNS;
  size_t end = min_size (n, j + BIAS_COLUMNS);

  for (; j < end; j += VW) {
    float *d_bias = self->a->d_bias + j;
    vf sum = v_load_n (d_bias, end - j);

    for (size_t i = 0; i < self->count; i++)
      sum = sum + v_load_n (self->sums + i * n + j, end - j);
    v_store_n (d_bias, end - j, sum);
  }
}

/* d_out becomes g, and its columns are added up. */
static void
gradient_of_bias (MblmQueue *queue, const MblmLinearBackward *a)
{
  size_t n = a->forward.weight.rows, rows = a->forward.rows;
  bool active = a->forward.activation != MBLM_ACTIVATION_NONE;
  Gradient self = {.a = a};
  double size = (double) n * (double) rows;

  if (!active && !a->d_bias)
    return;
  self.step = max_size (GRADIENT_ROWS, divide_up (rows, MAX_GRADIENT_TILES));
  self.count = divide_up (rows, self.step);
  if (a->d_bias) {
    self.sums = mblm_cpu_scratch (
        queue, mblm_cpu_bytes (self.count, n * sizeof (float)), NULL, NULL);
    if (!self.sums)
      return;
  }
  mblm_cpu_run (
      queue, self.count, size * (active ? 1.0 : 0.1), gradient_tile, &self);
  if (a->d_bias)
    mblm_cpu_run (queue, divide_up (n, BIAS_COLUMNS),
        (double) n * (double) self.count * READ_WORK, bias_tile, &self);
}

void
FN (linear_backward) (MblmQueue *queue, const MblmLinearBackward *a)
{
  const MblmLinear *f = &a->forward;
  const MblmMatrix *weight = &f->weight;
  ProductOperand g = {a->d_out, MBLM_TYPE_F32, f->rows, a->d_out_stride, false};
  ProductOperand across = {
      a->d_out, MBLM_TYPE_F32, weight->rows, a->d_out_stride, true};

  if (f->rows == 0)
    return;
  gradient_of_bias (queue, a);
  if (a->d_x && queue->status == MBLM_STATUS_OK)
    FN (product)
  (queue,
      &(Product){
          .a = g,
          .b = {weight->data, weight->type, weight->cols, weight->cols, true},
          .depth = weight->rows,
          .product = f->product,
          .add = a->accumulate,
          .out = a->d_x,
          .out_stride = a->d_x_stride,
      });
  if (a->d_weight && queue->status == MBLM_STATUS_OK)
    FN (product)
  (queue,
      &(Product){
          .a = across,
          .b = {f->x, MBLM_TYPE_F32, weight->cols, f->x_stride, true},
          .depth = f->rows,
          .product = f->product,
          .add = true,
          .out = a->d_weight,
          .out_stride = weight->cols,
      });
}
