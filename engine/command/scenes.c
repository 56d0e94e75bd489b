/* scenes.c: `mblm scenes`, made pictures with questions, to look at.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "command.h"

#include <inttypes.h>
#include <string.h>

#include "atomic-file.h"
#include "new-folder.h"
#include "output.h"
#include "scenes/scenes.h"

typedef struct {
  Command *command;
  MblmSceneFamily *family;
  MblmSceneRequest request;
  guint64 seed, count;
  MblmNewFolder *folder;
  MblmAtomicFile *lines; /* test.jsonl */
  MblmAtomicFile *page;  /* index.html */
} Scenes;

static MblmAtomicFile *
open_file (Scenes *self, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (
      mblm_new_folder_get_path (self->folder), name, NULL);

  return mblm_atomic_file_new (path, error);
}

static G_GNUC_PRINTF (3, 4) gboolean
    add (MblmAtomicFile *file, GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  return mblm_atomic_file_write (file, text, strlen (text), error);
}

/* A line that the data set `qa` reads, and a row of the page. */
static gboolean
add_question (Scenes *self, const char *picture,
    const MblmSceneQuestion *question, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  const char *asked = question->question ? question->question : "";
  g_autofree char *q = g_markup_escape_text (asked, -1);
  g_autofree char *a = g_markup_escape_text (question->answer, -1);
  g_autofree char *line = NULL;

  json_builder_begin_object (builder);
  json_add_string (builder, "image", picture);
  json_add_string (builder, "question", question->question);
  json_add_string (builder, "answer", question->answer);
  json_add_string (builder, "type", question->type);
  json_builder_end_object (builder);
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  line = json_generator_to_data (generator, NULL);
  return add (self->lines, error, "%s\n", line) &&
      add (self->page, error, "<dt>%s</dt><dd>%s</dd>\n",
          *q ? q : "\342\200\224", a);
}

static gboolean
add_scene (Scenes *self, guint64 index, GError **error)
{
  g_autofree char *name = g_strdup_printf (
      "%06" G_GUINT64_FORMAT ".png", index);
  gsize size;

  self->request.key = mblm_scene_key (self->seed, MBLM_SCENES_SHOWN, 0, index);
  g_autoptr (MblmScene)
      scene = self->family->klass->make (self->family, &self->request, error);
  if (!scene)
    return FALSE;
  g_autoptr (GBytes) png = mblm_picture_to_png (scene->picture, error);
  if (!png)
    return FALSE;
  const void *data = g_bytes_get_data (png, &size);
  if (!mblm_new_folder_write (self->folder, name, data, size, error) ||
      !add (
          self->page, error, "<figure><img src=\"%s\" alt=\"\">\n<dl>\n", name))
    return FALSE;
  for (guint i = 0; i < scene->questions->len; i++)
    if (!add_question (self, name,
            &g_array_index (scene->questions, MblmSceneQuestion, i), error))
      return FALSE;
  return add (self->page, error, "</dl></figure>\n");
}

static gboolean
write_all (Scenes *self, GError **error)
{
  if (!(self->lines = open_file (self, "test.jsonl", error)) ||
      !(self->page = open_file (self, "index.html", error)) ||
      !add (self->page, error,
          "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>%s</title>\n"
          "<style>figure { display: inline-block; width: %upx; "
          "vertical-align: top; font: small sans-serif }\n"
          "dt { margin-top: .5em } dd { font-weight: bold }</style>\n",
          self->family->klass->id, MAX (self->request.width, 240)))
    return FALSE;
  for (guint64 i = 0; i < self->count; i++) {
    if (g_cancellable_set_error_if_cancelled (
            self->command->cancellable, error) ||
        !add_scene (self, i, error))
      return FALSE;
    if (progress_due ())
      progress_show (
          _ ("%" PRIu64 " of %" PRIu64 " scenes"), i + 1, self->count);
  }
  progress_clear ();
  return mblm_atomic_file_commit (self->lines, error) &&
      mblm_atomic_file_commit (self->page, error) &&
      mblm_new_folder_commit (self->folder, error);
}

static gboolean
run (Scenes *self, const MblmSceneFamilyClass *klass, const char *photographs,
    const char *output, GError **error)
{
  self->folder = mblm_new_folder_new (output, error);
  if (self->folder)
    self->family = klass->open (
        &(MblmSceneOptions){.photographs = photographs}, error);
  gboolean good = self->family && write_all (self, error) &&
      output_print (error,
          _ ("%s: %" PRIu64
             " pictures, their questions in test.jsonl; index.html shows "
             "them\n"),
          output, self->count);

  progress_clear ();
  if (self->family)
    klass->free (self->family);
  g_clear_pointer (&self->lines, mblm_atomic_file_free);
  g_clear_pointer (&self->page, mblm_atomic_file_free);
  g_clear_pointer (&self->folder, mblm_new_folder_free);
  return good;
}

int
command_scenes (Command *command, char **argv)
{
  g_autofree char *family = NULL, *count = NULL, *output = NULL, *size = NULL;
  g_autofree char *seed = NULL, *questions = NULL, *captions = NULL;
  g_autofree char *photographs = NULL, *level = NULL;
  const GOptionEntry entries[] = {
      {"family", 'f', 0, G_OPTION_ARG_STRING, &family,
          N_ ("flat: plain shapes; clevr: solids on a lit floor"), N_ ("NAME")},
      {"count", 'n', 0, G_OPTION_ARG_STRING, &count, N_ ("Scenes (20)"),
          N_ ("N")},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
          N_ ("The folder to write"), N_ ("FOLDER")},
      {"size", 0, 0, G_OPTION_ARG_STRING, &size,
          N_ ("Of the pictures (320x240)"), N_ ("WxH")},
      {"questions", 0, 0, G_OPTION_ARG_STRING, &questions,
          N_ ("About each picture, at most (8)"), N_ ("N")},
      {"captions", 0, 0, G_OPTION_ARG_STRING, &captions,
          N_ ("Share of the questions that are captions (0)"), N_ ("SHARE")},
      {"level", 0, 0, G_OPTION_ARG_STRING, &level,
          N_ ("usual, plain or hard scenes (usual)"), N_ ("LEVEL")},
      {"photographs", 0, 0, G_OPTION_ARG_FILENAME, &photographs,
          N_ ("Backgrounds: a folder of JPEG and PNG files"), N_ ("FOLDER")},
      {"seed", 0, 0, G_OPTION_ARG_STRING, &seed, N_ ("Other scenes (0)"),
          N_ ("S")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("--family NAME --output FOLDER"),
      .summary = _ ("Writes made pictures, and questions about them with "
                    "their answers: what the\ndata set `scenes` trains on. "
                    "None of them is ever trained on."),
      .description = _ (
          "Example:\n  mblm scenes --family clevr --count 20 --output scenes"),
      .entries = entries,
      .min = 0,
      .max = 0,
  };
  g_autoptr (GError) error = NULL;
  Scenes self = {.command = command,
      .count = 20,
      .request = {.width = 320, .height = 240}};
  static const char *const levels[] = {[MBLM_SCENE_USUAL] = "usual",
      [MBLM_SCENE_PLAIN] = "plain",
      [MBLM_SCENE_HARD] = "hard",
      NULL};
  guint64 n = 8;
  int status, which = MBLM_SCENE_USUAL;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!family || !output)
    return command_usage_error (command,
        family ? _ ("--output is missing") : _ ("--family is missing"));
  if (!command_parse_number (
          command, "--count", count, 1, 1000000, &self.count) ||
      !command_parse_number (command, "--questions", questions, 1, 1000, &n) ||
      !command_parse_real (
          command, "--captions", captions, 0.0, 1.0, &self.request.captions) ||
      !command_parse_word (command, "--level", level, levels, &which) ||
      !command_parse_number (
          command, "--seed", seed, 0, G_MAXUINT64, &self.seed) ||
      !command_parse_size (
          command, "--size", size, &self.request.width, &self.request.height))
    return COMMAND_USAGE;
  self.request.n_questions = (guint) n;
  self.request.level = (MblmSceneLevel) which;

  const MblmSceneFamilyClass *klass = mblm_scene_family_lookup (family);
  if (!klass) {
    g_autofree char *list = mblm_scene_family_list ();
    return command_usage_error (command, _ ("--family is one of: %s"), list);
  }
  if (!run (&self, klass, photographs, output, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}
