/* loss.c: the loss at the end of the depth-first step.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mblm-math sections 2.5, 2.10 and 5.1. Logits exist for as many rows at a
 * time as the device likes.
 */

#include "depth-first-private.h"

#include <string.h>

/* Some rows of the innermost stage and what they predict; host memory. */
typedef struct {
  gsize n, most;
  gboolean any;            /* something that counts */
  gint32 *targets;         /* [most]; negative: nothing that counts */
  float *weights, *losses; /* [most] */
} Targets;

/* All the rows of a call: those of sequences `index` of the group, or, without
 * columns, of the first bytes of the batch. */
typedef struct {
  gsize n;
  const gsize *index;
  gboolean first_bytes;
  StageForm form;
} Rows;

float
step_weight (const Step *self, gsize sequence, gsize i)
{
  const MblmLearnerBatch *b = self->args.batch;
  MblmModel *model = self->args.model;
  gsize at = sequence * b->length + i;

  if (i >= b->length)
    return 0.0f;
  if (model->encoder && b->attention_mask != NULL && b->attention_mask[at] == 0)
    return 0.0f;
  if (!model->encoder && b->ids[at] == mblm_config_get_pad_id (model->config))
    return 0.0f;
  return b->loss_mask != NULL ? b->loss_mask[at] : 1.0f;
}

/* Row `row` predicts id `i` of sequence `sequence` of the batch; beyond its
 * length, nothing. */
static void
set_target (Step *self, Targets *targets, gsize row, gsize sequence, gsize i)
{
  const MblmLearnerBatch *b = self->args.batch;
  float weight = step_weight (self, sequence, i);
  const gint32 *ids = self->args.model->encoder ? b->labels : b->ids;

  targets->any |= weight != 0.0f;
  targets->targets[row] = weight != 0.0f ? ids[sequence * b->length + i] : -1;
  targets->weights[row] = weight;
}

/* Column `column` of sequence `index` (of the group) of the innermost stage
 * predicts an id of its sequence of stage 0, or one beyond all of them. */
static gsize
predicted (const Step *self, const StageForm *f, gsize index, gsize column)
{
  gsize first = index * f->span % self->n_ids;

  if (f->constant)
    return first + column + 1;
  if (self->args.model->encoder || column > 0 || first == 0)
    return first + column;
  return G_MAXSIZE; /* an inner start column */
}

/* What rows `row` and up of the call predict. */
static void
find_targets (Step *self, const Rows *rows, gsize row, Targets *targets)
{
  const StageForm *f = &rows->form;

  targets->any = FALSE;
  targets->n = MIN (targets->most, rows->n - row);
  for (gsize i = 0; i < targets->n; i++) {
    if (rows->first_bytes) {
      set_target (self, targets, i, row + i, 0);
      continue;
    }
    gsize index = rows->index[(row + i) / f->columns];
    set_target (self, targets, i, self->first + index * f->span / self->n_ids,
        predicted (self, f, index, (row + i) % f->columns));
  }
}

static void
count_losses (Step *self, const Targets *targets)
{
  for (gsize i = 0; i < targets->n; i++) {
    float x = targets->losses[i] * targets->weights[i];
    self->sum += x;
    self->count += x != 0.0f;
  }
}

/* The loss of x [n, dim], and its gradient, which may take the place of x: it
 * goes by way of memory of its own. */
static gboolean
loss_piece (
    Step *self, Targets *targets, const float *x, float *d, GError **error)
{
  MblmModel *model = self->args.model;
  MblmRun *run = self->args.run;
  gsize n = targets->n, dim = model->stage[model->last].dim;
  MblmRunMark mark = mblm_run_mark (run);
  float *logits = mblm_run_floats (run, n * model->vocabulary);
  float *losses = mblm_run_floats (run, n);
  float *weights = mblm_run_floats (run, n);
  float *d_x = mblm_run_floats (run, n * dim);
  int32_t *ids = mblm_run_upload_ids (run, targets->targets, n);

  if (!mblm_run_check (run, error))
    return FALSE;
  run->k->upload (run->q, weights, targets->weights, n * sizeof (float));
  mblm_stage_logits (model, run, n, x, logits);
  MblmCrossEntropy loss = {.rows = n,
      .vocabulary = model->vocabulary,
      .logits = logits,
      .targets = ids,
      .loss = losses};
  if (self->args.gradient == NULL) {
    run->k->cross_entropy (run->q, &loss);
  } else {
    run->k->cross_entropy_backward (run->q,
        &(MblmCrossEntropyBackward){
            .forward = loss, .weight = weights, .d_logits = logits});
    mblm_stage_logits_backward (
        model, self->args.gradient, run, n, x, logits, d_x);
    run->k->copy (run->q, d, d_x, n * dim * sizeof (float));
  }
  run->k->download (run->q, targets->losses, losses, n * sizeof (float));
  if (!mblm_run_wait (run, error))
    return FALSE;
  count_losses (self, targets);
  mblm_run_release (run, mark);
  return TRUE;
}

/* Where nothing counts, as in most of a question with its picture, nothing is
 * computed. */
static gboolean
some_rows (Step *self, const Rows *rows, gsize row, Targets *targets,
    const float *x, float *d, GError **error)
{
  MblmModel *model = self->args.model;
  MblmRun *run = self->args.run;
  gsize dim = model->stage[model->last].dim;

  find_targets (self, rows, row, targets);
  if (targets->any)
    return loss_piece (self, targets, x + row * dim, d + row * dim, error);
  if (self->args.gradient != NULL)
    run->k->zero (run->q, d + row * dim, targets->n * dim * sizeof (float));
  return TRUE;
}

static gboolean
loss_rows (
    Step *self, const Rows *rows, const float *x, float *d, GError **error)
{
  gsize most = MIN (self->args.run->rows, rows->n);
  g_autofree gint32 *ids = g_new (gint32, most);
  g_autofree float *weights = g_new (float, most);
  g_autofree float *losses = g_new (float, most);
  Targets targets = {
      .most = most, .targets = ids, .weights = weights, .losses = losses};

  for (gsize row = 0; row < rows->n; row += most)
    if (!some_rows (self, rows, row, &targets, x, d, error))
      return FALSE;
  return TRUE;
}

gboolean
step_loss (Step *self, const Chunk *c, float *d, GError **error)
{
  return loss_rows (self,
      &(Rows){.n = c->n * c->form.columns, .index = c->index, .form = c->form},
      c->x, d, error);
}

gboolean
step_first_byte_loss (Step *self, const float *x, float *d, GError **error)
{
  return loss_rows (self,
      &(Rows){.n = self->args.batch->batch, .first_bytes = TRUE}, x, d, error);
}
