/* read-file.c: small files, whole.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "read-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mblm-error.h"

static void
set_errno (GError **error, const char *path, const char *what, int code)
{
  if (code == ENOENT || code == ENOTDIR)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
        "%s: there is no such file", path);
  else
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
        "%s: can't %s it: %s", path, what, g_strerror (code));
}

int
mblm_open_file (const char *path, guint64 *size, GError **error)
{
  struct stat status;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

  if (fd < 0) {
    set_errno (error, path, "open", errno);
    return -1;
  }
  if (fstat (fd, &status) != 0) {
    set_errno (error, path, "examine", errno);
    close (fd);
    return -1;
  }
  if (!S_ISREG (status.st_mode)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: %s, not a regular file", path,
        S_ISDIR (status.st_mode) ? "a folder" : "a device, pipe or socket");
    close (fd);
    return -1;
  }
  *size = (guint64) status.st_size;
  return fd;
}

gboolean
mblm_read_at (int fd, void *out, gsize n, guint64 offset)
{
  guint8 *to = out;

  while (n > 0) {
    /* the kernel takes at most 2^31 - 4096 at once */
    ssize_t got = pread (fd, to, MIN (n, (gsize) 1 << 30), (off_t) offset);

    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0) {
      errno = got < 0 ? errno : 0;
      return FALSE;
    }
    to += got;
    n -= (gsize) got;
    offset += (guint64) got;
  }
  return TRUE;
}

char *
mblm_read_file (const char *path, gsize max, gsize *length, GError **error)
{
  guint64 size;
  int fd = mblm_open_file (path, &size, error);
  g_autofree char *out = NULL;

  if (fd < 0)
    return NULL;
  if (size > max) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: %" G_GUINT64_FORMAT " bytes; at most %" G_GSIZE_FORMAT
        " are possible",
        path, size, max);
  } else if ((out = g_try_malloc ((gsize) size + 1)) == NULL) {
    g_set_error (
        error, MBLM_ERROR, MBLM_ERROR_MEMORY, "%s: out of memory", path);
  } else if (!mblm_read_at (fd, out, (gsize) size, 0)) {
    if (errno != 0)
      set_errno (error, path, "read", errno);
    else
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
          "%s: became shorter while it was read", path);
    g_clear_pointer (&out, g_free);
  } else {
    out[size] = '\0';
    *length = (gsize) size;
  }
  close (fd);
  return g_steal_pointer (&out);
}
