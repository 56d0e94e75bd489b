/* gstmblmunit.h: the account of one scored unit.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A unit (a buffer, a window, a file or a stream) sums the bits of its bytes,
 * and keeps the ranges of GST_MBLM_RANGE_BYTES that surprised the model most.
 */

#pragma once

#include <gst/gst.h>

#include "gstmblmqueue.h"

G_BEGIN_DECLS

#define GST_MBLM_RANGE_BYTES 64
#define GST_MBLM_N_SURPRISES 3

typedef struct {
  guint64 offset; /* of the first byte, in the stream or file */
  guint64 bytes;
  double bits;
} GstMblmRange;

typedef struct {
  GstMblmRange total;
  GstMblmRange range; /* the one that is being filled */
  GstMblmRange surprises[GST_MBLM_N_SURPRISES]; /* the most bits a byte first */
  GstClockTime pts, end;                        /* NONE: not known */
  GstClockTime running_time, stream_time;
  GstClockTime work; /* what scoring it took */
  gboolean begun;
} GstMblmUnit;

void gst_mblm_unit_reset (GstMblmUnit *self);
/* Bytes of this item are about to be added, the first of them at `offset`. */
void gst_mblm_unit_touch (
    GstMblmUnit *self, const GstMblmItem *item, guint64 offset);
/* Adds n bytes; `bits` [n]. */
void gst_mblm_unit_add (GstMblmUnit *self, const float *bits, gsize n);
double gst_mblm_unit_bits_per_byte (const GstMblmUnit *self);
/* The fields of the message `mblmscore`; `path` may be NULL. */
GstStructure *gst_mblm_unit_to_structure (
    GstMblmUnit *self, const char *name, const char *path);

G_END_DECLS
