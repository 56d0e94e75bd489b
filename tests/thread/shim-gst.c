/* shim-gst.c: GStreamer, as ThreadSanitizer shall see it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Not needed, since it is made of GLib's locks: tasks, pads, states, the bus
 * (whose GstPoll has a lock).
 */

#define _GNU_SOURCE

#include "shim.h"

#include <gst/gst.h>

/* --- letting go of a reference --- */

void
gst_mini_object_unref (GstMiniObject *object)
{
  REAL (gst_mini_object_unref);
  release (object);
  real (object);
}

/* These take a reference, and let go of it within the library. */

GstFlowReturn
gst_pad_push (GstPad *pad, GstBuffer *buffer)
{
  REAL (gst_pad_push);
  release (buffer);
  return real (pad, buffer);
}

GstFlowReturn
gst_pad_chain (GstPad *pad, GstBuffer *buffer)
{
  REAL (gst_pad_chain);
  release (buffer);
  return real (pad, buffer);
}

gboolean
gst_pad_push_event (GstPad *pad, GstEvent *event)
{
  REAL (gst_pad_push_event);
  release (event);
  return real (pad, event);
}

gboolean
gst_bus_post (GstBus *bus, GstMessage *message)
{
  REAL (gst_bus_post);
  release (message);
  return real (bus, message);
}

gboolean
gst_element_post_message (GstElement *element, GstMessage *message)
{
  REAL (gst_element_post_message);
  release (message);
  return real (element, message);
}

void
gst_buffer_unmap (GstBuffer *buffer, GstMapInfo *info)
{
  REAL (gst_buffer_unmap);
  release (buffer);
  real (buffer, info);
}

/* --- having an object to oneself --- */

gboolean
gst_mini_object_is_writable (const GstMiniObject *object)
{
  gboolean writable;

  REAL (gst_mini_object_is_writable);
  writable = real (object);
  if (writable)
    acquire (object);
  return writable;
}

GstMiniObject *
gst_mini_object_make_writable (GstMiniObject *object)
{
  GstMiniObject *writable;

  REAL (gst_mini_object_make_writable);
  writable = real (object);
  acquire (writable);
  return writable;
}

gboolean
gst_buffer_map (GstBuffer *buffer, GstMapInfo *info, GstMapFlags flags)
{
  gboolean mapped;

  REAL (gst_buffer_map);
  mapped = real (buffer, info, flags);
  if (mapped && (flags & GST_MAP_WRITE))
    acquire (buffer);
  return mapped;
}

GstFlowReturn
gst_buffer_pool_acquire_buffer (
    GstBufferPool *pool, GstBuffer **buffer, GstBufferPoolAcquireParams *params)
{
  GstFlowReturn ret;

  REAL (gst_buffer_pool_acquire_buffer);
  ret = real (pool, buffer, params);
  if (ret == GST_FLOW_OK)
    acquire (*buffer);
  return ret;
}
