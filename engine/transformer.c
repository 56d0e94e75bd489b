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

#include "block.h"

#include <math.h>

#define EPSILON 1e-8f

typedef struct {
  float *attention_gain; /* [dim] */
  MblmMatrix qkv;        /* [3 * inner, dim]: to_q above to_kv */
  MblmMatrix out;        /* [dim, inner] */
  float *ff_gain;        /* [dim] */
  MblmMatrix up;         /* [wide, dim] */
  float *up_bias;
  MblmMatrix down; /* [dim, wide] */
  float *down_bias;
} Layer;

typedef struct {
  MblmBlock parent;
  gboolean causal;
  gboolean rotary;
  gboolean masked_is_zero; /* what the published fused attention does */
  gsize heads, head_dim;
  gsize inner;      /* heads * head_dim */
  gsize wide;       /* of the feed-forward layer */
  float *frequency; /* [head_dim / 2] */
  float *gain;      /* [dim], of the last norm */
  Layer *layer;     /* [layers] */
} Transformer;

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
  double dropout;
  gsize multiplier;

  if (!mblm_options_check_known (options, known, error) ||
      !mblm_options_get_int (
          options, "attn_head_dims", 1, 512, G_MININT64, &t.head_dim, error) ||
      !mblm_options_get_int (
          options, "attn_num_heads", 1, 1024, G_MININT64, &t.heads, error) ||
      !mblm_options_get_boolean (
          options, "attn_use_rot_embs", -1, &t.rotary, error) ||
      !mblm_options_get_double (
          options, "attn_dropout", 0, 1, 0, &dropout, error) ||
      !mblm_options_get_int (
          options, "ff_multiplier", 1, 64, 2, &multiplier, error) ||
      !mblm_options_get_double (
          options, "ff_dropout", 0, 1, 0, &dropout, error) ||
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
  t.layer = g_new0 (Layer, layers);
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
declare_layer (
    const Transformer *t, Layer *l, gsize i, MblmParameters *parameters)
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

enum { PART_KEY, PART_VALUE, PART_ATTENTION_SHIFT, PART_FF_SHIFT, N_PARTS };

static guint
transformer_n_parts (MblmBlock *block)
{
  return block->layers * N_PARTS;
}

static gsize
transformer_part_size (MblmBlock *block, guint part, gsize rows)
{
  switch (part % N_PARTS) {
    case PART_KEY:
    case PART_VALUE:
      return rows * ((Transformer *) block)->inner;
    default:
      return block->dim / 2;
  }
}

/* ------------------------------------------------------------------------- */
/* Forward                                                                   */
/* ------------------------------------------------------------------------- */

/* What one pass over the layers works with. */
typedef struct {
  const Transformer *t;
  MblmRun *run;
  const MblmAdvance *args; /* states: causal blocks only */
  const guint8 *mask;      /* [batch, rows] of device memory, or NULL */
  gsize n;                 /* batch * rows */
  float *normed;           /* [n, dim] */
  float *qkv;              /* [n, 3 * inner] */
  float *attended;         /* [n, inner] */
  float *wide;             /* [n, wide] */
  float *cosine, *sine;    /* [rows or n, head_dim / 2] */
  gsize angle_stride;
  gsize *past;        /* host [batch] */
  const float **from; /* host scratch [batch], as the next two */
  float **to;
  const float **past_value;
} Pass;

static gboolean
pass_init (Pass *p, GError **error)
{
  const Transformer *t = p->t;
  const MblmAdvance *a = p->args;
  gsize half = t->head_dim / 2;
  gboolean own = a->states != NULL && a->batch > 1;

  p->n = a->batch * a->rows;
  p->normed = mblm_run_floats (p->run, p->n * t->parent.dim);
  p->qkv = mblm_run_floats (p->run, p->n * 3 * t->inner);
  p->attended = mblm_run_floats (p->run, p->n * t->inner);
  p->wide = mblm_run_floats (p->run, p->n * t->wide);
  p->angle_stride = own ? a->rows : 0;
  p->cosine = mblm_run_floats (p->run, (own ? p->n : a->rows) * half);
  p->sine = mblm_run_floats (p->run, (own ? p->n : a->rows) * half);
  if (!mblm_run_check (p->run, error))
    return FALSE;

  gsize hosts = a->states != NULL ? a->batch : 1;
  p->past = g_new0 (gsize, hosts);
  p->from = g_new (const float *, hosts);
  p->to = g_new (float *, hosts);
  p->past_value = g_new (const float *, hosts);
  for (gsize b = 0; b < hosts; b++)
    p->past[b] = a->states != NULL ? a->states[b]->rows
        : a->shared != NULL        ? a->shared->rows
                                   : 0;
  for (gsize b = 0; t->rotary && b < (own ? a->batch : 1); b++)
    p->run->k->rope_angles (p->run->q,
        &(MblmRopeAngles){.frequency = t->frequency,
            .half = half,
            .first = p->past[b],
            .rows = a->rows,
            .cosine = p->cosine + b * a->rows * half,
            .sine = p->sine + b * a->rows * half});
  return TRUE;
}

static void
pass_clear (Pass *p)
{
  g_free (p->past);
  g_free (p->from);
  g_free (p->to);
  g_free (p->past_value);
}

static void
norm (Pass *p, const float *gain, guint shift_part)
{
  const MblmAdvance *a = p->args;
  MblmCarry carry = {0};

  if (p->t->causal)
    carry = mblm_advance_carry (a, shift_part, p->from, p->to);
  p->run->k->shift_norm (p->run->q,
      &(MblmShiftNorm){.batch = a->batch,
          .rows = a->rows,
          .width = p->t->parent.dim,
          .x = a->x,
          .shift = p->t->causal,
          .carry = carry,
          .gain = gain,
          .epsilon = EPSILON,
          .out = p->normed});
}

static void
attend (Pass *p, guint parts)
{
  const Transformer *t = p->t;
  const MblmAdvance *a = p->args;
  gboolean has_past = a->states != NULL || a->shared != NULL;
  gsize hosts = a->states != NULL ? a->batch : 1;

  for (gsize b = 0; has_past && b < hosts; b++) {
    float **part = a->states != NULL ? a->states[b]->part : a->shared->part;
    p->from[b] = part[parts + PART_KEY];
    p->past_value[b] = part[parts + PART_VALUE];
  }
  p->run->k->attention (p->run->q,
      &(MblmAttention){.batch = a->batch,
          .rows = a->rows,
          .heads = t->heads,
          .head_dim = t->head_dim,
          .query = p->qkv,
          .query_stride = 3 * t->inner,
          .key = p->qkv + t->inner,
          .value = p->qkv + 2 * t->inner,
          .key_stride = 3 * t->inner,
          .causal = t->causal,
          .past_key = has_past ? p->from : NULL,
          .past_value = has_past ? p->past_value : NULL,
          .past = has_past ? p->past : NULL,
          .past_shared = a->shared != NULL,
          .key_mask = p->mask,
          .masked_is_zero = t->masked_is_zero,
          .out = p->attended});
}

/* Appends the new keys and values to the states. */
static void
remember (Pass *p, guint parts)
{
  const Transformer *t = p->t;
  const MblmAdvance *a = p->args;

  for (gsize b = 0; b < a->batch; b++)
    for (guint i = 0; i < 2; i++)
      p->run->k->copy_rows (p->run->q,
          &(MblmCopyRows){.batch = a->rows,
              .width = t->inner,
              .x = p->qkv + b * a->rows * 3 * t->inner + (1 + i) * t->inner,
              .x_stride = 3 * t->inner,
              .out = a->states[b]->part[parts + PART_KEY + i] +
                  p->past[b] * t->inner,
              .out_stride = t->inner});
}

static void
attention_layer (Pass *p, const Layer *l, guint parts)
{
  const Transformer *t = p->t;
  const MblmAdvance *a = p->args;
  const MblmKernels *k = p->run->k;
  MblmQueue *q = p->run->q;

  norm (p, l->attention_gain, parts + PART_ATTENTION_SHIFT);
  k->linear (q,
      &(MblmLinear){.weight = l->qkv,
          .rows = p->n,
          .x = p->normed,
          .x_stride = t->parent.dim,
          .out = p->qkv,
          .out_stride = 3 * t->inner});
  if (t->rotary)
    k->rope (q,
        &(MblmRope){.form = MBLM_ROPE_HALVES,
            .batch = a->batch,
            .rows = a->rows,
            .heads = 2 * t->heads, /* queries and keys lie side by side */
            .half = t->head_dim / 2,
            .x = p->qkv,
            .x_stride = 3 * t->inner,
            .cosine = p->cosine,
            .sine = p->sine,
            .angle_stride = p->angle_stride});
  attend (p, parts);
  if (a->states != NULL)
    remember (p, parts);
  k->linear (q,
      &(MblmLinear){.weight = l->out,
          .accumulate = true,
          .rows = p->n,
          .x = p->attended,
          .x_stride = t->inner,
          .out = a->x,
          .out_stride = t->parent.dim});
}

static void
feed_forward_layer (Pass *p, const Layer *l, guint parts)
{
  const Transformer *t = p->t;
  const MblmKernels *k = p->run->k;

  norm (p, l->ff_gain, parts + PART_FF_SHIFT);
  k->linear (p->run->q,
      &(MblmLinear){.weight = l->up,
          .bias = l->up_bias,
          .activation = MBLM_ACTIVATION_GELU,
          .rows = p->n,
          .x = p->normed,
          .x_stride = t->parent.dim,
          .out = p->wide,
          .out_stride = t->wide});
  k->linear (p->run->q,
      &(MblmLinear){.weight = l->down,
          .bias = l->down_bias,
          .accumulate = true,
          .rows = p->n,
          .x = p->wide,
          .x_stride = t->wide,
          .out = p->args->x,
          .out_stride = t->parent.dim});
}

static gboolean
forward (const Transformer *t, MblmRun *run, const MblmAdvance *args,
    const guint8 *mask, GError **error)
{
  MblmRunMark mark = mblm_run_mark (run);
  Pass pass = {.t = t, .run = run, .args = args, .mask = mask};
  gboolean ok = pass_init (&pass, error);

  for (gsize i = 0; ok && i < t->parent.layers; i++) {
    attention_layer (&pass, &t->layer[i], i * N_PARTS);
    feed_forward_layer (&pass, &t->layer[i], i * N_PARTS);
    ok = mblm_run_check (run, error);
  }
  if (ok)
    run->k->shift_norm (run->q,
        &(MblmShiftNorm){.batch = args->batch,
            .rows = args->rows,
            .width = t->parent.dim,
            .x = args->x,
            .gain = t->gain,
            .epsilon = EPSILON,
            .out = args->out});
  pass_clear (&pass);
  mblm_run_release (run, mark);
  return ok;
}

static gboolean
transformer_advance (
    MblmBlock *block, MblmRun *run, const MblmAdvance *args, GError **error)
{
  return forward ((Transformer *) block, run, args, NULL, error);
}

static gboolean
transformer_encode (MblmBlock *block, MblmRun *run, gsize batch, gsize rows,
    float *x, float *out, const guint8 *mask, GError **error)
{
  MblmAdvance args = {.batch = batch, .rows = rows, .x = x, .out = out};
  return forward ((Transformer *) block, run, &args, mask, error);
}

const MblmBlockClass mblm_transformer_class = {
    .abi = MBLM_BLOCK_ABI,
    .type = "transformer",
    .causal = TRUE,
    .create = decoder_create,
    .free = transformer_free,
    .declare = transformer_declare,
    .n_parts = transformer_n_parts,
    .part_size = transformer_part_size,
    .advance = transformer_advance,
};

const MblmBlockClass mblm_transformer_encoder_class = {
    .abi = MBLM_BLOCK_ABI,
    .type = "transformerEncoder",
    .causal = FALSE,
    .create = transformer_create,
    .free = transformer_free,
    .declare = transformer_declare,
    .encode = transformer_encode,
};
