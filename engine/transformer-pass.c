/* transformer-pass.c: a Transformer's layers forward and backward.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mblm-math section 1. Forward is one code for playing and for training: what a
 * layer needs for its gradient is what its operations leave behind, so training
 * only gives each layer memory of its own for it, and a copy of its input.
 */

#include "transformer-pass.h"

typedef TransformerPass Pass;

/* ------------------------------------------------------------------------- */
/* The operations, as forward and backward both describe them                */
/* ------------------------------------------------------------------------- */

static MblmShiftNorm
norm (Pass *p, const float *gain, const float *x, void *out, guint shift_part)
{
  return (MblmShiftNorm){.batch = p->args->batch,
      .rows = p->args->rows,
      .width = p->t->parent.dim,
      .x = x,
      .shift = p->t->causal,
      .carry = p->t->causal
          ? mblm_layer_carry (p->args, shift_part, p->hosts.from, p->hosts.to)
          : (MblmCarry){0},
      .gain = gain,
      .epsilon = TRANSFORMER_EPSILON,
      .out = out,
      .out_type = p->normed_type};
}

static MblmLinear
linear (Pass *p, MblmMatrix weight, const void *x, void *out)
{
  return mblm_layer_linear (p->run, p->n, weight, x, weight.cols, out);
}

/* A product of what a norm has left. */
static MblmLinear
linear_normed (Pass *p, MblmMatrix weight, const void *normed, void *out)
{
  MblmLinear args = linear (p, weight, normed, out);

  args.x_type = p->normed_type;
  return args;
}

static MblmRope
rope (Pass *p, void *qkv)
{
  return (MblmRope){.form = MBLM_ROPE_HALVES,
      .batch = p->args->batch,
      .rows = p->args->rows,
      .heads = 2 * p->t->heads, /* queries and keys lie side by side */
      .half = p->t->head_dim / 2,
      .x = qkv,
      .x_type = p->inner_type,
      .x_stride = 3 * p->t->inner,
      .cosine = p->cosine,
      .sine = p->sine,
      .angle_stride = p->angle_stride};
}

/* Whether attention itself turns queries and keys: it can't where states keep keys,
 * turned ones, and then others have turned them. */
static gboolean
turns (const Pass *p, const MblmAttention *args)
{
  const MblmKernels *k = p->run->k;

  return p->t->rotary && p->args->states == NULL && p->args->left == NULL &&
      k->attention_turns != NULL && k->attention_turns (args);
}

static MblmAttention
attention (Pass *p, guint parts)
{
  const Transformer *t = p->t;
  const MblmLayerPass *a = p->args;
  gboolean has_past = a->states != NULL || a->shared != NULL;
  gsize hosts = a->states != NULL ? a->batch : 1;

  for (gsize b = 0; has_past && b < hosts; b++) {
    float **part = a->states != NULL ? a->states[b]->part : a->shared->part;
    p->hosts.from[b] = part[parts + TRANSFORMER_KEY];
    p->past_value[b] = part[parts + TRANSFORMER_VALUE];
  }
  MblmAttention args = {.batch = a->batch,
      .rows = a->rows,
      .heads = t->heads,
      .head_dim = t->head_dim,
      .type = p->inner_type,
      .query = p->qkv,
      .query_stride = 3 * t->inner,
      .key = mblm_transformer_pass_column (p, p->qkv, t->inner),
      .value = mblm_transformer_pass_column (p, p->qkv, 2 * t->inner),
      .key_stride = 3 * t->inner,
      .causal = t->causal,
      .past_key = has_past ? p->hosts.from : NULL,
      .past_value = has_past ? p->past_value : NULL,
      .past = has_past ? p->past : NULL,
      .past_shared = a->shared != NULL,
      .key_mask = a->mask,
      .masked_is_zero = t->masked_is_zero,
      .out = p->attended,
      .product = p->run->product,
      .log_sum = p->log_sum,
      .cosine = p->cosine,
      .sine = p->sine,
      .angle_stride = p->angle_stride};

  if (!turns (p, &args))
    args.cosine = args.sine = NULL;
  return args;
}

/* The residual stream between the halves of a layer. */
static float *
middle (const Pass *p)
{
  return p->middle != NULL ? p->middle : p->x;
}

/* The products before and behind attention. */
static MblmLinear
linear_qkv (Pass *p, const TransformerLayer *l)
{
  MblmLinear args = linear_normed (p, l->qkv, p->normed, p->qkv);

  args.out_type = p->inner_type;
  return args;
}

static MblmLinear
linear_out (Pass *p, const TransformerLayer *l)
{
  MblmLinear args = linear (p, l->out, p->attended, middle (p));

  args.x_type = p->inner_type;
  args.residual = p->x;
  return args;
}

static MblmLinear
up (Pass *p, const TransformerLayer *l)
{
  MblmLinear args = linear_normed (p, l->up, p->ff_normed, p->wide);

  args.bias = l->up_bias;
  args.out_type = p->wide_type;
  args.activation = MBLM_ACTIVATION_GELU;
  args.before = p->before;
  return args;
}

static MblmLinear
down (Pass *p, const TransformerLayer *l, float *out)
{
  MblmLinear args = linear (p, l->down, p->wide, out);

  args.x_type = p->wide_type;
  args.bias = l->down_bias;
  args.residual = middle (p);
  return args;
}

static void
drop (Pass *p, void *wide)
{
  if (mblm_transformer_pass_drops (p))
    p->run->k->dropout (p->run->q,
        &(MblmDropout){.count = p->n * p->t->wide,
            .x = wide,
            .probability = p->t->ff_dropout,
            .seed = p->args->drop_seed,
            .first = p->args->drop_first});
}

/* ------------------------------------------------------------------------- */
/* Forward                                                                   */
/* ------------------------------------------------------------------------- */

static void
keep (Pass *p, float *to)
{
  if (to != NULL)
    p->run->k->copy (
        p->run->q, to, p->x, p->n * p->t->parent.dim * sizeof (float));
}

/* Appends the new keys and values, then of float32, to the states. */
static void
remember (Pass *p, guint parts)
{
  const Transformer *t = p->t;
  const float *qkv = p->qkv;
  const MblmLayerPass *a = p->args;
  MblmState *const *states = a->left != NULL ? &a->left : a->states;

  if (states == NULL)
    return;
  for (gsize b = 0; b < a->batch; b++)
    for (guint i = 0; i < 2; i++)
      p->append_to[2 * b + i] = states[b]->part[parts + TRANSFORMER_KEY + i] +
          p->past[b] * t->inner;
  p->run->k->scatter_rows (p->run->q,
      &(MblmScatterRows){.batch = a->batch,
          .rows = a->rows,
          .parts = 2,
          .width = t->inner,
          .x = qkv + t->inner, /* keys and values lie side by side */
          .x_stride = 3 * t->inner,
          .to = p->append_to});
}

static void
attention_forward (Pass *p, const TransformerLayer *l, guint parts)
{
  const MblmKernels *k = p->run->k;
  MblmQueue *q = p->run->q;
  MblmShiftNorm normed = norm (p, l->attention_gain, p->x, p->normed,
      parts + TRANSFORMER_ATTENTION_SHIFT);
  MblmLinear product = linear_qkv (p, l);

  keep (p, p->input);
  k->shift_norm (q, &normed);
  k->linear (q, &product);
  MblmAttention attend = attention (p, parts);
  if (p->t->rotary && attend.cosine == NULL) {
    MblmRope turn = rope (p, p->qkv);
    k->rope (q, &turn);
  }
  k->attention (q, &attend);
  remember (p, parts);
  product = linear_out (p, l);
  k->linear (q, &product);
}

static void
feed_forward (Pass *p, const TransformerLayer *l, guint parts)
{
  const MblmKernels *k = p->run->k;
  MblmQueue *q = p->run->q;
  MblmShiftNorm normed = norm (
      p, l->ff_gain, middle (p), p->ff_normed, parts + TRANSFORMER_FF_SHIFT);
  MblmLinear product = up (p, l);

  k->shift_norm (q, &normed);
  k->linear (q, &product);
  drop (p, p->wide);
  if (p->args->again)
    return;
  product = down (p, l, p->x);
  k->linear (q, &product);
}

static void
last_norm (const Transformer *t, MblmRun *run, gsize batch, gsize rows,
    const float *x, float *out)
{
  run->k->shift_norm (run->q,
      &(MblmShiftNorm){.batch = batch,
          .rows = rows,
          .width = t->parent.dim,
          .x = x,
          .gain = t->gain,
          .epsilon = TRANSFORMER_EPSILON,
          .out = out});
}

/* All layers, nothing kept. */
static gboolean
play (const Transformer *t, MblmRun *run, const MblmLayerPass *args, float *x,
    float *out, GError **error)
{
  MblmRunMark mark = mblm_run_mark (run);
  Pass p = {
      .t = t, .run = run, .args = args, .n = args->batch * args->rows, .x = x};

  mblm_transformer_pass_allocate (&p);
  mblm_transformer_pass_open (&p);
  gboolean ok = mblm_run_check (run, error);
  for (gsize i = 0; ok && i < t->parent.layers; i++) {
    attention_forward (&p, &t->layer[i], i * TRANSFORMER_N_PARTS);
    feed_forward (&p, &t->layer[i], i * TRANSFORMER_N_PARTS);
    ok = mblm_run_check (run, error);
  }
  if (ok)
    last_norm (t, run, args->batch, args->rows, x, out);
  mblm_transformer_pass_close (&p);
  mblm_run_release (run, mark);
  return ok;
}

gboolean
mblm_transformer_advance (
    MblmBlock *block, MblmRun *run, const MblmAdvance *args, GError **error)
{
  MblmLayerPass pass = {.batch = args->batch,
      .rows = args->rows,
      .shared = args->shared,
      .states = args->states};

  return play ((Transformer *) block, run, &pass, args->x, args->out, error);
}

gboolean
mblm_transformer_encode (MblmBlock *block, MblmRun *run, gsize batch,
    gsize rows, float *x, float *out, const guint8 *mask, GError **error)
{
  MblmLayerPass pass = {.batch = batch, .rows = rows, .mask = mask};

  return play ((Transformer *) block, run, &pass, x, out, error);
}

void
mblm_transformer_layer_forward (MblmBlock *block, MblmRun *run,
    const MblmLayerPass *args, gsize layer, float *x, float *kept)
{
  const Transformer *t = (Transformer *) block;
  MblmRunMark mark = mblm_run_mark (run);
  Pass p = {
      .t = t, .run = run, .args = args, .n = args->batch * args->rows, .x = x};

  if (layer == block->layers) {
    keep (&p, kept);
    last_norm (t, run, args->batch, args->rows, kept, x);
    return;
  }
  mblm_transformer_pass_place (&p, kept);
  mblm_transformer_pass_open (&p);
  if (!run->failed) {
    attention_forward (&p, &t->layer[layer], layer * TRANSFORMER_N_PARTS);
    feed_forward (&p, &t->layer[layer], layer * TRANSFORMER_N_PARTS);
  }
  mblm_transformer_pass_close (&p);
  mblm_run_release (run, mark);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* `d` [n, dim] += gradient through the norm, whose output has `d_normed`. */
static void
norm_backward (Pass *p, const float *gain, float *d_gain, const float *x,
    guint shift_part, const float *d_normed, float *d)
{
  const float *d_to[1];
  float *d_from[1];
  MblmShiftNormBackward args = {.forward = norm (p, gain, x, NULL, shift_part),
      .d_out = d_normed,
      .accumulate = true,
      .d_x = d,
      .d_gain = d_gain};

  if (p->t->causal)
    args.d_carry = mblm_layer_carry_gradient (
        p->args, shift_part, d_to, d_from);
  p->run->k->shift_norm_backward (p->run->q, &args);
}

static void
feed_forward_backward (Pass *p, const TransformerLayer *l,
    const TransformerLayer *g, guint parts, float *d)
{
  MblmRunMark mark = mblm_run_mark (p->run);
  gsize dim = p->t->parent.dim;
  void *d_wide = mblm_transformer_pass_numbers (
      p, p->n * p->t->wide, p->wide_type);
  float *d_normed = mblm_run_floats (p->run, p->n * dim);
  MblmLinearBackward out = mblm_layer_linear_gradient (
      down (p, l, NULL), g->down, g->down_bias, d, d_wide);
  MblmLinearBackward in = mblm_layer_linear_gradient (
      linear_normed (p, l->up, p->ff_normed, NULL), g->up, g->up_bias, d_wide,
      d_normed);

  out.before = p->before;
  out.d_x_type = in.d_out_type = p->wide_type;
  if (!p->run->failed) {
    p->run->k->linear_backward (p->run->q, &out);
    drop (p, d_wide);
    p->run->k->linear_backward (p->run->q, &in);
    norm_backward (p, l->ff_gain, g->ff_gain, p->middle,
        parts + TRANSFORMER_FF_SHIFT, d_normed, d);
  }
  mblm_run_release (p->run, mark);
}

/* From `d_attended` [n, inner] to `d_qkv` [n, 3 * inner]. */
static void
attend_backward (Pass *p, guint parts, const void *d_attended, void *d_qkv)
{
  const Transformer *t = p->t;
  const MblmLayerPass *a = p->args;
  float *d_key[1], *d_value[1];
  MblmAttentionBackward args = {.forward = attention (p, parts),
      .d_out = d_attended,
      .d_query = d_qkv,
      .d_key = mblm_transformer_pass_column (p, d_qkv, t->inner),
      .d_value = mblm_transformer_pass_column (p, d_qkv, 2 * t->inner)};

  if (a->d_shared != NULL) {
    d_key[0] = a->d_shared->part[parts + TRANSFORMER_KEY];
    d_value[0] = a->d_shared->part[parts + TRANSFORMER_VALUE];
    args.d_past_key = d_key;
    args.d_past_value = d_value;
  }
  p->run->k->attention_backward (p->run->q, &args);
  for (guint i = 0; a->d_left != NULL && i < 2; i++)
    p->run->k->add (p->run->q,
        &(MblmAdd){.batch = a->rows,
            .width = t->inner,
            .x = (float *) d_qkv + (1 + i) * t->inner,
            .x_stride = 3 * t->inner,
            .y = a->d_left->part[parts + TRANSFORMER_KEY + i],
            .y_stride = t->inner});
  if (t->rotary && args.forward.cosine == NULL) {
    MblmRope turn = rope (p, d_qkv);
    p->run->k->rope_backward (p->run->q, &turn);
  }
}

static void
attention_backward (Pass *p, const TransformerLayer *l,
    const TransformerLayer *g, guint parts, float *d)
{
  const Transformer *t = p->t;
  MblmRunMark mark = mblm_run_mark (p->run);
  void *d_qkv = mblm_transformer_pass_numbers (
      p, p->n * 3 * t->inner, p->inner_type);
  /* one makes way for the other */
  float *d_normed = mblm_run_floats (
      p->run, p->n * MAX (t->parent.dim, t->inner));
  void *d_attended = d_normed;
  MblmLinearBackward out = mblm_layer_linear_gradient (
      linear_out (p, l), g->out, NULL, d, d_attended);
  MblmLinearBackward in = mblm_layer_linear_gradient (
      linear_qkv (p, l), g->qkv, NULL, d_qkv, d_normed);

  out.d_x_type = in.d_out_type = p->inner_type;
  if (!p->run->failed) {
    p->run->k->linear_backward (p->run->q, &out);
    attend_backward (p, parts, d_attended, d_qkv);
    p->run->k->linear_backward (p->run->q, &in);
    norm_backward (p, l->attention_gain, g->attention_gain, p->input,
        parts + TRANSFORMER_ATTENTION_SHIFT, d_normed, d);
  }
  mblm_run_release (p->run, mark);
}

static void
last_norm_backward (Pass *p, float *d_gain, const float *x, float *d)
{
  gsize n = p->n * p->t->parent.dim;
  MblmRunMark mark = mblm_run_mark (p->run);
  float *d_x = mblm_run_floats (p->run, n);

  if (!p->run->failed) {
    p->run->k->shift_norm_backward (p->run->q,
        &(MblmShiftNormBackward){.forward = {.batch = p->args->batch,
                                     .rows = p->args->rows,
                                     .width = p->t->parent.dim,
                                     .x = x,
                                     .gain = p->t->gain,
                                     .epsilon = TRANSFORMER_EPSILON},
            .d_out = d,
            .d_x = d_x,
            .d_gain = d_gain});
    p->run->k->copy (p->run->q, d, d_x, n * sizeof (float));
  }
  mblm_run_release (p->run, mark);
}

void
mblm_transformer_layer_backward (MblmBlock *block, MblmBlock *gradient,
    MblmRun *run, const MblmLayerPass *args, gsize layer, float *d, float *kept)
{
  const Transformer *t = (Transformer *) block;
  const Transformer *g = (Transformer *) gradient;
  MblmRunMark mark = mblm_run_mark (run);
  Pass p = {.t = t, .run = run, .args = args, .n = args->batch * args->rows};
  guint parts = layer * TRANSFORMER_N_PARTS;

  if (layer == block->layers) {
    last_norm_backward (&p, g->gain, kept, d);
    return;
  }
  mblm_transformer_pass_place (&p, kept);
  mblm_transformer_pass_open (&p);
  if (!run->failed) {
    feed_forward_backward (&p, &t->layer[layer], &g->layer[layer], parts, d);
    attention_backward (&p, &t->layer[layer], &g->layer[layer], parts, d);
  }
  mblm_transformer_pass_close (&p);
  mblm_run_release (run, mark);
}
