/* rank.h: the probabilities of several continuations of one state.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm-asker.h"

G_BEGIN_DECLS

/* Keeps its sessions from one state to the next. */
typedef struct _MblmRanker MblmRanker;

MblmRanker *mblm_ranker_new (MblmModel *model);
void mblm_ranker_free (MblmRanker *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmRanker, mblm_ranker_free)

/* NULL: none. */
void mblm_ranker_set_progress (
    MblmRanker *self, MblmProgress progress, gpointer user_data);
/* `log_p` [n] gets ln p of each of n continuations (GArrays of gint32, not
 * empty) of what `session` was fed; the session itself is fed nothing. When the
 * work was cancelled, or ended by the progress function, it is that of as many
 * first ids as are known of all of them. */
gboolean mblm_ranker_run (MblmRanker *self, MblmSession *session,
    GArray *const *continuations, guint n, double *log_p,
    GCancellable *cancellable, GError **error);

G_END_DECLS
