/* mblm-trainer.c: a training run, as an object.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "trainer-private.h"

#include <math.h>

enum {
  SIGNAL_PROGRESS,
  SIGNAL_VALIDATED,
  SIGNAL_MESSAGE,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MblmTrainer, mblm_trainer, G_TYPE_OBJECT)

static void
mblm_trainer_finalize (GObject *object)
{
  MblmTrainer *self = MBLM_TRAINER (object);

  mblm_trainer_close_output (self);
  g_clear_pointer (&self->batches, mblm_batches_free);
  g_clear_pointer (&self->train, mblm_dataset_free);
  g_clear_pointer (&self->valid, mblm_dataset_free);
  g_clear_pointer (&self->learner, mblm_learner_free);
  g_clear_pointer (&self->state, mblm_training_state_free);
  g_clear_pointer (&self->config, mblm_training_config_free);
  g_clear_object (&self->info);
  g_clear_object (&self->device);
  g_clear_pointer (&self->strangers, g_hash_table_unref);
  g_free (self->resume_folder);
  g_free (self->output);
  G_OBJECT_CLASS (mblm_trainer_parent_class)->finalize (object);
}

static void
mblm_trainer_class_init (MblmTrainerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mblm_trainer_finalize;

  /**
   * MblmTrainer::progress:
   * @self: the trainer
   *
   * The run begins, or a batch is done, or one of a validation: see
   * mblm_trainer_get_progress().
   */
  signals[SIGNAL_PROGRESS] = g_signal_new ("progress",
      G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
      G_TYPE_NONE, 0);
  /**
   * MblmTrainer::validated:
   * @self: the trainer
   * @kind: `valid` or `test`
   * @loss: the mean loss, in nats per byte
   * @kept: whether the model is now among the best
   *
   * A split has been evaluated.
   */
  signals[SIGNAL_VALIDATED] = g_signal_new ("validated",
      G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
      G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_DOUBLE, G_TYPE_BOOLEAN);
  /**
   * MblmTrainer::message:
   * @self: the trainer
   * @text: for the user
   *
   * Something happened that the run goes on after.
   */
  signals[SIGNAL_MESSAGE] = g_signal_new ("message", G_TYPE_FROM_CLASS (klass),
      G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
mblm_trainer_init (MblmTrainer *self)
{
  self->lock = self->loss_csv = self->timemem_csv = -1;
  self->progress.loss = self->progress.smooth_loss = NAN;
  self->progress.valid_loss = self->progress.best_loss = NAN;
  self->progress.test_loss = NAN;
}

void
mblm_trainer_say (MblmTrainer *self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_signal_emit (self, signals[SIGNAL_MESSAGE], 0, text);
}

void
mblm_trainer_tell_progress (MblmTrainer *self)
{
  g_signal_emit (self, signals[SIGNAL_PROGRESS], 0);
}

void
mblm_trainer_tell_loss (
    MblmTrainer *self, const char *kind, double loss, gboolean kept)
{
  g_signal_emit (self, signals[SIGNAL_VALIDATED], 0, kind, loss, kept);
}

static gboolean
load_info (MblmTrainer *self, GError **error)
{
  const MblmTrainingConfig *config = self->config;

  self->has_info = config->model_info != NULL;
  self->info = self->has_info
      ? mblm_info_load (config->model_info,
            mblm_config_get_vocabulary (config->model), error)
      : mblm_info_new_default (
            config->name, mblm_config_get_pad_id (config->model));
  return self->info != NULL;
}

/**
 * mblm_trainer_new:
 * @path: a training file
 * @device: (nullable): where to compute
 *
 * Reads a training file.
 *
 * Returns: (transfer full): a run that has not begun
 */
MblmTrainer *
mblm_trainer_new (const char *path, MblmDevice *device, GError **error)
{
  g_autoptr (MblmTrainer) self = g_object_new (MBLM_TYPE_TRAINER, NULL);

  self->config = mblm_training_config_load (path, error);
  if (self->config == NULL || !load_info (self, error))
    return NULL;
  self->device = device != NULL ? g_object_ref (device)
                                : mblm_device_open (NULL, 0, error);
  return self->device != NULL ? g_steal_pointer (&self) : NULL;
}

void
mblm_trainer_set_memory (MblmTrainer *self, guint64 bytes)
{
  self->memory = bytes;
}

void
mblm_trainer_set_precision (MblmTrainer *self, MblmPrecision precision)
{
  mblm_training_config_set_precision (self->config, precision);
}

void
mblm_trainer_set_layer_inputs (MblmTrainer *self, MblmLayerInputs inputs)
{
  mblm_training_config_set_layer_inputs (self->config, inputs);
}

void
mblm_trainer_set_host_moments (MblmTrainer *self, gboolean on_host)
{
  self->config->host_moments = on_host;
}

/**
 * mblm_trainer_set_resume:
 * @folder: (nullable): the output folder of a run
 *
 * Goes on with a run.
 */
void
mblm_trainer_set_resume (MblmTrainer *self, const char *folder)
{
  self->resume = TRUE;
  g_free (self->resume_folder);
  self->resume_folder = g_strdup (folder);
}

/**
 * mblm_trainer_get_progress:
 *
 * Says how far the run is.
 *
 * Returns: (transfer none): figures that change as it goes on
 */
const MblmTrainerProgress *
mblm_trainer_get_progress (MblmTrainer *self)
{
  return &self->progress;
}

/**
 * mblm_trainer_get_config:
 *
 * Gives the shape of the model.
 *
 * Returns: (transfer none): the `params` of the training file
 */
MblmConfig *
mblm_trainer_get_config (MblmTrainer *self)
{
  return self->config->model;
}

/**
 * mblm_trainer_get_device:
 *
 * Gives the device.
 *
 * Returns: (transfer none): where the run computes
 */
MblmDevice *
mblm_trainer_get_device (MblmTrainer *self)
{
  return self->device;
}

MblmPrecision
mblm_trainer_get_precision (MblmTrainer *self)
{
  return self->config->precision;
}

/**
 * mblm_trainer_get_output:
 *
 * Gives the output folder.
 *
 * Returns: (nullable): its path
 */
const char *
mblm_trainer_get_output (MblmTrainer *self)
{
  return self->output;
}

/**
 * mblm_trainer_get_best_model:
 *
 * Gives the folder of the best model.
 *
 * Returns: (nullable) (transfer full): its path
 */
char *
mblm_trainer_get_best_model (MblmTrainer *self)
{
  g_autofree char *name = g_strdup_printf ("%s_top1", self->config->name);

  if (self->output == NULL || self->state == NULL ||
      self->state->best->len == 0)
    return NULL;
  return g_build_filename (self->output, name, NULL);
}
