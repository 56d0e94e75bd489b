/* ray-render.c: the camera, and the pixels of a picture.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * One ray goes through the middle of a pixel; where what it hits is not what the
 * rays beside it hit, more go through the pixel.
 */

#include "config.h"

#include "ray-private.h"

#include <math.h>
#include <string.h>

#include "picture-private.h"

/* A lens of 35 mm before a sensor 32 mm wide. */
#define FOCAL (35.0f / 32.0f)
/* Pictures that are wider show more to the sides, not less of the height. */
#define WIDEST 1.5f
/* Rays a side through a pixel with an edge. */
#define FINE 3

typedef struct {
  MblmVec ahead, right, up;
  float focal; /* in pixels */
  float middle_x, middle_y;
} Camera;

static void
set_camera (Camera *camera, MblmVec place, guint width, guint height)
{
  camera->ahead = vec_unit (vec_scale (place, -1.0f));
  camera->right = vec_unit (
      vec_cross (camera->ahead, (MblmVec){0.0f, 0.0f, 1.0f}));
  camera->up = vec_cross (camera->right, camera->ahead);
  camera->focal = FOCAL * least (width, WIDEST * height);
  camera->middle_x = width / 2.0f;
  camera->middle_y = height / 2.0f;
}

static MblmVec
project (const Camera *camera, MblmVec from, MblmVec point)
{
  MblmVec to = vec_sub (point, from);
  float z = vec_dot (to, camera->ahead);
  float scale = camera->focal / z;

  return (MblmVec){camera->middle_x + scale * vec_dot (to, camera->right),
      camera->middle_y - scale * vec_dot (to, camera->up), z};
}

MblmVec
mblm_ray_project (MblmVec place, MblmVec point, guint width, guint height)
{
  Camera camera;

  set_camera (&camera, place, width, height);
  return project (&camera, place, point);
}

/* ------------------------------------------------------------------------- */
/* What is where                                                             */
/* ------------------------------------------------------------------------- */

/* The pixels that an object can be seen in. */
typedef struct {
  int left, right, top, bottom; /* right, bottom: beyond the last */
} Frame;

typedef struct {
  const MblmRayScene *scene;
  MblmRayWorld world;
  Camera camera;
  guint width, height;
  Frame frames[MBLM_RAY_MAX_OBJECTS];
} View;

/* About the corners of a box that holds the object. */
static Frame
find_frame (const View *view, const MblmRayObject *object)
{
  float wide = object->radius * (object->shape == MBLM_RAY_CUBE ? 1.42f : 1.0f);
  float left = view->width, right = 0.0f, top = view->height, bottom = 0.0f;

  for (guint i = 0; i < 8; i++) {
    MblmVec corner = {object->x + (i & 1 ? wide : -wide),
        object->y + (i & 2 ? wide : -wide), i & 4 ? 2 * object->radius : 0.0f};
    MblmVec at = project (&view->camera, view->scene->camera, corner);

    left = least (left, at.x);
    right = most (right, at.x);
    top = least (top, at.y);
    bottom = most (bottom, at.y);
  }
  return (Frame){(int) floorf (most (left, 0.0f)),
      (int) ceilf (least (right, view->width)), (int) floorf (most (top, 0.0f)),
      (int) ceilf (least (bottom, view->height))};
}

static void
set_view (View *view, const MblmRayScene *scene, guint width, guint height)
{
  view->scene = scene;
  view->width = width;
  view->height = height;
  set_camera (&view->camera, scene->camera, width, height);
  for (guint i = 0; i < scene->n_objects; i++)
    view->frames[i] = find_frame (view, &scene->objects[i]);
}

static MblmRay
get_ray (const View *view, float x, float y)
{
  const Camera *camera = &view->camera;
  MblmVec along = vec_scale (camera->ahead, camera->focal);

  along = vec_along (along, camera->right, x - camera->middle_x);
  along = vec_along (along, camera->up, camera->middle_y - y);
  return (MblmRay){view->scene->camera, vec_unit (along)};
}

/* The objects whose frames touch a row. */
static guint
find_row (const View *view, int y, guint *list)
{
  guint n = 0;

  for (guint i = 0; i < view->scene->n_objects; i++)
    if (y >= view->frames[i].top && y < view->frames[i].bottom)
      list[n++] = i;
  return n;
}

/* The nearest object in a pixel, and its distance; FLOOR where there is none. */
static guint
find_object (const View *view, const MblmRay *ray, int x, const guint *list,
    guint n, float *distance)
{
  guint found = MBLM_RAY_FLOOR;

  *distance = INFINITY;
  for (guint i = 0; i < n; i++) {
    const Frame *frame = &view->frames[list[i]];

    if (x < frame->left || x >= frame->right)
      continue;

    float t = mblm_ray_meet (&view->scene->objects[list[i]], ray);
    if (t < *distance) {
      *distance = t;
      found = list[i];
    }
  }
  return found;
}

void
mblm_ray_count_pixels (const MblmRayScene *scene, guint width, guint height,
    guint pixels[MBLM_RAY_MAX_OBJECTS])
{
  View view;
  guint list[MBLM_RAY_MAX_OBJECTS];

  set_view (&view, scene, width, height);
  memset (pixels, 0, MBLM_RAY_MAX_OBJECTS * sizeof *pixels);
  for (guint y = 0; y < height; y++) {
    guint n = find_row (&view, y, list);
    int left = width, right = 0;

    for (guint i = 0; i < n; i++) {
      left = MIN (left, view.frames[list[i]].left);
      right = MAX (right, view.frames[list[i]].right);
    }
    for (int x = left; x < right; x++) {
      MblmRay ray = get_ray (&view, x + 0.5f, y + 0.5f);
      float distance;
      guint object = find_object (&view, &ray, x, list, n, &distance);

      if (object != MBLM_RAY_FLOOR)
        pixels[object]++;
    }
  }
}

/* ------------------------------------------------------------------------- */
/* Pixels                                                                    */
/* ------------------------------------------------------------------------- */

typedef struct {
  guint8 what; /* 0: the floor; else the object and its face */
  float light[3];
} Pixel;

/* Which surface a ray through a pixel meets: Pixel.what. */
static guint8
find_surface (const View *view, const MblmRay *ray, guint x, const guint *list,
    guint n, MblmRayHit *hit)
{
  hit->object = find_object (view, ray, x, list, n, &hit->distance);
  if (hit->object == MBLM_RAY_FLOOR) {
    if (!mblm_ray_meet_floor (ray, hit))
      hit->object = MBLM_RAY_NOTHING;
    return 0;
  }
  hit->point = vec_along (ray->from, ray->along, hit->distance);
  mblm_ray_bend (&view->scene->objects[hit->object], hit);
  return 1 + 8 * hit->object + hit->face;
}

static void
shade (
    const View *view, const MblmRay *ray, const MblmRayHit *hit, float light[3])
{
  mblm_ray_shade (
      &view->world, ray, hit, hit->distance / view->camera.focal, light);
}

static void
trace_row (const View *view, guint y, Pixel *row)
{
  guint list[MBLM_RAY_MAX_OBJECTS], n = find_row (view, y, list);

  for (guint x = 0; x < view->width; x++) {
    MblmRay ray = get_ray (view, x + 0.5f, y + 0.5f);
    MblmRayHit hit;

    row[x].what = find_surface (view, &ray, x, list, n, &hit);
    shade (view, &ray, &hit, row[x].light);
  }
}

/* More rays through a pixel with an edge. Each surface is shaded once, and counts
 * by the rays that meet it; that of the middle is shaded already. */
static void
refine (const View *view, guint x, guint y, Pixel *pixel)
{
  guint list[MBLM_RAY_MAX_OBJECTS], n = find_row (view, y, list);
  Pixel found[FINE * FINE] = {*pixel};
  guint n_found = 1, rays[FINE * FINE] = {1};

  for (guint i = 0; i < FINE * FINE; i++) {
    MblmRay ray = get_ray (
        view, x + (i % FINE + 0.5f) / FINE, y + (i / FINE + 0.5f) / FINE);
    MblmRayHit hit;
    guint k = 0;

    if (i == FINE * FINE / 2)
      continue;

    guint8 what = find_surface (view, &ray, x, list, n, &hit);
    while (k < n_found && found[k].what != what)
      k++;
    if (k == n_found) {
      found[n_found++].what = what;
      shade (view, &ray, &hit, found[k].light);
    }
    rays[k]++;
  }
  for (guint c = 0; c < 3; c++) {
    pixel->light[c] = 0.0f;
    for (guint k = 0; k < n_found; k++)
      pixel->light[c] += found[k].light[c] * rays[k] / (FINE * FINE);
  }
}

/* sRGB of linear light in steps of 1 / 4095. */
static const guint8 *
get_tones (void)
{
  static guint8 tones[4096];
  static gsize ready;

  if (g_once_init_enter (&ready)) {
    for (guint i = 0; i < G_N_ELEMENTS (tones); i++) {
      double light = i / 4095.0;
      double tone = light <= 0.0031308 ? 12.92 * light
                                       : 1.055 * pow (light, 1 / 2.4) - 0.055;

      tones[i] = (guint8) (255.0 * tone + 0.5);
    }
    g_once_init_leave (&ready, 1);
  }
  return tones;
}

/* Rows y - 1, y, y + 1. */
static void
write_row (const View *view, Pixel *const rows[3], guint y, guint8 *out)
{
  const guint8 *tones = get_tones ();

  for (guint x = 0; x < view->width; x++) {
    Pixel pixel = rows[1][x];
    guint8 what = pixel.what;

    if ((x > 0 && rows[1][x - 1].what != what) ||
        (x + 1 < view->width && rows[1][x + 1].what != what) ||
        (y > 0 && rows[0][x].what != what) ||
        (y + 1 < view->height && rows[2][x].what != what))
      refine (view, x, y, &pixel);
    for (guint c = 0; c < 3; c++)
      out[3 * x + c] =
          tones[(guint) (least (pixel.light[c], 1.0f) * 4095.0f + 0.5f)];
  }
}

MblmPicture *
mblm_ray_render (
    const MblmRayScene *scene, guint width, guint height, GError **error)
{
  g_autoptr (MblmPicture) picture = mblm_picture_alloc (width, height, error);
  View view;

  if (!picture)
    return NULL;
  set_view (&view, scene, width, height);
  mblm_ray_world_init (&view.world, scene);

  g_autofree Pixel *pixels = g_new (Pixel, 3 * width);
  Pixel *rows[3] = {pixels, pixels + width, pixels + 2 * width};

  trace_row (&view, 0, rows[2]);
  for (guint y = 0; y < height; y++) {
    Pixel *free_row = rows[0];

    rows[0] = rows[1];
    rows[1] = rows[2];
    rows[2] = free_row;
    if (y + 1 < height)
      trace_row (&view, y + 1, rows[2]);
    write_row (&view, rows, y, picture->rgb + (gsize) 3 * width * y);
  }
  return g_steal_pointer (&picture);
}
