/* report.h: what a soak writes: soak.csv, soak.json, and the summary to read.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <stdio.h>

#include "histogram.h"
#include "options.h"
#include "rows.h"

G_BEGIN_DECLS

/* What a run came to. */
typedef struct {
  const SoakOptions *options;
  const SoakRows *rows;
  /* Of the run after the warm-up. */
  const SoakHistogram *departure, *lateness, *latency;
  double latency_ms; /* that the pipeline reports; -1: it doesn't */
  gboolean interrupted;
  gboolean has_memory; /* there are rows after the warm-up */
  SoakSpan resident, used;
  /* The longest time without a frame, an answer, and so on, in s, and of what. */
  double longest_quiet;
  const char *quiet_of;
  GPtrArray *failures; /* messages: why the run is not good */
} SoakResult;

/* The first line, and a row. Flushed, so that a run that is killed has its rows.
 * FALSE, with errno: it can't be written. */
gboolean soak_report_csv_head (FILE *file);
gboolean soak_report_csv_row (FILE *file, const double *row);

/* What resident memory grew by, in KiB: how far the lowest rows of the windows lie
 * apart. Memory that is kept stays in them; frames in flight, of which there are
 * more while the machine is busy, do not. */
double soak_report_get_growth (const SoakResult *result);

gboolean soak_report_json (
    const SoakResult *result, const char *path, GError **error);
void soak_report_print (const SoakResult *result, FILE *file);

G_END_DECLS
