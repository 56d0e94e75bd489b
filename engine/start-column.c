/* start-column.c: the columns of the inner stages' start tokens.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In a causal model without dropout they are constants of the weights
 * (mblm-math section 5.2). Each is run once before the batch; its gradient, the
 * sum over all sequences of those by its state and by its output, is there when
 * the batch is done, and then goes back through it.
 */

#include "depth-first-private.h"

static gboolean
column_forward (Step *self, guint k, GError **error)
{
  const MblmStage *stage = &self->args.model->stage[k];
  MblmRun *run = self->args.run;
  StartColumn *c = &self->start[k];
  gsize bytes = stage->dim * sizeof (float);

  c->out = mblm_run_floats (run, stage->dim);
  c->d_out = mblm_run_floats (run, stage->dim);
  c->state = mblm_state_new (stage->block, run, error);
  if (c->state == NULL || !mblm_state_reserve (c->state, run, 1, error))
    return FALSE;
  c->d_state = mblm_state_new (stage->block, run, error);
  if (c->d_state == NULL || !mblm_state_reserve (c->d_state, run, 1, error))
    return FALSE;
  c->stack = (MblmStack){.block = stage->block,
      .pass = {.batch = 1, .rows = 1, .left = c->state, .d_left = c->d_state},
      .keep = self->args.gradient != NULL ? MBLM_KEEP_ALL : MBLM_KEEP_NOTHING};
  mblm_stack_open (&c->stack, run);
  if (!mblm_run_check (run, error))
    return FALSE;
  run->k->copy (run->q, c->out, stage->start, bytes);
  run->k->zero (run->q, c->d_out, bytes);
  if (!mblm_stack_forward (&c->stack, c->out, error))
    return FALSE;
  c->state->rows = 1;
  return TRUE;
}

gboolean
step_start_forward (Step *self, GError **error)
{
  for (guint k = 1; self->constant && k < self->args.model->n_stages; k++)
    if (!column_forward (self, k, error))
      return FALSE;
  return TRUE;
}

static gboolean
column_backward (Step *self, guint k, GError **error)
{
  MblmModel *gradient = self->args.gradient;
  StartColumn *c = &self->start[k];
  MblmRun *run = self->args.run;

  if (!mblm_stack_backward (
          &c->stack, gradient->stage[k].block, c->d_out, error))
    return FALSE;
  run->k->sum_rows (run->q,
      &(MblmSumRows){.batch = 1,
          .width = gradient->stage[k].dim,
          .x = c->d_out,
          .out = gradient->stage[k].start});
  return TRUE;
}

/* The bare start token of the innermost stage predicts the first byte. */
static gboolean
first_byte (Step *self, GError **error)
{
  MblmModel *model = self->args.model;
  MblmRun *run = self->args.run;
  gsize batch = self->args.batch->batch, dim = model->stage[model->last].dim;
  MblmRunMark mark = mblm_run_mark (run);
  float *x = mblm_run_floats (run, batch * dim);

  if (!mblm_run_check (run, error))
    return FALSE;
  run->k->copy_rows (run->q,
      &(MblmCopyRows){.batch = batch,
          .width = dim,
          .x = self->start[model->last].out,
          .out = x,
          .out_stride = dim});
  if (!step_first_byte_loss (self, x, x, error))
    return FALSE;
  if (self->args.gradient != NULL)
    run->k->sum_rows (run->q,
        &(MblmSumRows){.batch = batch,
            .width = dim,
            .x = x,
            .x_stride = dim,
            .out = self->start[model->last].d_out});
  mblm_run_release (run, mark);
  return TRUE;
}

gboolean
step_start_backward (Step *self, GError **error)
{
  guint last = self->args.model->last;

  if (!self->constant || last == 0)
    return TRUE;
  if (!first_byte (self, error))
    return FALSE;
  for (guint k = 1; self->args.gradient != NULL && k <= last; k++)
    if (!column_backward (self, k, error))
      return FALSE;
  return mblm_run_wait (self->args.run, error);
}

void
step_start_clear (Step *self)
{
  for (guint k = 0; k < self->args.model->n_stages; k++) {
    mblm_state_free (self->start[k].state, self->args.run);
    mblm_state_free (self->start[k].d_state, self->args.run);
    mblm_stack_clear (&self->start[k].stack);
  }
}
