/* camera.h: the pipeline of a soak, and what is counted in it.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include "histogram.h"
#include "options.h"
#include "rows.h"

G_BEGIN_DECLS

#define SOAK_WIDTH 640
#define SOAK_HEIGHT 480

/* What comes by, counted by the threads of the pipeline. */
typedef struct {
  GMutex lock;
  /* Under the lock; times since the last row, and since the warm-up. */
  SoakHistogram lateness, latency;
  SoakHistogram all_lateness, all_latency;
  SoakHistogram all_departure; /* how late frames leave the camera */
  gboolean warm;               /* the warm-up is over */
  guint64 frames_in, frames_out, with_text;
  guint64 new_texts, repeats, scores, continuations;
} SoakCounts;

typedef struct {
  GstElement *pipeline;
  GstElement *ask; /* mblmask, whose `stats` are read; NULL: there is none */
  GstVideoInfo info;
  double warm_up; /* s */
  SoakCounts counts;
} SoakCamera;

/* Not started yet. FALSE: an element is missing. */
gboolean soak_camera_init (
    SoakCamera *self, const SoakOptions *options, GError **error);
/* Stops it, if it runs. */
void soak_camera_clear (SoakCamera *self);
/* Fills in the counts, and the percentiles since the last row; needs the time.
 * Downstream is read before upstream, so that no row has more frames out than in.
 */
void soak_camera_measure (SoakCamera *self, double *row);
/* What the pipeline adds to the time of a frame, by its own word; -1: it doesn't
 * say. */
double soak_camera_get_latency_ms (SoakCamera *self);

G_END_DECLS
