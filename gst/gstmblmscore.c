/* gstmblmscore.c: mblmscore, bits per byte of what passes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Here: properties, input and pads; what the task does is in
 * gstmblmscorework.c.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmscoreprivate.h"

#define GST_CAT_DEFAULT gst_mblm_debug

#define DEFAULT_WINDOW 4096
#define MAX_WINDOW (1 << 30)

enum {
  PROP_PER = GST_MBLM_PROP_LAST,
  PROP_WINDOW,
  PROP_THRESHOLD,
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

/* The pad to ask where a stream comes from: `concat` and its like have several
 * inputs, and answer for the first of them. A new reference, or NULL. */
static GstPad *
find_origin (GstPad *sinkpad, const char *id)
{
  g_autoptr (GstPad) peer = gst_pad_get_peer (sinkpad);
  g_autoptr (GstElement) element = peer ? gst_pad_get_parent_element (peer)
                                        : NULL;
  GstIterator *pads;
  GValue value = G_VALUE_INIT;
  GstPad *origin = NULL;

  if (!element || element->numsinkpads < 2)
    return g_steal_pointer (&peer);
  pads = gst_element_iterate_sink_pads (element);
  while (!origin && gst_iterator_next (pads, &value) == GST_ITERATOR_OK) {
    g_autofree char *other = NULL;

    origin = gst_pad_get_peer (g_value_get_object (&value));
    other = origin ? gst_pad_get_stream_id (origin) : NULL;
    if (g_strcmp0 (other, id) != 0)
      gst_clear_object (&origin);
    g_value_reset (&value);
  }
  g_value_unset (&value);
  gst_iterator_free (pads);
  return origin;
}

/* Where the stream comes from, as a path if it is a file. */
static char *
find_path (GstMblmBase *base, const char *id)
{
  g_autoptr (GstPad) origin = find_origin (base->sinkpad, id);
  GstQuery *query = gst_query_new_uri ();
  g_autofree char *uri = NULL, *path = NULL;

  if (origin && gst_pad_query (origin, query))
    gst_query_parse_uri (query, &uri);
  gst_query_unref (query);
  if (uri)
    path = g_filename_from_uri (uri, NULL, NULL);
  if (!path)
    return g_steal_pointer (&uri);
  /* A message takes nothing but UTF-8. */
  return g_utf8_make_valid (path, -1);
}

/* By the time the task comes to a STREAM_START, upstream may be elsewhere. */
static void
gst_mblm_score_sink_event (GstMblmBase *base, GstEvent *event)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);
  const char *id;
  char *path;

  if (GST_EVENT_TYPE (event) != GST_EVENT_STREAM_START)
    return;
  gst_event_parse_stream_start (event, &id);
  path = find_path (base, id);
  g_mutex_lock (&base->lock);
  g_queue_push_tail (&self->paths, path ? path : g_strdup (""));
  g_mutex_unlock (&base->lock);
}

/* A flush keeps the stream, also one whose STREAM_START the task hasn't come to. */
static void
gst_mblm_score_reset_input (GstMblmBase *base)
{
  GstMblmScore *self = GST_MBLM_SCORE (base);
  char *newest;

  g_mutex_lock (&base->lock);
  newest = g_queue_pop_tail (&self->paths);
  g_queue_clear_full (&self->paths, g_free);
  g_mutex_unlock (&base->lock);
  if (newest)
    gst_mblm_score_take_path (self, newest);
  if (!gst_pad_is_active (base->sinkpad))
    g_clear_pointer (&self->path, g_free);
}

/* --- pads --- */

/* Whether the element has no active pads, or is about to have none. */
static gboolean
is_down (GstElement *element)
{
  GstState state;

  GST_OBJECT_LOCK (element);
  state = GST_STATE_NEXT (element) != GST_STATE_VOID_PENDING
      ? GST_STATE_NEXT (element)
      : GST_STATE (element);
  GST_OBJECT_UNLOCK (element);
  return state <= GST_STATE_READY;
}

/* Takes down a pad that a change to READY has missed. No change of state can come
 * in between, which might be taking it up again. */
static void
follow_state (GstElement *element, gpointer pad)
{
  GST_STATE_LOCK (element);
  if (is_down (element))
    gst_pad_set_active (pad, FALSE);
  GST_STATE_UNLOCK (element);
}

static GstPad *
gst_mblm_score_request_new_pad (GstElement *element, GstPadTemplate *template,
    const gchar *name, const GstCaps *caps)
{
  GstMblmScore *self = GST_MBLM_SCORE (element);
  GstMblmBase *base = GST_MBLM_BASE (element);
  g_autoptr (GstMblmTextPad) old = gst_mblm_lines_get_pad (&self->lines);
  GstMblmTextPad *pad;

  if (old) {
    GST_WARNING_OBJECT (element, "there is a json pad already");
    return NULL;
  }
  pad = gst_mblm_text_pad_new (template, "json");
  gst_mblm_base_set_up_src (base, GST_PAD (pad));
  if (gst_pad_is_active (base->sinkpad))
    gst_mblm_text_pad_set_late (pad);
  gst_mblm_lines_set_pad (&self->lines, pad);
  if (GST_STATE (element) > GST_STATE_READY ||
      GST_STATE_PENDING (element) > GST_STATE_READY)
    gst_pad_set_active (GST_PAD (pad), TRUE);
  gst_element_add_pad (element, GST_PAD (pad));
  gst_mblm_lines_begin (&self->lines);
  /* A change to READY that is under way may have taken the pads down before this
   * one was there, and its task would be left over. That change may be waiting for
   * this thread. */
  if (is_down (element) && gst_pad_is_active (GST_PAD (pad)))
    gst_element_call_async (
        element, follow_state, gst_object_ref (pad), gst_object_unref);
  return GST_PAD (pad);
}

/* A pad that may have been removed already. */
static void
take_down (GstElement *element, gpointer pad)
{
  GST_OBJECT_FLAG_UNSET (pad, GST_PAD_FLAG_NEED_PARENT);
  gst_pad_set_active (pad, FALSE);
}

static void
gst_mblm_score_release_pad (GstElement *element, GstPad *pad)
{
  GstMblmLines *lines = &GST_MBLM_SCORE (element)->lines;

  /* Its task ends, and is not started again by a change of state. */
  gst_mblm_lines_set_pad (lines, NULL);
  /* Downstream may hold the task up for ever, but not who releases the pad. */
  if (gst_mblm_lines_is_busy (lines, pad))
    gst_element_call_async (
        element, take_down, gst_object_ref (pad), gst_object_unref);
  else
    gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
}

/* --- class --- */

static void
gst_mblm_score_dispose (GObject *object)
{
  gst_mblm_lines_set_pad (&GST_MBLM_SCORE (object)->lines, NULL);
  G_OBJECT_CLASS (parent_class)->dispose (object);
}

static void
gst_mblm_score_finalize (GObject *object)
{
  GstMblmScore *self = GST_MBLM_SCORE (object);

  gst_mblm_score_clear_work (self);
  g_queue_clear_full (&self->paths, g_free);
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
  gst_mblm_score_class_init_work (base_class);
}

static void
gst_mblm_score_init (GstMblmScore *self)
{
  self->settings.per = GST_MBLM_SCORE_PER_BUFFER;
  self->settings.window = DEFAULT_WINDOW;
  g_queue_init (&self->paths);
  gst_mblm_base_set_up (GST_MBLM_BASE (self));
  gst_mblm_score_init_work (self);
}
