/* test-overlay.c: mblmaskoverlay, and textoverlay beside mblmask.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "tap.h"

#include <string.h>

#define FRAMES 40

/* What came out of a pipeline. */
typedef struct {
  guint frames;
  guint with_text; /* frames that are not all of one colour */
  GstClockTime last;
} Seen;

static void
see_frame (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer user_data)
{
  Seen *seen = user_data;
  GstMapInfo map;
  gboolean plain = TRUE;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  for (gsize i = 1; i < map.size && plain; i++)
    plain = map.data[i] == map.data[0];
  gst_buffer_unmap (buffer, &map);
  seen->frames++;
  seen->with_text += !plain;
  /* In order, and none twice. */
  g_assert_true (!GST_CLOCK_TIME_IS_VALID (seen->last) ||
      GST_BUFFER_PTS (buffer) > seen->last);
  seen->last = GST_BUFFER_PTS (buffer);
}

/* Runs a pipeline whose sink is named "out" to its end, and counts what came. */
static Seen
run (const char *description)
{
  g_autoptr (GError) error = NULL;
  Seen seen = {0, 0, GST_CLOCK_TIME_NONE};
  GstElement *pipeline = gst_parse_launch (description, &error);
  g_assert_no_error (error);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "out");
  GstBus *bus = gst_element_get_bus (pipeline);

  g_signal_connect (sink, "handoff", G_CALLBACK (see_frame), &seen);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  g_assert_no_error (error);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  return seen;
}

#define GREY "pattern=solid-color foreground-color=0xff808080"
#define SIZE "video/x-raw,format=GRAY8,width=160,height=120,framerate=30/1"
#define OUT "fakesink name=out signal-handoffs=true"

/* A file: every frame goes through, and has its answer. */
static void
test_file (void)
{
  g_autofree char *line = g_strdup_printf (
      "videotestsrc num-buffers=%d " GREY " ! " SIZE
      " ! mblmaskoverlay model=%s question=a choices=left,right ! " OUT,
      FRAMES, helper_qa_model ());
  Seen seen = run (line);

  g_assert_cmpuint (seen.frames, ==, FRAMES);
  g_assert_cmpuint (seen.with_text, ==, FRAMES);
}

/* A camera: no frame is held back for good, and answers are seen. */
static void
test_live (void)
{
  g_autofree char *line = g_strdup_printf (
      "videotestsrc is-live=true num-buffers=%d " GREY " ! " SIZE
      " ! mblmaskoverlay model=%s question=a choices=left,right ! " OUT,
      FRAMES, helper_qa_model ());
  Seen seen = run (line);

  g_assert_cmpuint (seen.frames, ==, FRAMES);
  g_assert_cmpuint (seen.with_text, >, 0);
}

/* The same from separate elements, with a default queue on either side. */
static void
test_tee (void)
{
  g_autofree char *line = g_strdup_printf (
      "videotestsrc is-live=true num-buffers=%d " GREY " ! " SIZE
      " ! tee name=t ! queue ! mblmask model=%s question=a "
      "choices=left,right leaky=downstream ! o.text_sink "
      "t. ! queue ! textoverlay name=o ! " OUT,
      FRAMES, helper_qa_model ());
  Seen seen = run (line);

  g_assert_cmpuint (seen.frames, ==, FRAMES);
  g_assert_cmpuint (seen.with_text, >, 0);
}

static void
test_properties (void)
{
  GstElement *overlay = gst_element_factory_make ("mblmaskoverlay", NULL);
  GstElement *ask = gst_bin_get_by_name (GST_BIN (overlay), "ask");
  g_autofree char *question = NULL, *model = NULL;
  guint interval;
  double temperature;

  gst_object_ref_sink (overlay);
  g_object_set (overlay, "question", "why", "frame-interval", 7, NULL);
  g_object_get (ask, "question", &question, "frame-interval", &interval, NULL);
  g_assert_cmpstr (question, ==, "why");
  g_assert_cmpuint (interval, ==, 7);
  g_object_get (overlay, "model", &model, NULL);
  g_assert_cmpstr (model, ==, "scenes");
  gst_child_proxy_set (
      GST_CHILD_PROXY (overlay), "ask::temperature", 0.5, NULL);
  g_object_get (ask, "temperature", &temperature, NULL);
  g_assert_cmpfloat (temperature, ==, 0.5);
  gst_object_unref (ask);
  gst_object_unref (overlay);
}

/* Times that go back: the overlay waits with text for a time that the video has
 * still to reach, and the video goes on all the same. */
static void
test_back (void)
{
  static const guint times[] = {0, 1, 40, 41, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  GstElement *element = gst_element_factory_make ("mblmaskoverlay", NULL);
  GstHarness *h;

  g_object_set (element, "model", helper_qa_model (), "question", "a",
      "choices", "left,right", NULL);
  h = gst_harness_new_with_element (element, "sink", "src");
  gst_harness_set_src_caps_str (h, SIZE);
  for (guint i = 0; i < G_N_ELEMENTS (times); i++) {
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, 160 * 120, NULL);

    gst_buffer_memset (buffer, 0, 100, 160 * 120);
    GST_BUFFER_PTS (buffer) = times[i] * GST_SECOND / 30;
    GST_BUFFER_DURATION (buffer) = GST_SECOND / 30;
    g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_OK);
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  gst_harness_teardown (h);
  gst_object_unref (element);
}

/* The style of the text is that of the overlay inside. */
static void
test_style (void)
{
  GstElement *element = gst_element_factory_make ("mblmaskoverlay", NULL);
  GstElement *overlay = gst_bin_get_by_name (GST_BIN (element), "overlay");
  guint color, outline;
  gint valignment, halignment, xpad;
  gboolean shaded;

  gst_object_ref_sink (element);
  g_object_get (element, "color", &color, "halignment", &halignment,
      "valignment", &valignment, NULL);
  g_assert_cmphex (color, ==, 0xffffffff);
  g_object_set (element, "color", 0xff00ff00, "outline-color", 0x80ff0000,
      "xpad", 7, "shaded-background", TRUE, NULL);
  gst_util_set_object_arg (G_OBJECT (element), "valignment", "top");
  gst_util_set_object_arg (G_OBJECT (element), "halignment", "right");
  g_object_get (overlay, "color", &color, "outline-color", &outline, "xpad",
      &xpad, "shaded-background", &shaded, NULL);
  g_assert_cmphex (color, ==, 0xff00ff00);
  g_assert_cmphex (outline, ==, 0x80ff0000);
  g_assert_cmpint (xpad, ==, 7);
  g_assert_true (shaded);
  g_object_get (
      element, "halignment", &halignment, "valignment", &valignment, NULL);
  g_assert_cmpint (halignment, ==, 2);
  g_assert_cmpint (valignment, ==, 2);
  /* A position that only the child knows reads as the default. */
  gst_util_set_object_arg (G_OBJECT (overlay), "valignment", "absolute");
  g_object_get (element, "valignment", &valignment, NULL);
  g_assert_cmpint (valignment, ==, 0);
  gst_object_unref (overlay);
  gst_object_unref (element);
}

static void
count_notify (GObject *object, GParamSpec *pspec, gpointer data)
{
  (*(guint *) data)++;
}

/* What a child changes by itself is told by the bin, too. */
static void
test_notify (void)
{
  GstElement *element = gst_element_factory_make ("mblmaskoverlay", NULL);
  g_autoptr (GstElement) ask = gst_bin_get_by_name (GST_BIN (element), "ask");
  guint models = 0, others = 0;

  gst_object_ref_sink (element);
  g_signal_connect (
      element, "notify::model", G_CALLBACK (count_notify), &models);
  g_signal_connect (
      element, "notify::question", G_CALLBACK (count_notify), &others);
  g_object_set (ask, "model", "another", "max-bytes", 3, NULL);
  g_assert_cmpuint (models, ==, 1);
  g_assert_cmpuint (others, ==, 0);
  gst_object_unref (element);
}

/* What mblmask says is wrong reaches the bus of the bin. */
static void
test_error (void)
{
  GstElement *pipeline = gst_parse_launch (
      "videotestsrc num-buffers=3 ! mblmaskoverlay model=/no/such/model "
      "question=a ! fakesink",
      NULL);
  GstBus *bus = gst_element_get_bus (pipeline);

  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PLAYING), ==,
      GST_STATE_CHANGE_FAILURE);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, 5 * GST_SECOND, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_true (helper_is_error (
      message, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND));
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}

/* --- misbehaviour --- */

#define GREY8 "video/x-raw,format=GRAY8,width=160,height=120,framerate=10/1"
#define FRAME (GST_SECOND / 10)

static GstBuffer *
grey (guint n)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 160 * 120, NULL);

  gst_buffer_memset (buffer, 0, 128, 160 * 120);
  GST_BUFFER_PTS (buffer) = n * FRAME;
  GST_BUFFER_DURATION (buffer) = FRAME;
  return buffer;
}

/* The bin between a feed and a tap, PLAYING. */
static void
line_new (HelperLine *line)
{
  g_autoptr (GstBus) bus = gst_bus_new ();

  line->element = gst_object_ref_sink (
      gst_element_factory_make ("mblmaskoverlay", NULL));
  gst_element_set_bus (line->element, bus);
  g_object_set (line->element, "model", helper_qa_model (), "question", "a",
      "choices", "left,right", NULL);
  line->feed = helper_feed (line->element, "sink");
  line->tap = helper_tap (line->element, "src");
  gst_element_set_state (line->element, GST_STATE_PLAYING);
}

/* No frame at all. */
static void
test_eos_only (void)
{
  HelperLine line;

  line_new (&line);
  helper_feed_begin (line.feed, GREY8, GST_FORMAT_TIME);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  helper_check_messages (line.element, 0, 0);
  helper_line_done (&line);
}

/* Flushed in the middle, over and over: what comes after has its text. */
static void
test_flush (void)
{
  HelperLine line;
  GstSegment segment;

  line_new (&line);
  helper_feed_begin (line.feed, GREY8, GST_FORMAT_TIME);
  for (guint i = 0; i < 20; i++) {
    for (guint n = 0; n < i % 4; n++)
      gst_pad_push (line.feed, grey (n));
    gst_pad_push_event (line.feed, gst_event_new_flush_start ());
    gst_pad_push_event (line.feed, gst_event_new_flush_stop (TRUE));
    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_pad_push_event (line.feed, gst_event_new_segment (&segment));
  }
  g_ptr_array_set_size (line.tap->buffers, 0);
  for (guint n = 0; n < 5; n++)
    g_assert_cmpint (gst_pad_push (line.feed, grey (n)), ==, GST_FLOW_OK);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (
      line.tap, "buffer@0+100000000 buffer@400000000+100000000 eos"));
  g_assert_cmpuint (line.tap->buffers->len, ==, 5);
  for (guint n = 0; n < 5; n++) {
    Seen seen = {0, 0, GST_CLOCK_TIME_NONE};

    see_frame (NULL, line.tap->buffers->pdata[n], NULL, &seen);
    g_assert_cmpuint (seen.with_text, ==, 1);
  }
  helper_check_messages (line.element, 0, 0);
  helper_line_done (&line);
}

/* What downstream returns comes back to upstream, and nothing hangs. */
static void
test_flows (void)
{
  static const GstFlowReturn flows[] = {GST_FLOW_NOT_LINKED, GST_FLOW_FLUSHING,
      GST_FLOW_EOS, GST_FLOW_NOT_NEGOTIATED, GST_FLOW_ERROR};

  for (guint i = 0; i < G_N_ELEMENTS (flows); i++) {
    GstFlowReturn ret = GST_FLOW_OK;
    HelperLine line;

    line_new (&line);
    helper_tap_set_answer (line.tap, flows[i]);
    helper_feed_begin (line.feed, GREY8, GST_FORMAT_TIME);
    for (guint n = 0; ret == GST_FLOW_OK && n < 10000; n++) {
      ret = gst_pad_push (line.feed, grey (n));
      g_usleep (1000);
    }
    g_assert_cmpint (ret, ==, flows[i]);
    helper_line_done (&line);
  }
}

/* Somebody has forgotten to link it. */
static void
test_unlinked (void)
{
  HelperLine line;
  GstFlowReturn ret = GST_FLOW_OK;
  g_autoptr (GstPad) src = NULL;

  line_new (&line);
  src = gst_element_get_static_pad (line.element, "src");
  gst_pad_unlink (src, line.tap->pad);
  helper_feed_begin (line.feed, GREY8, GST_FORMAT_TIME);
  for (guint n = 0; ret == GST_FLOW_OK && n < 10000; n++) {
    ret = gst_pad_push (line.feed, grey (n));
    g_usleep (1000);
  }
  g_assert_cmpint (ret, ==, GST_FLOW_NOT_LINKED);
  helper_line_done (&line);
}

/* After a failure and a flush frames have their text again. */
static void
test_flush_after_failure (void)
{
  HelperLine line;
  GstSegment segment;
  GstFlowReturn ret = GST_FLOW_OK;

  line_new (&line);
  helper_tap_set_answer (line.tap, GST_FLOW_ERROR);
  helper_feed_begin (line.feed, GREY8, GST_FORMAT_TIME);
  for (guint n = 0; ret == GST_FLOW_OK && n < 10000; n++) {
    ret = gst_pad_push (line.feed, grey (n));
    g_usleep (1000);
  }
  g_assert_cmpint (ret, ==, GST_FLOW_ERROR);
  helper_tap_set_answer (line.tap, GST_FLOW_OK);
  gst_pad_push_event (line.feed, gst_event_new_flush_start ());
  gst_pad_push_event (line.feed, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (line.feed, gst_event_new_segment (&segment));
  for (guint n = 0; n < 8; n++)
    g_assert_cmpint (gst_pad_push (line.feed, grey (n)), ==, GST_FLOW_OK);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap,
      "flush-stop buffer@0+100000000 buffer@700000000+100000000 eos"));
  helper_line_done (&line);
}

/* Streams that begin in the middle of others. */
static void
test_second_stream (void)
{
  HelperLine line;

  line_new (&line);
  for (guint i = 0; i < 5; i++) {
    helper_feed_begin (line.feed, GREY8, GST_FORMAT_TIME);
    for (guint n = 0; n < 3; n++)
      g_assert_cmpint (
          gst_pad_push (line.feed, grey (3 * i + n)), ==, GST_FLOW_OK);
  }
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "buffer@1400000000+100000000 eos"));
  g_assert_cmpuint (line.tap->buffers->len, ==, 15);
  helper_check_messages (line.element, 0, 0);
  helper_line_done (&line);
}

/* To NULL while downstream holds the first frame and more wait. */
static void
test_null (void)
{
  g_autofree char *description = g_strdup_printf (
      "videotestsrc ! " SIZE " ! mblmaskoverlay model=%s question=a ! fakesink",
      helper_qa_model ());

  for (guint i = 0; i < 5; i++) {
    g_autoptr (GError) error = NULL;
    GstElement *pipeline = gst_parse_launch (description, &error);

    g_assert_no_error (error);
    gst_element_set_state (pipeline, GST_STATE_PAUSED);
    g_assert_cmpint (
        gst_element_get_state (pipeline, NULL, NULL, 60 * GST_SECOND), ==,
        GST_STATE_CHANGE_SUCCESS);
    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==,
        GST_STATE_CHANGE_SUCCESS);
    gst_object_unref (pipeline);
  }
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/overlay/file", test_file);
  g_test_add_func ("/overlay/live", test_live);
  g_test_add_func ("/overlay/tee", test_tee);
  g_test_add_func ("/overlay/properties", test_properties);
  g_test_add_func ("/overlay/back", test_back);
  g_test_add_func ("/overlay/style", test_style);
  g_test_add_func ("/overlay/notify", test_notify);
  g_test_add_func ("/overlay/error", test_error);
  g_test_add_func ("/overlay/eos-only", test_eos_only);
  g_test_add_func ("/overlay/flush", test_flush);
  g_test_add_func ("/overlay/flows", test_flows);
  g_test_add_func ("/overlay/unlinked", test_unlinked);
  g_test_add_func ("/overlay/flush-after-failure", test_flush_after_failure);
  g_test_add_func ("/overlay/second-stream", test_second_stream);
  g_test_add_func ("/overlay/null", test_null);
  return helper_end ();
}
