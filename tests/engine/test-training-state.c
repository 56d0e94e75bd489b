/* test-training-state.c: a state that survives whatever happens.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The file operations of the process go through this program, which links the
 * engine's objects: a child counts them and is killed before the Nth, for every N;
 * or the Nth fails.
 */

/* for RTLD_NEXT */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <mblm.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <training-state.h>
#include <unistd.h>

#include "fresh.h"

/* ---- operations on files -------------------------------------------------- */

static int operations; /* since they were last counted from 0 */
static int kill_before = -1;
static int fail_at = -1;
static int fail_code;

/* FALSE: the operation is to fail. */
static gboolean
operate (void)
{
  int n = operations++;

  if (n == kill_before)
    kill (getpid (), SIGKILL);
  if (n != fail_at)
    return TRUE;
  errno = fail_code;
  return FALSE;
}

#define REAL(name) ((__typeof__ (&name)) dlsym (RTLD_NEXT, #name))

ssize_t
write (int fd, const void *data, size_t size)
{
  /* the test's own words are no operation */
  return fd <= 2 || operate () ? REAL (write) (fd, data, size) : -1;
}

int
fsync (int fd)
{
  return operate () ? REAL (fsync) (fd) : -1;
}

int
rename (const char *from, const char *to)
{
  return operate () ? REAL (rename) (from, to) : -1;
}

int
mkdir (const char *path, mode_t mode)
{
  return operate () ? REAL (mkdir) (path, mode) : -1;
}

int
unlink (const char *path)
{
  return operate () ? REAL (unlink) (path) : -1;
}

int
rmdir (const char *path)
{
  return operate () ? REAL (rmdir) (path) : -1;
}

int
open (const char *path, int flags, ...)
{
  va_list args;
  mode_t mode = 0;

  if (flags & O_CREAT) {
    va_start (args, flags);
    mode = va_arg (args, mode_t);
    va_end (args);
    if (!operate ())
      return -1;
  }
  return REAL (open) (path, flags, mode);
}

/* ---- states ------------------------------------------------------------------ */

/* Two files that tell which state they are of. */
static gboolean
fill (const char *folder, gpointer data, GError **error)
{
  static const char *const names[] = {"model.safetensors", "state.safetensors"};
  MblmTrainingState *state = data;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);
    g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, state->done);
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    gboolean ok = fd >= 0 && write (fd, text, strlen (text)) > 0 &&
        fsync (fd) == 0;
    int code = errno;

    if (fd >= 0)
      close (fd);
    if (!ok) {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
          "%s: %s", path, g_strerror (code));
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
save (const char *output, guint64 done, GError **error)
{
  g_autoptr (MblmTrainingState) state = mblm_training_state_new ();

  state->name = g_strdup ("test");
  state->done = done;
  return mblm_training_state_save (state, output, fill, state, error);
}

static void
save_ok (const char *output, guint64 done)
{
  g_autoptr (GError) error = NULL;

  save (output, done, &error);
  g_assert_no_error (error);
}

/* Loads a state, which has to be whole and the only one; gives its `done`. */
static guint64
load (const char *output)
{
  static const char *const names[] = {"model.safetensors", "state.safetensors"};
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = NULL;
  g_autoptr (MblmTrainingState)
      state = mblm_training_state_load (output, &folder, &error);
  g_autoptr (GDir) dir = g_dir_open (output, 0, NULL);

  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);
    g_autofree char *text = NULL;

    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    g_assert_cmpuint (g_ascii_strtoull (text, NULL, 10), ==, state->done);
  }
  g_assert_cmpstr (g_dir_read_name (dir), ==, "state");
  g_assert_null (g_dir_read_name (dir));
  return state->done;
}

/* Runs `work` in a child that is killed before operation `n`; TRUE: it came to
 * its end. */
static gboolean
run_killed (int n, void (*work) (const char *output), const char *output)
{
  int status;
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    operations = 0;
    kill_before = n;
    work (output);
    _exit (0);
  }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  if (WIFEXITED (status)) {
    g_assert_cmpint (WEXITSTATUS (status), ==, 0);
    return TRUE;
  }
  g_assert_cmpint (WTERMSIG (status), ==, SIGKILL);
  return FALSE;
}

static void
save_second (const char *output)
{
  if (!save (output, 2, NULL))
    _exit (1);
}

static void
load_any (const char *output)
{
  g_autoptr (MblmTrainingState)
      state = mblm_training_state_load (output, NULL, NULL);

  if (state == NULL)
    _exit (1);
}

static char *
new_output (void)
{
  char *output = fresh_folder ();

  save_ok (output, 1);
  return output;
}

/* ---- tests -------------------------------------------------------------------- */

static void
test_killed (void)
{
  guint64 last = 1;
  gboolean whole = FALSE;
  int n;

  for (n = 0; !whole; n++) {
    g_autofree char *output = new_output ();
    guint64 done;

    g_assert_cmpint (n, <, 200);
    whole = run_killed (n, save_second, output);
    done = load (output);
    /* the old one up to some moment, the new one from then on */
    g_assert_true (done == 1 || done == 2);
    g_assert_cmpuint (done, >=, last);
    last = done;
    save_ok (output, 3);
    g_assert_cmpuint (load (output), ==, 3);
    fresh_remove (g_steal_pointer (&output));
  }
  g_assert_cmpuint (last, ==, 2);
  /* mkdir; two files; state.json; two renames; the old one's removal */
  g_assert_cmpint (n, >, 15);
}

/* Killed once more while the first time is cleared up. */
static void
test_killed_twice (void)
{
  gboolean whole = FALSE;

  for (int n = 0; !whole; n += 2) {
    gboolean recovered = FALSE;

    for (int m = 0; !recovered; m++) {
      g_autofree char *output = new_output ();
      guint64 done;

      whole = run_killed (n, save_second, output);
      recovered = run_killed (m, load_any, output);
      done = load (output);
      g_assert_true (done == 1 || done == 2);
      fresh_remove (g_steal_pointer (&output));
    }
  }
}

/* Every operation in turn can't be done: the old state stays, or the new one is
 * whole, and what is said names the reason. */
static void
test_disk_full (void)
{
  gboolean saved_all = FALSE;
  guint failures = 0;

  for (int n = 0; !saved_all; n++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *output = new_output ();
    gboolean saved;

    g_assert_cmpint (n, <, 200);
    operations = 0;
    fail_at = n;
    fail_code = ENOSPC;
    saved = save (output, 2, &error);
    fail_at = -1;
    saved_all = operations <= n;
    if (!saved) {
      g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);
      g_assert_nonnull (strstr (error->message, output));
      failures++;
    }
    g_assert_cmpuint (load (output), ==, saved ? 2 : 1);
    fresh_remove (g_steal_pointer (&output));
  }
  g_assert_cmpuint (failures, >, 8);
}

static void
test_nothing (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *output = fresh_folder ();

  g_assert_null (mblm_training_state_load (output, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND);
  fresh_remove (g_steal_pointer (&output));
}

static MblmTrainingState *
full_state (void)
{
  MblmTrainingState *state = mblm_training_state_new ();
  const MblmBestModel best[] = {{7, 0.1}, {G_MAXUINT64, 1.0 / 3}};

  state->name = g_strdup ("a \"b\"\n\xc3\xa4");
  state->fingerprint = g_strdup ("0123");
  state->start = g_strdup ("2026-11-25");
  state->epoch = G_MAXUINT64;
  state->batch = 3;
  state->done = 12;
  state->norm = 1e-310;
  state->clipped = INFINITY;
  state->seconds = 0.1 + 0.2;
  state->pending = 1;
  state->samples = 5;
  state->valid_samples = 6;
  state->data = g_strdup ("d");
  state->info = g_strdup ("i");
  state->device = g_strdup ("cpu (\"x\")");
  g_array_append_vals (state->best, best, G_N_ELEMENTS (best));
  return state;
}

static void
test_json (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmTrainingState) state = full_state ();
  g_autofree char *text = mblm_training_state_to_json (state);
  g_autoptr (MblmTrainingState) again = mblm_training_state_parse (
      text, strlen (text), "state.json", &error);

  g_assert_no_error (error);

  g_autofree char *twice = mblm_training_state_to_json (again);

  g_assert_cmpstr (text, ==, twice);
  g_assert_cmpstr (again->name, ==, state->name);
  g_assert_cmpuint (again->epoch, ==, G_MAXUINT64);
  g_assert_cmpfloat (again->norm, ==, 1e-310);
  g_assert_true (isnan (again->clipped));
  g_assert_cmpfloat (again->seconds, ==, 0.1 + 0.2);
  g_assert_cmpstr (again->device, ==, state->device);
  g_assert_cmpuint (again->best->len, ==, 2);
  g_assert_cmpfloat (
      g_array_index (again->best, MblmBestModel, 1).loss, ==, 1.0 / 3);
}

/* One of an older version doesn't tell everything. */
static void
test_older (void)
{
  static const char *const keys[] = {
      "samples", "valid_samples", "data", "info", "device", "timemem_bytes"};
  g_autoptr (MblmTrainingState) state = full_state ();
  g_autofree char *whole = mblm_training_state_to_json (state);
  g_autoptr (GString) text = g_string_new (whole);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autofree char *key = g_strdup_printf ("  \"%s\": ", keys[i]);
    const char *at = strstr (text->str, key);
    const char *end = strchr (at, '\n');

    g_string_erase (text, at - text->str, end + 1 - at);

    g_autoptr (MblmTrainingState) again = mblm_training_state_parse (
        text->str, text->len, "state.json", NULL);

    /* the last one has always been there */
    g_assert_cmpint (again != NULL, ==, i + 1 < G_N_ELEMENTS (keys));
    if (again == NULL)
      continue;
    g_assert_cmpuint (again->samples, ==, 0);
    g_assert_cmpuint (again->best->len, ==, 2);
    g_assert_cmpint (again->device == NULL, ==, i >= 4);
  }
}

/* Cut off at any byte, it is no state. */
static void
test_damaged (void)
{
  g_autoptr (MblmTrainingState) state = full_state ();
  g_autofree char *text = mblm_training_state_to_json (state);
  gsize length = strlen (text);

  for (gsize n = 0; n < length - 1; n++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (mblm_training_state_parse (text, n, "state.json", &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/training-state/killed", test_killed);
  g_test_add_func ("/training-state/killed-twice", test_killed_twice);
  g_test_add_func ("/training-state/disk-full", test_disk_full);
  g_test_add_func ("/training-state/nothing", test_nothing);
  g_test_add_func ("/training-state/json", test_json);
  g_test_add_func ("/training-state/older", test_older);
  g_test_add_func ("/training-state/damaged", test_damaged);
  return g_test_run ();
}
