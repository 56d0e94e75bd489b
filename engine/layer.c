/* layer.c: what the layers of the built-in blocks share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "layer.h"

void
mblm_layer_hosts_open (MblmLayerHosts *self, const MblmLayerPass *pass)
{
  gsize n = pass->states != NULL ? pass->batch : 1;

  self->from = g_new0 (const float *, n);
  self->to = g_new0 (float *, n);
}

void
mblm_layer_hosts_close (MblmLayerHosts *self)
{
  g_free (self->from);
  g_free (self->to);
}

MblmLinear
mblm_layer_linear (const MblmRun *run, gsize n, MblmMatrix weight,
    const void *x, gsize x_stride, void *out)
{
  return (MblmLinear){.weight = weight,
      .rows = n,
      .x = x,
      .x_stride = x_stride,
      .out = out,
      .out_stride = weight.rows,
      .product = run->product};
}

MblmLinearBackward
mblm_layer_linear_gradient (MblmLinear forward, MblmMatrix d_weight,
    float *d_bias, const void *d_out, void *d_x)
{
  return (MblmLinearBackward){.forward = forward,
      .d_out = d_out,
      .d_out_stride = forward.out_stride,
      .d_x = d_x,
      .d_x_stride = forward.x_stride,
      .d_weight = (float *) d_weight.data,
      .d_bias = d_bias};
}

void
mblm_layer_linear_backward (MblmRun *run, MblmLinear forward,
    MblmMatrix d_weight, float *d_bias, const float *d_out, gboolean add,
    float *d_x)
{
  MblmLinearBackward args = mblm_layer_linear_gradient (
      forward, d_weight, d_bias, d_out, d_x);

  args.accumulate = add;
  run->k->linear_backward (run->q, &args);
}
