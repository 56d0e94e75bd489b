/* linear.c: x W^T with bias, GELU and residual, and its gradients.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Few rows are a matter of their own (linear-few.c); many are a product of two
 * matrices (product.h), and so are the gradients of x and of the weight.
 */

#include "product.h"
#include "tile.h"

#ifdef MBLM_CPU_BLAS
#include <limits.h>
#endif

/* More rows are worth packing. */
#define FEW_ROWS 16

/* The gradient of the bias: rows of a tile, and at most so many tiles; columns of
 * a tile of their sums. */
#define GRADIENT_ROWS 32
#define MAX_GRADIENT_TILES 256
#define BIAS_COLUMNS 128

static void
linear_many (MblmQueue *queue, const MblmLinear *a)
{
  Finish finish = finish_linear (queue, a);
  /* What nothing but the bias is done to can be added to at once. */
  bool only = a->activation == MBLM_ACTIVATION_NONE && !a->before;
  bool add = only && a->residual && a->residual == a->out;
  bool plain = only && !a->bias && a->out_type == MBLM_TYPE_F32 &&
      (add || !a->residual);

  if (add)
    finish.residual = NULL;
  FN (product)
  (queue,
      &(Product){
          .a = {a->x, a->x_type, a->rows, a->x_stride, false},
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
  if (a->rows <= FEW_ROWS && a->weight.cols > 0 && a->x_type == MBLM_TYPE_F32)
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
  float *sums;        /* [count, n], of the columns of a tile's rows */
} Gradient;

static void
gradient_tile (const void *data, size_t tile, unsigned worker)
{
  const Gradient *self = data;
  const MblmLinearBackward *a = self->a;
  size_t n = a->forward.weight.rows, row = tile * self->step;
  size_t end = min_size (a->forward.rows, row + self->step);
  float *sums = self->sums + tile * n;

  memset (sums, 0, n * sizeof (*sums));
  for (; row < end; row++) {
    size_t at = row * a->d_out_stride;

    for (size_t j = 0; j < n; j += VW)
      v_store_n (sums + j, n - j,
          v_load_n (sums + j, n - j) +
              v_load_as (a->d_out_type, a->d_out, at + j, n - j));
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

static void
gradient_of_bias (MblmQueue *queue, const MblmLinearBackward *a)
{
  size_t n = a->forward.weight.rows, rows = a->forward.rows;
  Gradient self = {.a = a};

  self.step = max_size (GRADIENT_ROWS, divide_up (rows, MAX_GRADIENT_TILES));
  self.count = divide_up (rows, self.step);
  self.sums = mblm_cpu_scratch (
      queue, mblm_cpu_bytes (self.count, n * sizeof (float)), NULL, NULL);
  if (!self.sums)
    return;
  mblm_cpu_run (queue, self.count, (double) n * (double) rows * READ_WORK,
      gradient_tile, &self);
  mblm_cpu_run (queue, divide_up (n, BIAS_COLUMNS),
      (double) n * (double) self.count * READ_WORK, bias_tile, &self);
}

static void
gradient_of_x (MblmQueue *queue, const MblmLinearBackward *a)
{
  const MblmLinear *f = &a->forward;
  const MblmMatrix *weight = &f->weight;
  Finish finish = {.residual = a->accumulate ? a->d_x : NULL,
      .stride = a->d_x_stride,
      .width = weight->cols,
      .slope = a->before,
      .type = a->d_x_type,
      .slope_type = f->x_type,
      .round = queue->device->ops.round_bf16};
  bool plain = !a->before && a->d_x_type == MBLM_TYPE_F32;

  FN (product)
  (queue,
      &(Product){
          .a = {a->d_out, a->d_out_type, f->rows, a->d_out_stride, false},
          .b = {weight->data, weight->type, weight->cols, weight->cols, true},
          .depth = weight->rows,
          .product = f->product,
          .add = a->accumulate && plain,
          .out = a->d_x,
          .out_stride = a->d_x_stride,
          .finish = plain ? NULL : &finish,
      });
}

static void
gradient_of_weight (MblmQueue *queue, const MblmLinearBackward *a)
{
  const MblmLinear *f = &a->forward;
  const MblmMatrix *weight = &f->weight;

  FN (product)
  (queue,
      &(Product){
          .a = {a->d_out, a->d_out_type, weight->rows, a->d_out_stride, true},
          .b = {f->x, f->x_type, weight->cols, f->x_stride, true},
          .depth = f->rows,
          .product = f->product,
          .add = true,
          .out = a->d_weight,
          .out_stride = weight->cols,
      });
}

void
FN (linear_backward) (MblmQueue *queue, const MblmLinearBackward *a)
{
  if (a->forward.rows == 0)
    return;
  if (a->d_bias)
    gradient_of_bias (queue, a);
  if (a->d_x && queue->status == MBLM_STATUS_OK)
    gradient_of_x (queue, a);
  if (a->d_weight && queue->status == MBLM_STATUS_OK)
    gradient_of_weight (queue, a);
}
