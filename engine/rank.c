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
  MblmSession *session[MAX_GROUP]; /* NULL until it is needed */
};

/* A continuation on its way. */
typedef struct {
  MblmSession *session;
  const GArray *ids;
  guint fed; /* ids that the session has been fed */
  double *log_p;
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

/* Adds ln p of the next id of a branch. */
static gboolean
add_next (MblmRanker *self, MblmSession *session, const GArray *ids, guint at,
    double *log_p, GError **error)
{
  gint32 id = g_array_index (ids, gint32, at);
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
  *log_p += logits[id] - total;
  return TRUE;
}

/* Steps every branch that has an id left whose successor is not known yet. */
static gboolean
step_group (MblmRanker *self, Branch *branches, guint n, gboolean *done,
    GCancellable *cancellable, GError **error)
{
  MblmSession *sessions[MAX_GROUP];
  gint32 ids[MAX_GROUP];
  guint n_active = 0;

  for (guint i = 0; i < n; i++)
    if (branches[i].fed + 1 < branches[i].ids->len) {
      sessions[n_active] = branches[i].session;
      ids[n_active++] = g_array_index (
          branches[i].ids, gint32, branches[i].fed);
    }
  *done = n_active == 0;
  if (*done)
    return TRUE;
  if (!mblm_session_step_many (sessions, ids, n_active, cancellable, error))
    return FALSE;
  for (guint i = 0; i < n; i++)
    if (branches[i].fed + 1 < branches[i].ids->len) {
      branches[i].fed++;
      if (!add_next (self, branches[i].session, branches[i].ids,
              branches[i].fed, branches[i].log_p, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
branch_off (MblmRanker *self, guint slot, MblmSnapshot *state, GError **error)
{
  if (!self->session[slot]) {
    self->session[slot] = mblm_session_new (self->model, error);
    if (!self->session[slot])
      return FALSE;
    mblm_session_set_context_full (
        self->session[slot], MBLM_CONTEXT_FULL_ERROR);
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

gboolean
mblm_ranker_run (MblmRanker *self, MblmSession *session,
    GArray *const *continuations, guint n, double *log_p,
    MblmAskerProgress progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  guint longest = 0;

  for (guint i = 0; i < n; i++) {
    log_p[i] = 0.0;
    longest = MAX (longest, continuations[i]->len);
    if (!add_next (self, session, continuations[i], 0, &log_p[i], error))
      return FALSE;
  }
  if (longest < 2)
    return TRUE;

  g_autoptr (MblmSnapshot) state = mblm_session_snapshot (session, error);
  if (!state)
    return FALSE;
  guint size = group_size (self, session, longest);
  for (guint first = 0; first < n; first += size) {
    Branch branches[MAX_GROUP];
    guint in_group = MIN (size, n - first);
    gboolean done = FALSE;

    for (guint i = 0; i < in_group; i++) {
      if (!branch_off (self, i, state, error))
        return FALSE;
      branches[i] = (Branch){.session = self->session[i],
          .ids = continuations[first + i],
          .log_p = &log_p[first + i]};
    }
    while (!done) {
      if (progress)
        progress (user_data);
      if (!step_group (self, branches, in_group, &done, cancellable, error))
        return FALSE;
    }
  }
  return TRUE;
}
