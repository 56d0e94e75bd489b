/* shift-norm.c: token shift and MEGABYTE's RMS norm.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The norm divides by max (r, epsilon), r = ||s|| / sqrt (width): a row that is
 * (almost) zero is scaled by 1 / epsilon, and nothing is added under a root as
 * in the norm of the Mamba blocks.
 */

#include "ref.h"

/* out = s / max (||s|| / sqrt (width), epsilon) * gain for
 * s = (x[0 .. own - 1], before[0 .. width - own - 1]). */
static void
norm_row (const MblmShiftNorm *a, const float *x, const double *before,
    size_t own, float *out)
{
  double squares = 0.0, r, scale;

  for (size_t j = 0; j < a->width; j++) {
    double s = j < own ? x[j] : before[j - own];

    squares += s * s;
  }
  r = sqrt (squares) / sqrt ((double) a->width);
  scale = 1.0 / fmax (r, a->epsilon);
  for (size_t j = 0; j < a->width; j++) {
    double s = j < own ? x[j] : before[j - own];

    out[j] = (float) (s * scale * a->gain[j]);
  }
}

void
ref_shift_norm (MblmQueue *queue, const MblmShiftNorm *a)
{
  /* Of an odd width, the first part has one more. */
  size_t own = a->shift ? a->width - a->width / 2 : a->width;
  size_t shifted = a->width - own;
  RefState before; /* the second part of the row before */

  if (queue->status != MBLM_STATUS_OK)
    return;
  if (!ref_state_open (&before, queue, &a->carry, a->batch, shifted))
    return;
  for (size_t b = 0; b < a->batch; b++) {
    ref_state_load (&before, b);
    for (size_t t = 0; t < a->rows; t++) {
      const float *x = a->x + (b * a->rows + t) * a->width; /* [width] */
      float *out = a->out + (b * a->rows + t) * a->width;   /* [width] */

      norm_row (a, x, before.now, own, out);
      for (size_t j = 0; j < shifted; j++)
        before.now[j] = x[own + j];
    }
    ref_state_store (&before, b);
  }
  ref_state_close (&before);
}
