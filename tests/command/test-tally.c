/* test-tally.c: how many answers were right.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "tally.h"

/* Figures of the literature: Newcombe, Statistics in Medicine 17 (1998) 857,
 * table I, method 3. */
static void
test_interval (void)
{
  static const struct {
    guint64 right, n;
    double low, high;
  } cases[] = {
      {81, 263, 0.2553, 0.3662},
      {15, 148, 0.0624, 0.1605},
      {0, 20, 0.0, 0.1611},
      {1, 29, 0.0061, 0.1718},
      {29, 29, 0.8830, 1.0},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    double low, high;

    tally_interval (cases[i].right, cases[i].n, &low, &high);
    g_assert_cmpfloat_with_epsilon (low, cases[i].low, 6e-5);
    g_assert_cmpfloat_with_epsilon (high, cases[i].high, 6e-5);
  }
  for (guint64 n = 1; n < 60; n++)
    for (guint64 right = 0; right <= n; right++) {
      double low, high, share = (double) right / (double) n;

      tally_interval (right, n, &low, &high);
      g_assert_cmpfloat (low, >=, 0.0);
      g_assert_cmpfloat (low, <=, share);
      g_assert_cmpfloat (high, >=, share);
      g_assert_cmpfloat (high, <=, 1.0);
    }
}

static void
test_counts (void)
{
  g_autoptr (Tally) tally = tally_new ();

  tally_add (tally, "count", "1", "1", "2");
  tally_add (tally, "count", "2", "1", "2");
  tally_add (tally, "count", "2", "2", "2");
  tally_add (tally, "color", "red", "blue", "red");
  g_autofree const char **types = tally_get_types (tally);
  TallyCounts count = tally_get (tally, "count");
  TallyCounts all = tally_get (tally, NULL);

  g_assert_cmpstr (types[0], ==, "color");
  g_assert_cmpstr (types[1], ==, "count");
  g_assert_null (types[2]);
  g_assert_cmpuint (count.n, ==, 3);
  g_assert_cmpuint (count.right, ==, 2);
  g_assert_cmpuint (count.blind, ==, 2);
  g_assert_cmpuint (count.frequent, ==, 2);
  g_assert_cmpuint (all.n, ==, 4);
  g_assert_cmpuint (all.right, ==, 2);
  g_assert_cmpuint (all.blind, ==, 3);
  g_assert_cmpuint (all.frequent, ==, 3);
}

static void
test_confusions (void)
{
  g_autoptr (Tally) tally = tally_new ();

  tally_add (tally, "count", "2", "1", "2");
  tally_add (tally, "count", "1", "1", "2");
  tally_add (tally, "count", "2", "1", "2");
  tally_add (tally, "count", "2", "7", "2");
  tally_add (tally, "color", "red", "blue", "red");
  g_autofree const char **truths = tally_get_truths (tally, "count");
  g_autofree const char **said = tally_get_said (tally, "count", NULL);
  g_autofree const char **of_one = tally_get_said (tally, "count", "1");

  g_assert_cmpstr (truths[0], ==, "1");
  g_assert_cmpstr (truths[1], ==, "2");
  g_assert_null (truths[2]);
  g_assert_cmpstr (said[0], ==, "1");
  g_assert_cmpstr (said[1], ==, "7");
  g_assert_null (said[2]);
  g_assert_cmpstr (of_one[0], ==, "1");
  g_assert_null (of_one[1]);
  g_assert_cmpuint (tally_count (tally, "count", "2", "1"), ==, 2);
  g_assert_cmpuint (tally_count (tally, "count", "2", "7"), ==, 1);
  g_assert_cmpuint (tally_count (tally, "count", "1", "1"), ==, 1);
  g_assert_cmpuint (tally_count (tally, "count", "1", "7"), ==, 0);
  g_assert_cmpuint (tally_count (tally, "count", "7", "1"), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tally/interval", test_interval);
  g_test_add_func ("/tally/counts", test_counts);
  g_test_add_func ("/tally/confusions", test_confusions);
  return g_test_run ();
}
