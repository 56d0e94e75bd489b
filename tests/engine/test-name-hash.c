/* test-name-hash.c: a hash of names that a file can't foresee.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "name-hash.h"

#include <string.h>

/* Names that the known hash takes for one are many to this one. */
static void
test_names (void)
{
  g_autoptr (GHashTable) hashes = g_hash_table_new (NULL, NULL);
  guint first = g_str_hash ("CbCbCbCbCbCbCbCb");

  for (guint i = 0; i < 256; i++) {
    char name[17] = {0};

    for (guint k = 0; k < 8; k++)
      memcpy (name + 2 * k, i >> k & 1 ? "DA" : "Cb", 2);
    g_assert_cmpuint (g_str_hash (name), ==, first);
    g_assert_cmpuint (mblm_name_hash (name), ==, mblm_name_hash (name));
    g_hash_table_add (hashes, GUINT_TO_POINTER (mblm_name_hash (name)));
  }
  g_assert_cmpuint (g_hash_table_size (hashes), >, 250);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/name-hash/names", test_names);
  return g_test_run ();
}
