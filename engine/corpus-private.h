/* corpus-private.h: what the files of MblmCorpus share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "corpus.h"

G_BEGIN_DECLS

typedef struct {
  char *name;
  gboolean unpacked; /* in the temporary file; else in the file of this name */
  guint64 offset;    /* of its first byte there */
  guint64 size;
} MblmCorpusFile;

struct _MblmCorpus {
  MblmCorpusOptions options;
  GArray *files;    /* MblmCorpusFile */
  gsize name_bytes; /* of all names */
  GHashTable *seen; /* folders: (device, inode) */

  int unpacked;          /* temporary file, -1: none yet */
  guint64 unpacked_size; /* bytes in it */

  int open; /* the plain file read last, -1: none */
  guint open_file;
};

/* Takes `name`. Error: too many. */
gboolean mblm_corpus_append (MblmCorpus *self, char *name, gboolean unpacked,
    guint64 offset, guint64 size, GError **error);
/* Removes the files from `n` on, and what was unpacked beyond `size` bytes. */
void mblm_corpus_truncate (MblmCorpus *self, guint n, guint64 size);
/* corpus-archive.c: adds the members of an archive. On error some may be there. */
gboolean mblm_corpus_add_archive (
    MblmCorpus *self, const char *path, GError **error);

G_END_DECLS
