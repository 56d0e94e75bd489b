/* mblm-info.h: what the published configuration lacks: mblm.json.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

#define MBLM_TYPE_INFO (mblm_info_get_type ())
G_DECLARE_FINAL_TYPE (MblmInfo, mblm_info, MBLM, INFO, GObject)

typedef enum {
  MBLM_TASK_TEXT,
  MBLM_TASK_QA,
} MblmTask;

typedef enum {
  MBLM_TOKEN_PAD,
  MBLM_TOKEN_END,
  MBLM_TOKEN_TEXT,
  MBLM_TOKEN_IMAGE,
} MblmToken;
#define MBLM_N_TOKENS (MBLM_TOKEN_IMAGE + 1)

typedef enum {
  MBLM_FILTER_LANCZOS,
  MBLM_FILTER_BILINEAR,
  MBLM_FILTER_AREA,
} MblmFilter;

/* Of the bytes of a picture. */
typedef enum {
  MBLM_ORDER_INTERLEAVED, /* H,W,C */
  MBLM_ORDER_PLANAR,      /* C,H,W */
  MBLM_ORDER_TILES,       /* rows of tiles, each H,W,C */
} MblmOrder;

typedef enum {
  MBLM_SEGMENT_QUESTION,
  MBLM_SEGMENT_IMAGE,
  MBLM_SEGMENT_ANSWER,
} MblmSegment;
#define MBLM_N_SEGMENTS (MBLM_SEGMENT_ANSWER + 1)

/* How a picture becomes bytes (DESIGN section 8, mblm-math section 2.12). */
typedef struct {
  guint width, height;
  MblmOrder order;
  guint tile_w, tile_h; /* that divide the size; 0 where the order has none */
  MblmFilter filter;
  double crop_w, crop_h; /* margin on both sides, as a share of the size */
  guint bins;            /* levels per channel; 0: all 256 */
  gint shift;            /* first id of the remapped levels; -1: none */
  gboolean jpeg;         /* the bytes of a JPEG file, not pixels */
  guint quality;         /* of that JPEG, 1 .. 100 */
} MblmImageLayout;

/* Reads mblm.json; unknown keys are errors. `vocabulary` bounds the ids.
 * Error: MBLM_ERROR_CONFIG. */
MblmInfo *mblm_info_parse (const char *text, gsize length, const char *name,
    guint vocabulary, GError **error);
MblmInfo *mblm_info_load (const char *path, guint vocabulary, GError **error);
/* What holds for a model folder without mblm.json: task text, pad from the
 * configuration, no special tokens. */
MblmInfo *mblm_info_new_default (const char *name, gint pad_id);
char *mblm_info_to_json (MblmInfo *self);

const char *mblm_info_get_name (MblmInfo *self);
MblmTask mblm_info_get_task (MblmInfo *self);
const char *mblm_info_get_licence (MblmInfo *self);    /* or NULL */
const char *mblm_info_get_trained_on (MblmInfo *self); /* or NULL */
const char *mblm_info_get_figures (MblmInfo *self);    /* JSON text or NULL */
/* -1 where the model has no such token. */
gint mblm_info_get_token (MblmInfo *self, MblmToken token);
/* TRUE for pad, end, text, image: never sampled, but `end`, which stops. */
gboolean mblm_info_is_special (MblmInfo *self, gint id);
/* TRUE where mblm.json was there: its special ids are then never sampled. */
gboolean mblm_info_is_explicit (MblmInfo *self);
/* NULL for a model that takes no pictures. */
const MblmImageLayout *mblm_info_get_image (MblmInfo *self);
/* The order of segments in a sample, n of them. */
const MblmSegment *mblm_info_get_sample (MblmInfo *self, guint *n);
gboolean mblm_info_get_align (MblmInfo *self);
/* Bytes that a segment is padded up to; 0: none. */
gsize mblm_info_get_segment_bytes (MblmInfo *self, MblmSegment segment);
/* The answer vocabulary, NULL-terminated, or NULL. */
const char *const *mblm_info_get_answers (MblmInfo *self);

G_END_DECLS
