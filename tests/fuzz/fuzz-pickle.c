/* fuzz-pickle.c: the pickle of a checkpoint.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fuzz.h"
#include "pickle.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  GError *error = NULL;
  g_autoptr (GArray) tensors = mblm_pickle_read (data, n, &error);

  fuzz_check_error (tensors != NULL, error);
  for (guint i = 0; tensors != NULL && i < tensors->len; i++) {
    const MblmPickleTensor *tensor = &g_array_index (
        tensors, MblmPickleTensor, i);

    FUZZ_CHECK (tensor->first <= tensor->storage_elements);
    FUZZ_CHECK (tensor->n_elements <= tensor->storage_elements - tensor->first);
    FUZZ_CHECK (tensor->n_dims <= MBLM_MAX_DIMS);
  }
  return 0;
}
