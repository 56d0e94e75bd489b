/* gstmblmbytes.h: the bytes of a buffer that is passing.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* FALSE, too, for frames of less than 1x1, which GStreamer has no objection to. */
gboolean gst_mblm_video_info_from_caps (
    GstVideoInfo *info, const GstCaps *caps);
/* Maps a frame of these caps for reading, as gst_video_frame_map does, but FALSE
 * for a GstVideoMeta that is of other caps, or says that the frame lies where the
 * buffer doesn't. */
gboolean gst_mblm_video_frame_map (
    GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer);

/* Called with a run of bytes; FALSE ends it. */
typedef gboolean (*GstMblmBytesFunc) (
    const guint8 *bytes, gsize n, gpointer user_data);

/* Goes over the bytes of a buffer: one memory after the other, without copying;
 * with `info` (raw video) row by row and plane by plane, without padding.
 * FALSE: the buffer can't be mapped. */
gboolean gst_mblm_buffer_foreach (GstBuffer *buffer, const GstVideoInfo *info,
    GstMblmBytesFunc func, gpointer user_data);
/* How many bytes that goes over, without mapping the buffer; of one that can't be
 * mapped, how many they would have been. */
gsize gst_mblm_buffer_count (GstBuffer *buffer, const GstVideoInfo *info);
/* A copy of the bytes; NULL: the buffer can't be mapped. gst_buffer_extract gives
 * a critical warning then. */
GBytes *gst_mblm_buffer_copy (GstBuffer *buffer);

G_END_DECLS
