/* learner-private.h: what the files of the learner share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "depth-first.h"
#include "learner.h"

G_BEGIN_DECLS

struct _MblmLearner {
  MblmLearnerOptions options;
  MblmModel *model;
  /* The same with weights of products in bfloat16, rounded after each step, where
   * products are of that and their speed is worth it; or NULL. */
  MblmModel *rounded;
  /* Of one batch, before it is divided by the number of its losses; and, where
   * several batches add up, their sum, which `gradient` is then moved to. */
  MblmModel *gradient, *total;
  double scale; /* what `gradient` is to be multiplied with; 0: it is zero */
  gboolean total_used;
  /* [parameters], Adam's moments: of device memory, or, with a window that they
   * are worked on in, of the host's. */
  float **m, **v;
  float *window;     /* NULL: not needed */
  gsize window_size; /* floats of each */
  guint64 steps;
  gboolean drops;
  double *sum; /* device memory */
  MblmRun run;
  MblmPlan plan;
  gsize plan_batch, plan_length;
};

/* Device memory, zero. */
void *learner_allocate (MblmLearner *self, gsize bytes, GError **error);
/* Parameters that are trained; the others are NULL. */
const MblmParameter *learner_parameter (MblmModel *model, guint i);
guint learner_n_parameters (MblmLearner *self);
/* What the gradient is now: a model and the scale of its values. */
MblmModel *learner_gradient (MblmLearner *self, double *scale);

/* learner-estimate.c */
MblmType learner_product (const MblmLearnerOptions *options);
/* Bytes for activations where nobody says, when `taken` bytes more of the device
 * have other uses. */
guint64 learner_default_memory (MblmDevice *device, guint64 taken);
/* learner-fit.c: an error that says what would fit. */
void learner_explain_memory (
    MblmLearner *self, const MblmLearnerBatch *batch, GError **error);

/* learner-moments.c */
gboolean learner_make_moments (MblmLearner *self, GError **error);
void learner_free_moments (MblmLearner *self);
/* A step with those of parameter i; `adam` has all but them. */
void learner_step_moments (MblmLearner *self, guint i, const MblmAdam *adam);
/* Bytes of device memory for the window, where there is one. */
guint64 learner_get_window_bytes (void);

/* learner-muon.c: whether a parameter's steps are Muon's, and the steps. The
 * gradient, to be multiplied with `scale`, is overwritten. */
gboolean learner_is_muons (MblmLearner *self, const MblmParameter *p);
gboolean learner_step_muon (MblmLearner *self, MblmModel *gradient,
    double scale, double rate, GError **error);

/* learner-smooth.c: fresh embeddings of outer stages anew. */
gboolean learner_smooth_embeddings (
    MblmLearner *self, guint64 seed, GError **error);

/* Makes `gradient` free for a batch: what is there is added to `total`. */
gboolean learner_put_away (MblmLearner *self, GError **error);
gboolean learner_make_total (MblmLearner *self, GError **error);

G_END_DECLS
