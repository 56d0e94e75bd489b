/* picture-jpeg.c: JPEG files, through libjpeg-turbo.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The library reports an error by a call that must not return, hence setjmp.
 * All that has to be given back after a jump lies in one struct whose address
 * doesn't change, so that no local variable needs to survive the jump.
 *
 * What the library only warns of (a scan that ends early, bytes that are no
 * code) leaves a picture that is wrong from there on; here it is an error.
 */

#include "config.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "mblm-error.h"
#include "picture-private.h"

/* Scans of a progressive picture at most: each costs a pass over all of it, and
 * a small file can hold a great many. */
#define MAX_SCANS 256
/* Memory that the library may take for the coefficients of such a picture. */
#define MAX_CODEC_MEMORY (1L << 30)
/* Bytes that a picture is written into at first. */
#define FIRST_ROOM 4096
/* Bytes between a scan and the end of the picture that are let pass. */
#define MAX_PADDING 8

typedef struct {
  struct jpeg_error_mgr manager; /* first: the library hands out its address */
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
} ErrorState;

typedef struct {
  struct jpeg_decompress_struct codec;
  struct jpeg_progress_mgr progress;
  ErrorState error;
  MblmPicture *picture;
  guint8 *row; /* [width, 4] of a CMYK picture */
} Reader;

typedef struct {
  struct jpeg_compress_struct codec;
  struct jpeg_destination_mgr destination;
  ErrorState error;
  guint8 *bytes; /* [room], by g_try_realloc */
  gsize room, size;
} Writer;

static G_NORETURN void
on_error (j_common_ptr codec)
{
  ErrorState *state = (ErrorState *) codec->err;

  codec->err->format_message (codec, state->message);
  longjmp (state->jump, 1);
}

/* Level -1 is a warning, 0 and above are remarks. */
static void
on_message (j_common_ptr codec, int level)
{
  const struct jpeg_error_mgr *manager = codec->err;

  if (level >= 0)
    return;
  switch (manager->msg_code) {
    /* About headers whose meaning is clear all the same, or bytes beyond what
     * the picture needs; the pixels are right. */
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_TOO_MUCH_DATA:
      return;
    /* Some cameras pad the end of a scan; damaged data leaves much more. */
    case JWRN_EXTRANEOUS_DATA:
      if (manager->msg_parm.i[0] <= MAX_PADDING &&
          manager->msg_parm.i[1] == JPEG_EOI)
        return;
      break;
  }
  on_error (codec);
}

static void
on_output (j_common_ptr codec)
{
}

static struct jpeg_error_mgr *
error_state_init (ErrorState *self)
{
  struct jpeg_error_mgr *manager = jpeg_std_error (&self->manager);

  manager->error_exit = on_error;
  manager->emit_message = on_message;
  manager->output_message = on_output;
  return manager;
}

static void
on_progress (j_common_ptr codec)
{
  if (((j_decompress_ptr) codec)->input_scan_number <= MAX_SCANS)
    return;
  ErrorState *state = (ErrorState *) codec->err;
  g_strlcpy (state->message, "it has too many scans", sizeof (state->message));
  longjmp (state->jump, 1);
}

/* Inverted CMYK, as Adobe writes it and everybody else since, to RGB: each
 * colour times its white, rounded. */
static void
cmyk_to_rgb (const guint8 *cmyk, guint8 *rgb, guint width)
{
  for (guint x = 0; x < width; x++, cmyk += 4, rgb += 3)
    for (guint c = 0; c < 3; c++) {
      /* With k and c as amounts of ink: white - ink * white, both out of 255,
       * where white = 255 - k. */
      guint white = cmyk[3];
      guint product = (255 - cmyk[c]) * white + 128;
      rgb[c] = (guint8) (white - ((product >> 8) + product) / 256);
    }
}

static void
read_header (Reader *self, const guint8 *data, gsize size)
{
  struct jpeg_decompress_struct *codec = &self->codec;

  jpeg_create_decompress (codec);
  self->progress.progress_monitor = on_progress;
  codec->progress = &self->progress;
  codec->mem->max_memory_to_use = MAX_CODEC_MEMORY;
  jpeg_mem_src (codec, data, size);
  jpeg_read_header (codec, TRUE);
  switch (codec->jpeg_color_space) {
    case JCS_CMYK:
    case JCS_YCCK:
      codec->out_color_space = JCS_CMYK;
      break;
    default:
      codec->out_color_space = JCS_RGB;
      break;
  }
}

static gboolean
read_pixels (Reader *self, GError **error)
{
  struct jpeg_decompress_struct *codec = &self->codec;
  gboolean cmyk = codec->out_color_space == JCS_CMYK;

  self->picture = mblm_picture_alloc (
      codec->image_width, codec->image_height, error);
  if (!self->picture)
    return FALSE;
  if (cmyk)
    self->row = g_new (guint8, (gsize) codec->image_width * 4);

  jpeg_start_decompress (codec);
  while (codec->output_scanline < codec->output_height) {
    guint8 *out = self->picture->rgb +
        (gsize) codec->output_scanline * self->picture->width * 3;
    JSAMPROW rows[1] = {cmyk ? self->row : out};

    jpeg_read_scanlines (codec, rows, 1);
    if (cmyk)
      cmyk_to_rgb (self->row, out, self->picture->width);
  }
  jpeg_finish_decompress (codec);
  return TRUE;
}

/* FALSE without an error set: the library's message says what happened. */
static gboolean
try_read (Reader *self, const guint8 *data, gsize size, GError **error)
{
  if (setjmp (self->error.jump) != 0)
    return FALSE;
  read_header (self, data, size);
  return read_pixels (self, error);
}

MblmPicture *
mblm_picture_read_jpeg (const guint8 *data, gsize size, GError **error)
{
  Reader *self = g_new0 (Reader, 1);
  MblmPicture *picture = NULL;

  self->codec.err = error_state_init (&self->error);
  if (try_read (self, data, size, error))
    picture = g_steal_pointer (&self->picture);
  else if (self->error.message[0] != '\0')
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "the JPEG can't be decoded, it is damaged or cut short: %s",
        self->error.message);
  jpeg_destroy_decompress (&self->codec);
  g_clear_pointer (&self->picture, mblm_picture_unref);
  g_free (self->row);
  g_free (self);
  return picture;
}

/* There is no room, or it is used up: twice as much. Of the library's own
 * destination nobody knows, behind an error, which memory is still to be freed. */
static boolean
on_full (j_compress_ptr codec)
{
  Writer *self = codec->client_data;
  gsize room = self->room > 0 ? 2 * self->room : FIRST_ROOM;
  guint8 *bytes = g_try_realloc (self->bytes, room);

  if (!bytes)
    ERREXIT1 (codec, JERR_OUT_OF_MEMORY, 10);
  codec->dest->next_output_byte = bytes + self->room;
  codec->dest->free_in_buffer = room - self->room;
  self->bytes = bytes;
  self->room = room;
  return TRUE;
}

static void
on_begin (j_compress_ptr codec)
{
  on_full (codec);
}

static void
on_end (j_compress_ptr codec)
{
  Writer *self = codec->client_data;

  self->size = self->room - codec->dest->free_in_buffer;
}

static gboolean
try_write (
    Writer *self, const guint8 *rgb, guint width, guint height, guint quality)
{
  struct jpeg_compress_struct *codec = &self->codec;

  if (setjmp (self->error.jump) != 0)
    return FALSE;
  jpeg_create_compress (codec);
  self->destination.init_destination = on_begin;
  self->destination.empty_output_buffer = on_full;
  self->destination.term_destination = on_end;
  codec->dest = &self->destination;
  codec->client_data = self;
  codec->image_width = width;
  codec->image_height = height;
  codec->input_components = 3;
  codec->in_color_space = JCS_RGB;
  jpeg_set_defaults (codec);
  /* The published data keeps RGB, which is never subsampled. */
  jpeg_set_colorspace (codec, JCS_RGB);
  jpeg_set_quality (codec, (int) quality, TRUE);
  jpeg_start_compress (codec, TRUE);
  while (codec->next_scanline < codec->image_height) {
    JSAMPROW rows[1] = {
        (JSAMPROW) rgb + (gsize) codec->next_scanline * width * 3};

    jpeg_write_scanlines (codec, rows, 1);
  }
  jpeg_finish_compress (codec);
  return TRUE;
}

GBytes *
mblm_picture_write_jpeg (
    const guint8 *rgb, guint width, guint height, guint quality, GError **error)
{
  Writer *self = g_new0 (Writer, 1);
  GBytes *bytes = NULL;

  self->codec.err = error_state_init (&self->error);
  if (try_write (self, rgb, width, height, quality))
    bytes = g_bytes_new (self->bytes, self->size);
  else
    g_set_error (error, MBLM_ERROR,
        self->error.manager.msg_code == JERR_OUT_OF_MEMORY ? MBLM_ERROR_MEMORY
                                                           : MBLM_ERROR_INPUT,
        "the picture can't be written as a JPEG: %s", self->error.message);
  jpeg_destroy_compress (&self->codec);
  g_free (self->bytes);
  g_free (self);
  return bytes;
}
