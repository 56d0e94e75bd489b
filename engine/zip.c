/* zip.c: reading the ZIP archives that torch.save writes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * From the back: the end record, before it (in a ZIP64 archive) the locator and
 * the ZIP64 end record, before them the central directory. Each of its entries
 * leads to a local header; where that one has no sizes (bit 3 of the flags), a
 * data descriptor behind the data has them.
 */

#include "zip.h"

#include <errno.h>
#include <string.h>

#include "mblm-error.h"
#include "message.h"
#include "read-file.h"

#define SIGNATURE_LOCAL 0x04034b50u
#define SIGNATURE_CENTRAL 0x02014b50u
#define SIGNATURE_END 0x06054b50u
#define SIGNATURE_END64 0x06064b50u
#define SIGNATURE_LOCATOR 0x07064b50u
#define SIGNATURE_DESCRIPTOR 0x08074b50u

#define SIZE_LOCAL 30
#define SIZE_CENTRAL 46
#define SIZE_END 22
#define SIZE_END64 56
#define SIZE_LOCATOR 20

#define FLAG_DESCRIPTOR (1u << 3)
#define FLAG_UTF8 (1u << 11)
#define EXTRA_ZIP64 1
#define MAX_DIRECTORY (256 * 1024 * 1024)

struct _MblmZip {
  int fd;
  guint64 size;
  guint64 directory; /* where the central directory begins */
  guint64 directory_size;
  guint64 count;
  GArray *entries;     /* MblmZipEntry */
  GHashTable *by_name; /* name -> position + 1 */
};

/* An entry as the central directory has it. */
typedef struct {
  guint flags, method;
  guint32 crc;
  guint64 packed, size, local;
  const char *name; /* not terminated */
  gsize name_length;
} Central;

static guint16
get16 (const guint8 *p)
{
  return (guint16) (p[0] | p[1] << 8);
}

static guint32
get32 (const guint8 *p)
{
  return (guint32) get16 (p) | (guint32) get16 (p + 2) << 16;
}

static guint64
get64 (const guint8 *p)
{
  return (guint64) get32 (p) | (guint64) get32 (p + 4) << 32;
}

G_GNUC_PRINTF (2, 3)
static gboolean
fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (
      error, g_error_new_valist (MBLM_ERROR, MBLM_ERROR_WEIGHTS, format, args));
  va_end (args);
  return FALSE;
}

static gboolean
fail_entry (const char *name, gsize n, const char *problem, GError **error)
{
  g_autofree char *quoted = mblm_quote (name, (gssize) n);

  return fail (error, "the entry %s %s", quoted, problem);
}

static gboolean
read_at (
    const MblmZip *self, void *out, gsize n, guint64 offset, GError **error)
{
  if (offset > self->size || n > self->size - offset)
    return fail (error, "the archive was cut short");
  if (mblm_read_at (self->fd, out, n, offset))
    return TRUE;
  if (errno == 0)
    return fail (error, "the file became shorter while it was read");
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
      "can't read the file: %s", strerror (errno));
  return FALSE;
}

static void
clear_entry (gpointer data)
{
  g_free (((MblmZipEntry *) data)->name);
}

void
mblm_zip_free (MblmZip *self)
{
  g_hash_table_unref (self->by_name);
  g_array_unref (self->entries);
  g_free (self);
}

/* The ZIP64 records; `end` is where the plain end record begins. */
static gboolean
read_end64 (MblmZip *self, guint64 end, const guint8 *plain, GError **error)
{
  guint8 locator[SIZE_LOCATOR], record[SIZE_END64];
  guint64 at;

  if (end < SIZE_LOCATOR + SIZE_END64)
    return TRUE;
  if (!read_at (self, locator, sizeof locator, end - SIZE_LOCATOR, error))
    return FALSE;
  if (get32 (locator) != SIGNATURE_LOCATOR)
    return TRUE;
  at = get64 (locator + 8);
  if (get32 (locator + 4) != 0 || get32 (locator + 16) != 1 ||
      at != end - SIZE_LOCATOR - SIZE_END64)
    return fail (error, "the archive's ZIP64 locator is wrong");
  if (!read_at (self, record, sizeof record, at, error))
    return FALSE;
  if (get32 (record) != SIGNATURE_END64 ||
      get64 (record + 4) != SIZE_END64 - 12 || get32 (record + 16) != 0 ||
      get32 (record + 20) != 0 || get64 (record + 24) != get64 (record + 32))
    return fail (error, "the archive's ZIP64 end record is wrong");
  self->count = get64 (record + 32);
  self->directory_size = get64 (record + 40);
  self->directory = get64 (record + 48);
  if ((get16 (plain + 10) != 0xffff && get16 (plain + 10) != self->count) ||
      (get32 (plain + 12) != 0xffffffff &&
          get32 (plain + 12) != self->directory_size) ||
      (get32 (plain + 16) != 0xffffffff &&
          get32 (plain + 16) != self->directory))
    return fail (error, "the archive's two end records disagree");
  if (self->directory > at || self->directory_size != at - self->directory)
    return fail (error,
        "the archive's central directory is not before its "
        "end record");
  return TRUE;
}

static gboolean
read_end (MblmZip *self, GError **error)
{
  guint8 record[SIZE_END];
  guint64 end;

  if (self->size < SIZE_END)
    return fail (error,
        "not a ZIP archive; torch.save has written such since "
        "release 1.6");
  end = self->size - SIZE_END;
  if (!read_at (self, record, sizeof record, end, error))
    return FALSE;
  if (get32 (record) != SIGNATURE_END || get16 (record + 20) != 0)
    return fail (error,
        "not a ZIP archive as torch.save has written them "
        "since release 1.6, or one that was cut short");
  if (get16 (record + 4) != 0 || get16 (record + 6) != 0 ||
      get16 (record + 8) != get16 (record + 10))
    return fail (error, "an archive in several parts");
  self->count = G_MAXUINT64;
  if (!read_end64 (self, end, record, error))
    return FALSE;
  if (self->count == G_MAXUINT64) {
    self->count = get16 (record + 10);
    self->directory_size = get32 (record + 12);
    self->directory = get32 (record + 16);
    if (self->directory > end || self->directory_size != end - self->directory)
      return fail (error,
          "the archive's central directory is not before its "
          "end record");
  }
  if (self->count > MBLM_ZIP_MAX_ENTRIES ||
      self->directory_size > MAX_DIRECTORY)
    return fail (
        error, "the archive has more than %d entries", MBLM_ZIP_MAX_ENTRIES);
  return TRUE;
}

/* The ZIP64 field among `n` bytes of extra fields. `found` is NULL where there is
 * none; FALSE where the fields do not fill the space. */
static gboolean
find_zip64 (const guint8 *extra, gsize n, const guint8 **found, gsize *found_n)
{
  *found = NULL;
  *found_n = 0;
  while (n >= 4) {
    gsize length = get16 (extra + 2);

    if (length > n - 4)
      return FALSE;
    if (get16 (extra) == EXTRA_ZIP64) {
      if (*found != NULL)
        return FALSE;
      *found = extra + 4;
      *found_n = length;
    }
    extra += 4 + length;
    n -= 4 + length;
  }
  return n == 0;
}

/* A 32-bit field whose real value may stand next in the ZIP64 field. */
static gboolean
widen (guint64 *value, const guint8 **wide, gsize *n)
{
  if (*value != 0xffffffff)
    return TRUE;
  if (*wide == NULL || *n < 8)
    return FALSE;
  *value = get64 (*wide);
  *wide += 8;
  *n -= 8;
  return TRUE;
}

/* One record of the central directory at `p`, of at most `n` bytes. */
static gboolean
parse_central (
    const guint8 *p, gsize n, Central *out, gsize *used, GError **error)
{
  gsize extra_length, comment_length;
  const guint8 *wide;
  gsize wide_n;

  if (n < SIZE_CENTRAL || get32 (p) != SIGNATURE_CENTRAL)
    return fail (error, "the archive's central directory is damaged");
  out->flags = get16 (p + 8);
  out->method = get16 (p + 10);
  out->crc = get32 (p + 16);
  out->packed = get32 (p + 20);
  out->size = get32 (p + 24);
  out->name_length = get16 (p + 28);
  extra_length = get16 (p + 30);
  comment_length = get16 (p + 32);
  out->local = get32 (p + 42);
  *used = SIZE_CENTRAL + out->name_length + extra_length + comment_length;
  if (*used > n || get16 (p + 34) != 0)
    return fail (error, "the archive's central directory is damaged");
  out->name = (const char *) p + SIZE_CENTRAL;
  if (!find_zip64 (
          p + SIZE_CENTRAL + out->name_length, extra_length, &wide, &wide_n) ||
      !widen (&out->size, &wide, &wide_n) ||
      !widen (&out->packed, &wide, &wide_n) ||
      !widen (&out->local, &wide, &wide_n))
    return fail_entry (
        out->name, out->name_length, "has damaged extra fields", error);
  return TRUE;
}

static gboolean
check_central (const Central *entry, GError **error)
{
  const char *problem = NULL;

  if (entry->name_length == 0 || entry->name_length > MBLM_ZIP_MAX_NAME ||
      memchr (entry->name, '\0', entry->name_length) != NULL ||
      !g_utf8_validate_len (entry->name, entry->name_length, NULL))
    problem = "has a name that can't be one";
  else if ((entry->flags & ~(FLAG_DESCRIPTOR | FLAG_UTF8)) != 0)
    problem = "is encrypted, or uses what torch.save does not";
  else if (entry->method != 0 || entry->packed != entry->size)
    problem = "is compressed; torch.save stores its entries";
  return problem == NULL
      ? TRUE
      : fail_entry (entry->name, entry->name_length, problem, error);
}

/* The sizes of a local header, which may have been left to the descriptor. */
static gboolean
local_sizes_agree (
    const Central *entry, const guint8 *local, const guint8 *extra, gsize n)
{
  guint32 crc = get32 (local + 14);
  guint64 packed = get32 (local + 18), size = get32 (local + 22);
  gboolean later = (entry->flags & FLAG_DESCRIPTOR) != 0;
  const guint8 *wide;
  gsize wide_n;

  if (!find_zip64 (extra, n, &wide, &wide_n))
    return FALSE;
  if (later && crc == 0 && (packed == 0 || packed == 0xffffffff) &&
      (size == 0 || size == 0xffffffff))
    return TRUE;
  return crc == entry->crc && widen (&size, &wide, &wide_n) &&
      widen (&packed, &wide, &wide_n) && size == entry->size &&
      packed == entry->packed;
}

/* Finds the descriptor behind the data, with sizes of 32 or of 64 bits; `n` gets
 * its length. */
static gboolean
check_descriptor (const MblmZip *self, const Central *entry, guint64 at,
    gsize *n, GError **error)
{
  guint8 bytes[24] = {0};
  gsize there = (gsize) MIN (sizeof bytes, self->size - at);

  if (!read_at (self, bytes, there, at, error))
    return FALSE;
  if (get32 (bytes) == SIGNATURE_DESCRIPTOR &&
      get32 (bytes + 4) == entry->crc) {
    *n = 16;
    if (get32 (bytes + 8) == entry->packed && get32 (bytes + 12) == entry->size)
      return TRUE;
    *n = 24;
    if (get64 (bytes + 8) == entry->packed && get64 (bytes + 16) == entry->size)
      return TRUE;
  }
  return fail_entry (entry->name, entry->name_length,
      "has a data descriptor that disagrees with the central directory", error);
}

/* The local header, and what follows the data. */
static gboolean
read_local (const MblmZip *self, const Central *entry, MblmZipEntry *out,
    GError **error)
{
  static const char disagrees[] =
      "has a local header that disagrees with the central directory";
  guint8 local[SIZE_LOCAL];
  g_autofree guint8 *rest = NULL;
  gsize name_length, extra_length, descriptor = 0;
  guint64 data;

  if (!read_at (self, local, sizeof local, entry->local, error))
    return FALSE;
  name_length = get16 (local + 26);
  extra_length = get16 (local + 28);
  if (get32 (local) != SIGNATURE_LOCAL || get16 (local + 6) != entry->flags ||
      get16 (local + 8) != entry->method || name_length != entry->name_length)
    return fail_entry (entry->name, entry->name_length, disagrees, error);
  rest = g_malloc (name_length + extra_length);
  if (!read_at (self, rest, name_length + extra_length,
          entry->local + SIZE_LOCAL, error))
    return FALSE;
  if (memcmp (rest, entry->name, name_length) != 0 ||
      !local_sizes_agree (entry, local, rest + name_length, extra_length))
    return fail_entry (entry->name, entry->name_length, disagrees, error);
  data = entry->local + SIZE_LOCAL + name_length + extra_length;
  if (data > self->directory || entry->size > self->directory - data)
    return fail_entry (entry->name, entry->name_length,
        "reaches beyond the archive's data", error);
  if ((entry->flags & FLAG_DESCRIPTOR) != 0 &&
      !check_descriptor (self, entry, data + entry->size, &descriptor, error))
    return FALSE;
  out->name = g_strndup (entry->name, entry->name_length);
  out->offset = data;
  out->size = entry->size;
  out->crc = entry->crc;
  out->start = entry->local;
  out->end = data + entry->size + descriptor;
  return TRUE;
}

static gint
compare_starts (gconstpointer a, gconstpointer b)
{
  const MblmZipEntry *x = a, *y = b;

  return x->start != y->start ? (x->start < y->start ? -1 : 1) : 0;
}

static gboolean
check_layout (MblmZip *self, GError **error)
{
  guint64 end = 0;

  g_array_sort (self->entries, compare_starts);
  for (guint i = 0; i < self->entries->len; i++) {
    MblmZipEntry *entry = mblm_zip_get_entry (self, i);

    if (entry->start < end || entry->end > self->directory)
      return fail_entry (
          entry->name, strlen (entry->name), "overlaps another one", error);
    end = entry->end;
    if (!g_hash_table_insert (
            self->by_name, entry->name, GUINT_TO_POINTER (i + 1)))
      return fail_entry (
          entry->name, strlen (entry->name), "is there twice", error);
  }
  return TRUE;
}

static gboolean
read_directory (MblmZip *self, GError **error)
{
  g_autofree guint8 *bytes = NULL;
  gsize at = 0, n = (gsize) self->directory_size;

  bytes = g_malloc (MAX (n, 1));
  if (!read_at (self, bytes, n, self->directory, error))
    return FALSE;
  for (guint64 i = 0; i < self->count; i++) {
    Central central = {0};
    MblmZipEntry entry = {0};
    gsize used = 0;

    if (!parse_central (bytes + at, n - at, &central, &used, error) ||
        !check_central (&central, error) ||
        !read_local (self, &central, &entry, error))
      return FALSE;
    g_array_append_val (self->entries, entry);
    at += used;
  }
  if (at != n)
    return fail (error, "the archive's central directory is damaged");
  return check_layout (self, error);
}

MblmZip *
mblm_zip_open (int fd, guint64 size, GError **error)
{
  g_autoptr (MblmZip) self = g_new0 (MblmZip, 1);

  self->fd = fd;
  self->size = size;
  self->entries = g_array_new (FALSE, FALSE, sizeof (MblmZipEntry));
  g_array_set_clear_func (self->entries, clear_entry);
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  if (!read_end (self, error) || !read_directory (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

guint
mblm_zip_get_n_entries (MblmZip *self)
{
  return self->entries->len;
}

MblmZipEntry *
mblm_zip_get_entry (MblmZip *self, guint i)
{
  g_return_val_if_fail (i < self->entries->len, NULL);
  return &g_array_index (self->entries, MblmZipEntry, i);
}

MblmZipEntry *
mblm_zip_lookup (MblmZip *self, const char *name)
{
  guint position = GPOINTER_TO_UINT (g_hash_table_lookup (self->by_name, name));

  return position > 0 ? mblm_zip_get_entry (self, position - 1) : NULL;
}

gboolean
mblm_zip_read (MblmZip *self, MblmZipEntry *entry, guint64 first, guint64 n,
    MblmZipPiece piece, gpointer user_data, GError **error)
{
  const gsize block_size = 1 << 20;
  g_autofree guint8 *block = NULL;
  guint32 crc = 0;
  gboolean whole = first == 0 && n == entry->size;

  g_return_val_if_fail (
      first <= entry->size && n <= entry->size - first, FALSE);
  block = g_malloc (MIN (block_size, MAX (n, 1)));
  for (guint64 at = 0; at < n;) {
    gsize now = (gsize) MIN (n - at, block_size);

    if (!read_at (self, block, now, entry->offset + first + at, error) ||
        (piece != NULL && !piece (block, now, user_data, error)))
      return FALSE;
    if (whole)
      crc = mblm_crc32 (crc, block, now);
    at += now;
  }
  if (whole && crc != entry->crc)
    return fail_entry (entry->name, strlen (entry->name),
        "is damaged: its checksum does not match", error);
  entry->checked |= whole;
  return TRUE;
}
