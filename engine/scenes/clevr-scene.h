/* clevr-scene.h: what stands in a scene of CLEVR, and where.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Objects are placed as the published generator places them: Johnson et al.,
 * "CLEVR: A Diagnostic Dataset for Compositional Language and Elementary Visual
 * Reasoning", 2017. Private to the engine.
 */

#pragma once

#include "ray.h"

G_BEGIN_DECLS

#define MBLM_CLEVR_MAX_OBJECTS MBLM_RAY_MAX_OBJECTS

typedef enum {
  MBLM_CLEVR_SIZE,
  MBLM_CLEVR_COLOR,
  MBLM_CLEVR_MATERIAL,
  MBLM_CLEVR_SHAPE,
  MBLM_CLEVR_N_ATTRIBUTES,
  MBLM_CLEVR_RELATION = MBLM_CLEVR_N_ATTRIBUTES,
  MBLM_CLEVR_N_KINDS, /* of words */
} MblmClevrKind;

#define MBLM_CLEVR_MAX_VALUES 8
#define MBLM_CLEVR_N_RELATIONS 4

/* "size", "color", "material", "shape", "relation" */
const char *mblm_clevr_kind_name (MblmClevrKind kind);
guint mblm_clevr_count_values (MblmClevrKind kind);
/* "red"; of a relation: "left" */
const char *mblm_clevr_value_name (MblmClevrKind kind, guint value);
/* FALSE: there is no such value */
gboolean mblm_clevr_find_value (
    MblmClevrKind kind, const char *name, guint *value);

/* Objects, a bit each. */
typedef guint16 MblmClevrSet;

static inline guint
mblm_clevr_set_count (MblmClevrSet set)
{
  guint n = 0;

  for (; set != 0; set &= set - 1)
    n++;
  return n;
}

typedef struct {
  guint n;
  guint8 values[MBLM_CLEVR_MAX_OBJECTS][MBLM_CLEVR_N_ATTRIBUTES];
  /* the objects left of, right of, behind and before each */
  MblmClevrSet related[MBLM_CLEVR_N_RELATIONS][MBLM_CLEVR_MAX_OBJECTS];
  /* the objects of each value: mblm_clevr_scene_index */
  MblmClevrSet having[MBLM_CLEVR_N_ATTRIBUTES][MBLM_CLEVR_MAX_VALUES];
} MblmClevrScene;

void mblm_clevr_scene_index (MblmClevrScene *self);
MblmClevrSet mblm_clevr_scene_all (const MblmClevrScene *self);

/* Draws a scene, and how it is seen: `view`. `few`: of three to five objects
 * rather than ten. */
void mblm_clevr_scene_draw (
    MblmClevrScene *self, MblmRayScene *view, gboolean few, guint64 *key);

/* clevr-caption.c: all objects from left to right. */
char *mblm_clevr_caption (const MblmClevrScene *scene);

G_END_DECLS
