/* writer.h: JSON as it is written to be read: short numbers, one member a line.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * json-glib writes 53.333 as 53.332999999999998. Members are added in order;
 * `name` is NULL within a list.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
  GString *text;
  guint depth;
  gboolean first; /* of its object or list */
} SoakWriter;

void soak_writer_init (SoakWriter *self);
/* The text; free with g_free. */
char *soak_writer_end (SoakWriter *self);

/* '{' or '[', and what closes it. */
void soak_writer_open (SoakWriter *self, const char *name, char bracket);
void soak_writer_close (SoakWriter *self, char bracket);
/* NULL is null. */
void soak_writer_add_text (
    SoakWriter *self, const char *name, const char *text);
/* To three digits after the point; what is no number is null. */
void soak_writer_add_number (SoakWriter *self, const char *name, double number);
void soak_writer_add_flag (SoakWriter *self, const char *name, gboolean flag);

G_END_DECLS
