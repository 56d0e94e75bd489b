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
  float **m, **v; /* [parameters] of device memory, Adam's moments */
  guint64 steps;
  gboolean drops;
  double *sum; /* device memory */
  MblmRun run;
  MblmPlan plan;
  gsize plan_batch, plan_length;
};

/* Parameters that are trained; the others are NULL. */
const MblmParameter *learner_parameter (MblmModel *model, guint i);
guint learner_n_parameters (MblmLearner *self);
/* What the gradient is now: a model and the scale of its values. */
MblmModel *learner_gradient (MblmLearner *self, double *scale);

/* Makes `gradient` free for a batch: what is there is added to `total`. */
gboolean learner_put_away (MblmLearner *self, GError **error);
gboolean learner_make_total (MblmLearner *self, GError **error);

G_END_DECLS
