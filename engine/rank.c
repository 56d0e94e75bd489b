/* rank.c: the probabilities of several continuations of one state.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Continuations that begin alike share what they begin with: sorted, they are a
 * tree, and a node of it is a session that was fed the ids that lead there. The
 * root is the state itself, which predicts the first id of all. The nodes of a
 * level are stepped together, up to 8 at a time: a product of up to 8 rows gives
 * each row what it would give it alone, so a probability does not depend on its
 * company.
 */

#include "config.h"

#include <math.h>
#include <string.h>

#include "mblm-error.h"
#include "rank.h"
#include "sampler-private.h"
#include "session-private.h"

/* Sessions that are stepped together, and that are held, at most. */
#define MAX_ROWS 8
#define MAX_GROUP 32
/* Bytes of state that the sessions of a group may hold together. */
#define MAX_MEMORY ((guint64) 256 << 20)

struct _MblmRanker {
  MblmModel *model;
  guint vocabulary;
  MblmProgress progress;
  gpointer progress_data;
  MblmSession *session[MAX_GROUP]; /* NULL until it is needed */
  guint taken;                     /* of them, by the group at work */
};

/* A continuation on its way. */
typedef struct {
  const GArray *ids;
  guint known;   /* ids whose probability is known */
  double *log_p; /* [ids]: of the first 1, 2, ... of them */
} Branch;

/* Continuations that are alike up to here, and the session that was fed this
 * much of them. */
typedef struct {
  MblmSession *session;
  Branch **branches;
  guint n;
} Node;

/* A level of the tree: nodes of `depth` ids each. */
typedef struct {
  Node node[MAX_GROUP];
  guint n, depth;
} Level;

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

/* ------------------------------------------------------------------------- */
/* Nodes                                                                     */
/* ------------------------------------------------------------------------- */

static gint32
next_id (const Branch *branch, guint depth)
{
  return g_array_index (branch->ids, gint32, depth);
}

/* Adds ln p of the id behind a node to each of its continuations. */
static gboolean
judge (MblmRanker *self, const Node *node, guint depth, GError **error)
{
  const float *logits = mblm_session_get_logits (
      node->session, MBLM_START_BARE, error);

  if (!logits)
    return FALSE;

  double total = mblm_log_sum_exp (logits, self->vocabulary);

  if (isnan (total)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_DEVICE,
        "the model's prediction is not finite: its weights are damaged, or the "
        "device failed");
    return FALSE;
  }
  for (guint i = 0; i < node->n; i++) {
    Branch *branch = node->branches[i];
    double before = depth > 0 ? branch->log_p[depth - 1] : 0.0;

    branch->log_p[depth] = before + logits[next_id (branch, depth)] - total;
    branch->known = depth + 1;
  }
  return TRUE;
}

/* A session of our own behind a node. */
static MblmSession *
branch_off (MblmRanker *self, const Node *node, GError **error)
{
  MblmSession **slot = &self->session[self->taken];

  if (!*slot) {
    *slot = mblm_session_new (self->model, error);
    if (!*slot)
      return NULL;
    mblm_session_set_context_full (*slot, MBLM_CONTEXT_FULL_ERROR);
    mblm_session_set_progress (*slot, self->progress, self->progress_data);
  }
  if (!mblm_session_branch_off (*slot, node->session, error))
    return NULL;
  self->taken++;
  return *slot;
}

/* Continuations from `first` on that go on from a node by the same id. */
static guint
count_alike (const Node *node, guint first, guint depth)
{
  gint32 id = next_id (node->branches[first], depth);
  guint n = 1;

  while (
      first + n < node->n && next_id (node->branches[first + n], depth) == id)
    n++;
  return n;
}

/* The nodes below a node: of those that go on behind the next id. The last one
 * takes the session of the node, unless that is the root's. */
static gboolean
open_node (MblmRanker *self, const Node *node, guint depth, Level *below,
    GError **error)
{
  for (guint first = 0; first < node->n;) {
    Node child = {
        NULL, node->branches + first, count_alike (node, first, depth)};

    first += child.n;
    /* Sorted: what ends here comes first. */
    while (child.n > 0 && child.branches[0]->ids->len == depth + 1) {
      child.branches++;
      child.n--;
    }
    if (child.n == 0)
      continue;
    child.session = depth > 0 && first == node->n
        ? node->session
        : branch_off (self, node, error);
    if (!child.session)
      return FALSE;
    below->node[below->n++] = child;
  }
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Levels                                                                    */
/* ------------------------------------------------------------------------- */

/* Feeds each node of a level the id that leads to it. */
static gboolean
step_level (const Level *level, GCancellable *cancellable, GError **error)
{
  for (guint first = 0; first < level->n; first += MAX_ROWS) {
    guint n = MIN (level->n - first, MAX_ROWS);
    MblmSession *sessions[MAX_ROWS];
    gint32 ids[MAX_ROWS];

    for (guint i = 0; i < n; i++) {
      const Node *node = &level->node[first + i];

      sessions[i] = node->session;
      ids[i] = next_id (node->branches[0], level->depth - 1);
    }
    if (!mblm_session_step_many (sessions, ids, n, cancellable, error))
      return FALSE;
  }
  return TRUE;
}

/* All behind the first id of continuations of which the session is the root. */
static gboolean
run_group (MblmRanker *self, MblmSession *session, Branch **branches, guint n,
    GCancellable *cancellable, GError **error)
{
  Level level = {.node = {{session, branches, n}}, .n = 1};

  while (level.n > 0) {
    Level below = {.depth = level.depth + 1};

    for (guint i = 0; i < level.n; i++)
      if (!open_node (self, &level.node[i], level.depth, &below, error))
        return FALSE;
    if (!step_level (&below, cancellable, error))
      return FALSE;
    for (guint i = 0; i < below.n; i++)
      if (!judge (self, &below.node[i], below.depth, error))
        return FALSE;
    level = below;
  }
  return TRUE;
}

static guint
group_size (MblmSession *session, guint longest)
{
  guint64 bytes = mblm_session_get_branch_bytes (session, longest);

  return (guint) CLAMP (MAX_MEMORY / MAX (bytes, 1), 1, MAX_GROUP);
}

/* All continuations to their ends, in groups. */
static gboolean
run_groups (MblmRanker *self, MblmSession *session, Branch **branches, guint n,
    guint longest, GCancellable *cancellable, GError **error)
{
  guint size = group_size (session, longest);
  gboolean ok = TRUE;

  for (guint first = 0; ok && first < n; first += size) {
    ok = run_group (self, session, branches + first, MIN (size, n - first),
        cancellable, error);
    while (self->taken > 0)
      mblm_session_end_branch (self->session[--self->taken]);
  }
  return ok;
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

static gint
compare (const void *a, const void *b)
{
  const GArray *x = (*(Branch *const *) a)->ids,
               *y = (*(Branch *const *) b)->ids;

  for (guint i = 0; i < MIN (x->len, y->len); i++) {
    gint32 p = g_array_index (x, gint32, i), q = g_array_index (y, gint32, i);

    if (p != q)
      return p < q ? -1 : 1;
  }
  return x->len < y->len ? -1 : x->len > y->len;
}

static gboolean
check_ids (
    MblmRanker *self, GArray *const *continuations, guint n, GError **error)
{
  for (guint i = 0; i < n; i++)
    if (!mblm_model_check_ids (self->model,
            (const gint32 *) continuations[i]->data, continuations[i]->len,
            error))
      return FALSE;
  return TRUE;
}

gboolean
mblm_ranker_run (MblmRanker *self, MblmSession *session,
    GArray *const *continuations, guint n, double *log_p,
    GCancellable *cancellable, GError **error)
{
  g_autofree Branch *branches = g_new0 (Branch, n);
  g_autofree Branch **sorted = g_new (Branch *, n);
  g_autofree double *sums = NULL;
  gsize n_ids = 0;
  guint longest = 0;
  gboolean ok = check_ids (self, continuations, n, error);

  for (guint i = 0; i < n; i++) {
    branches[i].ids = continuations[i];
    sorted[i] = &branches[i];
    n_ids += continuations[i]->len;
    longest = MAX (longest, continuations[i]->len);
  }
  sums = g_new (double, n_ids);
  for (gsize i = 0, at = 0; i < n; at += continuations[i++]->len)
    branches[i].log_p = sums + at;
  qsort (sorted, n, sizeof *sorted, compare);

  ok = ok && judge (self, &(Node){session, sorted, n}, 0, error) &&
      run_groups (self, session, sorted, n, longest, cancellable, error);
  sum_up (branches, n, log_p);
  return ok;
}
