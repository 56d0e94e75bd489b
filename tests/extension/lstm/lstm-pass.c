/* lstm-pass.c: a layer of the block type `lstm`, forward and backward.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Matrices have a row for each row of each sequence, n = batch * rows, sequence
 * after sequence. A step goes through row t of all sequences: the recurrent
 * product for all of them at once on the device, then the gates on the host.
 */

#include "lstm.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-5f

/* Floats of a row that are kept, in units of dim: x, normed, gates, h, c. */
#define KEPT (1 + 1 + 4 + 1 + 1)

typedef struct {
  MblmRun *run;
  const MblmLayerPass *args;
  guint parts; /* the layer's first part of a state */
  gsize dim, batch, rows, n;

  /* Of the device: kept from forward to backward. */
  float *x;      /* [n, dim]: the input */
  float *normed; /* [n, dim] */
  float *gates;  /* [n, 4 * dim]: i, f, g, o after sigmoid and tanh */
  float *h, *c;  /* [n, dim]: the state before each row */
  /* Of the device: for a step. */
  float *step_h; /* [batch, dim] */
  float *step;   /* [batch, 4 * dim] */

  /* Of the host. Backward, those of the lower four are gradients, and so are
   * `gates` from the last row to the first. */
  float *host;        /* one block with all that follows */
  float *host_gates;  /* [n, 4 * dim] */
  float *host_h;      /* [n, dim] */
  float *host_c;      /* [n, dim] */
  float *out;         /* [n, dim]: h of each row */
  float *now_h;       /* [batch, dim] */
  float *now_c;       /* [batch, dim] */
  float *host_step;   /* [batch, 4 * dim] */
  const float **from; /* [batch] pointers to parts of states */
  float **to;
} Pass;

/* ------------------------------------------------------------------------- */
/* Memory                                                                    */
/* ------------------------------------------------------------------------- */

/* Nothing follows the last layer. */
gsize
lstm_kept_size (
    MblmBlock *block, MblmType product, gsize layer, gsize batch, gsize rows)
{
  return layer < block->layers ? KEPT * batch * rows * block->dim : 0;
}

static void
place (Pass *p, float *kept)
{
  gsize matrix = p->n * p->dim;
  float *host = p->host;

  p->x = kept;
  p->normed = p->x + matrix;
  p->gates = p->normed + matrix;
  p->h = p->gates + 4 * matrix;
  p->c = p->h + matrix;
  p->host_gates = host;
  p->host_h = p->host_gates + 4 * matrix;
  p->host_c = p->host_h + matrix;
  p->out = p->host_c + matrix;
  p->now_h = p->out + matrix;
  p->now_c = p->now_h + p->batch * p->dim;
  p->host_step = p->now_c + p->batch * p->dim;
}

/* FALSE: no memory, and the run knows. Zeros, because a device that has failed
 * downloads nothing. */
static gboolean
pass_open (Pass *p, MblmBlock *block, MblmRun *run, const MblmLayerPass *args,
    gsize layer, float *kept)
{
  *p = (Pass){.run = run,
      .args = args,
      .parts = layer * LSTM_N_PARTS,
      .dim = block->dim,
      .batch = args->batch,
      .rows = args->rows,
      .n = args->batch * args->rows};
  p->step_h = mblm_run_floats (run, p->batch * p->dim);
  p->step = mblm_run_floats (run, p->batch * 4 * p->dim);
  p->host = g_try_new0 (float, (7 * p->n + 6 * p->batch) * p->dim + 1);
  p->from = g_try_new (const float *, p->batch + 1);
  p->to = g_try_new (float *, p->batch + 1);
  if (p->host == NULL || p->from == NULL || p->to == NULL)
    run->failed = TRUE;
  if (run->failed)
    return FALSE;
  place (p, kept);
  return TRUE;
}

static void
pass_close (Pass *p)
{
  g_free (p->host);
  g_free (p->from);
  g_free (p->to);
}

/* Copies n floats to the host, and back. */
static void
fetch (Pass *p, float *host, const float *device, gsize n)
{
  p->run->k->download (p->run->q, host, device, n * sizeof (float));
}

static void
send (Pass *p, float *device, const float *host, gsize n)
{
  p->run->k->upload (p->run->q, device, host, n * sizeof (float));
}

/* ------------------------------------------------------------------------- */
/* The operations, as forward and backward both describe them                */
/* ------------------------------------------------------------------------- */

static MblmRmsNorm
norm (Pass *p, const LstmLayer *l)
{
  return (MblmRmsNorm){.rows = p->n,
      .width = p->dim,
      .x = p->x,
      .gain = l->gain,
      .epsilon = EPSILON,
      .out = p->normed};
}

static MblmLinear
input_product (Pass *p, const LstmLayer *l)
{
  return (MblmLinear){.weight = l->input,
      .bias = l->bias,
      .rows = p->n,
      .x = p->normed,
      .x_stride = p->dim,
      .out = p->gates,
      .out_stride = 4 * p->dim,
      .product = p->run->product};
}

/* Of `rows` rows h [rows, dim]. */
static MblmLinear
recurrent_product (Pass *p, const LstmLayer *l, gsize rows, const float *h)
{
  return (MblmLinear){.weight = l->recurrent,
      .rows = rows,
      .x = h,
      .x_stride = p->dim,
      .out = p->step,
      .out_stride = 4 * p->dim,
      .product = p->run->product};
}

/* ------------------------------------------------------------------------- */
/* Forward                                                                   */
/* ------------------------------------------------------------------------- */

/* Where the sequences go on from: now [batch, dim]. */
static void
load_state (Pass *p, guint part, float *now)
{
  MblmCarry carry = mblm_layer_carry (p->args, p->parts + part, p->from, p->to);

  for (gsize b = 0; carry.from != NULL && b < p->batch; b++)
    if (carry.shared && b > 0)
      memcpy (now + b * p->dim, now, p->dim * sizeof (float));
    else
      fetch (p, now + b * p->dim, carry.from[b], p->dim);
}

static void
store_state (Pass *p, guint part, const float *now)
{
  MblmCarry carry = mblm_layer_carry (p->args, p->parts + part, p->from, p->to);

  for (gsize b = 0; carry.to != NULL && b < p->batch; b++)
    send (p, carry.to[b], now + b * p->dim, p->dim);
}

static float
sigmoid (float x)
{
  return 1 / (1 + expf (-x));
}

/* Row t of sequence b. */
static void
forward_row (Pass *p, gsize b, gsize t)
{
  gsize dim = p->dim, row = b * p->rows + t;
  float *gates = p->host_gates + row * 4 * dim;
  const float *recurrent = p->host_step + b * 4 * dim;
  float *h = p->now_h + b * dim, *c = p->now_c + b * dim;

  memcpy (p->host_h + row * dim, h, dim * sizeof (float));
  memcpy (p->host_c + row * dim, c, dim * sizeof (float));
  for (gsize j = 0; j < 4 * dim; j++) {
    float x = gates[j] + recurrent[j];
    gates[j] = j / dim == 2 ? tanhf (x) : sigmoid (x);
  }
  for (gsize j = 0; j < dim; j++) {
    c[j] = gates[dim + j] * c[j] + gates[j] * gates[2 * dim + j];
    h[j] = gates[3 * dim + j] * tanhf (c[j]);
  }
  memcpy (p->out + row * dim, h, dim * sizeof (float));
}

static void
forward_steps (Pass *p, const LstmLayer *l)
{
  MblmLinear product = recurrent_product (p, l, p->batch, p->step_h);

  for (gsize t = 0; t < p->rows; t++) {
    send (p, p->step_h, p->now_h, p->batch * p->dim);
    p->run->k->linear (p->run->q, &product);
    fetch (p, p->host_step, p->step, p->batch * 4 * p->dim);
    for (gsize b = 0; b < p->batch; b++)
      forward_row (p, b, t);
  }
}

/* x becomes h, or x + h. */
static void
put_out (Pass *p, const Lstm *block, float *x)
{
  gsize n = p->n * p->dim;
  float *out = mblm_run_floats (p->run, n);

  if (out == NULL)
    return;
  if (!block->residual) {
    send (p, x, p->out, n);
    return;
  }
  send (p, out, p->out, n);
  p->run->k->add (
      p->run->q, &(MblmAdd){.batch = 1, .width = n, .x = x, .y = out});
}

void
lstm_layer_forward (MblmBlock *block, MblmRun *run, const MblmLayerPass *args,
    gsize layer, float *x, float *kept)
{
  const Lstm *self = (Lstm *) block;
  MblmRunMark mark = mblm_run_mark (run);
  Pass p;

  if (layer == block->layers)
    return;
  const LstmLayer *l = &self->layer[layer];
  if (pass_open (&p, block, run, args, layer, kept)) {
    MblmRmsNorm normed = norm (&p, l);
    MblmLinear product = input_product (&p, l);

    run->k->copy (run->q, p.x, x, p.n * p.dim * sizeof (float));
    run->k->rms_norm (run->q, &normed);
    run->k->linear (run->q, &product);
    fetch (&p, p.host_gates, p.gates, p.n * 4 * p.dim);
    load_state (&p, LSTM_H, p.now_h);
    load_state (&p, LSTM_C, p.now_c);
    forward_steps (&p, l);
    store_state (&p, LSTM_H, p.now_h);
    store_state (&p, LSTM_C, p.now_c);
    send (&p, p.gates, p.host_gates, p.n * 4 * p.dim);
    send (&p, p.h, p.host_h, p.n * p.dim);
    send (&p, p.c, p.host_c, p.n * p.dim);
    if (!args->again)
      put_out (&p, self, x);
  }
  pass_close (&p);
  mblm_run_release (run, mark);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* The gradient by what was left behind, which a single sequence does: now
 * [batch, dim]; else zeros. */
static void
load_gradient (Pass *p, guint part, float *now)
{
  const float *d_to[1];
  float *d_from[1];
  MblmCarryGradient gradient = mblm_layer_carry_gradient (
      p->args, p->parts + part, d_to, d_from);

  if (gradient.to != NULL)
    fetch (p, now, gradient.to[0], p->dim);
}

/* Adds that by what all went on from: the sum over sequences, in their order. */
static void
store_gradient (Pass *p, guint part, const float *now)
{
  const float *d_to[1];
  float *d_from[1], *sum = p->host_step; /* [dim] of it */
  MblmCarryGradient gradient = mblm_layer_carry_gradient (
      p->args, p->parts + part, d_to, d_from);

  if (gradient.from == NULL || p->batch == 0)
    return;
  fetch (p, sum, gradient.from[0], p->dim);
  for (gsize b = 0; b < p->batch; b++)
    for (gsize j = 0; j < p->dim; j++)
      sum[j] += now[b * p->dim + j];
  send (p, gradient.from[0], sum, p->dim);
}

/* Row t of sequence b: from the gradients by its h and c to those by its gates
 * before sigmoid and tanh, and by the c before it. */
static void
backward_row (Pass *p, gsize b, gsize t)
{
  gsize dim = p->dim, row = b * p->rows + t;
  float *i = p->host_gates + row * 4 * dim;
  float *f = i + dim, *g = f + dim, *o = g + dim;
  const float *before = p->host_c + row * dim;
  const float *d_out = p->out + row * dim;
  const float *d_h = p->now_h + b * dim;
  float *d_c = p->now_c + b * dim;

  for (gsize j = 0; j < dim; j++) {
    float c = tanhf (f[j] * before[j] + i[j] * g[j]);
    float dh = d_out[j] + d_h[j];
    float dc = d_c[j] + dh * o[j] * (1 - c * c);

    d_c[j] = dc * f[j];
    o[j] = dh * c * o[j] * (1 - o[j]);
    f[j] = dc * before[j] * f[j] * (1 - f[j]);
    c = g[j];
    g[j] = dc * i[j] * (1 - c * c);
    i[j] = dc * c * i[j] * (1 - i[j]);
  }
  memcpy (p->host_step + b * 4 * dim, i, 4 * dim * sizeof (float));
}

/* From the last row to the first. Only the gradient by h is wanted from each
 * product; that by the weights is found for all rows at once. */
static void
backward_steps (Pass *p, const LstmLayer *l)
{
  MblmLinearBackward product = {
      .forward = recurrent_product (p, l, p->batch, p->h),
      .d_out = p->step,
      .d_out_stride = 4 * p->dim,
      .d_x = p->step_h,
      .d_x_stride = p->dim};

  for (gsize t = p->rows; t-- > 0;) {
    for (gsize b = 0; b < p->batch; b++)
      backward_row (p, b, t);
    send (p, p->step, p->host_step, p->batch * 4 * p->dim);
    p->run->k->linear_backward (p->run->q, &product);
    fetch (p, p->now_h, p->step_h, p->batch * p->dim);
  }
}

/* The gradients by the weights, and by the input: d [n, dim]. */
static void
backward_products (Pass *p, const Lstm *block, const LstmLayer *l,
    const LstmLayer *g, float *d_normed, float *d)
{
  const MblmKernels *k = p->run->k;

  k->linear_backward (p->run->q,
      &(MblmLinearBackward){.forward = recurrent_product (p, l, p->n, p->h),
          .d_out = p->gates,
          .d_out_stride = 4 * p->dim,
          .d_weight = (float *) g->recurrent.data});
  k->linear_backward (p->run->q,
      &(MblmLinearBackward){.forward = input_product (p, l),
          .d_out = p->gates,
          .d_out_stride = 4 * p->dim,
          .d_x = d_normed,
          .d_x_stride = p->dim,
          .d_weight = (float *) g->input.data,
          .d_bias = g->bias});
  k->rms_norm_backward (p->run->q,
      &(MblmRmsNormBackward){.forward = norm (p, l),
          .d_out = d_normed,
          .accumulate = block->residual,
          .d_x = d,
          .d_gain = g->gain});
}

void
lstm_layer_backward (MblmBlock *block, MblmBlock *gradient, MblmRun *run,
    const MblmLayerPass *args, gsize layer, float *d, float *kept)
{
  const Lstm *self = (Lstm *) block, *sums = (Lstm *) gradient;
  MblmRunMark mark = mblm_run_mark (run);
  Pass p;

  if (layer == block->layers)
    return;
  const LstmLayer *l = &self->layer[layer], *g = &sums->layer[layer];
  float *d_normed = mblm_run_floats (
      run, args->batch * args->rows * block->dim);
  if (pass_open (&p, block, run, args, layer, kept)) {
    fetch (&p, p.out, d, p.n * p.dim);
    fetch (&p, p.host_gates, p.gates, p.n * 4 * p.dim);
    fetch (&p, p.host_c, p.c, p.n * p.dim);
    load_gradient (&p, LSTM_H, p.now_h);
    load_gradient (&p, LSTM_C, p.now_c);
    backward_steps (&p, l);
    store_gradient (&p, LSTM_H, p.now_h);
    store_gradient (&p, LSTM_C, p.now_c);
    /* the gradient by the gates takes their place */
    send (&p, p.gates, p.host_gates, p.n * 4 * p.dim);
    backward_products (&p, self, l, g, d_normed, d);
  }
  pass_close (&p);
  mblm_run_release (run, mark);
}
