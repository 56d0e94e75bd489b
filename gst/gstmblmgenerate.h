/* gstmblmgenerate.h: mblmgenerate, bytes or text in, the continuation out.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "gstmblmbase.h"

G_BEGIN_DECLS

#define GST_TYPE_MBLM_GENERATE (gst_mblm_generate_get_type ())
G_DECLARE_FINAL_TYPE (
    GstMblmGenerate, gst_mblm_generate, GST, MBLM_GENERATE, GstMblmBase)

GST_ELEMENT_REGISTER_DECLARE (mblmgenerate);

G_END_DECLS
