/* prompt.h: the ids of a question about a picture.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "mblm-config.h"
#include "mblm-info.h"

G_BEGIN_DECLS

/* GArrays of gint32: the ids before the first picture, and those from there on to
 * where the answer starts. `rest` begins with n_image ids of the picture. */
typedef struct {
  GArray *before, *rest;
  guint n_image;
} MblmPrompt;

/* `question` NULL leaves out the segments that hold it. */
void mblm_prompt_init (MblmPrompt *self, MblmConfig *config, MblmInfo *info,
    const char *question, GBytes *image);
void mblm_prompt_clear (MblmPrompt *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MblmPrompt, mblm_prompt_clear)

/* The ids that this prompt would have. */
guint64 mblm_prompt_length (
    MblmConfig *config, MblmInfo *info, const char *question, gsize image_size);

G_END_DECLS
