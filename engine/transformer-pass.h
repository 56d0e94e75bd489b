/* transformer-pass.h: what a pass over a Transformer's layers works with.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "layer.h"
#include "transformer.h"

G_BEGIN_DECLS

/* What one pass over some rows works with. `normed` and `wide` serve both halves
 * of a layer in turn while playing. */
typedef struct {
  const Transformer *t;
  MblmRun *run;
  const MblmLayerPass *args;
  gsize n;              /* batch * rows */
  float *x;             /* [n, dim], the residual stream */
  void *normed;         /* [n, dim] of normed_type */
  void *qkv;            /* [n, 3 * inner] of inner_type */
  void *attended;       /* [n, inner] of inner_type */
  void *ff_normed;      /* [n, dim] of normed_type */
  void *wide;           /* [n, wide] of wide_type */
  float *cosine, *sine; /* [rows or n, head_dim / 2] */
  gsize angle_stride;
  gsize *past; /* host [batch] */
  MblmLayerHosts hosts;
  const float **past_value;
  float **append_to; /* host [batch, 2]: where states get keys and values */
  /* Kept while training, else NULL. */
  float *input, *middle; /* [n, dim]: x before and between the halves */
  float *log_sum;        /* [n, heads] */
  void *before;          /* [n, wide] of wide_type: before GELU */
  /* What products of bfloat16 round anyway is kept so: most of the memory that
   * a layer moves. */
  MblmType normed_type, inner_type, wide_type;
} TransformerPass;

/* transformer-memory.c */

/* While playing: one set for all layers. Keys and values are float32, as states keep
 * them. */
void mblm_transformer_pass_allocate (TransformerPass *p);
/* While training: the parts of what a layer keeps. */
void mblm_transformer_pass_place (TransformerPass *p, float *kept);
/* Angles, and room for the pointers of states. */
void mblm_transformer_pass_open (TransformerPass *p);
void mblm_transformer_pass_close (TransformerPass *p);
gboolean mblm_transformer_pass_drops (const TransformerPass *p);
/* Working memory for n numbers of a type. */
void *mblm_transformer_pass_numbers (
    TransformerPass *p, gsize n, MblmType type);
/* Where column `column` of rows of inner_type begins. */
void *mblm_transformer_pass_column (
    const TransformerPass *p, const void *rows, gsize column);

G_END_DECLS
