/* training-config-write.c: the config.yaml that a run writes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "training-config.h"

#include "config-private.h"
#include "model-private.h"

static void
append_text (GString *out, const char *key, const char *text)
{
  g_string_append_printf (out, "  %s: ", key);
  if (text == NULL) {
    g_string_append (out, "null");
  } else {
    /* a path need not be text */
    g_autofree char *valid = g_utf8_make_valid (text, -1);

    mblm_yaml_append_string (out, valid);
  }
  g_string_append_c (out, '\n');
}

/* A section as the file has it; `train` says what is used of what the command line
 * may have changed. */
static void
append_section (GString *out, const MblmTrainingConfig *self, const char *name)
{
  const MblmYamlNode *section = mblm_yaml_get (
      ((const MblmYaml *) self->yaml)->root, name);

  g_string_append_printf (out, "%s:\n", name);
  for (guint i = 0; i < section->keys->len; i++) {
    const MblmYamlNode *key = g_ptr_array_index (section->keys, i);

    if (g_str_equal (key->text, "precision") ||
        g_str_equal (key->text, "layer_inputs") ||
        g_str_equal (key->text, "optimizer_memory"))
      continue;
    g_string_append (out, "  ");
    mblm_yaml_append_string (out, key->text);
    g_string_append_c (out, ':');
    mblm_yaml_emit (out, g_ptr_array_index (section->values, i), 2);
  }
  if (!g_str_equal (name, "train"))
    return;
  if (self->precision != MBLM_PRECISION_F32)
    g_string_append_printf (
        out, "  precision: %s\n", mblm_precision_names[self->precision]);
  if (self->layer_inputs != MBLM_LAYER_INPUTS_AUTO)
    g_string_append_printf (out, "  layer_inputs: %s\n",
        mblm_layer_inputs_names[self->layer_inputs]);
  if (self->host_moments)
    g_string_append (out, "  optimizer_memory: host\n");
}

/* What the run began with. Its own file tells that beside the model to go on from;
 * any other names it as that model. */
static const char *
find_origin (const MblmTrainingConfig *self, const MblmTrainingSummary *summary)
{
  const MblmYamlNode *resume = mblm_yaml_get (
      ((const MblmYaml *) self->yaml)->root, "resume");
  const MblmYamlNode *from = resume != NULL
      ? mblm_yaml_get (resume, "resumed_from")
      : NULL;

  if (!summary->goes_on || from == NULL)
    return self->checkpoint_file;
  return from->kind == MBLM_YAML_STRING ? from->text : NULL;
}

static void
append_resume (GString *out, const MblmTrainingConfig *self,
    const MblmTrainingSummary *summary)
{
  const char *file = summary->checkpoint_file;

  g_string_append (out, "resume:\n");
  append_text (out, "checkpoint_file", file != NULL ? file : "");
  if (summary->has_place)
    g_string_append_printf (out,
        "  next_epoch_index: %" G_GUINT64_FORMAT
        "\n  next_batch_index: %" G_GUINT64_FORMAT "\n",
        summary->next_epoch, summary->next_batch);
  else
    g_string_append (out, "  next_epoch_index: -1\n  next_batch_index: -1\n");
  g_string_append (
      out, "  migrate_embeddings: false\n  rename_modules: false\n");
  append_text (out, "resumed_from", find_origin (self, summary));
}

static void
append_summary (GString *out, const MblmTrainingSummary *summary)
{
  const char *start = summary->training_start;
  const char *end = summary->training_end;

  g_string_append (out, "summary:\n");
  append_text (out, "training_start", start != NULL ? start : "");
  append_text (out, "training_end", end != NULL ? end : "");
  g_string_append (out, "  num_workers: 1\n  cuda_devices: []\n");
  g_string_append_printf (
      out, "  parameter_count: %" G_GUINT64_FORMAT "\n", summary->n_parameters);
  append_text (out, "error", summary->error);
}

char *
mblm_training_config_to_yaml (
    MblmTrainingConfig *self, const MblmTrainingSummary *summary)
{
  GString *out = g_string_new (NULL);

  append_section (out, self, "io");
  append_section (out, self, "params");
  append_section (out, self, "train");
  append_resume (out, self, summary);
  append_summary (out, summary);
  return g_string_free (out, FALSE);
}
