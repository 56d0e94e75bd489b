/* test-events.c: events and buffers in an order that nobody should send.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every element that a test says nothing else of must come through it: what is
 * in order afterwards is worked on as if nothing had been.
 */

#include "kinds.h"
#include "tap.h"

#include <string.h>

#define NONE GST_CLOCK_TIME_NONE

/* Events go through as they are. */
static gboolean
passes (const Kind *kind)
{
  return g_str_equal (kind->factory, "mblmscore");
}

static GstBuffer *
new_buffer (const Kind *kind, GstClockTime pts, GstClockTime duration)
{
  if (g_str_equal (kind->factory, "mblmask"))
    return helper_frame (16, 12, 3, pts, duration);
  return helper_buffer ("some bytes", pts, duration);
}

static void
push_format (HelperLine *line, GstFormat format)
{
  GstSegment segment;

  gst_segment_init (&segment, format);
  if (format == GST_FORMAT_TIME)
    segment.base = 50;
  gst_pad_push_event (line->feed, gst_event_new_segment (&segment));
}

static GstFlowReturn
push (
    HelperLine *line, const Kind *kind, GstClockTime pts, GstClockTime duration)
{
  return gst_pad_push (line->feed, new_buffer (kind, pts, duration));
}

/* What comes after the disorder: a whole stream, in order. */
static void
check_whole (HelperLine *line, const Kind *kind)
{
  helper_feed_begin (line->feed, kind->caps, GST_FORMAT_TIME);
  g_assert_cmpint (push (line, kind, 700, 50), ==, GST_FLOW_OK);
  g_assert_true (gst_pad_push_event (line->feed, gst_event_new_eos ()));
  g_assert_true (helper_tap_wait (
      line->tap, "stream-start caps segment buffer@700+50 eos"));
  g_assert_cmpuint (helper_count (line->element, GST_MESSAGE_ERROR), ==, 0);
}

/* An EOS that nothing comes before goes on, with what has to come before it. */
static void
test_eos_first (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;
    g_autofree char *log = NULL;

    helper_line (&line, kind->factory);
    g_assert_true (gst_pad_push_event (line.feed, gst_event_new_eos ()));
    g_assert_true (helper_tap_wait (line.tap, "eos"));
    log = helper_tap_read (line.tap);
    g_assert_cmpstr (
        log, ==, passes (kind) ? "eos " : "stream-start caps segment eos ");
    g_assert_cmpint (push (&line, kind, 0, 1), ==, GST_FLOW_EOS);
    g_assert_cmpuint (helper_stat (line.element, "buffers-in"), ==, 0);
    check_whole (&line, kind);
    helper_line_done (&line);
  }
}

static void
test_gap_first (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;
    g_autofree char *log = NULL;

    helper_line (&line, kind->factory);
    gst_pad_push_event (line.feed, gst_event_new_gap (0, 100));
    g_assert_true (helper_tap_wait (line.tap, "gap@0+100"));
    log = helper_tap_read (line.tap);
    g_assert_cmpstr (log, ==,
        passes (kind) ? "gap@0+100 " : "stream-start caps segment gap@0+100 ");
    check_whole (&line, kind);
    helper_line_done (&line);
  }
}

/* A tag is not lost. */
static void
test_tag_first (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    gst_pad_push_event (line.feed,
        gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "x", NULL)));
    g_assert_true (helper_tap_wait (line.tap, "tag"));
    check_whole (&line, kind);
    helper_line_done (&line);
  }
}

/* A segment before everything else holds until the next one. */
static void
test_segment_first (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;
    GstSegment segment;

    helper_allow_disorder ();
    helper_line (&line, kind->factory);
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.base = 99;
    gst_pad_push_event (line.feed, gst_event_new_segment (&segment));
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_UNDEFINED);
    g_assert_cmpint (push (&line, kind, 5, 6), ==, GST_FLOW_OK);
    g_assert_true (helper_tap_wait (line.tap, "segment buffer@5+6"));
    g_assert_cmpuint (line.tap->segment.base, ==, 99);
    check_whole (&line, kind);
    helper_line_done (&line);
  }
}

static void
test_flush_first (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    g_assert_true (
        gst_pad_push_event (line.feed, gst_event_new_flush_stop (FALSE)));
    g_assert_true (
        gst_pad_push_event (line.feed, gst_event_new_flush_start ()));
    g_assert_cmpint (push (&line, kind, 0, 1), ==, GST_FLOW_FLUSHING);
    g_assert_true (
        gst_pad_push_event (line.feed, gst_event_new_flush_stop (TRUE)));
    g_assert_true (
        helper_tap_wait (line.tap, "flush-stop flush-start flush-stop"));
    check_whole (&line, kind);
    helper_line_done (&line);
  }
}

/* Nothing at all before the buffer: text gets a segment of its own. */
static void
test_no_segment (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;

    helper_allow_disorder ();
    helper_line (&line, kind->factory);
    g_assert_cmpint (push (&line, kind, 5, 6), ==, GST_FLOW_OK);
    if (!passes (kind))
      gst_pad_push_event (line.feed, gst_event_new_eos ());
    if (passes (kind))
      g_assert_true (helper_tap_wait (line.tap, "buffer@5+6"));
    else if (g_str_equal (kind->factory, "mblmask"))
      g_assert_true (
          helper_tap_wait (line.tap, "stream-start caps segment gap@5+6 eos"));
    else
      g_assert_true (helper_tap_wait (
          line.tap, "stream-start caps segment buffer@5+6 eos"));
    check_whole (&line, kind);
    helper_line_done (&line);
  }
}

/* What is in order stays in order. */
static void
test_order (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    for (guint i = 0; i < 3; i++) {
      push (&line, kind, 100 * i, 100);
      gst_pad_push_event (line.feed,
          gst_event_new_custom (
              GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("mine")));
    }
    gst_pad_push_event (line.feed, gst_event_new_gap (300, 100));
    push (&line, kind, 400, 100);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, "eos"));
    g_autofree char *log = helper_tap_read (line.tap);
    g_assert_cmpstr (log, ==,
        "stream-start caps segment buffer@0+100 custom-downstream "
        "buffer@100+100 custom-downstream buffer@200+100 custom-downstream "
        "gap@300+100 buffer@400+100 eos ");
    helper_line_done (&line);
  }
}

/* A second segment comes through with all that it says. */
static void
test_second_segment (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;
    GstSegment segment;
    GstEvent *event;

    helper_line (&line, kind->factory);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    push (&line, kind, 0, 10);
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.rate = 2.0;
    segment.applied_rate = 0.5;
    segment.base = 10;
    segment.start = 1000;
    segment.stop = 2000;
    segment.time = 77;
    event = gst_event_new_segment (&segment);
    gst_event_set_seqnum (event, 4242);
    gst_pad_push_event (line.feed, event);
    push (&line, kind, 1500, 10);
    g_assert_true (helper_tap_wait (
        line.tap, "segment buffer@0+10 segment buffer@1500+10"));
    g_assert_cmpuint (line.tap->seqnum, ==, 4242);
    g_assert_true (gst_segment_is_equal (&line.tap->segment, &segment));
    event = gst_event_new_eos ();
    gst_event_set_seqnum (event, 4343);
    gst_pad_push_event (line.feed, event);
    g_assert_true (helper_tap_wait (line.tap, "eos"));
    g_assert_cmpuint (line.tap->seqnum, ==, 4343);
    helper_line_done (&line);
  }
}

/* Text has its own TIME segment for what is in BYTES, and upstream's for the
 * rest. One of its own begins at 0, at the running time that was reached. */
static void
test_formats (void)
{
  static const char *const texts[] = {
      "segment buffer@0+0 segment buffer@1500+10 segment buffer@0+0 eos",
      "segment buffer@none+none segment buffer@1500+10 segment "
      "buffer@none+none eos",
      "segment buffer@0+100000000 segment buffer@1500+10 segment "
      "buffer@0+100000000 eos"};

  FOR_EACH (kind)
  {
    HelperLine line;
    GstFormat last = passes (kind) ? GST_FORMAT_BYTES : GST_FORMAT_TIME;

    helper_line (&line, kind->factory);
    if (g_str_equal (kind->factory, "mblmgenerate"))
      g_object_set (line.element, "byte-duration", (guint64) 0, NULL);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_BYTES);
    push (&line, kind, NONE, NONE);
    push_format (&line, GST_FORMAT_TIME);
    push (&line, kind, 1500, 10);
    g_assert_true (helper_tap_wait (line.tap, "buffer@1500+10"));
    g_assert_cmpint (line.tap->segment.format, ==, GST_FORMAT_TIME);
    g_assert_cmpuint (line.tap->segment.base, ==, 50);
    push_format (&line, GST_FORMAT_BYTES);
    push (&line, kind, NONE, NONE);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, texts[kind - kinds]));
    g_assert_cmpint (line.tap->segment.format, ==, last);
    g_assert_cmpuint (line.tap->segment.start, ==, 0);
    if (!passes (kind))
      g_assert_cmpuint (line.tap->segment.base, ==, 50 + 1510);
    helper_line_done (&line);
  }
}

/* A flush that keeps the running time keeps model, question and caps, too. */
static void
test_flush_keeps_time (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;
    GstSegment segment;

    helper_line (&line, kind->factory);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    push (&line, kind, 0, 10);
    g_assert_true (helper_tap_wait (line.tap, "buffer@0+10"));
    gst_pad_push_event (line.feed, gst_event_new_flush_start ());
    gst_pad_push_event (line.feed, gst_event_new_flush_stop (FALSE));
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.base = 10;
    gst_pad_push_event (line.feed, gst_event_new_segment (&segment));
    g_assert_cmpint (push (&line, kind, 20, 10), ==, GST_FLOW_OK);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap,
        "buffer@0+10 flush-start flush-stop segment buffer@20+10 eos"));
    g_assert_cmpuint (line.tap->segment.base, ==, 10);
    helper_check_messages (line.element, 0, 0);
    helper_line_done (&line);
  }
}

/* A stream that begins in the middle of another, and one after EOS. */
static void
test_second_stream (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    push (&line, kind, 0, 10);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    push (&line, kind, 20, 10);
    g_assert_true (helper_tap_wait (line.tap,
        "stream-start caps segment buffer@0+10 stream-start caps segment "
        "buffer@20+10"));
    for (guint i = 0; i < 20; i++) {
      gst_pad_push_event (line.feed, gst_event_new_eos ());
      helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
      g_assert_cmpint (push (&line, kind, 30 + i, 10), ==, GST_FLOW_OK);
    }
    g_assert_true (helper_tap_wait (line.tap,
        "buffer@20+10 eos stream-start caps segment buffer@30+10 eos "
        "stream-start caps segment buffer@31+10 eos buffer@49+10"));
    helper_line_done (&line);
  }
}

/* Streams without a time in a row, as concat sends them: their text doesn't go
 * back in time. */
static void
test_streams_in_bytes (void)
{
  static const char *const wanted[] = {
      "buffer@0+21 buffer@21+21 buffer@42+21 eos", NULL,
      "buffer@0+100000000 buffer@100000000+100000000 "
      "buffer@200000000+100000000 eos"};

  FOR_EACH (kind)
  {
    HelperLine line;

    if (passes (kind))
      continue;
    helper_line (&line, kind->factory);
    if (g_str_equal (kind->factory, "mblmgenerate"))
      g_object_set (line.element, "byte-duration", (guint64) 7, "stop", "",
          "max-bytes", 0, "separator", "abc", NULL);
    for (guint i = 0; i < 3; i++) {
      helper_feed_begin (line.feed, kind->caps, GST_FORMAT_BYTES);
      push (&line, kind, NONE, NONE);
    }
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, wanted[kind - kinds]));
    helper_line_done (&line);
  }
}

/* After EOS nothing is taken until a stream begins. */
static void
test_after_eos (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    push (&line, kind, 0, 10);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_cmpint (push (&line, kind, 10, 10), ==, GST_FLOW_EOS);
    g_assert_false (gst_pad_push_event (line.feed, gst_event_new_gap (10, 5)));
    g_assert_true (helper_tap_wait (line.tap, "buffer@0+10 eos"));
    g_assert_cmpint (push (&line, kind, 10, 10), ==, GST_FLOW_EOS);
    g_assert_cmpuint (helper_stat (line.element, "buffers-in"), ==, 1);
    check_whole (&line, kind);
    helper_line_done (&line);
  }
}

/* Backwards every frame has its answer at its time, and none lasts longer. */
static void
test_backwards (void)
{
  FOR_EACH (kind)
  {
    for (guint arrival = 0; arrival < 2; arrival++) {
      HelperLine line;
      GstSegment segment;

      if (arrival && passes (kind))
        continue;
      helper_line (&line, kind->factory);
      if (arrival)
        gst_util_set_object_arg (G_OBJECT (line.element), "timing", "arrival");
      gst_segment_init (&segment, GST_FORMAT_TIME);
      segment.rate = -1.0;
      segment.stop = 1000;
      helper_feed_begin (line.feed, kind->caps, GST_FORMAT_UNDEFINED);
      gst_pad_push_event (line.feed, gst_event_new_segment (&segment));
      for (guint i = 0; i < 4; i++)
        push (&line, kind, 900 - 100 * i, 100);
      gst_pad_push_event (line.feed, gst_event_new_eos ());
      g_assert_true (helper_tap_wait (line.tap, "eos"));
      g_autofree char *log = helper_tap_read (line.tap);
      g_assert_cmpstr (log, ==,
          "stream-start caps segment buffer@900+100 buffer@800+100 "
          "buffer@700+100 buffer@600+100 eos ");
      g_assert_cmpfloat (line.tap->segment.rate, ==, -1.0);
      helper_line_done (&line);
    }
  }
}

/* --- a stream whose start is lost in a flush --- */

/* One buffer is held downstream; the next stream waits behind it, and is flushed
 * before the task has come to its start. `json`, or NULL, has had the start of the
 * first by then: its thread would tell it as one of the stream that came last. */
static void
lose_stream (HelperLine *line, const Kind *kind, HelperTap *json)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (kind->caps);

  helper_feed_begin (line->feed, kind->caps, GST_FORMAT_TIME);
  helper_tap_hold (line->tap, TRUE);
  push (line, kind, 0, 10);
  g_assert_true (helper_tap_wait_held (line->tap));
  if (json)
    g_assert_true (helper_tap_wait (json, "segment"));
  gst_pad_push_event (line->feed, gst_event_new_stream_start ("other"));
  gst_pad_push_event (line->feed, gst_event_new_caps (caps));
  push_format (line, GST_FORMAT_TIME);
  push (line, kind, 100, 10);
  gst_pad_push_event (line->feed, gst_event_new_flush_start ());
  helper_tap_hold (line->tap, FALSE);
  gst_pad_push_event (line->feed, gst_event_new_flush_stop (TRUE));
  push_format (line, GST_FORMAT_TIME);
  push (line, kind, 200, 10);
  gst_pad_push_event (line->feed, gst_event_new_eos ());
}

/* What follows is of the new stream all the same. */
static void
test_lost_stream (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;
    g_autofree char *id = NULL;

    helper_line (&line, kind->factory);
    lose_stream (&line, kind, NULL);
    g_assert_true (helper_tap_wait (
        line.tap, "flush-stop stream-start caps segment buffer@200+10 eos"));
    id = gst_pad_get_stream_id (line.tap->pad);
    g_assert_cmpstr (id, ==, passes (kind) ? "other" : "other/src");
    helper_check_messages (line.element, 0, 0);
    helper_line_done (&line);
  }
}

/* The file is that of the stream that was sent last. */
static gboolean
answer_uri (GstPad *pad, GstObject *parent, GstQuery *query)
{
  g_autofree char *id = gst_pad_get_stream_id (pad), *uri = NULL;

  if (GST_QUERY_TYPE (query) != GST_QUERY_URI)
    return gst_pad_query_default (pad, parent, query);
  uri = g_strdup_printf ("file:///%s", id);
  gst_query_set_uri (query, uri);
  return TRUE;
}

static void
check_path (GstElement *element, const char *wanted)
{
  GstMessage *message = helper_wait_named (element, "mblmscore");

  g_assert_nonnull (message);
  g_assert_cmpstr (
      gst_structure_get_string (gst_message_get_structure (message), "path"),
      ==, wanted);
  gst_message_unref (message);
}

/* Scores carry its path, and their lines its id. From READY on no path is left. */
static void
test_lost_path (void)
{
  const Kind *kind = &kinds[1];
  HelperLine line;
  HelperTap *json;
  GstPad *pad;
  g_autofree char *id = NULL;

  helper_line (&line, kind->factory);
  pad = gst_element_request_pad_simple (line.element, "json");
  gst_object_unref (pad);
  json = helper_tap (line.element, "json");
  gst_pad_set_query_function (line.feed, answer_uri);
  lose_stream (&line, kind, json);
  g_assert_true (helper_tap_wait (
      json, "flush-stop stream-start caps segment buffer@200+10 eos"));
  id = gst_pad_get_stream_id (json->pad);
  g_assert_cmpstr (id, ==, "other/json");
  check_path (line.element, "/feed");
  check_path (line.element, "/other");

  gst_element_set_state (line.element, GST_STATE_READY);
  helper_allow_disorder ();
  gst_pad_set_query_function (line.feed, gst_pad_query_default);
  helper_feed_free (line.feed);
  line.feed = helper_feed (line.element, "sink");
  gst_element_set_state (line.element, GST_STATE_PLAYING);
  push (&line, kind, 0, 10);
  check_path (line.element, NULL);
  helper_tap_free (json);
  helper_line_done (&line);
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/events/eos-first", test_eos_first);
  g_test_add_func ("/events/gap-first", test_gap_first);
  g_test_add_func ("/events/tag-first", test_tag_first);
  g_test_add_func ("/events/segment-first", test_segment_first);
  g_test_add_func ("/events/flush-first", test_flush_first);
  g_test_add_func ("/events/no-segment", test_no_segment);
  g_test_add_func ("/events/order", test_order);
  g_test_add_func ("/events/second-segment", test_second_segment);
  g_test_add_func ("/events/formats", test_formats);
  g_test_add_func ("/events/flush-keeps-time", test_flush_keeps_time);
  g_test_add_func ("/events/second-stream", test_second_stream);
  g_test_add_func ("/events/streams-in-bytes", test_streams_in_bytes);
  g_test_add_func ("/events/lost-stream", test_lost_stream);
  g_test_add_func ("/events/lost-path", test_lost_path);
  g_test_add_func ("/events/after-eos", test_after_eos);
  g_test_add_func ("/events/backwards", test_backwards);
  return helper_end ();
}
