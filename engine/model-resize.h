/* model-resize.h: a model for pictures of another size, or of another context.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All that depends on either is the table of learned positions of the outermost
 * stage, whose rows are made of those that there are. Training goes on from there.
 */

#pragma once

#include "mblm-model.h"

G_BEGIN_DECLS

typedef struct {
  guint width, height; /* of pictures; 0: as they are */
  /* Outermost patches of the context; 0: as many behind a picture as there were. */
  guint64 patches;
} MblmModelSize;

typedef struct {
  MblmConfig *from;    /* borrowed */
  MblmConfig *config;  /* of the resized model */
  MblmInfo *info;      /* NULL where the model has no mblm.json */
  gsize columns, rows; /* tiles of a picture; 0: not in tiles */
  gsize from_columns, from_rows;
  gsize picture, from_picture; /* patches of a picture; 0: counted as text */
} MblmResize;

/* Pictures get another size where they are laid out in tiles, one in a patch, and
 * are what a sample begins with. Error: CONFIG. */
MblmResize *mblm_resize_new (
    MblmModel *model, const MblmModelSize *size, GError **error);
void mblm_resize_free (MblmResize *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmResize, mblm_resize_free)

/* Rows `from` [seq_len, dim] of the model, the rows of the resized one: those of a
 * picture's patches are interpolated over it, bilinearly; those behind it are kept,
 * and repeated where there are more. NULL: not enough memory. */
float *mblm_resize_positions (
    const MblmResize *self, const float *from, gsize dim);

G_END_DECLS
