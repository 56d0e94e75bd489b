/* config-block.c: the block of a stage, as the YAML describes it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Any block type is legal here, since an application can register its own, and
 * so is any field: the class of the block validates them. A field is a single
 * finite value; null fields are as good as absent. Published files name no
 * block_type: `attn_head_dims` then means transformer and `d_state` mamba2
 * (mblm-math section 5.11; the weights tell Mamba-1 from Mamba-2).
 */

#include "config-private.h"

#include <math.h>
#include <string.h>

#include "message.h"

#define MAX_FIELDS 64
/* Of a name, in bytes. Written again, each may take ten ("\U00000009"), and YAML
 * gives up on a key of more than 1024. */
#define MAX_NAME 96

void
mblm_config_block_clear (MblmConfigBlock *self)
{
  g_clear_pointer (&self->type, g_free);
  g_clear_pointer (&self->where, g_free);
  g_clear_pointer (&self->options, g_variant_unref);
}

static gboolean
read_position (MblmConfigBlock *self, const MblmYaml *yaml,
    const MblmYamlNode *node, GError **error)
{
  if (node == NULL || node->kind == MBLM_YAML_NULL) {
    self->position = MBLM_POSITION_NONE;
    return TRUE;
  }
  if (node->kind == MBLM_YAML_STRING && g_str_equal (node->text, "fixed")) {
    self->position = MBLM_POSITION_FIXED;
    return TRUE;
  }
  if (node->kind == MBLM_YAML_STRING && g_str_equal (node->text, "rope")) {
    self->position = MBLM_POSITION_ROPE;
    return TRUE;
  }
  return mblm_yaml_fail (
      yaml, node, error, "pos_emb_type must be fixed, rope or null");
}

static gboolean
has_value (const MblmYamlNode *block, const char *key)
{
  const MblmYamlNode *node = mblm_yaml_get (block, key);

  return node != NULL && node->kind != MBLM_YAML_NULL;
}

static gboolean
read_type (MblmConfigBlock *self, const MblmYaml *yaml,
    const MblmYamlNode *block, GError **error)
{
  const MblmYamlNode *node = mblm_yaml_get (block, "block_type");

  self->named = has_value (block, "block_type");
  if (self->named) {
    if (node->kind != MBLM_YAML_STRING || node->text[0] == '\0' ||
        strlen (node->text) > MAX_NAME)
      return mblm_yaml_fail (yaml, node, error,
          "block_type must be the name "
          "of a block, such as transformer or mamba2");
    self->type = g_strdup (node->text);
  } else if (has_value (block, "attn_head_dims")) {
    self->type = g_strdup ("transformer");
  } else if (has_value (block, "d_state")) {
    self->type = g_strdup ("mamba2");
  } else {
    return mblm_yaml_fail (yaml, block, error,
        "a block without block_type, "
        "attn_head_dims or d_state: set block_type");
  }
  return TRUE;
}

/* A floating reference; NULL with `error` set. */
static GVariant *
field_value (const MblmYaml *yaml, const MblmYamlNode *key,
    const MblmYamlNode *node, GError **error)
{
  g_autofree char *name = mblm_quote (key->text, -1);

  switch (node->kind) {
    case MBLM_YAML_BOOLEAN:
      return g_variant_new_boolean (node->integer != 0);
    case MBLM_YAML_INTEGER:
      return g_variant_new_int64 (node->integer);
    case MBLM_YAML_NUMBER:
      if (isfinite (node->number))
        return g_variant_new_double (node->number);
      mblm_yaml_fail (yaml, node, error, "%s is %.40s, not a finite number",
          name, node->text);
      return NULL;
    case MBLM_YAML_STRING:
      return g_variant_new_string (node->text);
    default:
      mblm_yaml_fail (yaml, node, error, "%s must be a single value, not %s",
          name, mblm_yaml_describe (node));
      return NULL;
  }
}

static gboolean
read_fields (MblmConfigBlock *self, const MblmYaml *yaml,
    const MblmYamlNode *block, GError **error)
{
  g_autoptr (GVariantBuilder)
      builder = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);

  if (block->keys->len > MAX_FIELDS)
    return mblm_yaml_fail (yaml, block, error,
        "a block of %u fields; at most %d are possible", block->keys->len,
        MAX_FIELDS);
  for (guint i = 0; i < block->keys->len; i++) {
    const MblmYamlNode *key = g_ptr_array_index (block->keys, i);
    const MblmYamlNode *node = g_ptr_array_index (block->values, i);

    if (g_str_equal (key->text, "block_type") ||
        g_str_equal (key->text, "pos_emb_type"))
      continue;
    if (key->text[0] == '\0' || strlen (key->text) > MAX_NAME)
      return mblm_yaml_fail (yaml, key, error,
          "the name of a field has from 1 to %d bytes", MAX_NAME);
    if (node->kind == MBLM_YAML_NULL)
      continue;

    GVariant *value = field_value (yaml, key, node, error);

    if (value == NULL)
      return FALSE;
    g_variant_builder_add (builder, "{sv}", key->text, value);
  }
  self->options = g_variant_ref_sink (g_variant_builder_end (builder));
  return TRUE;
}

gboolean
mblm_config_block_read (MblmConfigBlock *self, const MblmYaml *yaml,
    const MblmYamlNode *node, GError **error)
{
  if (node->kind != MBLM_YAML_MAPPING)
    return mblm_yaml_fail (yaml, node, error,
        "a block must be a mapping, not %s", mblm_yaml_describe (node));
  self->where = g_strdup_printf ("%s, line %u", yaml->name, node->line);
  return read_type (self, yaml, node, error) &&
      read_position (self, yaml, mblm_yaml_get (node, "pos_emb_type"), error) &&
      read_fields (self, yaml, node, error);
}
