/* mblm-bindings.h: what language bindings call instead.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * GObject introspection can't describe a function that fills an array of the
 * caller, appends to what it is given, or trusts that two arrays are of one
 * length, nor a struct that lives only as long as what it belongs to. Each of
 * these does the work of such a function, and has its name in a binding:
 * mblm_session_score_array is Mblm.Session.score in Python. From C the others
 * are better.
 *
 * An array that is returned is freed with g_free, and is NULL only on error,
 * whatever its length.
 */

#pragma once

#include "mblm-asker.h"
#include "mblm-generator.h"
#include "mblm-picture.h"
#include "mblm-scorer.h"

G_BEGIN_DECLS

/* `n_nats` gets n. */
float *mblm_session_score_array (MblmSession *self, const gint32 *ids, gsize n,
    gsize *n_nats, GCancellable *cancellable, GError **error);
/* `n_logits` gets n * vocabulary. */
float *mblm_session_feed_logits_array (MblmSession *self, const gint32 *ids,
    gsize n, gsize *n_logits, GCancellable *cancellable, GError **error);
/* `n_hidden` gets n * hidden_dim. */
float *mblm_session_feed_hidden_array (MblmSession *self, const gint32 *ids,
    gsize n, gsize *n_hidden, GCancellable *cancellable, GError **error);
/* `n_logits` gets the vocabulary. The array belongs to the session. */
const float *mblm_session_get_logits_array (
    MblmSession *self, MblmStart start, gsize *n_logits, GError **error);
/* Error: MBLM_ERROR_INPUT also where there is not an id for each session. */
gboolean mblm_session_step_many_array (MblmSession **sessions, gsize n_sessions,
    const gint32 *ids, gsize n_ids, GCancellable *cancellable, GError **error);

/* `n_bits` gets n. */
float *mblm_scorer_push_array (MblmScorer *self, const guint8 *bytes, gsize n,
    gsize *n_bits, GCancellable *cancellable, GError **error);

/* `out` gets new bytes, perhaps none; NULL on error. */
gboolean mblm_generator_next_bytes (MblmGenerator *self, GBytes **out,
    GCancellable *cancellable, GError **error);

/* Error: MBLM_ERROR_INPUT also for bytes that are too few. */
MblmPicture *mblm_picture_new_from_bytes (
    guint width, guint height, GBytes *rgb, gsize stride, GError **error);

#define MBLM_TYPE_IMAGE_LAYOUT (mblm_image_layout_get_type ())
GType mblm_image_layout_get_type (void);
MblmImageLayout *mblm_image_layout_copy (const MblmImageLayout *self);
void mblm_image_layout_free (MblmImageLayout *self);
/* A copy, which outlives `self`; NULL for a model that takes no pictures. */
MblmImageLayout *mblm_info_copy_image (MblmInfo *self);

/* The text of choice `k`, which belongs to the answer. */
const char *mblm_answer_get_choice (
    const MblmAnswer *self, guint k, double *probability);

G_END_DECLS
