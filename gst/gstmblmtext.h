/* gstmblmtext.h: a source pad that sends text.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The pad sends its own stream-start (sparse), caps and TIME segment before
 * what comes first, keeps the position that it has reached, and knows the last
 * answer, to send it again for input that gets none.
 *
 * A text overlay shows a frame only when it has a text for it or knows, from
 * the position, that there is none; it drops text that ends before the frame,
 * and takes no new text before the last one has ended. Hence two ways to time
 * answers, and in both no text lasts beyond the input seen so far:
 *
 *   frame    gst_mblm_text_pad_answer and _skip, once for each input in order
 *   arrival  gst_mblm_text_pad_offer whenever there is an answer, and _advance
 *            whenever there is newer input: it covers the time up to the end of
 *            that input, by the new answer, by the last one again or by a GAP
 *
 * All calls are made by the task of the element's `src` pad, or while that task
 * doesn't run.
 */

#pragma once

#include <gst/gst.h>

#include "gstmblmwatch.h"

G_BEGIN_DECLS

#define GST_TYPE_MBLM_TEXT_PAD (gst_mblm_text_pad_get_type ())
G_DECLARE_FINAL_TYPE (
    GstMblmTextPad, gst_mblm_text_pad, GST, MBLM_TEXT_PAD, GstPad)

GstMblmTextPad *gst_mblm_text_pad_new (
    GstPadTemplate *template, const char *name);

/* Not owned; told of every push. NULL: none. */
void gst_mblm_text_pad_set_watch (GstMblmTextPad *self, GstMblmWatch *watch);

/* The state of a pad that has sent nothing. */
void gst_mblm_text_pad_reset (GstMblmTextPad *self);
/* The pad comes in the middle of a stream, and has missed its segment. */
void gst_mblm_text_pad_set_late (GstMblmTextPad *self);
/* After FLUSH_STOP: stream and caps stay, a segment follows, no answer yet. Where
 * upstream is at another stream by now, whose start was lost in the flush, it is
 * restarted. */
void gst_mblm_text_pad_flush (GstMblmTextPad *self);
/* A new stream upstream, which begins with this event: stream-start is sent
 * again. */
void gst_mblm_text_pad_restart (GstMblmTextPad *self, GstEvent *start);
/* What a SEGMENT event from upstream means for text: the same segment if it is
 * in TIME, else one of our own, which goes on if the last one was our own, too,
 * and else begins at the running time that was reached. */
void gst_mblm_text_pad_set_segment (GstMblmTextPad *self, GstEvent *event);
const GstSegment *gst_mblm_text_pad_get_segment (GstMblmTextPad *self);

/* Sends what has to come before data; after it, is_text is known. */
GstFlowReturn gst_mblm_text_pad_prepare (GstMblmTextPad *self);
/* The same, and then a GAP of no length, so that a sink that prerolls need not
 * wait for the first text. Once for each segment. */
GstFlowReturn gst_mblm_text_pad_open (GstMblmTextPad *self);
/* TRUE for text/x-raw, FALSE for plain bytes. */
gboolean gst_mblm_text_pad_is_text (GstMblmTextPad *self);
/* End of what was sent; NONE when nothing was. */
GstClockTime gst_mblm_text_pad_get_position (GstMblmTextPad *self);

/* Takes the buffer, which has its time. */
GstFlowReturn gst_mblm_text_pad_push (GstMblmTextPad *self, GstBuffer *buffer);
GstFlowReturn gst_mblm_text_pad_gap (
    GstMblmTextPad *self, GstClockTime start, GstClockTime duration);
/* Says where text has got to, if it has got anywhere, by a GAP of the last
 * nanosecond. */
void gst_mblm_text_pad_state_position (GstMblmTextPad *self);
/* Takes the event. */
gboolean gst_mblm_text_pad_send (GstMblmTextPad *self, GstEvent *event);

/* Takes the answer, a buffer without time. With `on_change` an answer that
 * equals the last one is a GAP. */
GstFlowReturn gst_mblm_text_pad_answer (GstMblmTextPad *self, GstBuffer *answer,
    GstClockTime pts, GstClockTime duration, gboolean on_change);
GstFlowReturn gst_mblm_text_pad_skip (GstMblmTextPad *self, GstClockTime pts,
    GstClockTime duration, gboolean repeat);
/* `now` is the position in the segment that the running time stands for. */
void gst_mblm_text_pad_offer (GstMblmTextPad *self, GstBuffer *answer,
    GstClockTime now, gboolean on_change);
/* `start` and `end` of the newest input. */
GstFlowReturn gst_mblm_text_pad_advance (GstMblmTextPad *self,
    GstClockTime start, GstClockTime end, gboolean repeat);
/* Before EOS or another segment: sends an answer that still waits. */
GstFlowReturn gst_mblm_text_pad_drain (GstMblmTextPad *self);

G_END_DECLS
