/* fuzz.h: what the fuzz targets share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t n);

/* A regular file in memory, one for each `slot` (0 or 1), that holds these bytes;
 * its descriptor. */
int fuzz_file (unsigned slot, const uint8_t *data, size_t n);
/* A path that opens it anew; free with g_free. */
char *fuzz_path (int fd);

/* Stops the fuzzer where what must hold does not. */
#define FUZZ_CHECK(condition)                                                  \
  do {                                                                         \
    if (!(condition)) {                                                        \
      g_printerr ("not true: %s\n", #condition);                               \
      abort ();                                                                \
    }                                                                          \
  } while (0)

/* An error is there where and only where there is no result, and its message is
 * fit for a terminal. */
void fuzz_check_error (gboolean ok, GError *error);
