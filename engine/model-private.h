/* model-private.h: what a model is made of, for the files that run it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stage 0 is the outermost. A token of stage k stands for `patch` ids; the ids
 * of the innermost stage are its tokens. mblm-math section 2.
 */

#pragma once

#include "block.h"
#include "mblm-model.h"
#include "parameters.h"

G_BEGIN_DECLS

/* As MblmPrecision counts, NULL-terminated. */
extern const char *const mblm_precision_names[];

typedef struct {
  gsize seq_len, dim, patch;
  MblmPosition position;
  MblmBlock *block;
  gsize chunk_rows; /* of a prompt that a CPU works on at a time */

  MblmMatrix table; /* [vocabulary, innermost dim] */
  /* Outer stages: norm, product, norm of the concatenated rows of a patch. */
  float *patch_gain, *patch_bias; /* [patch * innermost dim] */
  MblmMatrix embed;               /* [dim, patch * innermost dim] */
  float *embed_bias, *embed_gain, *embed_shift; /* [dim] */
  MblmMatrix positions; /* [seq_len, dim], fixed positions */
  float *frequency;     /* [dim / 2], rotary positions */
  float *start;         /* [dim]; absent in encoders */
  MblmMatrix project;   /* [child seq_len * child dim, dim] */
  float *project_bias;

  /* Causal models: constants of the weights behind the start token. */
  MblmState *start_state;
  float *start_out;        /* [dim] */
  float *start_projection; /* [child seq_len * child dim] */
} MblmStage;

struct _MblmModel {
  GObject parent;

  MblmConfig *config;
  MblmInfo *info;
  MblmDevice *device;
  MblmPrecision precision;
  char *path; /* of the folder or file */

  guint n_stages;
  guint last; /* n_stages - 1 */
  guint vocabulary;
  gboolean causal, encoder;
  MblmStage stage[MBLM_MAX_STAGES];
  MblmMatrix to_logits; /* [vocabulary, innermost dim] */
  float *to_logits_bias;
  MblmParameters *parameters;
  guint64 n_parameters;
  guint64 n_stage_parameters[MBLM_MAX_STAGES];

  /* Host [vocabulary]: what predicts the first byte (MblmStart). */
  float *chained_logits, *bare_logits;
};

/* A model without weights: blocks made, parameters declared. `file`, which may
 * be NULL, decides which Mamba it is. Error: CONFIG. */
MblmModel *mblm_model_new_bare (
    MblmConfig *config, MblmTensorFile *file, GError **error);
/* Another of the same shape, without weights. */
MblmModel *mblm_model_new_like (MblmModel *model, GError **error);
/* A model folder or file without its weights, checked against their header; the
 * caller has to set device and precision, and to load them. Errors as of
 * mblm_model_load. */
MblmModel *mblm_model_open (
    const char *path, MblmTensorFile **file, GError **error);
/* Of rotary positions; failure is left for mblm_run_check. */
void mblm_model_make_frequencies (MblmModel *self, MblmRun *run);
/* What the model is played with: with weights of bfloat16 products round their
 * other operand, too, where the device says that it pays. */
gboolean mblm_model_init_run (MblmModel *self, MblmRun *run, GError **error);
/* Loads the weights and computes the constants. */
gboolean mblm_model_load_weights (
    MblmModel *self, MblmTensorFile *file, MblmRun *run, GError **error);

/* ---- stage.c: from ids to tokens, from hidden states to projections ------ */

/* Tokens that are embedded at a time, where the run has so many rows. */
gsize mblm_stage_embed_step (const MblmStage *stage, gsize rows);
/* The stage embedding of n tokens without positions: ids (host)
 * [n * patch] to x [n, dim]. */
void mblm_stage_embed (MblmModel *model, MblmRun *run, guint k,
    const gint32 *ids, gsize n, float *x);
/* x [batch, rows, dim] += positions first[b], first[b] + 1, ...; host [batch], or
 * NULL: zeros. */
void mblm_stage_add_positions (MblmModel *model, MblmRun *run, guint k,
    gsize batch, gsize rows, const gsize *first, float *x);
/* out[i] (rows of the child sequences, contiguous) of x[i * x_stride]. */
void mblm_stage_project (MblmModel *model, MblmRun *run, guint k, gsize n,
    const float *x, gsize x_stride, float *out);
/* Numbers in one projected row of stage k. */
gsize mblm_stage_projection_width (MblmModel *model, guint k);
/* x [n, dim] of the innermost stage to logits [n, vocabulary]. */
void mblm_stage_logits (
    MblmModel *model, MblmRun *run, gsize n, const float *x, float *logits);

/* The mask of n tokens of stage k (device memory) out of that of their ids
 * [n * patch] (host), reduced as the configuration says; NULL for NULL. */
const uint8_t *mblm_stage_mask (
    MblmModel *model, MblmRun *run, guint k, const guint8 *ids_mask, gsize n);

/* Their gradients. Those of weights are added to `gradient`, a model of the same
 * shape whose weights they are; those of inputs are written to d_x, which the
 * first two don't have. `d` is overwritten. */
void mblm_stage_embed_backward (MblmModel *model, MblmModel *gradient,
    MblmRun *run, guint k, const gint32 *ids, gsize n, float *d);
void mblm_stage_add_positions_backward (MblmModel *model, MblmModel *gradient,
    MblmRun *run, guint k, gsize batch, gsize rows, float *d);
void mblm_stage_project_backward (MblmModel *model, MblmModel *gradient,
    MblmRun *run, guint k, gsize n, const float *x, float *d_out, float *d_x);
void mblm_stage_logits_backward (MblmModel *model, MblmModel *gradient,
    MblmRun *run, gsize n, const float *x, float *d_logits, float *d_x);

/* ---- output.c: what a pass gives for each id ----------------------------- */

/* Host memory for as many rows as the pass has; each may be NULL and moves on
 * as rows are written. */
typedef struct {
  float *logits;         /* [n, vocabulary] */
  float *hidden;         /* [n, innermost dim] */
  const gint32 *targets; /* [n]; negative: not counted */
  float *nats;           /* [n]: cross-entropy of the targets */
} MblmOutput;

/* Writes n rows out of hidden states `x` [n, innermost dim] of the device. */
gboolean mblm_output_write (MblmOutput *self, MblmModel *model, MblmRun *run,
    gsize n, const float *x, GError **error);
/* Cross-entropy of one target under host logits. */
gboolean mblm_output_nats (MblmModel *model, MblmRun *run, const float *logits,
    gint32 target, float *nats, GError **error);

/* ---- full-pass.c: models that are not causal ----------------------------- */

/* `start_logits`, host [vocabulary] or NULL, gets what the very first column,
 * which no row of `output` stands for, predicts. */
gboolean mblm_full_pass (MblmModel *model, MblmRun *run, const gint32 *ids,
    gsize length, const guint8 *attention_mask, MblmOutput *output,
    float *start_logits, GError **error);
/* The chained start tokens: host [vocabulary]. */
gboolean mblm_full_pass_empty (
    MblmModel *model, MblmRun *run, float *logits, GError **error);

/* MBLM_ERROR_INPUT unless every id is in the vocabulary. */
gboolean mblm_model_check_ids (
    MblmModel *self, const gint32 *ids, gsize n, GError **error);

G_END_DECLS
