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

/* Posts a warning about the pad `json`, the first one only. Takes the text. Any
 * thread. */
static void
warn_json (GstMblmScore *self, char *text, const char *debug)
{
  if (g_atomic_int_compare_and_exchange (&self->warned_json, 0, 1))
    gst_mblm_base_warn (&self->parent,
        gst_mblm_fault_new (
            GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, text, debug));
  else
    g_free (text);
}

static void
json_failed (gpointer user_data, GstFlowReturn flow)
{
  warn_json (user_data,
      g_strdup (_ ("What is linked to the pad “json” fails. The data go on, "
                   "the scores get lost. Look at the errors of the elements "
                   "there.")),
      gst_flow_get_name (flow));
}

/* What the lines have come to, as `src` has to know it: they never stop what passes;
 * with `src` unlinked they are all there is. */
static GstFlowReturn
get_json_flow (GstMblmScore *self)
{
  GstFlowReturn ret = gst_mblm_lines_get_flow (&self->lines);

  if (ret < GST_FLOW_EOS ||
      (ret == GST_FLOW_FLUSHING && gst_pad_is_linked (self->parent.srcpad)))
    ret = GST_FLOW_NOT_LINKED;
  return MIN (ret, GST_FLOW_OK);
}

/* What both pads come to, as a GstFlowCombiner has it. That one looks at what the
 * pads' own pushes came to last, and `json` pushes in a thread of its own. */
static GstFlowReturn
combine (GstFlowReturn src, GstFlowReturn json)
{
  if (src < GST_FLOW_EOS || src == GST_FLOW_FLUSHING)
    return src;
  if (json == GST_FLOW_FLUSHING)
    return json;
  if (src == GST_FLOW_OK || json == GST_FLOW_OK)
    return GST_FLOW_OK;
  return src == GST_FLOW_EOS ? src : json;
}

/* Passes a buffer on (taken). */
static GstFlowReturn
pass (GstMblmScore *self, GstBuffer *buffer)
{
  GstMblmBase *base = &self->parent;
  GstFlowReturn ret;

  gst_mblm_watch_push_begins (&base->watch);
  ret = gst_pad_push (base->srcpad, buffer);
  gst_mblm_watch_push_ends (&base->watch);
  /* Successes of downstream's own kind are successes. */
  return combine (MIN (ret, GST_FLOW_OK), get_json_flow (self));
}

/* --- scores --- */

static void
send_json (GstMblmScore *self, const GstStructure *structure)
{
  g_autoptr (GstMblmTextPad) json = gst_mblm_lines_get_pad (&self->lines);
  g_autofree char *text = NULL;
  GstBuffer *buffer;
  char *line;

  if (!json)
    return;
  text = gst_mblm_structure_to_json (structure);
  line = g_strconcat (text, "\n", NULL);
  gst_mblm_base_count_out (GST_MBLM_BASE (self), strlen (line));
  buffer = gst_buffer_new_wrapped (line, strlen (line));
  GST_BUFFER_PTS (buffer) = self->unit.pts;
  gst_structure_get_uint64 (
      structure, "duration", &GST_BUFFER_DURATION (buffer));
  if (!gst_mblm_lines_push (&self->lines, buffer))
    warn_json (self,
        g_strdup (
            _ ("What is linked to the pad “json” doesn't take the scores; "
               "the oldest get lost. Put a faster sink there, or set "
               "“per” to a longer unit.")),
        NULL);
}

/* The message `name`: a score and what it is compared with. */
static void
post_alarm (GstMblmScore *self, const char *name, const GstStructure *score)
{
  GstStructure *structure = gst_structure_copy (score);

  gst_structure_set_name (structure, name);
  gst_structure_set (structure, "threshold", G_TYPE_DOUBLE, self->now.threshold,
      "count", G_TYPE_UINT64, self->alarms, NULL);
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self), structure));
}

/* An alarm for each unit above the threshold, and one all-clear for the first
 * that no longer is, also because there is no threshold any more. */
static void
watch_threshold (GstMblmScore *self, const GstStructure *score)
{
  double threshold = self->now.threshold;

  if (threshold > 0.0 &&
      gst_mblm_unit_bits_per_byte (&self->unit) > threshold) {
    self->alarms++;
    post_alarm (self, "mblmscore-alarm", score);
  } else if (self->alarms > 0) {
    post_alarm (self, "mblmscore-all-clear", score);
    self->alarms = 0;
  }
}

/* Tells the score of the unit, and begins the next one. */
static void
end_unit (GstMblmScore *self)
{
  GstMblmUnit *unit = &self->unit;
  GstStructure *structure;

  if (!unit->begun || unit->total.bytes == 0) {
    gst_mblm_unit_reset (unit);
    return;
  }
  structure = gst_mblm_unit_to_structure (unit, "mblmscore", self->path);
  send_json (self, structure);
  watch_threshold (self, structure);
  gst_mblm_base_count_answer (&self->parent, unit->work, FALSE);
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self), structure));
  gst_mblm_unit_reset (unit);
}

/* Scores a run of bytes of the buffer at work. */
static gboolean
score_bytes (const guint8 *bytes, gsize n, gpointer user_data)
{
  GstMblmScore *self = user_data;
  gboolean windows = self->now.per == GST_MBLM_SCORE_PER_WINDOW;
  GstMblmWatch *watch = &self->parent.watch;

  while (n > 0) {
    gsize piece = MIN (n, PIECE);
    GstClockTime begin;

    if (windows) {
      if (self->unit.total.bytes >= self->now.window)
        end_unit (self);
      piece = MIN (piece, self->now.window - self->unit.total.bytes);
    }
    gst_mblm_unit_touch (&self->unit, self->item, self->offset);
    begin = gst_mblm_watch_elapsed (watch);
    if (!mblm_scorer_push (self->scorer, bytes, piece, self->bits,
            self->cancellable, &self->error))
      return FALSE;
    self->unit.work += gst_mblm_watch_elapsed (watch) - begin;
    gst_mblm_unit_add (&self->unit, self->bits, piece);
    self->offset += piece;
    bytes += piece;
    n -= piece;
    if (windows && self->unit.total.bytes >= self->now.window)
      end_unit (self);
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
  gst_mblm_base_post_qos (base, self->item);
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
          g_strdup (
              _ ("Buffers whose memory can't be read pass without a score. Put "
                 "an element before that brings them to system memory.")),
          NULL));
}

/* How raw video lies, or NULL. */
static const GstVideoInfo *
get_video (const GstMblmScore *self)
{
  return self->is_video ? &self->video : NULL;
}

static GstFlowReturn
gst_mblm_score_work (
    GstMblmBase *base, GstMblmItem *item, GCancellable *cancellable)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);
  const GstVideoInfo *video = get_video (self);
  guint64 begin = self->offset;
  gboolean whole;

  settings_take (self);
  self->item = item;
  self->cancellable = cancellable;
  whole = gst_mblm_buffer_foreach (item->buffer, video, score_bytes, self);
  if (!whole)
    warn_unmappable (self);
  whole = whole && !self->error;
  if (self->error &&
      !(g_error_matches (self->error, G_IO_ERROR, G_IO_ERROR_CANCELLED) &&
          give_up (self)))
    return gst_mblm_base_failure (base, g_steal_pointer (&self->error));

  gst_mblm_base_count_scored (base, self->offset - begin);
  if (!whole)
    self->offset = begin + gst_mblm_buffer_count (item->buffer, video);
  if (self->now.per == GST_MBLM_SCORE_PER_BUFFER)
    end_unit (self);
  return pass (self, g_steal_pointer (&item->buffer));
}

static GstFlowReturn
gst_mblm_score_skip (GstMblmBase *base, GstMblmItem *item)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);

  self->offset += gst_mblm_buffer_count (item->buffer, get_video (self));
  return pass (self, g_steal_pointer (&item->buffer));
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
  end_unit (self);
  return GST_FLOW_OK;
}

void
gst_mblm_score_take_path (GstMblmScore *self, char *path)
{
  g_free (self->path);
  self->path = path && *path ? g_steal_pointer (&path) : NULL;
  g_free (path);
}

/* A file ends where the next stream begins. */
static void
begin_stream (GstMblmScore *self)
{
  GstMblmBase *base = &self->parent;
  char *path;

  settings_take (self);
  if (self->now.per == GST_MBLM_SCORE_PER_FILE) {
    end_unit (self);
    self->offset = 0;
    if (self->scorer)
      mblm_scorer_reset (self->scorer);
  }
  g_mutex_lock (&base->lock);
  path = g_queue_pop_head (&self->paths);
  g_mutex_unlock (&base->lock);
  gst_mblm_score_take_path (self, path);
}

static void
set_caps (GstMblmScore *self, GstCaps *caps)
{
  self->is_video = gst_structure_has_name (
                       gst_caps_get_structure (caps, 0), "video/x-raw") &&
      gst_mblm_video_info_from_caps (&self->video, caps);
}

static void
gst_mblm_score_event (GstMblmBase *base, GstEvent *event)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);

  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
    begin_stream (self);
  else if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    GstCaps *caps;

    gst_event_parse_caps (event, &caps);
    set_caps (self, caps);
  }
  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START ||
      GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT ||
      GST_EVENT_TYPE (event) == GST_EVENT_EOS)
    gst_mblm_lines_push_event (&self->lines, gst_event_ref (event));
  gst_pad_push_event (base->srcpad, event);
}

static void
gst_mblm_score_spread (GstMblmBase *base, GstEvent *event)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);

  if (GST_EVENT_IS_SERIALIZED (event) &&
      GST_EVENT_TYPE (event) != GST_EVENT_FLUSH_STOP)
    gst_mblm_lines_push_event (&self->lines, event);
  else
    gst_mblm_lines_flush (&self->lines, event);
}

static void
gst_mblm_score_reset_task (GstMblmBase *base)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (base->sinkpad);

  gst_mblm_unit_reset (&self->unit);
  self->offset = 0;
  self->alarms = 0;
  self->warned = FALSE;
  g_atomic_int_set (&self->warned_json, 0);
  /* A flush keeps the caps, also those that waited in the queue, and has flushed the
   * lines. */
  if (gst_pad_is_active (base->sinkpad)) {
    if (caps)
      set_caps (self, caps);
  } else {
    self->is_video = FALSE;
    gst_mblm_lines_reset (&self->lines);
  }
  if (self->scorer)
    mblm_scorer_reset (self->scorer);
}

void
gst_mblm_score_class_init_work (GstMblmBaseClass *klass)
{
  klass->set_load = gst_mblm_score_set_load;
  klass->work = gst_mblm_score_work;
  klass->skip = gst_mblm_score_skip;
  klass->finish = gst_mblm_score_finish;
  klass->event = gst_mblm_score_event;
  klass->spread = gst_mblm_score_spread;
  klass->reset_task = gst_mblm_score_reset_task;
}

void
gst_mblm_score_init_work (GstMblmScore *self)
{
  gst_mblm_unit_reset (&self->unit);
  self->bits = g_new (float, PIECE);
  gst_mblm_lines_init (&self->lines, json_failed, self);
}

void
gst_mblm_score_clear_work (GstMblmScore *self)
{
  gst_mblm_lines_clear (&self->lines);
  gst_mblm_score_set_load (GST_MBLM_BASE (self), NULL);
  g_free (self->path);
  g_free (self->bits);
}
