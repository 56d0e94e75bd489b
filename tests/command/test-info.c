/* test-info.c: `mblm info`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "spawn.h"

#include <string.h>

static char *folder;

static char *
copy (const char *from, const char *name)
{
  g_autofree char *path = g_build_filename (
      g_getenv ("MBLM_TEST_MODELS"), from, name, NULL);
  g_autofree char *data = NULL;
  gsize n;

  g_assert_true (g_file_get_contents (path, &data, &n, NULL));
  return folder_write (folder, name, data, n);
}

/* What a model says of itself is shown, and moves no cursor. */
static void
test_escapes (void)
{
  static const char json[] =
      "{\"format\": 1, \"name\": \"x\\u001b[2Jy\", \"task\": \"text\", "
      "\"licence\": \"a\\u0007b\\r\"}";
  g_autofree char *config = copy ("published", "config.yaml");
  g_autofree char *weights = copy ("published", "model.safetensors");
  g_autofree char *info = folder_write (
      folder, "mblm.json", json, strlen (json));
  g_autoptr (Spawned) s = spawn ("info", folder, NULL);

  spawned_assert_ok (s);
  for (const char *p = s->out; *p; p++)
    g_assert_true (*p == '\n' || (guchar) *p >= 0x20);
  g_assert_nonnull (strstr (s->out, "x\\x1B[2Jy"));
  g_assert_nonnull (strstr (s->out, "a\\x07b\\r"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  g_test_add_func ("/info/escapes", test_escapes);
  int status = g_test_run ();
  folder_remove (folder);
  return status;
}
