/* fuzz.c: what the fuzz targets share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* for memfd_create */
#define _GNU_SOURCE

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

int
fuzz_file (unsigned slot, const uint8_t *data, size_t n)
{
  static int files[2] = {-1, -1};

  if (files[slot] < 0)
    files[slot] = memfd_create ("fuzz", MFD_CLOEXEC);
  FUZZ_CHECK (files[slot] >= 0);
  FUZZ_CHECK (ftruncate (files[slot], 0) == 0);
  FUZZ_CHECK (pwrite (files[slot], data, n, 0) == (ssize_t) n);
  FUZZ_CHECK (lseek (files[slot], 0, SEEK_SET) == 0);
  return files[slot];
}

char *
fuzz_path (int fd)
{
  return g_strdup_printf ("/proc/self/fd/%d", fd);
}

void
fuzz_check_error (gboolean ok, GError *error)
{
  FUZZ_CHECK (ok == (error == NULL));
  if (error == NULL)
    return;
  FUZZ_CHECK (g_utf8_validate (error->message, -1, NULL));
  for (const char *p = error->message; *p != '\0'; p++)
    FUZZ_CHECK ((unsigned char) *p >= 0x20 && *p != 0x7f);
  g_error_free (error);
}
