/* corpus.h: the bytes of many files, wherever they lie.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A corpus is an index of files and of the members of archives, in the order of
 * their paths and, in an archive, of the archive; the bytes stay on disk. Plain
 * files are opened when they are read. Compressed archives can't be sought in, so
 * they are unpacked once, to a file without a name. Nothing is ever written under a
 * name that an archive gives.
 * One thread at a time. Private to the engine.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Files and members at most, and the bytes of all their names: an archive says
 * what it likes. */
#define MBLM_CORPUS_MAX_FILES (1u << 22)
#define MBLM_CORPUS_MAX_NAMES ((gsize) 1 << 28)
/* Bytes that archives may unpack to where the caller says nothing. */
#define MBLM_CORPUS_MAX_UNPACKED ((guint64) 1 << 36)

typedef struct {
  gboolean unpack;          /* archives are containers, not files of bytes */
  gboolean skip_unreadable; /* a warning instead of an error */
  guint64 max_unpacked;
  gboolean bound_by_room; /* nor more than is free */
} MblmCorpusOptions;

typedef struct _MblmCorpus MblmCorpus;

MblmCorpus *mblm_corpus_new (const MblmCorpusOptions *options);
void mblm_corpus_free (MblmCorpus *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmCorpus, mblm_corpus_free)

/* Adds what `path` is: a file, an archive, or all that a folder holds, its
 * sub-folders included. Symbolic links are followed, each folder is read once;
 * devices, pipes, empty files and names that begin with a dot are left out.
 * Errors: NOT_FOUND, INPUT, G_FILE_ERROR. */
gboolean mblm_corpus_add (MblmCorpus *self, const char *path, GError **error);
/* Sorts and fixes the order. To be called once, after the last add. */
void mblm_corpus_sort (MblmCorpus *self);

/* Whether a file at `path`, absolute and without links, would have been added; it
 * need not be there. */
gboolean mblm_corpus_covers (MblmCorpus *self, const char *path);

guint mblm_corpus_get_n_files (MblmCorpus *self);
/* Bytes, at least 1. */
guint64 mblm_corpus_get_size (MblmCorpus *self, guint file);
/* Bytes of all files. */
guint64 mblm_corpus_get_total (MblmCorpus *self);
/* Adds the paths of all files, as they are below `dir`, which may have been moved,
 * the numbers of members in their archives and the sizes. */
void mblm_corpus_describe (MblmCorpus *self, const char *dir, GChecksum *sum);
/* Keeps the bytes [from, to) of all of them in a row: files that are not whole
 * become shorter, and the others go. */
void mblm_corpus_keep (MblmCorpus *self, guint64 from, guint64 to);

/* n bytes of a file from `offset` up. Error: one that names the file, which has
 * vanished or become shorter. */
gboolean mblm_corpus_read (MblmCorpus *self, guint file, guint64 offset,
    guint8 *out, gsize n, GError **error);

/* Whether a name, or the last part of a path, ends as those of archives do
 * (".tar.xz"); then `stem`, where not NULL, gets its length without that ending. */
gboolean mblm_corpus_is_archive (const char *name, gsize *stem);

G_END_DECLS
