/* flat-objects.c: which objects a scene has, and where.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Shapes, colours, sizes and places are drawn evenly and apart from each other,
 * so that answers about them are as even, whatever is asked. Numbers are not like
 * that: three of a shape among four objects are rare. So in a share of the
 * scenes, and only there may a question count them, the number of one shape and
 * of one colour are drawn first, 0 to 5 evenly; such scenes have many objects.
 * The others have as many fewer that all usual scenes together keep to share_of.
 */

#include "config.h"

#include <math.h>

#include "flat.h"

#include "draw.h"

#define COUNTED_SHARE 0.3
/* Of hard scenes: where much is alike, few objects have names of their own, and the
 * others are for relations. */
#define HARD_COUNTED_SHARE 0.5
#define HARD_LEAST 3

const char *const mblm_flat_shapes[MBLM_FLAT_N_SHAPES] = {
    "circle", "square", "triangle", "star", "ring", "bar"};
const char *const mblm_flat_colors[MBLM_FLAT_N_COLORS] = {"red", "green",
    "blue", "yellow", "purple", "cyan", "gray", "brown", "orange", "pink"};
const char *const mblm_flat_textures[MBLM_FLAT_N_TEXTURES] = {
    "plain", "striped", "dotted"};

/* One object is what somebody tries first. */
static const double share_of[MBLM_FLAT_MAX_OBJECTS + 1] = {
    0.0, 0.32, 0.17, 0.17, 0.17, 0.17};

double
mblm_flat_share_of (guint n)
{
  return share_of[n];
}

/* ------------------------------------------------------------------------- */
/* Numbers                                                                   */
/* ------------------------------------------------------------------------- */

/* How probable n objects are where `matching` of them are to match. */
static double
share_given (guint n, guint matching)
{
  guint least = MAX (matching, 1);

  return n < least ? 0.0 : 1.0 / (MBLM_FLAT_MAX_OBJECTS + 1 - least);
}

/* One of 0 .. 5, in proportion to its weight. */
static guint
draw_weighted (guint64 *key, const double weights[MBLM_FLAT_MAX_OBJECTS + 1])
{
  double sum = 0.0;
  guint i = 0;

  for (guint k = 0; k <= MBLM_FLAT_MAX_OBJECTS; k++)
    sum += weights[k];
  double at = mblm_scene_draw_between (key, 0.0, sum);
  while (i < MBLM_FLAT_MAX_OBJECTS && at >= weights[i])
    at -= weights[i++];
  while (weights[i] == 0.0) /* what is left of rounding */
    i--;
  return i;
}

/* The number of objects where matches are not counted. */
static guint
draw_number (guint64 *key)
{
  double weights[MBLM_FLAT_MAX_OBJECTS + 1] = {0.0};

  for (guint n = 1; n <= MBLM_FLAT_MAX_OBJECTS; n++) {
    double counted = 0.0;

    for (guint k = 0; k <= MBLM_FLAT_MAX_OBJECTS; k++)
      counted += share_given (n, k) / (MBLM_FLAT_MAX_OBJECTS + 1);
    weights[n] = share_of[n] - COUNTED_SHARE * counted;
  }
  return draw_weighted (key, weights);
}

/* The number of matches among n objects. */
static guint
draw_matching (guint64 *key, guint n)
{
  double weights[MBLM_FLAT_MAX_OBJECTS + 1];

  for (guint k = 0; k <= MBLM_FLAT_MAX_OBJECTS; k++)
    weights[k] = share_given (n, k);
  return draw_weighted (key, weights);
}

/* Values [n] below `limit`, `matching` of them `value` and the others not. */
static void
draw_values (guint64 *key, guint *values, guint n, guint limit, guint value,
    guint matching)
{
  guint order[MBLM_FLAT_MAX_OBJECTS];

  mblm_scene_draw_order (key, order, n);
  for (guint i = 0; i < n; i++) {
    guint other = mblm_scene_draw_below (key, limit - 1);

    values[i] = order[i] < matching ? value : other + (other >= value);
  }
}

static void
draw_looks (guint64 *key, MblmFlatScene *scene)
{
  guint shapes[MBLM_FLAT_MAX_OBJECTS], colors[MBLM_FLAT_MAX_OBJECTS];

  scene->counted = mblm_scene_draw_coin (
      key, scene->hard ? HARD_COUNTED_SHARE : COUNTED_SHARE);
  scene->counted_shape = mblm_scene_draw_below (key, MBLM_FLAT_N_SHAPES);
  scene->counted_color = mblm_scene_draw_below (key, MBLM_FLAT_N_COLORS);
  if (scene->counted) {
    guint matching = mblm_scene_draw_below (key, MBLM_FLAT_MAX_OBJECTS + 1);
    guint least = MAX (matching, 1);

    scene->n = least +
        mblm_scene_draw_below (key, MBLM_FLAT_MAX_OBJECTS + 1 - least);
    draw_values (key, shapes, scene->n, MBLM_FLAT_N_SHAPES,
        scene->counted_shape, matching);
    draw_values (key, colors, scene->n, MBLM_FLAT_N_COLORS,
        scene->counted_color, draw_matching (key, scene->n));
  } else {
    scene->n = scene->hard ? HARD_LEAST +
            mblm_scene_draw_below (key, MBLM_FLAT_MAX_OBJECTS + 1 - HARD_LEAST)
                           : draw_number (key);
    for (guint i = 0; i < scene->n; i++) {
      shapes[i] = mblm_scene_draw_below (key, MBLM_FLAT_N_SHAPES);
      colors[i] = mblm_scene_draw_below (key, MBLM_FLAT_N_COLORS);
    }
  }
  for (guint i = 0; i < scene->n; i++) {
    MblmFlatObject *object = &scene->objects[i];

    object->shape = shapes[i];
    object->color = colors[i];
    /* what its texture is can be asked of a single one, and in hard scenes */
    if (scene->n == 1 || scene->hard || mblm_scene_draw_coin (key, 0.3))
      object->texture = mblm_scene_draw_below (key, MBLM_FLAT_N_TEXTURES);
    mblm_flat_draw_color (key, object->color, object->rgb);
  }
}

/* ------------------------------------------------------------------------- */
/* Sizes and rotations                                                       */
/* ------------------------------------------------------------------------- */

/* Small ones stay a sixth of the shorter side wide at least, big ones are a third
 * larger at least, and five big ones still fit. */
static double
draw_radius (guint64 *key, guint n, gboolean big)
{
  if (n == 1)
    return big ? mblm_scene_draw_between (key, 0.19, 0.26)
               : mblm_scene_draw_between (key, 0.11, 0.13);
  if (n <= 3)
    return big ? mblm_scene_draw_between (key, 0.18, 0.23)
               : mblm_scene_draw_between (key, 0.11, 0.13);
  return big ? mblm_scene_draw_between (key, 0.155, 0.18)
             : mblm_scene_draw_between (key, 0.1, 0.115);
}

static void
draw_rotation (guint64 *key, MblmFlatObject *object)
{
  mblm_scene_draw_direction (key, &object->cosine, &object->sine);
  if (object->shape != MBLM_FLAT_SQUARE)
    return;
  /* a square on its corner is called a diamond: 17 degrees at most */
  object->sine = mblm_scene_draw_between (key, -0.3, 0.3);
  object->cosine = sqrt (1.0 - object->sine * object->sine);
}

/* ------------------------------------------------------------------------- */
/* Places                                                                    */
/* ------------------------------------------------------------------------- */

/* Of an object from the edge, and twice that from another, in shorter sides. */
#define MARGIN 0.02
/* Shares of the width between the centres of three objects or more, so that an
 * order from left to right can be told. */
#define STEP 0.05
/* Tries of all places before everything becomes a little smaller. */
#define TRIES 50
#define SMALLER 0.97

static const double zones[][2] = {
    [MBLM_FLAT_FIRST] = {0.0, 0.32},
    [MBLM_FLAT_MIDDLE] = {0.44, 0.56},
    [MBLM_FLAT_LAST] = {0.68, 1.0},
};

MblmFlatZone
mblm_flat_zone (double share)
{
  const double rounding = 1e-6;

  for (guint i = 0; i < G_N_ELEMENTS (zones); i++)
    if (share >= zones[i][0] - rounding && share <= zones[i][1] + rounding)
      return i;
  return MBLM_FLAT_BETWEEN;
}

/* How often the middle is tried: where there are others it is taken more often
 * than the sides are. */
#define MIDDLE_ALONE (1.0 / 3.0)
#define MIDDLE_AMONG 0.43
/* How often a place among others is anywhere. */
#define ANYWHERE 0.3

/* A share of a side of `length` shorter sides, for one of n objects. */
static double
draw_place (guint64 *key, guint n, double length, double radius)
{
  double low = (radius + MARGIN) / length;
  double high = 1.0 - low;

  if (n == 1 || !mblm_scene_draw_coin (key, ANYWHERE)) {
    gboolean middle = mblm_scene_draw_coin (
        key, n == 1 ? MIDDLE_ALONE : MIDDLE_AMONG);
    gboolean last = mblm_scene_draw_coin (key, 0.5);
    MblmFlatZone zone = middle ? MBLM_FLAT_MIDDLE
        : last                 ? MBLM_FLAT_LAST
                               : MBLM_FLAT_FIRST;

    low = MAX (low, zones[zone][0]);
    high = MIN (high, zones[zone][1]);
  }
  return mblm_scene_draw_between (key, low, high);
}

static gboolean
is_free (const MblmFlatScene *scene, guint i, double width, double height)
{
  const MblmFlatObject *a = &scene->objects[i];

  for (guint k = 0; k < i; k++) {
    const MblmFlatObject *b = &scene->objects[k];
    double x = (a->x - b->x) * width, y = (a->y - b->y) * height;
    double apart = a->radius + b->radius + 2 * MARGIN;

    if (x * x + y * y < apart * apart ||
        (scene->n > 2 && fabs (a->x - b->x) < STEP))
      return FALSE;
  }
  return TRUE;
}

static gboolean
place_objects (guint64 *key, MblmFlatScene *scene, double width, double height)
{
  for (guint i = 0; i < scene->n; i++) {
    MblmFlatObject *object = &scene->objects[i];
    guint left = 10;

    do {
      if (left-- == 0)
        return FALSE;
      object->x = draw_place (key, scene->n, width, object->radius);
      object->y = draw_place (key, scene->n, height, object->radius);
    } while (!is_free (scene, i, width, height));
  }
  return TRUE;
}

void
mblm_flat_draw_objects (
    guint64 key, guint width, guint height, gboolean hard, MblmFlatScene *scene)
{
  double shorter = MIN (width, height);

  *scene = (MblmFlatScene){.width = width, .height = height, .hard = hard};
  draw_looks (&key, scene);
  for (guint i = 0; i < scene->n; i++) {
    MblmFlatObject *object = &scene->objects[i];

    object->big = mblm_scene_draw_coin (&key, 0.5);
    object->radius = draw_radius (&key, scene->n, object->big);
    draw_rotation (&key, object);
  }
  for (guint try = 1;
       !place_objects (&key, scene, width / shorter, height / shorter); try++)
    for (guint i = 0; i < scene->n && try % TRIES == 0; i++)
      scene->objects[i].radius *= SMALLER;
}

double
mblm_flat_pixels (const MblmFlatScene *scene, const MblmFlatObject *object)
{
  return object->radius * MIN (scene->width, scene->height);
}

gboolean
mblm_flat_shows_texture (
    const MblmFlatScene *scene, const MblmFlatObject *object)
{
  return mblm_flat_pixels (scene, object) >= 8.0;
}
