/* gstmblmask.h: mblmask, frames or pictures in, answers out.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "gstmblmbase.h"

G_BEGIN_DECLS

#define GST_TYPE_MBLM_ASK (gst_mblm_ask_get_type ())
G_DECLARE_FINAL_TYPE (GstMblmAsk, gst_mblm_ask, GST, MBLM_ASK, GstMblmBase)

GST_ELEMENT_REGISTER_DECLARE (mblmask);

G_END_DECLS
