/* new-folder.h: folders that are there whole or not at all.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The files of a new folder are made in a hidden one beside it, which the commit
 * gives its name; freed before, it is removed. A process that is killed leaves it.
 * Private to the engine.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _MblmNewFolder MblmNewFolder;

/* `path` is not there, or an empty folder: nothing must be lost. Errors:
 * INPUT, G_FILE_ERROR. */
MblmNewFolder *mblm_new_folder_new (const char *path, GError **error);
/* Where its files go until the commit: no folders. */
const char *mblm_new_folder_get_path (MblmNewFolder *self);
/* A file of it. Errors: G_FILE_ERROR. */
gboolean mblm_new_folder_write (MblmNewFolder *self, const char *name,
    const void *data, gsize n, GError **error);
gboolean mblm_new_folder_commit (MblmNewFolder *self, GError **error);
void mblm_new_folder_free (MblmNewFolder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmNewFolder, mblm_new_folder_free)

G_END_DECLS
