/* gstmblmqueue.h: what waits between the chain function and the task.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Items in the order in which upstream sent them: units of work, the time of
 * input that gets no answer, serialized events and queries. Only units of work
 * and input without an answer count towards the limits; events and queries
 * never wait. The queue has no lock of its own: its owner's is held for every
 * call.
 */

#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
  GST_MBLM_ITEM_WORK,  /* input that gets an answer or a score */
  GST_MBLM_ITEM_SKIP,  /* input that gets none */
  GST_MBLM_ITEM_EVENT, /* a serialized event */
  GST_MBLM_ITEM_QUERY, /* a serialized query whose sender waits */
} GstMblmItemKind;

/* Times are in the segment of the output, NONE where they are not known. */
typedef struct {
  GstMblmItemKind kind;
  GstEvent *event; /* EVENT: owned */
  GstQuery *query; /* QUERY: belongs to the sender, who waits */

  gpointer load;     /* WORK: GstMblmLoad, owned: the model to use */
  GstBuffer *buffer; /* the buffer itself, or NULL; owned */
  GBytes *bytes;     /* the bytes for the model, or NULL; owned */
  gpointer extra;    /* what the element adds, freed by ... */
  GDestroyNotify extra_free;

  GstClockTime pts, duration;
  GstClockTime running_time, stream_time;
  gsize size;       /* bytes that count towards max-size-bytes */
  gint64 arrived;   /* monotonic time in microseconds */
  gint64 blocked;   /* ... the task had been blocked by then, in all */
  gboolean failed;  /* SKIP: a GAP, never the last answer again */
  gboolean dropped; /* was work until the queue was full, or none at once */
} GstMblmItem;

typedef struct {
  guint buffers;
  guint64 bytes;
  GstClockTime time;
} GstMblmLevels;

typedef struct {
  GQueue items;
  GstMblmLevels level;   /* of what counts; time: sum of durations */
  GstMblmLevels passing; /* ... of buffers that were dropped as work */
} GstMblmQueue;

GstMblmItem *gst_mblm_item_new (GstMblmItemKind kind);
void gst_mblm_item_free (GstMblmItem *item);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstMblmItem, gst_mblm_item_free)

void gst_mblm_queue_init (GstMblmQueue *self);
/* Frees every item but queries, which belong to their senders. */
void gst_mblm_queue_clear (GstMblmQueue *self);

/* TRUE when one of the limits is reached; a limit of 0 is none. */
gboolean gst_mblm_queue_is_full (
    const GstMblmQueue *self, const GstMblmLevels *limits);
/* The same of buffers that pass without a score. */
gboolean gst_mblm_queue_is_packed (
    const GstMblmQueue *self, const GstMblmLevels *limits);
/* Takes the item. */
void gst_mblm_queue_push (GstMblmQueue *self, GstMblmItem *item);
/* NULL when empty. */
GstMblmItem *gst_mblm_queue_pop (GstMblmQueue *self);

/* Frees what waits before the next STREAM_START, if there is one: TRUE. `segments`
 * is less by the SEGMENT events that went. */
gboolean gst_mblm_queue_find_stream (GstMblmQueue *self, guint *segments);

/* The longest waiting unit of work, taken out, or NULL. */
GstMblmItem *gst_mblm_queue_steal_work (GstMblmQueue *self);
/* Turns the longest waiting unit of work into input without an answer, which
 * counts no longer and merges with such neighbours unless it holds a buffer.
 * Returns what was dropped, for the QoS message (a copy of the times), or NULL.
 * */
GstMblmItem *gst_mblm_queue_drop_work (GstMblmQueue *self);
/* Puts input without an answer at the end, merged into such a neighbour. */
void gst_mblm_queue_push_dropped (GstMblmQueue *self, GstMblmItem *item);

G_END_DECLS
