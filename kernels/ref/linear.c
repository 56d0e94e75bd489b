/* linear.c: the matrix product, with bias and activation.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "ref.h"

static double
activate (MblmActivation activation, double x)
{
  switch (activation) {
    case MBLM_ACTIVATION_GELU:
      return 0.5 * x * (1.0 + erf (x * M_SQRT1_2));
    case MBLM_ACTIVATION_NONE:
      break;
  }
  return x;
}

void
ref_linear (MblmQueue *queue, const MblmLinear *a)
{
  size_t n = a->weight.rows, k = a->weight.cols;

  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->rows; i++) {
    const float *x = a->x + i * a->x_stride; /* [k] */
    float *out = a->out + i * a->out_stride; /* [n] */

    for (size_t j = 0; j < n; j++) {
      double sum = 0.0;

      for (size_t l = 0; l < k; l++)
        sum += x[l] * ref_matrix_at (&a->weight, j, l);
      if (a->bias)
        sum += a->bias[j];
      sum = activate (a->activation, sum);
      out[j] = (float) (a->accumulate ? out[j] + sum : sum);
    }
  }
}
