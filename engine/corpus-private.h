/* corpus-private.h: what the files of MblmCorpus share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "corpus.h"

G_BEGIN_DECLS

/* What an archive is, by its name. */
typedef enum {
  MBLM_ARCHIVE_NONE,
  MBLM_ARCHIVE_TAR,
  MBLM_ARCHIVE_ZIP,
  MBLM_ARCHIVE_7Z,
  MBLM_ARCHIVE_CPIO,
  MBLM_ARCHIVE_FILE, /* one file, compressed */
} MblmArchiveKind;

/* Names of members are as the locale lets them be read: for messages alone. The
 * order follows from the path of what lies on the disk, and the member's number. */
typedef struct {
  char *name;        /* a path; for a member that of the archive and its own */
  gsize path_length; /* bytes of `name` that are the path */
  guint64 number;    /* of a member in its archive */
  gboolean unpacked; /* in the temporary file; else in the file of this name */
  guint64 offset;    /* of its first byte there */
  guint64 size;
} MblmCorpusFile;

struct _MblmCorpus {
  MblmCorpusOptions options;
  GArray *files;    /* MblmCorpusFile */
  gsize name_bytes; /* of all names */
  GHashTable *seen; /* folders that were read: "device:inode" */

  int unpacked;          /* temporary file, -1: none yet */
  guint64 unpacked_size; /* bytes in it */
  guint64 room;          /* bytes that may be in it */
  gboolean no_room;      /* there was none, which is no fault of an archive's */

  int open; /* the plain file read last, -1: none */
  guint open_file;
};

/* Takes the name of `file`. Error: too many. */
gboolean mblm_corpus_append (
    MblmCorpus *self, const MblmCorpusFile *file, GError **error);
/* As mblm_corpus_is_archive. */
MblmArchiveKind mblm_archive_get_kind (const char *name, gsize *stem);
/* Removes the files from `n` on, and what was unpacked beyond `size` bytes. */
void mblm_corpus_truncate (MblmCorpus *self, guint n, guint64 size);
/* corpus-archive.c: adds the members of an archive. On error some may be there. */
gboolean mblm_corpus_add_archive (
    MblmCorpus *self, const char *path, GError **error);

G_END_DECLS
