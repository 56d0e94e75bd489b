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

/* With g = d_out gain and r = 1 / sqrt (mean (u^2) + epsilon):
 * d_u = r g - u r^3 mean (g u), and silu'(z) = s (1 + z (1 - s)) for the
 * sigmoid s of z. */
static void
gated_norm_row (const MblmGatedNormBackward *a, size_t i, double *d_gain)
{
  const MblmGatedNorm *f = &a->forward;
  const float *y = f->y + i * f->y_stride;      /* [width] */
  const float *z = f->z + i * f->z_stride;      /* [width] */
  const float *d_out = a->d_out + i * f->width; /* [width], may be d_y */
  double squares = 0.0, products = 0.0, scale;

  for (size_t j = 0; j < f->width; j++) {
    double u = y[j] * ref_silu (z[j]);

    squares += u * u;
    products += (double) d_out[j] * f->gain[j] * u;
  }
  scale = 1.0 / sqrt (squares / f->width + f->epsilon);
  for (size_t j = 0; j < f->width; j++) {
    double d = d_out[j], silu = ref_silu (z[j]), u = y[j] * silu;
    double s = ref_sigmoid (z[j]), rest = ref_sigmoid (-z[j]);
    double d_u = scale * d * f->gain[j] -
        u * scale * scale * scale * products / f->width;

    d_gain[j] += d * u * scale;
    if (a->d_y)
      a->d_y[i * a->d_y_stride + j] = (float) (d_u * silu);
    if (a->d_z)
      a->d_z[i * a->d_z_stride + j] = (float) (d_u * y[j] * s *
          (1.0 + z[j] * rest));
  }
}

void
ref_gated_norm_backward (MblmQueue *queue, const MblmGatedNormBackward *a)
{
  double *d_gain; /* [width], the sum over rows */

  if (queue->status != MBLM_STATUS_OK)
    return;
  d_gain = ref_zeros (queue, 1, a->forward.width);
  if (!d_gain)
    return;
  for (size_t i = 0; i < a->forward.rows; i++)
    gated_norm_row (a, i, d_gain);
  ref_add_to (a->d_gain, d_gain, a->forward.width);
  free (d_gain);
}
