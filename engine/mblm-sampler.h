/* mblm-sampler.h: how the next byte is drawn.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib-object.h>

#include "mblm-session.h"

G_BEGIN_DECLS

#define MBLM_TYPE_SAMPLER (mblm_sampler_get_type ())
G_DECLARE_FINAL_TYPE (MblmSampler, mblm_sampler, MBLM, SAMPLER, GObject)

/* Greedy (temperature 0) until told otherwise. The same seed gives the same
 * draws on any number of threads. */
MblmSampler *mblm_sampler_new (void);

/* 0 .. 100; 0 is greedy. */
void mblm_sampler_set_temperature (MblmSampler *self, double temperature);
/* The k most probable ids; 0: all. */
void mblm_sampler_set_top_k (MblmSampler *self, guint top_k);
/* The smallest set of ids that reaches this probability; 1: all. */
void mblm_sampler_set_top_p (MblmSampler *self, double top_p);
/* Ids of at least this share of the largest probability; 0: all. */
void mblm_sampler_set_min_p (MblmSampler *self, double min_p);
/* Starts the sequence of draws anew. */
void mblm_sampler_set_seed (MblmSampler *self, guint64 seed);
/* FALSE in allowed[id] keeps an id from being drawn; NULL allows all. The array
 * is copied. */
void mblm_sampler_set_allowed (
    MblmSampler *self, const guint8 *allowed, guint vocabulary);

/* Draws the next id of a session without feeding it; -1 on error. */
gint mblm_sampler_draw (
    MblmSampler *self, MblmSession *session, GError **error);
/* The same from logits [vocabulary], for models that have no sessions. */
gint mblm_sampler_draw_logits (
    MblmSampler *self, const float *logits, guint vocabulary, GError **error);

G_END_DECLS
