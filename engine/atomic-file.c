/* atomic-file.c: files that are there whole or not at all.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "atomic-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mblm-error.h"
#include "message.h"

struct _MblmAtomicFile {
  int fd;
  char *path;
  char *temporary;
};

/* Opens a new file of a random name with the permissions that the user's umask
 * gives, which mkstemp does not. */
static int
open_temporary (MblmAtomicFile *self)
{
  g_autofree char *folder = g_path_get_dirname (self->path);
  g_autofree char *base = g_path_get_basename (self->path);

  for (guint i = 0; i < 100; i++) {
    g_autofree char *name = g_strdup_printf (
        ".%.200s.%08x", base, g_random_int ());
    g_autofree char *path = g_build_filename (folder, name, NULL);
    int fd = open (
        path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd >= 0)
      self->temporary = g_steal_pointer (&path);
    if (fd >= 0 || errno != EEXIST)
      return fd;
  }
  return -1;
}

/* A rename would take the place of a device, or of a pipe that somebody reads. */
static gboolean
check_replaceable (const char *path, GError **error)
{
  struct stat status;

  if (stat (path, &status) != 0 || S_ISREG (status.st_mode))
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: it is a %s, no file that could be replaced; name another", path,
      S_ISDIR (status.st_mode) ? "folder" : "device or pipe");
  return FALSE;
}

MblmAtomicFile *
mblm_atomic_file_new (const char *path, GError **error)
{
  if (!check_replaceable (path, error))
    return NULL;

  MblmAtomicFile *self = g_new0 (MblmAtomicFile, 1);

  self->path = g_strdup (path);
  self->fd = open_temporary (self);
  if (self->fd < 0) {
    mblm_fail_errno (path, "write", error);
    g_clear_pointer (&self, mblm_atomic_file_free);
  }
  return self;
}

int
mblm_atomic_file_get_fd (MblmAtomicFile *self)
{
  return self->fd;
}

gboolean
mblm_atomic_file_write (
    MblmAtomicFile *self, const void *data, gsize n, GError **error)
{
  const guint8 *from = data;

  while (n > 0) {
    ssize_t done = write (self->fd, from, MIN (n, (gsize) 1 << 30));

    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0)
      return mblm_fail_errno (self->path, "write", error);
    from += done;
    n -= (gsize) done;
  }
  return TRUE;
}

void
mblm_sync_folder_of (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  /* not every file system can sync a folder: the rename has happened anyway */
  if (fd >= 0) {
    (void) fsync (fd);
    close (fd);
  }
}

gboolean
mblm_atomic_file_commit (MblmAtomicFile *self, GError **error)
{
  int fd = self->fd;

  if (fsync (fd) != 0)
    return mblm_fail_errno (self->path, "write", error);
  self->fd = -1;
  if (close (fd) != 0)
    return mblm_fail_errno (self->path, "write", error);
  if (g_rename (self->temporary, self->path) != 0)
    return mblm_fail_errno (self->path, "replace", error);
  g_clear_pointer (&self->temporary, g_free);
  mblm_sync_folder_of (self->path);
  return TRUE;
}

gboolean
mblm_atomic_file_save (
    const char *path, const void *data, gsize n, GError **error)
{
  g_autoptr (MblmAtomicFile) self = mblm_atomic_file_new (path, error);

  return self != NULL && mblm_atomic_file_write (self, data, n, error) &&
      mblm_atomic_file_commit (self, error);
}

void
mblm_atomic_file_free (MblmAtomicFile *self)
{
  if (self->fd >= 0)
    close (self->fd);
  if (self->temporary != NULL)
    g_unlink (self->temporary);
  g_free (self->temporary);
  g_free (self->path);
  g_free (self);
}
