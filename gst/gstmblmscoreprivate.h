/* gstmblmscoreprivate.h: what the files of mblmscore share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gst/video/video.h>

#include "gstmblmlines.h"
#include "gstmblmscore.h"
#include "gstmblmunit.h"

G_BEGIN_DECLS

typedef struct {
  GstMblmScorePer per;
  guint window;
  double threshold;
} GstMblmScoreSettings;

struct _GstMblmScore {
  GstMblmBase parent;

  GstMblmScoreSettings settings; /* under the object lock */

  /* Under the base's `lock`: where the streams come from whose STREAM_START is
   * in the queue; NULLs as "". */
  GQueue paths;

  GstMblmLines lines; /* to the pad `json`; has a lock of its own */
  gint warned_json;   /* about that pad; atomic */

  /* In the task. */
  MblmScorer *scorer;
  GstVideoInfo video;
  gboolean is_video; /* `video` says how rows lie */
  guint64 offset;    /* of the next byte in its stream or file */
  GstMblmUnit unit;
  guint64 alarms;  /* units in a row above the threshold */
  char *path;      /* of the stream at work, or NULL */
  gboolean warned; /* about a buffer that can't be mapped */
  float *bits;     /* [PIECE] */

  /* Of the unit of work. */
  GstMblmScoreSettings now;
  GstMblmItem *item;
  GCancellable *cancellable;
  GError *error; /* what scoring failed with */
};

/* The task's part of the class, and what it holds (gstmblmscorework.c). */
void gst_mblm_score_class_init_work (GstMblmBaseClass *klass);
void gst_mblm_score_init_work (GstMblmScore *self);
/* Takes the path of the stream that the task now works on; "": none. In the task, or
 * while that doesn't run. */
void gst_mblm_score_take_path (GstMblmScore *self, char *path);
void gst_mblm_score_clear_work (GstMblmScore *self);

G_END_DECLS
