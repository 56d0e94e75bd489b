/* flat-camera.c: what a simple camera makes of the light.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * It is a little out of focus, darker towards a side, exposed and balanced by
 * guess, noisy, and has a curve of its own; never so much that a colour becomes
 * another one.
 */

#include "config.h"

#include <math.h>
#include <string.h>

#include "flat.h"

#include "draw.h"
#include "mblm-error.h"
#include "picture-private.h"

/* ------------------------------------------------------------------------- */
/* Focus                                                                     */
/* ------------------------------------------------------------------------- */

/* Weights [reach + 1] from the middle on, which look like a Gaussian of 0.38 times
 * the radius: (1 - (i / radius)^2)^2. */
static void
fill_weights (float *weights, guint reach, float radius)
{
  float sum = 0.0f;

  for (guint i = 0; i <= reach; i++) {
    float at = i / radius;

    weights[i] = (1.0f - at * at) * (1.0f - at * at);
    sum += i == 0 ? weights[i] : 2.0f * weights[i];
  }
  for (guint i = 0; i <= reach; i++)
    weights[i] /= sum;
}

static inline gsize
clip (gssize i, gsize n)
{
  return i < 0 ? 0 : (gsize) i >= n ? n - 1 : (gsize) i;
}

static void
blur_row (const MblmFlatScene *scene, const float *weights, guint reach,
    float *row, float *old)
{
  gsize width = scene->width;

  memcpy (old, row, width * 3 * sizeof (float));
  for (gsize x = 0; x < width; x++)
    for (guint c = 0; c < 3; c++) {
      float sum = weights[0] * old[x * 3 + c];

      for (guint i = 1; i <= reach; i++)
        sum += weights[i] *
            (old[clip ((gssize) x - i, width) * 3 + c] +
                old[clip ((gssize) x + i, width) * 3 + c]);
      row[x * 3 + c] = sum;
    }
}

/* `old`: room for reach + 1 rows, which are overwritten above the one that is
 * blurred. */
static void
blur_columns (const MblmFlatScene *scene, const float *weights, guint reach,
    float *light, float *old)
{
  gsize row = (gsize) scene->width * 3, height = scene->height;
  gsize kept = (gsize) reach + 1;

  for (gsize y = 0; y < height; y++) {
    float *out = light + y * row;
    const float *was = old + y % kept * row;

    memcpy (old + y % kept * row, out, row * sizeof (float));
    for (gsize x = 0; x < row; x++)
      out[x] = weights[0] * was[x];
    for (guint i = 1; i <= reach; i++) {
      gsize up = clip ((gssize) y - i, height), down = clip (y + i, height);
      const float *above = old + up % kept * row;
      const float *below = down == y ? was : light + down * row;

      for (gsize x = 0; x < row; x++)
        out[x] += weights[i] * (above[x] + below[x]);
    }
  }
}

gboolean
mblm_flat_blur (const MblmFlatScene *scene, float radius, float *light)
{
  gsize row = (gsize) scene->width * 3, size;

  if (radius <= 1.0f)
    return TRUE;
  guint reach = (guint) ceilf (radius) - 1;
  if (!g_size_checked_mul (&size, row * sizeof (float), (gsize) reach + 1))
    return FALSE;
  g_autofree float *weights = g_new (float, reach + 1);
  g_autofree float *old = g_try_malloc (size);
  if (!old)
    return FALSE;
  fill_weights (weights, reach, radius);
  for (gsize y = 0; y < scene->height; y++)
    blur_row (scene, weights, reach, light + y * row, old);
  blur_columns (scene, weights, reach, light, old);
  return TRUE;
}

/* How far, in pixels: the Gaussian is up to 1.5 % of the shorter side, of which
 * the smallest object has 17. Every third picture is sharp. */
static float
draw_blur (const MblmFlatScene *scene, guint64 *key)
{
  double share = mblm_scene_draw_between (key, -0.5, 1.0);

  return (float) (share * 0.015 / 0.38 * MIN (scene->width, scene->height));
}

/* ------------------------------------------------------------------------- */
/* Light                                                                     */
/* ------------------------------------------------------------------------- */

typedef struct {
  float gains[3]; /* exposure and white balance */
  float x, y,
      falloff; /* the brightest place, and how dark it gets from there */
  float noise; /* in 255ths */
} Camera;

static void
draw_camera (guint64 *key, Camera *camera)
{
  float exposure = (float) mblm_scene_draw_between (key, 0.72, 1.35);
  double noise = mblm_scene_draw_between (key, 0.0, 1.0);

  camera->gains[0] = exposure *
      (float) mblm_scene_draw_between (key, 0.92, 1.08);
  camera->gains[1] = exposure;
  camera->gains[2] = exposure * (float) mblm_scene_draw_between (key, 0.9, 1.1);
  camera->x = (float) mblm_scene_draw_between (key, 0.2, 0.8);
  camera->y = (float) mblm_scene_draw_between (key, 0.2, 0.8);
  camera->falloff = (float) mblm_scene_draw_between (key, -0.2, 0.3);
  camera->falloff = MAX (camera->falloff, 0.0f);
  camera->noise = (float) (noise * noise * 10.0);
}

#define LEVELS 4096

/* What light becomes: sRGB, 0 to 255, with a curve that differs by camera. */
static void
fill_curve (const MblmFlatScene *scene, guint64 *key, float curve[LEVELS])
{
  float lift = (float) mblm_scene_draw_between (key, -0.12, 0.15);
  float contrast = (float) mblm_scene_draw_between (key, -0.3, 0.5);
  float v = 0.0f;

  if (scene->plain)
    lift = contrast = 0.0f;
  for (guint i = 0; i < LEVELS; i++) {
    float light = (float) i / (LEVELS - 1);

    /* the inverse of mblm_flat_to_linear, from the value before, by Newton */
    for (guint k = 0; k < 3; k++)
      v -= (mblm_flat_to_linear (v) - light) /
          (v * (v * 0.915918033f + 1.364343222f) + 0.012522878f);

    float bend = lift + contrast * (2.0f * v - 1.0f);
    curve[i] = 255.0f * (v + bend * v * (1.0f - v));
  }
}

/* Two numbers about as from a Gaussian: the sums of four bytes each. */
static inline void
draw_noise (guint64 *key, float *a, float *b)
{
  const guint64 pairs = G_GUINT64_CONSTANT (0x00ff00ff00ff00ff);
  guint64 bits = mblm_draw_next (key);

  /* four sums of two bytes, then two of four */
  bits = (bits & pairs) + (bits >> 8 & pairs);
  *a = ((float) (bits & 0x3ff) + (float) (bits >> 16 & 0x3ff) - 510.0f) /
      147.8f;
  *b = ((float) (bits >> 32 & 0x3ff) + (float) (bits >> 48) - 510.0f) / 147.8f;
}

static inline guint8
expose (float light, float noise, const float curve[LEVELS])
{
  float at = light * (LEVELS - 1) + 0.5f;
  float value = curve[at >= LEVELS ? LEVELS - 1 : (guint) at];

  /* more of it shows in the dark */
  value += noise * (1.3f - value * (0.6f / 255.0f)) + 0.5f;
  return (guint8) CLAMP (value, 0.0f, 255.0f);
}

static void
expose_row (const MblmFlatScene *scene, const Camera *camera, guint64 *key,
    guint row, const float curve[LEVELS], const float *light, guint8 *rgb)
{
  float y = (row + 0.5f) / scene->height - camera->y;

  for (guint column = 0; column < scene->width; column++) {
    float x = (column + 0.5f) / scene->width - camera->x;
    float shade = 1.0f - camera->falloff * (x * x + y * y);
    float noise[4];

    draw_noise (key, &noise[0], &noise[1]);
    draw_noise (key, &noise[2], &noise[3]);
    for (guint c = 0; c < 3; c++)
      *rgb++ = expose (
          *light++ * camera->gains[c] * shade, noise[c] * camera->noise, curve);
  }
}

MblmPicture *
mblm_flat_take_picture (
    const MblmFlatScene *scene, guint64 key, float *light, GError **error)
{
  gsize row = (gsize) scene->width * 3;
  float curve[LEVELS];
  Camera camera = {.gains = {1.0f, 1.0f, 1.0f}};
  MblmPicture *picture;

  float blur = scene->plain ? 0.0f : draw_blur (scene, &key);

  if (!mblm_flat_blur (scene, blur, light)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "no memory to blur a scene of %u x %u pixels", scene->width,
        scene->height);
    return NULL;
  }
  if (!scene->plain)
    draw_camera (&key, &camera);
  fill_curve (scene, &key, curve);
  picture = mblm_picture_alloc (scene->width, scene->height, error);
  if (!picture)
    return NULL;
  for (guint y = 0; y < scene->height; y++)
    expose_row (scene, &camera, &key, y, curve, light + y * row,
        picture->rgb + y * row);
  return picture;
}
