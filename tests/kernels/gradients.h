/* gradients.h: backward operations of the reference against finite differences.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A test builds the forward call as a function of its inputs, takes as loss the
 * sum of the outputs times random numbers (the `d_out` of the backward call), and
 * asks here whether a gradient is the slope of that loss.
 */

#pragma once

#include <glib.h>

#include "mblm-kernels.h"

extern const MblmKernels *ref;
extern MblmQueue *queue;

/* Runs the forward operation and gives sum (out * d_out), added up in double. */
typedef double (*GradientLoss) (void *data);

float *gradient_floats (
    size_t count, float scale); /* random, -scale .. scale */
/* Takes what x [count] held before off it: the gradients that are added. */
void gradient_take (float *x, const float *before, size_t count);
double gradient_dot (const float *x, const float *y, size_t count);

/* Each of x[0 .. count - 1] (spread over it where they are many) is varied by
 * multiples of `step`; the slope by a stencil of four values must agree with
 * d_x within 5e-3 of the largest entry of d_x. `name` is for messages. */
void gradient_check (const char *name, GradientLoss loss, void *data, float *x,
    const float *d_x, size_t count, float step);

/* The tests of each file. */
void gradients_linear_add_tests (void);
void gradients_attention_add_tests (void);
void gradients_norms_add_tests (void);
void gradients_rows_add_tests (void);
void gradients_scans_add_tests (void);
