/* trainer-start.c: the weights that a run begins with.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A checkpoint, whatever its form, is first made a model folder of the run's own
 * configuration, `.NAME_start` in the output folder, and removed when it is loaded.
 */

#include "trainer-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "checkpoint.h"
#include "mblm-error.h"
#include "model-private.h"
#include "read-file.h"

/* Where a checkpoint is made what a learner reads: hidden, as it is the run's. */
static char *
start_folder (MblmTrainer *self)
{
  g_autofree char *name = g_strdup_printf (".%s_start", self->config->name);

  return g_build_filename (self->output, name, NULL);
}

/* Where the tensors of a checkpoint are, of a model folder or a .safetensors
 * file; NULL for a .pth file, which has to be read first. */
static char *
find_weights (const char *checkpoint)
{
  if (g_file_test (checkpoint, G_FILE_TEST_IS_DIR))
    return g_build_filename (checkpoint, "model.safetensors", NULL);
  return g_str_has_suffix (checkpoint, ".safetensors") ? g_strdup (checkpoint)
                                                       : NULL;
}

/* Opens the tensors at `path`, which have to be those of the run's model; `model`
 * gets one without weights. */
static MblmTensorFile *
open_weights (
    MblmTrainer *self, const char *path, MblmModel **model, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, error);
  MblmParameters *parameters;

  if (file == NULL)
    return NULL;
  *model = mblm_model_new_bare (config->model, file, error);
  if (*model == NULL)
    return NULL;
  parameters = (*model)->parameters;
  if (config->migrate_embeddings
          ? mblm_parameters_check_migration (parameters, file, error)
          : mblm_parameters_check_file (parameters, file, error))
    return g_steal_pointer (&file);
  g_prefix_error (error, "%s is not a model of %s: ", config->checkpoint_file,
      config->path);
  return NULL;
}

gboolean
mblm_trainer_check_start (MblmTrainer *self, GError **error)
{
  const char *checkpoint = self->config->checkpoint_file;
  g_autofree char *path = NULL;
  g_autoptr (MblmTensorFile) file = NULL;
  g_autoptr (MblmModel) model = NULL;
  guint64 size;
  int fd;

  if (checkpoint == NULL || self->resume)
    return TRUE;
  path = find_weights (checkpoint);
  if (path != NULL) {
    file = open_weights (self, path, &model, error);
    return file != NULL;
  }
  fd = mblm_open_file (checkpoint, &size, error);
  if (fd >= 0)
    close (fd);
  return fd >= 0;
}

/* The values of `p`: those of the file, and fresh ones where it has fewer. */
static float *
read_values (const MblmParameter *p, MblmTensorFile *file,
    const MblmTensorEntry *entry, GRand *random, GError **error)
{
  g_autofree float *values = g_try_new (float, p->n_elements);

  if (values == NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "not enough memory for tensor %s", p->name);
    return NULL;
  }
  if (entry->n_elements < p->n_elements)
    mblm_parameter_draw (p, random, values);
  if (!mblm_tensor_file_read (file, entry, 0, entry->n_elements, values, error))
    return NULL;
  return g_steal_pointer (&values);
}

static gboolean
write_weights (MblmTrainer *self, MblmModel *model, MblmTensorFile *file,
    const char *path, GError **error)
{
  g_autoptr (GHashTable) index = mblm_parameters_index_file (file, error);
  g_autoptr (MblmTensorWriter) writer = mblm_tensor_writer_new ();
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GRand) random = mblm_parameters_new_random (self->config->seed);

  for (guint i = 0; index != NULL && i < model->parameters->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (model->parameters->list, i);
    const MblmTensorEntry *entry = g_hash_table_lookup (index, p->name);
    float *values;

    if (entry == NULL) /* a buffer that is computed */
      continue;
    values = read_values (p, file, entry, random, error);
    if (values == NULL)
      return FALSE;
    g_ptr_array_add (all, values);
    mblm_tensor_writer_add (
        writer, p->name, MBLM_DTYPE_F32, p->n_dims, p->shape, values);
  }
  return index != NULL && mblm_tensor_writer_finish (writer, path, error);
}

/* Writes the model of a checkpoint into `folder`. */
static gboolean
import (MblmTrainer *self, const char *folder, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  g_autofree char *yaml = mblm_config_to_yaml (config->model);
  g_autofree char *json = mblm_info_to_json (self->info);
  g_autofree char *to = g_build_filename (folder, "model.safetensors", NULL);
  g_autofree char *from = find_weights (config->checkpoint_file);
  g_autoptr (MblmTensorFile) file = NULL;
  g_autoptr (MblmModel) model = NULL;

  if (from == NULL) {
    from = g_build_filename (folder, "checkpoint.safetensors", NULL);
    if (!mblm_checkpoint_read (config->checkpoint_file, from, error))
      return FALSE;
  }
  file = open_weights (self, from, &model, error);
  return file != NULL && write_weights (self, model, file, to, error) &&
      mblm_trainer_write_file (folder, "config.yaml", yaml, error) &&
      (!self->has_info ||
          mblm_trainer_write_file (folder, "mblm.json", json, error));
}

static MblmLearner *
import_learner (
    MblmTrainer *self, const MblmLearnerOptions *options, GError **error)
{
  g_autofree char *folder = start_folder (self);
  MblmLearner *learner = NULL;

  if (!mblm_remove_folder (folder, error))
    return NULL;
  if (g_mkdir (folder, 0777) != 0) {
    int code = errno;

    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
        "%s: can't make it: %s", folder, g_strerror (code));
    return NULL;
  }
  if (import (self, folder, error))
    learner = mblm_learner_new_from_folder (
        folder, self->device, options, error);
  mblm_remove_folder (folder, NULL);
  return learner;
}

/* The state's model has the shape that the training file says. */
static gboolean
check_shape (MblmTrainer *self, const char *state_folder, GError **error)
{
  g_autofree char *path = g_build_filename (state_folder, "config.yaml", NULL);
  g_autoptr (MblmConfig) config = mblm_config_load (path, error);
  g_autofree char *had = config != NULL ? mblm_config_to_yaml (config) : NULL;
  g_autofree char *has = mblm_config_to_yaml (self->config->model);

  if (had == NULL || g_str_equal (had, has))
    return had != NULL;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "%s: the state has a model of another shape (%s)", self->config->path,
      path);
  return FALSE;
}

gboolean
mblm_trainer_start (MblmTrainer *self, const char *state_folder, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  const MblmLearnerOptions options = mblm_trainer_get_options (self);
  g_autofree char *start = start_folder (self);
  g_autofree char *path = NULL;

  /* of a process that was killed while it imported */
  mblm_remove_folder (start, NULL);
  if (state_folder == NULL) {
    self->learner = config->checkpoint_file != NULL
        ? import_learner (self, &options, error)
        : mblm_learner_new_fresh (config->model, self->info, config->seed,
              self->device, &options, error);
    return self->learner != NULL;
  }
  if (!check_shape (self, state_folder, error))
    return FALSE;
  path = g_build_filename (state_folder, "state.safetensors", NULL);
  self->learner = mblm_learner_new_from_folder (
      state_folder, self->device, &options, error);
  return self->learner != NULL &&
      mblm_learner_read_state (
          self->learner, path, self->state->adam_steps, error);
}
