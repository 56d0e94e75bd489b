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

/* What has to be given, and not together. */
static gboolean
check (Command *command, const char *name, const char *config,
    const char *output, gboolean resized)
{
  const char *message = NULL;

  if (!output)
    message = _ ("--output is missing");
  else if (!config && g_str_has_suffix (name, ".pth"))
    message = _ ("--config must be given with a checkpoint");
  else if (config && resized)
    message = _ ("--image-size and --patches are for a model: convert the "
                 "checkpoint first");
  else if (command_get_precision (command) == MBLM_PRECISION_TF32)
    message = _ ("--precision: weights in files are f32 or bf16; tf32 is for "
                 "products");
  if (message)
    command_usage_error (command, "%s", message);
  return message == NULL;
}

int
command_convert (Command *command, char **argv)
{
  g_autofree char *output = NULL, *config = NULL;
  g_autofree char *image_size = NULL, *patches = NULL;
  const GOptionEntry entries[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &config,
          N_ ("The configuration that a checkpoint was trained with"),
          N_ ("CONFIG.yaml")},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
          N_ ("The model folder to write"), N_ ("FOLDER")},
      {"image-size", 0, 0, G_OPTION_ARG_STRING, &image_size,
          N_ ("Of the pictures that the model is to see"), N_ ("WxH")},
      {"patches", 0, 0, G_OPTION_ARG_STRING, &patches,
          N_ ("Outermost patches of its context"), N_ ("N")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("CHECKPOINT.pth|MODEL --output FOLDER"),
      .summary = _ (
          "Makes a model folder of a checkpoint that the published "
          "implementation saved, with\n--config, or of another model, whose "
          "weights --precision halves. A checkpoint is a\npickle: a "
          "separate process without rights reads it, and accepts only what "
          "such a\ncheckpoint needs.\n\nWith --image-size and --patches a "
          "model gets another size, to be trained on from\nthere: its learned "
          "positions are spread over the new pictures, and repeated where\n"
          "there is more room behind them."),
      .description = _ (
          "Examples:\n  mblm convert checkpoint.pth --config "
          "config.yaml --output my-model\n"
          "  mblm convert out/mine_1/mine_top1 --precision bf16 --output mine\n"
          "  mblm convert scenes --image-size 60x40 --patches 224 --output "
          "larger"),
      .entries = entries,
      .min = 1,
      .max = 1,
  };
  g_autoptr (GError) error = NULL;
  MblmModelSize size = {0};
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!check (command, names[0], config, output, image_size || patches) ||
      !command_parse_size (
          command, "--image-size", image_size, &size.width, &size.height) ||
      !command_parse_number (
          command, "--patches", patches, 1, G_MAXINT32, &size.patches))
    return COMMAND_USAGE;

  /* The reader is to end with us. */
  if (config)
    command_allow_interrupts ();
  MblmPrecision precision = command_get_precision (command);
  progress_show (_ ("converting %s"), names[0]);
  gboolean done = config
      ? mblm_checkpoint_convert (names[0], config, precision, output, &error)
      : mblm_model_pack (names[0], precision,
            image_size || patches ? &size : NULL, output, command->cancellable,
            &error);
  progress_clear ();

  if (!done || !folder_report (command, output, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
