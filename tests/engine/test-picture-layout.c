/* test-picture-layout.c: from pixels to model bytes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The checksums are of what Pillow 11.3 makes of the same pixels. (Pillow 13
 * takes the vertical pass first where that is cheaper, with other roundings.)
 */

#include <string.h>

#include <json-glib/json-glib.h>

#include "npy.h"
#include "pictures.h"

static const struct {
  guint width, height, to_width, to_height;
  gboolean harsh;
  MblmFilter filter;
  const char *sum; /* of SHA-256, the beginning */
} resized[] = {
    {64, 48, 24, 18, FALSE, MBLM_FILTER_LANCZOS, "dad119b50234a2b9"},
    {97, 61, 24, 18, TRUE, MBLM_FILTER_LANCZOS, "2c810771fbb70148"},
    {24, 18, 24, 18, FALSE, MBLM_FILTER_LANCZOS, "a53909a73a204d13"},
    {24, 30, 24, 18, TRUE, MBLM_FILTER_LANCZOS, "ca1b5cd170cec2ff"},
    {30, 18, 24, 18, TRUE, MBLM_FILTER_LANCZOS, "0f70e96843039d2a"},
    {7, 5, 31, 22, TRUE, MBLM_FILTER_LANCZOS, "a19c9a8d6a34bc4a"},
    {640, 4, 3, 9, TRUE, MBLM_FILTER_LANCZOS, "8b930e7948794291"},
    {3, 500, 20, 7, TRUE, MBLM_FILTER_LANCZOS, "5c592e689ed38ea9"},
    {1, 1, 5, 4, FALSE, MBLM_FILTER_LANCZOS, "dc99d3c0c588b377"},
    {5000, 3, 2, 2, TRUE, MBLM_FILTER_LANCZOS, "0ce14c0db65ebba3"},
    {13, 11, 12, 12, TRUE, MBLM_FILTER_LANCZOS, "79e42f681d0417eb"},
    {64, 48, 24, 18, FALSE, MBLM_FILTER_BILINEAR, "4b5f42208bd46841"},
    {97, 61, 24, 18, TRUE, MBLM_FILTER_BILINEAR, "55081d74a7f6348d"},
    {24, 18, 24, 18, FALSE, MBLM_FILTER_BILINEAR, "a53909a73a204d13"},
    {24, 30, 24, 18, TRUE, MBLM_FILTER_BILINEAR, "8a82108de3862335"},
    {30, 18, 24, 18, TRUE, MBLM_FILTER_BILINEAR, "628d4222092c7ab0"},
    {7, 5, 31, 22, TRUE, MBLM_FILTER_BILINEAR, "dce40c0cc3817cfa"},
    {640, 4, 3, 9, TRUE, MBLM_FILTER_BILINEAR, "199987e49c5d2a8d"},
    {3, 500, 20, 7, TRUE, MBLM_FILTER_BILINEAR, "9d2dd466bb0e1ba2"},
    {1, 1, 5, 4, FALSE, MBLM_FILTER_BILINEAR, "dc99d3c0c588b377"},
    {5000, 3, 2, 2, TRUE, MBLM_FILTER_BILINEAR, "7adf76f1d1e0e545"},
    {13, 11, 12, 12, TRUE, MBLM_FILTER_BILINEAR, "8889d2aa61a1e8bb"},
    {64, 48, 24, 18, FALSE, MBLM_FILTER_AREA, "2a81ceb4cbcada9c"},
    {97, 61, 24, 18, TRUE, MBLM_FILTER_AREA, "db1a51ed78ba74ca"},
    {24, 18, 24, 18, FALSE, MBLM_FILTER_AREA, "a53909a73a204d13"},
    {24, 30, 24, 18, TRUE, MBLM_FILTER_AREA, "56731fc61de868e0"},
    {30, 18, 24, 18, TRUE, MBLM_FILTER_AREA, "b0c3f139cba1ae76"},
    {7, 5, 31, 22, TRUE, MBLM_FILTER_AREA, "6530f2d8257d3428"},
    {640, 4, 3, 9, TRUE, MBLM_FILTER_AREA, "450c4b2ae25777d3"},
    {3, 500, 20, 7, TRUE, MBLM_FILTER_AREA, "de6562effea853e5"},
    {1, 1, 5, 4, FALSE, MBLM_FILTER_AREA, "dc99d3c0c588b377"},
    {5000, 3, 2, 2, TRUE, MBLM_FILTER_AREA, "05a1e99a812828af"},
    {13, 11, 12, 12, TRUE, MBLM_FILTER_AREA, "421a6c603e15c9f9"},
};

static GBytes *
to_bytes (MblmPicture *picture, const MblmImageLayout *layout)
{
  g_autoptr (GError) error = NULL;
  GBytes *bytes = mblm_picture_to_bytes (picture, layout, &error);

  g_assert_no_error (error);
  return bytes;
}

static void
assert_sum (GBytes *bytes, const char *expected)
{
  g_autofree char *sum = g_compute_checksum_for_bytes (
      G_CHECKSUM_SHA256, bytes);

  sum[strlen (expected)] = '\0';
  g_assert_cmpstr (sum, ==, expected);
}

static void
test_resize (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (resized); i++) {
    MblmImageLayout layout = {.width = resized[i].to_width,
        .height = resized[i].to_height,
        .filter = resized[i].filter,
        .shift = -1};
    g_autoptr (MblmPicture) picture = test_picture (
        resized[i].width, resized[i].height, resized[i].harsh);
    g_autoptr (GBytes) bytes = to_bytes (picture, &layout);

    g_assert_cmpuint (g_bytes_get_size (bytes), ==,
        resized[i].to_width * resized[i].to_height * 3);
    assert_sum (bytes, resized[i].sum);
  }
}

/* Wide and tall extremes: nothing but that they work. */
static void
test_resize_extremes (void)
{
  static const guint sizes[][4] = {
      {16384, 1, 1, 16384}, {1, 16384, 40, 1}, {16384, 3, 16383, 2}};

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint filter = 0; filter < 3; filter++) {
      MblmImageLayout layout = {.width = sizes[i][2],
          .height = sizes[i][3],
          .filter = (MblmFilter) filter,
          .shift = -1};
      g_autoptr (MblmPicture)
          picture = test_picture (sizes[i][0], sizes[i][1], TRUE);
      g_autoptr (GBytes) bytes = to_bytes (picture, &layout);
      g_assert_cmpuint (
          g_bytes_get_size (bytes), ==, sizes[i][2] * sizes[i][3] * 3);
    }
}

static void
test_jpeg_bytes (void)
{
  static const struct {
    guint quality;
    gsize size;
    const char *sum;
  } files[] = {
      {1, 840, "1d7917fe41780453"},
      {30, 1629, "a4a96c95903294fd"},
      {75, 2487, "930019f7334f8a08"},
      {95, 4208, "ced55a8cb37800a7"},
  };
  g_autoptr (MblmPicture) picture = test_picture (40, 30, FALSE);

  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    MblmImageLayout layout = {.width = 40,
        .height = 30,
        .shift = -1,
        .jpeg = TRUE,
        .quality = files[i].quality};
    g_autoptr (GBytes) bytes = to_bytes (picture, &layout);
    gsize size;
    const guint8 *data = g_bytes_get_data (bytes, &size);

    g_assert_cmpuint (size, ==, files[i].size);
    assert_sum (bytes, files[i].sum);
    g_assert_cmpint (mblm_picture_find_end (data, size), ==, size);
    g_autoptr (MblmPicture) back = mblm_picture_decode (data, size, NULL);
    g_assert_nonnull (back);
  }
}

/* The margins of a crop are cut to whole pixels and lie on both sides. */
static void
test_crop (void)
{
  g_autofree guint8 *pixels = test_pixels (10, 7, FALSE);
  g_autoptr (MblmPicture) picture = test_picture (10, 7, FALSE);
  MblmImageLayout layout = {
      .width = 6, .height = 5, .shift = -1, .crop_w = 0.29, .crop_h = 0.2};
  g_autoptr (GBytes) bytes = to_bytes (picture, &layout);
  const guint8 *data = g_bytes_get_data (bytes, NULL);

  for (guint y = 0; y < 5; y++)
    g_assert_cmpmem (data + y * 18, 18, pixels + ((y + 1) * 10 + 2) * 3, 18);

  g_autoptr (GError) error = NULL;
  layout.crop_w = 0.5;
  g_assert_null (mblm_picture_to_bytes (picture, &layout, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
}

static void
test_planar (void)
{
  g_autofree guint8 *pixels = test_pixels (5, 4, FALSE);
  g_autoptr (MblmPicture) picture = test_picture (5, 4, FALSE);
  MblmImageLayout layout = {
      .width = 5, .height = 4, .shift = -1, .order = MBLM_ORDER_PLANAR};
  g_autoptr (GBytes) bytes = to_bytes (picture, &layout);
  const guint8 *data = g_bytes_get_data (bytes, NULL);

  for (guint i = 0; i < 60; i++)
    g_assert_cmpuint (data[i], ==, pixels[i % 20 * 3 + i / 20]);
}

static void
test_tiles (void)
{
  g_autofree guint8 *pixels = test_pixels (6, 4, FALSE);
  g_autoptr (MblmPicture) picture = test_picture (6, 4, FALSE);
  MblmImageLayout layout = {.width = 6,
      .height = 4,
      .shift = -1,
      .order = MBLM_ORDER_TILES,
      .tile_w = 3,
      .tile_h = 2};
  g_autoptr (GBytes) bytes = to_bytes (picture, &layout);
  const guint8 *data = g_bytes_get_data (bytes, NULL);

  g_assert_cmpuint (g_bytes_get_size (bytes), ==, 6 * 4 * 3);
  for (guint y = 0; y < 4; y++)
    for (guint x = 0; x < 6; x++)
      for (guint c = 0; c < 3; c++) {
        guint tile = y / 2 * 2 + x / 3, within = y % 2 * 3 + x % 3;

        g_assert_cmpuint (
            data[(tile * 6 + within) * 3 + c], ==, pixels[(y * 6 + x) * 3 + c]);
      }
}

/* A picture of every value: 0, 1, 2, ... */
static MblmPicture *
ramp (void)
{
  guint8 pixels[256 * 3];

  for (guint i = 0; i < sizeof (pixels); i++)
    pixels[i] = (guint8) i;
  return mblm_picture_new (256, 1, pixels, sizeof (pixels), NULL);
}

static void
test_levels (void)
{
  static const struct {
    guint bins;
    guint8 levels[3]; /* of 0, 127, 255 */
  } cases[] = {
      {1, {127, 127, 127}},
      {2, {63, 63, 191}},
      {3, {42, 127, 212}},
      {8, {15, 111, 239}},
      {254, {0, 126, 254}},
      {255, {0, 127, 255}},
      {4000, {0, 127, 255}},
  };
  g_autoptr (MblmPicture) picture = ramp ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    MblmImageLayout layout = {
        .width = 256, .height = 1, .shift = -1, .bins = cases[i].bins};
    g_autoptr (GBytes) bytes = to_bytes (picture, &layout);
    const guint8 *data = g_bytes_get_data (bytes, NULL);

    g_assert_cmpuint (data[0], ==, cases[i].levels[0]);
    g_assert_cmpuint (data[127], ==, cases[i].levels[1]);
    g_assert_cmpuint (data[255], ==, cases[i].levels[2]);
  }
}

static void
test_shift (void)
{
  g_autoptr (MblmPicture) picture = ramp ();
  MblmImageLayout layout = {.width = 256, .height = 1, .shift = 10, .bins = 4};
  g_autoptr (GBytes) bytes = to_bytes (picture, &layout);
  const guint8 *data = g_bytes_get_data (bytes, NULL);

  for (guint i = 0; i < 768; i++)
    g_assert_cmpuint (data[i], ==, 10 + MIN (i % 256 * 4 / 255, 3));

  g_autoptr (GError) error = NULL;
  layout.bins = 0;
  g_assert_null (mblm_picture_to_bytes (picture, &layout, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  layout.shift = 0;
  g_autoptr (GBytes) same = to_bytes (picture, &layout);
  g_assert_cmpmem (
      g_bytes_get_data (same, NULL), 768, mblm_picture_get_rgb (picture), 768);
}

/* ------------------------------------------------------------------------- */
/* What the published data pipeline made of rendered pictures                */
/* ------------------------------------------------------------------------- */

typedef struct {
  const char *name;
  MblmImageLayout layout;
} Setting;

static const Setting settings[] = {
    {"published",
        {.width = 62,
            .height = 41,
            .order = MBLM_ORDER_PLANAR,
            .crop_w = 0.1,
            .crop_h = 0.1,
            .shift = -1}},
    {"words",
        {.width = 40,
            .height = 30,
            .order = MBLM_ORDER_PLANAR,
            .crop_w = 0.2,
            .crop_h = 0.05,
            .shift = -1}},
    {"bins",
        {.width = 62,
            .height = 41,
            .order = MBLM_ORDER_PLANAR,
            .bins = 8,
            .shift = -1}},
    {"bins-shifted",
        {.width = 62,
            .height = 41,
            .order = MBLM_ORDER_PLANAR,
            .bins = 8,
            .shift = 10}},
    {"jpeg",
        {.width = 160,
            .height = 120,
            .jpeg = TRUE,
            .quality = 30,
            .shift = -1}},
};

/* A row holds start, question, end, start, picture, end, ... */
static void
check_row (const Setting *setting, const gint32 *row, gsize length,
    MblmPicture *picture, const char *question)
{
  g_autoptr (GBytes) bytes = to_bytes (picture, &setting->layout);
  gsize n, at = strlen (question) + 3;
  const guint8 *data = g_bytes_get_data (bytes, &n);

  g_assert_cmpuint (at + n + 1, <=, length);
  g_assert_cmpint (row[at - 1], ==, 131);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpint (row[at + i], ==, data[i]);
  g_assert_cmpint (row[at + n], ==, 129);
}

static void
test_published (void)
{
  const char *shared = g_getenv ("MBLM_TEST_SHARED");
  g_autofree char *golden = g_build_filename (
      shared ? shared : "", "golden", "clevr", NULL);
  g_autofree char *pictures = g_build_filename (shared ? shared : "", "data",
      "clevr", "samples", "renders_b", "images", NULL);
  g_autofree char *questions = g_build_filename (
      golden, "questions.json", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (!g_file_test (questions, G_FILE_TEST_EXISTS)) {
    g_test_skip ("the shared golden outputs are not there");
    return;
  }
  json_parser_load_from_file (parser, questions, &error);
  g_assert_no_error (error);
  JsonArray *list = json_node_get_array (json_parser_get_root (parser));
  for (guint s = 0; s < G_N_ELEMENTS (settings); s++) {
    g_autofree char *name = g_strconcat (settings[s].name, "-ids.npy", NULL);
    g_autofree char *path = g_build_filename (golden, name, NULL);
    g_auto (MblmNpy) ids = {0};
    mblm_npy_load_ids (path, &ids, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (ids.shape[0], ==, json_array_get_length (list));

    for (guint i = 0; i < json_array_get_length (list); i++) {
      JsonObject *entry = json_array_get_object_element (list, i);
      g_autofree char *file = g_build_filename (pictures,
          json_object_get_string_member (entry, "image_filename"), NULL);
      g_autoptr (MblmPicture) picture = mblm_picture_load (file, &error);
      g_assert_no_error (error);
      check_row (&settings[s], (gint32 *) ids.data + i * ids.shape[1],
          ids.shape[1], picture,
          json_object_get_string_member (entry, "question"));
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/picture-layout/resize", test_resize);
  g_test_add_func ("/picture-layout/resize-extremes", test_resize_extremes);
  g_test_add_func ("/picture-layout/jpeg", test_jpeg_bytes);
  g_test_add_func ("/picture-layout/crop", test_crop);
  g_test_add_func ("/picture-layout/planar", test_planar);
  g_test_add_func ("/picture-layout/tiles", test_tiles);
  g_test_add_func ("/picture-layout/levels", test_levels);
  g_test_add_func ("/picture-layout/shift", test_shift);
  g_test_add_func ("/picture-layout/published", test_published);
  return g_test_run ();
}
