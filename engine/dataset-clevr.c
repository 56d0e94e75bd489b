/* dataset-clevr.c: CLEVR in its published layout.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A sample is question, picture, question, answer, each with its tokens
 * (mblm-math section 2.12), padded on the right. The keys of dataset_args are the
 * published ones. `published_quirks` reproduces what the published code does
 * where that can't be meant: weights of the loss cut to integers, the pad id as
 * the weight of padding, a crop that is ignored where only one side has one, and
 * a first level of 0 that is none.
 */

#include "config.h"

#include "dataset-private.h"

#include <math.h>
#include <string.h>

#include "mblm-error.h"
#include "mblm-picture.h"
#include "message.h"
#include "picture-private.h"
#include "questions.h"

typedef struct {
  MblmDataset parent;
  MblmQuestions *questions;
  MblmImageLayout layout;  /* width 0: that of the picture */
  double weights[4];       /* of the parts in the loss */
  gint64 end, text, image; /* ids, -1: none */
  gboolean categorical, quirks;
} ClevrDataset;

static void
clevr_free (MblmDataset *dataset)
{
  ClevrDataset *self = (ClevrDataset *) dataset;

  g_clear_pointer (&self->questions, mblm_questions_free);
  g_free (self);
}

static guint64
clevr_count (MblmDataset *dataset, guint64 epoch)
{
  return mblm_questions_count (((ClevrDataset *) dataset)->questions);
}

static void
clevr_describe (MblmDataset *dataset, GChecksum *sum)
{
  mblm_questions_describe (((ClevrDataset *) dataset)->questions, sum);
}

/* ------------------------------------------------------------------------- */
/* Arguments                                                                 */
/* ------------------------------------------------------------------------- */

static gboolean
fail (GError **error, const char *text)
{
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG, "dataset_args: %s", text);
  return FALSE;
}

/* How a picture becomes bytes. */
static gboolean
read_layout (ClevrDataset *self, GVariant *args, GError **error)
{
  MblmImageLayout *layout = &self->layout;
  const double most = 0.5 - 1e-6;
  gint64 width = 0, height = 0, bins = 0, shift = -1, quality = 0;
  gboolean rgb = TRUE;

  *layout = (MblmImageLayout){
      .order = MBLM_ORDER_PLANAR, .filter = MBLM_FILTER_LANCZOS};
  if (!mblm_args_get_integer (args, "resize_to_w", 1, 4096, &width, error) ||
      !mblm_args_get_integer (args, "resize_to_h", 1, 4096, &height, error) ||
      !mblm_args_get_number (
          args, "crop_w_perc", 0.0, most, &layout->crop_w, error) ||
      !mblm_args_get_number (
          args, "crop_h_perc", 0.0, most, &layout->crop_h, error) ||
      !mblm_args_get_integer (
          args, "downsample_channels", 1, 256, &bins, error) ||
      !mblm_args_get_integer (
          args, "shift_channels_start", 0, 255, &shift, error) ||
      !mblm_args_get_integer (
          args, "enable_jpeg_stream_with_quality", 0, 95, &quality, error) ||
      !mblm_args_get_boolean (args, "jpeg_in_rgb_color_space", &rgb, error))
    return FALSE;
  if ((width == 0) != (height == 0))
    return fail (
        error, "resize_to_w and resize_to_h belong together; set both");
  if (shift >= 0 && bins == 0 && !self->quirks)
    return fail (error, "shift_channels_start needs downsample_channels");
  if (!rgb && quality > 0)
    return fail (
        error, "jpeg_in_rgb_color_space can't be false: streams are RGB here");
  if (self->quirks && (layout->crop_w == 0.0 || layout->crop_h == 0.0))
    layout->crop_w = layout->crop_h = 0.0;
  if (self->quirks && (shift == 0 || bins == 0))
    shift = -1;
  layout->width = (guint) width;
  layout->height = (guint) height;
  layout->bins = (guint) bins;
  layout->shift = (gint) shift;
  layout->jpeg = quality > 0;
  layout->quality = (guint) quality;
  return TRUE;
}

static gboolean
read_args (
    ClevrDataset *self, const MblmDatasetOptions *options, GError **error)
{
  static const char *const known[] = {"target_mode", "qiqa_loss_mask",
      "answer_categorical", "resize_to_h", "resize_to_w", "crop_h_perc",
      "crop_w_perc", "downsample_channels", "shift_channels_start",
      "eom_token_id", "som_text_token_id", "som_image_token_id",
      "enable_jpeg_stream_with_quality", "jpeg_in_rgb_color_space",
      "published_quirks", NULL};
  static const char *const modes[] = {"a", "qiqa", NULL};
  GVariant *args = options->args;
  gint64 last = (gint64) mblm_config_get_vocabulary (options->config) - 1;
  guint mode; /* says what the weights say, and nothing reads it */

  self->weights[3] = 1.0;
  self->end = self->text = self->image = -1;
  if (!mblm_args_check_known (args, known, error) ||
      !mblm_args_get_word (args, "target_mode", modes, &mode, error) ||
      !mblm_args_get_numbers (
          args, "qiqa_loss_mask", 0.0, 1e6, self->weights, 4, error) ||
      !mblm_args_get_boolean (
          args, "answer_categorical", &self->categorical, error) ||
      !mblm_args_get_boolean (args, "published_quirks", &self->quirks, error) ||
      !mblm_args_get_integer (
          args, "eom_token_id", 0, last, &self->end, error) ||
      !mblm_args_get_integer (
          args, "som_text_token_id", 0, last, &self->text, error) ||
      !mblm_args_get_integer (
          args, "som_image_token_id", 0, last, &self->image, error))
    return FALSE;
  for (guint i = 0; self->quirks && i < 4; i++)
    self->weights[i] = trunc (self->weights[i]);
  return read_layout (self, args, error);
}

/* ------------------------------------------------------------------------- */
/* Opening                                                                   */
/* ------------------------------------------------------------------------- */

static MblmQuestions *
open_questions (const MblmDatasetOptions *options, GError **error)
{
  static const char *const names[] = {"train", "val", "test"};
  const char *name = names[options->split];
  g_autofree char *base = g_strdup_printf ("CLEVR_%s_questions.json", name);
  g_autofree char *path = g_build_filename (
      options->dir, "questions", base, NULL);
  g_autofree char *folder = g_build_filename (
      options->dir, "images", name, NULL);

  return mblm_questions_open (&(MblmQuestionsOptions){.path = path,
                                  .list = "questions",
                                  .image = "image_filename",
                                  .folder = folder,
                                  .skip_unreadable = options->skip_unreadable},
      error);
}

/* Those of the published test have none. */
static gboolean
check_answers (ClevrDataset *self, GError **error)
{
  g_auto (MblmQuestion) first = {NULL};

  if (!mblm_questions_read (self->questions, 0, &first, error))
    return FALSE;
  if (first.answer)
    return TRUE;
  g_autofree char *where = mblm_questions_where (self->questions, 0);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
      "%s: has no answer, as in the published test; it can't be used to train "
      "or to evaluate",
      where);
  return FALSE;
}

static MblmDataset *
clevr_open (const MblmDatasetOptions *options, GError **error)
{
  ClevrDataset *self = g_new0 (ClevrDataset, 1);

  if (read_args (self, options, error) &&
      (self->questions = open_questions (options, error)) != NULL &&
      check_answers (self, error))
    return &self->parent;
  clevr_free (&self->parent);
  return NULL;
}

/* ------------------------------------------------------------------------- */
/* Reading                                                                   */
/* ------------------------------------------------------------------------- */

/* The one byte that stands for an answer; 0: none does. */
static char
find_category (const char *answer)
{
  static const char *const words[] = {"10", "blue", "brown", "cube", "cyan",
      "cylinder", "gray", "green", "large", "metal", "no", "purple", "red",
      "rubber", "small", "sphere", "yellow", "yes"};

  if (g_ascii_isdigit (answer[0]) && answer[1] == '\0')
    return answer[0];
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (answer, words[i]))
      return (char) ('A' + i);
  return 0;
}

static GBytes *
load_picture (ClevrDataset *self, const char *path, GError **error)
{
  g_autoptr (MblmPicture) picture = mblm_picture_load (path, error);
  MblmImageLayout layout = self->layout;

  if (!picture)
    return NULL;
  if (layout.width == 0) {
    layout.width = picture->width -
        2 * mblm_picture_get_margin (picture->width, layout.crop_w);
    layout.height = picture->height -
        2 * mblm_picture_get_margin (picture->height, layout.crop_h);
  }
  GBytes *bytes = mblm_picture_to_bytes (picture, &layout, error);
  if (!bytes)
    g_prefix_error (error, "%s: ", path);
  return bytes;
}

/* Where the next id goes. */
typedef struct {
  MblmTrainingSample *sample;
  gsize length, at;
} Writer;

static void
write_id (Writer *writer, gint64 id, double weight)
{
  if (writer->at < writer->length) {
    writer->sample->ids[writer->at] = (gint32) id;
    writer->sample->loss_mask[writer->at] = (float) weight;
  }
  writer->at++;
}

/* A part: [start token] bytes [end token]; it counts on where there is no room. */
static void
write_part (const ClevrDataset *self, Writer *writer, gint64 start,
    const void *data, gsize n, double weight)
{
  const guint8 *bytes = data;

  if (start >= 0)
    write_id (writer, start, weight);
  for (gsize i = 0; i < n; i++)
    write_id (writer, bytes[i], weight);
  if (self->end >= 0)
    write_id (writer, self->end, weight);
}

static void
write_sample (const ClevrDataset *self, Writer *writer,
    const MblmQuestion *question, const char *answer, GBytes *picture)
{
  gint pad = mblm_config_get_pad_id (self->parent.options.config);
  const char *text = question->question;
  gsize n;
  const void *pixels = g_bytes_get_data (picture, &n);

  write_part (self, writer, self->text, text, strlen (text), self->weights[0]);
  write_part (self, writer, self->image, pixels, n, self->weights[1]);
  write_part (self, writer, self->text, text, strlen (text), self->weights[2]);
  write_part (
      self, writer, self->text, answer, strlen (answer), self->weights[3]);
  while (writer->at < writer->length)
    write_id (writer, pad, self->quirks ? pad : 0.0);
}

static gboolean
check_question (ClevrDataset *self, guint index, const MblmQuestion *question,
    GError **error)
{
  const char *missing = !question->question ? "question"
      : !question->answer                   ? "answer"
      : !question->image                    ? "image_filename"
                                            : NULL;
  g_autofree char *where = mblm_questions_where (self->questions, index);

  if (missing) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: has no \"%s\"; every entry needs one", where, missing);
    return FALSE;
  }
  if (self->categorical && find_category (question->answer) == 0) {
    g_autofree char *answer = mblm_quote (question->answer, -1);
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: %s is none of the 28 answers of CLEVR; set answer_categorical to "
        "false",
        where, answer);
    return FALSE;
  }
  return TRUE;
}

static gboolean
clevr_read (MblmDataset *dataset, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  ClevrDataset *self = (ClevrDataset *) dataset;
  g_auto (MblmQuestion) question = {NULL};
  Writer writer = {sample, dataset->options.length, 0};

  if (!mblm_questions_read (self->questions, (guint) index, &question, error) ||
      !check_question (self, (guint) index, &question, error))
    return FALSE;

  g_autoptr (GBytes) picture = load_picture (self, question.image, error);
  const char category[2] = {find_category (question.answer), '\0'};
  if (!picture)
    return FALSE;
  write_sample (self, &writer, &question,
      self->categorical ? category : question.answer, picture);
  if (writer.at == writer.length)
    return TRUE;

  g_autofree char *where = mblm_questions_where (
      self->questions, (guint) index);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: takes %" G_GSIZE_FORMAT " ids, more than the %" G_GSIZE_FORMAT
      " of input_seq_len; raise that, or make the picture smaller",
      where, writer.at, writer.length);
  return FALSE;
}

const MblmDatasetClass mblm_dataset_clevr_class = {
    .abi = MBLM_DATASET_ABI,
    .id = "clevr",
    .open = clevr_open,
    .free = clevr_free,
    .count = clevr_count,
    .read = clevr_read,
    .describe = clevr_describe,
};
