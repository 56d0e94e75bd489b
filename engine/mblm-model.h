/* mblm-model.h: immutable weights on a device.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "mblm-config.h"
#include "mblm-device.h"
#include "mblm-info.h"

G_BEGIN_DECLS

#define MBLM_TYPE_MODEL (mblm_model_get_type ())
G_DECLARE_FINAL_TYPE (MblmModel, mblm_model, MBLM, MODEL, GObject)

typedef enum {
  MBLM_PRECISION_F32,  /* products of float32 weights */
  MBLM_PRECISION_BF16, /* weights rounded to bfloat16, sums in float32 */
  MBLM_PRECISION_TF32, /* as F32, but a GPU may round what it multiplies to TF32 */
} MblmPrecision;

/* Turns what a user gives as a model into the path of a model folder (or of a
 * .safetensors file with a config.yaml beside it): a path that exists, or a name
 * searched in $MBLM_MODEL_PATH, $XDG_DATA_HOME/mblm/models and the installed
 * models. Error: MBLM_ERROR_NOT_FOUND, which lists where it looked. */
char *mblm_model_find (const char *name, GError **error);

/* Checks configuration, mblm.json and the header of the weights without loading
 * a tensor; `config` and `info` may be NULL. */
gboolean mblm_model_check (
    const char *path, MblmConfig **config, MblmInfo **info, GError **error);

/* Loads a model, or gives the one that this process already holds for the same
 * file (canonical path, inode, size, mtime), device and precision. `path` as for
 * mblm_model_find. May be called from any thread; cancellable. */
MblmModel *mblm_model_load (const char *path, MblmDevice *device,
    MblmPrecision precision, GCancellable *cancellable, GError **error);

MblmConfig *mblm_model_get_config (MblmModel *self);
MblmInfo *mblm_model_get_info (MblmModel *self);
MblmDevice *mblm_model_get_device (MblmModel *self);
MblmPrecision mblm_model_get_precision (MblmModel *self);
const char *mblm_model_get_path (MblmModel *self);
guint64 mblm_model_get_n_parameters (MblmModel *self);
guint64 mblm_model_get_n_stage_parameters (MblmModel *self, guint stage);
/* Bytes of weights held on the device. */
guint64 mblm_model_get_weight_bytes (MblmModel *self);
/* Bytes of weights and state that generating one byte touches on average, at a
 * context of `context` bytes. */
double mblm_model_get_step_bytes (MblmModel *self, guint64 context);
/* The part of it that stage `stage` takes. */
double mblm_model_get_stage_step_bytes (
    MblmModel *self, guint stage, guint64 context);
/* Bytes of state that a session holds at a context of `context` bytes. */
guint64 mblm_model_get_session_bytes (MblmModel *self, guint64 context);
/* FALSE where a stage is not causal: no sessions, only mblm_model_forward. */
gboolean mblm_model_is_causal (MblmModel *self);

/* One full pass over ids [batch, length] as the published code does it.
 * `attention_mask` [batch, length] (non-zero: attend) is for encoders, else NULL.
 * Either output may be NULL: logits [batch, length, vocabulary], where entry i
 * predicts id i + 1 (an encoder's: id i); hidden [batch, length, hidden_dim].
 * With length 0, logits is [batch, 1, vocabulary]: the prediction of the first
 * byte from the chained start tokens. Errors: INPUT, CONTEXT, MEMORY. */
gboolean mblm_model_forward (MblmModel *self, const gint32 *ids, gsize batch,
    gsize length, const guint8 *attention_mask, float *logits, float *hidden,
    GCancellable *cancellable, GError **error);

/* The published loss: cross-entropy of ids (or of `labels`, for an encoder),
 * times `loss_mask` [batch, length] where given, averaged over the entries that
 * are not exactly zero; 0.0 where there is none. */
gboolean mblm_model_loss (MblmModel *self, const gint32 *ids, gsize batch,
    gsize length, const float *loss_mask, const gint32 *labels,
    const guint8 *attention_mask, double *loss, GCancellable *cancellable,
    GError **error);

/* Writes a model folder with fresh weights, initialised as published; the same
 * seed gives the same file. */
gboolean mblm_model_create (
    MblmConfig *config, guint64 seed, const char *folder, GError **error);

G_END_DECLS
