/* read-file.h: small files, whole.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Opens a regular file for reading without ever waiting for a pipe or a device;
 * `size` gets its size. -1 on error: NOT_FOUND, INPUT (not a regular file),
 * G_FILE_ERROR. */
int mblm_open_file (const char *path, guint64 *size, GError **error);

/* The content of a regular file of at most `max` bytes, with a NUL behind it.
 * Errors as above, INPUT for a larger file. Free with g_free. */
char *mblm_read_file (
    const char *path, gsize max, gsize *length, GError **error);

/* pread until `n` bytes are there; FALSE with errno at an error, with errno 0 at
 * the end of the file. */
gboolean mblm_read_at (int fd, void *out, gsize n, guint64 offset);

G_END_DECLS
