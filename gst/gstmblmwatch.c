/* gstmblmwatch.c: how long a unit of work takes, and when its time is up.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmwatch.h"

void
gst_mblm_watch_init (GstMblmWatch *self)
{
  *self = (GstMblmWatch){.due = GST_CLOCK_TIME_NONE};
  g_mutex_init (&self->lock);
}

void
gst_mblm_watch_clear (GstMblmWatch *self)
{
  gst_clear_object (&self->clock);
  g_mutex_clear (&self->lock);
}

static GstClockTime
now (const GstMblmWatch *self)
{
  GstClockTime time = self->clock ? gst_clock_get_time (self->clock)
                                  : GST_CLOCK_TIME_NONE;

  return GST_CLOCK_TIME_IS_VALID (time)
      ? time
      : (GstClockTime) g_get_monotonic_time () * 1000;
}

/* Clocks of all kinds may go back. */
static GstClockTime
between (GstClockTime from, GstClockTime to)
{
  return to > from ? to - from : 0;
}

void
gst_mblm_watch_start (GstMblmWatch *self, GstElement *element)
{
  gst_mblm_watch_stop (self);
  self->running = TRUE;
  self->clock = gst_element_get_clock (element);
  self->began = now (self);
  self->held = 0;
  self->answer = 0;
}

void
gst_mblm_watch_stop (GstMblmWatch *self)
{
  gst_clear_object (&self->clock);
  self->running = FALSE;
  self->due = GST_CLOCK_TIME_NONE;
}

void
gst_mblm_watch_push_begins (GstMblmWatch *self)
{
  self->push_began = now (self);
  g_mutex_lock (&self->lock);
  self->blocked_since = g_get_monotonic_time ();
  g_mutex_unlock (&self->lock);
}

void
gst_mblm_watch_push_ends (GstMblmWatch *self)
{
  self->held += between (self->push_began, now (self));
  g_mutex_lock (&self->lock);
  self->blocked += g_get_monotonic_time () - self->blocked_since;
  self->blocked_since = 0;
  g_mutex_unlock (&self->lock);
}

GstClockTime
gst_mblm_watch_elapsed (const GstMblmWatch *self)
{
  return self->running ? between (self->began + self->held, now (self)) : 0;
}

void
gst_mblm_watch_begin_answer (GstMblmWatch *self, GstClockTime deadline)
{
  self->answer = gst_mblm_watch_elapsed (self);
  if (deadline == 0 ||
      !g_uint64_checked_add (&self->due, self->answer, deadline))
    self->due = GST_CLOCK_TIME_NONE;
}

GstClockTime
gst_mblm_watch_answer_time (const GstMblmWatch *self)
{
  return between (self->answer, gst_mblm_watch_elapsed (self));
}

gboolean
gst_mblm_watch_is_late (const GstMblmWatch *self)
{
  return GST_CLOCK_TIME_IS_VALID (self->due) &&
      gst_mblm_watch_elapsed (self) >= self->due;
}

gint64
gst_mblm_watch_get_blocked (GstMblmWatch *self)
{
  gint64 blocked;

  g_mutex_lock (&self->lock);
  blocked = self->blocked;
  if (self->blocked_since > 0)
    blocked += g_get_monotonic_time () - self->blocked_since;
  g_mutex_unlock (&self->lock);
  return blocked;
}
