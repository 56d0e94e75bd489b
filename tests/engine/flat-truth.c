/* flat-truth.c: what is true of a scene of plain shapes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "flat-truth.h"

#include <math.h>
#include <string.h>

static const char *const shapes[] = {
    "circle", "square", "triangle", "star", "ring", "bar"};
static const char *const colors[] = {"red", "green", "blue", "yellow", "purple",
    "cyan", "gray", "brown", "orange", "pink"};
static const char *const textures[] = {"plain", "striped", "dotted"};

/* ------------------------------------------------------------------------- */
/* What the words mean                                                       */
/* ------------------------------------------------------------------------- */

/* -1: any */
typedef struct {
  int shape, color;
} Meaning;

static int
find_word (const char *word, const char *const *words, guint n)
{
  for (guint i = 0; i < n; i++)
    if (g_str_equal (word, words[i]))
      return (int) i;
  return -1;
}

/* "object", "circle", "red object", "red circle" */
static Meaning
read_words (const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  guint n = g_strv_length (words);
  Meaning meaning = {-1, -1};

  g_assert_cmpuint (n, >=, 1);
  g_assert_cmpuint (n, <=, 2);
  if (!g_str_equal (words[n - 1], "object")) {
    meaning.shape = find_word (words[n - 1], shapes, G_N_ELEMENTS (shapes));
    g_assert_cmpint (meaning.shape, >=, 0);
  }
  if (n == 2) {
    meaning.color = find_word (words[0], colors, G_N_ELEMENTS (colors));
    g_assert_cmpint (meaning.color, >=, 0);
  }
  return meaning;
}

static guint
count_of (const MblmFlatScene *scene, const char *words)
{
  Meaning meaning = read_words (words);
  guint n = 0;

  for (guint i = 0; i < scene->n; i++)
    n += (meaning.shape < 0 ||
             (int) scene->objects[i].shape == meaning.shape) &&
        (meaning.color < 0 || (int) scene->objects[i].color == meaning.color);
  return n;
}

/* The one that "the" is about. */
static const MblmFlatObject *
the (const MblmFlatScene *scene, const char *words)
{
  Meaning meaning = read_words (words);

  g_assert_cmpuint (count_of (scene, words), ==, 1);
  for (guint i = 0; i < scene->n; i++)
    if ((meaning.shape < 0 || (int) scene->objects[i].shape == meaning.shape) &&
        (meaning.color < 0 || (int) scene->objects[i].color == meaning.color))
      return &scene->objects[i];
  return NULL;
}

/* ------------------------------------------------------------------------- */
/* Answers                                                                   */
/* ------------------------------------------------------------------------- */

typedef char *(*Truth) (
    const MblmFlatScene *scene, const char *x, const char *y);

static char *
color_of (const MblmFlatScene *scene, const char *x, const char *y)
{
  return g_strdup (colors[the (scene, x)->color]);
}

static char *
shape_of (const MblmFlatScene *scene, const char *x, const char *y)
{
  return g_strdup (shapes[the (scene, x)->shape]);
}

static char *
texture_of (const MblmFlatScene *scene, const char *x, const char *y)
{
  const MblmFlatObject *object = the (scene, x);

  /* too small to see */
  g_assert_cmpfloat (
      object->radius * MIN (scene->width, scene->height), >=, 8.0);
  return g_strdup (textures[object->texture]);
}

static char *
size_of (const MblmFlatScene *scene, const char *x, const char *y)
{
  double radius = the (scene, x)->radius;

  g_assert_true (radius < 0.132 || radius > 0.138);
  return g_strdup (radius < 0.135 ? "small" : "big");
}

static char *
third_of (double at, const char *first, const char *middle, const char *last)
{
  /* nothing near the borders */
  g_assert_true (at < 0.33 || at > 0.67 || fabs (at - 0.5) < 0.07);
  return g_strdup (at < 0.33 ? first : at > 0.67 ? last : middle);
}

static char *
place_of (const MblmFlatScene *scene, const char *x, const char *y)
{
  return third_of (the (scene, x)->x, "left", "center", "right");
}

static char *
height_of (const MblmFlatScene *scene, const char *x, const char *y)
{
  return third_of (the (scene, x)->y, "top", "middle", "bottom");
}

/* "a red circle" */
static char *
exists (const MblmFlatScene *scene, const char *x, const char *y)
{
  const char *words = strchr (x, ' ') + 1;
  gboolean vowel = strchr ("aeiou", words[0]) != NULL;

  g_assert_true (g_str_has_prefix (x, vowel ? "an " : "a "));
  return g_strdup (count_of (scene, words) > 0 ? "yes" : "no");
}

/* "red objects" */
static char *
number_of (const MblmFlatScene *scene, const char *x, const char *y)
{
  g_autofree char *words = g_strndup (x, strlen (x) - 1);

  g_assert_true (g_str_has_suffix (x, "s"));
  return g_strdup_printf ("%u", count_of (scene, words));
}

/* How far b is beyond a, in pixels; negative: on the other side. */
static double
beyond (const MblmFlatScene *scene, const MblmFlatObject *a,
    const MblmFlatObject *b, const char *way)
{
  double x = (b->x - a->x) * scene->width, y = (b->y - a->y) * scene->height;

  return g_str_equal (way, "left of") ? -x
      : g_str_equal (way, "right of") ? x
      : g_str_equal (way, "above")    ? -y
                                      : y;
}

/* "circle left of", "red star" */
static char *
lies (const MblmFlatScene *scene, const char *x, const char *y)
{
  static const char *const ways[] = {"left of", "right of", "above", "below"};

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autofree char *end = g_strconcat (" ", ways[i], NULL);

    if (!g_str_has_suffix (x, end))
      continue;
    g_autofree char *words = g_strndup (x, strlen (x) - strlen (end));
    double far = beyond (scene, the (scene, y), the (scene, words), ways[i]);

    /* not by a hair */
    g_assert_cmpfloat (
        fabs (far), >=, 0.14 * MIN (scene->width, scene->height));
    return g_strdup (far > 0 ? "yes" : "no");
  }
  g_assert_not_reached ();
}

/* The only one in that direction: "left of", "red star". */
static const MblmFlatObject *
only (const MblmFlatScene *scene, const char *x, const char *y)
{
  const MblmFlatObject *from = the (scene, y), *found = NULL;

  for (guint i = 0; i < scene->n; i++) {
    if (&scene->objects[i] == from ||
        beyond (scene, from, &scene->objects[i], x) < 0)
      continue;
    g_assert_null (found);
    found = &scene->objects[i];
  }
  g_assert_nonnull (found);
  return found;
}

static char *
color_there (const MblmFlatScene *scene, const char *x, const char *y)
{
  return g_strdup (colors[only (scene, x, y)->color]);
}

static char *
shape_there (const MblmFlatScene *scene, const char *x, const char *y)
{
  return g_strdup (shapes[only (scene, x, y)->shape]);
}

/* ------------------------------------------------------------------------- */
/* Questions                                                                 */
/* ------------------------------------------------------------------------- */

#define THING "((?:[a-z]+ )?[a-z]+)"
#define THINGS "((?:[a-z]+ )?[a-z]+s)"
#define ARTICLE_THING "(an? (?:[a-z]+ )?[a-z]+)"
#define WAY "(left of|right of|above|below)"

static const struct {
  const char *type, *pattern;
  Truth truth;
} known[] = {
    {"color", "What colou?r is the " THING "\\?", color_of},
    {"color", "Which color does the " THING " have\\?", color_of},
    {"shape", "What shape is the " THING "\\?", shape_of},
    {"shape", "Which shape does the " THING " have\\?", shape_of},
    {"shape", "What is the shape of the " THING "\\?", shape_of},
    {"where", "Where is the " THING "\\?", place_of},
    {"where", "Where do you see the " THING "\\?", place_of},
    {"where", "Is the " THING " left, center or right\\?", place_of},
    {"height", "How high is the " THING "\\?", height_of},
    {"height", "Is the " THING " top, middle or bottom\\?", height_of},
    {"size", "How big is the " THING "\\?", size_of},
    {"size", "What size is the " THING "\\?", size_of},
    {"size", "Is the " THING " big or small\\?", size_of},
    {"texture", "What (?:texture|pattern) does the " THING " have\\?",
        texture_of},
    {"texture", "Is the " THING " plain, striped or dotted\\?", texture_of},
    {"count", "How many (objects) (?:are there|do you see)\\?", number_of},
    {"count", "Count the (objects)\\.", number_of},
    {"count-shape", "How many ([a-z]+s) (?:are there|do you see)\\?",
        number_of},
    {"count-shape", "Count the ([a-z]+s)\\.", number_of},
    {"count-color", "How many " THINGS " (?:are there|do you see)\\?",
        number_of},
    {"count-color", "Count the " THINGS "\\.", number_of},
    {"exists-color",
        "(?:Is there|Do you see|Can you see) (an? [a-z]+ object)\\?", exists},
    {"exists-shape", "(?:Is there|Do you see|Can you see) (a [a-z]+)\\?",
        exists},
    {"exists", "(?:Is there|Do you see|Can you see) " ARTICLE_THING "\\?",
        exists},
    {"relation", "Is the (" THING " " WAY ") the " THING "\\?", lies},
    {"neighbor-shape",
        "(?:What|What shape|Which shape) is " WAY " the " THING "\\?",
        shape_there},
    {"neighbor-color", "What colou?r is " WAY " the " THING "\\?", color_there},
};

void
flat_truth_check (const MblmFlatScene *scene, const MblmSceneQuestion *question)
{
  for (guint i = 0; i < G_N_ELEMENTS (known); i++) {
    g_autofree char *pattern = g_strdup_printf ("^%s$", known[i].pattern);
    g_autoptr (GMatchInfo) match = NULL;

    if (!g_str_equal (question->type, known[i].type))
      continue;
    g_autoptr (GRegex) regex = g_regex_new (pattern, 0, 0, NULL);
    g_assert_nonnull (regex);
    if (!g_regex_match (regex, question->question, 0, &match))
      continue;
    guint last = (guint) g_match_info_get_match_count (match) - 1;
    g_autofree char *x = g_match_info_fetch (match, 1);
    g_autofree char *y = g_match_info_fetch (match, (gint) last);
    g_autofree char *answer = known[i].truth (scene, x, y);

    if (!g_str_equal (question->answer, answer))
      g_error ("%s %s, not %s", question->question, answer, question->answer);
    return;
  }
  g_error ("what is this: [%s] %s", question->type, question->question);
}

guint
flat_truth_find_answer (const char *answer)
{
  for (guint i = 0; mblm_flat_answers[i]; i++)
    if (g_str_equal (mblm_flat_answers[i], answer))
      return i;
  g_error ("%s is not among the answers", answer);
}
