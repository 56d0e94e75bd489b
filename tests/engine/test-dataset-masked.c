/* test-dataset-masked.c: text with holes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <string.h>

#include "fresh.h"
#include "sets.h"

#define LENGTH 50
#define MASK 257

static char *folder;

static MblmDatasetOptions
masked_options (void)
{
  MblmDatasetOptions options = sets_options (
      folder, MBLM_SPLIT_TRAIN, LENGTH, NULL);

  options.config = sets_config (
      "mask_token_id: 257\nmblm_config:\n  num_tokens: 258\n"
      "  pad_token_id: 256\n  hidden_dims: [8]\n  num_layers: [1]\n"
      "  seq_lens: [64]\n  block: { block_type: transformerEncoder, "
      "attn_head_dims: 8, attn_num_heads: 1, attn_use_rot_embs: true }\n");
  return options;
}

/* Drawn positions hold the mask id, all others and all labels the text. */
static guint
check_sample (MblmDataset *set, MblmDataset *text, guint64 epoch, guint64 index,
    gboolean quirks)
{
  g_autoptr (SetsSample) sample = sets_read (set, epoch, index);
  g_autoptr (SetsSample) original = sets_read (text, epoch, index);
  const MblmTrainingSample *s = &sample->sample;
  guint drawn = 0;

  g_assert_cmpmem (s->labels, LENGTH * 4, original->sample.ids, LENGTH * 4);
  for (guint i = 0; i < LENGTH; i++) {
    gboolean masked = s->ids[i] == MASK;

    if (!masked)
      g_assert_cmpint (s->ids[i], ==, s->labels[i]);
    g_assert_cmpuint (s->attention_mask[i], ==, quirks ? masked : 1);
    g_assert_cmpfloat (s->loss_mask[i], ==, quirks || masked ? 1.0f : 0.0f);
    drawn += masked;
  }
  return drawn;
}

static void
check_share (double share, gboolean quirks, double low, double high)
{
  MblmDatasetOptions options = masked_options ();
  guint drawn = 0, n = 0;

  g_autoptr (MblmDataset) text = sets_open ("pg19", &options);
  options.mask_share = share;
  options.args = quirks ? sets_args ("{'published_quirks': <true>}") : NULL;
  g_autoptr (MblmDataset) set = sets_open ("pg19masked", &options);
  for (guint64 epoch = 0; epoch < 4; epoch++)
    for (guint64 i = 0; i < mblm_dataset_count (set, epoch); i++, n += LENGTH)
      drawn += check_sample (set, text, epoch, i, quirks);
  g_assert_cmpfloat ((double) drawn / n, >=, low);
  g_assert_cmpfloat ((double) drawn / n, <=, high);
}

static void
test_share (void)
{
  check_share (0.3, FALSE, 0.27, 0.33);
  check_share (0.3, TRUE, 0.27, 0.33);
  check_share (0.0, TRUE, 0.0, 0.0);
  check_share (1.0, FALSE, 1.0, 1.0);
  check_share (NAN, FALSE, 0.13, 0.17);
}

/* What is drawn follows from seed, epoch and number, and from each of them. */
static void
test_draws (void)
{
  MblmDatasetOptions options = masked_options ();

  options.mask_share = 0.5;
  g_autoptr (MblmDataset) set = sets_open ("pg19masked", &options);
  g_autoptr (MblmDataset) again = sets_open ("maskedPG19", &options);
  options.seed++;
  g_autoptr (MblmDataset) other = sets_open ("pg19masked", &options);
  g_autoptr (SetsSample) last = sets_read (again, 7, 7);
  g_autoptr (SetsSample) a = sets_read (set, 0, 3);
  g_autoptr (SetsSample) b = sets_read (again, 0, 3);
  SetsSample *others[] = {
      sets_read (set, 0, 4), sets_read (set, 1, 3), sets_read (other, 0, 3)};

  g_assert_cmpmem (a->sample.ids, LENGTH * 4, b->sample.ids, LENGTH * 4);
  for (guint k = 0; k < 3; k++) {
    guint same = 0;

    for (guint i = 0; i < LENGTH; i++)
      same += a->sample.loss_mask[i] == others[k]->sample.loss_mask[i];
    g_assert_cmpuint (same, >, 8);
    g_assert_cmpuint (same, <, LENGTH - 8);
    sets_sample_free (others[k]);
  }
}

static void
test_refusal (void)
{
  MblmDatasetOptions options = masked_options ();

  options.mask_share = 1.5;
  sets_expect (
      "pg19masked", &options, MBLM_ERROR, MBLM_ERROR_CONFIG, "masking_proba");
  options.mask_share = 0.0;
  sets_expect ("pg19masked", &options, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "leaves nothing to learn");
  options.mask_share = 0.5;
  options.args = sets_args ("{'published_quirks': <'yes'>}");
  sets_expect (
      "pg19masked", &options, MBLM_ERROR, MBLM_ERROR_CONFIG, "true or false");
  options.args = NULL;
  options.split = MBLM_SPLIT_VALID;
  sets_expect (
      "pg19masked", &options, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "valid");
  options = sets_options (folder, MBLM_SPLIT_TRAIN, LENGTH, NULL);
  sets_expect (
      "pg19masked", &options, MBLM_ERROR, MBLM_ERROR_CONFIG, "encoders");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = fresh_folder ();
  g_autoptr (GByteArray) noise = sets_noise (5021, 1);
  g_autofree char *path = sets_write (
      folder, "train/book", noise->data, noise->len);

  g_test_add_func ("/dataset-masked/share", test_share);
  g_test_add_func ("/dataset-masked/draws", test_draws);
  g_test_add_func ("/dataset-masked/refusal", test_refusal);
  int status = g_test_run ();
  fresh_remove (folder);
  return status;
}
