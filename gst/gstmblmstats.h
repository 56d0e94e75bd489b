/* gstmblmstats.h: what an element counts, and how long its work takes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Of the times of the last units, the median and the 95th percentile are told:
 * a mean would hide the slow ones. No lock of its own: its owner's is held.
 */

#pragma once

#include "gstmblmqueue.h"

G_BEGIN_DECLS

#define GST_MBLM_STATS_WINDOW 64

/* The last times, oldest overwritten first. */
typedef struct {
  GstClockTime last[GST_MBLM_STATS_WINDOW];
  guint64 n; /* times so far */
} GstMblmTimes;

typedef struct {
  guint64 buffers_in, bytes_in; /* that came in at `sink` */
  guint64 units;                /* that the model has worked on */
  guint64 answered;             /* answers, continuations or scores */
  guint64 partial;              /* of them, cut short by the deadline */
  guint64 dropped;              /* units given up because the queue was full */
  guint64 failed;               /* input that the model could not take */
  guint64 bytes_out;            /* of text */
  guint64 bytes_scored;
  GstClockTime busy;       /* time the model worked */
  GstMblmTimes first_byte; /* from the start of a unit to its first text */
  GstMblmTimes answer;     /* from the start of an answer to its end */
} GstMblmStats;

void gst_mblm_times_add (GstMblmTimes *self, GstClockTime time);
/* The share `q` (0 to 1) of the last times is no longer; 0 without any. */
GstClockTime gst_mblm_times_quantile (const GstMblmTimes *self, double q);

/* "application/x-mblm-stats". */
GstStructure *gst_mblm_stats_to_structure (const GstMblmStats *self,
    const GstMblmLevels *queued, GstClockTime latency);

G_END_DECLS
