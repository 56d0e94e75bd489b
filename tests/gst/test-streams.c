/* test-streams.c: what one stream or flush leaves to the next, and what it doesn't.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fake.h"
#include "locked.h"
#include "tap.h"

#include <string.h>

#define NONE GST_CLOCK_TIME_NONE
#define OCTETS "application/octet-stream"
#define SECOND GST_SECOND

/* mblmgenerate that continues a whole stream, its text in pieces. */
static void
generate_line (HelperLine *line, const char *emit, gboolean echo)
{
  helper_line (line, "mblmgenerate");
  gst_util_set_object_arg (G_OBJECT (line->element), "per", "stream");
  gst_util_set_object_arg (G_OBJECT (line->element), "emit", emit);
  g_object_set (line->element, "echo", echo, NULL);
  helper_feed_begin (line->feed, OCTETS, GST_FORMAT_TIME);
}

static void
push (HelperLine *line, GstClockTime pts, GstClockTime duration)
{
  g_assert_cmpint (
      gst_pad_push (line->feed, helper_buffer ("ab", pts, duration)), ==,
      GST_FLOW_OK);
}

/* Of all that came out no time lies before the one that came before. */
static void
check_order (HelperTap *tap)
{
  GstClockTime last = 0;

  g_assert_cmpuint (tap->buffers->len, >, 2);
  for (guint i = 0; i < tap->buffers->len; i++) {
    GstBuffer *buffer = tap->buffers->pdata[i];

    g_assert_cmpuint (GST_BUFFER_PTS (buffer), >=, last);
    last = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
  }
}

/* The echo of each part follows that of the one before, and the text all of it. */
static void
test_echo_goes_on (void)
{
  HelperLine line;

  generate_line (&line, "character", TRUE);
  push (&line, 0, SECOND);
  push (&line, SECOND, SECOND);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  check_order (line.tap);
  helper_line_done (&line);
}

static void
push_segment (HelperLine *line, GstClockTime base)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.base = base;
  gst_pad_push_event (line->feed, gst_event_new_segment (&segment));
}

/* ... within a SEGMENT: in the next one the echo begins where its part does. */
static void
test_echo_of_segments (void)
{
  HelperLine line;
  GstBuffer *last;

  generate_line (&line, "character", TRUE);
  push (&line, 0, 10 * SECOND);
  push_segment (&line, 10 * SECOND);
  push (&line, SECOND, SECOND);
  g_assert_true (helper_tap_wait (line.tap, "segment segment"));
  while (helper_stat (line.element, "queued-buffers") > 0)
    g_usleep (1000);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  last = line.tap->buffers->pdata[1];
  g_assert_cmpuint (GST_BUFFER_PTS (last), ==, SECOND);
  helper_line_done (&line);
}

/* A stream without durations has no end, whatever the one before it had. */
static void
test_end_is_forgotten (void)
{
  HelperLine line;
  GstBuffer *last;

  generate_line (&line, "prompt", FALSE);
  push (&line, 0, SECOND);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  helper_feed_begin (line.feed, OCTETS, GST_FORMAT_TIME);
  push (&line, 10 * SECOND, NONE);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos eos"));
  g_assert_cmpuint (line.tap->buffers->len, ==, 2);
  last = line.tap->buffers->pdata[1];
  g_assert_cmpuint (GST_BUFFER_PTS (last), ==, 10 * SECOND);
  g_assert_cmpuint (GST_BUFFER_DURATION (last), >, 0);
  helper_line_done (&line);
}

/* Nothing is said of the time of a stream before its text, which begins where it
 * did. */
static void
test_no_gap_before (void)
{
  HelperLine line;
  g_autofree char *log = NULL;

  generate_line (&line, "prompt", FALSE);
  push (&line, 0, SECOND);
  gst_pad_push_event (line.feed, gst_event_new_gap (SECOND, SECOND));
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  log = helper_tap_read (line.tap);
  g_assert_cmpstr (
      log, ==, "stream-start caps segment buffer@0+2000000000 eos ");
  helper_line_done (&line);
}

/* The property `prompt` stands before each stream where each begins anew, and is
 * echoed there. */
static void
test_prompt_is_echoed (void)
{
  HelperLine line;
  guint n = 0;

  generate_line (&line, "character", TRUE);
  gst_util_set_object_arg (G_OBJECT (line.element), "context-policy", "reset");
  g_object_set (line.element, "prompt", "xyz", NULL);
  for (guint i = 0; i < 2; i++) {
    if (i > 0)
      helper_feed_begin (line.feed, OCTETS, GST_FORMAT_TIME);
    push (&line, i * SECOND, SECOND);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, i == 0 ? "eos" : "eos eos"));
  }
  for (guint i = 0; i < line.tap->buffers->len; i++) {
    g_autofree char *text = helper_text (line.tap->buffers->pdata[i]);

    n += strstr (text, "xyz") != NULL;
  }
  g_assert_cmpuint (n, ==, 2);
  helper_line_done (&line);
}

/* The answers to the same frames, drawn freely. */
static char *
draw (HelperLine *line)
{
  g_autoptr (GString) said = g_string_new (NULL);

  for (guint i = 0; i < 4; i++) {
    GstMessage *message;

    g_assert_cmpint (helper_line_push (line, i), ==, GST_FLOW_OK);
    message = helper_wait_named (line->element, "mblmask");
    g_assert_nonnull (message);
    g_string_append_printf (said, "%s|",
        gst_structure_get_string (
            gst_message_get_structure (message), "answer"));
    gst_message_unref (message);
  }
  return g_string_free (g_steal_pointer (&said), FALSE);
}

/* Behind a flush the draws begin anew, as everything else does. */
static void
test_seed (void)
{
  HelperLine line;
  g_autofree char *first = NULL, *second = NULL;

  helper_line (&line, "mblmask");
  g_object_set (line.element, "choices", NULL, "max-bytes", 6, "temperature",
      2.0, "seed", (guint64) 5, NULL);
  helper_feed_begin (line.feed,
      "video/x-raw,format=RGB,width=16,height=12,framerate=10/1",
      GST_FORMAT_TIME);
  first = draw (&line);
  gst_pad_push_event (line.feed, gst_event_new_flush_start ());
  gst_pad_push_event (line.feed, gst_event_new_flush_stop (TRUE));
  helper_feed_begin (line.feed, NULL, GST_FORMAT_TIME);
  second = draw (&line);
  g_assert_cmpstr (first, ==, second);
  helper_line_done (&line);
}

/* Caps that waited in the queue hold behind a flush that took them. */
static void
test_flushed_caps (void)
{
  g_autoptr (GstCaps) wide = gst_caps_from_string (
      "video/x-raw,format=RGB,width=16,height=12,framerate=10/1");
  HelperLine line;
  GstMessage *message;
  guint64 bytes;

  helper_line (&line, "mblmscore");
  helper_feed_begin (line.feed,
      "video/x-raw,format=RGB,width=4,height=3,framerate=10/1",
      GST_FORMAT_TIME);
  helper_tap_hold (line.tap, TRUE);
  g_assert_cmpint (
      gst_pad_push (line.feed, helper_frame (4, 3, 3, 0, 10)), ==, GST_FLOW_OK);
  g_assert_true (helper_tap_wait_held (line.tap));
  gst_pad_push_event (line.feed, gst_event_new_caps (wide));
  gst_pad_push_event (line.feed, gst_event_new_flush_start ());
  helper_tap_hold (line.tap, FALSE);
  gst_pad_push_event (line.feed, gst_event_new_flush_stop (TRUE));
  helper_count (line.element, GST_MESSAGE_ANY);
  helper_feed_begin (line.feed, NULL, GST_FORMAT_TIME);
  g_assert_cmpint (gst_pad_push (line.feed, helper_frame (16, 12, 3, 0, 10)),
      ==, GST_FLOW_OK);
  message = helper_wait_named (line.element, "mblmscore");
  g_assert_nonnull (message);
  g_assert_true (gst_structure_get_uint64 (
      gst_message_get_structure (message), "bytes", &bytes));
  g_assert_cmpuint (bytes, ==, 16 * 12 * 3);
  gst_message_unref (message);
  helper_line_done (&line);
}

/* Surprises lie where the stream has them, also behind bytes that can't be read,
 * which are in none. */
static void
test_hole (void)
{
  static const guint64 offsets[] = {0, 64, 150, 214};
  g_autofree char *text = g_strnfill (100, 'q');
  const GValue *list;
  HelperLine line;
  GstMessage *message;

  helper_line (&line, "mblmscore");
  gst_util_set_object_arg (G_OBJECT (line.element), "per", "stream");
  helper_feed_begin (line.feed, OCTETS, GST_FORMAT_TIME);
  gst_pad_push (line.feed, helper_buffer (text, 0, 10));
  gst_pad_push (line.feed, locked_buffer (50));
  gst_pad_push (line.feed, helper_buffer (text, 20, 10));
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  message = helper_wait_named (line.element, "mblmscore");
  g_assert_nonnull (message);
  list = gst_structure_get_value (
      gst_message_get_structure (message), "surprises");
  g_assert_cmpuint (gst_value_array_get_size (list), ==, 3);
  for (guint i = 0; i < 3; i++) {
    const GValue *value = gst_value_array_get_value (list, i);
    gboolean known = FALSE;
    guint64 offset;

    g_assert_true (gst_structure_get_uint64 (
        gst_value_get_structure (value), "offset", &offset));
    for (guint k = 0; k < G_N_ELEMENTS (offsets); k++)
      known |= offset == offsets[k];
    g_assert_true (known);
  }
  gst_message_unref (message);
  helper_line_done (&line);
}

static GstPadProbeReturn
note_id (GstPad *pad, GstPadProbeInfo *info, gpointer ids)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  const char *id;

  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START) {
    gst_event_parse_stream_start (event, &id);
    g_string_append_printf (ids, "%s ", id);
  }
  return GST_PAD_PROBE_OK;
}

/* An answer belongs to the stream that it is about, though upstream is at the
 * next. */
static void
test_ids (void)
{
  g_autofree char *model = helper_fake_model ("ids", MBLM_TASK_QA, NULL, 0);
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      "video/x-raw,format=RGB,width=16,height=12,framerate=10/1");
  g_autoptr (GString) ids = g_string_new (NULL);
  HelperLine line;
  GstSegment segment;

  fake_stop_clock ();
  fake_set_speed (SECOND, SECOND, -1);
  helper_line (&line, "mblmask");
  gst_element_set_state (line.element, GST_STATE_NULL);
  g_object_set (line.element, "model", model, "choices", NULL, NULL);
  gst_element_set_state (line.element, GST_STATE_PLAYING);
  gst_pad_add_probe (
      line.tap->pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, note_id, ids, NULL);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *id = g_strdup_printf ("stream-%u", i);

    gst_pad_push_event (line.feed, gst_event_new_stream_start (id));
    gst_pad_push_event (line.feed, gst_event_new_caps (caps));
    gst_pad_push_event (line.feed, gst_event_new_segment (&segment));
    g_assert_cmpint (helper_line_push (&line, i), ==, GST_FLOW_OK);
    g_assert_true (fake_wait_busy ());
  }
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  fake_start_clock ();
  fake_set_speed (0, 0, -1);
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  g_assert_cmpstr (ids->str, ==, "stream-0/src stream-1/src ");
  helper_line_done (&line);
  fake_reset ();
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/streams/echo-goes-on", test_echo_goes_on);
  g_test_add_func ("/streams/echo-of-segments", test_echo_of_segments);
  g_test_add_func ("/streams/end-is-forgotten", test_end_is_forgotten);
  g_test_add_func ("/streams/no-gap-before", test_no_gap_before);
  g_test_add_func ("/streams/prompt-is-echoed", test_prompt_is_echoed);
  g_test_add_func ("/streams/seed", test_seed);
  g_test_add_func ("/streams/flushed-caps", test_flushed_caps);
  g_test_add_func ("/streams/hole", test_hole);
  g_test_add_func ("/streams/ids", test_ids);
  return helper_end ();
}
