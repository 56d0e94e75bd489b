/* flat-questions.c: what a person would ask about plain shapes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kind of question is drawn first, then which answer it is to have among
 * those that the scene allows, then the rest; yes and no are always both possible.
 * No kind is asked twice of a scene, as the second answer would depend on the
 * first, but for relations in hard scenes, each of other objects. So the words of a
 * question say next to nothing about its answer.
 */

#include "config.h"

#include <math.h>

#include "flat-asker.h"

const char *const mblm_flat_answers[] = {"red", "green", "blue", "yellow",
    "purple", "cyan", "gray", "brown", "orange", "pink", "circle", "square",
    "triangle", "star", "ring", "bar", "left", "center", "right", "top",
    "middle", "bottom", "small", "big", "plain", "striped", "dotted", "0", "1",
    "2", "3", "4", "5", "yes", "no", NULL};

static guint
below (MblmFlatAsker *self, guint n)
{
  return mblm_scene_draw_below (&self->key, n);
}

static gboolean
coin (MblmFlatAsker *self)
{
  return mblm_scene_draw_coin (&self->key, 0.5);
}

static gboolean
add_yes_no (MblmFlatAsker *self, const MblmFlatKind *kind, const char *x,
    const char *y, gboolean yes)
{
  return mblm_flat_add_question (self, kind, x, y, yes ? "yes" : "no");
}

/* Asks about one object what it has as `values`, with the answers to these. */
static gboolean
ask_of_one (MblmFlatAsker *self, const MblmFlatKind *kind, int *values,
    guint names, const char *const *answers)
{
  for (guint i = 0; i < self->scene->n; i++)
    if (!mblm_flat_find_names (self->scene, i, names))
      values[i] = -1;

  int i = mblm_flat_draw_one (self, values);
  if (i < 0)
    return FALSE;
  g_autofree char *x = mblm_flat_name_object (
      self, (guint) i, mblm_flat_find_names (self->scene, (guint) i, names));
  return mblm_flat_add_question (self, kind, x, "", answers[values[i]]);
}

/* ------------------------------------------------------------------------- */
/* What it is like, and where                                                */
/* ------------------------------------------------------------------------- */

static gboolean
ask_color (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  int values[MBLM_FLAT_MAX_OBJECTS];

  for (guint i = 0; i < self->scene->n; i++)
    values[i] = (int) self->scene->objects[i].color;
  return ask_of_one (self, kind, values,
      MBLM_FLAT_SAYS_NOTHING | MBLM_FLAT_SAYS_SHAPE, mblm_flat_colors);
}

static gboolean
ask_shape (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  int values[MBLM_FLAT_MAX_OBJECTS];

  for (guint i = 0; i < self->scene->n; i++)
    values[i] = (int) self->scene->objects[i].shape;
  return ask_of_one (self, kind, values,
      MBLM_FLAT_SAYS_NOTHING | MBLM_FLAT_SAYS_COLOR, mblm_flat_shapes);
}

static gboolean
ask_size (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  static const char *const answers[] = {"small", "big"};
  int values[MBLM_FLAT_MAX_OBJECTS];

  for (guint i = 0; i < self->scene->n; i++)
    values[i] = self->scene->objects[i].big;
  return ask_of_one (self, kind, values, MBLM_FLAT_SAYS_ANY, answers);
}

/* Where any texture is frequent: that of a single object, or of a hard scene. */
static gboolean
ask_texture (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  const MblmFlatScene *scene = self->scene;
  int values[MBLM_FLAT_MAX_OBJECTS];

  for (guint i = 0; i < scene->n; i++)
    values[i] = mblm_flat_shows_texture (scene, &scene->objects[i])
        ? (int) scene->objects[i].texture
        : -1;
  return (scene->n == 1 || scene->hard) &&
      ask_of_one (self, kind, values, MBLM_FLAT_SAYS_ANY, mblm_flat_textures);
}

static gboolean
ask_where (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  static const char *const answers[] = {"left", "center", "right"};
  int values[MBLM_FLAT_MAX_OBJECTS];

  for (guint i = 0; i < self->scene->n; i++) {
    MblmFlatZone zone = mblm_flat_zone (self->scene->objects[i].x);

    values[i] = zone == MBLM_FLAT_BETWEEN ? -1 : (int) zone;
  }
  return ask_of_one (self, kind, values, MBLM_FLAT_SAYS_ANY, answers);
}

static gboolean
ask_height (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  static const char *const answers[] = {"top", "middle", "bottom"};
  int values[MBLM_FLAT_MAX_OBJECTS];

  for (guint i = 0; i < self->scene->n; i++) {
    MblmFlatZone zone = mblm_flat_zone (self->scene->objects[i].y);

    values[i] = zone == MBLM_FLAT_BETWEEN ? -1 : (int) zone;
  }
  return ask_of_one (self, kind, values, MBLM_FLAT_SAYS_ANY, answers);
}

/* ------------------------------------------------------------------------- */
/* What there is                                                             */
/* ------------------------------------------------------------------------- */

static guint
count_matches (const MblmFlatScene *scene, guint shape, guint color, guint says)
{
  MblmFlatObject wanted = {.shape = shape, .color = color};
  guint n = 0;

  for (guint i = 0; i < scene->n; i++)
    n += mblm_flat_matches (&scene->objects[i], &wanted, says);
  return n;
}

static const char *
article_of (const char *word)
{
  return word[0] == 'o' ? "an" : "a"; /* orange */
}

static gboolean
ask_exists_color (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  gboolean yes = coin (self);
  guint color;

  do
    color = yes ? self->scene->objects[below (self, self->scene->n)].color
                : below (self, MBLM_FLAT_N_COLORS);
  while (
      !yes && count_matches (self->scene, 0, color, MBLM_FLAT_SAYS_COLOR) > 0);
  g_autofree char *x = g_strdup_printf ("%s %s object",
      article_of (mblm_flat_colors[color]), mblm_flat_colors[color]);
  return add_yes_no (self, kind, x, "", yes);
}

static gboolean
ask_exists_shape (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  gboolean yes = coin (self);
  guint shape;

  do
    shape = yes ? self->scene->objects[below (self, self->scene->n)].shape
                : below (self, MBLM_FLAT_N_SHAPES);
  while (
      !yes && count_matches (self->scene, shape, 0, MBLM_FLAT_SAYS_SHAPE) > 0);
  g_autofree char *x = g_strdup_printf ("a %s", mblm_flat_shapes[shape]);
  return add_yes_no (self, kind, x, "", yes);
}

/* Where there is none, there mostly is something like it. */
static gboolean
ask_exists_both (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  gboolean yes = coin (self);
  guint shape, color;

  do {
    guint change = below (self, 3);
    guint i = below (self, self->scene->n);

    shape = self->scene->objects[i].shape;
    color = self->scene->objects[i].color;
    if (!yes && change != 0)
      shape = below (self, MBLM_FLAT_N_SHAPES);
    if (!yes && change != 1)
      color = below (self, MBLM_FLAT_N_COLORS);
  } while (!yes &&
      count_matches (self->scene, shape, color, MBLM_FLAT_SAYS_BOTH) > 0);
  g_autofree char *x = g_strdup_printf ("%s %s %s",
      article_of (mblm_flat_colors[color]), mblm_flat_colors[color],
      mblm_flat_shapes[shape]);
  return add_yes_no (self, kind, x, "", yes);
}

static gboolean
ask_count (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  char answer[2] = {(char) ('0' + self->scene->n), '\0'};

  return mblm_flat_add_question (self, kind, "objects", "", answer);
}

/* Both only where the number was drawn evenly. */
static gboolean
ask_count_shape (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  guint shape = self->scene->counted_shape;
  guint n = count_matches (self->scene, shape, 0, MBLM_FLAT_SAYS_SHAPE);
  char answer[2] = {(char) ('0' + n), '\0'};
  g_autofree char *x = g_strdup_printf ("%ss", mblm_flat_shapes[shape]);

  return mblm_flat_add_question (self, kind, x, "", answer);
}

static gboolean
ask_count_color (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  guint color = self->scene->counted_color;
  guint n = count_matches (self->scene, 0, color, MBLM_FLAT_SAYS_COLOR);
  char answer[2] = {(char) ('0' + n), '\0'};
  g_autofree char *x = g_strdup_printf ("%s objects", mblm_flat_colors[color]);

  return mblm_flat_add_question (self, kind, x, "", answer);
}

/* ------------------------------------------------------------------------- */
/* How they lie                                                              */
/* ------------------------------------------------------------------------- */

static const char *const directions[] = {
    "left of", "right of", "above", "below"};

/* How far b lies from a in a direction, in shorter sides, and how far aside. */
static double
find_way (const MblmFlatScene *scene, guint a, guint b, guint direction,
    double *aside)
{
  double shorter = MIN (scene->width, scene->height);
  double x = scene->objects[b].x - scene->objects[a].x;
  double y = scene->objects[b].y - scene->objects[a].y;

  x *= scene->width / shorter;
  y *= scene->height / shorter;
  *aside = fabs (direction < 2 ? y : x);
  return (direction % 2 ? 1.0 : -1.0) * (direction < 2 ? x : y);
}

/* Whether anybody would say that b is there, seen from a. */
static gboolean
lies (const MblmFlatScene *scene, guint a, guint b, guint direction)
{
  double aside;
  double way = find_way (scene, a, b, direction, &aside);

  return way >= 0.15 && way >= 0.4 * aside;
}

static guint32
pair_bit (guint i, guint k)
{
  return 1u << (MIN (i, k) * MBLM_FLAT_MAX_OBJECTS + MAX (i, k));
}

/* Two objects with names, b in that direction from a; no two objects twice. */
static gboolean
draw_pair (MblmFlatAsker *self, guint direction, guint *a, guint *b)
{
  const MblmFlatScene *scene = self->scene;
  guint n = 0;

  for (guint i = 0; i < scene->n; i++)
    for (guint k = 0; k < scene->n; k++)
      if (i != k && !(self->pairs & pair_bit (i, k)) &&
          lies (scene, i, k, direction) &&
          mblm_flat_find_names (scene, i, MBLM_FLAT_SAYS_ANY) &&
          mblm_flat_find_names (scene, k, MBLM_FLAT_SAYS_ANY) &&
          below (self, ++n) == 0) {
        *a = i;
        *b = k;
      }
  if (n > 0)
    self->pairs |= pair_bit (*a, *b);
  return n > 0;
}

static gboolean
ask_relation (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  guint direction = below (self, G_N_ELEMENTS (directions));
  gboolean yes = coin (self);
  guint a = 0, b = 0;

  if (!draw_pair (self, direction, &a, &b))
    return FALSE;
  g_autofree char *of_a = mblm_flat_name_object (
      self, a, mblm_flat_find_names (self->scene, a, MBLM_FLAT_SAYS_ANY));
  g_autofree char *of_b = mblm_flat_name_object (
      self, b, mblm_flat_find_names (self->scene, b, MBLM_FLAT_SAYS_ANY));
  g_autofree char *x = g_strdup_printf (
      "%s %s", yes ? of_b : of_a, directions[direction]);
  return add_yes_no (self, kind, x, yes ? of_a : of_b, yes);
}

/* The only object in that direction from a, beyond doubt; below 0: none. */
static int
find_only (const MblmFlatScene *scene, guint a, guint direction)
{
  int found = -1;

  for (guint i = 0; i < scene->n; i++) {
    double aside;

    if (i == a || find_way (scene, a, i, direction, &aside) < -0.03)
      continue;
    if (found >= 0 || !lies (scene, a, i, direction))
      return -1;
    found = (int) i;
  }
  return found;
}

/* What the only object somewhere is like. */
static gboolean
ask_neighbor (MblmFlatAsker *self, const MblmFlatKind *kind, gboolean color)
{
  const MblmFlatScene *scene = self->scene;
  guint direction = below (self, G_N_ELEMENTS (directions));
  int neighbors[MBLM_FLAT_MAX_OBJECTS], values[MBLM_FLAT_MAX_OBJECTS];

  for (guint i = 0; i < scene->n; i++) {
    neighbors[i] = mblm_flat_find_names (scene, i, MBLM_FLAT_SAYS_ANY)
        ? find_only (scene, i, direction)
        : -1;
    values[i] = neighbors[i] < 0 ? -1
        : color                  ? (int) scene->objects[neighbors[i]].color
                                 : (int) scene->objects[neighbors[i]].shape;
  }
  int i = mblm_flat_draw_one (self, values);
  if (i < 0)
    return FALSE;
  g_autofree char *y = mblm_flat_name_object (self, (guint) i,
      mblm_flat_find_names (scene, (guint) i, MBLM_FLAT_SAYS_ANY));
  return mblm_flat_add_question (self, kind, directions[direction], y,
      color ? mblm_flat_colors[values[i]] : mblm_flat_shapes[values[i]]);
}

static gboolean
ask_neighbor_shape (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  return ask_neighbor (self, kind, FALSE);
}

static gboolean
ask_neighbor_color (MblmFlatAsker *self, const MblmFlatKind *kind)
{
  return ask_neighbor (self, kind, TRUE);
}

/* ------------------------------------------------------------------------- */

/* What has a number for an answer is asked as often as keeps the answers even:
 * mblm_flat_ask. */
static const MblmFlatKind count = {"count", 0.0, ask_count,
    {"How many $x are there?", "How many $x do you see?", "Count the $x."}};
static const MblmFlatKind count_shape = {"count-shape", 0.0, ask_count_shape,
    {"How many $x are there?", "How many $x do you see?", "Count the $x."}};
static const MblmFlatKind count_color = {"count-color", 0.0, ask_count_color,
    {"How many $x are there?", "How many $x do you see?", "Count the $x."}};

/* As one of all kinds, for hard scenes. */
static const MblmFlatKind relation = {
    "relation", 0.0, ask_relation, {"Is the $x the $y?"}};

static const MblmFlatKind kinds[] = {
    {"color", 3.0, ask_color,
        {"What color is the $x?", "What colour is the $x?",
            "Which color does the $x have?"}},
    {"shape", 3.0, ask_shape,
        {"What shape is the $x?", "Which shape does the $x have?",
            "What is the shape of the $x?"}},
    {"where", 3.0, ask_where,
        {"Where is the $x?", "Where do you see the $x?",
            "Is the $x left, center or right?"}},
    {"height", 1.5, ask_height,
        {"How high is the $x?", "Is the $x top, middle or bottom?"}},
    {"size", 1.5, ask_size,
        {"How big is the $x?", "What size is the $x?",
            "Is the $x big or small?"}},
    {"texture", 2.0, ask_texture,
        {"What texture does the $x have?", "What pattern does the $x have?",
            "Is the $x plain, striped or dotted?"}},
    {"exists-color", 2.0, ask_exists_color,
        {"Is there $x?", "Do you see $x?", "Can you see $x?"}},
    {"exists-shape", 1.5, ask_exists_shape,
        {"Is there $x?", "Do you see $x?", "Can you see $x?"}},
    {"exists", 1.5, ask_exists_both,
        {"Is there $x?", "Do you see $x?", "Can you see $x?"}},
    {"relation", 2.0, ask_relation, {"Is the $x the $y?"}},
    {"neighbor-shape", 1.5, ask_neighbor_shape,
        {"What is $x the $y?", "What shape is $x the $y?",
            "Which shape is $x the $y?"}},
    {"neighbor-color", 1.5, ask_neighbor_color,
        {"What color is $x the $y?", "What colour is $x the $y?"}},
};

/* How many objects there are is asked in inverse proportion to how probable the
 * number is, in 10 of 100 questions. Of a shape or colour it is asked where that
 * number was drawn: twice at most, in 12 of 100 questions. One draw is for both,
 * so that a single question is never wanted twice. The number of questions. */
static guint
ask_counts (MblmFlatAsker *self, guint wanted)
{
  double at = mblm_scene_draw_between (&self->key, 0.0, 1.0);
  double share = MIN (0.02 * wanted, 0.16);
  double of_one = MIN (0.4 * wanted + at, 2.0);
  gboolean shape_first = coin (self);
  guint before = self->questions->len;

  if (at < share / mblm_flat_share_of (self->scene->n))
    ask_count (self, &count);
  if (self->scene->counted && (shape_first ? of_one >= 1.0 : of_one >= 2.0))
    ask_count_shape (self, &count_shape);
  if (self->scene->counted && (shape_first ? of_one >= 2.0 : of_one >= 1.0))
    ask_count_color (self, &count_color);
  return self->questions->len - before;
}

/* What is learned last: relations, up to half of the questions, as far as drawing as
 * often as there are questions finds pairs. How many there are. */
static guint
ask_relations (MblmFlatAsker *self, guint wanted)
{
  guint n = 0;

  for (guint draw = 0; draw < wanted && 2 * (n + 1) <= wanted; draw++)
    n += ask_relation (self, &relation);
  return n;
}

static void
ask_kinds (MblmFlatAsker *self, guint wanted)
{
  double weights[G_N_ELEMENTS (kinds)], sum = 0.0;

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    sum += weights[i] = kinds[i].weight;
  for (guint left = G_N_ELEMENTS (kinds); left > 0 && wanted > 0; left--) {
    double at = mblm_scene_draw_between (&self->key, 0.0, sum);
    guint last = 0;

    for (guint i = 0; i < G_N_ELEMENTS (kinds) && at >= 0.0; i++)
      if (weights[i] > 0.0) {
        at -= weights[i];
        last = i;
      }
    sum -= weights[last];
    weights[last] = 0.0;
    wanted -= kinds[last].ask (self, &kinds[last]);
  }
}

void
mblm_flat_ask (const MblmFlatScene *scene, guint64 key, guint n_questions,
    double captions, GArray *questions)
{
  MblmFlatAsker self = {.scene = scene, .key = key, .questions = questions};
  guint wanted = MAX (n_questions, 1);
  /* A scene has one caption only: the share is kept over many scenes, where no more
   * than one in each is due. */
  gboolean captioned = mblm_scene_draw_coin (&self.key, wanted * captions);

  if (captioned)
    g_array_append_vals (questions,
        &(MblmSceneQuestion){
            .answer = mblm_flat_caption (scene), .type = "caption"},
        1);
  wanted = captions < 1.0 ? wanted - captioned : 0;
  if (wanted > 0)
    wanted -= ask_counts (&self, wanted);
  if (wanted > 0 && scene->hard)
    wanted -= ask_relations (&self, wanted);
  ask_kinds (&self, wanted);
}
