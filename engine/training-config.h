/* training-config.h: a training file.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The published file (sections io, params, train, resume and, in what a run
 * writes, summary), unchanged; unknown keys are errors. Ours besides:
 *
 *   io.model_info             an mblm.json: it goes into the model folders, and
 *                             says what a data set needs to know
 *   io.dataset_args           may hold what only our data sets know
 *   train.precision           f32 (the default), bf16 or tf32: of the products
 *   train.layer_inputs        auto (the default), f32 or bf16: see MblmLayerInputs
 *   train.optimizer           adam (the default) or muon: see MblmOptimizer
 *   train.optimizer_memory    device (the default) or host: where the moments are
 *   train.smooth_embeddings   of fresh weights: false
 *   train.seed                of weights, order and dropout; 0
 *   train.checkpoint_minutes  a checkpoint at least that often; 10. With 0 there
 *                             is one after every batch
 *   train.skip_unreadable     files that can't be read are left out; false
 *
 * A mapping becomes a variant a{sv}, a list av, a value x, d, b or s; null is left
 * out of a mapping. Paths are as they are written: relative ones are relative to
 * the working directory. Private to the engine and its command.
 */

#pragma once

#include "learner.h"
#include "mblm-trainer.h"

G_BEGIN_DECLS

/* As MblmLayerInputs counts, NULL-terminated. */
extern const char *const mblm_layer_inputs_names[];

typedef struct {
  char *path;        /* of the file */
  MblmConfig *model; /* params */
  gpointer yaml;     /* the whole file */
  char *fingerprint; /* of all that decides what a run computes, but `resume` */
  char *old_fingerprint; /* with `resume`, as older versions took it */

  /* io */
  char *name, *output_dir, *dataset_dir, *dataset_id;
  char *model_info;       /* or NULL */
  GVariant *dataset_args; /* a{sv}; or NULL */
  guint64 models_to_save, validate_amount, log_amount;

  /* train */
  guint64 target_elements, batch_size, accumulate;
  gboolean by_sequence; /* target_elements_strategy */
  gboolean shuffle_train, shuffle_eval;
  guint64 max_eval_steps; /* 0: all */
  double warmup_share, learning_rate;
  double clip;       /* 0: none */
  double mask_share; /* NAN: none given */
  MblmPrecision precision;
  MblmLayerInputs layer_inputs;
  MblmOptimizer optimizer;
  gboolean host_moments; /* optimizer_memory */
  gboolean smooth_embeddings;
  guint64 seed;
  double checkpoint_minutes;
  gboolean skip_unreadable;

  /* resume */
  char *checkpoint_file; /* NULL: a run from the start */
  guint64 next_epoch, next_batch;
  gboolean migrate_embeddings;
  gboolean no_checkpoint; /* checkpoint_file is empty, as a run without a best
                           * model writes it: not to begin with */

  /* What follows from it; the steps are those of the schedule. */
  guint64 length, batches, steps, warmup;
} MblmTrainingConfig;

/* Errors: CONFIG, with the line; NOT_FOUND, INPUT, G_FILE_ERROR. */
MblmTrainingConfig *mblm_training_config_load (
    const char *path, GError **error);
MblmTrainingConfig *mblm_training_config_parse (
    const char *text, gsize length, const char *name, GError **error);
void mblm_training_config_free (MblmTrainingConfig *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmTrainingConfig, mblm_training_config_free)

/* What a run tells of itself in its config.yaml; texts may be NULL. */
typedef struct {
  const char *checkpoint_file; /* the best model so far */
  gboolean goes_on;            /* the file may be the run's own */
  gboolean has_place;          /* FALSE: -1 for both that follow */
  guint64 next_epoch, next_batch;
  const char *training_start, *training_end, *error;
  guint64 n_parameters;
} MblmTrainingSummary;

/* The file as the published trainer writes it beside its models: with `resume`
 * and `summary` filled in. */
char *mblm_training_config_to_yaml (
    MblmTrainingConfig *self, const MblmTrainingSummary *summary);

/* What a file has to tell to begin a run with, and not to go on with one: a
 * checkpoint_file that isn't empty. */
gboolean mblm_training_config_check_start (
    MblmTrainingConfig *self, GError **error);

/* Others than the file's, from the command line. */
void mblm_training_config_set_precision (
    MblmTrainingConfig *self, MblmPrecision precision);
void mblm_training_config_set_layer_inputs (
    MblmTrainingConfig *self, MblmLayerInputs inputs);

G_END_DECLS
