/* learner.h: weights that change: loss, gradient, optimiser.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A learner has a model of its own in float32, the gradient of its parameters
 * and the two moments of Adam. What it is fed, and when it steps, is the
 * trainer's business. One thread at a time. Private to the engine.
 *
 * mblm-math sections 2.5, 2.8, 5.1, 5.6 and 5.7.
 */

#pragma once

#include "mblm-model.h"
#include "mblm-trainer.h"

G_BEGIN_DECLS

/* What makes steps of gradients: Adam, or, of the matrices inside the model, Muon
 * (learner-muon.c). */
typedef enum {
  MBLM_OPTIMIZER_ADAM,
  MBLM_OPTIMIZER_MUON,
} MblmOptimizer;

typedef struct {
  MblmPrecision precision; /* of the products; weights stay float32 */
  guint64 memory; /* bytes that the activations may take; 0: a default */
  guint64 seed;   /* of dropout */
  MblmLayerInputs layer_inputs;
  /* Adam's moments lie in memory of the host, where the device has its own. */
  gboolean host_moments;
  MblmOptimizer optimizer;
  /* Fresh embeddings of outer stages are smooth functions of the byte. */
  gboolean smooth;
} MblmLearnerOptions;

/* Ids of a batch, host memory; each but the ids may be NULL. */
typedef struct {
  gsize batch, length;
  const gint32 *ids;            /* [batch, length] */
  const float *loss_mask;       /* [batch, length] */
  const gint32 *labels;         /* [batch, length], encoders */
  const guint8 *attention_mask; /* [batch, length], encoders */
} MblmLearnerBatch;

typedef struct _MblmLearner MblmLearner;

/* Takes the weights of a model folder, or fresh ones drawn from `seed`. Errors as
 * of mblm_model_load; MBLM_ERROR_MEMORY names what would be needed;
 * MBLM_ERROR_CONFIG for what can't be trained. */
MblmLearner *mblm_learner_new_from_folder (const char *folder,
    MblmDevice *device, const MblmLearnerOptions *options, GError **error);
MblmLearner *mblm_learner_new_fresh (MblmConfig *config, MblmInfo *info,
    guint64 weight_seed, MblmDevice *device, const MblmLearnerOptions *options,
    GError **error);
void mblm_learner_free (MblmLearner *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmLearner, mblm_learner_free)

MblmModel *mblm_learner_get_model (MblmLearner *self);
/* What training on batches of a shape takes. */
typedef struct {
  MblmConfig *config;
  MblmDevice *device;
  MblmLearnerOptions options;
  gsize batch, length;
  gboolean accumulates; /* batches make a step together */
} MblmLearnerNeeds;

/* Of the device's memory, estimated; the sum of its parts, or 0 with an error. */
guint64 mblm_learner_estimate (
    const MblmLearnerNeeds *needs, MblmTrainerMemory *parts, GError **error);
/* What to change, for people, so that it fits into so many bytes; NULL where
 * nothing helps. */
char *mblm_learner_find_fit (const MblmLearnerNeeds *needs, guint64 there);

/* Adds `share` (1 / gradient_accumulate_every) times the gradient of the loss of
 * a batch to what is there, and gives that loss: the mean over its entries that
 * are not exactly zero, 0 where there are none. Nothing is added where the loss is
 * not finite, nor where the call fails; what earlier batches added stays.
 * `dropout` numbers the batch: it decides, with the seed, what is dropped. */
gboolean mblm_learner_accumulate (MblmLearner *self,
    const MblmLearnerBatch *batch, double share, guint64 dropout, double *loss,
    GCancellable *cancellable, GError **error);
/* The loss alone, without dropout, and how many entries it is the mean of. */
gboolean mblm_learner_evaluate (MblmLearner *self,
    const MblmLearnerBatch *batch, double *loss, guint64 *count,
    GCancellable *cancellable, GError **error);

/* L2 norm of the gradient over all tensors; may be infinite or no number. */
gboolean mblm_learner_get_norm (
    MblmLearner *self, double *norm, GError **error);
/* One step of Adam with the gradient times min (1, clip / (norm + 1e-6)) (clip
 * 0: as it is), which then is zero. */
gboolean mblm_learner_step (
    MblmLearner *self, double rate, double clip, double norm, GError **error);
/* Makes the gradient zero. */
gboolean mblm_learner_drop_gradient (MblmLearner *self, GError **error);
/* Steps of Adam taken so far, or to go on from. */
guint64 mblm_learner_get_steps (MblmLearner *self);

/* The weights as the published names, float32 or, with `bf16`, rounded. */
gboolean mblm_learner_write_weights (
    MblmLearner *self, gboolean bf16, const char *path, GError **error);
/* The gradient under the same names. */
gboolean mblm_learner_write_gradient (
    MblmLearner *self, const char *path, GError **error);
/* Moments, and the gradient where `gradient` (it is not zero), under "m.NAME",
 * "v.NAME" and "gradient.NAME"; steps is the caller's to keep. */
gboolean mblm_learner_write_state (
    MblmLearner *self, gboolean gradient, const char *path, GError **error);
/* The weights are those of the folder that the learner was made from. */
gboolean mblm_learner_read_state (
    MblmLearner *self, const char *path, guint64 steps, GError **error);

G_END_DECLS
