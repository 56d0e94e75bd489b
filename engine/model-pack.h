/* model-pack.h: the files of a model, written anew.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Private to the engine and its command.
 */

#pragma once

#include "model-resize.h"

G_BEGIN_DECLS

/* Copies the model `path`, a folder, a file of weights or a name, to a new folder,
 * which must not be there or be empty and appears whole or not at all: its weights
 * in today's names and in `precision`, what is not trained in float32; its
 * configuration; its mblm.json if there is one; all for another `size`, unless that
 * is NULL. Errors: as of mblm_model_load, INPUT, G_FILE_ERROR. */
gboolean mblm_model_pack (const char *path, MblmPrecision precision,
    const MblmModelSize *size, const char *folder, GCancellable *cancellable,
    GError **error);

/* The same for the weights alone, to the file `weights`, which may be those of the
 * model. */
gboolean mblm_model_pack_weights (const char *path, MblmPrecision precision,
    const char *weights, GCancellable *cancellable, GError **error);

/* Writes the configuration to a new file. */
gboolean mblm_model_pack_config (
    MblmConfig *config, const char *path, GError **error);

G_END_DECLS
