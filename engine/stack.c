/* stack.c: the layers of a stage forward and backward.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "stack.h"

static gsize
largest_kept (MblmBlock *block, MblmType product, gsize batch, gsize rows)
{
  gsize largest = 0;

  for (gsize i = 0; i <= block->layers; i++)
    largest = MAX (
        largest, block->klass->kept_size (block, product, i, batch, rows));
  return largest;
}

guint64
mblm_stack_size (
    MblmBlock *block, MblmKeep keep, MblmType product, gsize batch, gsize rows)
{
  guint64 floats = 0;

  if (keep != MBLM_KEEP_ALL)
    floats = largest_kept (block, product, batch, rows);
  for (gsize i = 0; i <= block->layers; i++)
    if (keep == MBLM_KEEP_ALL)
      floats += block->klass->kept_size (block, product, i, batch, rows);
    else if (keep == MBLM_KEEP_INPUTS)
      floats += (guint64) batch * rows * block->dim;
  return floats;
}

void
mblm_stack_open (MblmStack *self, MblmRun *run)
{
  MblmBlock *block = self->block;
  gsize batch = self->pass.batch, rows = self->pass.rows;
  gsize n = block->layers + 1;
  float *one = NULL;

  self->kept = g_new0 (float *, n);
  if (self->keep != MBLM_KEEP_ALL)
    one = mblm_run_floats (
        run, largest_kept (block, run->product, batch, rows));
  if (self->keep == MBLM_KEEP_INPUTS)
    self->inputs = g_new0 (float *, n);
  for (gsize i = 0; i < n; i++) {
    self->kept[i] = self->keep != MBLM_KEEP_ALL
        ? one
        : mblm_run_floats (run,
              block->klass->kept_size (block, run->product, i, batch, rows));
    if (self->inputs != NULL)
      self->inputs[i] = mblm_run_floats (run, batch * rows * block->dim);
  }
}

void
mblm_stack_clear (MblmStack *self)
{
  g_clear_pointer (&self->kept, g_free);
  g_clear_pointer (&self->inputs, g_free);
}

/* Every layer drops by numbers of its own. */
static MblmLayerPass
layer_pass (const MblmStack *self, gsize layer)
{
  MblmLayerPass pass = self->pass;

  pass.drop_first += (guint64) layer << 40;
  return pass;
}

static void
forward_layer (MblmStack *self, MblmRun *run, gsize layer, float *x)
{
  MblmLayerPass pass = layer_pass (self, layer);

  self->block->klass->layer_forward (
      self->block, run, &pass, layer, x, self->kept[layer]);
}

gboolean
mblm_stack_forward (MblmStack *self, MblmRun *run, float *x, GError **error)
{
  gsize bytes = self->pass.batch * self->pass.rows * self->block->dim *
      sizeof (float);

  for (gsize i = 0; i <= self->block->layers; i++) {
    if (!mblm_run_check (run, error))
      return FALSE;
    if (self->inputs != NULL)
      run->k->copy (run->q, self->inputs[i], x, bytes);
    forward_layer (self, run, i, x);
  }
  return mblm_run_check (run, error);
}

/* What layer `layer` keeps, once more. Its input is not wanted again and serves
 * as the residual stream. */
static void
forward_again (MblmStack *self, MblmRun *run, gsize layer)
{
  self->pass.again = TRUE;
  forward_layer (self, run, layer, self->inputs[layer]);
  self->pass.again = FALSE;
}

gboolean
mblm_stack_backward (MblmStack *self, MblmBlock *gradient, MblmRun *run,
    float *d, GError **error)
{
  for (gsize i = self->block->layers + 1; i-- > 0;) {
    MblmLayerPass pass = layer_pass (self, i);

    if (!mblm_run_check (run, error))
      return FALSE;
    if (self->inputs != NULL)
      forward_again (self, run, i);
    self->block->klass->layer_backward (
        self->block, gradient, run, &pass, i, d, self->kept[i]);
  }
  return mblm_run_check (run, error);
}
