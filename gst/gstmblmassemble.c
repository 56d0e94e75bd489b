/* gstmblmassemble.c: encoded pictures out of buffers of any size.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <string.h>

#include <mblm.h>

#include "gstmblmassemble.h"

/* Places that may begin a picture at most: of those beyond the times are lost. */
#define MAX_STARTS 1024

/* Where a buffer began, counted from `head`. */
typedef struct {
  gsize offset;
  GstClockTime pts, duration;
  gboolean sure; /* a picture begins here for certain */
} Start;

static const guint8 png_signature[8] = {
    0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

void
gst_mblm_assembler_init (GstMblmAssembler *self)
{
  memset (self, 0, sizeof *self);
  self->data = g_byte_array_new ();
  g_queue_init (&self->starts);
}

void
gst_mblm_assembler_reset (GstMblmAssembler *self)
{
  /* A large picture leaves no large array behind. */
  gst_mblm_assembler_clear (self);
  gst_mblm_assembler_init (self);
}

void
gst_mblm_assembler_clear (GstMblmAssembler *self)
{
  g_clear_pointer (&self->data, g_byte_array_unref);
  g_queue_clear_full (&self->starts, g_free);
}

static const guint8 *
bytes_of (const GstMblmAssembler *self)
{
  return self->data->data + self->head;
}

static gsize
size_of (const GstMblmAssembler *self)
{
  return self->data->len - self->head;
}

static gboolean
has_signature (const guint8 *data, gsize n)
{
  return (n >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff) ||
      (n >= sizeof png_signature &&
          memcmp (data, png_signature, sizeof png_signature) == 0);
}

/* Whether the bytes end inside a header segment of a JPEG, where a thumbnail
 * may begin that is no picture of its own. Goes on from where it was last. */
static gboolean
ends_in_jpeg_header (GstMblmAssembler *self)
{
  const guint8 *data = bytes_of (self);
  gsize n = size_of (self), at = MAX (self->header, 2);

  if (n < 2 || data[0] != 0xff || data[1] != 0xd8)
    return FALSE;
  while (!self->header_over && at + 4 <= n)
    if (data[at] != 0xff ||
        data[at + 1] == 0xda) /* the picture itself follows */
      self->header_over = TRUE;
    else if (data[at + 1] == 0xff)
      at++;
    else
      at += 2 + ((gsize) data[at + 2] << 8 | data[at + 3]);
  self->header = at;
  return !self->header_over;
}

/* Whether the bytes from `from` on may hold the end of a picture. */
static gboolean
has_end_marker (const guint8 *data, gsize n, gsize from)
{
  static const guint8 jpeg_end[2] = {0xff, 0xd9};

  if (n == 0)
    return FALSE;
  from -= MIN (from, 12);
  return memmem (data + from, n - from, jpeg_end, sizeof jpeg_end) ||
      memmem (data + from, n - from, "IEND", 4);
}

static void
add_start (GstMblmAssembler *self, GstBuffer *buffer)
{
  gsize offset = size_of (self);
  gboolean sure = offset > 0 && !ends_in_jpeg_header (self);
  Start *start;

  if (!sure && self->starts.length >= MAX_STARTS)
    return;
  start = g_new (Start, 1);
  start->offset = offset;
  start->pts = GST_BUFFER_PTS (buffer);
  start->duration = GST_BUFFER_DURATION (buffer);
  start->sure = sure;
  g_queue_push_tail (&self->starts, start);
}

gboolean
gst_mblm_assembler_push (GstMblmAssembler *self, GstBuffer *buffer)
{
  gsize old = size_of (self);
  gboolean signature;
  GstMapInfo map;

  if (gst_buffer_get_size (buffer) == 0)
    return TRUE;
  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return FALSE;
  signature = has_signature (map.data, map.size);
  if (self->skipping == map.size && !signature &&
      !GST_BUFFER_PTS_IS_VALID (buffer)) {
    gst_buffer_unmap (buffer, &map);
    return TRUE;
  }
  self->skipping = 0;
  if (old == 0 || signature)
    add_start (self, buffer);
  /* What has not been pulled is less than a picture; a buffer beyond that is
   * refused by pull. */
  g_byte_array_append (self->data, map.data, MIN (map.size, G_MAXINT / 2));
  gst_buffer_unmap (buffer, &map);
  self->marker = self->marker ||
      has_end_marker (bytes_of (self), size_of (self), old);
  return TRUE;
}

/* Where the next picture begins for certain; else the end of what is there. */
static gsize
find_limit (const GstMblmAssembler *self, gboolean *sure)
{
  for (const GList *l = self->starts.head; l; l = l->next) {
    const Start *start = l->data;

    if (start->sure && start->offset > 0) {
      *sure = TRUE;
      return start->offset;
    }
  }
  *sure = FALSE;
  return size_of (self);
}

/* Takes n bytes off, with the time of the buffer that they began. */
static void
consume (GstMblmAssembler *self, gsize n, GstMblmPiece *piece)
{
  Start *start = g_queue_peek_head (&self->starts);

  piece->pts = piece->duration = GST_CLOCK_TIME_NONE;
  if (start && start->offset == 0) {
    piece->pts = start->pts;
    piece->duration = start->duration;
  }
  while ((start = g_queue_peek_head (&self->starts)) && start->offset < n)
    g_free (g_queue_pop_head (&self->starts));
  for (GList *l = self->starts.head; l; l = l->next)
    ((Start *) l->data)->offset -= n;
  /* Bytes are moved only when most of them are gone. */
  self->head += n;
  if (self->head > size_of (self)) {
    g_byte_array_remove_range (self->data, 0, self->head);
    self->head = 0;
  }
  self->header = self->known_short = 0;
  self->header_over = FALSE;
  self->marker = size_of (self) > 0;
}

static GstMblmPiece
broken (GstMblmAssembler *self, gsize n, const char *problem)
{
  gsize whole = size_of (self);
  GstMblmPiece piece = {GST_MBLM_PIECE_BROKEN, NULL, problem};

  if (self->after_picture && !has_signature (bytes_of (self), n))
    piece.kind = GST_MBLM_PIECE_TRAILING;
  else if (n == whole)
    self->skipping = n;
  consume (self, n, &piece);
  self->after_picture = piece.kind == GST_MBLM_PIECE_TRAILING;
  return piece;
}

GstMblmPiece
gst_mblm_assembler_pull (GstMblmAssembler *self, gboolean last)
{
  GstMblmPiece piece = {GST_MBLM_PIECE_NONE};
  gboolean sure;
  gsize limit;
  gssize end;

  if (size_of (self) == 0) {
    self->after_picture = FALSE;
    return piece;
  }
  limit = find_limit (self, &sure);
  /* Looking for the end goes over all bytes: where a thumbnail's end has been
   * taken for it, again only when there are some more. */
  if (!sure && !last && limit <= GST_MBLM_PICTURE_BYTES &&
      (!self->marker || limit < self->known_short + self->known_short / 16))
    return piece;

  end = mblm_picture_find_end (bytes_of (self), limit);
  if (end > GST_MBLM_PICTURE_BYTES ||
      (end == 0 && limit > GST_MBLM_PICTURE_BYTES))
    return broken (self, limit, "the picture is larger than 64 MiB");
  if (end > 0) {
    piece.kind = GST_MBLM_PIECE_PICTURE;
    piece.bytes = g_bytes_new (bytes_of (self), end);
    consume (self, end, &piece);
    self->after_picture = TRUE;
    return piece;
  }
  if (end < 0)
    return broken (self, limit, "this is no JPEG or PNG picture");
  if (sure || last)
    return broken (self, limit, "the picture is cut short");
  self->known_short = limit;
  self->marker = FALSE;
  return piece;
}
