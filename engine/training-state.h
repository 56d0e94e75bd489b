/* training-state.h: what a training run is resumed from.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The folder `state` in the output folder of a run: a model folder, and beside it
 *
 *   state.safetensors   moments, and the gradient where a step is not complete
 *   state.json          MblmTrainingState
 *
 * A new state is written to `state.new`, file by file and synced; then `state`
 * becomes `state.old`, `state.new` becomes `state`, and the old one is removed.
 * Whoever finds no `state` takes `state.old`, so that at every moment one of the
 * two is whole. `state.new` is never read. One process at a time: the caller holds
 * the run's lock. Private to the engine and its command.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A model that was validated; it is the one after `batch` batches of the run. */
typedef struct {
  guint64 batch;
  double loss;
} MblmBestModel;

typedef struct {
  char *name;        /* name_model */
  char *fingerprint; /* of the training file */
  char *start;       /* when the run began */

  guint64 epoch, batch; /* what comes next */
  guint64 done;         /* batches */
  guint64 first;        /* number of the run's first batch over all epochs */
  guint64 adam_steps, schedule_steps;
  guint64 skipped;       /* batches and steps in a row that were not finite */
  guint64 validations;   /* so far */
  guint64 pending;       /* the batch just done is still to be validated */
  guint64 gradient;      /* there is one that no step has used */
  guint64 spoiled;       /* of it, a loss was not finite */
  guint64 timed;         /* rows of timemem.csv for training */
  guint64 memory;        /* MblmLearnerOptions: sums depend on it */
  double norm, clipped;  /* of the gradient of the last step; -1: none */
  double seconds;        /* of work so far */
  guint64 loss_bytes;    /* of loss.csv that are part of the run */
  guint64 timemem_bytes; /* of timemem.csv */
  GArray *best;          /* MblmBestModel, the best first */

  /* What a state of an older version doesn't tell: 0 and NULL. */
  guint64 samples, valid_samples; /* of epoch 0 */
  char *data;                     /* a checksum of names and sizes */
  char *info;                     /* a checksum of mblm.json */
  char *device;                   /* and its kernels, for people */
} MblmTrainingState;

MblmTrainingState *mblm_training_state_new (void);
void mblm_training_state_free (MblmTrainingState *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmTrainingState, mblm_training_state_free)

/* Writes all but state.json into a new, empty folder; every file synced. */
typedef gboolean (*MblmStateFill) (
    const char *folder, gpointer data, GError **error);

/* Makes `self`, with what `fill` writes, the state of the run in `output`. After
 * an error (G_FILE_ERROR, or that of `fill`) the state is what it was. */
gboolean mblm_training_state_save (MblmTrainingState *self, const char *output,
    MblmStateFill fill, gpointer data, GError **error);

/* The state of the run in `output`; `folder` gets where it is. Removes what a
 * save that was cut off has left. Errors: NOT_FOUND where there is none, INPUT
 * where state.json is damaged. */
MblmTrainingState *mblm_training_state_load (
    const char *output, char **folder, GError **error);
/* The same without touching anything. */
MblmTrainingState *mblm_training_state_peek (
    const char *output, char **folder, GError **error);

/* training-json.c */
char *mblm_training_state_to_json (MblmTrainingState *self);
MblmTrainingState *mblm_training_state_parse (
    const char *text, gsize length, const char *name, GError **error);

/* Removes a folder of plain files; one that isn't there is fine. */
gboolean mblm_remove_folder (const char *folder, GError **error);

G_END_DECLS
