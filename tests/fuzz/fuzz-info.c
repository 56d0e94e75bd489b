/* fuzz-info.c: mblm.json.
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
  g_autoptr (MblmInfo)
      info = mblm_info_parse ((const char *) data, n, "fuzz", 260, &error);

  fuzz_check_error (info != NULL, error);
  if (info == NULL)
    return 0;

  g_autofree char *json = mblm_info_to_json (info);
  g_autoptr (MblmInfo)
      again = mblm_info_parse (json, strlen (json), "again", 260, NULL);
  FUZZ_CHECK (again != NULL);
  g_autofree char *twice = mblm_info_to_json (again);
  FUZZ_CHECK (strcmp (json, twice) == 0);
  return 0;
}
