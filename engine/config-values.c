/* config-values.c: optional values out of a YAML tree.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config-private.h"

#include <math.h>

static const MblmYamlNode *
get_value (const MblmYamlNode *mapping, const char *key)
{
  const MblmYamlNode *node = mblm_yaml_get (mapping, key);

  return node != NULL && node->kind != MBLM_YAML_NULL ? node : NULL;
}

gboolean
mblm_yaml_need (const MblmYaml *yaml, const MblmYamlNode *mapping,
    const char *key, GError **error)
{
  const MblmYamlNode *node = mblm_yaml_require (yaml, mapping, key, error);

  if (node != NULL && node->kind == MBLM_YAML_NULL)
    return mblm_yaml_fail (yaml, node, error, "%s must not be null", key);
  return node != NULL;
}

gboolean
mblm_yaml_read_count (const MblmYaml *yaml, const MblmYamlNode *mapping,
    const char *key, gint64 min, gint64 max, guint64 *out, GError **error)
{
  const MblmYamlNode *node = get_value (mapping, key);
  gint64 value;

  if (node == NULL)
    return TRUE;
  if (!mblm_yaml_to_integer (yaml, node, key, min, max, &value, error))
    return FALSE;
  *out = (guint64) value;
  return TRUE;
}

gboolean
mblm_yaml_read_boolean (const MblmYaml *yaml, const MblmYamlNode *mapping,
    const char *key, gboolean *out, GError **error)
{
  const MblmYamlNode *node = get_value (mapping, key);

  if (node == NULL)
    return TRUE;
  if (node->kind != MBLM_YAML_BOOLEAN)
    return mblm_yaml_fail (yaml, node, error,
        "%s must be true or false, not %s", key, mblm_yaml_describe (node));
  *out = node->integer != 0;
  return TRUE;
}

gboolean
mblm_yaml_read_real (const MblmYaml *yaml, const MblmYamlNode *mapping,
    const char *key, double min, double max, double *out, GError **error)
{
  const MblmYamlNode *node = get_value (mapping, key);
  double value;

  if (node == NULL)
    return TRUE;
  if (node->kind != MBLM_YAML_INTEGER && node->kind != MBLM_YAML_NUMBER)
    return mblm_yaml_fail (yaml, node, error,
        "%s must be a number from %g to %g, not %s", key, min, max,
        mblm_yaml_describe (node));
  value = node->kind == MBLM_YAML_INTEGER ? (double) node->integer
                                          : node->number;
  if (!(value >= min && value <= max))
    return mblm_yaml_fail (yaml, node, error,
        "%s is %.40s; it must be a number from %g to %g", key, node->text, min,
        max);
  *out = value;
  return TRUE;
}

gboolean
mblm_yaml_read_text (const MblmYaml *yaml, const MblmYamlNode *mapping,
    const char *key, char **out, GError **error)
{
  const MblmYamlNode *node = get_value (mapping, key);

  if (node == NULL)
    return TRUE;
  if (node->kind == MBLM_YAML_MAPPING || node->kind == MBLM_YAML_SEQUENCE)
    return mblm_yaml_fail (yaml, node, error, "%s must be a string, not %s",
        key, mblm_yaml_describe (node));
  g_free (*out);
  *out = g_strdup (node->text);
  return TRUE;
}

static GVariant *
mapping_to_variant (const MblmYamlNode *node)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; i < node->keys->len; i++) {
    const MblmYamlNode *key = g_ptr_array_index (node->keys, i);
    const MblmYamlNode *value = g_ptr_array_index (node->values, i);

    if (value->kind != MBLM_YAML_NULL)
      g_variant_builder_add (
          &builder, "{sv}", key->text, mblm_yaml_to_variant (value));
  }
  return g_variant_builder_end (&builder);
}

static GVariant *
sequence_to_variant (const MblmYamlNode *node)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("av"));
  for (guint i = 0; i < node->values->len; i++)
    g_variant_builder_add (&builder, "v",
        mblm_yaml_to_variant (g_ptr_array_index (node->values, i)));
  return g_variant_builder_end (&builder);
}

GVariant *
mblm_yaml_to_variant (const MblmYamlNode *node)
{
  switch (node->kind) {
    case MBLM_YAML_BOOLEAN:
      return g_variant_new_boolean (node->integer != 0);
    case MBLM_YAML_INTEGER:
      return g_variant_new_int64 (node->integer);
    case MBLM_YAML_NUMBER:
      return g_variant_new_double (node->number);
    case MBLM_YAML_STRING:
      return g_variant_new_string (node->text);
    case MBLM_YAML_MAPPING:
      return mapping_to_variant (node);
    case MBLM_YAML_SEQUENCE:
      return sequence_to_variant (node);
    default:
      return g_variant_new_tuple (NULL, 0);
  }
}
