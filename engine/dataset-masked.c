/* dataset-masked.c: text with holes, for encoders.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The samples of pg19 in which each position is, with probability masking_proba,
 * the id mask_token_id (mblm-math sections 2.10 and 5.13). The loss is that of the
 * drawn positions, and attention sees all; with `published_quirks` attention sees
 * the drawn ones alone, and there is no loss mask.
 */

#include "config.h"

#include "dataset-private.h"

#include <math.h>

#include "draw.h"
#include "mblm-error.h"

/* Where the training file has no masking_proba: the published default. */
#define DEFAULT_SHARE 0.15

typedef struct {
  MblmDataset parent;
  MblmTextRow row;
  double share;
  gint32 mask_id;
  gboolean quirks;
} MaskedDataset;

static void
masked_free (MblmDataset *dataset)
{
  MaskedDataset *self = (MaskedDataset *) dataset;

  mblm_text_row_clear (&self->row);
  g_free (self);
}

static gboolean
read_options (
    MaskedDataset *self, const MblmDatasetOptions *options, GError **error)
{
  static const char *const known[] = {"published_quirks", NULL};

  self->share = isnan (options->mask_share) ? DEFAULT_SHARE
                                            : options->mask_share;
  if (!mblm_args_check_known (options->args, known, error) ||
      !mblm_args_get_boolean (
          options->args, "published_quirks", &self->quirks, error))
    return FALSE;
  if (!mblm_config_is_encoder (options->config)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "dataset_id: masked text is for encoders, whose params have "
        "mask_token_id and mblm_config; use pg19 for this model");
    return FALSE;
  }
  self->mask_id = mblm_config_get_mask_id (options->config);
  if (self->share == 0.0 && !self->quirks) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "masking_proba: 0 leaves nothing to learn; raise it, or leave it out "
        "for %g",
        DEFAULT_SHARE);
    return FALSE;
  }
  if (self->share >= 0.0 && self->share <= 1.0)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "masking_proba: %g is no probability; set it from 0 to 1", self->share);
  return FALSE;
}

static MblmDataset *
masked_open (const MblmDatasetOptions *options, GError **error)
{
  MaskedDataset *self = g_new0 (MaskedDataset, 1);
  MblmCorpus *corpus = NULL;

  if (read_options (self, options, error))
    corpus = mblm_text_open_pg19 (options, error);
  if (corpus &&
      mblm_text_row_init (&self->row, corpus, options, options->dir, error))
    return &self->parent;
  masked_free (&self->parent);
  return NULL;
}

static guint64
masked_count (MblmDataset *dataset, guint64 epoch)
{
  return mblm_text_row_count (&((MaskedDataset *) dataset)->row, epoch);
}

static void
masked_describe (MblmDataset *dataset, GChecksum *sum)
{
  mblm_text_row_describe (
      &((MaskedDataset *) dataset)->row, dataset->options.dir, sum);
}

static gboolean
masked_covers (MblmDataset *dataset, const char *path)
{
  return mblm_corpus_covers (((MaskedDataset *) dataset)->row.corpus, path);
}

/* Whether the next position is drawn. */
static gboolean
draw (guint64 *key, double share)
{
  return (double) (mblm_draw_next (key) >> 11) * 0x1p-53 < share;
}

static gboolean
masked_read (MblmDataset *dataset, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  MaskedDataset *self = (MaskedDataset *) dataset;
  guint64 key = mblm_draw_key (dataset->options.seed, epoch, index);

  if (!mblm_text_row_read (&self->row, epoch, index, sample->labels, error))
    return FALSE;
  for (gsize i = 0; i < dataset->options.length; i++) {
    gboolean drawn = draw (&key, self->share);

    sample->ids[i] = drawn ? self->mask_id : sample->labels[i];
    if (self->quirks)
      sample->attention_mask[i] = drawn;
    else
      sample->loss_mask[i] = drawn ? 1.0f : 0.0f;
  }
  return TRUE;
}

const MblmDatasetClass mblm_dataset_pg19masked_class = {
    .abi = MBLM_DATASET_ABI,
    .id = "pg19masked",
    .open = masked_open,
    .free = masked_free,
    .count = masked_count,
    .read = masked_read,
    .describe = masked_describe,
    .covers = masked_covers,
};

/* The id in training files of the published implementation. */
const MblmDatasetClass mblm_dataset_masked_pg19_class = {
    .abi = MBLM_DATASET_ABI,
    .id = "maskedPG19",
    .open = masked_open,
    .free = masked_free,
    .count = masked_count,
    .read = masked_read,
    .describe = masked_describe,
    .covers = masked_covers,
};
