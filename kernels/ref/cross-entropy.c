/* cross-entropy.c: the loss of each row, in float32.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Entries that are exactly zero leave the mean, so what rounds to zero is part
 * of the definition: the exponentials are float32, their sum is rounded to
 * float32, and so is every step after it. A gap of 17 between the target's
 * logit and the next gives exactly 0, where double would give 4.1e-8. The
 * additions themselves are in double, so that their order does not matter.
 */

#include "ref.h"

static float
cross_entropy_row (const float *x, size_t vocabulary, int32_t target)
{
  float max = -INFINITY;
  double sum = 0.0;

  for (size_t v = 0; v < vocabulary; v++)
    max = fmaxf (max, x[v]);
  for (size_t v = 0; v < vocabulary; v++)
    sum += expf (x[v] - max);
  return logf ((float) sum) - (x[target] - max);
}

void
ref_cross_entropy (MblmQueue *queue, const MblmCrossEntropy *a)
{
  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < a->rows; i++)
    a->loss[i] = a->targets[i] < 0
        ? 0.0f
        : cross_entropy_row (
              a->logits + i * a->vocabulary, a->vocabulary, a->targets[i]);
}

/* x [vocabulary] becomes weight (softmax (x) - one of the target), in d_x, which
 * may be x. */
static void
cross_entropy_row_backward (const float *x, size_t vocabulary, int32_t target,
    double weight, float *d_x)
{
  double max = -INFINITY, sum = 0.0;

  for (size_t v = 0; v < vocabulary; v++)
    max = fmax (max, x[v]);
  for (size_t v = 0; v < vocabulary; v++)
    sum += exp (x[v] - max);
  for (size_t v = 0; v < vocabulary; v++) {
    double p = exp (x[v] - max) / sum;

    d_x[v] = (float) (weight * (v == (size_t) target ? p - 1.0 : p));
  }
}

/* The loss is rounded as above, for what is exactly zero has no gradient; the
 * gradient itself is computed in double. */
void
ref_cross_entropy_backward (MblmQueue *queue, const MblmCrossEntropyBackward *a)
{
  const MblmCrossEntropy *f = &a->forward;

  if (queue->status != MBLM_STATUS_OK)
    return;
  for (size_t i = 0; i < f->rows; i++) {
    const float *x = f->logits + i * f->vocabulary; /* [vocabulary] */
    float *d_x = a->d_logits + i * f->vocabulary;   /* [vocabulary] */
    float weight = a->weight ? a->weight[i] : 1.0f;
    float loss = f->targets[i] < 0
        ? 0.0f
        : cross_entropy_row (x, f->vocabulary, f->targets[i]);

    if (f->loss)
      f->loss[i] = loss;
    if (!a->d_logits)
      continue;
    if (f->targets[i] < 0 || loss * weight == 0.0f)
      memset (d_x, 0, f->vocabulary * sizeof (*d_x));
    else
      cross_entropy_row_backward (x, f->vocabulary, f->targets[i], weight, d_x);
  }
}
