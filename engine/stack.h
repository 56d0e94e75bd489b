/* stack.h: the layers of a stage forward and backward.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Private to the engine.
 */

#pragma once

#include "block.h"

G_BEGIN_DECLS

typedef enum {
  MBLM_KEEP_NOTHING, /* no backward pass will come */
  MBLM_KEEP_INPUTS,  /* of the layers, whose forward is then done again */
  MBLM_KEEP_ALL,
} MblmKeep;

typedef struct {
  MblmBlock *block;
  MblmLayerPass pass;
  MblmKeep keep;
  MblmType type; /* of the inputs in memory */
  /* Rows that a layer works on at a time, going on from the state that those
   * before have left; 0: all. Of a single sequence, and where not all is kept. */
  gsize segment;

  MblmRun *run;
  float **kept;       /* host [layers + 1] of device memory; one for all but
                        * with MBLM_KEEP_ALL */
  void **inputs;      /* host [layers + 1] with MBLM_KEEP_INPUTS, else NULL */
  float *widened;     /* [segment, dim]: an input of bfloat16 */
  MblmState **states; /* host: behind each segment but the last; or NULL */
  MblmState *d_states[2]; /* gradients by two of them */
} MblmStack;

/* Floats that a layer keeps of so many rows: the one that keeps most, or, with
 * `all`, all together. A layer's backward pass works with about as many again as
 * it keeps. */
guint64 mblm_stack_size (
    MblmBlock *block, gboolean all, MblmType product, gsize batch, gsize rows);

/* Allocates from the run's working memory; the caller has filled in what comes
 * before `run`, and releases it. Failure is left for mblm_run_check. */
void mblm_stack_open (MblmStack *self, MblmRun *run);
void mblm_stack_clear (MblmStack *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MblmStack, mblm_stack_clear)

/* x [batch, rows, dim] becomes what the stage gives. */
gboolean mblm_stack_forward (MblmStack *self, float *x, GError **error);
/* d, its gradient, becomes that of what went in. */
gboolean mblm_stack_backward (
    MblmStack *self, MblmBlock *gradient, float *d, GError **error);

G_END_DECLS
