/* talker.c: small models that know special tokens, for tests of the jobs.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <string.h>

#include "talker.h"

static MblmModel *
load (const char *path, guint threads)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) device = mblm_device_open ("cpu", threads, &error);
  g_assert_no_error (error);
  MblmModel *model = mblm_model_load (
      path, device, MBLM_PRECISION_F32, NULL, &error);
  g_assert_no_error (error);
  return model;
}

MblmModel *
talker_load_published (void)
{
  g_autofree char *path = g_build_filename (
      g_getenv ("MBLM_TEST_MODELS"), "published", NULL);

  return load (path, 1);
}

MblmModel *
talker_new (
    const char *folder, const char *name, guint threads, const char *json)
{
  static const char yaml[] =
      "num_tokens: 260\npad_token_id: 256\nhidden_dims: [24, 16]\n"
      "num_layers: [2, 1]\nseq_lens: [32, 8]\ntrain_checkpoint_chunks: null\n"
      "block:\n"
      "- { " FRESH_TRANSFORMER ", pos_emb_type: fixed }\n"
      "- { " FRESH_TRANSFORMER ", pos_emb_type: fixed }\n";
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *info = g_build_filename (path, "mblm.json", NULL);
  g_autoptr (MblmConfig)
      config = mblm_config_parse (yaml, strlen (yaml), "talker", &error);

  g_assert_no_error (error);
  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    mblm_model_create (config, 3, path, &error);
    g_assert_no_error (error);
  }
  if (json) {
    g_autofree char *text = g_strdup_printf (
        "{ \"format\": 1, \"name\": \"%s\", %s }\n", name, json);
    g_file_set_contents (info, text, -1, &error);
    g_assert_no_error (error);
  }
  return load (path, threads);
}

static const float *
predict (MblmSession *session, MblmStart start)
{
  g_autoptr (GError) error = NULL;
  const float *logits = mblm_session_get_logits (session, start, &error);
  g_assert_no_error (error);
  return logits;
}

double
talker_log_p (MblmSession *session, MblmStart start, gint id)
{
  const float *logits = predict (session, start);
  double sum = 0.0;

  for (guint i = 0; i < TALKER_VOCABULARY; i++)
    sum += exp ((double) logits[i]);
  return logits[id] - log (sum);
}

gint
talker_best (MblmSession *session, MblmStart start)
{
  const float *logits = predict (session, start);
  gint best = 0;

  for (gint i = 1; i < TALKER_VOCABULARY; i++)
    if (logits[i] > logits[best])
      best = i;
  return best;
}
