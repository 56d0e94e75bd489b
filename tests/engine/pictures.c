/* pictures.c: small pictures and files of them, made on the fly.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#include "pictures.h"

guint8 *
test_pixels (guint width, guint height, gboolean harsh)
{
  guint8 *out = g_malloc ((gsize) width * height * 3), *p = out;

  for (guint y = 0; y < height; y++)
    for (guint x = 0; x < width; x++)
      for (guint c = 0; c < 3; c++) {
        guint32 v = x * 73856093u ^ y * 19349663u ^ c * 83492791u;
        v ^= v >> 13;
        v *= 0x5bd1e995u;
        v ^= v >> 15;
        *p++ = (guint8) (harsh ? (v & 1) * 255 : v & 255);
      }
  return out;
}

MblmPicture *
test_picture (guint width, guint height, gboolean harsh)
{
  g_autofree guint8 *pixels = test_pixels (width, height, harsh);
  g_autoptr (GError) error = NULL;
  MblmPicture *picture = mblm_picture_new (
      width, height, pixels, (gsize) width * 3, &error);

  g_assert_no_error (error);
  return picture;
}

/* ------------------------------------------------------------------------- */

static void
append_png (png_structp png, png_bytep data, size_t n)
{
  g_byte_array_append (png_get_io_ptr (png), data, (guint) n);
}

static void
flush_png (png_structp png)
{
}

GByteArray *
test_png (guint width, guint height, int bit_depth, int color_type,
    gboolean interlaced, const guint8 *rows, gsize row_size)
{
  GByteArray *file = g_byte_array_new ();
  png_structp png = png_create_write_struct (
      PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct (png);

  if (setjmp (png_jmpbuf (png)) != 0)
    g_assert_not_reached ();
  png_set_write_fn (png, file, append_png, flush_png);
  png_set_IHDR (png, info, width, height, bit_depth, color_type,
      interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
      PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (color_type == PNG_COLOR_TYPE_PALETTE) {
    png_color palette[256];
    guint8 alpha[4] = {0, 128, 255, 7};

    for (int i = 0; i < 1 << bit_depth; i++)
      palette[i] = (png_color){
          (png_byte) i, (png_byte) (255 - i), (png_byte) (i ^ 85)};
    png_set_PLTE (png, info, palette, 1 << bit_depth);
    png_set_tRNS (png, info, alpha, 2, NULL);
  }
  png_write_info (png, info);
  int passes = png_set_interlace_handling (png);
  while (passes-- > 0)
    for (guint y = 0; y < height; y++)
      png_write_row (png, rows + y * row_size);
  png_write_end (png, NULL);
  png_destroy_write_struct (&png, &info);
  return file;
}

GByteArray *
test_png_rgb (MblmPicture *picture)
{
  guint width = mblm_picture_get_width (picture);

  return test_png (width, mblm_picture_get_height (picture), 8,
      PNG_COLOR_TYPE_RGB, FALSE, mblm_picture_get_rgb (picture),
      (gsize) width * 3);
}

GByteArray *
test_jpeg (guint width, guint height, guint components, int space, int stored,
    gboolean progressive, const guint8 *pixels)
{
  struct jpeg_compress_struct codec;
  struct jpeg_error_mgr manager;
  unsigned char *bytes = NULL;
  unsigned long size = 0;

  codec.err = jpeg_std_error (&manager);
  jpeg_create_compress (&codec);
  jpeg_mem_dest (&codec, &bytes, &size);
  codec.image_width = width;
  codec.image_height = height;
  codec.input_components = (int) components;
  codec.in_color_space = (J_COLOR_SPACE) space;
  jpeg_set_defaults (&codec);
  jpeg_set_colorspace (&codec, (J_COLOR_SPACE) stored);
  jpeg_set_quality (&codec, 90, TRUE);
  if (progressive)
    jpeg_simple_progression (&codec);
  jpeg_start_compress (&codec, TRUE);
  while (codec.next_scanline < height) {
    JSAMPROW row = (JSAMPROW) pixels +
        (gsize) codec.next_scanline * width * components;
    jpeg_write_scanlines (&codec, &row, 1);
  }
  jpeg_finish_compress (&codec);
  jpeg_destroy_compress (&codec);

  GByteArray *file = g_byte_array_new ();
  g_byte_array_append (file, bytes, (guint) size);
  free (bytes);
  return file;
}

GByteArray *
test_jpeg_rgb (MblmPicture *picture)
{
  return test_jpeg (mblm_picture_get_width (picture),
      mblm_picture_get_height (picture), 3, JCS_RGB, JCS_YCbCr, FALSE,
      mblm_picture_get_rgb (picture));
}

/* ------------------------------------------------------------------------- */

static void
insert (GByteArray *file, guint at, const guint8 *data, guint n)
{
  guint before = file->len;

  g_byte_array_set_size (file, before + n);
  memmove (file->data + at + n, file->data + at, before - at);
  memcpy (file->data + at, data, n);
}

void
test_jpeg_add_segment (
    GByteArray *file, guint8 marker, const guint8 *data, gsize size)
{
  guint8 head[4] = {
      0xff, marker, (guint8) ((size + 2) >> 8), (guint8) (size + 2)};

  insert (file, 2, data, (guint) size);
  insert (file, 2, head, sizeof (head));
}

static void
put_be32 (guint8 *to, guint32 value)
{
  for (guint i = 0; i < 4; i++)
    to[i] = (guint8) (value >> (24 - 8 * i));
}

/* The checksum of a chunk, bit by bit. */
static guint32
crc (const guint8 *data, gsize n)
{
  guint32 sum = 0xffffffffu;

  for (gsize i = 0; i < n; i++) {
    sum ^= data[i];
    for (guint bit = 0; bit < 8; bit++)
      sum = sum & 1 ? sum >> 1 ^ 0xedb88320u : sum >> 1;
  }
  return ~sum;
}

void
test_png_add_chunk (
    GByteArray *file, const char *name, const guint8 *data, gsize size)
{
  const guint header = 8 + 25; /* signature and IHDR */
  g_autofree guint8 *chunk = g_malloc (size + 12);

  put_be32 (chunk, (guint32) size);
  memcpy (chunk + 4, name, 4);
  if (size > 0)
    memcpy (chunk + 8, data, size);
  put_be32 (chunk + 8 + size, crc (chunk + 4, size + 4));
  insert (file, header, chunk, (guint) size + 12);
}

void
test_add_exif (
    GByteArray *file, MblmOrientation orientation, gboolean big_endian)
{
  /* A directory of two entries, the second of which is the orientation. */
  guint8 tiff[6 + 8 + 2 + 24 + 4] = {'E', 'x', 'i', 'f', 0, 0};
  guint8 *p = tiff + 6;
  guint16 words[18] = {(guint16) 0x2a, 8, 0, 2, 0x0100, 4, 1, 0, 1, 0, 0x0112,
      3, 1, 0, (guint16) orientation, 0, 0, 0};

  *p++ = big_endian ? 'M' : 'I';
  *p++ = big_endian ? 'M' : 'I';
  if (big_endian) { /* 32-bit numbers have their upper half first */
    const guint low[] = {1, 6, 8, 12};
    for (guint i = 0; i < G_N_ELEMENTS (low); i++) {
      guint16 swap = words[low[i]];
      words[low[i]] = words[low[i] + 1];
      words[low[i] + 1] = swap;
    }
  }
  for (guint i = 0; i < 18; i++) {
    *p++ = (guint8) (big_endian ? words[i] >> 8 : words[i]);
    *p++ = (guint8) (big_endian ? words[i] : words[i] >> 8);
  }
  gsize size = (gsize) (p - tiff);
  if (file->data[0] == 0xff)
    test_jpeg_add_segment (file, 0xe1, tiff, size);
  else
    test_png_add_chunk (file, "eXIf", tiff + 6, size - 6);
}
