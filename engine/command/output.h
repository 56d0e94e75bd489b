/* output.h: what goes to stdout, and progress on stderr.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Nothing is buffered: a line or a byte that a function reported as written is
 * with the kernel. Errors: G_IO_ERROR, BROKEN_PIPE where the reader has gone.
 */

#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

gboolean output_write (const void *data, gsize size, GError **error);
gboolean output_print (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
/* One JSON value and a line feed; the builder stays the caller's. */
gboolean output_json (JsonBuilder *builder, GError **error);
/* Closes stdout: the last moment at which a full disk can show. */
gboolean output_close (GError **error);

/* Text for one field of a line: control characters and the backslash become
 * \t, \n, \r, \\ or \xHH. */
char *output_escape (const char *text);
/* Text of several lines for a terminal: line ends and backslashes stay. */
char *output_escape_lines (const char *text);

/* Members of a JSON object. Text that is not UTF-8 is made valid with U+FFFD;
 * NULL and numbers that are not finite become null. */
void json_add_string (JsonBuilder *builder, const char *name, const char *text);
void json_add_count (JsonBuilder *builder, const char *name, guint64 value);
void json_add_real (JsonBuilder *builder, const char *name, double value);
void json_add_bool (JsonBuilder *builder, const char *name, gboolean value);
/* `text` where the bytes are UTF-8 without NUL, else `base64`. */
void json_add_bytes (JsonBuilder *builder, const void *data, gsize size);

/* A line that replaces the one before it, only where stderr is a terminal. */
void progress_show (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* TRUE at most ten times a second, so that loops may ask freely. */
gboolean progress_due (void);
void progress_clear (void);

G_END_DECLS
