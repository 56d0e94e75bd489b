/* gstmblmmodel.h: a model is loaded beside the pipeline.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A load is one model that was asked for: first checked (configuration, header
 * of the weights, device), then loaded by the loader's thread. Each unit of
 * work holds the load it was made for, because a picture becomes bytes by the
 * layout of one model; a model that takes over does so for the units that come
 * after.
 */

#pragma once

#include <gst/gst.h>
#include <mblm.h>

#include "gstmblmfault.h"

G_BEGIN_DECLS

typedef enum {
  GST_MBLM_LOAD_PENDING, /* checked or not, no weights yet */
  GST_MBLM_LOAD_READY,
  GST_MBLM_LOAD_FAILED, /* or cancelled */
} GstMblmLoadState;

typedef struct {
  gint ref_count;

  /* What was asked for. */
  char *name;
  char *device_name;
  MblmPrecision precision;
  guint threads;

  /* Known once checked, then constant. */
  char *path;
  MblmDevice *device;
  MblmConfig *config;
  MblmInfo *info;

  /* Under the loader's lock until the state is READY, then constant. */
  GstMblmLoadState state;
  MblmModel *model;
} GstMblmLoad;

/* `device` NULL is "auto"; `threads` 0 is the device's own choice. */
GstMblmLoad *gst_mblm_load_new (const char *name, const char *device,
    MblmPrecision precision, guint threads);
GstMblmLoad *gst_mblm_load_ref (GstMblmLoad *self);
/* Takes a gpointer, as a GDestroyNotify. */
void gst_mblm_load_unref (gpointer load);
/* Whether both ask for the same. */
gboolean gst_mblm_load_is_same (const GstMblmLoad *a, const GstMblmLoad *b);
/* Finds the model, checks it without reading a tensor, and opens the device.
 * `task` is what it must be for. NULL, or what is wrong. */
GstMblmFault *gst_mblm_load_check (GstMblmLoad *self, MblmTask task);

typedef struct {
  GstElement *element; /* posts the messages; not owned */
  GMutex *lock;        /* the element's: guards what follows */
  GCond *cond;         /* told when a load is ready or has failed */
  MblmTask task;
  /* Called without the lock, from the thread, when `failed` was to take over and
   * can't; `current` is what stays. */
  void (*kept) (GstElement *element, const GstMblmLoad *failed,
      const GstMblmLoad *current);

  GThread *thread;
  gboolean running; /* the thread will look at `next` again */
  gboolean open;
  GCancellable *cancellable;
  GstMblmLoad *current; /* for the next unit of work; owned */
  GstMblmLoad *next;    /* waits for the thread; owned */
} GstMblmLoader;

void gst_mblm_loader_init (GstMblmLoader *self, GstElement *element,
    GMutex *lock, GCond *cond,
    void (*kept) (GstElement *element, const GstMblmLoad *failed,
        const GstMblmLoad *current));
/* Begins with a checked load (taken), which is current at once and whose
 * weights follow. No lock held. */
void gst_mblm_loader_open (GstMblmLoader *self, GstMblmLoad *load);
/* A load (taken, not checked) that takes over when it is there, unless it comes to
 * the very model that is at work; the last one asked for counts. No lock held. */
void gst_mblm_loader_replace (GstMblmLoader *self, GstMblmLoad *load);
/* Cancels, waits for the thread, lets go of the models. No lock held. */
void gst_mblm_loader_close (GstMblmLoader *self);
/* A new reference, or NULL when closed. The lock is held. */
GstMblmLoad *gst_mblm_loader_get_current (GstMblmLoader *self);

G_END_DECLS
