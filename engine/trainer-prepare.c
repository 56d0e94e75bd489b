/* trainer-prepare.c: what can be checked before a run begins.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "trainer-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mblm-error.h"
#include "model-private.h"

MblmLearnerOptions
mblm_trainer_get_options (MblmTrainer *self)
{
  return (MblmLearnerOptions){.precision = self->config->precision,
      .memory = self->memory,
      .seed = self->config->seed,
      .layer_inputs = self->config->layer_inputs,
      .host_moments = self->config->host_moments,
      .optimizer = self->config->optimizer,
      .smooth = self->config->smooth_embeddings};
}

MblmLearnerBatch
mblm_trainer_view_batch (MblmTrainer *self, const MblmBatch *batch)
{
  gboolean encoder = mblm_config_is_encoder (self->config->model);

  return (MblmLearnerBatch){.batch = batch->batch,
      .length = batch->length,
      .ids = batch->ids,
      .loss_mask = batch->loss_mask,
      .labels = encoder ? batch->labels : NULL,
      .attention_mask = encoder ? batch->attention_mask : NULL};
}

MblmDataset *
mblm_trainer_open_split (MblmTrainer *self, MblmSplit split, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  const MblmDatasetOptions options = {.dir = config->dataset_dir,
      .split = split,
      .length = config->length,
      .args = config->dataset_args,
      .config = config->model,
      .info = self->info,
      .seed = config->seed,
      .mask_share = config->mask_share,
      .skip_unreadable = config->skip_unreadable};

  return mblm_dataset_open (config->dataset_id, &options, error);
}

/* The part of a path that is there already, without links; `rest` gets what
 * follows it. */
static char *
find_existing (const char *of, char **rest)
{
  g_autofree char *whole = g_canonicalize_filename (of, NULL);
  g_autofree char *path = g_strdup (whole);
  g_autofree char *real = NULL;

  while (access (path, F_OK) != 0 && errno == ENOENT && strlen (path) > 1) {
    char *parent = g_path_get_dirname (path);

    g_free (path);
    path = parent;
  }
  *rest = g_strdup (whole + strlen (path));
  real = realpath (path, NULL);
  return g_strdup (real != NULL ? real : path);
}

/* The folder that is there already of the path of a new one can be written. */
static gboolean
check_output (MblmTrainer *self, GError **error)
{
  g_autofree char *rest = NULL;
  g_autofree char *path = find_existing (
      self->resume ? self->output : self->config->output_dir, &rest);
  g_autofree char *hint = self->resume
      ? g_strdup ("make it writable")
      : g_strdup_printf ("set io.output_dir in %s", self->config->path);
  int code = ENOTDIR;

  if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
    if (access (path, W_OK | X_OK) == 0)
      return TRUE;
    code = errno;
  }
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
      "%s: the run can't write there: %s; %s", path, g_strerror (code), hint);
  return FALSE;
}

/* What a new run writes must not be among its data. One to go on with is compared
 * with what it began with anyway. */
static gboolean
check_apart (MblmTrainer *self, MblmDataset *dataset, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  g_autofree char *rest = NULL;
  g_autofree char *existing = find_existing (config->output_dir, &rest);
  g_autofree char *path = g_build_filename (existing, rest, NULL);

  if (self->resume || !mblm_dataset_covers (dataset, path))
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "%s: io.output_dir lies in io.dataset_dir: the run would read what it "
      "writes; choose a folder that doesn't",
      config->path);
  return FALSE;
}

/* The test split may be missing, and nothing else may be wrong with it: that is
 * better known now than when the training is over. */
static gboolean
check_test (MblmTrainer *self, GError **error)
{
  g_autoptr (GError) problem = NULL;
  MblmDataset *test = mblm_trainer_open_split (self, MBLM_SPLIT_TEST, &problem);

  if (test != NULL) {
    gboolean apart = check_apart (self, test, error);

    mblm_dataset_free (test);
    return apart;
  }
  if (g_error_matches (problem, MBLM_ERROR, MBLM_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* The fewest batches that an epoch of the run has, `count` being those of its
 * first: in a row of text the last of L epochs begins latest. */
static guint64
find_fewest (MblmTrainer *self, guint64 count)
{
  const MblmTrainingConfig *config = self->config;
  guint64 last = config->next_epoch + config->batches / MAX (count, 1);

  last = MIN (last, MAX (config->next_epoch, config->length - 1));
  return MIN (count, mblm_batches_count (self->batches, last));
}

static gboolean
check_epochs (MblmTrainer *self, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  guint64 count = mblm_batches_count (self->batches, config->next_epoch);
  guint64 fewest = find_fewest (self, count);

  self->progress.n_epoch_batches = count;
  if (fewest < config->accumulate) {
    /* a step is due where the batch's number in its epoch says so */
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "%s: an epoch has %" G_GUINT64_FORMAT " batches, fewer than "
        "gradient_accumulate_every (%" G_GUINT64_FORMAT
        "), so that no step would ever be taken: lower it, or batch_size",
        config->path, fewest, config->accumulate);
    return FALSE;
  }
  if (config->next_batch > count && !self->resume) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "%s: next_batch_index is %" G_GUINT64_FORMAT
        ", but an epoch has %" G_GUINT64_FORMAT " batches",
        config->path, config->next_batch, count);
    return FALSE;
  }
  return TRUE;
}

static gboolean
open_data (MblmTrainer *self, GError **error)
{
  const MblmTrainingConfig *config = self->config;

  self->train = mblm_trainer_open_split (self, MBLM_SPLIT_TRAIN, error);
  if (self->train == NULL)
    return FALSE;
  self->valid = mblm_trainer_open_split (self, MBLM_SPLIT_VALID, error);
  if (self->valid == NULL || !check_apart (self, self->train, error) ||
      !check_apart (self, self->valid, error) || !check_test (self, error))
    return FALSE;
  self->batches = mblm_batches_new (self->train, config->batch_size,
      config->shuffle_train, config->seed, error);
  return self->batches != NULL && check_epochs (self, error);
}

static gboolean
count_parameters (MblmTrainer *self, GError **error)
{
  g_autoptr (MblmModel)
      model = mblm_model_new_bare (self->config->model, NULL, error);

  if (model == NULL)
    return FALSE;
  self->progress.n_parameters = mblm_model_get_n_parameters (model);
  return TRUE;
}

/* Free memory of the device, or all of this machine's where it works in that; 0
 * where it can't be told. */
static guint64
get_memory (MblmTrainer *self)
{
  long pages = sysconf (_SC_PHYS_PAGES), size = sysconf (_SC_PAGESIZE);
  MblmTraits traits;

  mblm_device_get_traits (self->device, &traits);
  if (traits.memory > 0)
    return traits.memory;
  return pages > 0 && size > 0 ? (guint64) pages * (guint64) size : 0;
}

static gboolean
check_memory (MblmTrainer *self, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  const MblmLearnerNeeds needs = {.config = config->model,
      .device = self->device,
      .options = mblm_trainer_get_options (self),
      .batch = config->batch_size,
      .length = config->length,
      .accumulates = config->accumulate > 1};
  g_autoptr (GError) problem = NULL;
  guint64 there = get_memory (self);
  guint64 bytes = mblm_learner_estimate (
      &needs, &self->progress.memory, &problem);

  if (problem != NULL) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return FALSE;
  }
  self->progress.memory_bytes = bytes;
  if (there == 0 || bytes <= there)
    return TRUE;

  g_autofree char *needed = g_format_size (bytes);
  g_autofree char *had = g_format_size (there);
  g_autofree char *fit = mblm_learner_find_fit (&needs, there);

  g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
      "%s: training needs about %s of memory, %s has %s%s%s", config->path,
      needed, mblm_device_get_name (self->device), had,
      fit != NULL ? ": " : ", too little for any context: ",
      fit != NULL ? fit : "take a smaller model");
  return FALSE;
}

/* Rounded inputs of products that aren't would be the worst of both. */
static gboolean
check_inputs (MblmTrainer *self, GError **error)
{
  const MblmTrainingConfig *config = self->config;

  if (config->layer_inputs != MBLM_LAYER_INPUTS_BF16 ||
      config->precision == MBLM_PRECISION_BF16)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "%s: layer_inputs: bf16 needs precision: bf16; set that, or leave "
      "layer_inputs out",
      config->path);
  return FALSE;
}

static gboolean
check_resume (MblmTrainer *self, GError **error)
{
  return self->resume ? mblm_trainer_find_run (self, error) &&
          mblm_trainer_check_resume (self, error)
                      : mblm_training_config_check_start (self->config, error);
}

gboolean
mblm_trainer_prepare (MblmTrainer *self, GError **error)
{
  const MblmTrainingConfig *config = self->config;

  if (self->prepared)
    return TRUE;
  self->progress.n_batches = config->batches;
  self->progress.n_steps = config->steps;
  self->progress.batch_bytes = config->batch_size * config->length;
  /* a run to go on with is looked at first, and again when the data are open */
  if (!check_inputs (self, error) || !check_resume (self, error) ||
      !count_parameters (self, error) || !check_memory (self, error) ||
      !check_output (self, error) || !mblm_trainer_check_start (self, error) ||
      !open_data (self, error) ||
      (self->resume && !mblm_trainer_check_resume (self, error)))
    return FALSE;
  self->prepared = TRUE;
  return TRUE;
}
