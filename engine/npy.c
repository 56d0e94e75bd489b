/* npy.c: arrays in files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * The format: "\x93NUMPY", two bytes of version, the length of the header (2
 * bytes in version 1, 4 in 2 and 3, little-endian), a Python dictionary of exactly
 * descr, fortran_order and shape, blanks, and the elements.
 */

#include "npy.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "atomic-file.h"
#include "mblm-error.h"
#include "message.h"
#include "read-file.h"

#define MAX_HEADER 65536
#define MAX_DIMS 8

typedef struct {
  const char *path;
  const char *at; /* NUL-terminated rest of the header */
  char descr[8];
  gboolean fortran;
  guint n_dims;
  gsize shape[MAX_DIMS];
  gsize n_elements;
} Header;

void
mblm_npy_clear (MblmNpy *self)
{
  g_clear_pointer (&self->data, g_free);
}

G_GNUC_PRINTF (3, 4)
static gboolean
fail (const char *path, GError **error, const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT, "%s: %s", path, text);
  return FALSE;
}

static void
skip_blanks (Header *self)
{
  self->at += strspn (self->at, " \t\n");
}

static gboolean
take (Header *self, char c)
{
  skip_blanks (self);
  if (*self->at != c)
    return FALSE;
  self->at++;
  return TRUE;
}

static gboolean
take_word (Header *self, const char *word)
{
  skip_blanks (self);
  if (!g_str_has_prefix (self->at, word))
    return FALSE;
  self->at += strlen (word);
  return TRUE;
}

/* A Python string without escapes. */
static gboolean
take_string (Header *self, char *out, gsize size)
{
  char quote;
  gsize n;

  skip_blanks (self);
  quote = *self->at;
  if (quote != '\'' && quote != '"')
    return FALSE;
  n = strcspn (self->at + 1, "'\"\\");
  if (self->at[1 + n] != quote || n >= size)
    return FALSE;
  memcpy (out, self->at + 1, n);
  out[n] = '\0';
  self->at += n + 2;
  return TRUE;
}

/* A tuple of whole numbers. */
static gboolean
take_shape (Header *self)
{
  if (!take (self, '('))
    return FALSE;
  self->n_dims = 0;
  while (!take (self, ')')) {
    gsize value = 0;

    if (self->n_dims == MAX_DIMS || !g_ascii_isdigit (*self->at))
      return FALSE;
    for (; g_ascii_isdigit (*self->at); self->at++)
      if (!g_size_checked_mul (&value, value, 10) ||
          !g_size_checked_add (&value, value, (gsize) (*self->at - '0')))
        return FALSE;
    self->shape[self->n_dims++] = value;
    if (!take (self, ',')) {
      /* (3) is no tuple */
      return take (self, ')') && self->n_dims > 1;
    }
  }
  return TRUE;
}

static gboolean
take_dictionary (Header *self)
{
  guint seen = 0;
  char key[16];

  if (!take (self, '{'))
    return FALSE;
  while (!take (self, '}')) {
    guint bit;
    gboolean ok;

    if (!take_string (self, key, sizeof key) || !take (self, ':'))
      return FALSE;
    if (g_str_equal (key, "descr")) {
      bit = 1;
      ok = take_string (self, self->descr, sizeof self->descr);
    } else if (g_str_equal (key, "fortran_order")) {
      bit = 2;
      self->fortran = take_word (self, "True");
      ok = self->fortran || take_word (self, "False");
    } else if (g_str_equal (key, "shape")) {
      bit = 4;
      ok = take_shape (self);
    } else {
      return FALSE;
    }
    if (!ok || (seen & bit) != 0)
      return FALSE;
    seen |= bit;
    if (!take (self, ',')) {
      if (!take (self, '}'))
        return FALSE;
      break;
    }
  }
  skip_blanks (self);
  return seen == 7 && *self->at == '\0';
}

static gboolean
parse_header (Header *self, const char *text, gsize length, GError **error)
{
  self->at = text;
  if (memchr (text, '\0', length) != NULL || !take_dictionary (self))
    return fail (self->path, error,
        "its header is not that of an array of "
        "numbers with at most %d dimensions",
        MAX_DIMS);
  if (self->fortran && self->n_dims > 1)
    return fail (self->path, error,
        "it is in Fortran order; save it with "
        "numpy.ascontiguousarray");
  self->n_elements = 1;
  for (guint i = 0; i < self->n_dims; i++)
    if (!g_size_checked_mul (
            &self->n_elements, self->n_elements, self->shape[i]))
      return fail (self->path, error, "its shape is too large");
  return TRUE;
}

static gboolean
fail_reading (const char *path, GError **error)
{
  if (errno == 0)
    return fail (path, error, "became shorter while it was read");
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
      "%s: can't read it: %s", path, g_strerror (errno));
  return FALSE;
}

/* Reads up to the elements; `data` gets where they begin. */
static gboolean
read_header (Header *self, int fd, guint64 size, guint64 *data, GError **error)
{
  guint8 head[12];
  guint64 start, length;
  g_autofree char *text = NULL;

  if (size < sizeof head)
    return fail (self->path, error, "shorter than any .npy file");
  if (!mblm_read_at (fd, head, sizeof head, 0))
    return fail_reading (self->path, error);
  if (memcmp (head, "\x93NUMPY", 6) != 0)
    return fail (self->path, error, "not a .npy file");
  if (head[6] < 1 || head[6] > 3 || head[7] != 0)
    return fail (self->path, error,
        "format version %u.%u; 1.0 to 3.0 are "
        "supported",
        head[6], head[7]);
  start = head[6] == 1 ? 10 : 12;
  length = (guint64) head[8] | (guint64) head[9] << 8;
  if (head[6] > 1)
    length |= (guint64) head[10] << 16 | (guint64) head[11] << 24;
  if (length > MAX_HEADER || length > size - start)
    return fail (self->path, error, "its header is %s",
        length > MAX_HEADER ? "too large" : "cut short");
  text = g_malloc0 (length + 1);
  if (!mblm_read_at (fd, text, length, start))
    return fail_reading (self->path, error);
  *data = start + length;
  return parse_header (self, text, length, error);
}

typedef struct {
  const char *descr;
  gsize size;
} Kind;

/* The elements as they are in the file, behind each other in `raw`. */
static gboolean
load (const char *path, const Kind *kinds, guint n_kinds, const char *wanted,
    MblmNpy *out, const Kind **kind, GError **error)
{
  Header header = {.path = path};
  guint64 size, data = 0;
  int fd = mblm_open_file (path, &size, error);
  gsize bytes;
  gboolean ok;

  memset (out, 0, sizeof *out);
  *kind = NULL;
  if (fd < 0)
    return FALSE;
  ok = read_header (&header, fd, size, &data, error);
  for (guint i = 0; ok && i < n_kinds; i++)
    if (g_str_equal (header.descr, kinds[i].descr))
      *kind = &kinds[i];
  if (ok && *kind == NULL) {
    g_autofree char *descr = mblm_quote (header.descr, -1);

    ok = fail (path, error, "its elements are %s; %s is wanted", descr, wanted);
  }
  if (ok &&
      (!g_size_checked_mul (&bytes, header.n_elements, (*kind)->size) ||
          bytes != size - data))
    ok = fail (path, error,
        "its size is not that of its shape: it was cut "
        "short, or something was added");
  if (ok && (out->data = g_try_malloc (MAX (bytes, 1))) == NULL) {
    g_set_error (
        error, MBLM_ERROR, MBLM_ERROR_MEMORY, "%s: out of memory", path);
    ok = FALSE;
  }
  if (ok && !mblm_read_at (fd, out->data, bytes, data))
    ok = fail_reading (path, error);
  close (fd);
  if (!ok) {
    mblm_npy_clear (out);
    return FALSE;
  }
  out->n_dims = header.n_dims;
  memcpy (out->shape, header.shape, sizeof header.shape);
  out->n_elements = header.n_elements;
  return TRUE;
}

gboolean
mblm_npy_load_ids (const char *path, MblmNpy *out, GError **error)
{
  static const Kind kinds[] = {{"<i4", 4}, {"<i8", 8}};
  const Kind *kind;
  guint8 *bytes;

  if (!load (
          path, kinds, G_N_ELEMENTS (kinds), "<i4 or <i8", out, &kind, error))
    return FALSE;
  /* in place: an element never lands behind where it came from */
  bytes = out->data;
  for (gsize i = 0; i < out->n_elements; i++) {
    gint32 id;

    if (kind->size == 8) {
      gint64 wide;

      memcpy (&wide, bytes + 8 * i, 8);
      wide = GINT64_FROM_LE (wide);
      if (wide < G_MININT32 || wide > G_MAXINT32) {
        mblm_npy_clear (out);
        return fail (path, error,
            "the id %" G_GINT64_FORMAT " is beyond 32 "
            "bits",
            wide);
      }
      id = (gint32) wide;
    } else {
      memcpy (&id, bytes + 4 * i, 4);
      id = GINT32_FROM_LE (id);
    }
    memcpy (bytes + 4 * i, &id, 4);
  }
  return TRUE;
}

gboolean
mblm_npy_load_floats (const char *path, MblmNpy *out, GError **error)
{
  static const Kind kinds[] = {{"<f4", 4}};
  const Kind *kind;
  guint32 *bits;

  if (!load (path, kinds, G_N_ELEMENTS (kinds), "<f4", out, &kind, error))
    return FALSE;
  bits = out->data;
  for (gsize i = 0; i < out->n_elements; i++)
    bits[i] = GUINT32_FROM_LE (bits[i]);
  return TRUE;
}

gboolean
mblm_npy_load_mask (const char *path, MblmNpy *out, GError **error)
{
  static const Kind kinds[] = {{"|u1", 1}, {"|b1", 1}};
  const Kind *kind;
  guint8 *bytes;

  if (!load (
          path, kinds, G_N_ELEMENTS (kinds), "|u1 or |b1", out, &kind, error))
    return FALSE;
  bytes = out->data;
  for (gsize i = 0; i < out->n_elements; i++)
    bytes[i] = bytes[i] != 0;
  return TRUE;
}

/* Everything before the elements, a multiple of 64 bytes, in format 1.0. */
static GString *
build_header (const char *descr, guint n_dims, const gsize *shape)
{
  GString *out = g_string_new_len ("\x93NUMPY\x01\x00..", 10);
  gsize length;

  g_string_append_printf (
      out, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
  for (guint i = 0; i < n_dims; i++)
    g_string_append_printf (out, "%" G_GSIZE_FORMAT "%s", shape[i],
        n_dims == 1          ? ","
            : i + 1 < n_dims ? ", "
                             : "");
  g_string_append (out, "), }");
  while ((out->len + 1) % 64 != 0)
    g_string_append_c (out, ' ');
  g_string_append_c (out, '\n');
  length = out->len - 10;
  out->str[8] = (char) (length & 0xff);
  out->str[9] = (char) (length >> 8);
  return out;
}

/* Elements of 32 bits. */
static gboolean
save (const char *path, const char *descr, const void *data, guint n_dims,
    const gsize *shape, GError **error)
{
  g_autoptr (MblmAtomicFile) file = mblm_atomic_file_new (path, error);
  GString *header;
  gsize n = 1;
  gboolean ok;

  g_return_val_if_fail (n_dims <= MAX_DIMS, FALSE);
  if (file == NULL)
    return FALSE;
  for (guint i = 0; i < n_dims; i++)
    n *= shape[i];
  header = build_header (descr, n_dims, shape);
  ok = mblm_atomic_file_write (file, header->str, header->len, error);
  g_string_free (header, TRUE);
  for (gsize i = 0; ok && i < n;) {
    guint32 block[4096];
    gsize m = MIN (n - i, G_N_ELEMENTS (block));

    memcpy (block, (const guint8 *) data + 4 * i, 4 * m);
    for (gsize k = 0; k < m; k++)
      block[k] = GUINT32_TO_LE (block[k]);
    ok = mblm_atomic_file_write (file, block, 4 * m, error);
    i += m;
  }
  return ok && mblm_atomic_file_commit (file, error);
}

gboolean
mblm_npy_save_floats (const char *path, const float *data, guint n_dims,
    const gsize *shape, GError **error)
{
  return save (path, "<f4", data, n_dims, shape, error);
}

gboolean
mblm_npy_save_ids (const char *path, const gint32 *data, guint n_dims,
    const gsize *shape, GError **error)
{
  return save (path, "<i4", data, n_dims, shape, error);
}
