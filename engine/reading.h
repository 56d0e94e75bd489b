/* reading.h: a picture that several askers go on from.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm-session.h"

G_BEGIN_DECLS

/* Belongs to the askers that share it, which are used by one thread. */
typedef struct _MblmReading MblmReading;

MblmReading *mblm_reading_new (MblmModel *model);
MblmReading *mblm_reading_ref (MblmReading *self);
void mblm_reading_unref (MblmReading *self);
/* Whether there is anybody to share with. */
gboolean mblm_reading_is_shared (const MblmReading *self);

/* A session that has read the beginning of a sample that begins with `image`, whose
 * segment is ids [n]; `fed` gets how many of them. The picture that was read last is
 * not read again. Branches go on from that session, it itself is fed nothing. NULL:
 * an error, or the progress function has ended the work. */
MblmSession *mblm_reading_begin (MblmReading *self, GBytes *image,
    const gint32 *ids, guint n, guint *fed, MblmProgress progress,
    gpointer progress_data, GCancellable *cancellable, GError **error);

G_END_DECLS
