/* npy.h: arrays in files, for the debug commands and the tests.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * C order, format version 1 to 3; ids <i4 or <i8, masks <f4, |u1, |b1. Private
 * to the engine and its command.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  guint n_dims;
  gsize shape[8];
  gsize n_elements;
  void *data; /* gint32, float or guint8 by the loader used */
} MblmNpy;

void mblm_npy_clear (MblmNpy *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MblmNpy, mblm_npy_clear)

/* Each checks the kind of its data; Errors: INPUT, NOT_FOUND, G_FILE_ERROR. An
 * id beyond int32 is an error. */
gboolean mblm_npy_load_ids (const char *path, MblmNpy *out, GError **error);
gboolean mblm_npy_load_floats (const char *path, MblmNpy *out, GError **error);
gboolean mblm_npy_load_mask (const char *path, MblmNpy *out, GError **error);

gboolean mblm_npy_save_floats (const char *path, const float *data,
    guint n_dims, const gsize *shape, GError **error);
gboolean mblm_npy_save_ids (const char *path, const gint32 *data, guint n_dims,
    const gsize *shape, GError **error);

G_END_DECLS
