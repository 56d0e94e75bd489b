/* ssd-scan.c: Mamba-2's scan, as the plain recurrence.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

/* Head h of one row. S [head_dim, state] is this head's; x and y [head_dim] its
 * part of the row; b and c [state] are common to the heads. */
static void
scan_head (const MblmSsdScan *a, size_t h, double *S, const float *x,
    const float *b, const float *c, float delta, float *y)
{
  double dt = ref_softplus ((double) delta + a->delta_bias[h]);
  double decay = exp (-exp (a->a_log[h]) * dt);

  for (size_t p = 0; p < a->head_dim; p++) {
    double *row = S + p * a->state; /* [state] */
    double sum = 0.0;

    for (size_t n = 0; n < a->state; n++) {
      row[n] = decay * row[n] + dt * x[p] * b[n];
      sum += row[n] * c[n];
    }
    y[p] = (float) (sum + (double) a->skip[h] * x[p]);
  }
}

void
ref_ssd_scan (MblmQueue *queue, const MblmSsdScan *a)
{
  size_t head_size = a->head_dim * a->state;
  size_t width = a->heads * a->head_dim;
  RefState state; /* [heads, head_dim, state] */

  if (queue->status != MBLM_STATUS_OK)
    return;
  if (!ref_state_open (
          &state, queue, &a->carry, a->batch, a->heads * head_size))
    return;
  for (size_t b = 0; b < a->batch; b++) {
    ref_state_load (&state, b);
    for (size_t t = 0; t < a->rows; t++) {
      size_t row = b * a->rows + t;
      const float *x = a->x + row * a->xbc_stride;           /* [width] */
      const float *delta = a->delta + row * a->delta_stride; /* [heads] */

      for (size_t h = 0; h < a->heads; h++)
        scan_head (a, h, state.now + h * head_size, x + h * a->head_dim,
            a->b + row * a->xbc_stride, a->c + row * a->xbc_stride, delta[h],
            a->y + row * width + h * a->head_dim);
    }
    ref_state_store (&state, b);
  }
  ref_state_close (&state);
}
