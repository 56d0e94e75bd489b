/* session-snapshot.c: copies of a session's state, and branches of a session.
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

static gboolean
check_whole (MblmSession *self, GError **error)
{
  if (self->broken)
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_STATE,
        "the session was stopped in the middle of its work; it has no state "
        "to copy");
  return !self->broken;
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

  if (!check_whole (self, error) || !mblm_session_go_back (self, error))
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
take_over_ids (GArray *to, const GArray *from)
{
  g_array_set_size (to, 0);
  g_array_append_vals (to, from->data, from->len);
}

/* Everything that a session holds but the states before stage `first`. */
static gboolean
take_over (
    MblmSession *self, const MblmSnapshot *from, guint first, GError **error)
{
  MblmModel *model = self->model;
  MblmRun *run = &self->run;

  self->position = from->position;
  self->context_fill = from->context_fill;
  self->fill = from->fill;
  take_over_ids (self->open, from->open);
  take_over_ids (self->history, from->history);
  self->has_logits = from->has_logits;
  memcpy (self->logits, from->logits, model->vocabulary * sizeof (float));
  for (guint k = 0; k < model->n_stages; k++) {
    if (k >= first &&
        !mblm_state_copy (self->state[k], run, from->state[k], error))
      return FALSE;
    self->projection[k] = model->stage[k].start_projection;
    if (from->projected[k] != NULL) {
      run->k->copy (run->q, self->projected[k], from->projected[k],
          mblm_stage_projection_width (model, k) * sizeof (float));
      self->projection[k] = self->projected[k];
    }
  }
  run->k->copy (run->q, self->last_row, from->last_row,
      model->stage[model->last].dim * sizeof (float));
  return mblm_run_wait (run, error);
}

/* A session that is about to hold something else altogether. */
static void
leave (MblmSession *self)
{
  mblm_session_forget_ahead (self);
  mblm_session_call_in (self);
  mblm_session_hand_back (self);
  self->broken = TRUE;
}

gboolean
mblm_session_restore (MblmSession *self, MblmSnapshot *snapshot, GError **error)
{
  if (snapshot->model != self->model) {
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "the snapshot was taken of another model; take one of this model");
    return FALSE;
  }
  leave (self);
  self->broken = !take_over (self, snapshot, 0, error);
  return !self->broken;
}

/* ------------------------------------------------------------------------- */
/* Branches                                                                  */
/* ------------------------------------------------------------------------- */

gboolean
mblm_session_branch_off (MblmSession *self, MblmSession *from, GError **error)
{
  MblmModel *model = self->model;

  g_return_val_if_fail (self != from && model == from->model, FALSE);
  if (!check_whole (from, error) || !mblm_session_go_back (from, error))
    return FALSE;
  leave (self);
  MblmSession *lender = from->lender != NULL ? from->lender : from;
  MblmSnapshot here = {.position = from->position,
      .context_fill = from->context_fill,
      .fill = from->fill,
      .open = from->open,
      .history = from->history,
      .last_row = from->last_row,
      .logits = from->logits,
      .has_logits = from->has_logits};
  for (guint k = 0; k < model->n_stages; k++) {
    here.state[k] = from->state[k];
    if (k < model->last && from->projection[k] == from->projected[k])
      here.projected[k] = from->projected[k];
  }
  self->state[0] = lender->outer;
  self->lender = g_object_ref (lender);
  g_ptr_array_add (lender->borrowers, self);
  self->broken = !take_over (self, &here, 1, error);
  return !self->broken;
}

void
mblm_session_end_branch (MblmSession *self)
{
  leave (self);
}

guint64
mblm_session_get_branch_bytes (MblmSession *self, guint64 n)
{
  MblmModel *model = self->model;
  guint64 bytes = 0;

  for (guint k = 1; k < model->n_stages; k++)
    bytes += mblm_block_get_state_bytes (
        model->stage[k].block, 1 + model->stage[k].seq_len);
  /* An id behind a whole token makes that due. */
  if (model->last == 0 || self->fill + n > model->stage[0].patch)
    bytes += mblm_block_get_state_bytes (model->stage[0].block,
        1 + (self->context_fill + n) / model->stage[0].patch);
  return bytes;
}

void
mblm_session_hand_back (MblmSession *self)
{
  if (self->lender == NULL)
    return;
  g_ptr_array_remove_fast (self->lender->borrowers, self);
  g_clear_object (&self->lender);
  self->state[0] = self->outer;
}

gboolean
mblm_session_own_outer (MblmSession *self, MblmRun *run, GError **error)
{
  if (self->lender == NULL)
    return TRUE;
  if (!mblm_state_copy (self->outer, run, self->state[0], error))
    return FALSE;
  /* From here on the lender may go on, by another queue. */
  mblm_run_settle (run);
  mblm_session_hand_back (self);
  return TRUE;
}

void
mblm_session_call_in (MblmSession *self)
{
  while (self->borrowers->len > 0) {
    MblmSession *borrower = g_ptr_array_index (self->borrowers, 0);

    if (!mblm_session_own_outer (borrower, &borrower->run, NULL)) {
      mblm_session_hand_back (borrower);
      borrower->broken = TRUE;
    }
  }
}
