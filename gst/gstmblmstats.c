/* gstmblmstats.c: what an element counts, and how long its work takes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmstats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void
gst_mblm_times_add (GstMblmTimes *self, GstClockTime time)
{
  self->last[self->n++ % GST_MBLM_STATS_WINDOW] = time;
}

static int
compare (const void *a, const void *b)
{
  const GstClockTime *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

GstClockTime
gst_mblm_times_quantile (const GstMblmTimes *self, double q)
{
  GstClockTime sorted[GST_MBLM_STATS_WINDOW];
  guint n = MIN (self->n, GST_MBLM_STATS_WINDOW);
  guint rank;

  if (n == 0)
    return 0;
  memcpy (sorted, self->last, n * sizeof *sorted);
  qsort (sorted, n, sizeof *sorted, compare);
  rank = (guint) ceil (q * n);
  return sorted[CLAMP (rank, 1, n) - 1];
}

/* Bytes for each second that the model has worked: those that it has read to
 * score them, or written. */
static double
bytes_per_second (const GstMblmStats *self)
{
  guint64 bytes = self->bytes_scored > 0 ? self->bytes_scored : self->bytes_out;

  return self->busy > 0 ? (double) bytes * GST_SECOND / self->busy : 0.0;
}

GstStructure *
gst_mblm_stats_to_structure (
    const GstMblmStats *self, const GstMblmLevels *queued, GstClockTime latency)
{
  const GstMblmTimes *first = &self->first_byte, *answer = &self->answer;
  GstStructure *structure = gst_structure_new ("application/x-mblm-stats",
      "buffers-in", G_TYPE_UINT64, self->buffers_in, "bytes-in", G_TYPE_UINT64,
      self->bytes_in, "units", G_TYPE_UINT64, self->units, "answered",
      G_TYPE_UINT64, self->answered, "partial", G_TYPE_UINT64, self->partial,
      "dropped", G_TYPE_UINT64, self->dropped, "failed", G_TYPE_UINT64,
      self->failed, "bytes-out", G_TYPE_UINT64, self->bytes_out,
      "bytes-per-second", G_TYPE_DOUBLE, bytes_per_second (self), NULL);

  gst_structure_set (structure, "busy-time", G_TYPE_UINT64, self->busy,
      "first-byte-time", G_TYPE_UINT64, gst_mblm_times_quantile (first, 0.5),
      "first-byte-time-95", G_TYPE_UINT64,
      gst_mblm_times_quantile (first, 0.95), "answer-time", G_TYPE_UINT64,
      gst_mblm_times_quantile (answer, 0.5), "answer-time-95", G_TYPE_UINT64,
      gst_mblm_times_quantile (answer, 0.95), "latency", G_TYPE_UINT64, latency,
      "queued-buffers", G_TYPE_UINT, queued->buffers, "queued-bytes",
      G_TYPE_UINT64, queued->bytes, "queued-time", G_TYPE_UINT64, queued->time,
      NULL);
  return structure;
}
