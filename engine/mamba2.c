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

#include "layer.h"

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
  double dropout;   /* of the last layer's output, while training */
  float *gain;      /* [dim], of the last norm */
  Layer *layer;
} Mamba2;

static MblmBlock *
mamba2_create (gsize dim, gsize layers, GVariant *options, GError **error)
{
  static const char *const known[] = {
      "d_state", "d_conv", "expand", "headdim", "dropout", NULL};
  Mamba2 m = {0};
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
      !mblm_options_get_double (options, "dropout", 0, 1, 0, &m.dropout, error))
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

/* ------------------------------------------------------------------------- */
/* The operations, as forward and backward both describe them                */
/* ------------------------------------------------------------------------- */

typedef struct {
  const Mamba2 *m;
  MblmRun *run;
  const MblmLayerPass *args;
  gsize n;       /* batch * rows */
  float *x;      /* [n, dim], the residual stream */
  float *input;  /* [n, dim]: x before the layer; NULL while playing */
  float *normed; /* [n, dim]; not kept */
  float *in;     /* [n, in_width]: z, xBC, dt */
  float *conv;   /* [n, conv_width]: x, B, C */
  float *y;      /* [n, inner]: of the scan */
  float *gated;  /* [n, inner]; not kept, `y` while playing */
  MblmLayerHosts hosts;
} Pass;

static MblmRmsNorm
norm (const Mamba2 *m, gsize n, const float *gain, const float *x, float *out)
{
  return (MblmRmsNorm){.rows = n,
      .width = m->parent.dim,
      .x = x,
      .gain = gain,
      .epsilon = EPSILON,
      .out = out};
}

static MblmLinear
linear (Pass *p, MblmMatrix weight, const float *x, float *out)
{
  return mblm_layer_linear (p->run, p->n, weight, x, weight.cols, out);
}

static MblmConv
convolution (Pass *p, const Layer *l, guint parts)
{
  const Mamba2 *m = p->m;

  return (MblmConv){.batch = p->args->batch,
      .rows = p->args->rows,
      .width = m->conv_width,
      .taps = m->taps,
      .x = p->in + m->inner,
      .x_stride = m->in_width,
      .weight = l->conv,
      .bias = l->conv_bias,
      .carry = mblm_layer_carry (
          p->args, parts + PART_CONV, p->hosts.from, p->hosts.to),
      .out = p->conv,
      .out_stride = m->conv_width};
}

static MblmSsdScan
scan (Pass *p, const Layer *l, guint parts)
{
  const Mamba2 *m = p->m;

  return (MblmSsdScan){.batch = p->args->batch,
      .rows = p->args->rows,
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
      .carry = mblm_layer_carry (
          p->args, parts + PART_SCAN, p->hosts.from, p->hosts.to),
      .y = p->y,
      .product = p->run->product};
}

static MblmGatedNorm
gate (Pass *p, const Layer *l)
{
  return (MblmGatedNorm){.rows = p->n,
      .width = p->m->inner,
      .y = p->y,
      .y_stride = p->m->inner,
      .z = p->in,
      .z_stride = p->m->in_width,
      .gain = l->gated_gain,
      .epsilon = EPSILON,
      .out = p->gated};
}

/* ------------------------------------------------------------------------- */
/* Forward                                                                   */
/* ------------------------------------------------------------------------- */

/* The published dropout is that of the last layer's output, before it joins the
 * residual stream. */
static gboolean
drops (const Pass *p, gsize layer)
{
  return p->args->drops && p->m->dropout > 0 &&
      layer == p->m->parent.layers - 1;
}

static void
drop (Pass *p, float *x)
{
  p->run->k->dropout (p->run->q,
      &(MblmDropout){.count = p->n * p->m->parent.dim,
          .x = x,
          .probability = p->m->dropout,
          .seed = p->args->drop_seed,
          .first = p->args->drop_first});
}

static void
add_output (Pass *p, const Layer *l, gsize layer)
{
  gsize dim = p->m->parent.dim;
  MblmRunMark mark = mblm_run_mark (p->run);
  MblmLinear product = linear (p, l->out, p->gated, p->x);

  if (!drops (p, layer)) {
    product.residual = p->x;
    p->run->k->linear (p->run->q, &product);
    return;
  }
  product.out = mblm_run_floats (p->run, p->n * dim);
  if (product.out != NULL) {
    p->run->k->linear (p->run->q, &product);
    drop (p, product.out);
    p->run->k->add (p->run->q,
        &(MblmAdd){
            .batch = 1, .width = p->n * dim, .x = p->x, .y = product.out});
  }
  mblm_run_release (p->run, mark);
}

static void
layer_forward (Pass *p, const Layer *l, gsize layer)
{
  const MblmKernels *k = p->run->k;
  MblmQueue *q = p->run->q;
  guint parts = layer * N_PARTS;
  MblmRmsNorm normed = norm (p->m, p->n, l->gain, p->x, p->normed);
  MblmLinear product = linear (p, l->in, p->normed, p->in);
  MblmConv convolve = convolution (p, l, parts);

  if (p->input != NULL)
    k->copy (q, p->input, p->x, p->n * p->m->parent.dim * sizeof (float));
  k->rms_norm (q, &normed);
  k->linear (q, &product);
  k->conv (q, &convolve);
  MblmSsdScan scanned = scan (p, l, parts);
  k->ssd_scan (q, &scanned);
  MblmGatedNorm gated = gate (p, l);
  k->gated_norm (q, &gated);
  if (!p->args->again)
    add_output (p, l, layer);
}

static gboolean
mamba2_advance (
    MblmBlock *block, MblmRun *run, const MblmAdvance *args, GError **error)
{
  const Mamba2 *m = (Mamba2 *) block;
  MblmRunMark mark = mblm_run_mark (run);
  MblmLayerPass pass = {.batch = args->batch,
      .rows = args->rows,
      .shared = args->shared,
      .states = args->states};
  Pass p = {.m = m,
      .run = run,
      .args = &pass,
      .n = args->batch * args->rows,
      .x = args->x};

  p.normed = mblm_run_floats (run, p.n * block->dim);
  p.in = mblm_run_floats (run, p.n * m->in_width);
  p.conv = mblm_run_floats (run, p.n * m->conv_width);
  p.y = p.gated = mblm_run_floats (run, p.n * m->inner);
  mblm_layer_hosts_open (&p.hosts, p.args);
  gboolean ok = mblm_run_check (run, error);
  for (gsize i = 0; ok && i < block->layers; i++) {
    layer_forward (&p, &m->layer[i], i);
    ok = mblm_run_check (run, error);
  }
  if (ok) {
    MblmRmsNorm last = norm (m, p.n, m->gain, args->x, args->out);
    run->k->rms_norm (run->q, &last);
  }
  mblm_layer_hosts_close (&p.hosts);
  mblm_run_release (run, mark);
  return ok;
}

/* ------------------------------------------------------------------------- */
/* Training                                                                  */
/* ------------------------------------------------------------------------- */

static gsize
mamba2_kept_size (
    MblmBlock *block, MblmType product, gsize layer, gsize batch, gsize rows)
{
  const Mamba2 *m = (Mamba2 *) block;
  gsize width = layer == block->layers
      ? block->dim
      : block->dim + m->in_width + m->conv_width + m->inner;

  return batch * rows * width;
}

/* What follows from the rest by a norm is computed again: its memory would cost
 * more. */
static void
pass_place (Pass *p, float *kept)
{
  const Mamba2 *m = p->m;

  p->input = kept;
  p->in = p->input + p->n * m->parent.dim;
  p->conv = p->in + p->n * m->in_width;
  p->y = p->conv + p->n * m->conv_width;
}

static void
mamba2_layer_forward (MblmBlock *block, MblmRun *run, const MblmLayerPass *args,
    gsize layer, float *x, float *kept)
{
  const Mamba2 *m = (Mamba2 *) block;
  Pass p = {
      .m = m, .run = run, .args = args, .n = args->batch * args->rows, .x = x};

  if (layer == block->layers) {
    MblmRmsNorm last = norm (m, p.n, m->gain, x, x);
    run->k->copy (run->q, kept, x, p.n * block->dim * sizeof (float));
    run->k->rms_norm (run->q, &last);
    return;
  }
  pass_place (&p, kept);
  MblmRunMark mark = mblm_run_mark (run);
  p.normed = mblm_run_floats (run, p.n * block->dim);
  p.gated = mblm_run_floats (run, p.n * m->inner);
  mblm_layer_hosts_open (&p.hosts, p.args);
  if (!run->failed)
    layer_forward (&p, &m->layer[layer], layer);
  mblm_layer_hosts_close (&p.hosts);
  mblm_run_release (run, mark);
}

/* The two operations that carry state: from d_y [n, inner] to what lies behind
 * z in d_in [n, in_width]. */
static void
mix_backward (Pass *p, const Layer *l, const Layer *g, guint parts,
    const float *d_y, float *d_conv, float *d_in)
{
  const Mamba2 *m = p->m;
  const float *d_to[1];
  float *d_from[1];

  p->run->k->ssd_scan_backward (p->run->q,
      &(MblmSsdScanBackward){.forward = scan (p, l, parts),
          .d_y = d_y,
          .d_x = d_conv,
          .d_b = d_conv + m->inner,
          .d_c = d_conv + m->inner + m->state,
          .d_xbc_stride = m->conv_width,
          .d_delta = d_in + m->inner + m->conv_width,
          .d_delta_stride = m->in_width,
          .d_delta_bias = g->delta_bias,
          .d_a_log = g->a_log,
          .d_skip = g->skip,
          .d_carry = mblm_layer_carry_gradient (
              p->args, parts + PART_SCAN, d_to, d_from)});
  p->run->k->conv_backward (p->run->q,
      &(MblmConvBackward){.forward = convolution (p, l, parts),
          .d_out = d_conv,
          .d_out_stride = m->conv_width,
          .d_x = d_in + m->inner,
          .d_x_stride = m->in_width,
          .d_weight = g->conv,
          .d_bias = g->conv_bias,
          .d_carry = mblm_layer_carry_gradient (
              p->args, parts + PART_CONV, d_to, d_from)});
}

/* d_y [n, inner]: the gradient by the scan's output, and z's part of d_in. */
static void
output_backward (Pass *p, const Layer *l, const Layer *g, gsize layer,
    const float *d, float *d_x, float *d_y, float *d_in)
{
  const Mamba2 *m = p->m;
  gsize n = p->n * m->parent.dim;
  MblmGatedNorm gated = gate (p, l);

  p->run->k->gated_norm (p->run->q, &gated);

  /* d goes on along the residual stream, so what is dropped is a copy's */
  p->run->k->copy (p->run->q, d_x, d, n * sizeof (float));
  if (drops (p, layer))
    drop (p, d_x);
  mblm_layer_linear_backward (p->run, linear (p, l->out, p->gated, NULL),
      g->out, NULL, d_x, FALSE, d_y);
  p->run->k->gated_norm_backward (p->run->q,
      &(MblmGatedNormBackward){.forward = gate (p, l),
          .d_out = d_y,
          .d_y = d_y,
          .d_y_stride = m->inner,
          .d_z = d_in,
          .d_z_stride = m->in_width,
          .d_gain = g->gated_gain});
}

static void
norm_backward (Pass *p, const float *gain, float *d_gain, const float *x,
    const float *d_out, gboolean accumulate, float *d_x)
{
  p->run->k->rms_norm_backward (p->run->q,
      &(MblmRmsNormBackward){.forward = norm (p->m, p->n, gain, x, NULL),
          .d_out = d_out,
          .accumulate = accumulate,
          .d_x = d_x,
          .d_gain = d_gain});
}

static void
mamba2_layer_backward (MblmBlock *block, MblmBlock *gradient, MblmRun *run,
    const MblmLayerPass *args, gsize layer, float *d, float *kept)
{
  const Mamba2 *m = (Mamba2 *) block, *gm = (Mamba2 *) gradient;
  const Layer *l = &m->layer[layer], *g = &gm->layer[layer];
  MblmRunMark mark = mblm_run_mark (run);
  Pass p = {.m = m, .run = run, .args = args, .n = args->batch * args->rows};

  if (layer == block->layers) {
    norm_backward (&p, m->gain, gm->gain, kept, d, FALSE, d);
    return;
  }
  float *d_normed = mblm_run_floats (run, p.n * block->dim);
  float *d_in = mblm_run_floats (run, p.n * m->in_width);
  float *d_conv = mblm_run_floats (run, p.n * m->conv_width);
  float *d_y = mblm_run_floats (run, p.n * m->inner);
  pass_place (&p, kept);
  /* each while the memory waits for its own use, or after it */
  p.gated = d_conv;
  p.normed = d_y;
  mblm_layer_hosts_open (&p.hosts, p.args);
  if (!run->failed) {
    output_backward (&p, l, g, layer, d, d_normed, d_y, d_in);
    mix_backward (&p, l, g, layer * N_PARTS, d_y, d_conv, d_in);
    MblmRmsNorm normed = norm (m, p.n, l->gain, p.input, p.normed);
    run->k->rms_norm (run->q, &normed);
    mblm_layer_linear_backward (run, linear (&p, l->in, p.normed, NULL), g->in,
        NULL, d_in, FALSE, d_normed);
    norm_backward (&p, l->gain, g->gain, p.input, d_normed, TRUE, d);
  }
  mblm_layer_hosts_close (&p.hosts);
  mblm_run_release (run, mark);
}

static gboolean
mamba2_check_training (MblmBlock *block, gboolean *drops, GError **error)
{
  *drops = ((Mamba2 *) block)->dropout > 0;
  return TRUE;
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
    .kept_size = mamba2_kept_size,
    .layer_forward = mamba2_layer_forward,
    .layer_backward = mamba2_layer_backward,
    .check_training = mamba2_check_training,
    .segments = TRUE,
};
