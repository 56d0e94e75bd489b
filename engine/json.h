/* json.h: a strict, non-recursive JSON reader.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * RFC 8259 and nothing else: UTF-8 that is valid, no comments, no trailing
 * commas, no lone surrogates, no NUL in strings. The text is read token by token;
 * the reader keeps the grammar, the caller the meaning (duplicate keys too,
 * except in what mblm_json_skip passes over). Private to the engine.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MBLM_JSON_MAX_DEPTH 32

typedef enum {
  MBLM_JSON_ERROR,  /* see `problem`; stays so */
  MBLM_JSON_END,    /* after the one value, blanks alone follow */
  MBLM_JSON_OBJECT, /* { */
  MBLM_JSON_KEY,    /* string and colon */
  MBLM_JSON_OBJECT_END,
  MBLM_JSON_ARRAY,
  MBLM_JSON_ARRAY_END,
  MBLM_JSON_STRING,
  MBLM_JSON_NUMBER,
  MBLM_JSON_TRUE,
  MBLM_JSON_FALSE,
  MBLM_JSON_NULL,
} MblmJsonToken;

typedef struct {
  const char *text; /* borrowed */
  gsize length;
  gsize at;        /* first byte not read yet */
  gsize start;     /* of the token read last */
  GString *string; /* of a KEY, STRING or (as written) NUMBER */
  const char *problem;
  guint depth;
  guint8 kind[MBLM_JSON_MAX_DEPTH]; /* '{' or '[' */
  guint8 expect;                    /* what the grammar allows next */
} MblmJson;

void mblm_json_init (MblmJson *self, const char *text, gsize length);
void mblm_json_clear (MblmJson *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MblmJson, mblm_json_clear)

MblmJsonToken mblm_json_next (MblmJson *self);

/* The byte that the value of a key begins with, which tells its kind; 0 where no
 * value can be. Nothing is read. */
char mblm_json_look (MblmJson *self);
/* Reads the value of a key where it is null; FALSE, with nothing read, where it
 * is not. */
gboolean mblm_json_take_null (MblmJson *self);

/* Reads one whole value, whatever it is; duplicate keys in it are an error. */
gboolean mblm_json_skip (MblmJson *self);

/* The number read last: an integer without fraction and exponent from 0 up. */
gboolean mblm_json_get_unsigned (const MblmJson *self, guint64 *out);
gboolean mblm_json_get_double (const MblmJson *self, double *out);

/* Stops the reader with a problem of the caller's (a literal); FALSE. */
gboolean mblm_json_fail (MblmJson *self, const char *problem);

/* The line of the token read last, from 1. */
guint mblm_json_get_line (const MblmJson *self);

/* Appends `text` (valid UTF-8) as a JSON string with its quotes. */
void mblm_json_append_string (GString *out, const char *text);

G_END_DECLS
