/* session-stage.c: one stage of some sessions, on by some tokens.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tokens are made of ids, go through the block and make way for new sequences in
 * the stages below. Where there is one token of each session, the block may take
 * the whole of it as one piece of work (MblmBlockClass, step).
 */

#include "session-private.h"

/* ------------------------------------------------------------------------- */
/* Tokens                                                                    */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmSession **sessions;
  guint n;
  MblmModel *model;
  const MblmStage *stage;
  guint k;
  MblmRun *run;
  gsize rows;
  const gint32 *ids;   /* [n, rows, patch] */
  const gint32 *drawn; /* device: the only id, in place of ids; or NULL */
  MblmState **states;  /* host [n] */
  gsize *first;        /* host [n]: the position of the first token */
  const float *
      *addend;    /* host [n] of what the stage above adds from there on */
  float *x, *out; /* [n, rows, dim] */
  float *logits;  /* [n, vocabulary], or NULL: not wanted */
} Tokens;

static void
add_positions (Tokens *t)
{
  mblm_stage_add_positions (
      t->model, t->run, t->k, t->n, t->rows, t->first, t->x);
}

/* What a step doesn't add: x is the embedding, and turned where positions turn. */
static void
embed (Tokens *t)
{
  if (t->drawn == NULL)
    mblm_stage_embed (t->model, t->run, t->k, t->ids, t->n * t->rows, t->x);
  else if (t->x != NULL)
    t->run->k->embed (t->run->q,
        &(MblmEmbed){
            .table = t->stage->table, .ids = t->drawn, .rows = 1, .out = t->x});
  if (t->stage->position == MBLM_POSITION_ROPE)
    add_positions (t);
}

static void
add_others (Tokens *t)
{
  gsize width = t->rows * t->stage->dim;

  if (t->stage->position == MBLM_POSITION_FIXED)
    add_positions (t);
  if (t->k > 0 && !t->run->failed)
    t->run->k->add (t->run->q,
        &(MblmAdd){.batch = t->n,
            .width = width,
            .x = t->x,
            .x_stride = width,
            .ys = t->addend});
}

/* ------------------------------------------------------------------------- */
/* Through the block                                                         */
/* ------------------------------------------------------------------------- */

/* Whether a step is taken from ids on; else from what `embed` makes of them. */
static gboolean
begins_with_ids (const Tokens *t)
{
  return t->rows == 1 && t->k == t->model->last &&
      t->stage->position != MBLM_POSITION_ROPE &&
      t->stage->block->klass->step != NULL;
}

static gboolean
step (Tokens *t)
{
  const MblmBlockClass *klass = t->stage->block->klass;
  g_autofree gsize *position = g_new (gsize, t->n);
  MblmStep args = {.batch = t->n, .states = t->states, .out = t->out};

  if (t->rows != 1 || klass->step == NULL || t->run->failed)
    return FALSE;
  if (begins_with_ids (t)) {
    args.table = t->stage->table;
    args.ids = t->ids;
    args.drawn = t->drawn;
  } else {
    args.tokens = t->x;
  }
  if (t->stage->position == MBLM_POSITION_FIXED) {
    for (guint b = 0; b < t->n; b++)
      position[b] = t->first[b] % t->stage->positions.rows;
    args.positions = t->stage->positions;
    args.position = position;
  }
  if (t->k > 0)
    args.addend = t->addend;
  if (t->logits != NULL) {
    args.to_logits = t->model->to_logits;
    args.logits_bias = t->model->to_logits_bias;
    args.logits = t->logits;
  }
  return klass->step (t->stage->block, t->run, &args);
}

/* As a step, or operation by operation. */
static gboolean
go_on (Tokens *t, gboolean *stepped, GError **error)
{
  gboolean has_embedded = !begins_with_ids (t);

  if (has_embedded)
    embed (t);
  *stepped = step (t);
  if (*stepped)
    return mblm_run_check (t->run, error);
  if (!has_embedded)
    embed (t);
  add_others (t);
  return mblm_run_check (t->run, error) &&
      t->stage->block->klass->advance (t->stage->block, t->run,
          &(MblmAdvance){.batch = t->n,
              .rows = t->rows,
              .x = t->x,
              .out = t->out,
              .states = t->states},
          error);
}

/* Where the tokens of each session belong, and room for them. */
static gboolean
reserve (Tokens *t, GError **error)
{
  for (guint b = 0; b < t->n; b++) {
    MblmSession *session = t->sessions[b];

    if (t->k == 0 && !mblm_session_own_outer (session, t->run, error))
      return FALSE;
    MblmState *state = session->state[t->k];

    t->states[b] = state;
    t->first[b] = state->rows - 1;
    if (t->k > 0)
      t->addend[b] = session->projection[t->k - 1] +
          t->first[b] * t->stage->dim;
    if (!mblm_state_reserve (state, t->run, state->rows + t->rows, error))
      return FALSE;
  }
  return TRUE;
}

static float *
advance (MblmSession **sessions, guint n, MblmRun *run, guint k, gsize rows,
    const gint32 *ids, const gint32 *drawn, float **logits, GError **error)
{
  MblmModel *model = sessions[0]->model;
  const MblmStage *stage = &model->stage[k];
  gsize floats = n * rows * stage->dim;
  gboolean wants_logits = logits != NULL && rows == 1, stepped = FALSE;
  g_autofree MblmState **states = g_new (MblmState *, n);
  g_autofree gsize *first = g_new (gsize, n);
  g_autofree const float **addend = g_new (const float *, n);
  Tokens t = {.sessions = sessions,
      .n = n,
      .model = model,
      .stage = stage,
      .k = k,
      .run = run,
      .rows = rows,
      .ids = ids,
      .drawn = drawn,
      .states = states,
      .first = first,
      .addend = addend,
      .out = mblm_run_floats (run, floats),
      .logits = wants_logits
          ? mblm_run_floats (run, (gsize) n * model->vocabulary)
          : NULL};
  MblmRunMark mark = mblm_run_mark (run);

  t.x = mblm_run_floats (run, floats);
  gboolean ok = reserve (&t, error) && go_on (&t, &stepped, error);
  for (guint b = 0; ok && b < n; b++)
    states[b]->rows += rows;
  if (logits != NULL)
    *logits = stepped ? t.logits : NULL;
  mblm_run_release (run, mark);
  return ok ? t.out : NULL;
}

float *
mblm_session_advance_stage (MblmSession **sessions, guint n, MblmRun *run,
    guint k, gsize rows, const gint32 *ids, float **logits, GError **error)
{
  return advance (sessions, n, run, k, rows, ids, NULL, logits, error);
}

float *
mblm_session_advance_drawn (
    MblmSession *self, const gint32 *drawn, float **logits, GError **error)
{
  return advance (
      &self, 1, &self->run, self->model->last, 1, NULL, drawn, logits, error);
}

/* ------------------------------------------------------------------------- */
/* Sequences below                                                           */
/* ------------------------------------------------------------------------- */

/* Stages first .. last of sessions that have gone on from behind their start tokens
 * are back there. */
static void
restart_stages (MblmSession **sessions, guint n, MblmRun *run, guint first)
{
  MblmModel *model = sessions[0]->model;
  g_autofree MblmState **states = g_new (MblmState *, n);

  for (guint k = first; k < model->n_stages; k++) {
    for (guint b = 0; b < n; b++) {
      states[b] = sessions[b]->state[k];
      sessions[b]->projection[k] = model->stage[k].start_projection;
    }
    mblm_state_restart (states, n, run, model->stage[k].start_state);
  }
}

/* Rows [n, width] to where each session keeps its own. */
static void
keep_projections (
    MblmSession **sessions, guint n, MblmRun *run, guint k, const float *rows)
{
  gsize width = mblm_stage_projection_width (sessions[0]->model, k);
  g_autofree float **to = g_new (float *, n);

  for (guint b = 0; b < n; b++)
    to[b] = sessions[b]->projected[k];
  run->k->scatter_rows (run->q,
      &(MblmScatterRows){.batch = n,
          .rows = 1,
          .parts = 1,
          .width = width,
          .x = rows,
          .x_stride = width,
          .to = to});
}

gboolean
mblm_session_open_sequences (MblmSession **sessions, guint n, MblmRun *run,
    guint k, const float *row, GError **error)
{
  MblmModel *model = sessions[0]->model;
  gsize width = mblm_stage_projection_width (model, k);
  MblmRunMark mark = mblm_run_mark (run);
  float *out = n == 1 ? sessions[0]->projected[k]
                      : mblm_run_floats (run, n * width);

  mblm_stage_project (model, run, k, n, row, model->stage[k].dim, out);
  if (n > 1 && !run->failed)
    keep_projections (sessions, n, run, k, out);
  for (guint b = 0; b < n; b++)
    sessions[b]->projection[k] = sessions[b]->projected[k];
  if (!run->failed)
    restart_stages (sessions, n, run, k + 1);
  mblm_run_release (run, mark);
  return mblm_run_check (run, error);
}
