/* mblm-trainer.h: a training run.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A run is described by a training file of the published schema (see
 * training-config.h for what is ours) and writes into
 * {output_dir}/{name_model}_{JOB_ID or seconds}:
 *
 *   {name_model}_top1, ...  the best models by validation loss, the best first
 *   loss.csv                losses of batches, validations and the test
 *   timemem.csv             time and memory of the first batches and validations
 *   loss.svg                the losses, drawn after each validation
 *   config.yaml             the training file, with `resume` and `summary`
 *   state                   what the run is resumed from
 *
 * A run that is stopped, or killed, and resumed computes what it would have
 * computed otherwise, bit for bit, where the device, the level of the processor
 * that its kernels use and the bound of memory are those that it began with; where
 * they aren't, a message says so. Other data, or another mblm.json, are an error.
 * In loss.csv, avg_grad and avg_grad_clipped are
 * the L2 norm of the last step's gradient before and after clipping (the
 * published means over all entries say little). In timemem.csv, fw_time of a
 * batch is that of the forward and the backward pass, which are one here, and
 * bw_time is empty; allocated and allocated_max are the resident memory of the
 * process in bytes, the columns of a GPU are 0.
 */

#pragma once

#include <gio/gio.h>

#include "mblm-config.h"
#include "mblm-device.h"
#include "mblm-model.h"

G_BEGIN_DECLS

#define MBLM_TYPE_TRAINER (mblm_trainer_get_type ())
G_DECLARE_FINAL_TYPE (MblmTrainer, mblm_trainer, MBLM, TRAINER, GObject)

/**
 * MblmLayerInputs:
 * @MBLM_LAYER_INPUTS_AUTO: float32 where that fits into the bound of memory, else
 *   as the products
 * @MBLM_LAYER_INPUTS_F32: float32
 * @MBLM_LAYER_INPUTS_BF16: bfloat16, with products of that
 *
 * What the outermost stage keeps for its backward pass where it can't keep all: the
 * inputs of its layers.
 */
typedef enum {
  MBLM_LAYER_INPUTS_AUTO,
  MBLM_LAYER_INPUTS_F32,
  MBLM_LAYER_INPUTS_BF16,
} MblmLayerInputs;

/**
 * MblmTrainerMemory:
 * @weights: the weights, float32
 * @gradients: of a batch; and their sum, where several batches make a step
 * @moments: of the optimiser
 * @rounded: weights of products in bfloat16
 * @layer_inputs: see #MblmLayerInputs
 * @chunks: all else that a pass works with
 * @saving: what a state takes on its way to the file
 * @host_moments: of the optimiser, in memory of the host, beside the device's
 * @inputs_rounded: layer inputs are bfloat16
 * @chunk: sequences of the innermost stage that are worked on at a time
 *
 * Bytes that training takes of the device's memory, by parts, estimated.
 */
typedef struct {
  guint64 weights, gradients, moments, rounded, layer_inputs, chunks, saving;
  guint64 host_moments;
  gboolean inputs_rounded;
  guint64 chunk;
} MblmTrainerMemory;

/**
 * MblmTrainerProgress:
 * @n_batches: batches of the whole run
 * @n_steps: steps of the optimiser in it
 * @n_epoch_batches: batches in the current epoch
 * @n_parameters: of the model
 * @batch_bytes: ids of one batch
 * @memory_bytes: that training takes of the device, estimated
 * @memory: the same by parts
 * @n_done: batches done
 * @n_steps_done: steps taken
 * @epoch: the current epoch, from 0
 * @seconds: of work so far, those before a resumption included
 * @batch_seconds: of a batch, averaged over the last ones
 * @rate: learning rate of the next step
 * @loss: of the last batch, in nats per byte
 * @smooth_loss: the same, averaged over the last batches
 * @valid_loss: of the last validation; not a number before the first
 * @best_loss: of the best validation; not a number before the first
 * @test_loss: of the best model on the split `test`; not a number before
 */
typedef struct {
  guint64 n_batches, n_steps, n_epoch_batches, n_parameters;
  guint64 batch_bytes, memory_bytes;
  MblmTrainerMemory memory;
  guint64 n_done, n_steps_done, epoch;
  double seconds, batch_seconds, rate;
  double loss, smooth_loss, valid_loss, best_loss, test_loss;
} MblmTrainerProgress;

/* Reads a training file. `device` NULL: the best there is. Errors: CONFIG with
 * file and line, NOT_FOUND, DEVICE. */
MblmTrainer *mblm_trainer_new (
    const char *path, MblmDevice *device, GError **error);

/* Before mblm_trainer_prepare. Bytes that activations may take; 0: a default. */
void mblm_trainer_set_memory (MblmTrainer *self, guint64 bytes);
/* Of the products, instead of the file's. */
void mblm_trainer_set_precision (MblmTrainer *self, MblmPrecision precision);
/* How layer inputs are kept, instead of what the file says. */
void mblm_trainer_set_layer_inputs (MblmTrainer *self, MblmLayerInputs inputs);
/* Whether the moments of the optimiser lie in memory of the host, likewise. */
void mblm_trainer_set_host_moments (MblmTrainer *self, gboolean on_host);
/* Goes on with the run in `folder`; NULL: the newest of this name. */
void mblm_trainer_set_resume (MblmTrainer *self, const char *folder);

/* Checks all that can be checked before work begins: data sets, sizes, memory,
 * the output folder. Writes nothing. Errors: CONFIG, INPUT, MEMORY, NOT_FOUND,
 * G_FILE_ERROR. */
gboolean mblm_trainer_prepare (MblmTrainer *self, GError **error);
/* The run, to its end. Cancelled, it finishes its batch, saves its state and
 * fails with G_IO_ERROR_CANCELLED. Emits `progress` when it begins, after each
 * batch and each batch of a validation; `validated` and `message`. */
gboolean mblm_trainer_run (
    MblmTrainer *self, GCancellable *cancellable, GError **error);

const MblmTrainerProgress *mblm_trainer_get_progress (MblmTrainer *self);
MblmConfig *mblm_trainer_get_config (MblmTrainer *self);
MblmDevice *mblm_trainer_get_device (MblmTrainer *self);
MblmPrecision mblm_trainer_get_precision (MblmTrainer *self);
/* The output folder; NULL before mblm_trainer_run, or where a run is gone on with
 * mblm_trainer_prepare. */
const char *mblm_trainer_get_output (MblmTrainer *self);
/* The folder of the best model; NULL where there is none yet. Free with g_free. */
char *mblm_trainer_get_best_model (MblmTrainer *self);

G_END_DECLS
