/* dataset-files.c: the data sets `files` and `pg19`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Both are files in a row (dataset-text.c). They differ in where a split is:
 *
 *   pg19   in the folders train, validation (or valid, val) and test, as published
 *   files  anywhere: folders or archives of these names where there is a `train`;
 *          else the last share of the files is for validation, and behind it that
 *          for the test
 */

#include "config.h"

#include "dataset-private.h"

#include "mblm-error.h"

/* The names of the folder of each split. */
static const char *const split_names[][4] = {
    [MBLM_SPLIT_TRAIN] = {"train"},
    [MBLM_SPLIT_VALID] = {"validation", "valid", "val"},
    [MBLM_SPLIT_TEST] = {"test"},
};

typedef struct {
  MblmDataset parent;
  MblmTextRow row;
} FilesDataset;

static void
files_free (MblmDataset *dataset)
{
  FilesDataset *self = (FilesDataset *) dataset;

  mblm_text_row_clear (&self->row);
  g_free (self);
}

static guint64
files_count (MblmDataset *dataset, guint64 epoch)
{
  return mblm_text_row_count (&((FilesDataset *) dataset)->row, epoch);
}

static gboolean
files_read (MblmDataset *dataset, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  return mblm_text_row_read (
      &((FilesDataset *) dataset)->row, epoch, index, sample->ids, error);
}

static void
files_describe (MblmDataset *dataset, GChecksum *sum)
{
  mblm_text_row_describe (
      &((FilesDataset *) dataset)->row, dataset->options.dir, sum);
}

static gboolean
files_covers (MblmDataset *dataset, const char *path)
{
  return mblm_corpus_covers (((FilesDataset *) dataset)->row.corpus, path);
}

/* Takes the corpus, which may be NULL where `error` is set. */
static MblmDataset *
files_new (
    MblmCorpus *corpus, const MblmDatasetOptions *options, GError **error)
{
  if (!corpus)
    return NULL;

  FilesDataset *self = g_new0 (FilesDataset, 1);
  if (mblm_text_row_init (&self->row, corpus, options, options->dir, error))
    return &self->parent;
  files_free (&self->parent);
  return NULL;
}

static MblmCorpus *
fail_missing (
    const MblmDatasetOptions *options, const char *todo, GError **error)
{
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
      "%s: there are no data for %s; %s", options->dir,
      mblm_split_get_name (options->split), todo);
  return NULL;
}

/* ------------------------------------------------------------------------- */
/* pg19                                                                      */
/* ------------------------------------------------------------------------- */

MblmCorpus *
mblm_text_open_pg19 (const MblmDatasetOptions *options, GError **error)
{
  const MblmCorpusOptions settings = {
      .skip_unreadable = options->skip_unreadable};
  g_autofree char *path = mblm_text_find_split (
      options->dir, split_names[options->split], FALSE);

  if (!path)
    return fail_missing (
        options, "PG-19 has the folders train, validation and test", error);
  return mblm_text_open (path, &settings, error);
}

static MblmDataset *
pg19_open (const MblmDatasetOptions *options, GError **error)
{
  static const char *const known[] = {NULL};

  if (!mblm_args_check_known (options->args, known, error))
    return NULL;
  return files_new (mblm_text_open_pg19 (options, error), options, error);
}

const MblmDatasetClass mblm_dataset_pg19_class = {
    .abi = MBLM_DATASET_ABI,
    .id = "pg19",
    .open = pg19_open,
    .free = files_free,
    .count = files_count,
    .read = files_read,
    .describe = files_describe,
    .covers = files_covers,
};

/* ------------------------------------------------------------------------- */
/* files                                                                     */
/* ------------------------------------------------------------------------- */

typedef struct {
  MblmCorpusOptions corpus;
  double share[3]; /* of each split */
} FilesArgs;

static gboolean
read_args (const MblmDatasetOptions *options, FilesArgs *out, GError **error)
{
  static const char *const known[] = {
      "valid_share", "test_share", "unpack", "max_unpacked", NULL};
  GVariant *args = options->args;
  gint64 max = (gint64) MBLM_CORPUS_MAX_UNPACKED;

  *out = (FilesArgs){.share = {0.0, 0.05, 0.0},
      .corpus = {.unpack = TRUE, .skip_unreadable = options->skip_unreadable}};
  if (!mblm_args_check_known (args, known, error) ||
      !mblm_args_get_number (args, "valid_share", 0.0, 0.9,
          &out->share[MBLM_SPLIT_VALID], error) ||
      !mblm_args_get_number (
          args, "test_share", 0.0, 0.9, &out->share[MBLM_SPLIT_TEST], error) ||
      !mblm_args_get_boolean (args, "unpack", &out->corpus.unpack, error) ||
      !mblm_args_get_integer (args, "max_unpacked", 0, G_MAXINT64, &max, error))
    return FALSE;
  out->corpus.max_unpacked = (guint64) max;
  out->corpus.bound_by_room = !mblm_args_has (args, "max_unpacked");
  out->share[MBLM_SPLIT_TRAIN] = 1.0 - out->share[MBLM_SPLIT_VALID] -
      out->share[MBLM_SPLIT_TEST];
  if (out->share[MBLM_SPLIT_TRAIN] > 0.0)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "dataset_args: valid_share and test_share leave nothing to train on; "
      "make them less");
  return FALSE;
}

/* Moves a cut to the nearer end of the file that it falls into, where that is not
 * further than a quarter of the smaller part beside it: a file is better whole. */
static guint64
snap (MblmCorpus *corpus, guint64 cut, double smaller)
{
  guint n = mblm_corpus_get_n_files (corpus);
  guint64 start = 0;

  for (guint i = 0; i < n; i++) {
    guint64 end = start + mblm_corpus_get_size (corpus, i);

    if (cut < end) {
      guint64 near = cut - start < end - cut ? start : end;
      guint64 distance = near > cut ? near - cut : cut - near;
      return (double) distance <= smaller / 4.0 ? near : cut;
    }
    start = end;
  }
  return cut;
}

/* Leaves the part of the corpus that is the split, which has a share. */
static void
cut_out (MblmCorpus *corpus, const FilesArgs *args, MblmSplit split)
{
  double total = (double) mblm_corpus_get_total (corpus);
  const double *share = args->share;
  guint64 cuts[4] = {0, 0, 0, mblm_corpus_get_total (corpus)};

  for (guint i = MBLM_SPLIT_TRAIN; i < MBLM_SPLIT_TEST; i++) {
    double after = share[MBLM_SPLIT_TEST] +
        (i == MBLM_SPLIT_TRAIN ? share[MBLM_SPLIT_VALID] : 0.0);

    /* a part of nothing takes no file from its neighbour */
    cuts[i + 1] = snap (corpus,
        cuts[3] - MIN ((guint64) (total * after), cuts[3]),
        total * MIN (share[i], share[i + 1]));
  }
  if (share[MBLM_SPLIT_TEST] <= 0.0)
    cuts[2] = cuts[3];
  if (share[MBLM_SPLIT_VALID] <= 0.0)
    cuts[1] = cuts[2];
  mblm_corpus_keep (corpus, cuts[split], cuts[split + 1]);
}

/* Not a folder of splits: the share of all that there is. */
static MblmCorpus *
open_share (
    const MblmDatasetOptions *options, const FilesArgs *args, GError **error)
{
  g_autoptr (MblmCorpus) corpus = NULL;

  /* before all archives are unpacked */
  if (args->share[options->split] <= 0.0)
    return fail_missing (options,
        "add a folder of that name beside one named train, or set valid_share "
        "and test_share in dataset_args",
        error);
  corpus = mblm_text_open (options->dir, &args->corpus, error);
  if (corpus != NULL)
    cut_out (corpus, args, options->split);
  return g_steal_pointer (&corpus);
}

static MblmCorpus *
open_corpus (
    const MblmDatasetOptions *options, const FilesArgs *args, GError **error)
{
  gboolean unpack = args->corpus.unpack;
  g_autofree char *train = mblm_text_find_split (
      options->dir, split_names[MBLM_SPLIT_TRAIN], unpack);
  g_autofree char *path = mblm_text_find_split (
      options->dir, split_names[options->split], unpack);

  if (!train)
    return open_share (options, args, error);
  if (!path)
    return fail_missing (
        options, "add a folder or an archive of that name beside train", error);
  return mblm_text_open (path, &args->corpus, error);
}

static MblmDataset *
files_open (const MblmDatasetOptions *options, GError **error)
{
  FilesArgs args;

  if (!read_args (options, &args, error))
    return NULL;
  return files_new (open_corpus (options, &args, error), options, error);
}

const MblmDatasetClass mblm_dataset_files_class = {
    .abi = MBLM_DATASET_ABI,
    .id = "files",
    .open = files_open,
    .free = files_free,
    .count = files_count,
    .read = files_read,
    .describe = files_describe,
    .covers = files_covers,
};
