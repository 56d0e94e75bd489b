/* test-soak.c: a soak of seconds writes what it says, and its counts agree.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Nothing here depends on how fast the machine is: how late frames are, and how
 * much memory a run of seconds takes, is not looked at.
 */

#include "../command/spawn.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "histogram.h"
#include "rows.h"
#include "writer.h"

/* --- the parts that a run relies on --- */

static void
test_histogram (void)
{
  SoakHistogram *all = g_new0 (SoakHistogram, 1);
  SoakHistogram *half = g_new0 (SoakHistogram, 1);

  g_assert_true (isnan (soak_histogram_get (all, 0.5)));
  /* 1 to 100,000 µs, in two halves. */
  for (guint us = 1; us <= 100000; us++)
    soak_histogram_add (us % 2 ? all : half, (gint64) us * 1000);
  soak_histogram_merge (all, half);
  g_assert_cmpuint (all->n, ==, 100000);
  for (guint percent = 1; percent <= 100; percent++) {
    double got = soak_histogram_get (all, percent / 100.0);

    g_assert_cmpfloat (got, >=, percent);
    g_assert_cmpfloat (got, <=, percent * 1.032);
  }
  g_assert_cmpfloat (soak_histogram_get (all, 1.0), ==, 100.0);

  /* Times out of range are the nearest that there is. */
  soak_histogram_clear (all);
  soak_histogram_add (all, -5 * G_GINT64_CONSTANT (1000000));
  g_assert_cmpfloat (soak_histogram_get (all, 1.0), ==, 0.0);
  soak_histogram_add (all, G_MAXINT64);
  g_assert_cmpfloat (soak_histogram_get (all, 1.0), ==, G_MAXUINT32 / 1000.0);
  g_free (all);
  g_free (half);
}

static void
test_span (void)
{
  SoakRows rows;
  SoakSpan span;

  soak_rows_init (&rows, 100);
  for (guint i = 0; i < 100; i++) {
    double *row = soak_rows_add (&rows);

    row[SOAK_TIME] = i;
    /* Flat but for the beginning, one step, and two moments. */
    row[SOAK_RESIDENT] = i < 20 ? 10.0 * i : 1000.0 + i / 50;
    if (i == 21)
      row[SOAK_RESIDENT] = 999.0;
    if (i == 57)
      row[SOAK_RESIDENT] = 9000.0;
  }
  g_assert_null (soak_rows_add (&rows));
  g_assert_false (soak_rows_span (&rows, SOAK_RESIDENT, 100.0, &span));
  g_assert_false (soak_rows_span (&rows, SOAK_USED, 0.0, &span));
  g_assert_true (soak_rows_span (&rows, SOAK_RESIDENT, 20.0, &span));
  g_assert_cmpuint (span.rows, ==, 80);
  g_assert_cmpuint (span.windows, ==, 10);
  g_assert_cmpfloat (span.min, ==, 999.0);
  g_assert_cmpfloat (span.max, ==, 9000.0);
  g_assert_cmpfloat (span.first_median, ==, 1000.0);
  g_assert_cmpfloat (span.last_median, ==, 1001.0);
  g_assert_cmpfloat (span.range_of_medians, ==, 1.0);
  g_assert_cmpfloat (span.first_lowest, ==, 999.0);
  g_assert_cmpfloat (span.last_lowest, ==, 1001.0);
  g_assert_cmpfloat (span.range_of_lowest, ==, 2.0);
  soak_rows_clear (&rows);
}

static void
test_writer (void)
{
  SoakWriter writer;
  g_autofree char *text = NULL;

  soak_writer_init (&writer);
  soak_writer_add_text (&writer, "a", "“\"\n\xff");
  soak_writer_open (&writer, "b", '[');
  soak_writer_close (&writer, ']');
  soak_writer_open (&writer, "c", '{');
  soak_writer_add_number (&writer, "d", 53.333333);
  soak_writer_add_number (&writer, "e", NAN);
  soak_writer_add_flag (&writer, "f", TRUE);
  soak_writer_close (&writer, '}');
  text = soak_writer_end (&writer);
  g_assert_cmpstr (text, ==,
      "{\n  \"a\": \"“\\\"\\n\xef\xbf\xbd\",\n  \"b\": [],\n  \"c\": {\n"
      "    \"d\": 53.333,\n    \"e\": null,\n    \"f\": true\n  }\n}\n");
}

/* --- what it is told --- */

static void
test_usage (void)
{
  static const struct {
    const char *arguments[3], *says;
  } wrong[] = {
      {{"--seconds", "0"}, "--seconds"},
      {{"--seconds", "1e9"}, "--seconds"},
      {{"--seconds", "99999999999999"}, "--seconds"},
      {{"--interval", "nan"}, "--interval"},
      {{"--interval", "-1"}, "--interval"},
      {{"--interval", "inf"}, "--interval"},
      {{"--seconds=1000000", "--interval=0.1"}, "--interval"},
      {{"--seconds=10", "--interval=20"}, "--interval"},
      {{"--seconds=10", "--warm-up=10"}, "--warm-up"},
      {{"--warm-up=-2"}, "--warm-up"},
      {{"--fps", "0"}, "--fps"},
      {{"--fps", "x"}, "x"},
      {{"--allow-kib", "-1"}, "--allow-kib"},
      {{"--model", ""}, "--model"},
      {{"--question", "\xff"}, "byte sequence"},
      {{"--pipeline", ""}, "--pipeline"},
      {{"--pipeline", "tee,nonsense"}, "nonsense"},
      {{"--pipeline", "tee,overlay"}, "take one"},
      {{"--pipeline", "generate"}, "needs it"},
      {{"--nonsense"}, "--nonsense"},
      {{"nonsense"}, "nonsense"},
  };
  g_autoptr (Spawned) help = spawn ("--help", NULL);
  g_autoptr (Spawned) none = spawn (NULL, NULL);

  g_assert_cmpint (help->status, ==, 0);
  g_assert_nonnull (strstr (help->out, "--seconds"));
  g_assert_nonnull (strstr (help->out, "Exit status"));
  g_assert_cmpint (none->status, ==, 2);
  g_assert_nonnull (strstr (none->err, "--output"));
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    const char *const *a = wrong[i].arguments;
    g_autoptr (Spawned) s = spawn ("--output=unused", a[0], a[1], a[2], NULL);

    g_test_message ("%s: %s", a[0], s->err);
    g_assert_cmpint (s->status, ==, 2);
    g_assert_cmpstr (s->out, ==, "");
    g_assert_true (g_str_has_prefix (s->err, "soak: "));
    g_assert_nonnull (strstr (s->err, wrong[i].says));
  }
  g_assert_false (g_file_test ("unused", G_FILE_TEST_EXISTS));
}

/* --- what it writes --- */

static char *
read_file (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;
  char *text;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

/* soak.csv as rows again; it has no quotes. */
static void
read_rows (const char *folder, SoakRows *rows)
{
  g_autofree char *text = read_file (folder, "soak.csv");
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint n = g_strv_length (lines);

  g_assert_cmpuint (n, >=, 2);
  g_assert_cmpstr (lines[n - 1], ==, ""); /* the last line has an end */
  soak_rows_init (rows, n);
  for (guint i = 0; i < n - 1; i++) {
    g_auto (GStrv) fields = g_strsplit (lines[i], ",", -1);
    double *row = i > 0 ? soak_rows_add (rows) : NULL;

    g_assert_cmpuint (g_strv_length (fields), ==, SOAK_COLUMNS);
    for (guint j = 0; j < SOAK_COLUMNS; j++) {
      char *end;

      if (row == NULL) {
        g_autofree char *name = g_strdup_printf (
            "%s (%s)", soak_columns[j].name, soak_columns[j].unit);
        g_assert_cmpstr (fields[j], ==, name);
      } else if (*fields[j]) {
        row[j] = g_ascii_strtod (fields[j], &end);
        g_assert_cmpstr (end, ==, "");
      }
    }
  }
}

static void
check_row (const double *row, const double *before)
{
  for (guint i = SOAK_FRAMES_IN; before && i < SOAK_LATENESS; i++)
    g_assert_cmpfloat (row[i], >=, before[i]);
  g_assert_true (!before || row[SOAK_TIME] >= before[SOAK_TIME]);
  g_assert_cmpfloat (row[SOAK_RESIDENT], >, 0);
  g_assert_cmpfloat (row[SOAK_RESIDENT], >=, row[SOAK_ANONYMOUS]);
  g_assert_cmpfloat (row[SOAK_FRAMES_OUT], <=, row[SOAK_FRAMES_IN]);
  g_assert_cmpfloat (row[SOAK_WITH_TEXT], <=, row[SOAK_FRAMES_OUT]);
  g_assert_cmpfloat (row[SOAK_ASKED], <=, row[SOAK_FRAMES_IN]);
  g_assert_cmpfloat (row[SOAK_UNITS] + row[SOAK_DROPPED] + row[SOAK_FAILED], <=,
      row[SOAK_ASKED]);
  for (guint i = SOAK_LATENESS; i < SOAK_COLUMNS; i++) {
    gboolean first = i == SOAK_LATENESS || i == SOAK_LATENCY;

    g_assert_true (isnan (row[i]) || row[i] >= 0);
    /* p50, p95, p99, max: all or none, and in order. */
    if (!first && isnan (row[i]))
      g_assert_true (isnan (row[i - 1]));
    else if (!first)
      g_assert_cmpfloat (row[i], >=, row[i - 1]);
  }
}

static JsonObject *
get_object (JsonObject *object, const char *name)
{
  g_assert_true (json_object_has_member (object, name));
  return json_object_get_object_member (object, name);
}

static JsonObject *
read_summary (const char *folder)
{
  g_autofree char *text = read_file (folder, "soak.json");
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_from_string (text, &error);

  g_assert_no_error (error);
  /* Nothing of this machine's places. */
  g_assert_null (strstr (text, folder));
  g_assert_null (strstr (text, g_get_host_name ()));
  return json_node_dup_object (node);
}

/* The picture, where there is cairo to draw it. */
static void
check_picture (const char *folder, const Spawned *s)
{
  static const GMarkupParser any = {NULL};
  g_autoptr (GMarkupParseContext)
      context = g_markup_parse_context_new (&any, 0, NULL, NULL);
  g_autoptr (GError) error = NULL;

  if (strstr (s->err, "no picture"))
    return;
  g_autofree char *text = read_file (folder, "soak.svg");
  g_assert_nonnull (strstr (text, "<svg"));
  g_markup_parse_context_parse (context, text, -1, &error);
  g_assert_no_error (error);
  g_markup_parse_context_end_parse (context, &error);
  g_assert_no_error (error);
}

/* All that a folder of results has to be, whatever happened. */
static void
check_folder (const char *folder, const Spawned *s)
{
  g_autoptr (JsonObject) summary = read_summary (folder);
  JsonObject *counts = get_object (summary, "counts");
  SoakRows rows;

  read_rows (folder, &rows);
  for (guint i = 0; i < rows.length; i++)
    check_row (
        soak_rows_get (&rows, i), i > 0 ? soak_rows_get (&rows, i - 1) : NULL);
  g_assert_cmpint (
      json_object_get_int_member (summary, "rows"), ==, rows.length);
  for (guint i = SOAK_FRAMES_IN; rows.length > 0 && i < SOAK_LATENESS; i++)
    g_assert_cmpint (json_object_get_int_member (counts, soak_columns[i].name),
        ==, soak_rows_get (&rows, rows.length - 1)[i]);
  g_assert_cmpint (
      json_object_get_boolean_member (summary, "passed"), ==, s->status == 0);
  g_assert_nonnull (strstr (s->out, s->status == 0 ? "passed" : "failed: "));
  soak_rows_clear (&rows);
  check_picture (folder, s);
}

static void
test_run (const char *parts)
{
  g_autofree char *folder = folder_new ();
  g_autofree char *output = g_build_filename (folder, "a", "b", NULL);
  /* Few frames, as the end waits for all of them, under sanitizers, too. */
  g_autoptr (Spawned) s = spawn ("--seconds=2", "--interval=0.5", "--fps=6",
      "--allow-kib=1000000", "--output", output, "--pipeline", parts, NULL);
  JsonObject *counts;

  spawned_assert_ok (s);
  check_folder (output, s);
  g_autoptr (JsonObject) summary = read_summary (output);
  counts = get_object (summary, "counts");
  /* The end waits for all that is under way. */
  gint64 in = json_object_get_int_member (counts, "frames_in");
  g_assert_cmpint (in, >, 0);
  g_assert_cmpint (json_object_get_int_member (counts, "frames_out"), ==, in);
  g_assert_cmpint (json_object_get_int_member (counts, "asked"), ==, in);
  g_assert_false (json_object_get_boolean_member (summary, "interrupted"));
  folder_remove (g_steal_pointer (&folder));
}

/* With mblmgenerate behind it, mblmask has answered all before the end. */
static void
test_all (void)
{
  test_run ("tee,score,generate");
}

static void
test_overlay (void)
{
  test_run ("overlay");
}

static void
test_interrupt (void)
{
  g_autofree char *folder = folder_new ();
  g_autofree char *csv = g_build_filename (folder, "soak.csv", NULL);
  g_autoptr (GSubprocessLauncher) launcher = spawn_launcher (
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawn (launcher,
      &error, spawn_path (), "--interval=0.1", "--seconds=600", "--fps=6",
      "--warm-up=0", "--allow-kib=1000000", "--output", folder, NULL);
  guint lines = 0;

  g_assert_no_error (error);
  /* As soon as it has measured something. */
  for (guint i = 0; lines < 3 && i < 1000; i++) {
    g_autofree char *text = NULL;

    g_usleep (50000);
    lines = 0;
    if (g_file_get_contents (csv, &text, NULL, NULL))
      for (const char *p = text; *p; p++)
        lines += *p == '\n';
  }
  g_assert_cmpuint (lines, >=, 3);
  g_subprocess_send_signal (process, SIGINT);
  g_assert_cmpint (spawn_wait (process), ==, 0);
  g_autoptr (JsonObject) summary = read_summary (folder);
  g_assert_true (json_object_get_boolean_member (summary, "interrupted"));
  g_assert_cmpint (json_object_get_int_member (summary, "rows"), >=, 3);
  folder_remove (g_steal_pointer (&folder));
}

/* A pipeline that can't start is said, and written down. */
static void
test_failure (void)
{
  g_autofree char *folder = folder_new ();
  g_autoptr (Spawned) s = spawn ("--seconds=3", "--output", folder, "--model",
      "there-is-no-such-model", NULL);

  g_assert_cmpint (s->status, ==, 1);
  g_assert_nonnull (strstr (s->out, "there-is-no-such-model"));
  check_folder (folder, s);
  folder_remove (g_steal_pointer (&folder));

  g_autoptr (Spawned)
      nowhere = spawn ("--seconds=3", "--output", "/dev/null/nowhere", NULL);
  g_assert_cmpint (nowhere->status, ==, 1);
  g_assert_nonnull (strstr (nowhere->err, "soak: "));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/soak/histogram", test_histogram);
  g_test_add_func ("/soak/span", test_span);
  g_test_add_func ("/soak/writer", test_writer);
  g_test_add_func ("/soak/usage", test_usage);
  g_test_add_func ("/soak/all", test_all);
  g_test_add_func ("/soak/overlay", test_overlay);
  g_test_add_func ("/soak/interrupt", test_interrupt);
  g_test_add_func ("/soak/failure", test_failure);
  return g_test_run ();
}
