/* flat-shapes.c: the shapes, their colours and textures.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A shape is its signed distance: how far a point is from its edge, negative
 * inside (the formulas for polygons and the star are Inigo Quilez'). A pixel is
 * covered by as much as its middle is inside, in pixels, which is as smooth as if
 * many points of it had been looked at. Coordinates are those of the object:
 * turned, and 1 at the circle around it.
 */

#include "config.h"

#include <math.h>

#include "flat.h"

/* ------------------------------------------------------------------------- */
/* Colours                                                                   */
/* ------------------------------------------------------------------------- */

/* sRGB. Far enough from each other that none becomes another one when the light
 * changes as in flat-camera.c. */
static const float bases[MBLM_FLAT_N_COLORS][3] = {
    {0.85f, 0.08f, 0.10f}, /* red */
    {0.12f, 0.60f, 0.16f}, /* green */
    {0.10f, 0.24f, 0.86f}, /* blue */
    {0.97f, 0.88f, 0.10f}, /* yellow */
    {0.50f, 0.13f, 0.70f}, /* purple */
    {0.10f, 0.82f, 0.88f}, /* cyan */
    {0.52f, 0.52f, 0.52f}, /* gray */
    {0.43f, 0.24f, 0.10f}, /* brown */
    {0.98f, 0.52f, 0.04f}, /* orange */
    {0.99f, 0.55f, 0.74f}, /* pink */
};

/* The curve of sRGB within 0.002, without a power. */
float
mblm_flat_to_linear (float x)
{
  return x * (x * (x * 0.305306011f + 0.682171111f) + 0.012522878f);
}

void
mblm_flat_draw_color (guint64 *key, guint color, float rgb[3])
{
  double bright = mblm_scene_draw_between (key, 0.93, 1.04);
  /* gray stays gray */
  double vary = bases[color][0] == bases[color][1] ? 0.01 : 0.03;

  for (guint c = 0; c < 3; c++) {
    double encoded = bases[color][c] * bright +
        mblm_scene_draw_between (key, -vary, vary);

    rgb[c] = mblm_flat_to_linear ((float) CLAMP (encoded, 0.0, 1.0));
  }
}

float
mblm_flat_distance (const float a[3], const float b[3])
{
  /* luma and colour differences, of values about as even as sRGB's */
  float r = sqrtf (a[0]) - sqrtf (b[0]), g = sqrtf (a[1]) - sqrtf (b[1]);
  float blue = sqrtf (a[2]) - sqrtf (b[2]);
  float luma = 0.3f * r + 0.59f * g + 0.11f * blue;

  r -= luma;
  blue -= luma;
  return sqrtf (luma * luma + 0.5f * r * r + 0.2f * blue * blue);
}

/* ------------------------------------------------------------------------- */
/* Shapes                                                                    */
/* ------------------------------------------------------------------------- */

static float
box (float x, float y, float half_width, float half_height)
{
  float dx = fabsf (x) - half_width, dy = fabsf (y) - half_height;
  float out_x = MAX (dx, 0.0f), out_y = MAX (dy, 0.0f);

  return sqrtf (out_x * out_x + out_y * out_y) + MIN (MAX (dx, dy), 0.0f);
}

/* Equilateral, with its corners at 1. */
static float
triangle (float x, float y)
{
  const float k = 1.7320508f, half = 0.8660254f; /* root of 3; of the side */

  x = fabsf (x) - half;
  y += half / k;
  if (x + k * y > 0.0f) {
    float old = x;

    x = (old - k * y) * 0.5f;
    y = (-k * old - y) * 0.5f;
  }
  x -= CLAMP (x, -2.0f * half, 0.0f);
  return y > 0.0f ? -sqrtf (x * x + y * y) : sqrtf (x * x + y * y);
}

/* Five points at 1, and between them corners at `inner`. */
static float
star (float x, float y)
{
  const float inner = 0.47f;
  /* the cosine and sine of 36 degrees, and the middle of a corner and a point */
  const float cosine = 0.809016994f, sine = 0.587785252f;
  float corner_x = inner * sine, corner_y = inner * cosine - 1.0f;
  float fold;

  x = fabsf (x);
  fold = MAX (cosine * x - sine * y, 0.0f) * 2.0f;
  x -= fold * cosine;
  y += fold * sine;
  fold = MAX (-cosine * x - sine * y, 0.0f) * 2.0f;
  x += fold * cosine;
  y += fold * sine;
  x = fabsf (x);
  y -= 1.0f;

  float along = (x * corner_x + y * corner_y) /
      (corner_x * corner_x + corner_y * corner_y);
  along = CLAMP (along, 0.0f, 1.0f);
  float dx = x - corner_x * along, dy = y - corner_y * along;
  float distance = sqrtf (dx * dx + dy * dy);

  return y * corner_x - x * corner_y > 0.0f ? distance : -distance;
}

/* The distance to the edge, in radii; areas are about alike. */
static float
distance (MblmFlatShape shape, float x, float y)
{
  switch (shape) {
    case MBLM_FLAT_CIRCLE:
      return sqrtf (x * x + y * y) - 0.88f;
    case MBLM_FLAT_SQUARE:
      return box (x, y, 0.7f, 0.7f);
    case MBLM_FLAT_TRIANGLE:
      return triangle (x, y);
    case MBLM_FLAT_STAR:
      return star (x, y);
    case MBLM_FLAT_RING:
      return fabsf (sqrtf (x * x + y * y) - 0.72f) - 0.22f;
    case MBLM_FLAT_BAR:
      return box (x, y, 0.96f, 0.25f);
  }
  return 1.0f;
}

/* ------------------------------------------------------------------------- */
/* Textures                                                                  */
/* ------------------------------------------------------------------------- */

/* How far it is to the middle of the nearest of what repeats. */
static float
repeat (float x, float period)
{
  return fabsf (x - period * floorf (x / period + 0.5f));
}

/* The distance to the edge of what is darker. */
static float
texture_distance (MblmFlatTexture texture, float x, float y)
{
  const float period = 0.5f;

  if (texture == MBLM_FLAT_STRIPED)
    return repeat (x + 0.25f * period, period) - 0.22f * period;
  float dx = repeat (x, period), dy = repeat (y, period);
  return sqrtf (dx * dx + dy * dy) - 0.3f * period;
}

static void
paint_object (
    const MblmFlatScene *scene, const MblmFlatObject *object, float *light)
{
  float pixels = (float) mblm_flat_pixels (scene, object);
  float x0 = (float) object->x * scene->width;
  float y0 = (float) object->y * scene->height;
  float cosine = (float) object->cosine / pixels;
  float sine = (float) object->sine / pixels;
  int left = MAX ((int) (x0 - pixels) - 1, 0);
  int right = MIN ((int) (x0 + pixels) + 2, (int) scene->width);
  int top = MAX ((int) (y0 - pixels) - 1, 0);
  int bottom = MIN ((int) (y0 + pixels) + 2, (int) scene->height);

  for (int row = top; row < bottom; row++)
    for (int column = left; column < right; column++) {
      float *out = light + ((gsize) row * scene->width + column) * 3;
      float dx = column + 0.5f - x0, dy = row + 0.5f - y0;
      float x = cosine * dx + sine * dy, y = cosine * dy - sine * dx;
      float cover = 0.5f - distance (object->shape, x, y) * pixels;
      float shade = 1.0f;

      if (cover <= 0.0f)
        continue;
      cover = MIN (cover, 1.0f);
      if (object->texture != MBLM_FLAT_PLAIN) {
        float dark = 0.5f - texture_distance (object->texture, x, y) * pixels;

        shade -= (1.0f - MBLM_FLAT_DARKER) * CLAMP (dark, 0.0f, 1.0f);
      }
      for (guint c = 0; c < 3; c++)
        out[c] += cover * (object->rgb[c] * shade - out[c]);
    }
}

void
mblm_flat_paint_objects (const MblmFlatScene *scene, float *light)
{
  for (guint i = 0; i < scene->n; i++)
    paint_object (scene, &scene->objects[i], light);
}
