/* gstmblmqueue.c: what waits between the chain function and the task.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmqueue.h"

#include "gstmblmmodel.h"
#include "gstmblmtiming.h"

/* Items that wait in the queue before those that are to get no answer are joined
 * whatever that does to their times. */
#define MAX_APART 4096

GstMblmItem *
gst_mblm_item_new (GstMblmItemKind kind)
{
  GstMblmItem *item = g_new0 (GstMblmItem, 1);

  item->kind = kind;
  item->pts = item->duration = GST_CLOCK_TIME_NONE;
  item->running_time = item->stream_time = GST_CLOCK_TIME_NONE;
  item->arrived = g_get_monotonic_time ();
  return item;
}

/* What only work needs. */
static void
item_clear_work (GstMblmItem *item)
{
  g_clear_pointer (&item->load, gst_mblm_load_unref);
  g_clear_pointer (&item->bytes, g_bytes_unref);
  if (item->extra && item->extra_free)
    item->extra_free (item->extra);
  item->extra = NULL;
}

void
gst_mblm_item_free (GstMblmItem *item)
{
  item_clear_work (item);
  gst_clear_event (&item->event);
  gst_clear_buffer (&item->buffer);
  g_free (item);
}

void
gst_mblm_queue_init (GstMblmQueue *self)
{
  g_queue_init (&self->items);
  self->level = self->passing = (GstMblmLevels){0, 0, 0};
}

/* A query's sender frees it. */
static void
drop (GstMblmItem *item)
{
  if (item->kind == GST_MBLM_ITEM_QUERY)
    item->query = NULL;
  else
    gst_mblm_item_free (item);
}

void
gst_mblm_queue_clear (GstMblmQueue *self)
{
  GstMblmItem *item;

  while ((item = g_queue_pop_head (&self->items)))
    drop (item);
  self->level = self->passing = (GstMblmLevels){0, 0, 0};
}

/* The level that the item is part of, or NULL. */
static GstMblmLevels *
find_level (GstMblmQueue *self, const GstMblmItem *item)
{
  if (item->kind != GST_MBLM_ITEM_WORK && item->kind != GST_MBLM_ITEM_SKIP)
    return NULL;
  if (!item->dropped)
    return &self->level;
  return item->buffer ? &self->passing : NULL;
}

static void
count_in (GstMblmQueue *self, const GstMblmItem *item)
{
  GstMblmLevels *level = find_level (self, item);

  if (!level)
    return;
  level->buffers++;
  level->bytes += item->size;
  if (GST_CLOCK_TIME_IS_VALID (item->duration))
    level->time += item->duration;
}

static void
count_out (GstMblmQueue *self, const GstMblmItem *item)
{
  GstMblmLevels *level = find_level (self, item);

  if (!level)
    return;
  level->buffers--;
  level->bytes -= item->size;
  if (GST_CLOCK_TIME_IS_VALID (item->duration))
    level->time -= item->duration;
}

static gboolean
is_reached (const GstMblmLevels *level, const GstMblmLevels *limits)
{
  return (limits->buffers > 0 && level->buffers >= limits->buffers) ||
      (limits->bytes > 0 && level->bytes >= limits->bytes) ||
      (limits->time > 0 && level->time >= limits->time);
}

gboolean
gst_mblm_queue_is_full (const GstMblmQueue *self, const GstMblmLevels *limits)
{
  return is_reached (&self->level, limits);
}

gboolean
gst_mblm_queue_is_packed (const GstMblmQueue *self, const GstMblmLevels *limits)
{
  return is_reached (&self->passing, limits);
}

void
gst_mblm_queue_push (GstMblmQueue *self, GstMblmItem *item)
{
  count_in (self, item);
  g_queue_push_tail (&self->items, item);
}

GstMblmItem *
gst_mblm_queue_pop (GstMblmQueue *self)
{
  GstMblmItem *item = g_queue_pop_head (&self->items);

  if (item)
    count_out (self, item);
  return item;
}

static gboolean
is_event (const GstMblmItem *item, GstEventType type)
{
  return item->kind == GST_MBLM_ITEM_EVENT &&
      GST_EVENT_TYPE (item->event) == type;
}

gboolean
gst_mblm_queue_find_stream (GstMblmQueue *self, guint *segments)
{
  GList *link = self->items.head;

  while (link && !is_event (link->data, GST_EVENT_STREAM_START))
    link = link->next;
  if (!link)
    return FALSE;
  while (self->items.head != link) {
    GstMblmItem *item = gst_mblm_queue_pop (self);

    if (is_event (item, GST_EVENT_SEGMENT) && *segments > 0)
      (*segments)--;
    drop (item);
  }
  return TRUE;
}

static GList *
find_work (GstMblmQueue *self)
{
  GList *link = self->items.head;

  while (link && ((GstMblmItem *) link->data)->kind != GST_MBLM_ITEM_WORK)
    link = link->next;
  return link;
}

GstMblmItem *
gst_mblm_queue_steal_work (GstMblmQueue *self)
{
  GList *link = find_work (self);
  GstMblmItem *item;

  if (!link)
    return NULL;
  item = link->data;
  count_out (self, item);
  g_queue_delete_link (&self->items, link);
  return item;
}

static gboolean
can_merge (const GList *link)
{
  const GstMblmItem *item = link ? link->data : NULL;

  return item && item->kind == GST_MBLM_ITEM_SKIP && item->dropped &&
      !item->buffer;
}

/* Whether the second item can follow in what the first becomes: a stretch of time
 * that is all a GAP, or all the last answer. */
static gboolean
is_continued (const GstMblmItem *first, const GstMblmItem *second)
{
  return first->failed == second->failed &&
      GST_CLOCK_TIME_IS_VALID (first->pts) &&
      GST_CLOCK_TIME_IS_VALID (second->pts) && second->pts >= first->pts;
}

/* Stretches the item of `link` over that of the next, which goes. Where items pile
 * up that can't follow each other, the second goes all the same. */
static void
merge_next (GstMblmQueue *self, GList *link)
{
  GstMblmItem *first = link->data, *second;
  gboolean continued;

  if (!can_merge (link) || !can_merge (link->next))
    return;
  second = link->next->data;
  continued = is_continued (first, second);
  if (!continued && self->items.length < MAX_APART)
    return;
  if (continued && GST_CLOCK_TIME_IS_VALID (second->duration))
    first->duration = gst_mblm_time_add (second->pts, second->duration) -
        first->pts;
  else if (continued)
    first->duration = second->pts - first->pts;
  g_queue_delete_link (&self->items, link->next);
  gst_mblm_item_free (second);
}

static void
item_make_dropped (GstMblmItem *item)
{
  item_clear_work (item);
  item->kind = GST_MBLM_ITEM_SKIP;
  item->dropped = TRUE;
}

GstMblmItem *
gst_mblm_queue_drop_work (GstMblmQueue *self)
{
  GList *link = find_work (self);
  GstMblmItem *item, *times;

  if (!link)
    return NULL;
  item = link->data;
  count_out (self, item);
  item_make_dropped (item);
  count_in (self, item);

  times = gst_mblm_item_new (GST_MBLM_ITEM_SKIP);
  times->pts = item->pts;
  times->duration = item->duration;
  times->running_time = item->running_time;
  times->stream_time = item->stream_time;

  merge_next (self, link);
  if (link->prev)
    merge_next (self, link->prev);
  return times;
}

void
gst_mblm_queue_push_dropped (GstMblmQueue *self, GstMblmItem *item)
{
  item_make_dropped (item);
  gst_mblm_queue_push (self, item);
  if (self->items.tail->prev)
    merge_next (self, self->items.tail->prev);
}
