/* stage.c: from ids to the tokens of a stage, and from its hidden states to what
 * the stage below adds to its tokens.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Working memory that an allocation here could not get is left for the caller's
 * mblm_run_check: nothing is computed then.
 */

#include "model-private.h"

#define LAYER_NORM_EPSILON 1e-5f

void
mblm_stage_embed (MblmModel *model, MblmRun *run, guint k, const gint32 *ids,
    gsize n, float *x)
{
  const MblmStage *stage = &model->stage[k];
  gsize n_ids = n * stage->patch;
  gsize width = stage->patch * stage->table.cols;
  MblmRunMark mark = mblm_run_mark (run);
  int32_t *device_ids = mblm_run_upload_ids (run, ids, n_ids);
  float *rows = k < model->last ? mblm_run_floats (run, n * width) : x;

  if (!run->failed && x != NULL) {
    run->k->embed (run->q,
        &(MblmEmbed){.table = stage->table,
            .ids = device_ids,
            .rows = n_ids,
            .out = rows});
    if (k < model->last) {
      run->k->layer_norm (run->q,
          &(MblmLayerNorm){.rows = n,
              .width = width,
              .x = rows,
              .gain = stage->patch_gain,
              .bias = stage->patch_bias,
              .epsilon = LAYER_NORM_EPSILON,
              .out = rows});
      run->k->linear (run->q,
          &(MblmLinear){.weight = stage->embed,
              .bias = stage->embed_bias,
              .rows = n,
              .x = rows,
              .x_stride = width,
              .out = x,
              .out_stride = stage->dim});
      run->k->layer_norm (run->q,
          &(MblmLayerNorm){.rows = n,
              .width = stage->dim,
              .x = x,
              .gain = stage->embed_gain,
              .bias = stage->embed_shift,
              .epsilon = LAYER_NORM_EPSILON,
              .out = x});
    }
  }
  mblm_run_release (run, mark);
}

static void
rotate (const MblmStage *stage, MblmRun *run, gsize batch, gsize rows,
    gsize first, float *x)
{
  gsize half = stage->dim / 2;
  MblmRunMark mark = mblm_run_mark (run);
  float *cosine = mblm_run_floats (run, rows * half);
  float *sine = mblm_run_floats (run, rows * half);

  if (!run->failed) {
    run->k->rope_angles (run->q,
        &(MblmRopeAngles){.frequency = stage->frequency,
            .half = half,
            .first = first,
            .rows = rows,
            .cosine = cosine,
            .sine = sine});
    run->k->rope (run->q,
        &(MblmRope){.form = MBLM_ROPE_PAIRS,
            .batch = batch,
            .rows = rows,
            .heads = 1,
            .half = half,
            .x = x,
            .x_stride = stage->dim,
            .cosine = cosine,
            .sine = sine});
  }
  mblm_run_release (run, mark);
}

void
mblm_stage_add_positions (MblmModel *model, MblmRun *run, guint k, gsize batch,
    gsize rows, gsize first, float *x)
{
  const MblmStage *stage = &model->stage[k];

  if (run->failed || x == NULL)
    return;
  switch (stage->position) {
    case MBLM_POSITION_FIXED:
      run->k->add_position (run->q,
          &(MblmAddPosition){.table = stage->positions,
              .first = first,
              .batch = batch,
              .rows = rows,
              .x = x});
      break;
    case MBLM_POSITION_ROPE:
      rotate (stage, run, batch, rows, first, x);
      break;
    case MBLM_POSITION_NONE:
      break;
  }
}

gsize
mblm_stage_projection_width (MblmModel *model, guint k)
{
  return model->stage[k + 1].seq_len * model->stage[k + 1].dim;
}

void
mblm_stage_project (MblmModel *model, MblmRun *run, guint k, gsize n,
    const float *x, gsize x_stride, float *out)
{
  if (run->failed || n == 0)
    return;
  run->k->linear (run->q,
      &(MblmLinear){.weight = model->stage[k].project,
          .bias = model->stage[k].project_bias,
          .rows = n,
          .x = x,
          .x_stride = x_stride,
          .out = out,
          .out_stride = mblm_stage_projection_width (model, k)});
}

void
mblm_stage_logits (
    MblmModel *model, MblmRun *run, gsize n, const float *x, float *logits)
{
  if (run->failed)
    return;
  run->k->linear (run->q,
      &(MblmLinear){.weight = model->to_logits,
          .bias = model->to_logits_bias,
          .rows = n,
          .x = x,
          .x_stride = model->stage[model->last].dim,
          .out = logits,
          .out_stride = model->vocabulary});
}
