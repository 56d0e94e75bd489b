/* dataset-many.c: several samples at once, by all cores where a class can.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "dataset.h"

typedef struct {
  MblmDataset *dataset;
  guint64 epoch;
  const guint64 *indices;      /* [n] */
  MblmTrainingSample *samples; /* [n] */
  gsize n;
  MblmDatasetGoOn go_on;
  gpointer user_data;

  GMutex lock;
  /* With `lock` held: */
  gsize next;    /* the first sample that nobody reads yet */
  gboolean stop; /* nobody wants the rest */
  GError *error; /* of sample `failed` */
  gsize failed;
} Reading;

/* FALSE where there is nothing left to do. */
static gboolean
take (Reading *self, gsize *i)
{
  gboolean wanted = self->go_on == NULL || self->go_on (self->user_data);

  g_mutex_lock (&self->lock);
  self->stop |= !wanted;
  gboolean more = !self->stop && self->next < self->n;
  if (more)
    *i = self->next++;
  g_mutex_unlock (&self->lock);
  return more;
}

/* Of several errors that of the first sample stays: every sample before it is read
 * to its end, so that the message doesn't depend on who was faster. */
static void
keep_error (Reading *self, gsize i, GError *error)
{
  g_mutex_lock (&self->lock);
  self->stop = TRUE;
  if (self->error == NULL || i < self->failed) {
    g_clear_error (&self->error);
    self->error = g_steal_pointer (&error);
    self->failed = i;
  }
  g_mutex_unlock (&self->lock);
  g_clear_error (&error);
}

static gpointer
work (gpointer data)
{
  Reading *self = data;
  gsize i;

  while (take (self, &i)) {
    GError *error = NULL;

    if (!mblm_dataset_read (self->dataset, self->epoch, self->indices[i],
            &self->samples[i], &error))
      keep_error (self, i, error);
  }
  return NULL;
}

gboolean
mblm_dataset_read_many (MblmDataset *dataset, guint64 epoch,
    const guint64 *indices, MblmTrainingSample *samples, gsize n,
    MblmDatasetGoOn go_on, gpointer user_data, GError **error)
{
  Reading self = {.dataset = dataset,
      .epoch = epoch,
      .indices = indices,
      .samples = samples,
      .n = n,
      .go_on = go_on,
      .user_data = user_data};
  gsize helpers = dataset->klass->concurrent && n > 1
      ? MIN (n, g_get_num_processors ()) - 1
      : 0;
  g_autoptr (GPtrArray) threads = g_ptr_array_new ();

  g_mutex_init (&self.lock);
  for (gsize i = 0; i < helpers; i++) {
    /* Fewer do, too. */
    GThread *thread = g_thread_try_new ("mblm-samples", work, &self, NULL);

    if (thread)
      g_ptr_array_add (threads, thread);
  }
  work (&self);
  for (guint i = 0; i < threads->len; i++)
    g_thread_join (threads->pdata[i]);
  g_mutex_clear (&self.lock);
  if (self.error) {
    g_propagate_error (error, self.error);
    return FALSE;
  }
  return !self.stop;
}
