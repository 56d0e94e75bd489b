/* gstmblmframe.c: raw frames of any format to pictures.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmframe.h"

#include "gstmblmbytes.h"

void
gst_mblm_frames_clear (GstMblmFrames *self)
{
  g_clear_pointer (&self->converter, gst_video_converter_free);
  self->known = FALSE;
}

gboolean
gst_mblm_frames_set_caps (GstMblmFrames *self, const GstCaps *caps)
{
  gst_mblm_frames_clear (self);
  self->known = gst_mblm_video_info_from_caps (&self->info, caps) &&
      GST_VIDEO_INFO_FORMAT (&self->info) > GST_VIDEO_FORMAT_ENCODED;
  return self->known;
}

/* The part of the frame to look at: within it, and never empty. */
static gboolean
find_crop (GstMblmFrames *self, GstBuffer *buffer, GstVideoRectangle *crop)
{
  const GstVideoCropMeta *meta = gst_buffer_get_video_crop_meta (buffer);
  guint width = GST_VIDEO_INFO_WIDTH (&self->info);
  guint height = GST_VIDEO_INFO_HEIGHT (&self->info);

  *crop = (GstVideoRectangle){0, 0, width, height};
  if (!meta)
    return TRUE;
  if (meta->x >= width || meta->y >= height || meta->width == 0 ||
      meta->height == 0)
    return FALSE;
  *crop = (GstVideoRectangle){meta->x, meta->y,
      MIN (meta->width, width - meta->x), MIN (meta->height, height - meta->y)};
  return TRUE;
}

/* A converter for this part of the frames. */
static gboolean
make_converter (GstMblmFrames *self, const GstVideoRectangle *crop)
{
  GstStructure *options;

  if (self->converter && crop->x == self->crop.x && crop->y == self->crop.y &&
      crop->w == self->crop.w && crop->h == self->crop.h)
    return TRUE;
  g_clear_pointer (&self->converter, gst_video_converter_free);
  if (!gst_video_info_set_format (
          &self->rgb, GST_VIDEO_FORMAT_RGB, crop->w, crop->h))
    return FALSE;
  self->rgb.interlace_mode = self->info.interlace_mode;
  self->rgb.fps_n = self->info.fps_n;
  self->rgb.fps_d = self->info.fps_d;
  self->rgb.par_n = self->info.par_n;
  self->rgb.par_d = self->info.par_d;
  options = gst_structure_new ("options", GST_VIDEO_CONVERTER_OPT_SRC_X,
      G_TYPE_INT, crop->x, GST_VIDEO_CONVERTER_OPT_SRC_Y, G_TYPE_INT, crop->y,
      GST_VIDEO_CONVERTER_OPT_SRC_WIDTH, G_TYPE_INT, crop->w,
      GST_VIDEO_CONVERTER_OPT_SRC_HEIGHT, G_TYPE_INT, crop->h, NULL);
  self->converter = gst_video_converter_new (&self->info, &self->rgb, options);
  self->crop = *crop;
  return self->converter != NULL;
}

static MblmPicture *
fail (GError **error, gint code, const char *text)
{
  g_set_error_literal (error, MBLM_ERROR, code, text);
  return NULL;
}

static MblmPicture *
convert (GstMblmFrames *self, const GstVideoFrame *in, GError **error)
{
  gsize size = GST_VIDEO_INFO_SIZE (&self->rgb);
  guint8 *bytes = g_try_malloc (size);
  MblmPicture *picture;
  GstVideoFrame out;
  GstBuffer *buffer;

  if (!bytes)
    return fail (
        error, MBLM_ERROR_MEMORY, "not enough memory for the frame as RGB");
  buffer = gst_buffer_new_wrapped (bytes, size);
  if (!gst_video_frame_map (&out, &self->rgb, buffer, GST_MAP_READWRITE)) {
    gst_buffer_unref (buffer);
    return fail (error, MBLM_ERROR_INPUT, "the frame as RGB can't be mapped");
  }
  gst_video_converter_frame (self->converter, in, &out);
  picture = mblm_picture_new (self->crop.w, self->crop.h,
      GST_VIDEO_FRAME_PLANE_DATA (&out, 0),
      GST_VIDEO_FRAME_PLANE_STRIDE (&out, 0), error);
  gst_video_frame_unmap (&out);
  gst_buffer_unref (buffer);
  return picture;
}

MblmPicture *
gst_mblm_frames_convert (GstMblmFrames *self, GstBuffer *buffer, GError **error)
{
  GstVideoRectangle crop;
  GstVideoFrame in;
  MblmPicture *picture;

  if (!self->known)
    return fail (error, MBLM_ERROR_INPUT, "the frame came before its caps");
  if (!find_crop (self, buffer, &crop))
    return fail (
        error, MBLM_ERROR_INPUT, "the frame's crop leaves nothing of it");
  if (crop.w > MBLM_PICTURE_MAX_SIDE || crop.h > MBLM_PICTURE_MAX_SIDE ||
      (guint64) crop.w * crop.h > MBLM_PICTURE_MAX_PIXELS)
    return fail (error, MBLM_ERROR_INPUT,
        "the frame is larger than 16384 pixels a side; put a videoscale before "
        "the element");
  if (!gst_mblm_video_frame_map (&in, &self->info, buffer))
    return fail (error, MBLM_ERROR_INPUT,
        "the frame's memory can't be read, or is smaller than its caps or its "
        "GstVideoMeta say");

  if (GST_VIDEO_INFO_FORMAT (&self->info) == GST_VIDEO_FORMAT_RGB) {
    const guint8 *rows = GST_VIDEO_FRAME_PLANE_DATA (&in, 0);
    gint stride = GST_VIDEO_FRAME_PLANE_STRIDE (&in, 0);

    picture = mblm_picture_new (crop.w, crop.h,
        rows + (gssize) crop.y * stride + 3 * crop.x, stride, error);
  } else if (make_converter (self, &crop)) {
    picture = convert (self, &in, error);
  } else {
    picture = fail (
        error, MBLM_ERROR_INPUT, "frames of this format can't be converted");
  }
  gst_video_frame_unmap (&in);
  return picture;
}
