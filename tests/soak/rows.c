/* rows.c: what is measured, one row an interval.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "rows.h"

#include <math.h>
#include <stdlib.h>

#define WINDOWS 10

const SoakColumnInfo soak_columns[SOAK_COLUMNS] = {
    [SOAK_TIME] = {"time", "s", 3},
    [SOAK_RESIDENT] = {"resident", "KiB", 0},
    [SOAK_ANONYMOUS] = {"anonymous", "KiB", 0},
    [SOAK_HEAP] = {"malloc_heap", "KiB", 0},
    [SOAK_USED] = {"malloc_used", "KiB", 1},
    [SOAK_MAPPED] = {"malloc_mapped", "KiB", 0},
    [SOAK_FRAMES_IN] = {"frames_in", "frames", 0},
    [SOAK_FRAMES_OUT] = {"frames_out", "frames", 0},
    [SOAK_WITH_TEXT] = {"frames_with_text", "frames", 0},
    [SOAK_ASKED] = {"asked", "frames", 0},
    [SOAK_UNITS] = {"worked_on", "frames", 0},
    [SOAK_DROPPED] = {"dropped", "frames", 0},
    [SOAK_FAILED] = {"failed", "frames", 0},
    [SOAK_ANSWERS] = {"answers", "messages", 0},
    [SOAK_NEW_TEXTS] = {"new_texts", "buffers", 0},
    [SOAK_REPEATS] = {"repeated_texts", "buffers", 0},
    [SOAK_SCORES] = {"scores", "lines", 0},
    [SOAK_CONTINUATIONS] = {"continuations", "buffers", 0},
    [SOAK_WARNINGS] = {"warnings", "messages", 0},
    [SOAK_LATENESS] = {"lateness_p50", "ms", 3},
    [SOAK_LATENESS + 1] = {"lateness_p95", "ms", 3},
    [SOAK_LATENESS + 2] = {"lateness_p99", "ms", 3},
    [SOAK_LATENESS + 3] = {"lateness_max", "ms", 3},
    [SOAK_LATENCY] = {"answer_latency_p50", "ms", 3},
    [SOAK_LATENCY + 1] = {"answer_latency_p95", "ms", 3},
    [SOAK_LATENCY + 2] = {"answer_latency_p99", "ms", 3},
    [SOAK_LATENCY + 3] = {"answer_latency_max", "ms", 3},
};

void
soak_rows_init (SoakRows *self, guint size)
{
  gsize cells = (gsize) size * SOAK_COLUMNS;

  self->cells = g_new (double, cells);
  self->length = 0;
  self->size = size;
  /* Written, so that the pages are there from now on. */
  for (gsize i = 0; i < cells; i++)
    self->cells[i] = NAN;
}

void
soak_rows_clear (SoakRows *self)
{
  g_clear_pointer (&self->cells, g_free);
  self->length = self->size = 0;
}

double *
soak_rows_add (SoakRows *self)
{
  if (self->length == self->size)
    return NULL;
  return self->cells + (gsize) self->length++ * SOAK_COLUMNS;
}

const double *
soak_rows_get (const SoakRows *self, guint row)
{
  g_return_val_if_fail (row < self->length, NULL);
  return self->cells + (gsize) row * SOAK_COLUMNS;
}

static int
compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Sorts the numbers. */
static double
median (double *numbers, guint n)
{
  qsort (numbers, n, sizeof (double), compare);
  return (numbers[(n - 1) / 2] + numbers[n / 2]) / 2.0;
}

/* Sorts the numbers within their windows. */
static void
look_at_windows (double *numbers, SoakSpan *span)
{
  double medians[2] = {INFINITY, -INFINITY}, lowest[2] = {INFINITY, -INFINITY};

  for (guint i = 0; i < span->windows; i++) {
    guint begin = (guint) ((guint64) span->rows * i / span->windows);
    guint end = (guint) ((guint64) span->rows * (i + 1) / span->windows);

    span->last_median = median (numbers + begin, end - begin);
    span->last_lowest = numbers[begin];
    if (i == 0) {
      span->first_median = span->last_median;
      span->first_lowest = span->last_lowest;
    }
    medians[0] = MIN (medians[0], span->last_median);
    medians[1] = MAX (medians[1], span->last_median);
    lowest[0] = MIN (lowest[0], span->last_lowest);
    lowest[1] = MAX (lowest[1], span->last_lowest);
  }
  span->range_of_medians = medians[1] - medians[0];
  span->range_of_lowest = lowest[1] - lowest[0];
}

gboolean
soak_rows_span (
    const SoakRows *self, SoakColumn column, double from, SoakSpan *span)
{
  g_autofree double *numbers = g_new (double, self->length + 1);
  guint n = 0;

  for (guint i = 0; i < self->length; i++) {
    const double *row = soak_rows_get (self, i);

    if (row[SOAK_TIME] >= from && !isnan (row[column]))
      numbers[n++] = row[column];
  }
  *span = (SoakSpan){.rows = n, .windows = MIN (n, WINDOWS)};
  if (n == 0)
    return FALSE;
  span->min = span->max = numbers[0];
  for (guint i = 1; i < n; i++) {
    span->min = MIN (span->min, numbers[i]);
    span->max = MAX (span->max, numbers[i]);
  }
  look_at_windows (numbers, span);
  return TRUE;
}
