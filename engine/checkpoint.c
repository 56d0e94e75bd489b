/* checkpoint.c: published checkpoints to model folders.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The pickle is read by mblm-pth-reader, which gets the open checkpoint, an open
 * new file and a pipe for its message, and nothing else. Its answer is not
 * trusted: the new file has to pass the same strict check as every model.
 */

/* for dladdr */
#define _GNU_SOURCE

#include "config.h"

#include "checkpoint.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mblm-error.h"
#include "message.h"
#include "model-pack.h"
#include "new-folder.h"
#include "read-file.h"

#define READER "mblm-pth-reader"
#define WEIGHTS "model.safetensors"
#define CONFIG "config.yaml"
#define MAX_MESSAGE 4096

/* The folder that this code was loaded from, a library's or a program's. */
static char *
own_folder (void)
{
  Dl_info info;

  if (dladdr ((void *) own_folder, &info) != 0 && info.dli_fname != NULL &&
      g_path_is_absolute (info.dli_fname))
    return g_path_get_dirname (info.dli_fname);

  /* of a program only its argv[0] may be known */
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  return program != NULL ? g_path_get_dirname (program) : NULL;
}

/* $MBLM_PTH_READER; or beside this code, where it was built and not installed;
 * or where it is installed. */
static char *
find_reader (GError **error)
{
  const char *given = g_getenv ("MBLM_PTH_READER");
  g_autofree char *folder = own_folder ();
  g_autoptr (GPtrArray) candidates = g_ptr_array_new_with_free_func (g_free);

  if (given != NULL && given[0] != '\0') {
    g_ptr_array_add (candidates, g_strdup (given));
  } else {
    if (folder != NULL) {
      g_ptr_array_add (candidates, g_build_filename (folder, READER, NULL));
      g_ptr_array_add (
          candidates, g_build_filename (folder, "..", READER, NULL));
    }
    g_ptr_array_add (
        candidates, g_build_filename (MBLM_LIBEXEC_DIR, READER, NULL));
  }
  for (guint i = 0; i < candidates->len; i++) {
    const char *path = g_ptr_array_index (candidates, i);

    if (g_file_test (path, G_FILE_TEST_IS_REGULAR) &&
        g_file_test (path, G_FILE_TEST_IS_EXECUTABLE))
      return g_strdup (path);
  }
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
      "the reader of checkpoints is not at %s: install it, or set "
      "MBLM_PTH_READER to its path",
      (const char *) g_ptr_array_index (candidates, candidates->len - 1));
  return NULL;
}

/* The few variables that the reader's loader and sanitizers may need. */
static char **
reader_environment (void)
{
  static const char *const kept[] = {
      "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
  char **environment = g_environ_setenv (NULL, "LC_ALL", "C", TRUE);

  for (guint i = 0; i < G_N_ELEMENTS (kept); i++) {
    const char *value = g_getenv (kept[i]);

    if (value != NULL)
      environment = g_environ_setenv (environment, kept[i], value, TRUE);
  }
  return environment;
}

/* Starts the reader on two descriptors, which it takes over. */
static GSubprocess *
start_reader (int in, int out, GError **error)
{
  g_autoptr (GSubprocessLauncher)
      launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autofree char *reader = NULL;
  g_auto (GStrv) environment = reader_environment ();

  g_subprocess_launcher_take_stdin_fd (launcher, in);
  g_subprocess_launcher_take_stdout_fd (launcher, out);
  g_subprocess_launcher_set_environ (launcher, environment);
  reader = find_reader (error);
  return reader != NULL
      ? g_subprocess_launcher_spawn (launcher, error, reader, NULL)
      : NULL;
}

/* What the reader says, as one line that is safe to show. */
static char *
read_message (GSubprocess *reader)
{
  char text[MAX_MESSAGE];
  gsize n = 0;

  g_input_stream_read_all (
      g_subprocess_get_stderr_pipe (reader), text, sizeof text, &n, NULL, NULL);
  if (n == sizeof text)
    g_subprocess_force_exit (reader);
  for (gsize i = 0; i < n; i++)
    if ((guint8) text[i] < 0x20 || text[i] == 0x7f)
      text[i] = ' ';

  char *valid = g_utf8_make_valid (text, (gssize) n);
  return g_strstrip (valid);
}

static gboolean
run_reader (const char *checkpoint, int in, int out, GError **error)
{
  g_autoptr (GSubprocess) reader = start_reader (in, out, error);
  g_autofree char *message = NULL;

  if (reader == NULL)
    return FALSE;
  message = read_message (reader);
  if (!g_subprocess_wait (reader, NULL, error))
    return FALSE;
  if (g_subprocess_get_successful (reader))
    return TRUE;
  if (g_subprocess_get_if_exited (reader) && message[0] != '\0')
    g_set_error (
        error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "%s: %s", checkpoint, message);
  else
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
        "%s: the confined reader was stopped (status %d): the file is damaged, "
        "hostile, or far too large",
        checkpoint, g_subprocess_get_status (reader));
  return FALSE;
}

gboolean
mblm_checkpoint_read (
    const char *checkpoint, const char *weights, GError **error)
{
  guint64 size;
  int in = mblm_open_file (checkpoint, &size, error);
  int out, kept;
  gboolean ok;

  if (in < 0)
    return FALSE;
  out = open (
      weights, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  kept = out >= 0 ? fcntl (out, F_DUPFD_CLOEXEC, 3) : -1;
  if (kept < 0) {
    mblm_fail_errno (weights, "write", error);
    close (in);
    if (out >= 0)
      close (out);
    return FALSE;
  }
  ok = run_reader (checkpoint, in, out, error);
  if (ok && fsync (kept) != 0)
    ok = mblm_fail_errno (weights, "write", error);
  close (kept);
  return ok;
}

static char *
replace (const char *text, const char *from, const char *to)
{
  g_auto (GStrv) parts = g_strsplit (text, from, -1);

  return g_strjoinv (to, parts);
}

/* The check of the new folder, with the user's files in its messages. */
static gboolean
check_folder (const char *temporary, const char *checkpoint, const char *config,
    GError **error)
{
  GError *problem = NULL;
  g_autofree char *weights = g_build_filename (temporary, WEIGHTS, NULL);
  g_autofree char *yaml = g_build_filename (temporary, CONFIG, NULL);
  g_autofree char *weights_prefix = NULL;
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  if (mblm_model_check (temporary, NULL, NULL, &problem))
    return TRUE;
  weights_prefix = g_strconcat (weights, ": ", NULL);
  first = replace (problem->message, weights_prefix, "");
  second = replace (first, yaml, config);
  g_set_error (error, problem->domain, problem->code,
      "%s is not a model of %s: %s", checkpoint, config, second);
  g_error_free (problem);
  return FALSE;
}

/* Everything that happens in the new folder before it gets its name. */
static gboolean
fill_folder (const char *temporary, const char *checkpoint,
    const char *config_path, MblmConfig *config, MblmPrecision precision,
    GError **error)
{
  g_autofree char *weights = g_build_filename (temporary, WEIGHTS, NULL);
  g_autofree char *yaml = g_build_filename (temporary, CONFIG, NULL);

  return mblm_checkpoint_read (checkpoint, weights, error) &&
      mblm_model_pack_config (config, yaml, error) &&
      check_folder (temporary, checkpoint, config_path, error) &&
      (precision != MBLM_PRECISION_BF16 ||
          mblm_model_pack_weights (temporary, precision, weights, NULL, error));
}

gboolean
mblm_checkpoint_convert (const char *checkpoint, const char *config,
    MblmPrecision precision, const char *folder, GError **error)
{
  g_autoptr (MblmConfig) model = mblm_config_load (config, error);
  g_autoptr (MblmNewFolder) made = NULL;

  return model != NULL &&
      (made = mblm_new_folder_new (folder, error)) != NULL &&
      fill_folder (mblm_new_folder_get_path (made), checkpoint, config, model,
          precision, error) &&
      mblm_new_folder_commit (made, error);
}
