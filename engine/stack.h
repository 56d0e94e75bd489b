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
  float **kept;   /* host [layers + 1] of device memory; one for all but with
                 * MBLM_KEEP_ALL */
  float **inputs; /* host [layers + 1] with MBLM_KEEP_INPUTS, else NULL */
} MblmStack;

/* Floats of working memory that a stack takes; those of the backward pass, which
 * come on top, are about as many as a layer keeps. */
guint64 mblm_stack_size (
    MblmBlock *block, MblmKeep keep, MblmType product, gsize batch, gsize rows);

/* Allocates from the run's working memory; the caller has filled in block, pass
 * and keep, and releases it. Failure is left for mblm_run_check. */
void mblm_stack_open (MblmStack *self, MblmRun *run);
void mblm_stack_clear (MblmStack *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MblmStack, mblm_stack_clear)

/* x [batch, rows, dim] becomes what the stage gives. */
gboolean mblm_stack_forward (
    MblmStack *self, MblmRun *run, float *x, GError **error);
/* d, its gradient, becomes that of what went in. */
gboolean mblm_stack_backward (MblmStack *self, MblmBlock *gradient,
    MblmRun *run, float *d, GError **error);

G_END_DECLS
