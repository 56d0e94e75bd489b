/* test-scenes-clevr.c: scenes of CLEVR, and questions about them.
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
#include "mblm.h"
#include "scenes/clevr-question.h"
#include "scenes/scenes.h"

#define N_FAMILIES 90

static MblmSceneFamily *
open_family (void)
{
  const MblmSceneFamilyClass *class = mblm_scene_family_lookup ("clevr");
  MblmSceneOptions options = {0};
  g_autoptr (GError) error = NULL;

  g_assert_true (class == &mblm_scenes_clevr_class);
  MblmSceneFamily *family = class->open (&options, &error);
  g_assert_no_error (error);
  g_assert_true (family->klass == class);
  return family;
}

static MblmScene *
make (
    MblmSceneFamily *family, guint64 key, guint width, guint n, double captions)
{
  MblmSceneRequest request = {key, width, width * 3 / 4, n, captions};
  g_autoptr (GError) error = NULL;
  MblmScene *scene = family->klass->make (family, &request, &error);

  g_assert_no_error (error);
  return scene;
}

static const MblmSceneQuestion *
get_question (const MblmScene *scene, guint i)
{
  return &g_array_index (scene->questions, MblmSceneQuestion, i);
}

static gboolean
are_equal (const MblmScene *a, const MblmScene *b)
{
  gsize n = 3 * mblm_picture_get_width (a->picture) *
      mblm_picture_get_height (a->picture);

  if (a->questions->len != b->questions->len ||
      memcmp (mblm_picture_get_rgb (a->picture),
          mblm_picture_get_rgb (b->picture), n) != 0)
    return FALSE;
  for (guint i = 0; i < a->questions->len; i++) {
    const MblmSceneQuestion *one = get_question (a, i);
    const MblmSceneQuestion *two = get_question (b, i);

    if (g_strcmp0 (one->question, two->question) != 0 ||
        !g_str_equal (one->answer, two->answer) ||
        !g_str_equal (one->type, two->type))
      return FALSE;
  }
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* The family                                                                */
/* ------------------------------------------------------------------------- */

static void
test_keys (void)
{
  MblmSceneFamily *family = open_family ();
  g_autoptr (MblmScene) one = make (family, 7, 64, 10, 0.2);
  g_autoptr (MblmScene) other = make (family, 8, 64, 10, 0.2);
  g_autoptr (MblmScene) again = make (family, 7, 64, 10, 0.2);
  g_autoptr (MblmScene) large = make (family, 7, 128, 10, 0.2);

  g_assert_true (are_equal (one, again));
  g_assert_false (are_equal (one, other));
  /* the size of the picture is of the picture alone */
  g_assert_cmpuint (mblm_picture_get_width (large->picture), ==, 128);
  g_assert_cmpuint (mblm_picture_get_height (large->picture), ==, 96);
  for (guint i = 0; i < 10; i++)
    g_assert_cmpstr (
        get_question (one, i)->answer, ==, get_question (large, i)->answer);
  family->klass->free (family);
}

static void
check_text (const MblmSceneFamily *family, const MblmSceneQuestion *question)
{
  static const char *const types[] = {"count", "exist", "compare_integer",
      "compare_attribute", "query_attribute", NULL};
  const char *text = question->question;

  if (!text) {
    g_assert_cmpstr (question->type, ==, "caption");
    text = question->answer;
    g_assert_true (g_str_has_suffix (text, "."));
  } else {
    g_assert_true (g_strv_contains (types, question->type));
    g_assert_true (g_strv_contains (family->klass->answers, question->answer));
    /* one wording was published without */
    g_assert_true (g_str_has_suffix (text, "?") ||
        strstr (text, "are there of the same material as the"));
  }
  g_assert_true (g_ascii_isupper (text[0]));
  g_assert_null (strpbrk (text, "<>[]"));
  g_assert_null (strstr (text, "  "));
  g_assert_null (strstr (text, " ?"));
  g_assert_null (strstr (text, " ;"));
}

static void
test_questions (void)
{
  MblmSceneFamily *family = open_family ();
  g_autoptr (GHashTable)
      answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  guint captions = 0, all = 0;

  for (guint64 key = 0; key < 150; key++) {
    g_autoptr (MblmScene) scene = make (family, key, 8, 40, 0.25);
    g_autoptr (GHashTable) texts = g_hash_table_new (g_str_hash, g_str_equal);

    g_assert_cmpuint (scene->questions->len, ==, 40);
    for (guint i = 0; i < 40; i++) {
      const MblmSceneQuestion *question = get_question (scene, i);

      check_text (family, question);
      captions += question->question == NULL;
      all++;
      if (question->question) { /* each is asked once */
        g_assert_true (g_hash_table_add (texts, question->question));
        g_hash_table_add (answers, g_strdup (question->answer));
      }
    }
  }
  g_assert_cmpfloat (fabs ((double) captions / all - 0.25), <, 0.03);
  /* all that are listed do occur */
  g_assert_cmpuint (g_hash_table_size (answers), ==,
      g_strv_length ((char **) family->klass->answers));

  g_autoptr (MblmScene) none = make (family, 3, 8, 5, 1.0);
  g_autoptr (MblmScene) few = make (family, 3, 8, 0, 0.0);
  for (guint i = 0; i < 5; i++)
    g_assert_null (get_question (none, i)->question);
  g_assert_cmpuint (few->questions->len, ==, 1);

  MblmSceneRequest wrong = {1, 0, 5, 1, 0.0};
  g_autoptr (GError) error = NULL;
  g_assert_null (family->klass->make (family, &wrong, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  family->klass->free (family);
}

#define N_KEYS 24

typedef struct {
  MblmSceneFamily *family;
  MblmScene *scenes[N_KEYS];
  guint first; /* they begin at different ones */
} Maker;

static gpointer
make_all (gpointer data)
{
  Maker *self = data;

  for (guint i = 0; i < N_KEYS; i++) {
    guint key = (self->first + i) % N_KEYS;

    self->scenes[key] = make (self->family, key, 32, 5, 0.2);
  }
  return NULL;
}

static void
test_threads (void)
{
  Maker makers[4];
  GThread *threads[4];
  MblmSceneFamily *family = open_family ();

  for (guint i = 0; i < 4; i++) {
    makers[i] = (Maker){.family = family, .first = i * N_KEYS / 4};
    threads[i] = g_thread_new ("make", make_all, &makers[i]);
  }
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  for (guint key = 0; key < N_KEYS; key++)
    for (guint i = 1; i < 4; i++)
      g_assert_true (are_equal (makers[0].scenes[key], makers[i].scenes[key]));
  for (guint i = 0; i < 4 * N_KEYS; i++)
    mblm_scene_free (makers[i / N_KEYS].scenes[i % N_KEYS]);
  family->klass->free (family);
}

/* ------------------------------------------------------------------------- */
/* Scenes                                                                    */
/* ------------------------------------------------------------------------- */

static void
check_places (const MblmClevrScene *scene, const MblmRayScene *view)
{
  for (guint i = 0; i < scene->n; i++)
    for (guint j = 0; j < scene->n; j++) {
      const MblmRayObject *a = &view->objects[i], *b = &view->objects[j];
      float x = b->x - a->x, y = b->y - a->y;
      float left = -0.6563113f * x - 0.7544903f * y;
      float behind = -0.7544903f * x + 0.6563113f * y;

      if (i == j)
        continue;
      g_assert_cmpfloat (hypotf (x, y), >, a->radius + b->radius + 0.249f);
      g_assert_cmpfloat (fabsf (left), >, 0.399f);
      g_assert_cmpfloat (fabsf (behind), >, 0.399f);
      /* each other object is on one side, and before or behind */
      g_assert_cmpint (scene->related[0][i] >> j & 1, ==, left > 0);
      g_assert_cmpint (scene->related[1][i] >> j & 1, ==, left < 0);
      g_assert_cmpint (scene->related[2][i] >> j & 1, ==, behind > 0);
      g_assert_cmpint (scene->related[3][i] >> j & 1, ==, behind < 0);
    }
}

static void
test_scenes (void)
{
  guint sizes[MBLM_CLEVR_MAX_OBJECTS + 1] = {0};

  for (guint64 i = 0; i < 400; i++) {
    guint64 key = mblm_draw_key (1, 2, i);
    guint pixels[MBLM_RAY_MAX_OBJECTS];
    MblmClevrScene scene;
    MblmRayScene view;

    mblm_clevr_scene_draw (&scene, &view, &key);
    g_assert_cmpuint (scene.n, ==, view.n_objects);
    sizes[scene.n]++;
    check_places (&scene, &view);
    /* all are seen, of other pictures too */
    mblm_ray_count_pixels (&view, 240, 160, pixels);
    for (guint k = 0; k < scene.n; k++)
      g_assert_cmpuint (pixels[k], >, 70);
    g_assert_cmpfloat (fabsf (view.camera.x - 7.4811f), <=, 0.5f);
    g_assert_cmpfloat (fabsf (view.key.z - 4.2584f), <=, 1.0f);
  }
  for (guint n = 0; n <= MBLM_CLEVR_MAX_OBJECTS; n++)
    if (n < 3)
      g_assert_cmpuint (sizes[n], ==, 0);
    else
      g_assert_cmpuint (sizes[n], >, 25);
}

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

    mblm_clevr_scene_draw (&scene, &view, &key);
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
  enum { N = 500 };
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
    if (f == 0) { /* has one answer alone: it is asked hardly ever */
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
  g_test_add_func ("/scenes/clevr/keys", test_keys);
  g_test_add_func ("/scenes/clevr/questions", test_questions);
  g_test_add_func ("/scenes/clevr/threads", test_threads);
  g_test_add_func ("/scenes/clevr/scenes", test_scenes);
  g_test_add_func ("/scenes/clevr/published", test_published);
  g_test_add_func ("/scenes/clevr/programs", test_programs);
  g_test_add_func ("/scenes/clevr/families", test_families);
  g_test_add_func ("/scenes/clevr/degenerate", test_degenerate);
  return g_test_run ();
}
