/* rank.c: the probabilities of several continuations of one state.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The first id of every continuation is predicted by the state itself. For the
 * others a session each is restored from a snapshot of the state, and all are
 * stepped together. A product of up to 8 rows gives each row what it would give
 * it alone, so groups of 8 make a probability independent of its company.
 */

#include "config.h"

#include <math.h>

#include "mblm-error.h"
#include "rank.h"
#include "sampler-private.h"

#define MAX_GROUP 8
/* Bytes of state that the sessions of a group may hold together. */
#define MAX_MEMORY ((guint64) 256 << 20)

struct _MblmRanker {
  MblmModel *model;
  guint vocabulary;
  MblmProgress progress;
  gpointer progress_data;
  MblmSession *session[MAX_GROUP]; /* NULL until it is needed */
};

/* A continuation on its way. */
typedef struct {
  MblmSession *session; /* while its group is at work */
  const GArray *ids;
  guint known;   /* ids whose probability is known */
  double *log_p; /* [ids]: of the first 1, 2, ... of them */
} Branch;

MblmRanker *
mblm_ranker_new (MblmModel *model)
{
  MblmRanker *self = g_new0 (MblmRanker, 1);

  self->model = g_object_ref (model);
  self->vocabulary = mblm_config_get_vocabulary (mblm_model_get_config (model));
  return self;
}

void
mblm_ranker_free (MblmRanker *self)
{
  for (guint i = 0; i < MAX_GROUP; i++)
    g_clear_object (&self->session[i]);
  g_object_unref (self->model);
  g_free (self);
}

void
mblm_ranker_set_progress (
    MblmRanker *self, MblmProgress progress, gpointer user_data)
{
  self->progress = progress;
  self->progress_data = user_data;
  for (guint i = 0; i < MAX_GROUP; i++)
    if (self->session[i])
      mblm_session_set_progress (self->session[i], progress, user_data);
}

/* Adds ln p of the next id of a branch, as its session predicts it. */
static gboolean
add_next (
    MblmRanker *self, MblmSession *session, Branch *branch, GError **error)
{
  gint32 id = g_array_index (branch->ids, gint32, branch->known);
  const float *logits = mblm_session_get_logits (
      session, MBLM_START_BARE, error);

  if (!logits)
    return FALSE;
  if (id < 0 || (guint) id >= self->vocabulary) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "id %d is outside of the model's vocabulary of %u", (int) id,
        self->vocabulary);
    return FALSE;
  }
  double total = mblm_log_sum_exp (logits, self->vocabulary);
  if (isnan (total)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_DEVICE,
        "the model's prediction is not finite: its weights are damaged, or the "
        "device failed");
    return FALSE;
  }
  double before = branch->known > 0 ? branch->log_p[branch->known - 1] : 0.0;
  branch->log_p[branch->known++] = before + logits[id] - total;
  return TRUE;
}

/* Steps every branch that has an id left whose probability is not known yet. */
static gboolean
step_group (MblmRanker *self, Branch *branches, guint n, gboolean *done,
    GCancellable *cancellable, GError **error)
{
  MblmSession *sessions[MAX_GROUP];
  Branch *active[MAX_GROUP];
  gint32 ids[MAX_GROUP];
  guint n_active = 0;

  for (guint i = 0; i < n; i++)
    if (branches[i].known < branches[i].ids->len) {
      sessions[n_active] = branches[i].session;
      active[n_active] = &branches[i];
      ids[n_active++] = g_array_index (
          branches[i].ids, gint32, branches[i].known - 1);
    }
  *done = n_active == 0;
  if (*done)
    return TRUE;
  if (!mblm_session_step_many (sessions, ids, n_active, cancellable, error))
    return FALSE;
  for (guint i = 0; i < n_active; i++)
    if (!add_next (self, sessions[i], active[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
branch_off (MblmRanker *self, guint slot, MblmSnapshot *state, GError **error)
{
  if (!self->session[slot]) {
    MblmSession *session = mblm_session_new (self->model, error);

    if (!session)
      return FALSE;
    mblm_session_set_context_full (session, MBLM_CONTEXT_FULL_ERROR);
    mblm_session_set_progress (session, self->progress, self->progress_data);
    self->session[slot] = session;
  }
  return mblm_session_restore (self->session[slot], state, error);
}

static guint
group_size (MblmRanker *self, MblmSession *session, guint longest)
{
  guint64 bytes = mblm_model_get_session_bytes (
      self->model, mblm_session_get_position (session) + longest);

  return (guint) CLAMP (MAX_MEMORY / MAX (bytes, 1), 1, MAX_GROUP);
}

/* All branches to their ends, in groups. */
static gboolean
run_branches (MblmRanker *self, MblmSession *session, Branch *branches, guint n,
    guint longest, GCancellable *cancellable, GError **error)
{
  guint size = group_size (self, session, longest);
  g_autoptr (MblmSnapshot) state = mblm_session_snapshot (session, error);

  if (!state)
    return FALSE;
  for (guint first = 0; first < n; first += size) {
    guint in_group = MIN (size, n - first);
    gboolean done = FALSE;

    for (guint i = 0; i < in_group; i++) {
      if (!branch_off (self, i, state, error))
        return FALSE;
      branches[first + i].session = self->session[i];
    }
    while (!done)
      if (!step_group (
              self, branches + first, in_group, &done, cancellable, error))
        return FALSE;
  }
  return TRUE;
}

/* What is known of every branch, so that none is judged by more of it than
 * another that goes on. */
static void
sum_up (const Branch *branches, guint n, double *log_p)
{
  guint depth = G_MAXUINT;

  for (guint i = 0; i < n; i++)
    if (branches[i].known < branches[i].ids->len)
      depth = MIN (depth, branches[i].known);
  for (guint i = 0; i < n; i++) {
    guint known = MIN (depth, branches[i].known);

    log_p[i] = known > 0 ? branches[i].log_p[known - 1] : 0.0;
  }
}

gboolean
mblm_ranker_run (MblmRanker *self, MblmSession *session,
    GArray *const *continuations, guint n, double *log_p,
    GCancellable *cancellable, GError **error)
{
  g_autofree Branch *branches = g_new0 (Branch, n);
  g_autofree double *sums = NULL;
  gsize n_ids = 0;
  guint longest = 0;
  gboolean ok = TRUE;

  for (guint i = 0; i < n; i++) {
    branches[i].ids = continuations[i];
    n_ids += continuations[i]->len;
    longest = MAX (longest, continuations[i]->len);
  }
  sums = g_new (double, n_ids);
  for (guint i = 0, at = 0; i < n; at += continuations[i++]->len)
    branches[i].log_p = sums + at;

  for (guint i = 0; ok && i < n; i++)
    ok = add_next (self, session, &branches[i], error);
  if (ok && longest > 1)
    ok = run_branches (self, session, branches, n, longest, cancellable, error);
  sum_up (branches, n, log_p);
  return ok;
}
