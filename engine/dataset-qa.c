/* dataset-qa.c: questions about pictures of one's own.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A folder with train.jsonl, valid.jsonl and test.jsonl: an object a line with
 * `image` (a path from that folder), `question` and `answer`. A sample is what
 * mblm-asker.c feeds when it asks, down to the id, and then the answer with its
 * `end`: mblm.json lays it out. A line without a question is a caption.
 */

#include "config.h"

#include "dataset-private.h"

#include <string.h>

#include "mblm-error.h"
#include "mblm-picture.h"
#include "mblm-sample.h"
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
has_segment (MblmInfo *info, MblmSegment segment)
{
  guint n;
  const MblmSegment *sample = mblm_info_get_sample (info, &n);

  for (guint i = 0; i < n; i++)
    if (sample[i] == segment)
      return TRUE;
  return FALSE;
}

static gboolean
read_options (
    QaDataset *self, const MblmDatasetOptions *options, GError **error)
{
  static const char *const known[] = {"loss_share", NULL};

  if (!mblm_args_check_known (options->args, known, error) ||
      !mblm_args_get_number (
          options->args, "loss_share", 0.0, 1.0, &self->share, error))
    return FALSE;
  if (has_segment (options->info, MBLM_SEGMENT_IMAGE))
    self->layout = mblm_info_get_image (options->info);
  if (mblm_info_get_task (options->info) == MBLM_TASK_QA &&
      has_segment (options->info, MBLM_SEGMENT_ANSWER) &&
      (self->layout || !has_segment (options->info, MBLM_SEGMENT_IMAGE)))
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "dataset_id: qa needs an mblm.json of the task \"qa\" whose \"sample\" "
      "has "
      "an answer, and \"image\" where it has a picture");
  return FALSE;
}

static MblmQuestions *
open_questions (const MblmDatasetOptions *options, GError **error)
{
  static const char *const names[][3] = {
      [MBLM_SPLIT_TRAIN] = {"train.jsonl"},
      [MBLM_SPLIT_VALID] = {"valid.jsonl", "validation.jsonl", "val.jsonl"},
      [MBLM_SPLIT_TEST] = {"test.jsonl"},
  };

  for (guint i = 0; i < 3 && names[options->split][i]; i++) {
    g_autofree char *path = g_build_filename (
        options->dir, names[options->split][i], NULL);

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return mblm_questions_open (
          &(MblmQuestionsOptions){.path = path,
              .image = "image",
              .folder = options->dir,
              .skip_unreadable = options->skip_unreadable},
          error);
  }
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
      "%s: there is no %s; write one, a JSON object with image, question and "
      "answer a line",
      options->dir, names[options->split][0]);
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

/* What goes into a sample, and where the next part goes. */
typedef struct {
  QaDataset *self;
  MblmTrainingSample *sample;
  MblmQuestion question;
  GBytes *picture; /* NULL: none */
  GArray *ids;     /* gint32, of one part */
  guint64 at;
} Reader;

static void
reader_clear (Reader *reader)
{
  mblm_question_clear (&reader->question);
  g_clear_pointer (&reader->picture, g_bytes_unref);
  g_clear_pointer (&reader->ids, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Reader, reader_clear)

/* The bytes of a part; FALSE where the sample goes without it. */
static gboolean
find_part (
    const Reader *reader, MblmSegment segment, const guint8 **bytes, gsize *n)
{
  const char *text = segment == MBLM_SEGMENT_QUESTION
      ? reader->question.question
      : reader->question.answer;

  if (segment == MBLM_SEGMENT_IMAGE) {
    *bytes = g_bytes_get_data (reader->picture, n);
    return TRUE;
  }
  if (segment == MBLM_SEGMENT_QUESTION && (!text || text[0] == '\0'))
    return FALSE;
  *bytes = (const guint8 *) text;
  *n = strlen (text);
  return TRUE;
}

/* Beyond the sample it only counts. */
static void
write_part (Reader *reader, MblmSegment segment, const guint8 *bytes, gsize n)
{
  const MblmDatasetOptions *options = &reader->self->parent.options;
  MblmInfo *info = options->info;
  guint64 length = mblm_sample_length (options->config, info, segment, n);
  MblmToken start = segment == MBLM_SEGMENT_IMAGE ? MBLM_TOKEN_IMAGE
                                                  : MBLM_TOKEN_TEXT;
  gsize content = n + (mblm_info_get_token (info, start) >= 0) +
      (mblm_info_get_token (info, MBLM_TOKEN_END) >= 0);
  float weight = segment == MBLM_SEGMENT_ANSWER ? 1.0f
                                                : (float) reader->self->share;

  if (length <= options->length && reader->at <= options->length - length) {
    g_array_set_size (reader->ids, 0);
    mblm_sample_append (reader->ids, options->config, info, segment, bytes, n);
    memcpy (reader->sample->ids + reader->at, reader->ids->data,
        length * sizeof (gint32));
    /* padding is nothing to learn, also where its id is a byte */
    for (gsize i = 0; i < length; i++)
      reader->sample->loss_mask[reader->at + i] = i < content ? weight : 0.0f;
  }
  reader->at += length;
}

static void
pad_rest (Reader *reader)
{
  const MblmDatasetOptions *options = &reader->self->parent.options;
  gint pad = mblm_config_get_pad_id (options->config);

  for (guint64 i = reader->at; i < options->length; i++) {
    reader->sample->ids[i] = pad;
    reader->sample->loss_mask[i] = 0.0f;
  }
}

static gboolean
load (Reader *reader, guint index, GError **error)
{
  QaDataset *self = reader->self;
  MblmQuestion *question = &reader->question;

  if (!mblm_questions_read (self->questions, index, question, error))
    return FALSE;
  if (!question->answer || (self->layout && !question->image)) {
    g_autofree char *where = mblm_questions_where (self->questions, index);
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: has no \"%s\"; every line needs one", where,
        question->answer ? "image" : "answer");
    return FALSE;
  }
  if (!self->layout)
    return TRUE;

  g_autoptr (MblmPicture) picture = mblm_picture_load (question->image, error);
  if (picture)
    reader->picture = mblm_picture_to_bytes (picture, self->layout, error);
  if (reader->picture == NULL) {
    g_autofree char *where = mblm_questions_where (self->questions, index);
    g_prefix_error (error, "%s: ", where);
  }
  return reader->picture != NULL;
}

static gboolean
qa_read (MblmDataset *dataset, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  QaDataset *self = (QaDataset *) dataset;
  gsize length = dataset->options.length;
  g_auto (Reader) reader = {.self = self, .sample = sample};
  guint n;
  const MblmSegment *segments = mblm_info_get_sample (
      dataset->options.info, &n);

  reader.ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  if (!load (&reader, (guint) index, error))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    const guint8 *bytes;
    gsize size;

    if (find_part (&reader, segments[i], &bytes, &size))
      write_part (&reader, segments[i], bytes, size);
  }
  if (reader.at <= length) {
    pad_rest (&reader);
    return TRUE;
  }
  g_autofree char *where = mblm_questions_where (
      self->questions, (guint) index);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: takes %" G_GUINT64_FORMAT " ids, more than the %" G_GSIZE_FORMAT
      " of input_seq_len; raise that, or make its texts shorter",
      where, reader.at, length);
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
