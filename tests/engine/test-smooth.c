/* test-smooth.c: embeddings that begin as smooth functions of the byte.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <string.h>

#include "fresh.h"
#include "learner-private.h"

/* What a fresh table of a stage holds: [257, 24]. */
static void
read_table (MblmLearner *learner, guint k, float *out)
{
  const MblmMatrix *table = &learner->model->stage[k].table;
  gsize n = table->rows * table->cols;

  g_assert_cmpuint (table->rows, ==, 257);
  g_assert_cmpuint (table->cols, ==, 24);
  learner->run.k->download (
      learner->run.q, out, table->data, n * sizeof (float));
  g_assert_cmpint (
      learner->run.k->queue_wait (learner->run.q), ==, MBLM_STATUS_OK);
}

/* Distance of the rows of two bytes, for unit variance about 1 where they have
 * nothing in common. */
static double
row_distance (const float *table, guint a, guint b)
{
  double sum = 0.0;

  for (guint i = 0; i < 24; i++)
    sum += pow (table[a * 24 + i] - table[b * 24 + i], 2);
  return sqrt (sum / 48.0);
}

/* Neighbouring bytes are alike in outer stages, far ones are not; everything else is
 * as it would be. */
static void
test_smooth (void)
{
  static const char yaml[] =
      "num_tokens: 257\npad_token_id: 256\nhidden_dims: [32, 24]\n"
      "num_layers: [1, 1]\nseq_lens: [4, 4]\nblock: { " FRESH_TRANSFORMER
      ", pos_emb_type: fixed }\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) device = mblm_device_open ("cpu", 0, &error);
  g_autoptr (MblmConfig)
      config = mblm_config_parse (yaml, strlen (yaml), "smooth", &error);
  float tables[2][2][257 * 24]; /* random, smooth; outer, inner */

  for (guint smooth = 0; smooth < 2; smooth++) {
    g_autoptr (MblmLearner) learner = mblm_learner_new_fresh (config, NULL, 1,
        device, &(MblmLearnerOptions){.smooth = smooth}, &error);

    g_assert_no_error (error);
    for (guint k = 0; k < 2; k++)
      read_table (learner, k, tables[smooth][k]);
  }
  g_assert_cmpmem (
      tables[0][1], sizeof (tables[0][1]), tables[1][1], sizeof (tables[1][1]));
  for (guint byte = 0; byte < 255; byte++) {
    g_assert_cmpfloat (row_distance (tables[1][0], byte, byte + 1), <, 0.03);
    g_assert_cmpfloat (row_distance (tables[0][0], byte, byte + 1), >, 0.3);
    if (byte < 128)
      g_assert_cmpfloat (row_distance (tables[1][0], byte, byte + 128), >, 0.5);
  }
  for (guint i = 0; i < 24; i++)
    g_assert_cmpfloat (tables[1][0][256 * 24 + i], ==, 0.0f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/smooth", test_smooth);
  return g_test_run ();
}
