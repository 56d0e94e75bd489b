/* pth.c: a published checkpoint to safetensors.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * An archive of NAME/data.pkl (what there is), NAME/data/KEY (the numbers),
 * NAME/byteorder and a few small entries that say nothing to us. Every entry's
 * checksum is compared, those of the tensors while they are copied.
 */

#include "pth.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mblm-error.h"
#include "message.h"
#include "pickle.h"
#include "safetensors-private.h"
#include "zip.h"

typedef struct {
  MblmZip *zip;
  char *folder;        /* "NAME/" */
  GArray *tensors;     /* MblmPickleTensor */
  GArray *entries;     /* MblmTensorEntry, in the order of writing */
  GHashTable *by_name; /* name -> MblmPickleTensor */
  int out;
} Conversion;

G_GNUC_PRINTF (2, 3)
static gboolean
fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (
      error, g_error_new_valist (MBLM_ERROR, MBLM_ERROR_WEIGHTS, format, args));
  va_end (args);
  return FALSE;
}

/* The one entry NAME/data.pkl; sets `folder`. */
static MblmZipEntry *
find_pickle (Conversion *self, GError **error)
{
  MblmZipEntry *found = NULL;

  for (guint i = 0; i < mblm_zip_get_n_entries (self->zip); i++) {
    MblmZipEntry *entry = mblm_zip_get_entry (self->zip, i);
    const char *slash = strchr (entry->name, '/');

    if (slash == NULL || !g_str_equal (slash, "/data.pkl"))
      continue;
    if (found != NULL) {
      fail (error, "the archive has two data.pkl");
      return NULL;
    }
    found = entry;
    self->folder = g_strndup (entry->name, (gsize) (slash + 1 - entry->name));
  }
  if (found == NULL)
    fail (error, "the archive has no data.pkl: torch.save did not write it");
  return found;
}

static gboolean
append_piece (const guint8 *data, gsize n, gpointer user_data, GError **error)
{
  g_byte_array_append (user_data, data, (guint) n);
  return TRUE;
}

/* A whole entry of at most `max` bytes. */
static GByteArray *
read_small (Conversion *self, MblmZipEntry *entry, guint64 max, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  if (entry->size > max) {
    g_autofree char *name = mblm_quote (entry->name, -1);

    fail (error, "the entry %s is larger than %" G_GUINT64_FORMAT " bytes",
        name, max);
    return NULL;
  }
  if (!mblm_zip_read (
          self->zip, entry, 0, entry->size, append_piece, bytes, error))
    return NULL;
  return g_steal_pointer (&bytes);
}

static gboolean
check_byte_order (Conversion *self, GError **error)
{
  g_autofree char *name = g_strconcat (self->folder, "byteorder", NULL);
  MblmZipEntry *entry = mblm_zip_lookup (self->zip, name);
  g_autoptr (GByteArray) bytes = NULL;

  if (entry == NULL)
    return TRUE;
  bytes = read_small (self, entry, 64, error);
  if (bytes == NULL)
    return FALSE;
  if (bytes->len == 6 && memcmp (bytes->data, "little", 6) == 0)
    return TRUE;
  return fail (error,
      "its numbers are not little-endian: load and save it "
      "with torch on a little-endian machine");
}

static gboolean
read_pickle (Conversion *self, GError **error)
{
  MblmZipEntry *entry = find_pickle (self, error);
  g_autoptr (GByteArray) bytes = NULL;

  if (entry == NULL || !check_byte_order (self, error))
    return FALSE;
  bytes = read_small (self, entry, MBLM_PICKLE_MAX_BYTES, error);
  if (bytes == NULL)
    return FALSE;
  self->tensors = mblm_pickle_read (bytes->data, bytes->len, error);
  return self->tensors != NULL;
}

/* The archive's entry with a tensor's storage, whose size must be right. */
static MblmZipEntry *
find_storage (Conversion *self, const MblmPickleTensor *tensor, GError **error)
{
  g_autofree char *name = g_strconcat (
      self->folder, "data/", tensor->key, NULL);
  MblmZipEntry *entry = mblm_zip_lookup (self->zip, name);
  g_autofree char *quoted = mblm_quote (tensor->name, -1);
  guint64 size;

  if (entry == NULL) {
    fail (error, "the archive lacks the numbers of the tensor %s", quoted);
    return NULL;
  }
  if (__builtin_mul_overflow (tensor->storage_elements,
          (guint64) mblm_dtype_size (tensor->dtype), &size) ||
      size != entry->size) {
    fail (error,
        "the storage of the tensor %s has %" G_GUINT64_FORMAT
        " bytes, which are not %" G_GUINT64_FORMAT " numbers of %s",
        quoted, entry->size, tensor->storage_elements,
        mblm_dtype_name (tensor->dtype));
    return NULL;
  }
  return entry;
}

static gboolean
plan (Conversion *self, guint64 size, GError **error)
{
  guint64 total = 0;

  self->entries = g_array_new (FALSE, FALSE, sizeof (MblmTensorEntry));
  g_array_set_clear_func (
      self->entries, (GDestroyNotify) mblm_tensor_entry_clear);
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < self->tensors->len; i++) {
    MblmPickleTensor *tensor = &g_array_index (
        self->tensors, MblmPickleTensor, i);
    MblmTensorEntry entry = {.dtype = tensor->dtype, .n_dims = tensor->n_dims};

    if (find_storage (self, tensor, error) == NULL)
      return FALSE;
    memcpy (entry.shape, tensor->shape, sizeof entry.shape);
    if (!mblm_tensor_entry_measure (&entry))
      return fail (error, "a tensor is too large");
    /* every tensor has numbers of its own: many that share one storage would
     * make a small file a huge one */
    total += entry.size;
    if (total > size)
      return fail (error,
          "its tensors share storages, which those of a "
          "published checkpoint do not");
    entry.name = g_strdup (tensor->name);
    g_array_append_val (self->entries, entry);
    g_hash_table_insert (self->by_name, tensor->name, tensor);
  }
  return TRUE;
}

static gboolean
write_piece (const guint8 *data, gsize n, gpointer user_data, GError **error)
{
  const Conversion *self = user_data;

  while (n > 0) {
    ssize_t done = write (self->out, data, n);

    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0) {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
          "can't write the tensors: %s", strerror (errno));
      return FALSE;
    }
    data += done;
    n -= (gsize) done;
  }
  return TRUE;
}

static gboolean
copy_tensor (Conversion *self, const MblmTensorEntry *out, GError **error)
{
  const MblmPickleTensor *tensor = g_hash_table_lookup (
      self->by_name, out->name);
  MblmZipEntry *entry = find_storage (self, tensor, error);
  guint64 first;

  if (entry == NULL)
    return FALSE;
  first = tensor->first * mblm_dtype_size (tensor->dtype);
  if (out->size != entry->size && !entry->checked &&
      !mblm_zip_read (self->zip, entry, 0, entry->size, NULL, NULL, error))
    return FALSE;
  return mblm_zip_read (
      self->zip, entry, first, out->size, write_piece, self, error);
}

static gboolean
write_all (Conversion *self, GError **error)
{
  GString *header = mblm_tensor_header_build (self->entries, error);
  gboolean ok = header != NULL &&
      write_piece ((const guint8 *) header->str, header->len, self, error);

  if (header != NULL)
    g_string_free (header, TRUE);
  for (guint i = 0; ok && i < self->entries->len; i++)
    ok = copy_tensor (
        self, &g_array_index (self->entries, MblmTensorEntry, i), error);
  return ok;
}

/* What no tensor needed may be damaged as little as the rest. */
static gboolean
check_rest (Conversion *self, GError **error)
{
  for (guint i = 0; i < mblm_zip_get_n_entries (self->zip); i++) {
    MblmZipEntry *entry = mblm_zip_get_entry (self->zip, i);

    if (!entry->checked &&
        !mblm_zip_read (self->zip, entry, 0, entry->size, NULL, NULL, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
mblm_pth_convert (int in, guint64 size, int out, GError **error)
{
  Conversion self = {.out = out};
  gboolean ok;

  self.zip = mblm_zip_open (in, size, error);
  ok = self.zip != NULL && read_pickle (&self, error) &&
      plan (&self, size, error) && write_all (&self, error) &&
      check_rest (&self, error);
  g_clear_pointer (&self.by_name, g_hash_table_unref);
  g_clear_pointer (&self.entries, g_array_unref);
  g_clear_pointer (&self.tensors, g_array_unref);
  g_clear_pointer (&self.zip, mblm_zip_free);
  g_free (self.folder);
  return ok;
}
