/* gstmblmscore.h: mblmscore, bits per byte of what passes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "gstmblmbase.h"

G_BEGIN_DECLS

#define GST_TYPE_MBLM_SCORE (gst_mblm_score_get_type ())
G_DECLARE_FINAL_TYPE (
    GstMblmScore, gst_mblm_score, GST, MBLM_SCORE, GstMblmBase)

GST_ELEMENT_REGISTER_DECLARE (mblmscore);

G_END_DECLS
