/* dataset-qa.c: questions about pictures of one's own.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A folder with train.jsonl, valid.jsonl and test.jsonl: an object a line with
 * `image` (a path from that folder), `question` and `answer`. A line without a
 * question is a caption. qa-sample.c lays a sample out.
 */

#include "config.h"

#include "dataset-private.h"

#include "mblm-error.h"
#include "mblm-picture.h"
#include "qa-sample.h"
#include "questions.h"

typedef struct {
  MblmDataset parent;
  MblmQuestions *questions;
  const MblmImageLayout *layout; /* NULL: no pictures */
  double share;                  /* weight of what is not the answer */
} QaDataset;

static void
qa_free (MblmDataset *dataset)
{
  QaDataset *self = (QaDataset *) dataset;

  g_clear_pointer (&self->questions, mblm_questions_free);
  g_free (self);
}

static guint64
qa_count (MblmDataset *dataset, guint64 epoch)
{
  return mblm_questions_count (((QaDataset *) dataset)->questions);
}

static void
qa_describe (MblmDataset *dataset, GChecksum *sum)
{
  mblm_questions_describe (((QaDataset *) dataset)->questions, sum);
}

static gboolean
read_options (
    QaDataset *self, const MblmDatasetOptions *options, GError **error)
{
  static const char *const known[] = {"loss_share", NULL};

  return mblm_args_check_known (options->args, known, error) &&
      mblm_args_get_number (
          options->args, "loss_share", 0.0, 1.0, &self->share, error) &&
      mblm_qa_find_layout (options, &self->layout, error);
}

static MblmQuestions *
open_questions (const MblmDatasetOptions *options, GError **error)
{
  g_autofree char *path = mblm_qa_find_file (options->dir, options->split);

  if (path != NULL)
    return mblm_questions_open (
        &(MblmQuestionsOptions){.path = path,
            .image = "image",
            .folder = options->dir,
            .skip_unreadable = options->skip_unreadable},
        error);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
      "%s: there is no %s.jsonl; write one, a JSON object with image, question "
      "and answer a line",
      options->dir, mblm_split_get_name (options->split));
  return NULL;
}

static MblmDataset *
qa_open (const MblmDatasetOptions *options, GError **error)
{
  QaDataset *self = g_new0 (QaDataset, 1);

  if (read_options (self, options, error) &&
      (self->questions = open_questions (options, error)) != NULL)
    return &self->parent;
  qa_free (&self->parent);
  return NULL;
}

/* ------------------------------------------------------------------------- */
/* Reading                                                                   */
/* ------------------------------------------------------------------------- */

/* Gives the bytes of the picture, NULL for a model that sees none. */
static gboolean
load (QaDataset *self, guint index, MblmQuestion *question, GBytes **bytes,
    GError **error)
{
  g_autofree char *where = mblm_questions_where (self->questions, index);

  *bytes = NULL;
  if (!mblm_questions_read (self->questions, index, question, error))
    return FALSE;
  if (!question->answer || (self->layout && !question->image)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: has no \"%s\"; every line needs one", where,
        question->answer ? "image" : "answer");
    return FALSE;
  }
  if (!self->layout)
    return TRUE;

  g_autoptr (MblmPicture) picture = mblm_picture_load (question->image, error);
  if (picture)
    *bytes = mblm_picture_to_bytes (picture, self->layout, error);
  if (*bytes == NULL)
    g_prefix_error (error, "%s: ", where);
  return *bytes != NULL;
}

static gboolean
qa_read (MblmDataset *dataset, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  QaDataset *self = (QaDataset *) dataset;
  g_auto (MblmQuestion) question = {NULL};
  g_autoptr (GBytes) picture = NULL;
  g_auto (MblmQaWriter) writer = {NULL};

  if (!load (self, (guint) index, &question, &picture, error))
    return FALSE;
  mblm_qa_writer_init (&writer, &dataset->options, sample, self->share);
  gboolean fits = mblm_qa_write (
      &writer, picture, question.question, question.answer);
  mblm_qa_writer_end (&writer);
  if (fits)
    return TRUE;
  g_autofree char *where = mblm_questions_where (
      self->questions, (guint) index);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: takes %" G_GUINT64_FORMAT " ids, more than the %" G_GSIZE_FORMAT
      " of input_seq_len; raise that, or make its texts shorter",
      where, writer.at, dataset->options.length);
  return FALSE;
}

const MblmDatasetClass mblm_dataset_qa_class = {
    .abi = MBLM_DATASET_ABI,
    .id = "qa",
    .open = qa_open,
    .free = qa_free,
    .count = qa_count,
    .read = qa_read,
    .describe = qa_describe,
};
