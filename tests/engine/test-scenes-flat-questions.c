/* test-scenes-flat-questions.c: what is asked about plain shapes, and how often.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <string.h>

#include "draw.h"
#include "flat-truth.h"

static void
clear_question (gpointer data)
{
  MblmSceneQuestion *question = data;

  g_free (question->question);
  g_free (question->answer);
}

/* Of the scene of a key in 128 x 96 pixels, without painting it. */
static GArray *
ask_level (
    MblmSceneLevel level, guint64 key, guint n_questions, double captions)
{
  MblmSceneRequest request = {
      key, 128, 96, n_questions, captions, .level = level};
  GArray *questions = g_array_new (FALSE, FALSE, sizeof (MblmSceneQuestion));
  MblmFlatScene scene;

  g_array_set_clear_func (questions, clear_question);
  mblm_flat_scene (&request, &scene);
  mblm_flat_ask (
      &scene, mblm_draw_key (key, 1, 0), n_questions, captions, questions);
  return questions;
}

static GArray *
ask (guint64 key, guint n_questions, double captions)
{
  return ask_level (MBLM_SCENE_USUAL, key, n_questions, captions);
}

/* The wordings that a person tries first, which models from elsewhere know. */
static void
test_wordings (void)
{
  static const char *const wordings[] = {"What color is the object?",
      "What color is the triangle?", "What shape is the object?",
      "Where is the object?", "How many objects are there?",
      "Is there a red object?"};
  guint seen[G_N_ELEMENTS (wordings)] = {0};

  for (guint64 key = 0; key < 4000; key++) {
    g_autoptr (GArray) questions = ask (key, 4, 0.0);

    for (guint i = 0; i < questions->len; i++)
      for (guint k = 0; k < G_N_ELEMENTS (wordings); k++)
        seen[k] += g_str_equal (
            g_array_index (questions, MblmSceneQuestion, i).question,
            wordings[k]);
  }
  for (guint k = 0; k < G_N_ELEMENTS (wordings); k++)
    g_assert_cmpuint (seen[k], >, 40);
}

/* Where the default model names what answers are among, that is all of them. */
static void
test_model (void)
{
  g_autofree char *path = g_build_filename (
      g_getenv ("MBLM_MODEL_PATH"), "scenes", "mblm.json", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmInfo) info = mblm_info_load (path, 260, &error);

  g_assert_no_error (error);
  const char *const *answers = mblm_info_get_answers (info);
  for (guint i = 0; answers && answers[0] && mblm_flat_answers[i]; i++) {
    g_test_message ("%s", mblm_flat_answers[i]);
    g_assert_true (g_strv_contains (answers, mblm_flat_answers[i]));
  }
}

/* Relations of a hard scene with 20 questions, no two between the same objects. */
static guint
count_relations (GRegex *relation, guint64 key)
{
  g_autoptr (GArray) questions = ask_level (MBLM_SCENE_HARD, key, 20, 0.0);
  g_autoptr (GHashTable)
      pairs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < questions->len; i++) {
    g_autoptr (GMatchInfo) match = NULL;

    if (!g_regex_match (relation,
            g_array_index (questions, MblmSceneQuestion, i).question, 0,
            &match))
      continue;
    g_autofree char *a = g_match_info_fetch (match, 1);
    g_autofree char *b = g_match_info_fetch (match, 2);
    gboolean first = strcmp (a, b) < 0;

    g_assert_true (g_hash_table_add (
        pairs, g_strjoin (" and ", first ? a : b, first ? b : a, NULL)));
  }
  return g_hash_table_size (pairs);
}

/* A hard scene is asked for as many as it has, within half of the questions. */
static void
test_relations (void)
{
  g_autoptr (GRegex) relation = g_regex_new (
      "^Is the (.*) (?:left of|right of|above|below) the (.*)\\?$", 0, 0, NULL);
  guint most = 0;

  for (guint64 key = 0; key < 500; key++)
    most = MAX (most, count_relations (relation, key));
  g_assert_cmpuint (most, >, 6);
  g_assert_cmpuint (most, <=, 10);
}

/* ------------------------------------------------------------------------- */
/* Balance                                                                   */
/* ------------------------------------------------------------------------- */

static const struct {
  const char *type;
  guint n; /* answers */
} types[] = {
    {"color", 10},
    {"shape", 6},
    {"where", 3},
    {"height", 3},
    {"size", 2},
    {"texture", 3},
    {"count", 5},
    {"count-shape", 6},
    {"count-color", 6},
    {"exists-color", 2},
    {"exists-shape", 2},
    {"exists", 2},
    {"relation", 2},
    {"neighbor-shape", 6},
    {"neighbor-color", 10},
};

/* How often each answer to a text was given, by answer. */
static guint *
lookup (GHashTable *counts, const char *text)
{
  guint *found = g_hash_table_lookup (counts, text);

  if (!found) {
    found = g_new0 (guint, 64);
    g_hash_table_insert (counts, g_strdup (text), found);
  }
  return found;
}

static guint
find_most (const guint *counts)
{
  guint most = 0;

  for (guint i = 1; i < 64; i++)
    if (counts[i] > counts[most])
      most = i;
  return most;
}

/* Each answer to a kind of question is given about as often as the others, and
 * who has learned which answer goes with which words gains little by it. */
static void
check_balance (guint n_questions, guint64 n_keys)
{
  g_autoptr (GHashTable)
      by_type = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GHashTable)
      by_text = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GHashTable)
      guessed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (guint64 key = 0; key < n_keys; key++) {
    g_autoptr (GArray) questions = ask (key, n_questions, 0.0);

    for (guint i = 0; i < questions->len; i++) {
      MblmSceneQuestion *q = &g_array_index (questions, MblmSceneQuestion, i);
      guint answer = flat_truth_find_answer (q->answer);
      guint *type = lookup (by_type, q->type);
      guint *text = lookup (by_text, q->question);

      if (key >= n_keys / 2) {
        guint guess = find_most (text);

        /* of a text that was never seen the kind at least is known */
        guess = text[guess] > 0 ? guess : find_most (type);
        lookup (guessed, q->type)[guess == answer]++;
      } else {
        text[answer]++;
      }
      type[answer]++;
    }
  }
  g_assert_cmpuint (g_hash_table_size (by_type), ==, G_N_ELEMENTS (types));
  for (guint k = 0; k < G_N_ELEMENTS (types); k++) {
    const guint *counts = lookup (by_type, types[k].type);
    const guint *guesses = lookup (guessed, types[k].type);
    double even = 1.0 / types[k].n, apart = MIN (0.05, 0.5 * even);
    double right = (double) guesses[1] / (guesses[0] + guesses[1]);
    guint sum = 0, n = 0;

    for (guint i = 0; i < 64; i++)
      sum += counts[i];
    g_test_message (
        "%s: %u questions, %.3f guessed", types[k].type, sum, right);
    for (guint i = 0; i < 64; i++)
      if (counts[i] > 0) {
        g_assert_cmpfloat_with_epsilon ((double) counts[i] / sum, even, apart);
        n++;
      }
    g_assert_cmpuint (n, ==, types[k].n);
    g_assert_cmpfloat (right, <, even + 0.05);
  }
}

static void
test_balance (void)
{
  check_balance (1, 60000);
  check_balance (4, 20000);
  check_balance (15, 8000);
}

/* ------------------------------------------------------------------------- */
/* Captions                                                                  */
/* ------------------------------------------------------------------------- */

static int
compare_x (gconstpointer a, gconstpointer b)
{
  const MblmFlatObject *const *p = a, *const *q = b;

  return (*p)->x < (*q)->x ? -1 : (*p)->x > (*q)->x;
}

static int
compare_y (gconstpointer a, gconstpointer b)
{
  const MblmFlatObject *const *p = a, *const *q = b;

  return (*p)->y < (*q)->y ? -1 : (*p)->y > (*q)->y;
}

static char *
describe (const MblmFlatScene *scene, const MblmFlatObject *object)
{
  gboolean plain = object->texture == MBLM_FLAT_PLAIN ||
      object->radius * MIN (scene->width, scene->height) < 8.0;
  g_autofree char *name = g_strdup_printf ("%s%s%s%s %s",
      object->radius < 0.135 ? "small " : "",
      plain ? "" : mblm_flat_textures[object->texture], plain ? "" : " ",
      mblm_flat_colors[object->color], mblm_flat_shapes[object->shape]);

  return g_strdup_printf ("%s %s", name[0] == 'o' ? "an" : "a", name);
}

/* What lies where it is said, in that order, and nothing else. */
static void
check_caption (const MblmFlatScene *scene, const char *caption)
{
  gboolean above = strstr (caption, " above ") != NULL;
  g_auto (GStrv) parts = g_regex_split_simple (
      ", | and | left of | above | (?=on the|in the)", caption, 0, 0);
  g_autoptr (GPtrArray) sorted = g_ptr_array_new ();

  for (guint i = 0; i < scene->n; i++)
    g_ptr_array_add (sorted, (gpointer) &scene->objects[i]);
  g_ptr_array_sort (sorted, above ? compare_y : compare_x);
  for (guint i = 0; i < scene->n; i++) {
    g_autofree char *object = describe (scene, sorted->pdata[i]);

    g_assert_cmpstr (parts[i], ==, object);
  }
  if (scene->n > 1) {
    g_assert_cmpuint (g_strv_length (parts), ==, scene->n);
    g_assert_true (!above || scene->n == 2);
    if (scene->n == 2) {
      const MblmFlatObject *a = &scene->objects[0], *b = &scene->objects[1];
      double x = fabs (a->x - b->x) * scene->width;
      double y = fabs (a->y - b->y) * scene->height;

      g_assert_true (above ? x < y : x > 0.1 * scene->height && x > 0.4 * y);
    }
    return;
  }
  double x = scene->objects[0].x;
  g_assert_cmpuint (g_strv_length (parts), ==, 2);
  g_assert_cmpstr (parts[1], ==,
      x < 0.33       ? "on the left"
          : x > 0.67 ? "on the right"
                     : "in the center");
}

static void
test_captions (void)
{
  const guint n_keys = 3000;
  guint n_captions = 0;

  for (guint64 key = 0; key < n_keys; key++) {
    MblmFlatScene scene;
    MblmSceneRequest request = {.key = key, .width = 128, .height = 96};
    g_autoptr (GArray) only = ask (key, 3, 1.0);
    g_autoptr (GArray) some = ask (key, 1, 0.25);

    mblm_flat_scene (&request, &scene);
    g_assert_cmpuint (only->len, ==, 1);
    const MblmSceneQuestion *q = &g_array_index (only, MblmSceneQuestion, 0);
    g_assert_null (q->question);
    g_assert_cmpstr (q->type, ==, "caption");
    check_caption (&scene, q->answer);

    g_assert_cmpuint (some->len, ==, 1);
    n_captions += !g_array_index (some, MblmSceneQuestion, 0).question;
  }
  g_assert_cmpfloat_with_epsilon ((double) n_captions / n_keys, 0.25, 0.03);
}

/* ------------------------------------------------------------------------- */

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scenes-flat-questions/wordings", test_wordings);
  g_test_add_func ("/scenes-flat-questions/model", test_model);
  g_test_add_func ("/scenes-flat-questions/relations", test_relations);
  g_test_add_func ("/scenes-flat-questions/balance", test_balance);
  g_test_add_func ("/scenes-flat-questions/captions", test_captions);
  return g_test_run ();
}
