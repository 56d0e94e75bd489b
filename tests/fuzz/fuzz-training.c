/* fuzz-training.c: training files, and the state of a run.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <mblm.h>
#include <string.h>

#include "fuzz.h"
#include "training-config.h"
#include "training-state.h"

/* What was taken is written so that it is taken again, and written the same. */
static void
try_config (const uint8_t *data, size_t n)
{
  const MblmTrainingSummary summary = {
      .checkpoint_file = "x", .has_place = TRUE, .next_batch = 3};
  GError *error = NULL;
  g_autoptr (MblmTrainingConfig) config = mblm_training_config_parse (
      (const char *) data, n, "fuzz", &error);

  fuzz_check_error (config != NULL, error);
  if (config == NULL)
    return;

  g_autofree char *yaml = mblm_training_config_to_yaml (config, &summary);
  g_autoptr (MblmTrainingConfig)
      again = mblm_training_config_parse (yaml, strlen (yaml), "again", NULL);
  FUZZ_CHECK (again != NULL);
  FUZZ_CHECK (again->batches == config->batches);
  g_autofree char *twice = mblm_training_config_to_yaml (again, &summary);
  g_autoptr (MblmTrainingConfig)
      third = mblm_training_config_parse (twice, strlen (twice), "third", NULL);
  FUZZ_CHECK (third != NULL);
  FUZZ_CHECK (strcmp (third->fingerprint, again->fingerprint) == 0);
}

static void
try_state (const uint8_t *data, size_t n)
{
  GError *error = NULL;
  g_autoptr (MblmTrainingState) state = mblm_training_state_parse (
      (const char *) data, n, "fuzz", &error);

  fuzz_check_error (state != NULL, error);
  if (state == NULL)
    return;

  g_autofree char *json = mblm_training_state_to_json (state);
  g_autoptr (MblmTrainingState)
      again = mblm_training_state_parse (json, strlen (json), "again", NULL);
  FUZZ_CHECK (again != NULL);
  g_autofree char *twice = mblm_training_state_to_json (again);
  FUZZ_CHECK (strcmp (json, twice) == 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  try_config (data, n);
  try_state (data, n);
  return 0;
}
