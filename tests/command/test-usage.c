/* test-usage.c: arguments, help, exit statuses, standard files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "spawn.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char *const commands[] = {
    "info",
    "generate",
    "score",
    "ask",
    "convert",
    "init",
    "embed",
    "fill",
    "bench",
    "debug",
};

static void
test_help (void)
{
  g_autoptr (Spawned) all = spawn ("--help", NULL);

  spawned_assert_ok (all);
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++) {
    g_autoptr (Spawned) one = spawn (commands[i], "--help", NULL);
    g_autofree char *usage = g_strdup_printf ("mblm %s ", commands[i]);

    g_assert_nonnull (strstr (all->out, commands[i]));
    spawned_assert_ok (one);
    g_assert_nonnull (strstr (one->out, usage));
    g_assert_nonnull (strstr (one->out, "--device"));
    g_assert_cmpstr (one->err, ==, "");
  }

  g_autoptr (Spawned) logits = spawn ("debug", "logits", "--help", NULL);
  spawned_assert_ok (logits);
  g_assert_nonnull (strstr (logits->out, "--incremental"));
}

static void
test_version (void)
{
  g_autoptr (Spawned) s = spawn ("--version", NULL);

  spawned_assert_ok (s);
  g_assert_true (g_str_has_prefix (s->out, "mblm "));
  g_assert_cmpuint (spawned_count_lines (s), ==, 1);
}

/* Up to seven arguments, and what the message says. */
typedef struct {
  const char *text;
  const char *arguments[7];
} Misuse;

static const Misuse misuses[] = {
    {"the name of a command is missing", {NULL}},
    {"“frobnicate” is no command", {"frobnicate"}},
    {"Unknown option --frobnicate", {"info", "--frobnicate"}},
    {"something is missing of: MODEL", {"info"}},
    {"“more” is one argument too many", {"info", "text", "more"}},
    {"something is missing of: MODEL FILE", {"score", "text"}},
    {"something is missing", {"debug", "logits"}},
    {"the name of a command is missing", {"debug"}},
    {"“frob” is no command", {"debug", "frob"}},
    {"--ids and --output must be given", {"debug", "logits", "text"}},
    {"--ids is missing", {"debug", "loss", "text"}},
    {"-n: “-3” is not", {"generate", "text", "-n", "-3"}},
    {"-n: “1e3” is not", {"generate", "text", "-n", "1e3"}},
    {"--temperature: “nan” is not", {"generate", "text", "-t", "nan"}},
    {"--temperature: “-1” is not", {"generate", "text", "-t", "-1"}},
    {"--top-p: “1.5” is not", {"generate", "text", "--top-p", "1.5"}},
    {"--seed: “x” is not", {"generate", "text", "--seed", "x"}},
    {"--stop: the text is empty", {"generate", "text", "--stop", ""}},
    {"--threads: “0x2” is not", {"info", "text", "--threads", "0x2"}},
    {"--precision: “f16” is none of: f32, bf16, tf32",
        {"info", "text", "--precision", "f16"}},
    {"device \"gpu\" is not known", {"info", "text", "--device", "gpu"}},
    {"--windows: “sliding” is", {"score", "text", "-", "--windows", "sliding"}},
    {"--question is missing", {"ask", "scenes", "x.png"}},
    {"--output is missing", {"init", "x.yaml"}},
    {"--output is missing", {"convert", "x.pth", "--config", "x.yaml"}},
    {"--config must be given with", {"convert", "x.pth", "--output", "x"}},
    {"weights in files are f32 or bf16",
        {"convert", "text", "--output", "x", "--precision", "tf32"}},
    {"--image-size is a width and a height",
        {"convert", "text", "--output", "x", "--image-size", "60"}},
    {"--patches: “0” is not",
        {"convert", "text", "--output", "x", "--patches", "0"}},
    {"are for a model: convert the checkpoint first",
        {"convert", "x.pth", "--config=x.yaml", "--output=x", "--patches=9"}},
    {"--output is missing", {"embed", "text", "-"}},
    {"--mask: the text is empty", {"fill", "text", "-", "--mask", ""}},
    {"--model is missing", {"bench", "decode"}},
    {"something is missing of: CONFIG.yaml", {"train"}},
    {"--memory: “much” is not", {"train", "x.yaml", "--memory", "much"}},
    {"--layer-inputs: “f16” is none of: auto, f32, bf16",
        {"train", "x.yaml", "--layer-inputs", "f16"}},
    {"--optimizer-memory: “disk” is none of: device, host",
        {"train", "x.yaml", "--optimizer-memory", "disk"}},
    {"“encode” is nothing to measure", {"bench", "encode", "--model", "x"}},
    {"--context: “0” is not",
        {"bench", "decode", "--model", "text", "--context", "0"}},
};

static void
test_misuse (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (misuses); i++) {
    const char *const *a = misuses[i].arguments;
    g_autoptr (Spawned)
        s = spawn (a[0], a[1], a[2], a[3], a[4], a[5], a[6], NULL);

    spawned_assert_fails (s, 2, misuses[i].text);
    g_assert_nonnull (strstr (s->err, "--help"));
  }
}

static void
test_models (void)
{
  g_autofree char *folder = folder_new ();
  g_autoptr (Spawned) unknown = spawn ("info", "no-such-model", NULL);
  g_autoptr (Spawned) empty = spawn ("info", folder, NULL);
  g_autoptr (Spawned) cuda = spawn ("info", "text", "--device", "cuda:9", NULL);
  g_autoptr (Spawned) text = spawn ("info", "text", NULL);
  g_autofree char *published = g_build_filename (
      g_getenv ("MBLM_TEST_MODELS"), "published", NULL);
  g_autoptr (Spawned)
      json = spawn ("--json", "info", published, "--precision", "tf32", NULL);

  spawned_assert_fails (unknown, 1, "no-such-model");
  spawned_assert_fails (empty, 1, folder);
  spawned_assert_fails (cuda, 1, "cuda");
  spawned_assert_ok (text);
  g_assert_nonnull (strstr (text->out, "transformer"));
  spawned_assert_ok (json);
  g_assert_cmpuint (spawned_count_lines (json), ==, 1);

  g_autoptr (JsonObject) object = spawned_get_object (json, 0);
  JsonArray *stages = json_object_get_array_member (object, "stages");

  g_assert_cmpstr (json_object_get_string_member (object, "task"), ==, "qa");
  g_assert_cmpstr (
      json_object_get_string_member (object, "precision"), ==, "tf32");
  g_assert_cmpint (
      json_object_get_int_member (object, "parameters"), ==, 4594436);
  g_assert_cmpint (json_object_get_int_member (object, "context"), ==, 1536);
  g_assert_cmpuint (json_array_get_length (stages), ==, 2);
  folder_remove (g_steal_pointer (&folder));
}

/* The tasks of models are not mixed up. */
static void
test_tasks (void)
{
  g_autoptr (Spawned) generate = spawn ("generate", "scenes", "-n", "1", NULL);
  g_autoptr (Spawned) score = spawn ("score", "scenes", "-", NULL);
  g_autoptr (Spawned)
      ask = spawn ("ask", "text", "x.png", "--question", "?", NULL);

  spawned_assert_fails (generate, 1, "mblm ask");
  spawned_assert_fails (score, 1, "mblm ask");
  spawned_assert_fails (ask, 1, "mblm generate");
}

/* ------------------------------------------------------------------------- */
/* Standard output that can't be written                                     */
/* ------------------------------------------------------------------------- */

static const char *const writers[][5] = {
    {"--help"},
    {"--version"},
    {"info", "text"},
    {"info", "text", "--json"},
    {"generate", "text", "-n", "100"},
    {"generate", "text", "-n", "10", "--json"},
};

/* Runs with stdout as given; gives the status and, in `err`, the message. */
static int
run_with_stdout (const char *const *arguments, int fd, char **err)
{
  g_autoptr (GSubprocessLauncher)
      launcher = spawn_launcher (G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_take_stdout_fd (launcher, fd);
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawn (launcher,
      &error, spawn_path (), arguments[0], arguments[1], arguments[2],
      arguments[3], arguments[4], NULL);
  g_assert_no_error (error);
  g_clear_object (&launcher);

  GInputStream *stream = g_subprocess_get_stderr_pipe (process);
  char buffer[4096];
  gsize n;
  int status = spawn_wait (process);
  g_input_stream_read_all (stream, buffer, sizeof buffer - 1, &n, NULL, NULL);
  buffer[n] = '\0';
  *err = g_strdup (buffer);
  return status;
}

static void
test_full_disk (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (writers); i++) {
    g_autofree char *err = NULL;
    int fd = open ("/dev/full", O_WRONLY | O_CLOEXEC);

    if (fd < 0) {
      g_test_skip ("there is no /dev/full");
      return;
    }
    g_assert_cmpint (run_with_stdout (writers[i], fd, &err), ==, 1);
    g_assert_nonnull (strstr (err, "No space left on device"));
    g_assert_nonnull (strstr (err, "not whole"));
  }
}

static void
test_closed_pipe (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (writers); i++) {
    g_autofree char *err = NULL;
    int fds[2];

    g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
    close (fds[0]);
    g_assert_cmpint (run_with_stdout (writers[i], fds[1], &err), ==, 1);
    g_assert_cmpstr (err, ==, "");
  }
}

/* A stdout that is closed from the start is an error for who prints, and no
 * file gets its number. */
static void
test_no_stdout (void)
{
  g_autofree char *folder = folder_new ();
  g_autofree char *file = folder_write (folder, "file", "hello", -1);
  g_autofree char *line = g_strdup_printf (
      "'%s' score text '%s' 2>/dev/null >&-", spawn_path (), file);
  g_autofree char *contents = NULL;
  const char *const arguments[] = {"sh", "-c", line, NULL};
  g_autoptr (GSubprocess) process = g_subprocess_newv (
      arguments, G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL);

  g_assert_cmpint (spawn_wait (process), ==, 1);
  g_assert_true (g_file_get_contents (file, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, "hello");
  folder_remove (g_steal_pointer (&folder));
}

/* ------------------------------------------------------------------------- */
/* Signals                                                                   */
/* ------------------------------------------------------------------------- */

/* Ends at once in the middle of a generation, by the signal. */
static void
stop_generating (int number)
{
  g_autoptr (GSubprocessLauncher)
      launcher = spawn_launcher (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GError) error = NULL;
  char buffer[64];

  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawn (launcher,
      &error, spawn_path (), "generate", "text", "-n", "1000000000", NULL);
  g_assert_no_error (error);

  /* It is at work when bytes come. */
  GInputStream *stream = g_subprocess_get_stdout_pipe (process);
  gssize n = g_input_stream_read (stream, buffer, sizeof buffer, NULL, NULL);
  g_assert_cmpint (n, >, 0);
  g_subprocess_send_signal (process, number);
  while (g_input_stream_read (stream, buffer, sizeof buffer, NULL, NULL) > 0)
    ;
  g_assert_cmpint (spawn_wait (process), ==, 128 + number);
}

static void
test_interrupt (void)
{
  stop_generating (SIGINT);
  stop_generating (SIGTERM);
}

/* The same while it waits for its input. */
static void
test_interrupt_reading (void)
{
  g_autoptr (GSubprocessLauncher) launcher = spawn_launcher (
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawn (
      launcher, &error, spawn_path (), "generate", "text", "-", NULL);

  g_assert_no_error (error);
  g_usleep (G_USEC_PER_SEC / 2);
  g_subprocess_send_signal (process, SIGINT);
  g_assert_cmpint (spawn_wait (process), ==, 128 + SIGINT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/command/usage/help", test_help);
  g_test_add_func ("/command/usage/version", test_version);
  g_test_add_func ("/command/usage/misuse", test_misuse);
  g_test_add_func ("/command/usage/models", test_models);
  g_test_add_func ("/command/usage/tasks", test_tasks);
  g_test_add_func ("/command/usage/full-disk", test_full_disk);
  g_test_add_func ("/command/usage/closed-pipe", test_closed_pipe);
  g_test_add_func ("/command/usage/no-stdout", test_no_stdout);
  g_test_add_func ("/command/usage/interrupt", test_interrupt);
  g_test_add_func ("/command/usage/interrupt-reading", test_interrupt_reading);
  return g_test_run ();
}
