/* learner-load.c: a learner for a test.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "learner-load.h"

MblmLearner *
learner_load (
    const char *folder, const char *device, MblmLearnerOptions options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) d = mblm_device_open (device, 0, &error);
  g_assert_no_error (error);
  MblmLearner *learner = mblm_learner_new_from_folder (
      folder, d, &options, &error);
  g_assert_no_error (error);
  return learner;
}
