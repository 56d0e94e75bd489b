/* sink.c: an element that takes what it likes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "sink.h"

#include "journal.h"

/* The longest that it holds a buffer up. */
#define LONGEST (20 * G_TIME_SPAN_MILLISECOND)

struct _Sink {
  GstElement parent;

  GstPad *pad; /* owned by the element */
  Ledger *ledger;

  GMutex lock;
  GCond cond;
  /* Under the lock: */
  Dice dice;
  gboolean calm;
  gboolean picky; /* refuses caps now and then */
  gboolean flushing, eos;
};

static gint refusals; /* atomic */

G_DEFINE_TYPE (Sink, sink, GST_TYPE_ELEMENT)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

/* Until a flush, or not too long. The lock is held. */
static void
hold_up (Sink *self)
{
  gint64 until = g_get_monotonic_time () + LONGEST;

  while (!self->flushing && g_cond_wait_until (&self->cond, &self->lock, until))
    ;
}

/* The lock is held. */
static GstFlowReturn
choose_flow (Sink *self)
{
  static const GstFlowReturn flows[] = {GST_FLOW_EOS, GST_FLOW_ERROR,
      GST_FLOW_NOT_LINKED, GST_FLOW_NOT_NEGOTIATED, GST_FLOW_FLUSHING};

  if (self->calm || !dice_one_in (&self->dice, 50))
    return GST_FLOW_OK;
  return flows[dice_below (&self->dice, G_N_ELEMENTS (flows))];
}

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  Sink *self = SCHEDULES_SINK (parent);
  GstFlowReturn ret;

  journal_tick ();
  g_mutex_lock (&self->lock);
  if (!self->calm && dice_one_in (&self->dice, 80))
    hold_up (self);
  ret = self->flushing ? GST_FLOW_FLUSHING : choose_flow (self);
  if (ret != GST_FLOW_OK)
    g_atomic_int_inc (&refusals);
  if (!self->calm) {
    Dice dice = dice_fork (&self->dice);

    g_mutex_unlock (&self->lock);
    dice_rest (&dice, 1);
    g_mutex_lock (&self->lock);
  }
  g_mutex_unlock (&self->lock);
  gst_buffer_unref (buffer);
  if (ret != GST_FLOW_OK) {
    if (self->ledger)
      ledger_break (self->ledger, "refused");
    journal_note (GST_OBJECT_NAME (self), "says %s", gst_flow_get_name (ret));
  }
  return ret;
}

static gboolean
event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  Sink *self = SCHEDULES_SINK (parent);
  gboolean ret = TRUE;

  journal_note (GST_OBJECT_NAME (self), "%s", GST_EVENT_TYPE_NAME (event));
  g_mutex_lock (&self->lock);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      self->flushing = TRUE;
      break;
    case GST_EVENT_FLUSH_STOP:
      self->flushing = self->eos = FALSE;
      break;
    case GST_EVENT_STREAM_START:
      self->eos = FALSE;
      break;
    case GST_EVENT_EOS:
      self->eos = TRUE;
      break;
    case GST_EVENT_CAPS:
      ret = !self->picky || !dice_one_in (&self->dice, 8);
      break;
    default:
      break;
  }
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  if (!ret)
    journal_note (GST_OBJECT_NAME (self), "... refuses it");
  if (!ret && self->ledger)
    ledger_break (self->ledger, "caps refused");
  gst_event_unref (event);
  return ret;
}

/* Any caps, or none of ours. */
static void
answer_caps (Sink *self, GstQuery *query)
{
  GstCaps *caps = gst_caps_new_any (), *filter;
  gboolean refuse;

  g_mutex_lock (&self->lock);
  refuse = self->picky && dice_one_in (&self->dice, 12);
  g_mutex_unlock (&self->lock);
  gst_query_parse_caps (query, &filter);
  if (refuse)
    gst_caps_take (&caps, gst_caps_new_empty_simple ("audio/x-none"));
  if (filter)
    gst_caps_take (&caps, gst_caps_intersect (caps, filter));
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);
}

static gboolean
query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  Sink *self = SCHEDULES_SINK (parent);

  journal_tick ();
  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      answer_caps (self, query);
      return TRUE;
    case GST_QUERY_ACCEPT_CAPS:
      gst_query_set_accept_caps_result (query, TRUE);
      return TRUE;
    case GST_QUERY_ALLOCATION:
      return TRUE;
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

guint
sink_count_refusals (void)
{
  return g_atomic_int_get (&refusals);
}

void
sink_excuse (void)
{
  g_atomic_int_inc (&refusals);
}

void
sink_wait_eos (Sink *self)
{
  g_mutex_lock (&self->lock);
  while (!self->eos)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  Sink *self = SCHEDULES_SINK (element);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    g_mutex_lock (&self->lock);
    self->flushing = transition == GST_STATE_CHANGE_PAUSED_TO_READY;
    self->eos = FALSE;
    g_cond_broadcast (&self->cond);
    g_mutex_unlock (&self->lock);
  }
  return GST_ELEMENT_CLASS (sink_parent_class)
      ->change_state (element, transition);
}

static void
sink_finalize (GObject *object)
{
  Sink *self = SCHEDULES_SINK (object);

  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  G_OBJECT_CLASS (sink_parent_class)->finalize (object);
}

static void
sink_class_init (SinkClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = sink_finalize;
  element_class->change_state = change_state;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_set_static_metadata (
      element_class, "Sink", "Sink", "Takes what it likes", "gst-mblm");
}

static void
sink_init (Sink *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->flushing = TRUE;
  self->calm = TRUE;
  self->pad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->pad, chain);
  gst_pad_set_event_function (self->pad, event);
  gst_pad_set_query_function (self->pad, query);
  gst_element_add_pad (GST_ELEMENT (self), self->pad);
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SINK);
}

Sink *
sink_new (const char *name, Ledger *ledger)
{
  Sink *self = g_object_new (SCHEDULES_TYPE_SINK, "name", name, NULL);

  self->ledger = ledger;
  return self;
}

void
sink_set_plan (Sink *self, gboolean calm, Dice dice)
{
  g_mutex_lock (&self->lock);
  self->dice = dice;
  self->calm = calm;
  self->picky = !calm && dice_one_in (&self->dice, 6);
  g_mutex_unlock (&self->lock);
}
