/* init.c: `mblm init`, a model folder with fresh weights.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "command.h"

#include "folder.h"

int
command_init (Command *command, char **argv)
{
  g_autofree char *output = NULL, *seed_text = NULL;
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
          N_ ("The model folder to write"), N_ ("FOLDER")},
      {"seed", 0, 0, G_OPTION_ARG_STRING, &seed_text,
          N_ ("Of the weights (default: 0); the same seed gives the same file"),
          N_ ("S")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("CONFIG.yaml --output FOLDER"),
      .summary = _ (
          "Writes a model folder with fresh weights, initialised as "
          "published. CONFIG.yaml is a\nmodel configuration or a whole "
          "training configuration of the published schema."),
      .description = _ ("Example:\n  mblm init small.yaml --output small"),
      .entries = entries,
      .min = 1,
      .max = 1,
  };
  g_autoptr (GError) error = NULL;
  guint64 seed = 0;
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!output)
    return command_usage_error (command, _ ("--output is missing"));
  if (!command_parse_number (
          command, "--seed", seed_text, 0, G_MAXUINT64, &seed))
    return COMMAND_USAGE;

  g_autoptr (MblmConfig) config = mblm_config_load (names[0], &error);

  if (!config || !mblm_model_create (config, seed, output, &error) ||
      !folder_report (command, output, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
