/* gstmblmaskoverlay.h: mblmaskoverlay, video in, video with the answer out.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_MBLM_ASK_OVERLAY (gst_mblm_ask_overlay_get_type ())
G_DECLARE_FINAL_TYPE (
    GstMblmAskOverlay, gst_mblm_ask_overlay, GST, MBLM_ASK_OVERLAY, GstBin)

GST_ELEMENT_REGISTER_DECLARE (mblmaskoverlay);

G_END_DECLS
