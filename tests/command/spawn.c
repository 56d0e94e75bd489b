/* spawn.c: the command in a process of its own, with a time limit.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "spawn.h"

#include <glib/gstdio.h>
#include <stdarg.h>
#include <string.h>

/* Generous: sanitizers and loaded machines are slow. */
#define LIMIT_SECONDS 100

typedef struct {
  GMainLoop *loop;
  GSubprocess *process;
  GBytes *out, *err;
  gboolean late;
} Wait;

const char *
spawn_path (void)
{
  const char *path = g_getenv ("MBLM_COMMAND");

  g_assert_nonnull (path);
  return path;
}

GSubprocessLauncher *
spawn_launcher (GSubprocessFlags flags)
{
  return g_subprocess_launcher_new (flags);
}

static gboolean
on_late (gpointer data)
{
  Wait *wait = data;

  wait->late = TRUE;
  g_subprocess_force_exit (wait->process);
  return G_SOURCE_REMOVE;
}

static int
get_status (GSubprocess *process)
{
  return g_subprocess_get_if_exited (process)
      ? g_subprocess_get_exit_status (process)
      : 128 + g_subprocess_get_term_sig (process);
}

static void
run_loop (Wait *wait)
{
  guint timeout = g_timeout_add_seconds (LIMIT_SECONDS, on_late, wait);

  g_main_loop_run (wait->loop);
  if (!wait->late)
    g_source_remove (timeout);
  g_main_loop_unref (wait->loop);
  if (wait->late)
    g_error ("the command did not end within %d s", LIMIT_SECONDS);
}

static void
on_waited (GObject *source, GAsyncResult *result, gpointer data)
{
  Wait *wait = data;

  g_subprocess_wait_finish (wait->process, result, NULL);
  g_main_loop_quit (wait->loop);
}

int
spawn_wait (GSubprocess *process)
{
  Wait wait = {g_main_loop_new (NULL, FALSE), process};

  g_subprocess_wait_async (process, NULL, on_waited, &wait);
  run_loop (&wait);
  return get_status (process);
}

static void
on_communicated (GObject *source, GAsyncResult *result, gpointer data)
{
  Wait *wait = data;

  /* A broken pipe to a command that does not read its input is no error. */
  g_subprocess_communicate_finish (
      wait->process, result, &wait->out, &wait->err, NULL);
  g_main_loop_quit (wait->loop);
}

static char *
get_text (GBytes *bytes, gsize *size)
{
  gsize n = 0;
  const void *data = bytes ? g_bytes_get_data (bytes, &n) : NULL;
  char *text = g_malloc (n + 1);

  if (n)
    memcpy (text, data, n);
  text[n] = '\0';
  if (size)
    *size = n;
  return text;
}

static Spawned *
spawn_arguments (GBytes *input, const char *first, va_list rest)
{
  g_autoptr (GPtrArray) arguments = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  Spawned *self = g_new0 (Spawned, 1);

  g_ptr_array_add (arguments, (gpointer) spawn_path ());
  for (const char *argument = first; argument;
       argument = va_arg (rest, const char *))
    g_ptr_array_add (arguments, (gpointer) argument);
  g_ptr_array_add (arguments, NULL);

  GSubprocessFlags flags = G_SUBPROCESS_FLAGS_STDOUT_PIPE |
      G_SUBPROCESS_FLAGS_STDERR_PIPE;
  if (input)
    flags |= G_SUBPROCESS_FLAGS_STDIN_PIPE;
  g_autoptr (GSubprocessLauncher) launcher = spawn_launcher (flags);
  if (!input)
    g_subprocess_launcher_set_stdin_file_path (launcher, "/dev/null");
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawnv (
      launcher, (const char *const *) arguments->pdata, &error);
  g_assert_no_error (error);

  Wait wait = {g_main_loop_new (NULL, FALSE), process};
  g_subprocess_communicate_async (process, input, NULL, on_communicated, &wait);
  run_loop (&wait);
  if (!g_subprocess_get_if_exited (process) &&
      !g_subprocess_get_if_signaled (process))
    g_subprocess_wait (process, NULL, NULL);
  self->status = get_status (process);
  self->out = get_text (wait.out, &self->out_size);
  self->err = get_text (wait.err, NULL);
  g_clear_pointer (&wait.out, g_bytes_unref);
  g_clear_pointer (&wait.err, g_bytes_unref);
  return self;
}

Spawned *
spawn (const char *first, ...)
{
  va_list rest;

  va_start (rest, first);
  Spawned *self = spawn_arguments (NULL, first, rest);
  va_end (rest);
  return self;
}

Spawned *
spawn_with (const void *input, gsize size, const char *first, ...)
{
  g_autoptr (GBytes) bytes = g_bytes_new (input, size);
  va_list rest;

  va_start (rest, first);
  Spawned *self = spawn_arguments (bytes, first, rest);
  va_end (rest);
  return self;
}

void
spawned_free (Spawned *self)
{
  g_free (self->out);
  g_free (self->err);
  g_free (self);
}

void
spawned_assert_ok (Spawned *self)
{
  if (self->status != 0)
    g_test_message ("stderr: %s", self->err);
  g_assert_cmpint (self->status, ==, 0);
}

void
spawned_assert_fails (Spawned *self, int status, const char *text)
{
  if (self->status != status || !strstr (self->err, text))
    g_test_message ("stderr: %s", self->err);
  g_assert_cmpint (self->status, ==, status);
  g_assert_true (g_str_has_prefix (self->err, "mblm: "));
  g_assert_nonnull (strstr (self->err, text));
  g_assert_cmpuint (self->out_size, ==, 0);
}

guint
spawned_count_lines (Spawned *self)
{
  guint n = 0;

  for (gsize i = 0; i < self->out_size; i++)
    n += self->out[i] == '\n';
  return n;
}

JsonObject *
spawned_get_object (Spawned *self, guint n)
{
  g_auto (GStrv) lines = g_strsplit (self->out, "\n", -1);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (n, <, g_strv_length (lines));
  g_autoptr (JsonNode) node = json_from_string (lines[n], &error);
  g_assert_no_error (error);
  g_assert_true (node && JSON_NODE_HOLDS_OBJECT (node));
  return json_node_dup_object (node);
}

/* ------------------------------------------------------------------------- */
/* Folders                                                                   */
/* ------------------------------------------------------------------------- */

char *
folder_new (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = g_dir_make_tmp ("mblm-command-XXXXXX", &error);

  g_assert_no_error (error);
  return folder;
}

static void
remove_all (const char *path)
{
  if (g_file_test (path, G_FILE_TEST_IS_DIR) &&
      !g_file_test (path, G_FILE_TEST_IS_SYMLINK)) {
    g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);

    for (const char *name; dir && (name = g_dir_read_name (dir));) {
      g_autofree char *inner = g_build_filename (path, name, NULL);
      remove_all (inner);
    }
  }
  g_remove (path);
}

void
folder_remove (char *folder)
{
  remove_all (folder);
  g_free (folder);
}

char *
folder_write (
    const char *folder, const char *name, const void *data, gssize size)
{
  char *path = g_build_filename (folder, name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_mkdir_with_parents (parent, 0700);
  g_file_set_contents (path, data, size, &error);
  g_assert_no_error (error);
  return path;
}
