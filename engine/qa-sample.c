/* qa-sample.c: question, picture and answer as a sample to train on.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "qa-sample.h"

#include <string.h>

#include "mblm-error.h"
#include "mblm-sample.h"

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

gboolean
mblm_qa_find_layout (const MblmDatasetOptions *options,
    const MblmImageLayout **layout, GError **error)
{
  MblmInfo *info = options->info;
  gboolean sees = has_segment (info, MBLM_SEGMENT_IMAGE);

  *layout = sees ? mblm_info_get_image (info) : NULL;
  if (mblm_info_get_task (info) == MBLM_TASK_QA &&
      has_segment (info, MBLM_SEGMENT_ANSWER) && (*layout || !sees))
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "dataset_id: qa and scenes need an mblm.json of the task \"qa\" whose "
      "\"sample\" has an answer, and \"image\" where it has a picture");
  return FALSE;
}

char *
mblm_qa_find_file (const char *folder, MblmSplit split)
{
  static const char *const names[][3] = {
      [MBLM_SPLIT_TRAIN] = {"train.jsonl"},
      [MBLM_SPLIT_VALID] = {"valid.jsonl", "validation.jsonl", "val.jsonl"},
      [MBLM_SPLIT_TEST] = {"test.jsonl"},
  };

  for (guint i = 0; i < 3 && names[split][i]; i++) {
    g_autofree char *path = g_build_filename (folder, names[split][i], NULL);

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  return NULL;
}

void
mblm_qa_writer_init (MblmQaWriter *self, const MblmDatasetOptions *options,
    MblmTrainingSample *sample, double share)
{
  *self = (MblmQaWriter){.options = options,
      .sample = sample,
      .share = (float) share,
      .ids = g_array_new (FALSE, FALSE, sizeof (gint32))};
}

void
mblm_qa_writer_clear (MblmQaWriter *self)
{
  g_clear_pointer (&self->ids, g_array_unref);
}

/* ------------------------------------------------------------------------- */
/* Segments                                                                  */
/* ------------------------------------------------------------------------- */

/* One turn: what the segments of a sample hold. */
typedef struct {
  GBytes *picture;
  const char *question, *answer;
} Turn;

/* The bytes of a segment; FALSE where the sample goes without it. */
static gboolean
find_segment (
    const Turn *turn, MblmSegment segment, const guint8 **bytes, gsize *n)
{
  const char *text = segment == MBLM_SEGMENT_QUESTION ? turn->question
                                                      : turn->answer;

  if (segment == MBLM_SEGMENT_IMAGE) {
    *bytes = g_bytes_get_data (turn->picture, n);
    return TRUE;
  }
  if (segment == MBLM_SEGMENT_QUESTION && (!text || text[0] == '\0'))
    return FALSE;
  *bytes = (const guint8 *) text;
  *n = strlen (text);
  return TRUE;
}

static void
write_segment (
    MblmQaWriter *self, MblmSegment segment, const guint8 *bytes, gsize n)
{
  const MblmDatasetOptions *options = self->options;
  MblmInfo *info = options->info;
  guint64 length = mblm_sample_length (options->config, info, segment, n);
  MblmToken start = segment == MBLM_SEGMENT_IMAGE ? MBLM_TOKEN_IMAGE
                                                  : MBLM_TOKEN_TEXT;
  gsize given = mblm_info_get_token (info, start) >= 0;
  gsize content = given + n + (mblm_info_get_token (info, MBLM_TOKEN_END) >= 0);
  float weight = segment == MBLM_SEGMENT_ANSWER ? 1.0f : self->share;

  if (length <= options->length && self->at <= options->length - length) {
    g_array_set_size (self->ids, 0);
    mblm_sample_append (self->ids, options->config, info, segment, bytes, n);
    memcpy (self->sample->ids + self->at, self->ids->data,
        length * sizeof (gint32));
    /* The start token is there whenever something is asked, and padding is
     * nothing to learn, also where its id is a byte. */
    for (gsize i = 0; i < length; i++)
      self->sample->loss_mask[self->at + i] = i < given || i >= content
          ? 0.0f
          : weight;
  }
  self->at += length;
}

/* The segments from the one at place `from` of the sample on. */
static void
write_turn (MblmQaWriter *self, const Turn *turn, guint from)
{
  guint n;
  const MblmSegment *segments = mblm_info_get_sample (self->options->info, &n);

  for (guint i = from; i < n; i++) {
    const guint8 *bytes;
    gsize size;

    if (find_segment (turn, segments[i], &bytes, &size))
      write_segment (self, segments[i], bytes, size);
  }
}

static gboolean
has_room (const MblmQaWriter *self, guint64 length)
{
  guint64 room = self->options->length;

  return self->at <= room && length <= room - self->at &&
      self->reserved <= room - self->at - length;
}

gboolean
mblm_qa_write (MblmQaWriter *self, GBytes *picture, const char *question,
    const char *answer)
{
  self->at = 0;
  write_turn (self, &(Turn){picture, question, answer}, 0);
  return has_room (self, 0);
}

/* The place in the sample behind its last picture. */
static guint
behind_picture (MblmInfo *info)
{
  guint n;
  const MblmSegment *segments = mblm_info_get_sample (info, &n);

  while (n > 0 && segments[n - 1] != MBLM_SEGMENT_IMAGE)
    n--;
  return n;
}

/* Ids of the segments from the one at place `from` on. */
static guint64
turn_length (const MblmQaWriter *self, const Turn *turn, guint from)
{
  const MblmDatasetOptions *options = self->options;
  guint n;
  const MblmSegment *segments = mblm_info_get_sample (options->info, &n);
  guint64 length = 0;

  for (guint i = from; i < n; i++) {
    const guint8 *bytes;
    gsize size;

    if (find_segment (turn, segments[i], &bytes, &size))
      length += mblm_sample_length (
          options->config, options->info, segments[i], size);
  }
  return length;
}

gboolean
mblm_qa_write_more (
    MblmQaWriter *self, const char *question, const char *answer)
{
  const Turn turn = {NULL, question, answer};
  guint from = behind_picture (self->options->info);

  if (!has_room (self, turn_length (self, &turn, from)))
    return FALSE;
  write_turn (self, &turn, from);
  return TRUE;
}

void
mblm_qa_reserve_caption (MblmQaWriter *self, const char *caption)
{
  const Turn turn = {NULL, NULL, caption};
  guint from = behind_picture (self->options->info);

  self->reserved = caption ? turn_length (self, &turn, from) : 0;
}

void
mblm_qa_writer_end (MblmQaWriter *self)
{
  gint pad = mblm_config_get_pad_id (self->options->config);

  for (guint64 i = self->at; i < self->options->length; i++) {
    self->sample->ids[i] = pad;
    self->sample->loss_mask[i] = 0.0f;
  }
}
