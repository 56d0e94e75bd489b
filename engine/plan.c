/* plan.c: how a training step is cut to fit into memory.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Larger chunks make larger products; beyond as many rows as the device says they
 * gain nothing more. Of stage 0 all is kept for the backward pass, or where that
 * doesn't fit the layers' inputs; a layer then works on all rows, or where that
 * doesn't fit on segments. What changes results comes last: the inputs are
 * rounded to bfloat16.
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
  const MblmPlanNeeds *needs;
  gsize span; /* tokens of stage 0 in a sequence */
} Sizes;

/* Working memory that doesn't depend on the plan: pieces of the embedding and of
 * the loss. As all here in floats that may be more than any machine has. */
static double
fixed_floats (const Sizes *sizes)
{
  MblmModel *model = sizes->model;
  gsize rows = sizes->needs->rows;
  double piece = 0;

  for (guint k = 0; k < model->last; k++) {
    const MblmStage *stage = &model->stage[k];

    piece = MAX (piece,
        (double) mblm_stage_embed_step (stage, rows) *
            (3 * stage->embed.cols + stage->dim));
  }
  return piece + KERNEL_FLOATS +
      2.0 * rows * (model->vocabulary + model->stage[model->last].dim);
}

/* Floats for a row of what is kept of the layers of stage k, of all or of one. */
static double
row_floats (const Sizes *sizes, guint k, gboolean all)
{
  return (double) mblm_stack_size (sizes->model->stage[k].block, all,
             sizes->needs->product, 1, SOME_ROWS) /
      SOME_ROWS;
}

/* Floats that `n` sequences of stage k take while they are worked on, with all
 * that is kept of it. */
static double
chunk_floats (const Sizes *sizes, guint k, gsize n)
{
  const MblmStage *stage = &sizes->model->stage[k];
  gsize span = k == 0 ? sizes->span : stage->seq_len;
  double rows = (double) n * (span + (sizes->model->encoder ? 0 : 1));
  /* what is kept, what a layer's backward pass works with, the residual
   * stream, and what goes to the stage below, or the gradient by that */
  double floats = rows *
      (row_floats (sizes, k, TRUE) + row_floats (sizes, k, FALSE) +
          3.0 * stage->dim);

  if (k > 0)
    floats += 2.0 * n * span * stage->dim; /* projections */
  return floats;
}

/* Of the inputs of the layers of stage 0, in floats. */
static double
input_floats (const Sizes *sizes, const MblmPlan *plan)
{
  const MblmBlock *block = sizes->model->stage[0].block;
  double rows = (double) plan->group * (sizes->span + 1);

  return rows * (block->layers + 1) * block->dim *
      (plan->inputs == MBLM_TYPE_BF16 ? 0.5 : 1);
}

/* Floats that the group takes as it is planned. */
static double
group_floats (const Sizes *sizes, const MblmPlan *plan)
{
  MblmBlock *block = sizes->model->stage[0].block;
  double rows = (double) plan->group * (sizes->span + 1), states = 0;
  double segment = plan->segment > 0 ? MIN (plan->segment, rows) : rows;

  if (plan->keep_all)
    return chunk_floats (sizes, 0, plan->group);
  if (segment < rows)
    states = (rows / segment + 2) * mblm_block_get_state_bytes (block, 1) /
        sizeof (float);
  return input_floats (sizes, plan) + 3 * rows * block->dim + states +
      segment *
      (2 * row_floats (sizes, 0, FALSE) +
          (plan->inputs == MBLM_TYPE_BF16 ? block->dim : 0));
}

static gsize
choose_chunk (const Sizes *sizes, guint k, double floats)
{
  gsize n = MAX (sizes->needs->rows / sizes->model->stage[k].seq_len, 1);

  while (n > 1 && chunk_floats (sizes, k, n) > floats)
    n -= MAX (n / 8, 1);
  return n;
}

/* How one sequence goes through stage 0 in so many floats, or as near to that as
 * it can. */
static void
choose_group (const Sizes *sizes, MblmPlan *plan, double floats)
{
  const MblmPlanNeeds *needs = sizes->needs;

  plan->group = 1;
  plan->keep_all = TRUE;
  if (group_floats (sizes, plan) <= floats)
    return;
  plan->keep_all = FALSE;
  if (needs->inputs == MBLM_LAYER_INPUTS_BF16)
    plan->inputs = MBLM_TYPE_BF16;
  if (group_floats (sizes, plan) <= floats)
    return;
  if (sizes->model->stage[0].block->klass->segments)
    plan->segment = needs->rows;
  if (group_floats (sizes, plan) > floats &&
      needs->inputs == MBLM_LAYER_INPUTS_AUTO)
    plan->inputs = needs->product;
}

static gboolean
fits_more (const Sizes *sizes, const MblmPlan *plan, double floats)
{
  MblmPlan more = *plan;

  more.group++;
  return group_floats (sizes, &more) <= floats;
}

static guint64
floats_to_bytes (double floats)
{
  double bytes = floats * sizeof (float);

  return bytes < 0x1p62 ? (guint64) bytes : (guint64) 1 << 62;
}

void
mblm_plan_make (MblmPlan *self, MblmModel *model, const MblmPlanNeeds *needs)
{
  gsize patch = model->stage[0].patch, length = needs->length;
  Sizes sizes = {model, needs, MAX (length / patch + (length % patch != 0), 1)};
  double floats = needs->memory / sizeof (float);
  double inner = 0, fixed = fixed_floats (&sizes);

  *self = (MblmPlan){0};
  for (guint k = 1; k < model->n_stages; k++) {
    self->chunk[k] = choose_chunk (&sizes, k, floats / model->n_stages);
    inner += chunk_floats (&sizes, k, self->chunk[k]);
  }
  choose_group (&sizes, self, floats - inner - fixed);
  gsize most = MIN (
      needs->batch, MAX (GROUP_CHUNKS * needs->rows / sizes.span, 1));
  most = MIN (most, MAX (GROUP_IDS / sizes.span / patch, 1));
  while (self->group < most && self->segment == 0 &&
      fits_more (&sizes, self, floats - inner - fixed))
    self->group++;
  if (!self->keep_all)
    self->input_bytes = floats_to_bytes (input_floats (&sizes, self));
  self->bytes = floats_to_bytes (group_floats (&sizes, self) + inner + fixed);
}
