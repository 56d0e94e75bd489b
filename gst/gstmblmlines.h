/* gstmblmlines.h: lines of text that leave by a thread of their own.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * What passes through mblmscore must not wait for whoever takes the scores: a
 * sink that prerolls, a pipe that nobody reads. So lines and events wait here,
 * and the pad's own task pushes them. They take little, and may take up to
 * GST_MBLM_LINES_BYTES; then the oldest lines get lost.
 *
 * There is one pad at a time, or none. Any thread may call any of these.
 */

#pragma once

#include "gstmblmtext.h"

G_BEGIN_DECLS

#define GST_MBLM_LINES_BYTES (64 * 1024 * 1024)

typedef struct {
  /* Called by the pad's task when downstream fails. */
  void (*failed) (gpointer user_data, GstFlowReturn flow);
  gpointer user_data;

  GMutex lock;
  GCond cond; /* anything below has changed */
  /* Under `lock`: */
  GstMblmTextPad *pad;  /* owned; NULL: there is none */
  GQueue items;         /* of GstMiniObject, owned: buffers and events */
  gsize bytes;          /* of the buffers that wait */
  GstPad *active;       /* the pad while it is active; not owned */
  GstMblmTextPad *busy; /* the pad whose task pushes; not owned */
  gboolean added;       /* the pad is the element's */
  guint holds;          /* so many want the task not to run */
  gboolean flushing;    /* or the pad is not active */
  GstFlowReturn flow;   /* what pushing came to last */
} GstMblmLines;

void gst_mblm_lines_init (GstMblmLines *self,
    void (*failed) (gpointer user_data, GstFlowReturn flow),
    gpointer user_data);
void gst_mblm_lines_clear (GstMblmLines *self);

/* Gives it a pad, before that is active, or takes it away (NULL). */
void gst_mblm_lines_set_pad (GstMblmLines *self, GstMblmTextPad *pad);
/* The pad is now the element's. Until then lines wait. */
void gst_mblm_lines_begin (GstMblmLines *self);
/* Whether the pad's task pushes something, and may be held up by downstream. */
gboolean gst_mblm_lines_is_busy (GstMblmLines *self, GstPad *pad);
/* A new reference, or NULL. */
GstMblmTextPad *gst_mblm_lines_get_pad (GstMblmLines *self);
/* Takes a line; without a pad it is dropped. FALSE: an older one got lost. */
gboolean gst_mblm_lines_push (GstMblmLines *self, GstBuffer *line);
/* Takes a serialized event. */
void gst_mblm_lines_push_event (GstMblmLines *self, GstEvent *event);
/* Takes a FLUSH_START or FLUSH_STOP, which doesn't wait in line. */
void gst_mblm_lines_flush (GstMblmLines *self, GstEvent *event);
/* Forgets the stream. A pad that was requested while the state changes may be
 * active already. */
void gst_mblm_lines_reset (GstMblmLines *self);
/* What pushing came to last; NOT_LINKED without a pad. */
GstFlowReturn gst_mblm_lines_get_flow (GstMblmLines *self);

G_END_DECLS
