/* gstmblmbase.c: what all elements of the plugin have in common.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Here: the class, the text pads and the changes of state. From NULL to READY
 * the model is found and checked, which fails at once where something is wrong;
 * its weights are then loaded by another thread, and only the task waits for
 * them. PAUSED to READY forgets the stream, READY to NULL the model.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstmblmbase.h"

GST_DEBUG_CATEGORY (gst_mblm_debug);
#define GST_CAT_DEFAULT gst_mblm_debug

G_DEFINE_ABSTRACT_TYPE (GstMblmBase, gst_mblm_base, GST_TYPE_ELEMENT)
#define parent_class gst_mblm_base_parent_class

/* --- waiting --- */

void
gst_mblm_base_wait (GstMblmBase *self)
{
  self->waiting++;
  g_cond_wait (&self->cond, &self->lock);
  self->waiting--;
}

void
gst_mblm_base_wake (GstMblmBase *self)
{
  if (self->waiting > 0)
    g_cond_broadcast (&self->cond);
}

/* --- text pads and messages --- */

void
gst_mblm_base_add_text_pad (GstMblmBase *self, GstMblmTextPad *pad)
{
  gst_mblm_text_pad_set_watch (pad, &self->watch);
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

gboolean
gst_mblm_base_has_text_pad (GstMblmBase *self, GstMblmTextPad *pad)
{
  gboolean has;

  g_mutex_lock (&self->lock);
  has = g_ptr_array_find (self->text_pads, pad, NULL);
  g_mutex_unlock (&self->lock);
  return has;
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
  if (klass->reset_task)
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
  self->back = FALSE;
  g_mutex_unlock (&self->lock);
}

static gboolean
open_model (GstMblmBase *self)
{
  GstMblmBaseClass *klass = GST_MBLM_BASE_GET_CLASS (self);
  GstMblmFault *fault;
  GstMblmLoad *load;

  self->loader.task = klass->task;
  fault = klass->check ? klass->check (self) : NULL;
  if (!fault) {
    load = gst_mblm_base_new_load (self);
    fault = gst_mblm_load_check (load, klass->task);
    if (!fault) {
      gst_mblm_loader_open (&self->loader, gst_mblm_load_ref (load));
      /* The properties may have changed while it was checked. */
      gst_mblm_base_check_load (self, load);
      gst_mblm_load_unref (load);
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
  gst_mblm_watch_clear (&self->watch);
  g_clear_object (&self->spare);
  g_ptr_array_unref (self->text_pads);
  gst_mblm_base_clear_settings (self);
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
  GST_ELEMENT_CLASS (klass)->change_state = GST_DEBUG_FUNCPTR (
      gst_mblm_base_change_state);
  gst_mblm_base_install_settings (object_class);
  gst_type_mark_as_plugin_api (GST_TYPE_MBLM_BASE, 0);
}

static void
gst_mblm_base_init (GstMblmBase *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  gst_mblm_queue_init (&self->queue);
  gst_mblm_watch_init (&self->watch);
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

  gst_mblm_base_init_settings (self);

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
