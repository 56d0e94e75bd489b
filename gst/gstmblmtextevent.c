/* gstmblmtextevent.c: what an event of upstream's means for text.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Text is about the same stream, but of another kind: some events hold for it as
 * they are, some in part, and some are about the media alone.
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstmblmbase.h"

/* What is true of the text as of the stream it is about. */
static GstEvent *
filter_tags (GstEvent *event)
{
  static const char *const own[] = {GST_TAG_CODEC, GST_TAG_VIDEO_CODEC,
      GST_TAG_AUDIO_CODEC, GST_TAG_SUBTITLE_CODEC, GST_TAG_CONTAINER_FORMAT,
      GST_TAG_BITRATE, GST_TAG_NOMINAL_BITRATE, GST_TAG_MINIMUM_BITRATE,
      GST_TAG_MAXIMUM_BITRATE, GST_TAG_ENCODER, GST_TAG_ENCODER_VERSION,
      GST_TAG_IMAGE_ORIENTATION};
  GstTagList *tags, *copy;
  GstEvent *filtered = NULL;

  gst_event_parse_tag (event, &tags);
  if (gst_tag_list_get_scope (tags) == GST_TAG_SCOPE_GLOBAL)
    return event;
  copy = gst_tag_list_copy (tags);
  for (guint i = 0; i < G_N_ELEMENTS (own); i++)
    gst_tag_list_remove_tag (copy, own[i]);
  if (gst_tag_list_is_empty (copy)) {
    gst_tag_list_unref (copy);
  } else {
    filtered = gst_event_new_tag (copy);
    gst_event_set_seqnum (filtered, gst_event_get_seqnum (event));
  }
  gst_event_unref (event);
  return filtered;
}

/* Sends a segment of the text pads' own or of upstream's. */
static void
change_segment (GstMblmBase *self, GstEvent *event)
{
  g_autoptr (GPtrArray) pads = gst_mblm_base_list_text_pads (self);

  for (guint i = 0; i < pads->len; i++) {
    gst_mblm_text_pad_drain (pads->pdata[i]);
    gst_mblm_text_pad_set_segment (pads->pdata[i], event);
  }
  gst_event_unref (event);
}

void
gst_mblm_base_text_event (GstMblmBase *self, GstEvent *event)
{
  g_autoptr (GPtrArray) pads = NULL;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_SEGMENT:
      change_segment (self, event);
      return;
    case GST_EVENT_TAG:
      event = filter_tags (event);
      if (!event)
        return;
      break;
    case GST_EVENT_CAPS:
    case GST_EVENT_STREAM_COLLECTION:
    case GST_EVENT_BUFFERSIZE:
    case GST_EVENT_TOC:
    case GST_EVENT_PROTECTION:
    case GST_EVENT_GAP:
      /* About the media, not about the text. */
      gst_event_unref (event);
      return;
    default:
      break;
  }

  pads = gst_mblm_base_list_text_pads (self);
  for (guint i = 0; i < pads->len; i++) {
    GstMblmTextPad *pad = pads->pdata[i];

    if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START) {
      gst_mblm_text_pad_restart (pad, event);
      continue;
    }
    if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
      gst_mblm_text_pad_drain (pad);
    gst_mblm_text_pad_send (pad, gst_event_ref (event));
  }
  gst_event_unref (event);
}
