/* bench-train.c: `mblm bench train`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A step is the loss of a batch, its gradient, the norm of that and Adam. Its
 * operations are counted as three times those of the forward pass, whatever is
 * computed twice to save memory.
 */

#include "bench.h"

#include <sys/resource.h>

#include "work.h"

static gboolean
step (Bench *self, const MblmLearnerBatch *batch, double *seconds,
    double *gradient_seconds, GError **error)
{
  gint64 begin = g_get_monotonic_time ();
  double loss, norm;

  if (!mblm_learner_accumulate (
          self->learner, batch, 1, 0, &loss, self->command->cancellable, error))
    return FALSE;
  *gradient_seconds = bench_since (begin);
  if (!mblm_learner_get_norm (self->learner, &norm, error) ||
      !mblm_learner_step (self->learner, 1e-5, 1, norm, error))
    return FALSE;
  *seconds = bench_since (begin);
  return TRUE;
}

static double
peak_bytes (void)
{
  struct rusage usage;

  return getrusage (RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss * 1024.0 : 0;
}

gboolean
bench_train (Bench *self, GError **error)
{
  g_autofree double *seconds = g_new (double, self->runs);
  g_autofree double *gradient = g_new (double, self->runs);
  guint64 length;
  double warm_up;

  if (!bench_choose_context (self, 8192, &length, error))
    return FALSE;

  g_autofree gint32 *ids = bench_new_ids (self, self->batch * length, error);
  MblmLearnerBatch batch = {.batch = self->batch,
      .length = length,
      .ids = ids,
      .labels = mblm_config_is_encoder (mblm_model_get_config (self->model))
          ? ids
          : NULL};

  if (!ids || !step (self, &batch, &warm_up, &gradient[0], error))
    return FALSE;
  for (guint i = 0; i < self->runs; i++)
    if (!step (self, &batch, &seconds[i], &gradient[i], error))
      return FALSE;

  double n = (double) self->batch * length;
  double median = machine_median (seconds, self->runs);
  double work = self->batch * work_of_training (self->model, length, 1.0);

  bench_add_count (self, "context", _ ("bytes of a sequence"), length);
  bench_add_count (self, "batch", _ ("sequences of a step"), self->batch);
  bench_add_seconds (self, "cold_seconds", _ ("the first time"), warm_up);
  bench_add_seconds (self, "gradient_seconds", _ ("loss and gradient"),
      machine_median (gradient, self->runs));
  bench_add_seconds (self, "seconds", _ ("a step"), median);
  bench_add_rate (self, "bytes_per_second", _ ("speed"), n / median, "B/s");
  bench_add_rate (self, "operations", _ ("operations"), work, "FLOP");
  bench_add_rate (self, "operations_per_second", _ ("speed of operations"),
      work / median, "FLOP/s");
  bench_add_floor (self, median, work / self->machine.product_roof);
  bench_add_bytes (
      self, "peak_bytes", _ ("largest resident memory"), peak_bytes ());
  return TRUE;
}
