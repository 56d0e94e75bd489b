/* gstmblmsampling.h: the properties that say how bytes are drawn.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gst/gst.h>
#include <mblm.h>

G_BEGIN_DECLS

/* Offsets from the first property id that an element gives them. */
enum {
  GST_MBLM_SAMPLING_SEED,
  GST_MBLM_SAMPLING_TEMPERATURE,
  GST_MBLM_SAMPLING_TOP_K,
  GST_MBLM_SAMPLING_TOP_P,
  GST_MBLM_SAMPLING_MIN_P,
  GST_MBLM_SAMPLING_N,
};

/* Under the element's object lock. */
typedef struct {
  guint64 seed;
  double temperature;
  guint top_k;
  double top_p;
  double min_p;
} GstMblmSampling;

#define GST_MBLM_SAMPLING_INIT                                                 \
  {                                                                            \
    0, 0.0, 0, 1.0, 0.0                                                        \
  }

void gst_mblm_sampling_install (GObjectClass *klass, guint first_id);
/* FALSE: the id is not one of these. */
gboolean gst_mblm_sampling_set (
    GstMblmSampling *self, guint offset, const GValue *value);
gboolean gst_mblm_sampling_get (
    const GstMblmSampling *self, guint offset, GValue *value);
/* Tells a sampler; the sequence of draws begins anew only if `seed` is not what
 * `last` says (NULL: it does). */
void gst_mblm_sampling_apply (const GstMblmSampling *self,
    const GstMblmSampling *last, MblmSampler *sampler);

G_END_DECLS
