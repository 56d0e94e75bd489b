/* schedule.h: how long a training run is, and what happens when in it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A run of `batches` batches takes batches / accumulate steps of the schedule.
 * mblm-math sections 2.13, 5.5 and 6. Private to the engine and its command.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Batches until `target` elements have been seen: the published count rounds up.
 * With the strategy `batch` a batch counts `batch_size` elements, with `sequence`
 * batch_size * length (input_seq_len). 0 where the product is beyond 64 bits. */
guint64 mblm_schedule_count_batches (
    guint64 target, gboolean sequence, guint64 batch_size, guint64 length);

/* floor (steps * share), as the published trainer computes it. */
guint64 mblm_schedule_count_warmup (guint64 steps, double share);

/* The learning rate of the step that follows `taken` steps: from a tenth of
 * `base` up over `warmup` steps, then half a cosine down to 0 at `steps`. Needs
 * warmup < steps. */
double mblm_schedule_get_rate (
    double base, guint64 warmup, guint64 steps, guint64 taken);

/* Whether batch `index` (from 0) of `batches` is one of `amount` points that lie
 * evenly over the run, rounded down, the first and the last batch among them;
 * with more points than batches each batch is one. A single point is the last
 * batch (the published one would be the first, where there is nothing to see). */
gboolean mblm_schedule_is_point (
    guint64 batches, guint64 amount, guint64 index);

G_END_DECLS
