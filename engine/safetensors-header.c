/* safetensors-header.c: the list of tensors at the head of a file.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A header is one JSON object: a name to its dtype, shape and data_offsets,
 * [begin, end) from the end of the header, and under __metadata__ strings to
 * strings. In the order of their offsets the tensors follow each other without a
 * hole, the first at 0, the last to the end of the file.
 */

#include "safetensors-private.h"

#include <string.h>

#include "json.h"
#include "mblm-error.h"
#include "message.h"
#include "name-hash.h"

#define MAX_METADATA 65536

gsize
mblm_dtype_size (MblmDtype dtype)
{
  return dtype == MBLM_DTYPE_F32 ? 4 : 2;
}

const char *
mblm_dtype_name (MblmDtype dtype)
{
  static const char *const names[] = {"F32", "BF16", "F16"};

  return names[dtype];
}

void
mblm_tensor_entry_clear (MblmTensorEntry *entry)
{
  g_clear_pointer (&entry->name, g_free);
}

gboolean
mblm_tensor_entry_measure (MblmTensorEntry *entry)
{
  entry->n_elements = 1;
  for (guint i = 0; i < entry->n_dims; i++)
    if (!g_size_checked_mul (
            &entry->n_elements, entry->n_elements, entry->shape[i]))
      return FALSE;
  return g_size_checked_mul (
      &entry->size, entry->n_elements, mblm_dtype_size (entry->dtype));
}

typedef struct {
  MblmJson json;
  const char *name; /* of the file */
  GArray *entries;
  GHashTable *names; /* all keys seen, owned */
} Header;

G_GNUC_PRINTF (4, 5)
static gboolean
fail (const Header *self, const char *tensor, GError **error,
    const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;
  g_autofree char *quoted = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  if (tensor != NULL)
    quoted = mblm_quote (tensor, -1);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "%s: %s%s%s", self->name,
      quoted != NULL ? quoted : "", quoted != NULL ? ": " : "", text);
  return FALSE;
}

static gboolean
fail_json (Header *self, const char *tensor, GError **error)
{
  return fail (self, tensor, error,
      "the header is not valid: %s at byte %" G_GSIZE_FORMAT,
      self->json.problem != NULL ? self->json.problem : "an unexpected value",
      self->json.at + 8);
}

/* Adds to a set of names; FALSE with `error` for one that is there. */
static gboolean
add_name (const Header *self, GHashTable *names, GError **error)
{
  const char *name = self->json.string->str;

  if (!g_hash_table_add (names, g_strdup (name)))
    return fail (self, name, error, "the name is there twice");
  return TRUE;
}

static gboolean
read_metadata (Header *self, GError **error)
{
  g_autoptr (GHashTable)
      keys = g_hash_table_new_full (mblm_name_hash, g_str_equal, g_free, NULL);
  MblmJsonToken token;

  if (mblm_json_next (&self->json) != MBLM_JSON_OBJECT)
    return fail_json (self, "__metadata__", error);
  while ((token = mblm_json_next (&self->json)) == MBLM_JSON_KEY) {
    if (g_hash_table_size (keys) == MAX_METADATA)
      return fail (
          self, "__metadata__", error, "more than %d entries", MAX_METADATA);
    if (!add_name (self, keys, error))
      return FALSE;
    if (mblm_json_next (&self->json) != MBLM_JSON_STRING)
      return fail_json (self, "__metadata__", error);
  }
  return token == MBLM_JSON_OBJECT_END
      ? TRUE
      : fail_json (self, "__metadata__", error);
}

static gboolean
read_dtype (Header *self, MblmTensorEntry *entry, GError **error)
{
  if (mblm_json_next (&self->json) != MBLM_JSON_STRING)
    return fail_json (self, entry->name, error);
  for (guint i = 0; i <= MBLM_DTYPE_F16; i++) {
    if (g_str_equal (self->json.string->str, mblm_dtype_name (i))) {
      entry->dtype = (MblmDtype) i;
      return TRUE;
    }
  }

  g_autofree char *dtype = mblm_quote (self->json.string->str, -1);
  return fail (self, entry->name, error,
      "its dtype is %s; F32, BF16 and F16 are supported", dtype);
}

/* An array of at most `max` numbers from 0 up. */
static gboolean
read_numbers (Header *self, const MblmTensorEntry *entry, const char *what,
    guint max, guint64 *out, guint *n, GError **error)
{
  MblmJsonToken token;

  *n = 0;
  if (mblm_json_next (&self->json) != MBLM_JSON_ARRAY)
    return fail_json (self, entry->name, error);
  while ((token = mblm_json_next (&self->json)) == MBLM_JSON_NUMBER) {
    if (*n == max)
      return fail (
          self, entry->name, error, "more than %u entries in %s", max, what);
    if (!mblm_json_get_unsigned (&self->json, &out[(*n)++]))
      return fail (self, entry->name, error,
          "%.40s in %s is not a whole number from 0 to 2^64 - 1",
          self->json.string->str, what);
  }
  return token == MBLM_JSON_ARRAY_END ? TRUE
                                      : fail_json (self, entry->name, error);
}

static gboolean
read_shape (Header *self, MblmTensorEntry *entry, GError **error)
{
  guint64 numbers[MBLM_MAX_DIMS];

  if (!read_numbers (
          self, entry, "shape", MBLM_MAX_DIMS, numbers, &entry->n_dims, error))
    return FALSE;
  for (guint i = 0; i < entry->n_dims; i++) {
    if (numbers[i] > G_MAXSIZE)
      return fail (self, entry->name, error, "its shape is too large");
    entry->shape[i] = (gsize) numbers[i];
  }
  return TRUE;
}

/* One tensor: its offsets are kept as begin in `offset`; the end is checked. */
static gboolean
read_tensor (Header *self, GError **error)
{
  static const char *const keys[] = {"dtype", "shape", "data_offsets", NULL};
  MblmTensorEntry entry = {.name = g_strdup (self->json.string->str)};
  guint64 offsets[2] = {0, 0};
  guint seen = 0, n = 2;
  MblmJsonToken token;
  gboolean ok = mblm_json_next (&self->json) == MBLM_JSON_OBJECT ||
      fail_json (self, entry.name, error);

  while (ok && (token = mblm_json_next (&self->json)) == MBLM_JSON_KEY) {
    guint key = 0;

    while (
        keys[key] != NULL && !g_str_equal (keys[key], self->json.string->str))
      key++;
    if (keys[key] == NULL || (seen & (1u << key)) != 0) {
      g_autofree char *name = mblm_quote (self->json.string->str, -1);

      ok = fail (self, entry.name, error, "%s the key %s",
          keys[key] == NULL ? "it can't have" : "it has twice", name);
      break;
    }
    seen |= 1u << key;
    if (key == 0)
      ok = read_dtype (self, &entry, error);
    else if (key == 1)
      ok = read_shape (self, &entry, error);
    else
      ok = read_numbers (self, &entry, keys[key], 2, offsets, &n, error);
  }
  if (ok && token != MBLM_JSON_OBJECT_END)
    ok = fail_json (self, entry.name, error);
  if (ok && (seen != 7 || n != 2))
    ok = fail (self, entry.name, error,
        "dtype, shape or the two data_offsets are missing");
  if (ok && !mblm_tensor_entry_measure (&entry))
    ok = fail (self, entry.name, error, "its shape is too large");
  if (ok && (offsets[1] < offsets[0] || offsets[1] - offsets[0] != entry.size))
    ok = fail (self, entry.name, error,
        "its data_offsets span %s%" G_GUINT64_FORMAT
        " bytes, but dtype and shape ask for %" G_GSIZE_FORMAT,
        offsets[1] < offsets[0] ? "-" : "",
        offsets[1] < offsets[0] ? offsets[0] - offsets[1]
                                : offsets[1] - offsets[0],
        entry.size);
  entry.offset = offsets[0];
  if (ok)
    g_array_append_val (self->entries, entry);
  else
    mblm_tensor_entry_clear (&entry);
  return ok;
}

static gboolean
read_object (Header *self, GError **error)
{
  MblmJsonToken token;

  if (mblm_json_next (&self->json) != MBLM_JSON_OBJECT)
    return fail_json (self, NULL, error);
  while ((token = mblm_json_next (&self->json)) == MBLM_JSON_KEY) {
    const char *name = self->json.string->str;

    if (!add_name (self, self->names, error))
      return FALSE;
    if (g_str_equal (name, "__metadata__")) {
      if (!read_metadata (self, error))
        return FALSE;
      continue;
    }
    if (name[0] == '\0' || self->json.string->len > MBLM_TENSOR_MAX_NAME)
      return fail (self, name, error, "a name has from 1 to %d bytes",
          MBLM_TENSOR_MAX_NAME);
    if (self->entries->len == MBLM_TENSOR_MAX_COUNT)
      return fail (
          self, NULL, error, "more than %d tensors", MBLM_TENSOR_MAX_COUNT);
    if (!read_tensor (self, error))
      return FALSE;
  }
  if (token != MBLM_JSON_OBJECT_END ||
      mblm_json_next (&self->json) != MBLM_JSON_END)
    return fail_json (self, NULL, error);
  return TRUE;
}

static gint
compare_offsets (gconstpointer a, gconstpointer b)
{
  const MblmTensorEntry *x = a, *y = b;

  if (x->offset != y->offset)
    return x->offset < y->offset ? -1 : 1;
  return x->size != y->size ? (x->size < y->size ? -1 : 1) : 0;
}

static gboolean
check_layout (const Header *self, guint64 data_size, GError **error)
{
  guint64 end = 0;

  g_array_sort (self->entries, compare_offsets);
  for (guint i = 0; i < self->entries->len; i++) {
    const MblmTensorEntry *entry = &g_array_index (
        self->entries, MblmTensorEntry, i);

    if (entry->offset != end)
      return fail (self, entry->name, error,
          entry->offset < end ? "its data overlaps that of another tensor"
                              : "there is a hole before its data");
    if (entry->size > data_size - end)
      return fail (self, entry->name, error,
          "the file ends before its data does: it was truncated");
    end += entry->size;
  }
  if (end != data_size)
    return fail (self, NULL, error,
        "%" G_GUINT64_FORMAT " bytes behind the "
        "last tensor",
        data_size - end);
  return TRUE;
}

static void
clear_entry (gpointer data)
{
  mblm_tensor_entry_clear (data);
}

GArray *
mblm_tensor_header_parse (const char *text, gsize length, guint64 data_offset,
    guint64 data_size, const char *name, GError **error)
{
  Header self = {.name = name};
  gboolean ok;

  mblm_json_init (&self.json, text, length);
  self.names = g_hash_table_new_full (
      mblm_name_hash, g_str_equal, g_free, NULL);
  self.entries = g_array_new (FALSE, FALSE, sizeof (MblmTensorEntry));
  g_array_set_clear_func (self.entries, clear_entry);
  /* the format asks for the brace itself; blanks may only follow the object */
  ok = length > 0 && text[0] == '{';
  if (!ok)
    fail (&self, NULL, error,
        "the header does not begin with {: this is no "
        "safetensors file");
  ok = ok && read_object (&self, error) &&
      check_layout (&self, data_size, error);
  for (guint i = 0; ok && i < self.entries->len; i++)
    g_array_index (self.entries, MblmTensorEntry, i).offset += data_offset;
  mblm_json_clear (&self.json);
  g_hash_table_unref (self.names);
  if (!ok)
    g_clear_pointer (&self.entries, g_array_unref);
  return self.entries;
}

static gint
compare_for_writing (gconstpointer a, gconstpointer b)
{
  const MblmTensorEntry *x = a, *y = b;
  gsize wide_x = mblm_dtype_size (x->dtype),
        wide_y = mblm_dtype_size (y->dtype);

  return wide_x != wide_y ? (wide_x > wide_y ? -1 : 1)
                          : strcmp (x->name, y->name);
}

static void
append_entry (GString *out, const MblmTensorEntry *entry)
{
  mblm_json_append_string (out, entry->name);
  g_string_append_printf (
      out, ":{\"dtype\":\"%s\",\"shape\":[", mblm_dtype_name (entry->dtype));
  for (guint i = 0; i < entry->n_dims; i++)
    g_string_append_printf (
        out, "%s%" G_GSIZE_FORMAT, i > 0 ? "," : "", entry->shape[i]);
  g_string_append_printf (out,
      "],\"data_offsets\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}",
      entry->offset, entry->offset + entry->size);
}

static gboolean
check_name (const char *name, const char *before, GError **error)
{
  gsize n = strlen (name);
  g_autofree char *quoted = mblm_quote (name, -1);
  const char *problem = NULL;

  if (n == 0 || n > MBLM_TENSOR_MAX_NAME || !g_utf8_validate (name, -1, NULL) ||
      g_str_equal (name, "__metadata__"))
    problem = "can't be the name of a tensor";
  else if (before != NULL && g_str_equal (name, before))
    problem = "is the name of two tensors";
  if (problem != NULL)
    g_set_error (
        error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "%s %s", quoted, problem);
  return problem == NULL;
}

GString *
mblm_tensor_header_build (GArray *entries, GError **error)
{
  g_autoptr (GString) out = g_string_new ("12345678{");
  GHashTable *names = NULL;
  guint64 offset = 0, length;

  g_array_sort (entries, compare_for_writing);
  names = g_hash_table_new (mblm_name_hash, g_str_equal);
  for (guint i = 0; i < entries->len; i++) {
    MblmTensorEntry *entry = &g_array_index (entries, MblmTensorEntry, i);
    const char *before = g_hash_table_contains (names, entry->name)
        ? entry->name
        : NULL;

    if (!check_name (entry->name, before, error)) {
      g_hash_table_unref (names);
      return NULL;
    }
    g_hash_table_add (names, entry->name);
    entry->offset = offset;
    offset += entry->size;
    if (i > 0)
      g_string_append_c (out, ',');
    append_entry (out, entry);
  }
  g_hash_table_unref (names);
  g_string_append_c (out, '}');
  while (out->len % 8 != 0)
    g_string_append_c (out, ' ');
  length = GUINT64_TO_LE (out->len - 8);
  memcpy (out->str, &length, 8);
  return g_steal_pointer (&out);
}
