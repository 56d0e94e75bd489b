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

/* ------------------------------------------------------------------------- */
/* Embedding                                                                 */
/* ------------------------------------------------------------------------- */

/* Concatenated patches are worked on so many at a time that they take as much
 * memory as the rows of a device would at this width. */
#define EMBED_WIDTH 4096

static MblmLayerNorm
patch_norm (const MblmStage *stage, gsize n, const float *x, float *out)
{
  return (MblmLayerNorm){.rows = n,
      .width = stage->embed.cols,
      .x = x,
      .gain = stage->patch_gain,
      .bias = stage->patch_bias,
      .epsilon = LAYER_NORM_EPSILON,
      .out = out};
}

static MblmLinear
embed_product (const MblmStage *stage, const MblmRun *run, gsize n,
    const float *x, float *out)
{
  return (MblmLinear){.weight = stage->embed,
      .bias = stage->embed_bias,
      .rows = n,
      .x = x,
      .x_stride = stage->embed.cols,
      .out = out,
      .out_stride = stage->dim,
      .product = run->product};
}

static MblmLayerNorm
token_norm (const MblmStage *stage, gsize n, const float *x, float *out)
{
  return (MblmLayerNorm){.rows = n,
      .width = stage->dim,
      .x = x,
      .gain = stage->embed_gain,
      .bias = stage->embed_shift,
      .epsilon = LAYER_NORM_EPSILON,
      .out = out};
}

static void
embed_piece (const MblmStage *stage, gboolean outer, MblmRun *run,
    const gint32 *ids, gsize n, float *x)
{
  gsize n_ids = n * stage->patch;
  MblmRunMark mark = mblm_run_mark (run);
  int32_t *device_ids = mblm_run_upload_ids (run, ids, n_ids);
  float *rows = outer ? mblm_run_floats (run, n_ids * stage->table.cols) : x;

  if (!run->failed) {
    run->k->embed (run->q,
        &(MblmEmbed){.table = stage->table,
            .ids = device_ids,
            .rows = n_ids,
            .out = rows});
    if (outer) {
      MblmLayerNorm patch = patch_norm (stage, n, rows, rows);
      MblmLinear product = embed_product (stage, run, n, rows, x);
      MblmLayerNorm token = token_norm (stage, n, x, x);

      run->k->layer_norm (run->q, &patch);
      run->k->linear (run->q, &product);
      run->k->layer_norm (run->q, &token);
    }
  }
  mblm_run_release (run, mark);
}

gsize
mblm_stage_embed_step (const MblmStage *stage, gsize rows)
{
  return MAX (rows * EMBED_WIDTH / (stage->patch * stage->table.cols), 1);
}

void
mblm_stage_embed (MblmModel *model, MblmRun *run, guint k, const gint32 *ids,
    gsize n, float *x)
{
  const MblmStage *stage = &model->stage[k];
  gsize step = mblm_stage_embed_step (stage, run->rows);

  for (gsize i = 0; x != NULL && i < n && !run->failed; i += step)
    embed_piece (stage, k < model->last, run, ids + i * stage->patch,
        MIN (step, n - i), x + i * stage->dim);
}

/* Everything between is computed again. */
static void
embed_piece_backward (MblmModel *model, const MblmStage *stage,
    const MblmStage *g, gboolean outer, MblmRun *run, const gint32 *ids,
    gsize n, float *d)
{
  gsize n_ids = n * stage->patch, floats = n_ids * stage->table.cols;
  MblmRunMark mark = mblm_run_mark (run);
  int32_t *device_ids = mblm_run_upload_ids (run, ids, n_ids);
  float *rows = outer ? mblm_run_floats (run, floats) : NULL;
  float *normed = outer ? mblm_run_floats (run, floats) : NULL;
  float *d_rows = outer ? mblm_run_floats (run, floats) : d;
  float *x = outer ? mblm_run_floats (run, n * stage->dim) : NULL;

  if (!run->failed && outer) {
    MblmLayerNorm patch = patch_norm (stage, n, rows, normed);
    MblmLinear product = embed_product (stage, run, n, normed, x);

    run->k->embed (run->q,
        &(MblmEmbed){.table = stage->table,
            .ids = device_ids,
            .rows = n_ids,
            .out = rows});
    run->k->layer_norm (run->q, &patch);
    run->k->linear (run->q, &product);
    run->k->layer_norm_backward (run->q,
        &(MblmLayerNormBackward){.forward = token_norm (stage, n, x, NULL),
            .d_out = d,
            .d_x = d,
            .d_gain = g->embed_gain,
            .d_bias = g->embed_shift});
    run->k->linear_backward (run->q,
        &(MblmLinearBackward){.forward = product,
            .d_out = d,
            .d_out_stride = stage->dim,
            .d_x = d_rows,
            .d_x_stride = stage->embed.cols,
            .d_weight = (float *) g->embed.data,
            .d_bias = g->embed_bias});
    run->k->layer_norm_backward (run->q,
        &(MblmLayerNormBackward){.forward = patch,
            .d_out = d_rows,
            .d_x = d_rows,
            .d_gain = g->patch_gain,
            .d_bias = g->patch_bias});
  }
  if (!run->failed)
    run->k->embed_backward (run->q,
        &(MblmEmbedBackward){.forward = {.table = stage->table,
                                 .ids = device_ids,
                                 .rows = n_ids},
            .d_out = d_rows,
            .has_padding = true,
            .padding = mblm_config_get_pad_id (model->config),
            .d_table = (float *) g->table.data});
  mblm_run_release (run, mark);
}

void
mblm_stage_embed_backward (MblmModel *model, MblmModel *gradient, MblmRun *run,
    guint k, const gint32 *ids, gsize n, float *d)
{
  const MblmStage *stage = &model->stage[k];
  gsize step = mblm_stage_embed_step (stage, run->rows);

  for (gsize i = 0; d != NULL && i < n && !run->failed; i += step)
    embed_piece_backward (model, stage, &gradient->stage[k], k < model->last,
        run, ids + i * stage->patch, MIN (step, n - i), d + i * stage->dim);
}

/* ------------------------------------------------------------------------- */
/* Positions                                                                 */
/* ------------------------------------------------------------------------- */

/* Sequences that begin in the same place have the same angles. */
static void
rotate (const MblmStage *stage, MblmRun *run, gsize batch, gsize rows,
    const gsize *first, gboolean back, float *x)
{
  gsize half = stage->dim / 2, places = first != NULL ? batch : 1;
  MblmRunMark mark = mblm_run_mark (run);
  float *cosine = mblm_run_floats (run, places * rows * half);
  float *sine = mblm_run_floats (run, places * rows * half);
  MblmRope args = {.form = MBLM_ROPE_PAIRS,
      .batch = batch,
      .rows = rows,
      .heads = 1,
      .half = half,
      .x = x,
      .x_stride = stage->dim,
      .cosine = cosine,
      .sine = sine,
      .angle_stride = first != NULL ? rows : 0};

  if (!run->failed) {
    run->k->rope_angles (run->q,
        &(MblmRopeAngles){.frequency = stage->frequency,
            .half = half,
            .batch = places,
            .rows = rows,
            .first = first,
            .cosine = cosine,
            .sine = sine});
    (back ? run->k->rope_backward : run->k->rope) (run->q, &args);
  }
  mblm_run_release (run, mark);
}

void
mblm_stage_add_positions (MblmModel *model, MblmRun *run, guint k, gsize batch,
    gsize rows, const gsize *first, float *x)
{
  const MblmStage *stage = &model->stage[k];

  if (run->failed || x == NULL)
    return;
  switch (stage->position) {
    case MBLM_POSITION_FIXED:
      run->k->add_position (run->q,
          &(MblmAddPosition){.table = stage->positions,
              .batch = batch,
              .rows = rows,
              .first = first,
              .x = x});
      break;
    case MBLM_POSITION_ROPE:
      rotate (stage, run, batch, rows, first, FALSE, x);
      break;
    case MBLM_POSITION_NONE:
      break;
  }
}

void
mblm_stage_add_positions_backward (MblmModel *model, MblmModel *gradient,
    MblmRun *run, guint k, gsize batch, gsize rows, float *d)
{
  const MblmStage *stage = &model->stage[k];

  if (run->failed || d == NULL)
    return;
  switch (stage->position) {
    case MBLM_POSITION_FIXED:
      run->k->add_position_backward (run->q,
          &(MblmAddPositionBackward){.forward = {.table = stage->positions,
                                         .batch = batch,
                                         .rows = rows,
                                         .x = d},
              .d_table = (float *) gradient->stage[k].positions.data});
      break;
    case MBLM_POSITION_ROPE:
      rotate (stage, run, batch, rows, NULL, TRUE, d);
      break;
    case MBLM_POSITION_NONE:
      break;
  }
}

/* ------------------------------------------------------------------------- */
/* What a stage gives                                                        */
/* ------------------------------------------------------------------------- */

gsize
mblm_stage_projection_width (MblmModel *model, guint k)
{
  return model->stage[k + 1].seq_len * model->stage[k + 1].dim;
}

static MblmLinear
project_product (MblmModel *model, MblmRun *run, guint k, gsize n,
    const float *x, gsize x_stride, float *out)
{
  return (MblmLinear){.weight = model->stage[k].project,
      .bias = model->stage[k].project_bias,
      .rows = n,
      .x = x,
      .x_stride = x_stride,
      .out = out,
      .out_stride = mblm_stage_projection_width (model, k),
      .product = run->product};
}

void
mblm_stage_project (MblmModel *model, MblmRun *run, guint k, gsize n,
    const float *x, gsize x_stride, float *out)
{
  if (run->failed || n == 0)
    return;
  MblmLinear product = project_product (model, run, k, n, x, x_stride, out);
  run->k->linear (run->q, &product);
}

void
mblm_stage_project_backward (MblmModel *model, MblmModel *gradient,
    MblmRun *run, guint k, gsize n, const float *x, float *d_out, float *d_x)
{
  gsize dim = model->stage[k].dim;

  if (!run->failed)
    run->k->linear_backward (run->q,
        &(MblmLinearBackward){
            .forward = project_product (model, run, k, n, x, dim, NULL),
            .d_out = d_out,
            .d_out_stride = mblm_stage_projection_width (model, k),
            .d_x = d_x,
            .d_x_stride = dim,
            .d_weight = (float *) gradient->stage[k].project.data,
            .d_bias = gradient->stage[k].project_bias});
}

static MblmLinear
logits_product (
    MblmModel *model, MblmRun *run, gsize n, const float *x, float *logits)
{
  return (MblmLinear){.weight = model->to_logits,
      .bias = model->to_logits_bias,
      .rows = n,
      .x = x,
      .x_stride = model->stage[model->last].dim,
      .out = logits,
      .out_stride = model->vocabulary,
      .product = run->product};
}

void
mblm_stage_logits (
    MblmModel *model, MblmRun *run, gsize n, const float *x, float *logits)
{
  if (run->failed)
    return;
  MblmLinear product = logits_product (model, run, n, x, logits);
  run->k->linear (run->q, &product);
}

void
mblm_stage_logits_backward (MblmModel *model, MblmModel *gradient, MblmRun *run,
    gsize n, const float *x, float *d_logits, float *d_x)
{
  if (!run->failed)
    run->k->linear_backward (run->q,
        &(MblmLinearBackward){
            .forward = logits_product (model, run, n, x, NULL),
            .d_out = d_logits,
            .d_out_stride = model->vocabulary,
            .d_x = d_x,
            .d_x_stride = model->stage[model->last].dim,
            .d_weight = (float *) gradient->to_logits.data,
            .d_bias = gradient->to_logits_bias});
}

/* ------------------------------------------------------------------------- */
/* Masks                                                                     */
/* ------------------------------------------------------------------------- */

const uint8_t *
mblm_stage_mask (
    MblmModel *model, MblmRun *run, guint k, const guint8 *ids_mask, gsize n)
{
  gsize patch = model->stage[k].patch;
  gboolean all = mblm_config_get_mask_reduce_all (model->config);
  g_autofree guint8 *host = NULL;

  if (ids_mask == NULL)
    return NULL;
  host = g_new (guint8, n);
  for (gsize i = 0; i < n; i++) {
    gsize seen = 0;
    for (gsize j = 0; j < patch; j++)
      seen += ids_mask[i * patch + j] != 0;
    host[i] = all ? seen == patch : seen > 0;
  }
  uint8_t *mask = (uint8_t *) mblm_run_floats (run, n / 4 + 1);
  if (mask != NULL)
    run->k->upload (run->q, mask, host, n);
  return mask;
}
