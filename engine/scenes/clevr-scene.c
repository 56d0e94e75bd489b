/* clevr-scene.c: what stands in a scene of CLEVR, and where.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Camera, lamps, margins and colours are the published ones. As there, left and
 * right are those of the camera before it is moved at random, so that they are the
 * same directions of the world in every scene.
 */

#include "config.h"

#include "clevr-scene.h"

#include <math.h>
#include <string.h>

#include "scenes.h"

#define MIN_OBJECTS 3
#define FEW_OBJECTS 5 /* at most */
/* Objects are this far apart, and this far along each direction. */
#define MIN_DISTANCE 0.25f
#define MARGIN 0.4f
/* From where on one object is left of another. */
#define RELATED 0.2f
#define HALF_FLOOR 3.0f
/* Tries to place an object before all are placed anew. */
#define MAX_TRIES 50
/* Scenes that may fail before one object less is placed: hardly ever. */
#define MAX_SCENES 1000
/* A quarter of the pixels that the published generator counts, of as many: an
 * object has 50 of its own at least. */
#define CHECK_WIDTH 160
#define CHECK_HEIGHT 107
#define MIN_PIXELS 50

static const char *const kinds[] = {
    "size", "color", "material", "shape", "relation"};

/* In the order of the published metadata. */
static const char *const values[MBLM_CLEVR_N_KINDS][MBLM_CLEVR_MAX_VALUES] = {
    [MBLM_CLEVR_SIZE] = {"small", "large"},
    [MBLM_CLEVR_COLOR] = {"gray", "red", "blue", "green", "brown", "purple",
        "cyan", "yellow"},
    [MBLM_CLEVR_MATERIAL] = {"rubber", "metal"},
    [MBLM_CLEVR_SHAPE] = {"cube", "sphere", "cylinder"},
    [MBLM_CLEVR_RELATION] = {"left", "right", "behind", "front"},
};

static const guint8 colours[MBLM_CLEVR_MAX_VALUES][3] = {
    {87, 87, 87},
    {173, 35, 35},
    {42, 75, 215},
    {29, 105, 20},
    {129, 74, 25},
    {129, 38, 192},
    {41, 208, 208},
    {255, 238, 51},
};

static const float sizes[] = {0.35f, 0.7f};

/* Of left and of behind; right and front are against them. */
static const float directions[2][2] = {
    {-0.65631127f, -0.75449026f},
    {-0.75449032f, 0.65631127f},
};

const char *
mblm_clevr_kind_name (MblmClevrKind kind)
{
  return kinds[kind];
}

guint
mblm_clevr_count_values (MblmClevrKind kind)
{
  guint n = 0;

  while (n < MBLM_CLEVR_MAX_VALUES && values[kind][n])
    n++;
  return n;
}

const char *
mblm_clevr_value_name (MblmClevrKind kind, guint value)
{
  return values[kind][value];
}

gboolean
mblm_clevr_find_value (MblmClevrKind kind, const char *name, guint *value)
{
  for (*value = 0; *value < mblm_clevr_count_values (kind); (*value)++)
    if (g_str_equal (values[kind][*value], name))
      return TRUE;
  return FALSE;
}

void
mblm_clevr_scene_index (MblmClevrScene *self)
{
  memset (self->having, 0, sizeof self->having);
  for (guint i = 0; i < self->n; i++)
    for (guint kind = 0; kind < MBLM_CLEVR_N_ATTRIBUTES; kind++)
      self->having[kind][self->values[i][kind]] |= 1 << i;
}

MblmClevrSet
mblm_clevr_scene_all (const MblmClevrScene *self)
{
  return (MblmClevrSet) ((1 << self->n) - 1);
}

/* ------------------------------------------------------------------------- */
/* Placing                                                                   */
/* ------------------------------------------------------------------------- */

static float
draw_about (guint64 *key, float middle, float by)
{
  return middle + by * (float) mblm_scene_draw_between (key, -1.0, 1.0);
}

static MblmVec
draw_place (guint64 *key, float x, float y, float z, float by)
{
  float to_x = draw_about (key, x, by), to_y = draw_about (key, y, by);

  return (MblmVec){to_x, to_y, draw_about (key, z, by)};
}

/* How far b lies from a, along left (0) or behind (1). */
static float
measure (const MblmRayObject *a, const MblmRayObject *b, guint direction)
{
  return (b->x - a->x) * directions[direction][0] +
      (b->y - a->y) * directions[direction][1];
}

static gboolean
is_free (const MblmRayScene *view, const MblmRayObject *object)
{
  for (guint i = 0; i < view->n_objects; i++) {
    const MblmRayObject *other = &view->objects[i];
    float x = object->x - other->x, y = object->y - other->y;

    if (sqrtf (x * x + y * y) - object->radius - other->radius < MIN_DISTANCE)
      return FALSE;
    for (guint k = 0; k < 2; k++)
      if (fabsf (measure (other, object, k)) < MARGIN)
        return FALSE;
  }
  return TRUE;
}

static void
draw_turn (MblmRayObject *object, guint64 *key)
{
  double cosine, sine;

  mblm_scene_draw_direction (key, &cosine, &sine);
  object->cosine = (float) cosine;
  object->sine = (float) sine;
}

/* FALSE: there is no place. */
static gboolean
add_object (MblmClevrScene *self, MblmRayScene *view, guint64 *key)
{
  MblmRayObject *object = &view->objects[view->n_objects];
  guint8 *mine = self->values[view->n_objects];
  guint tries = 0;

  mine[MBLM_CLEVR_SIZE] = mblm_scene_draw_below (key, G_N_ELEMENTS (sizes));
  object->radius = sizes[mine[MBLM_CLEVR_SIZE]];
  do {
    if (tries++ == MAX_TRIES)
      return FALSE;
    object->x = draw_about (key, 0.0f, HALF_FLOOR);
    object->y = draw_about (key, 0.0f, HALF_FLOOR);
  } while (!is_free (view, object));

  for (guint kind = MBLM_CLEVR_COLOR; kind < MBLM_CLEVR_N_ATTRIBUTES; kind++)
    mine[kind] = mblm_scene_draw_below (key, mblm_clevr_count_values (kind));
  object->shape = (MblmRayShape) mine[MBLM_CLEVR_SHAPE];
  object->metal = mine[MBLM_CLEVR_MATERIAL] == 1;
  for (guint c = 0; c < 3; c++)
    object->colour[c] = colours[mine[MBLM_CLEVR_COLOR]][c] / 255.0f;
  draw_turn (object, key);
  view->n_objects++;
  return TRUE;
}

/* Whether each object is seen, of a picture whatever its size will be. */
static gboolean
is_seen (const MblmRayScene *view)
{
  guint pixels[MBLM_RAY_MAX_OBJECTS];

  mblm_ray_count_pixels (view, CHECK_WIDTH, CHECK_HEIGHT, pixels);
  for (guint i = 0; i < view->n_objects; i++)
    if (pixels[i] < MIN_PIXELS)
      return FALSE;
  return TRUE;
}

static void
relate (MblmClevrScene *self, const MblmRayScene *view)
{
  memset (self->related, 0, sizeof self->related);
  for (guint i = 0; i < self->n; i++)
    for (guint j = 0; j < self->n; j++)
      for (guint k = 0; k < 2; k++) {
        float far = measure (&view->objects[i], &view->objects[j], k);

        /* left and right, behind and front */
        if (far > RELATED)
          self->related[2 * k][i] |= 1 << j;
        if (far < -RELATED)
          self->related[2 * k + 1][i] |= 1 << j;
      }
}

void
mblm_clevr_scene_draw (
    MblmClevrScene *self, MblmRayScene *view, gboolean few, guint64 *key)
{
  guint most = few ? FEW_OBJECTS : MBLM_CLEVR_MAX_OBJECTS;
  guint n = MIN_OBJECTS + mblm_scene_draw_below (key, most - MIN_OBJECTS + 1);
  guint failed = 0;

  *self = (MblmClevrScene){0};
  view->camera = draw_place (key, 7.4811316f, -6.5076399f, 5.3436651f, 0.5f);
  view->key = draw_place (key, 6.4467101f, -2.9051747f, 4.2583981f, 1.0f);
  view->fill = draw_place (key, -4.6711245f, -4.0135975f, 3.0112245f, 1.0f);
  view->back = draw_place (key, -1.1685014f, 2.6460245f, 5.8157368f, 1.0f);
  for (;;) {
    view->n_objects = 0;
    while (view->n_objects < n && add_object (self, view, key))
      ;
    if (view->n_objects == n && is_seen (view))
      break;
    if (++failed % MAX_SCENES == 0 && n > MIN_OBJECTS)
      n--;
  }
  self->n = n;
  mblm_clevr_scene_index (self);
  relate (self, view);
}
