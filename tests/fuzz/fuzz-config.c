/* fuzz-config.c: model configurations.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <mblm.h>
#include <string.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  GError *error = NULL;
  g_autoptr (MblmConfig)
      config = mblm_config_parse ((const char *) data, n, "fuzz", &error);

  fuzz_check_error (config != NULL, error);
  if (config == NULL)
    return 0;

  /* what was taken is written so that it is taken again */
  g_autofree char *yaml = mblm_config_to_yaml (config);
  g_autoptr (MblmConfig)
      again = mblm_config_parse (yaml, strlen (yaml), "again", NULL);
  FUZZ_CHECK (again != NULL);
  g_autofree char *twice = mblm_config_to_yaml (again);
  FUZZ_CHECK (strcmp (yaml, twice) == 0);
  return 0;
}
