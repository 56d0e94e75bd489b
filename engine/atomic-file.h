/* atomic-file.h: files that are there whole or not at all.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A new file is written under a hidden name beside its path, synced, and renamed
 * to it by the commit; freed before, it is removed. What the path held before
 * stays until then. Private to the engine and its command.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _MblmAtomicFile MblmAtomicFile;

/* Errors of all: G_FILE_ERROR; INPUT for a path that is there and no file. */
MblmAtomicFile *mblm_atomic_file_new (const char *path, GError **error);
/* The open file, for writing. */
int mblm_atomic_file_get_fd (MblmAtomicFile *self);
gboolean mblm_atomic_file_write (
    MblmAtomicFile *self, const void *data, gsize n, GError **error);
gboolean mblm_atomic_file_commit (MblmAtomicFile *self, GError **error);
/* A whole file at once. */
gboolean mblm_atomic_file_save (
    const char *path, const void *data, gsize n, GError **error);
void mblm_atomic_file_free (MblmAtomicFile *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmAtomicFile, mblm_atomic_file_free)

/* Syncs the folder that holds `path`, so that a rename in it lasts. */
void mblm_sync_folder_of (const char *path);

G_END_DECLS
