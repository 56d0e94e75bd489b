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
  gst_mblm_base_wake (self);
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
  if (!self->spoke && self->watch.running)
    gst_mblm_times_add (
        &self->stats.first_byte, gst_mblm_watch_elapsed (&self->watch));
  g_mutex_unlock (&self->lock);
  self->spoke = TRUE;
}

void
gst_mblm_base_count_scored (GstMblmBase *self, guint64 bytes)
{
  g_mutex_lock (&self->lock);
  self->stats.bytes_scored += bytes;
  g_mutex_unlock (&self->lock);
}

void
gst_mblm_base_begin_answer (GstMblmBase *self)
{
  GstClockTime deadline;

  GST_OBJECT_LOCK (self);
  deadline = self->settings.deadline;
  GST_OBJECT_UNLOCK (self);
  gst_mblm_watch_begin_answer (&self->watch, deadline);
}

gboolean
gst_mblm_base_is_late (GstMblmBase *self)
{
  return gst_mblm_watch_is_late (&self->watch);
}

void
gst_mblm_base_end_answer (GstMblmBase *self, gboolean partial)
{
  gst_mblm_base_count_answer (
      self, gst_mblm_watch_answer_time (&self->watch), partial);
}

void
gst_mblm_base_count_answer (
    GstMblmBase *self, GstClockTime time, gboolean partial)
{
  g_mutex_lock (&self->lock);
  gst_mblm_times_add (&self->stats.answer, time);
  self->stats.answered++;
  self->stats.partial += partial;
  g_mutex_unlock (&self->lock);
}

/* --- following the input --- */

GstMblmNewest
gst_mblm_base_get_newest (GstMblmBase *self)
{
  GstMblmNewest newest = {.waits = self->segments_waiting > 0,
      .start = self->newest_start,
      .end = self->newest_end};

  if (newest.waits)
    newest.segment = self->newest_segment;
  return newest;
}

/* There is newer input than what the text pads cover. The lock is held. */
static gboolean
is_behind (GstMblmBase *self)
{
  return self->arrival && GST_CLOCK_TIME_IS_VALID (self->newest_end) &&
      (self->advanced != self->newest_end || self->back);
}

/* ... and it is time to cover it. A SEGMENT that it comes after goes first. */
static gboolean
is_due (GstMblmBase *self)
{
  return self->segments_waiting == 0 && is_behind (self);
}

/* The same while the task is held up: a SEGMENT then has to wait, but not time. It
 * goes on in the segment that the text is in, where that has such a time. */
static gboolean
is_due_at_work (GstMblmBase *self)
{
  GstMblmNewest newest;
  GstClockTime start, end;

  if (!is_behind (self))
    return FALSE;
  newest = gst_mblm_base_get_newest (self);
  return gst_mblm_newest_find (&newest,
      gst_mblm_text_pad_get_segment (GST_MBLM_TEXT_PAD (self->srcpad)), &start,
      &end);
}

/* An overlay takes the start of a text for where text has got to, so that a frame
 * whose time lies before its end, and that comes after it, waits for more. */
static void
state_positions (GstMblmBase *self)
{
  g_autoptr (GPtrArray) pads = gst_mblm_base_list_text_pads (self);

  for (guint i = 0; i < pads->len; i++)
    gst_mblm_text_pad_state_position (pads->pdata[i]);
}

/* With the lock, which is let go while pushing. */
static GstFlowReturn
follow_input (GstMblmBase *self)
{
  GstMblmNewest newest = gst_mblm_base_get_newest (self);
  gboolean back = self->back;
  GstFlowReturn ret;

  self->advanced = newest.end;
  self->back = FALSE;
  g_mutex_unlock (&self->lock);
  ret = GST_MBLM_BASE_GET_CLASS (self)->advance (self, &newest);
  if (back)
    state_positions (self);
  g_mutex_lock (&self->lock);
  return ret;
}

void
gst_mblm_base_breathe (GstMblmBase *self, GCancellable *cancellable)
{
  GstFlowReturn ret = GST_FLOW_OK;

  g_mutex_lock (&self->lock);
  if (is_due_at_work (self))
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
    if (is_due_at_work (self))
      ret = follow_input (self);
    else
      gst_mblm_base_wait (self);
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

/* How long the unit has waited for the model (us): not for its weights, and not
 * for downstream to take what came before. */
static gint64
find_wait (GstMblmBase *self, const GstMblmItem *item)
{
  gint64 from, blocked = gst_mblm_watch_get_blocked (&self->watch);

  g_mutex_lock (&self->lock);
  from = MAX (item->arrived, self->idle_until);
  g_mutex_unlock (&self->lock);
  return MAX (g_get_monotonic_time () - from - (blocked - item->blocked), 0);
}

/* Counts a unit that had waited so long (us) before it began. */
static void
measure (GstMblmBase *self, gint64 waited)
{
  GstClockTime work = gst_mblm_watch_elapsed (&self->watch);
  gboolean tell = FALSE;

  g_mutex_lock (&self->lock);
  self->stats.units++;
  self->stats.busy += work;
  if (!self->arrival)
    tell = gst_mblm_latency_add (
        &self->latency, work + waited * 1000, g_get_monotonic_time ());
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
  gint64 waited;

  if (ret != GST_FLOW_OK)
    return ret;
  if (hurried) {
    gst_mblm_base_post_qos (self, item);
    return klass->skip (self, item);
  }
  if (GST_CLOCK_TIME_IS_VALID (item->stream_time))
    gst_object_sync_values (GST_OBJECT (self), item->stream_time);
  waited = find_wait (self, item);
  gst_mblm_watch_start (&self->watch, GST_ELEMENT (self));
  self->spoke = FALSE;
  ret = klass->work (self, item, cancellable);
  if (self->breath != GST_FLOW_OK)
    ret = self->breath;
  if (ret == GST_FLOW_OK)
    measure (self, waited);
  gst_mblm_watch_stop (&self->watch);
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
  gst_mblm_base_wake (self);
  g_mutex_unlock (&self->lock);
}

/* --- events --- */

/* What is left to do of the stream when it ends. */
static GstFlowReturn
do_finish (GstMblmBase *self, GCancellable *cancellable)
{
  GstFlowReturn ret;

  gst_mblm_watch_start (&self->watch, GST_ELEMENT (self));
  self->spoke = FALSE;
  ret = GST_MBLM_BASE_GET_CLASS (self)->finish (self, cancellable);
  if (ret == GST_FLOW_OK)
    ret = self->breath;
  g_mutex_lock (&self->lock);
  self->stats.busy += gst_mblm_watch_elapsed (&self->watch);
  g_mutex_unlock (&self->lock);
  gst_mblm_watch_stop (&self->watch);
  return ret;
}

/* Whether the EOS at work is the last one. A whole stream with another EOS may
 * have come since. The lock is held. */
static gboolean
is_last_eos (GstMblmBase *self)
{
  if (!self->eos || self->flushing)
    return FALSE;
  for (const GList *l = self->queue.items.head; l; l = l->next)
    if (((const GstMblmItem *) l->data)->kind == GST_MBLM_ITEM_EVENT)
      return FALSE;
  return TRUE;
}

static GstFlowReturn
do_event (GstMblmBase *self, GstMblmItem *item, GCancellable *cancellable)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  GstEvent *event = g_steal_pointer (&item->event);
  GstEventType type = GST_EVENT_TYPE (event);

  if (type == GST_EVENT_EOS && klass->finish) {
    GstFlowReturn ret = do_finish (self, cancellable);

    if (ret != GST_FLOW_OK) {
      gst_event_unref (event);
      return ret;
    }
  }
  if (klass->event)
    klass->event (self, event);
  else
    gst_mblm_base_text_event (self, event);

  g_mutex_lock (&self->lock);
  if (type == GST_EVENT_SEGMENT && self->segments_waiting > 0)
    self->segments_waiting--;
  /* Unless another stream waits behind this one, nothing is taken until it comes. */
  if (type == GST_EVENT_EOS) {
    if (is_last_eos (self))
      self->srcresult = GST_FLOW_EOS;
    gst_mblm_base_wake (self);
  }
  g_mutex_unlock (&self->lock);
  return GST_FLOW_OK;
}

/* --- the loop --- */

/* After an EOS of downstream's: goes on with the next stream if one is in the queue
 * already. The lock is held. */
static gboolean
go_to_next_stream (GstMblmBase *self)
{
  if (self->flushing ||
      !gst_mblm_queue_find_stream (&self->queue, &self->segments_waiting))
    return FALSE;
  gst_mblm_base_wake (self);
  return TRUE;
}

/* What ends the stream, for good or until a flush or a new stream. Only a flush
 * pauses the task: it waits for what may come next, which a new stream could not
 * start safely while the task is about to pause. */
static void
stop_at (GstMblmBase *self, GstFlowReturn ret)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  gboolean alone, faulted, flushing;

  g_mutex_lock (&self->lock);
  if (ret == GST_FLOW_EOS && go_to_next_stream (self)) {
    g_mutex_unlock (&self->lock);
    return;
  }
  flushing = self->flushing;
  if (flushing)
    ret = GST_FLOW_FLUSHING;
  else
    self->srcresult = ret;
  alone = self->eos;
  faulted = self->faulted;
  if (alone && (ret == GST_FLOW_NOT_LINKED || ret < GST_FLOW_EOS))
    self->faulted = TRUE;
  gst_mblm_queue_clear (&self->queue);
  self->segments_waiting = 0;
  gst_mblm_base_wake (self);
  g_mutex_unlock (&self->lock);

  GST_DEBUG_OBJECT (self, "stopping: %s", gst_flow_get_name (ret));
  if (ret == GST_FLOW_NOT_LINKED || ret < GST_FLOW_EOS) {
    g_autoptr (GPtrArray) pads = gst_mblm_base_list_text_pads (self);

    /* With EOS in the queue no buffer comes that could tell upstream. */
    if (alone && !faulted)
      GST_ELEMENT_FLOW_ERROR (self, ret);
    for (guint i = 0; i < pads->len; i++)
      gst_mblm_text_pad_send (pads->pdata[i], gst_event_new_eos ());
    if (klass->spread)
      klass->spread (self, gst_event_new_eos ());
    if (!GST_IS_MBLM_TEXT_PAD (self->srcpad))
      gst_pad_push_event (self->srcpad, gst_event_new_eos ());
  }
  if (flushing)
    gst_pad_pause_task (self->srcpad);
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

/* The lock is held. */
static gboolean
has_something_to_do (GstMblmBase *self)
{
  return self->srcresult == GST_FLOW_OK &&
      (self->queue.items.length > 0 || is_due (self));
}

static void
loop (gpointer data)
{
  GstMblmBase *self = GST_MBLM_BASE (GST_PAD_PARENT (data));
  GCancellable *cancellable = NULL;
  GstMblmItem *item = NULL;
  GstFlowReturn ret = GST_FLOW_OK;

  g_mutex_lock (&self->lock);
  while (!self->flushing && !has_something_to_do (self))
    gst_mblm_base_wait (self);
  if (self->flushing) {
    ret = GST_FLOW_FLUSHING;
  } else if (is_due (self)) {
    ret = follow_input (self);
  } else {
    item = gst_mblm_queue_pop (&self->queue);
    /* One is enough until it is used. */
    if (!self->spare || g_cancellable_is_cancelled (self->spare)) {
      g_clear_object (&self->spare);
      self->spare = g_cancellable_new ();
    }
    cancellable = self->cancellable = self->spare;
    self->hurried = FALSE;
    gst_mblm_base_wake (self);
  }
  g_mutex_unlock (&self->lock);

  if (item) {
    ret = do_item (self, item, cancellable);
    g_mutex_lock (&self->lock);
    self->cancellable = NULL;
    g_mutex_unlock (&self->lock);
  }
  if (ret != GST_FLOW_OK)
    stop_at (self, ret);
}

/* The pad may be taken down meanwhile, with nobody left to end a task that is
 * started after that. */
gboolean
gst_mblm_base_start_task (GstMblmBase *self)
{
  gboolean active;

  g_mutex_lock (&self->lock);
  active = self->active;
  if (active) {
    self->flushing = FALSE;
    self->eos = FALSE;
    self->faulted = FALSE;
    self->srcresult = GST_FLOW_OK;
  }
  g_mutex_unlock (&self->lock);
  if (!active || !gst_pad_start_task (self->srcpad, loop, self->srcpad, NULL))
    return FALSE;

  g_mutex_lock (&self->lock);
  active = self->active;
  g_mutex_unlock (&self->lock);
  return active || !gst_pad_stop_task (self->srcpad);
}
