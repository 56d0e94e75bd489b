/* fake.h: a model for tests, whose text, speed and failures the test decides.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A fake model is a folder like any other, with one stage of the block type
 * `fake`. It predicts a text: after the token that opens an answer its first
 * byte, after a byte of it the next one, after the last one `end`, or the text
 * anew where the model has no such token. So it "generates" that text, finds
 * bytes that follow it probable and all others improbable, and prefers the
 * choice that equals it. The text "@" stands for the first byte of the picture,
 * as two hexadecimal digits: an answer that tells which frame it is of.
 *
 * Its work takes a time that the folder or the test sets, in pieces of
 * FAKE_CHUNK as real kernels do it, by the system's clock or by one that stands
 * still until the test moves it, so that no test waits for a clock. Between
 * pieces it can be cancelled.
 *
 * It is a module: with MBLM_MODULES naming it, gst-launch-1.0 and mblm play such
 * folders, too. In a test that links it, it is the same one.
 */

#pragma once

#include <mblm.h>

G_BEGIN_DECLS

/* What a piece of work takes at most (ns). */
#define FAKE_CHUNK (50 * 1000 * 1000)
/* Size of a picture; 3 bytes a pixel. */
#define FAKE_WIDTH 4
#define FAKE_HEIGHT 3

typedef struct {
  MblmTask task;
  const char *text;    /* NULL: "a fake answer" */
  double prompt, byte; /* seconds of a prompt, and of each byte after it */
  double load;         /* seconds until the weights are there */
} FakeOptions;

/* Writes a model folder. Exits with a message where that fails. */
void fake_model (const char *folder, const FakeOptions *options);

/* ---- What the test may change at any time, for all fake models ----------- */

/* Time stands still from now on, until fake_advance. */
void fake_stop_clock (void);
void fake_advance (gint64 nanoseconds);
/* Time goes by again. */
void fake_start_clock (void);
/* Times (ns) instead of those of the folders; -1: those of the folders. */
void fake_set_speed (gint64 prompt, gint64 byte, gint64 load);
/* Another text; NULL: that of the folder. */
void fake_set_text (const char *text);
/* From now on every piece of work fails with this code of MBLM_ERROR; -1: none. */
void fake_set_failure (gint code);
/* All of the above as it was. */
void fake_reset (void);

/* ---- What the test may ask ------------------------------------------------ */

/* Pieces of work that were begun so far. */
guint64 fake_get_chunks (void);
/* Ids that were fed so far, of all models. */
guint64 fake_get_ids (void);
/* Models that wait for the clock right now. */
guint fake_get_busy (void);
/* Until one does; FALSE: not within five seconds. */
gboolean fake_wait_busy (void);

/* Makes the block type known; the functions above that need it do it. */
void fake_register (void);

G_END_DECLS
