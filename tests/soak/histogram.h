/* histogram.h: percentiles of times, in memory of a fixed size.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A soak that kept every time it has seen would itself be what grows. Times are
 * counted in buckets of 1/32 of their octave: a percentile is at most 3.2 % above
 * the time that it stands for, and the largest time is exact.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Times are counted in µs, up to 2^32 of them, 71 minutes. */
#define SOAK_HISTOGRAM_BUCKETS (28 * 32)

typedef struct {
  guint32 counts[SOAK_HISTOGRAM_BUCKETS];
  guint64 n;
  guint32 max;
} SoakHistogram;

void soak_histogram_clear (SoakHistogram *self);
/* A time in ns; one below zero counts as zero. */
void soak_histogram_add (SoakHistogram *self, gint64 ns);
/* Adds all that `other` has counted. */
void soak_histogram_merge (SoakHistogram *self, const SoakHistogram *other);
/* In ms; `share` is 0 to 1, and 1 the largest. NAN if nothing was counted. */
double soak_histogram_get (const SoakHistogram *self, double share);

G_END_DECLS
