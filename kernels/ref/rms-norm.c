/* rms-norm.c: the RMS norm of the Mamba blocks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

void
ref_rms_norm (MblmQueue *queue, const MblmRmsNorm *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->rows; i++) {
    const float *x = a->x + i * a->width; /* [width] */
    float *out = a->out + i * a->width;   /* [width], may be x */
    double squares = 0.0, scale;

    for (size_t j = 0; j < a->width; j++)
      squares += (double) x[j] * x[j];
    scale = 1.0 / sqrt (squares / a->width + a->epsilon);
    for (size_t j = 0; j < a->width; j++)
      out[j] = (float) (x[j] * scale * a->gain[j]);
  }
}
