/* depth-first.h: the loss of a batch and its gradient.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Outer stages run forward first; then the sequences of the stage below them go,
 * a chunk at a time, forward, into the stages below and backward, before the
 * next chunk starts. What exists of an inner stage is therefore one chunk, and
 * of logits and projections never more. Sums over the batch are left unscaled:
 * the loss is a mean over entries whose number is known at the end only.
 * Private to the engine.
 */

#pragma once

#include "learner.h"
#include "model-private.h"

G_BEGIN_DECLS

/* How the work is cut; see mblm_plan_make. */
typedef struct {
  gsize group;                  /* sequences of stage 0 at a time */
  gsize chunk[MBLM_MAX_STAGES]; /* sequences of an inner stage */
  gboolean keep_all;            /* of stage 0: nothing is done twice */
  /* Where not all is kept of stage 0, the type of its layers' inputs, and the rows
   * that a layer works on at a time; 0: all. */
  MblmType inputs;
  gsize segment;
  guint64 input_bytes; /* of the layers' inputs */
  guint64 bytes;       /* of working memory in all, estimated */
} MblmPlan;

typedef struct {
  MblmType product;
  MblmLayerInputs inputs;
  gsize rows;          /* in a chunk, at most */
  gsize batch, length; /* of a batch: sequences, and ids of each */
  guint64 memory;      /* bytes that it may take, where that can be had */
} MblmPlanNeeds;

void mblm_plan_make (
    MblmPlan *self, MblmModel *model, const MblmPlanNeeds *needs);

typedef struct {
  MblmModel *model;
  MblmModel *gradient; /* its weights are added to; NULL: the loss alone */
  MblmRun *run;
  const MblmPlan *plan;
  const MblmLearnerBatch *batch;
  gboolean drops; /* dropout, drawn by drop_seed */
  guint64 drop_seed;
} MblmDepthFirst;

/* `sum` of the losses times their mask, and the `count` of those that are not
 * exactly zero: the loss is sum / count, its gradient that added / count. */
gboolean mblm_depth_first_run (
    const MblmDepthFirst *self, double *sum, guint64 *count, GError **error);

G_END_DECLS
