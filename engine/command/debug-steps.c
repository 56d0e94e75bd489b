/* debug-steps.c: `mblm debug steps`: optimiser steps on given batches.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "debug.h"

#include <math.h>

#include "output.h"
#include "schedule.h"

MblmLearner *
debug_load_learner (Command *self, const char *name, GError **error)
{
  MblmLearnerOptions options = {.precision = command_get_precision (self)};
  g_autoptr (MblmDevice) device = command_open_device (self, error);
  g_autofree char *path = device ? mblm_model_find (name, error) : NULL;

  return path ? mblm_learner_new_from_folder (path, device, &options, error)
              : NULL;
}

typedef struct {
  const gint32 *ids; /* [steps, batch, length] */
  gsize steps, batch, length;
  double rate, clip;
  guint64 warmup, total;
} Steps;

static gboolean
print_step (double loss, double norm, double rate, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_add_real (builder, "loss", loss);
  json_add_real (builder, "grad_norm", norm);
  json_add_real (builder, "lr", rate);
  json_builder_end_object (builder);
  return output_json (builder, error);
}

static gboolean
run_step (Command *command, MblmLearner *learner, const Steps *steps, gsize i,
    GError **error)
{
  const MblmLearnerBatch batch = {.batch = steps->batch,
      .length = steps->length,
      .ids = steps->ids + i * steps->batch * steps->length};
  double rate = mblm_schedule_get_rate (
      steps->rate, steps->warmup, steps->total, i);
  double loss, norm;

  if (!mblm_learner_accumulate (
          learner, &batch, 1, i, &loss, command->cancellable, error) ||
      !mblm_learner_get_norm (learner, &norm, error))
    return FALSE;
  if (!isfinite (loss) || !isfinite (norm)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        _ ("the loss of batch %zu is no number: use a lower learning rate"), i);
    return FALSE;
  }
  return mblm_learner_step (learner, rate, steps->clip, norm, error) &&
      print_step (loss, norm, rate, error);
}

static gboolean
load_batches (const char *path, MblmNpy *array, Steps *steps, GError **error)
{
  if (!mblm_npy_load_ids (path, array, error))
    return FALSE;
  if (array->n_dims != 3) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        _ ("%s: an array of %u dimensions; batches are [steps, batch, length]"),
        path, array->n_dims);
    return FALSE;
  }
  steps->ids = array->data;
  steps->steps = array->shape[0];
  steps->batch = array->shape[1];
  steps->length = array->shape[2];
  return TRUE;
}

static gboolean
run_steps (Command *command, const char *name, const char *ids, Steps *steps,
    const char *output, GError **error)
{
  g_auto (MblmNpy) array = {.data = NULL};

  if (!load_batches (ids, &array, steps, error))
    return FALSE;
  if (steps->total == 0)
    steps->total = MAX (steps->steps, steps->warmup + 1);

  g_autoptr (MblmLearner) learner = debug_load_learner (command, name, error);

  if (!learner)
    return FALSE;
  if (mblm_config_is_encoder (
          mblm_model_get_config (mblm_learner_get_model (learner)))) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        _ ("%s: an encoder, which learns from labels: use `mblm train`"), name);
    return FALSE;
  }
  for (gsize i = 0; i < steps->steps; i++)
    if (!run_step (command, learner, steps, i, error))
      return FALSE;
  return mblm_learner_write_weights (learner, FALSE, output, error);
}

int
command_debug_steps (Command *command, char **argv)
{
  g_autofree char *ids = NULL, *output = NULL, *rate = NULL, *clip = NULL;
  g_autofree char *warmup = NULL, *total = NULL;
  const GOptionEntry entries[] = {
      {"ids", 0, 0, G_OPTION_ARG_FILENAME, &ids,
          N_ ("Batches [steps, batch, length]"), N_ ("BATCHES.npy")},
      {"learning-rate", 0, 0, G_OPTION_ARG_STRING, &rate,
          N_ ("Highest learning rate"), N_ ("R")},
      {"clip", 0, 0, G_OPTION_ARG_STRING, &clip,
          N_ ("Largest norm of a gradient; 0: any (default 0)"), N_ ("C")},
      {"warmup", 0, 0, G_OPTION_ARG_STRING, &warmup,
          N_ ("Steps of rising learning rate (default 0)"), N_ ("N")},
      {"total", 0, 0, G_OPTION_ARG_STRING, &total,
          N_ ("Steps of the schedule (default: as many as there are batches)"),
          N_ ("N")},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
          N_ ("Where to write the weights"), N_ ("OUT.safetensors")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("MODEL --ids BATCHES.npy --learning-rate R --output "
                       "OUT.safetensors"),
      .summary = _ ("Takes one optimiser step per batch, as published, and "
                    "prints\n{\"loss\": …, \"grad_norm\": …, \"lr\": …} for "
                    "each."),
      .entries = entries,
      .min = 1,
      .max = 1,
  };
  g_autoptr (GError) error = NULL;
  Steps steps = {0};
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!ids || !rate || !output)
    return command_usage_error (
        command, _ ("--ids, --learning-rate and --output must be given"));
  if (!command_parse_real (
          command, "--learning-rate", rate, 0, 1e6, &steps.rate) ||
      !command_parse_real (command, "--clip", clip, 0, 1e30, &steps.clip) ||
      !command_parse_number (
          command, "--warmup", warmup, 0, G_MAXINT32, &steps.warmup) ||
      !command_parse_number (
          command, "--total", total, 1, G_MAXINT32, &steps.total))
    return COMMAND_USAGE;
  if (total && steps.warmup >= steps.total)
    return command_usage_error (
        command, _ ("--warmup must be less than --total"));
  if (!run_steps (command, names[0], ids, &steps, output, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
