/* mamba2.c: Mamba-2 layers.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mblm-math section 3. A layer:
 *
 *   z, xBC, dt = in_proj (norm (x))
 *   x', B, C   = silu (conv (xBC))
 *   x         += out_proj (gated_norm (scan (x', B, C, dt), z))
 *
 * and one norm at the end. The published code applies its dropout at the end
 * even when it does not train; that is a slip of it which we don't follow.
 *
 * Decode state: for each layer the last inputs of the convolution and the state
 * of the scan; its size does not depend on what was fed.
 */

#include "block.h"

#include <math.h>

#define EPSILON 1e-5f

typedef struct {
  float *gain;                      /* [dim] */
  MblmMatrix in;                    /* [in_width, dim] */
  float *conv;                      /* [conv_width, taps] */
  float *conv_bias;                 /* [conv_width] */
  float *delta_bias, *a_log, *skip; /* [heads] */
  float *gated_gain;                /* [inner] */
  MblmMatrix out;                   /* [dim, inner] */
} Layer;

typedef struct {
  MblmBlock parent;
  gsize inner; /* expand * dim = heads * head_dim */
  gsize heads, head_dim;
  gsize state;      /* d_state */
  gsize taps;       /* d_conv */
  gsize conv_width; /* inner + 2 * state */
  gsize in_width;   /* inner + conv_width + heads */
  float *gain;      /* [dim], of the last norm */
  Layer *layer;
} Mamba2;

static MblmBlock *
mamba2_create (gsize dim, gsize layers, GVariant *options, GError **error)
{
  static const char *const known[] = {
      "d_state", "d_conv", "expand", "headdim", "dropout", NULL};
  Mamba2 m = {0};
  double dropout;
  gsize expand;

  if (!mblm_options_check_known (options, known, error) ||
      !mblm_options_get_int (
          options, "d_state", 1, 1024, G_MININT64, &m.state, error) ||
      !mblm_options_get_int (
          options, "d_conv", 1, 16, G_MININT64, &m.taps, error) ||
      !mblm_options_get_int (
          options, "expand", 1, 16, G_MININT64, &expand, error) ||
      !mblm_options_get_int (
          options, "headdim", 1, 1024, G_MININT64, &m.head_dim, error) ||
      !mblm_options_get_double (options, "dropout", 0, 1, 0, &dropout, error))
    return NULL;
  m.inner = expand * dim;
  if (m.inner % m.head_dim != 0) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "block: expand times the hidden dimension, %" G_GSIZE_FORMAT
        ", is no multiple of headdim %" G_GSIZE_FORMAT "; change one of them",
        m.inner, m.head_dim);
    return NULL;
  }
  m.heads = m.inner / m.head_dim;
  m.conv_width = m.inner + 2 * m.state;
  m.in_width = m.inner + m.conv_width + m.heads;
  m.layer = g_new0 (Layer, layers);
  return g_memdup2 (&m, sizeof m);
}

static void
mamba2_free (MblmBlock *block)
{
  g_free (((Mamba2 *) block)->layer);
  g_free (block);
}

static void
declare_layer (const Mamba2 *m, Layer *l, gsize i, MblmParameters *p)
{
  gsize dim = m->parent.dim;
  MblmInit one = {MBLM_INIT_CONSTANT, .a = 1};
  MblmInit from_dim = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (dim)};
  MblmInit from_taps = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (m->taps)};
  MblmInit scaled = {
      MBLM_INIT_UNIFORM, .a = 1 / sqrt (m->inner) / sqrt (m->parent.layers)};

  mblm_parameters_add_vector (
      p, &l->gain, dim, 0, 0, one, "layers.%" G_GSIZE_FORMAT ".norm.weight", i);
  mblm_parameters_add_vector (p, &l->delta_bias, m->heads, 0, 0,
      (MblmInit){MBLM_INIT_STEP_SIZE, .a = 0.001, .b = 0.1},
      "layers.%" G_GSIZE_FORMAT ".mixer.dt_bias", i);
  mblm_parameters_add_vector (p, &l->a_log, m->heads, 0, 0,
      (MblmInit){MBLM_INIT_LOG_UNIFORM, .a = 1, .b = 16},
      "layers.%" G_GSIZE_FORMAT ".mixer.A_log", i);
  mblm_parameters_add_vector (p, &l->skip, m->heads, 0, 0, one,
      "layers.%" G_GSIZE_FORMAT ".mixer.D", i);
  mblm_parameters_add_matrix (p, &l->in, m->in_width, 0, m->in_width, dim,
      from_dim, "layers.%" G_GSIZE_FORMAT ".mixer.in_proj.weight", i);
  mblm_parameters_add_vector (p, &l->conv, m->conv_width, 1, m->taps, from_taps,
      "layers.%" G_GSIZE_FORMAT ".mixer.conv1d.weight", i);
  mblm_parameters_add_vector (p, &l->conv_bias, m->conv_width, 0, 0, from_taps,
      "layers.%" G_GSIZE_FORMAT ".mixer.conv1d.bias", i);
  mblm_parameters_add_vector (p, &l->gated_gain, m->inner, 0, 0, one,
      "layers.%" G_GSIZE_FORMAT ".mixer.norm.weight", i);
  mblm_parameters_add_matrix (p, &l->out, dim, 0, dim, m->inner, scaled,
      "layers.%" G_GSIZE_FORMAT ".mixer.out_proj.weight", i);
}

static void
mamba2_declare (MblmBlock *block, MblmParameters *parameters)
{
  Mamba2 *m = (Mamba2 *) block;

  for (gsize i = 0; i < block->layers; i++)
    declare_layer (m, &m->layer[i], i, parameters);
  mblm_parameters_add_vector (parameters, &m->gain, block->dim, 0, 0,
      (MblmInit){MBLM_INIT_CONSTANT, .a = 1}, "norm_f.weight");
}

enum { PART_CONV, PART_SCAN, N_PARTS };

static guint
mamba2_n_parts (MblmBlock *block)
{
  return block->layers * N_PARTS;
}

static gsize
mamba2_part_size (MblmBlock *block, guint part, gsize rows)
{
  const Mamba2 *m = (Mamba2 *) block;
  return part % N_PARTS == PART_CONV ? (m->taps - 1) * m->conv_width
                                     : m->inner * m->state;
}

typedef struct {
  const Mamba2 *m;
  MblmRun *run;
  const MblmAdvance *args;
  gsize n;            /* batch * rows */
  float *normed;      /* [n, dim] */
  float *in;          /* [n, in_width]: z, xBC, dt */
  float *conv;        /* [n, conv_width]: x, B, C */
  float *y;           /* [n, inner] */
  const float **from; /* host scratch [batch], as `to` */
  float **to;
} Pass;

/* The two operations that carry state. */
static void
mix (Pass *p, const Layer *l, guint parts)
{
  const Mamba2 *m = p->m;
  const MblmAdvance *a = p->args;
  const MblmKernels *k = p->run->k;

  k->conv (p->run->q,
      &(MblmConv){.batch = a->batch,
          .rows = a->rows,
          .width = m->conv_width,
          .taps = m->taps,
          .x = p->in + m->inner,
          .x_stride = m->in_width,
          .weight = l->conv,
          .bias = l->conv_bias,
          .carry = mblm_advance_carry (a, parts + PART_CONV, p->from, p->to),
          .out = p->conv,
          .out_stride = m->conv_width});
  k->ssd_scan (p->run->q,
      &(MblmSsdScan){.batch = a->batch,
          .rows = a->rows,
          .heads = m->heads,
          .head_dim = m->head_dim,
          .state = m->state,
          .x = p->conv,
          .b = p->conv + m->inner,
          .c = p->conv + m->inner + m->state,
          .xbc_stride = m->conv_width,
          .delta = p->in + m->inner + m->conv_width,
          .delta_stride = m->in_width,
          .delta_bias = l->delta_bias,
          .a_log = l->a_log,
          .skip = l->skip,
          .carry = mblm_advance_carry (a, parts + PART_SCAN, p->from, p->to),
          .y = p->y});
}

static void
layer_forward (Pass *p, const Layer *l, guint parts)
{
  const Mamba2 *m = p->m;
  const MblmKernels *k = p->run->k;
  MblmQueue *q = p->run->q;

  k->rms_norm (q,
      &(MblmRmsNorm){.rows = p->n,
          .width = m->parent.dim,
          .x = p->args->x,
          .gain = l->gain,
          .epsilon = EPSILON,
          .out = p->normed});
  k->linear (q,
      &(MblmLinear){.weight = l->in,
          .rows = p->n,
          .x = p->normed,
          .x_stride = m->parent.dim,
          .out = p->in,
          .out_stride = m->in_width});
  mix (p, l, parts);
  k->gated_norm (q,
      &(MblmGatedNorm){.rows = p->n,
          .width = m->inner,
          .y = p->y,
          .y_stride = m->inner,
          .z = p->in,
          .z_stride = m->in_width,
          .gain = l->gated_gain,
          .epsilon = EPSILON,
          .out = p->y});
  k->linear (q,
      &(MblmLinear){.weight = l->out,
          .accumulate = true,
          .rows = p->n,
          .x = p->y,
          .x_stride = m->inner,
          .out = p->args->x,
          .out_stride = m->parent.dim});
}

static gboolean
mamba2_advance (
    MblmBlock *block, MblmRun *run, const MblmAdvance *args, GError **error)
{
  const Mamba2 *m = (Mamba2 *) block;
  MblmRunMark mark = mblm_run_mark (run);
  Pass p = {.m = m, .run = run, .args = args, .n = args->batch * args->rows};

  p.normed = mblm_run_floats (run, p.n * block->dim);
  p.in = mblm_run_floats (run, p.n * m->in_width);
  p.conv = mblm_run_floats (run, p.n * m->conv_width);
  p.y = mblm_run_floats (run, p.n * m->inner);
  p.from = g_new (const float *, args->states != NULL ? args->batch : 1);
  p.to = g_new (float *, args->states != NULL ? args->batch : 1);
  gboolean ok = mblm_run_check (run, error);
  for (gsize i = 0; ok && i < block->layers; i++) {
    layer_forward (&p, &m->layer[i], i * N_PARTS);
    ok = mblm_run_check (run, error);
  }
  if (ok)
    run->k->rms_norm (run->q,
        &(MblmRmsNorm){.rows = p.n,
            .width = block->dim,
            .x = args->x,
            .gain = m->gain,
            .epsilon = EPSILON,
            .out = args->out});
  g_free (p.from);
  g_free (p.to);
  mblm_run_release (run, mark);
  return ok;
}

const MblmBlockClass mblm_mamba2_class = {
    .abi = MBLM_BLOCK_ABI,
    .type = "mamba2",
    .causal = TRUE,
    .create = mamba2_create,
    .free = mamba2_free,
    .declare = mamba2_declare,
    .n_parts = mamba2_n_parts,
    .part_size = mamba2_part_size,
    .advance = mamba2_advance,
};
