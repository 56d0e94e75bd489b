/* mblm-session.h: the state of one stream.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A session is fed ids and predicts the next one. Feeding n ids at once or one
 * by one gives the same predictions; only the outer stages see a whole prompt,
 * and a byte costs one step of the innermost stage.
 *
 * Past the context (a property of the model, see mblm_session_is_endless):
 *
 *  - a global stage that is a state-space model goes on for ever, in constant
 *    memory;
 *  - a global Transformer with rotary or no positions goes on until the memory
 *    bound (mblm_session_set_memory_bound), then MBLM_ERROR_MEMORY;
 *  - with fixed positions the policy decides (mblm_session_set_context_full):
 *    MBLM_CONTEXT_FULL_RESTART, the default, primes the session anew with the
 *    last half of the context, so that the byte that didn't fit is fed after
 *    it; MBLM_CONTEXT_FULL_ERROR fails with MBLM_ERROR_CONTEXT and leaves the
 *    session as it was.
 *
 * After a failure or cancellation in the middle of the work a session answers
 * MBLM_ERROR_STATE until it is reset or restored. A session is used by one
 * thread at a time.
 */

#pragma once

#include <gio/gio.h>

#include "mblm-model.h"

G_BEGIN_DECLS

#define MBLM_TYPE_SESSION (mblm_session_get_type ())
G_DECLARE_FINAL_TYPE (MblmSession, mblm_session, MBLM, SESSION, GObject)

typedef struct _MblmSnapshot MblmSnapshot;

#define MBLM_TYPE_SNAPSHOT (mblm_snapshot_get_type ())
GType mblm_snapshot_get_type (void);
MblmSnapshot *mblm_snapshot_ref (MblmSnapshot *self);
void mblm_snapshot_unref (MblmSnapshot *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmSnapshot, mblm_snapshot_unref)

typedef enum {
  MBLM_CONTEXT_FULL_RESTART,
  MBLM_CONTEXT_FULL_ERROR,
} MblmContextFull;

/* What predicts the first byte of an empty session: `generate` as published
 * chains the start tokens of all stages; the loss, and so scores and choices,
 * see the innermost start token alone. They differ. */
typedef enum {
  MBLM_START_CHAINED,
  MBLM_START_BARE,
} MblmStart;

/* Called by the thread that works, between two pieces of work, each a few
 * milliseconds long; what it works for must be left alone. FALSE ends the work as
 * a cancellable does. */
typedef gboolean (*MblmProgress) (gpointer user_data);

/* Error: MBLM_ERROR_UNSUPPORTED for a model that is not causal. */
MblmSession *mblm_session_new (MblmModel *model, GError **error);

MblmModel *mblm_session_get_model (MblmSession *self);
void mblm_session_set_context_full (MblmSession *self, MblmContextFull policy);
/* Bytes of device memory that the session's state may take; 0: no bound. */
void mblm_session_set_memory_bound (MblmSession *self, guint64 bytes);
/* NULL: none. */
void mblm_session_set_progress (
    MblmSession *self, MblmProgress progress, gpointer user_data);
gboolean mblm_session_is_endless (MblmSession *self);
/* Ids fed since the last reset. */
guint64 mblm_session_get_position (MblmSession *self);
/* Ids that the next prediction can depend on. */
guint64 mblm_session_get_reach (MblmSession *self);
/* Ids that still fit before the policy for a full context takes effect;
 * G_MAXUINT64 where the model is endless. */
guint64 mblm_session_get_room (MblmSession *self);
/* Bytes of state held now. */
guint64 mblm_session_get_memory (MblmSession *self);

/* Back to the state of a new session. Never fails. */
void mblm_session_reset (MblmSession *self);

/* Feeds n ids. Errors: INPUT for an id beyond the vocabulary (nothing is fed),
 * CONTEXT, MEMORY, STATE, G_IO_ERROR_CANCELLED. */
gboolean mblm_session_feed (MblmSession *self, const gint32 *ids, gsize n,
    GCancellable *cancellable, GError **error);
/* The same for bytes. */
gboolean mblm_session_feed_bytes (MblmSession *self, const guint8 *bytes,
    gsize n, GCancellable *cancellable, GError **error);
/* Feeds n ids and gives, for each, -ln p(id | what came before): `nats` [n].
 * The first id of an empty session is predicted by the bare start token. */
gboolean mblm_session_score (MblmSession *self, const gint32 *ids, gsize n,
    float *nats, GCancellable *cancellable, GError **error);
/* Feeds n ids; `logits` [n, vocabulary] gets the prediction after each. */
gboolean mblm_session_feed_logits (MblmSession *self, const gint32 *ids,
    gsize n, float *logits, GCancellable *cancellable, GError **error);
/* Feeds n ids; `hidden` [n, hidden_dim of the innermost stage]. */
gboolean mblm_session_feed_hidden (MblmSession *self, const gint32 *ids,
    gsize n, float *hidden, GCancellable *cancellable, GError **error);

/* The prediction of the next id, [vocabulary]; `start` matters only where
 * nothing was fed. Belongs to the session until its next call; NULL on error. */
const float *mblm_session_get_logits (
    MblmSession *self, MblmStart start, GError **error);

/* Feeds one id into each of n sessions of one model, as a batch: weights are
 * read once. The results are those of feeding each alone. On an error every
 * session that it reached needs a reset. */
gboolean mblm_session_step_many (MblmSession **sessions, const gint32 *ids,
    guint n, GCancellable *cancellable, GError **error);

/* A copy of the state; it may be restored into any session of the same model,
 * any number of times. NULL with MBLM_ERROR_MEMORY or STATE. */
MblmSnapshot *mblm_session_snapshot (MblmSession *self, GError **error);
gboolean mblm_session_restore (
    MblmSession *self, MblmSnapshot *snapshot, GError **error);

G_END_DECLS
