/* pictures.h: small pictures and files of them, made on the fly.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm.h"

G_BEGIN_DECLS

/* A noisy picture [height, width, 3]; a harsh one is only black and white in
 * each channel, which drives filters beyond 0 and 255. */
guint8 *test_pixels (guint width, guint height, gboolean harsh);
MblmPicture *test_picture (guint width, guint height, gboolean harsh);

/* A PNG of rows as PNG stores them, row_size bytes each. A palette is grey. */
GByteArray *test_png (guint width, guint height, int bit_depth, int color_type,
    gboolean interlaced, const guint8 *rows, gsize row_size);
GByteArray *test_png_rgb (MblmPicture *picture);

/* A JPEG of pixels [height, width, components] in the libjpeg colour space
 * `space`, stored as `stored`. */
GByteArray *test_jpeg (guint width, guint height, guint components, int space,
    int stored, gboolean progressive, const guint8 *pixels);
GByteArray *test_jpeg_rgb (MblmPicture *picture);

/* Inserts an EXIF orientation. */
void test_add_exif (
    GByteArray *file, MblmOrientation orientation, gboolean big_endian);
/* Inserts a segment or chunk behind the header of the file. */
void test_jpeg_add_segment (
    GByteArray *file, guint8 marker, const guint8 *data, gsize size);
void test_png_add_chunk (
    GByteArray *file, const char *name, const guint8 *data, gsize size);

G_END_DECLS
