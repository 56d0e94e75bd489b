/* linear.c: the matrix product, with bias and activation, and its gradient.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

/* What a product takes of an operand: with BF16 the nearest bfloat16, of two the
 * even one. Not-a-numbers stay so. */
static double
operand (MblmType product, double x)
{
  float value = (float) x;
  uint32_t bits;

  if (product == MBLM_TYPE_F32 || isnan (value))
    return x;
  memcpy (&bits, &value, sizeof (bits));
  bits += 0x7fff + (bits >> 16 & 1);
  bits &= 0xffff0000;
  memcpy (&value, &bits, sizeof (value));
  return value;
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
activation_slope (MblmActivation activation, double x)
{
  double density;

  switch (activation) {
    case MBLM_ACTIVATION_GELU:
      density = exp (-0.5 * x * x) / sqrt (2.0 * M_PI);
      return 0.5 * erfc (-x * M_SQRT1_2) + (density > 0.0 ? x * density : 0.0);
    case MBLM_ACTIVATION_NONE:
      break;
  }
  return 1.0;
}

void
ref_linear (MblmQueue *queue, const MblmLinear *a)
{
  size_t n = a->weight.rows, k = a->weight.cols;

  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->rows; i++) {
    const float *x = a->x + i * a->x_stride; /* [k] */
    float *out = a->out + i * a->out_stride; /* [n] */

    for (size_t j = 0; j < n; j++) {
      double sum = 0.0;

      for (size_t l = 0; l < k; l++)
        sum += operand (a->product, x[l]) * weight_at (a, j, l);
      if (a->bias)
        sum += a->bias[j];
      if (a->before)
        a->before[i * n + j] = (float) sum;
      sum = activate (a->activation, sum);
      out[j] = (float) (a->accumulate ? out[j] + sum : sum);
    }
  }
}

/* d_out becomes the gradient before the activation. */
static void
undo_activation (const MblmLinearBackward *a)
{
  const MblmLinear *f = &a->forward;
  size_t n = f->weight.rows;

  if (f->activation == MBLM_ACTIVATION_NONE)
    return;
  for (size_t i = 0; i < f->rows; i++)
    for (size_t j = 0; j < n; j++) {
      float *g = a->d_out + i * a->d_out_stride + j;

      *g = (float) (*g *
          activation_slope (f->activation, f->before[i * n + j]));
    }
}

/* d_x[i, l] = sum over j of g[i, j] weight[j, l]. */
static void
gradient_of_x (const MblmLinearBackward *a)
{
  const MblmLinear *f = &a->forward;

  for (size_t i = 0; i < f->rows; i++)
    for (size_t l = 0; l < f->weight.cols; l++) {
      const float *g = a->d_out + i * a->d_out_stride; /* [n] */
      float *d_x = a->d_x + i * a->d_x_stride + l;
      double sum = a->accumulate ? *d_x : 0.0;

      for (size_t j = 0; j < f->weight.rows; j++)
        sum += operand (f->product, g[j]) * weight_at (f, j, l);
      *d_x = (float) sum;
    }
}

/* d_weight[j, l] += sum over i of g[i, j] x[i, l]. */
static void
gradient_of_weight (const MblmLinearBackward *a)
{
  const MblmLinear *f = &a->forward;

  for (size_t j = 0; j < f->weight.rows; j++)
    for (size_t l = 0; l < f->weight.cols; l++) {
      float *d_weight = a->d_weight + j * f->weight.cols + l;
      double sum = *d_weight;

      for (size_t i = 0; i < f->rows; i++)
        sum += operand (f->product, a->d_out[i * a->d_out_stride + j]) *
            operand (f->product, f->x[i * f->x_stride + l]);
      *d_weight = (float) sum;
    }
}

static void
gradient_of_bias (const MblmLinearBackward *a)
{
  for (size_t j = 0; j < a->forward.weight.rows; j++) {
    double sum = a->d_bias[j];

    for (size_t i = 0; i < a->forward.rows; i++)
      sum += a->d_out[i * a->d_out_stride + j];
    a->d_bias[j] = (float) sum;
  }
}

void
ref_linear_backward (MblmQueue *queue, const MblmLinearBackward *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  undo_activation (a);
  if (a->d_x)
    gradient_of_x (a);
  if (a->d_weight)
    gradient_of_weight (a);
  if (a->d_bias)
    gradient_of_bias (a);
}
