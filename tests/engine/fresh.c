/* fresh.c: small models with fresh weights, made for a test.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fresh.h"

#include <glib/gstdio.h>
#include <string.h>

char *
fresh_folder (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = g_dir_make_tmp ("mblm-test-XXXXXX", &error);
  g_assert_no_error (error);
  return folder;
}

/* A link goes, and never what it leads to: that may be anybody's. */
static void
remove_tree (const char *path)
{
  gboolean is_link = g_file_test (path, G_FILE_TEST_IS_SYMLINK);
  g_autoptr (GDir) dir = is_link ? NULL : g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *child = g_build_filename (path, name, NULL);
    remove_tree (child);
  }
  g_remove (path);
}

void
fresh_remove (char *folder)
{
  remove_tree (folder);
  g_free (folder);
}

char *
fresh_model (const char *folder, const char *name, guint outer,
    const char *block, const char *position)
{
  g_autoptr (GError) error = NULL;
  char *path = g_build_filename (folder, name, NULL);
  g_autofree char *yaml = g_strdup_printf (
      "num_tokens: 257\npad_token_id: 256\nhidden_dims: [24, 16]\n"
      "num_layers: [2, 1]\nseq_lens: [%u, 8]\ntrain_checkpoint_chunks: null\n"
      "block:\n- { %s, pos_emb_type: %s }\n"
      "- { " FRESH_TRANSFORMER ", pos_emb_type: fixed }\n",
      outer, block, position);
  g_autoptr (MblmConfig)
      config = mblm_config_parse (yaml, strlen (yaml), "fresh", &error);

  g_assert_no_error (error);
  mblm_model_create (config, 1, path, &error);
  g_assert_no_error (error);
  return path;
}

gint32 *
fresh_ids (gsize n, guint32 seed)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  gint32 *ids = g_new (gint32, n);

  for (gsize i = 0; i < n; i++)
    ids[i] = g_rand_int_range (random, 0, 256);
  return ids;
}

MblmSession *
fresh_session (MblmModel *model)
{
  g_autoptr (GError) error = NULL;
  MblmSession *session = mblm_session_new (model, &error);

  g_assert_no_error (error);
  return session;
}

void
fresh_feed (MblmSession *session, const gint32 *ids, gsize n)
{
  g_autoptr (GError) error = NULL;

  mblm_session_feed (session, ids, n, NULL, &error);
  g_assert_no_error (error);
}
