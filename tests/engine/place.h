/* place.h: where a test trains: data, a training file, an output folder.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <mblm.h>

/* The whole run: 40 batches of 4 samples of 32, ten steps; an epoch has 15. */
#define PARAMS                                                                 \
  "params: {input_seq_len: 32, num_tokens: 257, pad_token_id: 256, "           \
  "hidden_dims: [24, 16], num_layers: [2, 1], seq_lens: [4, 8], block: "       \
  "{attn_head_dims: 8, attn_num_heads: 2, attn_use_rot_embs: true, "           \
  "pos_emb_type: null}}\n"

typedef struct {
  char *folder; /* of everything */
  char *config;
} Place;

/* A data set, and a training file with `io`, `train` and the rest in addition to
 * the usual. */
void place_init (
    Place *self, const char *io, const char *train, const char *rest);
void place_init_with (Place *self, const char *params, const char *io,
    const char *train, const char *rest);
void place_clear (Place *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Place, place_clear)

MblmTrainer *trainer_new (const Place *place);
void run_ok (MblmTrainer *trainer);
/* Runs until `after` signals have come; TRUE: to the end. `output` gets the
 * folder, where it is NULL. */
gboolean run_part (
    const Place *place, gboolean resume, guint after, char **output);
