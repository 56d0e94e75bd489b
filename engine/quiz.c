/* quiz.c: pictures with questions whose answers are known.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "quiz.h"

#include <string.h>

#include "mblm-error.h"
#include "message.h"
#include "qa-sample.h"
#include "questions.h"
#include "scenes/scenes.h"

#define SCENES "scenes:"

struct _MblmQuiz {
  MblmQuestions *questions; /* or: */
  MblmSceneFamily *family;
  MblmSceneRequest request;
  guint64 seed;
  MblmSceneSet set;
  guint64 next; /* question, or scene */

  MblmScene *scene; /* that the questions are about, */
  guint asked;      /* and how many have been */
  MblmPicture *picture;
  char *path; /* of the picture */
};

void
mblm_quiz_item_clear (MblmQuizItem *self)
{
  g_clear_pointer (&self->picture, mblm_picture_unref);
  g_clear_pointer (&self->question, g_free);
  g_clear_pointer (&self->answer, g_free);
  g_clear_pointer (&self->type, g_free);
  g_clear_pointer (&self->where, g_free);
}

/* ------------------------------------------------------------------------- */
/* Opening                                                                   */
/* ------------------------------------------------------------------------- */

static gboolean
open_scenes (MblmQuiz *self, const MblmQuizOptions *options, GError **error)
{
  const char *id = options->name + strlen (SCENES);
  const MblmSceneFamilyClass *klass = mblm_scene_family_lookup (id);

  if (klass == NULL) {
    g_autofree char *quoted = mblm_quote (id, -1);
    g_autofree char *ids = mblm_scene_family_list ();
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "there is no family of scenes %s; those there are: %s", quoted, ids);
    return FALSE;
  }
  self->set = (MblmSceneSet) options->split;
  self->seed = options->seed;
  self->request = (MblmSceneRequest){.width = options->width,
      .height = options->height,
      .n_questions = MAX (options->per_picture, 1)};
  self->family = klass->open (
      &(MblmSceneOptions){.photographs = options->photographs}, error);
  return self->family != NULL;
}

/* The file and the folder of the pictures: of a folder as qa or clevr have it. */
static char *
find_file (const char *folder, MblmSplit split, gboolean *clevr, char **images)
{
  static const char *const names[] = {"train", "val", "test"};
  g_autofree char *json = g_strdup_printf (
      "CLEVR_%s_questions.json", names[split]);
  g_autofree char *published = g_build_filename (
      folder, "questions", json, NULL);
  char *lines = mblm_qa_find_file (folder, split);

  *clevr = lines == NULL;
  *images = *clevr ? g_build_filename (folder, "images", names[split], NULL)
                   : g_strdup (folder);
  if (!*clevr)
    return lines;
  return g_file_test (published, G_FILE_TEST_EXISTS)
      ? g_steal_pointer (&published)
      : NULL;
}

/* A file by itself: CLEVR's has its pictures in `images` beside it. */
static char *
find_images (const char *file, gboolean clevr)
{
  g_autofree char *folder = g_path_get_dirname (file);

  return clevr ? g_build_filename (folder, "images", NULL)
               : g_steal_pointer (&folder);
}

static gboolean
open_questions (MblmQuiz *self, const MblmQuizOptions *options, GError **error)
{
  g_autofree char *file = NULL, *images = NULL;
  gboolean clevr;

  if (g_file_test (options->name, G_FILE_TEST_IS_DIR)) {
    file = find_file (options->name, options->split, &clevr, &images);
  } else if (g_file_test (options->name, G_FILE_TEST_EXISTS)) {
    file = g_strdup (options->name);
    clevr = g_str_has_suffix (file, ".json");
    images = find_images (file, clevr);
  }
  if (file == NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
        "%s: no questions of this split; name a folder with train.jsonl, "
        "valid.jsonl or test.jsonl, one laid out as CLEVR, a file of "
        "questions, "
        "or scenes:FAMILY",
        options->name);
    return FALSE;
  }
  self->questions = mblm_questions_open (
      &(MblmQuestionsOptions){.path = file,
          .list = clevr ? "questions" : NULL,
          .image = clevr ? "image_filename" : "image",
          .folder = images},
      error);
  return self->questions != NULL;
}

MblmQuiz *
mblm_quiz_open (const MblmQuizOptions *options, GError **error)
{
  g_autoptr (MblmQuiz) self = g_new0 (MblmQuiz, 1);
  gboolean good = g_str_has_prefix (options->name, SCENES)
      ? open_scenes (self, options, error)
      : open_questions (self, options, error);

  return good ? g_steal_pointer (&self) : NULL;
}

void
mblm_quiz_free (MblmQuiz *self)
{
  g_clear_pointer (&self->questions, mblm_questions_free);
  if (self->family)
    self->family->klass->free (self->family);
  g_clear_pointer (&self->scene, mblm_scene_free);
  g_clear_pointer (&self->picture, mblm_picture_unref);
  g_free (self->path);
  g_free (self);
}

guint64
mblm_quiz_count (MblmQuiz *self)
{
  return self->questions ? mblm_questions_count (self->questions) : G_MAXUINT64;
}

/* ------------------------------------------------------------------------- */
/* Reading                                                                   */
/* ------------------------------------------------------------------------- */

static gboolean
next_of_scenes (MblmQuiz *self, MblmQuizItem *item, GError **error)
{
  if (self->scene == NULL || self->asked == self->scene->questions->len) {
    g_clear_pointer (&self->scene, mblm_scene_free);
    self->request.key = mblm_scene_key (self->seed, self->set, 0, self->next++);
    self->scene = self->family->klass->make (
        self->family, &self->request, error);
    self->asked = 0;
  }
  if (self->scene == NULL)
    return FALSE;

  const MblmSceneQuestion *question = &g_array_index (
      self->scene->questions, MblmSceneQuestion, self->asked++);
  *item = (MblmQuizItem){.picture = mblm_picture_ref (self->scene->picture),
      .question = g_strdup (question->question),
      .answer = g_strdup (question->answer),
      .type = g_strdup (question->type),
      .where = g_strdup_printf ("scene %" G_GUINT64_FORMAT, self->next)};
  return TRUE;
}

/* Questions about one picture often follow each other. */
static gboolean
load_picture (MblmQuiz *self, const char *path, GError **error)
{
  if (self->picture && g_str_equal (self->path, path))
    return TRUE;
  g_clear_pointer (&self->picture, mblm_picture_unref);
  g_free (self->path);
  self->path = g_strdup (path);
  self->picture = mblm_picture_load (path, error);
  return self->picture != NULL;
}

static gboolean
next_of_questions (MblmQuiz *self, MblmQuizItem *item, GError **error)
{
  g_auto (MblmQuestion) question = {NULL};

  if (self->next == mblm_questions_count (self->questions))
    return FALSE;
  guint index = (guint) self->next++;
  if (!mblm_questions_read (self->questions, index, &question, error))
    return FALSE;

  g_autofree char *where = mblm_questions_where (self->questions, index);
  if (!question.image || !question.answer) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: has no picture or no answer, and every question needs both; those "
        "of CLEVR's test have none: take --split=valid",
        where);
    return FALSE;
  }
  if (!load_picture (self, question.image, error))
    return FALSE;
  *item = (MblmQuizItem){.picture = mblm_picture_ref (self->picture),
      .question = g_steal_pointer (&question.question),
      .answer = g_steal_pointer (&question.answer),
      .type = question.type ? g_steal_pointer (&question.type)
                            : g_strdup ("question"),
      .where = g_steal_pointer (&where)};
  return TRUE;
}

gboolean
mblm_quiz_next (MblmQuiz *self, MblmQuizItem *item, GError **error)
{
  return self->questions ? next_of_questions (self, item, error)
                         : next_of_scenes (self, item, error);
}
