/* input.h: files, folders and standard input as bytes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * "-" is standard input. Messages begin with the path. Errors: G_IO_ERROR.
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A stream whose reads can be cancelled, also on pipes and terminals. */
GInputStream *input_open (const char *path, GError **error);
/* Fills `buffer` unless the stream ends before: `got` tells. `path` is for
 * messages. */
gboolean input_fill (GInputStream *stream, const char *path, void *buffer,
    gsize size, gsize *got, GCancellable *cancellable, GError **error);
/* The whole of a file of at most `max` bytes. */
GBytes *input_read (
    const char *path, gsize max, GCancellable *cancellable, GError **error);

/* Called for each file; FALSE ends the walk. `error` is set for a
 * folder that can't be read, and for what is in it and can't be examined. */
typedef gboolean (*InputVisit) (
    const char *path, const GError *error, gpointer user_data);
/* Visits `path`, or, where it is a folder, the regular files in it and in its
 * subfolders, sorted by name; symbolic links inside are not followed. FALSE if
 * a visit returned it. */
gboolean input_walk (const char *path, InputVisit visit, gpointer user_data);

G_END_DECLS
