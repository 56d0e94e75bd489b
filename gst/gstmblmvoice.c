/* gstmblmvoice.c: the asker behind one source pad of mblmask.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmvoice.h"

GstMblmVoice *
gst_mblm_voice_new (MblmModel *model, GstMblmTextPad *pad,
    MblmProgress progress, gpointer user_data, GError **error)
{
  MblmAsker *asker = mblm_asker_new (model, error);
  GstMblmVoice *self;

  if (!asker)
    return NULL;
  self = g_new0 (GstMblmVoice, 1);
  self->pad = gst_object_ref (pad);
  self->asker = asker;
  self->sampler = mblm_sampler_new ();
  self->sampling = (GstMblmSampling) GST_MBLM_SAMPLING_INIT;
  mblm_asker_set_sampler (asker, self->sampler);
  mblm_asker_set_progress (asker, progress, user_data);
  return self;
}

void
gst_mblm_voice_free (gpointer voice)
{
  GstMblmVoice *self = voice;

  g_clear_object (&self->asker);
  g_clear_object (&self->sampler);
  gst_clear_object (&self->pad);
  g_free (self->question);
  g_free (self->choices);
  g_free (self->refused);
  g_free (self);
}

void
gst_mblm_voice_share (GstMblmVoice *self, GstMblmVoice *other)
{
  mblm_asker_share (self->asker, other->asker);
}

/* The choices bound what a question may take, and the other way round: one is
 * set without the other first. */
static gboolean
tell (GstMblmVoice *self, const char *question, const char *choices,
    GError **error)
{
  g_auto (GStrv) list = choices && *choices ? mblm_asker_split_choices (choices)
                                            : NULL;

  return mblm_asker_set_choices (self->asker, NULL, error) &&
      mblm_asker_set_question (self->asker, question, error) &&
      (!list ||
          mblm_asker_set_choices (
              self->asker, (const char *const *) list, error));
}

gboolean
gst_mblm_voice_set_question (GstMblmVoice *self, const char *question,
    const char *choices, GError **error)
{
  g_autofree char *both = NULL;

  if (self->asked && g_strcmp0 (question, self->question) == 0 &&
      g_strcmp0 (choices, self->choices) == 0)
    return TRUE;
  both = g_strdup_printf (
      "%s\n%s", question ? question : "", choices ? choices : "");
  if (g_strcmp0 (both, self->refused) == 0)
    return TRUE;

  if (!tell (self, question, choices, error)) {
    g_free (self->refused);
    self->refused = g_steal_pointer (&both);
    if (self->asked)
      self->asked = tell (self, self->question, self->choices, NULL);
    return FALSE;
  }
  g_clear_pointer (&self->refused, g_free);
  g_free (self->question);
  g_free (self->choices);
  self->question = g_strdup (question);
  self->choices = g_strdup (choices);
  self->asked = TRUE;
  return TRUE;
}

void
gst_mblm_voice_set_sampling (
    GstMblmVoice *self, const GstMblmSampling *sampling, guint max_bytes)
{
  gst_mblm_sampling_apply (sampling, &self->sampling, self->sampler);
  self->sampling = *sampling;
  mblm_asker_set_max_bytes (self->asker, max_bytes);
}

void
gst_mblm_voice_reseed (GstMblmVoice *self)
{
  mblm_sampler_set_seed (self->sampler, self->sampling.seed);
}
