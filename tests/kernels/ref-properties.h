/* ref-properties.h: what the tests of the reference share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <float.h>
#include <glib.h>
#include <math.h>

#include "mblm-kernels.h"

extern const MblmKernels *ref;
extern MblmQueue *queue;

/* In -scale .. scale, from the test's seed; free with g_free (). */
float *random_floats (size_t count, float scale);
/* Within four float32 roundings of numbers of that size. */
void assert_close (double found, double expected, double size);
void assert_all_close (
    const float *found, const float *expected, size_t count, double size);

void add_sequence_tests (void);
void add_sample_tests (void);
void add_typed_tests (void);
