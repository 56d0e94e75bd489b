/* transformer.h: what the files of the Transformer blocks share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "block.h"

G_BEGIN_DECLS

#define TRANSFORMER_EPSILON 1e-8f /* of all norms */

typedef struct {
  float *attention_gain; /* [dim] */
  MblmMatrix qkv;        /* [3 * inner, dim]: to_q above to_kv */
  MblmMatrix out;        /* [dim, inner] */
  float *ff_gain;        /* [dim] */
  MblmMatrix up;         /* [wide, dim] */
  float *up_bias;
  MblmMatrix down; /* [dim, wide] */
  float *down_bias;
} TransformerLayer;

typedef struct {
  MblmBlock parent;
  gboolean causal;
  gboolean rotary;
  gboolean masked_is_zero;  /* what the published fused attention does */
  double attention_dropout; /* of probabilities; can't be trained with */
  double ff_dropout;        /* behind GELU, while training */
  gsize heads, head_dim;
  gsize inner;             /* heads * head_dim */
  gsize wide;              /* of the feed-forward layer */
  float *frequency;        /* [head_dim / 2] */
  float *gain;             /* [dim], of the last norm */
  TransformerLayer *layer; /* [layers] */
} Transformer;

/* Parts of a state, for each layer. */
enum {
  TRANSFORMER_KEY,
  TRANSFORMER_VALUE,
  TRANSFORMER_ATTENTION_SHIFT,
  TRANSFORMER_FF_SHIFT,
  TRANSFORMER_N_PARTS
};

/* transformer-memory.c */
gsize mblm_transformer_kept_size (
    MblmBlock *block, MblmType product, gsize layer, gsize batch, gsize rows);

/* transformer-pass.c */
gboolean mblm_transformer_advance (
    MblmBlock *block, MblmRun *run, const MblmAdvance *args, GError **error);
gboolean mblm_transformer_encode (MblmBlock *block, MblmRun *run, gsize batch,
    gsize rows, float *x, float *out, const guint8 *mask, GError **error);
void mblm_transformer_layer_forward (MblmBlock *block, MblmRun *run,
    const MblmLayerPass *args, gsize layer, float *x, float *kept);
void mblm_transformer_layer_backward (MblmBlock *block, MblmBlock *gradient,
    MblmRun *run, const MblmLayerPass *args, gsize layer, float *d,
    float *kept);

/* transformer-step.c */
gboolean mblm_transformer_step (
    MblmBlock *block, MblmRun *run, const MblmStep *args);

G_END_DECLS
