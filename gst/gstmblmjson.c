/* gstmblmjson.c: a message as a line of JSON.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <math.h>

#include "gstmblmjson.h"

static void append_structure (GString *out, const GstStructure *structure);

static void
append_string (GString *out, const char *text)
{
  g_autofree char *valid = text ? g_utf8_make_valid (text, -1) : NULL;

  if (!valid) {
    g_string_append (out, "null");
    return;
  }
  g_string_append_c (out, '"');
  for (const char *p = valid; *p; p++) {
    if (*p == '"' || *p == '\\')
      g_string_append_printf (out, "\\%c", *p);
    else if (*p == '\n')
      g_string_append (out, "\\n");
    else if ((guchar) *p < 0x20 || *p == 0x7f)
      g_string_append_printf (out, "\\u%04x", *p);
    else
      g_string_append_c (out, *p);
  }
  g_string_append_c (out, '"');
}

static void
append_real (GString *out, double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (isfinite (number))
    g_string_append (out, g_ascii_dtostr (text, sizeof text, number));
  else
    g_string_append (out, "null");
}

static void
append_value (GString *out, const GValue *value)
{
  GType type = G_VALUE_TYPE (value);

  if (type == G_TYPE_STRING) {
    append_string (out, g_value_get_string (value));
  } else if (type == G_TYPE_DOUBLE) {
    append_real (out, g_value_get_double (value));
  } else if (type == G_TYPE_BOOLEAN) {
    g_string_append (out, g_value_get_boolean (value) ? "true" : "false");
  } else if (type == G_TYPE_UINT64) {
    guint64 number = g_value_get_uint64 (value);

    if (number == GST_CLOCK_TIME_NONE)
      g_string_append (out, "null");
    else
      g_string_append_printf (out, "%" G_GUINT64_FORMAT, number);
  } else if (type == GST_TYPE_STRUCTURE) {
    append_structure (out, gst_value_get_structure (value));
  } else if (type == GST_TYPE_ARRAY) {
    guint n = gst_value_array_get_size (value);

    g_string_append_c (out, '[');
    for (guint i = 0; i < n; i++) {
      if (i > 0)
        g_string_append (out, ", ");
      append_value (out, gst_value_array_get_value (value, i));
    }
    g_string_append_c (out, ']');
  } else {
    g_string_append (out, "null");
  }
}

static void
append_structure (GString *out, const GstStructure *structure)
{
  gint n = gst_structure_n_fields (structure);

  g_string_append_c (out, '{');
  for (gint i = 0; i < n; i++) {
    const char *field = gst_structure_nth_field_name (structure, i);
    g_autofree char *name = g_strdelimit (g_strdup (field), "-", '_');

    if (i > 0)
      g_string_append (out, ", ");
    append_string (out, name);
    g_string_append (out, ": ");
    append_value (out, gst_structure_get_value (structure, field));
  }
  g_string_append_c (out, '}');
}

char *
gst_mblm_structure_to_json (const GstStructure *structure)
{
  GString *out = g_string_new (NULL);

  append_structure (out, structure);
  return g_string_free (out, FALSE);
}
