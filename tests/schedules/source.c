/* source.c: an element that sends what it likes when it likes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "account.h"
#include "journal.h"
#include "sink.h"
#include "sourceprivate.h"

G_DEFINE_TYPE (Source, source, GST_TYPE_ELEMENT)

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static void
note_flow (Source *self, const char *what, GstFlowReturn ret)
{
  journal_note (
      GST_OBJECT_NAME (self), "%s: %s", what, gst_flow_get_name (ret));
}

static gboolean
push_event (Source *self, GstEvent *event)
{
  gboolean ret;

  journal_note (GST_OBJECT_NAME (self), "%s", GST_EVENT_TYPE_NAME (event));
  ret = gst_pad_push_event (self->pad, event);
  if (!ret)
    journal_note (GST_OBJECT_NAME (self), "... was refused");
  return ret;
}

/* --- deeds --- */

static void
start_stream (Source *self)
{
  g_autofree char *id = g_strdup_printf (
      "stream-%" G_GUINT64_FORMAT, self->number);
  GstEvent *event = gst_event_new_stream_start (id);

  if (dice_one_in (&self->dice, 2))
    gst_event_set_group_id (event, gst_util_group_id_next ());
  account_mini (event, "a STREAM_START event");
  self->need_start = self->at_eos = FALSE;
  self->need_caps = self->need_segment = TRUE;
  self->cursor = 0;
  self->refusals = sink_count_refusals ();
  push_event (self, event);
}

static void
send_caps (Source *self)
{
  GstEvent *event;

  gst_caps_replace (&self->caps, NULL);
  self->caps = source_make_caps (self);
  self->need_caps = FALSE;
  event = gst_event_new_caps (self->caps);
  account_mini (event, "a CAPS event");
  push_event (self, event);
}

static void
send_segment (Source *self)
{
  self->need_segment = FALSE;
  push_event (self, source_make_segment (self));
}

static void
send_eos (Source *self)
{
  self->at_eos = TRUE;
  push_event (self, gst_event_new_eos ());
}

static void
send_tag (Source *self)
{
  GstTagList *tags = gst_tag_list_new (GST_TAG_TITLE, "title", NULL);

  if (dice_one_in (&self->dice, 2))
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_IMAGE_ORIENTATION,
        "rotate-90", GST_TAG_CODEC, "none", NULL);
  if (dice_one_in (&self->dice, 3))
    gst_tag_list_set_scope (tags, GST_TAG_SCOPE_GLOBAL);
  push_event (self, gst_event_new_tag (tags));
}

static void
send_other_event (Source *self)
{
  static const GstEventType types[] = {GST_EVENT_CUSTOM_DOWNSTREAM,
      GST_EVENT_CUSTOM_DOWNSTREAM_OOB, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
      GST_EVENT_CUSTOM_BOTH, GST_EVENT_CUSTOM_BOTH_OOB};
  g_autoptr (GstMessage) message = gst_message_new_application (
      GST_OBJECT (self), gst_structure_new_empty ("schedules"));
  GstEvent *event;

  if (dice_one_in (&self->dice, 6))
    event = gst_event_new_segment_done (GST_FORMAT_TIME, self->time);
  else if (dice_one_in (&self->dice, 6))
    event = gst_event_new_sink_message ("message", message);
  else
    event = gst_event_new_custom (
        types[dice_below (&self->dice, G_N_ELEMENTS (types))],
        gst_structure_new_empty ("schedules"));
  push_event (self, event);
}

/* Not after EOS, nor where a `queue` is between: it may keep a serialized query for
 * ever once the sink has answered EOS. */
static void
ask_downstream (Source *self)
{
  GstQuery *query = dice_one_in (&self->dice, 2)
      ? gst_query_new_allocation (self->caps, TRUE)
      : gst_query_new_drain ();
  gboolean ret;

  journal_note (
      GST_OBJECT_NAME (self), "query %s", GST_QUERY_TYPE_NAME (query));
  ret = gst_pad_peer_query (self->pad, query);
  journal_note (GST_OBJECT_NAME (self), "... %s", ret ? "yes" : "no");
  gst_query_unref (query);
}

static GstFlowReturn
send_buffers (Source *self)
{
  GstBufferList *list;
  g_autofree char *what = NULL;
  GstFlowReturn ret;
  GstBuffer *buffer;

  if (self->plan.calm || !dice_one_in (&self->dice, 12)) {
    buffer = source_make_buffer (self);
    what = g_strdup_printf ("buffer %" G_GUINT64_FORMAT, self->number);
    ret = gst_pad_push (self->pad, buffer);
  } else {
    list = gst_buffer_list_new ();
    for (guint i = 0; i < 3; i++)
      gst_buffer_list_add (list, source_make_buffer (self));
    what = g_strdup_printf ("list to %" G_GUINT64_FORMAT, self->number);
    ret = gst_pad_push_list (self->pad, list);
  }
  note_flow (self, what, ret);
  if (ret == GST_FLOW_EOS && self->plan.direct && !self->at_eos &&
      self->refusals == sink_count_refusals ())
    journal_fail ("EOS, and nobody has said so");
  return ret;
}

/* A `queue` may lose a stream that is started while it passes EOS on. */
static gboolean
may_start (Source *self)
{
  return self->plan.direct || !self->at_eos;
}

/* Something that may come between two buffers. */
static void
disturb (Source *self)
{
  switch (dice_below (&self->dice, 12)) {
    case 0:
    case 1:
      /* It may come to a pad that is just being linked anew. */
      if (self->plan.timed && !push_event (self, source_make_gap (self)))
        ledger_break (self->plan.ledger, "refused");
      break;
    case 2:
      send_segment (self);
      break;
    case 3:
      send_caps (self);
      break;
    case 4:
      if (may_start (self))
        start_stream (self);
      break;
    case 5:
      send_eos (self);
      break;
    case 6:
    case 7:
      send_tag (self);
      break;
    case 8:
    case 9:
      send_other_event (self);
      break;
    case 10:
      if (dice_one_in (&self->dice, 6))
        GST_ELEMENT_ERROR (self, STREAM, FAILED, ("schedule"), (NULL));
      break;
    default:
      if (self->plan.direct && !self->at_eos)
        ask_downstream (self);
      break;
  }
}

/* A push has failed. The lock is held. */
static void
take_failure (Source *self, GstFlowReturn ret)
{
  /* A flush that is under way clears it. */
  if (g_atomic_int_get (&self->flushes) > 0)
    return;
  ledger_break (self->plan.ledger, gst_flow_get_name (ret));
  if (ret == GST_FLOW_FLUSHING) {
    self->need_start = TRUE;
    self->idle = TRUE;
  } else if (!dice_one_in (&self->dice, 3)) {
    if (dice_one_in (&self->dice, 2))
      send_eos (self);
    self->idle = TRUE;
  }
}

/* One deed. The lock is held. */
static void
act (Source *self)
{
  GstFlowReturn ret = GST_FLOW_OK;

  if (self->need_start ||
      (self->at_eos && may_start (self) && dice_one_in (&self->dice, 2))) {
    start_stream (self);
  } else if (self->need_caps) {
    send_caps (self);
  } else if (self->need_segment) {
    send_segment (self);
  } else if (self->left == 0) {
    if (!self->at_eos && (self->plan.calm || !dice_one_in (&self->dice, 6)))
      send_eos (self);
    self->idle = TRUE;
  } else {
    self->left--;
    if (self->plan.calm || !dice_one_in (&self->dice, 4))
      ret = send_buffers (self);
    else
      disturb (self);
  }
  if (ret != GST_FLOW_OK)
    take_failure (self, ret);
}

static gpointer
run (gpointer data)
{
  Source *self = data;
  DiceRest rest;
  gint64 a_while = 5 * G_TIME_SPAN_MILLISECOND;

  while (!g_atomic_int_get (&self->stop)) {
    g_mutex_lock (&self->stream);
    /* `playing` and `stop` change without the lock, which may be held for long:
     * look again after a while. */
    while ((self->idle || !g_atomic_int_get (&self->playing)) &&
        !g_atomic_int_get (&self->stop))
      g_cond_wait_until (
          &self->wake, &self->stream, g_get_monotonic_time () + a_while);
    if (!g_atomic_int_get (&self->stop))
      act (self);
    rest = dice_draw_rest (&self->dice, 2);
    g_mutex_unlock (&self->stream);
    dice_take_rest (rest);
  }
  return NULL;
}

/* --- from other threads --- */

void
source_start_flush (Source *self)
{
  g_mutex_lock (&self->flush_lock);
  g_atomic_int_inc (&self->flushes);
  ledger_break (self->plan.ledger, "flush");
  push_event (self, gst_event_new_flush_start ());
}

/* Ends with the lock held, with nothing on its way. */
static void
stop_flush (Source *self, gboolean reset_time)
{
  g_mutex_lock (&self->stream);
  /* What it pushed in the meantime is lost, too. */
  ledger_break (self->plan.ledger, "flushed");
  push_event (self, gst_event_new_flush_stop (reset_time));
  g_atomic_int_add (&self->flushes, -1);
  self->need_segment = TRUE;
  self->at_eos = FALSE;
  self->cursor = 0;
  self->left = MAX (self->left, 3);
  self->idle = FALSE;
}

void
source_stop_flush (Source *self, gboolean reset_time)
{
  stop_flush (self, reset_time);
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->stream);
  g_mutex_unlock (&self->flush_lock);
}

void
source_flush (Source *self, gboolean reset_time)
{
  source_start_flush (self);
  source_stop_flush (self, reset_time);
}

void
source_begin_again (
    Source *self, void (*change) (gpointer user_data), gpointer user_data)
{
  source_start_flush (self);
  stop_flush (self, TRUE);
  change (user_data);
  self->need_start = TRUE;
  self->left = self->plan.deeds;
  self->rate = 1.0;
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->stream);
  g_mutex_unlock (&self->flush_lock);
}

void
source_hold (Source *self)
{
  g_mutex_lock (&self->stream);
}

void
source_release (Source *self)
{
  g_mutex_unlock (&self->stream);
}

void
source_let_go (Source *self)
{
  ledger_break (self->plan.ledger, "held");
  self->need_start = TRUE;
  self->left = MAX (self->left, 3);
  self->idle = FALSE;
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->stream);
}

static gboolean
seek (Source *self, GstEvent *event)
{
  GstSeekFlags flags;
  GstFormat format;
  double rate;

  gst_event_parse_seek (event, &rate, &format, &flags, NULL, NULL, NULL, NULL);
  if (format != (self->plan.timed ? GST_FORMAT_TIME : GST_FORMAT_BYTES))
    return FALSE;
  if (flags & GST_SEEK_FLAG_FLUSH) {
    source_flush (self, TRUE);
    return TRUE;
  }
  g_mutex_lock (&self->stream);
  self->rate = rate;
  self->need_segment = TRUE;
  g_mutex_unlock (&self->stream);
  return TRUE;
}

static gboolean
event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gboolean ret = TRUE;

  journal_note (
      GST_OBJECT_NAME (parent), "got %s", GST_EVENT_TYPE_NAME (event));
  if (GST_EVENT_TYPE (event) == GST_EVENT_SEEK)
    ret = seek (SCHEDULES_SOURCE (parent), event);
  gst_event_unref (event);
  return ret;
}

static gboolean
query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  Source *self = SCHEDULES_SOURCE (parent);
  GstFormat format;

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_LATENCY:
      gst_query_set_latency (query, self->plan.live, 0,
          self->plan.live ? 20 * GST_MSECOND : GST_CLOCK_TIME_NONE);
      return TRUE;
    case GST_QUERY_URI:
      gst_query_set_uri (query, "file:///a/file");
      return TRUE;
    case GST_QUERY_DURATION:
      gst_query_parse_duration (query, &format, NULL);
      gst_query_set_duration (query, format, 1000000);
      return TRUE;
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

/* --- state --- */

static void
set_playing (Source *self, gboolean playing)
{
  g_atomic_int_set (&self->playing, playing || !self->plan.live);
}

static void
start (Source *self)
{
  g_mutex_lock (&self->stream);
  self->idle = FALSE;
  set_playing (self, FALSE);
  self->need_start = self->need_caps = self->need_segment = TRUE;
  self->at_eos = FALSE;
  self->left = self->plan.deeds;
  self->rate = 1.0;
  g_atomic_int_set (&self->stop, FALSE);
  g_mutex_unlock (&self->stream);
  ledger_break (self->plan.ledger, "start");
  self->thread = g_thread_new ("source", run, self);
}

/* The thread ends before the pad forgets what it has sent. */
static gboolean
activate_mode (GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  Source *self = SCHEDULES_SOURCE (parent);

  if (active)
    return mode == GST_PAD_MODE_PUSH;
  g_atomic_int_set (&self->stop, TRUE);
  if (self->thread)
    g_thread_join (g_steal_pointer (&self->thread));
  return TRUE;
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  Source *self = SCHEDULES_SOURCE (element);
  GstStateChangeReturn ret;

  ret = GST_ELEMENT_CLASS (source_parent_class)
            ->change_state (element, transition);
  if (ret == GST_STATE_CHANGE_FAILURE)
    return ret;
  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      start (self);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
      set_playing (self, TRUE);
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      set_playing (self, FALSE);
      break;
    default:
      break;
  }
  if (self->plan.live &&
      GST_STATE_TRANSITION_NEXT (transition) == GST_STATE_PAUSED)
    ret = GST_STATE_CHANGE_NO_PREROLL;
  return ret;
}

static void
source_finalize (GObject *object)
{
  Source *self = SCHEDULES_SOURCE (object);

  gst_caps_replace (&self->caps, NULL);
  g_mutex_clear (&self->flush_lock);
  g_mutex_clear (&self->stream);
  g_cond_clear (&self->wake);
  G_OBJECT_CLASS (source_parent_class)->finalize (object);
}

static void
source_class_init (SourceClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = source_finalize;
  element_class->change_state = change_state;
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (
      element_class, "Source", "Source", "Sends what it likes", "gst-mblm");
}

static void
source_init (Source *self)
{
  g_mutex_init (&self->flush_lock);
  g_mutex_init (&self->stream);
  g_cond_init (&self->wake);
  self->pad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_activatemode_function (self->pad, activate_mode);
  gst_pad_set_event_function (self->pad, event);
  gst_pad_set_query_function (self->pad, query);
  gst_element_add_pad (GST_ELEMENT (self), self->pad);
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
}

Source *
source_new (const char *name)
{
  return g_object_new (SCHEDULES_TYPE_SOURCE, "name", name, NULL);
}

void
source_set_plan (Source *self, const SourcePlan *plan, Dice dice)
{
  self->plan = *plan;
  self->dice = dice;
}
