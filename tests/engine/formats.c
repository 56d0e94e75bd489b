/* formats.c: files, good and damaged, for the tests of formats.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "formats.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

char *
formats_write (const char *folder, const char *name, const void *data, gssize n)
{
  char *path = g_build_filename (folder, name, NULL);
  gsize length = n < 0 ? strlen (data) : (gsize) n;
  FILE *file = g_fopen (path, "wb");

  g_assert_nonnull (file);
  if (length > 0)
    g_assert_cmpuint (fwrite (data, 1, length, file), ==, length);
  g_assert_cmpint (fclose (file), ==, 0);
  return path;
}

char *
formats_golden (const char *name)
{
  return g_build_filename (g_getenv ("MBLM_TEST_GOLDEN"), name, NULL);
}

char *
formats_shared (const char *name)
{
  char *path = g_build_filename (g_getenv ("MBLM_TEST_SHARED"), name, NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    g_clear_pointer (&path, g_free);
  return path;
}

GBytes *
formats_read (const char *path)
{
  char *data;
  gsize n;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &data, &n, &error);
  g_assert_no_error (error);
  return g_bytes_new_take (data, n);
}

void
formats_expect (
    GError *error, GQuark domain, int code, const char *part, const char *what)
{
  if (error == NULL)
    g_error ("%s: it was taken", what);
  if (error->domain != domain || error->code != code ||
      strstr (error->message, part) == NULL)
    g_error ("%s: \"%s\" (%s %d) does not say \"%s\"", what, error->message,
        g_quark_to_string (error->domain), error->code, part);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_error_free (error);
}

void
formats_cut (
    const guint8 *data, gsize n, gsize step, FormatsFunc func, gpointer data2)
{
  for (gsize length = 0; length < n; length += step) {
    /* a block of its own, so that a read behind its end is seen */
    g_autofree guint8 *copy = g_memdup2 (data, MAX (length, 1));

    func (copy, length, length, data2);
  }
}

void
formats_flip (
    const guint8 *data, gsize n, gsize step, FormatsFunc func, gpointer data2)
{
  static const guint8 masks[] = {0x01, 0x80, 0xff};
  g_autofree guint8 *copy = g_memdup2 (data, n);

  for (gsize at = 0; at < n; at += step)
    for (guint i = 0; i < G_N_ELEMENTS (masks); i++) {
      copy[at] = data[at] ^ masks[i];
      func (copy, n, at, data2);
      copy[at] = data[at];
    }
}
