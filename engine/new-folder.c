/* new-folder.c: folders that are there whole or not at all.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "new-folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "atomic-file.h"
#include "mblm-error.h"
#include "message.h"

struct _MblmNewFolder {
  char *path;      /* as given */
  char *target;    /* absolute */
  char *temporary; /* until the commit */
};

static gboolean
check_free (const char *folder, GError **error)
{
  g_autoptr (GDir) dir = NULL;

  /* what a rename can't take the place of, nor should */
  if (g_file_test (folder, G_FILE_TEST_IS_SYMLINK)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: it is a link: give the folder that it stands for", folder);
    return FALSE;
  }
  if (!g_file_test (folder, G_FILE_TEST_EXISTS))
    return TRUE;
  dir = g_dir_open (folder, 0, error);
  if (dir == NULL)
    return FALSE;
  if (g_dir_read_name (dir) == NULL)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: the folder is not empty: choose another, or remove it", folder);
  return FALSE;
}

/* With the permissions of the user's umask. */
static gboolean
make_temporary (MblmNewFolder *self, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (self->target);
  g_autofree char *base = g_path_get_basename (self->target);

  for (guint i = 0; i < 100; i++) {
    g_autofree char *name = g_strdup_printf (
        ".%.200s.%08x", base, g_random_int ());
    g_autofree char *path = g_build_filename (parent, name, NULL);

    if (g_mkdir (path, 0777) == 0) {
      self->temporary = g_steal_pointer (&path);
      return TRUE;
    }
    if (errno != EEXIST)
      break;
  }
  return mblm_fail_errno (self->target, "make", error);
}

MblmNewFolder *
mblm_new_folder_new (const char *path, GError **error)
{
  g_autoptr (MblmNewFolder) self = g_new0 (MblmNewFolder, 1);

  self->path = g_strdup (path);
  self->target = g_canonicalize_filename (path, NULL);
  if (!check_free (self->target, error) || !make_temporary (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

const char *
mblm_new_folder_get_path (MblmNewFolder *self)
{
  return self->temporary;
}

gboolean
mblm_new_folder_write (MblmNewFolder *self, const char *name, const void *data,
    gsize n, GError **error)
{
  g_autofree char *path = g_build_filename (self->temporary, name, NULL);

  return mblm_atomic_file_save (path, data, n, error);
}

gboolean
mblm_new_folder_commit (MblmNewFolder *self, GError **error)
{
  if (g_rename (self->temporary, self->target) != 0)
    return mblm_fail_errno (self->path, "make", error);
  mblm_sync_folder_of (self->target);
  g_clear_pointer (&self->temporary, g_free);
  return TRUE;
}

static void
remove_temporary (MblmNewFolder *self)
{
  /* no link that somebody has put in its place */
  int fd = open (
      self->temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  struct dirent *entry;

  if (dir == NULL) {
    if (fd >= 0)
      close (fd);
    return;
  }
  while ((entry = readdir (dir)) != NULL)
    unlinkat (fd, entry->d_name, 0);
  closedir (dir);
  g_rmdir (self->temporary);
}

void
mblm_new_folder_free (MblmNewFolder *self)
{
  if (self->temporary != NULL)
    remove_temporary (self);
  g_free (self->temporary);
  g_free (self->target);
  g_free (self->path);
  g_free (self);
}
