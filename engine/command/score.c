/* score.c: `mblm score`, bits per byte of files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "command.h"

#include <inttypes.h>
#include <glib/gstdio.h>
#include <math.h>

#include "input.h"
#include "output.h"

/* Bytes that are pushed at once: whole windows, at least MIN_PIECE, at most
 * MAX_PIECE. */
#define MIN_PIECE (64 * 1024)
#define MAX_PIECE (1024 * 1024)

typedef struct {
  Command *command;
  MblmScorer *scorer;
  gsize piece;
  guint8 *bytes;   /* [piece] */
  float *bits;     /* [piece] */
  guint n_files;   /* scored */
  gboolean failed; /* at least one file */
  guint64 total_bytes;
  double total_bits;
  GError *error; /* what ended the walk */
} Score;

static gboolean
print_line (
    Score *self, const char *path, guint64 bytes, double bits, GError **error)
{
  g_autofree char *escaped = output_escape (path);

  if (!bytes)
    return output_print (error, "%s\t0\t0\t-\n", escaped);
  return output_print (error, "%s\t%" G_GUINT64_FORMAT "\t%.3f\t%.4f\n",
      escaped, bytes, bits, bits / bytes);
}

static gboolean
print_json (const char *path, guint64 bytes, double bits, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_add_string (builder, "path", path);
  json_add_count (builder, "bytes", bytes);
  json_add_real (builder, "bits", bits);
  json_add_real (builder, "bits_per_byte", bytes ? bits / bytes : NAN);
  json_builder_end_object (builder);
  return output_json (builder, error);
}

static void
show_progress (Score *self, const char *path, guint64 size)
{
  guint64 done = mblm_scorer_get_bytes (self->scorer);

  if (!progress_due ())
    return;
  if (size)
    progress_show ("%s: %d %%", path, (int) MIN (100, 100.0 * done / size));
  else
    progress_show (_ ("%s: %" PRIu64 " bytes"), path, done);
}

/* 0 where it is not known. */
static guint64
find_size (const char *path)
{
  GStatBuf status;

  if (g_str_equal (path, "-") || g_stat (path, &status) < 0 ||
      status.st_size < 0)
    return 0;
  return status.st_size;
}

/* An error of the domain G_IO_ERROR is the file's, any other is ours. */
static gboolean
score_stream (
    Score *self, GInputStream *stream, const char *path, GError **error)
{
  GCancellable *cancellable = self->command->cancellable;
  guint64 size = find_size (path);
  gsize got;

  mblm_scorer_reset (self->scorer);
  do {
    if (!input_fill (
            stream, path, self->bytes, self->piece, &got, cancellable, error))
      return FALSE;
    if (!mblm_scorer_push (
            self->scorer, self->bytes, got, self->bits, cancellable, error))
      return FALSE;
    show_progress (self, path, size);
  } while (got == self->piece);
  return TRUE;
}

static gboolean
score_file (const char *path, const GError *unreadable, gpointer user_data)
{
  Score *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) stream = NULL;

  if (unreadable)
    error = g_error_copy (unreadable);
  else
    stream = input_open (path, &error);
  if (stream && score_stream (self, stream, path, &error)) {
    guint64 bytes = mblm_scorer_get_bytes (self->scorer);
    double bits = mblm_scorer_get_bits (self->scorer);

    self->n_files++;
    self->total_bytes += bytes;
    self->total_bits += bits;
    if (self->command->json)
      return print_json (path, bytes, bits, &self->error);
    return print_line (self, path, bytes, bits, &self->error);
  }
  self->failed = TRUE;
  if (error->domain == G_IO_ERROR &&
      !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
    command_warn ("%s", error->message);
    return TRUE;
  }
  self->error = g_steal_pointer (&error);
  return FALSE;
}

static gboolean
set_up (Score *self, const char *name, gboolean overlap, GError **error)
{
  g_autoptr (MblmModel) model = command_load_model (self->command, name, error);

  if (!model ||
      !command_check_task (self->command, model, MBLM_TASK_TEXT, error))
    return FALSE;
  self->scorer = mblm_scorer_new (model, overlap, error);
  if (!self->scorer)
    return FALSE;

  guint64 context = mblm_config_get_context (mblm_model_get_config (model));

  self->piece = context >= MAX_PIECE ? MAX_PIECE
                                     : context * MAX (MIN_PIECE / context, 1);
  self->bytes = g_malloc (self->piece);
  self->bits = g_new (float, self->piece);
  return TRUE;
}

static int
score (Score *self, const char *name, gboolean overlap, char **paths)
{
  if (!set_up (self, name, overlap, &self->error))
    return command_fail (self->command, g_steal_pointer (&self->error));
  for (char **path = paths; *path; path++)
    if (!input_walk (*path, score_file, self))
      break;
  progress_clear ();
  if (!self->error && self->n_files > 1 && !self->command->json)
    print_line (
        self, _ ("total"), self->total_bytes, self->total_bits, &self->error);
  if (self->error)
    return command_fail (self->command, g_steal_pointer (&self->error));
  return self->failed ? COMMAND_FAILED : COMMAND_OK;
}

int
command_score (Command *command, char **argv)
{
  g_autofree char *windows = NULL;
  const GOptionEntry entries[] = {
      {"windows", 0, 0, G_OPTION_ARG_STRING, &windows,
          N_ ("fresh: each window of the whole context stands alone, as in the "
              "published evaluation (default); overlap: each is primed with "
              "the "
              "half before it"),
          N_ ("WAY")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("MODEL FILE…"),
      .summary = _ ("Prints path, bytes, bits and bits per byte of each file, "
                    "separated by tabs, and\nthe total of several files. A "
                    "folder stands for the files in it, sorted by name;\n- is "
                    "standard input. A file that can't be read is reported and "
                    "left out."),
      .description = _ ("Example:\n  mblm score text --json books/"),
      .entries = entries,
      .min = 2,
      .max = G_MAXUINT,
  };
  Score self = {.command = command};
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (windows && !g_str_equal (windows, "fresh") &&
      !g_str_equal (windows, "overlap"))
    return command_usage_error (
        command, _ ("--windows: “%s” is neither fresh nor overlap"), windows);

  status = score (
      &self, names[0], windows && g_str_equal (windows, "overlap"), names + 1);
  g_clear_object (&self.scorer);
  g_free (self.bytes);
  g_free (self.bits);
  return status;
}
