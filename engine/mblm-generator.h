/* mblm-generator.h: continuing a stream, byte by byte.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A generator draws from a session, feeds what it drew, and hands out bytes:
 * ids from 256 up are fed but are no bytes; with an mblm.json, special ids
 * other than `end` are never drawn and `end` stops. The text of a stop string,
 * and what follows it, is not handed out.
 */

#pragma once

#include "mblm-sampler.h"
#include "mblm-session.h"

G_BEGIN_DECLS

#define MBLM_TYPE_GENERATOR (mblm_generator_get_type ())
G_DECLARE_FINAL_TYPE (MblmGenerator, mblm_generator, MBLM, GENERATOR, GObject)

typedef enum {
  MBLM_FINISH_NONE,   /* not finished */
  MBLM_FINISH_LENGTH, /* as many ids as asked for */
  MBLM_FINISH_END,    /* the model's end token */
  MBLM_FINISH_STOP,   /* a stop string */
  MBLM_FINISH_ENDED,  /* mblm_generator_end */
} MblmFinish;

MblmGenerator *mblm_generator_new (MblmSession *session, MblmSampler *sampler);

/* Byte strings that end the generation; NULL-terminated array or NULL. */
void mblm_generator_set_stop (
    MblmGenerator *self, GBytes *const *stop, gsize n);
/* Ids to draw at most, special ones included. */
void mblm_generator_set_max (MblmGenerator *self, guint64 max);
/* Begins a new generation from where the session is now. */
void mblm_generator_start (MblmGenerator *self);

/* Draws one id and feeds it (lazily: the last one drawn is fed only when the
 * next is wanted). Appends to `out` the bytes that are now certain not to
 * belong to a stop string: none, one or several. Returns FALSE when finished
 * (what was held back is appended then) or on error; mblm_generator_get_finish
 * tells. */
gboolean mblm_generator_next (MblmGenerator *self, GByteArray *out,
    GCancellable *cancellable, GError **error);
/* Ends the generation where it is; appends to `out` what was held back. */
void mblm_generator_end (MblmGenerator *self, GByteArray *out);
MblmFinish mblm_generator_get_finish (MblmGenerator *self);
/* Ids drawn since the start, and sum of ln p over them under the model's own
 * distribution (before temperature and cuts). */
guint64 mblm_generator_get_drawn (MblmGenerator *self);
double mblm_generator_get_log_probability (MblmGenerator *self);
/* The id drawn last; -1: none yet. */
gint mblm_generator_get_last_id (MblmGenerator *self);
/* Feeds what was drawn and not fed yet, so that the session holds it all. */
gboolean mblm_generator_settle (
    MblmGenerator *self, GCancellable *cancellable, GError **error);

G_END_DECLS
