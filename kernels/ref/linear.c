/* linear.c: the matrix product, with bias and activation, and its gradient.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

/* What a product takes of an operand. */
static double
operand (MblmType product, double x)
{
  return product == MBLM_TYPE_F32 ? x : ref_nearest (product, x);
}

/* The entry [row, col] of the weight as the product takes it. */
static double
weight_at (const MblmLinear *a, size_t row, size_t col)
{
  return operand (a->product, ref_matrix_at (&a->weight, row, col));
}

static double
activate (MblmActivation activation, double x)
{
  switch (activation) {
    case MBLM_ACTIVATION_GELU:
      return 0.5 * x * (1.0 + erf (x * M_SQRT1_2));
    case MBLM_ACTIVATION_NONE:
      break;
  }
  return x;
}

/* GELU is x P (x), P the normal distribution function, p its density:
 * P (x) + x p (x). Far out the density is 0, also where x is infinite. */
static double
gelu_slope (double x)
{
  double density = exp (-0.5 * x * x) / sqrt (2.0 * M_PI);

  return 0.5 * erfc (-x * M_SQRT1_2) + (density > 0.0 ? x * density : 0.0);
}

void
ref_linear (MblmQueue *queue, const MblmLinear *a)
{
  size_t n = a->weight.rows, k = a->weight.cols;

  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->rows; i++)
    for (size_t j = 0; j < n; j++) {
      size_t out = i * a->out_stride + j;
      double sum = 0.0;

      for (size_t l = 0; l < k; l++)
        sum += operand (
                   a->product, ref_get (a->x_type, a->x, i * a->x_stride + l)) *
            weight_at (a, j, l);
      if (a->bias)
        sum += a->bias[j];
      if (a->before)
        ref_set (a->out_type, a->before, i * n + j, sum);
      sum = activate (a->activation, sum);
      if (a->residual)
        sum += a->residual[out];
      ref_set (a->out_type, a->out, out, sum);
    }
}

static double
d_out_at (const MblmLinearBackward *a, size_t row, size_t col)
{
  return ref_get (a->d_out_type, a->d_out, row * a->d_out_stride + col);
}

/* d_x[i, l] = sum over j of d_out[i, j] weight[j, l], times the slope. */
static void
gradient_of_x (const MblmLinearBackward *a)
{
  const MblmLinear *f = &a->forward;
  size_t k = f->weight.cols;

  for (size_t i = 0; i < f->rows; i++)
    for (size_t l = 0; l < k; l++) {
      size_t at = i * a->d_x_stride + l;
      double sum = 0.0;

      for (size_t j = 0; j < f->weight.rows; j++)
        sum += operand (f->product, d_out_at (a, i, j)) * weight_at (f, j, l);
      if (a->before)
        sum *= gelu_slope (ref_get (f->x_type, a->before, i * k + l));
      if (a->accumulate)
        sum += ref_get (a->d_x_type, a->d_x, at);
      ref_set (a->d_x_type, a->d_x, at, sum);
    }
}

/* d_weight[j, l] += sum over i of d_out[i, j] x[i, l]. */
static void
gradient_of_weight (const MblmLinearBackward *a)
{
  const MblmLinear *f = &a->forward;

  for (size_t j = 0; j < f->weight.rows; j++)
    for (size_t l = 0; l < f->weight.cols; l++) {
      float *d_weight = a->d_weight + j * f->weight.cols + l;
      double sum = *d_weight;

      for (size_t i = 0; i < f->rows; i++)
        sum += operand (f->product, d_out_at (a, i, j)) *
            operand (
                f->product, ref_get (f->x_type, f->x, i * f->x_stride + l));
      *d_weight = (float) sum;
    }
}

static void
gradient_of_bias (const MblmLinearBackward *a)
{
  for (size_t j = 0; j < a->forward.weight.rows; j++) {
    double sum = a->d_bias[j];

    for (size_t i = 0; i < a->forward.rows; i++)
      sum += d_out_at (a, i, j);
    a->d_bias[j] = (float) sum;
  }
}

void
ref_linear_backward (MblmQueue *queue, const MblmLinearBackward *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  if (a->d_x)
    gradient_of_x (a);
  if (a->d_weight)
    gradient_of_weight (a);
  if (a->d_bias)
    gradient_of_bias (a);
}
