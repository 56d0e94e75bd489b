/* test-scenes-flat-parts.c: where plain shapes are, how they are drawn, and blur.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <string.h>

#include "scenes/flat.h"

/* Whole, apart, and large enough. */
static void
test_places (void)
{
  static const guint sizes[][2] = {
      {128, 96}, {16, 16}, {96, 128}, {64, 16}, {16, 64}, {720, 480}};

  for (guint64 key = 0; key < 6000; key++) {
    const guint *size = sizes[key % G_N_ELEMENTS (sizes)];
    MblmSceneRequest request = {
        .key = key, .width = size[0], .height = size[1]};
    MblmFlatScene scene;

    mblm_flat_scene (&request, &scene);
    g_assert_cmpuint (scene.n, >=, 1);
    g_assert_cmpuint (scene.n, <=, 5);
    for (guint i = 0; i < scene.n; i++) {
      const MblmFlatObject *a = &scene.objects[i];
      double radius = a->radius * MIN (size[0], size[1]);
      double x = a->x * size[0], y = a->y * size[1];

      g_assert_cmpfloat (a->radius * 2, >, 1.0 / 6);
      g_assert_true (a->big == (a->radius > 0.135));
      g_assert_cmpfloat (x - radius, >, 0);
      g_assert_cmpfloat (x + radius, <, size[0]);
      g_assert_cmpfloat (y - radius, >, 0);
      g_assert_cmpfloat (y + radius, <, size[1]);
      for (guint k = 0; k < i; k++) {
        const MblmFlatObject *b = &scene.objects[k];
        double dx = x - b->x * size[0], dy = y - b->y * size[1];

        g_assert_cmpfloat (sqrt (dx * dx + dy * dy), >,
            radius + b->radius * MIN (size[0], size[1]));
      }
    }
  }
}

/* Light that a shape of 1 covers, alone on black, and how far it reaches. */
static double
measure (MblmFlatShape shape, double cosine, double radius, guint side,
    double *reach)
{
  MblmFlatScene scene = {.width = side, .height = side, .n = 1};
  g_autofree float *light = g_new0 (float, (gsize) side *side * 3);
  double sum = 0.0;

  scene.objects[0] = (MblmFlatObject){
      .shape = shape,
      .x = 0.503,
      .y = 0.489,
      .radius = radius / side,
      .cosine = cosine,
      .sine = sqrt (1.0 - cosine * cosine),
      .rgb = {1.0f, 1.0f, 1.0f},
  };
  mblm_flat_paint_objects (&scene, light);
  *reach = 0.0;
  for (guint i = 0; i < side * side; i++) {
    double x = i % side + 0.5 - 0.503 * side, y = i / side + 0.5 - 0.489 * side;

    g_assert_true (light[i * 3] >= 0.0f && light[i * 3] <= 1.0f);
    sum += light[i * 3];
    if (light[i * 3] > 0.5f)
      *reach = MAX (*reach, sqrt (x * x + y * y));
  }
  return sum / (radius * radius);
}

static void
test_shapes (void)
{
  static const struct {
    double area, reach;
  } expected[] = {
      [MBLM_FLAT_CIRCLE] = {G_PI * 0.88 * 0.88, 0.88},
      [MBLM_FLAT_SQUARE] = {1.4 * 1.4, 0.7 * G_SQRT2},
      [MBLM_FLAT_TRIANGLE] = {1.299038, 1.0},
      [MBLM_FLAT_STAR] = {5 * 0.47 * 0.587785, 1.0},
      [MBLM_FLAT_RING] = {G_PI * (0.94 * 0.94 - 0.5 * 0.5), 0.94},
      [MBLM_FLAT_BAR] = {1.92 * 0.5, 0.99202},
  };

  for (guint shape = 0; shape < MBLM_FLAT_N_SHAPES; shape++)
    for (guint turn = 0; turn <= 10; turn++)
      for (double radius = 5.0; radius < 200.0; radius *= 5.0) {
        double reach;
        double area = measure (
            shape, turn / 10.0, radius, (guint) (2.5 * radius), &reach);

        g_assert_cmpfloat_with_epsilon (
            area, expected[shape].area, 0.25 / radius);
        g_assert_cmpfloat_with_epsilon (
            reach / radius, expected[shape].reach, 1.2 / radius);
      }
}

/* Light is spread, as far as is said, the same in both directions, and none is
 * lost or comes from the edges. */
static void
test_blur (void)
{
  static const float radii[] = {0.0f, 1.0f, 1.5f, 2.0f, 4.7f, 30.0f};
  MblmFlatScene scene = {.width = 21, .height = 17};
  MblmFlatScene turned = {.width = 17, .height = 21};

  for (guint r = 0; r < G_N_ELEMENTS (radii); r++) {
    float point[21 * 17 * 3] = {0}, across[21 * 17 * 3], down[21 * 17 * 3];
    double sum = 0.0;

    for (guint i = 0; i < 21 * 17 * 3; i++)
      across[i] = (float) (i * 2654435761u % 1000) / 1000.0f;
    for (guint y = 0; y < 17; y++)
      for (guint x = 0; x < 21; x++)
        memcpy (down + (x * 17 + y) * 3, across + (y * 21 + x) * 3,
            3 * sizeof (float));
    point[(8 * 21 + 10) * 3 + 1] = 1.0f;
    g_assert_true (mblm_flat_blur (&scene, radii[r], point));
    g_assert_true (mblm_flat_blur (&scene, radii[r], across));
    g_assert_true (mblm_flat_blur (&turned, radii[r], down));
    for (guint y = 0; y < 17; y++)
      for (guint x = 0; x < 21; x++)
        for (guint c = 0; c < 3; c++) {
          float value = point[(y * 21 + x) * 3 + c];
          gboolean near = ABS ((int) x - 10) < MAX (radii[r], 1) &&
              ABS ((int) y - 8) < MAX (radii[r], 1);

          g_assert_true ((value > 0.0f) == (c == 1 && near));
          sum += value;
          g_assert_cmpfloat_with_epsilon (
              across[(y * 21 + x) * 3 + c], down[(x * 17 + y) * 3 + c], 1e-5);
        }
    /* a wide one meets the edges, which go on as they end */
    if (radii[r] < 8)
      g_assert_cmpfloat_with_epsilon (sum, 1.0, 1e-5);
  }
}

/* ------------------------------------------------------------------------- */

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scenes-flat-parts/places", test_places);
  g_test_add_func ("/scenes-flat-parts/shapes", test_shapes);
  g_test_add_func ("/scenes-flat-parts/blur", test_blur);
  return g_test_run ();
}
