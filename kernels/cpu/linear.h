/* linear.h: what the ways to a product share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "bf16.h"
#include "isa.h"
#include "vecmath.h"

/* Estimates in nanoseconds: of an element of the weight that is read, of a
 * multiplication. */
#define READ_WORK 0.06
#define MULTIPLY_WORK 0.015

/* Products of few rows; the sums have at least one term. */
void FN (linear_few) (MblmQueue *queue, const MblmLinear *a);
/* Products of many rows in float32, by OpenBLAS. */
void FN (linear_blas) (MblmQueue *queue, const MblmLinear *a);

/* What becomes of a row of sums: bias, activation or its slope, addition. */
typedef struct {
  const float *bias; /* or NULL */
  MblmActivation activation;
  const float *residual; /* or NULL */
  size_t stride;         /* of its rows */
  size_t width;          /* of a row of what follows */
  void *before;          /* or NULL: gets what the activation is taken of */
  const void
      *slope;    /* or NULL: sums are multiplied by the slope of GELU there */
  MblmType type; /* of `before`, of the result */
  MblmType slope_type;
  void (*round) (uint16_t *to, const float *from, size_t n); /* MblmCpuOps's */
} Finish;

/* Numbers to entries from `at` on of memory of the type. */
static inline void
finish_put (
    const Finish *a, void *to, size_t at, const float *from, size_t count)
{
  if (a->type == MBLM_TYPE_BF16)
    a->round ((uint16_t *) to + at, from, count);
  else
    for (size_t j = 0; j < count; j += VW)
      v_store_n (
          (float *) to + at + j, count - j, v_load_n (from + j, count - j));
}

static inline void
finish_gelu (float *sums, size_t count)
{
  for (size_t j = 0; j < count; j += VW)
    v_store_n (sums + j, count - j, v_gelu (v_load_n (sums + j, count - j)));
}

static inline void
finish_slope (const Finish *a, size_t at, float *sums, size_t count)
{
  for (size_t j = 0; j < count; j += VW) {
    size_t n = count - j;
    vf slope = v_gelu_slope (v_load_as (a->slope_type, a->slope, at + j, n));

    v_store_n (sums + j, n, v_load_n (sums + j, n) * slope);
  }
}

/* to[i] = a[i] + b[i] */
static inline void
finish_add (float *to, const float *a, const float *b, size_t count)
{
  for (size_t j = 0; j < count; j += VW)
    v_store_n (to + j, count - j,
        v_load_n (a + j, count - j) + v_load_n (b + j, count - j));
}

/* Results from `first` on of row `row`, whose entry 0 is out[0]; the sums change
 * on the way. */
static inline void
finish_row (const Finish *a, size_t row, float *sums, size_t first,
    size_t count, void *out)
{
  size_t at = row * a->width + first;

  if (a->bias)
    finish_add (sums, sums, a->bias + first, count);
  if (a->slope)
    finish_slope (a, at, sums, count);
  if (a->before)
    finish_put (a, a->before, at, sums, count);
  if (a->activation == MBLM_ACTIVATION_GELU)
    finish_gelu (sums, count);
  if (a->residual)
    finish_add (sums, a->residual + row * a->stride + first, sums, count);
  finish_put (a, out, first, sums, count);
}

/* Entry i of memory of the type. */
static inline void *
entry_at (MblmType type, const void *data, size_t i)
{
  return (char *) data +
      i * (type == MBLM_TYPE_F32 ? sizeof (float) : sizeof (uint16_t));
}

/* What linear does with its sums. */
static inline Finish
finish_linear (MblmQueue *queue, const MblmLinear *a)
{
  return (Finish){.bias = a->bias,
      .activation = a->activation,
      .residual = a->residual,
      .stride = a->out_stride,
      .width = a->weight.rows,
      .before = a->before,
      .type = a->out_type,
      .round = queue->device->ops.round_bf16};
}
