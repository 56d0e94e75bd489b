/* runs.c: what training runs leave behind.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "runs.h"

#include <string.h>

#define COLUMNS 11
#define TIMESTAMP 1

char *
runs_read (const char *output, const char *name)
{
  g_autofree char *path = g_build_filename (output, name, NULL);
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    g_error ("%s is not there", path);
  return text;
}

char *
runs_read_losses (const char *output)
{
  g_autofree char *text = runs_read (output, "loss.csv");
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GString *out = g_string_new (NULL);

  for (guint i = 0; lines[i] != NULL && lines[i][0] != '\0'; i++) {
    g_auto (GStrv) fields = g_strsplit (lines[i], ",", -1);

    g_assert_cmpuint (g_strv_length (fields), ==, COLUMNS);
    for (guint k = 0; k < COLUMNS; k++)
      if (k != TIMESTAMP)
        g_string_append_printf (
            out, "%s%s", fields[k], k < COLUMNS - 1 ? "," : "\n");
  }
  return g_string_free (out, FALSE);
}

static void
assert_same_file (const char *a, const char *b, const char *name)
{
  g_autofree char *path_a = g_build_filename (a, name, NULL);
  g_autofree char *path_b = g_build_filename (b, name, NULL);
  g_autofree char *bytes_a = NULL;
  g_autofree char *bytes_b = NULL;
  gsize size_a, size_b;

  if (!g_file_get_contents (path_a, &bytes_a, &size_a, NULL) ||
      !g_file_get_contents (path_b, &bytes_b, &size_b, NULL))
    g_error ("%s or %s is not there", path_a, path_b);
  if (size_a != size_b || memcmp (bytes_a, bytes_b, size_a) != 0)
    g_error ("%s and %s differ", path_a, path_b);
}

void
runs_assert_same (const char *a, const char *b)
{
  static const char *const files[] = {"run_top1/model.safetensors",
      "run_top1/training.json", "run_top1/config.yaml",
      "run_top2/model.safetensors", "run_top2/training.json",
      "state/model.safetensors", "state/state.safetensors"};
  g_autofree char *losses_a = runs_read_losses (a);
  g_autofree char *losses_b = runs_read_losses (b);

  g_assert_cmpstr (losses_a, ==, losses_b);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    assert_same_file (a, b, files[i]);
}
