/* gstmblmwatch.h: how long a unit of work takes, and when its time is up.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Read from the pipeline's clock, so that a deadline means what the rest of the
 * pipeline means by time; without one (no pipeline, or not PLAYING yet) from
 * the system's monotonic clock. The watch stands still while something is
 * pushed: a sink that waits for the time of a text is not the model's doing, and
 * if it counted as latency, that would make the sink wait longer.
 *
 * Belongs to the task, but for what others may ask: how long it has been held
 * up by downstream in all.
 */

#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
  gboolean running;        /* a unit is at work */
  GstClock *clock;         /* owned; NULL: the monotonic one */
  GstClockTime began;      /* by `clock` */
  GstClockTime held;       /* since then, in pushes */
  GstClockTime push_began; /* by `clock` */
  GstClockTime answer;     /* when the answer at work began, by the watch */
  GstClockTime due;        /* by the watch; NONE: no deadline */

  GMutex lock;
  gint64 blocked;       /* under `lock`: in pushes so far (us) */
  gint64 blocked_since; /* under `lock`: monotonic (us); 0: in no push */
} GstMblmWatch;

void gst_mblm_watch_init (GstMblmWatch *self);
void gst_mblm_watch_clear (GstMblmWatch *self);
/* A unit begins; its clock is the element's until the next one. */
void gst_mblm_watch_start (GstMblmWatch *self, GstElement *element);
/* The unit has ended; lets go of the clock. */
void gst_mblm_watch_stop (GstMblmWatch *self);
/* Around everything that is pushed. */
void gst_mblm_watch_push_begins (GstMblmWatch *self);
void gst_mblm_watch_push_ends (GstMblmWatch *self);
/* Since the start, pushes left out; 0 between two units. */
GstClockTime gst_mblm_watch_elapsed (const GstMblmWatch *self);
/* One answer of the unit begins, for which there is so much time; 0: no end to
 * it. The first begins with the unit. */
void gst_mblm_watch_begin_answer (GstMblmWatch *self, GstClockTime deadline);
/* Since then. */
GstClockTime gst_mblm_watch_answer_time (const GstMblmWatch *self);
gboolean gst_mblm_watch_is_late (const GstMblmWatch *self);
/* Time (us) in pushes so far, one that goes on included. Any thread. */
gint64 gst_mblm_watch_get_blocked (GstMblmWatch *self);

G_END_DECLS
