/* test-resize.c: models for pictures of another size, and with another context.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>
#include <mblm.h>
#include <string.h>

#include "formats.h"
#include "fresh.h"
#include "model-pack.h"
#include "safetensors.h"

/* 3 x 2 tiles of 2x2 pixels, the start token before and the end token behind them:
 * seven patches, and five for text. */
#define DIM 24
#define PATCHES 12
#define PICTURE 7

static const char config[] =
    "num_tokens: 260\npad_token_id: 256\nhidden_dims: [24, 16]\n"
    "num_layers: [2, 1]\nseq_lens: [12, 12]\ntrain_checkpoint_chunks: null\n"
    "block:\n- { " FRESH_TRANSFORMER ", pos_emb_type: fixed }\n"
    "- { " FRESH_TRANSFORMER ", pos_emb_type: fixed }\n";

#define INFO(sample, order) INFO_WITH (sample, order, "")
#define INFO_WITH(sample, order, more)                                         \
  "{\"format\": 1, \"name\": \"tiny\", \"task\": \"qa\", \"tokens\": "         \
  "{\"pad\": "                                                                 \
  "256, \"end\": 257, \"text\": 258, \"image\": 259}, \"figures\": {\"all\": " \
  "1}, \"align\": true, \"sample\": [" sample "], " more                       \
  "\"image\": {\"width\": 6, \"height\": 4, \"order\": \"" order "\"}}"
#define TILES "tiles\", \"tile\": [2, 2], \"filter\": \"bilinear"
#define PICTURE_FIRST "\"image\", \"question\", \"answer\""

static char *folder;

static char *
make_model (const char *info)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmConfig)
      parsed = mblm_config_parse (config, strlen (config), "tiny", &error);
  char *path = g_build_filename (folder, "tiny", NULL);

  g_assert_no_error (error);
  mblm_model_create (parsed, 1, path, &error);
  g_assert_no_error (error);
  g_free (formats_write (path, "mblm.json", info, -1));
  return path;
}

static char *
resize (const char *model, MblmModelSize size, GError **error)
{
  char *to = g_build_filename (folder, "to", NULL);

  mblm_model_pack (model, MBLM_PRECISION_F32, &size, to, NULL, error);
  return to;
}

/* The table of positions [n, DIM]. */
static float *
read_rows (const char *model, gsize n)
{
  g_autofree char *path = g_build_filename (model, "model.safetensors", NULL);
  g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, NULL);
  const MblmTensorEntry *entry = mblm_tensor_file_lookup (
      file, "pos_embs.0.weight");
  float *rows = g_new (float, n *DIM);

  g_assert_cmpuint (entry->n_elements, ==, n * DIM);
  g_assert_true (mblm_tensor_file_read (file, entry, 0, n * DIM, rows, NULL));
  return rows;
}

static void
expect_row (const float *rows, gsize i, const float *from, gsize k)
{
  for (gsize d = 0; d < DIM; d++)
    g_assert_cmpfloat (rows[i * DIM + d], ==, from[k * DIM + d]);
}

/* Twice as wide and high: of 6 x 4 tiles each lies a quarter of the way from one
 * old one to the next. */
static void
test_picture (void)
{
  g_autofree char *model = make_model (INFO (PICTURE_FIRST, TILES));
  g_autoptr (GError) error = NULL;
  g_autofree char *to = resize (model, (MblmModelSize){12, 8, 33}, &error);
  g_autoptr (MblmConfig) after = NULL;
  g_autoptr (MblmInfo) info = NULL;

  g_assert_no_error (error);
  g_assert_true (mblm_model_check (to, &after, &info, &error));
  g_assert_cmpuint (mblm_config_get_seq_len (after, 0), ==, 33);
  g_assert_cmpuint (mblm_info_get_image (info)->width, ==, 12);
  g_assert_cmpuint (mblm_info_get_image (info)->height, ==, 8);
  g_assert_null (mblm_info_get_figures (info));

  g_autofree float *was = read_rows (model, PATCHES);
  g_autofree float *is = read_rows (to, 33);
  expect_row (is, 0, was, 0);
  expect_row (is, 5, was, 2);
  expect_row (is, 23, was, 5);
  for (gsize d = 0; d < DIM; d++) {
    /* column 1, row 2: three quarters of column 0, of the second row */
    float above = 0.75f * was[d] + 0.25f * was[DIM + d];
    float below = 0.75f * was[3 * DIM + d] + 0.25f * was[4 * DIM + d];

    g_assert_cmpfloat_with_epsilon (
        is[13 * DIM + d], 0.25f * above + 0.75f * below, 1e-6);
  }
  expect_row (is, 24, was, PICTURE - 1);
  for (gsize i = 25; i < 33; i++)
    expect_row (is, i, was, PICTURE + (i - 25) % (PATCHES - PICTURE));
  fresh_remove (g_steal_pointer (&model));
  fresh_remove (g_steal_pointer (&to));
}

/* Without a number of patches there is as much room for text as there was. */
static void
test_room (void)
{
  g_autofree char *model = make_model (INFO (PICTURE_FIRST, TILES));
  g_autoptr (GError) error = NULL;
  g_autofree char *to = resize (model, (MblmModelSize){4, 2, 0}, &error);

  g_assert_no_error (error);
  g_autofree float *was = read_rows (model, PATCHES);
  g_autofree float *is = read_rows (to, 3 + PATCHES - PICTURE);
  expect_row (is, 2, was, PICTURE - 1);
  expect_row (is, 3, was, PICTURE);
  expect_row (is, 7, was, PATCHES - 1);
  fresh_remove (g_steal_pointer (&model));
  fresh_remove (g_steal_pointer (&to));
}

/* With the same pictures all is as it was, padding and what is not in tiles too. */
static void
check_same (const char *info, gsize picture)
{
  g_autofree char *model = make_model (info);
  g_autoptr (GError) error = NULL;
  g_autofree char *to = resize (model, (MblmModelSize){.patches = 30}, &error);

  g_assert_no_error (error);
  g_autofree float *was = read_rows (model, PATCHES);
  g_autofree float *is = read_rows (to, 30);
  for (gsize i = 0; i < 30; i++)
    expect_row (is, i, was,
        i < picture ? i : picture + (i - picture) % (PATCHES - picture));
  fresh_remove (g_steal_pointer (&model));
  fresh_remove (g_steal_pointer (&to));
}

static void
test_same (void)
{
  check_same (INFO (PICTURE_FIRST, TILES), PICTURE);
  check_same (INFO (PICTURE_FIRST, "planar"), PICTURE);
  check_same (
      INFO_WITH (PICTURE_FIRST, TILES, "\"segment_bytes\": {\"image\": 118}, "),
      10);
  check_same (INFO ("\"question\", \"image\", \"answer\"", TILES), 0);
}

/* Logits of n ids. */
static float *
run (const char *path, const gint32 *ids, gsize n, guint vocabulary)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) device = mblm_device_open ("cpu", 1, &error);
  g_autoptr (MblmModel)
      model = mblm_model_load (path, device, MBLM_PRECISION_F32, NULL, &error);
  float *logits = g_new (float, n *vocabulary);

  g_assert_no_error (error);
  mblm_model_forward (model, ids, 1, n, NULL, logits, NULL, NULL, &error);
  g_assert_no_error (error);
  return logits;
}

/* A longer context alone: what fitted before is as it was. */
static void
check_longer (const char *position)
{
  g_autofree char *model = fresh_model (
      folder, "text", 4, FRESH_TRANSFORMER, position);
  g_autoptr (GError) error = NULL;
  g_autofree char *to = resize (model, (MblmModelSize){.patches = 9}, &error);
  g_autofree gint32 *ids = fresh_ids (72, 3);
  g_autofree char *json = g_build_filename (to, "mblm.json", NULL);

  g_assert_no_error (error);
  g_assert_false (g_file_test (json, G_FILE_TEST_EXISTS));
  g_autofree float *was = run (model, ids, 32, 257);
  g_autofree float *is = run (to, ids, 32, 257);
  g_assert_cmpmem (was, 32 * 257 * sizeof *was, is, 32 * 257 * sizeof *is);
  g_autofree float *all = run (to, ids, 72, 257);
  g_assert_true (isfinite (all[72 * 257 - 1]));
  fresh_remove (g_steal_pointer (&model));
  fresh_remove (g_steal_pointer (&to));
}

static void
test_longer (void)
{
  check_longer ("fixed");
  check_longer ("rope");
  check_longer ("null");
}

static void
refuse (const char *info, MblmModelSize size, const char *part)
{
  g_autofree char *model = make_model (info);
  GError *error = NULL;
  g_autofree char *to = resize (model, size, &error);

  formats_expect (error, MBLM_ERROR, MBLM_ERROR_CONFIG, part, model);
  g_assert_false (g_file_test (to, G_FILE_TEST_EXISTS));
  fresh_remove (g_steal_pointer (&model));
}

static void
test_errors (void)
{
  static const char first[] = INFO (PICTURE_FIRST, TILES);

  refuse (first, (MblmModelSize){5, 4, 0}, "don't divide");
  refuse (first, (MblmModelSize){6, 5, 0}, "don't divide");
  refuse (first, (MblmModelSize){8192, 4, 0}, "4096");
  refuse (first, (MblmModelSize){12, 8, 25}, "takes 25 patches: 25 leave no");
  refuse (first, (MblmModelSize){.patches = 3}, "takes 7 patches: 3 leave no");
  refuse (first, (MblmModelSize){.patches = (guint64) 1 << 40}, "seq_lens");
  refuse (INFO (PICTURE_FIRST, "planar"), (MblmModelSize){12, 8, 0},
      "in tiles, one in a patch");
  refuse (INFO ("\"question\", \"image\", \"answer\"", TILES),
      (MblmModelSize){12, 8, 0}, "begin with a picture");
  refuse (INFO ("\"image\", " PICTURE_FIRST, TILES), (MblmModelSize){12, 8, 0},
      "their only one");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = fresh_folder ();
  g_test_add_func ("/resize/picture", test_picture);
  g_test_add_func ("/resize/room", test_room);
  g_test_add_func ("/resize/same", test_same);
  g_test_add_func ("/resize/longer", test_longer);
  g_test_add_func ("/resize/errors", test_errors);
  int status = g_test_run ();
  fresh_remove (folder);
  return status;
}
