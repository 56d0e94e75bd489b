/* layer.h: what the layers of the built-in blocks share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Private to the engine.
 */

#pragma once

#include "block.h"

G_BEGIN_DECLS

/* Host arrays of as many pointers as a pass has sequences with states. */
typedef struct {
  const float **from;
  float **to;
} MblmLayerHosts;

void mblm_layer_hosts_open (MblmLayerHosts *self, const MblmLayerPass *pass);
void mblm_layer_hosts_close (MblmLayerHosts *self);

/* out [n, weight.rows] = x [n, weight.cols] W^T, in the run's product; rows of x
 * are x_stride apart. The caller may add to it before it is computed. */
MblmLinear mblm_layer_linear (const MblmRun *run, gsize n, MblmMatrix weight,
    const void *x, gsize x_stride, void *out);
/* From d_out to d_x, both with the strides of `forward`; those of weight and
 * bias (or NULL) are added to. The caller may add to it before it is computed. */
MblmLinearBackward mblm_layer_linear_gradient (MblmLinear forward,
    MblmMatrix d_weight, float *d_bias, const void *d_out, void *d_x);
/* Computes it. With `add` d_x is added to. */
void mblm_layer_linear_backward (MblmRun *run, MblmLinear forward,
    MblmMatrix d_weight, float *d_bias, const float *d_out, gboolean add,
    float *d_x);

G_END_DECLS
