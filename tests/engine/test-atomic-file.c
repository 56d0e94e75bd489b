/* test-atomic-file.c: files that are there whole or not at all.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "atomic-file.h"

#include <sys/stat.h>

#include "fresh.h"
#include "mblm-error.h"

static char *folder;

static void
assert_content (const char *path, const char *wanted)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, wanted);
}

/* What was there stays until the commit. */
static void
test_replace (void)
{
  g_autofree char *path = g_build_filename (folder, "file", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (mblm_atomic_file_save (path, "old", 3, &error));
  MblmAtomicFile *dropped = mblm_atomic_file_new (path, &error);
  g_assert_true (mblm_atomic_file_write (dropped, "new", 3, &error));
  assert_content (path, "old");
  mblm_atomic_file_free (dropped);
  assert_content (path, "old");
  g_assert_true (mblm_atomic_file_save (path, "newer", 5, &error));
  g_assert_no_error (error);
  assert_content (path, "newer");
}

/* A pipe stays one, as /dev/null must, and a folder. */
static void
test_no_file (void)
{
  g_autofree char *pipe = g_build_filename (folder, "pipe", NULL);
  const char *const paths[] = {pipe, folder, "/dev/null"};

  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (GError) error = NULL;
    struct stat before, after;

    g_assert_cmpint (stat (paths[i], &before), ==, 0);
    g_assert_null (mblm_atomic_file_new (paths[i], &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
    g_assert_true (g_str_has_prefix (error->message, paths[i]));
    g_assert_cmpint (stat (paths[i], &after), ==, 0);
    g_assert_cmpuint (after.st_ino, ==, before.st_ino);
  }
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = fresh_folder ();
  g_test_add_func ("/atomic-file/replace", test_replace);
  g_test_add_func ("/atomic-file/no-file", test_no_file);
  status = g_test_run ();
  fresh_remove (folder);
  return status;
}
