/* model-weights.c: the tensors of a model, and the constants that follow from
 * them.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mblm-math section 2 has the names and shapes.
 */

#include "config-private.h"
#include "model-private.h"

#include <math.h>
#include <string.h>

/* Multiply-adds of a layer, and floats of working memory, that a piece of a
 * prompt may take: together they keep a piece below 50 ms on a slow CPU. */
#define CHUNK_PRODUCTS 7.5e8
#define CHUNK_FLOATS ((gsize) 1 << 22)
#define CHUNK_MAX 256
#define CHUNK_MIN 16

/* ------------------------------------------------------------------------- */
/* Blocks                                                                    */
/* ------------------------------------------------------------------------- */

/* The block type of stage k: what the weights show, where they show it, is
 * stronger than what the configuration says (mblm-math section 5.11). */
static const char *
find_type (MblmConfig *config, MblmTensorFile *file, guint k)
{
  const char *type = mblm_config_get_block_type (config, k);
  static const char *const mambas[] = {"mamba", "mamba1", "mamba2", NULL};
  gboolean mamba = g_strv_contains (mambas, type);
  const char *found = g_str_equal (type, "mamba") ? "mamba2" : type;

  if (mamba && file != NULL) {
    g_autofree char *name = g_strdup_printf (
        "stage_models.%u.layers.0.mixer.A_log", k);
    const MblmTensorEntry *entry = mblm_tensor_file_lookup (file, name);
    if (entry != NULL)
      found = entry->n_dims == 2 ? "mamba1" : "mamba2";
  }
  if (mamba && mblm_config_has_block_type (config, k) &&
      !g_str_equal (type, "mamba") && !g_str_equal (type, found))
    g_warning ("stage %u: block_type says %s, the weights are those of %s", k,
        type, found);
  return found;
}

static gboolean
make_block (MblmModel *self, const char *type, guint k, GError **error)
{
  MblmStage *stage = &self->stage[k];
  const MblmBlockClass *klass = mblm_block_lookup (type);

  if (klass == NULL) {
    g_autofree char *types = mblm_block_list_types ();
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "%s: stage %u: block_type \"%s\" is not known; there are %s",
        mblm_config_get_block_where (self->config, k), k, type, types);
    return FALSE;
  }
  if (self->encoder && klass->encode == NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "%s: stage %u: block_type \"%s\" can't be part of an encoder; use "
        "transformerEncoder",
        mblm_config_get_block_where (self->config, k), k, type);
    return FALSE;
  }
  if (stage->position == MBLM_POSITION_ROPE && stage->dim % 2 != 0) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "%s: stage %u: pos_emb_type rope needs an even hidden dimension, not "
        "%" G_GSIZE_FORMAT,
        mblm_config_get_block_where (self->config, k), k, stage->dim);
    return FALSE;
  }
  GVariant *options = mblm_config_get_block_options (self->config, k);
  stage->block = mblm_block_new (klass, stage->dim,
      mblm_config_get_n_layers (self->config, k), stage->seq_len + 1, options,
      error);
  if (stage->block == NULL) {
    g_prefix_error (error,
        "%s: stage %u: ", mblm_config_get_block_where (self->config, k), k);
    return FALSE;
  }
  self->causal = self->causal && klass->causal;
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Parameters                                                                */
/* ------------------------------------------------------------------------- */

static void
declare_embedding (MblmModel *self, guint k)
{
  MblmStage *stage = &self->stage[k];
  MblmParameters *p = self->parameters;
  gsize inner = self->stage[self->last].dim;
  gsize width = stage->patch * inner;
  guint i = self->last - k; /* they are numbered from the inside */
  MblmInit one = {MBLM_INIT_CONSTANT, .a = 1}, zero = {MBLM_INIT_CONSTANT};
  MblmInit from_patch = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (width)};
  MblmInit rows = {
      MBLM_INIT_NORMAL, .row_zero = mblm_config_get_pad_id (self->config)};

  mblm_parameters_add_matrix (p, &stage->table, self->vocabulary, 0,
      self->vocabulary, inner, rows, "token_embs_rev.%u.embedding.weight", i)
      ->is_table = TRUE;
  if (k < self->last) {
    mblm_parameters_add_vector (p, &stage->patch_gain, width, 0, 0, one,
        "token_embs_rev.%u._post.1.weight", i);
    mblm_parameters_add_vector (p, &stage->patch_bias, width, 0, 0, zero,
        "token_embs_rev.%u._post.1.bias", i);
    mblm_parameters_add_matrix (p, &stage->embed, stage->dim, 0, stage->dim,
        width, from_patch, "token_embs_rev.%u._post.2.weight", i);
    mblm_parameters_add_vector (p, &stage->embed_bias, stage->dim, 0, 0,
        from_patch, "token_embs_rev.%u._post.2.bias", i);
    mblm_parameters_add_vector (p, &stage->embed_gain, stage->dim, 0, 0, one,
        "token_embs_rev.%u._post.3.weight", i);
    mblm_parameters_add_vector (p, &stage->embed_shift, stage->dim, 0, 0, zero,
        "token_embs_rev.%u._post.3.bias", i);
  }
  if (stage->position == MBLM_POSITION_FIXED)
    mblm_parameters_add_matrix (p, &stage->positions, stage->seq_len, 0,
        stage->seq_len, stage->dim,
        (MblmInit){MBLM_INIT_NORMAL, .row_zero = -1}, "pos_embs.%u.weight", k)
        ->is_table = TRUE;
}

static void
declare_stage (MblmModel *self, guint k)
{
  MblmStage *stage = &self->stage[k];
  MblmParameters *p = self->parameters;
  MblmInit from_dim = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (stage->dim)};

  declare_embedding (self, k);
  if (!self->encoder)
    mblm_parameters_add_vector (p, &stage->start, stage->dim, 0, 0,
        (MblmInit){MBLM_INIT_NORMAL, .row_zero = -1}, "start_tokens.%u", k);
  if (k < self->last) {
    gsize width = mblm_stage_projection_width (self, k);
    mblm_parameters_add_matrix (p, &stage->project, width, 0, width, stage->dim,
        from_dim, "to_next_stage_proj.%u.1.weight", k);
    mblm_parameters_add_vector (p, &stage->project_bias, width, 0, 0, from_dim,
        "to_next_stage_proj.%u.1.bias", k);
  }
  guint64 before = mblm_parameters_count (p);
  mblm_parameters_set_prefix (p, "stage_models.%u.", k);
  stage->block->klass->declare (stage->block, p);
  mblm_parameters_set_prefix (p, NULL);
  self->n_stage_parameters[k] = mblm_parameters_count (p) - before;
}

static gsize
choose_chunk (MblmModel *self, guint k)
{
  const MblmStage *stage = &self->stage[k];
  double products = (double) self->n_stage_parameters[k] / stage->block->layers;
  double floats = (double) stage->patch * self->stage[self->last].dim;
  double rows = MIN (CHUNK_PRODUCTS / products, CHUNK_FLOATS / floats);

  return CLAMP (rows, CHUNK_MIN, CHUNK_MAX);
}

/* Block types are those of `like`, or follow from configuration and file. */
static MblmModel *
new_bare (
    MblmConfig *config, MblmTensorFile *file, MblmModel *like, GError **error)
{
  g_autoptr (MblmModel) self = g_object_new (MBLM_TYPE_MODEL, NULL);

  self->config = g_object_ref (config);
  self->n_stages = mblm_config_get_n_stages (config);
  self->last = self->n_stages - 1;
  self->vocabulary = mblm_config_get_vocabulary (config);
  self->encoder = mblm_config_is_encoder (config);
  self->causal = !self->encoder;
  for (guint k = 0; k < self->n_stages; k++) {
    MblmStage *stage = &self->stage[k];
    stage->seq_len = mblm_config_get_seq_len (config, k);
    stage->dim = mblm_config_get_hidden_dim (config, k);
    stage->patch = mblm_config_get_patch (config, k);
    stage->position = mblm_config_get_position (config, k);
    const char *type = like != NULL ? like->stage[k].block->klass->type
                                    : find_type (config, file, k);
    if (!make_block (self, type, k, error))
      return NULL;
  }
  for (guint k = 0; k < self->n_stages; k++) {
    declare_stage (self, k);
    self->stage[k].chunk_rows = choose_chunk (self, k);
  }

  gsize inner = self->stage[self->last].dim;
  MblmInit from_dim = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (inner)};
  mblm_parameters_add_matrix (self->parameters, &self->to_logits,
      self->vocabulary, 0, self->vocabulary, inner, from_dim,
      "to_logits.weight");
  mblm_parameters_add_vector (self->parameters, &self->to_logits_bias,
      self->vocabulary, 0, 0, from_dim, "to_logits.bias");
  self->n_parameters = mblm_parameters_count (self->parameters);
  return g_steal_pointer (&self);
}

MblmModel *
mblm_model_new_bare (MblmConfig *config, MblmTensorFile *file, GError **error)
{
  return new_bare (config, file, NULL, error);
}

MblmModel *
mblm_model_new_like (MblmModel *model, GError **error)
{
  return new_bare (model->config, NULL, model, error);
}

/* ------------------------------------------------------------------------- */
/* Loading                                                                   */
/* ------------------------------------------------------------------------- */

/* Device memory that the model keeps; NULL marks the run as failed. */
static float *
keep (MblmRun *run, gsize n)
{
  float *memory = run->k->alloc (run->memory, n * sizeof (float));
  if (memory == NULL)
    run->failed = TRUE;
  return memory;
}

/* theta of mblm-math section 2.2, in float32 as PyTorch computes it. */
static void
make_frequency (MblmStage *stage, MblmRun *run)
{
  gsize half = stage->dim / 2;
  g_autofree float *theta = g_new (float, half);

  for (gsize i = 0; i < half; i++)
    theta[i] = 1.0f /
        (float) pow (10000.0, (float) (2 * i) / (float) stage->dim);
  stage->frequency = keep (run, half);
  if (stage->frequency != NULL)
    run->k->upload (run->q, stage->frequency, theta, half * sizeof (float));
}

/* What lies behind the start token of a causal stage. */
static gboolean
make_start (MblmModel *self, MblmRun *run, guint k, GError **error)
{
  MblmStage *stage = &self->stage[k];
  MblmRunMark mark = mblm_run_mark (run);
  float *x = mblm_run_floats (run, stage->dim);

  stage->start_out = keep (run, stage->dim);
  stage->start_state = mblm_state_new (stage->block, run, error);
  if (stage->start_state == NULL || !mblm_run_check (run, error) ||
      !mblm_state_reserve (stage->start_state, run, 1, error))
    return FALSE;
  run->k->copy (run->q, x, stage->start, stage->dim * sizeof (float));
  if (!stage->block->klass->advance (stage->block, run,
          &(MblmAdvance){.batch = 1,
              .rows = 1,
              .x = x,
              .out = stage->start_out,
              .states = &stage->start_state},
          error))
    return FALSE;
  stage->start_state->rows = 1;
  if (k < self->last) {
    stage->start_projection = keep (run, mblm_stage_projection_width (self, k));
    mblm_stage_project (
        self, run, k, 1, stage->start_out, stage->dim, stage->start_projection);
  }
  mblm_run_release (run, mark);
  return mblm_run_check (run, error);
}

void
mblm_model_make_frequencies (MblmModel *self, MblmRun *run)
{
  for (guint k = 0; k < self->n_stages; k++)
    if (self->stage[k].position == MBLM_POSITION_ROPE)
      make_frequency (&self->stage[k], run);
}

gboolean
mblm_model_init_run (MblmModel *self, MblmRun *run, GError **error)
{
  if (!mblm_run_init (run, self->device, error))
    return FALSE;
  mblm_run_set_tf32 (run, self->precision == MBLM_PRECISION_TF32);
  if (self->precision == MBLM_PRECISION_BF16 && run->rounds)
    run->product = MBLM_TYPE_BF16;
  return TRUE;
}

gboolean
mblm_model_load_weights (
    MblmModel *self, MblmTensorFile *file, MblmRun *run, GError **error)
{
  MblmType type = self->precision == MBLM_PRECISION_BF16 ? MBLM_TYPE_BF16
                                                         : MBLM_TYPE_F32;

  if (!mblm_parameters_load (self->parameters, file, type, run, error))
    return FALSE;
  mblm_model_make_frequencies (self, run);
  if (!mblm_run_check (run, error))
    return FALSE;
  if (self->encoder)
    return mblm_run_wait (run, error);

  for (guint k = 0; self->causal && k < self->n_stages; k++)
    if (!make_start (self, run, k, error))
      return FALSE;
  self->chained_logits = g_new (float, self->vocabulary);
  self->bare_logits = g_new (float, self->vocabulary);
  if (self->causal) {
    MblmOutput bare = {.logits = self->bare_logits};
    if (!mblm_output_write (
            &bare, self, run, 1, self->stage[self->last].start_out, error))
      return FALSE;
  }
  return mblm_full_pass_empty (self, run, self->chained_logits, error) &&
      mblm_run_wait (run, error);
}
