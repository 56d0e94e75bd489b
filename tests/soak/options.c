/* options.c: what a soak is told.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "options.h"

#include <math.h>
#include <string.h>

/* Rows are kept until the end: 21 MB of them. */
#define MAX_ROWS 100000
#define MAX_SECONDS (366 * 24 * 3600)
#define WARM_UP 120
#define DEFAULT_PARTS (SOAK_PART_TEE | SOAK_PART_SCORE | SOAK_PART_GENERATE)

static const char *const part_names[] = {"overlay", "tee", "score", "generate"};

static const char summary[] =
    "Runs a live camera pipeline and measures it: resident memory, frames, "
    "answers,\n"
    "how late frames reach the sink, how long answers take. Writes soak.csv "
    "(a row\n"
    "an interval), soak.json (the summary) and soak.svg (the picture).";
static const char description[] =
    "The pipeline is made of\n"
    "  tee        the camera to a tee; one branch to mblmask, whose answers "
    "textoverlay\n"
    "             puts on the other\n"
    "  overlay    the same as one element, mblmaskoverlay\n"
    "  score      a branch of small frames to mblmscore and its pad json\n"
    "  generate   mblmgenerate continues the answers of tee\n"
    "It is tee, score and generate unless --pipeline says otherwise: one word, "
    "several\n"
    "with commas, or the option several times.\n"
    "\n"
    "SIGINT ends a run early; everything is written all the same.\n"
    "\n"
    "Exit status: 0 if all is well; 1 if resident memory moved by more than is "
    "allowed,\n"
    "if something stood still for 30 s, or if the pipeline failed; 2 for wrong "
    "arguments.\n"
    "\n"
    "Example:\n"
    "  soak --seconds 1800 --output out/soak";

static gboolean fail (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

static gboolean
fail (GError **error, const char *format, ...)
{
  va_list rest;

  va_start (rest, format);
  if (error)
    *error = g_error_new_valist (
        G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, format, rest);
  va_end (rest);
  return FALSE;
}

static gboolean
parse_parts (SoakOptions *self, char **lists, GError **error)
{
  if (!lists)
    self->parts = DEFAULT_PARTS;
  for (guint i = 0; lists && lists[i]; i++) {
    g_auto (GStrv) names = g_strsplit (lists[i], ",", -1);

    if (!*lists[i])
      return fail (error, "--pipeline: it is empty");
    for (guint j = 0; names[j]; j++) {
      guint part = 0;

      while (part < G_N_ELEMENTS (part_names) &&
          !g_str_equal (g_strstrip (names[j]), part_names[part]))
        part++;
      if (part == G_N_ELEMENTS (part_names))
        return fail (error,
            "--pipeline: “%s” is none of overlay, tee, score, generate",
            names[j]);
      self->parts |= 1u << part;
    }
  }
  if ((self->parts & SOAK_PART_TEE) && (self->parts & SOAK_PART_OVERLAY))
    return fail (error,
        "--pipeline: tee and overlay are the same in two forms; take one");
  if ((self->parts & SOAK_PART_GENERATE) && !(self->parts & SOAK_PART_TEE))
    return fail (error,
        "--pipeline: generate continues the answers of tee, and needs it");
  return TRUE;
}

static gboolean
check_range (
    const char *name, double value, double least, double most, GError **error)
{
  /* Not a number is in no range. */
  if (value >= least && value <= most)
    return TRUE;
  return fail (
      error, "--%s: %g is not from %g to %g", name, value, least, most);
}

static gboolean
check_text (const char *name, const char *text, GError **error)
{
  if (*text && g_utf8_validate (text, -1, NULL))
    return TRUE;
  return fail (
      error, "--%s: %s", name, *text ? "it is not UTF-8" : "it is empty");
}

static gboolean
check (SoakOptions *self, GError **error)
{
  if (!self->output || !*self->output)
    return fail (error, "--output FOLDER is missing");
  if (!check_range ("seconds", self->seconds, 1, MAX_SECONDS, error) ||
      !check_range ("interval", self->interval, 0.05, 3600, error) ||
      !check_range ("fps", self->fps, 1, 240, error) ||
      !check_range ("allow-kib", self->allow, 0, 1 << 30, error) ||
      !check_range (
          "mmap-threshold", self->mmap_threshold, 0, 32 * 1024, error) ||
      !check_text ("model", self->model, error) ||
      !check_text ("question", self->question, error))
    return FALSE;
  if (self->interval > self->seconds)
    return fail (
        error, "--interval: %g s are longer than the run", self->interval);
  if (self->seconds / self->interval > MAX_ROWS)
    return fail (error,
        "--interval: %g s make more than %d rows in %d s; take a longer one",
        self->interval, MAX_ROWS, self->seconds);
  if (self->warm_up == -1)
    self->warm_up = MIN (WARM_UP, self->seconds / 10);
  if (self->warm_up < 0 || self->warm_up >= self->seconds)
    return fail (error, "--warm-up: %d s are not within the run of %d s",
        self->warm_up, self->seconds);
  return TRUE;
}

gboolean
soak_options_parse (SoakOptions *self, int *argc, char ***argv, GError **error)
{
  g_auto (GStrv) parts = NULL;
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &self->output,
          "Where to write; the folder is made if it is missing", "FOLDER"},
      {"seconds", 's', 0, G_OPTION_ARG_INT, &self->seconds,
          "How long to run (default 1800)", "SECONDS"},
      {"warm-up", 'w', 0, G_OPTION_ARG_INT, &self->warm_up,
          "What of it doesn't count for memory (default 120, or a tenth of a "
          "short run)",
          "SECONDS"},
      {"interval", 'i', 0, G_OPTION_ARG_DOUBLE, &self->interval,
          "Time from row to row (default 1)", "SECONDS"},
      {"allow-kib", 'a', 0, G_OPTION_ARG_INT, &self->allow,
          "What resident memory may move by after the warm-up (default 1024)",
          "KIB"},
      {"mmap-threshold", 't', 0, G_OPTION_ARG_INT, &self->mmap_threshold,
          "Size from which malloc maps a block by itself (default 128; 0: as "
          "glibc thinks best, which keeps holes where frames were)",
          "KIB"},
      {"pipeline", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &parts,
          "overlay, tee, score, generate (default tee,score,generate)", "PART"},
      {"fps", 'f', 0, G_OPTION_ARG_INT, &self->fps,
          "Frames a second of the camera (default 30)", "N"},
      {"sync", 0, 0, G_OPTION_ARG_NONE, &self->sync,
          "The sink waits for each frame's time, as a display does", NULL},
      {"model", 'm', 0, G_OPTION_ARG_STRING, &self->model,
          "Folder or name of the model that is asked (default scenes)",
          "MODEL"},
      {"question", 'q', 0, G_OPTION_ARG_STRING, &self->question,
          "What it is asked (default: Where is the object?)", "TEXT"},
      {NULL},
  };
  g_autoptr (GOptionContext)
      context = g_option_context_new ("- a long run of a live pipeline");

  *self = (SoakOptions){.seconds = 1800,
      .warm_up = -1,
      .interval = 1.0,
      .fps = 30,
      .allow = 1024,
      .mmap_threshold = 128};
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, description);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc > 1)
    return fail (error, "“%s” is no option", (*argv)[1]);
  if (!self->model)
    self->model = g_strdup ("scenes");
  if (!self->question)
    self->question = g_strdup ("Where is the object?");
  return parse_parts (self, parts, error) && check (self, error);
}

void
soak_options_clear (SoakOptions *self)
{
  g_clear_pointer (&self->output, g_free);
  g_clear_pointer (&self->model, g_free);
  g_clear_pointer (&self->question, g_free);
}

char *
soak_options_list_parts (const SoakOptions *self)
{
  GString *list = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (part_names); i++)
    if (self->parts & (1u << i))
      g_string_append_printf (
          list, "%s%s", list->len > 0 ? " " : "", part_names[i]);
  return g_string_free (list, FALSE);
}

char *
soak_options_base_name (const char *path)
{
  return g_path_get_basename (path);
}

char *
soak_options_to_line (const SoakOptions *self)
{
  g_autofree char *parts = soak_options_list_parts (self);
  g_autofree char *output = soak_options_base_name (self->output);
  g_autofree char *model = soak_options_base_name (self->model);
  g_autofree char *question = g_shell_quote (self->question);

  return g_strdup_printf ("soak --seconds %d --warm-up %d --interval %g "
                          "--allow-kib %d --mmap-threshold %d --pipeline %s "
                          "--fps %d%s --model %s --question %s --output %s",
      self->seconds, self->warm_up, self->interval, self->allow,
      self->mmap_threshold, g_strdelimit (parts, " ", ','), self->fps,
      self->sync ? " --sync" : "", model, question, output);
}
