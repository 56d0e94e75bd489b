/* test-schedule.c: learning rates and points of a training run.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <schedule.h>

/* The published files: what their runs amount to. */
static void
test_batches (void)
{
  static const struct {
    guint64 target;
    gboolean sequence;
    guint64 batch, length, batches;
  } cases[] = {
      {7000000, FALSE, 6, 8192, 1166667},
      {200000000000, TRUE, 1, 1048576, 190735},
      {30000000000, TRUE, 4, 8192, 915528},
      {30000000000, TRUE, 6, 8192, 610352},
      {1, TRUE, 4, 8, 1},
      {32, TRUE, 4, 8, 1},
      {33, TRUE, 4, 8, 2},
      {G_MAXUINT64, FALSE, 1, 8, G_MAXUINT64},
      {1, TRUE, G_MAXUINT64, 2, 0},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpuint (mblm_schedule_count_batches (cases[i].target,
                          cases[i].sequence, cases[i].batch, cases[i].length),
        ==, cases[i].batches);
}

/* torch.optim's LinearLR and CosineAnnealingLR in sequence for base 0.01, two
 * steps of warm-up and eight in all: golden/reference.py's runs. */
static void
test_rate (void)
{
  static const double rates[] = {0.001, 0.0055, 0.01, 0.009330127018922194,
      0.0075, 0.005, 0.0025, 0.0006698729810778068, 0.0};

  for (guint i = 0; i < G_N_ELEMENTS (rates); i++)
    g_assert_cmpfloat_with_epsilon (
        mblm_schedule_get_rate (0.01, 2, 8, i), rates[i], 1e-15);
  /* without warm-up it starts at the base; past the end it rises again */
  g_assert_cmpfloat (mblm_schedule_get_rate (0.5, 0, 4, 0), ==, 0.5);
  g_assert_cmpfloat_with_epsilon (
      mblm_schedule_get_rate (0.5, 0, 4, 8), 0.5, 1e-15);
}

static void
test_warmup (void)
{
  g_assert_cmpuint (mblm_schedule_count_warmup (100, 0.1), ==, 10);
  g_assert_cmpuint (mblm_schedule_count_warmup (19, 0.1), ==, 1);
  g_assert_cmpuint (mblm_schedule_count_warmup (9, 0.1), ==, 0);
  g_assert_cmpuint (mblm_schedule_count_warmup (4, 1), ==, 4);
}

/* Against the points written out one by one. */
static void
test_points (void)
{
  for (guint64 batches = 1; batches < 40; batches++)
    for (guint64 amount = 2; amount < 45; amount++) {
      guint64 n = MIN (amount, batches), found = 0;

      for (guint64 index = 0; index < batches; index++) {
        gboolean wanted = n == 1;

        for (guint64 i = 0; n > 1 && i < n; i++)
          wanted |= i * (batches - 1) / (n - 1) == index;
        g_assert_cmpint (
            mblm_schedule_is_point (batches, amount, index), ==, wanted);
        found += wanted;
      }
      g_assert_cmpuint (found, ==, n);
    }
}

static void
test_few_points (void)
{
  for (guint64 i = 0; i < 10; i++) {
    g_assert_false (mblm_schedule_is_point (10, 0, i));
    g_assert_cmpint (mblm_schedule_is_point (10, 1, i), ==, i == 9);
  }
  g_assert_false (mblm_schedule_is_point (10, 20, 10));
  /* no product overflows */
  g_assert_true (mblm_schedule_is_point (G_MAXUINT64, 3, G_MAXUINT64 - 1));
  g_assert_true (
      mblm_schedule_is_point (G_MAXUINT64, 3, (G_MAXUINT64 - 1) / 2));
  g_assert_false (mblm_schedule_is_point (G_MAXUINT64, 3, 5));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/schedule/batches", test_batches);
  g_test_add_func ("/schedule/rate", test_rate);
  g_test_add_func ("/schedule/warmup", test_warmup);
  g_test_add_func ("/schedule/points", test_points);
  g_test_add_func ("/schedule/few-points", test_few_points);
  return g_test_run ();
}
