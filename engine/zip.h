/* zip.h: reading the ZIP archives that torch.save writes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Stored (uncompressed) entries only, with ZIP64. Strict: central directory,
 * local headers and data descriptors have to agree, nothing overlaps, no name is
 * there twice, nothing stands behind the end record. Private to the engine.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MBLM_ZIP_MAX_ENTRIES 200000
#define MBLM_ZIP_MAX_NAME 1024

typedef struct {
  char *name;     /* UTF-8 */
  guint64 offset; /* of the data in the file */
  guint64 size;
  guint32 crc;
  gboolean checked;   /* the data was found to have that CRC */
  guint64 start, end; /* from the local header to the next entry */
} MblmZipEntry;

typedef struct _MblmZip MblmZip;

/* `fd` is borrowed. Error: MBLM_ERROR_WEIGHTS, G_FILE_ERROR. */
MblmZip *mblm_zip_open (int fd, guint64 size, GError **error);
void mblm_zip_free (MblmZip *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmZip, mblm_zip_free)

guint mblm_zip_get_n_entries (MblmZip *self);
MblmZipEntry *mblm_zip_get_entry (MblmZip *self, guint i);
MblmZipEntry *mblm_zip_lookup (MblmZip *self, const char *name);

/* Gets pieces of an entry in turn; FALSE with `error` set stops. */
typedef gboolean (*MblmZipPiece) (
    const guint8 *data, gsize n, gpointer user_data, GError **error);

/* Reads n bytes from `first` on, in pieces; `piece` may be NULL. A whole entry is
 * compared with its CRC at the end and is `checked` then. */
gboolean mblm_zip_read (MblmZip *self, MblmZipEntry *entry, guint64 first,
    guint64 n, MblmZipPiece piece, gpointer user_data, GError **error);

/* The CRC-32 of ZIP over `n` more bytes; begins with 0. */
guint32 mblm_crc32 (guint32 crc, const guint8 *data, gsize n);

G_END_DECLS
