/* gstmblmframe.h: raw frames of any format to pictures.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A frame becomes packed RGB at its own size, without alpha, cropped as its
 * GstVideoCropMeta says. Used by one thread at a time.
 */

#pragma once

#include <gst/video/video.h>
#include <mblm.h>

G_BEGIN_DECLS

typedef struct {
  GstVideoInfo info; /* of the frames; unset before the first caps */
  gboolean known;
  GstVideoConverter *converter; /* made for `crop`; NULL: not made yet */
  GstVideoRectangle crop;
  GstVideoInfo rgb; /* what it makes */
} GstMblmFrames;

void gst_mblm_frames_clear (GstMblmFrames *self);
/* FALSE: these are no caps of frames. */
gboolean gst_mblm_frames_set_caps (GstMblmFrames *self, const GstCaps *caps);
/* NULL with MBLM_ERROR_INPUT or MBLM_ERROR_MEMORY. */
MblmPicture *gst_mblm_frames_convert (
    GstMblmFrames *self, GstBuffer *buffer, GError **error);

G_END_DECLS
