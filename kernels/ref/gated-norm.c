/* gated-norm.c: the gate and norm before Mamba-2's output projection.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

void
ref_gated_norm (MblmQueue *queue, const MblmGatedNorm *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->rows; i++) {
    const float *y = a->y + i * a->y_stride; /* [width] */
    const float *z = a->z + i * a->z_stride; /* [width] */
    float *out = a->out + i * a->width;      /* [width], may be y */
    double squares = 0.0, scale;

    for (size_t j = 0; j < a->width; j++) {
      double u = y[j] * ref_silu (z[j]);

      squares += u * u;
    }
    scale = 1.0 / sqrt (squares / a->width + a->epsilon);
    for (size_t j = 0; j < a->width; j++)
      out[j] = (float) (y[j] * ref_silu (z[j]) * scale * a->gain[j]);
  }
}
