/* input.c: files, folders and standard input as bytes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (64 * 1024)

static void
set_error (const char *path, int code, GError **error)
{
  const char *advice = "";

  if (code == ENOENT)
    advice = _ ("; check the path");
  else if (code == EACCES)
    advice = _ ("; you may not read it");
  else if (code == EISDIR)
    advice = _ ("; give the files in it");
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "%s: %s%s",
      path, g_strerror (code), advice);
}

/* GIO names no file in what it says about a stream. */
static void
prefix_error (const char *path, GError **error)
{
  if (error && *error &&
      !g_error_matches (*error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_prefix_error (error, "%s: ", path);
}

GInputStream *
input_open (const char *path, GError **error)
{
  struct stat status;

  if (g_str_equal (path, "-"))
    return g_unix_input_stream_new (STDIN_FILENO, FALSE);

  int fd = g_open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);

  if (fd < 0 || fstat (fd, &status) < 0 || S_ISDIR (status.st_mode)) {
    int code = fd >= 0 && S_ISDIR (status.st_mode) ? EISDIR : errno;

    if (fd >= 0)
      close (fd);
    set_error (path, code, error);
    return NULL;
  }
  return g_unix_input_stream_new (fd, TRUE);
}

gboolean
input_fill (GInputStream *stream, const char *path, void *buffer, gsize size,
    gsize *got, GCancellable *cancellable, GError **error)
{
  if (g_input_stream_read_all (stream, buffer, size, got, cancellable, error))
    return TRUE;
  prefix_error (path, error);
  return FALSE;
}

GBytes *
input_read (
    const char *path, gsize max, GCancellable *cancellable, GError **error)
{
  g_autoptr (GInputStream) stream = input_open (path, error);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree guint8 *chunk = g_malloc (CHUNK);
  gsize got;

  if (!stream)
    return NULL;
  do {
    if (!input_fill (stream, path, chunk, CHUNK, &got, cancellable, error))
      return NULL;
    if (got > max - bytes->len) {
      g_autofree char *limit = g_format_size_full (
          max, G_FORMAT_SIZE_IEC_UNITS);

      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
          _ ("%s: larger than %s; give a smaller file"), path, limit);
      return NULL;
    }
    g_byte_array_append (bytes, chunk, got);
  } while (got == CHUNK);
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

/* ------------------------------------------------------------------------- */
/* Folders                                                                   */
/* ------------------------------------------------------------------------- */

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static gboolean
walk_folder (const char *folder, InputVisit visit, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);

  if (!dir) {
    set_error (folder, errno, &error);
    return visit (folder, error, user_data);
  }
  for (const char *name; (name = g_dir_read_name (dir));)
    g_ptr_array_add (names, g_strdup (name));
  g_clear_pointer (&dir, g_dir_close);
  g_ptr_array_sort (names, compare_names);

  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = g_build_filename (folder, names->pdata[i], NULL);
    struct stat status;
    gboolean go_on = TRUE;

    if (g_lstat (path, &status) < 0) {
      g_autoptr (GError) problem = NULL;

      if (errno == ENOENT)
        continue; /* gone since it was listed */
      set_error (path, errno, &problem);
      if (!visit (path, problem, user_data))
        return FALSE;
      continue;
    }
    if (S_ISDIR (status.st_mode))
      go_on = walk_folder (path, visit, user_data);
    else if (S_ISREG (status.st_mode))
      go_on = visit (path, NULL, user_data);
    if (!go_on)
      return FALSE;
  }
  return TRUE;
}

gboolean
input_walk (const char *path, InputVisit visit, gpointer user_data)
{
  if (!g_str_equal (path, "-") && g_file_test (path, G_FILE_TEST_IS_DIR))
    return walk_folder (path, visit, user_data);
  return visit (path, NULL, user_data);
}
