/* gstmblmbase.c: what all elements of the plugin have in common.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Here: the class, the properties and the changes of state. From NULL to READY
 * the model is found and checked, which fails at once where something is wrong;
 * its weights are then loaded by another thread, and only the task waits for
 * them. PAUSED to READY forgets the stream, READY to NULL the model.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstmblmbase.h"

#define DEFAULT_DEVICE "auto"
#define DEFAULT_MAX_SIZE_BYTES (10 * 1024 * 1024)
#define DEFAULT_MAX_SIZE_TIME GST_SECOND

GST_DEBUG_CATEGORY (gst_mblm_debug);
#define GST_CAT_DEFAULT gst_mblm_debug

G_DEFINE_ABSTRACT_TYPE (GstMblmBase, gst_mblm_base, GST_TYPE_ELEMENT)
#define parent_class gst_mblm_base_parent_class

#define READY_FLAGS                                                            \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define PLAYING_FLAGS                                                          \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static const char *
nonempty (const char *text)
{
  return text && *text ? text : NULL;
}

/* --- properties --- */

/* What is to be loaded has changed: with a model at work, the new one is loaded
 * beside it. */
static void
reload (GstMblmBase *self)
{
  GstMblmSettings *settings = &self->settings;
  GstMblmLoad *load;
  gboolean open;

  g_mutex_lock (&self->lock);
  open = self->loader.open;
  g_mutex_unlock (&self->lock);
  if (!open)
    return;
  GST_OBJECT_LOCK (self);
  load = gst_mblm_load_new (settings->model, settings->device,
      (MblmPrecision) settings->precision, settings->threads);
  GST_OBJECT_UNLOCK (self);
  gst_mblm_loader_replace (&self->loader, load);
}

/* A model that was to take over can't: the property says which one stays. */
static void
model_kept (GstElement *element, GstMblmLoad *current)
{
  GstMblmBase *self = GST_MBLM_BASE (element);

  GST_OBJECT_LOCK (self);
  g_free (self->settings.model);
  self->settings.model = g_strdup (current->name);
  GST_OBJECT_UNLOCK (self);
  g_object_notify (G_OBJECT (self), "model");
}

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
    g_cond_broadcast (&self->cond);
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

  return gst_structure_new ("application/x-mblm-stats", "buffers-in",
      G_TYPE_UINT64, stats.buffers_in, "bytes-in", G_TYPE_UINT64,
      stats.bytes_in, "units", G_TYPE_UINT64, stats.units, "dropped",
      G_TYPE_UINT64, stats.dropped, "failed", G_TYPE_UINT64, stats.failed,
      "bytes-out", G_TYPE_UINT64, stats.bytes_out, "busy-time", G_TYPE_UINT64,
      stats.busy, "last-time", G_TYPE_UINT64, stats.last, "queued-buffers",
      G_TYPE_UINT, level.buffers, "queued-bytes", G_TYPE_UINT64, level.bytes,
      "queued-time", G_TYPE_UINT64, level.time, "latency", G_TYPE_UINT64,
      latency, NULL);
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
          "on), dropped, failed, bytes-out (text), busy-time and last-time "
          "(ns), latency (ns), queued-buffers, queued-bytes, queued-time (ns)",
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
}

/* --- text pads and messages --- */

void
gst_mblm_base_add_text_pad (GstMblmBase *self, GstMblmTextPad *pad)
{
  if (gst_pad_is_active (self->sinkpad))
    gst_mblm_text_pad_set_late (pad);
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->text_pads, gst_object_ref (pad));
  g_mutex_unlock (&self->lock);
}

void
gst_mblm_base_remove_text_pad (GstMblmBase *self, GstMblmTextPad *pad)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_remove (self->text_pads, pad);
  g_mutex_unlock (&self->lock);
}

GPtrArray *
gst_mblm_base_list_text_pads (GstMblmBase *self)
{
  GPtrArray *pads = g_ptr_array_new_with_free_func (gst_object_unref);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->text_pads->len; i++)
    g_ptr_array_add (pads, gst_object_ref (self->text_pads->pdata[i]));
  g_mutex_unlock (&self->lock);
  return pads;
}

GstFlowReturn
gst_mblm_base_fault (GstMblmBase *self, GstMblmFault *fault)
{
  gboolean first;

  g_mutex_lock (&self->lock);
  first = !self->faulted;
  self->faulted = TRUE;
  g_mutex_unlock (&self->lock);
  if (first)
    gst_mblm_fault_post (fault, GST_ELEMENT (self), GST_MESSAGE_ERROR);
  gst_mblm_fault_free (fault);
  return GST_FLOW_ERROR;
}

void
gst_mblm_base_warn (GstMblmBase *self, GstMblmFault *fault)
{
  gst_mblm_fault_post (fault, GST_ELEMENT (self), GST_MESSAGE_WARNING);
  gst_mblm_fault_free (fault);
}

/* --- state --- */

/* Both threads have left: upstream's and the task's. */
static void
forget_stream (GstMblmBase *self)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  g_autoptr (GPtrArray) pads = gst_mblm_base_list_text_pads (self);

  gst_mblm_input_reset (&self->input);
  gst_mblm_input_set_framerate (&self->input, 0, 1);
  klass->reset_input (self);
  klass->reset_task (self);
  for (guint i = 0; i < pads->len; i++)
    gst_mblm_text_pad_reset (pads->pdata[i]);

  g_mutex_lock (&self->lock);
  gst_mblm_queue_clear (&self->queue);
  self->eos = FALSE;
  self->faulted = FALSE;
  self->live_known = FALSE;
  self->warned_latency = FALSE;
  self->own_time = TRUE;
  self->arrival = FALSE;
  self->segments_waiting = 0;
  self->newest_start = self->newest_end = GST_CLOCK_TIME_NONE;
  self->advanced = GST_CLOCK_TIME_NONE;
  g_mutex_unlock (&self->lock);
}

static gboolean
open_model (GstMblmBase *self)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  const GstMblmSettings *settings = &self->settings;
  GstMblmFault *fault;
  GstMblmLoad *load;

  self->loader.task = klass->task;
  fault = klass->check ? klass->check (self) : NULL;
  if (!fault) {
    GST_OBJECT_LOCK (self);
    load = gst_mblm_load_new (settings->model, settings->device,
        (MblmPrecision) settings->precision, settings->threads);
    GST_OBJECT_UNLOCK (self);
    fault = gst_mblm_load_check (load, klass->task);
    if (!fault) {
      gst_mblm_loader_open (&self->loader, load);
      return TRUE;
    }
    gst_mblm_load_unref (load);
  }
  gst_mblm_base_fault (self, fault);
  return FALSE;
}

static void
close_model (GstMblmBase *self)
{
  gst_mblm_loader_close (&self->loader);
  g_clear_pointer (&self->load, gst_mblm_load_unref);
  g_mutex_lock (&self->lock);
  gst_mblm_latency_reset (&self->latency);
  self->faulted = FALSE;
  g_mutex_unlock (&self->lock);
}

static GstStateChangeReturn
gst_mblm_base_change_state (GstElement *element, GstStateChange transition)
{
  GstMblmBase *self = GST_MBLM_BASE (element);
  GstStateChangeReturn ret;

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      g_mutex_lock (&self->lock);
      self->faulted = FALSE;
      g_mutex_unlock (&self->lock);
      if (!open_model (self))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      forget_stream (self);
      g_mutex_lock (&self->lock);
      self->stats = (GstMblmStats){0};
      g_mutex_unlock (&self->lock);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      /* Before the pads are taken down, which waits for the task. */
      gst_mblm_base_set_flushing (self);
      break;
    default:
      break;
  }

  ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (ret == GST_STATE_CHANGE_FAILURE)
        close_model (self);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      forget_stream (self);
      break;
    case GST_STATE_CHANGE_READY_TO_NULL:
      /* Sessions go with the model that they are of. */
      if (self->load)
        GST_MBLM_BASE_GET_CLASS (self)->set_load (self, NULL);
      close_model (self);
      break;
    default:
      break;
  }
  return ret;
}

/* --- class --- */

static void
gst_mblm_base_finalize (GObject *object)
{
  GstMblmBase *self = GST_MBLM_BASE (object);

  gst_mblm_queue_clear (&self->queue);
  g_ptr_array_unref (self->text_pads);
  g_free (self->settings.model);
  g_free (self->settings.device);
  g_cond_clear (&self->cond);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_mblm_base_class_init (GstMblmBaseClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (
      gst_mblm_debug, "mblm", 0, "Multiscale Byte Language Models");

  object_class->finalize = gst_mblm_base_finalize;
  object_class->set_property = gst_mblm_base_set_property;
  object_class->get_property = gst_mblm_base_get_property;
  GST_ELEMENT_CLASS (klass)->change_state = GST_DEBUG_FUNCPTR (
      gst_mblm_base_change_state);
  install_model_properties (object_class);
  install_queue_properties (object_class);
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_BASE, 0);
}

static void
gst_mblm_base_init (GstMblmBase *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  gst_mblm_queue_init (&self->queue);
  gst_mblm_loader_init (
      &self->loader, GST_ELEMENT (self), &self->lock, &self->cond, model_kept);
  gst_mblm_input_reset (&self->input);
  self->text_pads = g_ptr_array_new_with_free_func (gst_object_unref);
  self->flushing = TRUE;
  self->srcresult = GST_FLOW_FLUSHING;
  self->newest_start = self->newest_end = GST_CLOCK_TIME_NONE;
  self->advanced = GST_CLOCK_TIME_NONE;
}

void
gst_mblm_base_set_up (GstMblmBase *self)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstElement *element = GST_ELEMENT (self);
  GstPadTemplate *src = gst_element_class_get_pad_template (
      element_class, "src");

  self->settings.model = g_strdup (klass->default_model);
  self->settings.device = g_strdup (DEFAULT_DEVICE);
  self->settings.leaky = klass->default_leaky;
  self->settings.limits.buffers = klass->default_buffers;
  self->settings.limits.bytes = DEFAULT_MAX_SIZE_BYTES;
  self->settings.limits.time = DEFAULT_MAX_SIZE_TIME;
  self->settings.latency = -1;

  self->sinkpad = gst_pad_new_from_template (
      gst_element_class_get_pad_template (element_class, "sink"), "sink");
  gst_mblm_base_set_up_sink (self, self->sinkpad);
  gst_element_add_pad (element, self->sinkpad);

  if (klass->passthrough) {
    self->srcpad = gst_pad_new_from_template (src, "src");
  } else {
    self->srcpad = GST_PAD (gst_mblm_text_pad_new (src, "src"));
    gst_mblm_base_add_text_pad (self, GST_MBLM_TEXT_PAD (self->srcpad));
  }
  gst_mblm_base_set_up_src (self, self->srcpad);
  gst_element_add_pad (element, self->srcpad);
}
