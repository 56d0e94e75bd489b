/* witness.h: what leaves a source pad keeps to the rules.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "ledger.h"

typedef enum {
  WITNESS_PASS,   /* passing buffers: mblmscore's src */
  WITNESS_ANSWER, /* text, each with its time: mblmask */
  WITNESS_TEXT,   /* text or bytes with time: mblmgenerate */
  WITNESS_JSON,   /* lines */
} WitnessKind;

/* Looks on for as long as the pad is there. `ledger`: whose output it is, or
 * NULL. */
void witness_add (GstPad *pad, WitnessKind kind, Ledger *ledger);
