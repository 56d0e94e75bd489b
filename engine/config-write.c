/* config-write.c: a configuration as YAML that the published code reads too.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config-private.h"

#include <string.h>

static void
append_list (GString *out, const char *indent, const char *key, guint n,
    const gsize *values)
{
  g_string_append_printf (out, "%s%s: [", indent, key);
  for (guint i = 0; i < n; i++)
    g_string_append_printf (
        out, "%s%" G_GSIZE_FORMAT, i > 0 ? ", " : "", values[i]);
  g_string_append (out, "]\n");
}

/* The shortest digits that read back equal. YAML 1.1 wants a point and a signed
 * exponent in a float. */
void
mblm_yaml_append_real (GString *out, double value)
{
  static const char *const formats[] = {"%.15g", "%.16g", "%.17g"};
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  const char *exponent;

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_ascii_formatd (buffer, sizeof buffer, formats[i], value);
    if (g_ascii_strtod (buffer, NULL) == value)
      break;
  }
  exponent = strchr (buffer, 'e');
  if (strchr (buffer, '.') != NULL)
    g_string_append (out, buffer);
  else if (exponent == NULL)
    g_string_append_printf (out, "%s.0", buffer);
  else
    g_string_append_printf (
        out, "%.*s.0%s", (int) (exponent - buffer), buffer, exponent);
}

static gboolean
is_plain_word (const char *text)
{
  MblmYamlNode node = {.text = (char *) text};

  if (!g_ascii_isalpha (text[0]))
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && *p != '_')
      return FALSE;
  return mblm_yaml_resolve (&node) && node.kind == MBLM_YAML_STRING;
}

void
mblm_yaml_append_string (GString *out, const char *text)
{
  if (is_plain_word (text)) {
    g_string_append (out, text);
    return;
  }
  g_string_append_c (out, '"');
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);

    if (c == '"' || c == '\\')
      g_string_append_printf (out, "\\%c", (char) c);
    else if (c >= 0x20 && c < 0x7f)
      g_string_append_c (out, (char) c);
    else
      g_string_append_printf (out, "\\U%08x", c);
  }
  g_string_append_c (out, '"');
}

static void
append_value (GString *out, GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    g_string_append (out, g_variant_get_boolean (value) ? "true" : "false");
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
    g_string_append_printf (
        out, "%" G_GINT64_FORMAT, g_variant_get_int64 (value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    mblm_yaml_append_real (out, g_variant_get_double (value));
  else
    mblm_yaml_append_string (out, g_variant_get_string (value, NULL));
}

/* The first line begins with `first`, the others with `indent`. */
static void
append_block (GString *out, const MblmConfigBlock *block, const char *first,
    const char *indent)
{
  static const char *const positions[] = {"null", "fixed", "rope"};
  GVariantIter iter;
  const char *key;
  GVariant *value;

  if (block->named) {
    g_string_append_printf (out, "%sblock_type: ", first);
    mblm_yaml_append_string (out, block->type);
    g_string_append_c (out, '\n');
    first = indent;
  }
  g_variant_iter_init (&iter, block->options);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value)) {
    g_string_append (out, first);
    mblm_yaml_append_string (out, key);
    g_string_append (out, ": ");
    append_value (out, value);
    g_string_append_c (out, '\n');
    first = indent;
  }
  g_string_append_printf (
      out, "%spos_emb_type: %s\n", first, positions[block->position]);
}

static void
append_blocks (GString *out, const MblmConfig *self, const char *indent)
{
  g_autofree char *one = g_strconcat (indent, "  ", NULL);
  g_autofree char *first = g_strconcat (indent, "- ", NULL);

  g_string_append_printf (out, "%sblock:\n", indent);
  if (self->one_block) {
    append_block (out, &self->blocks[0], one, one);
    return;
  }
  for (guint k = 0; k < self->n_stages; k++)
    append_block (out, &self->blocks[k], first, one);
}

static void
append_model (GString *out, const MblmConfig *self, const char *indent)
{
  guint n = self->n_stages;

  g_string_append_printf (out, "%snum_tokens: %u\n", indent, self->vocabulary);
  g_string_append_printf (out, "%spad_token_id: %d\n", indent, self->pad_id);
  append_list (out, indent, "hidden_dims", n, self->hidden_dims);
  append_list (out, indent, "num_layers", n, self->n_layers);
  append_list (out, indent, "seq_lens", n, self->seq_lens);
  if (self->chunks != NULL) {
    gsize chunks[MBLM_MAX_STAGES];

    for (guint i = 0; i < self->chunks->len; i++)
      chunks[i] = (gsize) g_array_index (self->chunks, gint64, i);
    append_list (
        out, indent, "train_checkpoint_chunks", self->chunks->len, chunks);
  } else {
    g_string_append_printf (out, "%strain_checkpoint_chunks: null\n", indent);
  }
  append_blocks (out, self, indent);
}

char *
mblm_config_to_yaml (MblmConfig *self)
{
  GString *out = g_string_new (NULL);

  /* input_seq_len belongs to training; the published model ignores it */
  if (self->input_length != self->context)
    g_string_append_printf (
        out, "input_seq_len: %" G_GUINT64_FORMAT "\n", self->input_length);
  if (self->encoder) {
    g_string_append_printf (out,
        "mask_token_id: %d\nmask_reduce_strat: %s\nmblm_config:\n",
        self->mask_id, self->mask_reduce_all ? "all" : "any");
    append_model (out, self, "  ");
  } else {
    append_model (out, self, "");
  }
  return g_string_free (out, FALSE);
}
