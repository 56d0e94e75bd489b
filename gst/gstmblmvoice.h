/* gstmblmvoice.h: the asker behind one source pad of mblmask.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Each pad has its own, because an asker keeps the state of its question; what of
 * a frame is the same for all they share. A question that can't be asked leaves
 * the last one in force. Belongs to the task.
 */

#pragma once

#include <mblm.h>

#include "gstmblmsampling.h"
#include "gstmblmtext.h"

G_BEGIN_DECLS

typedef struct {
  GstMblmTextPad *pad; /* owned */
  MblmAsker *asker;
  MblmSampler *sampler;
  GstMblmSampling sampling; /* what the sampler was told */
  gboolean asked;           /* `question` and `choices` hold */
  char *question, *choices;
  char *refused; /* question and choices that can't be asked */
} GstMblmVoice;

/* `progress` is called between two pieces of work. */
GstMblmVoice *gst_mblm_voice_new (MblmModel *model, GstMblmTextPad *pad,
    MblmProgress progress, gpointer user_data, GError **error);
void gst_mblm_voice_free (gpointer voice);
/* Frames are read once for both, and for all that share with `other`. */
void gst_mblm_voice_share (GstMblmVoice *self, GstMblmVoice *other);

/* Sets question and choices, either may be NULL or "". FALSE with an error:
 * they can't be asked; the error comes once. `asked` says whether others hold.
 * */
gboolean gst_mblm_voice_set_question (GstMblmVoice *self, const char *question,
    const char *choices, GError **error);
void gst_mblm_voice_set_sampling (
    GstMblmVoice *self, const GstMblmSampling *sampling, guint max_bytes);
/* Draws from now on what a new one would. */
void gst_mblm_voice_reseed (GstMblmVoice *self);

G_END_DECLS
