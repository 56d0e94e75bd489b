/* fake-private.h: how fake models write ids.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gmodule.h>

G_BEGIN_DECLS

#define FAKE_VOCABULARY 260
#define FAKE_PAD 256
#define FAKE_END 257
#define FAKE_TEXT 258
#define FAKE_IMAGE 259
/* Bits of an id, and more up to what a processor likes. */
#define FAKE_DIM 16

/* code [FAKE_DIM]: a sign for each bit. */
void fake_encode (gint id, float *code);

G_MODULE_EXPORT gboolean mblm_module_init (GError **error);

G_END_DECLS
