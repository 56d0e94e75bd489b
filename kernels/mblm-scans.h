/* mblm-scans.h: what state-space models compute: convolution and scans.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * As mblm-operations.h.
 */

#pragma once

#include "mblm-operations.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Causal depthwise convolution:
 *   out[b, t, c] = silu (bias[c] + sum_w weight[c, w] x[b, t - (taps - 1) + w, c])
 * The carry is the last taps - 1 rows of x, [taps - 1, width], oldest first. */
typedef struct {
  size_t batch, rows, width, taps; /* taps 1 .. 16 */
  const float *x;
  size_t x_stride;     /* from row to row, over batches too */
  const float *weight; /* [width, taps] */
  const float *bias;   /* [width] or NULL */
  MblmCarry carry;
  float *out; /* [batch * rows, width] */
  size_t out_stride;
} MblmConv;

typedef struct {
  MblmConv forward;
  const float *d_out; /* [batch * rows, width] */
  size_t d_out_stride;
  float *d_x;
  size_t d_x_stride;
  float *d_weight; /* +=, [width, taps] */
  float *d_bias;   /* +=, [width] */
  MblmCarryGradient d_carry;
} MblmConvBackward;

/* Mamba-2's scan, head h of `heads`, state S [head_dim, state]:
 *   dt = softplus (delta[t, h] + delta_bias[h])   (identity above 20)
 *   S  = exp (-exp (a_log[h]) dt) S + dt x[t, h, :] (outer) B[t, :]
 *   y[t, h, :] = S C[t, :] + skip[h] x[t, h, :]
 * The carry is S, [heads, head_dim, state]. Decays are float32, whatever `product`
 * says, and so are the states that sequences carry. */
typedef struct {
  size_t batch, rows, heads, head_dim, state;
  const float *x;     /* [batch * rows, heads * head_dim] */
  const float *b, *c; /* [batch * rows, state] */
  size_t xbc_stride;  /* of x, b and c: they are parts of one row */
  const float *delta; /* [batch * rows, heads] */
  size_t delta_stride;
  const float *delta_bias, *a_log, *skip; /* [heads] */
  MblmCarry carry;
  float *y;         /* [batch * rows, heads * head_dim] contiguous */
  MblmType product; /* BF16: a device may round the operands of all products
                     * (of x, B, C, states, their gradients, and what is a
                     * product of these) to bfloat16; the reference doesn't */
} MblmSsdScan;

/* Works in pieces of time, keeping the state before each; the states inside a
 * piece are computed again. */
typedef struct {
  MblmSsdScan forward;
  const float *d_y; /* contiguous */
  float *d_x;       /* [batch * rows, heads * head_dim] */
  float *d_b, *d_c; /* [batch * rows, state] */
  size_t d_xbc_stride;
  float *d_delta; /* [batch * rows, heads] */
  size_t d_delta_stride;
  float *d_delta_bias, *d_a_log, *d_skip; /* +=, [heads] */
  MblmCarryGradient d_carry;
} MblmSsdScanBackward;

/* Mamba-1's scan, channel e of `width`, state h [width, state]:
 *   dt = softplus (delta[t, e])
 *   h[e, :] = exp (-exp (a_log[e, :]) dt) h[e, :] + dt x[t, e] B[t, :]
 *   y[t, e] = (h[e, :] . C[t, :] + skip[e] x[t, e]) * silu (z[t, e])
 * The carry is h, [width, state]. */
typedef struct {
  size_t batch, rows, width, state;
  const float *x; /* [batch * rows, width] */
  size_t x_stride;
  const float *delta; /* as x; its bias is already added */
  size_t delta_stride;
  const float *b, *c; /* [batch * rows, state] */
  size_t bc_stride;
  const float *z; /* as x */
  size_t z_stride;
  const float *a_log; /* [width, state] */
  const float *skip;  /* [width] */
  MblmCarry carry;
  float *y; /* [batch * rows, width] contiguous */
} MblmSelectiveScan;

/* In pieces of time as MblmSsdScanBackward. */
typedef struct {
  MblmSelectiveScan forward;
  const float *d_y; /* contiguous */
  float *d_x;
  size_t d_x_stride;
  float *d_delta;
  size_t d_delta_stride;
  float *d_b, *d_c;
  size_t d_bc_stride;
  float *d_z;
  size_t d_z_stride;
  float *d_a_log; /* +=, [width, state] */
  float *d_skip;  /* +=, [width] */
  MblmCarryGradient d_carry;
} MblmSelectiveScanBackward;

#ifdef __cplusplus
}
#endif
