/* debug.c: `mblm debug`, arrays in, arrays out: what tests call.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "debug.h"

#include "output.h"

static const CommandEntry entries[] = {
    {"logits", N_ ("The prediction after each id"), command_debug_logits},
    {"loss", N_ ("The published loss of a batch"), command_debug_loss},
    {"greedy", N_ ("The most probable continuation, as ids"),
        command_debug_greedy},
    {"steps", N_ ("Optimiser steps, one per batch"), command_debug_steps},
};

int
command_debug (Command *self, char **argv)
{
  const CommandUsage usage = {
      .parameters = _ ("COMMAND …"),
      .summary = _ ("Reads ids from .npy files and writes what the model makes "
                    "of them, for comparison\nwith other implementations."),
      .description = _ ("Arrays are in C order: ids int32 or int64, masks "
                        "float32, attention masks uint8 or bool."),
  };

  return command_dispatch (self, entries, G_N_ELEMENTS (entries), &usage, argv);
}

/* ------------------------------------------------------------------------- */
/* Arrays                                                                    */
/* ------------------------------------------------------------------------- */

void
debug_ids_clear (DebugIds *self)
{
  mblm_npy_clear (&self->array);
}

gboolean
debug_ids_load (const char *path, DebugIds *self, GError **error)
{
  MblmNpy *array = &self->array;

  if (!mblm_npy_load_ids (path, array, error))
    return FALSE;
  if (array->n_dims < 1 || array->n_dims > 2) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        _ ("%s: an array of %u dimensions; ids are [length] or "
           "[batch, length]"),
        path, array->n_dims);
    return FALSE;
  }
  self->ids = array->data;
  self->batch = array->n_dims == 2 ? array->shape[0] : 1;
  self->length = array->shape[array->n_dims - 1];
  if (!self->batch) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        _ ("%s: the batch is empty; give at least one sequence"), path);
    return FALSE;
  }
  return TRUE;
}

gboolean
debug_check_shape (
    const DebugIds *ids, const MblmNpy *array, const char *path, GError **error)
{
  gboolean same = array->n_dims == ids->array.n_dims;

  for (guint i = 0; same && i < array->n_dims; i++)
    same = array->shape[i] == ids->array.shape[i];
  if (!same)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        _ ("%s: not of the shape of the ids, %zu sequences of %zu"), path,
        ids->batch, ids->length);
  return same;
}

float *
debug_new_floats (gsize rows, gsize width, gsize depth, GError **error)
{
  gsize n;
  float *floats = NULL;

  if (g_size_checked_mul (&n, rows, width) && g_size_checked_mul (&n, n, depth))
    floats = g_try_new (float, MAX (n, 1));
  if (!floats)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        _ ("not enough memory for [%zu, %zu, %zu] numbers: give fewer ids"),
        rows, width, depth);
  return floats;
}

/* ------------------------------------------------------------------------- */
/* debug loss                                                                */
/* ------------------------------------------------------------------------- */

typedef struct {
  char *ids, *loss_mask, *labels, *attention_mask, *gradients;
} LossPaths;

static void
loss_paths_clear (LossPaths *self)
{
  g_free (self->ids);
  g_free (self->loss_mask);
  g_free (self->labels);
  g_free (self->attention_mask);
  g_free (self->gradients);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LossPaths, loss_paths_clear)

typedef gboolean (*LoadArray) (const char *path, MblmNpy *out, GError **error);

/* An array beside the ids, where a path is given. */
static gboolean
load_beside (const DebugIds *ids, const char *path, LoadArray load,
    MblmNpy *array, GError **error)
{
  return !path ||
      (load (path, array, error) &&
          debug_check_shape (ids, array, path, error));
}

static gboolean
compute_loss (Command *command, const char *name, const MblmLearnerBatch *batch,
    double *loss, GError **error)
{
  g_autoptr (MblmModel) model = command_load_model (command, name, error);

  return model &&
      mblm_model_loss (model, batch->ids, batch->batch, batch->length,
          batch->loss_mask, batch->labels, batch->attention_mask, loss,
          command->cancellable, error);
}

/* By a learner, whose loss is that of training. */
static gboolean
write_gradients (Command *command, const char *name,
    const MblmLearnerBatch *batch, const char *path, double *loss,
    GError **error)
{
  g_autoptr (MblmLearner) learner = debug_load_learner (command, name, error);

  if (!learner)
    return FALSE;
  if (!mblm_config_is_encoder (
          mblm_model_get_config (mblm_learner_get_model (learner))) &&
      (batch->labels || batch->attention_mask)) {
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        _ ("labels and attention masks are for encoders; leave them out"));
    return FALSE;
  }
  return mblm_learner_accumulate (
             learner, batch, 1, 0, loss, command->cancellable, error) &&
      mblm_learner_write_gradient (learner, path, error);
}

static gboolean
print_loss (
    Command *command, const char *name, const LossPaths *paths, GError **error)
{
  g_auto (DebugIds) ids = {.ids = NULL};
  g_auto (MblmNpy) loss_mask = {.data = NULL}, labels = {.data = NULL},
                   attention_mask = {.data = NULL};
  double loss;

  if (!debug_ids_load (paths->ids, &ids, error) ||
      !load_beside (
          &ids, paths->loss_mask, mblm_npy_load_floats, &loss_mask, error) ||
      !load_beside (&ids, paths->labels, mblm_npy_load_ids, &labels, error) ||
      !load_beside (&ids, paths->attention_mask, mblm_npy_load_mask,
          &attention_mask, error))
    return FALSE;

  const MblmLearnerBatch batch = {.batch = ids.batch,
      .length = ids.length,
      .ids = ids.ids,
      .loss_mask = loss_mask.data,
      .labels = labels.data,
      .attention_mask = attention_mask.data};

  if (!(paths->gradients ? write_gradients (command, name, &batch,
                               paths->gradients, &loss, error)
                         : compute_loss (command, name, &batch, &loss, error)))
    return FALSE;

  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_add_real (builder, "loss", loss);
  json_builder_end_object (builder);
  return output_json (builder, error);
}

int
command_debug_loss (Command *command, char **argv)
{
  g_auto (LossPaths) paths = {NULL};
  const GOptionEntry options[] = {
      {"ids", 0, 0, G_OPTION_ARG_FILENAME, &paths.ids,
          N_ ("Ids [batch, length]"), N_ ("IDS.npy")},
      {"loss-mask", 0, 0, G_OPTION_ARG_FILENAME, &paths.loss_mask,
          N_ ("Weight of each id"), N_ ("M.npy")},
      {"labels", 0, 0, G_OPTION_ARG_FILENAME, &paths.labels,
          N_ ("What an encoder should find"), N_ ("L.npy")},
      {"attention-mask", 0, 0, G_OPTION_ARG_FILENAME, &paths.attention_mask,
          N_ ("What an encoder attends to"), N_ ("M.npy")},
      {"gradients", 0, 0, G_OPTION_ARG_FILENAME, &paths.gradients,
          N_ ("Write the gradient of every parameter"), N_ ("OUT.safetensors")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("MODEL --ids IDS.npy"),
      .summary = _ (
          "Prints {\"loss\": …}: the cross-entropy in nats, times the "
          "mask, averaged over the\nentries that are not zero, as "
          "published."),
      .entries = options,
      .min = 1,
      .max = 1,
  };
  g_autoptr (GError) error = NULL;
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!paths.ids)
    return command_usage_error (command, _ ("--ids is missing"));
  if (!print_loss (command, names[0], &paths, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
