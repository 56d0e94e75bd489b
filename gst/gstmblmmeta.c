/* gstmblmmeta.c: GstMblmAnswerMeta, what an answer's buffer says about itself.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmmeta.h"

void
gst_mblm_answer_meta_register (void)
{
  static gsize once = 0;
  static const gchar *tags[] = {NULL};

  if (g_once_init_enter (&once)) {
    /* Without a transform function it is copied along with a buffer. */
    gst_meta_register_custom (
        GST_MBLM_ANSWER_META_NAME, tags, NULL, NULL, NULL);
    g_once_init_leave (&once, 1);
  }
}

void
gst_mblm_answer_set_choices (GstStructure *structure, const MblmAnswer *answer)
{
  GValue choices = G_VALUE_INIT;

  if (!answer->choices)
    return;
  g_value_init (&choices, GST_TYPE_ARRAY);
  for (guint i = 0; i < answer->n_choices; i++) {
    GValue choice = G_VALUE_INIT;

    g_value_init (&choice, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&choice,
        gst_structure_new ("choice", "text", G_TYPE_STRING,
            answer->choices[i].text, "probability", G_TYPE_DOUBLE,
            answer->choices[i].probability, NULL));
    gst_value_array_append_and_take_value (&choices, &choice);
  }
  gst_structure_take_value (structure, "choices", &choices);
}

void
gst_mblm_answer_meta_add (GstBuffer *buffer, const char *question,
    const MblmAnswer *answer, GstClockTime frame_time)
{
  GstCustomMeta *meta = gst_buffer_add_custom_meta (
      buffer, GST_MBLM_ANSWER_META_NAME);
  GstStructure *structure = gst_custom_meta_get_structure (meta);

  gst_structure_set (structure, "question", G_TYPE_STRING,
      question ? question : "", "answer", G_TYPE_STRING, answer->text,
      "probability", G_TYPE_DOUBLE, answer->probability, "frame-time",
      G_TYPE_UINT64, frame_time, "repeated", G_TYPE_BOOLEAN, FALSE, "partial",
      G_TYPE_BOOLEAN, answer->partial, NULL);
  gst_mblm_answer_set_choices (structure, answer);
}

void
gst_mblm_answer_meta_add_partial (GstBuffer *buffer, GstClockTime frame_time)
{
  GstCustomMeta *meta = gst_buffer_add_custom_meta (
      buffer, GST_MBLM_ANSWER_META_NAME);

  gst_structure_set (gst_custom_meta_get_structure (meta), "frame-time",
      G_TYPE_UINT64, frame_time, "partial", G_TYPE_BOOLEAN, TRUE, NULL);
}

void
gst_mblm_answer_meta_set_repeated (GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (
      buffer, GST_MBLM_ANSWER_META_NAME);

  if (meta)
    gst_structure_set (gst_custom_meta_get_structure (meta), "repeated",
        G_TYPE_BOOLEAN, TRUE, NULL);
}
