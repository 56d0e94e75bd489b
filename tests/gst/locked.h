/* locked.h: buffers whose memory can't be mapped.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gst/gst.h>

GstBuffer *locked_buffer (gsize size);
