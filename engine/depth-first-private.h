/* depth-first-private.h: what the files of the depth-first step share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "depth-first.h"
#include "stack.h"

G_BEGIN_DECLS

/* The columns of the sequences of a stage. */
typedef struct {
  gsize span;        /* tokens that a sequence stands for */
  gsize tokens;      /* of them that are embedded: those whose column counts */
  gboolean start;    /* the start token is the first column */
  gsize columns;     /* tokens, and the start token */
  gboolean constant; /* the column of the start token is a constant, not here */
} StageForm;

/* The column of an inner stage's start token: a constant of the weights, which
 * all sequences go on from. */
typedef struct {
  MblmState *state, *d_state;
  float *out, *d_out; /* [dim]; out is the stage's, before it the token's */
  MblmStack stack;
} StartColumn;

typedef struct {
  MblmDepthFirst args;
  gboolean constant; /* start columns are */
  gsize tokens;      /* of stage 0 in one sequence */
  gsize n_ids;       /* of one sequence, padded to whole tokens */
  StartColumn start[MBLM_MAX_STAGES];
  guint64 n_stacks; /* so far, each drops by a seed of its own */

  /* The group that is worked on; host memory. */
  gsize first, group; /* sequences of the batch */
  gint32 *ids;        /* [group, n_ids] */
  guint8 *mask;       /* [group, n_ids], encoders; else NULL */

  double sum;
  guint64 count;
} Step;

/* Sequences of stage k, on their way through it. */
typedef struct {
  guint k;
  /* [n], which of the group's; those of encoders follow each other. */
  const gsize *index;
  gsize n;
  StageForm form;
  /* For each sequence the row of the stage above that it comes from, and its
   * gradient; [n, dim of that stage], NULL in stage 0. */
  const float *source;
  float *d_source;
  float *x; /* [n, columns, dim] */
} Chunk;

/* Sequences of stage k and all that is below them: forward, loss, backward. */
gboolean step_run_chunk (Step *self, guint k, const gsize *index, gsize n,
    const float *source, float *d_source, GError **error);

/* ---- children.c --------------------------------------------------------- */

/* All that is below a chunk; d [n, columns, dim] gets the gradient by what the
 * chunk gives, and may be where that lies. */
gboolean step_run_children (
    Step *self, const Chunk *c, float *d, GError **error);

/* ---- start-column.c ----------------------------------------------------- */

/* All of the inner stages; they live until the working memory is released. */
gboolean step_start_forward (Step *self, GError **error);
/* The first byte of every sequence, and the gradients of the columns. */
gboolean step_start_backward (Step *self, GError **error);
void step_start_clear (Step *self);

/* ---- loss.c ------------------------------------------------------------- */

/* The weight in the loss of id i of a sequence of the batch; 0 where nothing
 * counts, beyond its end, too. */
float step_weight (const Step *self, gsize sequence, gsize i);
/* The loss of a chunk of the innermost stage; d, like its x, gets the gradient. */
gboolean step_loss (Step *self, const Chunk *c, float *d, GError **error);
/* n rows x [n, dim] that predict byte 0 of the sequences of the batch. */
gboolean step_first_byte_loss (
    Step *self, const float *x, float *d, GError **error);

G_END_DECLS
