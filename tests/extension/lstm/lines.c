/* lines.c: the data set `lines`: numbers that count up, one a line.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A sample is "17\n18\n19\n..." up to its length, and after `largest` comes 0. A
 * number belongs to one split, and each is the first of one sample of that: so
 * the three have no sample in common, and sample i is known from i alone.
 */

#include "lines.h"

#define N_SPLITS 3

typedef struct {
  MblmDataset parent;
  gint64 largest;
} Lines;

static void
lines_free (MblmDataset *dataset)
{
  g_free (dataset);
}

/* The caller fills in `parent` afterwards: until then the options are the
 * argument. */
static MblmDataset *
lines_open (const MblmDatasetOptions *options, GError **error)
{
  static const char *const known[] = {"largest", NULL};
  gint64 largest = 999;

  if (!mblm_args_check_known (options->args, known, error) ||
      !mblm_args_get_integer (
          options->args, "largest", N_SPLITS - 1, G_MAXINT32, &largest, error))
    return NULL;

  Lines *self = g_new0 (Lines, 1);
  self->largest = largest;
  return &self->parent;
}

/* The same in every epoch. */
static guint64
lines_count (MblmDataset *dataset, guint64 epoch)
{
  const Lines *self = (Lines *) dataset;
  return (self->largest - dataset->options.split) / N_SPLITS + 1;
}

static gboolean
lines_read (MblmDataset *dataset, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  const Lines *self = (Lines *) dataset;
  gsize length = dataset->options.length, at = 0;
  gint64 number = index * N_SPLITS + dataset->options.split;

  while (at < length) {
    char line[32];
    gsize n = g_snprintf (line, sizeof line, "%" G_GINT64_FORMAT "\n", number);

    for (gsize i = 0; i < n && at < length; i++)
      sample->ids[at++] = (guint8) line[i];
    number = number < self->largest ? number + 1 : 0;
  }
  return TRUE;
}

const MblmDatasetClass lines_class = {
    .abi = MBLM_DATASET_ABI,
    .id = "lines",
    .open = lines_open,
    .free = lines_free,
    .count = lines_count,
    .read = lines_read,
};
