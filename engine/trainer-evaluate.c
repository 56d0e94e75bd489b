/* trainer-evaluate.c: the loss of a split.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * As published: the mean over batches of each batch's mean, the last batch being
 * as small as it comes. Batches of which nothing counts are left out: published,
 * one makes it no number; here only all of them do.
 */

#include "trainer-private.h"

#include <math.h>

#include "mblm-error.h"

typedef struct {
  gsize batch, length;
  gint32 *ids, *labels;   /* [batch, length] */
  float *loss_mask;       /* [batch, length] */
  guint8 *attention_mask; /* [batch, length] */
} Buffers;

static void
buffers_clear (Buffers *self)
{
  g_free (self->ids);
  g_free (self->labels);
  g_free (self->loss_mask);
  g_free (self->attention_mask);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Buffers, buffers_clear)

static gboolean
buffers_init (Buffers *self, gsize batch, gsize length)
{
  gsize n = batch * length;

  self->batch = batch;
  self->length = length;
  self->ids = g_try_new (gint32, n);
  self->labels = g_try_new (gint32, n);
  self->loss_mask = g_try_new (float, n);
  self->attention_mask = g_try_new (guint8, n);
  return self->ids != NULL && self->labels != NULL && self->loss_mask != NULL &&
      self->attention_mask != NULL;
}

/* The numbers of samples in the order of their evaluation: those of the first
 * `n` places, drawn where `shuffle`. [n] */
static guint64 *
draw_order (
    guint64 count, guint64 n, gboolean shuffle, guint64 seed, guint64 round)
{
  const guint32 seeds[] = {(guint32) seed, (guint32) (seed >> 32),
      (guint32) round, (guint32) (round >> 32), 0x76616c69};
  guint64 *all = g_try_new (guint64, shuffle ? count : n);
  GRand *random;

  if (all == NULL)
    return NULL;
  for (guint64 i = 0; i < (shuffle ? count : n); i++)
    all[i] = i;
  if (!shuffle)
    return all;
  random = g_rand_new_with_seed_array (seeds, G_N_ELEMENTS (seeds));
  for (guint64 i = 0; i < n; i++) {
    guint64 draw = (guint64) g_rand_int (random) << 32 | g_rand_int (random);
    guint64 other = i + draw % (count - i), kept = all[i];

    all[i] = all[other];
    all[other] = kept;
  }
  g_rand_free (random);
  return all;
}

/* Reads samples `order` [n] and gives their loss, and how many entries count. */
static gboolean
evaluate_batch (MblmLearner *learner, MblmDataset *dataset, Buffers *buffers,
    const guint64 *order, gsize n, gboolean encoder, double *loss,
    guint64 *count, GCancellable *cancellable, GError **error)
{
  const MblmLearnerBatch batch = {.batch = n,
      .length = buffers->length,
      .ids = buffers->ids,
      .loss_mask = buffers->loss_mask,
      .labels = encoder ? buffers->labels : NULL,
      .attention_mask = encoder ? buffers->attention_mask : NULL};

  g_autofree MblmTrainingSample *samples = g_new (MblmTrainingSample, n);

  for (gsize i = 0; i < n; i++) {
    gsize at = i * buffers->length;

    samples[i] = (MblmTrainingSample){.ids = buffers->ids + at,
        .loss_mask = buffers->loss_mask + at,
        .labels = buffers->labels + at,
        .attention_mask = buffers->attention_mask + at};
  }
  if (!mblm_dataset_read_many (
          dataset, 0, order, samples, n, NULL, NULL, error))
    return FALSE;
  return mblm_learner_evaluate (
      learner, &batch, loss, count, cancellable, error);
}

gboolean
mblm_trainer_evaluate (MblmTrainer *self, MblmLearner *learner,
    MblmDataset *dataset, gboolean shuffle, guint64 round, double *loss,
    GCancellable *cancellable, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  guint64 count = mblm_dataset_count (dataset, 0), size = config->batch_size;
  guint64 steps = count / size + (count % size != 0);
  gboolean encoder = mblm_config_is_encoder (config->model);
  g_auto (Buffers) buffers = {0};
  g_autofree guint64 *order = NULL;
  guint64 batches = 0;
  double sum = 0;

  if (config->max_eval_steps > 0)
    steps = MIN (steps, config->max_eval_steps);
  size = MIN (size, count);
  order = draw_order (
      count, MIN (count, steps * size), shuffle, config->seed, round);
  if (order == NULL || !buffers_init (&buffers, size, config->length)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "not enough memory for the samples of a validation");
    return FALSE;
  }
  for (guint64 i = 0; i < steps; i++) {
    gsize n = MIN (size, count - i * size);
    guint64 counted;
    double one;

    if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
        !evaluate_batch (learner, dataset, &buffers, order + i * size, n,
            encoder, &one, &counted, cancellable, error))
      return FALSE;
    if (counted > 0) {
      sum += one;
      batches++;
    }
    mblm_trainer_tell_progress (self);
  }
  if (batches == 0)
    mblm_trainer_say (self,
        "none of the losses of %" G_GUINT64_FORMAT
        " batches counts: the loss of this evaluation is no number; look at "
        "dataset_args and pad_token_id",
        steps);
  *loss = batches > 0 ? sum / (double) batches : NAN;
  return TRUE;
}
