/* tap.h: pads of a test's own, which send and take what they are told to.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "helper.h"

/* An active source pad, linked to a sink pad of the element, that has sent
 * nothing, not even stream-start. */
GstPad *helper_feed (GstElement *element, const char *pad);
/* Stream-start, caps and a segment of this format; what is 0 is left out. */
void helper_feed_begin (GstPad *feed, const char *caps, GstFormat format);
/* Unlinked, and gone. */
void helper_feed_free (GstPad *feed);

/* A sink pad that writes down what comes, in order, as words: an event's name
 * ("gap@0+5" with its time), "buffer@0+5", "none" for no time. */
typedef struct {
  GstPad *pad;
  GMutex lock;
  GCond cond;
  GString *log;         /* each word ends in a blank */
  GPtrArray *buffers;   /* that came */
  GstSegment segment;   /* the last one that came */
  guint32 seqnum;       /* ... and of the last serialized event with one */
  GstFlowReturn answer; /* to buffers from now on */
  gboolean refuses;     /* caps events */
  gboolean holds;       /* buffers, in chain, until this is FALSE */
  guint held;           /* buffers that are held now */
} HelperTap;

/* Linked to a source pad of the element, and active. */
HelperTap *helper_tap (GstElement *element, const char *pad);
/* The pad is unlinked first. */
void helper_tap_free (HelperTap *tap);
void helper_tap_set_answer (HelperTap *tap, GstFlowReturn answer);
void helper_tap_hold (HelperTap *tap, gboolean hold);
/* What came so far; free with g_free. */
char *helper_tap_read (HelperTap *tap);
/* Waits until these words were written, one after the other, with or without
 * others between; a minute at most. */
gboolean helper_tap_wait (HelperTap *tap, const char *words);
/* Waits until a buffer is held. */
gboolean helper_tap_wait_held (HelperTap *tap);

/* An element of which each buffer in makes one buffer out, between a feed and a
 * tap; PLAYING. */
typedef struct {
  GstElement *element;
  GstPad *feed;
  HelperTap *tap;
} HelperLine;

void helper_line (HelperLine *line, const char *factory);
/* NULL, and all of it goes. */
/* Pushes what the element takes, a frame of 16x12 RGB or ten bytes, at 10 n ns for
 * 10 ns. */
GstFlowReturn helper_line_push (HelperLine *line, guint n);
void helper_line_done (HelperLine *line);
