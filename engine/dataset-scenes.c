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
  const MblmImageLayout *layout; /* NULL: no pictures */
  guint width, height;           /* that are drawn */
  gint64 samples;                /* in an epoch */
  gint64 questions;              /* about a picture, at most */
  double captions;               /* share of the questions that are none */
  double share;                  /* weight of what is not the answer */
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
static gboolean
set_size (ScenesDataset *self, gint64 scale, GError **error)
{
  const MblmImageLayout *layout = self->layout;

  self->width = layout ? layout->width * (guint) scale : 1;
  self->height = layout ? layout->height * (guint) scale : 1;
  if (self->width <= MBLM_PICTURE_MAX_SIDE &&
      self->height <= MBLM_PICTURE_MAX_SIDE)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "dataset_args: scale: pictures of %ux%u are drawn, and neither side may "
      "be more than %d; make it less",
      self->width, self->height, MBLM_PICTURE_MAX_SIDE);
  return FALSE;
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
      "captions", "scale", "photographs", "loss_share", NULL};

  self->samples = 1 << 16;
  self->questions = 1;
  *scale = 2;
  return mblm_args_check_known (args, known, error) &&
      mblm_args_get_integer (
          args, "samples", 1, G_MAXINT32, &self->samples, error) &&
      mblm_args_get_integer (
          args, "questions", 1, 1000, &self->questions, error) &&
      mblm_args_get_number (
          args, "captions", 0.0, 1.0, &self->captions, error) &&
      mblm_args_get_integer (args, "scale", 1, 16, scale, error) &&
      mblm_args_get_number (args, "loss_share", 0.0, 1.0, &self->share, error);
}

static gboolean
read_options (
    ScenesDataset *self, const MblmDatasetOptions *options, GError **error)
{
  const MblmSceneFamilyClass *family;
  gboolean photographs = FALSE;
  gint64 scale;

  if (!read_args (self, options->args, &scale, error) ||
      !mblm_args_get_boolean (
          options->args, "photographs", &photographs, error) ||
      !mblm_qa_find_layout (options, &self->layout, error) ||
      !set_size (self, scale, error) ||
      !(family = find_family (options->args, error)))
    return FALSE;
  self->family = family->open (
      &(MblmSceneOptions){.photographs = photographs ? options->dir : NULL},
      error);
  return self->family != NULL;
}

static MblmDataset *
scenes_open (const MblmDatasetOptions *options, GError **error)
{
  ScenesDataset *self = g_new0 (ScenesDataset, 1);

  if (read_options (self, options, error))
    return &self->parent;
  scenes_free (&self->parent);
  return NULL;
}

/* ------------------------------------------------------------------------- */
/* Reading                                                                   */
/* ------------------------------------------------------------------------- */

static guint64
scene_key (const MblmDatasetOptions *options, guint64 epoch, guint64 index)
{
  static const MblmSceneSet sets[] = {[MBLM_SPLIT_TRAIN] = MBLM_SCENES_TRAIN,
      [MBLM_SPLIT_VALID] = MBLM_SCENES_VALID,
      [MBLM_SPLIT_TEST] = MBLM_SCENES_TEST};
  guint64 seed = options->split == MBLM_SPLIT_TRAIN ? options->seed : 0;

  return mblm_scene_key (seed, sets[options->split], epoch, index);
}

static gboolean
write_scene (ScenesDataset *self, const MblmScene *scene, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  const MblmDatasetOptions *options = &self->parent.options;
  g_autoptr (GBytes) picture = NULL;
  g_auto (MblmQaWriter) writer = {NULL};
  const MblmSceneQuestion *questions = (const MblmSceneQuestion *)
                                           scene->questions->data;

  if (self->layout) {
    picture = mblm_picture_to_bytes (scene->picture, self->layout, error);
    if (picture == NULL)
      return FALSE;
  }
  mblm_qa_writer_init (&writer, options, sample, self->share);
  mblm_qa_write (&writer, picture, questions[0].question, questions[0].answer);
  for (guint i = 1; i < scene->questions->len &&
       mblm_qa_write_more (&writer, questions[i].question, questions[i].answer);
       i++)
    continue;
  if (mblm_qa_writer_end (&writer))
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "scene %" G_GUINT64_FORMAT " takes %" G_GUINT64_FORMAT
      " ids, more than the %" G_GSIZE_FORMAT
      " of input_seq_len; raise that, or make the picture smaller",
      index, writer.at, options->length);
  return FALSE;
}

static gboolean
scenes_read (MblmDataset *dataset, guint64 epoch, guint64 index,
    MblmTrainingSample *sample, GError **error)
{
  ScenesDataset *self = (ScenesDataset *) dataset;
  const MblmSceneRequest request = {
      .key = scene_key (&dataset->options, epoch, index),
      .width = self->width,
      .height = self->height,
      .n_questions = (guint) self->questions,
      .captions = self->captions};
  g_autoptr (MblmScene)
      scene = self->family->klass->make (self->family, &request, error);

  return scene && write_scene (self, scene, index, sample, error);
}

const MblmDatasetClass mblm_dataset_scenes_class = {
    .abi = MBLM_DATASET_ABI,
    .id = "scenes",
    .open = scenes_open,
    .free = scenes_free,
    .count = scenes_count,
    .read = scenes_read,
    .concurrent = TRUE,
};
