/* config-fields.c: taking checked values out of a YAML tree.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config-private.h"

#include <math.h>

#include "message.h"
#include "mblm-error.h"

gboolean
mblm_yaml_fail (const MblmYaml *yaml, const MblmYamlNode *node, GError **error,
    const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG, "%s, line %u: %s",
      yaml->name, node->line, text);
  return FALSE;
}

const char *
mblm_yaml_describe (const MblmYamlNode *node)
{
  static const char *const names[] = {"null", "a truth value", "a whole number",
      "a number", "a string", "a list", "a mapping"};

  return names[node->kind];
}

gboolean
mblm_yaml_check_keys (const MblmYaml *yaml, const MblmYamlNode *node,
    const char *what, const char *const *known, GError **error)
{
  if (node->kind != MBLM_YAML_MAPPING)
    return mblm_yaml_fail (yaml, node, error, "%s must be a mapping, not %s",
        what, mblm_yaml_describe (node));
  for (guint i = 0; i < node->keys->len; i++) {
    const MblmYamlNode *key = g_ptr_array_index (node->keys, i);

    if (g_strv_contains (known, key->text))
      continue;

    g_autofree char *name = mblm_quote (key->text, -1);
    g_autofree char *advice = mblm_suggest (key->text, known);

    return mblm_yaml_fail (
        yaml, key, error, "%s has no key %s%s", what, name, advice);
  }
  return TRUE;
}

const MblmYamlNode *
mblm_yaml_require (const MblmYaml *yaml, const MblmYamlNode *mapping,
    const char *key, GError **error)
{
  const MblmYamlNode *node = mblm_yaml_get (mapping, key);

  if (node == NULL)
    mblm_yaml_fail (yaml, mapping, error, "the key \"%s\" is missing", key);
  return node;
}

gboolean
mblm_yaml_to_integer (const MblmYaml *yaml, const MblmYamlNode *node,
    const char *what, gint64 min, gint64 max, gint64 *out, GError **error)
{
  gboolean in_range = FALSE;

  if (node->kind == MBLM_YAML_INTEGER) {
    in_range = node->integer >= min && node->integer <= max;
    *out = node->integer;
  } else if (node->kind == MBLM_YAML_NUMBER) {
    /* 8192.0 is a whole number; bounds are below 2^53 */
    in_range = node->number >= (double) min && node->number <= (double) max &&
        floor (node->number) == node->number;
    *out = in_range ? (gint64) node->number : 0;
  } else {
    return mblm_yaml_fail (yaml, node, error,
        "%s must be a whole number from %" G_GINT64_FORMAT
        " to %" G_GINT64_FORMAT ", not %s",
        what, min, max, mblm_yaml_describe (node));
  }
  if (in_range)
    return TRUE;
  return mblm_yaml_fail (yaml, node, error,
      "%s is %.40s; it must be a whole number from %" G_GINT64_FORMAT
      " to %" G_GINT64_FORMAT,
      what, node->text, min, max);
}

gboolean
mblm_yaml_get_integer (const MblmYaml *yaml, const MblmYamlNode *mapping,
    const char *key, gint64 min, gint64 max, gint64 *out, GError **error)
{
  const MblmYamlNode *node = mblm_yaml_require (yaml, mapping, key, error);

  return node != NULL &&
      mblm_yaml_to_integer (yaml, node, key, min, max, out, error);
}

gboolean
mblm_yaml_get_integers (const MblmYaml *yaml, const MblmYamlNode *mapping,
    const char *key, guint min_n, guint max_n, gint64 min, gint64 max,
    gint64 *out, guint *n, GError **error)
{
  const MblmYamlNode *node = mblm_yaml_require (yaml, mapping, key, error);

  if (node == NULL)
    return FALSE;
  if (node->kind != MBLM_YAML_SEQUENCE)
    return mblm_yaml_fail (yaml, node, error,
        "%s must be a list of whole numbers, not %s", key,
        mblm_yaml_describe (node));
  if (node->values->len < min_n || node->values->len > max_n)
    return mblm_yaml_fail (yaml, node, error,
        "%s has %u entries; from %u to %u are possible", key, node->values->len,
        min_n, max_n);
  *n = node->values->len;
  for (guint i = 0; i < *n; i++) {
    g_autofree char *what = g_strdup_printf ("%s[%u]", key, i);

    if (!mblm_yaml_to_integer (yaml, g_ptr_array_index (node->values, i), what,
            min, max, &out[i], error))
      return FALSE;
  }
  return TRUE;
}
