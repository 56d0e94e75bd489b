/* batches.c: batches in the order of a run, prepared ahead.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * One thread reads one batch ahead. What it has read waits in `ready` until it is
 * taken; a seek drops it, and `generation` tells the thread that what it is
 * reading is not wanted any more.
 */

#include "config.h"

#include "dataset.h"
#include "draw.h"

#include "mblm-error.h"

/* Epochs without a batch in a row, after which no other can be expected. */
#define MAX_EMPTY (1u << 20)

struct _MblmBatches {
  MblmDataset *dataset; /* borrowed */
  gsize batch;
  gboolean shuffle;
  guint64 seed;
  GThread *thread; /* NULL before the first batch is wanted */

  GMutex lock;
  GCond changed;
  /* With `lock` held: */
  gboolean stop;
  guint64 epoch, index; /* of the next batch to be read */
  guint generation;     /* counts the seeks */
  MblmBatch *ready;
  GError *error; /* instead of a batch */
};

/* ------------------------------------------------------------------------- */
/* One batch                                                                 */
/* ------------------------------------------------------------------------- */

void
mblm_batch_free (MblmBatch *self)
{
  g_free (self->ids);
  g_free (self->loss_mask);
  g_free (self->labels);
  g_free (self->attention_mask);
  g_free (self);
}

static MblmBatch *
batch_new (gsize batch, gsize length, GError **error)
{
  g_autoptr (MblmBatch) self = g_new0 (MblmBatch, 1);
  gsize n;

  self->batch = batch;
  self->length = length;
  if (g_size_checked_mul (&n, batch, length)) {
    self->ids = g_try_new (gint32, n);
    self->loss_mask = g_try_new (float, n);
    self->labels = g_try_new (gint32, n);
    self->attention_mask = g_try_new (guint8, n);
  }
  if (self->ids && self->loss_mask && self->labels && self->attention_mask)
    return g_steal_pointer (&self);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
      "no memory for a batch of %" G_GSIZE_FORMAT " samples of %" G_GSIZE_FORMAT
      " ids; make batch_size less",
      batch, length);
  return NULL;
}

/* The sample that comes at place `index` of an epoch. */
static guint64
place_to_sample (const MblmBatches *self, guint64 epoch, guint64 index)
{
  if (!self->shuffle)
    return index;
  return mblm_draw_permute (mblm_draw_key (self->seed, epoch, 0),
      mblm_dataset_count (self->dataset, epoch), index);
}

/* A batch that is being read. */
typedef struct {
  MblmBatches *batches;
  guint generation;
} Wanted;

/* FALSE where it is not wanted any more. */
static gboolean
is_wanted (gpointer data)
{
  const Wanted *wanted = data;
  MblmBatches *self = wanted->batches;

  g_mutex_lock (&self->lock);
  gboolean still = !self->stop && self->generation == wanted->generation;
  g_mutex_unlock (&self->lock);
  return still;
}

/* No lock held. NULL without an error where the batch is not wanted any more. */
static MblmBatch *
read_batch (MblmBatches *self, guint64 epoch, guint64 index, guint generation,
    GError **error)
{
  gsize length = self->dataset->options.length;
  g_autoptr (MblmBatch) batch = batch_new (self->batch, length, error);
  g_autofree MblmTrainingSample *samples = NULL;
  g_autofree guint64 *indices = NULL;
  Wanted wanted = {self, generation};

  if (!batch)
    return NULL;
  batch->epoch = epoch;
  batch->index = index;
  samples = g_new (MblmTrainingSample, self->batch);
  indices = g_new (guint64, self->batch);
  for (gsize i = 0; i < self->batch; i++) {
    indices[i] = place_to_sample (self, epoch, index * self->batch + i);
    samples[i] = (MblmTrainingSample){batch->ids + i * length,
        batch->loss_mask + i * length, batch->labels + i * length,
        batch->attention_mask + i * length};
  }
  if (!mblm_dataset_read_many (self->dataset, epoch, indices, samples,
          self->batch, is_wanted, &wanted, error))
    return NULL;
  return g_steal_pointer (&batch);
}

/* ------------------------------------------------------------------------- */
/* The thread                                                                */
/* ------------------------------------------------------------------------- */

/* Goes from a place behind the last batch of an epoch to the next epoch that has
 * one. */
static gboolean
find_place (MblmBatches *self, guint64 *epoch, guint64 *index, GError **error)
{
  for (guint i = 0; i < MAX_EMPTY; i++) {
    if (*index < mblm_batches_count (self, *epoch))
      return TRUE;
    *index = 0;
    ++*epoch;
  }
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: no batch of %" G_GSIZE_FORMAT " samples in %u epochs; make "
      "batch_size less",
      self->dataset->options.dir, self->batch, MAX_EMPTY);
  return FALSE;
}

static gpointer
work (gpointer data)
{
  MblmBatches *self = data;

  g_mutex_lock (&self->lock);
  for (;;) {
    while (!self->stop && (self->ready || self->error))
      g_cond_wait (&self->changed, &self->lock);
    if (self->stop)
      break;

    guint64 epoch = self->epoch, index = self->index;
    guint generation = self->generation;
    g_autoptr (GError) error = NULL;
    g_autoptr (MblmBatch) batch = NULL;

    g_mutex_unlock (&self->lock);
    if (find_place (self, &epoch, &index, &error))
      batch = read_batch (self, epoch, index, generation, &error);
    g_mutex_lock (&self->lock);
    if (self->generation != generation || self->stop)
      continue;
    self->epoch = epoch;
    self->index = index + (batch ? 1 : 0);
    self->ready = g_steal_pointer (&batch);
    self->error = g_steal_pointer (&error);
    g_cond_broadcast (&self->changed);
  }
  g_mutex_unlock (&self->lock);
  return NULL;
}

/* ------------------------------------------------------------------------- */
/* Outside                                                                   */
/* ------------------------------------------------------------------------- */

MblmBatches *
mblm_batches_new (MblmDataset *dataset, gsize batch, gboolean shuffle,
    guint64 seed, GError **error)
{
  guint64 count = mblm_dataset_count (dataset, 0);

  if (batch == 0 || count < batch) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: %" G_GUINT64_FORMAT
        " samples are not one batch of %" G_GSIZE_FORMAT
        "; set batch_size from 1 to the number of samples",
        dataset->options.dir, count, batch);
    return NULL;
  }

  MblmBatches *self = g_new0 (MblmBatches, 1);
  self->dataset = dataset;
  self->batch = batch;
  self->shuffle = shuffle;
  self->seed = seed;
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  return self;
}

void
mblm_batches_free (MblmBatches *self)
{
  g_mutex_lock (&self->lock);
  self->stop = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  if (self->thread)
    g_thread_join (self->thread);

  g_clear_pointer (&self->ready, mblm_batch_free);
  g_clear_error (&self->error);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}

guint64
mblm_batches_count (MblmBatches *self, guint64 epoch)
{
  return mblm_dataset_count (self->dataset, epoch) / self->batch;
}

void
mblm_batches_seek (MblmBatches *self, guint64 epoch, guint64 index)
{
  g_mutex_lock (&self->lock);
  self->epoch = epoch;
  self->index = index;
  self->generation++;
  g_clear_pointer (&self->ready, mblm_batch_free);
  g_clear_error (&self->error);
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

/* Called by the cancellable, in any thread, also while it is connected. */
static void
on_cancelled (GCancellable *cancellable, gpointer data)
{
  MblmBatches *self = data;

  g_mutex_lock (&self->lock);
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

/* With `lock` held. */
static MblmBatch *
take (MblmBatches *self, GCancellable *cancellable, GError **error)
{
  while (
      !self->ready && !self->error && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&self->changed, &self->lock);
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;

  MblmBatch *batch = g_steal_pointer (&self->ready);
  if (self->error)
    g_propagate_error (error, g_steal_pointer (&self->error));
  g_cond_broadcast (&self->changed);
  return batch;
}

MblmBatch *
mblm_batches_next (MblmBatches *self, GCancellable *cancellable, GError **error)
{
  gulong handler = 0;

  if (!self->thread) {
    self->thread = g_thread_try_new ("mblm-batches", work, self, error);
    if (!self->thread)
      return NULL;
  }
  if (cancellable)
    handler = g_cancellable_connect (
        cancellable, G_CALLBACK (on_cancelled), self, NULL);
  g_mutex_lock (&self->lock);
  MblmBatch *batch = take (self, cancellable, error);
  g_mutex_unlock (&self->lock);
  g_cancellable_disconnect (cancellable, handler);
  return batch;
}
