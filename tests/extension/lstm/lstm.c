/* lstm.c: the block type `lstm`: what it is made of, and playing.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "lstm.h"

#include <math.h>

static MblmBlock *
lstm_create (gsize dim, gsize layers, GVariant *options, GError **error)
{
  static const char *const known[] = {"residual", NULL};
  gboolean residual;

  if (!mblm_options_check_known (options, known, error) ||
      !mblm_options_get_boolean (options, "residual", TRUE, &residual, error))
    return NULL;

  Lstm *self = g_new0 (Lstm, 1);
  self->residual = residual;
  self->layer = g_new0 (LstmLayer, layers);
  return &self->parent;
}

/* What `declare` named is the engine's. */
static void
lstm_free (MblmBlock *block)
{
  g_free (((Lstm *) block)->layer);
  g_free (block);
}

static void
lstm_declare (MblmBlock *block, MblmParameters *parameters)
{
  gsize dim = block->dim;
  MblmInit one = {MBLM_INIT_CONSTANT, .a = 1};
  MblmInit uniform = {MBLM_INIT_UNIFORM, .a = 1 / sqrt (dim)};

  for (gsize i = 0; i < block->layers; i++) {
    LstmLayer *l = &((Lstm *) block)->layer[i];

    mblm_parameters_add_vector (parameters, &l->gain, dim, 0, 0, one,
        "layers.%" G_GSIZE_FORMAT ".norm.weight", i);
    mblm_parameters_add_matrix (parameters, &l->input, 4 * dim, 0, 4 * dim, dim,
        uniform, "layers.%" G_GSIZE_FORMAT ".weight_ih", i);
    mblm_parameters_add_matrix (parameters, &l->recurrent, 4 * dim, 0, 4 * dim,
        dim, uniform, "layers.%" G_GSIZE_FORMAT ".weight_hh", i);
    mblm_parameters_add_vector (parameters, &l->bias, 4 * dim, 0, 0, uniform,
        "layers.%" G_GSIZE_FORMAT ".bias", i);
  }
}

static guint
lstm_n_parts (MblmBlock *block)
{
  return block->layers * LSTM_N_PARTS;
}

/* However many rows there were. */
static gsize
lstm_part_size (MblmBlock *block, guint part, gsize rows)
{
  return block->dim;
}

/* Rows of a prompt that are worked on before somebody may end the work. */
#define PIECE ((gsize) 64)

/* Going on from a state is the forward pass of training, and what that keeps is
 * dropped. x [batch, rows, dim], in place. */
static gboolean
advance_piece (MblmBlock *block, MblmRun *run, const MblmLayerPass *pass,
    float *x, GError **error)
{
  MblmRunMark mark = mblm_run_mark (run);
  float *kept = mblm_run_floats (
      run, lstm_kept_size (block, run->product, 0, pass->batch, pass->rows));
  gboolean ok = mblm_run_check (run, error);

  for (gsize i = 0; ok && i < block->layers; i++) {
    lstm_layer_forward (block, run, pass, i, x, kept);
    ok = mblm_run_check (run, error);
  }
  mblm_run_release (run, mark);
  return ok;
}

/* A sequence with a state of its own can stop anywhere and go on from there. */
static gboolean
lstm_advance (
    MblmBlock *block, MblmRun *run, const MblmAdvance *args, GError **error)
{
  gboolean prompt = args->batch == 1 && args->states != NULL;
  gsize step = prompt ? PIECE : MAX (args->rows, 1);
  MblmLayerPass pass = {
      .batch = args->batch, .shared = args->shared, .states = args->states};

  for (gsize first = 0; first < args->rows; first += step) {
    pass.rows = MIN (step, args->rows - first);
    if (!advance_piece (block, run, &pass, args->x + first * block->dim, error))
      return FALSE;
  }
  run->k->copy (run->q, args->out, args->x,
      args->batch * args->rows * block->dim * sizeof (float));
  return TRUE;
}

static gboolean
lstm_check_training (MblmBlock *block, gboolean *drops, GError **error)
{
  *drops = FALSE;
  return TRUE;
}

const MblmBlockClass lstm_class = {
    .abi = MBLM_BLOCK_ABI,
    .type = "lstm",
    .causal = TRUE,
    .create = lstm_create,
    .free = lstm_free,
    .declare = lstm_declare,
    .n_parts = lstm_n_parts,
    .part_size = lstm_part_size,
    .advance = lstm_advance,
    .kept_size = lstm_kept_size,
    .layer_forward = lstm_layer_forward,
    .layer_backward = lstm_layer_backward,
    .check_training = lstm_check_training,
};
