/* session-snapshot.c: copies of a session's state.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "session-private.h"

#include <string.h>

G_DEFINE_BOXED_TYPE (
    MblmSnapshot, mblm_snapshot, mblm_snapshot_ref, mblm_snapshot_unref)

MblmSnapshot *
mblm_snapshot_ref (MblmSnapshot *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
mblm_snapshot_unref (MblmSnapshot *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  /* Freeing needs the device alone. */
  MblmRun run = {.k = mblm_device_get_kernels (self->model->device),
      .memory = mblm_device_get_memory (self->model->device)};
  for (guint k = 0; k < MBLM_MAX_STAGES; k++) {
    mblm_state_free (self->state[k], &run);
    if (self->projected[k] != NULL)
      run.k->free (run.memory, self->projected[k]);
  }
  if (self->last_row != NULL)
    run.k->free (run.memory, self->last_row);
  g_clear_pointer (&self->open, g_array_unref);
  g_clear_pointer (&self->history, g_array_unref);
  g_free (self->logits);
  g_object_unref (self->model);
  g_free (self);
}

/* A copy of n floats of device memory; NULL marks the run as failed. */
static float *
copy_floats (MblmRun *run, const float *from, gsize n)
{
  float *to = run->k->alloc (run->memory, n * sizeof (float));

  if (to == NULL)
    run->failed = TRUE;
  else
    run->k->copy (run->q, to, from, n * sizeof (float));
  return to;
}

static gboolean
copy_stage (MblmSession *self, MblmSnapshot *copy, guint k, GError **error)
{
  MblmModel *model = self->model;
  MblmRun *run = &self->run;

  copy->state[k] = mblm_state_new (model->stage[k].block, run, error);
  if (copy->state[k] == NULL ||
      !mblm_state_copy (copy->state[k], run, self->state[k], error))
    return FALSE;
  if (self->projection[k] == self->projected[k] && k < model->last)
    copy->projected[k] = copy_floats (
        run, self->projected[k], mblm_stage_projection_width (model, k));
  return TRUE;
}

/**
 * mblm_session_snapshot:
 *
 * Copies the state.
 *
 * Returns: (transfer full): the copy
 */
MblmSnapshot *
mblm_session_snapshot (MblmSession *self, GError **error)
{
  MblmModel *model = self->model;

  if (self->broken) {
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_STATE,
        "the session was stopped in the middle of its work; it has no state "
        "to copy");
    return NULL;
  }
  if (!mblm_session_go_back (self, error))
    return NULL;
  g_autoptr (MblmSnapshot) copy = g_new0 (MblmSnapshot, 1);
  copy->ref_count = 1;
  copy->model = g_object_ref (model);
  copy->position = self->position;
  copy->context_fill = self->context_fill;
  copy->fill = self->fill;
  copy->open = g_array_copy (self->open);
  copy->history = g_array_copy (self->history);
  copy->has_logits = self->has_logits;
  copy->logits = g_memdup2 (self->logits, model->vocabulary * sizeof (float));
  for (guint k = 0; k < model->n_stages; k++)
    if (!copy_stage (self, copy, k, error))
      return NULL;
  copy->last_row = copy_floats (
      &self->run, self->last_row, model->stage[model->last].dim);
  if (!mblm_run_check (&self->run, error) || !mblm_run_wait (&self->run, error))
    return NULL;
  return g_steal_pointer (&copy);
}

static void
restore_ids (GArray *to, const GArray *from)
{
  g_array_set_size (to, 0);
  g_array_append_vals (to, from->data, from->len);
}

gboolean
mblm_session_restore (MblmSession *self, MblmSnapshot *snapshot, GError **error)
{
  MblmModel *model = self->model;
  MblmRun *run = &self->run;

  if (snapshot->model != model) {
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "the snapshot was taken of another model; take one of this model");
    return FALSE;
  }
  mblm_session_forget_ahead (self);
  self->broken = TRUE;
  self->position = snapshot->position;
  self->context_fill = snapshot->context_fill;
  self->fill = snapshot->fill;
  restore_ids (self->open, snapshot->open);
  restore_ids (self->history, snapshot->history);
  self->has_logits = snapshot->has_logits;
  memcpy (self->logits, snapshot->logits, model->vocabulary * sizeof (float));
  for (guint k = 0; k < model->n_stages; k++) {
    if (!mblm_state_copy (self->state[k], run, snapshot->state[k], error))
      return FALSE;
    self->projection[k] = model->stage[k].start_projection;
    if (snapshot->projected[k] != NULL) {
      run->k->copy (run->q, self->projected[k], snapshot->projected[k],
          mblm_stage_projection_width (model, k) * sizeof (float));
      self->projection[k] = self->projected[k];
    }
  }
  run->k->copy (run->q, self->last_row, snapshot->last_row,
      model->stage[model->last].dim * sizeof (float));
  self->broken = !mblm_run_wait (run, error);
  return !self->broken;
}
