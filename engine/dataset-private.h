/* dataset-private.h: what the classes of data sets share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "corpus.h"
#include "dataset.h"

G_BEGIN_DECLS

/* ---- Built-in classes ---------------------------------------------------- */

extern const MblmDatasetClass mblm_dataset_clevr_class;
extern const MblmDatasetClass mblm_dataset_files_class;
extern const MblmDatasetClass mblm_dataset_masked_pg19_class;
extern const MblmDatasetClass mblm_dataset_pg19_class;
extern const MblmDatasetClass mblm_dataset_pg19masked_class;
extern const MblmDatasetClass mblm_dataset_qa_class;
extern const MblmDatasetClass mblm_dataset_scenes_class;

/* "train", "valid", "test". */
const char *mblm_split_get_name (MblmSplit split);

/* ---- dataset-text.c: files as one long row of ids ------------------------- */

/* All files of a split, one after the other. Where mblm.json has the tokens
 * `text` and `end`, each file is a segment between these. */
typedef struct {
  MblmCorpus *corpus;
  gint32 start_token, end_token; /* -1: none */
  gsize length;                  /* ids of a sample */
  guint n_files;
  guint64
      *starts; /* [n_files + 1]: the first id of each, and how many in all */
} MblmTextRow;

/* Takes the corpus, sorted. `where` is for messages. Error: INPUT where there is
 * not one sample. */
gboolean mblm_text_row_init (MblmTextRow *self, MblmCorpus *corpus,
    const MblmDatasetOptions *options, const char *where, GError **error);
void mblm_text_row_clear (MblmTextRow *self);
void mblm_text_row_describe (
    const MblmTextRow *self, const char *dir, GChecksum *sum);
guint64 mblm_text_row_count (const MblmTextRow *self, guint64 epoch);
/* Fills ids [length]. */
gboolean mblm_text_row_read (const MblmTextRow *self, guint64 epoch,
    guint64 index, gint32 *ids, GError **error);

/* The path of FOLDER/NAME or, where `unpack`, of an archive of that name with an
 * ending, for the first of the NULL-terminated names that is there; or NULL. */
char *mblm_text_find_split (
    const char *folder, const char *const *names, gboolean unpack);
/* What lies there, sorted. */
MblmCorpus *mblm_text_open (
    const char *path, const MblmCorpusOptions *options, GError **error);
/* The corpus of a split in the layout of PG-19, sorted. */
MblmCorpus *mblm_text_open_pg19 (
    const MblmDatasetOptions *options, GError **error);

G_END_DECLS
