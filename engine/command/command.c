/* command.c: what the subcommands of `mblm` share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "command.h"

#include <inttypes.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "model-private.h"
#include "output.h"

#define MAX_THREADS 1024

/* ------------------------------------------------------------------------- */
/* Messages                                                                  */
/* ------------------------------------------------------------------------- */

/* A file name may hold anything; the terminal gets no control characters. */
static char *
make_printable (const char *text)
{
  GString *out = g_string_new (NULL);

  for (const char *s = text; *s; s++) {
    guchar c = *s;

    if ((c < 0x20 && c != '\n') || c == 0x7f)
      g_string_append_printf (out, "\\x%02x", c);
    else
      g_string_append_c (out, c);
  }
  return g_string_free (out, FALSE);
}

static void
print_message (const char *text)
{
  g_autofree char *printable = make_printable (text);

  progress_clear ();
  fprintf (stderr, "mblm: %s\n", printable);
}

void
command_warn (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  print_message (text);
}

int
command_usage_error (Command *self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);

  const char *space = self->name ? " " : "";
  const char *name = self->name ? self->name : "";
  /* Translators: the reason, then the call of this command for its help */
  g_autofree char *message = g_strdup_printf (
      _ ("%s; see `mblm%s%s --help`"), text, space, name);

  if (self->name) {
    g_autofree char *named = g_strdup_printf ("%s: %s", name, message);

    print_message (named);
  } else
    print_message (message);
  return COMMAND_USAGE;
}

int
command_fail (Command *self, GError *error)
{
  g_autoptr (GError) owned = error;

  if (g_error_matches (owned, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE))
    progress_clear ();
  else if (g_error_matches (owned, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    progress_clear ();
  else if (owned->domain == G_OPTION_ERROR)
    return command_usage_error (self, "%s", owned->message);
  else
    print_message (owned->message);
  return COMMAND_FAILED;
}

/* ------------------------------------------------------------------------- */
/* Options                                                                   */
/* ------------------------------------------------------------------------- */

gboolean
command_parse_number (Command *self, const char *option, const char *text,
    guint64 min, guint64 max, guint64 *value)
{
  g_autoptr (GError) error = NULL;

  if (!text || g_ascii_string_to_unsigned (text, 10, min, max, value, &error))
    return TRUE;
  command_usage_error (self,
      _ ("%s: “%s” is not a whole number from %" PRIu64 " to %" PRIu64), option,
      text, min, max);
  return FALSE;
}

gboolean
command_parse_size (Command *self, const char *option, const char *text,
    guint *width, guint *height)
{
  g_auto (GStrv) sides = g_strsplit (text ? text : "", "x", 3);
  guint64 w = 0, h = 0;

  if (!text)
    return TRUE;
  if (g_strv_length (sides) != 2) {
    command_usage_error (
        self, _ ("%s is a width and a height: 320x240"), option);
    return FALSE;
  }
  if (!command_parse_number (
          self, option, sides[0], 1, MBLM_PICTURE_MAX_SIDE, &w) ||
      !command_parse_number (
          self, option, sides[1], 1, MBLM_PICTURE_MAX_SIDE, &h))
    return FALSE;
  *width = (guint) w;
  *height = (guint) h;
  return TRUE;
}

gboolean
command_parse_word (Command *self, const char *option, const char *text,
    const char *const *words, int *value)
{
  g_autofree char *all = NULL;

  if (!text)
    return TRUE;
  for (int i = 0; words[i]; i++)
    if (g_str_equal (text, words[i])) {
      *value = i;
      return TRUE;
    }
  all = g_strjoinv (", ", (char **) words);
  command_usage_error (self, _ ("%s: “%s” is none of: %s"), option, text, all);
  return FALSE;
}

gboolean
command_parse_real (Command *self, const char *option, const char *text,
    double min, double max, double *value)
{
  char *end;

  if (!text)
    return TRUE;

  double parsed = g_ascii_strtod (text, &end);

  if (end == text || *end || !isfinite (parsed) || parsed < min ||
      parsed > max) {
    command_usage_error (self, _ ("%s: “%s” is not a number from %g to %g"),
        option, text, min, max);
    return FALSE;
  }
  *value = parsed;
  return TRUE;
}

static GOptionContext *
new_context (
    Command *self, const CommandUsage *usage, char ***rest, gboolean *version)
{
  const GOptionEntry common[] = {
      {"device", 0, 0, G_OPTION_ARG_STRING, &self->device,
          N_ ("Where to compute: cpu, ref, cuda:N (default: the best there "
              "is)"),
          N_ ("DEVICE")},
      {"precision", 0, 0, G_OPTION_ARG_STRING, &self->precision,
          N_ ("Weights as f32 or bf16, or products in tf32 (default: f32)"),
          N_ ("TYPE")},
      {"threads", 0, 0, G_OPTION_ARG_STRING, &self->threads,
          N_ ("Threads to compute with (default: one for each core)"),
          N_ ("N")},
      {"json", 0, 0, G_OPTION_ARG_NONE, &self->json,
          N_ ("Print one JSON object per line"), NULL},
      {"help", 'h', 0, G_OPTION_ARG_NONE, &self->help, N_ ("Show this help"),
          NULL},
      {NULL},
  };
  const GOptionEntry global[] = {
      {"version", 0, 0, G_OPTION_ARG_NONE, version, N_ ("Show the version"),
          NULL},
      {NULL},
  };
  const GOptionEntry remaining[] = {
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, rest, NULL, NULL},
      {NULL},
  };
  GOptionContext *context = g_option_context_new (usage->parameters);

  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  g_option_context_set_help_enabled (context, FALSE);
  g_option_context_set_summary (context, usage->summary);
  g_option_context_set_description (context, usage->description);
  if (usage->entries)
    g_option_context_add_main_entries (
        context, usage->entries, GETTEXT_PACKAGE);
  g_option_context_add_main_entries (context, common, GETTEXT_PACKAGE);
  if (version) {
    g_option_context_set_strict_posix (context, TRUE);
    g_option_context_add_main_entries (context, global, GETTEXT_PACKAGE);
  }
  if (rest)
    g_option_context_add_main_entries (context, remaining, GETTEXT_PACKAGE);
  return context;
}

/* Prints the help and returns the exit status. */
static int
print_help (Command *self, GOptionContext *context)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *help = g_option_context_get_help (context, TRUE, NULL);

  if (!output_write (help, strlen (help), &error))
    return command_fail (self, g_steal_pointer (&error));
  return COMMAND_OK;
}

static gboolean
check_common (Command *self)
{
  guint64 threads;
  int precision;

  return command_parse_word (self, "--precision", self->precision,
             mblm_precision_names, &precision) &&
      command_parse_number (
          self, "--threads", self->threads, 0, MAX_THREADS, &threads);
}

static gboolean
check_positionals (Command *self, const CommandUsage *usage, char **rest)
{
  guint n = rest ? g_strv_length (rest) : 0;

  if (n < usage->min) {
    command_usage_error (
        self, _ ("something is missing of: %s"), usage->parameters);
    return FALSE;
  }
  if (n > usage->max) {
    command_usage_error (
        self, _ ("“%s” is one argument too many"), rest[usage->max]);
    return FALSE;
  }
  return TRUE;
}

static void
set_program_name (Command *self)
{
  g_autofree char *name = self->name ? g_strdup_printf ("mblm %s", self->name)
                                     : g_strdup ("mblm");

  g_set_prgname (name);
}

char **
command_parse (
    Command *self, const CommandUsage *usage, char **argv, int *status)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) rest = NULL;
  g_auto (GStrv) copy = g_strdupv (argv);

  set_program_name (self);
  g_autoptr (GOptionContext) context = new_context (self, usage, &rest, NULL);

  *status = COMMAND_USAGE;
  if (!g_option_context_parse_strv (context, &copy, &error)) {
    command_usage_error (self, "%s", error->message);
    return NULL;
  }
  if (self->help) {
    *status = print_help (self, context);
    return NULL;
  }
  if (!check_common (self) || !check_positionals (self, usage, rest))
    return NULL;
  return rest ? g_steal_pointer (&rest) : g_new0 (char *, 1);
}

char **
command_parse_global (Command *self, const CommandUsage *usage, char **argv,
    gboolean *version, int *status)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) copy = g_strdupv (argv);

  set_program_name (self);
  g_autoptr (GOptionContext) context = new_context (self, usage, NULL, version);

  *status = COMMAND_USAGE;
  if (!g_option_context_parse_strv (context, &copy, &error)) {
    command_usage_error (self, "%s", error->message);
    return NULL;
  }
  return g_steal_pointer (&copy);
}

static char *
list_entries (const CommandEntry *entries, guint n)
{
  GString *text = g_string_new (_ ("Commands:"));

  for (guint i = 0; i < n; i++)
    g_string_append_printf (
        text, "\n  %-12s%s", entries[i].name, _ (entries[i].summary));
  return g_string_free (text, FALSE);
}

static gboolean
is_help (const char *argument)
{
  return argument &&
      (g_str_equal (argument, "--help") || g_str_equal (argument, "-h"));
}

static int
print_list (Command *self, const CommandEntry *entries, guint n,
    const CommandUsage *usage)
{
  g_autofree char *list = list_entries (entries, n);
  g_autofree char *description = g_strdup_printf (
      "%s\n\n%s", list, usage->description);
  CommandUsage full = *usage;
  gboolean version;

  full.description = description;
  set_program_name (self);
  g_autoptr (GOptionContext)
      context = new_context (self, &full, NULL, self->name ? NULL : &version);

  return print_help (self, context);
}

int
command_dispatch (Command *self, const CommandEntry *entries, guint n,
    const CommandUsage *usage, char **argv)
{
  const char *wanted = argv[0] ? argv[1] : NULL;

  if (self->help || is_help (wanted))
    return print_list (self, entries, n, usage);
  if (!wanted)
    return command_usage_error (self, _ ("the name of a command is missing"));
  for (guint i = 0; i < n; i++)
    if (g_str_equal (entries[i].name, wanted)) {
      g_autofree char *name = self->name
          ? g_strdup_printf ("%s %s", self->name, wanted)
          : g_strdup (wanted);

      self->name = name;
      int status = entries[i].run (self, argv + 1);
      self->name = NULL;
      return status;
    }
  return command_usage_error (self, _ ("“%s” is no command"), wanted);
}

/* ------------------------------------------------------------------------- */
/* Devices and models                                                        */
/* ------------------------------------------------------------------------- */

MblmDevice *
command_open_device (Command *self, GError **error)
{
  g_autoptr (GError) local = NULL;
  guint64 threads = 0;

  if (self->threads)
    g_ascii_string_to_unsigned (
        self->threads, 10, 0, MAX_THREADS, &threads, NULL);

  MblmDevice *device = mblm_device_open (self->device, threads, &local);

  if (!device && g_error_matches (local, MBLM_ERROR, MBLM_ERROR_INPUT))
    g_set_error (
        error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s", local->message);
  else if (!device)
    g_propagate_error (error, g_steal_pointer (&local));
  return device;
}

MblmPrecision
command_get_precision (Command *self)
{
  int precision = MBLM_PRECISION_F32;

  command_parse_word (
      self, "--precision", self->precision, mblm_precision_names, &precision);
  return precision;
}

MblmModel *
command_load_model (Command *self, const char *name, GError **error)
{
  MblmPrecision precision = command_get_precision (self);
  g_autoptr (MblmDevice) device = command_open_device (self, error);

  if (!device)
    return NULL;
  progress_show (_ ("loading %s"), name);

  MblmModel *model = mblm_model_load (
      name, device, precision, self->cancellable, error);

  progress_clear ();
  return model;
}

gboolean
command_check_task (
    Command *self, MblmModel *model, MblmTask task, GError **error)
{
  MblmInfo *info = mblm_model_get_info (model);

  if (mblm_info_get_task (info) == task)
    return TRUE;
  if (task == MBLM_TASK_TEXT)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
        _ ("%s: this model answers questions about pictures: use `mblm ask`"),
        mblm_info_get_name (info));
  else
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
        _ ("%s: this model continues text: use `mblm generate` or "
           "`mblm score`"),
        mblm_info_get_name (info));
  return FALSE;
}

const MblmImageLayout *
command_get_layout (MblmModel *model, GError **error)
{
  MblmInfo *info = mblm_model_get_info (model);
  const MblmImageLayout *layout = mblm_info_get_image (info);

  if (!layout)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
        _ ("%s: the model sees no pictures; name one whose mblm.json has "
           "\"image\""),
        mblm_info_get_name (info));
  return layout;
}

const char *
command_precision_name (MblmPrecision precision)
{
  return mblm_precision_names[precision];
}
