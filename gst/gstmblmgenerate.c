/* gstmblmgenerate.c: mblmgenerate, bytes or text in, the continuation out.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A prompt is one buffer, or the stream up to its end. Here: properties and
 * input; what the task does is in gstmblmgeneratework.c.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstmblmbytes.h"
#include "gstmblmgenerateprivate.h"

#define GST_CAT_DEFAULT gst_mblm_debug

#define DEFAULT_MAX_BYTES 256
#define DEFAULT_SEPARATOR ""
#define DEFAULT_BYTE_DURATION (50 * GST_MSECOND)

enum {
  PROP_PER = GST_MBLM_PROP_LAST,
  PROP_CONTEXT_POLICY,
  PROP_CONTEXT_FULL,
  PROP_PROMPT,
  PROP_MAX_BYTES,
  PROP_STOP,
  PROP_ECHO,
  PROP_EMIT,
  PROP_SEPARATOR,
  PROP_BYTE_DURATION,
  PROP_SAMPLING, /* and those after it */
};

G_DEFINE_TYPE (GstMblmGenerate, gst_mblm_generate, GST_TYPE_MBLM_BASE)
GST_ELEMENT_REGISTER_DEFINE (
    mblmgenerate, "mblmgenerate", GST_RANK_NONE, GST_TYPE_MBLM_GENERATE)
#define parent_class gst_mblm_generate_parent_class

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("text/x-raw, format=(string)utf8; "
                     "application/octet-stream"));

/* --- properties --- */

static void
settings_clear (GstMblmGenerateSettings *self)
{
  g_clear_pointer (&self->prompt, g_free);
  g_clear_pointer (&self->stop, g_free);
  g_clear_pointer (&self->separator, g_free);
}

void
gst_mblm_generate_take_settings (GstMblmGenerate *self)
{
  const GstMblmGenerateSettings *settings = &self->settings;

  settings_clear (&self->now);
  GST_OBJECT_LOCK (self);
  self->now = *settings;
  self->now.prompt = g_strdup (settings->prompt);
  self->now.stop = g_strdup (settings->stop);
  self->now.separator = g_strdup (settings->separator);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_mblm_generate_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (object);
  GstMblmGenerateSettings *settings = &self->settings;

  if (id < GST_MBLM_PROP_LAST) {
    G_OBJECT_CLASS (parent_class)->set_property (object, id, value, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_PER:
      settings->per = g_value_get_enum (value);
      break;
    case PROP_CONTEXT_POLICY:
      settings->policy = g_value_get_enum (value);
      break;
    case PROP_CONTEXT_FULL:
      settings->full = g_value_get_enum (value);
      break;
    case PROP_PROMPT:
      g_free (settings->prompt);
      settings->prompt = g_value_dup_string (value);
      break;
    case PROP_MAX_BYTES:
      settings->max_bytes = g_value_get_uint (value);
      break;
    case PROP_STOP:
      g_free (settings->stop);
      settings->stop = g_value_dup_string (value);
      break;
    case PROP_ECHO:
      settings->echo = g_value_get_boolean (value);
      break;
    case PROP_EMIT:
      settings->emit = g_value_get_enum (value);
      break;
    case PROP_SEPARATOR:
      g_free (settings->separator);
      settings->separator = g_value_dup_string (value);
      break;
    case PROP_BYTE_DURATION:
      settings->byte_duration = g_value_get_uint64 (value);
      break;
    default:
      if (!gst_mblm_sampling_set (
              &settings->sampling, id - PROP_SAMPLING, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_mblm_generate_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (object);
  const GstMblmGenerateSettings *settings = &self->settings;

  if (id < GST_MBLM_PROP_LAST) {
    G_OBJECT_CLASS (parent_class)->get_property (object, id, value, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_PER:
      g_value_set_enum (value, settings->per);
      break;
    case PROP_CONTEXT_POLICY:
      g_value_set_enum (value, settings->policy);
      break;
    case PROP_CONTEXT_FULL:
      g_value_set_enum (value, settings->full);
      break;
    case PROP_PROMPT:
      g_value_set_string (value, settings->prompt);
      break;
    case PROP_MAX_BYTES:
      g_value_set_uint (value, settings->max_bytes);
      break;
    case PROP_STOP:
      g_value_set_string (value, settings->stop);
      break;
    case PROP_ECHO:
      g_value_set_boolean (value, settings->echo);
      break;
    case PROP_EMIT:
      g_value_set_enum (value, settings->emit);
      break;
    case PROP_SEPARATOR:
      g_value_set_string (value, settings->separator);
      break;
    case PROP_BYTE_DURATION:
      g_value_set_uint64 (value, settings->byte_duration);
      break;
    default:
      if (!gst_mblm_sampling_get (
              &settings->sampling, id - PROP_SAMPLING, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

/* --- input --- */

static gboolean
gst_mblm_generate_set_caps (GstMblmBase *base, GstCaps *caps)
{
  GST_MBLM_GENERATE (base)->is_text = gst_structure_has_name (
      gst_caps_get_structure (caps, 0), "text/x-raw");
  return TRUE;
}

static void
warn_unreadable (GstMblmGenerate *self)
{
  GstMblmBase *base = &self->parent;

  g_mutex_lock (&base->lock);
  base->stats.failed++;
  g_mutex_unlock (&base->lock);
  if (self->warned)
    return;
  self->warned = TRUE;
  gst_mblm_base_warn (base,
      gst_mblm_fault_new (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
          g_strdup (_ ("Prompts whose memory can't be read are left out. Put "
                       "an element before that brings them to system memory.")),
          NULL));
}

/* A copy of the bytes, so that upstream's buffer goes back to its pool at once.
 * Takes the buffer. */
static GBytes *
copy_bytes (GstMblmGenerate *self, GstBuffer *buffer)
{
  GBytes *bytes = gst_mblm_buffer_copy (buffer);

  gst_buffer_unref (buffer);
  if (bytes)
    return bytes;
  warn_unreadable (self);
  return g_bytes_new (NULL, 0);
}

/* `extra` of the item is not NULL when the buffer is a whole prompt. */
static GstFlowReturn
gst_mblm_generate_chain (GstMblmBase *base, GstBuffer *buffer)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);
  GstMblmItem *item = gst_mblm_item_new (GST_MBLM_ITEM_WORK);
  GstMblmGeneratePer per;

  GST_OBJECT_LOCK (self);
  per = self->settings.per;
  GST_OBJECT_UNLOCK (self);
  if (per == GST_MBLM_GENERATE_PER_AUTO)
    per = self->is_text ? GST_MBLM_GENERATE_PER_BUFFER
                        : GST_MBLM_GENERATE_PER_STREAM;

  gst_mblm_input_stamp (&base->input, GST_BUFFER_PTS (buffer),
      GST_BUFFER_DURATION (buffer), item);
  item->bytes = copy_bytes (self, buffer);
  item->size = g_bytes_get_size (item->bytes);
  if (per == GST_MBLM_GENERATE_PER_BUFFER)
    item->extra = self;
  if (item->size == 0) {
    item->kind = GST_MBLM_ITEM_SKIP;
    item->failed = TRUE;
  }
  return gst_mblm_base_submit (base, item);
}

static void
gst_mblm_generate_reset_input (GstMblmBase *base)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);

  self->warned = FALSE;
  /* A flush keeps the caps. */
  if (!gst_pad_is_active (base->sinkpad))
    self->is_text = FALSE;
}

/* --- class --- */

static void
gst_mblm_generate_finalize (GObject *object)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (object);

  gst_mblm_generate_clear_work (self);
  settings_clear (&self->now);
  settings_clear (&self->settings);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_PER,
      g_param_spec_enum ("per", "Per", "What one prompt is",
          GST_TYPE_MBLM_GENERATE_PER, GST_MBLM_GENERATE_PER_AUTO, flags));
  g_object_class_install_property (klass, PROP_CONTEXT_POLICY,
      g_param_spec_enum ("context-policy", "Context policy",
          "What is left of one prompt and its continuation for the next",
          GST_TYPE_MBLM_CONTEXT_POLICY, GST_MBLM_CONTEXT_KEEP, flags));
  g_object_class_install_property (klass, PROP_CONTEXT_FULL,
      g_param_spec_enum ("context-full", "Context full",
          "What happens at the end of a context of fixed length; where it has "
          "no "
          "such end, a stream may hold 1 GiB of state",
          GST_TYPE_MBLM_CONTEXT_FULL, GST_MBLM_CONTEXT_FULL_RESTART, flags));
  g_object_class_install_property (klass, PROP_PROMPT,
      g_param_spec_string ("prompt", "Prompt",
          "Text that goes before the input, once in a context", NULL, flags));
  g_object_class_install_property (klass, PROP_MAX_BYTES,
      g_param_spec_uint ("max-bytes", "Max. bytes",
          "Bytes that continue one prompt at most (bytes)", 0, G_MAXUINT,
          DEFAULT_MAX_BYTES, flags | GST_PARAM_CONTROLLABLE));
  g_object_class_install_property (klass, PROP_STOP,
      g_param_spec_string ("stop", "Stop",
          "Text that ends a continuation and is not sent", NULL, flags));
  g_object_class_install_property (klass, PROP_ECHO,
      g_param_spec_boolean ("echo", "Echo",
          "Send the prompt before its continuation", FALSE, flags));
  g_object_class_install_property (klass, PROP_EMIT,
      g_param_spec_enum ("emit", "Emit",
          "What one buffer of output is; for an overlay, prompt",
          GST_TYPE_MBLM_EMIT, GST_MBLM_EMIT_CHARACTER, flags));
  g_object_class_install_property (klass, PROP_SEPARATOR,
      g_param_spec_string ("separator", "Separator",
          "Text that is sent after each continuation", DEFAULT_SEPARATOR,
          flags));
  g_object_class_install_property (klass, PROP_BYTE_DURATION,
      g_param_spec_uint64 ("byte-duration", "Byte duration",
          "Time that a byte of output takes: where the input has no time, and "
          "within the time of its prompt (ns)",
          0, GST_SECOND * 3600, DEFAULT_BYTE_DURATION,
          flags | GST_PARAM_CONTROLLABLE));
  gst_mblm_sampling_install (klass, PROP_SAMPLING);
}

static void
gst_mblm_generate_class_init (GstMblmGenerateClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstMblmBaseClass *base_class = GST_MBLM_BASE_CLASS (klass);

  object_class->finalize = gst_mblm_generate_finalize;
  object_class->set_property = gst_mblm_generate_set_property;
  object_class->get_property = gst_mblm_generate_get_property;
  gst_mblm_base_class_set_defaults (base_class, "text", GST_MBLM_LEAKY_NO, 200);
  gst_mblm_base_class_install_timing (base_class);
  install_properties (object_class);

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "MBLM generator",
      "Filter/Text",
      "Continues bytes or text with a multiscale byte language model",
      "The gst-mblm authors");

  base_class->task = MBLM_TASK_TEXT;
  base_class->set_caps = gst_mblm_generate_set_caps;
  base_class->chain = gst_mblm_generate_chain;
  base_class->reset_input = gst_mblm_generate_reset_input;
  gst_mblm_generate_class_init_work (base_class);
}

static void
gst_mblm_generate_init (GstMblmGenerate *self)
{
  GstMblmGenerateSettings *settings = &self->settings;

  settings->max_bytes = DEFAULT_MAX_BYTES;
  settings->separator = g_strdup (DEFAULT_SEPARATOR);
  settings->byte_duration = DEFAULT_BYTE_DURATION;
  settings->sampling = (GstMblmSampling) GST_MBLM_SAMPLING_INIT;
  gst_mblm_base_set_up (GST_MBLM_BASE (self));
  gst_mblm_generate_init_work (self);
}
