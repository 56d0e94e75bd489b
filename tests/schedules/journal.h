/* journal.h: what a schedule did, told when it fails.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A process runs one schedule at a time. Whatever ends it badly, a failed check,
 * a warning of GLib, a signal, a sanitizer, or a watchdog, prints the seed and
 * the notes first.
 */

#pragma once

#include <glib.h>

/* Once for a process: takes over what kills it; `seconds` without a note are too
 * many. */
void journal_open (guint seconds, gboolean verbose);
void journal_begin (guint64 seed);
void journal_end (void);

void journal_note (const char *who, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
/* Something goes on that is worth no note. */
void journal_tick (void);
G_NORETURN void journal_fail (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* What the watchdog calls to say more, from its thread. */
void journal_set_witness (void (*tell) (gpointer data), gpointer data);
