/* test-picture.c: decoding, orientation, and pictures in a stream of bytes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <stdio.h>
#include <string.h>

#include <glib/gstdio.h>
#include <jpeglib.h>
#include <png.h>

#include "pictures.h"

static void
assert_pixels (MblmPicture *picture, guint width, guint height,
    const guint8 *pixels, guint tolerance)
{
  const guint8 *rgb = mblm_picture_get_rgb (picture);

  g_assert_cmpuint (mblm_picture_get_width (picture), ==, width);
  g_assert_cmpuint (mblm_picture_get_height (picture), ==, height);
  for (gsize i = 0; i < (gsize) width * height * 3; i++)
    g_assert_cmpint (ABS (rgb[i] - pixels[i]), <=, tolerance);
}

static MblmPicture *
decode (const GByteArray *file)
{
  g_autoptr (GError) error = NULL;
  MblmPicture *picture = mblm_picture_decode (file->data, file->len, &error);

  g_assert_no_error (error);
  g_assert_nonnull (picture);
  return picture;
}

static void
assert_refused (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  MblmPicture *picture = mblm_picture_decode (data, size, &error);

  g_assert_null (picture);
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

static void
test_new (void)
{
  g_autofree guint8 *pixels = test_pixels (8, 3, FALSE);
  g_autoptr (GError) error = NULL;
  guint8 narrow[3 * 2 * 3];

  /* rows further apart than they are long */
  g_autoptr (MblmPicture) picture = mblm_picture_new (2, 3, pixels, 24, &error);
  g_assert_no_error (error);
  for (guint y = 0; y < 3; y++)
    memcpy (narrow + y * 6, pixels + y * 24, 6);
  assert_pixels (picture, 2, 3, narrow, 0);

  g_assert_null (mblm_picture_new (3, 1, pixels, 8, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_clear_error (&error);
  g_assert_null (mblm_picture_new (0, 1, pixels, 24, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_clear_error (&error);
  g_assert_null (mblm_picture_new (16385, 1, pixels, 1 << 20, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
}

/* ------------------------------------------------------------------------- */
/* PNG                                                                       */
/* ------------------------------------------------------------------------- */

static guint
read_bits (const guint8 *row, guint at, guint bits)
{
  return row[at * bits / 8] >> (8 - bits - at * bits % 8) & ((1u << bits) - 1);
}

/* Every colour type and depth, interlaced too, against what it means. */
static void
test_png_types (void)
{
  static const struct {
    int type, bits;
    guint channels;
  } kinds[] = {
      {PNG_COLOR_TYPE_RGB, 8, 3},
      {PNG_COLOR_TYPE_RGB, 16, 3},
      {PNG_COLOR_TYPE_RGB_ALPHA, 8, 4},
      {PNG_COLOR_TYPE_RGB_ALPHA, 16, 4},
      {PNG_COLOR_TYPE_GRAY, 1, 1},
      {PNG_COLOR_TYPE_GRAY, 2, 1},
      {PNG_COLOR_TYPE_GRAY, 4, 1},
      {PNG_COLOR_TYPE_GRAY, 8, 1},
      {PNG_COLOR_TYPE_GRAY, 16, 1},
      {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 2},
      {PNG_COLOR_TYPE_GRAY_ALPHA, 16, 2},
      {PNG_COLOR_TYPE_PALETTE, 1, 1},
      {PNG_COLOR_TYPE_PALETTE, 2, 1},
      {PNG_COLOR_TYPE_PALETTE, 4, 1},
      {PNG_COLOR_TYPE_PALETTE, 8, 1},
  };
  const guint width = 13, height = 11;
  g_autofree guint8 *noise = test_pixels (width * 8, height, FALSE);

  for (guint k = 0; k < G_N_ELEMENTS (kinds) * 2; k++) {
    guint bits = (guint) kinds[k / 2].bits, channels = kinds[k / 2].channels;
    gsize row_size = ((gsize) width * channels * bits + 7) / 8;
    guint8 expected[13 * 11 * 3];
    g_autoptr (GByteArray) file = test_png (
        width, height, (int) bits, kinds[k / 2].type, k % 2, noise, row_size);

    for (guint i = 0; i < width * height; i++) {
      const guint8 *row = noise + i / width * row_size;
      guint8 *out = expected + i * 3;
      for (guint c = 0; c < 3; c++) {
        guint at = i % width * channels + (channels > 2 ? c : 0);
        guint value = bits == 16 ? row[2 * at] : read_bits (row, at, bits);
        if (kinds[k / 2].type == PNG_COLOR_TYPE_PALETTE)
          value = c == 0 ? value : c == 1 ? 255 - value : value ^ 85;
        else if (bits < 8)
          value = value * 255 / ((1u << bits) - 1);
        out[c] = (guint8) value;
      }
    }
    g_autoptr (MblmPicture) picture = decode (file);
    assert_pixels (picture, width, height, expected, 0);
  }
}

/* Gamma, broken profiles and huge texts change nothing. */
static void
test_png_chunks (void)
{
  g_autoptr (MblmPicture) picture = test_picture (9, 7, FALSE);
  g_autoptr (GByteArray) file = test_png_rgb (picture);
  static const guint8 gamma[4] = {0, 0, 1, 0};
  g_autofree guint8 *text = g_malloc0 (1 << 20);

  test_png_add_chunk (file, "gAMA", gamma, sizeof (gamma));
  test_png_add_chunk (file, "iCCP", (const guint8 *) "x\0\0rubbish", 10);
  test_png_add_chunk (file, "zTXt", text, 1 << 20);
  test_png_add_chunk (file, "prIv", NULL, 0);
  g_autoptr (MblmPicture) decoded = decode (file);
  assert_pixels (decoded, 9, 7, mblm_picture_get_rgb (picture), 0);
}

/* ------------------------------------------------------------------------- */
/* JPEG                                                                      */
/* ------------------------------------------------------------------------- */

static void
test_jpeg_types (void)
{
  guint8 pixels[16 * 16 * 4], expected[16 * 16 * 3];

  /* a smooth grey */
  for (guint i = 0; i < 256; i++) {
    pixels[i] = (guint8) (i / 16 * 8 + i % 16 * 8);
    memset (expected + 3 * i, pixels[i], 3);
  }
  for (guint progressive = 0; progressive < 2; progressive++) {
    g_autoptr (GByteArray) file = test_jpeg (
        16, 16, 1, JCS_GRAYSCALE, JCS_GRAYSCALE, progressive, pixels);
    g_autoptr (MblmPicture) picture = decode (file);
    assert_pixels (picture, 16, 16, expected, 4);
  }

  /* one colour, in RGB and YCbCr */
  for (guint i = 0; i < 256; i++)
    memcpy (expected + 3 * i, (guint8[]){200, 30, 90}, 3);
  static const int spaces[] = {JCS_RGB, JCS_YCbCr};
  for (guint i = 0; i < G_N_ELEMENTS (spaces); i++) {
    g_autoptr (GByteArray)
        file = test_jpeg (16, 16, 3, JCS_RGB, spaces[i], i, expected);
    g_autoptr (MblmPicture) picture = decode (file);
    assert_pixels (picture, 16, 16, expected, 3);
  }

  /* inverted ink, as everybody stores it: 255 is none */
  for (guint i = 0; i < 256; i++) {
    memcpy (pixels + 4 * i, (guint8[]){255, 102, 0, 200}, 4);
    memcpy (expected + 3 * i, (guint8[]){200, 80, 0}, 3);
  }
  static const int inks[] = {JCS_CMYK, JCS_YCCK};
  for (guint i = 0; i < G_N_ELEMENTS (inks); i++) {
    g_autoptr (GByteArray)
        file = test_jpeg (16, 16, 4, JCS_CMYK, inks[i], FALSE, pixels);
    g_autoptr (MblmPicture) picture = decode (file);
    assert_pixels (picture, 16, 16, expected, 4);
  }
}

/* ------------------------------------------------------------------------- */
/* Bounds and damage                                                         */
/* ------------------------------------------------------------------------- */

static void
test_sizes (void)
{
  static const guint sizes[][2] = {{1, 1}, {16384, 1}, {1, 16384}, {16384, 2}};

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (MblmPicture)
        picture = test_picture (sizes[i][0], sizes[i][1], FALSE);
    g_autoptr (GByteArray) png = test_png_rgb (picture);
    g_autoptr (GByteArray) jpeg = test_jpeg_rgb (picture);
    g_autoptr (MblmPicture) a = decode (png), b = decode (jpeg);

    assert_pixels (
        a, sizes[i][0], sizes[i][1], mblm_picture_get_rgb (picture), 0);
    g_assert_cmpuint (mblm_picture_get_width (b), ==, sizes[i][0]);
    g_assert_cmpuint (mblm_picture_get_height (b), ==, sizes[i][1]);
  }
}

/* Widths and heights that a header claims and nothing backs. */
static void
test_claims (void)
{
  static const guint claims[][2] = {
      {0, 1}, {1, 0}, {16385, 1}, {16384, 16384}, {0x7fffffff, 0x7fffffff}};
  g_autoptr (MblmPicture) picture = test_picture (3, 2, FALSE);

  for (guint i = 0; i < G_N_ELEMENTS (claims); i++) {
    g_autoptr (GByteArray) png = test_png_rgb (picture);
    guint8 size[8];
    for (guint k = 0; k < 8; k++)
      size[k] = (guint8) (claims[i][k / 4] >> (24 - 8 * (k % 4)));
    /* the header chunk anew, in front of the old one */
    g_autoptr (GByteArray) file = g_byte_array_new ();
    guint8 header[13];
    memcpy (header, size, 8);
    memcpy (header + 8, "\10\2\0\0", 5);
    g_byte_array_append (file, png->data, png->len);
    test_png_add_chunk (file, "IHDR", header, sizeof (header));
    memmove (file->data + 8, file->data + 33, 25);
    assert_refused (file->data, file->len);
  }

  g_autoptr (GByteArray) jpeg = test_jpeg_rgb (picture);
  for (guint i = 0; i + 9 < jpeg->len; i++)
    if (jpeg->data[i] == 0xff && jpeg->data[i + 1] == 0xc0) {
      memset (jpeg->data + i + 5, 0xff, 4);
      assert_refused (jpeg->data, jpeg->len);
      memset (jpeg->data + i + 5, 0, 4);
      assert_refused (jpeg->data, jpeg->len);
      return;
    }
  g_assert_not_reached ();
}

static void
test_truncated (void)
{
  g_autoptr (MblmPicture) picture = test_picture (20, 15, FALSE);
  g_autoptr (GByteArray) png = test_png_rgb (picture);
  g_autoptr (GByteArray) jpeg = test_jpeg_rgb (picture);
  g_autoptr (GByteArray) progressive = test_jpeg (
      20, 15, 3, JCS_RGB, JCS_YCbCr, TRUE, mblm_picture_get_rgb (picture));
  GByteArray *const files[] = {png, jpeg, progressive};

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    for (guint n = 0; n < files[i]->len; n++) {
      /* in memory of just that size, so that reading on is noticed */
      g_autofree guint8 *part = g_memdup2 (files[i]->data, n);
      assert_refused (part, n);
      g_assert_cmpint (mblm_picture_find_end (part, n), ==, 0);
    }
}

static void
test_damaged (void)
{
  g_autoptr (MblmPicture) picture = test_picture (40, 30, FALSE);
  g_autoptr (GByteArray) png = test_png_rgb (picture);
  g_autoptr (GByteArray) jpeg = test_jpeg_rgb (picture);
  g_autoptr (GRand) random = g_rand_new_with_seed (7);

  assert_refused ((const guint8 *) "GIF89a", 6);
  memset (jpeg->data + jpeg->len / 2, 0, jpeg->len / 4);
  assert_refused (jpeg->data, jpeg->len);
  png->data[png->len / 2] ^= 1;
  assert_refused (png->data, png->len);

  /* anything may come of it but a crash */
  for (guint i = 0; i < 3000; i++) {
    GByteArray *file = i % 2 ? png : jpeg;
    g_autofree guint8 *copy = g_memdup2 (file->data, file->len);
    for (guint k = 0; k < 4; k++)
      copy[g_rand_int_range (random, 2, i % 3 ? (gint) file->len : 64)] =
          (guint8) g_rand_int (random);
    g_autoptr (MblmPicture)
        result = mblm_picture_decode (copy, file->len, NULL);
    mblm_picture_find_end (copy, file->len);
  }
}

/* Cameras pad the end of a picture; a long rest is no padding. */
static void
test_padding (void)
{
  g_autoptr (MblmPicture) picture = test_picture (20, 15, FALSE);
  const guint sizes[] = {1, 8, 40, 500};

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (GByteArray) file = test_jpeg_rgb (picture);
    guint8 end[2] = {0xff, 0xd9};
    g_byte_array_set_size (file, file->len - 2);
    for (guint k = 0; k < sizes[i]; k++)
      g_byte_array_append (file, (const guint8 *) "\0", 1);
    g_byte_array_append (file, end, sizeof (end));
    if (sizes[i] > 8) {
      assert_refused (file->data, file->len);
    } else {
      g_autoptr (MblmPicture) decoded = decode (file);
      g_assert_cmpuint (mblm_picture_get_width (decoded), ==, 20);
    }
    g_assert_cmpint (
        mblm_picture_find_end (file->data, file->len), ==, file->len);
  }
}

/* ------------------------------------------------------------------------- */
/* Orientation                                                               */
/* ------------------------------------------------------------------------- */

/* The first channel of the pixels of
 *   1 2 3
 *   4 5 6
 * turned upright. */
static const struct {
  guint width, height;
  guint8 values[6];
} upright[] = {
    [1] = {3, 2, {1, 2, 3, 4, 5, 6}},
    [2] = {3, 2, {3, 2, 1, 6, 5, 4}},
    [3] = {3, 2, {6, 5, 4, 3, 2, 1}},
    [4] = {3, 2, {4, 5, 6, 1, 2, 3}},
    [5] = {2, 3, {1, 4, 2, 5, 3, 6}},
    [6] = {2, 3, {4, 1, 5, 2, 6, 3}},
    [7] = {2, 3, {6, 3, 5, 2, 4, 1}},
    [8] = {2, 3, {3, 6, 2, 5, 1, 4}},
};

static void
assert_upright (MblmPicture *picture, guint orientation)
{
  guint8 pixels[18];

  for (guint i = 0; i < 6; i++)
    for (guint c = 0; c < 3; c++)
      pixels[3 * i + c] = (guint8) (upright[orientation].values[i] * 20 +
          40 * c);
  assert_pixels (picture, upright[orientation].width,
      upright[orientation].height, pixels, 0);
}

static void
test_orientation (void)
{
  guint8 pixels[18];
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 18; i++)
    pixels[i] = (guint8) ((i / 3 + 1) * 20 + i % 3 * 40);
  g_autoptr (MblmPicture) picture = mblm_picture_new (3, 2, pixels, 9, &error);
  for (guint o = 1; o <= 8; o++) {
    g_autoptr (MblmPicture)
        turned = mblm_picture_orient (picture, (MblmOrientation) o, &error);
    g_assert_no_error (error);
    assert_upright (turned, o);

    for (guint big = 0; big < 2; big++) {
      g_autoptr (GByteArray) png = test_png_rgb (picture);
      test_add_exif (png, (MblmOrientation) o, big);
      g_autoptr (MblmPicture) decoded = decode (png);
      assert_upright (decoded, o);

      g_autoptr (GByteArray) jpeg = test_jpeg_rgb (picture);
      test_add_exif (jpeg, (MblmOrientation) o, big);
      g_autoptr (MblmPicture) other = decode (jpeg);
      g_assert_cmpuint (mblm_picture_get_width (other), ==, upright[o].width);
    }
  }
  g_assert_null (mblm_picture_orient (picture, 9, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
}

/* EXIF data that is cut anywhere or holds rubbish says nothing. */
static void
test_broken_exif (void)
{
  g_autoptr (MblmPicture) picture = test_picture (3, 2, FALSE);
  g_autoptr (GByteArray) whole = test_jpeg_rgb (picture);
  test_add_exif (whole, MBLM_ORIENTATION_6, TRUE);
  const guint8 *exif = whole->data + 6;

  for (guint n = 0; n < 44; n++) {
    g_autoptr (GByteArray) file = test_jpeg_rgb (picture);
    test_jpeg_add_segment (file, 0xe1, exif, n);
    g_autoptr (MblmPicture) decoded = decode (file);
    /* the orientation itself ends at byte 38 */
    g_assert_cmpuint (mblm_picture_get_width (decoded), ==, n < 38 ? 3 : 2);

    guint8 rubbish[44];
    memcpy (rubbish, exif, sizeof (rubbish));
    memset (rubbish + MAX (n, 6), 0xff, sizeof (rubbish) - MAX (n, 6));
    g_autoptr (GByteArray) other = test_jpeg_rgb (picture);
    test_jpeg_add_segment (other, 0xe1, rubbish, sizeof (rubbish));
    g_autoptr (MblmPicture) kept = decode (other);
    g_assert_nonnull (kept);
  }
}

/* ------------------------------------------------------------------------- */
/* Streams                                                                   */
/* ------------------------------------------------------------------------- */

static void
test_find_end (void)
{
  g_autoptr (MblmPicture) picture = test_picture (30, 20, FALSE);
  g_autoptr (MblmPicture) small = test_picture (8, 8, FALSE);
  g_autoptr (GByteArray) thumbnail = test_jpeg_rgb (small);
  g_autoptr (GByteArray) jpeg = test_jpeg_rgb (picture);
  g_autoptr (GByteArray) png = test_png_rgb (picture);
  g_autoptr (GByteArray) progressive = test_jpeg (
      30, 20, 3, JCS_RGB, JCS_YCbCr, TRUE, mblm_picture_get_rgb (picture));
  GByteArray *const files[] = {jpeg, png, progressive, jpeg, jpeg, png, png};

  test_jpeg_add_segment (jpeg, 0xe2, thumbnail->data, thumbnail->len);
  test_png_add_chunk (png, "thMb", png->data, png->len);

  g_autoptr (GByteArray) stream = g_byte_array_new ();
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    g_byte_array_append (stream, files[i]->data, files[i]->len);
  gsize at = 0;
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_assert_cmpint (
        mblm_picture_find_end (stream->data + at, stream->len - at), ==,
        files[i]->len);
    at += files[i]->len;
  }
  g_assert_cmpuint (at, ==, stream->len);
  g_assert_cmpint (mblm_picture_find_end ((const guint8 *) "GIF", 3), ==, -1);
  g_assert_cmpint (mblm_picture_find_end ((const guint8 *) "\xff", 1), ==, 0);
  g_assert_cmpint (
      mblm_picture_find_end ((const guint8 *) "\xff\0", 2), ==, -1);
  g_assert_cmpint (
      mblm_picture_find_end ((const guint8 *) "\x89PNX", 4), ==, -1);
  g_assert_cmpint (mblm_picture_find_end (NULL, 0), ==, 0);
}

/* A picture that was cut short costs no other one. */
static void
test_find_next (void)
{
  g_autoptr (MblmPicture) picture = test_picture (30, 20, FALSE);
  g_autoptr (GByteArray) jpeg = test_jpeg_rgb (picture);
  g_autoptr (GByteArray) png = test_png_rgb (picture);

  g_autoptr (GByteArray) stream = g_byte_array_new ();
  g_byte_array_append (stream, jpeg->data, jpeg->len - 20);
  g_byte_array_append (stream, jpeg->data, jpeg->len);
  g_assert_cmpint (
      mblm_picture_find_end (stream->data, stream->len), ==, jpeg->len - 20);

  g_byte_array_set_size (stream, 0);
  g_byte_array_append (stream, png->data, 33);
  g_byte_array_append (stream, png->data, png->len);
  g_assert_cmpint (mblm_picture_find_end (stream->data, stream->len), ==, 33);
}

static void
test_load (void)
{
  g_autoptr (MblmPicture) picture = test_picture (5, 4, FALSE);
  g_autoptr (GByteArray) png = test_png_rgb (picture);
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("mblm-XXXXXX", &error);
  g_autofree char *path = g_build_filename (folder, "picture.png", NULL);

  g_file_set_contents (path, (const char *) png->data, png->len, &error);
  g_assert_no_error (error);
  g_autoptr (MblmPicture) loaded = mblm_picture_load (path, &error);
  g_assert_no_error (error);
  assert_pixels (loaded, 5, 4, mblm_picture_get_rgb (picture), 0);

  g_file_set_contents (path, "", 0, NULL);
  g_assert_null (mblm_picture_load (path, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  g_assert_nonnull (strstr (error->message, "picture.png"));
  g_clear_error (&error);
  g_unlink (path);
  g_assert_null (mblm_picture_load (path, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/picture/new", test_new);
  g_test_add_func ("/picture/png/types", test_png_types);
  g_test_add_func ("/picture/png/chunks", test_png_chunks);
  g_test_add_func ("/picture/jpeg/types", test_jpeg_types);
  g_test_add_func ("/picture/sizes", test_sizes);
  g_test_add_func ("/picture/claims", test_claims);
  g_test_add_func ("/picture/truncated", test_truncated);
  g_test_add_func ("/picture/damaged", test_damaged);
  g_test_add_func ("/picture/padding", test_padding);
  g_test_add_func ("/picture/orientation", test_orientation);
  g_test_add_func ("/picture/broken-exif", test_broken_exif);
  g_test_add_func ("/picture/find-end", test_find_end);
  g_test_add_func ("/picture/find-next", test_find_next);
  g_test_add_func ("/picture/load", test_load);
  return g_test_run ();
}
