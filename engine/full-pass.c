/* full-pass.c: a whole sequence through every stage, start columns and all.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For models with a stage that sees both ways, where nothing can be left out or
 * kept from one id to the next, and for encoders, which have no start tokens
 * and drop no last row. Stage by stage, each on [sequences, columns, dim];
 * inner stages work on a batch of sequences at a time.
 */

#include "model-private.h"

typedef struct {
  MblmModel *model;
  MblmRun *run;
  gsize tokens;        /* of stage 0 in this pass */
  gsize n_ids;         /* padded to whole tokens */
  gint32 *ids;         /* host [n_ids] */
  guint8 *mask;        /* host [n_ids]; NULL: no mask */
  float *start_logits; /* host [vocabulary] or NULL */
} FullPass;

static gsize
pass_seq_len (const FullPass *p, guint k)
{
  return k == 0 ? p->tokens : p->model->stage[k].seq_len;
}

static gsize
pass_sequences (const FullPass *p, guint k)
{
  return p->n_ids / (pass_seq_len (p, k) * p->model->stage[k].patch);
}

/* x [batch, columns, dim]: a start token before the tokens of each sequence. */
static void
prepend_start (FullPass *p, const MblmStage *stage, gsize batch, gsize tokens,
    const float *embedded, float *x)
{
  p->run->k->copy_rows (p->run->q,
      &(MblmCopyRows){.batch = batch,
          .width = stage->dim,
          .x = stage->start,
          .out = x,
          .out_stride = (tokens + 1) * stage->dim});
  p->run->k->copy_rows (p->run->q,
      &(MblmCopyRows){.batch = batch,
          .width = tokens * stage->dim,
          .x = embedded,
          .x_stride = tokens * stage->dim,
          .out = x + stage->dim,
          .out_stride = (tokens + 1) * stage->dim});
}

static gboolean
run_block (FullPass *p, guint k, gsize batch, gsize columns, float *x,
    float *out, const uint8_t *mask, GError **error)
{
  MblmBlock *block = p->model->stage[k].block;

  if (block->klass->causal)
    return block->klass->advance (block, p->run,
        &(MblmAdvance){.batch = batch, .rows = columns, .x = x, .out = out},
        error);
  return block->klass->encode (
      block, p->run, batch, columns, x, out, mask, error);
}

/* Sequences first .. first + batch of stage k. `above` [batch * tokens, dim] is
 * the projection that they take; `y` [batch, tokens, dim] gets what the next
 * stage or the output wants of them: rows 0 .. tokens - 1 of an inner stage, the
 * rows of the ids of the innermost one. */
static gboolean
run_batch (FullPass *p, guint k, gsize first, gsize batch, const float *above,
    float *y, GError **error)
{
  MblmModel *model = p->model;
  const MblmStage *stage = &model->stage[k];
  gsize tokens = pass_seq_len (p, k), n = batch * tokens;
  gsize columns = tokens + (model->encoder ? 0 : 1);
  MblmRunMark mark = mblm_run_mark (p->run);
  float *embedded = mblm_run_floats (p->run, n * stage->dim);
  float *x = model->encoder
      ? embedded
      : mblm_run_floats (p->run, batch * columns * stage->dim);
  float *out = mblm_run_floats (p->run, batch * columns * stage->dim);
  const uint8_t *hidden_ids = mblm_stage_mask (model, p->run, k,
      p->mask != NULL ? p->mask + first * tokens * stage->patch : NULL, n);

  mblm_stage_embed (
      model, p->run, k, p->ids + first * tokens * stage->patch, n, embedded);
  mblm_stage_add_positions (model, p->run, k, batch, tokens, NULL, embedded);
  if (!mblm_run_check (p->run, error))
    return FALSE;
  if (above != NULL)
    p->run->k->add (p->run->q,
        &(MblmAdd){
            .batch = 1, .width = n * stage->dim, .x = embedded, .y = above});
  if (!model->encoder)
    prepend_start (p, stage, batch, tokens, embedded, x);
  if (!run_block (p, k, batch, columns, x, out, hidden_ids, error))
    return FALSE;
  MblmOutput start = {.logits = p->start_logits};
  if (p->start_logits != NULL && k == model->last && first == 0 &&
      !mblm_output_write (&start, model, p->run, 1, out, error))
    return FALSE;
  gsize skip = !model->encoder && k == model->last ? stage->dim : 0;
  p->run->k->copy_rows (p->run->q,
      &(MblmCopyRows){.batch = batch,
          .width = tokens * stage->dim,
          .x = out + skip,
          .x_stride = columns * stage->dim,
          .out = y,
          .out_stride = tokens * stage->dim});
  mblm_run_release (p->run, mark);
  return mblm_run_check (p->run, error);
}

/* Stage k in batches: each is projected for the stage below as it is made, and
 * the innermost one's rows are written out up to `length`. */
static gboolean
run_stage (FullPass *p, guint k, const float *above, float *below, gsize length,
    MblmOutput *output, GError **error)
{
  MblmModel *model = p->model;
  gsize tokens = pass_seq_len (p, k), dim = model->stage[k].dim;
  gsize sequences = pass_sequences (p, k);
  gsize step = MAX (p->run->rows / tokens, 1);

  for (gsize first = 0; first < sequences; first += step) {
    gsize batch = MIN (step, sequences - first), row = first * tokens;
    MblmRunMark mark = mblm_run_mark (p->run);
    float *y = mblm_run_floats (p->run, batch * tokens * dim);
    if (!mblm_run_check (p->run, error) ||
        !run_batch (p, k, first, batch,
            above != NULL ? above + row * dim : NULL, y, error))
      return FALSE;
    if (k < model->last)
      mblm_stage_project (model, p->run, k, batch * tokens, y, dim,
          below + row * mblm_stage_projection_width (model, k));
    else if (row < length &&
        !mblm_output_write (output, model, p->run,
            MIN (batch * tokens, length - row), y, error))
      return FALSE;
    mblm_run_release (p->run, mark);
  }
  return mblm_run_check (p->run, error);
}

/* Copies ids and mask of the host, padded to whole tokens of stage 0. */
static void
pad (FullPass *p, const gint32 *ids, gsize length, const guint8 *attention_mask)
{
  gsize patch = p->model->stage[0].patch;
  gint32 pad_id = mblm_config_get_pad_id (p->model->config);

  p->tokens = (length + patch - 1) / patch;
  p->n_ids = p->tokens * patch;
  p->ids = g_new (gint32, p->n_ids);
  for (gsize i = 0; i < p->n_ids; i++)
    p->ids[i] = i < length ? ids[i] : pad_id;
  if (!p->model->encoder)
    return;
  p->mask = g_new (guint8, p->n_ids);
  for (gsize i = 0; i < p->n_ids; i++)
    p->mask[i] = i < length &&
        (attention_mask == NULL || attention_mask[i] != 0);
}

gboolean
mblm_full_pass (MblmModel *model, MblmRun *run, const gint32 *ids, gsize length,
    const guint8 *attention_mask, MblmOutput *output, float *start_logits,
    GError **error)
{
  FullPass pass = {.model = model, .run = run, .start_logits = start_logits};
  MblmRunMark mark = mblm_run_mark (run);
  const float *above = NULL;
  gboolean ok = TRUE;

  pad (&pass, ids, length, attention_mask);
  for (guint k = 0; ok && k < model->n_stages; k++) {
    float *below = NULL;
    if (k < model->last)
      below = mblm_run_floats (run,
          pass_sequences (&pass, k) * pass_seq_len (&pass, k) *
              mblm_stage_projection_width (model, k));
    ok = mblm_run_check (run, error) &&
        run_stage (&pass, k, above, below, length, output, error);
    above = below;
  }
  mblm_run_release (run, mark);
  g_free (pass.ids);
  g_free (pass.mask);
  return ok;
}

/* As published, the first slice of the projection is added to the start token
 * itself here, which happens nowhere else (mblm-math section 2.6). */
gboolean
mblm_full_pass_empty (
    MblmModel *model, MblmRun *run, float *logits, GError **error)
{
  FullPass pass = {.model = model, .run = run};
  MblmOutput output = {.logits = logits};
  const float *above = NULL;
  MblmRunMark mark = mblm_run_mark (run);

  for (guint k = 0; k < model->n_stages; k++) {
    const MblmStage *stage = &model->stage[k];
    float *x = mblm_run_floats (run, stage->dim);
    float *out = mblm_run_floats (run, stage->dim);
    float *below = k < model->last
        ? mblm_run_floats (run, mblm_stage_projection_width (model, k))
        : NULL;
    if (!mblm_run_check (run, error))
      return FALSE;
    run->k->copy (run->q, x, stage->start, stage->dim * sizeof (float));
    if (above != NULL)
      run->k->add (run->q,
          &(MblmAdd){.batch = 1, .width = stage->dim, .x = x, .y = above});
    if (!run_block (&pass, k, 1, 1, x, out, NULL, error))
      return FALSE;
    if (k < model->last)
      mblm_stage_project (model, run, k, 1, out, stage->dim, below);
    else if (!mblm_output_write (&output, model, run, 1, out, error))
      return FALSE;
    above = below;
  }
  mblm_run_release (run, mark);
  return TRUE;
}
