/* mblm-picture.c: a decoded picture, its bounds, and turning it upright.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The codecs are in picture-jpeg.c and picture-png.c, the structure of their
 * files in picture-file.c, resizing in picture-resize.c and the layout of model
 * bytes in picture-layout.c.
 */

#include "config.h"

#include <string.h>

#include "mblm-error.h"
#include "picture-private.h"
#include "read-file.h"

G_DEFINE_BOXED_TYPE (
    MblmPicture, mblm_picture, mblm_picture_ref, mblm_picture_unref)

MblmPicture *
mblm_picture_ref (MblmPicture *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
mblm_picture_unref (MblmPicture *self)
{
  g_return_if_fail (self != NULL);
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_free (self->rgb);
  g_free (self);
}

gboolean
mblm_picture_check_bounds (guint width, guint height, GError **error)
{
  if (width == 0 || height == 0) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "the picture is empty (%u x %u pixels)", width, height);
    return FALSE;
  }
  if (width > MBLM_PICTURE_MAX_SIDE || height > MBLM_PICTURE_MAX_SIDE ||
      (guint64) width * height > MBLM_PICTURE_MAX_PIXELS) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "the picture is too large: %u x %u pixels, at most %d a side are "
        "taken; scale it down first",
        width, height, MBLM_PICTURE_MAX_SIDE);
    return FALSE;
  }
  return TRUE;
}

MblmPicture *
mblm_picture_alloc (guint width, guint height, GError **error)
{
  gsize size;

  if (!mblm_picture_check_bounds (width, height, error))
    return NULL;
  if (!g_size_checked_mul (&size, width, height) ||
      !g_size_checked_mul (&size, size, 3)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "a picture of %u x %u pixels exceeds the address space", width, height);
    return NULL;
  }

  guint8 *rgb = g_try_malloc (size);
  if (!rgb) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "no memory for a picture of %u x %u pixels (%" G_GSIZE_FORMAT " bytes)",
        width, height, size);
    return NULL;
  }

  MblmPicture *self = g_new0 (MblmPicture, 1);
  g_atomic_ref_count_init (&self->references);
  self->width = width;
  self->height = height;
  self->rgb = rgb;
  return self;
}

MblmPicture *
mblm_picture_new (
    guint width, guint height, const guint8 *rgb, gsize stride, GError **error)
{
  gsize row = (gsize) width * 3;

  if (!rgb || stride < row) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "rows of %" G_GSIZE_FORMAT " bytes can't hold %u pixels of RGB", stride,
        width);
    return NULL;
  }
  MblmPicture *self = mblm_picture_alloc (width, height, error);
  if (!self)
    return NULL;
  for (gsize y = 0; y < height; y++)
    memcpy (self->rgb + y * row, rgb + y * stride, row);
  return self;
}

guint
mblm_picture_get_width (MblmPicture *self)
{
  g_return_val_if_fail (self != NULL, 0);
  return self->width;
}

guint
mblm_picture_get_height (MblmPicture *self)
{
  g_return_val_if_fail (self != NULL, 0);
  return self->height;
}

/**
 * mblm_picture_get_rgb: (skip)
 */
const guint8 *
mblm_picture_get_rgb (MblmPicture *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return self->rgb;
}

/**
 * mblm_picture_decode:
 * @data: (array length=size): a JPEG or PNG file
 * @size: its bytes
 *
 * Decodes a picture.
 *
 * Returns: (transfer full): the picture
 */
MblmPicture *
mblm_picture_decode (const guint8 *data, gsize size, GError **error)
{
  g_autoptr (MblmPicture) picture = NULL;

  if (mblm_picture_is_jpeg (data, size))
    picture = mblm_picture_read_jpeg (data, size, error);
  else if (mblm_picture_is_png (data, size))
    picture = mblm_picture_read_png (data, size, error);
  else
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        size == 0 ? "the picture is empty (0 bytes)"
                  : "this is neither a JPEG nor a PNG picture");
  if (!picture)
    return NULL;
  return mblm_picture_orient (
      picture, mblm_picture_find_orientation (data, size), error);
}

/**
 * mblm_picture_load:
 * @path: a JPEG or PNG file
 *
 * Decodes a picture from a file.
 *
 * Returns: (transfer full): the picture
 */
MblmPicture *
mblm_picture_load (const char *path, GError **error)
{
  gsize size;

  g_return_val_if_fail (path != NULL, NULL);

  g_autofree char *data = mblm_read_file (
      path, MBLM_PICTURE_MAX_FILE, &size, error);
  if (!data)
    return NULL;
  MblmPicture *self = mblm_picture_decode ((const guint8 *) data, size, error);
  if (!self)
    g_prefix_error (error, "%s: ", path);
  return self;
}

/* Copies pixels so that pixel (x, y) of `to` is the one `start` + x * along +
 * y * across bytes into `from`, in tiles, since one of the steps is long. */
static void
copy_turned (MblmPicture *to, const guint8 *from, gssize start, gssize along,
    gssize across)
{
  const guint tile = 32;

  for (guint top = 0; top < to->height; top += tile)
    for (guint left = 0; left < to->width; left += tile) {
      guint bottom = MIN (top + tile, to->height);
      guint right = MIN (left + tile, to->width);

      for (guint y = top; y < bottom; y++) {
        guint8 *out = to->rgb + ((gsize) y * to->width + left) * 3;
        gssize at = start + (gssize) y * across + (gssize) left * along;

        for (guint x = left; x < right; x++, out += 3, at += along) {
          out[0] = from[at];
          out[1] = from[at + 1];
          out[2] = from[at + 2];
        }
      }
    }
}

/**
 * mblm_picture_orient:
 * @orientation: how it lies now
 *
 * Turns a picture upright.
 *
 * Returns: (transfer full): the upright picture
 */
MblmPicture *
mblm_picture_orient (
    MblmPicture *self, MblmOrientation orientation, GError **error)
{
  g_return_val_if_fail (self != NULL, NULL);

  if (orientation == MBLM_ORIENTATION_1)
    return mblm_picture_ref (self);
  if (orientation < MBLM_ORIENTATION_1 || orientation > MBLM_ORIENTATION_8) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%d is no EXIF orientation (1 to 8)", (int) orientation);
    return NULL;
  }

  /* From 5 on rows become columns. */
  gboolean swapped = orientation >= MBLM_ORIENTATION_5;
  gssize right = 3, down = (gssize) self->width * 3;
  gssize last_x = (gssize) (self->width - 1) * right;
  gssize last_y = (gssize) (self->height - 1) * down;
  MblmPicture *out = swapped
      ? mblm_picture_alloc (self->height, self->width, error)
      : mblm_picture_alloc (self->width, self->height, error);
  if (!out)
    return NULL;

  const struct {
    gssize start, along, across;
  } turns[] = {
      [MBLM_ORIENTATION_2] = {last_x, -right, down},
      [MBLM_ORIENTATION_3] = {last_x + last_y, -right, -down},
      [MBLM_ORIENTATION_4] = {last_y, right, -down},
      [MBLM_ORIENTATION_5] = {0, down, right},
      [MBLM_ORIENTATION_6] = {last_y, -down, right},
      [MBLM_ORIENTATION_7] = {last_x + last_y, -down, -right},
      [MBLM_ORIENTATION_8] = {last_x, down, -right},
  };
  copy_turned (out, self->rgb, turns[orientation].start,
      turns[orientation].along, turns[orientation].across);
  return out;
}
