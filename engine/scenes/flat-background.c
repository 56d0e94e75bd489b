/* flat-background.c: what is behind the shapes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Patterns are numbers from 0 to 1 that mix two colours. The colours are drawn
 * again until every object can be told from them, and so is the part of a
 * photograph, which is also paler than it was, as what is on it is what is asked
 * about.
 */

#include "config.h"

#include <math.h>
#include <string.h>

#include "flat.h"

#include "picture-private.h"

/* What people see well, and objects keep from what is around them. */
#define CONTRAST 0.23f
/* Draws of two colours, of which the best are taken at last. */
#define COLOR_TRIES 40
#define PHOTOGRAPH_TRIES 4
#define PHOTOGRAPH_SHARE 0.35

/* ------------------------------------------------------------------------- */
/* Colours                                                                   */
/* ------------------------------------------------------------------------- */

/* A wall, a table, a sheet of paper: often grey, seldom of a strong colour. */
static void
draw_surface (guint64 *key, float rgb[3])
{
  guint kind = mblm_scene_draw_below (key, 10);
  double vary = kind < 4 ? 0.03 : kind < 8 ? 0.15 : 0.5;
  double level = mblm_scene_draw_between (key, 0.02, 0.98);

  for (guint c = 0; c < 3; c++) {
    double encoded = level + mblm_scene_draw_between (key, -vary, vary);

    rgb[c] = mblm_flat_to_linear ((float) CLAMP (encoded, 0.0, 1.0));
  }
}

static void
mix (const float a[3], const float b[3], float share, float out[3])
{
  for (guint c = 0; c < 3; c++)
    out[c] = a[c] + share * (b[c] - a[c]);
}

/* How well an object is seen against a colour. The darker parts of a texture may
 * be half as plain: its other parts show where they are. */
static float
find_contrast (const MblmFlatObject *object, const float behind[3])
{
  float contrast = mblm_flat_distance (behind, object->rgb);
  float dark[3];

  if (object->texture == MBLM_FLAT_PLAIN)
    return contrast;
  for (guint c = 0; c < 3; c++)
    dark[c] = object->rgb[c] * MBLM_FLAT_DARKER;
  return MIN (contrast, 2.0f * mblm_flat_distance (behind, dark));
}

/* That of the object seen worst, against any mixture of two colours. */
static float
find_least_contrast (
    const MblmFlatScene *scene, const float a[3], const float b[3])
{
  const guint steps = 4;
  float least = 1.0f;

  for (guint k = 0; k <= steps; k++) {
    float mixed[3];

    mix (a, b, (float) k / steps, mixed);
    for (guint i = 0; i < scene->n; i++)
      least = MIN (least, find_contrast (&scene->objects[i], mixed));
  }
  return least;
}

static void
draw_colors (
    const MblmFlatScene *scene, guint64 *key, float best_a[3], float best_b[3])
{
  float best = -1.0f;

  for (guint try = 0; try < COLOR_TRIES && best < CONTRAST; try++) {
    float strength = (float) mblm_scene_draw_between (key, 0.1, 0.7);
    float a[3], b[3];

    draw_surface (key, a);
    draw_surface (key, b);
    mix (a, b, strength, b);
    float contrast = find_least_contrast (scene, a, b);
    if (contrast > best) {
      best = contrast;
      memcpy (best_a, a, sizeof (a));
      memcpy (best_b, b, sizeof (b));
    }
  }
}

/* ------------------------------------------------------------------------- */
/* Patterns: into the first of the three numbers of a pixel                  */
/* ------------------------------------------------------------------------- */

static void
fill_plain (const MblmFlatScene *scene, guint64 *key, float *light)
{
  gsize n = (gsize) scene->width * scene->height;

  for (gsize i = 0; i < n; i++)
    light[i * 3] = 0.0f;
}

/* From somewhere on, in any direction or in circles. */
static void
fill_gradient (const MblmFlatScene *scene, guint64 *key, float *light)
{
  gboolean round = mblm_scene_draw_coin (key, 0.3);
  float x0 = (float) mblm_scene_draw_between (key, 0.0, 1.0);
  float y0 = (float) mblm_scene_draw_between (key, 0.0, 1.0);
  float across = (float) mblm_scene_draw_between (key, -1.0, 1.0);
  float down = (float) mblm_scene_draw_between (key, -1.0, 1.0);

  for (guint row = 0; row < scene->height; row++)
    for (guint column = 0; column < scene->width; column++, light += 3) {
      float x = (column + 0.5f) / scene->width - x0;
      float y = (row + 0.5f) / scene->height - y0;
      float t = round ? sqrtf (x * x + y * y)
                      : 0.5f + 0.7f * (across * x + down * y);

      light[0] = CLAMP (t, 0.0f, 1.0f);
    }
}

/* Stripes, or squares where two of them cross. */
static void
fill_stripes (const MblmFlatScene *scene, guint64 *key, float *light)
{
  gboolean crossed = mblm_scene_draw_coin (key, 0.4);
  float shorter = MIN (scene->width, scene->height);
  float waves = (float) mblm_scene_draw_between (key, 2.0, 12.0) / shorter;
  float across = (float) mblm_scene_draw_between (key, -1.0, 1.0);
  float down = sqrtf (1.0f - across * across);
  /* the width of an edge: a pixel at least */
  float soft = (float) mblm_scene_draw_between (key, 0.0, 0.3);

  soft = MAX (soft, waves);
  for (guint row = 0; row < scene->height; row++)
    for (guint column = 0; column < scene->width; column++, light += 3) {
      float u = (across * column + down * row) * waves;
      float v = (down * column - across * row) * waves;
      /* triangles, from -0.25 to 0.25 */
      float t = fabsf (u - floorf (u) - 0.5f) - 0.25f;

      t = CLAMP (t / soft + 0.5f, 0.0f, 1.0f);
      if (crossed) {
        float s = fabsf (v - floorf (v) - 0.5f) - 0.25f;

        s = CLAMP (s / soft + 0.5f, 0.0f, 1.0f);
        t = t + s - 2.0f * t * s;
      }
      light[0] = t;
    }
}

static inline float
smooth (float t)
{
  return t * t * (3.0f - 2.0f * t);
}

/* Adds `share` of a number that varies between random ones `cell` pixels apart. */
static void
add_noise (const MblmFlatScene *scene, guint64 *key, float cell, float share,
    float *light)
{
  guint width = (guint) (scene->width / cell) + 2;
  guint height = (guint) (scene->height / cell) + 2;
  g_autofree float *grid = g_new (float, (gsize) width *height);
  g_autofree float *line = g_new (float, width);

  for (gsize i = 0; i < (gsize) width * height; i++)
    grid[i] = share * (float) mblm_scene_draw_between (key, 0.0, 1.0);
  for (guint row = 0; row < scene->height; row++) {
    float y = row / cell;
    const float *above = grid + (gsize) y * width;
    float part = smooth (y - floorf (y));

    for (guint i = 0; i < width; i++)
      line[i] = above[i] + part * (above[width + i] - above[i]);
    for (guint column = 0; column < scene->width; column++, light += 3) {
      float x = column / cell;
      guint i = (guint) x;

      light[0] += line[i] + smooth (x - i) * (line[i + 1] - line[i]);
    }
  }
}

/* Clouds, stone or sand. */
static void
fill_noise (const MblmFlatScene *scene, guint64 *key, float *light)
{
  guint octaves = 1 + mblm_scene_draw_below (key, 4);
  double cells = mblm_scene_draw_between (key, 2.0, 16.0);
  float cell = (float) (MIN (scene->width, scene->height) / cells);
  float share = 1.0f, sum = 0.0f;

  for (guint i = 0; i < octaves; i++, share *= 0.6f)
    sum += share;
  fill_plain (scene, key, light);
  share = 1.0f / sum;
  for (guint i = 0; i < octaves; i++, share *= 0.6f, cell *= 0.5f)
    add_noise (scene, key, MAX (cell, 1.0f), share, light);
}

static void
paint_pattern (const MblmFlatScene *scene, guint64 *key, float *light)
{
  static void (*const fills[]) (const MblmFlatScene *, guint64 *, float *) = {
      fill_plain, fill_gradient, fill_stripes, fill_noise};
  gsize n = (gsize) scene->width * scene->height;
  guint kind = scene->plain ? 0
                            : mblm_scene_draw_below (key, G_N_ELEMENTS (fills));
  float a[3], b[3];

  draw_colors (scene, key, a, b);
  fills[kind](scene, key, light);
  for (gsize i = 0; i < n; i++)
    mix (a, b, light[i * 3], light + i * 3);
}

/* ------------------------------------------------------------------------- */
/* Photographs                                                               */
/* ------------------------------------------------------------------------- */

/* Whether objects can be told from what is around them there. */
static gboolean
can_tell (const MblmFlatScene *scene, const float *light)
{
  static const float around[][2] = {{1.0f, 0.0f}, {0.7f, 0.7f}, {0.0f, 1.0f},
      {-0.7f, 0.7f}, {-1.0f, 0.0f}, {-0.7f, -0.7f}, {0.0f, -1.0f},
      {0.7f, -0.7f}};

  for (guint i = 0; i < scene->n; i++) {
    const MblmFlatObject *object = &scene->objects[i];
    float pixels = (float) mblm_flat_pixels (scene, object);
    guint alike = 0;

    for (guint k = 0; k < 2 * G_N_ELEMENTS (around); k++) {
      float far = pixels * (k % 2 ? 1.2f : 0.9f);
      int x = (int) ((float) object->x * scene->width + far * around[k / 2][0]);
      int y = (int) ((float) object->y * scene->height +
          far * around[k / 2][1]);

      x = CLAMP (x, 0, (int) scene->width - 1);
      y = CLAMP (y, 0, (int) scene->height - 1);
      alike += find_contrast (object,
                   light + ((gsize) y * scene->width + x) * 3) < CONTRAST;
    }
    if (alike > 2)
      return FALSE;
  }
  return TRUE;
}

/* Paler, and sometimes the other way round. */
static void
develop (
    const MblmFlatScene *scene, guint64 *key, const guint8 *rgb, float *light)
{
  gboolean mirrored = mblm_scene_draw_coin (key, 0.5);
  float share = (float) mblm_scene_draw_between (key, 0.4, 0.9);
  float color = (float) mblm_scene_draw_between (key, 0.2, 0.8);
  float haze = (float) mblm_scene_draw_between (key, 0.02, 0.7);
  float linear[256];

  for (guint i = 0; i < 256; i++)
    linear[i] = share * mblm_flat_to_linear (i / 255.0f);
  haze *= 1.0f - share;
  for (guint row = 0; row < scene->height; row++)
    for (guint column = 0; column < scene->width; column++, rgb += 3) {
      guint to = mirrored ? scene->width - 1 - column : column;
      float *out = light + ((gsize) row * scene->width + to) * 3;
      float luma = 0.3f * linear[rgb[0]] + 0.59f * linear[rgb[1]] +
          0.11f * linear[rgb[2]];

      for (guint c = 0; c < 3; c++)
        out[c] = haze + luma + color * (linear[rgb[c]] - luma);
    }
}

/* A part of a photograph; FALSE where that hides an object, and where there is
 * no memory. */
static gboolean
paint_photograph (
    const MblmFlatScene *scene, guint64 *key, MblmPicture *photo, float *light)
{
  double scale = MIN ((double) photo->width / scene->width,
                     (double) photo->height / scene->height) *
      mblm_scene_draw_between (key, 0.25, 0.75);
  guint width = MAX ((guint) (scene->width * scale), 1);
  guint height = MAX ((guint) (scene->height * scale), 1);
  guint left = mblm_scene_draw_below (key, photo->width - width + 1);
  guint top = mblm_scene_draw_below (key, photo->height - height + 1);
  gsize stride = (gsize) photo->width * 3;
  g_autofree guint8 *part = g_try_malloc (
      (gsize) scene->width * scene->height * 3);

  if (!part ||
      !mblm_picture_resize (photo->rgb + top * stride + left * 3, stride, width,
          height, part, scene->width, scene->height, MBLM_FILTER_BILINEAR,
          NULL))
    return FALSE;
  develop (scene, key, part, light);
  return can_tell (scene, light);
}

void
mblm_flat_paint_background (const MblmFlatScene *scene, guint64 key,
    GPtrArray *photographs, float *light)
{
  if (photographs && !scene->plain &&
      mblm_scene_draw_coin (&key, PHOTOGRAPH_SHARE)) {
    guint which = mblm_scene_draw_below (&key, photographs->len);

    for (guint try = 0; try < PHOTOGRAPH_TRIES; try++)
      if (paint_photograph (scene, &key, photographs->pdata[which], light))
        return;
  }
  paint_pattern (scene, &key, light);
}
