/* training-config.c: a training file.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bounds, besides those of MblmConfig: counts are at most 2^31 and at least 1
 * but for what may be left out; target_elements at most 2^62; name_model is one
 * part of a path of at most 200 bytes.
 */

#include "training-config.h"

#include <math.h>
#include <string.h>

#include "config-private.h"
#include "mblm-error.h"
#include "model-private.h"
#include "read-file.h"
#include "schedule.h"

const char *const mblm_layer_inputs_names[] = {"auto", "f32", "bf16", NULL};

#define MAX_COUNT ((gint64) 1 << 31)
#define MAX_ELEMENTS ((gint64) 1 << 62)
#define MAX_NAME 200

void
mblm_training_config_free (MblmTrainingConfig *self)
{
  g_clear_pointer ((MblmYaml **) &self->yaml, mblm_yaml_free);
  g_clear_pointer (&self->dataset_args, g_variant_unref);
  g_clear_object (&self->model);
  g_free (self->path);
  g_free (self->fingerprint);
  g_free (self->old_fingerprint);
  g_free (self->name);
  g_free (self->output_dir);
  g_free (self->dataset_dir);
  g_free (self->dataset_id);
  g_free (self->model_info);
  g_free (self->checkpoint_file);
  g_free (self);
}

/* A section of the file, which has to be there unless it is `optional`; `found`
 * gets NULL where it isn't, or is null. */
static gboolean
get_section (const MblmYaml *yaml, const char *key, gboolean optional,
    const MblmYamlNode **found, GError **error)
{
  *found = mblm_yaml_get (yaml->root, key);
  if (*found != NULL && (*found)->kind == MBLM_YAML_NULL)
    *found = NULL;
  if (*found != NULL || optional)
    return TRUE;
  return mblm_yaml_fail (yaml, yaml->root, error,
      "the section \"%s\" is missing: this is no training file", key);
}

static gboolean
need_all (const MblmYaml *yaml, const MblmYamlNode *section,
    const char *const *keys, GError **error)
{
  for (; *keys != NULL; keys++)
    if (!mblm_yaml_need (yaml, section, *keys, error))
      return FALSE;
  return TRUE;
}

static gboolean
check_name (const MblmTrainingConfig *self, const MblmYaml *yaml,
    const MblmYamlNode *io, GError **error)
{
  if (self->name[0] != '\0' && self->name[0] != '.' &&
      strlen (self->name) <= MAX_NAME && strpbrk (self->name, "/\n\r") == NULL)
    return TRUE;
  return mblm_yaml_fail (yaml, mblm_yaml_get (io, "name_model"), error,
      "name_model names folders: it has from 1 to %d bytes, no slash and no "
      "line feed, and doesn't begin with a point",
      MAX_NAME);
}

static gboolean
read_args (MblmTrainingConfig *self, const MblmYaml *yaml,
    const MblmYamlNode *io, GError **error)
{
  const MblmYamlNode *node = mblm_yaml_get (io, "dataset_args");

  if (node == NULL || node->kind == MBLM_YAML_NULL)
    return TRUE;
  if (node->kind != MBLM_YAML_MAPPING)
    return mblm_yaml_fail (yaml, node, error,
        "dataset_args must be a mapping, not %s", mblm_yaml_describe (node));
  self->dataset_args = g_variant_ref_sink (mblm_yaml_to_variant (node));
  return TRUE;
}

static gboolean
read_io (MblmTrainingConfig *self, const MblmYaml *yaml, GError **error)
{
  static const char *const needed[] = {"name_model", "output_dir",
      "dataset_dir", "dataset_id", "num_models_to_save", "validate_amount",
      "log_train_loss_amount", NULL};
  const MblmYamlNode *io;

  return get_section (yaml, "io", FALSE, &io, error) &&
      need_all (yaml, io, needed, error) &&
      mblm_yaml_read_text (yaml, io, "name_model", &self->name, error) &&
      check_name (self, yaml, io, error) &&
      mblm_yaml_read_text (yaml, io, "output_dir", &self->output_dir, error) &&
      mblm_yaml_read_text (
          yaml, io, "dataset_dir", &self->dataset_dir, error) &&
      mblm_yaml_read_text (yaml, io, "dataset_id", &self->dataset_id, error) &&
      mblm_yaml_read_text (yaml, io, "model_info", &self->model_info, error) &&
      read_args (self, yaml, io, error) &&
      mblm_yaml_read_count (yaml, io, "num_models_to_save", 1, MAX_COUNT,
          &self->models_to_save, error) &&
      mblm_yaml_read_count (yaml, io, "validate_amount", 1, MAX_COUNT,
          &self->validate_amount, error) &&
      mblm_yaml_read_count (yaml, io, "log_train_loss_amount", 0, MAX_COUNT,
          &self->log_amount, error);
}

/* One of some words: its number, from 0. */
static gboolean
read_choice (const MblmYaml *yaml, const MblmYamlNode *section, const char *key,
    const char *const *words, guint *choice, GError **error)
{
  g_autofree char *text = NULL, *all = NULL;

  if (!mblm_yaml_read_text (yaml, section, key, &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  for (guint i = 0; words[i] != NULL; i++)
    if (g_str_equal (text, words[i])) {
      *choice = i;
      return TRUE;
    }
  all = g_strjoinv (" or ", (char **) words);
  return mblm_yaml_fail (
      yaml, mblm_yaml_get (section, key), error, "%s must be %s", key, all);
}

static gboolean
read_amounts (MblmTrainingConfig *self, const MblmYaml *yaml,
    const MblmYamlNode *train, GError **error)
{
  static const char *const strategies[] = {"batch", "sequence", NULL};
  guint strategy = 0;

  if (!read_choice (yaml, train, "target_elements_strategy", strategies,
          &strategy, error))
    return FALSE;
  self->by_sequence = strategy == 1;
  return mblm_yaml_read_count (yaml, train, "target_elements", 1, MAX_ELEMENTS,
             &self->target_elements, error) &&
      mblm_yaml_read_count (
          yaml, train, "batch_size", 1, MAX_COUNT, &self->batch_size, error) &&
      mblm_yaml_read_count (yaml, train, "gradient_accumulate_every", 1,
          MAX_COUNT, &self->accumulate, error) &&
      mblm_yaml_read_count (yaml, train, "max_eval_steps", 1, MAX_COUNT,
          &self->max_eval_steps, error) &&
      mblm_yaml_read_boolean (
          yaml, train, "shuffle_train", &self->shuffle_train, error) &&
      mblm_yaml_read_boolean (
          yaml, train, "shuffle_eval", &self->shuffle_eval, error);
}

static gboolean
read_rates (MblmTrainingConfig *self, const MblmYaml *yaml,
    const MblmYamlNode *train, GError **error)
{
  self->warmup_share = 0.1;
  self->mask_share = NAN;
  return mblm_yaml_read_real (yaml, train, "warmup_steps_perc", 0, 1,
             &self->warmup_share, error) &&
      mblm_yaml_read_real (yaml, train, "learning_rate", 1e-30, 1e6,
          &self->learning_rate, error) &&
      mblm_yaml_read_real (
          yaml, train, "gradient_clipping", 1e-30, 1e30, &self->clip, error) &&
      mblm_yaml_read_real (
          yaml, train, "masking_proba", 0, 1, &self->mask_share, error);
}

static gboolean
read_ours (MblmTrainingConfig *self, const MblmYaml *yaml,
    const MblmYamlNode *train, GError **error)
{
  static const char *const places[] = {"device", "host", NULL};
  static const char *const optimizers[] = {"adam", "muon", NULL};
  guint precision = MBLM_PRECISION_F32, input = MBLM_LAYER_INPUTS_AUTO;
  guint place = 0, optimizer = MBLM_OPTIMIZER_ADAM;

  self->checkpoint_minutes = 10;
  if (!read_choice (
          yaml, train, "precision", mblm_precision_names, &precision, error) ||
      !read_choice (yaml, train, "layer_inputs", mblm_layer_inputs_names,
          &input, error) ||
      !read_choice (yaml, train, "optimizer", optimizers, &optimizer, error) ||
      !read_choice (yaml, train, "optimizer_memory", places, &place, error))
    return FALSE;
  self->precision = precision;
  self->layer_inputs = input;
  self->optimizer = optimizer;
  self->host_moments = place == 1;
  return mblm_yaml_read_count (
             yaml, train, "seed", 0, G_MAXINT64, &self->seed, error) &&
      mblm_yaml_read_boolean (
          yaml, train, "smooth_embeddings", &self->smooth_embeddings, error) &&
      mblm_yaml_read_real (yaml, train, "checkpoint_minutes", 0, 1e6,
          &self->checkpoint_minutes, error) &&
      mblm_yaml_read_boolean (
          yaml, train, "skip_unreadable", &self->skip_unreadable, error);
}

static gboolean
read_train (MblmTrainingConfig *self, const MblmYaml *yaml, GError **error)
{
  static const char *const needed[] = {"target_elements",
      "target_elements_strategy", "batch_size", "learning_rate",
      "gradient_accumulate_every", NULL};
  const MblmYamlNode *train;

  return get_section (yaml, "train", FALSE, &train, error) &&
      need_all (yaml, train, needed, error) &&
      read_amounts (self, yaml, train, error) &&
      read_rates (self, yaml, train, error) &&
      read_ours (self, yaml, train, error);
}

static gboolean
read_resume (MblmTrainingConfig *self, const MblmYaml *yaml, GError **error)
{
  static const char *const needed[] = {
      "checkpoint_file", "next_epoch_index", "next_batch_index", NULL};
  const MblmYamlNode *resume;
  gboolean rename = FALSE; /* both families of names are read anyway */

  if (!get_section (yaml, "resume", TRUE, &resume, error))
    return FALSE;
  if (resume == NULL)
    return TRUE;
  if (!need_all (yaml, resume, needed, error) ||
      !mblm_yaml_read_text (
          yaml, resume, "checkpoint_file", &self->checkpoint_file, error))
    return FALSE;
  self->no_checkpoint = self->checkpoint_file[0] == '\0';
  if (self->no_checkpoint) {
    g_clear_pointer (&self->checkpoint_file, g_free);
    return TRUE;
  }
  return mblm_yaml_read_count (yaml, resume, "next_epoch_index", 0, MAX_COUNT,
             &self->next_epoch, error) &&
      mblm_yaml_read_count (yaml, resume, "next_batch_index", 0, MAX_ELEMENTS,
          &self->next_batch, error) &&
      mblm_yaml_read_boolean (yaml, resume, "migrate_embeddings",
          &self->migrate_embeddings, error) &&
      mblm_yaml_read_boolean (yaml, resume, "rename_modules", &rename, error);
}

gboolean
mblm_training_config_check_start (MblmTrainingConfig *self, GError **error)
{
  const MblmYaml *yaml = self->yaml;

  if (!self->no_checkpoint)
    return TRUE;
  return mblm_yaml_fail (yaml,
      mblm_yaml_get (mblm_yaml_get (yaml->root, "resume"), "checkpoint_file"),
      error,
      "checkpoint_file is empty: name a model, take the section \"resume\" out "
      "to begin anew, or go on with the run (--resume)");
}

/* What no data set and no device has to be asked for. */
static gboolean
plan (MblmTrainingConfig *self, const MblmYaml *yaml, GError **error)
{
  const MblmYamlNode *train = mblm_yaml_get (yaml->root, "train");
  const MblmYamlNode *params = mblm_yaml_get (yaml->root, "params");
  const MblmYamlNode *length = mblm_yaml_get (params, "input_seq_len");
  guint64 patch = mblm_config_get_patch (self->model, 0);

  self->length = mblm_config_get_input_length (self->model);
  if (mblm_config_get_position (self->model, 0) == MBLM_POSITION_FIXED &&
      (self->length - 1) / patch >= mblm_config_get_seq_len (self->model, 0))
    return mblm_yaml_fail (yaml, length != NULL ? length : params, error,
        "input_seq_len is %" G_GUINT64_FORMAT ", but the fixed positions of "
        "the first stage end at %" G_GUINT64_FORMAT,
        self->length, mblm_config_get_context (self->model));
  self->batches = mblm_schedule_count_batches (
      self->target_elements, self->by_sequence, self->batch_size, self->length);
  if (self->batches == 0)
    return mblm_yaml_fail (yaml, mblm_yaml_get (train, "batch_size"), error,
        "a batch of %" G_GUINT64_FORMAT " times %" G_GUINT64_FORMAT
        " elements is beyond anything",
        self->batch_size, self->length);
  self->steps = self->batches / self->accumulate;
  self->warmup = mblm_schedule_count_warmup (self->steps, self->warmup_share);
  if (self->steps == 0)
    return mblm_yaml_fail (yaml,
        mblm_yaml_get (train, "gradient_accumulate_every"), error,
        "target_elements are %" G_GUINT64_FORMAT " batches, fewer than "
        "gradient_accumulate_every: the model would never change",
        self->batches);
  if (self->warmup >= self->steps)
    return mblm_yaml_fail (yaml, mblm_yaml_get (train, "warmup_steps_perc"),
        error, "warmup_steps_perc leaves no step after the warm-up");
  return TRUE;
}

static gboolean
read_all (MblmTrainingConfig *self, GError **error)
{
  return read_io (self, self->yaml, error) &&
      read_train (self, self->yaml, error) &&
      read_resume (self, self->yaml, error) && plan (self, self->yaml, error);
}

/* Of the sections that decide, as they are understood and not as they are spelt.
 * How often a checkpoint is made doesn't count, nor where output and moments go. */
static char *
make_fingerprint (MblmTrainingConfig *self, gboolean with_resume)
{
  static const char *const left_out[] = {"checkpoint_minutes", "output_dir",
      "dataset_dir", "description", "enabled_loss_log_for_gpus", "precision",
      "layer_inputs", "optimizer", "optimizer_memory", "resumed_from", NULL};
  static const char *const sections[] = {"io", "params", "train", "resume"};
  const MblmYaml *yaml = self->yaml;
  char *sum;
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "%s\n", mblm_precision_names[self->precision]);
  if (self->layer_inputs != MBLM_LAYER_INPUTS_AUTO)
    g_string_append_printf (text, "layer_inputs %d\n", self->layer_inputs);
  if (self->optimizer != MBLM_OPTIMIZER_ADAM)
    g_string_append_printf (text, "optimizer %d\n", self->optimizer);
  for (guint i = 0; i < G_N_ELEMENTS (sections); i++) {
    const MblmYamlNode *section = mblm_yaml_get (yaml->root, sections[i]);

    g_string_append_printf (text, "%s\n", sections[i]);
    if (section == NULL || section->kind != MBLM_YAML_MAPPING ||
        (!with_resume && g_str_equal (sections[i], "resume")))
      continue;
    for (guint k = 0; k < section->keys->len; k++) {
      const MblmYamlNode *key = g_ptr_array_index (section->keys, k);

      if (g_strv_contains (left_out, key->text))
        continue;
      g_string_append_printf (text, "  %s:", key->text);
      mblm_yaml_emit (text, g_ptr_array_index (section->values, k), 2);
    }
  }
  sum = g_compute_checksum_for_string (
      G_CHECKSUM_SHA256, text->str, (gssize) text->len);
  g_string_free (text, TRUE);
  return sum;
}

static void
take_fingerprint (MblmTrainingConfig *self)
{
  g_free (self->fingerprint);
  g_free (self->old_fingerprint);
  self->fingerprint = make_fingerprint (self, FALSE);
  self->old_fingerprint = make_fingerprint (self, TRUE);
}

void
mblm_training_config_set_precision (
    MblmTrainingConfig *self, MblmPrecision precision)
{
  self->precision = precision;
  take_fingerprint (self);
}

void
mblm_training_config_set_layer_inputs (
    MblmTrainingConfig *self, MblmLayerInputs inputs)
{
  self->layer_inputs = inputs;
  take_fingerprint (self);
}

MblmTrainingConfig *
mblm_training_config_parse (
    const char *text, gsize length, const char *name, GError **error)
{
  g_autoptr (MblmTrainingConfig) self = g_new0 (MblmTrainingConfig, 1);
  MblmYaml *yaml = mblm_yaml_parse (text, length, name, error);

  self->path = g_strdup (name);
  self->yaml = yaml;
  if (yaml == NULL || !mblm_yaml_check_sections (yaml, error))
    return NULL;
  self->model = mblm_config_parse (text, length, name, error);
  if (self->model == NULL || !read_all (self, error))
    return NULL;
  take_fingerprint (self);
  return g_steal_pointer (&self);
}

MblmTrainingConfig *
mblm_training_config_load (const char *path, GError **error)
{
  gsize length;
  g_autofree char *text = mblm_read_file (
      path, MBLM_YAML_MAX_BYTES, &length, error);

  return text != NULL ? mblm_training_config_parse (text, length, path, error)
                      : NULL;
}
