/* sampler-private.h: drawing from logits that are already at hand.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm-sampler.h"

G_BEGIN_DECLS

/* Draws from logits [vocabulary]. An id must be allowed by the sampler and,
 * where it is given, by `allowed` [vocabulary]. -1 on error: DEVICE for logits
 * that are not finite, INPUT where no id is allowed. */
gint mblm_sampler_draw_from (MblmSampler *self, const float *logits,
    guint vocabulary, const guint8 *allowed, GError **error);

/* ln sum exp over logits [vocabulary], in double; NaN where one isn't finite.
 * */
double mblm_log_sum_exp (const float *logits, guint vocabulary);

G_END_DECLS
