/* safetensors-private.h: what reading and writing share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "safetensors.h"

G_BEGIN_DECLS

#define MBLM_TENSOR_MAX_HEADER 100000000
#define MBLM_TENSOR_MAX_COUNT 131072
#define MBLM_TENSOR_MAX_NAME 512

/* Bytes of one element. */
gsize mblm_dtype_size (MblmDtype dtype);
const char *mblm_dtype_name (MblmDtype dtype);

/* Sets n_elements and size from dtype and shape; FALSE where they overflow. */
gboolean mblm_tensor_entry_measure (MblmTensorEntry *entry);
void mblm_tensor_entry_clear (MblmTensorEntry *entry);

/* The first 8 bytes and the header of a file with these entries, which are
 * sorted (widest elements first, then by name) and get their offsets. `entries`
 * is a GArray of MblmTensorEntry that mblm_tensor_entry_measure has seen. Error:
 * WEIGHTS for doubled or bad names. */
GString *mblm_tensor_header_build (GArray *entries, GError **error);

/* Reads the header (without the first 8 bytes) of a file whose data begins at
 * `data_offset` and has `data_size` bytes: a GArray of MblmTensorEntry in the
 * order of their data, or NULL. `name` is for messages. */
GArray *mblm_tensor_header_parse (const char *text, gsize length,
    guint64 data_offset, guint64 data_size, const char *name, GError **error);

float mblm_float_from_f16 (guint16 x);
guint16 mblm_f16_from_float (float x);

G_END_DECLS
