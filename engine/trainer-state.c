/* trainer-state.c: the state that a run begins or goes on with.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Besides the counts, a state tells what decides what is computed: the training
 * file, the data, mblm.json; and what decides its last digits: the device and the
 * bound of memory. What a state of an older version doesn't tell is taken from
 * what is there now.
 */

#include "trainer-private.h"

#include <string.h>

#include "mblm-error.h"

/* ------------------------------------------------------------------------- */
/* What there is now                                                         */
/* ------------------------------------------------------------------------- */

/* The device's description without its number of threads, on which nothing
 * depends: "cpu (AVX-512)". */
static char *
describe_device (MblmTrainer *self)
{
  const char *text = mblm_device_get_description (self->device);
  const char *comma = strrchr (text, ',');

  if (comma == NULL || strstr (comma, " thread") == NULL)
    return g_strdup (text);
  return g_strdup_printf ("%.*s)", (int) (comma - text), text);
}

static char *
sum_data (MblmTrainer *self)
{
  GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA256);
  char *text;

  mblm_dataset_describe (self->train, sum);
  mblm_dataset_describe (self->valid, sum);
  text = g_strdup (g_checksum_get_string (sum));
  g_checksum_free (sum);
  return text;
}

static char *
sum_info (MblmTrainer *self)
{
  g_autofree char *json = self->has_info ? mblm_info_to_json (self->info)
                                         : g_strdup ("");

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, json, -1);
}

/* Of what a run that begins now would have. */
static void
describe (MblmTrainer *self, MblmTrainingState *state)
{
  state->samples = mblm_dataset_count (self->train, 0);
  state->valid_samples = mblm_dataset_count (self->valid, 0);
  state->data = sum_data (self);
  state->info = sum_info (self);
  state->device = describe_device (self);
}

/* ------------------------------------------------------------------------- */
/* Comparing                                                                 */
/* ------------------------------------------------------------------------- */

/* An older version put `resume` into the fingerprint. */
static gboolean
check_config (MblmTrainer *self, const MblmTrainingState *state, GError **error)
{
  const MblmTrainingConfig *config = self->config;

  if ((g_str_equal (state->fingerprint, config->fingerprint) ||
          g_str_equal (state->fingerprint, config->old_fingerprint)) &&
      state->done <= config->batches)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "%s: it differs from what the run in %s began with: resume with the same "
      "file, precision and layer_inputs (%s/config.yaml has them), or begin a "
      "new run whose "
      "`resume` names a model of that one",
      config->path, self->output, self->output);
  return FALSE;
}

static char *
compare_counts (const char *what, guint64 had, guint64 has)
{
  if (had == 0 || had == has)
    return NULL;
  return g_strdup_printf ("%" G_GUINT64_FORMAT
                          " samples for %s, not %" G_GUINT64_FORMAT,
      has, what, had);
}

static gboolean
is_changed (const char *had, const char *has)
{
  return had != NULL && had[0] != '\0' && !g_str_equal (had, has);
}

/* A changed set would silently be gone through in another order. */
static gboolean
check_data (MblmTrainer *self, const MblmTrainingState *had,
    const MblmTrainingState *has, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  g_autofree char *what = compare_counts (
      "training", had->samples, has->samples);

  if (what == NULL)
    what = compare_counts (
        "validation", had->valid_samples, has->valid_samples);
  if (what == NULL && is_changed (had->data, has->data))
    what = g_strdup ("files of other names or sizes");
  if (what != NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "%s: the data are others than those that the run in %s began with: %s; "
        "put them back, or begin a new run whose `resume` names a model of "
        "that one",
        config->dataset_dir, self->output, what);
    return FALSE;
  }
  if (!is_changed (had->info, has->info))
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "%s: it differs from what the run in %s began with; put it back, or "
      "begin "
      "a new run whose `resume` names a model of that one",
      config->model_info != NULL ? config->model_info : config->path,
      self->output);
  return FALSE;
}

/* How a pass is cut decides the last digits of its sums. */
static void
take_memory (MblmTrainer *self)
{
  if (self->memory != 0 && self->memory != self->state->memory)
    mblm_trainer_say (self,
        "the run began with another bound of memory: the last digits of its "
        "losses may differ from now on");
  else
    self->memory = self->state->memory;
}

static void
take_device (MblmTrainer *self, const char *device)
{
  if (is_changed (self->state->device, device))
    mblm_trainer_say (self,
        "the run began on %s, and this is %s: the last digits of its losses "
        "may differ from now on",
        self->state->device, device);
}

/* ------------------------------------------------------------------------- */
/* The state of a run                                                        */
/* ------------------------------------------------------------------------- */

gboolean
mblm_trainer_check_resume (MblmTrainer *self, GError **error)
{
  g_autoptr (MblmTrainingState)
      state = mblm_training_state_peek (self->output, NULL, error);
  g_autoptr (MblmTrainingState) now = mblm_training_state_new ();

  if (state == NULL || !check_config (self, state, error))
    return FALSE;
  if (self->train == NULL)
    return TRUE;
  describe (self, now);
  return check_data (self, state, now, error);
}

gboolean
mblm_trainer_load_state (MblmTrainer *self, char **folder, GError **error)
{
  g_autoptr (MblmTrainingState) now = mblm_training_state_new ();
  MblmTrainingState *state;

  state = self->state = mblm_training_state_load (self->output, folder, error);
  if (state == NULL)
    return FALSE;
  describe (self, now);
  if (!check_config (self, state, error) ||
      !check_data (self, state, now, error))
    return FALSE;
  take_memory (self);
  take_device (self, now->device);
  state->samples = now->samples;
  state->valid_samples = now->valid_samples;
  g_free (state->data);
  state->data = g_steal_pointer (&now->data);
  g_free (state->info);
  state->info = g_steal_pointer (&now->info);
  g_free (state->device);
  state->device = g_steal_pointer (&now->device);
  return TRUE;
}

void
mblm_trainer_begin_state (MblmTrainer *self)
{
  const MblmTrainingConfig *config = self->config;
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  MblmTrainingState *state = self->state = mblm_training_state_new ();

  state->name = g_strdup (config->name);
  state->fingerprint = g_strdup (config->fingerprint);
  state->start = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%f");
  state->memory = self->memory;
  state->epoch = config->next_epoch;
  state->batch = config->next_batch;
  describe (self, state);
  /* as published: all epochs count as long as the first */
  state->first = mblm_batches_count (self->batches, 0) * config->next_epoch +
      config->next_batch;
}
