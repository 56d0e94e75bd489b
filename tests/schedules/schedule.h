/* schedule.h: one schedule, from its seed to its end.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "dice.h"
#include "ledger.h"
#include "sink.h"
#include "source.h"
#include "witness.h"

typedef struct {
  Dice dice;
  GstElement *pipeline; /* owned */
  GstElement *subject;  /* the element that it is about; owned */
  const char *factory;  /* what made it */
  Source *source;       /* before it, owned; or NULL: a real one */
  Sink *sink;           /* after it, owned; or NULL */
  SourcePlan plan;      /* of `source` */
  WitnessKind kind;     /* of the subject's `src` */
  gboolean video;       /* `src` passes video that somebody draws on */
  gboolean steady;      /* every frame gets an answer */
  gboolean curious;     /* reads properties whenever a message comes */
  gint errors;          /* atomic: messages */
  gint messages;        /* atomic */
  Ledger ledger;        /* of the subject */
  Ledger loose;         /* of what nobody counts */

  /* Written by who changes a state, read by who changes links: a bin can't take
   * both at once. */
  GRWLock alone;
  GMutex relinking; /* one pair of pads at a time */
  GMutex lock;
  GPtrArray *sources; /* under the lock: of Source, owned */
  gboolean has_json;  /* the same: somebody has asked for that pad */
} Schedule;

/* One thread that does deeds. */
typedef struct {
  Schedule *schedule;
  Dice dice;
  char name[16];
  guint deeds;
  GPtrArray *pads; /* see pads.c */
} Hand;

/* Runs it; a failure ends the process. */
void schedule_run (guint64 seed);

/* Builds the pipeline (build.c). */
void schedule_build (Schedule *self);
/* The plan by which everything that goes in comes out. */
void schedule_make_calm (Schedule *self);

/* Sets the state of the pipeline (deeds.c). */
void schedule_set_state (Schedule *self, const char *who, GstState state);
/* One deed of chance (deeds.c). */
void hand_do (Hand *self);
/* Unlinks two pads for a while. */
void hand_relink (Hand *self, GstPad *src, GstPad *sink);

/* Request pads (pads.c): asks for one, uses it, or gives it back. */
void pads_begin (Hand *hand);
void pads_do (Hand *hand);
/* A pad was added: by the hand in this thread, perhaps, which links it now, before
 * the element knows of the pad. */
void pads_link_new (Schedule *schedule, GstPad *pad);
/* Gives them back: all, or some, and forgets the others. */
void pads_end (Hand *hand, gboolean all);
