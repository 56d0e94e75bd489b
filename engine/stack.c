/* stack.c: the layers of a stage forward and backward.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a layer works with takes more memory than its input, many times more. A
 * block that carries all it knows in a state goes through a long sequence in
 * segments: each layer forward, one segment behind the other, and backward from
 * the last segment to the first. The states between them are kept.
 */

#include "stack.h"

guint64
mblm_stack_size (
    MblmBlock *block, gboolean all, MblmType product, gsize batch, gsize rows)
{
  guint64 sum = 0, largest = 0;

  for (gsize i = 0; i <= block->layers; i++) {
    guint64 size = block->klass->kept_size (block, product, i, batch, rows);

    sum += size;
    largest = MAX (largest, size);
  }
  return all ? sum : largest;
}

/* ------------------------------------------------------------------------- */
/* Segments                                                                  */
/* ------------------------------------------------------------------------- */

static gsize
count_segments (const MblmStack *self)
{
  gsize rows = self->pass.rows;

  return self->segment == 0
      ? 1
      : rows / self->segment + (rows % self->segment != 0);
}

/* Segment s of a layer: its pass, and where its entries are. */
typedef struct {
  MblmLayerPass pass;
  gsize at, count; /* of [batch, rows, dim] */
} Segment;

/* Every layer drops by numbers of its own, the same in whatever segments. */
static Segment
get_segment (const MblmStack *self, gsize layer, gsize s)
{
  Segment g = {.pass = self->pass};
  gsize dim = self->block->dim, first = s * self->segment;

  if (self->segment > 0)
    g.pass.rows = MIN (self->segment, self->pass.rows - first);
  g.at = first * dim;
  g.count = g.pass.batch * g.pass.rows * dim;
  g.pass.drop_first += ((guint64) layer << 40) + g.at;
  if (s > 0)
    g.pass.shared = self->states[s - 1];
  if (s + 1 < count_segments (self))
    g.pass.left = self->states[s];
  return g;
}

static gboolean
make_states (MblmStack *self, GError **error)
{
  gsize n = count_segments (self) - 1;

  if (n == 0)
    return TRUE;
  self->states = g_new0 (MblmState *, n + 1);
  for (gsize i = 0; i < n; i++) {
    self->states[i] = mblm_state_new (self->block, self->run, error);
    if (self->states[i] == NULL)
      return FALSE;
  }
  for (gsize i = 0; i < 2 && self->keep != MBLM_KEEP_NOTHING; i++) {
    self->d_states[i] = mblm_state_new (self->block, self->run, error);
    if (self->d_states[i] == NULL)
      return FALSE;
  }
  return TRUE;
}

/* Gradients by the states on both sides of a segment: what is behind it has been
 * added to when the one that follows went back. */
static void
set_gradients (MblmStack *self, Segment *g, gsize s)
{
  if (g->pass.left != NULL && self->states != NULL)
    g->pass.d_left = self->d_states[s % 2];
  if (s == 0)
    return;
  g->pass.d_shared = self->d_states[(s - 1) % 2];
  self->run->k->zero (self->run->q, g->pass.d_shared->fixed,
      g->pass.d_shared->n_fixed * sizeof (float));
}

/* ------------------------------------------------------------------------- */
/* Memory                                                                    */
/* ------------------------------------------------------------------------- */

static void
open_inputs (MblmStack *self, gsize rows)
{
  gsize n = self->block->layers + 1;
  gsize count = self->pass.batch * self->pass.rows * self->block->dim;

  self->inputs = g_new0 (void *, n);
  for (gsize i = 0; i < n; i++)
    self->inputs[i] = mblm_run_floats (self->run,
        self->type == MBLM_TYPE_BF16 ? count / 2 + count % 2 : count);
  if (self->type == MBLM_TYPE_BF16)
    self->widened = mblm_run_floats (
        self->run, self->pass.batch * rows * self->block->dim);
}

void
mblm_stack_open (MblmStack *self, MblmRun *run)
{
  MblmBlock *block = self->block;
  gsize batch = self->pass.batch, n = block->layers + 1;
  gsize rows = self->segment > 0 ? MIN (self->segment, self->pass.rows)
                                 : self->pass.rows;
  float *one = NULL;

  self->run = run;
  self->kept = g_new0 (float *, n);
  if (self->keep != MBLM_KEEP_ALL)
    one = mblm_run_floats (
        run, mblm_stack_size (block, FALSE, run->product, batch, rows));
  for (gsize i = 0; i < n; i++)
    self->kept[i] = self->keep != MBLM_KEEP_ALL
        ? one
        : mblm_run_floats (run,
              block->klass->kept_size (block, run->product, i, batch, rows));
  if (self->keep == MBLM_KEEP_INPUTS)
    open_inputs (self, rows);
}

void
mblm_stack_clear (MblmStack *self)
{
  for (gsize i = 0; self->states != NULL && self->states[i] != NULL; i++)
    mblm_state_free (self->states[i], self->run);
  for (gsize i = 0; i < 2; i++)
    mblm_state_free (self->d_states[i], self->run);
  memset (self->d_states, 0, sizeof self->d_states);
  g_clear_pointer (&self->states, g_free);
  g_clear_pointer (&self->kept, g_free);
  g_clear_pointer (&self->inputs, g_free);
}

/* ------------------------------------------------------------------------- */
/* Passes                                                                    */
/* ------------------------------------------------------------------------- */

static void
forward_segment (MblmStack *self, const Segment *g, gsize layer, float *x)
{
  self->block->klass->layer_forward (
      self->block, self->run, &g->pass, layer, x, self->kept[layer]);
}

static void *
input_at (MblmStack *self, const Segment *g, gsize layer)
{
  gsize size = self->type == MBLM_TYPE_BF16 ? sizeof (guint16) : sizeof (float);

  return (guint8 *) self->inputs[layer] + g->at * size;
}

static void
keep_input (MblmStack *self, const Segment *g, gsize layer, const float *x)
{
  self->run->k->convert (self->run->q,
      &(MblmConvert){.count = g->count,
          .x = x,
          .out = input_at (self, g, layer),
          .out_type = self->type});
}

gboolean
mblm_stack_forward (MblmStack *self, float *x, GError **error)
{
  gsize n = count_segments (self);

  if (!make_states (self, error))
    return FALSE;
  for (gsize i = 0; i <= self->block->layers; i++)
    for (gsize s = 0; s < n; s++) {
      Segment g = get_segment (self, i, s);

      if (!mblm_run_check (self->run, error))
        return FALSE;
      if (self->inputs != NULL)
        keep_input (self, &g, i, x + g.at);
      forward_segment (self, &g, i, x + g.at);
    }
  return mblm_run_check (self->run, error);
}

/* What the layer keeps, once more. Its input is not wanted again and serves as
 * the residual stream. */
static void
forward_again (MblmStack *self, const Segment *segment, gsize layer)
{
  Segment g = *segment;
  float *x = self->widened;

  if (self->type == MBLM_TYPE_F32)
    x = input_at (self, &g, layer);
  else
    self->run->k->convert (self->run->q,
        &(MblmConvert){.count = g.count,
            .x = input_at (self, &g, layer),
            .x_type = self->type,
            .out = x});
  g.pass.again = TRUE;
  g.pass.left = NULL;
  forward_segment (self, &g, layer, x);
}

gboolean
mblm_stack_backward (
    MblmStack *self, MblmBlock *gradient, float *d, GError **error)
{
  for (gsize i = self->block->layers + 1; i-- > 0;)
    for (gsize s = count_segments (self); s-- > 0;) {
      Segment g = get_segment (self, i, s);

      if (!mblm_run_check (self->run, error))
        return FALSE;
      if (self->inputs != NULL)
        forward_again (self, &g, i);
      set_gradients (self, &g, s);
      self->block->klass->layer_backward (self->block, gradient, self->run,
          &g.pass, i, d + g.at, self->kept[i]);
    }
  return mblm_run_check (self->run, error);
}
