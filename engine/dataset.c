/* dataset.c: the data sets there are, and what holds for each of them.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "dataset-private.h"

#include <string.h>

#include "mblm-error.h"
#include "message.h"
#include "registry.h"

static gconstpointer
built_in (guint i, const char **name)
{
  static const MblmDatasetClass *const classes[] = {
      &mblm_dataset_clevr_class,
      &mblm_dataset_files_class,
      &mblm_dataset_masked_pg19_class,
      &mblm_dataset_pg19_class,
      &mblm_dataset_pg19masked_class,
      &mblm_dataset_qa_class,
      &mblm_dataset_scenes_class,
  };

  if (i == G_N_ELEMENTS (classes))
    return NULL;
  *name = classes[i]->id;
  return classes[i];
}

static MblmRegistry registry = {
    .what = "data set",
    .another = "id",
    .abi = MBLM_DATASET_ABI,
    .built_in = built_in,
};

gboolean
mblm_dataset_register (const MblmDatasetClass *klass, GError **error)
{
  return mblm_registry_add (&registry, klass->id, klass->abi, klass, error);
}

const MblmDatasetClass *
mblm_dataset_lookup (const char *id)
{
  return mblm_registry_lookup (&registry, id);
}

const char *
mblm_split_get_name (MblmSplit split)
{
  static const char *const names[] = {"train", "valid", "test"};
  return names[split];
}

/* ------------------------------------------------------------------------- */
/* One data set                                                              */
/* ------------------------------------------------------------------------- */

MblmDataset *
mblm_dataset_open (
    const char *id, const MblmDatasetOptions *options, GError **error)
{
  const MblmDatasetClass *klass = mblm_dataset_lookup (id);

  if (klass == NULL) {
    g_autofree char *quoted = mblm_quote (id, -1);
    g_autofree char *ids = mblm_registry_list (&registry);
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "dataset_id: %s is not known; those there are: %s", quoted, ids);
    return NULL;
  }
  if (options->length == 0 || options->length > G_MAXINT32) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "input_seq_len: samples of %" G_GSIZE_FORMAT
        " ids; from 1 to %d are possible",
        options->length, G_MAXINT32);
    return NULL;
  }

  MblmDataset *self = klass->open (options, error);
  if (self == NULL)
    return NULL;
  self->klass = klass;
  self->options = *options;
  return self;
}

void
mblm_dataset_free (MblmDataset *self)
{
  self->klass->free (self);
}

guint64
mblm_dataset_count (MblmDataset *self, guint64 epoch)
{
  return self->klass->count (self, epoch);
}

void
mblm_dataset_describe (MblmDataset *self, GChecksum *sum)
{
  if (self->klass->describe != NULL)
    self->klass->describe (self, sum);
}

gboolean
mblm_dataset_covers (MblmDataset *self, const char *path)
{
  return self->klass->covers != NULL && self->klass->covers (self, path);
}

/* An id that the model has no row for must not get to the kernels. */
static gboolean
check_ids (MblmDataset *self, const gint32 *ids, guint64 epoch, guint64 index,
    GError **error)
{
  guint vocabulary = mblm_config_get_vocabulary (self->options.config);

  for (gsize i = 0; i < self->options.length; i++) {
    if (ids[i] >= 0 && (guint) ids[i] < vocabulary)
      continue;
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: sample %" G_GUINT64_FORMAT " of epoch %" G_GUINT64_FORMAT
        " has the id %d, and the model only those below %u; raise num_tokens",
        self->options.dir, index, epoch, ids[i], vocabulary);
    return FALSE;
  }
  return TRUE;
}

gboolean
mblm_dataset_read (MblmDataset *self, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  gsize n = self->options.length;

  /* What no class writes is there: an id of -1 is none. */
  for (gsize i = 0; i < n; i++) {
    sample->loss_mask[i] = 1.0f;
    sample->labels[i] = -1;
  }
  memset (sample->attention_mask, 1, n);
  if (!self->klass->read (self, epoch, index, sample, error))
    return FALSE;
  for (gsize i = 0; i < n; i++)
    if (sample->labels[i] == -1)
      sample->labels[i] = sample->ids[i];
  return check_ids (self, sample->ids, epoch, index, error) &&
      check_ids (self, sample->labels, epoch, index, error);
}
