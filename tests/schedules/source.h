/* source.h: an element that sends what it likes when it likes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * It keeps to the rules of GStreamer: stream-start, caps, segment, then data; and
 * it does, in an order of chance, all that these rules allow. Its thread runs in
 * PAUSED and PLAYING, does some deeds, and sends EOS; a flush makes it go on.
 */

#pragma once

#include "dice.h"
#include "ledger.h"

typedef enum {
  SOURCE_RAW, /* frames */
  SOURCE_PNG,
  SOURCE_JPEG,
  SOURCE_TEXT,
  SOURCE_BYTES,
  SOURCE_MEDIA, /* how many */
} SourceMedia;

typedef enum {
  SOURCE_TOKEN_NONE,
  SOURCE_TOKEN_NUMBER, /* of a buffer */
  SOURCE_TOKEN_TIME,   /* of a frame or GAP, each has another */
} SourceToken;

typedef struct {
  SourceMedia media;
  SourceToken token;
  gboolean timed; /* TIME segments and PTS, else BYTES */
  gboolean live;
  gboolean direct; /* what follows is the element, and then sinks of ours */
  gboolean calm;   /* data and EOS, nothing else */
  guint deeds;     /* before EOS */
  Ledger *ledger;
} SourcePlan;

#define SCHEDULES_TYPE_SOURCE (source_get_type ())
G_DECLARE_FINAL_TYPE (Source, source, SCHEDULES, SOURCE, GstElement)

Source *source_new (const char *name);
/* In READY or below, or while it begins again. */
void source_set_plan (Source *self, const SourcePlan *plan, Dice dice);
/* From any thread but its own. */
void source_flush (Source *self, gboolean reset_time);
/* The same in two steps. */
void source_start_flush (Source *self);
void source_stop_flush (Source *self, gboolean reset_time);
/* A flush, then a new stream; in between, with nothing on its way, `change` may
 * set another plan. */
void source_begin_again (
    Source *self, void (*change) (gpointer user_data), gpointer user_data);
/* Between the two its thread does nothing. */
void source_hold (Source *self);
void source_release (Source *self);
/* The same; afterwards it begins a new stream. */
void source_let_go (Source *self);

/* The number of a buffer that a source has made, or 0. */
guint64 source_number_of (GstBuffer *buffer);
/* Whether it is as it was sent. */
gboolean source_is_untouched (GstBuffer *buffer);
