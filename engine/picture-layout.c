/* picture-layout.c: from pixels to the bytes that a model was trained on.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In the order of the published data pipeline: crop, resize, reduce the levels
 * of each channel, renumber the levels that are left, then either a JPEG file
 * or pixels, planar or interleaved (mblm-math section 2.12), or tile by tile: with
 * tiles as large as the outermost patches each of these is a piece of the picture
 * that is about as high as wide, not a piece of a row.
 */

#include "config.h"

#include <string.h>

#include "mblm-error.h"
#include "picture-private.h"

/* A margin on both sides, as a share of the size; never more than half. */
guint
mblm_picture_get_margin (guint size, double share)
{
  return (guint) CLAMP (size * share, 0.0, size / 2.0);
}

/* The middles, cut to integers, of `bins` equal parts of 0 .. 255, the last of
 * which holds 255 too. From 255 on there is a level for every value. */
static void
reduce_levels (guint8 *bytes, gsize n, guint bins)
{
  guint8 levels[256];
  double step = 255.0 / bins;

  if (bins >= 255)
    return;
  for (guint value = 0, bin = 0; value < 256; value++) {
    while (bin + 1 < bins && (bin + 1) * step <= value)
      bin++;
    double end = bin + 1 == bins ? 255.0 : (bin + 1) * step;
    levels[value] = (guint8) (0.5 * (bin * step) + 0.5 * end);
  }
  for (gsize i = 0; i < n; i++)
    bytes[i] = levels[bytes[i]];
}

/* The picture's own distinct values become first, first + 1, ... */
static gboolean
renumber_levels (guint8 *bytes, gsize n, guint first, GError **error)
{
  gboolean present[256] = {FALSE};
  guint8 numbers[256];
  guint next = first;

  for (gsize i = 0; i < n; i++)
    present[bytes[i]] = TRUE;
  for (guint value = 0; value < 256; value++)
    if (present[value])
      numbers[value] = (guint8) next++;
  if (next > 256) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "the picture has %u levels, and numbered from %u (`shift` in the "
        "model's mblm.json) they leave no byte values for %u of them",
        next - first, first, next - 256);
    return FALSE;
  }
  for (gsize i = 0; i < n; i++)
    bytes[i] = numbers[bytes[i]];
  return TRUE;
}

/* H,W,C to C,H,W. */
static guint8 *
to_planar (const guint8 *rgb, gsize pixels)
{
  guint8 *out = g_try_malloc (pixels * 3);

  if (out)
    for (gsize i = 0; i < pixels; i++) {
      out[i] = rgb[3 * i];
      out[pixels + i] = rgb[3 * i + 1];
      out[2 * pixels + i] = rgb[3 * i + 2];
    }
  return out;
}

/* H,W,C to tiles, each H,W,C. */
static guint8 *
to_tiles (const MblmPicture *picture, guint tile_w, guint tile_h)
{
  gsize stride = (gsize) picture->width * 3, row = (gsize) tile_w * 3;
  guint8 *out = g_try_malloc (stride * picture->height);

  if (!out)
    return NULL;
  guint8 *at = out;
  for (guint top = 0; top < picture->height; top += tile_h)
    for (gsize left = 0; left < stride; left += row)
      for (guint y = top; y < top + tile_h; y++, at += row)
        memcpy (at, picture->rgb + y * stride + left, row);
  return out;
}

/* A picture of the layout's size out of the middle of this one. */
static MblmPicture *
crop_and_resize (
    MblmPicture *self, const MblmImageLayout *layout, GError **error)
{
  guint left = mblm_picture_get_margin (self->width, layout->crop_w);
  guint top = mblm_picture_get_margin (self->height, layout->crop_h);
  guint width = self->width - 2 * left, height = self->height - 2 * top;
  gsize stride = (gsize) self->width * 3;

  if (width == 0 || height == 0) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "cropping leaves nothing of a picture of %u x %u pixels", self->width,
        self->height);
    return NULL;
  }
  g_autoptr (MblmPicture)
      out = mblm_picture_alloc (layout->width, layout->height, error);
  if (!out ||
      !mblm_picture_resize (self->rgb + top * stride + (gsize) left * 3, stride,
          width, height, out->rgb, out->width, out->height, layout->filter,
          error))
    return NULL;
  return g_steal_pointer (&out);
}

/**
 * mblm_picture_to_bytes:
 * @layout: of the model
 *
 * Lays a picture out for a model.
 *
 * Returns: (transfer full): its bytes
 */
GBytes *
mblm_picture_to_bytes (
    MblmPicture *self, const MblmImageLayout *layout, GError **error)
{
  g_return_val_if_fail (self != NULL && layout != NULL, NULL);

  g_autoptr (MblmPicture) small = crop_and_resize (self, layout, error);
  if (!small)
    return NULL;

  gsize pixels = (gsize) small->width * small->height;
  if (layout->bins > 0)
    reduce_levels (small->rgb, pixels * 3, layout->bins);
  if (layout->shift >= 0 &&
      !renumber_levels (small->rgb, pixels * 3, (guint) layout->shift, error))
    return NULL;
  if (layout->jpeg)
    return mblm_picture_write_jpeg (
        small->rgb, small->width, small->height, layout->quality, error);
  if (layout->order == MBLM_ORDER_INTERLEAVED)
    return g_bytes_new_take (g_steal_pointer (&small->rgb), pixels * 3);

  guint8 *bytes = layout->order == MBLM_ORDER_PLANAR
      ? to_planar (small->rgb, pixels)
      : to_tiles (small, layout->tile_w, layout->tile_h);
  if (!bytes) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "no memory for the %" G_GSIZE_FORMAT " bytes of a picture", pixels * 3);
    return NULL;
  }
  return g_bytes_new_take (bytes, pixels * 3);
}
