/* gstmblmsink.c: the sink pad, up to the queue.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Everything here runs in upstream's thread. Buffers become units of work,
 * serialized events wait in line with them. A full queue blocks upstream, or
 * drops work: in frame timing a dropped unit stays in line as input without an
 * answer, in arrival timing it goes, since the time of the newest input is all
 * that counts.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmbase.h"

#define GST_CAT_DEFAULT gst_mblm_debug

/* Asks upstream whether it is live, once for a stream. */
static void
find_liveness (GstMblmBase *self)
{
  GstQuery *query;
  gboolean known, live = FALSE;

  g_mutex_lock (&self->lock);
  known = self->live_known;
  g_mutex_unlock (&self->lock);
  if (known)
    return;
  query = gst_query_new_latency ();
  if (gst_pad_peer_query (self->sinkpad, query))
    gst_query_parse_latency (query, &live, NULL, NULL);
  gst_query_unref (query);

  g_mutex_lock (&self->lock);
  self->live = live;
  self->live_known = TRUE;
  g_mutex_unlock (&self->lock);
  GST_DEBUG_OBJECT (self, "upstream is %slive", live ? "" : "not ");
}

void
gst_mblm_base_post_qos (GstMblmBase *self, const GstMblmItem *times)
{
  GstMessage *message;
  guint64 units, dropped;
  gboolean live;

  g_mutex_lock (&self->lock);
  units = self->stats.units;
  dropped = self->stats.dropped;
  live = self->live;
  g_mutex_unlock (&self->lock);

  message = gst_message_new_qos (GST_OBJECT (self), live, times->running_time,
      times->stream_time, times->pts, times->duration);
  gst_message_set_qos_values (message, 0, 1.0, 1000000);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, units, dropped);
  gst_element_post_message (GST_ELEMENT (self), message);
}

typedef struct {
  GstMblmLeaky leaky; /* never AUTO */
  GstMblmLevels limits;
} Rules;

/* What holds for the next item. The lock is held, and let go in between. */
static Rules
find_rules (GstMblmBase *self)
{
  GstMblmTiming timing;
  Rules rules;

  g_mutex_unlock (&self->lock);
  GST_OBJECT_LOCK (self);
  rules.leaky = self->settings.leaky;
  rules.limits = self->settings.limits;
  timing = self->settings.timing;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->lock);

  if (rules.leaky == GST_MBLM_LEAKY_AUTO)
    rules.leaky = self->live ? GST_MBLM_LEAKY_DOWNSTREAM : GST_MBLM_LEAKY_NO;
  if (timing == GST_MBLM_TIMING_AUTO)
    timing = self->live ? GST_MBLM_TIMING_ARRIVAL : GST_MBLM_TIMING_FRAME;
  /* Backwards there is no newest input. */
  self->arrival = timing == GST_MBLM_TIMING_ARRIVAL &&
      self->input.segment.rate > 0 &&
      !GST_MBLM_BASE_GET_CLASS (self)->passthrough;
  return rules;
}

/* Makes room in a full leaky queue; returns what was dropped (times only
 * count), or NULL where nothing can be. The lock is held. */
static GstMblmItem *
drop_oldest (GstMblmBase *self)
{
  if (self->arrival)
    return gst_mblm_queue_steal_work (&self->queue);
  return gst_mblm_queue_drop_work (&self->queue);
}

/* The input that has come furthest. Where times go back what was reached stays: a
 * frame that came before may wait for text up to its end. The lock is held. */
static void
set_newest (GstMblmBase *self, const GstMblmItem *item)
{
  GstClockTime end;

  if (!GST_CLOCK_TIME_IS_VALID (item->pts))
    return;
  end = item->pts;
  if (GST_CLOCK_TIME_IS_VALID (item->duration))
    end = gst_mblm_time_add (end, item->duration);
  if (GST_CLOCK_TIME_IS_VALID (self->newest_end) && end < self->newest_end) {
    self->back = TRUE;
    return;
  }
  self->newest_start = item->pts;
  self->newest_end = end;
}

/* Puts the item in line. The lock is held; there is room. */
static void
enqueue (GstMblmBase *self, GstMblmItem *item, gboolean leaky)
{
  gboolean skip = item->kind == GST_MBLM_ITEM_SKIP;

  set_newest (self, item);
  if (skip && self->arrival)
    gst_mblm_item_free (item);
  else if (skip && (item->dropped || leaky))
    gst_mblm_queue_push_dropped (&self->queue, item);
  else
    gst_mblm_queue_push (&self->queue, item);
  gst_mblm_base_wake (self);
}

/* A passing buffer never waits for scores. */
static gboolean
passes_leaky (GstMblmBase *self, const Rules *rules)
{
  return rules->leaky != GST_MBLM_LEAKY_NO &&
      GST_MBLM_BASE_GET_CLASS (self)->passthrough;
}

/* Has the task give up what it scores. The lock is held. */
static void
hurry (GstMblmBase *self)
{
  self->hurried = TRUE;
  g_cancellable_cancel (self->cancellable);
  /* It may wait for its model. */
  gst_mblm_base_wake (self);
}

/* ... but for downstream, as in any queue: else those that pass without a score
 * would pile up. The lock is held. */
static void
wait_for_downstream (GstMblmBase *self, Rules *rules, GQueue *dropped)
{
  GstMblmItem *old;

  while (!self->flushing && self->srcresult == GST_FLOW_OK &&
      passes_leaky (self, rules) &&
      gst_mblm_queue_is_packed (&self->queue, &rules->limits)) {
    hurry (self);
    while ((old = drop_oldest (self)))
      g_queue_push_tail (dropped, old);
    gst_mblm_base_wait (self);
    *rules = find_rules (self);
  }
}

/* Waits for room, or makes it: what was dropped goes to `dropped`. FALSE: the
 * item itself has to go. The lock is held. */
static gboolean
find_room (GstMblmBase *self, GstMblmItem *item, Rules *rules, GQueue *dropped)
{
  while (!self->flushing && self->srcresult == GST_FLOW_OK &&
      gst_mblm_queue_is_full (&self->queue, &rules->limits)) {
    GstMblmItem *old;

    if (rules->leaky == GST_MBLM_LEAKY_UPSTREAM)
      return item->kind != GST_MBLM_ITEM_WORK;
    if (rules->leaky == GST_MBLM_LEAKY_DOWNSTREAM) {
      old = drop_oldest (self);
      if (!old)
        return TRUE;
      g_queue_push_tail (dropped, old);
      /* What is at work may end; what waits behind it passes then, all of it, as
       * with one place free the queue would be full again at once, and what passes
       * late for good. */
      while (passes_leaky (self, rules) && (old = drop_oldest (self)))
        g_queue_push_tail (dropped, old);
      continue;
    }
    gst_mblm_base_wait (self);
    *rules = find_rules (self);
  }
  return TRUE;
}

/* What chain returns now. Upstream says so itself if that is an error. The lock
 * is held. */
static GstFlowReturn
find_flow (GstMblmBase *self)
{
  GstFlowReturn ret = self->flushing ? GST_FLOW_FLUSHING : self->srcresult;

  if (ret == GST_FLOW_NOT_LINKED || ret < GST_FLOW_EOS)
    self->faulted = TRUE;
  return ret;
}

GstFlowReturn
gst_mblm_base_submit (GstMblmBase *self, GstMblmItem *item)
{
  GQueue dropped = G_QUEUE_INIT;
  GstMblmItem *old;
  GstFlowReturn ret;
  Rules rules;

  find_liveness (self);
  g_mutex_lock (&self->lock);
  rules = find_rules (self);
  item->blocked = gst_mblm_watch_get_blocked (&self->watch);
  if (!item->load)
    item->load = gst_mblm_loader_get_current (&self->loader);
  wait_for_downstream (self, &rules, &dropped);
  if (!find_room (self, item, &rules, &dropped)) {
    GstMblmItem *times = gst_mblm_item_new (GST_MBLM_ITEM_SKIP);

    times->pts = item->pts;
    times->duration = item->duration;
    times->running_time = item->running_time;
    times->stream_time = item->stream_time;
    g_queue_push_tail (&dropped, times);
    item->kind = GST_MBLM_ITEM_SKIP;
    item->dropped = TRUE;
  }
  self->stats.dropped += dropped.length;
  ret = find_flow (self);
  if (ret == GST_FLOW_OK)
    enqueue (self, g_steal_pointer (&item), rules.leaky != GST_MBLM_LEAKY_NO);
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&item, gst_mblm_item_free);
  while ((old = g_queue_pop_head (&dropped))) {
    gst_mblm_base_post_qos (self, old);
    gst_mblm_item_free (old);
  }
  return ret;
}

GstMblmLoad *
gst_mblm_base_get_load (GstMblmBase *self)
{
  GstMblmLoad *load;

  g_mutex_lock (&self->lock);
  load = gst_mblm_loader_get_current (&self->loader);
  g_mutex_unlock (&self->lock);
  return load;
}

static GstFlowReturn
sink_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstMblmBase *self = GST_MBLM_BASE (parent);
  GstFlowReturn ret;

  g_mutex_lock (&self->lock);
  ret = find_flow (self);
  if (ret == GST_FLOW_OK && self->eos)
    ret = GST_FLOW_EOS;
  if (ret == GST_FLOW_OK) {
    self->stats.buffers_in++;
    self->stats.bytes_in += gst_buffer_get_size (buffer);
  }
  g_mutex_unlock (&self->lock);

  if (ret != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return ret;
  }
  return GST_MBLM_BASE_GET_CLASS (self)->chain (self, buffer);
}

/* --- events --- */

/* To every source pad; takes the event. */
static gboolean
push_everywhere (GstMblmBase *self, GstEvent *event)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  g_autoptr (GPtrArray) pads = gst_mblm_base_list_text_pads (self);

  if (klass->spread)
    klass->spread (self, gst_event_ref (event));
  for (guint i = 0; i < pads->len; i++) {
    if (pads->pdata[i] != self->srcpad)
      gst_pad_push_event (pads->pdata[i], gst_event_ref (event));
  }
  return gst_pad_push_event (self->srcpad, event);
}

/* Unblocks downstream first, then the task. Only FLUSH_STOP waits until that has
 * left: it holds the stream lock, so that the pads can't be taken down and up
 * again, with a task that knows of no flush, in the meantime. */
static gboolean
flush_start (GstMblmBase *self, GstEvent *event)
{
  gboolean ret = push_everywhere (self, event);

  gst_mblm_base_set_flushing (self);
  return ret;
}

/* What passes through and was on its way when the flush came is lost. What of it
 * sticks is true of what follows, too, and nobody sends it again. */
static gboolean
keep_sticky_event (GstPad *pad, GstEvent **event, gpointer srcpad)
{
  if (GST_EVENT_TYPE (*event) != GST_EVENT_SEGMENT &&
      GST_EVENT_TYPE (*event) != GST_EVENT_EOS)
    gst_pad_store_sticky_event (srcpad, *event);
  return TRUE;
}

static gboolean
flush_stop (GstMblmBase *self, GstEvent *event)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  g_autoptr (GPtrArray) pads = NULL;
  gboolean ret;

  gst_mblm_base_set_flushing (self);
  gst_pad_pause_task (self->srcpad);
  /* Who takes the pad down has taken the task from it, and waits for it, too. */
  GST_PAD_STREAM_LOCK (self->srcpad);
  ret = push_everywhere (self, event);

  gst_mblm_input_reset (&self->input);
  klass->reset_input (self);
  if (klass->reset_task)
    klass->reset_task (self);
  pads = gst_mblm_base_list_text_pads (self);
  for (guint i = 0; i < pads->len; i++)
    gst_mblm_text_pad_flush (pads->pdata[i]);

  if (klass->passthrough)
    gst_pad_sticky_events_foreach (
        self->sinkpad, keep_sticky_event, self->srcpad);

  g_mutex_lock (&self->lock);
  gst_mblm_queue_clear (&self->queue);
  self->segments_waiting = 0;
  self->newest_start = self->newest_end = GST_CLOCK_TIME_NONE;
  self->advanced = GST_CLOCK_TIME_NONE;
  self->back = FALSE;
  g_mutex_unlock (&self->lock);
  GST_PAD_STREAM_UNLOCK (self->srcpad);
  gst_mblm_base_start_task (self);
  return ret;
}

/* Input that isn't there: time goes on. */
static gboolean
take_gap (GstMblmBase *self, GstEvent *event)
{
  GstMblmItem *item = gst_mblm_item_new (GST_MBLM_ITEM_SKIP);
  GstClockTime start, duration;

  /* Never an occasion to send an answer again. */
  item->failed = TRUE;
  gst_event_parse_gap (event, &start, &duration);
  gst_event_unref (event);
  gst_mblm_input_stamp (&self->input, start, duration, item);
  return gst_mblm_base_submit (self, item) == GST_FLOW_OK;
}

/* An EOS that comes after downstream has failed: no buffer follows that could
 * tell upstream, so the error is posted from here. */
static void
report_late_eos (GstMblmBase *self, GstFlowReturn ret)
{
  gboolean first;

  if (ret != GST_FLOW_NOT_LINKED && ret >= GST_FLOW_EOS)
    return;
  g_mutex_lock (&self->lock);
  first = !self->faulted;
  self->faulted = TRUE;
  g_mutex_unlock (&self->lock);
  if (first)
    GST_ELEMENT_FLOW_ERROR (self, ret);
}

/* After EOS, be it upstream's or downstream's, a new stream may begin; the task
 * waits for it. The lock is held. */
static void
begin_stream (GstMblmBase *self)
{
  self->eos = FALSE;
  self->live_known = FALSE;
  if (self->srcresult == GST_FLOW_EOS)
    self->srcresult = GST_FLOW_OK;
}

/* What comes now is in other times. The lock is held. */
static void
take_segment (GstMblmBase *self)
{
  self->own_time = self->input.own;
  self->segments_waiting++;
  self->newest_segment = self->input.segment;
  self->newest_start = self->newest_end = GST_CLOCK_TIME_NONE;
  self->advanced = GST_CLOCK_TIME_NONE;
  self->back = FALSE;
}

static gboolean
queue_event (GstMblmBase *self, GstEvent *event)
{
  gboolean is_eos = GST_EVENT_TYPE (event) == GST_EVENT_EOS;
  GstFlowReturn ret;

  g_mutex_lock (&self->lock);
  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
    begin_stream (self);
  ret = self->flushing ? GST_FLOW_FLUSHING : self->srcresult;
  if (ret == GST_FLOW_OK) {
    GstMblmItem *item = gst_mblm_item_new (GST_MBLM_ITEM_EVENT);

    if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
      take_segment (self);
    item->event = g_steal_pointer (&event);
    self->eos |= is_eos;
    gst_mblm_queue_push (&self->queue, item);
    gst_mblm_base_wake (self);
  }
  g_mutex_unlock (&self->lock);

  if (is_eos && ret != GST_FLOW_OK)
    report_late_eos (self, ret);
  gst_clear_event (&event);
  return ret == GST_FLOW_OK;
}

static gboolean
take_caps (GstMblmBase *self, GstEvent *event)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  GstCaps *caps;

  gst_event_parse_caps (event, &caps);
  return !klass->set_caps || klass->set_caps (self, caps);
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstMblmBase *self = GST_MBLM_BASE (parent);
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);

  GST_LOG_OBJECT (self, "got %" GST_PTR_FORMAT, event);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      return flush_start (self, event);
    case GST_EVENT_FLUSH_STOP:
      return flush_stop (self, event);
    case GST_EVENT_CAPS:
      if (!take_caps (self, event)) {
        gst_event_unref (event);
        return FALSE;
      }
      break;
    case GST_EVENT_SEGMENT:
      break;
    case GST_EVENT_GAP:
      if (!klass->passthrough)
        return take_gap (self, event);
      break;
    default:
      if (!GST_EVENT_IS_SERIALIZED (event))
        return gst_pad_push_event (self->srcpad, event);
      break;
  }
  /* What came before belongs to the old segment. */
  if (klass->sink_event)
    klass->sink_event (self, event);
  if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
    gst_mblm_input_set_segment (&self->input, event);
  return queue_event (self, event);
}

/* --- queries --- */

/* Lets a query wait in line, as `queue` does. The item stays ours: the task, or
 * who clears the queue, takes `query` out of it when that is done with. */
static gboolean
queue_query (GstMblmBase *self, GstQuery *query)
{
  GstMblmItem *item = gst_mblm_item_new (GST_MBLM_ITEM_QUERY);
  gboolean answer = FALSE;

  item->query = query;
  item->extra = &answer;
  g_mutex_lock (&self->lock);
  if (!self->flushing && self->srcresult == GST_FLOW_OK) {
    gst_mblm_queue_push (&self->queue, item);
    gst_mblm_base_wake (self);
    while (item->query && !self->flushing && self->srcresult == GST_FLOW_OK)
      gst_mblm_base_wait (self);
    /* Given up; unless the task is answering it right now. */
    if (item->query && g_queue_remove (&self->queue.items, item))
      item->query = NULL;
    while (item->query)
      gst_mblm_base_wait (self);
  }
  g_mutex_unlock (&self->lock);
  gst_mblm_item_free (item);
  return answer;
}

static gboolean
sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstMblmBase *self = GST_MBLM_BASE (parent);
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);

  if (klass->passthrough) {
    if (GST_QUERY_IS_SERIALIZED (query))
      return queue_query (self, query);
    return gst_pad_query_default (pad, parent, query);
  }
  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_ALLOCATION:
      return klass->propose_allocation &&
          klass->propose_allocation (self, query);
    case GST_QUERY_DRAIN:
      /* Nothing of upstream's is kept once chain has returned. */
      return TRUE;
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

/* `sink` and `src` belong together; other pads don't. */
static GstIterator *
sink_links (GstPad *pad, GstObject *parent)
{
  GstMblmBase *self = GST_MBLM_BASE (parent);
  GValue value = G_VALUE_INIT;
  GstIterator *links;

  g_value_init (&value, GST_TYPE_PAD);
  g_value_set_object (&value, self->srcpad);
  links = gst_iterator_new_single (GST_TYPE_PAD, &value);
  g_value_unset (&value);
  return links;
}

void
gst_mblm_base_set_up_sink (GstMblmBase *self, GstPad *pad)
{
  gst_pad_set_chain_function (pad, GST_DEBUG_FUNCPTR (sink_chain));
  gst_pad_set_event_function (pad, GST_DEBUG_FUNCPTR (sink_event));
  gst_pad_set_query_function (pad, GST_DEBUG_FUNCPTR (sink_query));
  gst_pad_set_iterate_internal_links_function (
      pad, GST_DEBUG_FUNCPTR (sink_links));
  if (GST_MBLM_BASE_GET_CLASS (self)->passthrough) {
    GST_PAD_SET_PROXY_CAPS (pad);
    GST_PAD_SET_PROXY_ALLOCATION (pad);
    GST_PAD_SET_PROXY_SCHEDULING (pad);
  }
}
