/* loss.c: the loss at the end of the depth-first step.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mblm-math sections 2.5, 2.10 and 5.1. Logits exist for LOSS_ROWS rows at a
 * time.
 */

#include "depth-first-private.h"

#include <string.h>

#define LOSS_ROWS ((gsize) 1024)

/* Rows of the innermost stage and what they predict; host memory. */
typedef struct {
  gsize n;
  gint32 *targets; /* [n]; negative: nothing that counts */
  float *weights;  /* [n] */
  float *losses;   /* [n] */
} Targets;

static void
targets_init (Targets *self, gsize n)
{
  *self = (Targets){.n = n,
      .targets = g_new (gint32, n),
      .weights = g_new (float, n),
      .losses = g_new (float, n)};
}

static void
targets_clear (Targets *self)
{
  g_free (self->targets);
  g_free (self->weights);
  g_free (self->losses);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Targets, targets_clear)

/* Row `row` predicts id `i` of sequence `sequence` of the batch; beyond its
 * length, nothing. */
static void
set_target (Step *self, Targets *targets, gsize row, gsize sequence, gsize i)
{
  const MblmLearnerBatch *b = self->args.batch;
  MblmModel *model = self->args.model;
  gsize at = sequence * b->length + i;
  gboolean counts = i < b->length;

  if (counts && model->encoder)
    counts = b->attention_mask == NULL || b->attention_mask[at] != 0;
  else if (counts)
    counts = b->ids[at] != mblm_config_get_pad_id (model->config);
  targets->targets[row] = !counts ? -1
      : model->encoder            ? b->labels[at]
                                  : b->ids[at];
  targets->weights[row] = counts && b->loss_mask != NULL ? b->loss_mask[at]
                                                         : 1.0f;
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

static void
count_losses (Step *self, const Targets *targets, gsize first, gsize n)
{
  for (gsize i = first; i < first + n; i++) {
    float x = targets->losses[i] * targets->weights[i];
    self->sum += x;
    self->count += x != 0.0f;
  }
}

/* Rows first .. first + n of x; d may be x. */
static gboolean
loss_piece (Step *self, const Targets *targets, gsize first, gsize n,
    const float *x, float *d, GError **error)
{
  MblmModel *model = self->args.model;
  MblmRun *run = self->args.run;
  MblmRunMark mark = mblm_run_mark (run);
  float *logits = mblm_run_floats (run, n * model->vocabulary);
  float *losses = mblm_run_floats (run, n);
  float *weights = mblm_run_floats (run, n);
  int32_t *ids = mblm_run_upload_ids (run, targets->targets + first, n);

  if (!mblm_run_check (run, error))
    return FALSE;
  run->k->upload (
      run->q, weights, targets->weights + first, n * sizeof (float));
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
        model, self->args.gradient, run, n, x, logits, d);
  }
  run->k->download (
      run->q, targets->losses + first, losses, n * sizeof (float));
  if (!mblm_run_wait (run, error))
    return FALSE;
  count_losses (self, targets, first, n);
  mblm_run_release (run, mark);
  return TRUE;
}

/* linear_backward doesn't work in place: a piece's gradient goes by way of
 * memory of its own. */
static gboolean
loss_rows (Step *self, const Targets *targets, const float *x, float *d,
    GError **error)
{
  MblmModel *model = self->args.model;
  MblmRun *run = self->args.run;
  gsize dim = model->stage[model->last].dim;
  MblmRunMark mark = mblm_run_mark (run);
  float *d_piece = mblm_run_floats (run, MIN (LOSS_ROWS, targets->n) * dim);

  if (!mblm_run_check (run, error))
    return FALSE;
  for (gsize i = 0; i < targets->n; i += LOSS_ROWS) {
    gsize n = MIN (LOSS_ROWS, targets->n - i);
    if (!loss_piece (self, targets, i, n, x + i * dim, d_piece, error))
      return FALSE;
    if (self->args.gradient != NULL)
      run->k->copy (run->q, d + i * dim, d_piece, n * dim * sizeof (float));
  }
  mblm_run_release (run, mark);
  return TRUE;
}

gboolean
step_loss (Step *self, gsize first, gsize batch, const float *x, float *d,
    GError **error)
{
  guint last = self->args.model->last;
  StageForm f = step_form (self, last);
  g_auto (Targets) targets = {0};

  targets_init (&targets, batch * f.columns);
  for (gsize i = 0; i < batch; i++)
    for (gsize j = 0; j < f.columns; j++)
      set_target (self, &targets, i * f.columns + j,
          self->first + (first + i) * f.span / self->n_ids,
          predicted (self, &f, first + i, j));
  return loss_rows (self, &targets, x, d, error);
}

gboolean
step_first_byte_loss (Step *self, const float *x, float *d, GError **error)
{
  gsize batch = self->args.batch->batch;
  g_auto (Targets) targets = {0};

  targets_init (&targets, batch);
  for (gsize i = 0; i < batch; i++)
    set_target (self, &targets, i, i, 0);
  return loss_rows (self, &targets, x, d, error);
}
