/* safetensors-read.c: weights out of files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A file is copied with pread, never mapped, so that one which shrinks under the
 * reader is an error and not a signal.
 */

#include "safetensors-private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mblm-error.h"
#include "name-hash.h"
#include "read-file.h"

struct _MblmTensorFile {
  int fd;
  char *path;
  char *identity;
  struct stat status; /* when it was opened */
  GArray *entries;
  GHashTable *by_name; /* name -> position + 1, borrowed keys */
};

void
mblm_tensor_file_free (MblmTensorFile *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_clear_pointer (&self->by_name, g_hash_table_unref);
  g_clear_pointer (&self->entries, g_array_unref);
  g_free (self->identity);
  g_free (self->path);
  g_free (self);
}

static gboolean
fail (const MblmTensorFile *self, GError **error, const char *problem)
{
  g_set_error (
      error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "%s: %s", self->path, problem);
  return FALSE;
}

/* Size or time of the open file are not those it was opened with. */
static gboolean
has_changed (const MblmTensorFile *self)
{
  struct stat now;

  return fstat (self->fd, &now) != 0 || now.st_size != self->status.st_size ||
      now.st_mtim.tv_sec != self->status.st_mtim.tv_sec ||
      now.st_mtim.tv_nsec != self->status.st_mtim.tv_nsec;
}

static gboolean
read_at (const MblmTensorFile *self, void *out, gsize n, guint64 offset,
    GError **error)
{
  if (mblm_read_at (self->fd, out, n, offset))
    return TRUE;
  if (errno == 0)
    return fail (self, error, "became shorter while it was read");
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
      "%s: can't read it: %s", self->path, g_strerror (errno));
  return FALSE;
}

static gboolean
read_header (MblmTensorFile *self, guint64 size, GError **error)
{
  guint64 length;
  g_autofree char *text = NULL;

  if (size < 8)
    return fail (self, error, "shorter than any safetensors file");
  if (!read_at (self, &length, 8, 0, error))
    return FALSE;
  length = GUINT64_FROM_LE (length);
  if (length > MBLM_TENSOR_MAX_HEADER)
    return fail (self, error,
        "its header is larger than 100 MB, or this is no "
        "safetensors file");
  if (length > size - 8)
    return fail (self, error,
        "the file ends in its header: it was truncated, "
        "or this is no safetensors file");
  text = g_try_malloc (length + 1);
  if (text == NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "%s: no memory for a header of %" G_GUINT64_FORMAT " bytes", self->path,
        length);
    return FALSE;
  }
  if (!read_at (self, text, (gsize) length, 8, error))
    return FALSE;
  self->entries = mblm_tensor_header_parse (
      text, (gsize) length, 8 + length, size - 8 - length, self->path, error);
  return self->entries != NULL;
}

MblmTensorFile *
mblm_tensor_file_open (const char *path, GError **error)
{
  g_autoptr (MblmTensorFile) self = g_new0 (MblmTensorFile, 1);
  guint64 size;

  self->path = g_strdup (path);
  self->fd = mblm_open_file (path, &size, error);
  if (self->fd < 0)
    return NULL;
  if (fstat (self->fd, &self->status) != 0 ||
      (guint64) self->status.st_size != size) {
    fail (self, error, "changes while it is read");
    return NULL;
  }
  if (!read_header (self, size, error))
    return NULL;
  if (has_changed (self)) {
    fail (self, error, "changes while it is read");
    return NULL;
  }
  self->identity = g_strdup_printf ("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT
                                    ":%" G_GUINT64_FORMAT ":%" G_GINT64_FORMAT
                                    ".%09ld",
      (guint64) self->status.st_dev, (guint64) self->status.st_ino, size,
      (gint64) self->status.st_mtim.tv_sec,
      (long) self->status.st_mtim.tv_nsec);
  self->by_name = g_hash_table_new (mblm_name_hash, g_str_equal);
  for (guint i = 0; i < self->entries->len; i++)
    g_hash_table_insert (self->by_name,
        g_array_index (self->entries, MblmTensorEntry, i).name,
        GUINT_TO_POINTER (i + 1));
  return g_steal_pointer (&self);
}

guint
mblm_tensor_file_get_n_entries (MblmTensorFile *self)
{
  return self->entries->len;
}

const MblmTensorEntry *
mblm_tensor_file_get_entry (MblmTensorFile *self, guint i)
{
  g_return_val_if_fail (i < self->entries->len, NULL);
  return &g_array_index (self->entries, MblmTensorEntry, i);
}

const MblmTensorEntry *
mblm_tensor_file_lookup (MblmTensorFile *self, const char *name)
{
  guint position = GPOINTER_TO_UINT (g_hash_table_lookup (self->by_name, name));

  return position > 0 ? mblm_tensor_file_get_entry (self, position - 1) : NULL;
}

const char *
mblm_tensor_file_get_identity (MblmTensorFile *self)
{
  return self->identity;
}

/* n 16-bit numbers in the second half of `out` [n] become float32. Element i is
 * written where element 2 i + 1 - n and later ones lay, all of them read. */
static void
widen (MblmDtype dtype, float *out, gsize n)
{
  const guint8 *from = (const guint8 *) out + 2 * n;

  for (gsize i = 0; i < n; i++) {
    guint16 bits;
    float x;

    memcpy (&bits, from + 2 * i, 2);
    bits = GUINT16_FROM_LE (bits);
    x = dtype == MBLM_DTYPE_BF16 ? mblm_float_from_bf16 (bits)
                                 : mblm_float_from_f16 (bits);
    memcpy (out + i, &x, 4);
  }
}

static void
from_little_endian (float *out, gsize n)
{
  if (G_BYTE_ORDER == G_LITTLE_ENDIAN)
    return;
  for (gsize i = 0; i < n; i++) {
    guint32 bits;

    memcpy (&bits, out + i, 4);
    bits = GUINT32_FROM_LE (bits);
    memcpy (out + i, &bits, 4);
  }
}

gboolean
mblm_tensor_file_read (MblmTensorFile *self, const MblmTensorEntry *entry,
    gsize first, gsize n, float *out, GError **error)
{
  gsize size = mblm_dtype_size (entry->dtype);
  gboolean wide = entry->dtype == MBLM_DTYPE_F32;
  guint8 *to = (guint8 *) out + (wide ? 0 : 2 * n);

  g_return_val_if_fail (
      first <= entry->n_elements && n <= entry->n_elements - first, FALSE);
  if (!read_at (self, to, n * size, entry->offset + first * size, error))
    return FALSE;
  if (has_changed (self))
    return fail (self, error, "changed since it was opened: load it again");
  if (wide)
    from_little_endian (out, n);
  else
    widen (entry->dtype, out, n);
  return TRUE;
}
