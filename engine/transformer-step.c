/* transformer-step.c: a Transformer's next row, where a device takes it at once.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "transformer.h"

static void
describe_layers (const Transformer *t, MblmTransformerLayer *layer)
{
  for (gsize i = 0; i < t->parent.layers; i++) {
    const TransformerLayer *l = &t->layer[i];

    layer[i] = (MblmTransformerLayer){.attention_gain = l->attention_gain,
        .qkv = l->qkv,
        .out = l->out,
        .ff_gain = l->ff_gain,
        .up = l->up,
        .up_bias = l->up_bias,
        .down = l->down,
        .down_bias = l->down_bias};
  }
}

static void
describe_states (const Transformer *t, const MblmStep *args,
    MblmTransformerState *state, gsize *past)
{
  gsize layers = t->parent.layers;

  for (gsize b = 0; b < args->batch; b++) {
    past[b] = args->states[b]->rows;
    for (gsize i = 0; i < layers; i++) {
      float **part = args->states[b]->part + i * TRANSFORMER_N_PARTS;

      state[b * layers + i] = (MblmTransformerState){
          .key = part[TRANSFORMER_KEY],
          .value = part[TRANSFORMER_VALUE],
          .attention_shift = part[TRANSFORMER_ATTENTION_SHIFT],
          .ff_shift = part[TRANSFORMER_FF_SHIFT]};
    }
  }
}

gboolean
mblm_transformer_step (MblmBlock *block, MblmRun *run, const MblmStep *args)
{
  const Transformer *t = (Transformer *) block;

  if (run->k->transformer_step == NULL)
    return FALSE;
  g_autofree MblmTransformerLayer *layer = g_new (
      MblmTransformerLayer, block->layers);
  g_autofree MblmTransformerState *state = g_new (
      MblmTransformerState, args->batch * block->layers);
  g_autofree gsize *past = g_new (gsize, args->batch);

  describe_layers (t, layer);
  describe_states (t, args, state, past);
  return run->k->transformer_step (run->q,
      &(MblmTransformerStep){.batch = args->batch,
          .layers = block->layers,
          .dim = block->dim,
          .heads = t->heads,
          .head_dim = t->head_dim,
          .wide = t->wide,
          .layer = layer,
          .state = state,
          .past = past,
          .frequency = t->rotary ? t->frequency : NULL,
          .gain = t->gain,
          .epsilon = TRANSFORMER_EPSILON,
          .input = args->tokens,
          .table = args->table,
          .ids = args->ids,
          .drawn = args->drawn,
          .positions = args->positions,
          .position = args->position,
          .addend = args->addend,
          .out = args->out,
          .to_logits = args->to_logits,
          .logits_bias = args->logits_bias,
          .logits = args->logits});
}
