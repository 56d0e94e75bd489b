/* flat.c: the family of scenes of plain shapes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One to five shapes that don't touch, on anything from plain to a photograph,
 * as a simple camera would see them, and what a person would ask about them.
 */

#include "config.h"

#include "flat.h"

#include "draw.h"
#include "mblm-error.h"
#include "picture-private.h"

typedef struct {
  MblmSceneFamily parent;
  GPtrArray *photographs; /* NULL: none */
} FlatFamily;

/* What numbers are drawn for: each has a stream of its own. */
enum {
  FOR_OBJECTS,
  FOR_QUESTIONS,
  FOR_BACKGROUND,
  FOR_CAMERA,
};

static void
flat_free (MblmSceneFamily *family)
{
  FlatFamily *self = (FlatFamily *) family;

  g_clear_pointer (&self->photographs, g_ptr_array_unref);
  g_free (self);
}

static MblmSceneFamily *
flat_open (const MblmSceneOptions *options, GError **error)
{
  FlatFamily *self = g_new0 (FlatFamily, 1);

  self->parent.klass = &mblm_scenes_flat_class;
  if (!options->photographs)
    return &self->parent;
  self->photographs = mblm_flat_load_photographs (options->photographs, error);
  if (self->photographs)
    return &self->parent;
  flat_free (&self->parent);
  return NULL;
}

static void
flat_describe (MblmSceneFamily *family, GChecksum *sum)
{
  const FlatFamily *self = (const FlatFamily *) family;

  for (guint i = 0; self->photographs && i < self->photographs->len; i++) {
    const MblmPicture *picture = self->photographs->pdata[i];
    gsize n = (gsize) picture->width * picture->height * 3;

    g_checksum_update (sum, picture->rgb, (gssize) n);
  }
}

static gboolean
check_size (guint width, guint height, GError **error)
{
  guint shorter = MIN (width, height), longer = MAX (width, height);

  if (!mblm_picture_check_bounds (width, height, error))
    return FALSE;
  if (shorter >= MBLM_FLAT_MIN_SIDE && longer <= shorter * MBLM_FLAT_MAX_ASPECT)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "there is no room for a scene in %u x %u pixels: a side has %d at least, "
      "and is at most %d times as long as the other",
      width, height, MBLM_FLAT_MIN_SIDE, MBLM_FLAT_MAX_ASPECT);
  return FALSE;
}

static MblmPicture *
paint (
    FlatFamily *self, const MblmFlatScene *scene, guint64 key, GError **error)
{
  gsize n = (gsize) scene->width * scene->height; /* the bounds are checked */
  gsize size;
  g_autofree float *light = g_size_checked_mul (&size, n, 3 * sizeof (float))
      ? g_try_malloc (size)
      : NULL;

  if (!light) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "no memory to draw a scene of %u x %u pixels", scene->width,
        scene->height);
    return NULL;
  }
  mblm_flat_paint_background (
      scene, mblm_draw_key (key, FOR_BACKGROUND, 0), self->photographs, light);
  mblm_flat_paint_objects (scene, light);
  return mblm_flat_take_picture (
      scene, mblm_draw_key (key, FOR_CAMERA, 0), light, error);
}

static MblmScene *
flat_make (
    MblmSceneFamily *family, const MblmSceneRequest *request, GError **error)
{
  MblmFlatScene flat;

  if (!check_size (request->width, request->height, error))
    return NULL;
  mblm_flat_scene (request, &flat);

  MblmPicture *picture = paint (
      (FlatFamily *) family, &flat, request->key, error);
  if (!picture)
    return NULL;

  MblmScene *scene = g_new0 (MblmScene, 1);
  scene->picture = picture;
  scene->questions = g_array_new (FALSE, FALSE, sizeof (MblmSceneQuestion));
  mblm_flat_ask (&flat, mblm_draw_key (request->key, FOR_QUESTIONS, 0),
      request->n_questions, request->captions, scene->questions);
  return scene;
}

void
mblm_flat_scene (const MblmSceneRequest *request, MblmFlatScene *scene)
{
  mblm_flat_draw_objects (mblm_draw_key (request->key, FOR_OBJECTS, 0),
      request->width, request->height, request->level == MBLM_SCENE_HARD,
      scene);
  if (request->level != MBLM_SCENE_PLAIN)
    return;
  scene->plain = TRUE;
  scene->n = 1;
  scene->counted = FALSE;
}

const MblmSceneFamilyClass mblm_scenes_flat_class = {
    .id = "flat",
    .answers = mblm_flat_answers,
    .open = flat_open,
    .free = flat_free,
    .describe = flat_describe,
    .make = flat_make,
};
