/* sink.h: an element that takes what it likes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Unless it is calm it now and then waits, refuses a buffer or caps, or answers
 * with any other flow return. It never holds upstream up for longer than some
 * milliseconds, nor over a flush.
 */

#pragma once

#include "dice.h"
#include "ledger.h"

#define SCHEDULES_TYPE_SINK (sink_get_type ())
G_DECLARE_FINAL_TYPE (Sink, sink, SCHEDULES, SINK, GstElement)

/* `ledger` is told when it refuses something; or NULL. */
Sink *sink_new (const char *name, Ledger *ledger);
void sink_set_plan (Sink *self, gboolean calm, Dice dice);
/* How often any sink has refused a buffer, or may refuse one for a while: a new
 * peer may have seen EOS, and not the flush after it. */
guint sink_count_refusals (void);
void sink_excuse (void);
/* Waits until EOS has come and no flush since; the watchdog ends it. */
void sink_wait_eos (Sink *self);
