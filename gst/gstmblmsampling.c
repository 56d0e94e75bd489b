/* gstmblmsampling.c: the properties that say how bytes are drawn.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmsampling.h"

#define FLAGS                                                                  \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)
#define NUMBER_FLAGS (FLAGS | GST_PARAM_CONTROLLABLE)

void
gst_mblm_sampling_install (GObjectClass *klass, guint first_id)
{
  const GstMblmSampling defaults = GST_MBLM_SAMPLING_INIT;

  g_object_class_install_property (klass, first_id + GST_MBLM_SAMPLING_SEED,
      g_param_spec_uint64 ("seed", "Seed",
          "Start of the sequence of draws: the same seed gives the same text",
          0, G_MAXUINT64, defaults.seed, FLAGS));
  g_object_class_install_property (klass,
      first_id + GST_MBLM_SAMPLING_TEMPERATURE,
      g_param_spec_double ("temperature", "Temperature",
          "How freely bytes are drawn: 0 always takes the most probable one, 1 "
          "draws by the model's own probabilities",
          0.0, 100.0, defaults.temperature, NUMBER_FLAGS));
  g_object_class_install_property (klass, first_id + GST_MBLM_SAMPLING_TOP_K,
      g_param_spec_uint ("top-k", "Top k",
          "Draws from so many of the most probable bytes (0 = all)", 0,
          G_MAXINT, defaults.top_k, NUMBER_FLAGS));
  g_object_class_install_property (klass, first_id + GST_MBLM_SAMPLING_TOP_P,
      g_param_spec_double ("top-p", "Top p",
          "Draws from the fewest bytes that together reach this probability "
          "(1 = all)",
          0.0, 1.0, defaults.top_p, NUMBER_FLAGS));
  g_object_class_install_property (klass, first_id + GST_MBLM_SAMPLING_MIN_P,
      g_param_spec_double ("min-p", "Min p",
          "Draws from bytes of at least this share of the largest probability "
          "(0 = all)",
          0.0, 1.0, defaults.min_p, NUMBER_FLAGS));
}

gboolean
gst_mblm_sampling_set (GstMblmSampling *self, guint offset, const GValue *value)
{
  switch (offset) {
    case GST_MBLM_SAMPLING_SEED:
      self->seed = g_value_get_uint64 (value);
      return TRUE;
    case GST_MBLM_SAMPLING_TEMPERATURE:
      self->temperature = g_value_get_double (value);
      return TRUE;
    case GST_MBLM_SAMPLING_TOP_K:
      self->top_k = g_value_get_uint (value);
      return TRUE;
    case GST_MBLM_SAMPLING_TOP_P:
      self->top_p = g_value_get_double (value);
      return TRUE;
    case GST_MBLM_SAMPLING_MIN_P:
      self->min_p = g_value_get_double (value);
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
gst_mblm_sampling_get (const GstMblmSampling *self, guint offset, GValue *value)
{
  switch (offset) {
    case GST_MBLM_SAMPLING_SEED:
      g_value_set_uint64 (value, self->seed);
      return TRUE;
    case GST_MBLM_SAMPLING_TEMPERATURE:
      g_value_set_double (value, self->temperature);
      return TRUE;
    case GST_MBLM_SAMPLING_TOP_K:
      g_value_set_uint (value, self->top_k);
      return TRUE;
    case GST_MBLM_SAMPLING_TOP_P:
      g_value_set_double (value, self->top_p);
      return TRUE;
    case GST_MBLM_SAMPLING_MIN_P:
      g_value_set_double (value, self->min_p);
      return TRUE;
    default:
      return FALSE;
  }
}

void
gst_mblm_sampling_apply (const GstMblmSampling *self,
    const GstMblmSampling *last, MblmSampler *sampler)
{
  mblm_sampler_set_temperature (sampler, self->temperature);
  mblm_sampler_set_top_k (sampler, self->top_k);
  mblm_sampler_set_top_p (sampler, self->top_p);
  mblm_sampler_set_min_p (sampler, self->min_p);
  if (!last || last->seed != self->seed)
    mblm_sampler_set_seed (sampler, self->seed);
}
