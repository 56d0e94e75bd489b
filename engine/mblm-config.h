/* mblm-config.h: the shape of a model, as the published YAML describes it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

#define MBLM_MAX_STAGES 8

#define MBLM_TYPE_CONFIG (mblm_config_get_type ())
G_DECLARE_FINAL_TYPE (MblmConfig, mblm_config, MBLM, CONFIG, GObject)

/**
 * MblmPosition:
 * @MBLM_POSITION_NONE: a stage knows no positions (state-space models)
 * @MBLM_POSITION_FIXED: a learnt row for each position
 * @MBLM_POSITION_ROPE: the whole token is rotated by its position
 */
typedef enum {
  MBLM_POSITION_NONE,
  MBLM_POSITION_FIXED,
  MBLM_POSITION_ROPE,
} MblmPosition;

/* Reads a model configuration, bare or as `params:` of a whole training file,
 * or as `mblm_config:` of an encoder's, in YAML (JSON is a part of it). Every
 * bound is checked: see mblm-config.c for the list. `name` is for messages.
 * Error: MBLM_ERROR_CONFIG. */
MblmConfig *mblm_config_parse (
    const char *text, gsize length, const char *name, GError **error);
/* The same from a file of at most 1 MiB. */
MblmConfig *mblm_config_load (const char *path, GError **error);
/* A bare model configuration as the published code reads it. */
char *mblm_config_to_yaml (MblmConfig *self);

guint mblm_config_get_n_stages (MblmConfig *self);
/* Tokens of stage `k` in one sequence (P_k). */
gsize mblm_config_get_seq_len (MblmConfig *self, guint k);
gsize mblm_config_get_hidden_dim (MblmConfig *self, guint k);
gsize mblm_config_get_n_layers (MblmConfig *self, guint k);
/* Bytes that one token of stage `k` stands for: 1 in the innermost stage. */
gsize mblm_config_get_patch (MblmConfig *self, guint k);
MblmPosition mblm_config_get_position (MblmConfig *self, guint k);
/* `block_type` as given, or as deduced from the fields (mblm-math section 5.11). */
const char *mblm_config_get_block_type (MblmConfig *self, guint k);
gboolean mblm_config_has_block_type (MblmConfig *self, guint k);
/* The fields of the block but block_type and pos_emb_type, as a{sv} of
 * int64 "x", double "d", boolean "b" and string "s"; null fields are absent. */
GVariant *mblm_config_get_block_options (MblmConfig *self, guint k);
/* Ids run from 0 to vocabulary - 1 (num_tokens). */
guint mblm_config_get_vocabulary (MblmConfig *self);
gint mblm_config_get_pad_id (MblmConfig *self);
/* Bytes of the whole context: the product of all seq_lens. */
guint64 mblm_config_get_context (MblmConfig *self);
/* input_seq_len of a training file, else the context. */
guint64 mblm_config_get_input_length (MblmConfig *self);

/* A masked-language encoder (no start tokens, nothing causal). */
gboolean mblm_config_is_encoder (MblmConfig *self);
gint mblm_config_get_mask_id (MblmConfig *self);
/* mask_reduce_strat: TRUE for `all`, FALSE for `any`. */
gboolean mblm_config_get_mask_reduce_all (MblmConfig *self);

G_END_DECLS
