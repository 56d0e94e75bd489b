/* witness.c: what leaves a source pad keeps to the rules.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * stream-start, caps, segment, then data; nothing after EOS but a flush or a new
 * stream; text is UTF-8 and has a time that the input has come to.
 */

#include "witness.h"

#include "account.h"
#include "journal.h"
#include "source.h"

typedef struct {
  GMutex lock;
  GstPad *pad; /* not owned */
  WitnessKind kind;
  Ledger *ledger;
  /* Under the lock. Sticky events are sent again to a new peer: only another
   * STREAM_START begins anew. */
  GstEvent *stream_start;
  gboolean caps, is_text;
  gboolean segment, eos;
  GstSegment now;
  const char *problem;
} Witness;

static void
witness_free (gpointer data)
{
  Witness *self = data;

  gst_clear_event (&self->stream_start);
  g_mutex_clear (&self->lock);
  g_free (self);
}

static gboolean
is_utf8 (GstBuffer *buffer)
{
  GstMapInfo map;
  gboolean valid;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return FALSE;
  valid = g_utf8_validate ((char *) map.data, map.size, NULL);
  gst_buffer_unmap (buffer, &map);
  return valid;
}

/* A peer that flushes takes no events, and yet is offered what comes after them,
 * and a pad that was requested has sent events before it is watched: what counts is
 * what the pad has sent, or would. */
static gboolean
has_sent (Witness *self, GstEventType type)
{
  g_autoptr (GstEvent) event = gst_pad_get_sticky_event (self->pad, type, 0);

  return event != NULL;
}

/* --- events; the lock is held --- */

static void
see_stream_start (Witness *self, GstEvent *event)
{
  GstStreamFlags flags;

  if (self->stream_start == event)
    return;
  gst_event_replace (&self->stream_start, event);
  self->caps = self->segment = self->eos = FALSE;
  if (self->kind == WITNESS_PASS)
    return;
  gst_event_parse_stream_flags (event, &flags);
  if (!(flags & GST_STREAM_FLAG_SPARSE))
    self->problem = "STREAM_START of text is not sparse";
}

static void
see_caps (Witness *self, GstEvent *event)
{
  GstCaps *caps;

  gst_event_parse_caps (event, &caps);
  self->caps = TRUE;
  self->is_text = gst_structure_has_name (
      gst_caps_get_structure (caps, 0), "text/x-raw");
}

static void
see_segment (Witness *self, GstEvent *event)
{
  gst_event_copy_segment (event, &self->now);
  self->segment = TRUE;
  if (self->kind != WITNESS_PASS && !has_sent (self, GST_EVENT_CAPS))
    self->problem = "SEGMENT before CAPS";
  if (self->kind != WITNESS_PASS && self->now.format != GST_FORMAT_TIME)
    self->problem = "text in a segment that isn't in TIME";
}

static void
see_gap (Witness *self, GstEvent *event)
{
  GstClockTime start, duration;

  gst_event_parse_gap (event, &start, &duration);
  if (!GST_CLOCK_TIME_IS_VALID (start))
    self->problem = "GAP without a time";
  if (!has_sent (self, GST_EVENT_SEGMENT))
    self->problem = "GAP before SEGMENT";
  if (self->kind == WITNESS_ANSWER &&
      (!GST_CLOCK_TIME_IS_VALID (duration) || duration == 0))
    self->problem = "GAP without a duration";
}

static void
see_event (Witness *self, GstEvent *event)
{
  GstEventType type = GST_EVENT_TYPE (event);

  if (type == GST_EVENT_FLUSH_START)
    return;
  if (type == GST_EVENT_FLUSH_STOP) {
    self->segment = self->eos = FALSE;
    return;
  }
  if (!GST_EVENT_IS_SERIALIZED (event))
    return;
  if (type != GST_EVENT_STREAM_START &&
      !has_sent (self, GST_EVENT_STREAM_START))
    self->problem = "before STREAM_START";
  if (self->eos && !GST_EVENT_IS_STICKY (event))
    self->problem = "after EOS";
  if (type == GST_EVENT_STREAM_START)
    see_stream_start (self, event);
  else if (type == GST_EVENT_CAPS)
    see_caps (self, event);
  else if (type == GST_EVENT_SEGMENT)
    see_segment (self, event);
  else if (type == GST_EVENT_GAP)
    see_gap (self, event);
  else if (type == GST_EVENT_EOS)
    self->eos = TRUE;
}

/* Output that lasts for `duration` from `start` on. */
static void
check_end (Witness *self, GstClockTime start, GstClockTime duration)
{
  g_autoptr (GstEvent)
      event = gst_pad_get_sticky_event (self->pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;

  if (!event)
    return;
  gst_event_parse_segment (event, &segment);
  ledger_check_end (self->ledger, segment, start, duration);
}

/* What the ledger has to know of an event. */
static void
tell_ledger (Witness *self, GstEvent *event)
{
  GstClockTime start, duration;

  if (GST_EVENT_TYPE (event) != GST_EVENT_GAP || !self->ledger ||
      self->kind != WITNESS_ANSWER)
    return;
  gst_event_parse_gap (event, &start, &duration);
  check_end (self, start, duration);
  ledger_leave (self->ledger, start);
}

/* --- buffers; the lock is held --- */

static void
see_time (Witness *self, GstBuffer *buffer)
{
  if (!GST_BUFFER_PTS_IS_VALID (buffer) ||
      !GST_BUFFER_DURATION_IS_VALID (buffer))
    self->problem = "text without a time";
}

static void
see_buffer (Witness *self, GstBuffer *buffer)
{
  if (!self->stream_start && !has_sent (self, GST_EVENT_STREAM_START))
    self->problem = "before STREAM_START";
  else if (!self->segment && !has_sent (self, GST_EVENT_SEGMENT))
    self->problem = "before SEGMENT";
  else if (self->eos)
    self->problem = "after EOS";
  else if (self->kind != WITNESS_PASS && !self->caps &&
      !has_sent (self, GST_EVENT_CAPS))
    self->problem = "before CAPS";
  else if (self->kind == WITNESS_PASS && source_number_of (buffer) > 0 &&
      !source_is_untouched (buffer))
    self->problem = "has changed";
  else if ((self->kind == WITNESS_ANSWER || self->is_text ||
               self->kind == WITNESS_JSON) &&
      self->kind != WITNESS_PASS && !is_utf8 (buffer))
    self->problem = "is no UTF-8";
  else if (self->kind == WITNESS_ANSWER || self->kind == WITNESS_TEXT)
    see_time (self, buffer);
}

/* Text that drains an answer at the end of input lasts for no time. */
static gboolean
is_drained (Witness *self, GstBuffer *buffer)
{
  return GST_BUFFER_DURATION (buffer) == 0;
}

static void
tell_ledger_buffer (Witness *self, GstBuffer *buffer)
{
  if (!self->ledger || self->kind == WITNESS_JSON)
    return;
  if (self->kind == WITNESS_PASS) {
    if (source_number_of (buffer) > 0)
      ledger_leave (self->ledger, source_number_of (buffer));
    return;
  }
  if (!is_drained (self, buffer))
    check_end (self, GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer));
  if (self->kind == WITNESS_ANSWER)
    ledger_leave (self->ledger, GST_BUFFER_PTS (buffer));
}

/* --- the probe --- */

static GstPadProbeReturn
probe (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Witness *self = data;
  GstEvent *event = GST_IS_EVENT (info->data) ? info->data : NULL;
  GstBuffer *buffer = GST_IS_BUFFER (info->data) ? info->data : NULL;
  const char *problem;

  journal_tick ();
  g_mutex_lock (&self->lock);
  if (event)
    see_event (self, event);
  else if (buffer)
    see_buffer (self, buffer);
  /* A pad that was just taken down has forgotten what it sent, and what still
   * comes goes nowhere. */
  problem = gst_pad_is_active (pad) ? self->problem : NULL;
  self->problem = NULL;
  g_mutex_unlock (&self->lock);
  if (problem)
    journal_fail ("%s:%s: %s %s", GST_DEBUG_PAD_NAME (pad),
        event ? GST_EVENT_TYPE_NAME (event) : "a buffer", problem);
  if (event) {
    tell_ledger (self, event);
  } else if (buffer) {
    if (self->kind != WITNESS_PASS)
      account_mini (buffer, "a buffer of text");
    journal_note (GST_OBJECT_NAME (pad),
        "out: %" G_GUINT64_FORMAT " at %" GST_TIME_FORMAT
        " for %" GST_TIME_FORMAT,
        source_number_of (buffer), GST_TIME_ARGS (GST_BUFFER_PTS (buffer)),
        GST_TIME_ARGS (GST_BUFFER_DURATION (buffer)));
    tell_ledger_buffer (self, buffer);
  }
  return GST_PAD_PROBE_OK;
}

void
witness_add (GstPad *pad, WitnessKind kind, Ledger *ledger)
{
  Witness *self = g_new0 (Witness, 1);

  g_mutex_init (&self->lock);
  self->pad = pad;
  self->kind = kind;
  self->ledger = ledger;
  gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
          GST_PAD_PROBE_TYPE_EVENT_FLUSH,
      probe, self, witness_free);
}
