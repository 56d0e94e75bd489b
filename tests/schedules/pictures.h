/* pictures.h: small pictures as files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

const guint8 *pictures_png (gsize *size);
const guint8 *pictures_jpeg (gsize *size);
