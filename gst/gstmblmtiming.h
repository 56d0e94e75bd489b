/* gstmblmtiming.h: when input is.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Kept by the streaming thread of the sink pad. A frame that has a time keeps
 * it. One that has none comes n / framerate after the segment's start, without
 * a framerate n seconds, and never at a time taken from a clock, so that the
 * same input has the same times each time.
 */

#pragma once

#include <gst/gst.h>

#include "gstmblmqueue.h"

G_BEGIN_DECLS

typedef struct {
  GstSegment segment;        /* of the output, in TIME */
  gboolean own;              /* ... and not upstream's */
  gint fps_n, fps_d;         /* 0 where there is none */
  GstClockTime untimed_base; /* of frame 0 without a time */
  guint64 untimed_frames;
  GstClockTime last_pts; /* of the last frame that had a time */
  GstClockTime spacing;  /* between the last two of them */
} GstMblmInput;

/* The newest input, whose SEGMENT the output may still have to come to. */
typedef struct {
  GstSegment segment; /* of its times; only if it waits */
  gboolean waits;     /* the output is in a segment before that one */
  GstClockTime start, end;
} GstMblmNewest;

/* Its times in the segment that the output is in: if that is another one, those of
 * the same running times. FALSE: there are none. */
gboolean gst_mblm_newest_find (const GstMblmNewest *self,
    const GstSegment *output, GstClockTime *start, GstClockTime *end);

/* The end of what begins at `start`, both of them times; what would be too far
 * off for a time ends at the last one there is. */
static inline GstClockTime
gst_mblm_time_add (GstClockTime start, GstClockTime duration)
{
  return start + MIN (duration, GST_CLOCK_TIME_NONE - 1 - start);
}

/* Whether times in the segment are running times, too. */
gboolean gst_mblm_has_time (const GstSegment *segment);
/* NONE outside of the segment, without a time, and where the segment has no end
 * to run backwards from. */
GstClockTime gst_mblm_to_running_time (
    const GstSegment *segment, GstClockTime time);

void gst_mblm_input_reset (GstMblmInput *self);
void gst_mblm_input_set_segment (GstMblmInput *self, GstEvent *event);
void gst_mblm_input_set_framerate (GstMblmInput *self, gint n, gint d);
/* The time of a frame whose first buffer has this PTS and duration, into the
 * item: `pts`, `duration`, running and stream time. `pts` + `duration` is a time,
 * too. */
void gst_mblm_input_stamp_frame (GstMblmInput *self, GstClockTime pts,
    GstClockTime duration, GstMblmItem *item);
/* The same for a buffer of bytes or text, which may stay without a time. */
void gst_mblm_input_stamp (GstMblmInput *self, GstClockTime pts,
    GstClockTime duration, GstMblmItem *item);

G_END_DECLS
