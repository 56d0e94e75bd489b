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

/* With g = d_out gain and r = 1 / sqrt (mean (x^2) + epsilon):
 * d_x = r g - x r^3 mean (g x). */
void
ref_rms_norm_backward (MblmQueue *queue, const MblmRmsNormBackward *a)
{
  const MblmRmsNorm *f = &a->forward;
  double *d_gain; /* [width], the sum over rows */

  if (queue->status != MBLM_STATUS_OK)
    return;
  d_gain = ref_zeros (queue, 1, f->width);
  if (!d_gain)
    return;
  for (size_t i = 0; i < f->rows; i++) {
    const float *x = f->x + i * f->width;         /* [width] */
    const float *d_out = a->d_out + i * f->width; /* [width] */
    double squares = 0.0, products = 0.0, scale;

    for (size_t j = 0; j < f->width; j++) {
      squares += (double) x[j] * x[j];
      products += (double) d_out[j] * f->gain[j] * x[j];
    }
    scale = 1.0 / sqrt (squares / f->width + f->epsilon);
    for (size_t j = 0; j < f->width; j++) {
      double d = d_out[j];
      double d_x = scale * d * f->gain[j] -
          x[j] * scale * scale * scale * products / f->width;

      d_gain[j] += d * x[j] * scale;
      if (a->d_x)
        ref_give (&a->d_x[i * f->width + j], d_x, a->accumulate);
    }
  }
  ref_add_to (a->d_gain, d_gain, f->width);
  free (d_gain);
}
