/* info-read-private.h: what reads an mblm.json.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "info-private.h"

#include "json.h"

G_BEGIN_DECLS

typedef struct {
  MblmJson json;
  const char *file;
  guint vocabulary;
  MblmInfo *info;
  const char *key; /* the one that is read, for messages */
} MblmInfoReader;

/* Reads the value of a key. */
typedef gboolean (*ReadValue) (MblmInfoReader *self, GError **error);

typedef struct {
  const char *key;
  ReadValue read;
  gboolean optional; /* may be null */
} MblmInfoField;

/* FALSE, with an error that says where. */
G_GNUC_PRINTF (3, 4)
gboolean mblm_info_fail (
    const MblmInfoReader *self, GError **error, const char *format, ...);
/* Another token than `wanted` was there. */
gboolean mblm_info_fail_token (
    const MblmInfoReader *self, const char *wanted, GError **error);
/* An object, whose brace is read here; `seen` gets a bit per field. */
gboolean mblm_info_read_fields (MblmInfoReader *self,
    const MblmInfoField *fields, guint n, guint *seen, GError **error);
gboolean mblm_info_read_unsigned (MblmInfoReader *self, guint64 min,
    guint64 max, guint64 *out, GError **error);
/* One of the NULL-terminated words. */
gboolean mblm_info_read_word (
    MblmInfoReader *self, const char *const *words, guint *out, GError **error);

/* How a picture becomes bytes: info-image.c. */
gboolean mblm_info_read_image (MblmInfoReader *self, GError **error);

G_END_DECLS
