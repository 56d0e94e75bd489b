/* test-caps.c: caps that are missing, old, or change to another kind.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "tap.h"

#define OCTETS "application/octet-stream"
#define TEXT "text/x-raw, format=(string)utf8"
#define RGB "video/x-raw,format=RGB,width=16,height=12,framerate=10/1"

/* Bytes without caps are octets to mblmgenerate, and pass mblmscore. */
static void
test_no_caps (void)
{
  HelperLine line;

  helper_line (&line, "mblmgenerate");
  helper_feed_begin (line.feed, NULL, GST_FORMAT_TIME);
  gst_pad_push (line.feed, helper_buffer ("one ", 0, 10));
  gst_pad_push (line.feed, helper_buffer ("prompt", 10, 10));
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "caps segment buffer@0+20 eos"));
  helper_line_done (&line);

  helper_line (&line, "mblmscore");
  helper_feed_begin (line.feed, NULL, GST_FORMAT_TIME);
  gst_pad_push (line.feed, helper_buffer ("bytes", 0, 10));
  g_assert_true (helper_tap_wait (line.tap, "segment buffer@0+10"));
  helper_line_done (&line);
}

/* To mblmask they are files: of no known kind, that is one warning, and time
 * goes on. */
static void
test_no_caps_ask (void)
{
  HelperLine line;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, NULL, GST_FORMAT_TIME);
  g_assert_cmpint (gst_pad_push (line.feed, helper_frame (16, 12, 0, 0, 10)),
      ==, GST_FLOW_OK);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "caps segment gap@0+10 eos"));
  helper_check_messages (line.element, 1, 0);
  helper_line_done (&line);
}

/* The caps of the last run are forgotten when the next has none. */
static void
test_stale_caps (void)
{
  HelperLine line;
  GstElement *element;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  gst_pad_push (line.feed, helper_frame (16, 12, 0, 0, 10));
  g_assert_true (helper_tap_wait (line.tap, "buffer@0+10"));
  element = line.element;
  gst_element_set_state (element, GST_STATE_READY);
  helper_feed_free (line.feed);
  helper_count (element, GST_MESSAGE_ANY);
  gst_element_set_state (element, GST_STATE_PLAYING);
  line.feed = helper_feed (element, "sink");
  helper_feed_begin (line.feed, NULL, GST_FORMAT_TIME);
  gst_pad_push (line.feed, helper_frame (16, 12, 0, 20, 10));
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "gap@20+10 eos"));
  helper_check_messages (element, 1, 0);
  helper_line_done (&line);

  helper_line (&line, "mblmgenerate");
  helper_feed_begin (line.feed, TEXT, GST_FORMAT_TIME);
  gst_pad_push (line.feed, helper_buffer ("a prompt", 0, 10));
  g_assert_true (helper_tap_wait (line.tap, "buffer@0+10"));
  element = line.element;
  gst_element_set_state (element, GST_STATE_READY);
  helper_feed_free (line.feed);
  gst_element_set_state (element, GST_STATE_PLAYING);
  line.feed = helper_feed (element, "sink");
  helper_feed_begin (line.feed, NULL, GST_FORMAT_TIME);
  gst_pad_push (line.feed, helper_buffer ("one ", 20, 10));
  gst_pad_push (line.feed, helper_buffer ("prompt", 30, 10));
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "buffer@20+20 eos"));
  helper_line_done (&line);
}

/* A picture: a sample of the model, or the one of the examples. */
static GstBuffer *
picture (gboolean jpeg, GstClockTime pts)
{
  const char *models = g_getenv ("MBLM_MODEL_PATH");
  g_autofree char *path = jpeg
      ? g_build_filename (models, "..", "data", "pictures", "scene.jpg", NULL)
      : g_build_filename (models, "scenes", "samples", "scene00.png", NULL);
  char *data;
  gsize size;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  GstBuffer *buffer = gst_buffer_new_wrapped (data, size);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = 10;
  return buffer;
}

static void
set_caps (HelperLine *line, const char *text)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (text);

  g_assert_true (gst_pad_push_event (line->feed, gst_event_new_caps (caps)));
}

/* Frames, then files of one kind and the other, the last of them cut short by
 * frames again. */
static void
test_caps_change (void)
{
  HelperLine line;
  GstBuffer *half;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  gst_pad_push (line.feed, helper_frame (16, 12, 0, 0, 10));
  set_caps (&line, "image/png");
  gst_pad_push (line.feed, picture (FALSE, 10));
  set_caps (&line, "image/jpeg");
  gst_pad_push (line.feed, picture (TRUE, 20));
  half = picture (TRUE, 30);
  gst_buffer_set_size (half, gst_buffer_get_size (half) / 2);
  gst_pad_push (line.feed, half);
  set_caps (&line, "video/x-raw,format=NV12,width=5,height=3,framerate=0/1");
  half = gst_buffer_new_allocate (NULL, 100, NULL);
  gst_buffer_memset (half, 0, 7, 100);
  GST_BUFFER_PTS (half) = 40;
  GST_BUFFER_DURATION (half) = 10;
  gst_pad_push (line.feed, half);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  g_autofree char *log = helper_tap_read (line.tap);
  g_assert_cmpstr (log, ==,
      "stream-start caps segment buffer@0+10 buffer@10+10 buffer@20+10 "
      "gap@30+10 buffer@40+10 eos ");
  helper_check_messages (line.element, 1, 0);
  helper_line_done (&line);
}

/* A prompt each, then one prompt up to the end. */
static void
test_caps_change_generate (void)
{
  HelperLine line;

  helper_line (&line, "mblmgenerate");
  helper_feed_begin (line.feed, TEXT, GST_FORMAT_TIME);
  gst_pad_push (line.feed, helper_buffer ("a prompt", 0, 10));
  gst_pad_push (line.feed, helper_buffer ("another", 10, 10));
  set_caps (&line, OCTETS);
  gst_pad_push (line.feed, helper_buffer ("half", 20, 10));
  gst_pad_push (line.feed, helper_buffer ("a prompt", 30, 10));
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  g_autofree char *log = helper_tap_read (line.tap);
  g_assert_cmpstr (log, ==,
      "stream-start caps segment buffer@0+10 buffer@10+10 buffer@20+20 eos ");
  helper_line_done (&line);
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/caps/none", test_no_caps);
  g_test_add_func ("/caps/none-ask", test_no_caps_ask);
  g_test_add_func ("/caps/stale", test_stale_caps);
  g_test_add_func ("/caps/change", test_caps_change);
  g_test_add_func ("/caps/change-generate", test_caps_change_generate);
  return helper_end ();
}
