/* gstmblmlatency.h: how long an answer takes, and what the pipeline is told.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The estimate is the longest of the last measurements with some headroom. It
 * is taken over, and the pipeline told by a LATENCY message, only when it rises
 * by more than 5 % or moves by more than 25 %, and at most once a second.
 */

#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_MBLM_LATENCY_WINDOW 16

typedef struct {
  GstClockTime last[GST_MBLM_LATENCY_WINDOW];
  guint n; /* measurements so far */
  GstClockTime reported;
  gint64 told; /* monotonic time (us) of the last message */
} GstMblmLatency;

void gst_mblm_latency_reset (GstMblmLatency *self);
/* `now` is monotonic, in microseconds. TRUE: `reported` has changed, and a
 * LATENCY message is due. */
gboolean gst_mblm_latency_add (
    GstMblmLatency *self, GstClockTime measured, gint64 now);

/* Adds `own` to what upstream answered to a LATENCY query, if it is live. A
 * leaky element holds nothing beyond its own latency, so that this bounds the
 * maximum. */
void gst_mblm_latency_extend (
    GstClockTime own, gboolean leaky, GstClockTime *min, GstClockTime *max);

G_END_DECLS
