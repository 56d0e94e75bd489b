/* test-scenes-clevr.c: the family of scenes clevr, and how they are placed.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>
#include <string.h>

#include "draw.h"
#include "mblm.h"
#include "scenes/clevr-scene.h"
#include "scenes/scenes.h"

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

/* Every object once, from left to right. */
static void
check_caption (const char *caption, guint64 key)
{
  /* the direction that the published scenes call left, of the floor */
  const float left[] = {-0.65631127f, -0.75449026f};
  g_autoptr (GString) wanted = g_string_new (NULL);
  MblmClevrScene scene;
  MblmRayScene view;
  guint said = 0;

  mblm_clevr_scene_draw (&scene, &view, FALSE, &key);
  for (guint i = 0; i < scene.n; i++) {
    float most = -INFINITY;
    guint next = 0;

    for (guint j = 0; j < scene.n; j++) {
      float far = view.objects[j].x * left[0] + view.objects[j].y * left[1];

      if (far > most && (said >> j & 1) == 0) {
        most = far;
        next = j;
      }
    }
    said |= 1 << next;
    g_string_append (wanted, i == 0 ? "A" : i + 1 < scene.n ? ", a" : " and a");
    for (guint k = 0; k < MBLM_CLEVR_N_ATTRIBUTES; k++)
      g_string_append_printf (wanted, " %s",
          mblm_clevr_value_name ((MblmClevrKind) k, scene.values[next][k]));
  }
  g_string_append_c (wanted, '.');
  g_assert_cmpstr (caption, ==, wanted->str);
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
  guint captions = 0;

  for (guint64 key = 0; key < 100; key++) {
    g_autoptr (MblmScene) scene = make (family, key, 8, 40, 0.01);
    g_autoptr (GHashTable) texts = g_hash_table_new (g_str_hash, g_str_equal);

    g_assert_cmpuint (scene->questions->len, ==, 40);
    for (guint i = 0; i < 40; i++) {
      const MblmSceneQuestion *question = get_question (scene, i);

      check_text (family, question);
      if (question->question) { /* each is asked once */
        g_assert_true (g_hash_table_add (texts, question->question));
        g_hash_table_add (answers, g_strdup (question->answer));
      } else {
        check_caption (question->answer, key);
        captions++;
      }
    }
  }
  g_assert_cmpuint (captions, >, 20);
  g_assert_cmpuint (captions, <, 60);
  /* all that are listed do occur */
  g_assert_cmpuint (g_hash_table_size (answers), ==,
      g_strv_length ((char **) family->klass->answers));

  g_autoptr (MblmScene) none = make (family, 3, 8, 5, 1.0);
  g_autoptr (MblmScene) few = make (family, 3, 8, 0, 0.0);
  g_assert_cmpuint (none->questions->len, ==, 1);
  g_assert_null (get_question (none, 0)->question);
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

  for (guint64 i = 0; i < 200; i++) {
    guint64 key = mblm_draw_key (1, 2, i);
    guint pixels[MBLM_RAY_MAX_OBJECTS];
    MblmClevrScene scene;
    MblmRayScene view;

    mblm_clevr_scene_draw (&scene, &view, FALSE, &key);
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
      g_assert_cmpuint (sizes[n], >, 8);
}

/* Scenes of few objects, and all questions as one of these is. */
static void
check_level (MblmSceneLevel level, gboolean (*is_one) (const char *question))
{
  MblmSceneFamily *family = open_family ();

  for (guint64 key = 0; key < 40; key++) {
    MblmSceneRequest request = {key, 32, 24, 12, .level = level};
    g_autoptr (GError) error = NULL;
    g_autoptr (MblmScene)
        scene = family->klass->make (family, &request, &error);
    guint64 other = key;
    MblmClevrScene drawn;
    MblmRayScene view;

    g_assert_no_error (error);
    g_assert_cmpuint (scene->questions->len, ==, 12);
    for (guint i = 0; i < 12; i++)
      g_assert_true (is_one (get_question (scene, i)->question));
    mblm_clevr_scene_draw (&drawn, &view, TRUE, &other);
    g_assert_cmpuint (drawn.n, >=, 3);
    g_assert_cmpuint (drawn.n, <=, 5);
  }
  family->klass->free (family);
}

#define PLACE "(left|right|behind|front)"

static gboolean
joins (const char *question)
{
  return g_regex_match_simple (
      PLACE "|same|equal|more|fewer|less|greater| or |other", question, 0, 0);
}

static gboolean
joins_nothing (const char *question)
{
  return !joins (question);
}

static gboolean
joins_once (const char *question)
{
  return joins (question) &&
      !g_regex_match_simple (PLACE ".*" PLACE "|same.*" PLACE, question, 0, 0);
}

/* Nothing is asked of plain scenes that relates two objects, and of hard ones
 * nothing that takes more than one such step. */
static void
test_levels (void)
{
  check_level (MBLM_SCENE_PLAIN, joins_nothing);
  check_level (MBLM_SCENE_HARD, joins_once);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scenes/clevr/keys", test_keys);
  g_test_add_func ("/scenes/clevr/questions", test_questions);
  g_test_add_func ("/scenes/clevr/threads", test_threads);
  g_test_add_func ("/scenes/clevr/scenes", test_scenes);
  g_test_add_func ("/scenes/clevr/levels", test_levels);
  return g_test_run ();
}
