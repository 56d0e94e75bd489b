/* selective-scan.c: Mamba-1's scan, as the plain recurrence.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

/* Channel e of one row, given by its number: h [state] is the channel's, b and
 * c [state] are common to the channels. Returns h . c. */
static double
scan_channel (const MblmSelectiveScan *a, size_t e, double *h, double x,
    double dt, const float *b, const float *c)
{
  const float *a_log = a->a_log + e * a->state; /* [state] */
  double sum = 0.0;

  for (size_t n = 0; n < a->state; n++) {
    h[n] = exp (-exp (a_log[n]) * dt) * h[n] + dt * x * b[n];
    sum += h[n] * c[n];
  }
  return sum;
}

void
ref_selective_scan (MblmQueue *queue, const MblmSelectiveScan *a)
{
  RefState state; /* [width, state] */

  if (queue->status != MBLM_STATUS_OK)
    return;
  if (!ref_state_open (&state, queue, &a->carry, a->batch, a->width * a->state))
    return;
  for (size_t s = 0; s < a->batch; s++) {
    ref_state_load (&state, s);
    for (size_t t = 0; t < a->rows; t++) {
      size_t row = s * a->rows + t;
      const float *x = a->x + row * a->x_stride;             /* [width] */
      const float *z = a->z + row * a->z_stride;             /* [width] */
      const float *delta = a->delta + row * a->delta_stride; /* [width] */
      float *y = a->y + row * a->width;                      /* [width] */

      for (size_t e = 0; e < a->width; e++) {
        double sum = scan_channel (a, e, state.now + e * a->state, x[e],
            ref_softplus (delta[e]), a->b + row * a->bc_stride,
            a->c + row * a->bc_stride);

        y[e] = (float) ((sum + (double) a->skip[e] * x[e]) * ref_silu (z[e]));
      }
    }
    ref_state_store (&state, s);
  }
  ref_state_close (&state);
}
