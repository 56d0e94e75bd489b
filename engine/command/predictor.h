/* predictor.h: the next id's logits, from a session or by full passes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Only causal models have sessions. A model with blocks that are not causal is
 * run over the whole sequence again for every id, as the published code does.
 */

#pragma once

#include "mblm.h"

G_BEGIN_DECLS

typedef struct _Predictor Predictor;

/* Error: MBLM_ERROR_UNSUPPORTED for an encoder of masked bytes. */
Predictor *predictor_new (MblmModel *model, GError **error);
void predictor_free (Predictor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Predictor, predictor_free)

/* NULL for a model that has none. */
MblmSession *predictor_get_session (Predictor *self);
void predictor_reset (Predictor *self);
/* What happens when the context is full, as for sessions. */
void predictor_set_context_full (Predictor *self, MblmContextFull policy);
gboolean predictor_feed (Predictor *self, const gint32 *ids, gsize n,
    GCancellable *cancellable, GError **error);
/* Of the next id, [vocabulary]; the predictor's until its next call. */
const float *predictor_get_logits (
    Predictor *self, GCancellable *cancellable, GError **error);

G_END_DECLS
