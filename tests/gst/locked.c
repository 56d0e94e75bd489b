/* locked.c: buffers whose memory can't be mapped.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "locked.h"

typedef struct {
  GstAllocator parent;
} Locked;
typedef struct {
  GstAllocatorClass parent;
} LockedClass;
GType locked_get_type (void);
G_DEFINE_TYPE (Locked, locked, GST_TYPE_ALLOCATOR)

static gpointer
locked_map (GstMemory *memory, gsize size, GstMapFlags flags)
{
  return NULL;
}

static void
locked_free (GstAllocator *allocator, GstMemory *memory)
{
  g_free (memory);
}

static void
locked_class_init (LockedClass *klass)
{
  GST_ALLOCATOR_CLASS (klass)->free = locked_free;
}

static void
locked_init (Locked *self)
{
  GST_ALLOCATOR (self)->mem_type = "locked";
  GST_ALLOCATOR (self)->mem_map = locked_map;
}

GstBuffer *
locked_buffer (gsize size)
{
  GstAllocator *allocator = g_object_new (locked_get_type (), NULL);
  GstMemory *memory = g_new0 (GstMemory, 1);
  GstBuffer *buffer = gst_buffer_new ();

  gst_object_ref_sink (allocator);
  gst_memory_init (memory, 0, allocator, NULL, size, 0, 0, size);
  gst_buffer_append_memory (buffer, memory);
  gst_object_unref (allocator);
  return buffer;
}
