/* soak.c: a live camera pipeline that runs for a long time, and what it costs.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the program itself keeps is bounded and taken before it starts: rows in a
 * table, times in histograms. The bus is emptied by the main loop.
 */

#include "config.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <math.h>
#include <unistd.h>

#include "camera.h"
#include "memory.h"
#include "plot.h"
#include "report.h"

/* Nothing that is to come again and again may stay away for longer. */
#define QUIET_SECONDS 30.0
/* After EOS has been sent. */
#define END_SECONDS 60

/* Something that has to come again and again. */
typedef struct {
  SoakColumn column;
  guint part; /* of the pipeline, any of these; 0: always */
  const char *name;
  double count, since; /* as it was when it changed, and when that was */
} Pulse;

typedef struct {
  SoakOptions options;
  SoakCamera camera;
  SoakRows rows;
  SoakResult result;
  FILE *csv;
  GMainLoop *loop;
  gint64 began;     /* µs */
  gboolean ending;  /* EOS was sent */
  gboolean running; /* the main loop is wanted */
  gboolean terminal;
  guint64 answers, warnings;
} Soak;

static Pulse pulses[] = {
    {SOAK_FRAMES_OUT, 0, "frame"},
    {SOAK_ANSWERS, SOAK_PART_TEE | SOAK_PART_OVERLAY, "answer"},
    {SOAK_WITH_TEXT, SOAK_PART_TEE | SOAK_PART_OVERLAY, "frame with text"},
    {SOAK_SCORES, SOAK_PART_SCORE, "score"},
    {SOAK_CONTINUATIONS, SOAK_PART_GENERATE, "continuation"},
};

static void fail (Soak *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
fail (Soak *self, const char *format, ...)
{
  va_list rest;

  va_start (rest, format);
  g_ptr_array_add (self->result.failures, g_strdup_vprintf (format, rest));
  va_end (rest);
}

static void
stop (Soak *self)
{
  self->running = FALSE;
  g_main_loop_quit (self->loop);
}

/* --- measuring --- */

static void
feel_pulses (Soak *self, const double *row)
{
  for (guint i = 0; i < G_N_ELEMENTS (pulses); i++) {
    Pulse *pulse = pulses + i;
    double quiet;

    if (pulse->part != 0 && !(pulse->part & self->options.parts))
      continue;
    if (row[pulse->column] != pulse->count) {
      pulse->count = row[pulse->column];
      pulse->since = row[SOAK_TIME];
    }
    quiet = row[SOAK_TIME] - pulse->since;
    if (quiet > self->result.longest_quiet) {
      self->result.longest_quiet = quiet;
      self->result.quiet_of = pulse->name;
    }
  }
}

/* FALSE: the row can't be kept or written. */
static gboolean
measure (Soak *self)
{
  double *row = soak_rows_add (&self->rows);
  SoakMemory memory;

  if (!row)
    return FALSE;
  soak_memory_read (&memory);
  row[SOAK_TIME] = (g_get_monotonic_time () - self->began) / 1e6;
  row[SOAK_RESIDENT] = memory.resident;
  row[SOAK_ANONYMOUS] = memory.anonymous;
  row[SOAK_HEAP] = memory.heap;
  row[SOAK_USED] = memory.used;
  row[SOAK_MAPPED] = memory.mapped;
  row[SOAK_ANSWERS] = self->answers;
  row[SOAK_WARNINGS] = self->warnings;
  soak_camera_measure (&self->camera, row);
  /* What is under way at the end may take its time. */
  if (!self->ending)
    feel_pulses (self, row);
  if (!soak_report_csv_row (self->csv, row)) {
    fail (self, "soak.csv: %s", g_strerror (errno));
    return FALSE;
  }
  if (self->terminal)
    fprintf (stderr,
        "\r%5.0f of %d s  %.1f MiB  %.0f frames, %.0f with text  late %.1f ms ",
        row[SOAK_TIME], self->options.seconds, row[SOAK_RESIDENT] / 1024,
        row[SOAK_FRAMES_OUT], row[SOAK_WITH_TEXT], row[SOAK_LATENESS]);
  return TRUE;
}

/* --- what happens --- */

static gboolean
on_no_end (gpointer data)
{
  Soak *self = data;

  fail (self, "the pipeline did not end within %d s of EOS", END_SECONDS);
  stop (self);
  return G_SOURCE_REMOVE;
}

static void
end (Soak *self)
{
  if (self->ending)
    return;
  self->ending = TRUE;
  self->result.latency_ms = soak_camera_get_latency_ms (&self->camera);
  gst_element_send_event (self->camera.pipeline, gst_event_new_eos ());
  g_timeout_add_seconds (END_SECONDS, on_no_end, self);
}

static gboolean
on_interval (gpointer data)
{
  Soak *self = data;
  double left;

  if (self->ending)
    return G_SOURCE_REMOVE;
  if (!measure (self)) {
    end (self);
    return G_SOURCE_REMOVE;
  }
  left = self->options.seconds - (g_get_monotonic_time () - self->began) / 1e6;
  if (left < self->options.interval / 2) {
    end (self);
    return G_SOURCE_REMOVE;
  }
  return G_SOURCE_CONTINUE;
}

/* The first ends the run, the second doesn't wait for the pipeline's end. */
static gboolean
on_signal (gpointer data)
{
  Soak *self = data;

  self->result.interrupted = TRUE;
  if (self->ending)
    stop (self);
  else
    end (self);
  return G_SOURCE_CONTINUE;
}

static void
on_problem (Soak *self, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, &debug);
    fail (self, "%s: %s", GST_MESSAGE_SRC_NAME (message), error->message);
    stop (self);
    return;
  }
  gst_message_parse_warning (message, &error, &debug);
  self->warnings++;
  /* A warning that comes again and again would fill the terminal. */
  if (self->warnings <= 10)
    fprintf (stderr, "%swarning: %s: %s\n", self->terminal ? "\n" : "",
        GST_MESSAGE_SRC_NAME (message), error->message);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Soak *self = data;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      self->answers += gst_message_has_name (message, "mblmask");
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (self->camera.pipeline));
      break;
    case GST_MESSAGE_ERROR:
    case GST_MESSAGE_WARNING:
      on_problem (self, message);
      break;
    case GST_MESSAGE_EOS:
      if (!self->ending)
        fail (self, "the pipeline ended by itself");
      stop (self);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

static void
run (Soak *self)
{
  GstBus *bus = gst_element_get_bus (self->camera.pipeline);

  gst_bus_add_watch (bus, on_message, self);
  g_unix_signal_add (SIGINT, on_signal, self);
  g_unix_signal_add (SIGTERM, on_signal, self);
  self->loop = g_main_loop_new (NULL, FALSE);
  self->running = TRUE;
  self->began = g_get_monotonic_time ();
  if (gst_element_set_state (self->camera.pipeline, GST_STATE_PLAYING) ==
      GST_STATE_CHANGE_FAILURE) {
    /* The bus says why. */
    while (self->running && g_main_context_iteration (NULL, FALSE))
      ;
    if (self->result.failures->len == 0)
      fail (self, "the pipeline can't be started");
  } else {
    g_timeout_add (
        (guint) lround (self->options.interval * 1000), on_interval, self);
    g_main_loop_run (self->loop);
    /* The last row: all that came until the end. */
    measure (self);
  }
  if (self->terminal)
    fputc ('\n', stderr);
  gst_bus_remove_watch (bus);
  gst_object_unref (bus);
  g_main_loop_unref (self->loop);
}

/* --- the end --- */

static void
judge (Soak *self)
{
  SoakResult *result = &self->result;
  double from = self->options.warm_up;

  result->has_memory = soak_rows_span (&self->rows, SOAK_RESIDENT, from,
                           &result->resident) &&
      soak_rows_span (&self->rows, SOAK_USED, from, &result->used);
  if (result->has_memory &&
      soak_report_get_growth (result) > self->options.allow)
    fail (self,
        "resident memory moved by %.0f KiB after the warm-up, more than the "
        "%d KiB that are allowed",
        soak_report_get_growth (result), self->options.allow);
  if (result->longest_quiet > QUIET_SECONDS)
    fail (self, "there was no %s for %.0f s", result->quiet_of,
        result->longest_quiet);
}

static void
write_result (Soak *self)
{
  g_autofree char *json = g_build_filename (
      self->options.output, "soak.json", NULL);
  g_autofree char *svg = g_build_filename (
      self->options.output, "soak.svg", NULL);
  g_autoptr (GError) error = NULL;

  if (fclose (self->csv) != 0)
    fail (self, "soak.csv: %s", g_strerror (errno));
  if (!soak_plot_is_there ())
    fprintf (
        stderr, "soak: no picture is drawn: this was built without cairo\n");
  else if (!soak_plot (&self->result, svg, &error))
    fail (self, "soak.svg: %s", error->message);
  g_clear_error (&error);
  if (!soak_report_json (&self->result, json, &error))
    fail (self, "soak.json: %s", error->message);
  soak_report_print (&self->result, stdout);
}

static gboolean
open_csv (Soak *self)
{
  g_autofree char *path = g_build_filename (
      self->options.output, "soak.csv", NULL);

  if (g_mkdir_with_parents (self->options.output, 0777) == 0) {
    self->csv = g_fopen (path, "w");
    if (self->csv && soak_report_csv_head (self->csv))
      return TRUE;
  }
  fprintf (stderr, "soak: %s: %s\n", path, g_strerror (errno));
  return FALSE;
}

/* The plugin and the models of this build, unless the environment says others.
 */
static void
set_environment (void)
{
  if (!g_getenv ("GST_PLUGIN_PATH_1_0") && !g_getenv ("GST_PLUGIN_PATH")) {
    g_setenv ("GST_PLUGIN_PATH_1_0", SOAK_PLUGINS, TRUE);
    g_setenv ("GST_REGISTRY", SOAK_REGISTRY, FALSE);
  }
  g_setenv ("MBLM_MODEL_PATH", SOAK_MODELS, FALSE);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  Soak self = {.terminal = isatty (STDERR_FILENO)};
  int status = 1;

  if (!soak_options_parse (&self.options, &argc, &argv, &error)) {
    fprintf (stderr, "soak: %s\nTry soak --help.\n", error->message);
    soak_options_clear (&self.options);
    return 2;
  }
  if (self.options.mmap_threshold > 0)
    soak_memory_set_mmap_threshold (self.options.mmap_threshold);
  set_environment ();
  gst_init (NULL, NULL);
  self.result = (SoakResult){.options = &self.options,
      .rows = &self.rows,
      .departure = &self.camera.counts.all_departure,
      .lateness = &self.camera.counts.all_lateness,
      .latency = &self.camera.counts.all_latency,
      .latency_ms = -1.0,
      .failures = g_ptr_array_new_with_free_func (g_free)};
  /* One for each interval, one at the end, and some for clocks. */
  soak_rows_init (
      &self.rows, (guint) (self.options.seconds / self.options.interval) + 16);
  if (!soak_camera_init (&self.camera, &self.options, &error)) {
    fprintf (stderr, "soak: %s\n", error->message);
  } else if (open_csv (&self)) {
    run (&self);
    judge (&self);
    write_result (&self);
    status = self.result.failures->len == 0 ? 0 : 1;
  }
  soak_camera_clear (&self.camera);
  soak_rows_clear (&self.rows);
  soak_options_clear (&self.options);
  g_ptr_array_unref (self.result.failures);
  gst_deinit ();
  return status;
}
