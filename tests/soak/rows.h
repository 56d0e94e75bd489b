/* rows.h: what is measured, one row an interval.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The rows of a whole run are kept for the picture and the summary, in memory
 * that is taken, and touched, before the first of them is measured.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Counts are those since the beginning; percentiles are of the interval alone. */
typedef enum {
  SOAK_TIME,
  SOAK_RESIDENT,
  SOAK_ANONYMOUS,
  SOAK_HEAP,
  SOAK_USED,
  SOAK_MAPPED,
  SOAK_FRAMES_IN,
  SOAK_FRAMES_OUT,
  SOAK_WITH_TEXT,
  SOAK_ASKED,
  SOAK_UNITS,
  SOAK_DROPPED,
  SOAK_FAILED,
  SOAK_ANSWERS,
  SOAK_NEW_TEXTS,
  SOAK_REPEATS,
  SOAK_SCORES,
  SOAK_CONTINUATIONS,
  SOAK_WARNINGS,
  /* p50, p95, p99, max */
  SOAK_LATENESS,
  SOAK_LATENCY = SOAK_LATENESS + 4,
  SOAK_COLUMNS = SOAK_LATENCY + 4,
} SoakColumn;

typedef struct {
  const char *name, *unit;
  guint digits; /* after the point */
} SoakColumnInfo;

extern const SoakColumnInfo soak_columns[SOAK_COLUMNS];

typedef struct {
  double *cells; /* NAN: there was nothing to measure */
  guint length, size;
} SoakRows;

/* Of the rows from one time on: their extremes, and what up to ten windows of equal
 * length come to. The median of a window is what was usual in it; its lowest row is
 * what was left when nothing was under way. */
typedef struct {
  guint rows, windows;
  double min, max;
  double first_median, last_median, range_of_medians;
  double first_lowest, last_lowest, range_of_lowest;
} SoakSpan;

void soak_rows_init (SoakRows *self, guint size);
void soak_rows_clear (SoakRows *self);
/* The next row, all NAN; NULL if there is no room. */
double *soak_rows_add (SoakRows *self);
const double *soak_rows_get (const SoakRows *self, guint row);
/* FALSE: there is no row from this time on. */
gboolean soak_rows_span (
    const SoakRows *self, SoakColumn column, double from, SoakSpan *span);

G_END_DECLS
