/* output.c: what a pass gives for each id.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "model-private.h"

/* The next n targets to cross-entropies, from logits on the device. */
static void
write_nats (MblmOutput *self, MblmModel *model, MblmRun *run, gsize n,
    const float *logits)
{
  int32_t *targets = mblm_run_upload_ids (run, self->targets, n);
  float *loss = mblm_run_floats (run, n);

  if (run->failed)
    return;
  run->k->cross_entropy (run->q,
      &(MblmCrossEntropy){.rows = n,
          .vocabulary = model->vocabulary,
          .logits = logits,
          .targets = targets,
          .loss = loss});
  run->k->download (run->q, self->nats, loss, n * sizeof (float));
  self->targets += n;
  self->nats += n;
}

gboolean
mblm_output_write (MblmOutput *self, MblmModel *model, MblmRun *run, gsize n,
    const float *x, GError **error)
{
  gsize dim = model->stage[model->last].dim;
  MblmRunMark mark = mblm_run_mark (run);

  if (self->hidden != NULL && n > 0) {
    run->k->download (run->q, self->hidden, x, n * dim * sizeof (float));
    self->hidden += n * dim;
  }
  if ((self->logits != NULL || self->nats != NULL) && n > 0) {
    gsize size = n * model->vocabulary;
    float *logits = mblm_run_floats (run, size);
    mblm_stage_logits (model, run, n, x, logits);
    if (self->logits != NULL && !run->failed) {
      run->k->download (run->q, self->logits, logits, size * sizeof (float));
      self->logits += size;
    }
    if (self->nats != NULL)
      write_nats (self, model, run, n, logits);
  }
  mblm_run_release (run, mark);
  return mblm_run_check (run, error) && mblm_run_wait (run, error);
}

gboolean
mblm_output_nats (MblmModel *model, MblmRun *run, const float *logits,
    gint32 target, float *nats, GError **error)
{
  MblmOutput one = {.targets = &target, .nats = nats};
  MblmRunMark mark = mblm_run_mark (run);
  float *device_logits = mblm_run_floats (run, model->vocabulary);

  if (!run->failed) {
    run->k->upload (
        run->q, device_logits, logits, model->vocabulary * sizeof (float));
    write_nats (&one, model, run, 1, device_logits);
  }
  mblm_run_release (run, mark);
  return mblm_run_check (run, error) && mblm_run_wait (run, error);
}
