/* mblm-scorer.h: bits per byte of a stream.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Bytes are pushed in pieces of any size; every byte gets its bits, the same
 * whatever the pieces but for the last digits of a float. The stream is cut
 * into windows of the model's whole context, each scored afresh, as the
 * published evaluation does it; with `overlap` each window is primed with the
 * half before it. With a `text` token each window starts with it, uncounted.
 * The softmax is over all ids and every byte counts, those equal to the pad id
 * too.
 */

#pragma once

#include "mblm-session.h"

G_BEGIN_DECLS

#define MBLM_TYPE_SCORER (mblm_scorer_get_type ())
G_DECLARE_FINAL_TYPE (MblmScorer, mblm_scorer, MBLM, SCORER, GObject)

MblmScorer *mblm_scorer_new (
    MblmModel *model, gboolean overlap, GError **error);

/* Scores n bytes; `bits` [n] gets -log2 p of each. */
gboolean mblm_scorer_push (MblmScorer *self, const guint8 *bytes, gsize n,
    float *bits, GCancellable *cancellable, GError **error);
/* The next byte begins a new stream. */
void mblm_scorer_reset (MblmScorer *self);
/* Bytes and bits since the last reset. */
guint64 mblm_scorer_get_bytes (MblmScorer *self);
double mblm_scorer_get_bits (MblmScorer *self);

G_END_DECLS
