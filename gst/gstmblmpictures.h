/* gstmblmpictures.h: from buffers to pictures as bytes for the model.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Every frame gets its time; one that is to be answered is decoded or
 * converted, turned upright, and becomes the model's bytes before chain
 * returns, so that upstream has its buffer back. Belongs to the sink's
 * streaming thread.
 */

#pragma once

#include "gstmblmassemble.h"
#include "gstmblmbase.h"
#include "gstmblmframe.h"

G_BEGIN_DECLS

/* Gets a frame's item (taken): work, or a skip. */
typedef GstFlowReturn (*GstMblmPictureFunc) (
    GstMblmBase *base, GstMblmItem *item);

typedef struct {
  GstMblmBase *base; /* not owned */
  GstMblmPictureFunc submit;

  gboolean raw; /* video/x-raw, else files */
  GstMblmFrames frames;
  GstMblmAssembler assembler;
  MblmOrientation orientation; /* by the tag */

  guint64 n;         /* frames so far */
  GstClockTime last; /* PTS of the last one to be answered */
  guint warnings;    /* posted about broken frames */
  gboolean warned_trailing;

  /* What holds now: frames between answers. */
  GstClockTime interval;
  guint frame_interval;
} GstMblmPictures;

void gst_mblm_pictures_init (
    GstMblmPictures *self, GstMblmBase *base, GstMblmPictureFunc submit);
void gst_mblm_pictures_clear (GstMblmPictures *self);
void gst_mblm_pictures_reset (GstMblmPictures *self);
/* FALSE: an error was posted. */
gboolean gst_mblm_pictures_set_caps (GstMblmPictures *self, GstCaps *caps);
void gst_mblm_pictures_set_tags (GstMblmPictures *self, GstTagList *tags);
/* A new stream: no orientation is known. */
void gst_mblm_pictures_begin_stream (GstMblmPictures *self);
/* Takes the buffer. */
GstFlowReturn gst_mblm_pictures_push (GstMblmPictures *self, GstBuffer *buffer);
/* No more bytes belong to what came so far. */
GstFlowReturn gst_mblm_pictures_drain (GstMblmPictures *self);

G_END_DECLS
