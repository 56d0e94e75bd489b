/* gstmblmpictures.c: from buffers to pictures as bytes for the model.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <string.h>

#include <glib/gi18n-lib.h>

#include "gstmblmpictures.h"

#define GST_CAT_DEFAULT gst_mblm_debug

/* Warnings about broken frames in one stream; more are only counted. */
#define MAX_WARNINGS 64
/* Where EXIF data lies in a file, if it has any. */
#define EXIF_WITHIN (128 * 1024)

void
gst_mblm_pictures_init (
    GstMblmPictures *self, GstMblmBase *base, GstMblmPictureFunc submit)
{
  memset (self, 0, sizeof *self);
  self->base = base;
  self->submit = submit;
  gst_mblm_assembler_init (&self->assembler);
  gst_mblm_pictures_reset (self);
  gst_mblm_pictures_begin_stream (self);
}

void
gst_mblm_pictures_clear (GstMblmPictures *self)
{
  gst_mblm_frames_clear (&self->frames);
  gst_mblm_assembler_clear (&self->assembler);
}

void
gst_mblm_pictures_reset (GstMblmPictures *self)
{
  gst_mblm_assembler_reset (&self->assembler);
  self->n = 0;
  self->last = GST_CLOCK_TIME_NONE;
  self->warnings = 0;
  self->warned_trailing = FALSE;
}

void
gst_mblm_pictures_begin_stream (GstMblmPictures *self)
{
  self->orientation = MBLM_ORIENTATION_1;
}

void
gst_mblm_pictures_set_tags (GstMblmPictures *self, GstTagList *tags)
{
  /* In the order of the EXIF numbers, from 1. */
  static const char *const names[] = {"rotate-0", "flip-rotate-0", "rotate-180",
      "flip-rotate-180", "flip-rotate-270", "rotate-90", "flip-rotate-90",
      "rotate-270"};
  g_autofree char *name = NULL;

  if (!gst_tag_list_get_string (tags, GST_TAG_IMAGE_ORIENTATION, &name))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (name, names[i]))
      self->orientation = (MblmOrientation) (i + 1);
}

/* --- caps --- */

static gboolean
refuse_caps (GstMblmPictures *self, const GstCaps *caps)
{
  g_autofree char *debug = gst_caps_to_string (caps);

  gst_mblm_base_fault (self->base,
      gst_mblm_fault_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          g_strdup (_ ("These are no frames that can be looked at: they need a "
                       "known format and a size of at least 1x1. Put "
                       "“videoconvert ! videoscale” before the element.")),
          debug));
  return FALSE;
}

gboolean
gst_mblm_pictures_set_caps (GstMblmPictures *self, GstCaps *caps)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  gint n = 0, d = 1;

  gst_mblm_pictures_drain (self);
  self->raw = gst_structure_has_name (structure, "video/x-raw");
  if (self->raw && !gst_mblm_frames_set_caps (&self->frames, caps))
    return refuse_caps (self, caps);
  gst_structure_get_fraction (structure, "framerate", &n, &d);
  gst_mblm_input_set_framerate (&self->base->input, n, d);
  return TRUE;
}

/* --- frames --- */

static void
warn_broken (GstMblmPictures *self, const char *problem)
{
  GstMblmBase *base = self->base;

  g_mutex_lock (&base->lock);
  base->stats.failed++;
  g_mutex_unlock (&base->lock);
  GST_INFO_OBJECT (base, "broken frame: %s", problem);
  if (self->warnings++ >= MAX_WARNINGS)
    return;
  gst_mblm_base_warn (base,
      gst_mblm_fault_new (GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE,
          g_strdup (self->warnings < MAX_WARNINGS
                  ? _ ("A picture can't be read and gets no answer. Check what "
                       "sends it.")
                  : _ ("A picture can't be read and gets no answer; more of "
                       "them are counted without a message. Check what sends "
                       "them.")),
          problem));
}

/* Whether this frame is to be answered. */
static gboolean
is_wanted (GstMblmPictures *self, const GstMblmItem *item)
{
  gboolean wanted = self->n++ % MAX (self->frame_interval, 1) == 0;

  if (wanted && self->interval > 0 && GST_CLOCK_TIME_IS_VALID (self->last)) {
    GstClockTime passed = item->pts > self->last ? item->pts - self->last
                                                 : self->last - item->pts;

    wanted = passed >= self->interval;
  }
  if (wanted)
    self->last = item->pts;
  return wanted;
}

/* The frame's bytes into the item. Takes `picture`. */
static gboolean
lay_out (GstMblmPictures *self, MblmPicture *picture,
    MblmOrientation orientation, GstMblmItem *item, GError **error)
{
  const MblmImageLayout *layout;
  GstMblmLoad *load = gst_mblm_base_get_load (self->base);

  item->load = load;
  layout = load ? mblm_info_get_image (load->info) : NULL;
  if (!layout) {
    mblm_picture_unref (picture);
    g_set_error_literal (error, MBLM_ERROR, MBLM_ERROR_UNSUPPORTED,
        "the model takes no pictures: its mblm.json has no \"image\"");
    return FALSE;
  }
  if (orientation != MBLM_ORIENTATION_1) {
    MblmPicture *upright = mblm_picture_orient (picture, orientation, error);

    mblm_picture_unref (picture);
    if (!upright)
      return FALSE;
    picture = upright;
  }
  item->bytes = mblm_picture_to_bytes (picture, layout, error);
  if (item->bytes)
    item->size = g_bytes_get_size (item->bytes);
  mblm_picture_unref (picture);
  return item->bytes != NULL;
}

/* Makes it work if there are bytes, else input that fails. */
static GstFlowReturn
submit (GstMblmPictures *self, GstMblmItem *item, gboolean wanted,
    const GError *error)
{
  if (error && wanted) {
    item->failed = TRUE;
    warn_broken (self, error->message);
  }
  item->kind = item->bytes ? GST_MBLM_ITEM_WORK : GST_MBLM_ITEM_SKIP;
  return self->submit (self->base, item);
}

static GstFlowReturn
push_frame (GstMblmPictures *self, GstBuffer *buffer)
{
  GstMblmItem *item = gst_mblm_item_new (GST_MBLM_ITEM_SKIP);
  g_autoptr (GError) error = NULL;
  MblmPicture *picture;
  gboolean wanted;

  gst_mblm_input_stamp_frame (&self->base->input, GST_BUFFER_PTS (buffer),
      GST_BUFFER_DURATION (buffer), item);
  wanted = is_wanted (self, item);
  if (wanted) {
    picture = gst_mblm_frames_convert (&self->frames, buffer, &error);
    if (picture)
      lay_out (self, picture, self->orientation, item, &error);
  }
  /* Before the wait for room: capture pools are small. */
  gst_buffer_unref (buffer);
  return submit (self, item, wanted, error);
}

/* EXIF data says how a picture is turned, and the tag would say it again. */
static gboolean
has_exif (GBytes *bytes)
{
  gsize n;
  const guint8 *data = g_bytes_get_data (bytes, &n);

  n = MIN (n, EXIF_WITHIN);
  return memmem (data, n, "Exif\0\0", 6) || memmem (data, n, "eXIf", 4);
}

/* Takes the piece: a picture, or what was to be one. */
static GstFlowReturn
push_file (GstMblmPictures *self, GstMblmPiece *piece)
{
  GstMblmItem *item = gst_mblm_item_new (GST_MBLM_ITEM_SKIP);
  g_autoptr (GBytes) bytes = piece->bytes;
  g_autoptr (GError) error = NULL;
  gboolean wanted;

  gst_mblm_input_stamp_frame (
      &self->base->input, piece->pts, piece->duration, item);
  wanted = is_wanted (self, item);
  if (!bytes) {
    wanted = TRUE;
    g_set_error_literal (&error, MBLM_ERROR, MBLM_ERROR_INPUT, piece->problem);
  } else if (wanted) {
    gsize n;
    const guint8 *data = g_bytes_get_data (bytes, &n);
    MblmPicture *picture = mblm_picture_decode (data, n, &error);

    if (picture)
      lay_out (self, picture,
          has_exif (bytes) ? MBLM_ORIENTATION_1 : self->orientation, item,
          &error);
  }
  return submit (self, item, wanted, error);
}

static void
warn_trailing (GstMblmPictures *self)
{
  if (self->warned_trailing)
    return;
  self->warned_trailing = TRUE;
  gst_mblm_base_warn (self->base,
      gst_mblm_fault_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          g_strdup (_ ("Bytes that follow a picture and are none are left out. "
                       "Check what sends them.")),
          NULL));
}

static GstFlowReturn
pull (GstMblmPictures *self, gboolean last)
{
  GstFlowReturn ret = GST_FLOW_OK;

  while (ret == GST_FLOW_OK) {
    GstMblmPiece piece = gst_mblm_assembler_pull (&self->assembler, last);

    if (piece.kind == GST_MBLM_PIECE_NONE)
      break;
    if (piece.kind == GST_MBLM_PIECE_TRAILING)
      warn_trailing (self);
    else
      ret = push_file (self, &piece);
  }
  return ret;
}

GstFlowReturn
gst_mblm_pictures_push (GstMblmPictures *self, GstBuffer *buffer)
{
  gboolean taken;

  if (self->raw)
    return push_frame (self, buffer);
  taken = gst_mblm_assembler_push (&self->assembler, buffer);
  gst_buffer_unref (buffer);
  if (!taken)
    warn_broken (self, "the buffer's memory can't be read");
  return pull (self, FALSE);
}

GstFlowReturn
gst_mblm_pictures_drain (GstMblmPictures *self)
{
  return pull (self, TRUE);
}
