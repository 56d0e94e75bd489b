/* gstmblmscore.c: mblmscore, bits per byte of what passes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * `src` gets the buffers of `sink`, untouched and in order, each after its bytes
 * have been scored. A score becomes an element message `mblmscore` and, where the
 * pad `json` is there, a line of JSON. When a leaky queue is full, scoring is
 * given up, data never is.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>
#include <gst/base/gstflowcombiner.h>

#include "gstmblmscore.h"

#include "gstmblmbytes.h"
#include "gstmblmjson.h"
#include "gstmblmunit.h"

#define GST_CAT_DEFAULT gst_mblm_debug

#define DEFAULT_WINDOW 4096
#define MAX_WINDOW (1 << 30)
/* Bytes whose bits are held at once. */
#define PIECE 8192

enum {
  PROP_PER = GST_MBLM_PROP_LAST,
  PROP_WINDOW,
  PROP_THRESHOLD,
};

typedef struct {
  GstMblmScorePer per;
  guint window;
  double threshold;
} Settings;

struct _GstMblmScore {
  GstMblmBase parent;

  Settings settings; /* under the object lock */

  /* Under the base's `lock`: where the streams come from whose STREAM_START is in
   * the queue; NULLs as "". */
  GQueue paths;

  /* In the task. */
  MblmScorer *scorer;
  GstVideoInfo video;
  gboolean is_video; /* `video` says how rows lie */
  guint64 offset;    /* of the next byte in its stream or file */
  GstMblmUnit unit;
  char *path;      /* of the stream at work, or NULL */
  gboolean warned; /* about a buffer that can't be mapped */
  float *bits;     /* [PIECE] */
  GstFlowCombiner *flows;
  GstPad *json; /* the one that `flows` knows, owned; or NULL */

  /* Of the unit of work. */
  Settings now;
  GstMblmItem *item;
  GCancellable *cancellable;
  GError *error; /* what scoring failed with */
};

G_DEFINE_TYPE (GstMblmScore, gst_mblm_score, GST_TYPE_MBLM_BASE)
GST_ELEMENT_REGISTER_DEFINE (
    mblmscore, "mblmscore", GST_RANK_NONE, GST_TYPE_MBLM_SCORE)
#define parent_class gst_mblm_score_parent_class

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate json_template = GST_STATIC_PAD_TEMPLATE ("json",
    GST_PAD_SRC, GST_PAD_REQUEST,
    GST_STATIC_CAPS ("application/x-json, format=(string)ndjson"));

/* --- properties --- */

static void
gst_mblm_score_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstMblmScore *self = GST_MBLM_SCORE (object);

  if (id < GST_MBLM_PROP_LAST) {
    G_OBJECT_CLASS (parent_class)->set_property (object, id, value, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_PER:
      self->settings.per = g_value_get_enum (value);
      break;
    case PROP_WINDOW:
      self->settings.window = g_value_get_uint (value);
      break;
    case PROP_THRESHOLD:
      self->settings.threshold = g_value_get_double (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_mblm_score_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstMblmScore *self = GST_MBLM_SCORE (object);

  if (id < GST_MBLM_PROP_LAST) {
    G_OBJECT_CLASS (parent_class)->get_property (object, id, value, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_PER:
      g_value_set_enum (value, self->settings.per);
      break;
    case PROP_WINDOW:
      g_value_set_uint (value, self->settings.window);
      break;
    case PROP_THRESHOLD:
      g_value_set_double (value, self->settings.threshold);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
settings_take (GstMblmScore *self)
{
  GST_OBJECT_LOCK (self);
  self->now = self->settings;
  GST_OBJECT_UNLOCK (self);
}

/* --- input --- */

static GstFlowReturn
gst_mblm_score_chain (GstMblmBase *base, GstBuffer *buffer)
{
  GstMblmItem *item = gst_mblm_item_new (GST_MBLM_ITEM_WORK);

  gst_mblm_input_stamp (&base->input, GST_BUFFER_PTS (buffer),
      GST_BUFFER_DURATION (buffer), item);
  item->size = gst_buffer_get_size (buffer);
  item->buffer = buffer;
  return gst_mblm_base_submit (base, item);
}

/* Where the stream comes from, as a path if it is a file. */
static char *
find_path (GstMblmBase *base)
{
  GstQuery *query = gst_query_new_uri ();
  g_autofree char *uri = NULL;
  char *path = NULL;

  if (gst_pad_peer_query (base->sinkpad, query))
    gst_query_parse_uri (query, &uri);
  gst_query_unref (query);
  if (uri)
    path = g_filename_from_uri (uri, NULL, NULL);
  return path ? path : g_steal_pointer (&uri);
}

/* By the time the task comes to a STREAM_START, upstream may be elsewhere. */
static void
gst_mblm_score_sink_event (GstMblmBase *base, GstEvent *event)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);
  char *path;

  if (GST_EVENT_TYPE (event) != GST_EVENT_STREAM_START)
    return;
  path = find_path (base);
  g_mutex_lock (&base->lock);
  g_queue_push_tail (&self->paths, path ? path : g_strdup (""));
  g_mutex_unlock (&base->lock);
}

static void
gst_mblm_score_reset_input (GstMblmBase *base)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);

  g_mutex_lock (&base->lock);
  g_queue_clear_full (&self->paths, g_free);
  g_mutex_unlock (&base->lock);
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

/* The queue became full while bytes were scored: they are given up, and with them
 * what the model knew of the stream. */
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

/* --- pads --- */

static GstPad *
gst_mblm_score_request_new_pad (GstElement *element, GstPadTemplate *template,
    const gchar *name, const GstCaps *caps)
{
  GstMblmBase *base = GST_MBLM_BASE (element);
  g_autoptr (GPtrArray) pads = gst_mblm_base_list_text_pads (base);
  GstMblmTextPad *pad;

  if (pads->len > 0) {
    GST_WARNING_OBJECT (element, "there is a json pad already");
    return NULL;
  }
  pad = gst_mblm_text_pad_new (template, "json");
  gst_mblm_base_set_up_src (base, GST_PAD (pad));
  if (GST_STATE (element) > GST_STATE_READY ||
      GST_STATE_PENDING (element) > GST_STATE_READY)
    gst_pad_set_active (GST_PAD (pad), TRUE);
  gst_element_add_pad (element, GST_PAD (pad));
  gst_mblm_base_add_text_pad (base, pad);
  return GST_PAD (pad);
}

static void
gst_mblm_score_release_pad (GstElement *element, GstPad *pad)
{
  gst_mblm_base_remove_text_pad (
      GST_MBLM_BASE (element), GST_MBLM_TEXT_PAD (pad));
  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
}

/* --- class --- */

static void
gst_mblm_score_dispose (GObject *object)
{
  GstMblmScore *self = GST_MBLM_SCORE (object);

  /* The combiner holds the pads, and they the element. */
  g_clear_pointer (&self->flows, gst_flow_combiner_free);
  gst_clear_object (&self->json);
  G_OBJECT_CLASS (parent_class)->dispose (object);
}

static void
gst_mblm_score_finalize (GObject *object)
{
  GstMblmScore *self = GST_MBLM_SCORE (object);

  gst_mblm_score_set_load (GST_MBLM_BASE (self), NULL);
  g_queue_clear_full (&self->paths, g_free);
  g_free (self->path);
  g_free (self->bits);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_PER,
      g_param_spec_enum ("per", "Per", "What gets a score",
          GST_TYPE_MBLM_SCORE_PER, GST_MBLM_SCORE_PER_BUFFER, flags));
  g_object_class_install_property (klass, PROP_WINDOW,
      g_param_spec_uint ("window", "Window",
          "Length of a window, for per=window (bytes)", 1, MAX_WINDOW,
          DEFAULT_WINDOW, flags | GST_PARAM_CONTROLLABLE));
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_double ("threshold", "Threshold",
          "Score above which a message mblmscore-alarm is posted, too (bits "
          "per "
          "byte, 0 = never)",
          0.0, 1000.0, 0.0, flags | GST_PARAM_CONTROLLABLE));
}

static void
gst_mblm_score_class_init (GstMblmScoreClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstMblmBaseClass *base_class = GST_MBLM_BASE_CLASS (klass);

  object_class->dispose = gst_mblm_score_dispose;
  object_class->finalize = gst_mblm_score_finalize;
  object_class->set_property = gst_mblm_score_set_property;
  object_class->get_property = gst_mblm_score_get_property;
  gst_mblm_base_class_set_defaults (base_class, "text", GST_MBLM_LEAKY_NO, 200);
  install_properties (object_class);

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_add_static_pad_template_with_gtype (
      element_class, &json_template, GST_TYPE_MBLM_TEXT_PAD);
  gst_element_class_set_static_metadata (element_class, "MBLM scorer",
      "Filter/Analyzer",
      "Measures how much a multiscale byte language model is surprised by what "
      "passes, in bits per byte",
      "The gst-mblm authors");
  element_class->request_new_pad = GST_DEBUG_FUNCPTR (
      gst_mblm_score_request_new_pad);
  element_class->release_pad = GST_DEBUG_FUNCPTR (gst_mblm_score_release_pad);

  base_class->task = MBLM_TASK_TEXT;
  base_class->passthrough = TRUE;
  base_class->chain = gst_mblm_score_chain;
  base_class->sink_event = gst_mblm_score_sink_event;
  base_class->reset_input = gst_mblm_score_reset_input;
  base_class->set_load = gst_mblm_score_set_load;
  base_class->work = gst_mblm_score_work;
  base_class->skip = gst_mblm_score_skip;
  base_class->finish = gst_mblm_score_finish;
  base_class->event = gst_mblm_score_event;
  base_class->reset_task = gst_mblm_score_reset_task;
}

static void
gst_mblm_score_init (GstMblmScore *self)
{
  self->settings.per = GST_MBLM_SCORE_PER_BUFFER;
  self->settings.window = DEFAULT_WINDOW;
  g_queue_init (&self->paths);
  gst_mblm_unit_reset (&self->unit);
  self->bits = g_new (float, PIECE);
  gst_mblm_base_set_up (GST_MBLM_BASE (self));
  self->flows = gst_flow_combiner_new ();
  gst_flow_combiner_add_pad (self->flows, GST_MBLM_BASE (self)->srcpad);
}
