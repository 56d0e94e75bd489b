/* config-emit.c: YAML out of a tree.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Aliases are written out. Recursion is as deep as the tree, which its reader
 * bounds.
 */

#include "config-private.h"

#include <math.h>
#include <string.h>

static gboolean
is_container (const MblmYamlNode *node)
{
  return node->kind == MBLM_YAML_MAPPING || node->kind == MBLM_YAML_SEQUENCE;
}

static void
append_scalar (GString *out, const MblmYamlNode *node)
{
  if (node->kind == MBLM_YAML_STRING)
    mblm_yaml_append_string (out, node->text);
  else if (node->kind == MBLM_YAML_NULL)
    g_string_append (out, "null");
  else if (node->kind == MBLM_YAML_INTEGER)
    g_string_append_printf (out, "%" G_GINT64_FORMAT, node->integer);
  else if (node->kind == MBLM_YAML_NUMBER && isfinite (node->number))
    mblm_yaml_append_real (out, node->number);
  else
    g_string_append (out, node->text);
}

static gboolean
is_flat (const MblmYamlNode *sequence)
{
  for (guint i = 0; i < sequence->values->len; i++)
    if (is_container (g_ptr_array_index (sequence->values, i)))
      return FALSE;
  return TRUE;
}

static void
append_flat (GString *out, const MblmYamlNode *sequence)
{
  g_string_append (out, " [");
  for (guint i = 0; i < sequence->values->len; i++) {
    if (i > 0)
      g_string_append (out, ", ");
    append_scalar (out, g_ptr_array_index (sequence->values, i));
  }
  g_string_append (out, "]\n");
}

static void
append_items (GString *out, const MblmYamlNode *sequence, guint indent)
{
  g_string_append_c (out, '\n');
  for (guint i = 0; i < sequence->values->len; i++) {
    g_string_append_printf (out, "%*s-", (int) indent + 2, "");
    mblm_yaml_emit (out, g_ptr_array_index (sequence->values, i), indent + 2);
  }
}

/* With the colon. A key that needs no mark is at most 1,024 characters long, as it
 * is written. */
static void
append_key (GString *out, const char *text, guint indent)
{
  gboolean marked = strlen (text) > 80;

  if (marked)
    g_string_append (out, "? ");
  mblm_yaml_append_string (out, text);
  if (marked)
    g_string_append_printf (out, "\n%*s", (int) indent, "");
  g_string_append_c (out, ':');
}

static void
append_pairs (GString *out, const MblmYamlNode *mapping, guint indent)
{
  g_string_append_c (out, '\n');
  for (guint i = 0; i < mapping->keys->len; i++) {
    const MblmYamlNode *key = g_ptr_array_index (mapping->keys, i);

    g_string_append_printf (out, "%*s", (int) indent + 2, "");
    append_key (out, key->text, indent + 2);
    mblm_yaml_emit (out, g_ptr_array_index (mapping->values, i), indent + 2);
  }
}

void
mblm_yaml_emit (GString *out, const MblmYamlNode *node, guint indent)
{
  if (!is_container (node)) {
    g_string_append_c (out, ' ');
    append_scalar (out, node);
    g_string_append_c (out, '\n');
  } else if (node->values->len == 0) {
    g_string_append (out, node->kind == MBLM_YAML_MAPPING ? " {}\n" : " []\n");
  } else if (node->kind == MBLM_YAML_MAPPING) {
    append_pairs (out, node, indent);
  } else if (is_flat (node)) {
    append_flat (out, node);
  } else {
    append_items (out, node, indent);
  }
}
