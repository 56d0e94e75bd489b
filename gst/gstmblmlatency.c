/* gstmblmlatency.c: how long an answer takes, and what the pipeline is told.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmlatency.h"

#include "gstmblmtiming.h"

void
gst_mblm_latency_reset (GstMblmLatency *self)
{
  *self = (GstMblmLatency){{0}, 0, 0, 0};
}

static GstClockTime
estimate (const GstMblmLatency *self)
{
  GstClockTime longest = 0;

  for (guint i = 0; i < MIN (self->n, GST_MBLM_LATENCY_WINDOW); i++)
    longest = MAX (longest, self->last[i]);
  return longest + longest / 20;
}

gboolean
gst_mblm_latency_add (GstMblmLatency *self, GstClockTime measured, gint64 now)
{
  GstClockTime old = self->reported, new;

  self->last[self->n % GST_MBLM_LATENCY_WINDOW] = measured;
  self->n++;
  new = estimate (self);
  if (!(new > old + old / 20 || new < old - old / 4))
    return FALSE;
  if (self->told != 0 && now - self->told < G_USEC_PER_SEC)
    return FALSE;
  self->reported = new;
  self->told = now;
  return TRUE;
}

void
gst_mblm_latency_extend (
    GstClockTime own, gboolean leaky, GstClockTime *min, GstClockTime *max)
{
  *min = gst_mblm_time_add (*min, own);
  if (leaky)
    *max = MIN (*max, *min); /* NONE is the largest value there is */
  else if (GST_CLOCK_TIME_IS_VALID (*max))
    *max = gst_mblm_time_add (*max, own);
}
