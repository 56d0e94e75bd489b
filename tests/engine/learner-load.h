/* learner-load.h: a learner for a test.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "learner.h"

/* Of the model in a folder, on a device opened for it; the test fails where that
 * can't be. */
MblmLearner *learner_load (
    const char *folder, const char *device, MblmLearnerOptions options);
