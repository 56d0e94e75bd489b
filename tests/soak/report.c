/* report.c: what a soak writes: soak.csv, soak.json, and the summary to read.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "report.h"

#include <math.h>

#include "camera.h"
#include "machine.h"
#include "writer.h"

/* --- rows --- */

gboolean
soak_report_csv_head (FILE *file)
{
  for (guint i = 0; i < SOAK_COLUMNS; i++)
    fprintf (file, "%s%s (%s)", i > 0 ? "," : "", soak_columns[i].name,
        soak_columns[i].unit);
  fputc ('\n', file);
  return fflush (file) == 0 && !ferror (file);
}

gboolean
soak_report_csv_row (FILE *file, const double *row)
{
  for (guint i = 0; i < SOAK_COLUMNS; i++) {
    if (i > 0)
      fputc (',', file);
    if (!isnan (row[i]))
      fprintf (file, "%.*f", (int) soak_columns[i].digits, row[i]);
  }
  fputc ('\n', file);
  return fflush (file) == 0 && !ferror (file);
}

double
soak_report_get_growth (const SoakResult *result)
{
  return result->resident.range_of_lowest;
}

static double
last_of (const SoakResult *result, SoakColumn column)
{
  guint n = result->rows->length;

  return n > 0 ? soak_rows_get (result->rows, n - 1)[column] : NAN;
}

/* --- JSON --- */

static void
add_span (SoakWriter *writer, const char *name, const SoakSpan *span)
{
  soak_writer_open (writer, name, '{');
  soak_writer_add_number (writer, "rows", span->rows);
  soak_writer_add_number (writer, "min", span->min);
  soak_writer_add_number (writer, "max", span->max);
  soak_writer_add_number (writer, "windows", span->windows);
  soak_writer_add_number (writer, "first_median", span->first_median);
  soak_writer_add_number (writer, "last_median", span->last_median);
  soak_writer_add_number (writer, "last_minus_first_median",
      span->last_median - span->first_median);
  soak_writer_add_number (writer, "range_of_medians", span->range_of_medians);
  soak_writer_add_number (writer, "first_lowest", span->first_lowest);
  soak_writer_add_number (writer, "last_lowest", span->last_lowest);
  soak_writer_add_number (writer, "last_minus_first_lowest",
      span->last_lowest - span->first_lowest);
  soak_writer_add_number (writer, "range_of_lowest", span->range_of_lowest);
  soak_writer_close (writer, '}');
}

static void
add_times (SoakWriter *writer, const char *name, const SoakHistogram *times)
{
  soak_writer_open (writer, name, '{');
  soak_writer_add_number (writer, "n", times->n);
  soak_writer_add_number (writer, "p50", soak_histogram_get (times, 0.5));
  soak_writer_add_number (writer, "p95", soak_histogram_get (times, 0.95));
  soak_writer_add_number (writer, "p99", soak_histogram_get (times, 0.99));
  soak_writer_add_number (writer, "max", soak_histogram_get (times, 1.0));
  soak_writer_close (writer, '}');
}

static void
add_pipeline (SoakWriter *writer, const SoakResult *result)
{
  g_autofree char *parts = soak_options_list_parts (result->options);
  g_autofree char *model = soak_options_base_name (result->options->model);

  soak_writer_open (writer, "pipeline", '{');
  soak_writer_add_text (writer, "parts", parts);
  soak_writer_add_number (writer, "width", SOAK_WIDTH);
  soak_writer_add_number (writer, "height", SOAK_HEIGHT);
  soak_writer_add_number (writer, "fps", result->options->fps);
  soak_writer_add_flag (writer, "sync", result->options->sync);
  soak_writer_add_text (writer, "model", model);
  soak_writer_add_text (writer, "question", result->options->question);
  soak_writer_add_number (writer, "reported_latency_ms",
      result->latency_ms < 0 ? NAN : result->latency_ms);
  soak_writer_close (writer, '}');
}

static void
add_counts (SoakWriter *writer, const SoakResult *result)
{
  soak_writer_open (writer, "counts", '{');
  for (guint i = SOAK_FRAMES_IN; i < SOAK_LATENESS; i++)
    soak_writer_add_number (writer, soak_columns[i].name, last_of (result, i));
  soak_writer_close (writer, '}');
}

static void
add_memory (SoakWriter *writer, const SoakResult *result)
{
  soak_writer_open (writer, "memory_after_warm_up_kib", '{');
  if (result->has_memory) {
    add_span (writer, "resident", &result->resident);
    add_span (writer, "malloc_used", &result->used);
    soak_writer_add_number (writer, "growth", soak_report_get_growth (result));
  }
  soak_writer_add_number (writer, "allowed", result->options->allow);
  soak_writer_close (writer, '}');
}

static void
add_failures (SoakWriter *writer, const SoakResult *result)
{
  soak_writer_open (writer, "failures", '[');
  for (guint i = 0; i < result->failures->len; i++)
    soak_writer_add_text (writer, NULL, result->failures->pdata[i]);
  soak_writer_close (writer, ']');
}

gboolean
soak_report_json (const SoakResult *result, const char *path, GError **error)
{
  SoakWriter writer;
  g_autofree char *line = soak_options_to_line (result->options);
  g_autofree char *text = NULL;

  soak_writer_init (&writer);
  soak_writer_add_text (&writer, "command", line);
  soak_machine_describe (&writer);
  add_pipeline (&writer, result);
  soak_writer_add_number (&writer, "seconds", last_of (result, SOAK_TIME));
  soak_writer_add_number (&writer, "warm_up_seconds", result->options->warm_up);
  soak_writer_add_number (&writer, "rows", result->rows->length);
  soak_writer_add_flag (&writer, "interrupted", result->interrupted);
  add_counts (&writer, result);
  soak_writer_open (&writer, "times_after_warm_up_ms", '{');
  add_times (&writer, "lateness_at_camera", result->departure);
  add_times (&writer, "lateness", result->lateness);
  add_times (&writer, "answer_latency", result->latency);
  soak_writer_close (&writer, '}');
  soak_writer_add_number (
      &writer, "longest_quiet_seconds", result->longest_quiet);
  add_memory (&writer, result);
  add_failures (&writer, result);
  soak_writer_add_flag (&writer, "passed", result->failures->len == 0);
  text = soak_writer_end (&writer);
  return g_file_set_contents (path, text, -1, error);
}

/* --- the summary to read --- */

static void
print_times (FILE *file, const char *name, const SoakHistogram *times)
{
  if (times->n == 0)
    return;
  fprintf (file, "%-12s p50 %.1f ms, p95 %.1f ms, p99 %.1f ms, max %.1f ms\n",
      name, soak_histogram_get (times, 0.5), soak_histogram_get (times, 0.95),
      soak_histogram_get (times, 0.99), soak_histogram_get (times, 1.0));
}

static void
print_span (FILE *file, const char *name, const SoakSpan *span)
{
  fprintf (file, "%-12s %.0f to %.0f KiB; of %u windows\n", name, span->min,
      span->max, span->windows);
  fprintf (file, "%-12s medians: first %.0f, last %.0f (%+.0f), range %.0f\n",
      "", span->first_median, span->last_median,
      span->last_median - span->first_median, span->range_of_medians);
  fprintf (file, "%-12s lowest:  first %.0f, last %.0f (%+.0f), range %.0f\n",
      "", span->first_lowest, span->last_lowest,
      span->last_lowest - span->first_lowest, span->range_of_lowest);
}

void
soak_report_print (const SoakResult *result, FILE *file)
{
  g_autofree char *parts = soak_options_list_parts (result->options);
  double out = last_of (result, SOAK_FRAMES_OUT);
  double text = last_of (result, SOAK_WITH_TEXT);

  if (result->rows->length == 0) {
    fprintf (file, "There is no row.\n");
  } else {
    fprintf (file, "%s, %.0f s%s, %u rows\n", parts,
        last_of (result, SOAK_TIME),
        result->interrupted ? " (interrupted)" : "", result->rows->length);
    fprintf (file, "%-12s %.0f in, %.0f out, %.0f with text (%.1f %%)\n",
        "frames", last_of (result, SOAK_FRAMES_IN), out, text,
        out > 0 ? 100.0 * text / out : 0.0);
    fprintf (file,
        "%-12s %.0f; of %.0f frames asked about %.0f dropped, %.0f failed\n",
        "answers", last_of (result, SOAK_ANSWERS), last_of (result, SOAK_ASKED),
        last_of (result, SOAK_DROPPED), last_of (result, SOAK_FAILED));
    fprintf (file, "%-12s %.0f scores, %.0f continuations, %.0f warnings\n",
        "besides", last_of (result, SOAK_SCORES),
        last_of (result, SOAK_CONTINUATIONS), last_of (result, SOAK_WARNINGS));
  }
  fprintf (file, "After the warm-up of %d s:\n", result->options->warm_up);
  print_times (file, "from camera", result->departure);
  print_times (file, "at sink", result->lateness);
  print_times (file, "answers", result->latency);
  if (result->has_memory) {
    print_span (file, "resident", &result->resident);
    print_span (file, "malloc", &result->used);
  } else {
    fprintf (file, "%-12s not judged: the run ended before\n", "resident");
  }
  for (guint i = 0; i < result->failures->len; i++)
    fprintf (file, "failed: %s\n", (char *) result->failures->pdata[i]);
  if (result->failures->len == 0)
    fprintf (file, "passed\n");
}
