/* sourceprivate.h: what the files of the source share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "source.h"

struct _Source {
  GstElement parent;

  GstPad *pad; /* owned by the element */
  SourcePlan plan;

  GMutex flush_lock; /* one flush at a time */
  gint flushes;      /* atomic: are under way */
  gint stop;         /* atomic: the thread is to end */
  gint playing;      /* atomic: or not live */
  GThread *thread;

  GMutex stream; /* held for each deed; guards what follows */
  GCond wake;
  Dice dice;
  gboolean idle; /* until a flush or another state */
  gboolean need_start, need_caps, need_segment;
  gboolean at_eos;
  guint left;     /* deeds before EOS */
  guint refusals; /* of sinks, when the stream began */
  double rate;
  GstSegment segment; /* the last one made */
  GstCaps *caps;
  guint64 number;    /* of the last buffer */
  GstClockTime time; /* of the next one */
  gsize cursor;      /* in a picture's file */
};

/* A buffer that goes with the caps, with its entry in the ledger. */
GstBuffer *source_make_buffer (Source *self);
GstCaps *source_make_caps (Source *self);
/* TRUE: the next piece begins a picture. */
GstEvent *source_make_gap (Source *self);
GstEvent *source_make_segment (Source *self);
