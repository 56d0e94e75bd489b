/* mblm-config.c: the shape of a model, as the published YAML describes it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Three documents are read: a bare model configuration, that of an encoder
 * (mask_token_id, mask_reduce_strat, mblm_config), and a whole training file,
 * whose `params` hold one of the two. Unknown keys are errors everywhere but in
 * io.dataset_args, which is the data set's, and in blocks, which their classes
 * validate.
 *
 * What is checked before anything is allocated for a model:
 *
 *   file                     1 MiB, 32 levels, 20,000 values with every alias
 *                            written out, no duplicate keys, no cycles
 *   hidden_dims, num_layers,
 *   seq_lens                 lists of equal length, 1 to 8 stages
 *   hidden_dims[k]           1 to 65,536
 *   num_layers[k]            1 to 1,024
 *   seq_lens[k]              1 to 2^31; their product (the context) at most 2^48
 *   num_tokens               2 to 65,536
 *   pad_token_id,
 *   mask_token_id            0 to num_tokens - 1
 *   input_seq_len            1 to 2^48
 *   train_checkpoint_chunks  null, or for each stage but the first 1 to 2^31; a
 *                            hint that is kept and ignored
 *   block                    one mapping, or a list with one per stage; at most
 *                            64 fields of one finite value each
 *   mask_reduce_strat        any (the default) or all
 *   flattened patch          patch[k] * hidden_dims[last] at most 2^31
 *   projection               seq_lens[k+1] * hidden_dims[k+1] at most 2^31
 *   every weight matrix,
 *   table of positions       2^40 elements
 */

#include "config-private.h"

#include <string.h>

#include "mblm-error.h"
#include "read-file.h"

#define MAX_CONTEXT ((gint64) 1 << 48)
#define MAX_SEQ_LEN ((gint64) 1 << 31)
#define MAX_ROW ((guint64) 1 << 31)
#define MAX_MATRIX ((guint64) 1 << 40)
#define MAX_HIDDEN 65536
#define MAX_LAYERS 1024
#define MAX_VOCABULARY 65536

G_DEFINE_FINAL_TYPE (MblmConfig, mblm_config, G_TYPE_OBJECT)

static void
mblm_config_finalize (GObject *object)
{
  MblmConfig *self = MBLM_CONFIG (object);

  for (guint k = 0; k < MBLM_MAX_STAGES; k++)
    mblm_config_block_clear (&self->blocks[k]);
  g_clear_pointer (&self->chunks, g_array_unref);
  G_OBJECT_CLASS (mblm_config_parent_class)->finalize (object);
}

static void
mblm_config_class_init (MblmConfigClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mblm_config_finalize;
}

static void
mblm_config_init (MblmConfig *self)
{
  self->mask_id = -1;
}

static gboolean
read_list (const MblmYaml *yaml, const MblmYamlNode *model, const char *key,
    guint n_stages, gint64 max, gsize *out, guint *n, GError **error)
{
  gint64 values[MBLM_MAX_STAGES];

  if (!mblm_yaml_get_integers (
          yaml, model, key, 1, MBLM_MAX_STAGES, 1, max, values, n, error))
    return FALSE;
  if (n_stages != 0 && *n != n_stages)
    return mblm_yaml_fail (yaml, mblm_yaml_get (model, key), error,
        "%s has %u entries, but hidden_dims has %u: one per stage is needed",
        key, *n, n_stages);
  for (guint k = 0; k < *n; k++)
    out[k] = (gsize) values[k];
  return TRUE;
}

static gboolean
read_stages (MblmConfig *self, const MblmYaml *yaml, const MblmYamlNode *model,
    GError **error)
{
  guint n;

  if (!read_list (yaml, model, "hidden_dims", 0, MAX_HIDDEN, self->hidden_dims,
          &self->n_stages, error) ||
      !read_list (yaml, model, "num_layers", self->n_stages, MAX_LAYERS,
          self->n_layers, &n, error) ||
      !read_list (yaml, model, "seq_lens", self->n_stages, MAX_SEQ_LEN,
          self->seq_lens, &n, error))
    return FALSE;
  self->context = 1;
  for (guint k = self->n_stages; k-- > 0;) {
    self->patch[k] = (gsize) self->context;
    if (__builtin_mul_overflow (
            self->context, (guint64) self->seq_lens[k], &self->context) ||
        self->context > (guint64) MAX_CONTEXT)
      return mblm_yaml_fail (yaml, mblm_yaml_get (model, "seq_lens"), error,
          "the product of seq_lens is beyond 2^48");
  }
  return TRUE;
}

/* Rows of `row` elements and matrices of row * other elements stay in bounds. */
static gboolean
fits (guint64 a, guint64 b, guint64 other)
{
  guint64 row, all;

  return !__builtin_mul_overflow (a, b, &row) && row <= MAX_ROW &&
      !__builtin_mul_overflow (row, other, &all) && all <= MAX_MATRIX;
}

static gboolean
check_sizes (const MblmConfig *self, const MblmYaml *yaml,
    const MblmYamlNode *model, GError **error)
{
  const MblmYamlNode *node = mblm_yaml_get (model, "seq_lens");
  guint last = self->n_stages - 1;

  for (guint k = 0; k < last; k++) {
    if (!fits (self->patch[k], self->hidden_dims[last], self->hidden_dims[k]))
      return mblm_yaml_fail (yaml, node, error,
          "a patch of stage %u (%" G_GSIZE_FORMAT " bytes of %" G_GSIZE_FORMAT
          " dimensions) is too "
          "large to be embedded: at most 2^31 values, 2^40 with hidden_dims",
          k, self->patch[k], self->hidden_dims[last]);
    if (!fits (self->seq_lens[k + 1], self->hidden_dims[k + 1],
            self->hidden_dims[k]))
      return mblm_yaml_fail (yaml, node, error,
          "the projection from stage %u "
          "to the next is too large: seq_lens times hidden_dims is at most "
          "2^31, 2^40 with the hidden_dims of the stage",
          k);
  }
  for (guint k = 0; k <= last; k++)
    if (self->blocks[k].position == MBLM_POSITION_FIXED &&
        (guint64) self->seq_lens[k] * self->hidden_dims[k] > MAX_MATRIX)
      return mblm_yaml_fail (yaml, node, error,
          "the table of positions of "
          "stage %u is beyond 2^40 values",
          k);
  return TRUE;
}

static gboolean
read_chunks (MblmConfig *self, const MblmYaml *yaml, const MblmYamlNode *model,
    GError **error)
{
  static const char key[] = "train_checkpoint_chunks";
  const MblmYamlNode *node = mblm_yaml_get (model, key);
  gint64 values[MBLM_MAX_STAGES];
  guint n;

  if (node == NULL || node->kind == MBLM_YAML_NULL)
    return TRUE;
  if (!mblm_yaml_get_integers (yaml, model, key, 0, MBLM_MAX_STAGES, 1,
          MAX_SEQ_LEN, values, &n, error))
    return FALSE;
  if (n != 0 && n != self->n_stages - 1)
    return mblm_yaml_fail (yaml, node, error,
        "%s has %u entries; one for each "
        "stage but the first is needed (%u), or null",
        key, n, self->n_stages - 1);
  self->chunks = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_array_append_vals (self->chunks, values, n);
  return TRUE;
}

static void
copy_block (MblmConfigBlock *to, const MblmConfigBlock *from)
{
  *to = *from;
  to->type = g_strdup (from->type);
  to->where = g_strdup (from->where);
  to->options = g_variant_ref (from->options);
}

static gboolean
read_blocks (MblmConfig *self, const MblmYaml *yaml, const MblmYamlNode *model,
    GError **error)
{
  const MblmYamlNode *node = mblm_yaml_require (yaml, model, "block", error);

  if (node == NULL)
    return FALSE;
  if (node->kind != MBLM_YAML_SEQUENCE) {
    self->one_block = TRUE;
    if (!mblm_config_block_read (&self->blocks[0], yaml, node, error))
      return FALSE;
    for (guint k = 1; k < self->n_stages; k++)
      copy_block (&self->blocks[k], &self->blocks[0]);
    return TRUE;
  }
  if (node->values->len != self->n_stages)
    return mblm_yaml_fail (yaml, node, error,
        "block has %u entries for %u "
        "stages: one per stage is needed, or a single mapping for all",
        node->values->len, self->n_stages);
  for (guint k = 0; k < self->n_stages; k++)
    if (!mblm_config_block_read (
            &self->blocks[k], yaml, g_ptr_array_index (node->values, k), error))
      return FALSE;
  return TRUE;
}

/* The keys of a model, whatever else `model` may hold. */
static gboolean
read_model (MblmConfig *self, const MblmYaml *yaml, const MblmYamlNode *model,
    GError **error)
{
  gint64 value;

  if (!mblm_yaml_get_integer (
          yaml, model, "num_tokens", 2, MAX_VOCABULARY, &value, error))
    return FALSE;
  self->vocabulary = (guint) value;
  if (!mblm_yaml_get_integer (yaml, model, "pad_token_id", 0,
          (gint64) self->vocabulary - 1, &value, error))
    return FALSE;
  self->pad_id = (gint) value;
  return read_stages (self, yaml, model, error) &&
      read_chunks (self, yaml, model, error) &&
      read_blocks (self, yaml, model, error) &&
      check_sizes (self, yaml, model, error);
}

static gboolean
read_encoder (MblmConfig *self, const MblmYaml *yaml,
    const MblmYamlNode *encoder, GError **error)
{
  static const char *const known[] = {"num_tokens", "pad_token_id",
      "hidden_dims", "num_layers", "seq_lens", "train_checkpoint_chunks",
      "block", NULL};
  const MblmYamlNode *model = mblm_yaml_require (
      yaml, encoder, "mblm_config", error);
  const MblmYamlNode *reduce = mblm_yaml_get (encoder, "mask_reduce_strat");
  gint64 value;

  if (model == NULL ||
      !mblm_yaml_check_keys (yaml, model, "mblm_config", known, error) ||
      !read_model (self, yaml, model, error) ||
      !mblm_yaml_get_integer (yaml, encoder, "mask_token_id", 0,
          (gint64) self->vocabulary - 1, &value, error))
    return FALSE;
  self->encoder = TRUE;
  self->mask_id = (gint) value;
  if (reduce == NULL)
    return TRUE;
  self->mask_reduce_all = reduce->kind == MBLM_YAML_STRING &&
      g_str_equal (reduce->text, "all");
  if (!self->mask_reduce_all &&
      (reduce->kind != MBLM_YAML_STRING || !g_str_equal (reduce->text, "any")))
    return mblm_yaml_fail (
        yaml, reduce, error, "mask_reduce_strat must be any or all");
  return TRUE;
}

/* A model or an encoder: the document itself or its `params`. */
static gboolean
read_params (MblmConfig *self, const MblmYaml *yaml, const MblmYamlNode *params,
    const char *what, GError **error)
{
  static const char *const model_keys[] = {"num_tokens", "pad_token_id",
      "hidden_dims", "num_layers", "seq_lens", "train_checkpoint_chunks",
      "block", "input_seq_len", NULL};
  static const char *const encoder_keys[] = {"mask_token_id",
      "mask_reduce_strat", "mblm_config", "input_seq_len", NULL};
  gboolean encoder = mblm_yaml_get (params, "mblm_config") != NULL ||
      mblm_yaml_get (params, "mask_token_id") != NULL;
  gint64 value;

  if (!mblm_yaml_check_keys (
          yaml, params, what, encoder ? encoder_keys : model_keys, error) ||
      !(encoder ? read_encoder (self, yaml, params, error)
                : read_model (self, yaml, params, error)))
    return FALSE;
  self->input_length = self->context;
  if (mblm_yaml_get (params, "input_seq_len") == NULL)
    return TRUE;
  if (!mblm_yaml_get_integer (
          yaml, params, "input_seq_len", 1, MAX_CONTEXT, &value, error))
    return FALSE;
  self->input_length = (guint64) value;
  return TRUE;
}

static gboolean
is_training_file (const MblmYamlNode *root)
{
  return mblm_yaml_get (root, "params") != NULL ||
      mblm_yaml_get (root, "io") != NULL ||
      mblm_yaml_get (root, "train") != NULL;
}

/**
 * mblm_config_parse:
 * @text: (array length=length) (element-type guint8): YAML
 * @length: bytes of @text
 * @name: what messages call it
 *
 * Reads a model configuration.
 *
 * Returns: (transfer full): the configuration
 */
MblmConfig *
mblm_config_parse (
    const char *text, gsize length, const char *name, GError **error)
{
  g_autoptr (MblmYaml) yaml = mblm_yaml_parse (text, length, name, error);
  g_autoptr (MblmConfig) self = NULL;
  const MblmYamlNode *params;
  const char *what = "a model configuration";

  if (yaml == NULL)
    return NULL;
  params = yaml->root;
  if (is_training_file (yaml->root)) {
    what = "params";
    params = mblm_yaml_require (yaml, yaml->root, what, error);
    if (params == NULL || !mblm_yaml_check_sections (yaml, error))
      return NULL;
  }
  self = g_object_new (MBLM_TYPE_CONFIG, NULL);
  if (!read_params (self, yaml, params, what, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * mblm_config_load:
 * @path: a YAML file
 *
 * Reads a model configuration from a file.
 *
 * Returns: (transfer full): the configuration
 */
MblmConfig *
mblm_config_load (const char *path, GError **error)
{
  gsize length;
  g_autofree char *text = mblm_read_file (
      path, MBLM_YAML_MAX_BYTES, &length, error);

  return text != NULL ? mblm_config_parse (text, length, path, error) : NULL;
}

guint
mblm_config_get_n_stages (MblmConfig *self)
{
  return self->n_stages;
}

gsize
mblm_config_get_seq_len (MblmConfig *self, guint k)
{
  g_return_val_if_fail (k < self->n_stages, 0);
  return self->seq_lens[k];
}

gsize
mblm_config_get_hidden_dim (MblmConfig *self, guint k)
{
  g_return_val_if_fail (k < self->n_stages, 0);
  return self->hidden_dims[k];
}

gsize
mblm_config_get_n_layers (MblmConfig *self, guint k)
{
  g_return_val_if_fail (k < self->n_stages, 0);
  return self->n_layers[k];
}

gsize
mblm_config_get_patch (MblmConfig *self, guint k)
{
  g_return_val_if_fail (k < self->n_stages, 0);
  return self->patch[k];
}

MblmPosition
mblm_config_get_position (MblmConfig *self, guint k)
{
  g_return_val_if_fail (k < self->n_stages, MBLM_POSITION_NONE);
  return self->blocks[k].position;
}

const char *
mblm_config_get_block_type (MblmConfig *self, guint k)
{
  g_return_val_if_fail (k < self->n_stages, NULL);
  return self->blocks[k].type;
}

gboolean
mblm_config_has_block_type (MblmConfig *self, guint k)
{
  g_return_val_if_fail (k < self->n_stages, FALSE);
  return self->blocks[k].named;
}

/**
 * mblm_config_get_block_options:
 * @k: a stage
 *
 * Gives the fields of a stage block.
 *
 * Returns: (transfer none): a dictionary, a{sv}
 */
GVariant *
mblm_config_get_block_options (MblmConfig *self, guint k)
{
  g_return_val_if_fail (k < self->n_stages, NULL);
  return self->blocks[k].options;
}

const char *
mblm_config_get_block_where (MblmConfig *self, guint k)
{
  g_return_val_if_fail (k < self->n_stages, NULL);
  return self->blocks[k].where;
}

guint
mblm_config_get_vocabulary (MblmConfig *self)
{
  return self->vocabulary;
}

gint
mblm_config_get_pad_id (MblmConfig *self)
{
  return self->pad_id;
}

guint64
mblm_config_get_context (MblmConfig *self)
{
  return self->context;
}

guint64
mblm_config_get_input_length (MblmConfig *self)
{
  return self->input_length;
}

gboolean
mblm_config_is_encoder (MblmConfig *self)
{
  return self->encoder;
}

gint
mblm_config_get_mask_id (MblmConfig *self)
{
  return self->mask_id;
}

gboolean
mblm_config_get_mask_reduce_all (MblmConfig *self)
{
  return self->mask_reduce_all;
}
