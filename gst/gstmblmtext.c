/* gstmblmtext.c: a source pad that sends text.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmtext.h"

#include "gstmblmmeta.h"
#include "gstmblmtiming.h"

struct _GstMblmTextPad {
  GstPad parent;

  GstMblmWatch *watch; /* stands still while something is pushed; or NULL */

  /* All of it belongs to the task that pushes: that of the element's `src` pad, or,
   * of a json pad, its own. */
  gboolean started; /* stream-start was sent */
  gboolean has_caps;
  gboolean has_segment; /* `segment` was sent */
  gboolean own_segment; /* ... and isn't upstream's */
  gboolean late;        /* it has missed upstream's */
  gboolean is_text;
  GstSegment segment;
  guint32 seqnum;
  GstStream *stream;
  GstEvent *start; /* upstream's, of the stream at hand; NULL: its last */
  GstClockTime position;

  GstBuffer *answer;  /* the last one, without time; or NULL */
  gboolean fresh;     /* it was not sent yet */
  GstClockTime ready; /* when it was there, in `segment` */
  gboolean discont;   /* the next buffer follows a loss */
};

G_DEFINE_TYPE (GstMblmTextPad, gst_mblm_text_pad, GST_TYPE_PAD);

static void
gst_mblm_text_pad_finalize (GObject *object)
{
  GstMblmTextPad *self = GST_MBLM_TEXT_PAD (object);

  gst_clear_buffer (&self->answer);
  gst_clear_object (&self->stream);
  gst_clear_event (&self->start);
  G_OBJECT_CLASS (gst_mblm_text_pad_parent_class)->finalize (object);
}

static void
gst_mblm_text_pad_class_init (GstMblmTextPadClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = gst_mblm_text_pad_finalize;
}

static void
gst_mblm_text_pad_init (GstMblmTextPad *self)
{
  gst_mblm_text_pad_reset (self);
}

GstMblmTextPad *
gst_mblm_text_pad_new (GstPadTemplate *template, const char *name)
{
  return g_object_new (GST_TYPE_MBLM_TEXT_PAD, "name", name, "direction",
      GST_PAD_SRC, "template", template, NULL);
}

void
gst_mblm_text_pad_set_watch (GstMblmTextPad *self, GstMblmWatch *watch)
{
  self->watch = watch;
}

/* --- pushing --- */

static GstFlowReturn
push_buffer (GstMblmTextPad *self, GstBuffer *buffer)
{
  GstFlowReturn ret;

  if (self->watch)
    gst_mblm_watch_push_begins (self->watch);
  ret = gst_pad_push (GST_PAD (self), buffer);
  if (self->watch)
    gst_mblm_watch_push_ends (self->watch);
  return ret;
}

static gboolean
push_event (GstMblmTextPad *self, GstEvent *event)
{
  gboolean ret;

  if (self->watch)
    gst_mblm_watch_push_begins (self->watch);
  ret = gst_pad_push_event (GST_PAD (self), event);
  if (self->watch)
    gst_mblm_watch_push_ends (self->watch);
  return ret;
}

/* --- streams and segments --- */

void
gst_mblm_text_pad_reset (GstMblmTextPad *self)
{
  gst_mblm_text_pad_flush (self);
  gst_clear_event (&self->start);
  gst_clear_object (&self->stream);
  self->started = FALSE;
  self->has_caps = FALSE;
  self->is_text = TRUE;
  self->seqnum = GST_SEQNUM_INVALID;
}

/* Events that are sent while the pad flushes get lost. */
static gboolean
was_sent (GstMblmTextPad *self, GstEventType type)
{
  g_autoptr (GstEvent)
      event = gst_pad_get_sticky_event (GST_PAD (self), type, 0);

  return event != NULL;
}

/* The id of upstream's stream and the name of the pad, as
 * gst_pad_create_stream_id makes it: that one refuses elements with several
 * sink pads. */
static char *
create_stream_id (GstMblmTextPad *self, GstElement *element, GstEvent *upstream)
{
  const char *id;

  if (!upstream)
    return g_strdup_printf (
        "%s/%s", GST_OBJECT_NAME (element), GST_OBJECT_NAME (self));
  gst_event_parse_stream_start (upstream, &id);
  return g_strdup_printf ("%s/%s", id, GST_OBJECT_NAME (self));
}

/* The stream start of what the task is at. Upstream may have sent others since;
 * where none came through the queue, it is the last that it has sent, or NULL. */
static GstEvent *
get_upstream_start (GstMblmTextPad *self, GstElement *element)
{
  if (self->start)
    return gst_event_ref (self->start);

  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");

  return gst_pad_get_sticky_event (sink, GST_EVENT_STREAM_START, 0);
}

/* Whether upstream is still at the stream that was sent. */
static gboolean
is_same_stream (GstMblmTextPad *self)
{
  g_autoptr (GstElement) element = gst_pad_get_parent_element (GST_PAD (self));
  g_autoptr (GstEvent) upstream = NULL;
  g_autofree char *id = NULL;

  if (!element)
    return TRUE;
  upstream = get_upstream_start (self, element);
  id = create_stream_id (self, element, upstream);
  return !upstream || g_str_equal (id, gst_stream_get_stream_id (self->stream));
}

void
gst_mblm_text_pad_flush (GstMblmTextPad *self)
{
  g_autoptr (GstElement) element = gst_pad_get_parent_element (GST_PAD (self));

  /* What upstream is at now, before it goes on. */
  gst_clear_event (&self->start);
  if (element)
    self->start = get_upstream_start (self, element);
  self->started = self->stream && was_sent (self, GST_EVENT_STREAM_START) &&
      is_same_stream (self);
  self->has_caps = self->started && was_sent (self, GST_EVENT_CAPS);
  gst_segment_init (&self->segment, GST_FORMAT_TIME);
  self->has_segment = FALSE;
  self->own_segment = TRUE;
  self->late = FALSE;
  self->position = GST_CLOCK_TIME_NONE;
  gst_clear_buffer (&self->answer);
  self->fresh = FALSE;
  self->discont = TRUE;
}

void
gst_mblm_text_pad_restart (GstMblmTextPad *self, GstEvent *start)
{
  gst_event_replace (&self->start, start);
  self->started = FALSE;
  self->has_caps = FALSE;
  self->has_segment = FALSE;
}

void
gst_mblm_text_pad_set_segment (GstMblmTextPad *self, GstEvent *event)
{
  const GstSegment *segment;
  GstClockTime reached;

  self->late = FALSE;
  gst_event_parse_segment (event, &segment);
  if (segment->format != GST_FORMAT_TIME) {
    /* It goes on, in the next stream, too. */
    if (self->own_segment) {
      if (!self->has_segment)
        self->seqnum = gst_event_get_seqnum (event);
      return;
    }
    reached = gst_mblm_to_running_time (&self->segment, self->position);
    gst_segment_init (&self->segment, GST_FORMAT_TIME);
    if (GST_CLOCK_TIME_IS_VALID (reached))
      self->segment.base = reached;
  } else {
    gst_segment_copy_into (segment, &self->segment);
  }
  self->own_segment = segment->format != GST_FORMAT_TIME;
  self->seqnum = gst_event_get_seqnum (event);
  self->has_segment = FALSE;
  self->position = GST_CLOCK_TIME_NONE;
}

const GstSegment *
gst_mblm_text_pad_get_segment (GstMblmTextPad *self)
{
  return &self->segment;
}

gboolean
gst_mblm_text_pad_is_text (GstMblmTextPad *self)
{
  return self->is_text;
}

GstClockTime
gst_mblm_text_pad_get_position (GstMblmTextPad *self)
{
  return self->position;
}

static void
send_stream_start (GstMblmTextPad *self, GstElement *element)
{
  g_autoptr (GstEvent) upstream = get_upstream_start (self, element);
  g_autofree char *id = create_stream_id (self, element, upstream);
  GstEvent *event = gst_event_new_stream_start (id);
  guint group;

  if (!upstream || !gst_event_parse_group_id (upstream, &group))
    group = gst_util_group_id_next ();
  gst_event_set_group_id (event, group);
  gst_event_set_stream_flags (event, GST_STREAM_FLAG_SPARSE);
  if (upstream)
    gst_event_set_seqnum (event, gst_event_get_seqnum (upstream));

  gst_clear_object (&self->stream);
  self->stream = gst_stream_new (
      id, NULL, GST_STREAM_TYPE_TEXT, GST_STREAM_FLAG_SPARSE);
  gst_event_set_stream (event, self->stream);
  push_event (self, event);
}

/* Takes the first of our formats that downstream accepts. */
static GstFlowReturn
negotiate (GstMblmTextPad *self)
{
  GstPad *pad = GST_PAD (self);
  g_autoptr (GstCaps) ours = gst_pad_get_pad_template_caps (pad);
  g_autoptr (GstCaps) accepted = gst_pad_peer_query_caps (pad, ours);
  g_autoptr (GstCaps)
      caps = gst_caps_intersect_full (ours, accepted, GST_CAPS_INTERSECT_FIRST);

  if (gst_caps_is_empty (caps)) {
    gst_pad_mark_reconfigure (pad);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  caps = gst_caps_fixate (caps);
  self->is_text = gst_structure_has_name (
      gst_caps_get_structure (caps, 0), "text/x-raw");
  gst_stream_set_caps (self->stream, caps);
  push_event (self, gst_event_new_caps (caps));
  self->has_caps = TRUE;
  return GST_FLOW_OK;
}

void
gst_mblm_text_pad_set_late (GstMblmTextPad *self)
{
  self->late = TRUE;
}

static void
catch_up (GstMblmTextPad *self, GstElement *element)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  g_autoptr (GstEvent)
      event = gst_pad_get_sticky_event (sink, GST_EVENT_SEGMENT, 0);

  if (event)
    gst_mblm_text_pad_set_segment (self, event);
}

GstFlowReturn
gst_mblm_text_pad_prepare (GstMblmTextPad *self)
{
  GstPad *pad = GST_PAD (self);
  g_autoptr (GstElement) element = gst_pad_get_parent_element (pad);
  GstFlowReturn ret = GST_FLOW_OK;

  /* A pad that was taken off the element while the task was about to use it. */
  if (!element)
    return GST_FLOW_FLUSHING;
  if (self->late)
    catch_up (self, element);
  if (!self->started) {
    send_stream_start (self, element);
    self->started = TRUE;
  }
  if (gst_pad_check_reconfigure (pad) || !self->has_caps)
    ret = negotiate (self);
  if (ret == GST_FLOW_OK && !self->has_segment) {
    GstEvent *event = gst_event_new_segment (&self->segment);

    if (self->seqnum != GST_SEQNUM_INVALID)
      gst_event_set_seqnum (event, self->seqnum);
    push_event (self, event);
    self->has_segment = TRUE;
  }
  return ret;
}

GstFlowReturn
gst_mblm_text_pad_open (GstMblmTextPad *self)
{
  GstFlowReturn ret = gst_mblm_text_pad_prepare (self);

  if (ret == GST_FLOW_OK && !GST_CLOCK_TIME_IS_VALID (self->position))
    push_event (
        self, gst_event_new_gap (self->segment.start, GST_CLOCK_TIME_NONE));
  return ret;
}

gboolean
gst_mblm_text_pad_send (GstMblmTextPad *self, GstEvent *event)
{
  /* What was left out for a flush comes again; for a pad without an element
   * nothing may follow. */
  if (gst_mblm_text_pad_prepare (self) == GST_FLOW_FLUSHING) {
    gst_event_unref (event);
    return FALSE;
  }
  return push_event (self, event);
}

static void
reach (GstMblmTextPad *self, GstClockTime start, GstClockTime duration)
{
  if (!GST_CLOCK_TIME_IS_VALID (start))
    return;
  if (GST_CLOCK_TIME_IS_VALID (duration))
    start += duration;
  if (!GST_CLOCK_TIME_IS_VALID (self->position) || self->segment.rate < 0 ||
      start > self->position)
    self->position = start;
}

GstFlowReturn
gst_mblm_text_pad_push (GstMblmTextPad *self, GstBuffer *buffer)
{
  GstFlowReturn ret = gst_mblm_text_pad_prepare (self);

  if (ret != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return ret;
  }
  if (self->discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->discont = FALSE;
  reach (self, GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer));
  ret = push_buffer (self, buffer);
  /* Successes of downstream's own kind are successes. */
  return MIN (ret, GST_FLOW_OK);
}

GstFlowReturn
gst_mblm_text_pad_gap (
    GstMblmTextPad *self, GstClockTime start, GstClockTime duration)
{
  GstFlowReturn ret;

  if (!GST_CLOCK_TIME_IS_VALID (start) || !GST_CLOCK_TIME_IS_VALID (duration) ||
      duration == 0)
    return GST_FLOW_OK;
  ret = gst_mblm_text_pad_prepare (self);
  if (ret != GST_FLOW_OK)
    return ret;
  reach (self, start, duration);
  push_event (self, gst_event_new_gap (start, duration));
  return GST_FLOW_OK;
}

void
gst_mblm_text_pad_state_position (GstMblmTextPad *self)
{
  if (GST_CLOCK_TIME_IS_VALID (self->position) && self->position > 0 &&
      gst_mblm_text_pad_prepare (self) == GST_FLOW_OK)
    push_event (self, gst_event_new_gap (self->position - 1, 1));
}

static gboolean
same_text (GstBuffer *a, GstBuffer *b)
{
  GstMapInfo map;
  gboolean same;

  if (gst_buffer_get_size (a) != gst_buffer_get_size (b) ||
      !gst_buffer_map (a, &map, GST_MAP_READ))
    return FALSE;
  same = gst_buffer_memcmp (b, 0, map.data, map.size) == 0;
  gst_buffer_unmap (a, &map);
  return same;
}

/* Makes `answer` (taken) the last one; FALSE if it is the same as before and
 * only changes count. */
static gboolean
keep_answer (GstMblmTextPad *self, GstBuffer *answer, gboolean on_change)
{
  gboolean news = !on_change || !self->answer ||
      !same_text (self->answer, answer);

  gst_clear_buffer (&self->answer);
  self->answer = answer;
  return news;
}

static GstFlowReturn
push_answer (GstMblmTextPad *self, GstClockTime pts, GstClockTime duration,
    gboolean repeated)
{
  GstBuffer *buffer = gst_buffer_copy (self->answer);

  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = duration;
  if (repeated) {
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
    gst_mblm_answer_meta_set_repeated (buffer);
  }
  return gst_mblm_text_pad_push (self, buffer);
}

GstFlowReturn
gst_mblm_text_pad_answer (GstMblmTextPad *self, GstBuffer *answer,
    GstClockTime pts, GstClockTime duration, gboolean on_change)
{
  GstFlowReturn ret = gst_mblm_text_pad_drain (self);
  gboolean news = keep_answer (self, answer, on_change);

  if (ret != GST_FLOW_OK)
    return ret;
  return news ? push_answer (self, pts, duration, FALSE)
              : gst_mblm_text_pad_gap (self, pts, duration);
}

GstFlowReturn
gst_mblm_text_pad_skip (GstMblmTextPad *self, GstClockTime pts,
    GstClockTime duration, gboolean repeat)
{
  GstFlowReturn ret = gst_mblm_text_pad_drain (self);

  if (ret != GST_FLOW_OK)
    return ret;
  if (!repeat || !self->answer)
    return gst_mblm_text_pad_gap (self, pts, duration);
  return push_answer (self, pts, duration, TRUE);
}

void
gst_mblm_text_pad_offer (GstMblmTextPad *self, GstBuffer *answer,
    GstClockTime now, gboolean on_change)
{
  if (!keep_answer (self, answer, on_change))
    return;
  self->fresh = TRUE;
  self->ready = now;
}

GstFlowReturn
gst_mblm_text_pad_advance (
    GstMblmTextPad *self, GstClockTime start, GstClockTime end, gboolean repeat)
{
  GstClockTime from = GST_CLOCK_TIME_IS_VALID (self->position) ? self->position
                                                               : start;

  if (from >= end)
    return GST_FLOW_OK;
  if (!self->fresh)
    return gst_mblm_text_pad_skip (self, from, end - from, repeat);

  /* Nothing may begin where the input has not come to yet; and no GAP leads to
   * the answer, or the frame would pass an overlay before it. */
  if (GST_CLOCK_TIME_IS_VALID (self->ready))
    from = MAX (from, self->ready < end ? self->ready : start);
  self->fresh = FALSE;
  return push_answer (self, from, end - from, FALSE);
}

GstFlowReturn
gst_mblm_text_pad_drain (GstMblmTextPad *self)
{
  GstClockTime at = self->position;

  if (!self->fresh)
    return GST_FLOW_OK;
  self->fresh = FALSE;
  if (!GST_CLOCK_TIME_IS_VALID (at))
    at = self->segment.start;
  return push_answer (self, at, 0, FALSE);
}
