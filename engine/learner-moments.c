/* learner-moments.c: Adam's two moments of every parameter.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * They are used once a step and take half of what a model in training does. Where
 * the device's memory is wanted for something else they lie in the host's, and
 * pass through a window piece by piece. Each entry is computed alike in any piece.
 */

#include "learner-private.h"

#include <string.h>

/* Of each moment. Large enough for the host's bus to be at its best. */
#define WINDOW ((gsize) 1 << 22)

guint64
learner_get_window_bytes (void)
{
  return 2 * WINDOW * sizeof (float);
}

static float *
make_moment (MblmLearner *self, gsize bytes, GError **error)
{
  if (self->window == NULL)
    return learner_allocate (self, bytes, error);

  float *moment = self->run.k->alloc_host (self->run.memory, bytes);
  if (moment == NULL)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "not enough memory of the host for the optimiser, which takes %.1f GiB "
        "of it; set optimizer_memory: device, or use a smaller model",
        8.0 * self->model->n_parameters / (1 << 30));
  else
    memset (moment, 0, bytes);
  return moment;
}

gboolean
learner_make_moments (MblmLearner *self, GError **error)
{
  guint n = learner_n_parameters (self);
  MblmTraits traits;

  mblm_device_get_traits (self->run.device, &traits);
  if (self->options.host_moments && traits.memory > 0) {
    self->window_size = WINDOW;
    self->window = learner_allocate (self, learner_get_window_bytes (), error);
    if (self->window == NULL)
      return FALSE;
  }
  self->m = g_new0 (float *, n);
  self->v = g_new0 (float *, n);
  for (guint i = 0; i < n; i++) {
    const MblmParameter *p = learner_parameter (self->model, i);
    gsize bytes = p != NULL ? p->n_elements * sizeof (float) : 0;

    if (p != NULL &&
        ((self->m[i] = make_moment (self, bytes, error)) == NULL ||
            (self->v[i] = make_moment (self, bytes, error)) == NULL))
      return FALSE;
  }
  return TRUE;
}

static void
free_all (MblmLearner *self, float **moments)
{
  const MblmKernels *k = self->run.k;

  for (guint i = 0; moments != NULL && i < learner_n_parameters (self); i++)
    if (moments[i] != NULL)
      (self->window != NULL ? k->free_host : k->free) (
          self->run.memory, moments[i]);
  g_free (moments);
}

void
learner_free_moments (MblmLearner *self)
{
  free_all (self, self->m);
  free_all (self, self->v);
  if (self->window != NULL)
    self->run.k->free (self->run.memory, self->window);
}

/* Entries first and up, as many as fit. */
static void
step_window (
    MblmLearner *self, guint i, const MblmAdam *all, gsize first, gsize n)
{
  const MblmKernels *k = self->run.k;
  MblmAdam adam = *all;
  gsize bytes = n * sizeof (float);

  adam.count = n;
  adam.weight += first;
  adam.gradient += first;
  adam.m = self->window;
  adam.v = self->window + self->window_size;
  k->copy (self->run.q, adam.m, self->m[i] + first, bytes);
  k->copy (self->run.q, adam.v, self->v[i] + first, bytes);
  k->adam (self->run.q, &adam);
  k->copy (self->run.q, self->m[i] + first, adam.m, bytes);
  k->copy (self->run.q, self->v[i] + first, adam.v, bytes);
}

void
learner_step_moments (MblmLearner *self, guint i, const MblmAdam *adam)
{
  MblmAdam whole = *adam;

  if (self->window != NULL) {
    for (gsize first = 0; first < adam->count; first += self->window_size)
      step_window (
          self, i, adam, first, MIN (self->window_size, adam->count - first));
    return;
  }
  whole.m = self->m[i];
  whole.v = self->v[i];
  self->run.k->adam (self->run.q, &whole);
}
