/* gstmblmlines.c: lines of text that leave by a thread of their own.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmlines.h"

void
gst_mblm_lines_init (GstMblmLines *self,
    void (*failed) (gpointer user_data, GstFlowReturn flow), gpointer user_data)
{
  *self = (GstMblmLines){.failed = failed, .user_data = user_data};
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_queue_init (&self->items);
  self->flushing = TRUE;
}

/* The lock is held. */
static void
drop_items (GstMblmLines *self)
{
  g_queue_clear_full (&self->items, (GDestroyNotify) gst_mini_object_unref);
  self->bytes = 0;
}

void
gst_mblm_lines_clear (GstMblmLines *self)
{
  drop_items (self);
  gst_clear_object (&self->pad);
  g_cond_clear (&self->cond);
  g_mutex_clear (&self->lock);
}

/* --- the task --- */

/* Takes the event. `linked`: or only what has to be known later. */
static GstFlowReturn
send_event (GstMblmTextPad *pad, GstEvent *event, gboolean linked)
{
  GstFlowReturn ret = GST_FLOW_OK;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      gst_mblm_text_pad_restart (pad, event);
      break;
    case GST_EVENT_SEGMENT:
      gst_mblm_text_pad_set_segment (pad, event);
      /* A score may be far; a sink that prerolls needs something before. */
      if (linked)
        ret = gst_mblm_text_pad_open (pad);
      break;
    default:
      if (linked)
        gst_mblm_text_pad_send (pad, gst_event_ref (event));
      break;
  }
  gst_event_unref (event);
  return ret;
}

/* Sends the next item (taken), and keeps what that came to. To a pad that is not
 * linked nothing is pushed: GStreamer loses the first of the sticky events where it
 * is linked between two of them. */
static void
send_item (GstMblmLines *self, GstMblmTextPad *pad, GstMiniObject *item)
{
  gboolean linked = gst_pad_is_linked (GST_PAD (pad));
  GstFlowReturn ret;

  if (GST_IS_EVENT (item)) {
    ret = send_event (pad, GST_EVENT (item), linked);
  } else if (linked) {
    ret = gst_mblm_text_pad_push (pad, GST_BUFFER (item));
  } else {
    gst_mini_object_unref (item);
    ret = GST_FLOW_OK;
  }
  if (!linked)
    ret = GST_FLOW_NOT_LINKED;

  g_mutex_lock (&self->lock);
  if (self->busy == pad)
    self->busy = NULL;
  if (self->pad == pad)
    self->flow = ret;
  g_mutex_unlock (&self->lock);
  if (ret < GST_FLOW_EOS)
    self->failed (self->user_data, ret);
}

/* Whether the pad may go on. The lock is held. */
static gboolean
is_current (GstMblmLines *self, GstMblmTextPad *pad)
{
  return self->pad == pad && !self->flushing;
}

static void
loop (gpointer data)
{
  GstMblmTextPad *pad = data;
  GstMblmLines *self = gst_pad_get_element_private (GST_PAD (pad));
  GstMiniObject *item = NULL;

  g_mutex_lock (&self->lock);
  while (is_current (self, pad) && (!self->added || self->items.length == 0))
    g_cond_wait (&self->cond, &self->lock);
  if (is_current (self, pad)) {
    self->busy = pad;
    item = g_queue_pop_head (&self->items);
    if (GST_IS_BUFFER (item))
      self->bytes -= gst_buffer_get_size (GST_BUFFER (item));
  } else {
    /* before anybody can start it again */
    gst_pad_pause_task (GST_PAD (pad));
  }
  g_mutex_unlock (&self->lock);

  if (item)
    send_item (self, pad, item);
}

/* The lock is held. */
static void
set_flushing (GstMblmLines *self)
{
  self->flushing = TRUE;
  self->flow = GST_FLOW_FLUSHING;
  g_cond_broadcast (&self->cond);
}

/* Starts the task of the pad that is active, unless somebody holds it up, who then
 * does it. With the lock held the pad isn't taken down or away in the middle, with
 * nobody left to end a task that is started after that. (A task that is new tells
 * the bus, whose handlers must not wait for a thread that uses this pad.) */
static void
start (GstMblmLines *self)
{
  GstPad *pad = self->active;

  if (!pad || GST_PAD (self->pad) != pad || self->holds > 0)
    return;
  self->flushing = FALSE;
  self->flow = GST_FLOW_OK;
  gst_pad_start_task (pad, loop, pad, NULL);
}

/* From here to the end of the hold the task does nothing, and nobody starts it,
 * nor that of another pad that becomes the element's. */
static void
hold (GstMblmLines *self, GstMblmTextPad *pad)
{
  g_mutex_lock (&self->lock);
  self->holds++;
  set_flushing (self);
  g_mutex_unlock (&self->lock);
  gst_pad_pause_task (GST_PAD (pad));
}

/* Has the pad forget what `forget` says, and what waits, and ends the hold. */
static void
begin_anew (GstMblmLines *self, GstMblmTextPad *pad,
    void (*forget) (GstMblmTextPad *pad))
{
  /* Who takes the pad down has taken the task from it, and waits for it, too. */
  GST_PAD_STREAM_LOCK (pad);
  forget (pad);
  GST_PAD_STREAM_UNLOCK (pad);

  g_mutex_lock (&self->lock);
  drop_items (self);
  self->holds--;
  start (self);
  g_mutex_unlock (&self->lock);
}

static gboolean
activate_mode (GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstMblmLines *self = gst_pad_get_element_private (pad);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  g_mutex_lock (&self->lock);
  /* A change of state may come to a pad that is just being given back. */
  if (active && GST_PAD (self->pad) == pad) {
    self->active = pad;
    start (self);
  } else if (!active && self->active == pad) {
    self->active = NULL;
    set_flushing (self);
  }
  g_mutex_unlock (&self->lock);
  return active || gst_pad_stop_task (pad);
}

/* --- from outside --- */

void
gst_mblm_lines_set_pad (GstMblmLines *self, GstMblmTextPad *pad)
{
  GstMblmTextPad *old;

  if (pad) {
    gst_pad_set_element_private (GST_PAD (pad), self);
    gst_pad_set_activatemode_function (
        GST_PAD (pad), GST_DEBUG_FUNCPTR (activate_mode));
    gst_object_ref (pad);
  }
  g_mutex_lock (&self->lock);
  old = self->pad;
  self->pad = pad;
  self->added = FALSE;
  self->flushing = TRUE;
  self->flow = GST_FLOW_OK;
  drop_items (self);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  gst_clear_object (&old);
}

void
gst_mblm_lines_begin (GstMblmLines *self)
{
  g_mutex_lock (&self->lock);
  self->added = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

gboolean
gst_mblm_lines_is_busy (GstMblmLines *self, GstPad *pad)
{
  gboolean busy;

  g_mutex_lock (&self->lock);
  busy = GST_PAD (self->busy) == pad;
  g_mutex_unlock (&self->lock);
  return busy;
}

GstMblmTextPad *
gst_mblm_lines_get_pad (GstMblmLines *self)
{
  GstMblmTextPad *pad;

  g_mutex_lock (&self->lock);
  pad = self->pad ? gst_object_ref (self->pad) : NULL;
  g_mutex_unlock (&self->lock);
  return pad;
}

/* Puts an item (taken) at the end; the lock is held. */
static void
append (GstMblmLines *self, GstMiniObject *item)
{
  if (!self->pad || self->flushing) {
    gst_mini_object_unref (item);
    return;
  }
  if (GST_IS_BUFFER (item))
    self->bytes += gst_buffer_get_size (GST_BUFFER (item));
  g_queue_push_tail (&self->items, item);
  g_cond_broadcast (&self->cond);
}

/* Drops the oldest line; the lock is held. */
static void
drop_line (GstMblmLines *self)
{
  for (GList *l = self->items.head; l; l = l->next) {
    if (!GST_IS_BUFFER (l->data))
      continue;
    self->bytes -= gst_buffer_get_size (GST_BUFFER (l->data));
    gst_buffer_unref (GST_BUFFER (l->data));
    g_queue_delete_link (&self->items, l);
    return;
  }
}

gboolean
gst_mblm_lines_push (GstMblmLines *self, GstBuffer *line)
{
  gboolean whole = TRUE;

  g_mutex_lock (&self->lock);
  append (self, GST_MINI_OBJECT (line));
  while (self->bytes > GST_MBLM_LINES_BYTES) {
    drop_line (self);
    whole = FALSE;
  }
  g_mutex_unlock (&self->lock);
  return whole;
}

void
gst_mblm_lines_push_event (GstMblmLines *self, GstEvent *event)
{
  g_mutex_lock (&self->lock);
  /* That the last stream has had its end says nothing of this one. */
  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START &&
      self->flow == GST_FLOW_EOS)
    self->flow = GST_FLOW_OK;
  append (self, GST_MINI_OBJECT (event));
  g_mutex_unlock (&self->lock);
}

void
gst_mblm_lines_flush (GstMblmLines *self, GstEvent *event)
{
  gboolean stop = GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP;
  g_autoptr (GstMblmTextPad) pad = gst_mblm_lines_get_pad (self);

  if (!pad) {
    gst_event_unref (event);
    return;
  }
  if (!stop) {
    /* Downstream first, which the task may be waiting for. */
    gst_pad_push_event (GST_PAD (pad), event);
    g_mutex_lock (&self->lock);
    set_flushing (self);
    g_mutex_unlock (&self->lock);
    return;
  }
  hold (self, pad);
  gst_pad_push_event (GST_PAD (pad), event);
  begin_anew (self, pad, gst_mblm_text_pad_flush);
}

void
gst_mblm_lines_reset (GstMblmLines *self)
{
  g_autoptr (GstMblmTextPad) pad = gst_mblm_lines_get_pad (self);

  if (!pad)
    return;
  hold (self, pad);
  begin_anew (self, pad, gst_mblm_text_pad_reset);
}

GstFlowReturn
gst_mblm_lines_get_flow (GstMblmLines *self)
{
  GstFlowReturn flow;

  g_mutex_lock (&self->lock);
  flow = self->pad ? self->flow : GST_FLOW_NOT_LINKED;
  g_mutex_unlock (&self->lock);
  return flow;
}
