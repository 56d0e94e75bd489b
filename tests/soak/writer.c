/* writer.c: JSON as it is written to be read: short numbers, one member a line.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "writer.h"

#include <json-glib/json-glib.h>
#include <math.h>

void
soak_writer_init (SoakWriter *self)
{
  self->text = g_string_new ("{");
  self->depth = 1;
  self->first = TRUE;
}

char *
soak_writer_end (SoakWriter *self)
{
  soak_writer_close (self, '}');
  g_string_append_c (self->text, '\n');
  return g_string_free (g_steal_pointer (&self->text), FALSE);
}

static void
new_line (SoakWriter *self)
{
  g_string_append_printf (self->text, "\n%*s", (int) self->depth * 2, "");
}

static void
append_text (SoakWriter *self, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);
  g_autofree char *quoted = NULL;

  json_node_set_string (node, valid);
  quoted = json_to_string (node, FALSE);
  g_string_append (self->text, quoted);
}

static void
begin_member (SoakWriter *self, const char *name)
{
  if (!self->first)
    g_string_append_c (self->text, ',');
  self->first = FALSE;
  new_line (self);
  if (name) {
    append_text (self, name);
    g_string_append (self->text, ": ");
  }
}

void
soak_writer_open (SoakWriter *self, const char *name, char bracket)
{
  begin_member (self, name);
  g_string_append_c (self->text, bracket);
  self->depth++;
  self->first = TRUE;
}

void
soak_writer_close (SoakWriter *self, char bracket)
{
  self->depth--;
  if (!self->first)
    new_line (self);
  g_string_append_c (self->text, bracket);
  self->first = FALSE;
}

void
soak_writer_add_text (SoakWriter *self, const char *name, const char *text)
{
  begin_member (self, name);
  if (text)
    append_text (self, text);
  else
    g_string_append (self->text, "null");
}

void
soak_writer_add_number (SoakWriter *self, const char *name, double number)
{
  char digits[G_ASCII_DTOSTR_BUF_SIZE];

  begin_member (self, name);
  if (isfinite (number))
    g_string_append (self->text,
        g_ascii_formatd (
            digits, sizeof digits, "%.15g", round (number * 1e3) / 1e3));
  else
    g_string_append (self->text, "null");
}

void
soak_writer_add_flag (SoakWriter *self, const char *name, gboolean flag)
{
  begin_member (self, name);
  g_string_append (self->text, flag ? "true" : "false");
}
