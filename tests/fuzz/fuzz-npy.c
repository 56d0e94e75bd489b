/* fuzz-npy.c: arrays in files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fuzz.h"
#include "npy.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  typedef gboolean (*Load) (const char *, MblmNpy *, GError **);
  static const Load loads[] = {
      mblm_npy_load_ids, mblm_npy_load_floats, mblm_npy_load_mask};
  g_autofree char *path = fuzz_path (fuzz_file (0, data, n));

  for (guint i = 0; i < G_N_ELEMENTS (loads); i++) {
    g_auto (MblmNpy) npy = {0};
    GError *error = NULL;
    gboolean ok = loads[i](path, &npy, &error);

    fuzz_check_error (ok, error);
    FUZZ_CHECK (ok == (npy.data != NULL));
    FUZZ_CHECK (!ok || npy.n_elements <= n);
  }
  return 0;
}
