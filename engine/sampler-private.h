/* sampler-private.h: drawing from logits that are already at hand.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm-sampler.h"
#include "session-ahead.h"

G_BEGIN_DECLS

/* Draws from logits [vocabulary]. An id must be allowed by the sampler and,
 * where it is given, by `allowed` [vocabulary]. -1 on error: DEVICE for logits
 * that are not finite, INPUT where no id is allowed. */
gint mblm_sampler_draw_from (MblmSampler *self, const float *logits,
    guint vocabulary, const guint8 *allowed, GError **error);

/* How the sampler would make its next n draws, of which there are at most
 * MBLM_MOST_TOLD, from as many ids, at most MBLM_AHEAD_VOCABULARY. FALSE: no id is
 * allowed. */
gboolean mblm_sampler_look_ahead (MblmSampler *self, const guint8 *allowed,
    guint vocabulary, guint n, MblmDraws *draws);

/* ln sum exp over logits [vocabulary], in double; NaN where one isn't finite.
 * */
double mblm_log_sum_exp (const float *logits, guint vocabulary);

G_END_DECLS
