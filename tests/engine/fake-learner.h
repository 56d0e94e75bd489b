/* fake-learner.h: a learner that is quick, and fails when it is told to.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Its model is one logit for each id, the tensor to_logits.bias of a model
 * folder; everything else (loss, gradient, clipping, Adam) is as learner.h says.
 * What stands for dropout depends on the seed and the number of the batch.
 */

#pragma once

#include "learner.h"

G_BEGIN_DECLS

/* Settings of all fake learners. */
typedef struct {
  guint64 bad_loss_from, bad_loss_to; /* batches whose loss is not a number */
  guint64 bad_norm_from, bad_norm_to; /* calls of get_norm, from 0 */
  guint64 norms;                      /* such calls so far */
  guint64 estimate;                   /* bytes */
  gint pad;    /* an id that counts as padding; 0: none */
  guint delay; /* of a batch, in us */
} FakeLearner;

extern FakeLearner fake_learner;

G_END_DECLS
