/* json.c: a strict, non-recursive JSON reader.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "json.h"

#include <math.h>
#include <string.h>

/* What may come next. */
enum {
  EXPECT_VALUE,
  EXPECT_VALUE_OR_END, /* first in an array */
  EXPECT_KEY,
  EXPECT_KEY_OR_END, /* first in an object */
  EXPECT_COMMA_OR_END,
  EXPECT_NOTHING,
};

void
mblm_json_init (MblmJson *self, const char *text, gsize length)
{
  memset (self, 0, sizeof *self);
  self->text = text;
  self->length = length;
  self->string = g_string_new (NULL);
  self->expect = EXPECT_VALUE;
}

void
mblm_json_clear (MblmJson *self)
{
  if (self->string != NULL)
    g_string_free (self->string, TRUE);
  self->string = NULL;
}

gboolean
mblm_json_fail (MblmJson *self, const char *problem)
{
  if (self->problem == NULL)
    self->problem = problem;
  return FALSE;
}

static MblmJsonToken
bad (MblmJson *self, const char *problem)
{
  mblm_json_fail (self, problem);
  return MBLM_JSON_ERROR;
}

/* The byte at the cursor; 0 at the end (a NUL in the text is no JSON either). */
static char
peek (const MblmJson *self)
{
  return self->at < self->length ? self->text[self->at] : '\0';
}

static void
skip_blanks (MblmJson *self)
{
  while (self->at < self->length &&
      memchr (" \t\n\r", self->text[self->at], 4) != NULL)
    self->at++;
}

static gboolean
read_hex4 (MblmJson *self, gunichar *out)
{
  *out = 0;
  for (guint i = 0; i < 4; i++, self->at++) {
    if (!g_ascii_isxdigit (peek (self)))
      return mblm_json_fail (self, "a bad \\u escape");
    *out = *out * 16 + (gunichar) g_ascii_xdigit_value (peek (self));
  }
  return TRUE;
}

/* Behind "\u". */
static gboolean
read_unicode (MblmJson *self)
{
  gunichar c, low;

  if (!read_hex4 (self, &c))
    return FALSE;
  if (c >= 0xd800 && c < 0xdc00) {
    if (peek (self) != '\\' || self->at + 1 >= self->length ||
        self->text[self->at + 1] != 'u')
      return mblm_json_fail (self, "half a surrogate pair");
    self->at += 2;
    if (!read_hex4 (self, &low))
      return FALSE;
    if (low < 0xdc00 || low >= 0xe000)
      return mblm_json_fail (self, "half a surrogate pair");
    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
  } else if (c >= 0xdc00 && c < 0xe000) {
    return mblm_json_fail (self, "half a surrogate pair");
  }
  if (c == 0)
    return mblm_json_fail (self, "a NUL in a string");
  g_string_append_unichar (self->string, c);
  return TRUE;
}

static gboolean
read_escape (MblmJson *self)
{
  static const char names[] = "\"\\/bfnrt";
  static const char values[] = "\"\\/\b\f\n\r\t";
  char c = peek (self);
  const char *found = c != '\0' ? strchr (names, c) : NULL;

  if (c == 'u') {
    self->at++;
    return read_unicode (self);
  }
  if (found == NULL)
    return mblm_json_fail (self, "an unknown escape in a string");
  self->at++;
  g_string_append_c (self->string, values[found - names]);
  return TRUE;
}

/* The opening quote is at the cursor. */
static gboolean
read_string (MblmJson *self)
{
  g_string_truncate (self->string, 0);
  self->at++;
  for (;;) {
    gsize run = self->at;
    const char *end;

    while (self->at < self->length && self->text[self->at] != '"' &&
        self->text[self->at] != '\\' && (guint8) self->text[self->at] >= 0x20)
      self->at++;
    if (!g_utf8_validate_len (self->text + run, self->at - run, &end))
      return mblm_json_fail (self, "a string that is not UTF-8");
    g_string_append_len (
        self->string, self->text + run, (gssize) (self->at - run));
    if (self->at == self->length)
      return mblm_json_fail (self, "a string without its end");
    if (self->text[self->at] == '"') {
      self->at++;
      return TRUE;
    }
    if (self->text[self->at] != '\\')
      return mblm_json_fail (self, "a control character in a string");
    self->at++;
    if (!read_escape (self))
      return FALSE;
  }
}

static gboolean
read_digits (MblmJson *self)
{
  gsize from = self->at;

  while (g_ascii_isdigit (peek (self)))
    self->at++;
  return self->at > from;
}

static MblmJsonToken
read_number (MblmJson *self)
{
  gsize from = self->at;
  gboolean ok;

  if (peek (self) == '-')
    self->at++;
  if (peek (self) == '0') {
    self->at++;
    ok = TRUE;
  } else {
    ok = read_digits (self);
  }
  if (ok && peek (self) == '.') {
    self->at++;
    ok = read_digits (self);
  }
  if (ok && (peek (self) == 'e' || peek (self) == 'E')) {
    self->at++;
    if (peek (self) == '-' || peek (self) == '+')
      self->at++;
    ok = read_digits (self);
  }
  if (!ok || self->at - from > 64)
    return bad (self, "a bad number");
  g_string_truncate (self->string, 0);
  g_string_append_len (
      self->string, self->text + from, (gssize) (self->at - from));
  return MBLM_JSON_NUMBER;
}

static MblmJsonToken
read_word (MblmJson *self)
{
  static const struct {
    const char *word;
    MblmJsonToken token;
  } words[] = {{"true", MBLM_JSON_TRUE}, {"false", MBLM_JSON_FALSE},
      {"null", MBLM_JSON_NULL}};

  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    gsize n = strlen (words[i].word);

    if (self->length - self->at >= n &&
        memcmp (self->text + self->at, words[i].word, n) == 0) {
      self->at += n;
      return words[i].token;
    }
  }
  return bad (self, "not a JSON value");
}

static MblmJsonToken
open_container (MblmJson *self, char kind)
{
  if (self->depth == MBLM_JSON_MAX_DEPTH)
    return bad (self, "nested too deep");
  self->kind[self->depth++] = (guint8) kind;
  self->at++;
  self->expect = kind == '{' ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
  return kind == '{' ? MBLM_JSON_OBJECT : MBLM_JSON_ARRAY;
}

static MblmJsonToken
close_container (MblmJson *self)
{
  char kind = (char) self->kind[--self->depth];

  self->at++;
  self->expect = self->depth > 0 ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
  return kind == '{' ? MBLM_JSON_OBJECT_END : MBLM_JSON_ARRAY_END;
}

static MblmJsonToken
read_value (MblmJson *self)
{
  char c = peek (self);
  MblmJsonToken token;

  if (c == '{' || c == '[')
    return open_container (self, c);
  if (c == '"')
    token = read_string (self) ? MBLM_JSON_STRING : MBLM_JSON_ERROR;
  else if (c == '-' || g_ascii_isdigit (c))
    token = read_number (self);
  else
    token = read_word (self);
  self->expect = self->depth > 0 ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
  return token;
}

static MblmJsonToken
read_key (MblmJson *self)
{
  if (peek (self) != '"')
    return bad (self, "a key is missing");
  if (!read_string (self))
    return MBLM_JSON_ERROR;
  skip_blanks (self);
  if (peek (self) != ':')
    return bad (self, "a colon is missing");
  self->at++;
  self->expect = EXPECT_VALUE;
  return MBLM_JSON_KEY;
}

MblmJsonToken
mblm_json_next (MblmJson *self)
{
  char closing;

  if (self->problem != NULL)
    return MBLM_JSON_ERROR;
  skip_blanks (self);
  closing = '\0';
  if (self->depth > 0)
    closing = self->kind[self->depth - 1] == '{' ? '}' : ']';
  if (self->expect == EXPECT_COMMA_OR_END && peek (self) == ',') {
    self->at++;
    skip_blanks (self);
    self->expect = closing == '}' ? EXPECT_KEY : EXPECT_VALUE;
  }
  self->start = self->at;
  if (self->expect == EXPECT_NOTHING)
    return self->at == self->length
        ? MBLM_JSON_END
        : bad (self, "something behind the end of the document");
  if (self->expect != EXPECT_VALUE && self->expect != EXPECT_KEY &&
      peek (self) == closing && self->at < self->length)
    return close_container (self);
  if (self->expect == EXPECT_COMMA_OR_END)
    return bad (self, "a comma or a closing bracket is missing");
  if (self->expect == EXPECT_KEY || self->expect == EXPECT_KEY_OR_END)
    return read_key (self);
  return read_value (self);
}

char
mblm_json_look (MblmJson *self)
{
  if (self->problem != NULL || self->expect != EXPECT_VALUE)
    return '\0';
  skip_blanks (self);
  return (char) peek (self);
}

gboolean
mblm_json_take_null (MblmJson *self)
{
  return mblm_json_look (self) == 'n' &&
      mblm_json_next (self) == MBLM_JSON_NULL;
}

gboolean
mblm_json_skip (MblmJson *self)
{
  GHashTable *keys[MBLM_JSON_MAX_DEPTH + 1] = {NULL};
  guint outer = self->depth;
  gboolean done = FALSE;

  while (!done) {
    MblmJsonToken token = mblm_json_next (self);

    if (token == MBLM_JSON_OBJECT)
      keys[self->depth] = g_hash_table_new_full (
          g_str_hash, g_str_equal, g_free, NULL);
    else if (token == MBLM_JSON_OBJECT_END)
      g_clear_pointer (&keys[self->depth + 1], g_hash_table_unref);
    else if (token == MBLM_JSON_KEY &&
        !g_hash_table_add (keys[self->depth], g_strdup (self->string->str)))
      mblm_json_fail (self, "a key is there twice");
    done = self->problem != NULL || token == MBLM_JSON_END ||
        self->depth < outer || (token != MBLM_JSON_KEY && self->depth == outer);
  }
  for (guint i = 0; i <= MBLM_JSON_MAX_DEPTH; i++)
    g_clear_pointer (&keys[i], g_hash_table_unref);
  return self->problem == NULL;
}

gboolean
mblm_json_get_unsigned (const MblmJson *self, guint64 *out)
{
  *out = 0;
  for (const char *p = self->string->str; *p != '\0'; p++)
    if (!g_ascii_isdigit (*p) ||
        __builtin_mul_overflow (*out, (guint64) 10, out) ||
        __builtin_add_overflow (*out, (guint64) (*p - '0'), out))
      return FALSE;
  return TRUE;
}

gboolean
mblm_json_get_double (const MblmJson *self, double *out)
{
  *out = g_ascii_strtod (self->string->str, NULL);
  return isfinite (*out);
}

guint
mblm_json_get_line (const MblmJson *self)
{
  guint line = 1;

  for (gsize i = 0; i < self->start && i < self->length; i++)
    line += self->text[i] == '\n';
  return line;
}

void
mblm_json_append_string (GString *out, const char *text)
{
  g_string_append_c (out, '"');
  for (const char *p = text; *p != '\0'; p++) {
    if (*p == '"' || *p == '\\')
      g_string_append_printf (out, "\\%c", *p);
    else if ((guint8) *p < 0x20 || *p == 0x7f)
      g_string_append_printf (out, "\\u%04x", (guint) *p);
    else
      g_string_append_c (out, *p);
  }
  g_string_append_c (out, '"');
}
