/* config-scalar.c: what a plain YAML 1.1 scalar means.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The forms are those of the type repository of YAML 1.1: integers in base 2, 8
 * (a leading 0), 10 and 16, with underscores; yes, no, on and off besides true
 * and false. Base 60 is left out: 1:30 is a string here. Floats may also lack
 * the point or the sign of the exponent.
 */

#include "config-yaml.h"

#include <math.h>
#include <string.h>

static gboolean
is_one_of (const char *text, const char *const *words)
{
  return g_strv_contains (words, text);
}

/* A copy without underscores. */
static char *
without_underscores (const char *text)
{
  char *out = g_strdup (text);
  char *to = out;

  for (const char *from = text; *from != '\0'; from++)
    if (*from != '_')
      *to++ = *from;
  *to = '\0';
  return out;
}

/* TRUE where `text` (after the sign) is digits of `base` and underscores, with a
 * digit first or a prefix before it. */
static gboolean
is_integer (const char *text, guint *base, const char **digits)
{
  const char *allowed = "0123456789_";

  *base = 10;
  *digits = text;
  if (text[0] == '0' && text[1] == 'x') {
    *base = 16;
    *digits = text + 2;
    allowed = "0123456789abcdefABCDEF_";
  } else if (text[0] == '0' && text[1] == 'b') {
    *base = 2;
    *digits = text + 2;
    allowed = "01_";
  } else if (text[0] == '0' && text[1] != '\0') {
    *base = 8;
    *digits = text + 1;
    allowed = "01234567_";
  } else if (!g_ascii_isdigit (text[0])) {
    return FALSE;
  }
  return strspn (*digits, allowed) == strlen (*digits) &&
      (*digits)[strspn (*digits, "_")] != '\0';
}

typedef enum {
  INTEGER_NONE,
  INTEGER_OK,
  INTEGER_HUGE,
} Integer;

static Integer
resolve_integer (const char *text, gint64 *out)
{
  gboolean negative = text[0] == '-';
  const char *unsigned_text = text + (text[0] == '-' || text[0] == '+');
  const char *digits;
  guint base;
  guint64 value = 0;

  if (!is_integer (unsigned_text, &base, &digits))
    return INTEGER_NONE;
  for (; *digits != '\0'; digits++) {
    if (*digits == '_')
      continue;
    if (__builtin_mul_overflow (value, (guint64) base, &value) ||
        __builtin_add_overflow (
            value, (guint64) g_ascii_xdigit_value (*digits), &value))
      return INTEGER_HUGE;
  }
  if (value > (guint64) G_MAXINT64 + (negative ? 1 : 0))
    return INTEGER_HUGE;
  *out = (gint64) (negative ? 0 - value : value);
  return INTEGER_OK;
}

/* [-+]? (digits [. digits?] | . digits) ([eE] [-+]? digits)? with a point or an
 * exponent, underscores among the digits of the mantissa. */
static gboolean
is_float (const char *text)
{
  const char *p = text + (text[0] == '-' || text[0] == '+');
  gboolean digits = g_ascii_isdigit (*p);
  gboolean marked = FALSE;

  if (digits)
    p += strspn (p, "0123456789_");
  if (*p == '.') {
    marked = TRUE;
    p++;
    digits |= g_ascii_isdigit (*p);
    if (digits)
      p += strspn (p, "0123456789_");
  }
  if (!digits)
    return FALSE;
  if (*p == 'e' || *p == 'E') {
    marked = TRUE;
    p++;
    p += *p == '-' || *p == '+';
    if (!g_ascii_isdigit (*p))
      return FALSE;
    p += strspn (p, "0123456789");
  }
  return marked && *p == '\0';
}

static gboolean
resolve_float (const char *text, double *out)
{
  static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL};
  static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL};
  gboolean sign = text[0] == '-' || text[0] == '+';

  if (is_one_of (text, nan)) {
    *out = NAN;
    return TRUE;
  }
  if (is_one_of (text + sign, infinite)) {
    *out = text[0] == '-' ? -HUGE_VAL : HUGE_VAL;
    return TRUE;
  }
  if (!is_float (text))
    return FALSE;

  g_autofree char *stripped = without_underscores (text);
  *out = g_ascii_strtod (stripped, NULL);
  return TRUE;
}

gboolean
mblm_yaml_resolve (MblmYamlNode *node)
{
  static const char *const nothing[] = {"", "~", "null", "Null", "NULL", NULL};
  static const char *const truth[] = {
      "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
  static const char *const falsehood[] = {
      "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};

  node->kind = MBLM_YAML_STRING;
  if (is_one_of (node->text, nothing)) {
    node->kind = MBLM_YAML_NULL;
  } else if (is_one_of (node->text, truth)) {
    node->kind = MBLM_YAML_BOOLEAN;
    node->integer = 1;
  } else if (is_one_of (node->text, falsehood)) {
    node->kind = MBLM_YAML_BOOLEAN;
    node->integer = 0;
  } else {
    switch (resolve_integer (node->text, &node->integer)) {
      case INTEGER_OK:
        node->kind = MBLM_YAML_INTEGER;
        break;
      case INTEGER_HUGE:
        return FALSE;
      case INTEGER_NONE:
        if (resolve_float (node->text, &node->number))
          node->kind = MBLM_YAML_NUMBER;
        break;
    }
  }
  return TRUE;
}
