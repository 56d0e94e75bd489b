/* info-image.c: how a picture becomes bytes, as an mblm.json says it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "info-read-private.h"

#define MAX_SIDE 4096

static gboolean
read_width (MblmInfoReader *self, GError **error)
{
  guint64 value;

  if (!mblm_info_read_unsigned (self, 1, MAX_SIDE, &value, error))
    return FALSE;
  self->info->image.width = (guint) value;
  return TRUE;
}

static gboolean
read_height (MblmInfoReader *self, GError **error)
{
  guint64 value;

  if (!mblm_info_read_unsigned (self, 1, MAX_SIDE, &value, error))
    return FALSE;
  self->info->image.height = (guint) value;
  return TRUE;
}

static gboolean
read_order (MblmInfoReader *self, GError **error)
{
  guint order;

  if (!mblm_info_read_word (self, mblm_order_names, &order, error))
    return FALSE;
  self->info->image.order = (MblmOrder) order;
  return TRUE;
}

/* [width, height] */
static gboolean
read_tile (MblmInfoReader *self, GError **error)
{
  static const char wanted[] = "two numbers of pixels, [width, height]";
  guint *const sides[] = {&self->info->image.tile_w, &self->info->image.tile_h};

  if (mblm_json_next (&self->json) != MBLM_JSON_ARRAY)
    return mblm_info_fail_token (self, wanted, error);
  for (guint i = 0; i < G_N_ELEMENTS (sides); i++) {
    guint64 value;

    if (!mblm_info_read_unsigned (self, 1, MAX_SIDE, &value, error))
      return FALSE;
    *sides[i] = (guint) value;
  }
  return mblm_json_next (&self->json) == MBLM_JSON_ARRAY_END
      ? TRUE
      : mblm_info_fail_token (self, wanted, error);
}

static gboolean
read_filter (MblmInfoReader *self, GError **error)
{
  guint filter;

  if (!mblm_info_read_word (self, mblm_filter_names, &filter, error))
    return FALSE;
  self->info->image.filter = (MblmFilter) filter;
  return TRUE;
}

/* [width, height]: margins on both sides, each a share of the picture. */
static gboolean
read_crop (MblmInfoReader *self, GError **error)
{
  static const char wanted[] =
      "two numbers from 0 to less than 0.5, [width, height]";
  double crop[2];

  if (mblm_json_next (&self->json) != MBLM_JSON_ARRAY)
    return mblm_info_fail_token (self, wanted, error);
  for (guint i = 0; i < 2; i++) {
    if (mblm_json_next (&self->json) != MBLM_JSON_NUMBER ||
        !mblm_json_get_double (&self->json, &crop[i]) || crop[i] < 0 ||
        crop[i] >= 0.5)
      return mblm_info_fail_token (self, wanted, error);
  }
  if (mblm_json_next (&self->json) != MBLM_JSON_ARRAY_END)
    return mblm_info_fail_token (self, wanted, error);
  self->info->image.crop_w = crop[0] + 0.0;
  self->info->image.crop_h = crop[1] + 0.0;
  return TRUE;
}

static gboolean
read_bins (MblmInfoReader *self, GError **error)
{
  guint64 value;

  if (!mblm_info_read_unsigned (self, 2, 256, &value, error))
    return FALSE;
  self->info->image.bins = (guint) value;
  return TRUE;
}

static gboolean
read_shift (MblmInfoReader *self, GError **error)
{
  guint64 value;

  if (!mblm_info_read_unsigned (
          self, 0, MIN (self->vocabulary, 256) - 1, &value, error))
    return FALSE;
  self->info->image.shift = (gint) value;
  return TRUE;
}

static gboolean
read_stream (MblmInfoReader *self, GError **error)
{
  static const char *const streams[] = {"pixels", "jpeg", NULL};
  guint stream;

  if (!mblm_info_read_word (self, streams, &stream, error))
    return FALSE;
  self->info->image.jpeg = stream == 1;
  return TRUE;
}

static gboolean
read_quality (MblmInfoReader *self, GError **error)
{
  guint64 value;

  if (!mblm_info_read_unsigned (self, 1, 100, &value, error))
    return FALSE;
  self->info->image.quality = (guint) value;
  return TRUE;
}

/* Whether tiles cover the picture, and are there for that order only. */
static gboolean
check_tile (const MblmInfoReader *self, GError **error)
{
  const MblmImageLayout *image = &self->info->image;

  if ((image->order == MBLM_ORDER_TILES) != (image->tile_w > 0))
    return mblm_info_fail (self, error,
        image->tile_w > 0 ? "tile belongs to the order tiles"
                          : "the order tiles needs tile, [width, height]");
  if (image->tile_w > 0 &&
      (image->width % image->tile_w != 0 || image->height % image->tile_h != 0))
    return mblm_info_fail (self, error,
        "tiles of %u x %u pixels don't divide a picture of %u x %u",
        image->tile_w, image->tile_h, image->width, image->height);
  return TRUE;
}

gboolean
mblm_info_read_image (MblmInfoReader *self, GError **error)
{
  static const MblmInfoField fields[] = {{"width", read_width},
      {"height", read_height}, {"order", read_order}, {"tile", read_tile, TRUE},
      {"filter", read_filter}, {"crop", read_crop, TRUE},
      {"bins", read_bins, TRUE}, {"shift", read_shift, TRUE},
      {"stream", read_stream}, {"quality", read_quality, TRUE}};
  MblmImageLayout *image = &self->info->image;
  guint seen;

  image->shift = -1;
  if (!mblm_info_read_fields (
          self, fields, G_N_ELEMENTS (fields), &seen, error))
    return FALSE;
  if (image->width == 0 || image->height == 0)
    return mblm_info_fail (self, error, "image needs width and height");
  if (!check_tile (self, error))
    return FALSE;
  if (image->jpeg != (image->quality != 0))
    return mblm_info_fail (self, error,
        image->jpeg ? "an image stream of jpeg needs quality, from 1 to 100"
                    : "quality belongs to an image stream of jpeg");
  if (image->shift >= 0 && image->bins > 0 &&
      (guint) image->shift + image->bins > MIN (self->vocabulary, 256))
    return mblm_info_fail (self, error, "shift %d with %u bins goes beyond %u",
        image->shift, image->bins, MIN (self->vocabulary, 256) - 1);
  self->info->has_image = TRUE;
  return TRUE;
}
