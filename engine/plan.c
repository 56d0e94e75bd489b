/* plan.c: how a training step is cut to fit into memory.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Larger chunks make larger products; beyond as many rows as the device says they
 * gain nothing more.
 */

#include "depth-first.h"
#include "stack.h"

/* Rows of stage 0 that are worth working on together: as many times those of a
 * chunk. */
#define GROUP_CHUNKS 4
/* Ids of a group, which the host holds. */
#define GROUP_IDS ((gsize) 1 << 22)
/* Scratch memory of kernels: states of scans, packed operands. */
#define KERNEL_FLOATS ((double) (16 << 20))

/* What rows take is nearly proportional to their number: seen at so many. */
#define SOME_ROWS 1024

typedef struct {
  MblmModel *model;
  MblmType product;
} Sizes;

/* Working memory that doesn't depend on the plan: pieces of the embedding and of
 * the loss. As all here in floats that may be more than any machine has. */
static double
fixed_floats (MblmModel *model, gsize rows)
{
  double patch = 0;

  for (guint k = 0; k < model->last; k++)
    patch = MAX (patch, 3.0 * MAX (model->stage[k].embed.cols, 4096.0 * rows));
  return patch + KERNEL_FLOATS +
      2.0 * rows * (model->vocabulary + model->stage[model->last].dim);
}

/* Floats that `n` sequences of stage k take while they are worked on. */
static double
chunk_floats (const Sizes *sizes, guint k, MblmKeep keep, gsize n, gsize span)
{
  MblmModel *model = sizes->model;
  const MblmStage *stage = &model->stage[k];
  gsize columns = span + (model->encoder ? 0 : 1);
  double rows = (double) n * columns;
  double kept = mblm_stack_size (
      stage->block, keep, sizes->product, 1, SOME_ROWS);
  double layer = mblm_stack_size (
      stage->block, MBLM_KEEP_NOTHING, sizes->product, 1, SOME_ROWS);
  /* what is kept, what a layer's backward pass works with, the residual
   * stream, its gradient and what goes to the stage below */
  double floats = rows * ((kept + layer) / SOME_ROWS + 4.0 * stage->dim);

  if (k > 0)
    floats += 2.0 * n * span * stage->dim; /* projections */
  return floats;
}

static gsize
choose_chunk (const Sizes *sizes, guint k, gsize rows, double floats)
{
  gsize span = sizes->model->stage[k].seq_len;
  gsize n = MAX (rows / span, 1);

  while (n > 1 && chunk_floats (sizes, k, MBLM_KEEP_ALL, n, span) > floats)
    n -= MAX (n / 8, 1);
  return n;
}

void
mblm_plan_make (MblmPlan *self, MblmModel *model, MblmType product, gsize rows,
    gsize batch, gsize length, guint64 memory)
{
  const Sizes sizes = {model, product};
  gsize patch = model->stage[0].patch;
  gsize span = MAX (length / patch + (length % patch != 0), 1);
  double floats = memory / sizeof (float), fixed = fixed_floats (model, rows);
  double inner = 0, share = floats / model->n_stages;

  *self = (MblmPlan){.group = 1};
  for (guint k = 1; k < model->n_stages; k++) {
    self->chunk[k] = choose_chunk (&sizes, k, rows, share);
    inner += chunk_floats (
        &sizes, k, MBLM_KEEP_ALL, self->chunk[k], model->stage[k].seq_len);
  }
  double outer = floats - inner - fixed;
  gsize most = MIN (batch, MAX (GROUP_CHUNKS * rows / span, 1));
  most = MIN (most, MAX (GROUP_IDS / span / patch, 1));
  self->keep_all = chunk_floats (&sizes, 0, MBLM_KEEP_ALL, 1, span) <= outer;
  MblmKeep keep = self->keep_all ? MBLM_KEEP_ALL : MBLM_KEEP_INPUTS;
  while (self->group < most &&
      chunk_floats (&sizes, 0, keep, self->group + 1, span) <= outer)
    self->group++;
  double bytes = sizeof (float) *
      (chunk_floats (&sizes, 0, keep, self->group, span) + inner + fixed);
  self->bytes = bytes < 0x1p62 ? (guint64) bytes : (guint64) 1 << 62;
}
