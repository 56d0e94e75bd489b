/* layer-norm.c: PyTorch's LayerNorm.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

void
ref_layer_norm (MblmQueue *queue, const MblmLayerNorm *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->rows; i++) {
    const float *x = a->x + i * a->width; /* [width] */
    float *out = a->out + i * a->width;   /* [width], may be x */
    double mean = 0.0, variance = 0.0, scale;

    for (size_t j = 0; j < a->width; j++)
      mean += x[j];
    mean /= a->width;
    for (size_t j = 0; j < a->width; j++)
      variance += (x[j] - mean) * (x[j] - mean);
    variance /= a->width; /* the biased one */

    scale = 1.0 / sqrt (variance + a->epsilon);
    for (size_t j = 0; j < a->width; j++)
      out[j] = (float) ((x[j] - mean) * scale * a->gain[j] + a->bias[j]);
  }
}
