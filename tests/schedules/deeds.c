/* deeds.c: what the threads of a schedule do to a pipeline.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "journal.h"
#include "schedule.h"
#include "values.h"

/* --- state --- */

static GstState
choose_state (Dice *dice)
{
  static const GstState states[] = {GST_STATE_NULL, GST_STATE_READY,
      GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PLAYING,
      GST_STATE_PLAYING};

  return states[dice_below (dice, G_N_ELEMENTS (states))];
}

/* A STREAM_START that reaches textoverlay while it goes down makes it forget that
 * it does, and it waits for ever: so nothing reaches it then. */
void
schedule_set_state (Schedule *self, const char *who, GstState state)
{
  gboolean quiet = self->video && state < GST_STATE_PAUSED;
  GstStateChangeReturn ret;

  journal_note (who, "to %s", gst_element_state_get_name (state));
  if (quiet)
    source_start_flush (self->source);
  if (state < GST_STATE_PAUSED)
    ledger_break (&self->ledger, "state");
  ret = gst_element_set_state (self->pipeline, state);
  if (quiet)
    source_stop_flush (self->source, TRUE);
  journal_note (who, "to %s: %s", gst_element_state_get_name (state),
      gst_element_state_change_return_get_name (ret));
}

static void
change_state (Hand *self)
{
  GstState state = choose_state (&self->dice);

  g_rw_lock_writer_lock (&self->schedule->alone);
  schedule_set_state (self->schedule, self->name, state);
  g_rw_lock_writer_unlock (&self->schedule->alone);
  if (dice_one_in (&self->dice, 4))
    gst_element_get_state (self->schedule->pipeline, NULL, NULL,
        dice_below (&self->dice, 3) * GST_MSECOND);
}

/* The element alone, down and up again, while its neighbours stay: its pads
 * forget the events that stick to them, so their sources begin anew. */
static void
toggle (Hand *self)
{
  Schedule *schedule = self->schedule;
  GstState state;

  if (!schedule->source || schedule->video)
    return;
  g_rw_lock_writer_lock (&schedule->alone);
  journal_note (self->name, "the element alone to READY");
  ledger_break (&schedule->ledger, "toggle");
  gst_element_set_state (schedule->subject, GST_STATE_READY);
  for (guint i = 0; i < schedule->sources->len; i++)
    source_hold (schedule->sources->pdata[i]);
  state = GST_STATE (schedule->pipeline);
  journal_note (
      self->name, "... and to %s", gst_element_state_get_name (state));
  gst_element_set_state (schedule->subject, state);
  for (guint i = 0; i < schedule->sources->len; i++)
    source_let_go (schedule->sources->pdata[i]);
  g_rw_lock_writer_unlock (&schedule->alone);
}

/* --- links --- */

static void
link_again (Hand *self, GstPad *src, GstPad *sink)
{
  GstPadLinkReturn ret = gst_pad_link (src, sink);

  journal_note (self->name, "link %s:%s: %s", GST_DEBUG_PAD_NAME (src),
      gst_pad_link_get_name (ret));
}

/* The pad with the task that pushes from `src`: answers go out by that of the
 * element's `src`. */
static GstPad *
find_pusher (Schedule *schedule, GstPad *src)
{
  if (!g_str_has_prefix (GST_OBJECT_NAME (src), "answer_"))
    return gst_object_ref (src);
  return gst_element_get_static_pad (schedule->subject, "src");
}

/* The new link comes while nothing is pushed: between an event that finds no peer
 * and the note that it was sent, GStreamer takes no new one. */
void
hand_relink (Hand *self, GstPad *src, GstPad *sink)
{
  Schedule *schedule = self->schedule;
  Source *source = schedule->source;

  if (!source)
    return;
  g_mutex_lock (&schedule->relinking);
  g_rw_lock_reader_lock (&schedule->alone);
  journal_note (self->name, "unlink %s:%s", GST_DEBUG_PAD_NAME (src));
  sink_excuse ();
  gst_pad_unlink (src, sink);
  g_rw_lock_reader_unlock (&schedule->alone);
  dice_rest (&self->dice, 3);

  g_rw_lock_reader_lock (&schedule->alone);
  if (GST_PAD_PARENT (src) == (gpointer) source) {
    source_hold (source);
    link_again (self, src, sink);
    source_release (source);
  } else {
    GstPad *pusher = find_pusher (schedule, src);

    source_start_flush (source);
    /* Until its task has left. */
    GST_PAD_STREAM_LOCK (pusher);
    link_again (self, src, sink);
    GST_PAD_STREAM_UNLOCK (pusher);
    source_stop_flush (source, TRUE);
    gst_object_unref (pusher);
  }
  g_rw_lock_reader_unlock (&schedule->alone);
  g_mutex_unlock (&schedule->relinking);
}

static void
relink (Hand *self, const char *name)
{
  Schedule *schedule = self->schedule;
  GstPad *pad, *peer;

  /* textoverlay forgets the segment of its text in the middle of a buffer. */
  if (schedule->video)
    return;
  pad = gst_element_get_static_pad (schedule->subject, name);
  peer = gst_pad_get_peer (pad);

  if (peer) {
    /* mblmask doesn't answer where nobody listens. */
    if (GST_PAD_IS_SRC (pad) && schedule->kind == WITNESS_ANSWER)
      ledger_loosen (&schedule->ledger);
    hand_relink (self, GST_PAD_IS_SRC (pad) ? pad : peer,
        GST_PAD_IS_SRC (pad) ? peer : pad);
    gst_object_unref (peer);
  }
  gst_object_unref (pad);
}

/* --- upstream events --- */

/* videotestsrc can't count bytes before it has caps. */
static GstFormat
choose_format (Hand *self)
{
  gboolean bytes = dice_one_in (&self->dice, 3);

  return bytes && self->schedule->source ? GST_FORMAT_BYTES : GST_FORMAT_TIME;
}

static GstEvent *
make_seek (Hand *self)
{
  static const double rates[] = {1.0, 1.0, 1.0, 2.0, 0.5, -1.0};
  double rate = rates[dice_below (&self->dice, G_N_ELEMENTS (rates))];
  GstSeekFlags flags = dice_one_in (&self->dice, 3) ? GST_SEEK_FLAG_NONE
                                                    : GST_SEEK_FLAG_FLUSH;
  GstFormat format = choose_format (self);

  /* videotestsrc runs backwards from no end; and a live one that is paused waits
   * for its own task where a seek doesn't flush. */
  if (!self->schedule->source) {
    rate = ABS (rate);
    flags = GST_SEEK_FLAG_FLUSH;
  }
  return gst_event_new_seek (
      rate, format, flags, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1);
}

static void
send_upstream (Hand *self)
{
  Schedule *schedule = self->schedule;
  GstPad *src = gst_element_get_static_pad (schedule->subject, "src");
  GstEvent *event;

  switch (dice_below (&self->dice, 6)) {
    case 0:
      event = gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.5, 5, GST_SECOND);
      break;
    case 1:
      event = gst_event_new_reconfigure ();
      break;
    case 2:
      event = gst_event_new_custom (
          GST_EVENT_CUSTOM_UPSTREAM, gst_structure_new_empty ("schedules"));
      break;
    case 3:
      event = gst_event_new_latency (5 * GST_MSECOND);
      break;
    default:
      event = make_seek (self);
      break;
  }
  journal_note (self->name, "upstream: %s", GST_EVENT_TYPE_NAME (event));
  gst_pad_send_event (src, event);
  journal_note (self->name, "... done");
  gst_object_unref (src);
}

static void
flush (Hand *self)
{
  if (!self->schedule->source)
    return;
  journal_note (self->name, "flush");
  source_flush (self->schedule->source, dice_one_in (&self->dice, 2));
}

/* --- queries --- */

static GstQuery *
make_query (Hand *self)
{
  GstFormat format = choose_format (self);

  switch (dice_below (&self->dice, 9)) {
    case 0:
    case 1:
      return gst_query_new_latency ();
    case 2:
      return gst_query_new_position (format);
    case 3:
      return gst_query_new_duration (format);
    case 4:
      return gst_query_new_seeking (format);
    case 5:
      return gst_query_new_caps (NULL);
    case 6:
      return gst_query_new_uri ();
    case 7:
      return gst_query_new_scheduling ();
    default:
      return gst_query_new_custom (
          GST_QUERY_CUSTOM, gst_structure_new_empty ("schedules"));
  }
}

/* Of a pad at random; from downstream for source pads, else from upstream. */
static void
query (Hand *self)
{
  GstElement *subject = self->schedule->subject;
  GstPad *pad = gst_element_get_static_pad (
      subject, dice_one_in (&self->dice, 3) ? "sink" : "src");
  GstQuery *query = make_query (self);

  journal_note (self->name, "query %s at %s", GST_QUERY_TYPE_NAME (query),
      GST_OBJECT_NAME (pad));
  if (GST_PAD_IS_SRC (pad) ? GST_QUERY_IS_UPSTREAM (query)
                           : GST_QUERY_IS_DOWNSTREAM (query))
    gst_pad_query (pad, query);
  gst_query_unref (query);
  gst_object_unref (pad);
}

void
hand_do (Hand *self)
{
  Schedule *schedule = self->schedule;
  guint n = dice_below (&self->dice, 100);

  if (n < 14)
    change_state (self);
  else if (n < 18)
    toggle (self);
  else if (n < 24)
    relink (self, dice_one_in (&self->dice, 3) ? "sink" : "src");
  else if (n < 32)
    flush (self);
  else if (n < 40)
    send_upstream (self);
  else if (n < 48)
    query (self);
  else if (n < 52)
    values_read (schedule->subject);
  else if (n < 54)
    gst_bin_recalculate_latency (GST_BIN (schedule->pipeline));
  else if (n < 66)
    pads_do (self);
  else
    values_write (
        schedule->subject, schedule->factory, schedule->steady, &self->dice);
}
