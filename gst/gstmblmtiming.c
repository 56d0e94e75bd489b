/* gstmblmtiming.c: when input is.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmtiming.h"

/* A frame that has a time but neither a duration nor a framerate nor a frame
 * before it lasts so long. */
#define DEFAULT_DURATION (GST_SECOND / 30)

void
gst_mblm_input_reset (GstMblmInput *self)
{
  gst_segment_init (&self->segment, GST_FORMAT_TIME);
  self->own = TRUE;
  self->untimed_base = 0;
  self->untimed_frames = 0;
  self->last_pts = GST_CLOCK_TIME_NONE;
  self->spacing = GST_CLOCK_TIME_NONE;
}

void
gst_mblm_input_set_segment (GstMblmInput *self, GstEvent *event)
{
  const GstSegment *segment;
  GstClockTime reached;

  gst_event_parse_segment (event, &segment);
  /* Our own segment goes on. */
  if (segment->format != GST_FORMAT_TIME && self->own)
    return;
  reached = gst_mblm_to_running_time (&self->segment, self->untimed_base);
  gst_mblm_input_reset (self);
  if (segment->format != GST_FORMAT_TIME) {
    if (GST_CLOCK_TIME_IS_VALID (reached))
      self->segment.base = reached;
    return;
  }
  gst_segment_copy_into (segment, &self->segment);
  self->own = FALSE;
  self->untimed_base = self->segment.start;
}

static GstClockTime
frames_to_time (const GstMblmInput *self, guint64 n)
{
  if (self->fps_n > 0)
    return gst_util_uint64_scale (
        n, (guint64) self->fps_d * GST_SECOND, self->fps_n);
  return n * GST_SECOND;
}

void
gst_mblm_input_set_framerate (GstMblmInput *self, gint n, gint d)
{
  if (n == self->fps_n && d == self->fps_d)
    return;
  self->untimed_base = gst_mblm_time_add (
      self->untimed_base, frames_to_time (self, self->untimed_frames));
  self->untimed_frames = 0;
  self->fps_n = n > 0 && d > 0 ? n : 0;
  self->fps_d = n > 0 && d > 0 ? d : 0;
}

gboolean
gst_mblm_has_time (const GstSegment *segment)
{
  /* Backwards, time runs from the end. */
  return segment->format == GST_FORMAT_TIME &&
      (segment->rate > 0 || GST_CLOCK_TIME_IS_VALID (segment->stop));
}

GstClockTime
gst_mblm_to_running_time (const GstSegment *segment, GstClockTime time)
{
  if (!GST_CLOCK_TIME_IS_VALID (time) || !gst_mblm_has_time (segment))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_running_time (segment, GST_FORMAT_TIME, time);
}

/* A time in one segment as one in another. */
static GstClockTime
translate (const GstSegment *from, GstClockTime time, const GstSegment *to)
{
  /* Input may last beyond the end of its segment. NONE is the largest value. */
  GstClockTime running = gst_mblm_to_running_time (
      from, MIN (time, from->stop));

  if (!GST_CLOCK_TIME_IS_VALID (running) || !gst_mblm_has_time (to))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_position_from_running_time (to, GST_FORMAT_TIME, running);
}

gboolean
gst_mblm_newest_find (const GstMblmNewest *self, const GstSegment *output,
    GstClockTime *start, GstClockTime *end)
{
  *start = self->start;
  *end = self->end;
  if (self->waits && GST_CLOCK_TIME_IS_VALID (self->end)) {
    *start = translate (&self->segment, self->start, output);
    *end = translate (&self->segment, self->end, output);
  }
  return GST_CLOCK_TIME_IS_VALID (*start) && GST_CLOCK_TIME_IS_VALID (*end);
}

static void
set_times (const GstMblmInput *self, GstClockTime pts, GstClockTime duration,
    GstMblmItem *item)
{
  item->pts = pts;
  item->duration = duration;
  if (!GST_CLOCK_TIME_IS_VALID (pts))
    return;
  if (GST_CLOCK_TIME_IS_VALID (duration))
    item->duration = gst_mblm_time_add (pts, duration) - pts;
  item->running_time = gst_mblm_to_running_time (&self->segment, pts);
  item->stream_time = gst_segment_to_stream_time (
      &self->segment, GST_FORMAT_TIME, pts);
}

static GstClockTime
guess_duration (const GstMblmInput *self)
{
  if (self->fps_n > 0)
    return frames_to_time (self, 1);
  if (GST_CLOCK_TIME_IS_VALID (self->spacing))
    return self->spacing;
  return DEFAULT_DURATION;
}

void
gst_mblm_input_stamp_frame (GstMblmInput *self, GstClockTime pts,
    GstClockTime duration, GstMblmItem *item)
{
  if (!GST_CLOCK_TIME_IS_VALID (pts)) {
    guint64 n = self->untimed_frames++;
    GstClockTime start = gst_mblm_time_add (
        self->untimed_base, frames_to_time (self, n));
    GstClockTime end = gst_mblm_time_add (
        self->untimed_base, frames_to_time (self, n + 1));

    set_times (self, start, end - start, item);
    return;
  }

  if (GST_CLOCK_TIME_IS_VALID (self->last_pts) && pts != self->last_pts)
    self->spacing = pts > self->last_pts ? pts - self->last_pts
                                         : self->last_pts - pts;
  self->last_pts = pts;
  if (!GST_CLOCK_TIME_IS_VALID (duration) || duration == 0)
    duration = guess_duration (self);
  /* Frames without a time that may follow go on from here. */
  self->untimed_base = gst_mblm_time_add (pts, duration);
  self->untimed_frames = 0;
  set_times (self, pts, duration, item);
}

void
gst_mblm_input_stamp (GstMblmInput *self, GstClockTime pts,
    GstClockTime duration, GstMblmItem *item)
{
  set_times (self, pts, duration, item);
}
