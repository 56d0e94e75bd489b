/* gstmblmquestion.h: a sink pad that takes questions.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * One buffer is one question. Without a time it holds from the next frame on;
 * with one, from the first frame whose running time is not before it. The pad
 * never waits, its events stay here, and after its EOS the last question holds.
 */

#pragma once

#include <gst/gst.h>

#include "gstmblmtext.h"

G_BEGIN_DECLS

#define GST_TYPE_MBLM_QUESTION_PAD (gst_mblm_question_pad_get_type ())
G_DECLARE_FINAL_TYPE (
    GstMblmQuestionPad, gst_mblm_question_pad, GST, MBLM_QUESTION_PAD, GstPad)

/* `answer` is the pad that the answers go to; the question pad holds it. */
GstMblmQuestionPad *gst_mblm_question_pad_new (
    GstPadTemplate *template, const char *name, GstMblmTextPad *answer);
GstMblmTextPad *gst_mblm_question_pad_get_answer (GstMblmQuestionPad *self);
/* The question that holds for a frame at this running time (NONE: the newest
 * one that isn't for later), or NULL. Free with g_free. Any thread. */
char *gst_mblm_question_pad_ask (
    GstMblmQuestionPad *self, GstClockTime running_time);

G_END_DECLS
