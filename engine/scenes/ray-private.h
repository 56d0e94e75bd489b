/* ray-private.h: what the files behind ray.h share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <math.h>

#include "ray.h"

G_BEGIN_DECLS

/* fminf and fmaxf mind NaN, and are calls. */
static inline float
least (float a, float b)
{
  return a < b ? a : b;
}

static inline float
most (float a, float b)
{
  return a > b ? a : b;
}

static inline MblmVec
vec_sub (MblmVec a, MblmVec b)
{
  return (MblmVec){a.x - b.x, a.y - b.y, a.z - b.z};
}

static inline MblmVec
vec_scale (MblmVec a, float by)
{
  return (MblmVec){a.x * by, a.y * by, a.z * by};
}

/* a + by * b */
static inline MblmVec
vec_along (MblmVec a, MblmVec b, float by)
{
  return (MblmVec){a.x + b.x * by, a.y + b.y * by, a.z + b.z * by};
}

static inline float
vec_dot (MblmVec a, MblmVec b)
{
  return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline MblmVec
vec_cross (MblmVec a, MblmVec b)
{
  return (MblmVec){
      a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

static inline MblmVec
vec_unit (MblmVec a)
{
  return vec_scale (a, 1.0f / sqrtf (vec_dot (a, a)));
}

typedef struct {
  MblmVec from, along; /* along: of length 1 */
} MblmRay;

/* The floor is what a ray hits that hits no object. */
#define MBLM_RAY_FLOOR G_MAXUINT
#define MBLM_RAY_NOTHING (G_MAXUINT - 1)

typedef struct {
  guint object; /* or FLOOR, NOTHING */
  guint face;   /* of a cube or cylinder: edges lie between two */
  float distance;
  MblmVec point, normal;
  float bend; /* how fast the normal turns: 1 / radius; 0: it is flat */
} MblmRayHit;

/* ray-shapes.c: a ray against one object; the distance, INFINITY for none. */
float mblm_ray_meet (const MblmRayObject *object, const MblmRay *ray);
/* The same for a shadow, where a cube has no round edges: whether it is met
 * before `length`. */
gboolean mblm_ray_is_blocked (
    const MblmRayObject *object, const MblmRay *ray, float length);
/* Fills in what the hit needs beyond object, distance and point. */
void mblm_ray_bend (const MblmRayObject *object, MblmRayHit *hit);
/* The radius of the sphere about its centre that holds it. */
float mblm_ray_bound (const MblmRayObject *object);
MblmVec mblm_ray_centre (const MblmRayObject *object);
/* The floor, which rises to a wall behind the objects; FALSE: the ray ends in
 * the dark. */
gboolean mblm_ray_meet_floor (const MblmRay *ray, MblmRayHit *hit);

/* ray-light.c */

#define MBLM_RAY_LAMPS 4 /* key, fill, back; and a sun */

typedef struct {
  MblmVec place; /* of the sun: its direction */
  MblmVec axis;  /* from the origin to it */
  MblmVec side, up;
  float half;     /* of its width; of the sun: the tangent of its radius */
  float power[3]; /* irradiance at distance 1; of the sun: anywhere */
  gboolean is_sun;
} MblmRayLamp;

/* A scene, prepared. */
typedef struct {
  const MblmRayScene *scene;
  MblmRayLamp lamps[MBLM_RAY_LAMPS];
  MblmVec centres[MBLM_RAY_MAX_OBJECTS];
  float bounds[MBLM_RAY_MAX_OBJECTS];
  /* irradiance from the floor about an object, of what looks down on it */
  float bounce[MBLM_RAY_MAX_OBJECTS][3];
  float glow[3]; /* what the middle of the floor shines */
} MblmRayWorld;

void mblm_ray_world_init (MblmRayWorld *self, const MblmRayScene *scene);
/* The nearest hit among all objects and the floor; `without`: an object. */
void mblm_ray_cast (const MblmRayWorld *self, const MblmRay *ray, guint without,
    MblmRayHit *hit);
/* What the eye sees there, linear; `spread`: the width of a pixel there. */
void mblm_ray_shade (const MblmRayWorld *self, const MblmRay *ray,
    const MblmRayHit *hit, float spread, float out[3]);

G_END_DECLS
