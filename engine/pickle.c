/* pickle.c: the machine that runs a pickle.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A stack of values, a stack of marks in it, and a memo. Containers refer to
 * their parts by number, so that a container that holds itself is harmless:
 * nothing here or behind it walks into the depth. Every size is bounded: by the
 * size of the pickle, and by the limits below.
 */

#include "pickle-private.h"

#include <string.h>

#include "mblm-error.h"
#include "message.h"

#define MAX_STACK 65536
#define MAX_MARKS 64
#define MAX_ITEMS (8 * 1024 * 1024)
#define MAX_DICTS (1024 * 1024)

gboolean
mblm_pickle_fail (const Pickle *self, GError **error, const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
      "the pickle at byte %" G_GSIZE_FORMAT ": %s", self->opcode_at, text);
  return FALSE;
}

gboolean
mblm_pickle_is_string (
    const Pickle *self, const PickleValue *value, const char *text)
{
  return value->kind == PICKLE_STRING && value->n == strlen (text) &&
      memcmp (self->bytes + value->at, text, value->n) == 0;
}

/* The next n bytes; NULL at the end. */
static const guint8 *
take (Pickle *self, gsize n, GError **error)
{
  const guint8 *bytes = self->bytes + self->at;

  if (n > self->n - self->at) {
    mblm_pickle_fail (self, error, "it was cut short");
    return NULL;
  }
  self->at += n;
  return bytes;
}

/* An unsigned little-endian number of n bytes, at most 8. */
static gboolean
take_number (Pickle *self, gsize n, guint64 *out, GError **error)
{
  const guint8 *bytes = take (self, n, error);

  if (bytes == NULL)
    return FALSE;
  *out = 0;
  for (gsize i = 0; i < n; i++)
    *out |= (guint64) bytes[i] << 8 * i;
  return TRUE;
}

static gboolean
push (Pickle *self, const PickleValue *value, GError **error)
{
  if (self->stack->len == MAX_STACK)
    return mblm_pickle_fail (
        self, error, "more than %d values on the stack", MAX_STACK);
  g_array_append_vals (self->stack, value, 1);
  return TRUE;
}

/* The height below which the open mark keeps the stack. */
static guint
floor_of (const Pickle *self)
{
  return self->marks->len > 0
      ? g_array_index (self->marks, guint, self->marks->len - 1)
      : 0;
}

static gboolean
pop (Pickle *self, PickleValue *out, GError **error)
{
  if (self->stack->len == floor_of (self))
    return mblm_pickle_fail (self, error, "it takes a value that is not there");
  *out = g_array_index (self->stack, PickleValue, self->stack->len - 1);
  g_array_set_size (self->stack, self->stack->len - 1);
  return TRUE;
}

/* The value on top; NULL with `error` set. */
static PickleValue *
top (Pickle *self, GError **error)
{
  if (self->stack->len == floor_of (self)) {
    mblm_pickle_fail (self, error, "it takes a value that is not there");
    return NULL;
  }
  return &g_array_index (self->stack, PickleValue, self->stack->len - 1);
}

static gboolean
push_mark (Pickle *self, GError **error)
{
  guint height = self->stack->len;

  if (self->marks->len == MAX_MARKS)
    return mblm_pickle_fail (
        self, error, "nested more than %d deep", MAX_MARKS);
  g_array_append_val (self->marks, height);
  return TRUE;
}

/* Closes the mark; `height` gets where it stood. */
static gboolean
pop_mark (Pickle *self, guint *height, GError **error)
{
  if (self->marks->len == 0)
    return mblm_pickle_fail (self, error, "it closes what is not open");
  *height = floor_of (self);
  g_array_set_size (self->marks, self->marks->len - 1);
  return TRUE;
}

/* The values from `height` up become a tuple. */
static gboolean
make_tuple (Pickle *self, guint height, GError **error)
{
  PickleValue tuple = {.kind = PICKLE_TUPLE};

  tuple.n = self->stack->len - height;
  tuple.at = self->items->len;
  if (tuple.n > MAX_ITEMS - self->items->len)
    return mblm_pickle_fail (
        self, error, "more than %d values in tuples", MAX_ITEMS);
  if (tuple.n > 0)
    g_array_append_vals (self->items,
        &g_array_index (self->stack, PickleValue, height), tuple.n);
  g_array_set_size (self->stack, height);
  return push (self, &tuple, error);
}

static gboolean
make_short_tuple (Pickle *self, guint n, GError **error)
{
  if (self->stack->len - floor_of (self) < n)
    return mblm_pickle_fail (self, error, "it takes a value that is not there");
  return make_tuple (self, self->stack->len - n, error);
}

gboolean
mblm_pickle_new_dict (
    Pickle *self, gboolean ordered, PickleValue *out, GError **error)
{
  PickleDict dict = {.ordered = ordered};

  if (self->dicts->len == MAX_DICTS)
    return mblm_pickle_fail (
        self, error, "more than %d dictionaries", MAX_DICTS);
  *out = (PickleValue){.kind = PICKLE_DICT};
  out->at = self->dicts->len;
  g_array_append_val (self->dicts, dict);
  return TRUE;
}

/* The values from `height` up are keys and values of the dictionary below. */
static gboolean
set_items (Pickle *self, guint height, GError **error)
{
  guint n = self->stack->len - height;
  PickleValue *below;
  PickleDict *dict;

  if (n % 2 != 0)
    return mblm_pickle_fail (self, error, "a key without a value");
  if (height <= floor_of (self))
    return mblm_pickle_fail (self, error, "it takes a value that is not there");
  below = &g_array_index (self->stack, PickleValue, height - 1);
  if (below->kind != PICKLE_DICT)
    return mblm_pickle_fail (self, error,
        "it sets keys of what is no "
        "dictionary");
  dict = &g_array_index (self->dicts, PickleDict, below->at);
  if (dict->pairs == NULL)
    dict->pairs = g_array_new (FALSE, FALSE, sizeof (PickleValue));
  if (n > MAX_ITEMS - self->n_pairs)
    return mblm_pickle_fail (
        self, error, "more than %d values in dictionaries", MAX_ITEMS);
  self->n_pairs += n;
  if (n > 0)
    g_array_append_vals (
        dict->pairs, &g_array_index (self->stack, PickleValue, height), n);
  g_array_set_size (self->stack, height);
  return TRUE;
}

/* Attributes of an OrderedDict (_metadata of a state_dict): passed over. */
static gboolean
build (Pickle *self, GError **error)
{
  PickleValue state;
  PickleValue *object;

  if (!pop (self, &state, error) || (object = top (self, error)) == NULL)
    return FALSE;
  if (object->kind != PICKLE_DICT || state.kind != PICKLE_DICT ||
      !g_array_index (self->dicts, PickleDict, object->at).ordered)
    return mblm_pickle_fail (
        self, error, "it sets attributes of what a checkpoint has none of");
  return TRUE;
}

static gboolean
take_line (Pickle *self, const char **line, gsize *n, GError **error)
{
  const guint8 *from = self->bytes + self->at;
  const guint8 *end = memchr (from, '\n', MIN (self->n - self->at, 256));

  if (end == NULL)
    return mblm_pickle_fail (self, error, "a name without an end");
  *line = (const char *) from;
  *n = (gsize) (end - from);
  self->at += *n + 1;
  return TRUE;
}

static gboolean
push_global (Pickle *self, GError **error)
{
  const char *module = NULL, *name = NULL;
  gsize module_n = 0, name_n = 0;
  PickleValue value;

  return take_line (self, &module, &module_n, error) &&
      take_line (self, &name, &name_n, error) &&
      mblm_pickle_find_global (
          self, module, module_n, name, name_n, &value, error) &&
      push (self, &value, error);
}

static gboolean
push_string (Pickle *self, GError **error)
{
  PickleValue value = {.kind = PICKLE_STRING};
  guint64 n;
  const guint8 *bytes;

  if (!take_number (self, 4, &n, error))
    return FALSE;
  value.n = (guint32) n;
  value.at = self->at;
  bytes = take (self, (gsize) n, error);
  if (bytes == NULL)
    return FALSE;
  if (!g_utf8_validate_len ((const char *) bytes, (gsize) n, NULL))
    return mblm_pickle_fail (
        self, error, "a string that is not UTF-8 or has a NUL");
  return push (self, &value, error);
}

/* A number of n bytes with a sign in the last one where `sign` is set. */
static gboolean
push_integer (Pickle *self, gsize n, gboolean sign, GError **error)
{
  PickleValue value = {.kind = PICKLE_INTEGER};
  guint64 bits;

  if (n > 8)
    return mblm_pickle_fail (self, error, "a number beyond 64 bits");
  if (!take_number (self, n, &bits, error))
    return FALSE;
  if (sign && n > 0 && n < 8 && (bits >> (8 * n - 1)) != 0)
    bits |= G_MAXUINT64 << 8 * n;
  value.integer = (gint64) bits;
  return push (self, &value, error);
}

static gboolean
push_long (Pickle *self, GError **error)
{
  guint64 n;

  return take_number (self, 1, &n, error) &&
      push_integer (self, (gsize) n, TRUE, error);
}

/* Only LOSS is one, and nobody asks for it. */
static gboolean
push_float (Pickle *self, GError **error)
{
  PickleValue value = {.kind = PICKLE_FLOAT};

  return take (self, 8, error) != NULL && push (self, &value, error);
}

static gboolean
push_kind (Pickle *self, PickleKind kind, gint64 integer, GError **error)
{
  PickleValue value = {.kind = kind};

  value.integer = integer;
  return push (self, &value, error);
}

static gboolean
push_dict (Pickle *self, GError **error)
{
  PickleValue value;

  return mblm_pickle_new_dict (self, FALSE, &value, error) &&
      push (self, &value, error);
}

/* Python numbers the memo in the order of use, so that it has no holes. */
static gboolean
put (Pickle *self, gsize size, GError **error)
{
  guint64 number;
  const PickleValue *value;

  if (!take_number (self, size, &number, error) ||
      (value = top (self, error)) == NULL)
    return FALSE;
  if (number > self->memo->len)
    return mblm_pickle_fail (self, error, "a hole in the memo");
  if (number == self->memo->len)
    g_array_append_vals (self->memo, value, 1);
  else
    g_array_index (self->memo, PickleValue, number) = *value;
  return TRUE;
}

static gboolean
get (Pickle *self, gsize size, GError **error)
{
  guint64 number;

  if (!take_number (self, size, &number, error))
    return FALSE;
  if (number >= self->memo->len)
    return mblm_pickle_fail (
        self, error, "it takes from the memo what is not there");
  return push (self, &g_array_index (self->memo, PickleValue, number), error);
}

static gboolean
reduce (Pickle *self, GError **error)
{
  PickleValue args, callable, value;

  return pop (self, &args, error) && pop (self, &callable, error) &&
      mblm_pickle_reduce (self, &callable, &args, &value, error) &&
      push (self, &value, error);
}

static gboolean
push_storage (Pickle *self, GError **error)
{
  PickleValue id, value;

  return pop (self, &id, error) &&
      mblm_pickle_find_storage (self, &id, &value, error) &&
      push (self, &value, error);
}

static gboolean
run_opcode (Pickle *self, guint8 opcode, GError **error)
{
  guint height = 0;

  switch (opcode) {
    case '(':
      return push_mark (self, error);
    case ')':
      return make_short_tuple (self, 0, error);
    case 0x85:
    case 0x86:
    case 0x87:
      return make_short_tuple (self, opcode - 0x84u, error);
    case 't':
      return pop_mark (self, &height, error) &&
          make_tuple (self, height, error);
    case '}':
      return push_dict (self, error);
    case 's':
      return self->stack->len - floor_of (self) >= 2
          ? set_items (self, self->stack->len - 2, error)
          : mblm_pickle_fail (self, error, "a key without a value");
    case 'u':
      return pop_mark (self, &height, error) && set_items (self, height, error);
    case 'X':
      return push_string (self, error);
    case 'J':
      return push_integer (self, 4, TRUE, error);
    case 'K':
      return push_integer (self, 1, FALSE, error);
    case 'M':
      return push_integer (self, 2, FALSE, error);
    case 0x8a:
      return push_long (self, error);
    case 'G':
      return push_float (self, error);
    case 0x88:
    case 0x89:
      return push_kind (self, PICKLE_BOOLEAN, opcode == 0x88, error);
    case 'N':
      return push_kind (self, PICKLE_NONE, 0, error);
    case 'q':
      return put (self, 1, error);
    case 'r':
      return put (self, 4, error);
    case 'h':
      return get (self, 1, error);
    case 'j':
      return get (self, 4, error);
    case 'c':
      return push_global (self, error);
    case 'R':
      return reduce (self, error);
    case 'Q':
      return push_storage (self, error);
    case 'b':
      return build (self, error);
    default:
      return mblm_pickle_fail (
          self, error, "the opcode 0x%02x, which no checkpoint needs", opcode);
  }
}

gboolean
mblm_pickle_run (Pickle *self, PickleValue *out, GError **error)
{
  const guint8 *bytes = take (self, 2, error);

  if (bytes == NULL)
    return FALSE;
  if (bytes[0] != 0x80 || bytes[1] != 2)
    return mblm_pickle_fail (self, error, "not a pickle of protocol 2");
  for (;;) {
    self->opcode_at = self->at;
    bytes = take (self, 1, error);
    if (bytes == NULL)
      return FALSE;
    if (*bytes == '.')
      break;
    if (!run_opcode (self, *bytes, error))
      return FALSE;
  }
  if (self->at != self->n || self->stack->len != 1 || self->marks->len != 0)
    return mblm_pickle_fail (
        self, error, "it ends before its end, or with values left");
  *out = g_array_index (self->stack, PickleValue, 0);
  return TRUE;
}
