/* pth.h: a published checkpoint to safetensors.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Private to the confined reader (mblm-pth-reader.c) and its tests: the engine
 * itself never calls it.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Reads the checkpoint from the regular file `in` of `size` bytes and writes its
 * tensors, under today's names and with their dtypes, to `out`. What was written
 * is worth nothing where it fails. Errors: WEIGHTS, G_FILE_ERROR. */
gboolean mblm_pth_convert (int in, guint64 size, int out, GError **error);

G_END_DECLS
