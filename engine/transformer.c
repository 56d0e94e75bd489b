/* transformer.c: MEGABYTE's Transformer layers, decoder and encoder.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mblm-math section 1. A decoder layer:
 *
 *   x += Wo attention (rope (Wq, Wkv applied to norm (shift (x))))
 *   x += W2 gelu (W1 norm (shift (x)) + b1) + b2
 *
 * and one norm at the end. The encoder has no token shift and sees both ways.
 *
 * Decode state: for each layer the keys and values of every row, and the second
 * half of the last layer input and of the last residual behind the attention,
 * for the two token shifts.
 */

#include "transformer.h"

#include <math.h>

/* ------------------------------------------------------------------------- */
/* Construction                                                              */
/* ------------------------------------------------------------------------- */

static MblmBlock *
transformer_create (gsize dim, gsize layers, GVariant *options, GError **error)
{
  static const char *const known[] = {"attn_head_dims", "attn_num_heads",
      "attn_use_rot_embs", "attn_dropout", "ff_multiplier", "ff_dropout",
      "use_flash_attn", NULL};
  Transformer t = {0};
  gsize multiplier;

  if (!mblm_options_check_known (options, known, error) ||
      !mblm_options_get_int (
          options, "attn_head_dims", 1, 512, G_MININT64, &t.head_dim, error) ||
      !mblm_options_get_int (
          options, "attn_num_heads", 1, 1024, G_MININT64, &t.heads, error) ||
      !mblm_options_get_boolean (
          options, "attn_use_rot_embs", -1, &t.rotary, error) ||
      !mblm_options_get_double (
          options, "attn_dropout", 0, 1, 0, &t.attention_dropout, error) ||
      !mblm_options_get_int (
          options, "ff_multiplier", 1, 64, 2, &multiplier, error) ||
      !mblm_options_get_double (
          options, "ff_dropout", 0, 1, 0, &t.ff_dropout, error) ||
      !mblm_options_get_boolean (
          options, "use_flash_attn", FALSE, &t.masked_is_zero, error))
    return NULL;
  if (t.rotary && t.head_dim % 2 != 0) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "block: attn_head_dims %" G_GSIZE_FORMAT
        " is odd, which rotary embeddings can't be; use an even number or "
        "attn_use_rot_embs: false",
        t.head_dim);
    return NULL;
  }
  t.inner = t.heads * t.head_dim;
  t.wide = dim * multiplier;
  t.layer = g_new0 (TransformerLayer, layers);
  return g_memdup2 (&t, sizeof t);
}

static MblmBlock *
decoder_create (gsize dim, gsize layers, GVariant *options, GError **error)
{
  Transformer *t = (Transformer *) transformer_create (
      dim, layers, options, error);
  if (t != NULL)
    t->causal = TRUE;
  return (MblmBlock *) t;
}

static void
transformer_free (MblmBlock *block)
{
  g_free (((Transformer *) block)->layer);
  g_free (block);
}

static void
declare_layer (const Transformer *t, TransformerLayer *l, gsize i,
    MblmParameters *parameters)
{
  gsize dim = t->parent.dim;
  MblmInit one = {MBLM_INIT_CONSTANT, .a = 1};
  MblmInit from_dim = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (dim)};
  MblmInit from_inner = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (t->inner)};
  MblmInit from_wide = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (t->wide)};
  MblmParameters *p = parameters;

  mblm_parameters_add_vector (p, &l->attention_gain, dim, 0, 0, one,
      "layers.%" G_GSIZE_FORMAT ".0.norm.g", i);
  mblm_parameters_add_matrix (p, &l->qkv, 3 * t->inner, 0, t->inner, dim,
      from_dim, "layers.%" G_GSIZE_FORMAT ".0.to_q.weight", i);
  mblm_parameters_add_matrix (p, &l->qkv, 3 * t->inner, t->inner, 2 * t->inner,
      dim, from_dim, "layers.%" G_GSIZE_FORMAT ".0.to_kv.weight", i);
  mblm_parameters_add_matrix (p, &l->out, dim, 0, dim, t->inner, from_inner,
      "layers.%" G_GSIZE_FORMAT ".0.to_out.weight", i);
  mblm_parameters_add_vector (
      p, &l->ff_gain, dim, 0, 0, one, "layers.%" G_GSIZE_FORMAT ".1.0.g", i);
  mblm_parameters_add_matrix (p, &l->up, t->wide, 0, t->wide, dim, from_dim,
      "layers.%" G_GSIZE_FORMAT ".1.1.weight", i);
  mblm_parameters_add_vector (p, &l->up_bias, t->wide, 0, 0, from_dim,
      "layers.%" G_GSIZE_FORMAT ".1.1.bias", i);
  mblm_parameters_add_matrix (p, &l->down, dim, 0, dim, t->wide, from_wide,
      "layers.%" G_GSIZE_FORMAT ".1.4.weight", i);
  mblm_parameters_add_vector (p, &l->down_bias, dim, 0, 0, from_wide,
      "layers.%" G_GSIZE_FORMAT ".1.4.bias", i);
}

static void
transformer_declare (MblmBlock *block, MblmParameters *parameters)
{
  Transformer *t = (Transformer *) block;

  if (t->rotary) {
    MblmParameter *p = mblm_parameters_add_vector (parameters, &t->frequency,
        t->head_dim / 2, 0, 0, (MblmInit){MBLM_INIT_FREQUENCY},
        "rotary_emb.inv_freq");
    p->optional = TRUE;
  }
  for (gsize i = 0; i < block->layers; i++)
    declare_layer (t, &t->layer[i], i, parameters);
  mblm_parameters_add_vector (parameters, &t->gain, block->dim, 0, 0,
      (MblmInit){MBLM_INIT_CONSTANT, .a = 1}, "norm.g");
}

/* ------------------------------------------------------------------------- */
/* State                                                                     */
/* ------------------------------------------------------------------------- */

static guint
transformer_n_parts (MblmBlock *block)
{
  return block->layers * TRANSFORMER_N_PARTS;
}

static gsize
transformer_part_size (MblmBlock *block, guint part, gsize rows)
{
  switch (part % TRANSFORMER_N_PARTS) {
    case TRANSFORMER_KEY:
    case TRANSFORMER_VALUE:
      return rows * ((Transformer *) block)->inner;
    default:
      return block->dim / 2;
  }
}

static gboolean
transformer_check_training (MblmBlock *block, gboolean *drops, GError **error)
{
  const Transformer *t = (Transformer *) block;

  if (t->attention_dropout > 0) {
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "attn_dropout can't be trained with: the attention never holds its "
        "probabilities; use attn_dropout: 0, or ff_dropout");
    return FALSE;
  }
  *drops = t->ff_dropout > 0;
  return TRUE;
}

#define TRAINING                                                               \
  .kept_size = mblm_transformer_kept_size,                                     \
  .layer_forward = mblm_transformer_layer_forward,                             \
  .layer_backward = mblm_transformer_layer_backward,                           \
  .check_training = transformer_check_training

const MblmBlockClass mblm_transformer_class = {
    .abi = MBLM_BLOCK_ABI,
    .type = "transformer",
    .causal = TRUE,
    .create = decoder_create,
    .free = transformer_free,
    .declare = transformer_declare,
    .n_parts = transformer_n_parts,
    .part_size = transformer_part_size,
    .advance = mblm_transformer_advance,
    .step = mblm_transformer_step,
    .appends = TRUE,
    TRAINING,
};

const MblmBlockClass mblm_transformer_encoder_class = {
    .abi = MBLM_BLOCK_ABI,
    .type = "transformerEncoder",
    .causal = FALSE,
    .create = transformer_create,
    .free = transformer_free,
    .declare = transformer_declare,
    .encode = mblm_transformer_encode,
    TRAINING,
};
