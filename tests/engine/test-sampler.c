/* test-sampler.c: how the next byte is drawn.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <string.h>

#include "mblm-kernels.h"
#include "mblm.h"

static gint
draw (MblmSampler *sampler, const float *logits, guint n)
{
  g_autoptr (GError) error = NULL;
  gint id = mblm_sampler_draw_logits (sampler, logits, n, &error);

  g_assert_no_error (error);
  g_assert_cmpint (id, >=, 0);
  g_assert_cmpint (id, <, n);
  return id;
}

static float *
noise (guint n, guint32 seed, double scale)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  float *logits = g_new (float, n);

  for (guint i = 0; i < n; i++)
    logits[i] = (float) g_rand_double_range (random, -scale, scale);
  return logits;
}

static void
test_greedy (void)
{
  g_autoptr (MblmSampler) sampler = mblm_sampler_new ();
  float logits[6] = {-1, 3, 2, 3, -5, 2.5f};
  guint8 allowed[6] = {1, 0, 1, 0, 1, 1};

  /* the lowest id among equals */
  g_assert_cmpint (draw (sampler, logits, 6), ==, 1);
  mblm_sampler_set_allowed (sampler, allowed, 6);
  g_assert_cmpint (draw (sampler, logits, 6), ==, 5);
  mblm_sampler_set_temperature (sampler, 1);
  for (guint i = 0; i < 200; i++)
    g_assert_true (allowed[draw (sampler, logits, 6)]);
  /* ids beyond what was allowed aren't */
  mblm_sampler_set_allowed (sampler, allowed, 1);
  g_assert_cmpint (draw (sampler, logits, 6), ==, 0);
  mblm_sampler_set_allowed (sampler, NULL, 0);
  mblm_sampler_set_temperature (sampler, 0);
  g_assert_cmpint (draw (sampler, logits, 6), ==, 1);
}

/* Every cut that leaves one id is greedy. */
static void
test_cuts (void)
{
  g_autofree float *logits = noise (50, 1, 3);
  g_autoptr (MblmSampler) greedy = mblm_sampler_new ();
  gint best = draw (greedy, logits, 50);

  for (guint cut = 0; cut < 4; cut++) {
    g_autoptr (MblmSampler) sampler = mblm_sampler_new ();
    mblm_sampler_set_temperature (sampler, cut == 3 ? 1e-6 : 2);
    mblm_sampler_set_top_k (sampler, cut == 0 ? 1 : 0);
    mblm_sampler_set_top_p (sampler, cut == 1 ? 0 : 1);
    mblm_sampler_set_min_p (sampler, cut == 2 ? 1 : 0);
    for (guint i = 0; i < 50; i++)
      g_assert_cmpint (draw (sampler, logits, 50), ==, best);
  }

  /* values beyond their range, and no numbers, do no harm */
  g_autoptr (MblmSampler) sampler = mblm_sampler_new ();
  mblm_sampler_set_temperature (sampler, -3);
  mblm_sampler_set_top_p (sampler, NAN);
  mblm_sampler_set_min_p (sampler, -INFINITY);
  g_assert_cmpint (draw (sampler, logits, 50), ==, best);
  mblm_sampler_set_temperature (sampler, INFINITY);
  mblm_sampler_set_top_k (sampler, G_MAXUINT);
  draw (sampler, logits, 50);
}

static void
test_seed (void)
{
  g_autofree float *logits = noise (300, 2, 2);
  g_autoptr (MblmSampler) a = mblm_sampler_new (), b = mblm_sampler_new ();
  gint first[40];
  guint same = 0;

  mblm_sampler_set_temperature (a, 1);
  mblm_sampler_set_temperature (b, 1);
  mblm_sampler_set_seed (a, 0x123456789abcdef0);
  mblm_sampler_set_seed (b, 0x123456789abcdef0);
  for (guint i = 0; i < 40; i++) {
    first[i] = draw (a, logits, 300);
    g_assert_cmpint (first[i], ==, draw (b, logits, 300));
  }
  mblm_sampler_set_seed (a, 0x123456789abcdef0);
  for (guint i = 0; i < 40; i++)
    g_assert_cmpint (first[i], ==, draw (a, logits, 300));
  mblm_sampler_set_seed (a, 0x023456789abcdef0);
  for (guint i = 0; i < 40; i++)
    same += first[i] == draw (a, logits, 300);
  g_assert_cmpuint (same, <, 10);
}

/* Philox 4x32-10 of key 0 and counter 0 begins with 6627e8d5 (the known answer
 * of its authors): equal logits show the upper half of it. */
static void
test_known_answer (void)
{
  g_autofree float *logits = g_new0 (float, 1 << 16);
  g_autoptr (MblmSampler) sampler = mblm_sampler_new ();

  mblm_sampler_set_temperature (sampler, 1);
  g_assert_cmpint (draw (sampler, logits, 1 << 16), ==, 0x6627);
}

static void
test_distribution (void)
{
  enum { N = 20000 };
  float logits[5] = {0, 1, -2, 0.5f, -1};
  guint counts[5] = {0};
  double total = 0;
  g_autoptr (MblmSampler) sampler = mblm_sampler_new ();

  mblm_sampler_set_temperature (sampler, 0.7);
  mblm_sampler_set_seed (sampler, 5);
  for (guint i = 0; i < N; i++)
    counts[draw (sampler, logits, 5)]++;
  for (guint i = 0; i < 5; i++)
    total += exp (logits[i] / 0.7);
  for (guint i = 0; i < 5; i++) {
    double p = exp (logits[i] / 0.7) / total;
    g_assert_cmpfloat (fabs (counts[i] - N * p), <, 5 * sqrt (N * p * (1 - p)));
  }
}

/* The same draws as the kernels' reference makes from the same numbers. */
static void
test_reference (void)
{
  enum { N = 97 };
  const MblmKernels *kernels = mblm_kernels_ref ();
  char message[200];
  MblmKernelDevice *device = kernels->device_open (
      0, 1, message, sizeof (message));
  MblmQueue *queue = kernels->queue_new (device);
  g_autofree float *equal = g_new0 (float, 1 << 16);
  g_autoptr (GRand) random = g_rand_new_with_seed (11);
  guint compared = 0;

  for (guint i = 0; i < 150; i++) {
    g_autofree float *logits = noise (N, i, i % 3 ? 4 : 0.5);
    if (i % 5 == 0) /* many ties */
      for (guint k = 0; k < N; k++)
        logits[k] = roundf (logits[k]);
    MblmSample a = {.rows = 2,
        .vocabulary = N,
        .temperature = (float) g_rand_double_range (random, 0.1, 2),
        .top_p = i % 2 ? 1 : (float) g_rand_double (random),
        .min_p = i % 4 ? 0 : (float) (0.3 * g_rand_double (random)),
        .top_k = i % 7 ? 0 : (uint32_t) g_rand_int_range (random, 1, N)};
    g_autoptr (MblmSampler) sampler = mblm_sampler_new ();
    float rows[2 * N], uniform[2];
    int32_t ids[2];

    mblm_sampler_set_temperature (sampler, 1);
    mblm_sampler_set_seed (sampler, i);
    gint upper = draw (sampler, equal, 1 << 16);
    uniform[0] = (float) upper / 65536;
    uniform[1] = (float) (upper + 255.0 / 256) / 65536;
    memcpy (rows, logits, sizeof (rows) / 2);
    memcpy (rows + N, logits, sizeof (rows) / 2);
    a.logits = rows;
    a.uniform = uniform;
    a.ids = ids;
    kernels->sample (queue, &a);
    g_assert_cmpint (kernels->queue_wait (queue), ==, MBLM_STATUS_OK);
    if (ids[0] != ids[1])
      continue; /* only the upper bits of the number are known */

    mblm_sampler_set_seed (sampler, i);
    mblm_sampler_set_temperature (sampler, a.temperature);
    mblm_sampler_set_top_p (sampler, a.top_p);
    mblm_sampler_set_min_p (sampler, a.min_p);
    mblm_sampler_set_top_k (sampler, a.top_k);
    g_assert_cmpint (draw (sampler, logits, N), ==, ids[0]);
    compared++;
  }
  g_assert_cmpuint (compared, >, 130);
  kernels->queue_free (queue);
  kernels->device_close (device);
}

static void
test_errors (void)
{
  static const float bad[] = {NAN, INFINITY, -INFINITY};
  g_autoptr (MblmSampler) sampler = mblm_sampler_new ();
  guint8 none[3] = {0};

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    for (guint temperature = 0; temperature < 2; temperature++) {
      g_autoptr (GError) error = NULL;
      float logits[3] = {1, bad[i], 2};
      mblm_sampler_set_temperature (sampler, temperature);
      g_assert_cmpint (
          mblm_sampler_draw_logits (sampler, logits, 3, &error), ==, -1);
      g_assert_error (error, MBLM_ERROR, MBLM_ERROR_DEVICE);
    }
  g_autoptr (GError) error = NULL;
  mblm_sampler_set_allowed (sampler, none, 3);
  g_assert_cmpint (
      mblm_sampler_draw_logits (sampler, (float[]){1, 2, 3}, 3, &error), ==,
      -1);
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sampler/greedy", test_greedy);
  g_test_add_func ("/sampler/cuts", test_cuts);
  g_test_add_func ("/sampler/seed", test_seed);
  g_test_add_func ("/sampler/known-answer", test_known_answer);
  g_test_add_func ("/sampler/distribution", test_distribution);
  g_test_add_func ("/sampler/reference", test_reference);
  g_test_add_func ("/sampler/errors", test_errors);
  return g_test_run ();
}
