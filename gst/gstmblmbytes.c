/* gstmblmbytes.c: the bytes of a buffer that is passing.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <string.h>

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

/* --- frames --- */

gboolean
gst_mblm_video_info_from_caps (GstVideoInfo *info, const GstCaps *caps)
{
  return gst_video_info_from_caps (info, caps) &&
      GST_VIDEO_INFO_WIDTH (info) > 0 && GST_VIDEO_INFO_HEIGHT (info) > 0;
}

/* Bytes that a plane needs at `stride`, and before where it begins. */
static void
plane_needs (const GstVideoInfo *info, guint plane, gint stride, gsize *after,
    gsize *before)
{
  guint n_rows;
  gsize size = row_bytes (info, plane, &n_rows), way;

  if (!has_rows (info->finfo))
    size = MAX (size, (gsize) ABS (GST_VIDEO_INFO_PLANE_STRIDE (info, plane)));
  if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info->finfo) && plane == 1) {
    size = 256 * 4;
    n_rows = 1;
  }
  way = n_rows > 0 ? (gsize) ABS ((gint64) stride) * (n_rows - 1) : 0;
  *before = stride < 0 ? way : 0;
  *after = size + (stride < 0 ? 0 : way);
}

/* Whether the plane lies in what was mapped for it. */
static gboolean
plane_fits (const GstVideoFrame *frame, const GstVideoInfo *info, guint plane)
{
  const GstMapInfo *map = &frame->map[plane];
  const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (frame, plane);
  gint stride = GST_VIDEO_FRAME_PLANE_STRIDE (frame, plane);
  gsize after, before;

  /* A meta with a way to map of its own. */
  if (data < map->data || data > map->data + map->size)
    return TRUE;
  if (GST_VIDEO_FORMAT_INFO_IS_TILED (info->finfo)) {
    after = plane + 1 < GST_VIDEO_INFO_N_PLANES (info)
        ? GST_VIDEO_INFO_PLANE_OFFSET (info, plane + 1)
        : GST_VIDEO_INFO_SIZE (info);
    after -= GST_VIDEO_INFO_PLANE_OFFSET (info, plane);
    before = 0;
    if (stride != GST_VIDEO_INFO_PLANE_STRIDE (info, plane))
      return FALSE;
  } else {
    plane_needs (info, plane, stride, &after, &before);
  }
  return before <= (gsize) (data - map->data) &&
      after <= (gsize) (map->data + map->size - data);
}

/* Whether a meta is of a frame that these caps can't be of. */
static gboolean
is_other_frame (const GstVideoMeta *meta, const GstVideoInfo *info)
{
  return meta->format != GST_VIDEO_INFO_FORMAT (info) ||
      meta->width < (guint) GST_VIDEO_INFO_WIDTH (info) ||
      meta->height < (guint) GST_VIDEO_INFO_HEIGHT (info) ||
      meta->n_planes != GST_VIDEO_INFO_N_PLANES (info);
}

gboolean
gst_mblm_video_frame_map (
    GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  gboolean fits = TRUE;

  if (meta && is_other_frame (meta, info))
    return FALSE;
  if (!gst_video_frame_map (frame, info, buffer, GST_MAP_READ))
    return FALSE;
  for (guint plane = 0; meta && plane < meta->n_planes; plane++)
    fits = fits && plane_fits (frame, info, plane);
  if (!fits)
    gst_video_frame_unmap (frame);
  return fits;
}

/* --- bytes --- */

/* `info` is of the caps; a GstVideoMeta may be of a larger frame. */
static void
foreach_row (const GstVideoFrame *frame, const GstVideoInfo *info,
    GstMblmBytesFunc func, gpointer user_data)
{
  for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES (frame); plane++) {
    const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (frame, plane);
    gint stride = GST_VIDEO_FRAME_PLANE_STRIDE (frame, plane);
    guint n_rows;
    gsize size = row_bytes (info, plane, &n_rows);

    for (guint y = 0; y < n_rows; y++)
      if (!func (data + (gssize) y * stride, size, user_data))
        return;
  }
}

gboolean
gst_mblm_buffer_foreach (GstBuffer *buffer, const GstVideoInfo *info,
    GstMblmBytesFunc func, gpointer user_data)
{
  GstVideoFrame frame;

  if (info && has_rows (info->finfo) &&
      gst_mblm_video_frame_map (&frame, info, buffer)) {
    foreach_row (&frame, info, func, user_data);
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

gsize
gst_mblm_buffer_count (GstBuffer *buffer, const GstVideoInfo *info)
{
  gsize size = gst_buffer_get_size (buffer), n = 0;
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);

  /* What isn't a frame of these caps is read as it lies. */
  if (!info || !has_rows (info->finfo) ||
      (meta ? is_other_frame (meta, info) : size < GST_VIDEO_INFO_SIZE (info)))
    return size;
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES (info); plane++) {
    guint n_rows;
    gsize row = row_bytes (info, plane, &n_rows);

    n += row * n_rows;
  }
  return n;
}

static gboolean
append (const guint8 *bytes, gsize n, gpointer user_data)
{
  guint8 **to = user_data;

  if (n > 0)
    memcpy (*to, bytes, n);
  *to += n;
  return TRUE;
}

GBytes *
gst_mblm_buffer_copy (GstBuffer *buffer)
{
  gsize size = gst_buffer_get_size (buffer);
  guint8 *copy = g_malloc (size), *to = copy;

  if (gst_mblm_buffer_foreach (buffer, NULL, append, &to))
    return g_bytes_new_take (copy, size);
  g_free (copy);
  return NULL;
}
