/* draw.h: numbers that look random and follow from where they are drawn.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * What a data set draws depends on the seed, the epoch and the place alone, so
 * that a run that goes on from anywhere sees what it would have seen. Private to
 * the engine.
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The key of a place: every bit depends on every bit of the three. */
guint64 mblm_draw_key (guint64 seed, guint64 epoch, guint64 index);
/* The next 64 bits of the stream that begins at a key (splitmix64). */
guint64 mblm_draw_next (guint64 *key);

/* Where `index` < n lands in the permutation of 0 .. n - 1 that the key names,
 * without memory: a Feistel network over the next power of four, walked along
 * its cycle until it is below n. */
guint64 mblm_draw_permute (guint64 key, guint64 n, guint64 index);

G_END_DECLS
