/* picture-private.h: what the files behind mblm-picture.h share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm-picture.h"

G_BEGIN_DECLS

/* The bytes of an encoded picture at most: what a stream may accumulate. */
#define MBLM_PICTURE_MAX_FILE (64 << 20)

struct _MblmPicture {
  gatomicrefcount references;
  guint width, height;
  guint8 *rgb; /* [height, width, 3] packed */
};

/* MBLM_PICTURE_MAX_SIDE and _PIXELS. Error: INPUT. */
gboolean mblm_picture_check_bounds (guint width, guint height, GError **error);

/* A picture whose pixels are not set yet. Checks the bounds before it takes
 * memory. Errors: INPUT, MEMORY. */
MblmPicture *mblm_picture_alloc (guint width, guint height, GError **error);

/* mblm_picture_decode without the orientation. */
MblmPicture *mblm_picture_read_jpeg (
    const guint8 *data, gsize size, GError **error);
MblmPicture *mblm_picture_read_png (
    const guint8 *data, gsize size, GError **error);
/* A JPEG file of packed RGB, in RGB colour space (mblm-math section 2.12). */
GBytes *mblm_picture_write_jpeg (const guint8 *rgb, guint width, guint height,
    guint quality, GError **error);

gboolean mblm_picture_is_jpeg (const guint8 *data, gsize size);
gboolean mblm_picture_is_png (const guint8 *data, gsize size);
/* What the EXIF data in a JPEG or PNG says; 1 where it says nothing. */
MblmOrientation mblm_picture_find_orientation (const guint8 *data, gsize size);

/* The margin that a crop takes on each side, in pixels. */
guint mblm_picture_get_margin (guint size, double share);

/* Resizes rows of packed RGB, `stride` bytes apart, to `out` [to_height,
 * to_width, 3] packed. Error: MEMORY. */
gboolean mblm_picture_resize (const guint8 *rgb, gsize stride, guint width,
    guint height, guint8 *out, guint to_width, guint to_height,
    MblmFilter filter, GError **error);

G_END_DECLS
