/* bench-ask.c: `mblm bench ask`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From a frame of 640 x 480 pixels to an answer about it, to the best of ten
 * choices, and to the answers to four questions. Every frame is another one. Each
 * run does all three, so that the ratios don't depend on what else the machine
 * does at the time.
 */

#include "bench.h"

#include "work.h"

#include <string.h>

#define WIDTH 640
#define HEIGHT 480
#define N_QUESTIONS 4
#define N_CHOICES 10

static const char *const questions[N_QUESTIONS] = {
    "What color is the object on the left?",
    "How many objects are there?",
    "Is there anything red?",
    "Where is the circle?",
};
/* Of a model that names fewer answers. */
static const char *const words[N_CHOICES + 1] = {"red", "green", "blue",
    "yellow", "circle", "square", "left", "right", "yes", "no", NULL};

typedef struct {
  Bench *bench;
  MblmAsker *one, *chooser;
  MblmAsker *asker[N_QUESTIONS]; /* that share a frame */
  guint8 *rgb;                   /* [HEIGHT, WIDTH, 3] */
  GRand *random;
  double picture; /* seconds of the last picture */
  gsize answer_bytes;
} Ask;

static void
ask_clear (Ask *self)
{
  for (guint i = 0; i < N_QUESTIONS; i++)
    g_clear_object (&self->asker[i]);
  g_clear_object (&self->one);
  g_clear_object (&self->chooser);
  g_clear_pointer (&self->random, g_rand_free);
  g_free (self->rgb);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Ask, ask_clear)

/* ------------------------------------------------------------------------- */
/* What is asked                                                             */
/* ------------------------------------------------------------------------- */

static GStrv
list_choices (MblmModel *model)
{
  const char *const *answers = mblm_info_get_answers (
      mblm_model_get_info (model));
  GStrv choices = g_new0 (char *, N_CHOICES + 1);

  if (!answers || g_strv_length ((GStrv) answers) < N_CHOICES)
    answers = words;
  for (guint i = 0; i < N_CHOICES; i++)
    choices[i] = g_strdup (answers[i]);
  return choices;
}

static MblmAsker *
new_asker (MblmModel *model, const char *question, gsize most, GError **error)
{
  g_autoptr (MblmAsker) asker = mblm_asker_new (model, error);

  if (!asker || !mblm_asker_set_question (asker, question, error))
    return NULL;
  mblm_asker_set_max_bytes (asker, most);
  return g_steal_pointer (&asker);
}

/* Answers end where the longest choice would, if not before. */
static gboolean
set_up_askers (Ask *self, GError **error)
{
  MblmModel *model = self->bench->model;
  g_auto (GStrv) choices = list_choices (model);
  gsize longest = 0;

  for (guint i = 0; i < N_CHOICES; i++)
    longest = MAX (longest, strlen (choices[i]));
  for (guint i = 0; i < N_QUESTIONS; i++) {
    self->asker[i] = new_asker (model, questions[i], longest, error);
    if (!self->asker[i])
      return FALSE;
    if (i > 0)
      mblm_asker_share (self->asker[i], self->asker[0]);
  }
  self->one = new_asker (model, questions[0], longest, error);
  self->chooser = new_asker (model, questions[0], longest, error);
  return self->one && self->chooser &&
      mblm_asker_set_choices (
          self->chooser, (const char *const *) choices, error);
}

static void
set_up_frame (Ask *self)
{
  self->random = g_rand_new_with_seed (1);
  self->rgb = g_new (guint8, WIDTH * HEIGHT * 3);
  for (gsize i = 0; i < WIDTH * HEIGHT * 3; i++)
    self->rgb[i] = (guint8) g_rand_int (self->random);
}

/* ------------------------------------------------------------------------- */
/* One run                                                                   */
/* ------------------------------------------------------------------------- */

/* The bytes of another frame: a band of it has changed. */
static GBytes *
next_image (Ask *self, GError **error)
{
  gsize size = WIDTH * HEIGHT * 3 / 8;
  gsize first = g_rand_int_range (self->random, 0, 8) * size;

  for (gsize i = first; i < first + size; i++)
    self->rgb[i] ^= (guint8) g_rand_int (self->random);

  gint64 begin = g_get_monotonic_time ();
  g_autoptr (MblmPicture)
      picture = mblm_picture_new (WIDTH, HEIGHT, self->rgb, 3 * WIDTH, error);
  GBytes *bytes = picture
      ? mblm_picture_to_bytes (picture,
            mblm_info_get_image (mblm_model_get_info (self->bench->model)),
            error)
      : NULL;

  self->picture = bench_since (begin);
  return bytes;
}

/* Seconds from a frame to the answers of n askers. */
static gboolean
time_askers (Ask *self, MblmAsker *const *asker, guint n, double *seconds,
    GError **error)
{
  g_autoptr (GBytes) image = next_image (self, error);

  if (!image)
    return FALSE;

  gint64 begin = g_get_monotonic_time ();

  for (guint i = 0; i < n; i++) {
    g_autoptr (MblmAnswer) answer = mblm_asker_answer (
        asker[i], image, self->bench->command->cancellable, error);

    if (!answer)
      return FALSE;
    if (!answer->choices)
      self->answer_bytes = strlen (answer->text);
  }
  *seconds = self->picture + bench_since (begin);
  return TRUE;
}

/* Of one run; the answer of one asker is what the others are compared with. */
typedef struct {
  double *picture, *answer, *choices, *choices_ratio, *questions,
      *questions_ratio; /* [runs] */
} Times;

static void
times_init (Times *self, guint runs)
{
  self->picture = g_new (double, 6 * runs);
  self->answer = self->picture + runs;
  self->choices = self->answer + runs;
  self->choices_ratio = self->choices + runs;
  self->questions = self->choices_ratio + runs;
  self->questions_ratio = self->questions + runs;
}

static void
times_clear (Times *self)
{
  g_free (self->picture);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Times, times_clear)

static gboolean
run_once (Ask *self, Times *times, guint i, GError **error)
{
  if (!time_askers (self, &self->one, 1, &times->answer[i], error) ||
      !time_askers (self, &self->chooser, 1, &times->choices[i], error) ||
      !time_askers (
          self, self->asker, N_QUESTIONS, &times->questions[i], error))
    return FALSE;
  times->picture[i] = self->picture;
  times->choices_ratio[i] = times->choices[i] / times->answer[i];
  times->questions_ratio[i] = times->questions[i] / times->answer[i];
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Figures                                                                   */
/* ------------------------------------------------------------------------- */

/* Ids that a frame doesn't pay for: those before its picture. */
static guint64
count_kept (MblmModel *model)
{
  MblmInfo *info = mblm_model_get_info (model);
  guint n;
  const MblmSegment *sample = mblm_info_get_sample (info, &n);
  guint64 kept = 0;

  for (guint i = 0; i < n && sample[i] != MBLM_SEGMENT_IMAGE; i++)
    if (sample[i] == MBLM_SEGMENT_QUESTION)
      kept += mblm_sample_length (mblm_model_get_config (model), info,
          MBLM_SEGMENT_QUESTION, strlen (questions[0]));
  return kept;
}

static void
report (Ask *self, const Times *times, guint64 prompt, double first)
{
  Bench *bench = self->bench;
  guint n = bench->runs;
  guint64 kept = count_kept (bench->model);
  double work = work_of_prompt (bench->model, prompt) -
      work_of_prompt (bench->model, kept);
  double answer = machine_median (times->answer, n);

  bench_add_count (
      bench, "frame_ids", _ ("ids of a frame to the answer"), prompt - kept);
  bench_add_count (
      bench, "answer_bytes", _ ("bytes of the answer"), self->answer_bytes);
  bench_add_seconds (bench, "picture_seconds", _ ("640x480 to the bytes"),
      machine_median (times->picture, n));
  bench_add_seconds (
      bench, "first_seconds", _ ("the first frame to its answer"), first);
  bench_add_seconds (
      bench, "answer_seconds", _ ("a frame to its answer"), answer);
  bench_add_seconds (bench, "choices_seconds", _ ("to the best of ten choices"),
      machine_median (times->choices, n));
  bench_add_rate (bench, "choices_ratio", _ ("that is"),
      machine_median (times->choices_ratio, n), _ ("answers"));
  bench_add_seconds (bench, "questions_seconds",
      _ ("to the answers of four questions"),
      machine_median (times->questions, n));
  bench_add_rate (bench, "questions_ratio", _ ("that is"),
      machine_median (times->questions_ratio, n), _ ("answers"));
  bench_add_rate (bench, "operations", _ ("operations"), work, "FLOP");
  bench_add_floor (bench, answer, work / bench->machine.product_roof);
}

gboolean
bench_ask (Bench *bench, GError **error)
{
  g_auto (Ask) self = {.bench = bench};
  g_auto (Times) times = {NULL};
  double first;

  if (!set_up_askers (&self, error))
    return FALSE;
  set_up_frame (&self);
  times_init (&times, bench->runs);
  g_autoptr (GBytes) image = next_image (&self, error);
  g_autoptr (GArray) prompt = image
      ? mblm_asker_get_prompt_ids (self.one, image, error)
      : NULL;

  if (!prompt || !time_askers (&self, &self.one, 1, &first, error) ||
      !run_once (&self, &times, 0, error))
    return FALSE;
  for (guint i = 0; i < bench->runs; i++)
    if (!run_once (&self, &times, i, error))
      return FALSE;
  report (&self, &times, prompt->len, first);
  return TRUE;
}
