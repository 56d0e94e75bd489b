/* gstmblmmodel.c: a model is loaded beside the pipeline.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <glib/gi18n-lib.h>

#include "gstmblmmodel.h"

#define PROGRESS_CODE "load-model"

GstMblmLoad *
gst_mblm_load_new (const char *name, const char *device,
    MblmPrecision precision, guint threads)
{
  GstMblmLoad *self = g_new0 (GstMblmLoad, 1);

  self->ref_count = 1;
  self->name = g_strdup (name ? name : "");
  self->device_name = g_strdup (device);
  self->precision = precision;
  self->threads = threads;
  return self;
}

GstMblmLoad *
gst_mblm_load_ref (GstMblmLoad *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
gst_mblm_load_unref (gpointer load)
{
  GstMblmLoad *self = load;

  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_clear_object (&self->model);
  g_clear_object (&self->info);
  g_clear_object (&self->config);
  g_clear_object (&self->device);
  g_free (self->path);
  g_free (self->device_name);
  g_free (self->name);
  g_free (self);
}

gboolean
gst_mblm_load_is_same (const GstMblmLoad *a, const GstMblmLoad *b)
{
  return g_strcmp0 (a->name, b->name) == 0 &&
      g_strcmp0 (a->device_name, b->device_name) == 0 &&
      a->precision == b->precision && a->threads == b->threads;
}

static GstMblmFault *
wrong_task (const char *name, MblmTask needed)
{
  const char *text = needed == MBLM_TASK_QA
      ? _ ("The model “%s” continues text; it takes no pictures. Use it with "
           "mblmgenerate or mblmscore, or set “model” to one for pictures.")
      : _ ("The model “%s” answers questions about pictures. Use it with "
           "mblmask, or set “model” to one for text.");

  /* The only argument is that of either sentence. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  return gst_mblm_fault_new (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      g_strdup_printf (text, name), NULL);
#pragma GCC diagnostic pop
}

static GstMblmFault *
no_device (const char *name, const GError *error)
{
  return gst_mblm_fault_new (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
      g_strdup_printf (_ ("The device “%s” can't be used. Set the property "
                          "“device” to “cpu” or “auto”."),
          name ? name : "auto"),
      error->message);
}

GstMblmFault *
gst_mblm_load_check (GstMblmLoad *self, MblmTask task)
{
  g_autoptr (GError) error = NULL;

  if (!g_utf8_validate (self->name, -1, NULL))
    return gst_mblm_fault_new (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        g_strdup (_ ("The property “model” is not UTF-8. Set it to the path of "
                     "a folder whose name is.")),
        NULL);
  self->path = mblm_model_find (self->name, &error);
  if (!self->path ||
      !mblm_model_check (self->path, &self->config, &self->info, &error))
    return gst_mblm_fault_from_error (error, self->name);
  if (mblm_info_get_task (self->info) != task)
    return wrong_task (self->name, task);
  self->device = mblm_device_open (self->device_name, self->threads, &error);
  if (!self->device)
    return no_device (self->device_name, error);
  return NULL;
}

void
gst_mblm_loader_init (GstMblmLoader *self, GstElement *element, GMutex *lock,
    GCond *cond,
    void (*kept) (GstElement *element, const GstMblmLoad *failed,
        const GstMblmLoad *current))
{
  *self = (GstMblmLoader){
      .element = element, .lock = lock, .cond = cond, .kept = kept};
}

/* Takes `text`. */
static void
post_progress (GstMblmLoader *self, GstProgressType type, char *text)
{
  /* The name of a model that isn't there may be anything. */
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  gst_element_post_message (self->element,
      gst_message_new_progress (
          GST_OBJECT (self->element), type, PROGRESS_CODE, valid));
  g_free (text);
}

/* Says how it ended. `first`: no other model is at work. */
static void
tell (GstMblmLoader *self, GstMblmLoad *load, GstMblmFault *fault,
    gboolean cancelled, gboolean first)
{
  GstMblmLoad *current;

  if (cancelled) {
    post_progress (self, GST_PROGRESS_TYPE_CANCELED,
        g_strdup_printf (_ ("Loading “%s” was cancelled"), load->name));
    return;
  }
  if (!fault) {
    post_progress (self, GST_PROGRESS_TYPE_COMPLETE,
        g_strdup_printf (_ ("Model “%s” is loaded"), load->name));
    return;
  }
  post_progress (self, GST_PROGRESS_TYPE_ERROR,
      g_strdup_printf (_ ("Model “%s” can't be loaded"), load->name));
  gst_mblm_fault_post (
      fault, self->element, first ? GST_MESSAGE_ERROR : GST_MESSAGE_WARNING);
  if (first)
    return;

  g_mutex_lock (self->lock);
  current = gst_mblm_loader_get_current (self);
  g_mutex_unlock (self->lock);
  if (current) {
    self->kept (self->element, load, current);
    gst_mblm_load_unref (current);
  }
}

/* Whether what was loaded is what is at work already: the engine gives the same
 * model where no file has changed. It goes on, with all that it has in mind. The
 * lock is held. */
static gboolean
is_at_work (const GstMblmLoader *self, const GstMblmLoad *load)
{
  return load == self->current ||
      (load->model == self->current->model &&
          gst_mblm_load_is_same (load, self->current));
}

static void
load_one (GstMblmLoader *self, GstMblmLoad *load)
{
  g_autoptr (GstMblmFault) fault = NULL;
  g_autoptr (GError) error = NULL;
  MblmModel *model = NULL;
  gboolean first, cancelled;

  post_progress (self, GST_PROGRESS_TYPE_START,
      g_strdup_printf (_ ("Loading model “%s”"), load->name));
  if (!load->device)
    fault = gst_mblm_load_check (load, self->task);
  if (!fault) {
    model = mblm_model_load (
        load->path, load->device, load->precision, self->cancellable, &error);
    if (!model)
      fault = gst_mblm_fault_from_error (error, load->name);
  }
  cancelled = g_cancellable_is_cancelled (self->cancellable);

  g_mutex_lock (self->lock);
  first = load == self->current || self->current->state == GST_MBLM_LOAD_FAILED;
  load->model = model;
  load->state = model ? GST_MBLM_LOAD_READY : GST_MBLM_LOAD_FAILED;
  if (model && !is_at_work (self, load)) {
    gst_mblm_load_unref (self->current);
    self->current = gst_mblm_load_ref (load);
  }
  g_cond_broadcast (self->cond);
  g_mutex_unlock (self->lock);

  tell (self, load, fault, cancelled, first);
}

/* What is to be loaded now, or NULL. The model that units are waiting for comes
 * before one that is to take over. The lock is held. */
static GstMblmLoad *
take_load (GstMblmLoader *self)
{
  if (!self->open)
    return NULL;
  if (self->current->state == GST_MBLM_LOAD_PENDING)
    return gst_mblm_load_ref (self->current);
  return g_steal_pointer (&self->next);
}

static gpointer
loader_thread (gpointer data)
{
  GstMblmLoader *self = data;
  GstMblmLoad *load;

  g_mutex_lock (self->lock);
  while ((load = take_load (self))) {
    g_mutex_unlock (self->lock);
    load_one (self, load);
    gst_mblm_load_unref (load);
    g_mutex_lock (self->lock);
  }
  self->running = FALSE;
  g_mutex_unlock (self->lock);
  return NULL;
}

/* The lock is held. A thread that runs no longer has let go of it for good, so
 * that waiting for its end here is short. */
static void
wake_thread (GstMblmLoader *self)
{
  if (self->running)
    return;
  if (self->thread)
    g_thread_join (self->thread);
  self->running = TRUE;
  self->thread = g_thread_new ("mblm-load", loader_thread, self);
}

void
gst_mblm_loader_open (GstMblmLoader *self, GstMblmLoad *load)
{
  g_mutex_lock (self->lock);
  self->open = TRUE;
  self->cancellable = g_cancellable_new ();
  self->current = load;
  wake_thread (self);
  g_mutex_unlock (self->lock);
}

void
gst_mblm_loader_replace (GstMblmLoader *self, GstMblmLoad *load)
{
  g_mutex_lock (self->lock);
  if (self->open) {
    g_clear_pointer (&self->next, gst_mblm_load_unref);
    self->next = g_steal_pointer (&load);
    wake_thread (self);
  }
  g_mutex_unlock (self->lock);
  g_clear_pointer (&load, gst_mblm_load_unref);
}

void
gst_mblm_loader_close (GstMblmLoader *self)
{
  GThread *thread;

  g_mutex_lock (self->lock);
  self->open = FALSE;
  g_cancellable_cancel (self->cancellable);
  thread = g_steal_pointer (&self->thread);
  g_mutex_unlock (self->lock);
  if (thread)
    g_thread_join (thread);

  g_mutex_lock (self->lock);
  g_clear_pointer (&self->next, gst_mblm_load_unref);
  g_clear_pointer (&self->current, gst_mblm_load_unref);
  g_clear_object (&self->cancellable);
  g_mutex_unlock (self->lock);
}

GstMblmLoad *
gst_mblm_loader_get_current (GstMblmLoader *self)
{
  return self->current ? gst_mblm_load_ref (self->current) : NULL;
}
