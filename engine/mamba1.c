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

#include "layer.h"

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

/* ------------------------------------------------------------------------- */
/* The operations, as forward and backward both describe them                */
/* ------------------------------------------------------------------------- */

typedef struct {
  const Mamba1 *m;
  MblmRun *run;
  const MblmLayerPass *args;
  gsize n;       /* batch * rows */
  float *stream; /* [n, dim], the residual stream */
  float *input;  /* [n, dim]: it before the layer; NULL while playing */
  float *normed; /* [n, dim] */
  float *in;     /* [n, 2 * inner]: x, z */
  float *conv;   /* [n, inner] */
  float *x;      /* [n, x_width]: dt', B, C */
  float *delta;  /* [n, inner] */
  float *y;      /* [n, inner] */
  MblmLayerHosts hosts;
} Pass;

static MblmRmsNorm
norm (Pass *p, const Layer *l, const float *x)
{
  return (MblmRmsNorm){.rows = p->n,
      .width = p->m->parent.dim,
      .x = x,
      .gain = l->gain,
      .epsilon = EPSILON,
      .out = p->normed};
}

static MblmLinear
linear (Pass *p, MblmMatrix weight, const float *x, gsize x_stride, float *out)
{
  return mblm_layer_linear (p->run, p->n, weight, x, x_stride, out);
}

static MblmConv
convolution (Pass *p, const Layer *l, guint parts)
{
  const Mamba1 *m = p->m;

  return (MblmConv){.batch = p->args->batch,
      .rows = p->args->rows,
      .width = m->inner,
      .taps = m->taps,
      .x = p->in,
      .x_stride = 2 * m->inner,
      .weight = l->conv,
      .bias = l->conv_bias,
      .carry = mblm_layer_carry (
          p->args, parts + PART_CONV, p->hosts.from, p->hosts.to),
      .out = p->conv,
      .out_stride = m->inner};
}

static MblmSelectiveScan
scan (Pass *p, const Layer *l, guint parts)
{
  const Mamba1 *m = p->m;

  return (MblmSelectiveScan){.batch = p->args->batch,
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
      .carry = mblm_layer_carry (
          p->args, parts + PART_SCAN, p->hosts.from, p->hosts.to),
      .y = p->y};
}

/* ------------------------------------------------------------------------- */
/* Forward                                                                   */
/* ------------------------------------------------------------------------- */

static void
layer_forward (Pass *p, const Layer *l, guint parts)
{
  const Mamba1 *m = p->m;
  const MblmKernels *k = p->run->k;
  MblmQueue *q = p->run->q;
  MblmRmsNorm normed = norm (p, l, p->stream);
  MblmLinear product = linear (p, l->in, p->normed, m->parent.dim, p->in);
  MblmConv convolve = convolution (p, l, parts);

  if (p->input != NULL)
    k->copy (q, p->input, p->stream, p->n * m->parent.dim * sizeof (float));
  k->rms_norm (q, &normed);
  k->linear (q, &product);
  k->conv (q, &convolve);
  product = linear (p, l->x, p->conv, m->inner, p->x);
  k->linear (q, &product);
  product = linear (p, l->delta, p->x, m->x_width, p->delta);
  product.bias = l->delta_bias;
  k->linear (q, &product);
  MblmSelectiveScan scanned = scan (p, l, parts);
  k->selective_scan (q, &scanned);
  if (p->args->again)
    return;
  product = linear (p, l->out, p->y, m->inner, p->stream);
  product.residual = p->stream;
  k->linear (q, &product);
}

static gboolean
mamba1_advance (
    MblmBlock *block, MblmRun *run, const MblmAdvance *args, GError **error)
{
  const Mamba1 *m = (Mamba1 *) block;
  MblmRunMark mark = mblm_run_mark (run);
  MblmLayerPass pass = {.batch = args->batch,
      .rows = args->rows,
      .shared = args->shared,
      .states = args->states};
  Pass p = {.m = m,
      .run = run,
      .args = &pass,
      .n = args->batch * args->rows,
      .stream = args->x};

  p.normed = mblm_run_floats (run, p.n * block->dim);
  p.in = mblm_run_floats (run, p.n * 2 * m->inner);
  p.conv = mblm_run_floats (run, p.n * m->inner);
  p.x = mblm_run_floats (run, p.n * m->x_width);
  p.delta = mblm_run_floats (run, p.n * m->inner);
  p.y = mblm_run_floats (run, p.n * m->inner);
  mblm_layer_hosts_open (&p.hosts, p.args);
  gboolean ok = mblm_run_check (run, error);
  for (gsize i = 0; ok && i < block->layers; i++) {
    layer_forward (&p, &m->layer[i], i * N_PARTS);
    ok = mblm_run_check (run, error);
  }
  if (ok)
    run->k->copy (
        run->q, args->out, args->x, p.n * block->dim * sizeof (float));
  mblm_layer_hosts_close (&p.hosts);
  mblm_run_release (run, mark);
  return ok;
}

/* ------------------------------------------------------------------------- */
/* Training                                                                  */
/* ------------------------------------------------------------------------- */

/* Nothing follows the last layer. */
static gsize
mamba1_kept_size (
    MblmBlock *block, MblmType product, gsize layer, gsize batch, gsize rows)
{
  const Mamba1 *m = (Mamba1 *) block;

  if (layer == block->layers)
    return 0;
  return batch * rows * (2 * block->dim + 5 * m->inner + m->x_width);
}

static void
pass_place (Pass *p, float *kept)
{
  const Mamba1 *m = p->m;

  p->input = kept;
  p->normed = p->input + p->n * m->parent.dim;
  p->in = p->normed + p->n * m->parent.dim;
  p->conv = p->in + p->n * 2 * m->inner;
  p->x = p->conv + p->n * m->inner;
  p->delta = p->x + p->n * m->x_width;
  p->y = p->delta + p->n * m->inner;
}

static void
mamba1_layer_forward (MblmBlock *block, MblmRun *run, const MblmLayerPass *args,
    gsize layer, float *x, float *kept)
{
  const Mamba1 *m = (Mamba1 *) block;
  Pass p = {.m = m,
      .run = run,
      .args = args,
      .n = args->batch * args->rows,
      .stream = x};

  if (layer == block->layers)
    return;
  pass_place (&p, kept);
  mblm_layer_hosts_open (&p.hosts, p.args);
  layer_forward (&p, &m->layer[layer], layer * N_PARTS);
  mblm_layer_hosts_close (&p.hosts);
}

/* Gradients of what a layer works with, shaped as in Pass. */
typedef struct {
  float *normed, *in, *conv, *x, *delta, *y;
} Gradients;

static void
scan_backward (
    Pass *p, const Layer *l, const Layer *g, guint parts, const Gradients *d)
{
  const Mamba1 *m = p->m;
  const float *d_to[1];
  float *d_from[1];

  p->run->k->selective_scan_backward (p->run->q,
      &(MblmSelectiveScanBackward){.forward = scan (p, l, parts),
          .d_y = d->y,
          .d_x = d->conv,
          .d_x_stride = m->inner,
          .d_delta = d->delta,
          .d_delta_stride = m->inner,
          .d_b = d->x + m->rank,
          .d_c = d->x + m->rank + m->state,
          .d_bc_stride = m->x_width,
          .d_z = d->in + m->inner,
          .d_z_stride = 2 * m->inner,
          .d_a_log = g->a_log,
          .d_skip = g->skip,
          .d_carry = mblm_layer_carry_gradient (
              p->args, parts + PART_SCAN, d_to, d_from)});
}

static void
layer_backward (Pass *p, const Layer *l, const Layer *g, guint parts,
    const Gradients *d, float *d_stream)
{
  const Mamba1 *m = p->m;
  const float *d_to[1];
  float *d_from[1];

  mblm_layer_linear_backward (p->run, linear (p, l->out, p->y, m->inner, NULL),
      g->out, NULL, d_stream, FALSE, d->y);
  scan_backward (p, l, g, parts, d);
  mblm_layer_linear_backward (p->run,
      linear (p, l->delta, p->x, m->x_width, NULL), g->delta, g->delta_bias,
      d->delta, FALSE, d->x);
  mblm_layer_linear_backward (p->run, linear (p, l->x, p->conv, m->inner, NULL),
      g->x, NULL, d->x, TRUE, d->conv);
  p->run->k->conv_backward (p->run->q,
      &(MblmConvBackward){.forward = convolution (p, l, parts),
          .d_out = d->conv,
          .d_out_stride = m->inner,
          .d_x = d->in,
          .d_x_stride = 2 * m->inner,
          .d_weight = g->conv,
          .d_bias = g->conv_bias,
          .d_carry = mblm_layer_carry_gradient (
              p->args, parts + PART_CONV, d_to, d_from)});
  mblm_layer_linear_backward (p->run,
      linear (p, l->in, p->normed, m->parent.dim, NULL), g->in, NULL, d->in,
      FALSE, d->normed);
  p->run->k->rms_norm_backward (p->run->q,
      &(MblmRmsNormBackward){.forward = norm (p, l, p->input),
          .d_out = d->normed,
          .accumulate = true,
          .d_x = d_stream,
          .d_gain = g->gain});
}

static void
mamba1_layer_backward (MblmBlock *block, MblmBlock *gradient, MblmRun *run,
    const MblmLayerPass *args, gsize layer, float *d, float *kept)
{
  const Mamba1 *m = (Mamba1 *) block, *g = (Mamba1 *) gradient;
  MblmRunMark mark = mblm_run_mark (run);
  Pass p = {.m = m, .run = run, .args = args, .n = args->batch * args->rows};

  if (layer == block->layers)
    return;
  Gradients gradients = {
      .normed = mblm_run_floats (run, p.n * block->dim),
      .in = mblm_run_floats (run, p.n * 2 * m->inner),
      .conv = mblm_run_floats (run, p.n * m->inner),
      .x = mblm_run_floats (run, p.n * m->x_width),
      .delta = mblm_run_floats (run, p.n * m->inner),
      .y = mblm_run_floats (run, p.n * m->inner),
  };
  pass_place (&p, kept);
  mblm_layer_hosts_open (&p.hosts, p.args);
  if (!run->failed)
    layer_backward (
        &p, &m->layer[layer], &g->layer[layer], layer * N_PARTS, &gradients, d);
  mblm_layer_hosts_close (&p.hosts);
  mblm_run_release (run, mark);
}

static gboolean
mamba1_check_training (MblmBlock *block, gboolean *drops, GError **error)
{
  *drops = FALSE;
  return TRUE;
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
    .kept_size = mamba1_kept_size,
    .layer_forward = mamba1_layer_forward,
    .layer_backward = mamba1_layer_backward,
    .check_training = mamba1_check_training,
    .segments = TRUE,
};
