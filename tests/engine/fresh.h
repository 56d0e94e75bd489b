/* fresh.h: small models with fresh weights, made for a test.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <mblm.h>

/* Blocks for fresh_model: everything behind "block:" but the positions. */
#define FRESH_TRANSFORMER                                                      \
  "attn_head_dims: 8, attn_num_heads: 2, attn_use_rot_embs: true"
#define FRESH_MAMBA2 "d_state: 8, d_conv: 4, expand: 2, headdim: 8"
#define FRESH_MAMBA1 FRESH_MAMBA2 ", block_type: mamba1"

/* A temporary folder that is removed, with what is in it, by fresh_remove. */
char *fresh_folder (void);
void fresh_remove (char *folder);

/* Writes a model of two stages of `outer` and 8 tokens, 257 ids, into
 * FOLDER/NAME and gives that path. `position` as in YAML. */
char *fresh_model (const char *folder, const char *name, guint outer,
    const char *block, const char *position);
/* n ids below 256, from a seed. */
gint32 *fresh_ids (gsize n, guint32 seed);

/* A session, and what it is fed; the test fails where that does. */
MblmSession *fresh_session (MblmModel *model);
void fresh_feed (MblmSession *session, const gint32 *ids, gsize n);
