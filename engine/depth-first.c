/* depth-first.c: the loss of a batch and its gradient.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mblm-math sections 2.3 and 2.5; docs/training.md draws the order of the work.
 *
 * A sequence of stage k has one column for each of its tokens, and one for the
 * start token before them. What a column gives goes to one sequence of the stage
 * below: column j of the stage's columns, start token first, to child j; the
 * last column goes nowhere. In the innermost stage column j predicts byte j of
 * the patch, and the last one byte 0 of the next patch, whose own start column
 * is not used for it.
 *
 * In causal models without dropout the start column of an inner stage is the
 * same everywhere: it is computed once (start-column.c), sequences go on from
 * its state, and last columns that go nowhere are not computed. Elsewhere every
 * sequence has all its columns. Encoders have no start token and drop nothing.
 * Sequences that predict nothing that counts, as most of a picture with a
 * question, are not computed either (children.c), nor are the innermost columns
 * behind the last that counts.
 */

#include "depth-first-private.h"

#include <string.h>

/* ------------------------------------------------------------------------- */
/* Columns                                                                   */
/* ------------------------------------------------------------------------- */

static StageForm
form_of (const Step *self, guint k)
{
  MblmModel *model = self->args.model;
  StageForm f = {
      .span = k == 0 ? self->tokens : model->stage[k].seq_len,
      .start = !model->encoder,
  };

  f.tokens = f.span;
  if (self->constant && k == 0) {
    f.tokens--;
  } else if (self->constant) {
    f.constant = TRUE;
    f.start = FALSE;
    if (k < model->last)
      f.tokens--;
  }
  f.columns = f.tokens + (f.start ? 1 : 0);
  return f;
}

/* splitmix64: neighbouring numbers give unlike ones. */
static guint64
mix (guint64 x)
{
  x += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return x ^ (x >> 31);
}

/* Of the innermost stage no columns are run behind the last, of all the sequences,
 * that predicts something that counts: what comes later in a causal model changes
 * nothing. */
static void
trim (const Step *self, Chunk *c)
{
  gsize needed = 1;

  if (!c->form.constant || c->k < self->args.model->last)
    return;
  for (gsize i = 0; i < c->n; i++) {
    gsize first = c->index[i] * c->form.span;
    gsize sequence = self->first + first / self->n_ids;

    for (gsize j = c->form.columns; j > needed; j--)
      if (step_weight (self, sequence, first % self->n_ids + j) != 0.0f)
        needed = j;
  }
  c->form.tokens = c->form.columns = needed;
}

/* For the sequences of a chunk; memory from the run. */
static void
open_stack (Step *self, MblmStack *stack, const Chunk *c, MblmKeep keep,
    const guint8 *mask)
{
  MblmModel *model = self->args.model;
  guint k = c->k;

  *stack = (MblmStack){
      .block = model->stage[k].block,
      .pass = {.batch = c->n,
          .rows = c->form.columns,
          .mask = mask,
          .shared = c->form.constant ? self->start[k].state : NULL,
          .d_shared = c->form.constant ? self->start[k].d_state : NULL,
          .drops = self->args.drops,
          .drop_seed = mix (self->args.drop_seed ^ mix (self->n_stacks++))},
      .keep = self->args.gradient != NULL ? keep : MBLM_KEEP_NOTHING,
      .type = self->args.plan->inputs,
      .segment = k == 0 ? self->args.plan->segment : 0,
  };
  mblm_stack_open (stack, self->args.run);
}

/* ------------------------------------------------------------------------- */
/* What goes into a stage                                                    */
/* ------------------------------------------------------------------------- */

/* The ids of the tokens that are embedded, [n, tokens, patch]. */
static const gint32 *
chunk_ids (Step *self, const Chunk *c, gint32 **copy)
{
  gsize patch = self->args.model->stage[c->k].patch;
  gsize all = c->form.span * patch, some = c->form.tokens * patch;

  if (all == some && c->index[c->n - 1] - c->index[0] == c->n - 1)
    return self->ids + c->index[0] * all;
  *copy = g_new (gint32, c->n * some + 1);
  for (gsize i = 0; i < c->n; i++)
    memcpy (*copy + i * some, self->ids + c->index[i] * all,
        some * sizeof (gint32));
  return *copy;
}

/* Embedded tokens with positions, [n, tokens, dim]. */
static void
embed (Step *self, const Chunk *c, float *tokens)
{
  MblmModel *model = self->args.model;
  g_autofree gint32 *copy = NULL;
  const gint32 *ids = chunk_ids (self, c, &copy);

  mblm_stage_embed (
      model, self->args.run, c->k, ids, c->n * c->form.tokens, tokens);
  mblm_stage_add_positions (
      model, self->args.run, c->k, c->n, c->form.tokens, NULL, tokens);
}

/* Adds what the stage above has for each token. */
static void
add_above (Step *self, const Chunk *c, float *tokens)
{
  MblmModel *model = self->args.model;
  MblmRun *run = self->args.run;
  gsize dim = model->stage[c->k].dim;
  MblmRunMark mark = mblm_run_mark (run);

  if (c->source == NULL)
    return;
  gsize width = mblm_stage_projection_width (model, c->k - 1);
  float *above = mblm_run_floats (run, c->n * width);
  mblm_stage_project (
      model, run, c->k - 1, c->n, c->source, model->stage[c->k - 1].dim, above);
  if (!run->failed)
    run->k->add (run->q,
        &(MblmAdd){.batch = c->n,
            .width = c->form.tokens * dim,
            .x = tokens,
            .x_stride = c->form.tokens * dim,
            .y = above,
            .y_stride = width});
  mblm_run_release (run, mark);
}

/* Copies tokens [n, tokens, dim] to or from the columns behind the start. */
static void
copy_tokens (Step *self, const Chunk *c, gboolean out, float *tokens, float *x)
{
  gsize dim = self->args.model->stage[c->k].dim;
  gsize tokens_stride = c->form.tokens * dim;
  gsize x_stride = c->form.columns * dim;

  x += c->form.start ? dim : 0;
  self->args.run->k->copy_rows (self->args.run->q,
      &(MblmCopyRows){.batch = c->n,
          .width = tokens_stride,
          .x = out ? tokens : x,
          .x_stride = out ? tokens_stride : x_stride,
          .out = out ? x : tokens,
          .out_stride = out ? x_stride : tokens_stride});
}

static void
chunk_input (Step *self, Chunk *c)
{
  const MblmStage *stage = &self->args.model->stage[c->k];
  MblmRun *run = self->args.run;
  MblmRunMark mark = mblm_run_mark (run);
  float *tokens = c->form.start
      ? mblm_run_floats (run, c->n * c->form.tokens * stage->dim)
      : c->x;

  if (!run->failed) {
    embed (self, c, tokens);
    add_above (self, c, tokens);
  }
  if (!run->failed && c->form.start) {
    copy_tokens (self, c, TRUE, tokens, c->x);
    run->k->copy_rows (run->q,
        &(MblmCopyRows){.batch = c->n,
            .width = stage->dim,
            .x = stage->start,
            .out = c->x,
            .out_stride = c->form.columns * stage->dim});
  }
  mblm_run_release (run, mark);
}

static void
above_backward (Step *self, const Chunk *c, const float *d_tokens)
{
  MblmModel *model = self->args.model;
  MblmRun *run = self->args.run;
  MblmRunMark mark = mblm_run_mark (run);

  if (c->source == NULL)
    return;
  gsize width = mblm_stage_projection_width (model, c->k - 1);
  gsize used = c->form.tokens * model->stage[c->k].dim;
  float *d_above = mblm_run_floats (run, c->n * width);
  if (!run->failed) {
    if (used < width)
      run->k->zero (run->q, d_above, c->n * width * sizeof (float));
    run->k->copy_rows (run->q,
        &(MblmCopyRows){.batch = c->n,
            .width = used,
            .x = d_tokens,
            .x_stride = used,
            .out = d_above,
            .out_stride = width});
    mblm_stage_project_backward (model, self->args.gradient, run, c->k - 1,
        c->n, c->source, d_above, c->d_source);
  }
  mblm_run_release (run, mark);
}

/* d [n, columns, dim] is the gradient by x. */
static void
chunk_input_backward (Step *self, const Chunk *c, float *d)
{
  MblmModel *model = self->args.model, *gradient = self->args.gradient;
  const MblmStage *stage = &model->stage[c->k];
  MblmRun *run = self->args.run;
  MblmRunMark mark = mblm_run_mark (run);
  gsize n = c->n * c->form.tokens;
  float *tokens = c->form.start ? mblm_run_floats (run, n * stage->dim) : d;
  g_autofree gint32 *copy = NULL;

  if (!run->failed && c->form.start) {
    copy_tokens (self, c, FALSE, tokens, d);
    run->k->sum_rows (run->q,
        &(MblmSumRows){.batch = c->n,
            .width = stage->dim,
            .x = d,
            .x_stride = c->form.columns * stage->dim,
            .out = gradient->stage[c->k].start});
  }
  if (!run->failed) {
    above_backward (self, c, tokens);
    mblm_stage_add_positions_backward (
        model, gradient, run, c->k, c->n, c->form.tokens, tokens);
    mblm_stage_embed_backward (
        model, gradient, run, c->k, chunk_ids (self, c, &copy), n, tokens);
  }
  mblm_run_release (run, mark);
}

/* ------------------------------------------------------------------------- */
/* A chunk                                                                   */
/* ------------------------------------------------------------------------- */

static gboolean
run_below (Step *self, const Chunk *c, float *d, GError **error)
{
  if (c->k < self->args.model->last)
    return step_run_children (self, c, d, error);
  return step_loss (self, c, d, error);
}

gboolean
step_run_chunk (Step *self, guint k, const gsize *index, gsize n,
    const float *source, float *d_source, GError **error)
{
  MblmModel *model = self->args.model;
  const MblmStage *stage = &model->stage[k];
  MblmRun *run = self->args.run;
  MblmRunMark mark = mblm_run_mark (run);
  Chunk c = {.k = k,
      .index = index,
      .n = n,
      .form = form_of (self, k),
      .source = source,
      .d_source = d_source};
  gsize ids = c.form.span * stage->patch;
  g_auto (MblmStack) stack = {0};

  trim (self, &c);
  c.x = mblm_run_floats (run, n * c.form.columns * stage->dim);
  const uint8_t *mask = mblm_stage_mask (model, run, k,
      self->mask != NULL ? self->mask + index[0] * ids : NULL, n * c.form.span);
  open_stack (self, &stack, &c,
      k > 0 || self->args.plan->keep_all ? MBLM_KEEP_ALL : MBLM_KEEP_INPUTS,
      mask);
  chunk_input (self, &c);
  if (!mblm_run_check (run, error) || !mblm_stack_forward (&stack, c.x, error))
    return FALSE;
  /* the gradient takes the place of what the stage gave, which has been used by
   * then */
  float *d = c.x;
  if (!run_below (self, &c, d, error))
    return FALSE;
  if (self->args.gradient != NULL) {
    if (!mblm_stack_backward (
            &stack, self->args.gradient->stage[k].block, d, error))
      return FALSE;
    chunk_input_backward (self, &c, d);
  }
  mblm_run_release (run, mark);
  return mblm_run_check (run, error) && mblm_run_wait (run, error);
}

/* ------------------------------------------------------------------------- */
/* A batch                                                                   */
/* ------------------------------------------------------------------------- */

/* Ids and masks of the group, padded to whole tokens of stage 0. */
static void
take_group (Step *self, gsize first, gsize n)
{
  const MblmLearnerBatch *b = self->args.batch;
  gint32 pad_id = mblm_config_get_pad_id (self->args.model->config);

  self->first = first;
  self->group = n;
  for (gsize s = 0; s < n; s++)
    for (gsize i = 0; i < self->n_ids; i++) {
      gsize from = (first + s) * b->length + i, to = s * self->n_ids + i;
      self->ids[to] = i < b->length ? b->ids[from] : pad_id;
      if (self->mask != NULL)
        self->mask[to] = i < b->length &&
            (b->attention_mask == NULL || b->attention_mask[from] != 0);
    }
}

static gboolean
run_groups (Step *self, GError **error)
{
  gsize batch = self->args.batch->batch, step = self->args.plan->group;
  g_autofree gsize *index = g_new (gsize, MIN (step, batch));

  for (gsize i = 0; i < MIN (step, batch); i++)
    index[i] = i;
  for (gsize i = 0; i < batch; i += step) {
    gsize n = MIN (step, batch - i);
    take_group (self, i, n);
    if (!step_run_chunk (self, 0, index, n, NULL, NULL, error))
      return FALSE;
  }
  return TRUE;
}

/* Host memory for the ids of a group. */
static gboolean
make_ids (Step *self, GError **error)
{
  gsize group = MIN (self->args.plan->group, self->args.batch->batch), n;

  if (g_size_checked_mul (&n, group, self->n_ids)) {
    self->ids = g_try_new (gint32, n);
    if (self->args.model->encoder)
      self->mask = g_try_new (guint8, n);
  }
  if (self->ids != NULL && (self->mask != NULL || !self->args.model->encoder))
    return TRUE;
  g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
      "not enough memory for the ids of a sequence, padded to whole patches; "
      "use "
      "a shorter context or smaller patches");
  return FALSE;
}

/* One error has been told; what the queue knows of it is not to come up in work
 * that has nothing to do with it. */
static void
forget (MblmRun *run)
{
  mblm_run_settle (run);
  run->status = MBLM_STATUS_OK;
  run->failed = FALSE;
}

gboolean
mblm_depth_first_run (
    const MblmDepthFirst *args, double *sum, guint64 *count, GError **error)
{
  MblmModel *model = args->model;
  gsize patch = model->stage[0].patch, length = args->batch->length;
  Step step = {.args = *args, .constant = model->causal && !args->drops};
  MblmRunMark mark = mblm_run_mark (args->run);

  step.tokens = length / patch + (length % patch != 0);
  step.n_ids = step.tokens * patch;
  gboolean ok = make_ids (&step, error) && step_start_forward (&step, error) &&
      run_groups (&step, error) && step_start_backward (&step, error);
  if (!ok)
    forget (args->run);
  step_start_clear (&step);
  mblm_run_release (args->run, mark);
  g_free (step.ids);
  g_free (step.mask);
  *sum = step.sum;
  *count = step.count;
  return ok;
}
