/* conv.c: the causal depthwise convolution of the Mamba blocks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

/* One row. `before` [taps - 1, width] holds the inputs of the taps - 1 rows
 * before, oldest first, and x [width] this row's. */
static void
convolve_row (
    const MblmConv *a, const double *before, const float *x, float *out)
{
  size_t kept = a->taps - 1;

  for (size_t c = 0; c < a->width; c++) {
    double sum = a->bias ? a->bias[c] : 0.0;

    for (size_t w = 0; w < kept; w++)
      sum += a->weight[c * a->taps + w] * before[w * a->width + c];
    sum += (double) a->weight[c * a->taps + kept] * x[c];
    out[c] = (float) ref_silu (sum);
  }
}

/* Drops the oldest row of `before` and appends x. */
static void
remember (const MblmConv *a, double *before, const float *x)
{
  for (size_t w = 1; w < a->taps; w++)
    for (size_t c = 0; c < a->width; c++)
      before[(w - 1) * a->width + c] = w < a->taps - 1
          ? before[w * a->width + c]
          : x[c];
}

void
ref_conv (MblmQueue *queue, const MblmConv *a)
{
  size_t kept = a->taps - 1;
  RefState before; /* [taps - 1, width], oldest first */

  if (queue->status != MBLM_STATUS_OK)
    return;
  if (!ref_state_open (&before, queue, &a->carry, a->batch, kept * a->width))
    return;
  for (size_t b = 0; b < a->batch; b++) {
    ref_state_load (&before, b);
    for (size_t t = 0; t < a->rows; t++) {
      const float *x = a->x + (b * a->rows + t) * a->x_stride; /* [width] */

      convolve_row (
          a, before.now, x, a->out + (b * a->rows + t) * a->out_stride);
      remember (a, before.now, x);
    }
    ref_state_store (&before, b);
  }
  ref_state_close (&before);
}
