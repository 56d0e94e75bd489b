/* name-hash.c: a hash of names that a file can't foresee.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "name-hash.h"

#include <string.h>
#include <sys/auxv.h>

/* The bytes of a name are a polynomial, evaluated modulo the prime 2^61 - 1 at a
 * point that each process draws: two names of n bytes meet at no more than n of all
 * points (Carter and Wegman, Universal Classes of Hash Functions, 1979). */
#define PRIME ((G_GUINT64_CONSTANT (1) << 61) - 1)

/* Drawn by the kernel when the process began: one that is confined can't ask it for
 * more. */
static guint64
get_point (void)
{
  const void *drawn = (const void *) getauxval (AT_RANDOM);
  guint64 point = 0;

  if (drawn)
    memcpy (&point, drawn, sizeof point);
  return 256 + point % (PRIME - 256);
}

guint
mblm_name_hash (gconstpointer name)
{
  guint64 point = get_point (), sum = 0;

  for (const guint8 *p = name; *p; p++)
    sum = (guint64) (((unsigned __int128) sum * point + *p) % PRIME);
  return (guint) (sum ^ sum >> 32);
}
