/* conv.c: the causal depthwise convolution of the Mamba blocks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

#include <stdlib.h>

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

/* The gradients of one channel, summed over the batch. */
typedef struct {
  double weight[16], bias; /* taps of them */
  double start[16];        /* taps - 1: of what all sequences start from */
} ChannelSums;

/* input [taps - 1 + rows] = what sequence b carries in, then its own rows, of
 * channel c; d_input as long = the gradients of what it carries on. */
static void
gather_channel (const MblmConvBackward *a, size_t b, size_t c, double *input,
    double *d_input)
{
  const MblmConv *f = &a->forward;
  size_t kept = f->taps - 1;
  const float *from = NULL; /* [kept, width] */
  const float *d_to = a->d_carry.to ? a->d_carry.to[b] : NULL; /* as from */

  if (f->carry.from)
    from = f->carry.from[f->carry.shared ? 0 : b];
  for (size_t i = 0; i < kept + f->rows; i++) {
    input[i] = i >= kept ? f->x[(b * f->rows + i - kept) * f->x_stride + c]
        : from           ? from[i * f->width + c]
                         : 0.0;
    d_input[i] = d_to && i >= f->rows ? d_to[(i - f->rows) * f->width + c]
                                      : 0.0;
  }
}

static void
conv_backward_channel (const MblmConvBackward *a, size_t b, size_t c,
    double *input, double *d_input, ChannelSums *sums)
{
  const MblmConv *f = &a->forward;
  const float *weight = f->weight + c * f->taps; /* [taps] */
  size_t kept = f->taps - 1;

  gather_channel (a, b, c, input, d_input);
  for (size_t t = 0; t < f->rows; t++) {
    size_t row = b * f->rows + t;
    double sum = f->bias ? f->bias[c] : 0.0, g;

    for (size_t w = 0; w < f->taps; w++)
      sum += weight[w] * input[t + w];
    g = a->d_out[row * a->d_out_stride + c] * ref_silu_slope (sum);
    sums->bias += g;
    for (size_t w = 0; w < f->taps; w++) {
      sums->weight[w] += g * input[t + w];
      d_input[t + w] += g * weight[w];
    }
  }
  for (size_t t = 0; t < f->rows && a->d_x; t++)
    a->d_x[(b * f->rows + t) * a->d_x_stride + c] = (float) d_input[kept + t];
  for (size_t i = 0; i < kept; i++)
    if (f->carry.shared)
      sums->start[i] += d_input[i];
    else if (a->d_carry.from)
      ref_add_one (&a->d_carry.from[b][i * f->width + c], d_input[i]);
}

/* A channel after the other, all sequences of each. */
void
ref_conv_backward (MblmQueue *queue, const MblmConvBackward *a)
{
  const MblmConv *f = &a->forward;
  size_t kept = f->taps - 1, count = kept + f->rows;
  double *input, *d_input; /* [taps - 1 + rows] */

  if (queue->status != MBLM_STATUS_OK)
    return;
  input = ref_scratch (queue, 2 * count);
  if (!input)
    return;
  d_input = input + count;
  for (size_t c = 0; c < f->width; c++) {
    ChannelSums sums = {.bias = 0.0};

    for (size_t b = 0; b < f->batch; b++)
      conv_backward_channel (a, b, c, input, d_input, &sums);
    for (size_t w = 0; w < f->taps && a->d_weight; w++)
      ref_add_one (&a->d_weight[c * f->taps + w], sums.weight[w]);
    if (a->d_bias)
      ref_add_one (&a->d_bias[c], sums.bias);
    if (f->carry.shared && a->d_carry.from && f->batch > 0)
      for (size_t i = 0; i < kept; i++)
        ref_add_one (&a->d_carry.from[0][i * f->width + c], sums.start[i]);
  }
  free (input);
}
