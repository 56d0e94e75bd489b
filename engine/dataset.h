/* dataset.h: what a model is trained on.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A data set gives samples by number: sample `index` of `epoch` is always the
 * same, whatever was read before, so that a place in the data is two numbers.
 * Classes are registered under the `dataset_id` of a training file; a module
 * registers others with mblm_dataset_register.
 *
 * Not part of the public interface: for modules, which include mblm-extension.h
 * and fit a library of the same MBLM_DATASET_ABI.
 */

#pragma once

#include <gio/gio.h>

#include "mblm-config.h"
#include "mblm-info.h"

G_BEGIN_DECLS

/* Goes up with every change of this file that a module would notice. */
#define MBLM_DATASET_ABI 3

typedef struct _MblmDataset MblmDataset;

typedef enum {
  MBLM_SPLIT_TRAIN,
  MBLM_SPLIT_VALID,
  MBLM_SPLIT_TEST,
} MblmSplit;

/* What a data set is opened with. All of it outlives the data set. */
typedef struct {
  const char *dir; /* dataset_dir */
  MblmSplit split;
  gsize length;             /* ids of a sample: input_seq_len */
  GVariant *args;           /* a{sv}: dataset_args; NULL: none */
  MblmConfig *config;       /* vocabulary, pad and mask ids */
  MblmInfo *info;           /* special ids, layout of pictures */
  guint64 seed;             /* of what is drawn at random */
  double mask_share;        /* masking_proba; NAN where the file has none */
  gboolean skip_unreadable; /* files that can't be read are named in warnings
                             * and left out, instead of an error */
} MblmDatasetOptions;

/* One sample, in memory of the caller. A class fills `ids` and those of the
 * others that its samples have; they come as: loss_mask ones, labels the ids,
 * attention_mask ones. */
typedef struct {
  gint32 *ids;            /* [length] */
  float *loss_mask;       /* [length] */
  gint32 *labels;         /* [length]: what an encoder should find */
  guint8 *attention_mask; /* [length]: 0 hides an id from an encoder */
} MblmTrainingSample;

typedef struct {
  guint abi; /* MBLM_DATASET_ABI */
  const char *id;

  /* Checks the options and what they name. NULL with an error where there is no
   * such folder or it has no such split (MBLM_ERROR_NOT_FOUND), the split is
   * empty or too short for one sample (MBLM_ERROR_INPUT), can't be read
   * (G_FILE_ERROR), or an argument is wrong (MBLM_ERROR_CONFIG). */
  MblmDataset *(*open) (const MblmDatasetOptions *options, GError **error);
  void (*free) (MblmDataset *self);
  /* Samples in `epoch`, at least 1. May be called while another thread reads. */
  guint64 (*count) (MblmDataset *self, guint64 epoch);
  /* `index` < count. Called from one thread at a time, unless `concurrent`. */
  gboolean (*read) (MblmDataset *self, guint64 epoch, guint64 index,
      MblmTrainingSample *sample, GError **error);
  /* Adds what tells these data from others and is known without reading them: the
   * names of files below `dir`, and sizes. A run goes on with the same data only.
   * May be NULL. */
  void (*describe) (MblmDataset *self, GChecksum *sum);
  /* Whether a file at `path`, absolute and without links, would be among the data
   * of this split; it need not be there. A run doesn't write there. May be NULL:
   * none would. */
  gboolean (*covers) (MblmDataset *self, const char *path);
  /* Whether any number of threads may read at once: for samples that take work. */
  gboolean concurrent;
} MblmDatasetClass;

/* The first member of every data set. */
struct _MblmDataset {
  const MblmDatasetClass *klass;
  MblmDatasetOptions options;
};

/* Error: MBLM_ERROR_INPUT for an id that is there already, or another ABI. */
gboolean mblm_dataset_register (const MblmDatasetClass *klass, GError **error);
/* As mblm_block_lookup. */
const MblmDatasetClass *mblm_dataset_lookup (const char *id);

/* Error where there is no such class: MBLM_ERROR_CONFIG, naming those there
 * are. Fills klass and options. */
MblmDataset *mblm_dataset_open (
    const char *id, const MblmDatasetOptions *options, GError **error);
void mblm_dataset_free (MblmDataset *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmDataset, mblm_dataset_free)
guint64 mblm_dataset_count (MblmDataset *self, guint64 epoch);
void mblm_dataset_describe (MblmDataset *self, GChecksum *sum);
gboolean mblm_dataset_covers (MblmDataset *self, const char *path);
/* Fills all four of `sample`, with the defaults where the class leaves them.
 * Error: MBLM_ERROR_INPUT also for an id beyond the vocabulary. */
gboolean mblm_dataset_read (MblmDataset *self, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error);

/* Whether the rest of the samples is still wanted; from any thread. */
typedef gboolean (*MblmDatasetGoOn) (gpointer user_data);
/* Reads samples `indices` [n] into `samples` [n], on all cores where the class is
 * concurrent. FALSE without an error where `go_on` (may be NULL) said so. */
gboolean mblm_dataset_read_many (MblmDataset *self, guint64 epoch,
    const guint64 *indices, MblmTrainingSample *samples, gsize n,
    MblmDatasetGoOn go_on, gpointer user_data, GError **error);

/* ---- For classes: dataset_args ----------------------------------------- */

/* a{sv} as from a training file: whole numbers "x", other numbers "d", booleans
 * "b", strings "s", lists "av"; a key that is null there is absent. Each getter
 * leaves *value alone where the key is absent, and fails with MBLM_ERROR_CONFIG,
 * naming the key and what it must be. `args` may be NULL. */
gboolean mblm_args_check_known (
    GVariant *args, const char *const *known, GError **error);
gboolean mblm_args_has (GVariant *args, const char *key);
gboolean mblm_args_get_integer (GVariant *args, const char *key, gint64 min,
    gint64 max, gint64 *value, GError **error);
gboolean mblm_args_get_number (GVariant *args, const char *key, double min,
    double max, double *value, GError **error);
gboolean mblm_args_get_boolean (
    GVariant *args, const char *key, gboolean *value, GError **error);
/* One of the NULL-terminated words: its place among them. */
gboolean mblm_args_get_word (GVariant *args, const char *key,
    const char *const *words, guint *value, GError **error);
/* A list of exactly n numbers. */
gboolean mblm_args_get_numbers (GVariant *args, const char *key, double min,
    double max, double *values, guint n, GError **error);

/* ---- batches.c: batches in the order of a run, prepared ahead ------------ */

typedef struct {
  gsize batch, length;
  gint32 *ids;            /* [batch, length] */
  float *loss_mask;       /* [batch, length] */
  gint32 *labels;         /* [batch, length] */
  guint8 *attention_mask; /* [batch, length] */
  guint64 epoch, index;   /* which batch this is */
} MblmBatch;

void mblm_batch_free (MblmBatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmBatch, mblm_batch_free)

/* Batches of `batch` samples: batch `index` of an epoch holds samples
 * index * batch and up of it, in an order drawn from `seed` and the epoch where
 * `shuffle`; a last batch that isn't full is dropped. A thread reads the next
 * batch while the current one is worked on. */
typedef struct _MblmBatches MblmBatches;

/* The data set is borrowed. Error: MBLM_ERROR_INPUT where it has not one batch. */
MblmBatches *mblm_batches_new (MblmDataset *dataset, gsize batch,
    gboolean shuffle, guint64 seed, GError **error);
void mblm_batches_free (MblmBatches *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmBatches, mblm_batches_free)
/* Batches in an epoch: 0 where it has not one full batch, as a later epoch of a
 * short row of text may; such an epoch is passed over. */
guint64 mblm_batches_count (MblmBatches *self, guint64 epoch);
/* Goes on from batch `index` (which may be the count: the next epoch's first). */
void mblm_batches_seek (MblmBatches *self, guint64 epoch, guint64 index);
/* The next batch: (transfer full); after the last of an epoch comes the first of
 * the next. After an error the same batch is tried again, and what is cancelled
 * loses none. */
MblmBatch *mblm_batches_next (
    MblmBatches *self, GCancellable *cancellable, GError **error);

G_END_DECLS
