/* ledger.h: what went in must come out, once and in order.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Whatever goes in gets an entry with a token by which it is known when it comes
 * out: the number of a passing buffer, the time of a frame. A flush, a change
 * of state or an error is a break: what went in before it may be lost, but never
 * comes after what went in later.
 */

#pragma once

#include <gst/gst.h>

typedef struct {
  GMutex lock;
  gboolean strict; /* else nothing is said about what comes out */
  GQueue entries;
  guint breaks;
  guint64 in, out;
  /* Of all that went in, as a position and in running time; NONE: not known. */
  GstClockTime newest_end, newest_running;
} Ledger;

void ledger_init (Ledger *self);
void ledger_clear (Ledger *self);
/* Begins anew. */
void ledger_reset (Ledger *self, gboolean strict);

void ledger_enter (Ledger *self, guint64 token);
void ledger_break (Ledger *self, const char *why);
/* From now on anything may be lost. */
void ledger_loosen (Ledger *self);
void ledger_leave (Ledger *self, guint64 token);
/* Entries that have not come out since the last break. */
guint ledger_owing (Ledger *self);

/* Input that lasts for `duration` from `start` in `segment`; NONE: not known. */
void ledger_reach (Ledger *self, const GstSegment *segment, GstClockTime start,
    GstClockTime duration);
/* Output reaches no further, by its position or in running time: while a SEGMENT
 * waits, output stands for the time of its input in the segment before, and a
 * prompt that began in the segment before keeps its position. */
void ledger_check_end (Ledger *self, const GstSegment *segment,
    GstClockTime start, GstClockTime duration);
