/* gstmblmmeta.h: GstMblmAnswerMeta, what an answer's buffer says about itself.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * A custom meta (gst_buffer_get_custom_meta (buffer, "GstMblmAnswerMeta"))
 * whose structure has the fields
 *
 *   question     string   what was asked; "" for a caption
 *   answer       string   without separator
 *   probability  double   of the answer, 0 to 1
 *   frame-time   guint64  when the picture was, in running time (ns)
 *   repeated     boolean  the answer to an earlier picture, sent again
 *   partial      boolean  the deadline cut it short
 *   choices      array    of structures with `text` and `probability`, in the
 *                         order in which they were given, where there are any
 *
 * The last buffer of a continuation that its deadline cut short has it, too, with
 * `frame-time` (of the prompt) and `partial` alone.
 */

#pragma once

#include <gst/gst.h>
#include <mblm.h>

G_BEGIN_DECLS

#define GST_MBLM_ANSWER_META_NAME "GstMblmAnswerMeta"

void gst_mblm_answer_meta_register (void);

/* `buffer` is writable. */
void gst_mblm_answer_meta_add (GstBuffer *buffer, const char *question,
    const MblmAnswer *answer, GstClockTime frame_time);
/* For the last buffer of a continuation that was cut short. */
void gst_mblm_answer_meta_add_partial (
    GstBuffer *buffer, GstClockTime frame_time);
/* Marks a copy of an answer's buffer, which is writable, as sent again. */
void gst_mblm_answer_meta_set_repeated (GstBuffer *buffer);

/* The field `choices`, if the answer has any; for messages too. */
void gst_mblm_answer_set_choices (
    GstStructure *structure, const MblmAnswer *answer);

G_END_DECLS
