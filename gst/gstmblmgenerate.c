/* gstmblmgenerate.c: mblmgenerate, bytes or text in, the continuation out.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A prompt is one buffer, or the stream up to its end, of which the last context
 * bytes are kept. The prompt is fed to a session, then bytes are drawn one by one;
 * each is sent as soon as it completes a character.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmgenerate.h"

#include "gstmblmemit.h"
#include "gstmblmsampling.h"

#define GST_CAT_DEFAULT gst_mblm_debug

#define DEFAULT_MAX_BYTES 256
#define DEFAULT_SEPARATOR ""
#define DEFAULT_BYTE_DURATION (50 * GST_MSECOND)
/* State that one stream may hold where the model's context has no end. */
#define MEMORY_BOUND ((guint64) 1 << 30)

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

typedef struct {
  GstMblmGeneratePer per;
  GstMblmContextPolicy policy;
  GstMblmContextFull full;
  char *prompt;
  guint max_bytes;
  char *stop;
  gboolean echo;
  GstMblmEmit emit;
  char *separator;
  GstClockTime byte_duration;
  GstMblmSampling sampling;
} Settings;

struct _GstMblmGenerate {
  GstMblmBase parent;

  Settings settings; /* under the object lock */

  /* With the stream lock of `sink`. */
  gboolean is_text; /* the caps say text/x-raw */

  /* In the task. */
  MblmSession *session;
  MblmSampler *sampler;
  MblmGenerator *generator;
  gboolean sampling_known; /* `sampling` was given to the sampler */
  GstMblmSampling sampling;
  GstMblmEmitter emitter;
  Settings now;       /* of the unit at work */
  GByteArray *stream; /* the end of what came, per=stream */
  gboolean begun;     /* ... something came */
  GstClockTime stream_start, stream_end;
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
settings_clear (Settings *self)
{
  g_clear_pointer (&self->prompt, g_free);
  g_clear_pointer (&self->stop, g_free);
  g_clear_pointer (&self->separator, g_free);
}

/* A copy for one unit of work. */
static void
settings_take (GstMblmGenerate *self)
{
  const Settings *settings = &self->settings;

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
  Settings *settings = &self->settings;

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
  const Settings *settings = &self->settings;

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

/* `extra` of the item is not NULL when the buffer is a whole prompt. The bytes
 * are copied, so that upstream's buffer goes back to its pool at once. */
static GstFlowReturn
gst_mblm_generate_chain (GstMblmBase *base, GstBuffer *buffer)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);
  GstMblmItem *item = gst_mblm_item_new (GST_MBLM_ITEM_WORK);
  GstMblmGeneratePer per;
  gpointer copy;
  gsize size;

  GST_OBJECT_LOCK (self);
  per = self->settings.per;
  GST_OBJECT_UNLOCK (self);
  if (per == GST_MBLM_GENERATE_PER_AUTO)
    per = self->is_text ? GST_MBLM_GENERATE_PER_BUFFER
                        : GST_MBLM_GENERATE_PER_STREAM;

  gst_mblm_input_stamp (&base->input, GST_BUFFER_PTS (buffer),
      GST_BUFFER_DURATION (buffer), item);
  gst_buffer_extract_dup (
      buffer, 0, gst_buffer_get_size (buffer), &copy, &size);
  gst_buffer_unref (buffer);
  item->bytes = g_bytes_new_take (copy, size);
  item->size = size;
  if (per == GST_MBLM_GENERATE_PER_BUFFER)
    item->extra = self;
  if (size == 0) {
    item->kind = GST_MBLM_ITEM_SKIP;
    item->failed = TRUE;
  }
  return gst_mblm_base_submit (base, item);
}

static void
gst_mblm_generate_reset_input (GstMblmBase *base)
{
}

/* --- generation --- */

static gboolean
gst_mblm_generate_set_load (GstMblmBase *base, GstMblmLoad *load)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);
  g_autoptr (GError) error = NULL;

  g_clear_object (&self->generator);
  g_clear_object (&self->sampler);
  g_clear_object (&self->session);
  self->sampling_known = FALSE;
  if (!load)
    return TRUE;
  self->session = mblm_session_new (load->model, &error);
  if (!self->session) {
    gst_mblm_base_fault (base, gst_mblm_fault_from_error (error, load->name));
    return FALSE;
  }
  mblm_session_set_memory_bound (self->session, MEMORY_BOUND);
  self->sampler = mblm_sampler_new ();
  self->generator = mblm_generator_new (self->session, self->sampler);
  return TRUE;
}

static void
set_up_generator (GstMblmGenerate *self)
{
  const Settings *now = &self->now;
  g_autoptr (GBytes) stop = NULL;

  gst_mblm_sampling_apply (&now->sampling,
      self->sampling_known ? &self->sampling : NULL, self->sampler);
  self->sampling = now->sampling;
  self->sampling_known = TRUE;
  mblm_session_set_context_full (self->session,
      now->full == GST_MBLM_CONTEXT_FULL_ERROR ? MBLM_CONTEXT_FULL_ERROR
                                               : MBLM_CONTEXT_FULL_RESTART);
  mblm_generator_set_max (self->generator, now->max_bytes);
  if (now->stop && *now->stop)
    stop = g_bytes_new (now->stop, strlen (now->stop));
  mblm_generator_set_stop (self->generator, stop ? &stop : NULL, stop ? 1 : 0);
}

/* The model's context in bytes, as a size. */
static gsize
context_of (GstMblmLoad *load)
{
  return MIN (mblm_config_get_context (load->config), (guint64) G_MAXINT);
}

/* Feeds the prompt, with the property `prompt` before it where nothing was said
 * yet; of both the last context bytes. */
static gboolean
feed (GstMblmGenerate *self, const guint8 *bytes, gsize n,
    GCancellable *cancellable, GError **error)
{
  gsize context = context_of (self->parent.load);
  const char *prompt = self->now.prompt;
  gsize n_prompt = 0;

  n = MIN (n, G_MAXINT);
  if (n > context) {
    bytes += n - context;
    n = context;
  }
  if (prompt && mblm_session_get_position (self->session) == 0)
    n_prompt = strlen (prompt);
  if (n_prompt > context - n) {
    prompt += n_prompt - (context - n);
    n_prompt = context - n;
  }
  return (n_prompt == 0 ||
             mblm_session_feed_bytes (self->session, (const guint8 *) prompt,
                 n_prompt, cancellable, error)) &&
      (n == 0 ||
          mblm_session_feed_bytes (
              self->session, bytes, n, cancellable, error));
}

/* Between two bytes. */
static GstFlowReturn
breathe (GstMblmGenerate *self, GCancellable *cancellable)
{
  GstMblmBase *base = &self->parent;

  gst_mblm_base_breathe (base, cancellable);
  if (base->breath != GST_FLOW_OK)
    return base->breath;
  return GST_FLOW_OK;
}

static GstFlowReturn
draw (GstMblmGenerate *self, GCancellable *cancellable)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  GstFlowReturn ret = GST_FLOW_OK;
  GError *error = NULL;
  gboolean more;

  mblm_generator_start (self->generator);
  do {
    more = mblm_generator_next (self->generator, out, cancellable, &error);
    if (error)
      return gst_mblm_base_failure (&self->parent, error);
    if (out->len > 0)
      ret = gst_mblm_emitter_push (&self->emitter, out->data, out->len);
    g_byte_array_set_size (out, 0);
    if (ret == GST_FLOW_OK)
      ret = breathe (self, cancellable);
  } while (more && ret == GST_FLOW_OK);
  if (ret != GST_FLOW_OK)
    return ret;
  if (!mblm_generator_settle (self->generator, cancellable, &error))
    return gst_mblm_base_failure (&self->parent, error);
  return GST_FLOW_OK;
}

static GstFlowReturn
echo (GstMblmGenerate *self, const guint8 *bytes, gsize n)
{
  GstFlowReturn ret = GST_FLOW_OK;
  const char *prompt = self->now.prompt;

  if (!self->now.echo)
    return GST_FLOW_OK;
  if (prompt && mblm_session_get_position (self->session) == 0)
    ret = gst_mblm_emitter_push_whole (
        &self->emitter, (const guint8 *) prompt, strlen (prompt));
  if (ret == GST_FLOW_OK && n > 0)
    ret = gst_mblm_emitter_push_whole (&self->emitter, bytes, n);
  return ret;
}

/* Makes ready for text of a unit with this time. */
static GstFlowReturn
begin (GstMblmGenerate *self, GstClockTime start, GstClockTime end)
{
  GstFlowReturn ret = gst_mblm_text_pad_prepare (self->emitter.pad);

  if (ret == GST_FLOW_OK)
    gst_mblm_emitter_begin (
        &self->emitter, self->now.emit, self->now.byte_duration, start, end);
  return ret;
}

/* Continues one prompt; `echoed`: it was sent already. */
static GstFlowReturn
continue_prompt (GstMblmGenerate *self, const guint8 *bytes, gsize n,
    gboolean echoed, GCancellable *cancellable)
{
  GstFlowReturn ret = GST_FLOW_OK;
  GError *error = NULL;

  if (self->now.policy == GST_MBLM_CONTEXT_RESET)
    mblm_session_reset (self->session);
  if (!echoed)
    ret = echo (self, bytes, n);
  if (ret != GST_FLOW_OK)
    return ret;
  set_up_generator (self);
  if (!feed (self, bytes, n, cancellable, &error))
    return gst_mblm_base_failure (&self->parent, error);
  ret = draw (self, cancellable);
  if (ret == GST_FLOW_OK)
    ret = gst_mblm_emitter_end (&self->emitter, self->now.separator);
  return ret;
}

static GstClockTime
end_of (GstClockTime pts, GstClockTime duration)
{
  if (!GST_CLOCK_TIME_IS_VALID (pts) || !GST_CLOCK_TIME_IS_VALID (duration))
    return GST_CLOCK_TIME_NONE;
  return pts + duration;
}

/* Adds to the end of the stream, of which no more than a context is kept. */
static GstFlowReturn
gather (GstMblmGenerate *self, GstMblmItem *item)
{
  gsize n, context = context_of (self->parent.load);
  const guint8 *bytes = g_bytes_get_data (item->bytes, &n);
  GstClockTime end = end_of (item->pts, item->duration);
  GstFlowReturn ret;

  if (!self->begun)
    self->stream_start = item->pts;
  if (GST_CLOCK_TIME_IS_VALID (end))
    self->stream_end = end;
  ret = begin (self, self->stream_start, self->stream_end);
  if (ret == GST_FLOW_OK && !self->begun)
    ret = echo (self, bytes, n);
  else if (ret == GST_FLOW_OK && self->now.echo)
    ret = gst_mblm_emitter_push_whole (&self->emitter, bytes, n);
  self->begun = TRUE;

  if (n > context) {
    bytes += n - context;
    n = context;
  }
  if (self->stream->len > context - n)
    g_byte_array_remove_range (
        self->stream, 0, self->stream->len - (context - n));
  g_byte_array_append (self->stream, bytes, n);
  return ret;
}

static GstFlowReturn
gst_mblm_generate_work (
    GstMblmBase *base, GstMblmItem *item, GCancellable *cancellable)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);
  const guint8 *bytes;
  GstFlowReturn ret;
  gsize n;

  settings_take (self);
  if (!item->extra)
    return gather (self, item);
  ret = begin (self, item->pts, end_of (item->pts, item->duration));
  if (ret != GST_FLOW_OK)
    return ret;
  bytes = g_bytes_get_data (item->bytes, &n);
  return continue_prompt (self, bytes, n, FALSE, cancellable);
}

static GstFlowReturn
gst_mblm_generate_finish (GstMblmBase *base, GCancellable *cancellable)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);
  GstFlowReturn ret;

  if (!self->begun)
    return GST_FLOW_OK;
  settings_take (self);
  ret = begin (self, self->stream_start, self->stream_end);
  if (ret == GST_FLOW_OK)
    ret = continue_prompt (
        self, self->stream->data, self->stream->len, TRUE, cancellable);
  g_byte_array_set_size (self->stream, 0);
  self->begun = FALSE;
  return ret;
}

static GstFlowReturn
gst_mblm_generate_skip (GstMblmBase *base, GstMblmItem *item)
{
  return gst_mblm_text_pad_gap (
      GST_MBLM_TEXT_PAD (base->srcpad), item->pts, item->duration);
}

static GstFlowReturn
gst_mblm_generate_advance (
    GstMblmBase *base, GstClockTime start, GstClockTime end)
{
  return gst_mblm_emitter_follow_clock (&GST_MBLM_GENERATE (base)->emitter);
}

static void
gst_mblm_generate_reset_task (GstMblmBase *base)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (base);

  gst_mblm_emitter_reset (&self->emitter);
  g_byte_array_set_size (self->stream, 0);
  self->begun = FALSE;
  self->stream_start = self->stream_end = GST_CLOCK_TIME_NONE;
  self->sampling_known = FALSE;
  if (self->session)
    mblm_session_reset (self->session);
}

/* --- class --- */

static void
gst_mblm_generate_finalize (GObject *object)
{
  GstMblmGenerate *self = GST_MBLM_GENERATE (object);

  gst_mblm_generate_set_load (GST_MBLM_BASE (self), NULL);
  gst_mblm_emitter_clear (&self->emitter);
  g_byte_array_unref (self->stream);
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
  base_class->set_load = gst_mblm_generate_set_load;
  base_class->work = gst_mblm_generate_work;
  base_class->finish = gst_mblm_generate_finish;
  base_class->skip = gst_mblm_generate_skip;
  base_class->advance = gst_mblm_generate_advance;
  base_class->reset_task = gst_mblm_generate_reset_task;
}

static void
gst_mblm_generate_init (GstMblmGenerate *self)
{
  Settings *settings = &self->settings;

  settings->max_bytes = DEFAULT_MAX_BYTES;
  settings->separator = g_strdup (DEFAULT_SEPARATOR);
  settings->byte_duration = DEFAULT_BYTE_DURATION;
  settings->sampling = (GstMblmSampling) GST_MBLM_SAMPLING_INIT;
  self->stream = g_byte_array_new ();
  gst_mblm_base_set_up (GST_MBLM_BASE (self));
  gst_mblm_emitter_init (&self->emitter, GST_MBLM_BASE (self));
}
