/* ray.h: a lit floor with spheres, cubes and cylinders on it, as a picture.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Rays are traced against the shapes themselves. Lengths are in units of the
 * world: the floor is z = 0, the camera looks at the origin. Only operations that
 * IEEE 754 rounds correctly are used, so that a scene gives the same bytes on
 * every machine of one architecture (and pow for a table of 8 bits, whose last
 * bit doesn't matter). Private to the engine.
 */

#pragma once

#include "mblm-picture.h"

G_BEGIN_DECLS

typedef struct {
  float x, y, z;
} MblmVec;

typedef enum {
  MBLM_RAY_CUBE,
  MBLM_RAY_SPHERE,
  MBLM_RAY_CYLINDER,
} MblmRayShape;

/* Stands on the floor. */
typedef struct {
  MblmRayShape shape;
  gboolean metal;
  float radius; /* half of its height, and of the side of a cube */
  float x, y;
  float cosine, sine; /* of its turn about the vertical */
  float colour[3];    /* linear, 0 to 1: red, green, blue */
} MblmRayObject;

#define MBLM_RAY_MAX_OBJECTS 10

typedef struct {
  MblmVec camera;
  MblmVec key, fill, back; /* the lamps; each looks at the origin */
  guint n_objects;
  MblmRayObject objects[MBLM_RAY_MAX_OBJECTS];
} MblmRayScene;

/* Errors: INPUT for a size beyond the bounds of a picture, MEMORY. */
MblmPicture *mblm_ray_render (
    const MblmRayScene *scene, guint width, guint height, GError **error);

/* How many pixels of a picture of that size show each object. */
void mblm_ray_count_pixels (const MblmRayScene *scene, guint width,
    guint height, guint pixels[MBLM_RAY_MAX_OBJECTS]);

/* Where a point is in a picture: x, y in pixels from its upper left corner, z
 * the distance along the camera's axis. */
MblmVec mblm_ray_project (
    MblmVec camera, MblmVec point, guint width, guint height);

G_END_DECLS
