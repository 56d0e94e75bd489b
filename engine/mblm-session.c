/* mblm-session.c: the state of one stream.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is fed is checked here, against the vocabulary, the context and the
 * memory bound, before anything changes; session-feed.c does the work.
 */

#include "session-private.h"

#include <string.h>

G_DEFINE_FINAL_TYPE (MblmSession, mblm_session, G_TYPE_OBJECT)

static void
mblm_session_finalize (GObject *object)
{
  MblmSession *self = MBLM_SESSION (object);

  mblm_session_hand_back (self);
  mblm_ahead_clear (&self->ahead, &self->run);
  for (guint k = 0; k < MBLM_MAX_STAGES; k++) {
    mblm_state_free (self->state[k], &self->run);
    if (self->projected[k] != NULL)
      self->run.k->free (self->run.memory, self->projected[k]);
  }
  if (self->last_row != NULL)
    self->run.k->free (self->run.memory, self->last_row);
  g_array_unref (self->open);
  g_array_unref (self->history);
  g_ptr_array_unref (self->borrowers);
  g_free (self->logits);
  mblm_run_clear (&self->run);
  g_clear_object (&self->model);
  G_OBJECT_CLASS (mblm_session_parent_class)->finalize (object);
}

static void
mblm_session_class_init (MblmSessionClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mblm_session_finalize;
}

static void
mblm_session_init (MblmSession *self)
{
  self->open = g_array_new (FALSE, FALSE, sizeof (gint32));
  self->history = g_array_new (FALSE, FALSE, sizeof (gint32));
  self->borrowers = g_ptr_array_new ();
  mblm_ahead_init (&self->ahead);
}

/* Device memory of n floats that the session keeps. */
static float *
keep (MblmSession *self, gsize n)
{
  float *memory = self->run.k->alloc (self->run.memory, n * sizeof (float));
  if (memory == NULL)
    self->run.failed = TRUE;
  return memory;
}

static gboolean
allocate (MblmSession *self, GError **error)
{
  MblmModel *model = self->model;

  for (guint k = 0; k < model->n_stages; k++) {
    self->state[k] = mblm_state_new (model->stage[k].block, &self->run, error);
    if (self->state[k] == NULL)
      return FALSE;
    if (k < model->last)
      self->projected[k] = keep (self, mblm_stage_projection_width (model, k));
  }
  self->outer = self->state[0];
  self->last_row = keep (self, model->stage[model->last].dim);
  self->logits = g_new (float, model->vocabulary);
  return mblm_run_check (&self->run, error);
}

/**
 * mblm_session_new:
 * @model: a causal model
 *
 * Begins a stream.
 *
 * Returns: (transfer full): the session
 */
MblmSession *
mblm_session_new (MblmModel *model, GError **error)
{
  if (!model->causal) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
        "%s: this model sees both ways (a stage of it is not causal), so it "
        "can't go byte by byte; use full passes",
        mblm_info_get_name (model->info));
    return NULL;
  }
  if (model->stage[0].start_state == NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
        "%s: this model is being trained; load what was saved of it",
        mblm_info_get_name (model->info));
    return NULL;
  }
  g_autoptr (MblmSession) self = g_object_new (MBLM_TYPE_SESSION, NULL);
  self->model = g_object_ref (model);
  if (!mblm_model_init_run (model, &self->run, error) ||
      !allocate (self, error))
    return NULL;
  mblm_session_reset (self);
  if (self->broken) {
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "not enough memory for a session; use a smaller model");
    return NULL;
  }
  return g_steal_pointer (&self);
}

/* Every stage to behind its start token, whatever its state held. */
static gboolean
begin_stages (MblmSession *self)
{
  MblmModel *model = self->model;

  for (guint k = 0; k < model->n_stages; k++) {
    if (!mblm_state_copy (
            self->state[k], &self->run, model->stage[k].start_state, NULL))
      return FALSE;
    self->projection[k] = model->stage[k].start_projection;
  }
  return TRUE;
}

void
mblm_session_reset (MblmSession *self)
{
  mblm_session_forget_ahead (self);
  mblm_session_call_in (self);
  mblm_session_hand_back (self);
  self->position = 0;
  self->context_fill = 0;
  self->fill = 0;
  g_array_set_size (self->open, 0);
  g_array_set_size (self->history, 0);
  self->has_logits = FALSE;
  /* Also in the middle of a feed: then what would end that waits. It can fail
   * for want of memory only in a new session. */
  GCancellable *cancellable = g_steal_pointer (&self->run.cancellable);
  MblmProgress progress = g_steal_pointer (&self->run.progress);
  self->broken = !begin_stages (self) || !mblm_run_wait (&self->run, NULL);
  self->run.cancellable = cancellable;
  self->run.progress = progress;
}

/* ------------------------------------------------------------------------- */
/* Bounds                                                                    */
/* ------------------------------------------------------------------------- */

/**
 * mblm_session_get_model:
 *
 * Gives the model.
 *
 * Returns: (transfer none): the model
 */
MblmModel *
mblm_session_get_model (MblmSession *self)
{
  return self->model;
}

void
mblm_session_set_context_full (MblmSession *self, MblmContextFull policy)
{
  self->context_full = policy;
}

void
mblm_session_set_memory_bound (MblmSession *self, guint64 bytes)
{
  self->memory_bound = bytes;
}

/**
 * mblm_session_set_progress: (skip)
 */
void
mblm_session_set_progress (
    MblmSession *self, MblmProgress progress, gpointer user_data)
{
  self->progress = progress;
  self->progress_data = user_data;
}

gboolean
mblm_session_is_endless (MblmSession *self)
{
  return self->model->stage[0].position != MBLM_POSITION_FIXED;
}

guint64
mblm_session_get_position (MblmSession *self)
{
  return self->position;
}

guint64
mblm_session_get_reach (MblmSession *self)
{
  return self->context_fill;
}

guint64
mblm_session_get_room (MblmSession *self)
{
  if (mblm_session_is_endless (self))
    return G_MAXUINT64;
  return mblm_config_get_context (self->model->config) - self->context_fill;
}

guint64
mblm_session_get_memory (MblmSession *self)
{
  guint64 bytes = mblm_state_get_bytes (self->outer);

  for (guint k = 1; k < self->model->n_stages; k++)
    bytes += mblm_state_get_bytes (self->state[k]);
  return bytes;
}

/* Memory of the states once n more ids are fed. */
static guint64
memory_after (MblmSession *self, guint64 n)
{
  MblmModel *model = self->model;
  guint64 bytes = mblm_block_get_state_bytes (model->stage[0].block,
      1 + (self->context_fill + n) / model->stage[0].patch);

  for (guint k = 1; k < model->n_stages; k++)
    bytes += mblm_block_get_state_bytes (
        model->stage[k].block, 1 + model->stage[k].seq_len);
  return bytes;
}

static gboolean
check_memory (MblmSession *self, guint64 n, GError **error)
{
  if (self->memory_bound == 0)
    return TRUE;
  guint64 needed = memory_after (self, n);
  if (needed <= self->memory_bound)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
      "a context of %" G_GUINT64_FORMAT " bytes needs %" G_GUINT64_FORMAT
      " bytes of memory, the bound is %" G_GUINT64_FORMAT
      "; raise the bound or reset the session",
      self->context_fill + n, needed, self->memory_bound);
  return FALSE;
}

static gboolean
check_usable (MblmSession *self, GError **error)
{
  if (self->broken)
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_STATE,
        "the session was stopped in the middle of its work; reset it or "
        "restore a snapshot");
  return !self->broken;
}

/* Whether n ids may be fed; ids beyond the context are the policy's. */
static gboolean
check_feed (MblmSession *self, const gint32 *ids, gsize n, GError **error)
{
  guint64 room = mblm_session_get_room (self);

  if (!check_usable (self, error) ||
      !mblm_model_check_ids (self->model, ids, n, error))
    return FALSE;
  if (n > room && self->context_full == MBLM_CONTEXT_FULL_ERROR) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONTEXT,
        "the context of %" G_GUINT64_FORMAT " bytes is full: %" G_GSIZE_FORMAT
        " more don't fit behind %" G_GUINT64_FORMAT
        "; reset the session, or let it restart",
        mblm_config_get_context (self->model->config), n, self->context_fill);
    return FALSE;
  }
  return check_memory (self, n <= room ? n : room, error);
}

/* ------------------------------------------------------------------------- */
/* Feeding                                                                   */
/* ------------------------------------------------------------------------- */

/* Feeds ids that fit, and remembers them where a full context begins anew. */
static gboolean
feed_fitting (MblmSession *self, const gint32 *ids, gsize n, MblmOutput *output,
    GError **error)
{
  if (!mblm_session_run (self, ids, n, output, error))
    return FALSE;
  if (!mblm_session_is_endless (self))
    g_array_append_vals (self->history, ids, n);
  return TRUE;
}

void
mblm_session_count (MblmSession *self, gint32 id)
{
  if (self->model->last > 0) {
    g_array_append_val (self->open, id);
    self->fill++;
  }
  if (!mblm_session_is_endless (self))
    g_array_append_val (self->history, id);
  self->context_fill++;
  self->position++;
}

/* Primes the session with the last half of its full context. */
static gboolean
restart_context (MblmSession *self, GError **error)
{
  gsize half = mblm_config_get_context (self->model->config) / 2;
  guint64 position = self->position;
  g_autofree gint32 *kept = g_memdup2 (
      (gint32 *) self->history->data + self->history->len - half,
      half * sizeof (gint32));

  mblm_session_reset (self);
  if (!check_usable (self, error) ||
      !feed_fitting (self, kept, half, NULL, error))
    return FALSE;
  self->position = position;
  return TRUE;
}

/* With every id wanted, or not knowing better: context by context. */
static gboolean
feed_contexts (MblmSession *self, const gint32 *ids, gsize n,
    MblmOutput *output, GError **error)
{
  while (n > 0) {
    if (mblm_session_get_room (self) == 0 && !restart_context (self, error))
      return FALSE;
    gsize fed = MIN (n, mblm_session_get_room (self));
    if (!feed_fitting (self, ids, fed, output, error))
      return FALSE;
    ids += fed;
    n -= fed;
  }
  return TRUE;
}

/* A prompt that overflows the context, perhaps many times: what the session
 * would hold after restarting each time is a known stretch of all its ids. */
static gboolean
feed_overflowing (MblmSession *self, const gint32 *ids, gsize n, GError **error)
{
  guint64 context = mblm_config_get_context (self->model->config);
  guint64 gained = context - context / 2; /* ids between two restarts */
  guint64 held = self->history->len, total = held + n;
  guint64 restarts = (total - context + gained - 1) / gained;
  guint64 first = restarts * gained; /* of the stretch, among all ids */
  guint64 position = self->position + n;
  g_autofree gint32 *stretch = g_new (gint32, total - first);
  gsize from_history = first < held ? held - first : 0;

  if (from_history > 0)
    memcpy (stretch, (gint32 *) self->history->data + first,
        from_history * sizeof (gint32));
  memcpy (stretch + from_history, ids + (first + from_history - held),
      (total - first - from_history) * sizeof (gint32));
  mblm_session_reset (self);
  if (!check_usable (self, error) ||
      !feed_fitting (self, stretch, total - first, NULL, error))
    return FALSE;
  self->position = position;
  return TRUE;
}

static void
begin (MblmSession *self, GCancellable *cancellable)
{
  mblm_run_release (&self->run, (MblmRunMark){0, 0});
  self->run.failed = FALSE;
  self->run.cancellable = cancellable;
  self->run.progress = self->progress;
  self->run.progress_data = self->progress_data;
}

/* What is too short to be ended in between: resetting, copying, predicting. */
static void
let_go (MblmSession *self)
{
  self->run.cancellable = NULL;
  self->run.progress = NULL;
}

static gboolean
finish (MblmSession *self, gboolean ok, GError **error)
{
  let_go (self);
  /* Not while an error is set already. */
  ok = ok &&
      (self->ahead.is_owed ? mblm_session_receive (self, error)
                           : mblm_run_wait (&self->run, error));
  self->broken = !ok;
  return ok;
}

static gboolean
feed (MblmSession *self, const gint32 *ids, gsize n, MblmOutput *output,
    GCancellable *cancellable, GError **error)
{
  if (!check_feed (self, ids, n, error) ||
      g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (n == 0)
    return TRUE;
  mblm_session_call_in (self);
  begin (self, cancellable);
  if (output == NULL && mblm_session_is_next (self, ids, n))
    return finish (self, mblm_session_take (self, error), error);
  gboolean ok = mblm_session_go_back (self, error) &&
      (output == NULL && n > mblm_session_get_room (self)
              ? feed_overflowing (self, ids, n, error)
              : feed_contexts (self, ids, n, output, error));
  return finish (self, ok, error);
}

/**
 * mblm_session_feed:
 * @ids: (array length=n): ids
 * @n: how many
 * @cancellable: stops the work
 *
 * Feeds ids.
 *
 * Returns: %TRUE where all were fed
 */
gboolean
mblm_session_feed (MblmSession *self, const gint32 *ids, gsize n,
    GCancellable *cancellable, GError **error)
{
  return feed (self, ids, n, NULL, cancellable, error);
}

/**
 * mblm_session_feed_bytes:
 * @bytes: (array length=n): bytes
 * @n: how many
 * @cancellable: stops the work
 *
 * Feeds bytes.
 *
 * Returns: %TRUE where all were fed
 */
gboolean
mblm_session_feed_bytes (MblmSession *self, const guint8 *bytes, gsize n,
    GCancellable *cancellable, GError **error)
{
  g_autofree gint32 *ids = g_try_new (gint32, n);

  if (ids == NULL && n > 0) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "not enough memory to feed %" G_GSIZE_FORMAT
        " bytes at once; feed them in pieces",
        n);
    return FALSE;
  }
  for (gsize i = 0; i < n; i++)
    ids[i] = bytes[i];
  return feed (self, ids, n, NULL, cancellable, error);
}

gboolean
mblm_session_feed_logits (MblmSession *self, const gint32 *ids, gsize n,
    float *logits, GCancellable *cancellable, GError **error)
{
  MblmOutput output = {.logits = logits};
  return feed (self, ids, n, &output, cancellable, error);
}

gboolean
mblm_session_feed_hidden (MblmSession *self, const gint32 *ids, gsize n,
    float *hidden, GCancellable *cancellable, GError **error)
{
  MblmOutput output = {.hidden = hidden};
  return feed (self, ids, n, &output, cancellable, error);
}

gboolean
mblm_session_score (MblmSession *self, const gint32 *ids, gsize n, float *nats,
    GCancellable *cancellable, GError **error)
{
  if (n == 0)
    return check_usable (self, error);
  if (!check_feed (self, ids, n, error))
    return FALSE;
  const float *logits = mblm_session_get_logits (self, MBLM_START_BARE, error);
  if (logits == NULL ||
      !mblm_output_nats (self->model, &self->run, logits, ids[0], nats, error))
    return FALSE;

  /* The row behind each id predicts the next; the last one's is not asked. */
  if (n == 1)
    return feed (self, ids, n, NULL, cancellable, error);
  g_autofree gint32 *targets = g_new (gint32, n);
  g_autofree float *behind = g_new (float, n);
  memcpy (targets, ids + 1, (n - 1) * sizeof (gint32));
  targets[n - 1] = -1;
  MblmOutput output = {.targets = targets, .nats = behind};
  if (!feed (self, ids, n, &output, cancellable, error))
    return FALSE;
  memcpy (nats + 1, behind, (n - 1) * sizeof (float));
  return TRUE;
}

const float *
mblm_session_get_logits (MblmSession *self, MblmStart start, GError **error)
{
  if (!check_usable (self, error))
    return NULL;
  if (self->position == 0)
    return start == MBLM_START_CHAINED ? self->model->chained_logits
                                       : self->model->bare_logits;
  if (!self->has_logits) {
    MblmOutput output = {.logits = self->logits};
    begin (self, NULL);
    let_go (self);
    if (!finish (self,
            mblm_output_write (
                &output, self->model, &self->run, 1, self->last_row, error),
            error))
      return NULL;
    self->has_logits = TRUE;
  }
  return self->logits;
}

/* ------------------------------------------------------------------------- */
/* Many sessions                                                             */
/* ------------------------------------------------------------------------- */

static gboolean
check_many (MblmSession **sessions, const gint32 *ids, guint n, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);

  for (guint b = 0; b < n; b++) {
    if (sessions[b]->model != sessions[0]->model ||
        !g_hash_table_add (seen, sessions[b])) {
      g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_INPUT,
          "sessions that are stepped together must be different ones of one "
          "model");
      return FALSE;
    }
    if (!check_feed (sessions[b], &ids[b], 1, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
mblm_session_step_many (MblmSession **sessions, const gint32 *ids, guint n,
    GCancellable *cancellable, GError **error)
{
  gboolean ok = TRUE;

  if (n == 0)
    return TRUE;
  if (!check_many (sessions, ids, n, error) ||
      g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  for (guint b = 0; b < n; b++) {
    mblm_session_call_in (sessions[b]);
    begin (sessions[b], cancellable);
  }
  for (guint b = 0; ok && b < n; b++)
    ok = mblm_session_go_back (sessions[b], error);
  for (guint b = 0; ok && b < n; b++)
    if (mblm_session_get_room (sessions[b]) == 0)
      ok = restart_context (sessions[b], error) &&
          mblm_run_wait (&sessions[b]->run, error);
  ok = ok && mblm_session_run_many (sessions, ids, n, error);
  for (guint b = 0; b < n; b++) {
    if (ok && !mblm_session_is_endless (sessions[b]))
      g_array_append_val (sessions[b]->history, ids[b]);
    let_go (sessions[b]);
    sessions[b]->broken = !ok;
  }
  return ok;
}
