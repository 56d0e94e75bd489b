/* ray-light.c: what light falls on a point, and what the eye sees of it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Light is three lamps, a sun, and what the floor throws back; all else is dark.
 * Places, sizes, powers and colours of the lamps are those of the published scene;
 * how bright the floor is under them was fitted to the published pictures.
 */

#include "config.h"

#include "ray-private.h"

#define PI 3.14159265f
#define FLOOR_ALBEDO 0.8f
/* What reaches a shadow by way of other surfaces. */
#define FILL_IN 0.1f

/* Of the metal's two reflections: how much of each, and how rough. */
#define METAL_SHARP 0.6f
#define METAL_BLUR 0.4f
#define ROUGH_SHARP 0.02f
#define ROUGH_BLUR 0.25f
#define REFLECTIONS 2

/* Of the sheen of rubber: what it reflects of light from right ahead. */
#define RUBBER_AHEAD 0.008f
#define RUBBER_SHEEN 0.15f

static void
set_lamp (MblmRayLamp *lamp, MblmVec place, float width, float power,
    const float colour[3])
{
  lamp->place = place;
  lamp->axis = vec_unit (place);
  lamp->side = vec_unit (vec_cross ((MblmVec){0.0f, 0.0f, 1.0f}, lamp->axis));
  lamp->up = vec_cross (lamp->axis, lamp->side);
  lamp->half = width / 2;
  for (guint c = 0; c < 3; c++)
    lamp->power[c] = power * colour[c];
}

/* The light that arrives at a point from a lamp, were nothing between: its
 * direction, its distance and its share of the power. */
static float
reach (const MblmRayLamp *lamp, MblmVec point, MblmVec *way, float *distance)
{
  if (lamp->is_sun) {
    *way = lamp->axis;
    *distance = INFINITY;
    return 1.0f;
  }

  MblmVec v = vec_sub (lamp->place, point);
  float square = vec_dot (v, v);
  *distance = sqrtf (square);
  *way = vec_scale (v, 1.0f / *distance);
  return most (vec_dot (lamp->axis, *way), 0.0f) / square;
}

/* Of a floor without shadows. */
static void
light_floor (const MblmRayWorld *self, MblmVec point, float out[3])
{
  out[0] = out[1] = out[2] = 0.0f;
  for (guint l = 0; l < MBLM_RAY_LAMPS; l++) {
    MblmVec way;
    float distance, share = reach (&self->lamps[l], point, &way, &distance);

    for (guint c = 0; c < 3; c++)
      out[c] += share * way.z * self->lamps[l].power[c];
  }
}

void
mblm_ray_world_init (MblmRayWorld *self, const MblmRayScene *scene)
{
  static const float warm[] = {1.0f, 0.932f, 0.817f};
  static const float cold[] = {0.762f, 0.818f, 1.0f};
  static const float white[] = {1.0f, 1.0f, 1.0f};
  const MblmVec sun = {0.4145f, -0.1946f, 0.889f};

  *self = (MblmRayWorld){.scene = scene};
  set_lamp (&self->lamps[0], scene->key, 0.5f, 20.0f, warm);
  set_lamp (&self->lamps[1], scene->fill, 0.5f, 6.0f, cold);
  set_lamp (&self->lamps[2], scene->back, 1.0f, 10.0f, white);
  set_lamp (&self->lamps[3], sun, 0.2f, 0.573f, white);
  self->lamps[3].is_sun = TRUE;

  light_floor (self, (MblmVec){0.0f, 0.0f, 0.0f}, self->glow);
  for (guint c = 0; c < 3; c++)
    self->glow[c] *= FLOOR_ALBEDO / PI;
  for (guint i = 0; i < scene->n_objects; i++) {
    const MblmRayObject *object = &scene->objects[i];

    self->centres[i] = mblm_ray_centre (object);
    self->bounds[i] = mblm_ray_bound (object);
    light_floor (self, (MblmVec){object->x, object->y, 0.0f}, self->bounce[i]);
    for (guint c = 0; c < 3; c++)
      self->bounce[i][c] *= FLOOR_ALBEDO;
  }
}

/* ------------------------------------------------------------------------- */
/* Rays                                                                      */
/* ------------------------------------------------------------------------- */

void
mblm_ray_cast (const MblmRayWorld *self, const MblmRay *ray, guint without,
    MblmRayHit *hit)
{
  hit->object = MBLM_RAY_NOTHING;
  hit->distance = INFINITY;
  for (guint i = 0; i < self->scene->n_objects; i++) {
    MblmVec to = vec_sub (self->centres[i], ray->from);
    float along = vec_dot (to, ray->along);
    float aside = vec_dot (to, to) - along * along;

    if (i == without || along < 0.0f ||
        aside > self->bounds[i] * self->bounds[i])
      continue;

    float t = mblm_ray_meet (&self->scene->objects[i], ray);
    if (t < hit->distance) {
      hit->distance = t;
      hit->object = i;
    }
  }
  if (hit->object == MBLM_RAY_NOTHING) {
    if (!mblm_ray_meet_floor (ray, hit))
      hit->object = MBLM_RAY_NOTHING;
    return;
  }
  hit->point = vec_along (ray->from, ray->along, hit->distance);
  mblm_ray_bend (&self->scene->objects[hit->object], hit);
}

static gboolean
is_blocked (const MblmRayWorld *self, const MblmRayLamp *lamp, MblmVec point,
    float u, float v, const guint *blockers, guint n)
{
  MblmVec to = lamp->is_sun ? lamp->axis : vec_sub (lamp->place, point);

  to = vec_along (to, lamp->side, u * lamp->half);
  to = vec_along (to, lamp->up, v * lamp->half);

  float length = sqrtf (vec_dot (to, to));
  MblmRay ray = {point, vec_scale (to, 1.0f / length)};
  for (guint i = 0; i < n; i++)
    if (mblm_ray_is_blocked (&self->scene->objects[blockers[i]], &ray,
            lamp->is_sun ? INFINITY : length))
      return TRUE;
  return FALSE;
}

/* How much of a lamp is seen from a point, 0 to 1. */
static float
see_lamp (const MblmRayWorld *self, const MblmRayLamp *lamp, MblmVec point,
    MblmVec way, float distance, guint without)
{
  guint blockers[MBLM_RAY_MAX_OBJECTS], n = 0, blocked = 0;

  for (guint i = 0; i < self->scene->n_objects; i++) {
    MblmVec to = vec_sub (self->centres[i], point);
    float along = vec_dot (to, way), bound = self->bounds[i];
    float aside = vec_dot (to, to) - along * along;

    if (i == without || along < -bound || along - bound > distance)
      continue;
    /* the corner of the lamp, seen from the point, at the object */
    bound += 1.42f * lamp->half *
        (lamp->is_sun ? along : least (along / distance, 1.0f));
    if (aside < bound * bound)
      blockers[n++] = i;
  }
  if (n == 0)
    return 1.0f;

  /* where its corners agree, so does all between */
  for (guint i = 0; i < 4; i++)
    blocked += is_blocked (self, lamp, point, i & 1 ? 0.75f : -0.75f,
        i & 2 ? 0.75f : -0.75f, blockers, n);
  if (blocked == 0 || blocked == 4)
    return blocked == 0;
  for (guint i = 0; i < 16; i++) {
    guint x = i % 4, y = i / 4;

    if ((x == 1 || x == 2) || (y == 1 || y == 2))
      blocked += is_blocked (
          self, lamp, point, 0.5f * x - 0.75f, 0.5f * y - 0.75f, blockers, n);
  }
  return 1.0f - blocked / 16.0f;
}

/* ------------------------------------------------------------------------- */
/* Surfaces                                                                  */
/* ------------------------------------------------------------------------- */

/* What a direction shows at a glance: the floor below, the dark above. */
static float
get_glow (MblmVec way)
{
  float part = least (most (0.5f - 2.0f * way.z, 0.0f), 1.0f);

  return 0.12f + 0.88f * part * part * (3.0f - 2.0f * part);
}

/* Light that is spread about a direction: per solid angle, at an angle whose
 * cosine is c from the middle; `square`: of its width. */
static float
spread_light (float c, float square)
{
  float part = 1.0f + 2.0f * (1.0f - c) / square;

  return 1.0f / (PI * square * part * part);
}

typedef struct {
  const MblmRayHit *hit;
  MblmVec mirror;     /* where a mirror would look */
  float spread;       /* of a pixel over the mirror's directions, squared */
  float diffuse[3];   /* irradiance */
  float highlight[3]; /* of metal */
} Light;

static void
gather (const MblmRayWorld *self, gboolean metal, Light *light)
{
  const MblmRayHit *hit = light->hit;

  for (guint l = 0; l < MBLM_RAY_LAMPS; l++) {
    const MblmRayLamp *lamp = &self->lamps[l];
    MblmVec way;
    float distance, share = reach (lamp, hit->point, &way, &distance);
    float facing = vec_dot (way, hit->normal);

    if (facing <= 0.0f || share <= 0.0f)
      continue;
    if (metal) {
      float half = lamp->is_sun ? lamp->half : lamp->half / distance;
      float square = 0.7f * half * half + light->spread;
      float c = vec_dot (way, light->mirror);

      facing = METAL_SHARP *
              spread_light (c, square + ROUGH_SHARP * ROUGH_SHARP) +
          METAL_BLUR * spread_light (c, square + ROUGH_BLUR * ROUGH_BLUR);
      if (facing < 0.01f)
        continue;
    }
    float seen = see_lamp (self, lamp, hit->point, way, distance, hit->object);
    share *= facing * (metal ? seen : FILL_IN + (1.0f - FILL_IN) * seen);
    for (guint c = 0; c < 3; c++)
      (metal ? light->highlight : light->diffuse)[c] += share * lamp->power[c];
  }
}

static void shade (const MblmRayWorld *self, const MblmRay *ray,
    const MblmRayHit *hit, float spread, guint depth, float out[3]);

static void
shade_metal (const MblmRayWorld *self, const MblmRayObject *object,
    Light *light, float spread, guint depth, float out[3])
{
  float seen[3] = {0.0f, 0.0f, 0.0f}, glow = get_glow (light->mirror);

  gather (self, TRUE, light);
  if (depth < REFLECTIONS) {
    MblmRay ray = {light->hit->point, light->mirror};
    MblmRayHit hit;

    mblm_ray_cast (self, &ray, light->hit->object, &hit);
    shade (self, &ray, &hit, spread, depth + 1, seen);
  } else {
    for (guint c = 0; c < 3; c++)
      seen[c] = glow * self->glow[c];
  }
  for (guint c = 0; c < 3; c++)
    out[c] = object->colour[c] *
        (METAL_SHARP * seen[c] + METAL_BLUR * glow * self->glow[c] +
            light->highlight[c]);
}

static void
shade_rubber (const MblmRayWorld *self, const MblmRayObject *object,
    Light *light, float facing, float out[3])
{
  const float *bounce = self->bounce[light->hit->object];
  float height = light->hit->point.z / (2.0f * object->radius);
  /* what looks down sees the floor, the less the nearer it is */
  float down = (1.0f - light->hit->normal.z) / 2.0f * (0.7f + 0.3f * height);
  float aside = 1.0f - facing;
  float sheen = RUBBER_AHEAD +
      (1.0f - RUBBER_AHEAD) * aside * aside * aside * aside * aside;

  gather (self, FALSE, light);
  for (guint c = 0; c < 3; c++) {
    float diffuse = object->colour[c] / PI *
        (light->diffuse[c] + down * bounce[c]);

    out[c] = (1.0f - sheen) * diffuse +
        sheen * RUBBER_SHEEN * get_glow (light->mirror) * self->glow[c];
  }
}

static void
shade (const MblmRayWorld *self, const MblmRay *ray, const MblmRayHit *hit,
    float spread, guint depth, float out[3])
{
  Light light = {.hit = hit};

  if (hit->object == MBLM_RAY_NOTHING) {
    out[0] = out[1] = out[2] = 0.0f;
    return;
  }
  if (hit->object == MBLM_RAY_FLOOR) {
    gather (self, FALSE, &light);
    for (guint c = 0; c < 3; c++)
      out[c] = FLOOR_ALBEDO / PI * light.diffuse[c];
    return;
  }

  const MblmRayObject *object = &self->scene->objects[hit->object];
  float facing = most (-vec_dot (ray->along, hit->normal), 0.0f);
  light.mirror = vec_along (ray->along, hit->normal, 2.0f * facing);
  light.spread = spread * hit->bend;
  light.spread *= light.spread;
  if (object->metal)
    shade_metal (self, object, &light, spread, depth, out);
  else
    shade_rubber (self, object, &light, facing, out);
}

void
mblm_ray_shade (const MblmRayWorld *self, const MblmRay *ray,
    const MblmRayHit *hit, float spread, float out[3])
{
  shade (self, ray, hit, spread, 0, out);
}
