/* fuzz-pth.c: whole checkpoints, archive and all.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fuzz.h"
#include "pth.h"
#include "safetensors.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  int in = fuzz_file (0, data, n);
  int out = fuzz_file (1, data, 0);
  GError *error = NULL;
  gboolean ok = mblm_pth_convert (in, n, out, &error);

  fuzz_check_error (ok, error);
  if (!ok)
    return 0;

  /* whatever was made of it is a good file */
  g_autofree char *path = fuzz_path (out);
  g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, NULL);
  FUZZ_CHECK (file != NULL);
  return 0;
}
