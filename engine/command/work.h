/* work.h: the operations that a model can't avoid.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm.h"

G_BEGIN_DECLS

/* Floating point operations (a product of two and a sum count as two) of
 * scoring n bytes from nothing, and of taking in a prompt of n bytes, which the
 * inner stages don't see but for their open patch. */
double work_of_score (MblmModel *model, guint64 n);
double work_of_prompt (MblmModel *model, guint64 n);
/* Of a training step for a sequence of n bytes, forward and backward, of which a
 * share counts in the loss: inner stages need not see the others. */
double work_of_training (MblmModel *model, guint64 n, double share);

/* An integer field of a stage's block; 0 where it has none of that name. */
gsize work_get_option (MblmConfig *config, guint stage, const char *name);

G_END_DECLS
