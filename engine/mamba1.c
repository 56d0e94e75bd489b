/* mamba1.c: Mamba-1 layers.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mblm-math section 4. A layer:
 *
 *   x', z       = in_proj (norm (x))
 *   x'          = silu (conv (x'))
 *   dt', B, C   = x_proj (x')
 *   x          += out_proj (scan (x', dt_proj (dt'), B, C) * silu (z))
 *
 * There is no norm at the end. Decode state: for each layer the last inputs of
 * the convolution and the state of the scan.
 */

#include "block.h"

#include <math.h>

#define EPSILON 1e-5f

typedef struct {
  float *gain;       /* [dim] */
  MblmMatrix in;     /* [2 * inner, dim] */
  float *conv;       /* [inner, taps] */
  float *conv_bias;  /* [inner] */
  MblmMatrix x;      /* [rank + 2 * state, inner] */
  MblmMatrix delta;  /* [inner, rank] */
  float *delta_bias; /* [inner] */
  float *a_log;      /* [inner, state] */
  float *skip;       /* [inner] */
  MblmMatrix out;    /* [dim, inner] */
} Layer;

typedef struct {
  MblmBlock parent;
  gsize inner;   /* expand * dim */
  gsize rank;    /* ceil (dim / 16) */
  gsize state;   /* d_state */
  gsize taps;    /* d_conv */
  gsize x_width; /* rank + 2 * state */
  Layer *layer;
} Mamba1;

static MblmBlock *
mamba1_create (gsize dim, gsize layers, GVariant *options, GError **error)
{
  /* The published schema has headdim and dropout for Mamba-2 only, and asks for
   * headdim always. */
  static const char *const known[] = {
      "d_state", "d_conv", "expand", "headdim", "dropout", NULL};
  Mamba1 m = {0};
  double dropout;
  gsize expand, head_dim;

  if (!mblm_options_check_known (options, known, error) ||
      !mblm_options_get_int (
          options, "d_state", 1, 1024, G_MININT64, &m.state, error) ||
      !mblm_options_get_int (
          options, "d_conv", 1, 16, G_MININT64, &m.taps, error) ||
      !mblm_options_get_int (
          options, "expand", 1, 16, G_MININT64, &expand, error) ||
      !mblm_options_get_int (
          options, "headdim", 1, 1024, 64, &head_dim, error) ||
      !mblm_options_get_double (options, "dropout", 0, 1, 0, &dropout, error))
    return NULL;
  m.inner = expand * dim;
  m.rank = (dim + 15) / 16;
  m.x_width = m.rank + 2 * m.state;
  m.layer = g_new0 (Layer, layers);
  return g_memdup2 (&m, sizeof m);
}

static void
mamba1_free (MblmBlock *block)
{
  g_free (((Mamba1 *) block)->layer);
  g_free (block);
}

static void
declare_layer (const Mamba1 *m, Layer *l, gsize i, MblmParameters *p)
{
  gsize dim = m->parent.dim;
  MblmInit one = {MBLM_INIT_CONSTANT, .a = 1};
  MblmInit from_dim = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (dim)};
  MblmInit from_inner = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (m->inner)};
  MblmInit from_taps = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (m->taps)};
  MblmInit from_rank = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (m->rank)};

  mblm_parameters_add_vector (
      p, &l->gain, dim, 0, 0, one, "layers.%" G_GSIZE_FORMAT ".norm.weight", i);
  mblm_parameters_add_vector (p, &l->a_log, m->inner, m->state, 0,
      (MblmInit){MBLM_INIT_LOG_COUNT}, "layers.%" G_GSIZE_FORMAT ".mixer.A_log",
      i);
  mblm_parameters_add_vector (p, &l->skip, m->inner, 0, 0, one,
      "layers.%" G_GSIZE_FORMAT ".mixer.D", i);
  mblm_parameters_add_matrix (p, &l->in, 2 * m->inner, 0, 2 * m->inner, dim,
      from_dim, "layers.%" G_GSIZE_FORMAT ".mixer.in_proj.weight", i);
  mblm_parameters_add_vector (p, &l->conv, m->inner, 1, m->taps, from_taps,
      "layers.%" G_GSIZE_FORMAT ".mixer.conv1d.weight", i);
  mblm_parameters_add_vector (p, &l->conv_bias, m->inner, 0, 0, from_taps,
      "layers.%" G_GSIZE_FORMAT ".mixer.conv1d.bias", i);
  mblm_parameters_add_matrix (p, &l->x, m->x_width, 0, m->x_width, m->inner,
      from_inner, "layers.%" G_GSIZE_FORMAT ".mixer.x_proj.weight", i);
  mblm_parameters_add_matrix (p, &l->delta, m->inner, 0, m->inner, m->rank,
      from_rank, "layers.%" G_GSIZE_FORMAT ".mixer.dt_proj.weight", i);
  mblm_parameters_add_vector (p, &l->delta_bias, m->inner, 0, 0,
      (MblmInit){MBLM_INIT_STEP_SIZE, .a = 0.001, .b = 0.1},
      "layers.%" G_GSIZE_FORMAT ".mixer.dt_proj.bias", i);
  mblm_parameters_add_matrix (p, &l->out, dim, 0, dim, m->inner, from_inner,
      "layers.%" G_GSIZE_FORMAT ".mixer.out_proj.weight", i);
}

static void
mamba1_declare (MblmBlock *block, MblmParameters *parameters)
{
  Mamba1 *m = (Mamba1 *) block;

  for (gsize i = 0; i < block->layers; i++)
    declare_layer (m, &m->layer[i], i, parameters);
}

enum { PART_CONV, PART_SCAN, N_PARTS };

static guint
mamba1_n_parts (MblmBlock *block)
{
  return block->layers * N_PARTS;
}

static gsize
mamba1_part_size (MblmBlock *block, guint part, gsize rows)
{
  const Mamba1 *m = (Mamba1 *) block;
  return m->inner * (part % N_PARTS == PART_CONV ? m->taps - 1 : m->state);
}

typedef struct {
  const Mamba1 *m;
  MblmRun *run;
  const MblmAdvance *args;
  gsize n;            /* batch * rows */
  float *normed;      /* [n, dim] */
  float *in;          /* [n, 2 * inner]: x, z */
  float *conv;        /* [n, inner] */
  float *x;           /* [n, x_width]: dt', B, C */
  float *delta;       /* [n, inner] */
  float *y;           /* [n, inner] */
  const float **from; /* host scratch [batch], as `to` */
  float **to;
} Pass;

static void
linear (Pass *p, MblmMatrix weight, const float *bias, const float *x,
    gsize x_stride, float *out, bool accumulate)
{
  p->run->k->linear (p->run->q,
      &(MblmLinear){.weight = weight,
          .bias = bias,
          .accumulate = accumulate,
          .rows = p->n,
          .x = x,
          .x_stride = x_stride,
          .out = out,
          .out_stride = weight.rows});
}

static void
convolve (Pass *p, const Layer *l, guint parts)
{
  const Mamba1 *m = p->m;

  p->run->k->conv (p->run->q,
      &(MblmConv){.batch = p->args->batch,
          .rows = p->args->rows,
          .width = m->inner,
          .taps = m->taps,
          .x = p->in,
          .x_stride = 2 * m->inner,
          .weight = l->conv,
          .bias = l->conv_bias,
          .carry = mblm_advance_carry (
              p->args, parts + PART_CONV, p->from, p->to),
          .out = p->conv,
          .out_stride = m->inner});
}

static void
scan (Pass *p, const Layer *l, guint parts)
{
  const Mamba1 *m = p->m;

  p->run->k->selective_scan (p->run->q,
      &(MblmSelectiveScan){.batch = p->args->batch,
          .rows = p->args->rows,
          .width = m->inner,
          .state = m->state,
          .x = p->conv,
          .x_stride = m->inner,
          .delta = p->delta,
          .delta_stride = m->inner,
          .b = p->x + m->rank,
          .c = p->x + m->rank + m->state,
          .bc_stride = m->x_width,
          .z = p->in + m->inner,
          .z_stride = 2 * m->inner,
          .a_log = l->a_log,
          .skip = l->skip,
          .carry = mblm_advance_carry (
              p->args, parts + PART_SCAN, p->from, p->to),
          .y = p->y});
}

static void
layer_forward (Pass *p, const Layer *l, guint parts)
{
  const Mamba1 *m = p->m;

  p->run->k->rms_norm (p->run->q,
      &(MblmRmsNorm){.rows = p->n,
          .width = m->parent.dim,
          .x = p->args->x,
          .gain = l->gain,
          .epsilon = EPSILON,
          .out = p->normed});
  linear (p, l->in, NULL, p->normed, m->parent.dim, p->in, false);
  convolve (p, l, parts);
  linear (p, l->x, NULL, p->conv, m->inner, p->x, false);
  linear (p, l->delta, l->delta_bias, p->x, m->x_width, p->delta, false);
  scan (p, l, parts);
  linear (p, l->out, NULL, p->y, m->inner, p->args->x, true);
}

static gboolean
mamba1_advance (
    MblmBlock *block, MblmRun *run, const MblmAdvance *args, GError **error)
{
  const Mamba1 *m = (Mamba1 *) block;
  MblmRunMark mark = mblm_run_mark (run);
  Pass p = {.m = m, .run = run, .args = args, .n = args->batch * args->rows};

  p.normed = mblm_run_floats (run, p.n * block->dim);
  p.in = mblm_run_floats (run, p.n * 2 * m->inner);
  p.conv = mblm_run_floats (run, p.n * m->inner);
  p.x = mblm_run_floats (run, p.n * m->x_width);
  p.delta = mblm_run_floats (run, p.n * m->inner);
  p.y = mblm_run_floats (run, p.n * m->inner);
  p.from = g_new (const float *, args->states != NULL ? args->batch : 1);
  p.to = g_new (float *, args->states != NULL ? args->batch : 1);
  gboolean ok = mblm_run_check (run, error);
  for (gsize i = 0; ok && i < block->layers; i++) {
    layer_forward (&p, &m->layer[i], i * N_PARTS);
    ok = mblm_run_check (run, error);
  }
  if (ok)
    run->k->copy (
        run->q, args->out, args->x, p.n * block->dim * sizeof (float));
  g_free (p.from);
  g_free (p.to);
  mblm_run_release (run, mark);
  return ok;
}

const MblmBlockClass mblm_mamba1_class = {
    .abi = MBLM_BLOCK_ABI,
    .type = "mamba1",
    .causal = TRUE,
    .create = mamba1_create,
    .free = mamba1_free,
    .declare = mamba1_declare,
    .n_parts = mamba1_n_parts,
    .part_size = mamba1_part_size,
    .advance = mamba1_advance,
};
