/* session-ahead.c: what a device draws and goes on with before the host asks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A step of the innermost stage is enqueued, a draw from what it predicts, a step
 * with the id that was drawn, and so on to the end of the patch. The host is told
 * every prediction while the device is at the next, and draws from it itself: what
 * counts is what it feeds. Where that is the device's id, the step is done already.
 * Where it is another, or something else is asked of the session, the innermost
 * stage goes back to where it was and takes what was fed since, one id after the
 * other, as if nothing else had happened. What it appends to its state needs no
 * going back: later rows replace it.
 *
 * The outer stages see no id that wasn't fed.
 */

#include "session-private.h"

/* Microseconds of steps ahead, at most: who ends a generation waits for them. */
#define MOST_TIME 50000
/* Predictions at once while nothing is known of a device's pace. */
#define FIRST_PREDICTIONS 2

void
mblm_ahead_init (MblmAhead *self)
{
  self->most_time = MOST_TIME;
}

void
mblm_ahead_clear (MblmAhead *self, MblmRun *run)
{
  if (self->n > 0)
    mblm_run_settle (run);
  if (self->fixed != NULL)
    run->k->free (run->memory, self->fixed);
}

guint
mblm_session_get_ahead (MblmSession *self, gint32 id)
{
  const MblmModel *model = self->model;
  const MblmAhead *a = &self->ahead;
  const MblmBlockClass *klass = model->stage[model->last].block->klass;
  guint64 n = a->pace > 0 ? MAX (a->most_time / a->pace, 1) : FIRST_PREDICTIONS;

  if (self->run.k->sample_told == NULL || klass->step == NULL ||
      !klass->appends || model->vocabulary > MBLM_AHEAD_VOCABULARY ||
      mblm_session_is_next (self, &id, 1))
    return 0;
  n = MIN (n, MBLM_MOST_TOLD);
  return (guint) MIN (n, mblm_session_get_room (self));
}

gboolean
mblm_session_feed_ahead (MblmSession *self, gint32 id, const MblmDraws *draws,
    GCancellable *cancellable, GError **error)
{
  MblmAhead *a = &self->ahead;
  gint64 begin = g_get_monotonic_time ();

  a->draws = draws;
  gboolean ok = mblm_session_feed (self, &id, 1, cancellable, error);
  a->draws = NULL;
  if (ok)
    a->pace = MAX (g_get_monotonic_time () - begin, 1);
  return ok;
}

/* ------------------------------------------------------------------------- */
/* Ahead                                                                     */
/* ------------------------------------------------------------------------- */

/* Of n steps, those that neither end the patch nor need more memory than the state
 * has: it grows where it would anyway. */
static guint
steps_that_fit (const MblmState *state, gboolean is_inner, gsize n)
{
  MblmBlock *block = state->block;

  if (is_inner)
    n = MIN (n, block->expected - state->rows);
  for (guint i = 0; i < state->n_parts; i++)
    while (n > 0 &&
        block->klass->part_size (block, i, state->rows + n) >
            state->capacity[i])
      n--;
  return (guint) n;
}

/* What going back needs. */
static void
remember (MblmSession *self, const MblmState *state)
{
  MblmAhead *a = &self->ahead;
  MblmRun *run = &self->run;
  gsize bytes = state->n_fixed * sizeof (float);

  if (a->fixed == NULL)
    a->fixed = run->k->alloc (run->memory, bytes);
  if (a->fixed == NULL)
    run->failed = TRUE;
  else
    run->k->copy (run->q, a->fixed, state->fixed, bytes);
  a->rows = state->rows;
}

/* Device memory for `bytes` bytes of the host. */
static void *
upload (MblmRun *run, const void *host, gsize bytes)
{
  void *memory = mblm_run_floats (run, bytes / sizeof (float) + 1);

  if (memory != NULL)
    run->k->upload (run->q, memory, host, bytes);
  return memory;
}

/* How draws are made; logits and uniform go on from draw to draw. */
static MblmSample
describe_draws (MblmSession *self, const MblmDraws *draws, guint n)
{
  MblmRun *run = &self->run;
  MblmSample sample = {.rows = 1,
      .vocabulary = self->model->vocabulary,
      .temperature = draws->temperature,
      .top_p = draws->top_p,
      .min_p = draws->min_p,
      .top_k = draws->top_k,
      .tells = true};

  if (n > 0) {
    sample.ids = (gint32 *) mblm_run_floats (run, 1);
    sample.uniform = upload (run, draws->uniform, n * sizeof (float));
    if (draws->is_bounded)
      sample.allowed = upload (run, draws->allowed, sample.vocabulary);
  }
  return sample;
}

/* One step with the id that was drawn; its logits stay until the next. */
static const float *
step_drawn (MblmSession *self, const gint32 *drawn, GError **error)
{
  MblmModel *model = self->model;
  MblmRun *run = &self->run;
  MblmRunMark mark = mblm_run_mark (run);
  float *logits = NULL;
  float *out = mblm_session_advance_drawn (self, drawn, &logits, error);

  if (out == NULL)
    return NULL;
  if (logits == NULL) {
    logits = mblm_run_floats (run, model->vocabulary);
    mblm_stage_logits (model, run, 1, out, logits);
  }
  mblm_run_release (run, mark);
  return mblm_run_check (run, error) ? logits : NULL;
}

gboolean
mblm_session_go_ahead (MblmSession *self, const float *logits, GError **error)
{
  MblmAhead *a = &self->ahead;
  MblmRun *run = &self->run;
  guint last = self->model->last;
  const MblmState *state = self->state[last];
  guint n = steps_that_fit (state, last > 0, a->draws->n - 1);
  MblmRunMark mark = mblm_run_mark (run);
  MblmSample sample = describe_draws (self, a->draws, n);

  if (n > 0)
    remember (self, state);
  if (!mblm_run_check (run, error))
    return FALSE;
  a->n = n;
  a->taken = 0;
  a->is_owed = TRUE;
  for (guint i = 0; logits != NULL; i++) {
    sample.logits = logits;
    /* From the last prediction nobody goes on. */
    if (i == n)
      sample.ids = NULL;
    run->k->sample (run->q, &sample);
    if (i == n)
      break;
    sample.uniform++;
    logits = step_drawn (self, sample.ids, error);
  }
  mblm_run_release (run, mark);
  return logits != NULL;
}

/* ------------------------------------------------------------------------- */
/* Taking what is there                                                      */
/* ------------------------------------------------------------------------- */

gboolean
mblm_session_is_next (const MblmSession *self, const gint32 *ids, gsize n)
{
  const MblmAhead *a = &self->ahead;

  return a->n > 0 && n == 1 && ids[0] == a->ids[a->taken];
}

gboolean
mblm_session_take (MblmSession *self, GError **error)
{
  MblmAhead *a = &self->ahead;

  if (!mblm_run_check (&self->run, error))
    return FALSE;
  mblm_session_count (self, a->ids[a->taken++]);
  a->is_owed = TRUE;
  return TRUE;
}

gboolean
mblm_session_receive (MblmSession *self, GError **error)
{
  MblmAhead *a = &self->ahead;
  MblmRun *run = &self->run;
  MblmStatus status = run->k->sample_told (
      run->q, self->logits, &a->ids[a->taken]);

  a->is_owed = FALSE;
  if (run->status == MBLM_STATUS_OK)
    run->status = status;
  if (!mblm_run_check (run, error))
    return FALSE;
  self->has_logits = TRUE;
  if (a->taken == a->n)
    a->n = a->taken = 0;
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Back                                                                      */
/* ------------------------------------------------------------------------- */

void
mblm_session_forget_ahead (MblmSession *self)
{
  MblmAhead *a = &self->ahead;

  a->n = a->taken = 0;
  a->is_owed = FALSE;
  if (self->run.k->sample_told != NULL)
    self->run.k->sample_told (self->run.q, NULL, NULL);
}

/* The state before the device went ahead, and on with `taken` ids. */
static gboolean
step_again (MblmSession *self, guint taken, GError **error)
{
  const MblmAhead *a = &self->ahead;
  MblmRun *run = &self->run;
  guint last = self->model->last;
  MblmState *state = self->state[last];
  gboolean ok = TRUE;

  run->k->copy (
      run->q, state->fixed, a->fixed, state->n_fixed * sizeof (float));
  state->rows = a->rows;
  for (guint i = 0; ok && i < taken; i++) {
    MblmRunMark mark = mblm_run_mark (run);
    float *logits;

    ok = mblm_session_advance_stage (
             &self, 1, run, last, 1, &a->ids[i], &logits, error) != NULL;
    mblm_run_release (run, mark);
  }
  return ok && mblm_run_wait (run, error);
}

gboolean
mblm_session_go_back (MblmSession *self, GError **error)
{
  guint taken = self->ahead.taken;

  if (self->ahead.n == 0)
    return TRUE;
  mblm_session_forget_ahead (self);
  self->broken = !step_again (self, taken, error);
  return !self->broken;
}
