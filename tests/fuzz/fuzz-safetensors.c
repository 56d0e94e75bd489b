/* fuzz-safetensors.c: weights in files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fuzz.h"
#include "safetensors.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  g_autofree char *path = fuzz_path (fuzz_file (0, data, n));
  GError *error = NULL;
  g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, &error);
  guint64 total = 0;

  fuzz_check_error (file != NULL, error);
  if (file == NULL)
    return 0;
  for (guint i = 0; i < mblm_tensor_file_get_n_entries (file); i++) {
    const MblmTensorEntry *entry = mblm_tensor_file_get_entry (file, i);
    g_autofree float *out = g_new (float, MAX (entry->n_elements, 1));
    g_autofree char *name = mblm_tensor_name_modernise (entry->name);

    error = NULL;
    FUZZ_CHECK (
        mblm_tensor_file_read (file, entry, 0, entry->n_elements, out, &error));
    FUZZ_CHECK (name[0] != '\0');
    FUZZ_CHECK (mblm_tensor_file_lookup (file, entry->name) == entry);
    total += entry->size;
  }
  FUZZ_CHECK (total < n);
  return 0;
}
