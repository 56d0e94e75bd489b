/* histogram.c: percentiles of times, in memory of a fixed size.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "histogram.h"

#include <math.h>
#include <string.h>

/* Below 32 µs each has a bucket; above, each octave has 32. */
static guint
bucket_of (guint32 us)
{
  guint octave;

  if (us < 32)
    return us;
  octave = g_bit_nth_msf (us, -1) - 4;
  return octave * 32 + ((us >> (octave - 1)) & 31);
}

/* The largest time of a bucket. */
static guint32
top_of (guint bucket)
{
  guint octave = bucket / 32;

  if (octave == 0)
    return bucket;
  return (guint32) ((((guint64) 32 + bucket % 32 + 1) << (octave - 1)) - 1);
}

void
soak_histogram_clear (SoakHistogram *self)
{
  memset (self, 0, sizeof (*self));
}

void
soak_histogram_add (SoakHistogram *self, gint64 ns)
{
  guint32 us = (guint32) CLAMP (ns / 1000, 0, (gint64) G_MAXUINT32);

  self->counts[bucket_of (us)]++;
  self->n++;
  self->max = MAX (self->max, us);
}

void
soak_histogram_merge (SoakHistogram *self, const SoakHistogram *other)
{
  for (guint i = 0; i < SOAK_HISTOGRAM_BUCKETS; i++)
    self->counts[i] += other->counts[i];
  self->n += other->n;
  self->max = MAX (self->max, other->max);
}

double
soak_histogram_get (const SoakHistogram *self, double share)
{
  guint64 wanted = (guint64) ceil (share * self->n), seen = 0;

  if (self->n == 0)
    return NAN;
  for (guint i = 0; i < SOAK_HISTOGRAM_BUCKETS; i++) {
    seen += self->counts[i];
    if (seen >= wanted && seen > 0)
      return MIN (top_of (i), self->max) / 1000.0;
  }
  return self->max / 1000.0;
}
