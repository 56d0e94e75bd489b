/* corpus.c: the bytes of many files, wherever they lie.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "corpus-private.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mblm-error.h"
#include "message.h"
#include "read-file.h"

static void
clear_file (gpointer file)
{
  g_free (((MblmCorpusFile *) file)->name);
}

MblmCorpus *
mblm_corpus_new (const MblmCorpusOptions *options)
{
  MblmCorpus *self = g_new0 (MblmCorpus, 1);

  self->options = *options;
  self->files = g_array_new (FALSE, FALSE, sizeof (MblmCorpusFile));
  g_array_set_clear_func (self->files, clear_file);
  self->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->unpacked = -1;
  self->open = -1;
  return self;
}

void
mblm_corpus_free (MblmCorpus *self)
{
  if (self->unpacked >= 0)
    close (self->unpacked);
  if (self->open >= 0)
    close (self->open);
  g_array_unref (self->files);
  g_hash_table_unref (self->seen);
  g_free (self);
}

static MblmCorpusFile *
get_file (MblmCorpus *self, guint file)
{
  return &g_array_index (self->files, MblmCorpusFile, file);
}

gboolean
mblm_corpus_append (
    MblmCorpus *self, const MblmCorpusFile *file, GError **error)
{
  self->name_bytes += strlen (file->name) + 1;
  g_array_append_vals (self->files, file, 1);
  if (self->files->len <= MBLM_CORPUS_MAX_FILES &&
      self->name_bytes <= MBLM_CORPUS_MAX_NAMES)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: more than %u files, or than %" G_GSIZE_FORMAT
      " bytes of names, with those before it; put the data into fewer files",
      file->name, MBLM_CORPUS_MAX_FILES, MBLM_CORPUS_MAX_NAMES);
  return FALSE;
}

void
mblm_corpus_truncate (MblmCorpus *self, guint n, guint64 size)
{
  for (guint i = n; i < self->files->len; i++)
    self->name_bytes -= strlen (get_file (self, i)->name) + 1;
  g_array_set_size (self->files, n);
  if (self->unpacked >= 0 && ftruncate (self->unpacked, (off_t) size) == 0)
    self->unpacked_size = size;
}

MblmArchiveKind
mblm_archive_get_kind (const char *name, gsize *stem)
{
  static const struct {
    const char *ending;
    MblmArchiveKind kind;
  } endings[] = {{".tar", MBLM_ARCHIVE_TAR}, {".tar.gz", MBLM_ARCHIVE_TAR},
      {".tgz", MBLM_ARCHIVE_TAR}, {".tar.xz", MBLM_ARCHIVE_TAR},
      {".txz", MBLM_ARCHIVE_TAR}, {".tar.bz2", MBLM_ARCHIVE_TAR},
      {".tbz2", MBLM_ARCHIVE_TAR}, {".tar.zst", MBLM_ARCHIVE_TAR},
      {".tzst", MBLM_ARCHIVE_TAR}, {".zip", MBLM_ARCHIVE_ZIP},
      {".7z", MBLM_ARCHIVE_7Z}, {".cpio", MBLM_ARCHIVE_CPIO},
      {".gz", MBLM_ARCHIVE_FILE}, {".xz", MBLM_ARCHIVE_FILE},
      {".bz2", MBLM_ARCHIVE_FILE}, {".zst", MBLM_ARCHIVE_FILE}};
  const char *slash = strrchr (name, '/');
  const char *base = slash != NULL ? slash + 1 : name;
  gsize length = strlen (base);

  for (guint i = 0; i < G_N_ELEMENTS (endings); i++) {
    const char *ending = endings[i].ending;
    gsize n = strlen (ending);

    if (length <= n || g_ascii_strcasecmp (base + length - n, ending) != 0)
      continue;
    if (stem)
      *stem = strlen (name) - n;
    return endings[i].kind;
  }
  return MBLM_ARCHIVE_NONE;
}

gboolean
mblm_corpus_is_archive (const char *name, gsize *stem)
{
  return mblm_archive_get_kind (name, stem) != MBLM_ARCHIVE_NONE;
}

/* ------------------------------------------------------------------------- */
/* Collecting                                                                */
/* ------------------------------------------------------------------------- */

/* An error about a file that may be left out: a warning then, and TRUE. */
static gboolean
may_skip (MblmCorpus *self, GError *problem, GError **error)
{
  if (self->options.skip_unreadable) {
    g_warning ("%s; it is left out", problem->message);
    g_error_free (problem);
    return TRUE;
  }
  g_propagate_error (error, problem);
  return FALSE;
}

static gboolean
add_file (MblmCorpus *self, const char *path, GError **error)
{
  GError *problem = NULL;
  guint64 size;

  if (self->options.unpack && mblm_corpus_is_archive (path, NULL)) {
    guint n = self->files->len;
    guint64 unpacked = self->unpacked_size;

    if (mblm_corpus_add_archive (self, path, &problem))
      return TRUE;
    mblm_corpus_truncate (self, n, unpacked);
    if (!self->no_room)
      return may_skip (self, problem, error);
    g_propagate_error (error, problem);
    return FALSE;
  }

  int fd = mblm_open_file (path, &size, &problem);
  if (fd < 0)
    return may_skip (self, problem, error);
  close (fd);

  const MblmCorpusFile file = {
      .name = g_strdup (path), .path_length = strlen (path), .size = size};
  if (size > 0)
    return mblm_corpus_append (self, &file, error);
  g_free (file.name);
  return TRUE;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static char *
identify (const struct stat *status)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
      (guint64) status->st_dev, (guint64) status->st_ino);
}

/* FALSE where this folder was read already: a link leads back to it. */
static gboolean
is_new_folder (MblmCorpus *self, const struct stat *status)
{
  return g_hash_table_add (self->seen, identify (status));
}

static gboolean
was_read (MblmCorpus *self, const char *folder)
{
  struct stat status;
  g_autofree char *id = stat (folder, &status) == 0 ? identify (&status) : NULL;

  return id != NULL && g_hash_table_contains (self->seen, id);
}

gboolean
mblm_corpus_covers (MblmCorpus *self, const char *path)
{
  g_autofree char *at = g_strdup (path);

  while (!was_read (self, at)) {
    g_autofree char *name = g_path_get_basename (at);
    char *parent = g_path_get_dirname (at);

    g_free (at);
    at = parent;
    if (name[0] == '.' || name[0] == '/')
      return FALSE;
  }
  return TRUE;
}

static GError *
unlistable (const char *path, int code)
{
  return g_error_new (G_FILE_ERROR, g_file_error_from_errno (code),
      "%s: can't read the folder: %s", path, g_strerror (code));
}

/* Adds the paths of what is in a folder to `paths`. */
static gboolean
list_folder (MblmCorpus *self, const char *path, GQueue *paths, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  DIR *folder = opendir (path);
  struct dirent *entry;

  if (folder == NULL)
    return may_skip (self, unlistable (path, errno), error);
  while ((errno = 0, entry = readdir (folder)) != NULL)
    if (entry->d_name[0] != '.')
      g_ptr_array_add (names, g_build_filename (path, entry->d_name, NULL));
  int code = errno;
  closedir (folder);
  if (code != 0)
    return may_skip (self, unlistable (path, code), error);

  /* Which of two links to one folder counts must not depend on the disk. */
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    g_queue_push_tail (paths, g_steal_pointer (&names->pdata[i]));
  return TRUE;
}

static gboolean
add_path (MblmCorpus *self, const char *path, GQueue *paths, GError **error)
{
  struct stat status;

  if (stat (path, &status) != 0) {
    int code = errno;
    return may_skip (self,
        code == ENOENT
            ? g_error_new (MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
                  "%s: there is no such file", path)
            : g_error_new (G_FILE_ERROR, g_file_error_from_errno (code),
                  "%s: can't examine it: %s", path, g_strerror (code)),
        error);
  }
  if (S_ISDIR (status.st_mode))
    return !is_new_folder (self, &status) ||
        list_folder (self, path, paths, error);
  return !S_ISREG (status.st_mode) || add_file (self, path, error);
}

gboolean
mblm_corpus_add (MblmCorpus *self, const char *path, GError **error)
{
  GQueue paths = G_QUEUE_INIT;
  gboolean good = TRUE;

  g_queue_push_tail (&paths, g_strdup (path));
  while (good && !g_queue_is_empty (&paths)) {
    g_autofree char *next = g_queue_pop_head (&paths);
    good = add_path (self, next, &paths, error);
  }
  g_queue_clear_full (&paths, g_free);
  return good;
}

/* By path; members of one archive as they come in it. */
static gint
compare_files (gconstpointer a, gconstpointer b)
{
  const MblmCorpusFile *x = a, *y = b;
  int order = memcmp (x->name, y->name, MIN (x->path_length, y->path_length));

  if (order != 0)
    return order;
  if (x->path_length != y->path_length)
    return x->path_length < y->path_length ? -1 : 1;
  return x->number < y->number ? -1 : x->number > y->number;
}

void
mblm_corpus_sort (MblmCorpus *self)
{
  g_array_sort (self->files, compare_files);
}

/* ------------------------------------------------------------------------- */
/* Using                                                                     */
/* ------------------------------------------------------------------------- */

guint
mblm_corpus_get_n_files (MblmCorpus *self)
{
  return self->files->len;
}

guint64
mblm_corpus_get_size (MblmCorpus *self, guint file)
{
  return get_file (self, file)->size;
}

guint64
mblm_corpus_get_total (MblmCorpus *self)
{
  guint64 total = 0;

  for (guint i = 0; i < self->files->len; i++)
    total += get_file (self, i)->size;
  return total;
}

void
mblm_corpus_describe (MblmCorpus *self, const char *dir, GChecksum *sum)
{
  gsize n = strlen (dir);

  for (guint i = 0; i < self->files->len; i++) {
    const MblmCorpusFile *file = get_file (self, i);
    gsize start = strncmp (file->name, dir, n) == 0 ? n : 0;
    g_autofree char *numbers = g_strdup_printf (
        "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, file->number, file->size);

    while (start < file->path_length && file->name[start] == '/')
      start++;
    g_checksum_update (sum, (const guchar *) file->name + start,
        (gssize) (file->path_length - start));
    /* with a NUL on both sides no two lists give the same bytes */
    g_checksum_update (sum, (const guchar *) "", 1);
    g_checksum_update (
        sum, (const guchar *) numbers, (gssize) strlen (numbers) + 1);
  }
}

void
mblm_corpus_keep (MblmCorpus *self, guint64 from, guint64 to)
{
  g_autoptr (GArray) all = g_steal_pointer (&self->files);
  guint64 start = 0;

  self->files = g_array_new (FALSE, FALSE, sizeof (MblmCorpusFile));
  g_array_set_clear_func (self->files, clear_file);
  for (guint i = 0; i < all->len; i++) {
    MblmCorpusFile *file = &g_array_index (all, MblmCorpusFile, i);
    guint64 first = MAX (from, start), end = MIN (to, start + file->size);

    if (first < end) {
      MblmCorpusFile part = *file;

      file->name = NULL;
      part.offset += first - start;
      part.size = end - first;
      g_array_append_val (self->files, part);
    }
    start += file->size;
  }
}

static gboolean
open_plain (MblmCorpus *self, guint file, GError **error)
{
  guint64 size;

  if (self->open >= 0 && self->open_file == file)
    return TRUE;
  if (self->open >= 0)
    close (self->open);
  self->open = mblm_open_file (get_file (self, file)->name, &size, error);
  self->open_file = file;
  return self->open >= 0;
}

gboolean
mblm_corpus_read (MblmCorpus *self, guint file, guint64 offset, guint8 *out,
    gsize n, GError **error)
{
  const MblmCorpusFile *from = get_file (self, file);

  if (!from->unpacked && !open_plain (self, file, error))
    return FALSE;
  if (mblm_read_at (from->unpacked ? self->unpacked : self->open, out, n,
          from->offset + offset))
    return TRUE;

  int code = errno;
  g_autofree char *name = mblm_quote (from->name, -1);
  if (code != 0)
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code),
        "%s: can't read it: %s", name, g_strerror (code));
  else
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: became shorter after the data set was opened (there are no "
        "%" G_GSIZE_FORMAT " bytes at %" G_GUINT64_FORMAT
        "); put it back, or start anew",
        name, n, from->offset + offset);
  return FALSE;
}
