/* learner-smooth.c: embeddings that begin as smooth functions of the byte.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Published models begin with a random row for each byte: that 200 is nearly 201
 * they learn last. Where bytes are levels of light or sound, a row that is made of
 * waves of the byte's value, none of which turns more than once from 0 to 255, says
 * so from the start. Outer stages see whole patches of such bytes; the innermost
 * stage, which writes text as well, begins as published.
 */

#include "learner-private.h"

#include <math.h>

#define LEVELS 256

/* Rows 0 .. 255 of a table [vocabulary, width], of unit variance as the others. */
static gboolean
smooth_table (
    MblmLearner *self, const MblmMatrix *table, GRand *random, GError **error)
{
  gsize rows = MIN (table->rows, LEVELS), width = table->cols;
  gint pad = mblm_config_get_pad_id (self->model->config);
  g_autofree float *values = g_try_new (float, rows *width);
  MblmRun *run = &self->run;

  run->failed |= values == NULL;
  if (!mblm_run_check (run, error))
    return FALSE;
  for (gsize column = 0; column < width; column++) {
    double turns = g_rand_double (random), phase = g_rand_double (random);

    for (gsize row = 0; row < rows; row++)
      values[row * width + column] = row == (gsize) pad
          ? 0.0f
          : (float) (G_SQRT2 *
                cos (2.0 * G_PI * (turns * (double) row / LEVELS + phase)));
  }
  run->k->upload (
      run->q, (float *) table->data, values, rows * width * sizeof (float));
  return mblm_run_wait (run, error);
}

gboolean
learner_smooth_embeddings (MblmLearner *self, guint64 seed, GError **error)
{
  GRand *random = mblm_parameters_new_random (~seed);
  gboolean ok = TRUE;

  for (guint k = 0; ok && k < self->model->last; k++)
    ok = smooth_table (self, &self->model->stage[k].table, random, error);
  g_rand_free (random);
  return ok;
}
