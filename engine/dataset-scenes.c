/* dataset-scenes.c: pictures and questions made while training.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Sample `index` of `epoch` is drawn from these two and the seed, so there is no
 * end to them and nothing is read but the photographs of dataset_dir, where they are
 * asked for. Splits never share a scene; those of valid and test don't depend on the
 * seed, so that figures of different runs are about the same scenes. qa-sample.c
 * lays a sample out; several questions about one picture follow each other in it
 * as long as there is room.
 */

#include "config.h"

#include "dataset-private.h"

#include "draw.h"
#include "mblm-error.h"
#include "qa-sample.h"
#include "scenes/scenes.h"

typedef struct {
  MblmDataset parent;
  MblmSceneFamily *family;
  gboolean sees; /* pictures */
  /* Without a crop: nothing is asked about what was cut off. */
  MblmImageLayout layout;
  guint width, height; /* that are drawn */
  gint64 samples;      /* in an epoch */
  gint64 questions;    /* about a picture, at most */
  double captions;     /* share of the questions that are captions */
  double share;        /* weight of what is not the answer */
  double plain;        /* share of training scenes that are plain ... */
  gint64 plain_until;  /* ... at first: from this sample on none; 0: always */
  double hard;         /* share of the others that are hard */
} ScenesDataset;

static void
scenes_free (MblmDataset *dataset)
{
  ScenesDataset *self = (ScenesDataset *) dataset;

  if (self->family)
    self->family->klass->free (self->family);
  g_free (self);
}

static guint64
scenes_count (MblmDataset *dataset, guint64 epoch)
{
  return (guint64) ((ScenesDataset *) dataset)->samples;
}

/* ------------------------------------------------------------------------- */
/* Opening                                                                   */
/* ------------------------------------------------------------------------- */

/* A picture is drawn larger than the model sees it, and made smaller as one from
 * outside is. */
static void
set_layout (ScenesDataset *self, const MblmImageLayout *layout, guint scale)
{
  self->sees = layout != NULL;
  if (self->sees)
    self->layout = *layout;
  else
    self->layout = (MblmImageLayout){.width = 64, .height = 48};
  self->layout.crop_w = self->layout.crop_h = 0.0;
  self->width = self->layout.width * scale;
  self->height = self->layout.height * scale;
}

/* The class that "family" names; the first where it names none. */
static const MblmSceneFamilyClass *
find_family (GVariant *args, GError **error)
{
  const MblmSceneFamilyClass *const *families = mblm_scene_families ();
  g_autoptr (GPtrArray) ids = g_ptr_array_new ();
  guint family = 0;

  for (guint i = 0; families[i]; i++)
    g_ptr_array_add (ids, (char *) families[i]->id);
  g_ptr_array_add (ids, NULL);
  if (!mblm_args_get_word (
          args, "family", (const char *const *) ids->pdata, &family, error))
    return NULL;
  return families[family];
}

static gboolean
read_args (ScenesDataset *self, GVariant *args, gint64 *scale, GError **error)
{
  static const char *const known[] = {"family", "samples", "questions",
      "captions", "scale", "photographs", "plain", "plain_until", "hard",
      "loss_share", NULL};

  self->samples = 1 << 16;
  self->questions = 1;
  *scale = MBLM_SCENES_SCALE;
  return mblm_args_check_known (args, known, error) &&
      mblm_args_get_integer (
          args, "samples", 1, G_MAXINT32, &self->samples, error) &&
      mblm_args_get_integer (
          args, "questions", 1, 1000, &self->questions, error) &&
      mblm_args_get_number (
          args, "captions", 0.0, 1.0, &self->captions, error) &&
      mblm_args_get_integer (args, "scale", 1, 16, scale, error) &&
      mblm_args_get_number (args, "plain", 0.0, 1.0, &self->plain, error) &&
      mblm_args_get_integer (
          args, "plain_until", 0, G_MAXINT64, &self->plain_until, error) &&
      mblm_args_get_number (args, "hard", 0.0, 1.0, &self->hard, error) &&
      mblm_args_get_number (args, "loss_share", 0.0, 1.0, &self->share, error);
}

static gboolean
read_options (
    ScenesDataset *self, const MblmDatasetOptions *options, GError **error)
{
  const MblmSceneFamilyClass *family;
  const MblmImageLayout *layout;
  gboolean photographs = FALSE;
  gint64 scale;

  if (!read_args (self, options->args, &scale, error) ||
      !mblm_args_get_boolean (
          options->args, "photographs", &photographs, error) ||
      !mblm_qa_find_layout (options, &layout, error) ||
      !(family = find_family (options->args, error)))
    return FALSE;
  set_layout (self, layout, (guint) scale);
  self->family = family->open (
      &(MblmSceneOptions){.photographs = photographs ? options->dir : NULL},
      error);
  return self->family != NULL;
}

/* ------------------------------------------------------------------------- */
/* Reading                                                                   */
/* ------------------------------------------------------------------------- */

/* A question may be too long for the sample: of so many the first that isn't is
 * taken, and of so many scenes the first that has one. */
#define SPARE_QUESTIONS 3
#define MAX_SCENES 16
/* Share of the captions that have no questions before them, at least. */
#define LONE_CAPTIONS 0.125

static guint64
scene_key (const MblmDatasetOptions *options, guint64 epoch, guint64 index)
{
  guint64 seed = options->split == MBLM_SPLIT_TRAIN ? options->seed : 0;

  return mblm_scene_key (seed, (MblmSceneSet) options->split, epoch, index);
}

/* The caption of a sample, or NULL. More scenes have one than are to give it to a
 * sample, as they are asked for more questions. */
static const MblmSceneQuestion *
draw_caption (const ScenesDataset *self, const MblmScene *scene, guint64 *key)
{
  double wanted = (double) self->questions;
  double due = MIN (wanted * self->captions, 1.0);
  double made = MIN ((wanted + SPARE_QUESTIONS) * self->captions, 1.0);

  for (guint i = 0; i < scene->questions->len; i++) {
    const MblmSceneQuestion *q = &g_array_index (
        scene->questions, MblmSceneQuestion, i);

    if (!q->question)
      return mblm_scene_draw_coin (key, due / made) ? q : NULL;
  }
  return NULL;
}

/* Writes up to `wanted` questions, of which the first comes behind the picture, and
 * gives how many had room. Their order has nothing to do with what they ask, as the
 * sample may have no room for all. */
static guint
write_questions (const MblmScene *scene, guint64 *key, guint64 wanted,
    GBytes *picture, MblmQaWriter *writer)
{
  guint n = scene->questions->len, written = 0;
  g_autofree guint *order = g_new (guint, n);

  mblm_scene_draw_order (key, order, n);
  for (guint i = 0; i < n && written < wanted; i++) {
    const MblmSceneQuestion *q = &g_array_index (
        scene->questions, MblmSceneQuestion, order[i]);

    if (!q->question)
      continue;
    if (written > 0) {
      if (!mblm_qa_write_more (writer, q->question, q->answer))
        break;
    } else if (!mblm_qa_write (writer, picture, q->question, q->answer)) {
      continue;
    }
    written++;
  }
  return written;
}

/* A caption gives away what questions behind it ask: it comes last, or alone, right
 * behind the picture, where it stands when it is asked for. FALSE where it has no
 * room. */
static gboolean
write_captioned (const ScenesDataset *self, const MblmScene *scene,
    const char *caption, guint64 *key, GBytes *picture, MblmQaWriter *writer)
{
  gboolean lone = mblm_scene_draw_coin (key, LONE_CAPTIONS);
  guint64 wanted = lone ? 0 : (guint64) self->questions - 1;

  mblm_qa_reserve_caption (writer, caption);
  guint written = write_questions (scene, key, wanted, picture, writer);
  mblm_qa_reserve_caption (writer, NULL);
  return written > 0 ? mblm_qa_write_more (writer, NULL, caption)
                     : mblm_qa_write (writer, picture, NULL, caption);
}

/* FALSE where the sample has room for nothing. */
static gboolean
write_turns (const ScenesDataset *self, const MblmScene *scene, guint64 key,
    GBytes *picture, MblmQaWriter *writer)
{
  const MblmSceneQuestion *caption = draw_caption (self, scene, &key);

  if (caption &&
      write_captioned (self, scene, caption->answer, &key, picture, writer))
    return TRUE;
  return write_questions (
             scene, &key, (guint64) self->questions, picture, writer) > 0;
}

/* A model that begins learns to see with plain scenes; they become fewer from
 * sample to sample, so their order is not to be shuffled then. What usual scenes
 * ask rarely, one that sees learns with hard ones. */
static MblmSceneLevel
draw_level (
    const ScenesDataset *self, guint64 key, guint64 epoch, guint64 index)
{
  double share = self->plain;

  if (self->parent.options.split != MBLM_SPLIT_TRAIN)
    return MBLM_SCENE_USUAL;
  if (self->plain_until > 0)
    share *= 1.0 -
        ((double) epoch * (double) self->samples + (double) index) /
            (double) self->plain_until;
  if (mblm_scene_draw_coin (&key, MAX (share, 0.0)))
    return MBLM_SCENE_PLAIN;
  return mblm_scene_draw_coin (&key, self->hard) ? MBLM_SCENE_HARD
                                                 : MBLM_SCENE_USUAL;
}

/* Gives in `fits` whether the sample has room for a question. */
static gboolean
write_scene (ScenesDataset *self, guint64 key, MblmSceneLevel level,
    MblmQaWriter *writer, gboolean *fits, GError **error)
{
  const MblmSceneRequest request = {.key = key,
      .width = self->width,
      .height = self->height,
      .n_questions = (guint) self->questions + SPARE_QUESTIONS,
      .captions = self->captions,
      .level = level};
  g_autoptr (MblmScene)
      scene = self->family->klass->make (self->family, &request, error);
  g_autoptr (GBytes) picture = NULL;

  if (scene == NULL)
    return FALSE;
  if (self->sees) {
    picture = mblm_picture_to_bytes (scene->picture, &self->layout, error);
    if (picture == NULL)
      return FALSE;
  }
  *fits = write_turns (self, scene, ~key, picture, writer);
  return TRUE;
}

static gboolean
scenes_read (MblmDataset *dataset, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  ScenesDataset *self = (ScenesDataset *) dataset;
  guint64 key = scene_key (&dataset->options, epoch, index);
  g_auto (MblmQaWriter) writer = {NULL};
  MblmSceneLevel level = draw_level (
      self, mblm_draw_key (~key, 0, 0), epoch, index);
  gboolean fits = FALSE;

  mblm_qa_writer_init (&writer, &dataset->options, sample, self->share);
  for (guint i = 0; i < MAX_SCENES && !fits; i++) {
    if (!write_scene (self, key, level, &writer, &fits, error))
      return FALSE;
    key = mblm_draw_key (key, i, 0);
  }
  mblm_qa_writer_end (&writer);
  if (fits)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "input_seq_len: a question about a scene takes %" G_GUINT64_FORMAT
      " ids, and a sample has %" G_GSIZE_FORMAT
      "; raise it, or make the picture smaller",
      writer.at, dataset->options.length);
  return FALSE;
}

/* ------------------------------------------------------------------------- */
/* The data set                                                              */
/* ------------------------------------------------------------------------- */

/* What no scene could do comes up before a run begins. */
static gboolean
try_one (ScenesDataset *self, const MblmDatasetOptions *options, GError **error)
{
  gsize n = options->length;
  g_autofree gint32 *ids = g_try_new (gint32, n);
  g_autofree float *loss_mask = g_try_new (float, n);
  MblmTrainingSample sample = {.ids = ids, .loss_mask = loss_mask};

  if (!ids || !loss_mask) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "no memory for a sample of %" G_GSIZE_FORMAT
        " ids; make input_seq_len less",
        n);
    return FALSE;
  }
  self->parent.options = *options;
  return scenes_read (&self->parent, 0, 0, &sample, error);
}

static MblmDataset *
scenes_open (const MblmDatasetOptions *options, GError **error)
{
  ScenesDataset *self = g_new0 (ScenesDataset, 1);

  if (read_options (self, options, error) && try_one (self, options, error))
    return &self->parent;
  g_prefix_error (error, "dataset_id scenes: ");
  scenes_free (&self->parent);
  return NULL;
}

static void
scenes_describe (MblmDataset *dataset, GChecksum *sum)
{
  MblmSceneFamily *family = ((ScenesDataset *) dataset)->family;

  if (family->klass->describe)
    family->klass->describe (family, sum);
}

const MblmDatasetClass mblm_dataset_scenes_class = {
    .abi = MBLM_DATASET_ABI,
    .id = "scenes",
    .open = scenes_open,
    .free = scenes_free,
    .count = scenes_count,
    .read = scenes_read,
    .describe = scenes_describe,
    .concurrent = TRUE,
};
