/* ask.c: `mblm ask`, questions about pictures.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "command.h"

#include "input.h"
#include "output.h"

#define MAX_FILE (64 << 20)

typedef struct {
  Command *command;
  MblmModel *model;
  GPtrArray *askers; /* one for each question */
  char **questions;
} Ask;

static gboolean
print_line (const char *path, const char *asked, const MblmAnswer *answer,
    GError **error)
{
  g_autofree char *escaped_path = output_escape (path);
  g_autofree char *question = output_escape (asked);
  g_autofree char *text = output_escape (answer->text);
  g_autoptr (GString) line = g_string_new (NULL);

  g_string_printf (line, "%s\t%s\t%s\t%.4f", escaped_path, question, text,
      answer->probability);
  for (guint i = 0; i < answer->n_choices; i++) {
    g_autofree char *choice = output_escape (answer->choices[i].text);

    g_string_append_printf (
        line, "\t%s=%.4f", choice, answer->choices[i].probability);
  }
  return output_print (error, "%s\n", line->str);
}

static gboolean
print_json (const char *path, const char *question, const MblmAnswer *answer,
    GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_add_string (builder, "path", path);
  json_add_string (builder, "question", question);
  json_add_string (builder, "answer", answer->text);
  json_add_real (builder, "probability", answer->probability);
  if (answer->choices) {
    json_builder_set_member_name (builder, "choices");
    json_builder_begin_array (builder);
    for (guint i = 0; i < answer->n_choices; i++) {
      json_builder_begin_object (builder);
      json_add_string (builder, "text", answer->choices[i].text);
      json_add_real (builder, "probability", answer->choices[i].probability);
      json_builder_end_object (builder);
    }
    json_builder_end_array (builder);
  }
  json_builder_end_object (builder);
  return output_json (builder, error);
}

/* The bytes of a picture file under the model's layout. */
static GBytes *
load_picture (Ask *self, const char *path, GError **error)
{
  g_autoptr (GBytes)
      file = input_read (path, MAX_FILE, self->command->cancellable, error);
  gsize size;

  if (!file)
    return NULL;

  const guint8 *data = g_bytes_get_data (file, &size);
  g_autoptr (MblmPicture) picture = mblm_picture_decode (data, size, error);
  GBytes *bytes = picture
      ? mblm_picture_to_bytes (picture,
            mblm_info_get_image (mblm_model_get_info (self->model)), error)
      : NULL;

  if (!bytes)
    g_prefix_error (error, "%s: ", path);
  return bytes;
}

/* A picture that can't be used is no reason to leave out the others. */
static gboolean
is_about_picture (Ask *self, const GError *error)
{
  return error->domain == G_IO_ERROR
      ? !g_cancellable_is_cancelled (self->command->cancellable)
      : g_error_matches (error, MBLM_ERROR, MBLM_ERROR_INPUT);
}

/* The answer to one question. FALSE: `local` has gone wrong, or printing has. */
static gboolean
ask_one (Ask *self, guint i, const char *path, GBytes *image, GError **local,
    GError **error)
{
  g_autoptr (MblmAnswer) answer = mblm_asker_answer (
      self->askers->pdata[i], image, self->command->cancellable, local);

  if (!answer)
    return FALSE;
  return self->command->json
      ? print_json (path, self->questions[i], answer, error)
      : print_line (path, self->questions[i], answer, error);
}

/* All questions about a picture. FALSE ends the work, with `error` set; a bad
 * picture sets `bad`. */
static gboolean
ask_all (Ask *self, const char *path, gboolean *bad, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (GBytes) image = load_picture (self, path, &local);

  for (guint i = 0; !local && i < self->askers->len; i++)
    if (!ask_one (self, i, path, image, &local, error) && !local)
      return FALSE;
  if (!local)
    return TRUE;
  if (is_about_picture (self, local)) {
    if (image)
      g_prefix_error (&local, "%s: ", path);
    command_warn ("%s", local->message);
    *bad = TRUE;
    return TRUE;
  }
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

/* An asker for each question: they share what they read of a picture. */
static gboolean
add_asker (Ask *self, const char *question, char **choices, GError **error)
{
  MblmAsker *asker = mblm_asker_new (self->model, error);

  if (!asker)
    return FALSE;
  g_ptr_array_add (self->askers, asker);
  if (self->askers->len > 1)
    mblm_asker_share (asker, self->askers->pdata[0]);
  return mblm_asker_set_question (asker, question, error) &&
      (!choices ||
          mblm_asker_set_choices (asker, (const char *const *) choices, error));
}

static gboolean
set_up (Ask *self, const char *name, const char *choices, GError **error)
{
  g_auto (GStrv) list = choices ? mblm_asker_split_choices (choices) : NULL;

  self->model = command_load_model (self->command, name, error);
  if (!self->model ||
      !command_check_task (self->command, self->model, MBLM_TASK_QA, error))
    return FALSE;
  for (char **question = self->questions; *question; question++)
    if (!add_asker (self, *question, list, error))
      return FALSE;
  return TRUE;
}

int
command_ask (Command *command, char **argv)
{
  g_autofree char *choices = NULL;
  g_auto (GStrv) questions = NULL;
  const GOptionEntry entries[] = {
      {"question", 'q', 0, G_OPTION_ARG_FILENAME_ARRAY, &questions,
          N_ ("What to ask; an empty text asks for the caption; may be "
              "repeated"),
          N_ ("TEXT")},
      {"choices", 'c', 0, G_OPTION_ARG_FILENAME, &choices,
          N_ ("Rank these answers, separated by commas (\\, is a comma)"),
          N_ ("A,B,C")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("MODEL PICTURE… --question TEXT"),
      .summary = _ ("Prints path, question, answer and probability for each "
                    "JPEG or PNG file, separated\nby tabs; with --choices also "
                    "ANSWER=PROBABILITY for each of them. A picture that\n"
                    "can't be read is reported and left out."),
      .description = _ (
          "Example:\n  mblm ask scenes photo.jpg --question \"What "
          "color is the object?\" --choices red,green,blue"),
      .entries = entries,
      .min = 2,
      .max = G_MAXUINT,
  };
  g_autoptr (GError) error = NULL;
  Ask self = {.command = command};
  gboolean bad = FALSE;
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!questions)
    return command_usage_error (command, _ ("--question is missing"));

  self.questions = questions;
  self.askers = g_ptr_array_new_with_free_func (g_object_unref);
  if (set_up (&self, names[0], choices, &error))
    for (char **path = names + 1; *path && !error; path++)
      ask_all (&self, *path, &bad, &error);
  g_ptr_array_unref (self.askers);
  g_clear_object (&self.model);
  if (error)
    return command_fail (command, g_steal_pointer (&error));
  return bad ? COMMAND_FAILED : COMMAND_OK;
}
