/* test-batches.c: the order of batches, and the thread that reads them ahead.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "draw.h"
#include "sets.h"

#define LENGTH 2

/* A data set of `n` samples in the first epoch and one less in each odd one; the
 * ids of a sample are its number and the epoch. */
typedef struct {
  MblmDataset parent;
  guint64 n;
  GMutex gate;  /* held: reading waits */
  gint broken;  /* the sample that can't be read, -1: none */
  gint readers; /* threads in `read` */
} Counter;

static guint64
counter_count (MblmDataset *set, guint64 epoch)
{
  return ((Counter *) set)->n - epoch % 2;
}

static gboolean
counter_read (MblmDataset *set, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  Counter *self = (Counter *) set;

  g_assert_cmpint (g_atomic_int_add (&self->readers, 1), ==, 0);
  g_assert_cmpuint (index, <, counter_count (set, epoch));
  g_mutex_lock (&self->gate);
  g_mutex_unlock (&self->gate);
  sample->ids[0] = (gint32) index;
  sample->ids[1] = (gint32) epoch;
  g_atomic_int_add (&self->readers, -1);
  if (g_atomic_int_get (&self->broken) != (gint) index)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT, "broken");
  return FALSE;
}

static const MblmDatasetClass counter_class = {
    MBLM_DATASET_ABI, "counter", NULL, NULL, counter_count, counter_read};

static void
counter_init (Counter *self, guint64 n)
{
  *self = (Counter){
      .parent = {&counter_class,
          sets_options ("counter", MBLM_SPLIT_TRAIN, LENGTH, NULL)},
      .n = n,
      .broken = -1};
  g_mutex_init (&self->gate);
}

static MblmBatches *
batches_new (Counter *counter, gsize batch, gboolean shuffle)
{
  g_autoptr (GError) error = NULL;
  MblmBatches *batches = mblm_batches_new (
      &counter->parent, batch, shuffle, 7, &error);

  g_assert_no_error (error);
  return batches;
}

static MblmBatch *
next (MblmBatches *batches)
{
  g_autoptr (GError) error = NULL;
  MblmBatch *batch = mblm_batches_next (batches, NULL, &error);

  g_assert_no_error (error);
  return batch;
}

static void
assert_same (const MblmBatch *a, const MblmBatch *b)
{
  g_assert_cmpuint (a->epoch, ==, b->epoch);
  g_assert_cmpuint (a->index, ==, b->index);
  g_assert_cmpmem (
      a->ids, a->batch * LENGTH * 4, b->ids, b->batch * LENGTH * 4);
}

static void
test_permutation (void)
{
  for (guint64 n = 1; n < 300; n = n < 40 ? n + 1 : n * 2) {
    g_autofree guint8 *seen = g_malloc0 (n);

    for (guint64 i = 0; i < n; i++) {
      guint64 to = mblm_draw_permute (mblm_draw_key (n, 3, 0), n, i);
      g_assert_cmpuint (to, <, n);
      g_assert_cmpuint (seen[to]++, ==, 0);
    }
  }
  guint64 most = G_MAXUINT64;
  g_assert_cmpuint (
      mblm_draw_permute (1, most, 5), !=, mblm_draw_permute (1, most, 6));

  /* the mean distance between neighbours of a random order is a third of n */
  double distance = 0.0;
  gint64 before = 0;
  for (guint i = 0; i < 3000; i++) {
    gint64 at = (gint64) mblm_draw_permute (mblm_draw_key (1, 0, 0), 3000, i);
    distance += (double) ABS (at - before) / 3000.0 / 3000.0;
    before = at;
  }
  g_assert_cmpfloat (distance, >, 0.3);
  g_assert_cmpfloat (distance, <, 0.36);
}

static void
test_order (void)
{
  Counter counter;
  gint32 expected = 0;

  /* 5 samples, then 4 */
  counter_init (&counter, 5);
  g_autoptr (MblmBatches) batches = batches_new (&counter, 2, FALSE);
  g_assert_cmpuint (mblm_batches_count (batches, 0), ==, 2);
  for (guint i = 0; i < 8; i++) {
    g_autoptr (MblmBatch) batch = next (batches);

    g_assert_cmpuint (batch->batch, ==, 2);
    g_assert_cmpuint (batch->length, ==, LENGTH);
    g_assert_cmpuint (batch->epoch, ==, i / 2);
    g_assert_cmpuint (batch->index, ==, i % 2);
    for (guint j = 0; j < 2; j++) {
      g_assert_cmpint (batch->ids[j * LENGTH], ==, expected++ % 4);
      g_assert_cmpint (batch->ids[j * LENGTH + 1], ==, i / 2);
      g_assert_cmpint (batch->labels[j * LENGTH + 1], ==, i / 2);
      g_assert_cmpfloat (batch->loss_mask[j * LENGTH + 1], ==, 1.0f);
      g_assert_cmpuint (batch->attention_mask[j * LENGTH + 1], ==, 1);
    }
  }
}

/* An epoch without a full batch is passed over. */
static void
test_empty_epochs (void)
{
  Counter counter;

  counter_init (&counter, 3);
  g_autoptr (MblmBatches) batches = batches_new (&counter, 3, FALSE);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (MblmBatch) batch = next (batches);
    g_assert_cmpuint (batch->epoch, ==, 2 * i);
  }
  g_autoptr (GError) error = NULL;
  g_assert_null (mblm_batches_new (&counter.parent, 4, FALSE, 7, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_clear_error (&error);
  g_assert_null (mblm_batches_new (&counter.parent, 0, FALSE, 7, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
}

/* Every sample once an epoch, in an order of its own. */
static void
test_shuffle (void)
{
  const guint n = 40;
  Counter counter;
  g_autofree gint32 *first = g_new (gint32, n);
  guint same = 0, sorted = 0;

  counter_init (&counter, n);
  g_autoptr (MblmBatches) batches = batches_new (&counter, 4, TRUE);
  for (guint epoch = 0; epoch < 4; epoch += 2) {
    guint8 seen[40] = {0};

    mblm_batches_seek (batches, epoch, 0);
    for (guint i = 0; i < n / 4; i++) {
      g_autoptr (MblmBatch) batch = next (batches);

      g_assert_cmpuint (batch->epoch, ==, epoch);
      for (guint j = 0; j < 4; j++) {
        gint32 id = batch->ids[j * LENGTH];

        g_assert_cmpuint (seen[id]++, ==, 0);
        sorted += id == (gint32) (4 * i + j);
        if (epoch == 0)
          first[4 * i + j] = id;
        else
          same += first[4 * i + j] == id;
      }
    }
  }
  g_assert_cmpuint (same, <, n / 4);
  g_assert_cmpuint (sorted, <, n / 2);
}

/* Going on from anywhere is as if nothing had been. */
static void
test_seek (void)
{
  Counter counter;

  counter_init (&counter, 11);
  g_autoptr (MblmBatches) straight = batches_new (&counter, 2, TRUE);
  g_autoptr (GPtrArray)
      all = g_ptr_array_new_with_free_func ((GDestroyNotify) mblm_batch_free);
  for (guint i = 0; i < 20; i++)
    g_ptr_array_add (all, next (straight));
  g_clear_pointer (&straight, mblm_batches_free);

  g_autoptr (MblmBatches) other = batches_new (&counter, 2, TRUE);
  for (guint i = 0; i < 19; i++) {
    guint place = i * 7 % 19;
    const MblmBatch *expected = g_ptr_array_index (all, place);

    mblm_batches_seek (other, expected->epoch, expected->index);
    for (guint j = 0; j < 1 + i % 2; j++) {
      g_autoptr (MblmBatch) batch = next (other);
      assert_same (batch, g_ptr_array_index (all, place + j));
    }
  }
  /* behind the last of an epoch is the first of the next */
  mblm_batches_seek (other, 1, 5);
  g_autoptr (MblmBatch) batch = next (other);
  g_assert_cmpuint (batch->epoch, ==, 2);
  g_assert_cmpuint (batch->index, ==, 0);
}

static gpointer
cancel_soon (gpointer data)
{
  g_usleep (20000);
  g_cancellable_cancel (data);
  return NULL;
}

/* A reader that hangs holds nobody up who cancels, and no batch is lost. */
static void
test_cancel (void)
{
  Counter counter;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  counter_init (&counter, 6);
  MblmBatches *batches = batches_new (&counter, 2, FALSE);
  g_mutex_lock (&counter.gate);
  GThread *thread = g_thread_new ("cancel", cancel_soon, cancellable);
  g_assert_null (mblm_batches_next (batches, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_null (mblm_batches_next (batches, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);

  /* a seek drops what is being read, also while it hangs */
  mblm_batches_seek (batches, 0, 1);
  mblm_batches_seek (batches, 0, 0);
  g_mutex_unlock (&counter.gate);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (MblmBatch) batch = next (batches);
    g_assert_cmpuint (batch->index, ==, i);
    g_assert_cmpint (batch->ids[0], ==, 2 * i);
  }
  mblm_batches_free (batches);
}

/* Freed at any time: before the first batch, while one is read, after some. */
static void
test_free (void)
{
  Counter counter;

  counter_init (&counter, 250);
  for (guint i = 0; i < 200; i++) {
    MblmBatches *batches = batches_new (&counter, 25, TRUE);

    for (guint j = 0; j < i % 4; j++)
      mblm_batch_free (next (batches));
    if (i % 3 == 0)
      mblm_batches_seek (batches, i, 2);
    mblm_batches_free (batches);
  }
}

/* What can't be read is an error at its place, and is tried again. */
static void
test_error (void)
{
  Counter counter;
  g_autoptr (GError) error = NULL;

  counter_init (&counter, 6);
  counter.broken = 3;
  g_autoptr (MblmBatches) batches = batches_new (&counter, 2, FALSE);
  g_autoptr (MblmBatch) first = next (batches);
  for (guint i = 0; i < 3; i++) {
    g_assert_null (mblm_batches_next (batches, NULL, &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
    g_assert_cmpstr (error->message, ==, "broken");
    g_clear_error (&error);
  }
  /* one more try may be under way that still fails */
  g_atomic_int_set (&counter.broken, -1);
  mblm_batches_seek (batches, 0, 1);
  g_autoptr (MblmBatch) second = next (batches);
  g_assert_cmpuint (second->index, ==, 1);
  mblm_batches_seek (batches, 0, 2);
  g_autoptr (MblmBatch) third = next (batches);
  g_assert_cmpint (third->ids[LENGTH], ==, 5);
}

/* ------------------------------------------------------------------------- */
/* Samples that all cores read                                               */
/* ------------------------------------------------------------------------- */

/* Nobody goes on before `wanted` readers have come. */
typedef struct {
  MblmDataset parent;
  GMutex lock;
  GCond changed;
  guint wanted, came;
} Crowd;

static gboolean
crowd_read (MblmDataset *set, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  Crowd *self = (Crowd *) set;

  g_mutex_lock (&self->lock);
  self->came++;
  g_cond_broadcast (&self->changed);
  while (self->came < self->wanted)
    g_cond_wait (&self->changed, &self->lock);
  g_mutex_unlock (&self->lock);
  sample->ids[0] = (gint32) index;
  sample->ids[1] = (gint32) epoch;
  if (index % 10 < 7)
    return TRUE;
  g_set_error (
      error, MBLM_ERROR, MBLM_ERROR_INPUT, "sample %" G_GUINT64_FORMAT, index);
  return FALSE;
}

static const MblmDatasetClass crowd_class = {.abi = MBLM_DATASET_ABI,
    .id = "crowd",
    .read = crowd_read,
    .concurrent = TRUE};

typedef struct {
  gint32 ids[20][LENGTH];
  float loss_mask[20][LENGTH];
  gint32 labels[20][LENGTH];
  guint8 attention_mask[20][LENGTH];
  MblmTrainingSample sample[20];
  guint64 index[20];
} CrowdSamples;

/* Reads those from `first` on. */
static gboolean
read_crowd (Crowd *crowd, CrowdSamples *samples, guint64 first, gsize n,
    MblmDatasetGoOn go_on, gpointer data, GError **error)
{
  for (gsize i = 0; i < n; i++) {
    samples->index[i] = first + i;
    samples->sample[i] = (MblmTrainingSample){samples->ids[i],
        samples->loss_mask[i], samples->labels[i], samples->attention_mask[i]};
  }
  return mblm_dataset_read_many (&crowd->parent, 3, samples->index,
      samples->sample, n, go_on, data, error);
}

static gboolean
count_down (gpointer data)
{
  return g_atomic_int_add ((gint *) data, -1) > 0;
}

static void
test_concurrent (void)
{
  Crowd crowd = {.parent = {&crowd_class,
                     sets_options ("crowd", MBLM_SPLIT_TRAIN, LENGTH, NULL)},
      .wanted = MIN (g_get_num_processors (), 7)};
  g_autofree CrowdSamples *samples = g_new0 (CrowdSamples, 1);
  g_autoptr (GError) error = NULL;
  gint left = 2;

  g_assert_true (read_crowd (&crowd, samples, 0, 7, NULL, NULL, &error));
  for (gint i = 0; i < 7; i++) {
    g_assert_cmpint (samples->ids[i][0], ==, i);
    g_assert_cmpint (samples->labels[i][1], ==, 3);
  }
  /* the first error, whoever is faster */
  for (guint i = 0; i < 50; i++) {
    g_assert_false (read_crowd (&crowd, samples, 0, 20, NULL, NULL, &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
    g_assert_cmpstr (error->message, ==, "sample 7");
    g_clear_error (&error);
  }
  g_assert_false (
      read_crowd (&crowd, samples, 10, 7, count_down, &left, &error));
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/batches/permutation", test_permutation);
  g_test_add_func ("/batches/order", test_order);
  g_test_add_func ("/batches/empty-epochs", test_empty_epochs);
  g_test_add_func ("/batches/shuffle", test_shuffle);
  g_test_add_func ("/batches/seek", test_seek);
  g_test_add_func ("/batches/cancel", test_cancel);
  g_test_add_func ("/batches/free", test_free);
  g_test_add_func ("/batches/error", test_error);
  g_test_add_func ("/batches/concurrent", test_concurrent);
  return g_test_run ();
}
