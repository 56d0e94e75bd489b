/* convert.c: `mblm convert`, a checkpoint or a model to a model folder.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "command.h"

#include "checkpoint.h"
#include "folder.h"
#include "model-pack.h"
#include "output.h"

int
command_convert (Command *command, char **argv)
{
  g_autofree char *output = NULL, *config = NULL;
  const GOptionEntry entries[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &config,
          N_ ("The configuration that a checkpoint was trained with"),
          N_ ("CONFIG.yaml")},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
          N_ ("The model folder to write"), N_ ("FOLDER")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("CHECKPOINT.pth|MODEL --output FOLDER"),
      .summary = _ (
          "Makes a model folder of a checkpoint that the published "
          "implementation saved, with\n--config, or of another model, whose "
          "weights --precision halves. A checkpoint is a\npickle: a "
          "separate process without rights reads it, and accepts only what "
          "such a\ncheckpoint needs."),
      .description = _ (
          "Examples:\n  mblm convert checkpoint.pth --config "
          "config.yaml --output my-model\n"
          "  mblm convert out/mine_1/mine_top1 --precision bf16 --output mine"),
      .entries = entries,
      .min = 1,
      .max = 1,
  };
  g_autoptr (GError) error = NULL;
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!output)
    return command_usage_error (command, _ ("--output is missing"));
  if (!config && g_str_has_suffix (names[0], ".pth"))
    return command_usage_error (
        command, _ ("--config must be given with a checkpoint"));

  MblmPrecision precision = command_get_precision (command);

  if (precision == MBLM_PRECISION_TF32)
    return command_usage_error (command,
        _ ("--precision: weights in files are f32 or bf16; tf32 is for "
           "products"));

  /* The reader is to end with us. */
  if (config)
    command_allow_interrupts ();
  progress_show (_ ("converting %s"), names[0]);
  gboolean done = config
      ? mblm_checkpoint_convert (names[0], config, precision, output, &error)
      : mblm_model_pack (
            names[0], precision, output, command->cancellable, &error);
  progress_clear ();

  if (!done || !folder_report (command, output, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
