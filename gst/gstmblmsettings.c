/* gstmblmsettings.c: the properties that all elements of the plugin have.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Everything but `stats` is kept in GstMblmSettings, under the object lock; who
 * works with a value takes a copy first.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmbase.h"

#define GST_CAT_DEFAULT gst_mblm_debug

#define DEFAULT_DEVICE "auto"
#define DEFAULT_MAX_SIZE_BYTES (10 * 1024 * 1024)
#define DEFAULT_MAX_SIZE_TIME GST_SECOND

#define READY_FLAGS                                                            \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define PLAYING_FLAGS                                                          \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static const char *
nonempty (const char *text)
{
  return text && *text ? text : NULL;
}

/* --- the model --- */

/* The object lock is held. */
static GstMblmLoad *
new_load (const GstMblmSettings *settings)
{
  return gst_mblm_load_new (settings->model, settings->device,
      (MblmPrecision) settings->precision, settings->threads);
}

GstMblmLoad *
gst_mblm_base_new_load (GstMblmBase *self)
{
  GstMblmLoad *load;

  GST_OBJECT_LOCK (self);
  load = new_load (&self->settings);
  GST_OBJECT_UNLOCK (self);
  return load;
}

/* Asks until what was asked for last is what the properties say after that: another
 * thread that sets one may come between reading them and asking. */
static void
ask_for_load (GstMblmBase *self, GstMblmLoad *wanted)
{
  for (;;) {
    GstMblmLoad *now;
    gboolean same;

    gst_mblm_loader_replace (&self->loader, gst_mblm_load_ref (wanted));
    now = gst_mblm_base_new_load (self);
    same = gst_mblm_load_is_same (now, wanted);
    gst_mblm_load_unref (wanted);
    wanted = now;
    if (same)
      break;
  }
  gst_mblm_load_unref (wanted);
}

/* What is to be loaded has changed: with a model at work, the new one is loaded
 * beside it. */
static void
reload (GstMblmBase *self)
{
  gboolean open;

  g_mutex_lock (&self->lock);
  open = self->loader.open;
  g_mutex_unlock (&self->lock);
  if (open)
    ask_for_load (self, gst_mblm_base_new_load (self));
}

void
gst_mblm_base_check_load (GstMblmBase *self, const GstMblmLoad *load)
{
  GstMblmLoad *wanted = gst_mblm_base_new_load (self);

  if (gst_mblm_load_is_same (wanted, load))
    gst_mblm_load_unref (wanted);
  else
    ask_for_load (self, wanted);
}

/* Sets the string to the other one; whether that changes it. */
static gboolean
take_back (char **text, const char *to)
{
  if (g_str_equal (*text, to))
    return FALSE;
  g_free (*text);
  *text = g_strdup (to);
  return TRUE;
}

/* What was to take over can't: the properties say what stays, unless one was set
 * again since, which is being loaded then. */
static void
load_kept (
    GstElement *element, const GstMblmLoad *failed, const GstMblmLoad *current)
{
  GstMblmBase *self = GST_MBLM_BASE (element);
  GstMblmSettings *settings = &self->settings;
  GstMblmLoad *wanted;
  const char *changed[4];
  guint n = 0;

  GST_OBJECT_LOCK (self);
  wanted = new_load (settings);
  if (gst_mblm_load_is_same (wanted, failed)) {
    if (take_back (&settings->model, current->name))
      changed[n++] = "model";
    if (take_back (&settings->device, current->device_name))
      changed[n++] = "device";
    if (settings->precision != (GstMblmPrecision) current->precision)
      changed[n++] = "precision";
    settings->precision = (GstMblmPrecision) current->precision;
    if (settings->threads != current->threads)
      changed[n++] = "threads";
    settings->threads = current->threads;
  }
  GST_OBJECT_UNLOCK (self);
  gst_mblm_load_unref (wanted);
  for (guint i = 0; i < n; i++)
    g_object_notify (G_OBJECT (self), changed[i]);
}

/* --- properties --- */

static void
gst_mblm_base_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstMblmBase *self = GST_MBLM_BASE (object);
  GstMblmSettings *settings = &self->settings;
  gboolean other_model = FALSE, wake = FALSE;

  GST_OBJECT_LOCK (self);
  switch (id) {
    case GST_MBLM_PROP_MODEL:
      g_free (settings->model);
      settings->model = g_value_dup_string (value);
      if (!nonempty (settings->model)) {
        g_free (settings->model);
        settings->model = g_strdup (
            GST_MBLM_BASE_GET_CLASS (self)->default_model);
      }
      other_model = TRUE;
      break;
    case GST_MBLM_PROP_DEVICE:
      g_free (settings->device);
      settings->device = g_value_dup_string (value);
      if (!nonempty (settings->device)) {
        g_free (settings->device);
        settings->device = g_strdup (DEFAULT_DEVICE);
      }
      other_model = TRUE;
      break;
    case GST_MBLM_PROP_PRECISION:
      settings->precision = g_value_get_enum (value);
      other_model = TRUE;
      break;
    case GST_MBLM_PROP_THREADS:
      settings->threads = g_value_get_uint (value);
      other_model = TRUE;
      break;
    case GST_MBLM_PROP_LEAKY:
      settings->leaky = g_value_get_enum (value);
      wake = TRUE;
      break;
    case GST_MBLM_PROP_MAX_SIZE_BUFFERS:
      settings->limits.buffers = g_value_get_uint (value);
      wake = TRUE;
      break;
    case GST_MBLM_PROP_MAX_SIZE_BYTES:
      settings->limits.bytes = g_value_get_uint (value);
      wake = TRUE;
      break;
    case GST_MBLM_PROP_MAX_SIZE_TIME:
      settings->limits.time = g_value_get_uint64 (value);
      wake = TRUE;
      break;
    case GST_MBLM_PROP_TIMING:
      settings->timing = g_value_get_enum (value);
      break;
    case GST_MBLM_PROP_DEADLINE:
      settings->deadline = g_value_get_uint64 (value);
      break;
    case GST_MBLM_PROP_LATENCY:
      settings->latency = g_value_get_int64 (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);

  if (other_model)
    reload (self);
  if (wake) {
    g_mutex_lock (&self->lock);
    gst_mblm_base_wake (self);
    g_mutex_unlock (&self->lock);
  }
  if (id == GST_MBLM_PROP_LATENCY || id == GST_MBLM_PROP_TIMING)
    gst_element_post_message (
        GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

static GstStructure *
make_stats (GstMblmBase *self)
{
  GstMblmStats stats;
  GstMblmLevels level;
  GstClockTime latency;

  g_mutex_lock (&self->lock);
  stats = self->stats;
  level = self->queue.level;
  latency = self->latency.reported;
  g_mutex_unlock (&self->lock);

  return gst_mblm_stats_to_structure (&stats, &level, latency);
}

static void
gst_mblm_base_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstMblmBase *self = GST_MBLM_BASE (object);
  const GstMblmSettings *settings = &self->settings;

  if (id == GST_MBLM_PROP_STATS) {
    g_value_take_boxed (value, make_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case GST_MBLM_PROP_MODEL:
      g_value_set_string (value, settings->model);
      break;
    case GST_MBLM_PROP_DEVICE:
      g_value_set_string (value, settings->device);
      break;
    case GST_MBLM_PROP_PRECISION:
      g_value_set_enum (value, settings->precision);
      break;
    case GST_MBLM_PROP_THREADS:
      g_value_set_uint (value, settings->threads);
      break;
    case GST_MBLM_PROP_LEAKY:
      g_value_set_enum (value, settings->leaky);
      break;
    case GST_MBLM_PROP_MAX_SIZE_BUFFERS:
      g_value_set_uint (value, settings->limits.buffers);
      break;
    case GST_MBLM_PROP_MAX_SIZE_BYTES:
      g_value_set_uint (value, settings->limits.bytes);
      break;
    case GST_MBLM_PROP_MAX_SIZE_TIME:
      g_value_set_uint64 (value, settings->limits.time);
      break;
    case GST_MBLM_PROP_TIMING:
      g_value_set_enum (value, settings->timing);
      break;
    case GST_MBLM_PROP_DEADLINE:
      g_value_set_uint64 (value, settings->deadline);
      break;
    case GST_MBLM_PROP_LATENCY:
      g_value_set_int64 (value, settings->latency);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
install_model_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, GST_MBLM_PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "Where the model runs: \"cpu\", \"cuda:N\", \"ref\" (slow, exact) or "
          "\"auto\", the best there is",
          DEFAULT_DEVICE, READY_FLAGS));
  g_object_class_install_property (klass, GST_MBLM_PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision",
          "Numbers that the products of the model are made of",
          GST_TYPE_MBLM_PRECISION, GST_MBLM_PRECISION_F32, READY_FLAGS));
  g_object_class_install_property (klass, GST_MBLM_PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Threads that the device may use (0 = the device's own choice)", 0,
          1024, 0, READY_FLAGS));
}

static void
install_queue_properties (GObjectClass *klass)
{
  g_object_class_install_property (klass, GST_MBLM_PROP_MAX_SIZE_BYTES,
      g_param_spec_uint ("max-size-bytes", "Max. size (bytes)",
          "Bytes that may wait for the model before the queue is full (bytes, "
          "0 = no limit)",
          0, G_MAXUINT, DEFAULT_MAX_SIZE_BYTES, PLAYING_FLAGS));
  g_object_class_install_property (klass, GST_MBLM_PROP_MAX_SIZE_TIME,
      g_param_spec_uint64 ("max-size-time", "Max. size (ns)",
          "Length of the input that may wait for the model before the queue is "
          "full (ns, 0 = no limit)",
          0, G_MAXUINT64, DEFAULT_MAX_SIZE_TIME, PLAYING_FLAGS));
  g_object_class_install_property (klass, GST_MBLM_PROP_LATENCY,
      g_param_spec_int64 ("latency", "Latency",
          "Latency that is reported if upstream is live and the output keeps "
          "the time of the input (ns, -1 = as measured, 0 before that)",
          -1, G_MAXINT64, -1, PLAYING_FLAGS));
  g_object_class_install_property (klass, GST_MBLM_PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Counts since the stream began: buffers-in, bytes-in, units (worked "
          "on), answered, partial (of them, by the deadline), dropped, failed, "
          "bytes-out (text), bytes-per-second (of work), busy-time (ns); of "
          "the last 64 units first-byte-time and answer-time (ns, median) and "
          "the same with -95 (ns, 95th percentile); now latency (ns), "
          "queued-buffers, queued-bytes, queued-time (ns)",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

void
gst_mblm_base_class_set_defaults (GstMblmBaseClass *klass, const char *model,
    GstMblmLeaky leaky, guint max_size_buffers)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  klass->default_model = model;
  klass->default_leaky = leaky;
  klass->default_buffers = max_size_buffers;
  g_object_class_install_property (object_class, GST_MBLM_PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "Model folder, or the name of one in $MBLM_MODEL_PATH, "
          "$XDG_DATA_HOME/mblm/models or the installed models; when it changes "
          "while playing, the new model is loaded aside and takes over at the "
          "next unit of work",
          model, PLAYING_FLAGS));
  g_object_class_install_property (object_class, GST_MBLM_PROP_LEAKY,
      g_param_spec_enum ("leaky", "Leaky",
          "What happens when the queue is full", GST_TYPE_MBLM_LEAKY, leaky,
          PLAYING_FLAGS));
  g_object_class_install_property (object_class, GST_MBLM_PROP_MAX_SIZE_BUFFERS,
      g_param_spec_uint ("max-size-buffers", "Max. size (buffers)",
          "Buffers that may wait for the model before the queue is full "
          "(buffers, 0 = no limit)",
          0, G_MAXUINT, max_size_buffers, PLAYING_FLAGS));
}

void
gst_mblm_base_class_install_timing (GstMblmBaseClass *klass)
{
  g_object_class_install_property (G_OBJECT_CLASS (klass), GST_MBLM_PROP_TIMING,
      g_param_spec_enum ("timing", "Timing",
          "The time that output gets: that of its input, or that of its "
          "arrival",
          GST_TYPE_MBLM_TIMING, GST_MBLM_TIMING_AUTO, PLAYING_FLAGS));
  g_object_class_install_property (G_OBJECT_CLASS (klass),
      GST_MBLM_PROP_DEADLINE,
      g_param_spec_uint64 ("deadline", "Deadline",
          "Time that the model may take for one answer, by the pipeline's "
          "clock; then what there is so far is sent, marked partial (ns, 0 = "
          "as long as it takes)",
          0, G_MAXUINT64 - 1, 0, PLAYING_FLAGS | GST_PARAM_CONTROLLABLE));
}

void
gst_mblm_base_install_settings (GObjectClass *klass)
{
  klass->set_property = gst_mblm_base_set_property;
  klass->get_property = gst_mblm_base_get_property;
  install_model_properties (klass);
  install_queue_properties (klass);
}

void
gst_mblm_base_init_settings (GstMblmBase *self)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  GstMblmSettings *settings = &self->settings;

  settings->model = g_strdup (klass->default_model);
  settings->device = g_strdup (DEFAULT_DEVICE);
  settings->leaky = klass->default_leaky;
  settings->limits.buffers = klass->default_buffers;
  settings->limits.bytes = DEFAULT_MAX_SIZE_BYTES;
  settings->limits.time = DEFAULT_MAX_SIZE_TIME;
  settings->latency = -1;
  gst_mblm_loader_init (
      &self->loader, GST_ELEMENT (self), &self->lock, &self->cond, load_kept);
}

void
gst_mblm_base_clear_settings (GstMblmBase *self)
{
  g_free (self->settings.model);
  g_free (self->settings.device);
}
