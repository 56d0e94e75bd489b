/* fake.c: writes a fake model, for pipelines that are typed.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fake.h"

#include <string.h>

int
main (int argc, char **argv)
{
  g_autofree char *task = NULL, *text = NULL;
  FakeOptions options = {.task = MBLM_TASK_QA};
  const GOptionEntry entries[] = {
      {"task", 0, 0, G_OPTION_ARG_STRING, &task, "What it is for", "qa|text"},
      {"text", 0, 0, G_OPTION_ARG_STRING, &text,
          "What it says; @ is the first byte of the picture", "TEXT"},
      {"prompt", 0, 0, G_OPTION_ARG_DOUBLE, &options.prompt,
          "Seconds that a picture or prompt takes", "SECONDS"},
      {"byte", 0, 0, G_OPTION_ARG_DOUBLE, &options.byte,
          "Seconds that each byte takes", "SECONDS"},
      {"load", 0, 0, G_OPTION_ARG_DOUBLE, &options.load,
          "Seconds until the weights are there", "SECONDS"},
      {NULL},
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("FOLDER");
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context,
      "Writes a model of the block type fake, which plays where MBLM_MODULES "
      "names its module.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 2) {
    g_printerr ("fake: %s\n", error != NULL ? error->message : "name a folder");
    return 2;
  }
  if (g_strcmp0 (task, "text") == 0)
    options.task = MBLM_TASK_TEXT;
  options.text = text;
  fake_model (argv[1], &options);
  return 0;
}
