/* qa-sample.h: question, picture and answer as a sample to train on.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A sample is what mblm-asker.c feeds when it asks, down to the id, and then the
 * answer with its `end`: mblm.json lays it out. The loss counts the answers, and
 * a share of what is not an answer; padding never. Private to the engine.
 */

#pragma once

#include "dataset.h"

G_BEGIN_DECLS

/* What mblm.json must say for it: the task qa, an answer in the sample, and
 * `image` where there is a picture. Gives the layout of pictures, NULL for a model
 * that sees none. Error: MBLM_ERROR_CONFIG. */
gboolean mblm_qa_find_layout (const MblmDatasetOptions *options,
    const MblmImageLayout **layout, GError **error);

/* The file of a split in a folder as the data set qa has it, under the first of its
 * names that is there; NULL: none is. */
char *mblm_qa_find_file (const char *folder, MblmSplit split);

/* A sample that is being written. */
typedef struct {
  const MblmDatasetOptions *options;
  MblmTrainingSample *sample;
  float share;      /* weight of what is not the answer */
  GArray *ids;      /* gint32, of one segment */
  guint64 at;       /* where the next segment goes */
  guint64 reserved; /* ids at the end of the sample that are kept free */
} MblmQaWriter;

void mblm_qa_writer_init (MblmQaWriter *self, const MblmDatasetOptions *options,
    MblmTrainingSample *sample, double share);
void mblm_qa_writer_clear (MblmQaWriter *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MblmQaWriter, mblm_qa_writer_clear)

/* The whole sample. `picture` is NULL for a model that sees none; without a
 * question (NULL or "") the answer is a caption. FALSE where it has no room, what is
 * reserved counted; `at` says how much it takes. */
gboolean mblm_qa_write (MblmQaWriter *self, GBytes *picture,
    const char *question, const char *answer);
/* Another question about the same picture: the segments behind it once more. FALSE
 * where the rest of the sample is too short; then nothing was written. */
gboolean mblm_qa_write_more (
    MblmQaWriter *self, const char *question, const char *answer);
/* Keeps room for one more, a caption that is to come last; NULL: for none. */
void mblm_qa_reserve_caption (MblmQaWriter *self, const char *caption);
/* Pads what is left. */
void mblm_qa_writer_end (MblmQaWriter *self);

G_END_DECLS
