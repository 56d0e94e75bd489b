/* lstm.h: the block type `lstm`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A layer, on one row x of a sequence, with the state h, c (S. Hochreiter and J.
 * Schmidhuber, "Long short-term memory", 1997, with the forget gate of F. Gers et
 * al., 2000, and gates in PyTorch's order):
 *
 *   i, f, g, o = input norm (x) + recurrent h + bias
 *   c          = sigmoid (f) c + sigmoid (i) tanh (g)
 *   h          = sigmoid (o) tanh (c)
 *   x         += h                                     (or x = h)
 *
 * There is nothing after the last layer. Products are the device's, and so is the
 * norm; gates are computed on the host, one row of all sequences after the other,
 * so that the block runs on any device.
 */

#pragma once

#include <mblm-extension.h>

typedef struct {
  float *gain;          /* [dim] */
  MblmMatrix input;     /* [4 * dim, dim] */
  MblmMatrix recurrent; /* [4 * dim, dim] */
  float *bias;          /* [4 * dim] */
} LstmLayer;

typedef struct {
  MblmBlock parent;
  gboolean residual;
  LstmLayer *layer; /* [layers] */
} Lstm;

/* The parts of a state: h and c of each layer, both [dim]. */
enum { LSTM_H, LSTM_C, LSTM_N_PARTS };

/* ---- lstm-pass.c: a layer on some rows, as MblmBlockClass says ------------ */

gsize lstm_kept_size (
    MblmBlock *block, MblmType product, gsize layer, gsize batch, gsize rows);
void lstm_layer_forward (MblmBlock *block, MblmRun *run,
    const MblmLayerPass *args, gsize layer, float *x, float *kept);
void lstm_layer_backward (MblmBlock *block, MblmBlock *gradient, MblmRun *run,
    const MblmLayerPass *args, gsize layer, float *d, float *kept);

extern const MblmBlockClass lstm_class;
