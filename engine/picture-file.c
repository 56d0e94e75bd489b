/* picture-file.c: the structure of JPEG and PNG files, without decoding them.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where a picture ends in a stream of pictures, and how its EXIF data says that
 * it is to be turned. Both walk markers (JPEG) or chunks (PNG), so that a
 * thumbnail inside a segment is not taken for the picture.
 */

#include "config.h"

#include <string.h>

#include "picture-private.h"

static const guint8 png_signature[8] = {
    0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
static const guint8 jpeg_signature[3] = {0xff, 0xd8, 0xff};
/* An IEND chunk from its name on, and its checksum. */
static const guint8 png_end[8] = {'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};

enum {
  JPEG_RST0 = 0xd0,
  JPEG_RST7 = 0xd7,
  JPEG_SOI = 0xd8,
  JPEG_EOI = 0xd9,
  JPEG_SOS = 0xda,
  JPEG_APP1 = 0xe1,
  JPEG_TEM = 0x01,
};

gboolean
mblm_picture_is_jpeg (const guint8 *data, gsize size)
{
  return size >= sizeof (jpeg_signature) &&
      memcmp (data, jpeg_signature, sizeof (jpeg_signature)) == 0;
}

gboolean
mblm_picture_is_png (const guint8 *data, gsize size)
{
  return size >= sizeof (png_signature) &&
      memcmp (data, png_signature, sizeof (png_signature)) == 0;
}

/* ------------------------------------------------------------------------- */
/* JPEG                                                                      */
/* ------------------------------------------------------------------------- */

/* One marker and the segment that follows it. */
typedef struct {
  guint8 code;
  gsize start;           /* of the marker's 0xff */
  gsize payload, length; /* of the segment behind its two length bytes */
} JpegMarker;

/* Finds the marker at or after *at and moves *at behind it and its segment.
 * What is no marker is skipped, entropy-coded data too: its stuffed zeros and
 * restart markers are none. FALSE where the data ends first. */
static gboolean
next_marker (const guint8 *data, gsize size, gsize *at, JpegMarker *out)
{
  gsize i = *at;

  for (;;) {
    const guint8 *found = i < size ? memchr (data + i, 0xff, size - i) : NULL;
    if (!found)
      return FALSE;
    gsize start = (gsize) (found - data);
    for (i = start + 1; i < size && data[i] == 0xff; i++)
      ; /* any number of fill bytes */
    if (i >= size)
      return FALSE;

    guint8 code = data[i++];
    if (code == 0 || code == JPEG_TEM ||
        (code >= JPEG_RST0 && code <= JPEG_RST7))
      continue;
    *out = (JpegMarker){.code = code, .start = start, .payload = i};
    if (code != JPEG_SOI && code != JPEG_EOI) {
      if (size - i < 2)
        return FALSE;
      gsize length = (gsize) data[i] << 8 | data[i + 1];
      /* A length that doesn't even cover itself: look for the next marker. */
      if (length < 2)
        continue;
      if (size - i < length)
        return FALSE;
      out->payload = i + 2;
      out->length = length - 2;
      i += length;
    }
    *at = i;
    return TRUE;
  }
}

/* A second start marker ends a picture that was cut short, so that the one it
 * belongs to is not lost. */
static gsize
find_jpeg_end (const guint8 *data, gsize size)
{
  gsize at = 2;
  JpegMarker marker;

  while (next_marker (data, size, &at, &marker)) {
    if (marker.code == JPEG_EOI)
      return at;
    if (marker.code == JPEG_SOI)
      return marker.start;
  }
  return 0;
}

/* ------------------------------------------------------------------------- */
/* PNG                                                                       */
/* ------------------------------------------------------------------------- */

static guint32
read_be32 (const guint8 *p)
{
  return (guint32) p[0] << 24 | (guint32) p[1] << 16 | (guint32) p[2] << 8 |
      p[3];
}

typedef struct {
  const guint8 *name;    /* 4 letters */
  gsize payload, length; /* the payload may reach beyond the data */
} PngChunk;

typedef enum { PNG_WALK_CHUNK, PNG_WALK_MORE, PNG_WALK_BROKEN } PngWalk;

/* Reads the header of the chunk at *at and moves *at behind the chunk, which
 * may be behind the data. */
static PngWalk
next_chunk (const guint8 *data, gsize size, gsize *at, PngChunk *out)
{
  if (*at > size || size - *at < 8)
    return PNG_WALK_MORE;

  guint32 length = read_be32 (data + *at);
  out->name = data + *at + 4;
  if (length > G_MAXINT32)
    return PNG_WALK_BROKEN;
  for (guint i = 0; i < 4; i++)
    if (!g_ascii_isalpha (out->name[i]))
      return PNG_WALK_BROKEN;
  out->payload = *at + 8;
  out->length = length;
  if (!g_size_checked_add (at, out->payload, out->length) ||
      !g_size_checked_add (at, *at, 4))
    return PNG_WALK_BROKEN;
  return PNG_WALK_CHUNK;
}

/* Behind a broken chunk: up to an IEND, or to where the next picture starts. */
static gsize
find_png_rest (const guint8 *data, gsize size, gsize at)
{
  for (; at < size && size - at >= 8; at++) {
    if (memcmp (data + at, png_end, sizeof (png_end)) == 0)
      return at + sizeof (png_end);
    if (mblm_picture_is_png (data + at, size - at))
      return at;
  }
  return 0;
}

static gsize
find_png_end (const guint8 *data, gsize size)
{
  gsize at = sizeof (png_signature);
  PngChunk chunk;

  for (;;) {
    gsize start = at;
    switch (next_chunk (data, size, &at, &chunk)) {
      case PNG_WALK_MORE:
        return 0;
      case PNG_WALK_BROKEN:
        return find_png_rest (data, size, start);
      case PNG_WALK_CHUNK:
        if (memcmp (chunk.name, "IEND", 4) == 0)
          return at <= size ? at : 0;
        break;
    }
  }
}

/* TRUE where `data` may be the beginning of something with this signature. */
static gboolean
may_start (const guint8 *data, gsize size, const guint8 *signature, gsize n)
{
  return memcmp (data, signature, MIN (size, n)) == 0;
}

/**
 * mblm_picture_find_end:
 * @data: (array length=size): the beginning of a stream
 * @size: bytes of @data
 *
 * Finds the end of the first picture.
 *
 * Returns: its size, 0 or -1
 */
gssize
mblm_picture_find_end (const guint8 *data, gsize size)
{
  if (size == 0)
    return 0;
  g_return_val_if_fail (data != NULL, -1);

  if (mblm_picture_is_jpeg (data, size))
    return (gssize) find_jpeg_end (data, size);
  if (mblm_picture_is_png (data, size))
    return (gssize) find_png_end (data, size);
  if ((size < sizeof (jpeg_signature) &&
          may_start (data, size, jpeg_signature, sizeof (jpeg_signature))) ||
      (size < sizeof (png_signature) &&
          may_start (data, size, png_signature, sizeof (png_signature))))
    return 0;
  return -1;
}

/* ------------------------------------------------------------------------- */
/* EXIF                                                                      */
/* ------------------------------------------------------------------------- */

typedef struct {
  const guint8 *data;
  gsize size;
  gboolean big_endian;
} Tiff;

/* FALSE where the number lies beyond the data. */
static gboolean
tiff_read (const Tiff *tiff, gsize at, guint bytes, guint32 *out)
{
  guint32 value = 0;

  if (at > tiff->size || tiff->size - at < bytes)
    return FALSE;
  for (guint i = 0; i < bytes; i++)
    value = value << 8 |
        tiff->data[at + (tiff->big_endian ? i : bytes - 1 - i)];
  *out = value;
  return TRUE;
}

/* The Orientation entry of the first directory of a TIFF structure. */
static MblmOrientation
read_orientation (const guint8 *data, gsize size)
{
  enum { ORIENTATION = 0x0112, SHORT = 3, LONG = 4 };
  Tiff tiff = {data, size, size >= 2 && data[0] == 'M' && data[1] == 'M'};
  guint32 magic, offset, n_entries, tag, type, count, value;

  if (size < 2 || (!tiff.big_endian && (data[0] != 'I' || data[1] != 'I')) ||
      !tiff_read (&tiff, 2, 2, &magic) || magic != 42 ||
      !tiff_read (&tiff, 4, 4, &offset) ||
      !tiff_read (&tiff, offset, 2, &n_entries))
    return MBLM_ORIENTATION_1;
  for (gsize i = 0; i < n_entries; i++) {
    gsize entry = (gsize) offset + 2 + i * 12;

    if (!tiff_read (&tiff, entry, 2, &tag) ||
        !tiff_read (&tiff, entry + 2, 2, &type) ||
        !tiff_read (&tiff, entry + 4, 4, &count))
      return MBLM_ORIENTATION_1;
    if (tag != ORIENTATION)
      continue;
    if (count != 1 || (type != SHORT && type != LONG) ||
        !tiff_read (&tiff, entry + 8, type == SHORT ? 2 : 4, &value) ||
        value < MBLM_ORIENTATION_1 || value > MBLM_ORIENTATION_8)
      return MBLM_ORIENTATION_1;
    return (MblmOrientation) value;
  }
  return MBLM_ORIENTATION_1;
}

MblmOrientation
mblm_picture_find_orientation (const guint8 *data, gsize size)
{
  static const guint8 exif[6] = {'E', 'x', 'i', 'f', 0, 0};
  JpegMarker marker;
  PngChunk chunk;
  gsize at;

  if (mblm_picture_is_jpeg (data, size)) {
    at = 2;
    while (next_marker (data, size, &at, &marker) && marker.code != JPEG_SOS &&
        marker.code != JPEG_EOI)
      if (marker.code == JPEG_APP1 && marker.length >= sizeof (exif) &&
          memcmp (data + marker.payload, exif, sizeof (exif)) == 0)
        return read_orientation (data + marker.payload + sizeof (exif),
            marker.length - sizeof (exif));
  } else if (mblm_picture_is_png (data, size)) {
    at = sizeof (png_signature);
    while (next_chunk (data, size, &at, &chunk) == PNG_WALK_CHUNK && at <= size)
      if (memcmp (chunk.name, "eXIf", 4) == 0)
        return read_orientation (data + chunk.payload, chunk.length);
  }
  return MBLM_ORIENTATION_1;
}
