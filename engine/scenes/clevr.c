/* clevr.c: pictures and questions like those of CLEVR v1.0, made on the fly.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "clevr-question.h"
#include "mblm-error.h"
#include "scenes.h"

/* A scene is asked for each family this often before it is taken to have no more
 * questions. */
#define MAX_ROUNDS 20
/* Share of the families about what objects share that hard scenes are asked for. */
#define HARD_SHARED 0.25

typedef struct {
  MblmSceneFamily parent;
  MblmClevrTemplates *templates;
} Clevr;

static const char *const answers[] = {"yes", "no", "0", "1", "2", "3", "4", "5",
    "6", "7", "8", "9", "10", "small", "large", "gray", "red", "blue", "green",
    "brown", "purple", "cyan", "yellow", "rubber", "metal", "cube", "sphere",
    "cylinder", NULL};

static void
clevr_free (MblmSceneFamily *family)
{
  Clevr *self = (Clevr *) family;

  g_clear_pointer (&self->templates, mblm_clevr_templates_free);
  g_free (self);
}

static MblmSceneFamily *
clevr_open (const MblmSceneOptions *options, GError **error)
{
  if (options->photographs) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "scenes of the family clevr have no photographs: leave them out, or "
        "take "
        "flat");
    return NULL;
  }

  Clevr *self = g_new0 (Clevr, 1);
  self->parent.klass = &mblm_scenes_clevr_class;
  self->templates = mblm_clevr_templates_load (error);
  if (!self->templates) {
    clevr_free (&self->parent);
    return NULL;
  }
  return &self->parent;
}

static gboolean
is_known (GArray *questions, const char *text)
{
  for (guint i = 0; i < questions->len; i++)
    if (g_strcmp0 (g_array_index (questions, MblmSceneQuestion, i).question,
            text) == 0)
      return TRUE;
  return FALSE;
}

static void
add_question (const Clevr *self, const MblmClevrTemplate *family,
    const MblmClevrScene *scene, guint64 *key, GArray *out)
{
  MblmClevrQuestion question;
  MblmSceneQuestion done;

  if (!mblm_clevr_question_draw (family, scene, key, &question))
    return;
  done.question = mblm_clevr_question_word (&question, self->templates, key);
  if (is_known (out, done.question)) {
    g_free (done.question);
    return;
  }

  const MblmClevrNode *last = &question.program[question.n - 1];
  done.answer = g_strdup (mblm_clevr_answer_name (last, question.answer));
  done.type = mblm_clevr_type_name (last);
  g_array_append_val (out, done);
}

/* How often the program of a family goes from objects to others, or puts together
 * or compares what it has found. */
static guint
count_joins (const MblmClevrTemplate *family)
{
  guint n = 0;

  for (guint i = 0; i < family->steps->len; i++) {
    const MblmClevrStep *step = &g_array_index (
        family->steps, MblmClevrStep, i);

    n += step->relates;
    if (step->has_function)
      n += step->function == MBLM_CLEVR_SAME ||
          mblm_clevr_count_inputs (step->function) == 2;
  }
  return n;
}

/* Of plain scenes only what CLEVR calls zero hop is asked: what one object is like,
 * and how many or whether there are such. Of hard ones what takes one step more, and
 * not mostly what objects share, of which there are most families. */
static gboolean
is_asked (const MblmClevrTemplate *family, MblmSceneLevel level, guint64 *key)
{
  switch (level) {
    case MBLM_SCENE_PLAIN:
      return count_joins (family) == 0;
    case MBLM_SCENE_HARD:
      return count_joins (family) == 1 &&
          (!g_str_equal (family->file, "same_relate") ||
              mblm_scene_draw_coin (key, HARD_SHARED));
    default:
      return TRUE;
  }
}

/* As many as are wanted, of families in an order that is drawn anew when all were
 * asked. */
static void
add_questions (const Clevr *self, const MblmClevrScene *scene,
    MblmSceneLevel level, guint wanted, guint64 *key, GArray *out)
{
  GPtrArray *families = self->templates->families;
  g_autofree guint *order = g_new (guint, families->len);

  for (guint round = 0; round < MAX_ROUNDS && out->len < wanted; round++) {
    mblm_scene_draw_order (key, order, families->len);
    for (guint i = 0; i < families->len && out->len < wanted; i++)
      if (is_asked (families->pdata[order[i]], level, key))
        add_question (self, families->pdata[order[i]], scene, key, out);
  }
}

static MblmScene *
clevr_make (
    MblmSceneFamily *family, const MblmSceneRequest *request, GError **error)
{
  const Clevr *self = (const Clevr *) family;
  guint64 key = request->key;
  guint n = MAX (request->n_questions, 1);
  MblmClevrScene scene;
  MblmRayScene view;

  mblm_clevr_scene_draw (
      &scene, &view, request->level != MBLM_SCENE_USUAL, &key);

  g_autoptr (MblmScene) made = g_new0 (MblmScene, 1);
  made->questions = g_array_new (FALSE, FALSE, sizeof (MblmSceneQuestion));
  made->picture = mblm_ray_render (
      &view, request->width, request->height, error);
  if (!made->picture)
    return NULL;
  gboolean captioned = mblm_scene_draw_coin (&key, n * request->captions);
  if (request->captions < 1.0)
    add_questions (
        self, &scene, request->level, n - captioned, &key, made->questions);
  if (captioned)
    g_array_append_vals (made->questions,
        &(MblmSceneQuestion){
            .answer = mblm_clevr_caption (&scene), .type = "caption"},
        1);
  return g_steal_pointer (&made);
}

const MblmSceneFamilyClass mblm_scenes_clevr_class = {
    .id = "clevr",
    .answers = answers,
    .open = clevr_open,
    .free = clevr_free,
    .make = clevr_make,
};
