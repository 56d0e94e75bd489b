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

/* What the forward pass divided by, and the means that a gradient takes off:
 * d_x = scale (g - mean (g) - n mean (g n)) for g = d_out gain and
 * n = (x - mean) scale. */
typedef struct {
  double mean, scale, mean_g, mean_gn;
} Moments;

static Moments
moments_of (const MblmLayerNorm *a, const float *x, const float *d_out)
{
  Moments m = {0.0, 0.0, 0.0, 0.0};
  double variance = 0.0;

  for (size_t j = 0; j < a->width; j++)
    m.mean += x[j];
  m.mean /= a->width;
  for (size_t j = 0; j < a->width; j++)
    variance += (x[j] - m.mean) * (x[j] - m.mean);
  m.scale = 1.0 / sqrt (variance / a->width + a->epsilon);
  for (size_t j = 0; j < a->width; j++) {
    double g = (double) d_out[j] * a->gain[j];

    m.mean_g += g / a->width;
    m.mean_gn += g * (x[j] - m.mean) * m.scale / a->width;
  }
  return m;
}

void
ref_layer_norm_backward (MblmQueue *queue, const MblmLayerNormBackward *a)
{
  const MblmLayerNorm *f = &a->forward;
  double *d_gain, *d_bias; /* [width], the sums over rows */

  if (queue->status != MBLM_STATUS_OK)
    return;
  d_gain = ref_zeros (queue, 2, f->width);
  if (!d_gain)
    return;
  d_bias = d_gain + f->width;
  for (size_t i = 0; i < f->rows; i++) {
    const float *x = f->x + i * f->width;         /* [width] */
    const float *d_out = a->d_out + i * f->width; /* [width] */
    Moments m = moments_of (f, x, d_out);

    for (size_t j = 0; j < f->width; j++) {
      double n = (x[j] - m.mean) * m.scale, d = d_out[j];
      double d_x = m.scale * (d * f->gain[j] - m.mean_g - n * m.mean_gn);

      d_gain[j] += d * n;
      d_bias[j] += d;
      if (a->d_x)
        ref_give (&a->d_x[i * f->width + j], d_x, a->accumulate);
    }
  }
  ref_add_to (a->d_gain, d_gain, f->width);
  ref_add_to (a->d_bias, d_bias, f->width);
  free (d_gain);
}
