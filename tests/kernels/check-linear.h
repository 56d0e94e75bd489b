/* check-linear.h: what the checks of the matrix product and of its gradients share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "check.h"
#include "shapes.h"

#define LINEAR_ROUNDS 60          /* random shapes */
#define LINEAR_LARGE 1073741824.f /* 2^30 */

/* Either operand of a product may lose what is beyond ten bits, so much of it. */
#define LINEAR_TF32_SHARE (2.0 / 1024.0)

typedef struct {
  MblmType type;
  size_t rows, n, k, x_stride, out_stride;
  MblmActivation activation;
  bool bias, residual, in_place,
      keep; /* `keep`: what is before the activation */
  MblmType product, x_type, out_type;
  bool tf32;    /* the product may be one in it */
  bool aligned; /* as allocations are */
  size_t first; /* the row to begin with */
  size_t weight, bias_at, x, residual_at, out, before_at; /* offsets */
} Linear;

/* Numbers that a case results in. */
typedef struct {
  const char *name;
  size_t offset, count;
} Result;

/* The product and, where they are bfloat16, x and the result; for titles. */
const char *linear_name_product (const Linear *s);
const char *linear_name_types (MblmType x, MblmType out);
/* Of what is only with products of bfloat16. */
MblmType linear_random_type (Check *check, MblmType product);
Linear linear_random (Check *check, size_t rows, size_t n, size_t k);
/* An entry may differ by that share of its magnitude, too. */
void linear_add_share (const Output *output, double share, double *magnitude);

/* Whether there is TF32 on any target. */
bool linear_has_tf32 (const Check *check);
/* Of a target's queue; the reference has none. */
void linear_set_tf32 (const Target *target, bool tf32);
Linear linear_random_tf32 (Check *check, size_t rows, size_t n, size_t k);
/* As case_run, on the targets that have TF32. */
void linear_run_tf32 (
    Case *c, CaseRun run, const void *data, CaseMagnitude magnitude);
/* TF32 changes each of these results, and none of it stays. */
void linear_check_switch (Check *check, Case *c, CaseRun run,
    const void *in_float32, const void *in_tf32, const Result *results,
    guint n);
