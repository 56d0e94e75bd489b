/* gstmblmscorework.c: the task of mblmscore: what passes to bits per byte.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * `src` gets the buffers of `sink`, untouched and in order, each after its
 * bytes have been scored. A score becomes an element message `mblmscore` and,
 * where the pad `json` is there, a line of JSON. When a leaky queue is full,
 * scoring is given up, data never is.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <string.h>

#include <glib/gi18n-lib.h>

#include "gstmblmbytes.h"
#include "gstmblmjson.h"
#include "gstmblmscoreprivate.h"

/* Bytes whose bits are held at once. */
#define PIECE 8192

static void
settings_take (GstMblmScore *self)
{
  GST_OBJECT_LOCK (self);
  self->now = self->settings;
  GST_OBJECT_UNLOCK (self);
}

/* --- flows --- */

/* Tells the combiner about the `json` pad that there is now. */
static GstMblmTextPad *
find_json (GstMblmScore *self)
{
  g_autoptr (GPtrArray)
      pads = gst_mblm_base_list_text_pads (GST_MBLM_BASE (self));
  GstPad *json = pads->len > 0 ? pads->pdata[0] : NULL;

  if (json != self->json) {
    if (self->json)
      gst_flow_combiner_remove_pad (self->flows, self->json);
    gst_clear_object (&self->json);
    if (json) {
      self->json = gst_object_ref (json);
      gst_flow_combiner_add_pad (self->flows, json);
    }
  }
  return json ? GST_MBLM_TEXT_PAD (self->json) : NULL;
}

static GstFlowReturn
combine (GstMblmScore *self, GstPad *pad, GstFlowReturn ret)
{
  /* A `json` pad that is just being released, or flushed on its own, is no
   * reason to stop what passes. */
  if (pad == self->json && ret == GST_FLOW_FLUSHING)
    ret = GST_FLOW_NOT_LINKED;
  return gst_flow_combiner_update_pad_flow (self->flows, pad, ret);
}

/* --- scores --- */

static GstFlowReturn
send_json (GstMblmScore *self, const GstStructure *structure)
{
  GstMblmTextPad *json = find_json (self);
  g_autofree char *text = NULL;
  GstBuffer *buffer;
  char *line;

  if (!json)
    return GST_FLOW_OK;
  text = gst_mblm_structure_to_json (structure);
  line = g_strconcat (text, "\n", NULL);
  gst_mblm_base_count_out (GST_MBLM_BASE (self), strlen (line));
  buffer = gst_buffer_new_wrapped (line, strlen (line));
  GST_BUFFER_PTS (buffer) = self->unit.pts;
  gst_structure_get_uint64 (
      structure, "duration", &GST_BUFFER_DURATION (buffer));
  return combine (self, GST_PAD (json), gst_mblm_text_pad_push (json, buffer));
}

/* Tells the score of the unit, and begins the next one. */
static GstFlowReturn
end_unit (GstMblmScore *self)
{
  GstElement *element = GST_ELEMENT (self);
  GstMblmUnit *unit = &self->unit;
  GstStructure *structure;
  GstFlowReturn ret;

  if (!unit->begun || unit->total.bytes == 0) {
    gst_mblm_unit_reset (unit);
    return GST_FLOW_OK;
  }
  structure = gst_mblm_unit_to_structure (unit, "mblmscore", self->path);
  ret = send_json (self, structure);
  if (self->now.threshold > 0.0 &&
      gst_mblm_unit_bits_per_byte (unit) > self->now.threshold) {
    GstStructure *alarm = gst_structure_copy (structure);

    gst_structure_set_name (alarm, "mblmscore-alarm");
    gst_structure_set (
        alarm, "threshold", G_TYPE_DOUBLE, self->now.threshold, NULL);
    gst_element_post_message (
        element, gst_message_new_element (GST_OBJECT (self), alarm));
  }
  gst_element_post_message (
      element, gst_message_new_element (GST_OBJECT (self), structure));
  gst_mblm_unit_reset (unit);
  return ret;
}

/* Scores a run of bytes of the buffer at work. */
static gboolean
score_bytes (const guint8 *bytes, gsize n, gpointer user_data)
{
  GstMblmScore *self = user_data;
  gboolean windows = self->now.per == GST_MBLM_SCORE_PER_WINDOW;

  while (n > 0) {
    gsize piece = MIN (n, PIECE);

    if (windows) {
      if (self->unit.total.bytes >= self->now.window) {
        if (end_unit (self) != GST_FLOW_OK)
          return FALSE;
      }
      piece = MIN (piece, self->now.window - self->unit.total.bytes);
    }
    gst_mblm_unit_touch (&self->unit, self->item, self->offset);
    if (!mblm_scorer_push (self->scorer, bytes, piece, self->bits,
            self->cancellable, &self->error))
      return FALSE;
    gst_mblm_unit_add (&self->unit, self->bits, piece);
    self->offset += piece;
    bytes += piece;
    n -= piece;
    if (windows && self->unit.total.bytes >= self->now.window &&
        end_unit (self) != GST_FLOW_OK)
      return FALSE;
  }
  return TRUE;
}

/* The queue became full while bytes were scored: they are given up, and with
 * them what the model knew of the stream. */
static gboolean
give_up (GstMblmScore *self)
{
  GstMblmBase *base = &self->parent;
  gboolean hurried;

  g_mutex_lock (&base->lock);
  hurried = base->hurried && !base->flushing;
  if (hurried)
    base->stats.dropped++;
  g_mutex_unlock (&base->lock);
  if (!hurried)
    return FALSE;
  g_clear_error (&self->error);
  mblm_scorer_reset (self->scorer);
  if (self->now.per == GST_MBLM_SCORE_PER_BUFFER ||
      self->now.per == GST_MBLM_SCORE_PER_WINDOW)
    gst_mblm_unit_reset (&self->unit);
  return TRUE;
}

static void
warn_unmappable (GstMblmScore *self)
{
  if (self->warned)
    return;
  self->warned = TRUE;
  gst_mblm_base_warn (&self->parent,
      gst_mblm_fault_new (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
          g_strdup (_ ("Buffers whose memory can't be read pass without a "
                       "score.")),
          NULL));
}

static GstFlowReturn
gst_mblm_score_work (
    GstMblmBase *base, GstMblmItem *item, GCancellable *cancellable)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);
  guint64 end = self->offset + item->size;
  GstFlowReturn ret = GST_FLOW_OK;

  settings_take (self);
  self->item = item;
  self->cancellable = cancellable;
  if (!gst_mblm_buffer_foreach (item->buffer,
          self->is_video ? &self->video : NULL, score_bytes, self))
    warn_unmappable (self);
  if (self->error &&
      !(g_error_matches (self->error, G_IO_ERROR, G_IO_ERROR_CANCELLED) &&
          give_up (self)))
    return gst_mblm_base_failure (base, g_steal_pointer (&self->error));

  /* The bytes that were counted are those of the rows. */
  if (!self->is_video)
    self->offset = end;
  if (self->now.per == GST_MBLM_SCORE_PER_BUFFER)
    ret = end_unit (self);
  if (ret != GST_FLOW_OK)
    return ret;
  return combine (self, base->srcpad,
      gst_pad_push (base->srcpad, g_steal_pointer (&item->buffer)));
}

static GstFlowReturn
gst_mblm_score_skip (GstMblmBase *base, GstMblmItem *item)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);

  self->offset += item->size;
  return combine (self, base->srcpad,
      gst_pad_push (base->srcpad, g_steal_pointer (&item->buffer)));
}

static gboolean
gst_mblm_score_set_load (GstMblmBase *base, GstMblmLoad *load)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);
  g_autoptr (GError) error = NULL;

  g_clear_object (&self->scorer);
  if (!load)
    return TRUE;
  self->scorer = mblm_scorer_new (load->model, FALSE, &error);
  if (!self->scorer)
    gst_mblm_base_fault (base, gst_mblm_fault_from_error (error, load->name));
  return self->scorer != NULL;
}

/* --- events --- */

static GstFlowReturn
gst_mblm_score_finish (GstMblmBase *base, GCancellable *cancellable)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);

  settings_take (self);
  return end_unit (self);
}

/* A file ends where the next stream begins. */
static GstFlowReturn
begin_stream (GstMblmScore *self)
{
  GstMblmBase *base = &self->parent;
  GstFlowReturn ret = GST_FLOW_OK;
  char *path;

  /* `src` has had EOS with the last stream, which says nothing of this one. */
  gst_flow_combiner_reset (self->flows);
  settings_take (self);
  if (self->now.per == GST_MBLM_SCORE_PER_FILE) {
    ret = end_unit (self);
    self->offset = 0;
    if (self->scorer)
      mblm_scorer_reset (self->scorer);
  }
  g_mutex_lock (&base->lock);
  path = g_queue_pop_head (&self->paths);
  g_mutex_unlock (&base->lock);
  g_free (self->path);
  self->path = path && *path ? g_steal_pointer (&path) : NULL;
  g_free (path);
  return ret;
}

static void
set_caps (GstMblmScore *self, GstEvent *event)
{
  GstCaps *caps;

  gst_event_parse_caps (event, &caps);
  self->is_video = gst_structure_has_name (
                       gst_caps_get_structure (caps, 0), "video/x-raw") &&
      gst_video_info_from_caps (&self->video, caps);
}

static GstFlowReturn
gst_mblm_score_event (GstMblmBase *base, GstEvent *event)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);
  GstFlowReturn ret = GST_FLOW_OK;

  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
    ret = begin_stream (self);
  else if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS)
    set_caps (self, event);
  gst_pad_push_event (base->srcpad, event);
  return ret;
}

static void
gst_mblm_score_reset_task (GstMblmBase *base)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);

  gst_mblm_unit_reset (&self->unit);
  self->offset = 0;
  self->warned = FALSE;
  if (self->scorer)
    mblm_scorer_reset (self->scorer);
  gst_flow_combiner_reset (self->flows);
}

void
gst_mblm_score_class_init_work (GstMblmBaseClass *klass)
{
  klass->set_load = gst_mblm_score_set_load;
  klass->work = gst_mblm_score_work;
  klass->skip = gst_mblm_score_skip;
  klass->finish = gst_mblm_score_finish;
  klass->event = gst_mblm_score_event;
  klass->reset_task = gst_mblm_score_reset_task;
}

void
gst_mblm_score_init_work (GstMblmScore *self)
{
  gst_mblm_unit_reset (&self->unit);
  self->bits = g_new (float, PIECE);
  self->flows = gst_flow_combiner_new ();
  gst_flow_combiner_add_pad (self->flows, GST_MBLM_BASE (self)->srcpad);
}

void
gst_mblm_score_dispose_work (GstMblmScore *self)
{
  /* The combiner holds the pads, and they the element. */
  g_clear_pointer (&self->flows, gst_flow_combiner_free);
  gst_clear_object (&self->json);
}

void
gst_mblm_score_clear_work (GstMblmScore *self)
{
  gst_mblm_score_set_load (GST_MBLM_BASE (self), NULL);
  g_free (self->path);
  g_free (self->bits);
}
