/* sets.c: small data sets, made for a test.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "sets.h"

#include <math.h>
#include <string.h>

#include "formats.h"

/* Reachable, so that no tool takes them for leaks. */
static GPtrArray *kept;

static gpointer
keep (gpointer thing)
{
  if (!kept)
    kept = g_ptr_array_new ();
  g_ptr_array_add (kept, thing);
  return thing;
}

GVariant *
sets_keep_args (GVariant *args)
{
  return keep (g_variant_take_ref (args));
}

gpointer
sets_keep_object (gpointer object)
{
  return keep (object);
}

MblmConfig *
sets_config (const char *yaml)
{
  g_autoptr (GError) error = NULL;
  MblmConfig *config = mblm_config_parse (
      yaml, strlen (yaml), "config.yaml", &error);

  g_assert_no_error (error);
  return keep (config);
}

MblmInfo *
sets_info (const char *keys, guint vocabulary)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *json = g_strdup_printf (
      "{ \"format\": 1, \"name\": \"x\", %s }", keys);
  MblmInfo *info = mblm_info_parse (
      json, strlen (json), "mblm.json", vocabulary, &error);

  g_assert_no_error (error);
  return keep (info);
}

MblmDatasetOptions
sets_options (const char *dir, MblmSplit split, gsize length, const char *info)
{
  return (MblmDatasetOptions){.dir = dir,
      .split = split,
      .length = length,
      .config = sets_config (
          "num_tokens: 260\npad_token_id: 256\nhidden_dims: [8, 8]\n"
          "num_layers: [1, 1]\nseq_lens: [32, 8]\n"
          "block: { attn_head_dims: 8, attn_num_heads: 1, "
          "attn_use_rot_embs: true }\n"),
      .info = info ? sets_info (info, 260)
                   : sets_keep_object (mblm_info_new_default ("x", 256)),
      .seed = 5,
      .mask_share = NAN};
}

GVariant *
sets_args (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *args = g_variant_parse (
      G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);

  g_assert_no_error (error);
  return keep (args);
}

MblmDataset *
sets_open (const char *id, const MblmDatasetOptions *options)
{
  g_autoptr (GError) error = NULL;
  MblmDataset *set = mblm_dataset_open (id, options, &error);

  g_assert_no_error (error);
  g_assert_nonnull (set);
  return set;
}

void
sets_expect (const char *id, const MblmDatasetOptions *options, GQuark domain,
    int code, const char *part)
{
  GError *error = NULL;

  g_assert_null (mblm_dataset_open (id, options, &error));
  formats_expect (error, domain, code, part, id);
}

SetsSample *
sets_read (MblmDataset *set, guint64 epoch, guint64 index)
{
  gsize n = set->options.length;
  g_autoptr (GError) error = NULL;
  SetsSample *self = g_new0 (SetsSample, 1);

  self->length = n;
  self->sample = (MblmTrainingSample){g_new (gint32, n), g_new (float, n),
      g_new (gint32, n), g_new (guint8, n)};
  mblm_dataset_read (set, epoch, index, &self->sample, &error);
  g_assert_no_error (error);
  return self;
}

void
sets_sample_free (SetsSample *self)
{
  g_free (self->sample.ids);
  g_free (self->sample.loss_mask);
  g_free (self->sample.labels);
  g_free (self->sample.attention_mask);
  g_free (self);
}

GArray *
sets_ids (MblmDataset *set, guint64 epoch)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (guint64 i = 0; i < mblm_dataset_count (set, epoch); i++) {
    g_autoptr (SetsSample) sample = sets_read (set, epoch, i);
    g_array_append_vals (ids, sample->sample.ids, (guint) sample->length);
  }
  return ids;
}

GByteArray *
sets_noise (gsize n, guint32 seed)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  GByteArray *bytes = g_byte_array_new ();

  g_byte_array_set_size (bytes, (guint) n);
  for (gsize i = 0; i < n; i++)
    bytes->data[i] = (guint8) g_rand_int (random);
  return bytes;
}

char *
sets_write (const char *folder, const char *name, const void *data, gssize n)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0755), ==, 0);
  return formats_write (folder, name, data, n);
}
