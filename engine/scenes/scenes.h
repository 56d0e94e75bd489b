/* scenes.h: pictures with questions and answers, made from a number.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A family draws a scene from a key: the same key gives the same scene on every
 * machine of one architecture, whatever was made before and by however many
 * threads. Private to the engine.
 */

#pragma once

#include "dataset.h"
#include "mblm-picture.h"

G_BEGIN_DECLS

/* A question with its answer, or a caption. */
typedef struct {
  char *question; /* NULL: the answer is a caption */
  char *answer;
  const char *type; /* what is asked, for figures by type: "count"; static */
} MblmSceneQuestion;

typedef struct {
  MblmPicture *picture;
  GArray *questions; /* of MblmSceneQuestion */
} MblmScene;

void mblm_scene_free (MblmScene *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmScene, mblm_scene_free)

typedef struct _MblmSceneFamily MblmSceneFamily;

typedef struct {
  const char *photographs; /* a folder of JPEG and PNG files for backgrounds, or
                            * NULL: none */
} MblmSceneOptions;

/* What a model can learn from it. */
typedef enum {
  MBLM_SCENE_USUAL,
  MBLM_SCENE_PLAIN, /* as plain as the family has them: what to begin with */
  MBLM_SCENE_HARD   /* with much of what is learned last, once one sees */
} MblmSceneLevel;

/* What a scene is asked to be. */
typedef struct {
  guint64 key;
  guint width, height; /* of the picture */
  guint n_questions;   /* wanted; a scene may have fewer, but one at least */
  /* Share of the n that are captions, 0 to 1; a scene has one at most, and where it
   * is 1 nothing else. */
  double captions;
  MblmSceneLevel level;
} MblmSceneRequest;

typedef struct {
  const char *id; /* "flat" */
  /* NULL-terminated: every answer to a question there is, captions left out. */
  const char *const *answers;

  /* Errors: NOT_FOUND, INPUT, G_FILE_ERROR of the photographs. */
  MblmSceneFamily *(*open) (const MblmSceneOptions *options, GError **error);
  void (*free) (MblmSceneFamily *self);
  /* Adds what scenes depend on besides their requests: the photographs. May be NULL:
   * nothing. */
  void (*describe) (MblmSceneFamily *self, GChecksum *sum);
  /* From any number of threads at once. Error: MEMORY, INPUT for a size beyond
   * the bounds of a picture. */
  MblmScene *(*make) (
      MblmSceneFamily *self, const MblmSceneRequest *request, GError **error);
} MblmSceneFamilyClass;

/* The first member of every family. */
struct _MblmSceneFamily {
  const MblmSceneFamilyClass *klass;
};

extern const MblmSceneFamilyClass mblm_scenes_flat_class;
extern const MblmSceneFamilyClass mblm_scenes_clevr_class;

/* NULL-terminated. */
const MblmSceneFamilyClass *const *mblm_scene_families (void);
const MblmSceneFamilyClass *mblm_scene_family_lookup (const char *id);
/* "flat, clevr"; free with g_free. */
char *mblm_scene_family_list (void);

/* Sets of scenes that never share one. */
typedef enum {
  MBLM_SCENES_TRAIN = MBLM_SPLIT_TRAIN,
  MBLM_SCENES_VALID = MBLM_SPLIT_VALID,
  MBLM_SCENES_TEST = MBLM_SPLIT_TEST,
  MBLM_SCENES_SHOWN, /* written to files, for a person to look at */
} MblmSceneSet;

/* How much larger than a model sees them pictures are drawn, where nobody says. */
#define MBLM_SCENES_SCALE 2

/* The key of a scene of a set. */
guint64 mblm_scene_key (
    guint64 seed, MblmSceneSet set, guint64 epoch, guint64 index);

/* ---- For families: scene-draw.c ------------------------------------------- */

/* Numbers that follow from a key: draw.h. */
guint mblm_scene_draw_below (guint64 *key, guint n); /* 0 .. n - 1, n > 0 */
double mblm_scene_draw_between (guint64 *key, double low, double high);
gboolean mblm_scene_draw_coin (guint64 *key, double share);
/* A direction of the circle, without functions of angles, whose last bit differs
 * between libraries. */
void mblm_scene_draw_direction (guint64 *key, double *cosine, double *sine);
/* The places of n things in an order drawn from the key. */
void mblm_scene_draw_order (guint64 *key, guint *order, guint n);

G_END_DECLS
