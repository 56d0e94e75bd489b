/* formats.h: files, good and damaged, for the tests of formats.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

/* Writes n bytes to FOLDER/NAME and gives that path. -1: up to the NUL. */
char *formats_write (
    const char *folder, const char *name, const void *data, gssize n);
/* A path in tests/golden. */
char *formats_golden (const char *name);
/* The same in the whole set; NULL where that is not there. */
char *formats_shared (const char *name);
/* The content of a file, which must be there. */
GBytes *formats_read (const char *path);

/* The error must be there, of this domain and code, and say `part`. Frees it. */
void formats_expect (
    GError *error, GQuark domain, int code, const char *part, const char *what);

/* Called with every prefix of the data, its own length excepted, and with copies
 * in which one byte is another (three values each), `at` being where. */
typedef void (*FormatsFunc) (
    const guint8 *data, gsize n, gsize at, gpointer user_data);
void formats_cut (
    const guint8 *data, gsize n, gsize step, FormatsFunc func, gpointer data2);
void formats_flip (
    const guint8 *data, gsize n, gsize step, FormatsFunc func, gpointer data2);
