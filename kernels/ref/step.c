/* step.c: what a step of an optimiser is made of.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

void
ref_sum_squares (MblmQueue *queue, const MblmSumSquares *a)
{
  double sum = 0.0;

  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->count; i++)
    sum += (double) a->x[i] * a->x[i];
  a->sum[0] += sum;
}

void
ref_add_scaled (MblmQueue *queue, const MblmAddScaled *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->count; i++)
    a->x[i] = (float) (a->x[i] + (double) a->scale * a->y[i]);
}

void
ref_convert (MblmQueue *queue, const MblmConvert *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->count; i++)
    ref_set (a->out_type, a->out, i, ref_get (a->x_type, a->x, i));
}

void
ref_adam (MblmQueue *queue, const MblmAdam *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->count; i++) {
    double g = (double) a->scale * a->gradient[i];
    double m = a->beta1 * a->m[i] + (1.0 - a->beta1) * g;
    double v = a->beta2 * a->v[i] + (1.0 - a->beta2) * g * g;
    double root = sqrt (v) / sqrt (a->correction2) + a->epsilon;

    a->m[i] = (float) m;
    a->v[i] = (float) v;
    a->weight[i] = (float) (a->weight[i] - a->rate / a->correction1 * m / root);
  }
}
