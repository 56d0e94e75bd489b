/* debug.h: arrays in, arrays out: what tests call.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "command.h"

#include "learner.h"
#include "npy.h"

G_BEGIN_DECLS

int command_debug_logits (Command *self, char **argv);
int command_debug_loss (Command *self, char **argv);
int command_debug_greedy (Command *self, char **argv);
int command_debug_steps (Command *self, char **argv);

/* Ids [batch, length]; an array [length] is one sequence. */
typedef struct {
  MblmNpy array;
  const gint32 *ids;
  gsize batch, length;
} DebugIds;

void debug_ids_clear (DebugIds *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DebugIds, debug_ids_clear)

gboolean debug_ids_load (const char *path, DebugIds *self, GError **error);
/* Whether `array` has the shape of `ids`; the message names `path`. */
gboolean debug_check_shape (const DebugIds *ids, const MblmNpy *array,
    const char *path, GError **error);
/* The model as something that learns. */
MblmLearner *debug_load_learner (
    Command *self, const char *name, GError **error);
/* An array of float [rows, width, depth], not initialised; NULL: MEMORY. */
float *debug_new_floats (gsize rows, gsize width, gsize depth, GError **error);

G_END_DECLS
