/* bench-kernels.c: `mblm bench kernels`, each operation at a model's shapes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The floor of a call is that of reading its bytes out of a set of their size
 * again and again, or of its operations, whichever is longer.
 *
 * Every product, and every other operation of a stage, once with the single row
 * of a decoding step and once with the rows that a full pass works on at a time.
 */

#include "bench.h"

#include <mblm-kernels.h>

#include "bench-cases.h"

/* Seconds of one measurement, at least. */
#define MEASUREMENT 0.02

/* Calls per measurement that take about as long as they should. */
static gboolean
choose_repeats (
    BenchCases *cases, const BenchCase *c, guint *repeats, GError **error)
{
  for (*repeats = 1; *repeats < 1 << 24; *repeats *= 2) {
    gint64 begin = g_get_monotonic_time ();

    for (guint i = 0; i < *repeats; i++)
      bench_case_call (cases, c);
    if (!mblm_run_wait (&cases->run, error))
      return FALSE;
    if (bench_since (begin) >= MEASUREMENT)
      break;
  }
  return TRUE;
}

static gboolean
time_case (Bench *self, BenchCases *cases, const BenchCase *c, double *median,
    GError **error)
{
  g_autofree double *seconds = g_new (double, self->runs);
  guint repeats;

  if (!choose_repeats (cases, c, &repeats, error))
    return FALSE;
  for (guint run = 0; run < self->runs; run++) {
    if (g_cancellable_set_error_if_cancelled (
            self->command->cancellable, error))
      return FALSE;

    gint64 begin = g_get_monotonic_time ();

    for (guint i = 0; i < repeats; i++)
      bench_case_call (cases, c);
    if (!mblm_run_wait (&cases->run, error))
      return FALSE;
    seconds[run] = bench_since (begin) / repeats;
  }
  *median = machine_median (seconds, self->runs);
  return TRUE;
}

static void
report_case (Bench *self, const BenchCase *c, double seconds, double bandwidth)
{
  double floor = MAX (
      c->bytes / bandwidth, c->operations / self->machine.product_roof);

  json_builder_begin_object (self->json);
  json_add_string (self->json, "operation", c->operation);
  json_add_count (self->json, "stage", c->stage + 1);
  json_add_string (self->json, "shape", c->shape);
  json_add_real (self->json, "seconds", seconds);
  json_add_real (self->json, "bytes", c->bytes);
  json_add_real (self->json, "operations", c->operations);
  json_add_real (self->json, "floor_seconds", floor);
  json_add_real (self->json, "floor_ratio", floor / seconds);
  json_builder_end_object (self->json);
  g_string_append_printf (self->text,
      "%-15s %u  %-32s %10.1f µs %8.2f GB/s %8.1f GFLOP/s %7.3f\n",
      c->operation, c->stage + 1, c->shape, seconds * 1e6,
      c->bytes / seconds / 1e9, c->operations / seconds / 1e9, floor / seconds);
}

static gboolean
run_cases (Bench *self, BenchCases *cases, GError **error)
{
  double seconds, bandwidth;

  if (!mblm_run_check (&cases->run, error))
    return FALSE;
  for (guint i = 0; i < cases->list->len; i++) {
    const BenchCase *c = &g_array_index (cases->list, BenchCase, i);

    progress_show ("%s %s", c->operation, c->shape);
    if (!machine_measure_set (&self->machine, c->bytes, &bandwidth, error) ||
        !time_case (self, cases, c, &seconds, error))
      return FALSE;
    report_case (self, c, seconds, bandwidth);
  }
  return TRUE;
}

gboolean
bench_kernels (Bench *self, GError **error)
{
  guint64 context;
  BenchCases cases = {0};

  if (!bench_choose_context (self, G_MAXUINT64, &context, error) ||
      !bench_cases_init (&cases, self->model, context, error))
    return FALSE;

  json_builder_set_member_name (self->json, "kernels");
  json_builder_begin_array (self->json);
  g_string_append_printf (self->text, "\n%s\n",
      _ ("operation, stage, shape, time, bytes and operations per second, "
         "floor / measured:"));

  gboolean done = run_cases (self, &cases, error);

  json_builder_end_array (self->json);
  bench_cases_clear (&cases);
  return done;
}
