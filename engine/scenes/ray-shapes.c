/* ray-shapes.c: where a ray meets a shape, and how the shape is bent there.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Shapes are met in a space of their own, where they are about the origin and of
 * radius 1. The edges of a cube are round, which is found by steps of the
 * distance to the surface; those of a cylinder are so little that turning the
 * normal is enough.
 */

#include "config.h"

#include "ray-private.h"

/* Of the cube's and the cylinder's edges, as a part of the radius. */
#define CUBE_EDGE 0.2f
#define CYLINDER_EDGE 0.08f
/* Half the side of the cube without round edges that throws its shadow. */
#define CUBE_SHADOW 0.88f

static MblmVec
turn (const MblmRayObject *object, MblmVec v)
{
  return (MblmVec){object->cosine * v.x + object->sine * v.y,
      object->cosine * v.y - object->sine * v.x, v.z};
}

static MblmVec
turn_back (const MblmRayObject *object, MblmVec v)
{
  return (MblmVec){object->cosine * v.x - object->sine * v.y,
      object->cosine * v.y + object->sine * v.x, v.z};
}

MblmVec
mblm_ray_centre (const MblmRayObject *object)
{
  return (MblmVec){object->x, object->y, object->radius};
}

float
mblm_ray_bound (const MblmRayObject *object)
{
  /* the corner of a cube is cut off by its edges */
  static const float bounds[] = {
      [MBLM_RAY_CUBE] = 1.6f,
      [MBLM_RAY_SPHERE] = 1.0f,
      [MBLM_RAY_CYLINDER] = 1.42f,
  };

  return bounds[object->shape] * object->radius;
}

static float
meet_sphere (MblmVec from, MblmVec along)
{
  float b = vec_dot (from, along), c = vec_dot (from, from) - 1.0f;
  float inside = b * b - c;

  if (inside <= 0.0f || (b > 0.0f && c > 0.0f))
    return INFINITY;

  float t = -b - sqrtf (inside);
  return t > 0.0f ? t : INFINITY;
}

/* The way along a ray that lies between two planes. */
static gboolean
clip (float from, float along, float half, float *enter, float *leave)
{
  if (along == 0.0f)
    return fabsf (from) <= half;

  float one = (-half - from) / along, other = (half - from) / along;
  *enter = most (*enter, least (one, other));
  *leave = least (*leave, most (one, other));
  return *enter < *leave;
}

/* From a point to the cube with round edges; negative inside. */
static float
distance_to_cube (MblmVec p)
{
  const float inner = 1.0f - CUBE_EDGE;
  MblmVec q = {fabsf (p.x) - inner, fabsf (p.y) - inner, fabsf (p.z) - inner};
  MblmVec out = {most (q.x, 0.0f), most (q.y, 0.0f), most (q.z, 0.0f)};

  return sqrtf (vec_dot (out, out)) +
      least (most (q.x, most (q.y, q.z)), 0.0f) - CUBE_EDGE;
}

static gboolean
clip_cube (MblmVec from, MblmVec along, float half, float *enter, float *leave)
{
  *enter = 0.0f;
  *leave = INFINITY;
  return clip (from.x, along.x, half, enter, leave) &&
      clip (from.y, along.y, half, enter, leave) &&
      clip (from.z, along.z, 1.0f, enter, leave);
}

static float
meet_cube (MblmVec from, MblmVec along)
{
  float enter, leave;

  if (!clip_cube (from, along, 1.0f, &enter, &leave))
    return INFINITY;
  /* most rays meet a face away from its edges at once */
  for (guint step = 0; step < 16 && enter < leave; step++) {
    float distance = distance_to_cube (vec_along (from, along, enter));

    if (distance < 1e-4f)
      return enter > 0.0f ? enter : INFINITY;
    enter += distance;
  }
  return INFINITY;
}

static float
meet_cylinder (MblmVec from, MblmVec along)
{
  float enter = 0.0f, leave = INFINITY;

  if (!clip (from.z, along.z, 1.0f, &enter, &leave))
    return INFINITY;

  float a = along.x * along.x + along.y * along.y;
  float b = from.x * along.x + from.y * along.y;
  float c = from.x * from.x + from.y * from.y - 1.0f;
  float inside = b * b - a * c;

  if (a == 0.0f) {
    if (c > 0.0f)
      return INFINITY;
  } else {
    if (inside <= 0.0f)
      return INFINITY;

    float root = sqrtf (inside);
    enter = most (enter, (-b - root) / a);
    leave = least (leave, (-b + root) / a);
  }
  return enter < leave && enter > 0.0f ? enter : INFINITY;
}

/* The ray in the object's own space. */
static MblmRay
enter_space (const MblmRayObject *object, const MblmRay *ray)
{
  MblmVec from = vec_sub (ray->from, mblm_ray_centre (object));

  return (MblmRay){vec_scale (turn (object, from), 1.0f / object->radius),
      turn (object, ray->along)};
}

float
mblm_ray_meet (const MblmRayObject *object, const MblmRay *ray)
{
  MblmRay own = enter_space (object, ray);

  switch (object->shape) {
    case MBLM_RAY_CUBE:
      return meet_cube (own.from, own.along) * object->radius;
    case MBLM_RAY_SPHERE:
      return meet_sphere (own.from, own.along) * object->radius;
    default:
      return meet_cylinder (own.from, own.along) * object->radius;
  }
}

gboolean
mblm_ray_is_blocked (
    const MblmRayObject *object, const MblmRay *ray, float length)
{
  MblmRay own = enter_space (object, ray);
  float enter, leave;

  if (object->shape != MBLM_RAY_CUBE)
    return mblm_ray_meet (object, ray) < length;
  return clip_cube (own.from, own.along, CUBE_SHADOW, &enter, &leave) &&
      enter * object->radius < length;
}

static float
sign (float of, float length)
{
  return of < 0.0f ? -length : length;
}

static void
bend_cube (MblmVec p, MblmRayHit *hit)
{
  const float inner = 1.0f - CUBE_EDGE;
  MblmVec out = {most (fabsf (p.x) - inner, 0.0f),
      most (fabsf (p.y) - inner, 0.0f), most (fabsf (p.z) - inner, 0.0f)};
  guint round = (out.x > 0.0f) + (out.y > 0.0f) + (out.z > 0.0f);

  if (out.z >= out.x && out.z >= out.y)
    hit->face = p.z < 0.0f ? 0 : 1;
  else if (out.x >= out.y)
    hit->face = p.x < 0.0f ? 2 : 3;
  else
    hit->face = p.y < 0.0f ? 4 : 5;
  hit->bend = round > 1 ? 1.0f / CUBE_EDGE : 0.0f;
  hit->normal = vec_unit (
      (MblmVec){sign (p.x, out.x), sign (p.y, out.y), sign (p.z, out.z)});
}

static void
bend_cylinder (MblmVec p, MblmRayHit *hit)
{
  const float inner = 1.0f - CYLINDER_EDGE;
  /* not 0, in the middle of an end */
  float radius = most (sqrtf (p.x * p.x + p.y * p.y), 1e-6f);
  float out = most (radius - inner, 0.0f);
  float up = most (fabsf (p.z) - inner, 0.0f);

  hit->face = up > out ? (p.z < 0.0f ? 0 : 1) : 2;
  hit->bend = out > 0.0f && up > 0.0f ? 1.0f / CYLINDER_EDGE
      : out > 0.0f                    ? 1.0f
                                      : 0.0f;
  hit->normal = vec_unit (
      (MblmVec){p.x * out / radius, p.y * out / radius, sign (p.z, up)});
}

void
mblm_ray_bend (const MblmRayObject *object, MblmRayHit *hit)
{
  float part = 1.0f / object->radius;
  MblmVec p = vec_scale (
      turn (object, vec_sub (hit->point, mblm_ray_centre (object))), part);

  switch (object->shape) {
    case MBLM_RAY_CUBE:
      bend_cube (p, hit);
      break;
    case MBLM_RAY_SPHERE:
      hit->face = 0;
      hit->bend = 1.0f;
      hit->normal = p;
      break;
    default:
      bend_cylinder (p, hit);
      break;
  }
  hit->normal = turn_back (object, hit->normal);
  hit->bend *= part;
}

/* ------------------------------------------------------------------------- */
/* The floor                                                                 */
/* ------------------------------------------------------------------------- */

/* The floor is a band: it begins under the camera, and far behind the objects it
 * bends up to a wall. */
static const MblmVec floor_way = {-0.9032f, 0.4292f, 0.0f};
#define FLOOR_BEGIN -9.5f
#define FLOOR_HALF 27.0f

/* Its height along the way. */
static const struct {
  float at, height;
} profile[] = {
    {5.0f, 0.0f},
    {8.7f, 0.18f},
    {11.35f, 0.5f},
    {13.25f, 1.11f},
    {14.6f, 2.17f},
    {15.56f, 3.85f},
    {16.26f, 6.36f},
    {16.83f, 9.92f},
    {17.36f, 14.8f},
    {18.09f, 23.21f},
};

/* The normal of the stretch that ends at point i of the profile. */
static MblmVec
get_wall_normal (guint i)
{
  float run = profile[i].at - profile[i - 1].at;
  float rise = profile[i].height - profile[i - 1].height;

  return vec_unit ((MblmVec){-rise * floor_way.x, -rise * floor_way.y, run});
}

/* The rising part: the profile is a chain of planes. */
static gboolean
meet_wall (const MblmRay *ray, MblmRayHit *hit)
{
  float s = vec_dot (ray->from, floor_way), z = ray->from.z;
  float ds = vec_dot (ray->along, floor_way), dz = ray->along.z;

  for (guint i = 1; i < G_N_ELEMENTS (profile); i++) {
    float run = profile[i].at - profile[i - 1].at;
    float rise = profile[i].height - profile[i - 1].height;
    float falls = dz * run - ds * rise;

    if (falls >= 0.0f) /* it leaves the plane */
      continue;

    float t = ((s - profile[i].at) * rise - (z - profile[i].height) * run) /
        falls;
    float at = s + t * ds;
    if (t <= 0.0f || at < profile[i - 1].at || at > profile[i].at)
      continue;

    /* the normals of two stretches meet in the middle of each */
    MblmVec one = get_wall_normal (i), other;
    float part = (at - profile[i - 1].at) / run - 0.5f;
    if (part < 0.0f)
      other = i > 1 ? get_wall_normal (i - 1) : (MblmVec){0.0f, 0.0f, 1.0f};
    else
      other = i + 1 < G_N_ELEMENTS (profile) ? get_wall_normal (i + 1) : one;
    hit->distance = t;
    hit->point = vec_along (ray->from, ray->along, t);
    hit->normal = vec_unit (
        vec_along (one, vec_sub (other, one), fabsf (part)));
    return TRUE;
  }
  return FALSE;
}

gboolean
mblm_ray_meet_floor (const MblmRay *ray, MblmRayHit *hit)
{
  gboolean met = FALSE;

  if (ray->along.z < 0.0f) {
    hit->distance = -ray->from.z / ray->along.z;
    hit->point = vec_along (ray->from, ray->along, hit->distance);
    hit->point.z = 0.0f;
    hit->normal = (MblmVec){0.0f, 0.0f, 1.0f};
    met = TRUE;
  }
  if (!met || vec_dot (hit->point, floor_way) > profile[0].at)
    met = meet_wall (ray, hit);
  if (!met)
    return FALSE;

  float across = hit->point.x * floor_way.y - hit->point.y * floor_way.x;
  hit->object = MBLM_RAY_FLOOR;
  hit->face = 0;
  hit->bend = 0.0f;
  return fabsf (across) < FLOOR_HALF &&
      vec_dot (hit->point, floor_way) > FLOOR_BEGIN;
}
