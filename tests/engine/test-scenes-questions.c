/* test-scenes-questions.c: questions of CLEVR, and their answers.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#include "draw.h"
#include "formats.h"
#include "scenes/clevr-question.h"

#define N_FAMILIES 90

/* ------------------------------------------------------------------------- */
/* Programs                                                                  */
/* ------------------------------------------------------------------------- */

static void
read_set (JsonArray *from, MblmClevrSet *set)
{
  *set = 0;
  for (guint i = 0; i < json_array_get_length (from); i++)
    *set |= 1 << json_array_get_int_element (from, i);
}

static void
read_scene (JsonObject *entry, MblmClevrScene *scene)
{
  JsonArray *objects = json_object_get_array_member (entry, "objects");
  JsonObject *related = json_object_get_object_member (entry, "relationships");

  *scene = (MblmClevrScene){.n = json_array_get_length (objects)};
  for (guint i = 0; i < scene->n; i++) {
    JsonObject *object = json_array_get_object_element (objects, i);

    for (guint k = 0; k < MBLM_CLEVR_N_ATTRIBUTES; k++) {
      const char *kind = mblm_clevr_kind_name ((MblmClevrKind) k);
      guint value;

      g_assert_true (mblm_clevr_find_value ((MblmClevrKind) k,
          json_object_get_string_member (object, kind), &value));
      scene->values[i][k] = value;
    }
    for (guint r = 0; r < MBLM_CLEVR_N_RELATIONS; r++) {
      const char *name = mblm_clevr_value_name (MBLM_CLEVR_RELATION, r);

      read_set (json_array_get_array_element (
                    json_object_get_array_member (related, name), i),
          &scene->related[r][i]);
    }
  }
  mblm_clevr_scene_index (scene);
}

static guint
read_program (JsonArray *from, MblmClevrNode *program)
{
  guint n = json_array_get_length (from);

  g_assert_cmpuint (n, <=, MBLM_CLEVR_MAX_NODES);
  for (guint i = 0; i < n; i++) {
    JsonObject *entry = json_array_get_object_element (from, i);
    JsonArray *inputs = json_object_get_array_member (entry, "inputs");
    JsonArray *values = json_object_get_array_member (entry, "value_inputs");
    MblmClevrNode *node = &program[i];

    *node = (MblmClevrNode){0};
    g_assert_true (
        mblm_clevr_find_function (json_object_get_string_member (entry, "type"),
            &node->function, &node->kind));
    g_assert_cmpuint (json_array_get_length (inputs), ==,
        mblm_clevr_count_inputs (node->function));
    for (guint k = 0; k < json_array_get_length (inputs); k++)
      node->inputs[k] = json_array_get_int_element (inputs, k);
    if (json_array_get_length (values) > 0)
      g_assert_true (mblm_clevr_find_value (
          node->kind, json_array_get_string_element (values, 0), &node->value));
  }
  return n;
}

static JsonArray *
load (JsonParser *parser, const char *folder, const char *name,
    const char *member)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  return json_object_get_array_member (
      json_node_get_object (json_parser_get_root (parser)), member);
}

/* 862 questions of the published engine, of all its families. */
static void
test_published (void)
{
  g_autofree char *folder = formats_shared ("data/clevr/samples/renders_b");
  g_autoptr (JsonParser) first = json_parser_new ();
  g_autoptr (JsonParser) second = json_parser_new ();

  if (!folder) {
    g_test_skip ("the published questions are not here");
    return;
  }

  JsonArray *scenes = load (first, folder, "CLEVR_scenes.json", "scenes");
  JsonArray *questions = load (
      second, folder, "CLEVR_questions.json", "questions");
  g_assert_cmpuint (json_array_get_length (questions), ==, 862);
  for (guint i = 0; i < json_array_get_length (questions); i++) {
    JsonObject *entry = json_array_get_object_element (questions, i);
    MblmClevrNode program[MBLM_CLEVR_MAX_NODES];
    guint n = read_program (
        json_object_get_array_member (entry, "program"), program);
    MblmClevrOutput answer;
    MblmClevrScene scene;

    read_scene (json_array_get_object_element (
                    scenes, json_object_get_int_member (entry, "image_index")),
        &scene);
    g_assert_true (mblm_clevr_run (&scene, program, n, &answer));
    g_assert_cmpstr (mblm_clevr_answer_name (&program[n - 1], answer), ==,
        json_object_get_string_member (entry, "answer"));
    if (g_str_equal (json_object_get_string_member (entry, "template_filename"),
            "single_and.json"))
      g_assert_false (mblm_clevr_is_degenerate (&scene, program, n, answer));
  }
}

/* A row of three from left to right, each behind the last: a small red rubber
 * cube, a large red metal ball, a large blue metal cube. */
static MblmClevrScene
line_up (void)
{
  MblmClevrScene scene = {.n = 3,
      .values = {{0, 1, 0, 0}, {1, 1, 1, 1}, {1, 2, 1, 0}},
      .related = {{0, 1, 3}, {6, 4, 0}, {6, 4, 0}, {0, 1, 3}}};

  mblm_clevr_scene_index (&scene);
  return scene;
}

static const char *
ask (const MblmClevrScene *scene, const MblmClevrNode *program, guint n)
{
  MblmClevrOutput answer;

  if (!mblm_clevr_run (scene, program, n, &answer))
    return NULL;
  return mblm_clevr_answer_name (&program[n - 1], answer);
}

static void
test_programs (void)
{
  const MblmClevrKind color = MBLM_CLEVR_COLOR, shape = MBLM_CLEVR_SHAPE;
  const MblmClevrScene scene = line_up ();
  /* "What number of ... things are right of the ball?" */
  MblmClevrNode count[] = {
      {.function = MBLM_CLEVR_SCENE},
      {MBLM_CLEVR_FILTER, shape, 1, {0}},
      {MBLM_CLEVR_UNIQUE, 0, 0, {1}},
      {MBLM_CLEVR_RELATE, MBLM_CLEVR_RELATION, 1, {2}},
      {MBLM_CLEVR_FILTER, color, 2, {3}},
      {MBLM_CLEVR_COUNT, 0, 0, {4}},
  };
  const MblmClevrNode same[] = {
      {.function = MBLM_CLEVR_SCENE},
      {MBLM_CLEVR_FILTER, shape, 1, {0}},
      {MBLM_CLEVR_UNIQUE, 0, 0, {1}},
      {MBLM_CLEVR_SAME, color, 0, {2}},
      {MBLM_CLEVR_UNIQUE, 0, 0, {3}},
      {MBLM_CLEVR_QUERY, shape, 0, {4}},
      {MBLM_CLEVR_QUERY, shape, 0, {2}},
      {MBLM_CLEVR_EQUAL, shape, 0, {5, 6}},
  };
  MblmClevrNode two[] = {
      {.function = MBLM_CLEVR_SCENE},
      {MBLM_CLEVR_FILTER, color, 1, {0}},
      {MBLM_CLEVR_FILTER, shape, 0, {0}},
      {MBLM_CLEVR_UNION, 0, 0, {1, 2}},
      {MBLM_CLEVR_INTERSECT, 0, 0, {1, 2}},
      {MBLM_CLEVR_COUNT, 0, 0, {3}},
      {MBLM_CLEVR_COUNT, 0, 0, {4}},
      {MBLM_CLEVR_GREATER_THAN, 0, 0, {5, 6}},
  };

  g_assert_cmpstr (ask (&scene, count, 6), ==, "1");
  /* of all blue things one is right of the ball: there are no others */
  g_assert_true (mblm_clevr_is_degenerate (&scene, count, 6, 1));
  count[4].value = 1;
  g_assert_cmpstr (ask (&scene, count, 6), ==, "0");
  g_assert_false (mblm_clevr_is_degenerate (&scene, count, 6, 0));
  count[1].value = 0; /* "the cube": which? */
  g_assert_null (ask (&scene, count, 6));
  count[1].value = 2; /* there is none */
  g_assert_null (ask (&scene, count, 6));

  g_assert_cmpstr (ask (&scene, same, 6), ==, "cube");
  g_assert_cmpstr (ask (&scene, same, 7), ==, "sphere");
  g_assert_cmpstr (ask (&scene, same, 8), ==, "no");
  g_assert_cmpstr (ask (&scene, two, 6), ==, "3");
  g_assert_cmpstr (ask (&scene, two, 7), ==, "1");
  g_assert_cmpstr (ask (&scene, two, 8), ==, "yes");
  two[7].function = MBLM_CLEVR_LESS_THAN;
  g_assert_cmpstr (ask (&scene, two, 8), ==, "no");
  two[7].function = MBLM_CLEVR_EQUAL_INTEGER;
  g_assert_cmpstr (ask (&scene, two, 8), ==, "no");
}

/* ------------------------------------------------------------------------- */
/* Templates                                                                 */
/* ------------------------------------------------------------------------- */

/* Whether the first relation leaves out none of what its filters keep. */
static gboolean
has_trivial_relation (const MblmClevrScene *scene, const MblmClevrQuestion *q)
{
  MblmClevrOutput outputs[MBLM_CLEVR_MAX_NODES];
  MblmClevrSet all = mblm_clevr_scene_all (scene);
  guint i = 0;

  for (; q->program[i].function != MBLM_CLEVR_RELATE; i++)
    g_assert_true (
        mblm_clevr_apply (scene, &q->program[i], outputs, &outputs[i]));
  do {
    g_assert_true (
        mblm_clevr_apply (scene, &q->program[i], outputs, &outputs[i]));
    i++;
    if (q->program[i].function == MBLM_CLEVR_FILTER)
      all &= scene->having[q->program[i].kind][q->program[i].value];
  } while (q->program[i].function == MBLM_CLEVR_FILTER);
  return outputs[i - 1] == all;
}

/* What is asked for isn't told. */
static void
check_constraints (const MblmClevrQuestion *q)
{
  const MblmClevrTemplate *family = q->family;

  for (guint i = 0; i < family->constraints->len; i++) {
    const MblmClevrConstraint *constraint = &g_array_index (
        family->constraints, MblmClevrConstraint, i);

    if (constraint->rule == MBLM_CLEVR_EMPTY)
      g_assert_cmpuint (q->values[constraint->of[0]], ==, MBLM_CLEVR_NO_VALUE);
  }
}

typedef struct {
  guint asked[N_FAMILIES];
  guint answers[N_FAMILIES][16];
  guint hops, trivial; /* questions of one hop, and those */
} Figures;

static void
ask_all (const MblmClevrTemplates *templates, guint64 n, Figures *out)
{
  for (guint64 i = 0; i < n; i++) {
    guint64 key = mblm_draw_key (3, 4, i);
    MblmClevrScene scene;
    MblmRayScene view;

    mblm_clevr_scene_draw (&scene, &view, FALSE, &key);
    for (guint f = 0; f < N_FAMILIES; f++) {
      const MblmClevrTemplate *family = templates->families->pdata[f];
      MblmClevrQuestion q;
      MblmClevrOutput answer;

      if (!mblm_clevr_question_draw (family, &scene, &key, &q))
        continue;
      out->asked[f]++;
      out->answers[f][q.answer]++;
      g_assert_true (mblm_clevr_run (&scene, q.program, q.n, &answer));
      g_assert_cmpuint (answer, ==, q.answer);
      check_constraints (&q);
      if (g_str_equal (family->file, "single_and"))
        g_assert_false (
            mblm_clevr_is_degenerate (&scene, q.program, q.n, answer));
      if (g_str_equal (family->file, "one_hop")) {
        out->hops++;
        out->trivial += has_trivial_relation (&scene, &q);
      }
    }
  }
}

static int
compare_down (gconstpointer a, gconstpointer b)
{
  return (int) *(const guint *) b - (int) *(const guint *) a;
}

static void
test_families (void)
{
  enum { N = 300 };
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmClevrTemplates) templates = mblm_clevr_templates_load (&error);
  Figures figures = {0};

  g_assert_no_error (error);
  g_assert_cmpuint (templates->families->len, ==, N_FAMILIES);
  ask_all (templates, N, &figures);
  for (guint f = 0; f < N_FAMILIES; f++) {
    const MblmClevrTemplate *family = templates->families->pdata[f];
    guint *answers = figures.answers[f];

    qsort (answers, 16, sizeof *answers, compare_down);
    g_test_message ("%s %u: %u of %u; %u, %u", family->file, family->index,
        figures.asked[f], (guint) N, answers[0], answers[1]);
    g_assert_cmpuint (figures.asked[f], >, 0);
    if (f == 0) { /* two numbers that have to differ: asked hardly ever */
      g_assert_cmpuint (answers[1], ==, 0);
      g_assert_cmpuint (figures.asked[f], <, N / 10);
      continue;
    }
    g_assert_cmpuint (figures.asked[f], >, N / 10);
    /* 1.1, and what so many draws may be off */
    g_assert_cmpfloat (answers[0], <,
        1.1 * answers[1] + 4.0 * sqrt (answers[0] + 1.1 * answers[1]));
  }
  /* a tenth of those that are offered */
  g_assert_cmpuint (figures.trivial, >, 0);
  g_assert_cmpuint (5 * figures.trivial, <, figures.hops);
}

/* What questions there can be of a scene where relations decide nothing. */
static void
test_degenerate (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmClevrTemplates) templates = mblm_clevr_templates_load (&error);
  MblmClevrScene scene = line_up ();
  guint64 key = 5;
  guint asked = 0;

  g_assert_no_error (error);
  for (guint f = 0; f < N_FAMILIES; f++) {
    const MblmClevrTemplate *family = templates->families->pdata[f];
    MblmClevrQuestion q;

    if (!g_str_equal (family->file, "single_and"))
      continue;
    for (guint i = 0; i < 50; i++)
      if (mblm_clevr_question_draw (family, &scene, &key, &q)) {
        asked++;
        g_assert_false (
            mblm_clevr_is_degenerate (&scene, q.program, q.n, q.answer));
      }
  }
  g_assert_cmpuint (asked, >, 0);

  /* alike, and none beside another: nothing can be said of one of them */
  memset (scene.values, 0, sizeof scene.values);
  memset (scene.related, 0, sizeof scene.related);
  mblm_clevr_scene_index (&scene);
  for (guint f = 0; f < N_FAMILIES; f++) {
    const MblmClevrTemplate *family = templates->families->pdata[f];
    MblmClevrQuestion q;

    if (mblm_clevr_question_draw (family, &scene, &key, &q))
      for (guint i = 0; i < q.n; i++)
        g_assert_cmpint (q.program[i].function, !=, MBLM_CLEVR_UNIQUE);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scenes/questions/published", test_published);
  g_test_add_func ("/scenes/questions/programs", test_programs);
  g_test_add_func ("/scenes/questions/families", test_families);
  g_test_add_func ("/scenes/questions/degenerate", test_degenerate);
  return g_test_run ();
}
