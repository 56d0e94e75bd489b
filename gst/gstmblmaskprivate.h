/* gstmblmaskprivate.h: what the files of mblmask share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "gstmblmask.h"
#include "gstmblmpictures.h"
#include "gstmblmsampling.h"

G_BEGIN_DECLS

typedef struct {
  char *question;
  char *choices;
  char *separator;
  guint max_bytes;
  gboolean hold;
  gboolean on_change;
  GstClockTime interval;
  guint frame_interval;
  GstMblmSampling sampling;
} GstMblmAskSettings;

struct _GstMblmAsk {
  GstMblmBase parent;

  GstMblmAskSettings settings; /* under the object lock */
  GstMblmPictures pictures;    /* with the stream lock of `sink` */
  GPtrArray *questions;        /* of GstMblmQuestionPad; under base.lock */
  guint next_pad;              /* the same */

  /* In the task. */
  GHashTable *voices;        /* GstMblmTextPad to GstMblmVoice, owned */
  GstMblmAskSettings now;    /* of the unit at work */
  GCancellable *cancellable; /* of the unit at work, not owned */
};

/* A question that a frame came with. */
typedef struct {
  GstMblmTextPad *pad; /* owned */
  char *question;
} GstMblmAsked;

/* A copy of the properties, for one unit of work. Any thread that `now` belongs
 * to: the task, or the one that changes the state. */
void gst_mblm_ask_take_settings (GstMblmAsk *self);

/* The task's part of the class, and what it holds (gstmblmaskwork.c). */
void gst_mblm_ask_class_init_work (GstMblmBaseClass *klass);
void gst_mblm_ask_init_work (GstMblmAsk *self);
void gst_mblm_ask_clear_work (GstMblmAsk *self);

G_END_DECLS
