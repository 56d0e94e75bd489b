/* test-utf8.c: whole characters out of a stream of bytes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "mblm.h"

#define R "\357\277\275"

static char *
convert (const guint8 *bytes, gsize n, gsize piece)
{
  MblmUtf8 utf8 = MBLM_UTF8_INIT;
  GString *out = g_string_new (NULL);

  for (gsize at = 0; at < n; at += piece) {
    mblm_utf8_push (&utf8, bytes + at, MIN (piece, n - at), out);
    g_assert_true (g_utf8_validate (out->str, (gssize) out->len, NULL));
    g_assert_cmpuint (utf8.n_tail, <=, 3);
  }
  mblm_utf8_finish (&utf8, out);
  g_assert_cmpuint (utf8.n_tail, ==, 0);
  return g_string_free (out, FALSE);
}

static void
test_cases (void)
{
  static const struct {
    const char *in, *out;
  } cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"\303\244\342\202\254\360\237\230\200!",
          "\303\244\342\202\254\360\237\230\200!"},
      /* the examples of the Unicode standard, section 3.9 */
      {"\300\257\340\200\277\360\201\202A", R R R R R R R R "A"},
      {"\355\240\200\355\277\277\355\257A", R R R R R R R R "A"},
      {"\364\221\222\223\377A\200\277B", R R R R R "A" R R "B"},
      {"\341\200\342\360\221\222\361\277A", R R R R "A"},
      {"a\361\200\200\341\200\302b\200c\200\277d", "a" R R R "b" R "c" R R "d"},
      /* unfinished at the end */
      {"x\360\237\230", "x" R},
      {"x\302", "x" R},
      {"\360\237\303\244", R "\303\244"},
      {"\364\217\277\277\364\220", "\364\217\277\277" R R},
      {"\302\302\251", R "\302\251"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (gsize piece = 1; piece <= 5; piece++) {
      g_autofree char *out = convert (
          (const guint8 *) cases[i].in, strlen (cases[i].in), piece);
      g_assert_cmpstr (out, ==, cases[i].out);
    }

  g_autofree char *nul = convert ((const guint8 *) "a\0b\303\0", 5, 1);
  g_assert_cmpstr (nul, ==, "a" R "b" R R);
}

/* Every character survives, and every 3 bytes give valid text that doesn't
 * depend on the pieces. */
static void
test_all (void)
{
  for (gunichar c = 1; c <= 0x10ffff; c++) {
    char bytes[6];
    gint n = g_unichar_to_utf8 (c, bytes);
    MblmUtf8 utf8 = MBLM_UTF8_INIT;

    if (c >= 0xd800 && c <= 0xdfff)
      continue;
    g_autoptr (GString) out = g_string_new (NULL);
    for (gint i = 0; i < n; i++) {
      g_assert_cmpuint (out->len, ==, 0);
      mblm_utf8_push (&utf8, (guint8 *) bytes + i, 1, out);
    }
    g_assert_cmpmem (out->str, out->len, bytes, n);
  }
  for (guint32 v = 0; v < 1 << 24; v += 97) {
    guint8 bytes[6] = {(guint8) (v >> 16), (guint8) (v >> 8), (guint8) v,
        (guint8) (v >> 16), (guint8) v, 'x'};
    g_autofree char *whole = convert (bytes, 6, 6);
    g_autofree char *split = convert (bytes, 6, 1);

    g_assert_true (g_utf8_validate (whole, -1, NULL));
    g_assert_cmpstr (whole, ==, split);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/utf8/cases", test_cases);
  g_test_add_func ("/utf8/all", test_all);
  return g_test_run ();
}
