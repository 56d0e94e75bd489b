/* gstmblmsrc.c: what downstream asks and tells.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Every source pad speaks for `sink` alone. Text whose TIME segment is our own
 * can't be sought in, and has no duration, in that time.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <inttypes.h>

#include <glib/gi18n-lib.h>

#include "gstmblmbase.h"

#define GST_CAT_DEFAULT gst_mblm_debug

static gboolean
has_own_time (GstMblmBase *self)
{
  gboolean own;

  g_mutex_lock (&self->lock);
  own = self->own_time;
  g_mutex_unlock (&self->lock);
  return own;
}

/* More latency is needed than upstream can hold back. */
static void
warn_latency (GstMblmBase *self, GstClockTime min, GstClockTime max)
{
  gboolean first;
  char *text;

  g_mutex_lock (&self->lock);
  first = !self->warned_latency;
  self->warned_latency = TRUE;
  g_mutex_unlock (&self->lock);
  if (!first)
    return;
  text = g_strdup_printf (
      _ ("Answers need %" PRIu64 " ms, but upstream can hold back only %" PRIu64
         " ms. Put “queue max-size-time=%" PRIu64
         " max-size-buffers=0 max-size-bytes=0” on the video branch, or set "
         "“timing” to “arrival”."),
      min / GST_MSECOND, max / GST_MSECOND, 2 * min);
  gst_mblm_base_warn (self,
      gst_mblm_fault_new (GST_CORE_ERROR, GST_CORE_ERROR_CLOCK, text, NULL));
}

static gboolean
query_latency (GstMblmBase *self, GstQuery *query)
{
  GstMblmLeaky leaky;
  gint64 fixed;
  GstMblmTiming timing;
  GstClockTime min, max, own;
  gboolean live;

  if (!gst_pad_peer_query (self->sinkpad, query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);

  GST_OBJECT_LOCK (self);
  leaky = self->settings.leaky;
  fixed = self->settings.latency;
  timing = self->settings.timing;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->lock);
  self->live = live;
  self->live_known = TRUE;
  own = fixed >= 0 ? (GstClockTime) fixed : self->latency.reported;
  g_mutex_unlock (&self->lock);

  /* Text that is timed by its arrival holds nothing back. */
  if (!live ||
      (timing != GST_MBLM_TIMING_FRAME &&
          !GST_MBLM_BASE_GET_CLASS (self)->passthrough))
    return TRUE;
  gst_mblm_latency_extend (own, leaky != GST_MBLM_LEAKY_NO, &min, &max);
  gst_query_set_latency (query, live, min, max);
  if (GST_CLOCK_TIME_IS_VALID (max) && min > max)
    warn_latency (self, min, max);
  return TRUE;
}

static gboolean
query_seeking (GstMblmBase *self, GstQuery *query)
{
  GstFormat format;

  gst_query_parse_seeking (query, &format, NULL, NULL, NULL);
  if (format == GST_FORMAT_TIME && has_own_time (self)) {
    gst_query_set_seeking (query, format, FALSE, 0, -1);
    return TRUE;
  }
  return gst_pad_peer_query (self->sinkpad, query);
}

/* Positions and durations of upstream are those of text only in TIME. */
static gboolean
query_time (GstMblmBase *self, GstQuery *query)
{
  GstFormat format;

  if (GST_QUERY_TYPE (query) == GST_QUERY_POSITION)
    gst_query_parse_position (query, &format, NULL);
  else
    gst_query_parse_duration (query, &format, NULL);
  if (format != GST_FORMAT_TIME || has_own_time (self))
    return FALSE;
  return gst_pad_peer_query (self->sinkpad, query);
}

static gboolean
src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstMblmBase *self = GST_MBLM_BASE (parent);

  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    return query_latency (self, query);
  if (!GST_IS_MBLM_TEXT_PAD (pad))
    return gst_pad_query_default (pad, parent, query);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_POSITION:
    case GST_QUERY_DURATION:
      return query_time (self, query);
    case GST_QUERY_SEEKING:
      return query_seeking (self, query);
    case GST_QUERY_CAPS:
    case GST_QUERY_ACCEPT_CAPS:
    case GST_QUERY_SCHEDULING:
      return gst_pad_query_default (pad, parent, query);
    default:
      return gst_pad_peer_query (self->sinkpad, query);
  }
}

static gboolean
src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstMblmBase *self = GST_MBLM_BASE (parent);
  GstFormat format;

  if (!GST_IS_MBLM_TEXT_PAD (pad))
    return gst_pad_push_event (self->sinkpad, event);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_QOS:
      /* Late text is no reason for upstream to leave frames out. */
    case GST_EVENT_RECONFIGURE:
      gst_event_unref (event);
      return TRUE;
    case GST_EVENT_SEEK:
      gst_event_parse_seek (event, NULL, &format, NULL, NULL, NULL, NULL, NULL);
      if (format == GST_FORMAT_TIME && has_own_time (self)) {
        gst_event_unref (event);
        return FALSE;
      }
      break;
    default:
      break;
  }
  return gst_pad_push_event (self->sinkpad, event);
}

static GstIterator *
src_links (GstPad *pad, GstObject *parent)
{
  GstMblmBase *self = GST_MBLM_BASE (parent);
  GValue value = G_VALUE_INIT;
  GstIterator *links;

  g_value_init (&value, GST_TYPE_PAD);
  g_value_set_object (&value, self->sinkpad);
  links = gst_iterator_new_single (GST_TYPE_PAD, &value);
  g_value_unset (&value);
  return links;
}

/* The task lives and dies with the pad. */
static gboolean
src_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstMblmBase *self = GST_MBLM_BASE (parent);
  gboolean stopped;

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  g_mutex_lock (&self->lock);
  self->active = active;
  g_mutex_unlock (&self->lock);
  if (active)
    return gst_mblm_base_start_task (self);

  gst_mblm_base_set_flushing (self);
  stopped = gst_pad_stop_task (pad);
  g_mutex_lock (&self->lock);
  gst_mblm_queue_clear (&self->queue);
  g_mutex_unlock (&self->lock);
  return stopped;
}

void
gst_mblm_base_set_up_src (GstMblmBase *self, GstPad *pad)
{
  gst_pad_set_event_function (pad, GST_DEBUG_FUNCPTR (src_event));
  gst_pad_set_query_function (pad, GST_DEBUG_FUNCPTR (src_query));
  gst_pad_set_iterate_internal_links_function (
      pad, GST_DEBUG_FUNCPTR (src_links));
  if (pad == self->srcpad)
    gst_pad_set_activatemode_function (
        pad, GST_DEBUG_FUNCPTR (src_activate_mode));
  if (GST_IS_MBLM_TEXT_PAD (pad)) {
    gst_pad_use_fixed_caps (pad);
  } else {
    GST_PAD_SET_PROXY_CAPS (pad);
    GST_PAD_SET_PROXY_ALLOCATION (pad);
  }
}
