/* spawn.h: the command in a process of its own, with a time limit.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

typedef struct {
  int status; /* of the exit, or 128 and the signal */
  char *out;  /* [out_size], and a NUL */
  gsize out_size;
  char *err;
} Spawned;

/* Runs `mblm` with the arguments up to NULL; a process that does not end fails
 * the test. */
Spawned *spawn (const char *first, ...) G_GNUC_NULL_TERMINATED;
/* The same with `input` [size] on standard input. */
Spawned *spawn_with (const void *input, gsize size, const char *first,
    ...) G_GNUC_NULL_TERMINATED;
void spawned_free (Spawned *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Spawned, spawned_free)

/* A launcher for what spawn can't do, and the path of the command for it. */
GSubprocessLauncher *spawn_launcher (GSubprocessFlags flags);
const char *spawn_path (void);
/* Waits, with the time limit; the status as in Spawned. */
int spawn_wait (GSubprocess *process);

/* Fails the test, showing stderr, unless the status is 0. */
void spawned_assert_ok (Spawned *self);
/* Fails unless the status is this, stdout is empty and stderr is a message of
 * the command that contains `text`. */
void spawned_assert_fails (Spawned *self, int status, const char *text);
/* Line `n` of stdout as a JSON object; fails the test if it is none. */
JsonObject *spawned_get_object (Spawned *self, guint n);
guint spawned_count_lines (Spawned *self);

/* A temporary folder for the test; NAME in it; and its end. */
char *folder_new (void);
void folder_remove (char *folder);
char *folder_write (
    const char *folder, const char *name, const void *data, gssize size);

G_END_DECLS
