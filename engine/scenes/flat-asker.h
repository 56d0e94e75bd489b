/* flat-asker.h: putting a question into words.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "flat.h"

G_BEGIN_DECLS

typedef struct {
  const MblmFlatScene *scene;
  guint64 key;
  GArray *questions;
  guint32 pairs; /* whose relation was asked for, a bit for each two */
} MblmFlatAsker;

typedef struct _MblmFlatKind MblmFlatKind;
struct _MblmFlatKind {
  const char *type;
  double weight;
  /* FALSE where the scene has no answer to it, or two. */
  gboolean (*ask) (MblmFlatAsker *self, const MblmFlatKind *kind);
  /* The usual one first; $x and $y are filled in. */
  const char *wordings[3];
};

/* What a name for one object may say of it. */
enum {
  MBLM_FLAT_SAYS_NOTHING = 1 << 0, /* "object" */
  MBLM_FLAT_SAYS_SHAPE = 1 << 1,   /* "circle" */
  MBLM_FLAT_SAYS_COLOR = 1 << 2,   /* "red object" */
  MBLM_FLAT_SAYS_BOTH = 1 << 3,    /* "red circle" */
  MBLM_FLAT_SAYS_ANY = (1 << 4) - 1,
};

/* Whether a name that says this of one object fits the other. */
gboolean mblm_flat_matches (
    const MblmFlatObject *a, const MblmFlatObject *b, guint says);
/* The names of those allowed that are of this object alone. */
guint mblm_flat_find_names (const MblmFlatScene *scene, guint i, guint allowed);
/* One of these names, without an article. */
char *mblm_flat_name_object (MblmFlatAsker *self, guint i, guint names);
/* An object whose value is drawn evenly from those there are; values [n], -1 for
 * one that can't be asked for. Below 0: there is none. */
int mblm_flat_draw_one (MblmFlatAsker *self, const int *values);
/* In one of its wordings. TRUE, for what asks to return. */
gboolean mblm_flat_add_question (MblmFlatAsker *self, const MblmFlatKind *kind,
    const char *x, const char *y, const char *answer);

G_END_DECLS
