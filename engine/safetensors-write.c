/* safetensors-write.c: weights into files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "safetensors-private.h"

#include <string.h>

#include "atomic-file.h"
#include "mblm-error.h"

struct _MblmTensorWriter {
  GArray *entries;  /* MblmTensorEntry */
  GHashTable *data; /* name (of an entry) -> float32 data, borrowed */
  gboolean overflow;
};

MblmTensorWriter *
mblm_tensor_writer_new (void)
{
  MblmTensorWriter *self = g_new0 (MblmTensorWriter, 1);

  self->entries = g_array_new (FALSE, FALSE, sizeof (MblmTensorEntry));
  g_array_set_clear_func (
      self->entries, (GDestroyNotify) mblm_tensor_entry_clear);
  self->data = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

void
mblm_tensor_writer_free (MblmTensorWriter *self)
{
  g_hash_table_unref (self->data);
  g_array_unref (self->entries);
  g_free (self);
}

void
mblm_tensor_writer_add (MblmTensorWriter *self, const char *name,
    MblmDtype dtype, guint n_dims, const gsize *shape, const float *data)
{
  MblmTensorEntry entry = {.name = g_strdup (name), .dtype = dtype};

  g_return_if_fail (n_dims <= MBLM_MAX_DIMS);
  entry.n_dims = n_dims;
  for (guint i = 0; i < n_dims; i++)
    entry.shape[i] = shape[i];
  if (!mblm_tensor_entry_measure (&entry))
    self->overflow = TRUE;
  g_array_append_val (self->entries, entry);
  g_hash_table_insert (self->data, entry.name, (gpointer) data);
}

/* `n` elements at `from`, little-endian, into `to`; gives the bytes. */
static gsize
convert (MblmDtype dtype, const float *from, gsize n, guint8 *to)
{
  for (gsize i = 0; i < n; i++) {
    if (dtype == MBLM_DTYPE_F32) {
      guint32 bits;

      memcpy (&bits, from + i, 4);
      bits = GUINT32_TO_LE (bits);
      memcpy (to + 4 * i, &bits, 4);
    } else {
      guint16 bits = dtype == MBLM_DTYPE_BF16 ? mblm_bf16_from_float (from[i])
                                              : mblm_f16_from_float (from[i]);

      bits = GUINT16_TO_LE (bits);
      memcpy (to + 2 * i, &bits, 2);
    }
  }
  return n * mblm_dtype_size (dtype);
}

static gboolean
write_entry (MblmAtomicFile *file, const MblmTensorEntry *entry,
    const float *data, guint8 *block, gsize block_elements, GError **error)
{
  for (gsize i = 0; i < entry->n_elements;) {
    gsize n = MIN (entry->n_elements - i, block_elements);
    gsize bytes = convert (entry->dtype, data + i, n, block);

    if (!mblm_atomic_file_write (file, block, bytes, error))
      return FALSE;
    i += n;
  }
  return TRUE;
}

gboolean
mblm_tensor_writer_finish (
    MblmTensorWriter *self, const char *path, GError **error)
{
  const gsize block_elements = 65536;
  g_autoptr (MblmAtomicFile) file = NULL;
  g_autofree guint8 *block = NULL;
  GString *header;
  gboolean ok;

  if (self->overflow || self->entries->len > MBLM_TENSOR_MAX_COUNT) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
        "%s: too many tensors, or too large ones", path);
    return FALSE;
  }
  header = mblm_tensor_header_build (self->entries, error);
  if (header == NULL) {
    g_prefix_error (error, "%s: ", path);
    return FALSE;
  }
  file = mblm_atomic_file_new (path, error);
  ok = file != NULL &&
      mblm_atomic_file_write (file, header->str, header->len, error);
  g_string_free (header, TRUE);
  block = g_malloc (4 * block_elements);
  for (guint i = 0; ok && i < self->entries->len; i++) {
    const MblmTensorEntry *entry = &g_array_index (
        self->entries, MblmTensorEntry, i);

    ok = write_entry (file, entry,
        g_hash_table_lookup (self->data, entry->name), block, block_elements,
        error);
  }
  return ok && mblm_atomic_file_commit (file, error);
}
