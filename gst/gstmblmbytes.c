/* gstmblmbytes.c: the bytes of a buffer that is passing.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmbytes.h"

/* Whether the format is made of rows of pixels of whole bytes. */
static gboolean
has_rows (const GstVideoFormatInfo *format)
{
  return !GST_VIDEO_FORMAT_INFO_IS_TILED (format) &&
      !GST_VIDEO_FORMAT_INFO_IS_COMPLEX (format) &&
      !GST_VIDEO_FORMAT_INFO_HAS_PALETTE (format);
}

/* Bytes of one row of a plane, without padding, and the number of its rows. */
static gsize
row_bytes (const GstVideoInfo *info, guint plane, guint *n_rows)
{
  const GstVideoFormatInfo *format = info->finfo;
  gsize size = 0;

  *n_rows = 0;
  for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (format); c++) {
    if (GST_VIDEO_FORMAT_INFO_PLANE (format, c) != plane)
      continue;
    *n_rows = GST_VIDEO_INFO_COMP_HEIGHT (info, c);
    size = MAX (size,
        (gsize) GST_VIDEO_INFO_COMP_WIDTH (info, c) *
            GST_VIDEO_INFO_COMP_PSTRIDE (info, c));
  }
  return size;
}

static gboolean
foreach_row (GstVideoFrame *frame, GstMblmBytesFunc func, gpointer user_data)
{
  const GstVideoInfo *info = &frame->info;

  for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES (frame); plane++) {
    const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (frame, plane);
    gint stride = GST_VIDEO_FRAME_PLANE_STRIDE (frame, plane);
    guint n_rows;
    gsize size = row_bytes (info, plane, &n_rows);

    for (guint y = 0; y < n_rows; y++)
      if (!func (data + (gssize) y * stride, size, user_data))
        return FALSE;
  }
  return TRUE;
}

gboolean
gst_mblm_buffer_foreach (GstBuffer *buffer, const GstVideoInfo *info,
    GstMblmBytesFunc func, gpointer user_data)
{
  GstVideoFrame frame;

  if (info && has_rows (info->finfo) &&
      gst_video_frame_map (&frame, info, buffer, GST_MAP_READ)) {
    foreach_row (&frame, func, user_data);
    gst_video_frame_unmap (&frame);
    return TRUE;
  }

  for (guint i = 0; i < gst_buffer_n_memory (buffer); i++) {
    GstMemory *memory = gst_buffer_peek_memory (buffer, i);
    GstMapInfo map;
    gboolean more;

    if (!gst_memory_map (memory, &map, GST_MAP_READ))
      return FALSE;
    more = func (map.data, map.size, user_data);
    gst_memory_unmap (memory, &map);
    if (!more)
      break;
  }
  return TRUE;
}
