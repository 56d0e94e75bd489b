/* trainer-private.h: what the files of MblmTrainer share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "dataset.h"
#include "learner.h"
#include "mblm-trainer.h"
#include "training-config.h"
#include "training-state.h"

G_BEGIN_DECLS

/* Batches and steps in a row that are not finite before a run ends. */
#define MBLM_TRAINER_MAX_SKIPPED 20

struct _MblmTrainer {
  GObject parent;

  MblmTrainingConfig *config;
  MblmInfo *info;
  gboolean has_info; /* io.model_info: model folders get it */
  MblmDevice *device;
  guint64 memory;
  gboolean resume;     /* an earlier run is gone on with ... */
  char *resume_folder; /* ... this one; NULL: the newest */
  gboolean prepared;

  MblmDataset *train, *valid;
  MblmBatches *batches;
  MblmLearner *learner;
  MblmTrainingState *state;
  char *output;  /* folder */
  gboolean made; /* by this process */
  int lock;      /* of it; -1: not held */
  int loss_csv, timemem_csv;
  gboolean whole; /* the state in memory is one that can be gone on from */
  gint64 saved;   /* monotonic time of the last state, in us */
  gint64 began;   /* of this process's part of the run */
  double seconds_before;
  gboolean idle_said;    /* a batch had no loss that counts */
  gboolean plot_failed;  /* and was said so */
  GHashTable *strangers; /* paths of folders that are not ours, said once */
  MblmTrainerProgress progress;
};

/* Emits `message`. */
void mblm_trainer_say (MblmTrainer *self, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
void mblm_trainer_tell_progress (MblmTrainer *self);
/* Emits `validated`. */
void mblm_trainer_tell_loss (
    MblmTrainer *self, const char *kind, double loss, gboolean kept);

/* ---- trainer-prepare.c -------------------------------------------------- */

MblmLearnerOptions mblm_trainer_get_options (MblmTrainer *self);
/* A batch as the learner takes it, borrowed. */
MblmLearnerBatch mblm_trainer_view_batch (
    MblmTrainer *self, const MblmBatch *batch);
/* A data set of the run. */
MblmDataset *mblm_trainer_open_split (
    MblmTrainer *self, MblmSplit split, GError **error);

/* ---- trainer-output.c: the folder of a run ------------------------------ */

/* Finds or makes the folder, locks it, loads the state or begins one;
 * `state_folder` gets where it is, NULL for a run that begins. */
gboolean mblm_trainer_open_output (
    MblmTrainer *self, char **state_folder, GError **error);
/* Finds the folder of a run to go on with, and touches nothing. */
gboolean mblm_trainer_find_run (MblmTrainer *self, GError **error);
void mblm_trainer_close_output (MblmTrainer *self);
/* Opens or makes a file in the folder: a plain one, through no link, without ever
 * waiting for a pipe. -1 with errno. */
int mblm_trainer_open_own (const char *path, int flags);
/* Removes a folder that was made for a run that then couldn't begin. */
void mblm_trainer_discard_output (MblmTrainer *self);
/* Saves the state, and config.yaml with where to go on. */
gboolean mblm_trainer_save (MblmTrainer *self, GError **error);
/* After the first state: says so where the disk is too small for all that the run
 * will keep. */
void mblm_trainer_check_room (MblmTrainer *self);
/* config.yaml; `end`, `problem` may be NULL. */
gboolean mblm_trainer_write_config (
    MblmTrainer *self, const char *end, const char *problem, GError **error);
/* config.yaml, mblm.json and the weights into an existing folder; and, whatever
 * it says, a file. */
gboolean mblm_trainer_write_model (
    MblmTrainer *self, const char *folder, GError **error);
gboolean mblm_trainer_write_file (
    const char *folder, const char *name, const char *text, GError **error);

/* ---- trainer-state.c ---------------------------------------------------- */

/* Whether the run in the folder that was found can be gone on with; its data are
 * compared once they are open. Touches nothing. */
gboolean mblm_trainer_check_resume (MblmTrainer *self, GError **error);
/* Loads it; `folder` gets where it is. */
gboolean mblm_trainer_load_state (
    MblmTrainer *self, char **folder, GError **error);
void mblm_trainer_begin_state (MblmTrainer *self);

/* ---- trainer-start.c ---------------------------------------------------- */

/* What can be told of resume.checkpoint_file before it is read. */
gboolean mblm_trainer_check_start (MblmTrainer *self, GError **error);
/* Makes the learner: of the state in `state_folder`, or, where that is NULL, of
 * resume.checkpoint_file, or fresh. */
gboolean mblm_trainer_start (
    MblmTrainer *self, const char *state_folder, GError **error);

/* ---- trainer-csv.c ------------------------------------------------------ */

/* Opens both files, cut to what is part of the run. */
gboolean mblm_trainer_open_csv (MblmTrainer *self, GError **error);
void mblm_trainer_close_csv (MblmTrainer *self);
gboolean mblm_trainer_sync_csv (MblmTrainer *self, GError **error);

/* Numbers of a row are -1 where there are none. */
typedef struct {
  const char *kind; /* "train", "valid", "test" */
  gint64 elements, epoch, batch, cum_batch;
  double loss, rate, norm, clipped;
} MblmLossRow;

gboolean mblm_trainer_write_loss (
    MblmTrainer *self, const MblmLossRow *row, GError **error);
gboolean mblm_trainer_write_time (MblmTrainer *self, const char *kind,
    gint64 cum_batch, gint64 items, double seconds, GError **error);

/* ---- trainer-best.c ----------------------------------------------------- */

/* Keeps the weights as a candidate where `loss` is among the best; `kept` tells.
 * The state has to be saved before mblm_trainer_arrange_best. */
gboolean mblm_trainer_consider (
    MblmTrainer *self, double loss, gboolean *kept, GError **error);
/* Gives the models of the state their names and removes others. */
gboolean mblm_trainer_arrange_best (MblmTrainer *self, GError **error);

/* ---- trainer-evaluate.c ------------------------------------------------- */

/* The mean loss of the batches of a split, at most max_eval_steps, in the order
 * that `round` draws where shuffle_eval says so. */
gboolean mblm_trainer_evaluate (MblmTrainer *self, MblmLearner *learner,
    MblmDataset *dataset, gboolean shuffle, guint64 round, double *loss,
    GCancellable *cancellable, GError **error);

G_END_DECLS
