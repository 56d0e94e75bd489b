/* pickle.h: the one kind of pickle that a published checkpoint holds.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * torch.save ({"MODEL": state_dict, "LOSS": float}) in protocol 2: dictionaries,
 * tuples, strings, numbers and tensors that refer to storages by their key. Only
 * the opcodes and the names that this takes are known; nothing is ever called.
 * Private to the engine.
 */

#pragma once

#include "safetensors.h"

G_BEGIN_DECLS

#define MBLM_PICKLE_MAX_BYTES (32 * 1024 * 1024)

typedef struct {
  char *name; /* in today's form */
  MblmDtype dtype;
  char *key; /* of the storage */
  guint64 storage_elements;
  guint64 first; /* element of the storage */
  guint n_dims;
  gsize shape[MBLM_MAX_DIMS];
  guint64 n_elements;
} MblmPickleTensor;

/* The tensors of MODEL in the order of the file: a GArray of MblmPickleTensor,
 * each contiguous and within its storage. Error: MBLM_ERROR_WEIGHTS. */
GArray *mblm_pickle_read (const guint8 *bytes, gsize n, GError **error);

G_END_DECLS
