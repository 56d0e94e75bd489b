/* state.c: what a sequence leaves behind in a block.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Parts grow by doubling until they hold the rows that a sequence is made for,
 * and by a quarter beyond, so that a session at its full context holds exactly
 * that and appending stays cheap.
 */

#include "block.h"

#define FIRST_ROWS 64

/* ------------------------------------------------------------------------- */
/* Memory                                                                    */
/* ------------------------------------------------------------------------- */

static gboolean
grows (MblmBlock *block, guint part)
{
  return block->klass->part_size (block, part, 0) !=
      block->klass->part_size (block, part, G_MAXUINT32);
}

/* Parts that don't grow lie together, each aligned as an allocation, so that they
 * are copied at once. */
static gboolean
allocate_fixed (MblmState *self, MblmRun *run, GError **error)
{
  const gsize step = MBLM_ALIGNMENT / sizeof (float);
  MblmBlock *block = self->block;
  g_autofree gsize *at = g_new (gsize, self->n_parts);

  for (guint i = 0; i < self->n_parts; i++)
    if (!grows (block, i)) {
      self->capacity[i] = MAX (block->klass->part_size (block, i, 0), 1);
      at[i] = self->n_fixed;
      self->n_fixed += (self->capacity[i] + step - 1) / step * step;
    }
  if (self->n_fixed == 0)
    return TRUE;
  self->fixed = run->k->alloc (run->memory, self->n_fixed * sizeof (float));
  if (self->fixed == NULL) {
    run->failed = TRUE;
    return mblm_run_check (run, error);
  }
  run->k->zero (run->q, self->fixed, self->n_fixed * sizeof (float));
  for (guint i = 0; i < self->n_parts; i++)
    if (!grows (block, i))
      self->part[i] = self->fixed + at[i];
  return TRUE;
}

MblmState *
mblm_state_new (MblmBlock *block, MblmRun *run, GError **error)
{
  MblmState *self = g_new0 (MblmState, 1);

  self->block = block;
  self->n_parts = block->klass->n_parts (block);
  self->part = g_new0 (float *, self->n_parts);
  self->capacity = g_new0 (gsize, self->n_parts);
  if (!allocate_fixed (self, run, error) ||
      !mblm_state_reserve (self, run, 0, error)) {
    mblm_state_free (self, run);
    return NULL;
  }
  return self;
}

void
mblm_state_free (MblmState *self, MblmRun *run)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < self->n_parts; i++)
    if (self->part[i] != NULL && grows (self->block, i))
      run->k->free (run->memory, self->part[i]);
  if (self->fixed != NULL)
    run->k->free (run->memory, self->fixed);
  g_free (self->part);
  g_free (self->capacity);
  g_free (self);
}

static gboolean
grow_part (MblmState *self, MblmRun *run, guint i, gsize rows)
{
  MblmBlock *block = self->block;
  gsize used = block->klass->part_size (block, i, self->rows);
  gsize target = rows >= block->expected
      ? rows + (rows > block->expected ? rows / 4 : 0)
      : MIN (MAX (MAX (2 * self->rows, rows), FIRST_ROWS), block->expected);
  gsize size = MAX (block->klass->part_size (block, i, target), 1);
  float *part = run->k->alloc (run->memory, size * sizeof (float));

  if (part == NULL)
    return FALSE;
  if (self->part[i] != NULL) {
    run->k->copy (run->q, part, self->part[i], used * sizeof (float));
    mblm_run_settle (run);
    run->k->free (run->memory, self->part[i]);
  } else {
    run->k->zero (run->q, part, size * sizeof (float));
  }
  self->part[i] = part;
  self->capacity[i] = size;
  return TRUE;
}

gboolean
mblm_state_reserve (MblmState *self, MblmRun *run, gsize rows, GError **error)
{
  MblmBlock *block = self->block;

  for (guint i = 0; i < self->n_parts; i++) {
    gsize needed = MAX (block->klass->part_size (block, i, rows), 1);
    if (self->capacity[i] < needed && !grow_part (self, run, i, rows)) {
      run->failed = TRUE;
      return mblm_run_check (run, error);
    }
  }
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Copies                                                                    */
/* ------------------------------------------------------------------------- */

static void
copy_to (
    MblmRun *run, const float *from, gsize width, float *const *to, gsize n)
{
  if (width > 0)
    run->k->scatter_rows (run->q,
        &(MblmScatterRows){.batch = n,
            .rows = 1,
            .parts = 1,
            .width = width,
            .x = from,
            .to = to});
}

/* To n states at once: the number of operations doesn't grow with them. */
static void
copy_parts (MblmState *const *to, gsize n, MblmRun *run, const MblmState *from,
    gboolean fixed_only)
{
  MblmBlock *block = from->block;
  g_autofree float **memory = g_new (float *, n);

  for (gsize b = 0; b < n; b++)
    memory[b] = to[b]->fixed;
  copy_to (run, from->fixed, from->n_fixed, memory, n);
  for (guint i = 0; i < from->n_parts && !fixed_only; i++)
    if (grows (block, i)) {
      for (gsize b = 0; b < n; b++)
        memory[b] = to[b]->part[i];
      copy_to (run, from->part[i],
          block->klass->part_size (block, i, from->rows), memory, n);
    }
  for (gsize b = 0; b < n; b++)
    to[b]->rows = from->rows;
}

gboolean
mblm_state_copy (
    MblmState *to, MblmRun *run, const MblmState *from, GError **error)
{
  /* Nothing of `to` needs to survive a growth. */
  to->rows = 0;
  if (!mblm_state_reserve (to, run, from->rows, error))
    return FALSE;
  copy_parts (&to, 1, run, from, FALSE);
  return TRUE;
}

void
mblm_state_restart (
    MblmState *const *states, gsize n, MblmRun *run, const MblmState *start)
{
  /* What the rows of `start` left is still there where later ones only append. */
  copy_parts (states, n, run, start, start->block->klass->appends);
}

/* ------------------------------------------------------------------------- */
/* Sizes, and parts for operations                                           */
/* ------------------------------------------------------------------------- */

guint64
mblm_state_get_bytes (const MblmState *self)
{
  guint64 floats = 0;

  for (guint i = 0; i < self->n_parts; i++)
    floats += self->capacity[i];
  return floats * sizeof (float);
}

guint64
mblm_block_get_state_bytes (MblmBlock *block, guint64 rows)
{
  guint64 floats = 0;

  if (block->klass->n_parts == NULL)
    return 0;
  for (guint i = 0; i < block->klass->n_parts (block); i++)
    floats += block->klass->part_size (block, i, rows);
  return floats * sizeof (float);
}

MblmCarry
mblm_layer_carry (
    const MblmLayerPass *pass, guint part, const float **from, float **to)
{
  MblmCarry carry = {0};

  if (pass->shared != NULL) {
    from[0] = pass->shared->part[part];
    carry.from = from;
    carry.shared = true;
  }
  if (pass->left != NULL) {
    to[0] = pass->left->part[part];
    carry.to = to;
  }
  if (pass->states == NULL)
    return carry;
  for (gsize b = 0; b < pass->batch; b++)
    from[b] = to[b] = pass->states[b]->part[part];
  return (MblmCarry){.from = from, .to = to};
}

MblmCarryGradient
mblm_layer_carry_gradient (
    const MblmLayerPass *pass, guint part, const float **d_to, float **d_from)
{
  MblmCarryGradient gradient = {0};

  if (pass->d_left != NULL) {
    d_to[0] = pass->d_left->part[part];
    gradient.to = d_to;
  }
  if (pass->d_shared != NULL) {
    d_from[0] = pass->d_shared->part[part];
    gradient.from = d_from;
  }
  return gradient;
}
