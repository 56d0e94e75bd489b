/* dataset-text.c: files as one long row of ids.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * mblm-math section 2.12: all files of a split in a row; sample i of epoch e begins
 * at i * L + e mod L, so that in L epochs every place is the first of a sample
 * once; the last short piece is dropped.
 */

#include "config.h"

#include "dataset-private.h"

#include <string.h>

#include "mblm-error.h"

gboolean
mblm_text_row_init (MblmTextRow *self, MblmCorpus *corpus,
    const MblmDatasetOptions *options, const char *where, GError **error)
{
  gint start = mblm_info_get_token (options->info, MBLM_TOKEN_TEXT);
  gint end = mblm_info_get_token (options->info, MBLM_TOKEN_END);
  gboolean segments = start >= 0 && end >= 0;
  guint64 at = 0;

  self->corpus = corpus;
  self->start_token = segments ? start : -1;
  self->end_token = segments ? end : -1;
  self->length = options->length;
  self->n_files = mblm_corpus_get_n_files (corpus);
  self->starts = g_new (guint64, (gsize) self->n_files + 1);
  for (guint i = 0; i < self->n_files; i++) {
    self->starts[i] = at;
    at += mblm_corpus_get_size (corpus, i) + (segments ? 2 : 0);
  }
  self->starts[self->n_files] = at;
  if (at >= self->length)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: %u files that make %" G_GUINT64_FORMAT " ids for %s, less than one "
      "sample of %" G_GSIZE_FORMAT "; add files, or make input_seq_len less",
      where, self->n_files, at, mblm_split_get_name (options->split),
      self->length);
  return FALSE;
}

void
mblm_text_row_clear (MblmTextRow *self)
{
  g_clear_pointer (&self->corpus, mblm_corpus_free);
  g_clear_pointer (&self->starts, g_free);
}

void
mblm_text_row_describe (
    const MblmTextRow *self, const char *dir, GChecksum *sum)
{
  mblm_corpus_describe (self->corpus, dir, sum);
}

/* Where an epoch begins. In a row so short that an epoch would have no sample, it
 * moves on only as far as one is left. */
static guint64
epoch_offset (const MblmTextRow *self, guint64 epoch)
{
  guint64 places = self->starts[self->n_files] - self->length + 1;

  return epoch % MIN ((guint64) self->length, places);
}

guint64
mblm_text_row_count (const MblmTextRow *self, guint64 epoch)
{
  return (self->starts[self->n_files] - epoch_offset (self, epoch)) /
      self->length;
}

/* The file that holds the id at `at`. */
static guint
find_file (const MblmTextRow *self, guint64 at)
{
  guint low = 0, high = self->n_files - 1;

  while (low < high) {
    guint middle = low + (high - low + 1) / 2;

    if (self->starts[middle] <= at)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

/* n bytes of a file as ids. They are read into the end of where the ids go and
 * spread from the front: id k covers bytes 4k to 4k + 3, and byte k + 1 lies at
 * 3n + k + 1, behind them. */
static gboolean
read_bytes (const MblmTextRow *self, guint file, guint64 offset, gint32 *ids,
    gsize n, GError **error)
{
  guint8 *bytes = (guint8 *) ids + 3 * n;

  if (!mblm_corpus_read (self->corpus, file, offset, bytes, n, error))
    return FALSE;
  for (gsize k = 0; k < n; k++) {
    guint8 byte = bytes[k];
    ids[k] = byte;
  }
  return TRUE;
}

gboolean
mblm_text_row_read (const MblmTextRow *self, guint64 epoch, guint64 index,
    gint32 *ids, GError **error)
{
  guint64 at = index * self->length + epoch_offset (self, epoch);
  guint before = self->start_token >= 0 ? 1 : 0;
  gsize done = 0;

  for (guint file = find_file (self, at); done < self->length; file++) {
    guint64 size = mblm_corpus_get_size (self->corpus, file);
    guint64 place = at - self->starts[file];

    if (before > 0 && place == 0) {
      ids[done++] = self->start_token;
      place++;
    }
    if (done < self->length && place < before + size) {
      gsize n = (gsize) MIN (before + size - place, self->length - done);

      if (!read_bytes (self, file, place - before, ids + done, n, error))
        return FALSE;
      done += n;
      place += n;
    }
    if (done < self->length && before > 0 && place == before + size)
      ids[done++] = self->end_token;
    at = self->starts[file + 1];
  }
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Splits                                                                    */
/* ------------------------------------------------------------------------- */

/* The path of the archive NAME.ENDING in a folder, the first by name; or NULL. */
static char *
find_archive (const char *folder, const char *name)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autofree char *found = NULL;
  gsize length = strlen (name), stem;
  const char *entry;

  while (dir && (entry = g_dir_read_name (dir)) != NULL)
    if (mblm_corpus_is_archive (entry, &stem) && stem == length &&
        strncmp (entry, name, stem) == 0 &&
        (!found || strcmp (entry, found) < 0)) {
      g_free (found);
      found = g_strdup (entry);
    }
  return found ? g_build_filename (folder, found, NULL) : NULL;
}

char *
mblm_text_find_split (
    const char *folder, const char *const *names, gboolean unpack)
{
  for (guint i = 0; names[i]; i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);
    char *archive;

    if (g_file_test (path, G_FILE_TEST_IS_DIR))
      return g_steal_pointer (&path);
    archive = unpack ? find_archive (folder, names[i]) : NULL;
    if (archive)
      return archive;
  }
  return NULL;
}

MblmCorpus *
mblm_text_open (
    const char *path, const MblmCorpusOptions *options, GError **error)
{
  g_autoptr (MblmCorpus) corpus = mblm_corpus_new (options);

  if (!mblm_corpus_add (corpus, path, error))
    return NULL;
  mblm_corpus_sort (corpus);
  return g_steal_pointer (&corpus);
}
