/* config-sections.c: the keys of a training file.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Those of the published files, and ours: see training-config.h.
 */

#include "config-private.h"

gboolean
mblm_yaml_check_sections (const MblmYaml *yaml, GError **error)
{
  static const char *const sections[] = {
      "io", "params", "train", "resume", "summary", NULL};
  static const char *const io[] = {"name_model", "output_dir", "dataset_dir",
      "dataset_id", "dataset_args", "num_models_to_save", "validate_amount",
      "log_train_loss_amount", "enabled_loss_log_for_gpus", "description",
      "model_info", NULL};
  static const char *const train[] = {"target_elements",
      "target_elements_strategy", "warmup_steps_perc", "batch_size",
      "shuffle_train", "shuffle_eval", "max_eval_steps", "learning_rate",
      "gradient_clipping", "gradient_accumulate_every", "masking_proba",
      "precision", "layer_inputs", "optimizer", "optimizer_memory",
      "smooth_embeddings", "seed", "checkpoint_minutes", "skip_unreadable",
      NULL};
  static const char *const resume[] = {"checkpoint_file", "next_epoch_index",
      "next_batch_index", "migrate_embeddings", "rename_modules",
      "resumed_from", NULL};
  static const char *const summary[] = {"training_start", "training_end",
      "num_workers", "cuda_devices", "parameter_count", "error", NULL};
  const struct {
    const char *name;
    const char *const *keys;
  } known[] = {
      {"io", io}, {"train", train}, {"resume", resume}, {"summary", summary}};

  if (!mblm_yaml_check_keys (
          yaml, yaml->root, "a training file", sections, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (known); i++) {
    const MblmYamlNode *node = mblm_yaml_get (yaml->root, known[i].name);

    if (node != NULL && node->kind != MBLM_YAML_NULL &&
        !mblm_yaml_check_keys (yaml, node, known[i].name, known[i].keys, error))
      return FALSE;
  }
  return TRUE;
}
