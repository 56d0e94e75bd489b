/* test-states.c: states, ends and runs that are the same.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "kinds.h"
#include "tap.h"

#include <gst/check/gsttestclock.h>
#include <string.h>

#define NONE GST_CLOCK_TIME_NONE
static GstBuffer *
new_buffer (const Kind *kind, GstClockTime pts, GstClockTime duration)
{
  if (g_str_equal (kind->factory, "mblmask"))
    return helper_frame (16, 12, 3, pts, duration);
  return helper_buffer ("some bytes", pts, duration);
}

/* --- pipelines --- */

/* The element and a sink in a pipeline, fed from outside. */
typedef struct {
  GstElement *pipeline, *element;
  GstPad *feed;
} Line;

static void
line_new (Line *line, const Kind *kind, gboolean async)
{
  GstElement *sink = gst_element_factory_make ("fakesink", "sink");

  line->pipeline = gst_pipeline_new (NULL);
  line->element = gst_element_factory_make (kind->factory, NULL);
  g_object_set (line->element, "model",
      g_str_equal (kind->factory, "mblmask") ? helper_qa_model ()
                                             : helper_text_model (),
      NULL);
  if (g_str_equal (kind->factory, "mblmask"))
    g_object_set (line->element, "question", "why", "choices", "a,b", NULL);
  g_object_set (sink, "async", async, NULL);
  gst_bin_add_many (GST_BIN (line->pipeline), line->element, sink, NULL);
  g_assert_true (gst_element_link (line->element, sink));
  line->feed = helper_feed (line->element, "sink");
}

static void
line_free (Line *line)
{
  g_assert_cmpint (gst_element_set_state (line->pipeline, GST_STATE_NULL), ==,
      GST_STATE_CHANGE_SUCCESS);
  helper_feed_free (line->feed);
  gst_object_unref (line->pipeline);
}

/* Behind a live source PAUSED has no preroll. */
static void
test_live (void)
{
  const char *const launch[] = {
      "videotestsrc is-live=true ! mblmask model=%s ! fakesink",
      "videotestsrc is-live=true ! mblmscore model=%s ! fakesink",
      "videotestsrc is-live=true ! mblmgenerate model=%s ! fakesink"};

  for (guint i = 0; i < G_N_ELEMENTS (launch); i++) {
    g_autoptr (GError) error = NULL;
    g_auto (GStrv) parts = g_strsplit (launch[i], "%s", -1);
    g_autofree char *line = g_strjoinv (
        i == 0 ? helper_qa_model () : helper_text_model (), parts);
    GstElement *pipeline = gst_parse_launch (line, &error);

    g_assert_no_error (error);
    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PAUSED), ==,
        GST_STATE_CHANGE_NO_PREROLL);
    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==,
        GST_STATE_CHANGE_SUCCESS);
    gst_object_unref (pipeline);
  }
}

/* A first buffer that gets no text is a GAP, and that prerolls the sink. */
static void
test_preroll_on_gap (void)
{
  FOR_EACH (kind)
  {
    Line line;

    if (g_str_equal (kind->factory, "mblmscore"))
      continue;
    line_new (&line, kind, TRUE);
    g_assert_cmpint (gst_element_set_state (line.pipeline, GST_STATE_PAUSED),
        ==, GST_STATE_CHANGE_ASYNC);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    g_assert_cmpint (
        gst_pad_push (line.feed, helper_buffer ("", 0, 10)), ==, GST_FLOW_OK);
    g_assert_cmpint (
        gst_element_get_state (line.pipeline, NULL, NULL, 60 * GST_SECOND), ==,
        GST_STATE_CHANGE_SUCCESS);
    line_free (&line);
  }
}

/* EOS prerolls, too, when there is nothing else. */
static void
test_preroll_on_eos (void)
{
  FOR_EACH (kind)
  {
    Line line;

    line_new (&line, kind, TRUE);
    gst_element_set_state (line.pipeline, GST_STATE_PAUSED);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    g_assert_true (gst_pad_push_event (line.feed, gst_event_new_eos ()));
    g_assert_cmpint (
        gst_element_get_state (line.pipeline, NULL, NULL, 60 * GST_SECOND), ==,
        GST_STATE_CHANGE_SUCCESS);
    line_free (&line);
  }
}

static void
see_buffer (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  g_async_queue_push (data, gst_buffer_ref (buffer));
}

static void
check_next (GAsyncQueue *queue, GstClockTime pts, GstClockTime duration)
{
  GstBuffer *buffer = g_async_queue_timeout_pop (
      queue, 60 * G_TIME_SPAN_SECOND);

  g_assert_nonnull (buffer);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, pts);
  g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, duration);
  gst_buffer_unref (buffer);
}

/* Text that is timed by its arrival doesn't know of the time of a pause. */
static void
test_pause (void)
{
  GstClock *clock = gst_test_clock_new_with_start_time (100 * GST_SECOND);
  GAsyncQueue *queue = g_async_queue_new ();
  GstElement *sink;
  Line line;

  line_new (&line, &kinds[2], FALSE);
  gst_util_set_object_arg (G_OBJECT (line.element), "timing", "arrival");
  sink = gst_bin_get_by_name (GST_BIN (line.pipeline), "sink");
  g_object_set (sink, "sync", FALSE, "signal-handoffs", TRUE, NULL);
  g_signal_connect (sink, "handoff", G_CALLBACK (see_buffer), queue);
  gst_pipeline_use_clock (GST_PIPELINE (line.pipeline), clock);
  gst_element_set_state (line.pipeline, GST_STATE_PLAYING);
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  gst_test_clock_set_time (GST_TEST_CLOCK (clock), 105 * GST_SECOND);
  gst_element_set_state (line.pipeline, GST_STATE_PAUSED);
  gst_test_clock_set_time (GST_TEST_CLOCK (clock), 1000 * GST_SECOND);
  gst_element_set_state (line.pipeline, GST_STATE_PLAYING);
  gst_test_clock_set_time (GST_TEST_CLOCK (clock), 1007 * GST_SECOND);
  /* Its answer is there at 12 s, and goes out with the next frame. */
  gst_pad_push (line.feed, helper_frame (16, 12, 1, 0, 10 * GST_SECOND));
  g_assert_true (helper_wait_stat (line.element, "units", 1));
  gst_pad_push (
      line.feed, helper_frame (16, 12, 1, 10 * GST_SECOND, 10 * GST_SECOND));
  check_next (queue, 12 * GST_SECOND, 8 * GST_SECOND);
  gst_object_unref (sink);
  line_free (&line);
  g_async_queue_unref (queue);
  gst_object_unref (clock);
}

/* --- ends --- */

/* With one buffer at work EOS waits for what comes of it. */
static void
test_eos_behind_work (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;
    g_autofree char *held = NULL, *log = NULL;

    helper_line (&line, kind->factory);
    helper_tap_hold (line.tap, TRUE);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    gst_pad_push (line.feed, new_buffer (kind, 0, 10));
    g_assert_true (gst_pad_push_event (line.feed, gst_event_new_eos ()));
    g_assert_true (helper_tap_wait_held (line.tap));
    held = helper_tap_read (line.tap);
    g_assert_null (strstr (held, "eos"));
    helper_tap_hold (line.tap, FALSE);
    g_assert_true (helper_tap_wait (line.tap, "eos"));
    log = helper_tap_read (line.tap);
    g_assert_cmpstr (log, ==, "stream-start caps segment buffer@0+10 eos ");
    helper_line_done (&line);
  }
}

/* To NULL in the middle of long work, and the queue full behind it. */
static void
test_null_in_work (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    if (g_str_equal (kind->factory, "mblmask"))
      g_object_set (line.element, "choices", NULL, NULL);
    if (!g_str_equal (kind->factory, "mblmscore"))
      g_object_set (line.element, "max-bytes", G_MAXUINT, NULL);
    for (guint i = 0; i < 5; i++) {
      helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
      for (guint n = 0; n < 3; n++) {
        GstBuffer *buffer = new_buffer (kind, 10 * n, 10);

        if (g_str_equal (kind->factory, "mblmscore")) {
          gst_buffer_unref (buffer);
          buffer = gst_buffer_new_allocate (NULL, 5000000, NULL);
          gst_buffer_memset (buffer, 0, 7, 1000);
          g_object_set (line.element, "max-size-bytes", 0, NULL);
        }
        g_assert_cmpint (gst_pad_push (line.feed, buffer), ==, GST_FLOW_OK);
      }
      g_assert_cmpint (gst_element_set_state (line.element, GST_STATE_NULL), ==,
          GST_STATE_CHANGE_SUCCESS);
      helper_check_messages (line.element, 0, 0);
      g_assert_cmpuint (helper_stat (line.element, "queued-buffers"), ==, 0);
      helper_feed_free (line.feed);
      line.feed = helper_feed (line.element, "sink");
      g_assert_cmpint (gst_element_set_state (line.element, GST_STATE_PLAYING),
          ==, GST_STATE_CHANGE_SUCCESS);
    }
    /* Answers may have an end of their own. */
    if (!g_str_equal (kind->factory, "mblmask"))
      g_assert_cmpuint (line.tap->buffers->len, ==, 0);
    helper_line_done (&line);
  }
}

/* --- characters --- */

/* All text that came, which is valid UTF-8 in every buffer. */
static char *
all_text (HelperTap *tap)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < tap->buffers->len; i++) {
    GstMapInfo map;

    gst_buffer_map (tap->buffers->pdata[i], &map, GST_MAP_READ);
    g_assert_true (g_utf8_validate ((const char *) map.data, map.size, NULL));
    g_string_append_len (text, (const char *) map.data, map.size);
    gst_buffer_unmap (tap->buffers->pdata[i], &map);
  }
  return g_string_free (text, FALSE);
}

static char *
echo (const char *prompt, gsize n, gsize cut, const char *emit)
{
  HelperLine line;
  char *text;

  helper_line (&line, "mblmgenerate");
  gst_util_set_object_arg (G_OBJECT (line.element), "emit", emit);
  g_object_set (line.element, "echo", TRUE, "max-bytes", 5, NULL);
  helper_feed_begin (line.feed, OCTETS, GST_FORMAT_BYTES);
  if (cut > 0)
    gst_pad_push (line.feed, gst_buffer_new_memdup (prompt, cut));
  if (cut < n)
    gst_pad_push (line.feed, gst_buffer_new_memdup (prompt + cut, n - cut));
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  text = all_text (line.tap);
  helper_check_messages (line.element, 0, 0);
  helper_line_done (&line);
  return text;
}

/* A prompt that is cut anywhere, in the middle of a character, too, is the same
 * prompt, and comes back whole. */
static void
test_cut_prompt (void)
{
  static const char prompt[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z";
  static const char *const emits[] = {"character", "line", "prompt"};
  const gsize n = strlen (prompt);

  for (guint i = 0; i < G_N_ELEMENTS (emits); i++) {
    g_autofree char *whole = echo (prompt, n, 0, emits[i]);

    g_assert_true (g_str_has_prefix (whole, prompt));
    for (gsize cut = 1; cut < n; cut++) {
      g_autofree char *text = echo (prompt, n, cut, emits[i]);

      g_assert_cmpstr (text, ==, whole);
    }
  }
}

/* A prompt that ends in the middle of a character: what is sent is valid. */
static void
test_cut_off_prompt (void)
{
  static const char prompt[] = "\xf0\x9f\x98\x80";

  for (gsize n = 1; n < 4; n++) {
    g_autofree char *text = echo (prompt, n, n, "prompt");

    g_assert_cmpuint (strlen (text), >, 0);
  }
}

/* --- the same again --- */

/* Everything that can be seen of a run. */
static char *
run (const Kind *kind)
{
  HelperLine line;
  HelperTap *json = NULL;
  GString *seen = g_string_new (NULL);
  g_autofree char *log = NULL;

  helper_line (&line, kind->factory);
  if (g_str_equal (kind->factory, "mblmscore")) {
    GstPad *pad = gst_element_request_pad_simple (line.element, "json");

    json = helper_tap (line.element, "json");
    gst_object_unref (pad);
  } else {
    g_object_set (line.element, "temperature", 1.3, "seed", (guint64) 5,
        "max-bytes", 9, NULL);
  }
  if (g_str_equal (kind->factory, "mblmask"))
    g_object_set (line.element, "choices", NULL, "frame-interval", 2, NULL);
  helper_feed_begin (line.feed, kind->caps, GST_FORMAT_BYTES);
  for (guint i = 0; i < 6; i++)
    gst_pad_push (line.feed, new_buffer (kind, NONE, NONE));
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  if (json)
    g_assert_true (helper_tap_wait (json, "eos"));
  for (HelperTap *tap = line.tap; tap; tap = tap == json ? NULL : json) {
    log = helper_tap_read (tap);
    g_string_append_printf (seen, "%s\n", log);
    g_clear_pointer (&log, g_free);
    for (guint i = 0; i < tap->buffers->len; i++) {
      GstBuffer *buffer = tap->buffers->pdata[i];
      GstMapInfo map;

      gst_buffer_map (buffer, &map, GST_MAP_READ);
      g_autofree char *sum = g_compute_checksum_for_data (
          G_CHECKSUM_SHA256, map.data, map.size);
      gst_buffer_unmap (buffer, &map);
      g_string_append_printf (seen, "%u %s\n", GST_BUFFER_FLAGS (buffer), sum);
    }
  }
  if (json)
    helper_tap_free (json);
  helper_line_done (&line);
  return g_string_free (seen, FALSE);
}

static void
test_same (void)
{
  FOR_EACH (kind)
  {
    g_autofree char *one = run (kind);

    for (guint i = 0; i < 3; i++) {
      g_autofree char *other = run (kind);

      g_assert_cmpstr (one, ==, other);
    }
  }
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/states/live", test_live);
  g_test_add_func ("/states/preroll-on-gap", test_preroll_on_gap);
  g_test_add_func ("/states/preroll-on-eos", test_preroll_on_eos);
  g_test_add_func ("/states/pause", test_pause);
  g_test_add_func ("/states/eos-behind-work", test_eos_behind_work);
  g_test_add_func ("/states/null-in-work", test_null_in_work);
  g_test_add_func ("/states/cut-prompt", test_cut_prompt);
  g_test_add_func ("/states/cut-off-prompt", test_cut_off_prompt);
  g_test_add_func ("/states/same", test_same);
  return helper_end ();
}
