/* convert.c: `mblm convert`, a published checkpoint to a model folder.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "command.h"

#include "checkpoint.h"
#include "folder.h"
#include "output.h"

int
command_convert (Command *command, char **argv)
{
  g_autofree char *output = NULL, *config = NULL;
  const GOptionEntry entries[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &config,
          N_ ("The configuration that it was trained with"),
          N_ ("CONFIG.yaml")},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
          N_ ("The model folder to write"), N_ ("FOLDER")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("CHECKPOINT.pth --config CONFIG.yaml --output FOLDER"),
      .summary = _ (
          "Makes a model folder of a checkpoint that the published "
          "implementation saved. The\ncheckpoint is a pickle: a "
          "separate process without rights reads it, and accepts only\n"
          "what such a checkpoint needs."),
      .description = _ ("Example:\n  mblm convert checkpoint.pth --config "
                        "config.yaml --output my-model"),
      .entries = entries,
      .min = 1,
      .max = 1,
  };
  g_autoptr (GError) error = NULL;
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!config || !output)
    return command_usage_error (
        command, _ ("--config and --output must be given"));

  /* The reader is to end with us. */
  command_allow_interrupts ();
  progress_show (_ ("converting %s"), names[0]);
  gboolean done = mblm_checkpoint_convert (names[0], config, output, &error);
  progress_clear ();

  if (!done || !folder_report (command, output, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
