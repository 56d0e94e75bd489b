/* picture-png.c: PNG files, through libpng.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every colour type becomes packed RGB: palettes and greys are looked up, 16
 * bits lose their lower half, alpha is dropped without blending, and gamma and
 * colour profiles are left alone. Chunks that don't change the pixels aren't
 * read at all, so that nothing they hold (compressed texts, broken profiles)
 * can do harm. For setjmp see picture-jpeg.c.
 */

#include "config.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "mblm-error.h"
#include "picture-private.h"

typedef struct {
  png_structp png;
  png_infop info;
  const guint8 *data;
  gsize size, at;
  MblmPicture *picture;
  png_bytep *rows; /* [height], into the picture */
  char message[128];
} Reader;

static G_NORETURN void
on_error (png_structp png, png_const_charp message)
{
  Reader *self = png_get_error_ptr (png);

  g_strlcpy (self->message, message, sizeof (self->message));
  png_longjmp (png, 1);
}

static void
on_warning (png_structp png, png_const_charp message)
{
}

static void
on_read (png_structp png, png_bytep out, size_t n)
{
  Reader *self = png_get_io_ptr (png);

  if (self->size - self->at < n)
    png_error (png, "the file ends too early");
  memcpy (out, self->data + self->at, n);
  self->at += n;
}

static void
read_header (Reader *self)
{
  png_structp png = self->png;

  png_set_read_fn (png, self, on_read);
  /* A wrong checksum of the compressed pixels is an error, not a warning. */
  png_set_benign_errors (png, FALSE);
  /* Ours are checked before any row is allocated, with a clearer message. */
  png_set_user_limits (png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_keep_unknown_chunks (png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_read_info (png, self->info);
}

/* Deflate can't pack more than 1032 bytes into one, so a small file that claims
 * a huge picture is known to be cut short before memory is taken for it. */
static gboolean
check_size (Reader *self, GError **error)
{
  guint64 row = png_get_rowbytes (self->png, self->info);
  guint64 pixels = row * png_get_image_height (self->png, self->info);

  if (pixels / 1040 <= self->size)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "the PNG is cut short: %" G_GSIZE_FORMAT
      " bytes can't hold %u x %u pixels",
      self->size, png_get_image_width (self->png, self->info),
      png_get_image_height (self->png, self->info));
  return FALSE;
}

static void
set_transforms (Reader *self)
{
  png_structp png = self->png;
  int type = png_get_color_type (png, self->info);

  if (type == PNG_COLOR_TYPE_PALETTE)
    png_set_palette_to_rgb (png);
  if (!(type & PNG_COLOR_MASK_COLOR)) {
    png_set_expand_gray_1_2_4_to_8 (png);
    png_set_gray_to_rgb (png);
  }
  png_set_strip_16 (png);
  png_set_strip_alpha (png);
  png_set_interlace_handling (png);
  png_read_update_info (png, self->info);
}

static gboolean
read_pixels (Reader *self, GError **error)
{
  guint width = png_get_image_width (self->png, self->info);
  guint height = png_get_image_height (self->png, self->info);

  if (!mblm_picture_check_bounds (width, height, error) ||
      !check_size (self, error))
    return FALSE;
  self->picture = mblm_picture_alloc (width, height, error);
  if (!self->picture)
    return FALSE;
  set_transforms (self);
  if (png_get_rowbytes (self->png, self->info) != (gsize) width * 3)
    png_error (self->png, "its colour type is unknown");

  self->rows = g_new (png_bytep, height);
  for (guint y = 0; y < height; y++)
    self->rows[y] = self->picture->rgb + (gsize) y * width * 3;
  png_read_image (self->png, self->rows);
  png_read_end (self->png, NULL);
  return TRUE;
}

/* FALSE without an error set: libpng's message says what happened. */
static gboolean
try_read (Reader *self, GError **error)
{
  if (setjmp (png_jmpbuf (self->png)) != 0)
    return FALSE;
  read_header (self);
  return read_pixels (self, error);
}

MblmPicture *
mblm_picture_read_png (const guint8 *data, gsize size, GError **error)
{
  Reader *self = g_new0 (Reader, 1);
  MblmPicture *picture = NULL;

  self->data = data;
  self->size = size;
  self->png = png_create_read_struct (
      PNG_LIBPNG_VER_STRING, self, on_error, on_warning);
  if (self->png)
    self->info = png_create_info_struct (self->png);
  if (!self->info)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "libpng can't be used: no memory, or another version than this was "
        "built with");
  else if (try_read (self, error))
    picture = g_steal_pointer (&self->picture);
  else if (self->message[0] != '\0')
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "the PNG can't be decoded, it is damaged or cut short: %s",
        self->message);
  png_destroy_read_struct (&self->png, &self->info, NULL);
  g_clear_pointer (&self->picture, mblm_picture_unref);
  g_free (self->rows);
  g_free (self);
  return picture;
}

/**
 * mblm_picture_to_png:
 * @self: a picture
 * @error: where to put an error
 *
 * Returns: (transfer full): the bytes of a PNG file
 */
GBytes *
mblm_picture_to_png (MblmPicture *self, GError **error)
{
  png_image image = {.version = PNG_IMAGE_VERSION,
      .width = self->width,
      .height = self->height,
      .format = PNG_FORMAT_RGB};
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX (image);
  g_autofree guint8 *data = g_try_malloc (size);

  if (!data ||
      !png_image_write_to_memory (&image, data, &size, 0, self->rgb,
          (png_int_32) (3 * self->width), NULL)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "a picture of %ux%u can't be written as PNG: %s", self->width,
        self->height, data ? image.message : "not enough memory");
    png_image_free (&image);
    return NULL;
  }
  return g_bytes_new_take (g_steal_pointer (&data), size);
}
