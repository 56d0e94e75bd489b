/* test-question.c: pads of questions that come in every shape, and go.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "locked.h"
#include "tap.h"

#include <string.h>

#define NONE GST_CLOCK_TIME_NONE
#define TEXT "text/x-raw, format=(string)utf8"
#define RGB "video/x-raw,format=RGB,width=16,height=12,framerate=10/1"

/* A pad for questions, and what its answers go to. */
typedef struct {
  GstPad *pad, *feed;
  HelperTap *tap;
} Asker;

static void
asker_new (Asker *asker, GstElement *element, const char *name)
{
  g_autofree char *answer = NULL;

  asker->pad = gst_element_request_pad_simple (element, name);
  g_assert_nonnull (asker->pad);
  asker->feed = helper_feed (element, GST_OBJECT_NAME (asker->pad));
  helper_feed_begin (asker->feed, TEXT, GST_FORMAT_TIME);
  answer = g_strdup_printf (
      "answer%s", strchr (GST_OBJECT_NAME (asker->pad), '_'));
  asker->tap = helper_tap (element, answer);
}

static void
asker_free (Asker *asker, GstElement *element)
{
  helper_feed_free (asker->feed);
  gst_element_release_request_pad (element, asker->pad);
  gst_object_unref (asker->pad);
  helper_tap_free (asker->tap);
}

static void
tell (Asker *asker, const char *question, GstClockTime pts)
{
  g_assert_cmpint (
      gst_pad_push (asker->feed, helper_buffer (question, pts, NONE)), ==,
      GST_FLOW_OK);
}

/* Pushes a frame; its answers' questions by pad, "src=why answer_0=where". */
static char *
push (HelperLine *line, GstClockTime pts)
{
  GString *questions = g_string_new (NULL);
  guint64 units = helper_stat (line->element, "units");
  g_autoptr (GstBus) bus = gst_element_get_bus (line->element);
  GstMessage *message;

  g_assert_cmpint (gst_pad_push (line->feed, helper_frame (16, 12, 3, pts, 10)),
      ==, GST_FLOW_OK);
  g_assert_true (helper_wait_stat (line->element, "units", units + 1));
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    const GstStructure *s = gst_message_get_structure (message);

    if (gst_structure_has_name (s, "mblmask"))
      g_string_append_printf (questions, "%s%s=%s",
          questions->len > 0 ? " " : "", gst_structure_get_string (s, "pad"),
          gst_structure_get_string (s, "question"));
    gst_message_unref (message);
  }
  return g_string_free (questions, FALSE);
}

static void
check (HelperLine *line, GstClockTime pts, const char *wanted)
{
  g_autofree char *questions = push (line, pts);

  g_assert_cmpstr (questions, ==, wanted);
}

static void
begin (HelperLine *line, Asker *asker)
{
  helper_line (line, "mblmask");
  g_object_set (line->element, "max-bytes", 2, NULL);
  asker_new (asker, line->element, "question_%u");
  helper_feed_begin (line->feed, RGB, GST_FORMAT_TIME);
}

static void
end (HelperLine *line, Asker *asker)
{
  asker_free (asker, line->element);
  helper_line_done (line);
}

/* No question yet: no answer. */
static void
test_none (void)
{
  HelperLine line;
  Asker asker;
  g_autofree char *log = NULL;

  begin (&line, &asker);
  check (&line, 0, "src=why");
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (asker.tap, "eos"));
  log = helper_tap_read (asker.tap);
  g_assert_cmpstr (log, ==, "stream-start caps segment gap@0+10 eos ");
  end (&line, &asker);
}

/* One line end is no part of a question, nor is one NUL. */
static void
test_line_ends (void)
{
  static const char *const questions[][2] = {{"a\n", "a"}, {"b\r\n", "b"},
      {"c", "c"}, {"d\n\n", "d\n"}, {"e\r", "e"}, {" f ", " f "},
      {"g\r\r\n", "g\r"}, {"\n", ""}, {"", ""}, {"\xc3\xa4\n", "\xc3\xa4"}};
  HelperLine line;
  Asker asker;
  GstBuffer *nul = gst_buffer_new_memdup ("h\n", 3);

  begin (&line, &asker);
  for (guint i = 0; i < G_N_ELEMENTS (questions); i++) {
    g_autofree char *wanted = g_strdup_printf (
        "src=why answer_0=%s", questions[i][1]);

    tell (&asker, questions[i][0], NONE);
    check (&line, 10 * i, wanted);
  }
  gst_pad_push (asker.feed, nul);
  check (&line, 900, "src=why answer_0=h");
  helper_check_messages (line.element, 0, 0);
  end (&line, &asker);
}

/* What is no question is one warning each, and the last one stays. */
static void
test_bad (void)
{
  static const char bytes[] = "\xff\xfe";
  static const char nul[] = "a\0b";
  HelperLine line;
  Asker asker;
  GstBuffer *bad[4];

  begin (&line, &asker);
  tell (&asker, "good", NONE);
  bad[0] = gst_buffer_new_memdup (bytes, 2);
  bad[1] = gst_buffer_new_memdup (nul, 3);
  bad[2] = gst_buffer_new_allocate (NULL, 1024 * 1024 + 1, NULL);
  gst_buffer_memset (bad[2], 0, 'x', 1024 * 1024 + 1);
  bad[3] = locked_buffer (10);
  for (guint i = 0; i < 4; i++) {
    g_assert_cmpint (gst_pad_push (asker.feed, bad[i]), ==, GST_FLOW_OK);
    helper_check_messages (line.element, 1, 0);
    check (&line, 10 * i, "src=why answer_0=good");
  }
  end (&line, &asker);
}

/* One that the model has no room for: one warning, and the last one stays. */
static void
test_too_long (void)
{
  HelperLine line;
  Asker asker;
  g_autofree char *text = g_strnfill (1024 * 1024, 'x');

  begin (&line, &asker);
  tell (&asker, "good", NONE);
  check (&line, 0, "src=why answer_0=good");
  tell (&asker, text, NONE);
  gst_pad_push (line.feed, helper_frame (16, 12, 3, 10, 10));
  g_assert_true (helper_wait_stat (line.element, "units", 2));
  helper_check_messages (line.element, 1, 0);
  check (&line, 20, "src=why answer_0=good");
  helper_check_messages (line.element, 0, 0);
  tell (&asker, "again", NONE);
  check (&line, 30, "src=why answer_0=again");
  end (&line, &asker);
}

/* A question with a time is for the first frame that is not before it. */
static void
test_timed (void)
{
  HelperLine line;
  Asker asker;

  begin (&line, &asker);
  tell (&asker, "at 100", 100);
  tell (&asker, "at 200", 200);
  check (&line, 50, "src=why");
  check (&line, 100, "src=why answer_0=at 100");
  check (&line, 199, "src=why answer_0=at 100");
  check (&line, 300, "src=why answer_0=at 200");
  /* Late is now. */
  tell (&asker, "at 250", 250);
  check (&line, 310, "src=why answer_0=at 250");
  /* Without a time it is now, and those for later come later. */
  tell (&asker, "at 400", 400);
  tell (&asker, "now", NONE);
  check (&line, 320, "src=why answer_0=now");
  check (&line, 400, "src=why answer_0=at 400");
  end (&line, &asker);
}

/* Whatever order they come in. */
static void
test_out_of_order (void)
{
  HelperLine line;
  Asker asker;

  begin (&line, &asker);
  tell (&asker, "at 300", 300);
  tell (&asker, "at 100", 100);
  tell (&asker, "at 200", 200);
  tell (&asker, "also at 200", 200);
  check (&line, 0, "src=why");
  check (&line, 100, "src=why answer_0=at 100");
  check (&line, 200, "src=why answer_0=also at 200");
  check (&line, 290, "src=why answer_0=also at 200");
  check (&line, 300, "src=why answer_0=at 300");
  end (&line, &asker);
}

/* Times are running times, of the pad's own segment, even outside of that. */
static void
test_segment (void)
{
  HelperLine line;
  Asker asker;
  GstSegment segment;

  begin (&line, &asker);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = 1000;
  segment.stop = 2000;
  segment.base = 50;
  gst_pad_push_event (asker.feed, gst_event_new_segment (&segment));
  tell (&asker, "at 2550", 3500);
  tell (&asker, "at 150", 1100);
  check (&line, 149, "src=why");
  check (&line, 150, "src=why answer_0=at 150");
  tell (&asker, "long ago", 10);
  check (&line, 160, "src=why answer_0=long ago");
  check (&line, 2549, "src=why answer_0=long ago");
  check (&line, 2550, "src=why answer_0=at 2550");
  end (&line, &asker);
}

/* However many wait, the newest of them do. */
static void
test_many_waiting (void)
{
  HelperLine line;
  Asker asker;

  begin (&line, &asker);
  for (guint i = 0; i < 300; i++) {
    g_autofree char *text = g_strdup_printf ("%u", i);

    tell (&asker, text, 1000 + i);
  }
  check (&line, 1000 + 43, "src=why");
  check (&line, 1000 + 44, "src=why answer_0=44");
  check (&line, 1000 + 299, "src=why answer_0=299");
  end (&line, &asker);
}

/* EOS and a flush keep the question that holds; a flush drops those for later.
 * Neither goes any further. */
static void
test_eos_and_flush (void)
{
  HelperLine line;
  Asker asker;
  GstSegment segment;
  g_autofree char *log = NULL;

  begin (&line, &asker);
  tell (&asker, "first", NONE);
  tell (&asker, "later", 100);
  gst_pad_push_event (asker.feed, gst_event_new_flush_start ());
  check (&line, 0, "src=why answer_0=first");
  gst_pad_push_event (asker.feed, gst_event_new_flush_stop (TRUE));
  check (&line, 200, "src=why answer_0=first");
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (asker.feed, gst_event_new_segment (&segment));
  tell (&asker, "second", NONE);
  gst_pad_push_event (asker.feed, gst_event_new_eos ());
  check (&line, 210, "src=why answer_0=second");
  log = helper_tap_read (asker.tap);
  g_assert_null (strstr (log, "flush"));
  g_assert_null (strstr (log, "eos"));
  end (&line, &asker);
}

/* A flush of the frames keeps the question, too. */
static void
test_flush_of_frames (void)
{
  HelperLine line;
  Asker asker;
  GstSegment segment;

  begin (&line, &asker);
  tell (&asker, "first", NONE);
  check (&line, 0, "src=why answer_0=first");
  gst_pad_push_event (line.feed, gst_event_new_flush_start ());
  gst_pad_push_event (line.feed, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (line.feed, gst_event_new_segment (&segment));
  check (&line, 10, "src=why answer_0=first");
  g_assert_true (helper_tap_wait (
      asker.tap, "buffer@0+10 flush-start flush-stop segment buffer@10+10"));
  end (&line, &asker);
}

/* A pad that comes in mid-stream has upstream's segment, and its answers have the
 * times of the frames in it. */
static void
test_mid_stream (void)
{
  HelperLine line;
  Asker asker;
  GstSegment segment;

  helper_line (&line, "mblmask");
  g_object_set (line.element, "max-bytes", 2, NULL);
  helper_feed_begin (line.feed, RGB, GST_FORMAT_UNDEFINED);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = 1000;
  segment.base = 70;
  gst_pad_push_event (line.feed, gst_event_new_segment (&segment));
  check (&line, 1000, "src=why");
  asker_new (&asker, line.element, "question_%u");
  tell (&asker, "late", NONE);
  check (&line, 1010, "src=why answer_0=late");
  g_assert_true (
      helper_tap_wait (asker.tap, "stream-start caps segment buffer@1010+10"));
  g_assert_true (gst_segment_is_equal (&asker.tap->segment, &segment));
  end (&line, &asker);
}

/* The same for the pad json of mblmscore. */
static void
test_json_mid_stream (void)
{
  HelperLine line;
  HelperTap *json;
  GstSegment segment;
  GstPad *pad;

  helper_line (&line, "mblmscore");
  helper_feed_begin (
      line.feed, "application/octet-stream", GST_FORMAT_UNDEFINED);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = 1000;
  segment.base = 70;
  gst_pad_push_event (line.feed, gst_event_new_segment (&segment));
  gst_pad_push (line.feed, helper_buffer ("bytes", 1000, 10));
  g_assert_true (helper_tap_wait (line.tap, "buffer@1000+10"));
  pad = gst_element_request_pad_simple (line.element, "json");
  json = helper_tap (line.element, "json");
  gst_pad_push (line.feed, helper_buffer ("bytes", 1010, 10));
  g_assert_true (
      helper_tap_wait (json, "stream-start caps segment buffer@1010+10"));
  g_assert_true (gst_segment_is_equal (&json->segment, &segment));
  gst_element_release_request_pad (line.element, pad);
  gst_object_unref (pad);
  helper_tap_free (json);
  helper_line_done (&line);
}

/* Released and asked for again while frames go through: each pad answers as long
 * as it is there, and `src` always. */
static void
test_relink (void)
{
  HelperLine line;
  Asker asker;
  gpointer gone;

  begin (&line, &asker);
  for (guint i = 0; i < 30; i++) {
    g_autofree char *wanted = g_strdup_printf ("src=why answer_%u=q", i);

    tell (&asker, "q", NONE);
    check (&line, 10 * i, wanted);
    gst_pad_push (line.feed, helper_frame (16, 12, 3, 10 * i + 5, 5));
    gone = asker.pad;
    g_object_add_weak_pointer (G_OBJECT (asker.pad), &gone);
    asker_free (&asker, line.element);
    g_assert_true (helper_wait_stat (line.element, "units", 2 * i + 2));
    helper_check_messages (line.element, 0, 0);
    asker_new (&asker, line.element, "question_%u");
  }
  /* The frames let go of it, too. */
  g_assert_null (gone);
  end (&line, &asker);
}

/* Releases the pad that a message is about, from the task, before it sends. */
static GstBusSyncReply
release_asked (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Asker *asker = user_data;
  const GstStructure *s = gst_message_get_structure (message);

  if (s && gst_structure_has_name (s, "mblmask") &&
      GST_OBJECT_PARENT (asker->pad))
    gst_element_release_request_pad (
        GST_ELEMENT (GST_MESSAGE_SRC (message)), asker->pad);
  return GST_BUS_PASS;
}

/* Released while its answer is on the way, and nothing else is linked: the stream
 * goes on with the next pad. */
static void
test_released (void)
{
  HelperLine line = {.element = helper_element ("mblmask")};
  g_autoptr (GstBus) bus = gst_element_get_bus (line.element);
  Asker first, second;

  g_object_set (line.element, "max-bytes", 2, NULL);
  line.feed = helper_feed (line.element, "sink");
  gst_element_set_state (line.element, GST_STATE_PLAYING);
  asker_new (&first, line.element, "question_%u");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  gst_bus_set_sync_handler (bus, release_asked, &first, NULL);
  tell (&first, "q", NONE);
  check (&line, 0, "answer_0=q");
  g_assert_null (GST_OBJECT_PARENT (first.pad));
  asker_new (&second, line.element, "question_%u");
  tell (&second, "q", NONE);
  check (&line, 10, "answer_1=q");
  g_assert_true (
      helper_tap_wait (second.tap, "stream-start caps segment buffer@10+10"));
  helper_check_messages (line.element, 0, 0);

  asker_free (&second, line.element);
  helper_feed_free (first.feed);
  gst_object_unref (first.pad);
  helper_tap_free (first.tap);
  helper_feed_free (line.feed);
  helper_drop (line.element);
}

/* By name; the next number goes on from the largest. A name that is taken is none
 * of ours, and GStreamer's own critical warning. */
static void
test_names (void)
{
  HelperLine line;
  Asker asker, next;

  helper_line (&line, "mblmask");
  g_object_set (line.element, "max-bytes", 2, NULL);
  asker_new (&asker, line.element, "question_7");
  g_assert_cmpstr (GST_OBJECT_NAME (asker.pad), ==, "question_7");
  g_test_expect_message (
      "GStreamer", G_LOG_LEVEL_CRITICAL, "*already has a pad named*");
  g_assert_null (gst_element_request_pad_simple (line.element, "question_7"));
  g_test_assert_expected_messages ();
  asker_new (&next, line.element, "question_%u");
  g_assert_cmpstr (GST_OBJECT_NAME (next.pad), ==, "question_8");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  tell (&asker, "seven", NONE);
  tell (&next, "eight", NONE);
  check (&line, 0, "src=why answer_7=seven answer_8=eight");
  asker_free (&next, line.element);
  end (&line, &asker);
}

/* A hundred of them. */
static void
test_hundred (void)
{
  HelperLine line;
  Asker askers[100];
  g_autofree char *questions = NULL;

  helper_line (&line, "mblmask");
  g_object_set (line.element, "max-bytes", 1, NULL);
  for (guint i = 0; i < 100; i++) {
    g_autofree char *text = g_strdup_printf ("q%u", i);

    asker_new (&askers[i], line.element, "question_%u");
    tell (&askers[i], text, NONE);
  }
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  for (guint n = 0; n < 2; n++) {
    g_auto (GStrv) words = NULL;

    g_free (questions);
    questions = push (&line, 10 * n);
    words = g_strsplit (questions, " ", -1);
    g_assert_cmpuint (g_strv_length (words), ==, 101);
    for (guint i = 0; i < 100; i++) {
      g_autofree char *wanted = g_strdup_printf ("answer_%u=q%u", i, i);

      g_assert_true (g_strv_contains ((const char *const *) words, wanted));
    }
  }
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  for (guint i = 0; i < 100; i++) {
    g_assert_true (
        helper_tap_wait (askers[i].tap, "buffer@0+10 buffer@10+10 eos"));
    asker_free (&askers[i], line.element);
  }
  helper_line_done (&line);
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/question/none", test_none);
  g_test_add_func ("/question/line-ends", test_line_ends);
  g_test_add_func ("/question/bad", test_bad);
  g_test_add_func ("/question/too-long", test_too_long);
  g_test_add_func ("/question/timed", test_timed);
  g_test_add_func ("/question/out-of-order", test_out_of_order);
  g_test_add_func ("/question/segment", test_segment);
  g_test_add_func ("/question/many-waiting", test_many_waiting);
  g_test_add_func ("/question/eos-and-flush", test_eos_and_flush);
  g_test_add_func ("/question/flush-of-frames", test_flush_of_frames);
  g_test_add_func ("/question/mid-stream", test_mid_stream);
  g_test_add_func ("/question/json-mid-stream", test_json_mid_stream);
  g_test_add_func ("/question/relink", test_relink);
  g_test_add_func ("/question/released", test_released);
  g_test_add_func ("/question/names", test_names);
  g_test_add_func ("/question/hundred", test_hundred);
  return helper_end ();
}
