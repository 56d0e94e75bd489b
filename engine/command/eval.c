/* eval.c: `mblm eval`, how many answers of a model are right.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "command.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "dataset-private.h"
#include "output.h"
#include "quiz.h"
#include "report.h"
#include "scenes/scenes.h"
#include "tally.h"

typedef struct {
  Command *command;
  MblmModel *model;
  MblmAsker *asker, *without; /* a picture */
  MblmQuiz *quiz;
  Tally *tally;
  MblmImageLayout layout; /* of pictures */
  GBytes *nothing;        /* what stands for the picture that is withheld */
  GHashTable *blind;      /* question to the answer without a picture */
  gboolean choose, list;
  Report *report; /* or NULL */
  guint64 count;
} Eval;

/* ------------------------------------------------------------------------- */
/* Asking                                                                    */
/* ------------------------------------------------------------------------- */

static char *
ask (Eval *self, MblmAsker *asker, const char *question, GBytes *image,
    GError **error)
{
  g_autoptr (MblmAnswer)
      answer = mblm_asker_set_question (asker, question, error)
      ? mblm_asker_answer (asker, image, self->command->cancellable, error)
      : NULL;

  return answer ? g_strdup (answer->text) : NULL;
}

/* One line for each answer. */
static gboolean
print_answer (
    Eval *self, const MblmQuizItem *item, const char *answer, GError **error)
{
  const char *asked = item->question ? item->question : "";

  if (self->command->json) {
    g_autoptr (JsonBuilder) builder = json_builder_new ();

    json_builder_begin_object (builder);
    json_add_string (builder, "type", item->type);
    json_add_string (builder, "question", asked);
    json_add_string (builder, "truth", item->answer);
    json_add_string (builder, "answer", answer);
    json_builder_end_object (builder);
    return output_json (builder, error);
  }
  g_autofree char *type = output_escape (item->type);
  g_autofree char *question = output_escape (asked);
  g_autofree char *truth = output_escape (item->answer);
  g_autofree char *said = output_escape (answer);

  return output_print (error, "%s\t%s\t%s\t%s\n", type, question, truth, said);
}

/* The answer to a question without its picture: the same each time. */
static const char *
ask_blind (Eval *self, const char *question, GError **error)
{
  const char *key = question ? question : "";
  char *answer = g_hash_table_lookup (self->blind, key);

  if (answer == NULL) {
    answer = ask (self, self->without, question, self->nothing, error);
    if (answer != NULL)
      g_hash_table_insert (self->blind, g_strdup (key), answer);
  }
  return answer;
}

static gboolean
ask_item (Eval *self, const MblmQuizItem *item, GError **error)
{
  g_autoptr (GBytes)
      image = mblm_picture_to_bytes (item->picture, &self->layout, error);

  if (!image)
    return FALSE;
  g_autofree char *answer = ask (
      self, self->asker, item->question, image, error);
  const char *blind = answer ? ask_blind (self, item->question, error) : NULL;
  if (!blind || (self->list && !print_answer (self, item, answer, error)))
    return FALSE;
  tally_add (self->tally, item->type, item->answer, answer, blind);
  return !self->report || g_str_equal (answer, item->answer) ||
      report_add (self->report, item, answer, error);
}

static gboolean
ask_one (Eval *self, const MblmQuizItem *item, GError **error)
{
  if (ask_item (self, item, error))
    return TRUE;
  g_prefix_error (error, "%s: ", item->where);
  return FALSE;
}

static gboolean
ask_all (Eval *self, GError **error)
{
  guint64 n = MIN (self->count, mblm_quiz_count (self->quiz));

  for (guint64 i = 0; i < n; i++) {
    g_auto (MblmQuizItem) item = {NULL};

    if (g_cancellable_set_error_if_cancelled (
            self->command->cancellable, error) ||
        !mblm_quiz_next (self->quiz, &item, error) ||
        !ask_one (self, &item, error))
      return FALSE;
    if (progress_due ()) {
      TallyCounts all = tally_get (self->tally, NULL);
      progress_show (_ ("%" PRIu64 " of %" PRIu64 " questions, %.1f %% right"),
          i + 1, n, 100.0 * (double) all.right / (double) all.n);
    }
  }
  progress_clear ();
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* The table                                                                 */
/* ------------------------------------------------------------------------- */

static double
share (guint64 part, guint64 n)
{
  return (double) part / (double) n;
}

/* Of each true answer, how often what was said. */
static void
add_confusions (Eval *self, JsonBuilder *builder, const char *type)
{
  g_autofree const char **truths = tally_get_truths (self->tally, type);

  json_builder_set_member_name (builder, "confusions");
  json_builder_begin_object (builder);
  for (guint i = 0; truths[i]; i++) {
    json_builder_set_member_name (builder, truths[i]);
    json_builder_begin_object (builder);
    g_autofree const char **said = tally_get_said (
        self->tally, type, truths[i]);
    for (guint j = 0; said[j]; j++)
      json_add_count (builder, said[j],
          tally_count (self->tally, type, truths[i], said[j]));
    json_builder_end_object (builder);
  }
  json_builder_end_object (builder);
}

static gboolean
print_row (Eval *self, const char *type, GError **error)
{
  TallyCounts counts = tally_get (self->tally, type);
  const char *name = type ? type : "all";
  g_autofree char *escaped = output_escape (name);
  double low, high;

  tally_interval (counts.right, counts.n, &low, &high);
  if (!self->command->json)
    return output_print (error,
        "%-20s %7" G_GUINT64_FORMAT
        "   %5.1f  %5.1f to %5.1f   %5.1f   %5.1f\n",
        escaped, counts.n, 100.0 * share (counts.right, counts.n), 100.0 * low,
        100.0 * high, 100.0 * share (counts.frequent, counts.n),
        100.0 * share (counts.blind, counts.n));

  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  json_add_string (builder, "type", name);
  json_add_count (builder, "questions", counts.n);
  json_add_count (builder, "right", counts.right);
  json_add_real (builder, "accuracy", share (counts.right, counts.n));
  json_add_real (builder, "low", low);
  json_add_real (builder, "high", high);
  json_add_real (builder, "frequent", share (counts.frequent, counts.n));
  json_add_real (builder, "blind", share (counts.blind, counts.n));
  if (type)
    add_confusions (self, builder, type);
  json_builder_end_object (builder);
  return output_json (builder, error);
}

static gboolean
print_table (Eval *self, GError **error)
{
  g_autofree const char **types = tally_get_types (self->tally);

  if (!self->command->json &&
      !output_print (error, "%-20s %7s   %5s  %-13s   %5s   %5s\n", _ ("type"),
          _ ("asked"), _ ("right"), _ ("interval"), _ ("often"), _ ("blind")))
    return FALSE;
  for (guint i = 0; types[i]; i++)
    if (!print_row (self, types[i], error))
      return FALSE;
  return print_row (self, NULL, error);
}

/* ------------------------------------------------------------------------- */
/* Setting up                                                                */
/* ------------------------------------------------------------------------- */

/* A picture that says nothing: grey. */
static GBytes *
make_nothing (const MblmImageLayout *layout, GError **error)
{
  gsize size = (gsize) layout->width * layout->height * 3;
  g_autofree guint8 *rgb = g_malloc (size);

  memset (rgb, 128, size);
  g_autoptr (MblmPicture) picture = mblm_picture_new (
      layout->width, layout->height, rgb, layout->width * 3, error);
  return picture ? mblm_picture_to_bytes (picture, layout, error) : NULL;
}

/* Questions about one picture follow each other, and the one that is no picture is
 * always the same: each is read once, where the sample begins with it. */
static MblmAsker *
make_asker (Eval *self, GError **error)
{
  MblmAsker *asker = mblm_asker_new (self->model, error);

  if (asker)
    mblm_asker_share (asker, asker);
  return asker;
}

static gboolean
set_choices (Eval *self, GError **error)
{
  const char *const *answers = mblm_info_get_answers (
      mblm_model_get_info (self->model));

  if (answers)
    return mblm_asker_set_choices (self->asker, answers, error) &&
        mblm_asker_set_choices (self->without, answers, error);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
      _ ("--choose: the model's mblm.json names no answers; leave it out"));
  return FALSE;
}

static gboolean
write_report (Eval *self, char **names, GError **error)
{
  g_autofree char *title = NULL;

  if (!self->report)
    return TRUE;
  title = g_strdup_printf ("%s: %s", names[0], names[1]);
  return report_end (self->report, self->tally, title, error);
}

static gboolean
set_up (Eval *self, const char *model, MblmQuizOptions *options, GError **error)
{
  self->model = command_load_model (self->command, model, error);
  if (!self->model ||
      !command_check_task (self->command, self->model, MBLM_TASK_QA, error))
    return FALSE;

  const MblmImageLayout *layout = command_get_layout (self->model, error);
  if (!layout)
    return FALSE;
  self->layout = *layout;
  /* As the data set `scenes` draws them by default, and uncut: nothing is asked
   * about what a crop took away. */
  if (g_str_has_prefix (options->name, "scenes:"))
    self->layout.crop_w = self->layout.crop_h = 0.0;
  options->width = layout->width * MBLM_SCENES_SCALE;
  options->height = layout->height * MBLM_SCENES_SCALE;
  self->asker = make_asker (self, error);
  self->without = self->asker ? make_asker (self, error) : NULL;
  self->nothing = self->without ? make_nothing (layout, error) : NULL;
  if (!self->nothing || (self->choose && !set_choices (self, error)))
    return FALSE;
  self->quiz = mblm_quiz_open (options, error);
  return self->quiz != NULL;
}

int
command_eval (Command *command, char **argv)
{
  g_autofree char *count = NULL, *split = NULL, *seed = NULL, *per = NULL;
  g_autofree char *photographs = NULL, *output = NULL;
  gboolean choose = FALSE, list = FALSE;
  const GOptionEntry entries[] = {
      {"count", 'n', 0, G_OPTION_ARG_STRING, &count,
          N_ ("Questions at most (5000)"), N_ ("N")},
      {"split", 0, 0, G_OPTION_ARG_STRING, &split,
          N_ ("train, valid or test (test)"), N_ ("NAME")},
      {"choose", 0, 0, G_OPTION_ARG_NONE, &choose,
          N_ ("Rank the answers that mblm.json names instead of writing one"),
          NULL},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
          N_ ("Write a page about it, with what was wrong, to a new folder"),
          N_ ("FOLDER")},
      {"list", 0, 0, G_OPTION_ARG_NONE, &list,
          N_ ("Print type, question, truth and answer of each, too"), NULL},
      {"questions", 0, 0, G_OPTION_ARG_STRING, &per,
          N_ ("About each scene (1)"), N_ ("N")},
      {"photographs", 0, 0, G_OPTION_ARG_FILENAME, &photographs,
          N_ ("Backgrounds of scenes: a folder of JPEG and PNG files"),
          N_ ("FOLDER")},
      {"seed", 0, 0, G_OPTION_ARG_STRING, &seed, N_ ("Other scenes (0)"),
          N_ ("S")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("MODEL DATASET"),
      .summary = _ (
          "Asks a model questions whose answers are known, and prints how many "
          "answers are right,\nby type of question, with the interval that "
          "95 of 100 such examinations would lie in;\nbeside it what the most "
          "frequent answer of each type would get, and what the model\ngets "
          "from a grey picture. DATASET is scenes:flat or scenes:clevr, a "
          "folder with\ntest.jsonl, one laid out as CLEVR, or a file of "
          "questions."),
      .description = _ (
          "Example:\n  mblm eval scenes scenes:flat --count 1000"),
      .entries = entries,
      .min = 2,
      .max = 2,
  };
  g_autoptr (GError) error = NULL;
  Eval self = {.command = command, .count = 5000};
  MblmQuizOptions options = {0};
  const char *const splits[] = {mblm_split_get_name (MBLM_SPLIT_TRAIN),
      mblm_split_get_name (MBLM_SPLIT_VALID),
      mblm_split_get_name (MBLM_SPLIT_TEST), NULL};
  guint64 questions = 1;
  int part = MBLM_SPLIT_TEST, status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);

  if (!names)
    return status;
  if (!command_parse_number (
          command, "--count", count, 1, 100000000, &self.count) ||
      !command_parse_number (
          command, "--questions", per, 1, 1000, &questions) ||
      !command_parse_number (
          command, "--seed", seed, 0, G_MAXUINT64, &options.seed) ||
      !command_parse_word (command, "--split", split, splits, &part))
    return COMMAND_USAGE;

  self.choose = choose;
  self.list = list;
  self.tally = tally_new ();
  self.blind = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  options.name = names[1];
  options.split = (MblmSplit) part;
  options.per_picture = (guint) questions;
  options.photographs = photographs;
  if (output)
    self.report = report_new (output, &error);
  gboolean good = !error && set_up (&self, names[0], &options, &error) &&
      ask_all (&self, &error) && print_table (&self, &error) &&
      write_report (&self, names, &error);
  progress_clear ();
  g_clear_pointer (&self.quiz, mblm_quiz_free);
  g_clear_pointer (&self.nothing, g_bytes_unref);
  g_clear_object (&self.asker);
  g_clear_object (&self.without);
  g_clear_object (&self.model);
  g_hash_table_unref (self.blind);
  tally_free (self.tally);
  g_clear_pointer (&self.report, report_free);
  return good ? COMMAND_OK : command_fail (command, g_steal_pointer (&error));
}
