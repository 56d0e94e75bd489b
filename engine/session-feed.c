/* session-feed.c: how ids go through the stages.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Three ways, all exact and equal:
 *
 *  - a prompt: each stage sees the whole tokens that are new to it, as one batch
 *    of rows; the stages below only see what is still open (feed_piece);
 *  - every id wanted: whole tokens of an outer stage are run through all stages
 *    below them as one batch of sequences (feed_tokens);
 *  - one id into each of many sessions: the rows of all of them are one batch
 *    (mblm_session_run_many).
 */

#include "session-private.h"

/* Ids of a prompt that are copied at a time. */
#define PROMPT_PIECE ((gsize) 1 << 18)

/* Where the ids of a session stand on the way from stage to stage: `ids` begins
 * with the open token of the stage above, of which `old` were fed before and
 * `now` will have been. */
typedef struct {
  const gint32 *ids;
  gsize old, now;
} Cursor;

/* Whole tokens of stage k that an id count makes due: the last one waits. */
static gsize
tokens_due (gsize n_ids, gsize patch)
{
  return n_ids > 0 ? (n_ids - 1) / patch : 0;
}

/* Rows of a prompt that are worked on at a time. */
static gsize
chunk_rows (const MblmStage *stage, const MblmRun *run)
{
  return MAX (stage->chunk_rows, stage->chunk_rows * (run->rows / 1024));
}

/* Advances stage k of one session by the tokens that are due, in pieces. */
static gboolean
advance_due (MblmSession *self, guint k, Cursor *c, GError **error)
{
  const MblmStage *stage = &self->model->stage[k];
  gsize done = tokens_due (c->old, stage->patch);
  gsize due = tokens_due (c->now, stage->patch);

  for (gsize i = done; i < due;) {
    gsize rows = MIN (due - i, chunk_rows (stage, &self->run));
    MblmRunMark mark = mblm_run_mark (&self->run);
    float *out = mblm_session_advance_stage (
        &self, 1, &self->run, k, rows, c->ids + i * stage->patch, NULL, error);
    if (out == NULL)
      return FALSE;
    i += rows;
    if (i == due &&
        !mblm_session_open_sequences (
            &self, 1, &self->run, k, out + (rows - 1) * stage->dim, error))
      return FALSE;
    mblm_run_release (&self->run, mark);
  }
  /* The stage below: either in a new sequence, or on in the open one. */
  c->old = due > done ? 0 : c->old - done * stage->patch;
  c->now -= due * stage->patch;
  c->ids += due * stage->patch;
  return TRUE;
}

/* What the sessions predict, out of device memory [n, vocabulary]. */
static void
take_logits (MblmSession **sessions, guint n, MblmRun *run, const float *logits)
{
  gsize width = sessions[0]->model->vocabulary;
  g_autofree float *all = n > 1 ? g_new (float, n *width) : NULL;

  run->k->download (run->q, n > 1 ? all : sessions[0]->logits, logits,
      n * width * sizeof (float));
  for (guint b = 0; b < n; b++) {
    if (n > 1)
      memcpy (sessions[b]->logits, all + b * width, width * sizeof (float));
    sessions[b]->has_logits = TRUE;
  }
}

/* The innermost stage: ids [n] that follow on those it has seen. */
static gboolean
advance_innermost (MblmSession *self, const gint32 *ids, gsize n,
    MblmOutput *output, GError **error)
{
  MblmModel *model = self->model;
  const MblmStage *stage = &model->stage[model->last];
  MblmRun *run = &self->run;

  for (gsize i = 0; i < n;) {
    gsize rows = MIN (n - i, chunk_rows (stage, run));
    MblmRunMark mark = mblm_run_mark (run);
    float *logits = NULL;
    float *out = mblm_session_advance_stage (&self, 1, run, model->last, rows,
        ids + i, output == NULL ? &logits : NULL, error);
    if (out == NULL)
      return FALSE;
    i += rows;
    self->has_logits = FALSE;
    if (i == n && logits != NULL && self->ahead.draws != NULL) {
      if (!mblm_session_go_ahead (self, logits, error))
        return FALSE;
    } else if (i == n && logits != NULL)
      take_logits (&self, 1, run, logits);
    else if (i == n)
      run->k->copy (run->q, self->last_row, out + (rows - 1) * stage->dim,
          stage->dim * sizeof (float));
    if (output != NULL &&
        !mblm_output_write (output, model, run, rows, out, error))
      return FALSE;
    mblm_run_release (run, mark);
  }
  return TRUE;
}

/* Drops what is no longer in the open outermost token after `fed` more ids. */
static void
count_ids (MblmSession *self, gsize fed)
{
  gsize patch = self->model->stage[0].patch;
  gsize whole = self->model->last > 0
      ? tokens_due (self->fill + fed, patch) * patch
      : 0;

  if (self->model->last > 0) {
    self->fill += fed - whole;
    if (whole > 0)
      g_array_remove_range (self->open, 0, whole);
  }
  self->context_fill += fed;
  self->position += fed;
}

/* Feeds n ids; rows for `output` come only from the innermost sequence that is
 * open at the end, so a caller that wants all of them feeds no more than fit. */
static gboolean
feed_piece (MblmSession *self, const gint32 *ids, gsize n, MblmOutput *output,
    GError **error)
{
  MblmModel *model = self->model;

  if (model->last == 0) {
    if (!advance_innermost (self, ids, n, output, error))
      return FALSE;
    count_ids (self, n);
    return TRUE;
  }
  g_array_append_vals (self->open, ids, n);
  Cursor c = {(gint32 *) self->open->data, self->fill, self->fill + n};
  for (guint k = 0; k < model->last; k++)
    if (!advance_due (self, k, &c, error))
      return FALSE;
  if (!advance_innermost (self, c.ids + c.old, c.now - c.old, output, error))
    return FALSE;
  count_ids (self, n);
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Whole tokens, every row wanted                                            */
/* ------------------------------------------------------------------------- */

/* The outermost stage whose tokens fit into a batch; n_stages: none. */
static guint
batch_stage (MblmModel *model, const MblmRun *run)
{
  for (guint k = 0; k < model->last; k++)
    if (model->stage[k].patch <= run->rows)
      return k;
  return model->n_stages;
}

static gboolean run_sequences (MblmSession *self, guint k, gsize batch,
    const gint32 *ids, const float *projection, MblmOutput *output,
    GError **error);

/* A middle stage: the rows that condition the sequences of the stage below are
 * the constant one and those of all tokens but the last. */
static gboolean
run_middle (MblmSession *self, guint k, gsize batch, const gint32 *ids,
    const float *projection, MblmOutput *output, GError **error)
{
  MblmModel *model = self->model;
  const MblmStage *stage = &model->stage[k];
  MblmRun *run = &self->run;
  gsize tokens = stage->seq_len - 1; /* of each sequence */
  gsize dim = stage->dim, n_ids = tokens * stage->patch;
  gsize all = batch * stage->seq_len;
  float *y = mblm_run_floats (run, all * dim);
  float *below = mblm_run_floats (
      run, all * mblm_stage_projection_width (model, k));
  MblmRunMark mark = mblm_run_mark (run);
  float *x = mblm_run_floats (run, batch * tokens * dim);
  float *out = mblm_run_floats (run, batch * tokens * dim);
  g_autofree gint32 *all_but_last = g_new (gint32, batch * n_ids);

  for (gsize b = 0; b < batch; b++)
    memcpy (all_but_last + b * n_ids, ids + b * (n_ids + stage->patch),
        n_ids * sizeof (gint32));
  mblm_stage_embed (model, run, k, all_but_last, batch * tokens, x);
  mblm_stage_add_positions (model, run, k, batch, tokens, NULL, x);
  if (!mblm_run_check (run, error))
    return FALSE;
  run->k->copy_rows (run->q,
      &(MblmCopyRows){.batch = batch,
          .width = dim,
          .x = stage->start_out,
          .out = y,
          .out_stride = stage->seq_len * dim});
  if (tokens > 0) {
    run->k->add (run->q,
        &(MblmAdd){.batch = batch,
            .width = tokens * dim,
            .x = x,
            .x_stride = tokens * dim,
            .y = projection,
            .y_stride = stage->seq_len * dim});
    if (!stage->block->klass->advance (stage->block, run,
            &(MblmAdvance){.batch = batch,
                .rows = tokens,
                .x = x,
                .out = out,
                .shared = stage->start_state},
            error))
      return FALSE;
    run->k->copy_rows (run->q,
        &(MblmCopyRows){.batch = batch,
            .width = tokens * dim,
            .x = out,
            .x_stride = tokens * dim,
            .out = y + dim,
            .out_stride = stage->seq_len * dim});
  }
  mblm_stage_project (model, run, k, all, y, dim, below);
  mblm_run_release (run, mark);
  return run_sequences (self, k + 1, all, ids, below, output, error);
}

/* Whole sequences of stage k from their start: ids [batch, ids of a sequence],
 * projection [batch, seq_len, dim] of the stage above. */
static gboolean
run_sequences (MblmSession *self, guint k, gsize batch, const gint32 *ids,
    const float *projection, MblmOutput *output, GError **error)
{
  MblmModel *model = self->model;
  const MblmStage *stage = &model->stage[k];
  MblmRun *run = &self->run;

  if (k < model->last)
    return run_middle (self, k, batch, ids, projection, output, error);

  gsize rows = batch * stage->seq_len;
  float *x = mblm_run_floats (run, rows * stage->dim);
  float *out = mblm_run_floats (run, rows * stage->dim);
  mblm_stage_embed (model, run, k, ids, rows, x);
  mblm_stage_add_positions (model, run, k, batch, stage->seq_len, NULL, x);
  if (!mblm_run_check (run, error))
    return FALSE;
  run->k->add (run->q,
      &(MblmAdd){
          .batch = 1, .width = rows * stage->dim, .x = x, .y = projection});
  if (!stage->block->klass->advance (stage->block, run,
          &(MblmAdvance){.batch = batch,
              .rows = stage->seq_len,
              .x = x,
              .out = out,
              .shared = stage->start_state},
          error))
    return FALSE;
  run->k->copy (run->q, self->last_row, out + (rows - 1) * stage->dim,
      stage->dim * sizeof (float));
  return mblm_output_write (output, model, run, rows, out, error);
}

/* Feeds m whole tokens of stage k at a boundary of its tokens. The stage itself
 * sees the token that was open before, if any, and all new ones but the last,
 * which is then the open one. */
static gboolean
feed_tokens (MblmSession *self, guint k, const gint32 *ids, gsize m,
    MblmOutput *output, GError **error)
{
  MblmModel *model = self->model;
  const MblmStage *stage = &model->stage[k];
  MblmRun *run = &self->run;
  gsize n_ids = m * stage->patch;
  gsize width = mblm_stage_projection_width (model, k);

  g_array_append_vals (self->open, ids, n_ids);
  /* One id more than before: it makes the waiting tokens above stage k due. */
  Cursor c = {(gint32 *) self->open->data, self->fill, self->fill + 1};
  for (guint j = 0; j < k; j++)
    if (!advance_due (self, j, &c, error))
      return FALSE;
  gsize done = tokens_due (c.old, stage->patch);
  gsize pending = c.old / stage->patch - done; /* 0 or 1 */
  gsize rows = pending + m - 1;

  MblmRunMark mark = mblm_run_mark (run);
  float *projection = mblm_run_floats (run, m * width);
  if (!mblm_run_check (run, error))
    return FALSE;
  if (pending == 0)
    run->k->copy (
        run->q, projection, self->projection[k], width * sizeof (float));
  if (rows > 0) {
    float *out = mblm_session_advance_stage (
        &self, 1, run, k, rows, c.ids + done * stage->patch, NULL, error);
    if (out == NULL)
      return FALSE;
    mblm_stage_project (model, run, k, rows, out, stage->dim,
        projection + (1 - pending) * width);
  }
  if (!run_sequences (self, k + 1, m, ids, projection, output, error))
    return FALSE;
  mblm_run_release (run, mark);
  count_ids (self, n_ids);
  return TRUE;
}

/* Tokens of stage k that can be fed now as a batch. */
static gsize
tokens_in_batch (MblmSession *self, guint k, gsize n)
{
  MblmModel *model = self->model;
  gsize patch = model->stage[k].patch;
  gsize m = MIN (n, self->run.rows) / patch;

  if (self->fill % patch != 0)
    return 0;
  if (k > 0) {
    gsize above = model->stage[k - 1].patch;
    m = MIN (m, (above - self->fill % above) / patch);
  }
  return m;
}

gboolean
mblm_session_run (MblmSession *self, const gint32 *ids, gsize n,
    MblmOutput *output, GError **error)
{
  MblmModel *model = self->model;
  gsize seq_len = model->stage[model->last].seq_len;
  guint k = batch_stage (model, &self->run);

  self->has_logits = FALSE;
  while (n > 0 && (output == NULL || model->last == 0)) {
    gsize fed = MIN (n, PROMPT_PIECE);
    if (!feed_piece (self, ids, fed, output, error))
      return FALSE;
    ids += fed;
    n -= fed;
  }
  while (n > 0) {
    gsize m = k < model->last ? tokens_in_batch (self, k, n) : 0;
    gsize fed = m > 0 ? m * model->stage[k].patch
                      : MIN (n, seq_len - self->fill % seq_len);
    if (!(m > 0 ? feed_tokens (self, k, ids, m, output, error)
                : feed_piece (self, ids, fed, output, error)))
      return FALSE;
    ids += fed;
    n -= fed;
  }
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Many sessions                                                             */
/* ------------------------------------------------------------------------- */

/* Advances stage k, by one token, of those sessions that have one due. */
static gboolean
advance_due_many (
    MblmSession **sessions, Cursor *cursors, guint n, guint k, GError **error)
{
  MblmModel *model = sessions[0]->model;
  const MblmStage *stage = &model->stage[k];
  MblmRun *run = &sessions[0]->run;
  g_autofree MblmSession **group = g_new (MblmSession *, n);
  g_autofree gint32 *ids = g_new (gint32, n * stage->patch);
  guint size = 0;

  for (guint b = 0; b < n; b++) {
    Cursor *c = &cursors[b];
    gsize done = tokens_due (c->old, stage->patch);
    gsize due = tokens_due (c->now, stage->patch);
    if (due > done) {
      group[size] = sessions[b];
      memcpy (ids + size++ * stage->patch, c->ids + done * stage->patch,
          stage->patch * sizeof (gint32));
    }
    c->old = due > done ? 0 : c->old - done * stage->patch;
    c->now -= due * stage->patch;
    c->ids += due * stage->patch;
  }
  if (size == 0)
    return TRUE;

  MblmRunMark mark = mblm_run_mark (run);
  float *out = mblm_session_advance_stage (
      group, size, run, k, 1, ids, NULL, error);
  gboolean ok = out != NULL &&
      mblm_session_open_sequences (group, size, run, k, out, error);
  mblm_run_release (run, mark);
  return ok;
}

/* One id more for the innermost stage of each session; all predict at once. */
static gboolean
advance_innermost_many (
    MblmSession **sessions, const gint32 *ids, guint n, GError **error)
{
  MblmModel *model = sessions[0]->model;
  MblmRun *run = &sessions[0]->run;
  float *logits = NULL;
  float *out = mblm_session_advance_stage (
      sessions, n, run, model->last, 1, ids, &logits, error);

  if (out == NULL)
    return FALSE;
  if (logits == NULL) {
    logits = mblm_run_floats (run, (gsize) n * model->vocabulary);
    mblm_stage_logits (model, run, n, out, logits);
  }
  if (!run->failed)
    take_logits (sessions, n, run, logits);
  return mblm_run_check (run, error) && mblm_run_wait (run, error);
}

gboolean
mblm_session_run_many (
    MblmSession **sessions, const gint32 *ids, guint n, GError **error)
{
  MblmModel *model = sessions[0]->model;
  MblmRun *run = &sessions[0]->run;
  g_autofree Cursor *cursors = g_new (Cursor, n);

  for (guint b = 0; b < n; b++) {
    MblmSession *s = sessions[b];
    sessions[b]->has_logits = FALSE;
    if (model->last > 0)
      g_array_append_val (s->open, ids[b]);
    cursors[b] = (Cursor){(gint32 *) s->open->data, s->fill, s->fill + 1};
  }
  for (guint k = 0; k < model->last; k++)
    if (!advance_due_many (sessions, cursors, n, k, error))
      return FALSE;

  MblmRunMark mark = mblm_run_mark (run);
  gboolean ok = advance_innermost_many (sessions, ids, n, error);
  mblm_run_release (run, mark);
  for (guint b = 0; ok && b < n; b++)
    count_ids (sessions[b], 1);
  return ok;
}
