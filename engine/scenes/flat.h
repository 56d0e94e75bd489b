/* flat.h: scenes of plain shapes, as their files share them.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A scene is drawn in steps, each with numbers of its own, so that what is asked
 * doesn't change what is seen: the objects, then their questions, what is behind
 * them, and the camera. Nothing here calls a function of libm that two machines
 * may round differently: square roots only.
 */

#pragma once

#include "scenes.h"

G_BEGIN_DECLS

#define MBLM_FLAT_MAX_OBJECTS 5
/* Pixels of the shorter side at least, and the longer over the shorter side at
 * most: less or more has no room for objects that a person could name. */
#define MBLM_FLAT_MIN_SIDE 16
#define MBLM_FLAT_MAX_ASPECT 4

typedef enum {
  MBLM_FLAT_CIRCLE,
  MBLM_FLAT_SQUARE,
  MBLM_FLAT_TRIANGLE,
  MBLM_FLAT_STAR,
  MBLM_FLAT_RING,
  MBLM_FLAT_BAR,
} MblmFlatShape;
#define MBLM_FLAT_N_SHAPES 6

/* Indices of mblm_flat_colors. */
#define MBLM_FLAT_N_COLORS 10

typedef enum {
  MBLM_FLAT_PLAIN,
  MBLM_FLAT_STRIPED,
  MBLM_FLAT_DOTTED,
} MblmFlatTexture;
#define MBLM_FLAT_N_TEXTURES 3
/* Light of the darker parts of a texture: not so little that the whole looks like
 * another colour. */
#define MBLM_FLAT_DARKER 0.15f

extern const char *const mblm_flat_shapes[MBLM_FLAT_N_SHAPES];
extern const char *const mblm_flat_colors[MBLM_FLAT_N_COLORS];
extern const char *const mblm_flat_textures[MBLM_FLAT_N_TEXTURES];

typedef struct {
  MblmFlatShape shape;
  guint color;
  MblmFlatTexture texture;
  gboolean big;
  double x, y;         /* of the centre, in shares of the width and height */
  double radius;       /* of the circle around it, in shorter sides */
  double cosine, sine; /* of its rotation */
  float rgb[3];        /* linear light */
} MblmFlatObject;

typedef struct {
  guint width, height; /* of the picture, in pixels */
  gboolean plain;      /* one object on one colour, as it is */
  gboolean hard;       /* mostly three objects or more, with any textures */
  guint n;
  MblmFlatObject objects[MBLM_FLAT_MAX_OBJECTS];
  /* Whether the numbers of objects of one shape and one colour were drawn, so
   * that asking for them has every answer equally often; and which. */
  gboolean counted;
  MblmFlatShape counted_shape;
  guint counted_color;
} MblmFlatScene;

/* ---- flat.c ---------------------------------------------------------------- */

/* The scene that the family makes of a request: for tests. */
void mblm_flat_scene (const MblmSceneRequest *request, MblmFlatScene *scene);

/* ---- flat-objects.c -------------------------------------------------------- */

/* Where a centre is, along the width or the height. */
typedef enum {
  MBLM_FLAT_FIRST,  /* left, top */
  MBLM_FLAT_MIDDLE, /* center, middle */
  MBLM_FLAT_LAST,   /* right, bottom */
  MBLM_FLAT_BETWEEN /* a person may say either of two */
} MblmFlatZone;

MblmFlatZone mblm_flat_zone (double share);
/* How probable n objects are in a usual scene. */
double mblm_flat_share_of (guint n);
/* The objects of a key in a picture of this size, hard or not. */
void mblm_flat_draw_objects (guint64 key, guint width, guint height,
    gboolean hard, MblmFlatScene *scene);
/* The radius in pixels. */
double mblm_flat_pixels (
    const MblmFlatScene *scene, const MblmFlatObject *object);
/* Whether its texture is large enough to be seen. */
gboolean mblm_flat_shows_texture (
    const MblmFlatScene *scene, const MblmFlatObject *object);

/* ---- flat-questions.c, flat-caption.c --------------------------------------- */

/* Every answer, NULL-terminated. */
extern const char *const mblm_flat_answers[];
/* Appends up to n_questions questions and captions, one at least. */
void mblm_flat_ask (const MblmFlatScene *scene, guint64 key, guint n_questions,
    double captions, GArray *questions);
/* "a red circle left of a small blue star" */
char *mblm_flat_caption (const MblmFlatScene *scene);

/* ---- flat-shapes.c, flat-background.c, flat-camera.c ------------------------ */

/* Pictures of linear light are [height, width, 3]. */

/* The 8 bits of sRGB, and linear light from 0 to 1. */
float mblm_flat_to_linear (float encoded);
/* A colour of that name, as it varies. */
void mblm_flat_draw_color (guint64 *key, guint color, float rgb[3]);
void mblm_flat_paint_objects (const MblmFlatScene *scene, float *light);
/* How differently people see two colours, 0 to about 1. */
float mblm_flat_distance (const float a[3], const float b[3]);

/* Photographs for backgrounds, at most as large as this. */
#define MBLM_FLAT_MAX_PHOTOGRAPHS 128
#define MBLM_FLAT_PHOTOGRAPH_SIDE 512

/* Of MblmPicture. Errors: NOT_FOUND where there is none, INPUT, MEMORY,
 * G_FILE_ERROR. */
GPtrArray *mblm_flat_load_photographs (const char *folder, GError **error);
/* Something that no object is hard to see against. `photographs` may be NULL. */
void mblm_flat_paint_background (const MblmFlatScene *scene, guint64 key,
    GPtrArray *photographs, float *light);

/* In place, by something like a Gaussian that ends `radius` pixels away. FALSE
 * where there is no memory. */
gboolean mblm_flat_blur (
    const MblmFlatScene *scene, float radius, float *light);
/* Blur, light, white balance, noise, 8 bits. Error: MEMORY. */
MblmPicture *mblm_flat_take_picture (
    const MblmFlatScene *scene, guint64 key, float *light, GError **error);

G_END_DECLS
