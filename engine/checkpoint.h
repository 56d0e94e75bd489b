/* checkpoint.h: published checkpoints to model folders.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Private to the engine and its command.
 */

#pragma once

#include "mblm-model.h"

G_BEGIN_DECLS

/* Converts a .pth of the published trainer, together with its configuration (bare
 * or a whole training file), to a new model folder: model.safetensors and
 * config.yaml, the weights in `precision`. `folder` must not be there or be empty;
 * it appears whole or not at all. The checkpoint is a pickle: a separate process
 * without any rights reads it, and what it made is checked like any other model.
 * Errors: NOT_FOUND, CONFIG, WEIGHTS, UNSUPPORTED (the reader is not installed),
 * INPUT, G_FILE_ERROR. */
gboolean mblm_checkpoint_convert (const char *checkpoint, const char *config,
    MblmPrecision precision, const char *folder, GError **error);

/* Fills `weights`, a new file, with the tensors of the checkpoint, which are not
 * checked against any configuration. Errors as above. */
gboolean mblm_checkpoint_read (
    const char *checkpoint, const char *weights, GError **error);

G_END_DECLS
