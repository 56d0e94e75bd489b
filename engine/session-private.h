/* session-private.h: the parts of a session.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Outer stages are lazy: a token of theirs is worked on only when an id behind
 * it comes, because the last row of an inner sequence still predicts the first
 * id of the next patch, and the last row of a sequence is never needed by the
 * stage below. So with `fill` ids in the open outermost token (1 .. patch once
 * anything was fed), the tokens that each stage has seen follow from `fill`.
 * The innermost stage has seen every id.
 */

#pragma once

#include "mblm-session.h"
#include "model-private.h"
#include "session-ahead.h"

G_BEGIN_DECLS

/* How far the device has gone by itself (session-ahead.c). */
typedef struct {
  const MblmDraws *draws; /* while an id is fed with which it may */
  guint n;     /* ids that it drew and goes on with; 0: it is nowhere */
  guint taken; /* of them, those that were fed */
  gint32 ids[MBLM_MOST_TOLD]; /* as far as they are known: taken + 1 */
  gboolean is_owed; /* what the last id predicts is still to be received */
  gsize rows;       /* of the innermost state, before */
  float *fixed;     /* and what doesn't grow of it; device memory, or NULL */
  gint64 pace;      /* microseconds of a step, at most; 0: not known yet */
  gint64 most_time; /* microseconds ahead, at most */
} MblmAhead;

void mblm_ahead_init (MblmAhead *self);
void mblm_ahead_clear (MblmAhead *self, MblmRun *run);

struct _MblmSession {
  GObject parent;

  MblmModel *model;
  MblmRun run;
  MblmContextFull context_full;
  guint64 memory_bound; /* 0: none */
  MblmProgress progress;
  gpointer progress_data;

  guint64 position;     /* ids fed since the last reset */
  guint64 context_fill; /* ids in the current context */
  gsize fill;           /* ids in the open outermost token */
  GArray *open;         /* gint32 [fill]; empty with one stage */
  GArray *history;      /* gint32: the current context, where a full one
                                   begins anew; else empty */
  MblmState *state[MBLM_MAX_STAGES]; /* the outermost one's perhaps borrowed */
  MblmState *outer;                  /* the outermost stage's own one */
  MblmSession *lender;  /* owned: whose `outer` is borrowed; NULL: none is */
  GPtrArray *borrowers; /* not owned: sessions that have borrowed `outer` */
  float *projected[MBLM_MAX_STAGES];        /* own memory for projections */
  const float *projection[MBLM_MAX_STAGES]; /* own, or the model's constant */
  float *last_row;     /* [innermost dim] of device memory: what predicts */
  float *logits;       /* host [vocabulary] */
  gboolean has_logits; /* `logits` is what it predicts, and `last_row` may be of
                        * an earlier id */
  gboolean broken;     /* failed halfway: reset or restore first */
  MblmAhead ahead;
};

struct _MblmSnapshot {
  gint ref_count;
  MblmModel *model;
  guint64 position, context_fill;
  gsize fill;
  GArray *open, *history;
  MblmState *state[MBLM_MAX_STAGES];
  float *projected[MBLM_MAX_STAGES]; /* NULL: the model's constant */
  float *last_row;
  float *logits;
  gboolean has_logits;
};

/* ---- mblm-session.c ------------------------------------------------------ */

/* Counts an id of the open innermost sequence. */
void mblm_session_count (MblmSession *self, gint32 id);

/* ---- session-ahead.c ----------------------------------------------------- */

/* From what an id predicts, `logits` of the device, on with draws of the device. */
gboolean mblm_session_go_ahead (
    MblmSession *self, const float *logits, GError **error);
/* Whether the device went on with what is fed now; then it is to be taken. */
gboolean mblm_session_is_next (
    const MblmSession *self, const gint32 *ids, gsize n);
gboolean mblm_session_take (MblmSession *self, GError **error);
/* Waits for what the last id predicts. */
gboolean mblm_session_receive (MblmSession *self, GError **error);
/* To the state of what was fed; `broken` where that fails. */
gboolean mblm_session_go_back (MblmSession *self, GError **error);
/* Where the states begin anew anyway. */
void mblm_session_forget_ahead (MblmSession *self);

/* ---- session-snapshot.c -------------------------------------------------- */

/* Makes a session go on from where `from`, another one of its model, is: as if a
 * snapshot were restored, but what the outermost stage holds is borrowed until
 * either of the two goes on. Both belong to one thread. */
gboolean mblm_session_branch_off (
    MblmSession *self, MblmSession *from, GError **error);
/* Ends a branch that is not needed any more; it is to be reset or restored, or to
 * branch off anew, before it is used. */
void mblm_session_end_branch (MblmSession *self);
/* Bytes of state that a branch of `self` comes to hold with n ids more. */
guint64 mblm_session_get_branch_bytes (MblmSession *self, guint64 n);
/* Before the outermost stage goes on: a copy of what is borrowed. */
gboolean mblm_session_own_outer (
    MblmSession *self, MblmRun *run, GError **error);
/* Before what a session holds changes: those that have borrowed take a copy. A
 * session that can't is broken. */
void mblm_session_call_in (MblmSession *self);
/* Before it begins elsewhere: what is borrowed goes back. */
void mblm_session_hand_back (MblmSession *self);

/* ---- session-feed.c ------------------------------------------------------ */

/* Feeds n ids that fit into the context. With `output` every id gives a row. */
gboolean mblm_session_run (MblmSession *self, const gint32 *ids, gsize n,
    MblmOutput *output, GError **error);
/* Feeds ids[b] into session b; all fit, all are of one model. */
gboolean mblm_session_run_many (
    MblmSession **sessions, const gint32 *ids, guint n, GError **error);

/* ---- session-stage.c ----------------------------------------------------- */

/* Advances stage k of n sessions by `rows` tokens each; ids [n, rows, patch].
 * The hidden states, [n, rows, dim], are in `run`'s working memory; NULL: an
 * error. Where `logits` is wanted of the innermost stage, [n, vocabulary] of device
 * memory as well, it is NULL where they are still to be computed. */
float *mblm_session_advance_stage (MblmSession **sessions, guint n,
    MblmRun *run, guint k, gsize rows, const gint32 *ids, float **logits,
    GError **error);
/* The innermost stage of a session, by the id at `drawn`, device memory. */
float *mblm_session_advance_drawn (
    MblmSession *self, const gint32 *drawn, float **logits, GError **error);
/* The projections of a row of stage k for each of n sessions, `row` [n, dim]; the
 * stages below begin anew. */
gboolean mblm_session_open_sequences (MblmSession **sessions, guint n,
    MblmRun *run, guint k, const float *row, GError **error);

G_END_DECLS
