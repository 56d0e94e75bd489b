/* gstmblmgenerateprivate.h: what the files of mblmgenerate share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "gstmblmemit.h"
#include "gstmblmgenerate.h"
#include "gstmblmsampling.h"

G_BEGIN_DECLS

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
} GstMblmGenerateSettings;

struct _GstMblmGenerate {
  GstMblmBase parent;

  GstMblmGenerateSettings settings; /* under the object lock */

  /* With the stream lock of `sink`. */
  gboolean is_text; /* the caps say text/x-raw */
  gboolean warned;  /* about a prompt that can't be read */

  /* In the task. */
  MblmSession *session;
  MblmSampler *sampler;
  MblmGenerator *generator;
  gboolean sampling_known; /* `sampling` was given to the sampler */
  GstMblmSampling sampling;
  GstMblmEmitter emitter;
  GstMblmGenerateSettings now; /* of the unit at work */
  GCancellable *cancellable;   /* of the unit at work, not owned */
  GByteArray *stream;          /* the end of what came, per=stream */
  gboolean begun;              /* ... something came */
  GstClockTime stream_end;
};

/* A copy of the properties into `now`, for one unit of work. */
void gst_mblm_generate_take_settings (GstMblmGenerate *self);

/* The task's part of the class, and what it holds (gstmblmgeneratework.c). */
void gst_mblm_generate_class_init_work (GstMblmBaseClass *klass);
void gst_mblm_generate_init_work (GstMblmGenerate *self);
void gst_mblm_generate_clear_work (GstMblmGenerate *self);

G_END_DECLS
