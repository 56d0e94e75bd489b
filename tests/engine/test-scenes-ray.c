/* test-scenes-ray.c: the camera, and what a traced picture shows.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#include "formats.h"
#include "mblm.h"
#include "scenes/ray.h"

static const MblmRayScene usual = {
    .camera = {7.4811f, -6.5076f, 5.3437f},
    .key = {6.4467f, -2.9052f, 4.2584f},
    .fill = {-4.6711f, -4.0136f, 3.0112f},
    .back = {-1.1685f, 2.6460f, 5.8157f},
};

/* With one red object in the middle. */
static MblmRayScene
show (MblmRayShape shape, gboolean metal)
{
  MblmRayScene scene = usual;

  scene.n_objects = 1;
  scene.objects[0] = (MblmRayObject){
      shape, metal, 0.7f, 0.0f, 0.0f, 0.8f, 0.6f, {0.68f, 0.14f, 0.14f}};
  return scene;
}

static MblmPicture *
render (const MblmRayScene *scene, guint width, guint height)
{
  g_autoptr (GError) error = NULL;
  MblmPicture *picture = mblm_ray_render (scene, width, height, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (mblm_picture_get_width (picture), ==, width);
  g_assert_cmpuint (mblm_picture_get_height (picture), ==, height);
  return picture;
}

static const guint8 *
get_pixel (MblmPicture *picture, MblmVec at)
{
  guint width = mblm_picture_get_width (picture);

  return mblm_picture_get_rgb (picture) +
      3 * ((guint) at.y * width + (guint) at.x);
}

/* Of two pictures of one size. */
static double
measure_difference (MblmPicture *a, MblmPicture *b)
{
  const guint8 *one = mblm_picture_get_rgb (a), *two = mblm_picture_get_rgb (b);
  gsize n = 3 * mblm_picture_get_width (a) * mblm_picture_get_height (a);
  double sum = 0;

  for (gsize i = 0; i < n; i++)
    sum += ABS (one[i] - two[i]);
  return sum / n;
}

/* ------------------------------------------------------------------------- */
/* The camera                                                                */
/* ------------------------------------------------------------------------- */

/* Of the published renders, in their order: fitted, as their scenes don't tell. */
static const MblmVec cameras[] = {
    {7.35142f, -6.72034f, 4.99796f},
    {7.71949f, -6.93091f, 5.29311f},
    {7.28159f, -6.85107f, 5.50205f},
    {7.24165f, -6.97478f, 5.67660f},
    {7.75115f, -6.87283f, 5.13330f},
    {7.43213f, -6.32657f, 5.18836f},
    {7.22506f, -6.51654f, 5.13843f},
    {6.99380f, -6.21464f, 5.36377f},
    {7.04346f, -6.22434f, 5.65190f},
    {7.62548f, -6.11919f, 5.15096f},
};

/* The objects of the third of these: places, and where they are in it. */
static const struct {
  MblmVec place;
  int x, y;
  float distance;
} placed[] = {
    {{-2.6526f, -2.2654f, 0.35f}, 55, 105, 11.576f},
    {{-2.6746f, -0.1400f, 0.70f}, 107, 78, 12.697f},
    {{2.1486f, -1.5507f, 0.35f}, 173, 158, 8.941f},
    {{2.6256f, -2.6635f, 0.35f}, 154, 186, 7.969f},
    {{2.3045f, 2.0701f, 0.70f}, 260, 104, 10.847f},
    {{0.2998f, 2.6258f, 0.70f}, 219, 81, 12.460f},
    {{1.5207f, 0.3357f, 0.70f}, 204, 114, 10.306f},
    {{-2.9732f, 1.4622f, 0.35f}, 136, 74, 14.018f},
    {{-1.4003f, 2.3076f, 0.35f}, 179, 80, 13.522f},
    {{0.5342f, -2.2050f, 0.70f}, 114, 131, 9.410f},
};

static void
test_camera (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (placed); i++) {
    MblmVec at = mblm_ray_project (cameras[2], placed[i].place, 320, 240);
    MblmVec half = mblm_ray_project (cameras[2], placed[i].place, 160, 120);

    /* published as whole pixels */
    g_assert_cmpfloat (fabsf (at.x - placed[i].x), <, 0.51f);
    g_assert_cmpfloat (fabsf (at.y - placed[i].y), <, 0.51f);
    g_assert_cmpfloat (fabsf (at.z - placed[i].distance), <, 2e-3f);
    g_assert_cmpfloat (fabsf (half.x - at.x / 2), <, 1e-3f);
    g_assert_cmpfloat (fabsf (half.y - at.y / 2), <, 1e-3f);
  }

  /* a picture that is wider shows as much of the height, to 3 : 2 on */
  MblmVec wide = mblm_ray_project (usual.camera, placed[0].place, 450, 300);
  MblmVec wider = mblm_ray_project (usual.camera, placed[0].place, 900, 300);
  g_assert_cmpfloat (fabsf (wide.y - wider.y), <, 1e-3f);
  g_assert_cmpfloat (fabsf (wide.x - 225 - (wider.x - 450)), <, 1e-3f);
}

/* ------------------------------------------------------------------------- */
/* Pictures                                                                  */
/* ------------------------------------------------------------------------- */

static float
get_number (JsonArray *array, guint i)
{
  return (float) json_array_get_double_element (array, i);
}

static MblmRayScene
read_scene (JsonObject *entry, MblmVec camera)
{
  static const char *const names[] = {
      "gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"};
  static const guint8 colours[][3] = {{87, 87, 87}, {173, 35, 35},
      {42, 75, 215}, {29, 105, 20}, {129, 74, 25}, {129, 38, 192},
      {41, 208, 208}, {255, 238, 51}};
  static const char *const shapes[] = {"cube", "sphere", "cylinder"};
  JsonArray *objects = json_object_get_array_member (entry, "objects");
  MblmRayScene scene = usual;

  scene.camera = camera;
  scene.n_objects = json_array_get_length (objects);
  for (guint i = 0; i < scene.n_objects; i++) {
    JsonObject *from = json_array_get_object_element (objects, i);
    JsonArray *place = json_object_get_array_member (from, "3d_coords");
    double turn = json_object_get_double_member (from, "rotation");
    guint colour = 0, shape = 0;

    while (!g_str_equal (
        names[colour], json_object_get_string_member (from, "color")))
      colour++;
    while (!g_str_equal (
        shapes[shape], json_object_get_string_member (from, "shape")))
      shape++;
    /* the published turn is in radians, though it reads like degrees */
    scene.objects[i] = (MblmRayObject){.shape = (MblmRayShape) shape,
        .metal = g_str_equal (
            json_object_get_string_member (from, "material"), "metal"),
        .radius = get_number (place, 2),
        .x = get_number (place, 0),
        .y = get_number (place, 1),
        .cosine = (float) cos (turn),
        .sine = (float) sin (turn)};
    for (guint c = 0; c < 3; c++)
      scene.objects[i].colour[c] = colours[colour][c] / 255.0f;
  }
  return scene;
}

/* The published pictures, traced anew: their lamps were moved at random, so that
 * they are near and not the same. */
static void
test_published (void)
{
  g_autofree char *folder = formats_shared ("data/clevr/samples/renders_b");
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  if (!folder) {
    g_test_skip ("the published renders are not here");
    return;
  }

  g_autofree char *path = g_build_filename (folder, "CLEVR_scenes.json", NULL);
  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  JsonArray *scenes = json_object_get_array_member (
      json_node_get_object (json_parser_get_root (parser)), "scenes");
  g_assert_cmpuint (json_array_get_length (scenes), ==, G_N_ELEMENTS (cameras));
  for (guint i = 0; i < G_N_ELEMENTS (cameras); i++) {
    JsonObject *entry = json_array_get_object_element (scenes, i);
    MblmRayScene scene = read_scene (entry, cameras[i]);
    MblmRayScene bare = scene;
    g_autofree char *file = g_build_filename (folder, "images",
        json_object_get_string_member (entry, "image_filename"), NULL);
    g_autoptr (MblmPicture) published = mblm_picture_load (file, &error);
    g_assert_no_error (error);
    g_autoptr (MblmPicture) ours = render (&scene, 320, 240);
    bare.n_objects = 0;
    g_autoptr (MblmPicture) floor = render (&bare, 320, 240);
    double difference = measure_difference (ours, published);

    g_test_message ("%u: %.2f; without objects %.2f", i, difference,
        measure_difference (floor, published));
    g_assert_cmpfloat (difference, <, 8.0);
    g_assert_cmpfloat (
        difference + 0.5, <, measure_difference (floor, published));
  }
}

static void
test_objects (void)
{
  MblmVec middle = {0.0f, 0.0f, 0.7f}, beside = {2.0f, -1.5f, 0.0f};

  for (guint shape = 0; shape < 3; shape++) {
    MblmRayScene rubber = show ((MblmRayShape) shape, FALSE);
    MblmRayScene metal = show ((MblmRayShape) shape, TRUE);
    g_autoptr (MblmPicture) one = render (&rubber, 160, 120);
    g_autoptr (MblmPicture) two = render (&metal, 160, 120);
    g_autoptr (MblmPicture) three = render (&usual, 160, 120);
    const guint8 *red = get_pixel (
        one, mblm_ray_project (usual.camera, middle, 160, 120));
    const guint8 *grey = get_pixel (
        one, mblm_ray_project (usual.camera, beside, 160, 120));
    guint darker = 0;

    g_assert_cmpuint (red[0], >, red[1] + 40);
    g_assert_cmpuint (ABS (red[1] - red[2]), <, 12);
    g_assert_cmpuint (ABS (grey[0] - grey[2]), <, 20);
    g_assert_cmpuint (grey[0], >, 100);
    g_assert_cmpfloat (measure_difference (one, two), >, 0.2);
    /* it throws shadows: floor that is no object got darker */
    for (guint i = 0; i < 160 * 120; i++) {
      const guint8 *with = mblm_picture_get_rgb (one) + 3 * i;
      const guint8 *without = mblm_picture_get_rgb (three) + 3 * i;

      darker += with[0] + 8 < without[0] && ABS (with[0] - with[1]) < 6;
    }
    g_assert_cmpuint (darker, >, 80);
  }
}

static void
test_pixels (void)
{
  guint pixels[MBLM_RAY_MAX_OBJECTS];
  MblmRayScene scene = show (MBLM_RAY_SPHERE, FALSE);
  float distance = sqrtf (7.4811f * 7.4811f + 6.5076f * 6.5076f +
      (5.3437f - 0.7f) * (5.3437f - 0.7f));
  /* a sphere's outline is a circle but for the edges of the picture */
  double radius = 35.0 / 32 * 640 * 0.7 /
      sqrt (distance * distance - 0.7 * 0.7);

  mblm_ray_count_pixels (&scene, 640, 480, pixels);
  g_assert_cmpfloat (fabs (pixels[0] / (G_PI * radius * radius) - 1), <, 0.02);
  /* what stands in front covers it */
  scene.n_objects = 2;
  scene.objects[1] = scene.objects[0];
  scene.objects[1].x = 1.2f;
  scene.objects[1].y = -1.04f;

  guint alone = pixels[0];
  mblm_ray_count_pixels (&scene, 640, 480, pixels);
  g_assert_cmpuint (pixels[0], <, alone - alone / 5);
  g_assert_cmpuint (pixels[0], >, 0);
  g_assert_cmpuint (pixels[1], >, alone);
}

/* A little picture is what a large one is from afar: edges are smooth. */
static void
test_edges (void)
{
  enum { WIDTH = 64, HEIGHT = 48, TIMES = 5 };
  MblmRayScene scene = show (MBLM_RAY_CUBE, FALSE);
  g_autoptr (MblmPicture) little = render (&scene, WIDTH, HEIGHT);
  g_autoptr (MblmPicture)
      large = render (&scene, WIDTH * TIMES, HEIGHT * TIMES);
  const guint8 *rgb = mblm_picture_get_rgb (large);
  double sum = 0;

  for (guint i = 0; i < WIDTH * HEIGHT * 3; i++) {
    guint x = i / 3 % WIDTH, y = i / 3 / WIDTH;
    double mean = 0;

    for (guint k = 0; k < TIMES * TIMES; k++)
      mean += rgb[3 *
              ((y * TIMES + k / TIMES) * WIDTH * TIMES + x * TIMES +
                  k % TIMES) +
          i % 3];
    sum += fabs (mean / (TIMES * TIMES) - mblm_picture_get_rgb (little)[i]);
  }
  g_assert_cmpfloat (sum / (WIDTH * HEIGHT * 3), <, 0.8);
}

static void
test_sizes (void)
{
  static const guint sizes[][2] = {
      {1, 1}, {7, 3}, {3, 7}, {200, 20}, {20, 200}};
  static const guint wrong[][2] = {{0, 0}, {0, 5}, {5, 0}, {20000, 1}};
  MblmRayScene scene = show (MBLM_RAY_CYLINDER, TRUE);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (MblmPicture) one = render (&scene, sizes[i][0], sizes[i][1]);
    g_autoptr (MblmPicture) two = render (&scene, sizes[i][0], sizes[i][1]);

    g_assert_cmpfloat (measure_difference (one, two), ==, 0.0);
  }
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (mblm_ray_render (&scene, wrong[i][0], wrong[i][1], &error));
    g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scenes/ray/camera", test_camera);
  g_test_add_func ("/scenes/ray/published", test_published);
  g_test_add_func ("/scenes/ray/objects", test_objects);
  g_test_add_func ("/scenes/ray/pixels", test_pixels);
  g_test_add_func ("/scenes/ray/edges", test_edges);
  g_test_add_func ("/scenes/ray/sizes", test_sizes);
  return g_test_run ();
}
