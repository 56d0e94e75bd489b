/* mblm-picture.h: from a picture to the bytes that a model sees.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The one place where pictures are decoded, oriented, cropped, resized and laid
 * out as bytes, for the command, for the elements and for training: the same
 * picture gives the same bytes everywhere. Resizing is Pillow's, bit by bit.
 */

#pragma once

#include <gio/gio.h>

#include "mblm-info.h"

G_BEGIN_DECLS

/* The EXIF numbers: 1 upright, 3 turned by 180 degrees, 6 to be turned by 90
 * degrees clockwise, 8 by 270; 2, 4, 5, 7 mirrored. */
typedef enum {
  MBLM_ORIENTATION_1 = 1,
  MBLM_ORIENTATION_2,
  MBLM_ORIENTATION_3,
  MBLM_ORIENTATION_4,
  MBLM_ORIENTATION_5,
  MBLM_ORIENTATION_6,
  MBLM_ORIENTATION_7,
  MBLM_ORIENTATION_8,
} MblmOrientation;

#define MBLM_PICTURE_MAX_SIDE 16384
#define MBLM_PICTURE_MAX_PIXELS (1 << 28)

typedef struct _MblmPicture MblmPicture;

#define MBLM_TYPE_PICTURE (mblm_picture_get_type ())
GType mblm_picture_get_type (void);
MblmPicture *mblm_picture_ref (MblmPicture *self);
void mblm_picture_unref (MblmPicture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmPicture, mblm_picture_unref)

/* Copies packed RGB of `stride` bytes a row. Error: MBLM_ERROR_INPUT. */
MblmPicture *mblm_picture_new (
    guint width, guint height, const guint8 *rgb, gsize stride, GError **error);
/* Decodes the bytes of a JPEG or PNG file; alpha is dropped, 16 bits become 8,
 * palettes and greys become RGB. The EXIF orientation is applied. Error: INPUT,
 * also for a picture that is cut short or larger than the bounds above. */
MblmPicture *mblm_picture_decode (
    const guint8 *data, gsize size, GError **error);
MblmPicture *mblm_picture_load (const char *path, GError **error);
/* A new picture, turned upright. */
MblmPicture *mblm_picture_orient (
    MblmPicture *self, MblmOrientation orientation, GError **error);
guint mblm_picture_get_width (MblmPicture *self);
guint mblm_picture_get_height (MblmPicture *self);
/* Packed RGB, 3 * width bytes a row. */
const guint8 *mblm_picture_get_rgb (MblmPicture *self);

/* The bytes of the picture under a layout: width * height * 3, or a JPEG. */
GBytes *mblm_picture_to_bytes (
    MblmPicture *self, const MblmImageLayout *layout, GError **error);

/* The bytes of a PNG file. */
GBytes *mblm_picture_to_png (MblmPicture *self, GError **error);

/* Where the first whole JPEG or PNG in `data` ends: its size, 0 if more bytes
 * are needed, -1 if this is neither. */
gssize mblm_picture_find_end (const guint8 *data, gsize size);

G_END_DECLS
