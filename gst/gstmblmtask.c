/* gstmblmtask.c: the task of the source pad.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * One round takes one item out of the queue: a unit of work for the model,
 * input without an answer, an event or a query. In arrival timing it also
 * follows the input: whenever there is newer input, be it in the middle of a
 * unit or while the model is still being loaded, the text pads cover its time.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmbase.h"

#define GST_CAT_DEFAULT gst_mblm_debug

void
gst_mblm_base_set_flushing (GstMblmBase *self)
{
  GCancellable *cancellable = NULL;

  g_mutex_lock (&self->lock);
  self->flushing = TRUE;
  self->srcresult = GST_FLOW_FLUSHING;
  if (self->cancellable)
    cancellable = g_object_ref (self->cancellable);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  if (cancellable) {
    g_cancellable_cancel (cancellable);
    g_object_unref (cancellable);
  }
}

gboolean
gst_mblm_base_is_arrival (GstMblmBase *self)
{
  gboolean arrival;

  g_mutex_lock (&self->lock);
  arrival = self->arrival;
  g_mutex_unlock (&self->lock);
  return arrival;
}

GstClockTime
gst_mblm_base_now (GstMblmBase *self, GstMblmTextPad *pad)
{
  const GstSegment *segment = gst_mblm_text_pad_get_segment (pad);
  GstClockTime running = gst_element_get_current_running_time (
      GST_ELEMENT (self));

  if (!GST_CLOCK_TIME_IS_VALID (running) ||
      (segment->rate < 0 && !GST_CLOCK_TIME_IS_VALID (segment->stop)))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_position_from_running_time (
      segment, GST_FORMAT_TIME, running);
}

void
gst_mblm_base_count_out (GstMblmBase *self, gsize bytes)
{
  g_mutex_lock (&self->lock);
  self->stats.bytes_out += bytes;
  g_mutex_unlock (&self->lock);
}

/* --- following the input --- */

/* There is newer input than what the text pads cover. The lock is held. */
static gboolean
is_due (GstMblmBase *self)
{
  return self->arrival && self->segments_waiting == 0 &&
      GST_CLOCK_TIME_IS_VALID (self->newest_end) &&
      self->advanced != self->newest_end;
}

/* With the lock, which is let go while pushing. */
static GstFlowReturn
follow_input (GstMblmBase *self)
{
  GstClockTime start = self->newest_start, end = self->newest_end;
  GstFlowReturn ret;

  self->advanced = end;
  g_mutex_unlock (&self->lock);
  ret = GST_MBLM_BASE_GET_CLASS (self)->advance (self, start, end);
  g_mutex_lock (&self->lock);
  return ret;
}

void
gst_mblm_base_breathe (GstMblmBase *self, GCancellable *cancellable)
{
  GstFlowReturn ret = GST_FLOW_OK;

  g_mutex_lock (&self->lock);
  if (is_due (self))
    ret = follow_input (self);
  g_mutex_unlock (&self->lock);
  if (ret != GST_FLOW_OK && self->breath == GST_FLOW_OK) {
    self->breath = ret;
    g_cancellable_cancel (cancellable);
  }
}

GstFlowReturn
gst_mblm_base_failure (GstMblmBase *self, GError *error)
{
  GstFlowReturn ret = self->breath;

  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    ret = gst_mblm_base_fault (self,
        gst_mblm_fault_from_error (
            error, self->load ? self->load->name : NULL));
  else if (ret == GST_FLOW_OK)
    ret = GST_FLOW_FLUSHING;
  g_error_free (error);
  return ret;
}

/* --- work --- */

/* Until the weights are there, or somebody waits for what is to pass. */
static GstFlowReturn
wait_for_model (GstMblmBase *self, GstMblmLoad *load, gboolean *hurried)
{
  GstFlowReturn ret = GST_FLOW_OK;
  gboolean waited = FALSE;

  *hurried = FALSE;
  g_mutex_lock (&self->lock);
  while (ret == GST_FLOW_OK && !self->flushing && load &&
      load->state == GST_MBLM_LOAD_PENDING && !self->hurried) {
    waited = TRUE;
    if (is_due (self))
      ret = follow_input (self);
    else
      g_cond_wait (&self->cond, &self->lock);
  }
  if (waited)
    self->idle_until = g_get_monotonic_time ();
  if (self->flushing || !load) {
    ret = GST_FLOW_FLUSHING;
  } else if (ret == GST_FLOW_OK && load->state == GST_MBLM_LOAD_FAILED) {
    /* The loader has said why. */
    self->faulted = TRUE;
    ret = GST_FLOW_ERROR;
  } else if (ret == GST_FLOW_OK && load->state == GST_MBLM_LOAD_PENDING) {
    *hurried = TRUE;
    self->stats.dropped++;
  }
  g_mutex_unlock (&self->lock);
  return ret;
}

static GstFlowReturn
use_load (GstMblmBase *self, GstMblmLoad *load, gboolean *hurried)
{
  GstFlowReturn ret;

  *hurried = FALSE;
  if (load && load == self->load)
    return GST_FLOW_OK;
  ret = wait_for_model (self, load, hurried);
  if (ret != GST_FLOW_OK || *hurried)
    return ret;
  GST_INFO_OBJECT (self, "using model %s", load->path);
  g_clear_pointer (&self->load, gst_mblm_load_unref);
  self->load = gst_mblm_load_ref (load);
  if (!GST_MBLM_BASE_GET_CLASS (self)->set_load (self, load)) {
    g_clear_pointer (&self->load, gst_mblm_load_unref);
    return GST_FLOW_ERROR;
  }
  return GST_FLOW_OK;
}

/* Counts a unit that began at `began`, and measures from when it could begin.
 * */
static void
measure (GstMblmBase *self, const GstMblmItem *item, gint64 began)
{
  gint64 end = g_get_monotonic_time ();
  gboolean tell = FALSE;

  g_mutex_lock (&self->lock);
  self->stats.units++;
  self->stats.last = (end - began) * 1000;
  self->stats.busy += self->stats.last;
  if (!self->arrival)
    tell = gst_mblm_latency_add (&self->latency,
        (end - MAX (item->arrived, self->idle_until)) * 1000, end);
  tell = tell && self->live;
  g_mutex_unlock (&self->lock);
  if (tell)
    gst_element_post_message (
        GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

static GstFlowReturn
do_work (GstMblmBase *self, GstMblmItem *item, GCancellable *cancellable)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  gboolean hurried;
  GstFlowReturn ret = use_load (self, item->load, &hurried);
  gint64 began = g_get_monotonic_time ();

  if (ret != GST_FLOW_OK)
    return ret;
  if (hurried)
    return klass->skip (self, item);
  if (GST_CLOCK_TIME_IS_VALID (item->stream_time))
    gst_object_sync_values (GST_OBJECT (self), item->stream_time);
  ret = klass->work (self, item, cancellable);
  if (self->breath != GST_FLOW_OK)
    ret = self->breath;
  if (ret == GST_FLOW_OK)
    measure (self, item, began);
  return ret;
}

/* The query's sender waits for `query` to go. */
static void
do_query (GstMblmBase *self, GstMblmItem *item)
{
  gboolean answer = gst_pad_peer_query (self->srcpad, item->query);

  g_mutex_lock (&self->lock);
  *(gboolean *) item->extra = answer;
  item->query = NULL;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* --- events of text pads --- */

/* What is true of the text as of the stream it is about. */
static GstEvent *
filter_tags (GstEvent *event)
{
  static const char *const own[] = {GST_TAG_CODEC, GST_TAG_VIDEO_CODEC,
      GST_TAG_AUDIO_CODEC, GST_TAG_SUBTITLE_CODEC, GST_TAG_CONTAINER_FORMAT,
      GST_TAG_BITRATE, GST_TAG_NOMINAL_BITRATE, GST_TAG_MINIMUM_BITRATE,
      GST_TAG_MAXIMUM_BITRATE, GST_TAG_ENCODER, GST_TAG_ENCODER_VERSION,
      GST_TAG_IMAGE_ORIENTATION};
  GstTagList *tags, *copy;
  GstEvent *filtered = NULL;

  gst_event_parse_tag (event, &tags);
  if (gst_tag_list_get_scope (tags) == GST_TAG_SCOPE_GLOBAL)
    return event;
  copy = gst_tag_list_copy (tags);
  for (guint i = 0; i < G_N_ELEMENTS (own); i++)
    gst_tag_list_remove_tag (copy, own[i]);
  if (gst_tag_list_is_empty (copy)) {
    gst_tag_list_unref (copy);
  } else {
    filtered = gst_event_new_tag (copy);
    gst_event_set_seqnum (filtered, gst_event_get_seqnum (event));
  }
  gst_event_unref (event);
  return filtered;
}

/* Sends a segment of the text pads' own or of upstream's. */
static GstFlowReturn
change_segment (GstMblmBase *self, GstEvent *event)
{
  g_autoptr (GPtrArray) pads = gst_mblm_base_list_text_pads (self);

  for (guint i = 0; i < pads->len; i++) {
    gst_mblm_text_pad_drain (pads->pdata[i]);
    gst_mblm_text_pad_set_segment (pads->pdata[i], event);
  }
  g_mutex_lock (&self->lock);
  if (self->segments_waiting > 0)
    self->segments_waiting--;
  self->advanced = GST_CLOCK_TIME_NONE;
  g_mutex_unlock (&self->lock);
  gst_event_unref (event);
  return GST_FLOW_OK;
}

/* What the event means for each text pad. Takes the event. */
static GstFlowReturn
text_event (GstMblmBase *self, GstEvent *event)
{
  g_autoptr (GPtrArray) pads = NULL;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_SEGMENT:
      return change_segment (self, event);
    case GST_EVENT_TAG:
      event = filter_tags (event);
      if (!event)
        return GST_FLOW_OK;
      break;
    case GST_EVENT_CAPS:
    case GST_EVENT_STREAM_COLLECTION:
    case GST_EVENT_BUFFERSIZE:
    case GST_EVENT_TOC:
    case GST_EVENT_PROTECTION:
    case GST_EVENT_GAP:
      /* About the media, not about the text. */
      gst_event_unref (event);
      return GST_FLOW_OK;
    default:
      break;
  }

  pads = gst_mblm_base_list_text_pads (self);
  for (guint i = 0; i < pads->len; i++) {
    GstMblmTextPad *pad = pads->pdata[i];

    if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START) {
      gst_mblm_text_pad_restart (pad);
      continue;
    }
    if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
      gst_mblm_text_pad_drain (pad);
    gst_mblm_text_pad_send (pad, gst_event_ref (event));
  }
  gst_event_unref (event);
  return GST_FLOW_OK;
}

static GstFlowReturn
do_event (GstMblmBase *self, GstMblmItem *item, GCancellable *cancellable)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  GstEvent *event = g_steal_pointer (&item->event);
  gboolean is_eos = GST_EVENT_TYPE (event) == GST_EVENT_EOS;
  gboolean is_plain = !klass->passthrough;
  GstFlowReturn ret = GST_FLOW_OK;

  if (is_eos && klass->finish) {
    ret = klass->finish (self, cancellable);
    if (ret == GST_FLOW_OK && self->breath != GST_FLOW_OK)
      ret = self->breath;
    if (ret != GST_FLOW_OK) {
      gst_event_unref (event);
      return ret;
    }
  }
  if (klass->event)
    ret = klass->event (self, gst_event_ref (event));
  if (ret == GST_FLOW_OK &&
      (is_plain || is_eos || GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT ||
          GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START))
    ret = text_event (self, gst_event_ref (event));
  gst_event_unref (event);
  return is_eos && ret == GST_FLOW_OK ? GST_FLOW_EOS : ret;
}

/* --- the loop --- */

/* After EOS, be it upstream's or downstream's: goes on with the next stream if one
 * is in the queue already. The lock is held. */
static gboolean
go_to_next_stream (GstMblmBase *self)
{
  if (self->flushing ||
      !gst_mblm_queue_find_stream (&self->queue, &self->segments_waiting))
    return FALSE;
  g_cond_broadcast (&self->cond);
  return TRUE;
}

/* What stops the task, for good or until a flush or a new stream. */
static void
stop_at (GstMblmBase *self, GstFlowReturn ret)
{
  gboolean alone, faulted;

  g_mutex_lock (&self->lock);
  if (ret == GST_FLOW_EOS && go_to_next_stream (self)) {
    g_mutex_unlock (&self->lock);
    return;
  }
  if (self->flushing)
    ret = GST_FLOW_FLUSHING;
  else
    self->srcresult = ret;
  /* With the lock: who sees the result may start the task again. This thread has
   * the stream lock already, so that nothing waits here. */
  gst_pad_pause_task (self->srcpad);
  alone = self->eos;
  faulted = self->faulted;
  if (alone && (ret == GST_FLOW_NOT_LINKED || ret < GST_FLOW_EOS))
    self->faulted = TRUE;
  gst_mblm_queue_clear (&self->queue);
  self->segments_waiting = 0;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);

  GST_DEBUG_OBJECT (self, "pausing: %s", gst_flow_get_name (ret));
  if (ret == GST_FLOW_NOT_LINKED || ret < GST_FLOW_EOS) {
    g_autoptr (GPtrArray) pads = gst_mblm_base_list_text_pads (self);

    /* With EOS in the queue no buffer comes that could tell upstream. */
    if (alone && !faulted)
      GST_ELEMENT_FLOW_ERROR (self, ret);
    for (guint i = 0; i < pads->len; i++)
      gst_mblm_text_pad_send (pads->pdata[i], gst_event_new_eos ());
    if (!GST_IS_MBLM_TEXT_PAD (self->srcpad))
      gst_pad_push_event (self->srcpad, gst_event_new_eos ());
  }
}

static GstFlowReturn
do_item (GstMblmBase *self, GstMblmItem *item, GCancellable *cancellable)
{
  GstFlowReturn ret = GST_FLOW_OK;

  self->breath = GST_FLOW_OK;
  switch (item->kind) {
    case GST_MBLM_ITEM_WORK:
      ret = do_work (self, item, cancellable);
      break;
    case GST_MBLM_ITEM_SKIP:
      ret = GST_MBLM_BASE_GET_CLASS (self)->skip (self, item);
      break;
    case GST_MBLM_ITEM_EVENT:
      ret = do_event (self, item, cancellable);
      break;
    case GST_MBLM_ITEM_QUERY:
      do_query (self, item);
      return GST_FLOW_OK; /* the item is the sender's */
  }
  gst_mblm_item_free (item);
  return ret;
}

static void
loop (gpointer data)
{
  GstMblmBase *self = GST_MBLM_BASE (GST_PAD_PARENT (data));
  GCancellable *cancellable = NULL;
  GstMblmItem *item = NULL;
  GstFlowReturn ret = GST_FLOW_OK;

  g_mutex_lock (&self->lock);
  while (!self->flushing && self->queue.items.length == 0 && !is_due (self))
    g_cond_wait (&self->cond, &self->lock);
  if (self->flushing) {
    ret = GST_FLOW_FLUSHING;
  } else if (is_due (self)) {
    ret = follow_input (self);
  } else {
    item = gst_mblm_queue_pop (&self->queue);
    cancellable = g_cancellable_new ();
    self->cancellable = cancellable;
    self->hurried = FALSE;
    g_cond_broadcast (&self->cond);
  }
  g_mutex_unlock (&self->lock);

  if (item) {
    ret = do_item (self, item, cancellable);
    g_mutex_lock (&self->lock);
    self->cancellable = NULL;
    g_mutex_unlock (&self->lock);
    g_object_unref (cancellable);
  }
  if (ret != GST_FLOW_OK)
    stop_at (self, ret);
}

gboolean
gst_mblm_base_start_task (GstMblmBase *self)
{
  gboolean active;

  g_mutex_lock (&self->lock);
  active = self->active;
  if (active) {
    self->flushing = FALSE;
    self->eos = FALSE;
    self->srcresult = GST_FLOW_OK;
  }
  g_mutex_unlock (&self->lock);
  return active && gst_mblm_base_restart_task (self);
}

/* The pad may be taken down meanwhile, with nobody left to end a task that is
 * started after that. */
gboolean
gst_mblm_base_restart_task (GstMblmBase *self)
{
  gboolean active;

  if (!gst_pad_start_task (self->srcpad, loop, self->srcpad, NULL))
    return FALSE;
  g_mutex_lock (&self->lock);
  active = self->active;
  g_mutex_unlock (&self->lock);
  return active || !gst_pad_stop_task (self->srcpad);
}
