/* test-drops.c: scores that a leaky mblmscore gives up.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The model's clock stands still, so that it is known which units wait, which one
 * is at work, and when that is given up.
 */

#include "tap.h"

#include "fake.h"
#include "locked.h"

#define OCTETS "application/octet-stream"
#define TIME GST_SECOND
/* Rows of 15 bytes, each with one of padding; or several planes. */
#define RGB "video/x-raw,format=RGB,width=5,height=4,framerate=1/1"
#define I420 "video/x-raw,format=I420,width=6,height=4,framerate=1/1"

/* A queue of one that drops the oldest, and a model that takes its time: a second
 * for each piece of work, and so long until it is there. */
static void
line_new (HelperLine *line, const char *caps, gint64 load)
{
  g_autofree char *model = helper_fake_model ("drops", MBLM_TASK_TEXT, NULL, 0);

  fake_stop_clock ();
  fake_set_speed (GST_SECOND, GST_SECOND, load);
  helper_line (line, "mblmscore");
  gst_element_set_state (line->element, GST_STATE_NULL);
  g_object_set (line->element, "model", model, "max-size-buffers", 1, NULL);
  gst_util_set_object_arg (G_OBJECT (line->element), "leaky", "downstream");
  gst_element_set_state (line->element, GST_STATE_PLAYING);
  helper_count (line->element, GST_MESSAGE_ANY);
  helper_feed_begin (line->feed, caps, GST_FORMAT_TIME);
}

static void
push (HelperLine *line, GstBuffer *buffer, guint n)
{
  GST_BUFFER_PTS (buffer) = n * TIME;
  GST_BUFFER_DURATION (buffer) = TIME;
  g_assert_cmpint (gst_pad_push (line->feed, buffer), ==, GST_FLOW_OK);
}

/* The last of three that come while one is at work finds more waiting to pass than
 * may: what is at work is told like what waited, once each. */
static void
test_qos (void)
{
  static const gint64 loads[] = {-1, G_MAXINT64 / 2};

  for (guint i = 0; i < G_N_ELEMENTS (loads); i++) {
    HelperLine line;
    guint64 seen = 0;

    line_new (&line, OCTETS, loads[i]);
    push (&line, helper_buffer ("some bytes", 0, 0), 0);
    /* It is at work, or waits for the model. */
    while (helper_stat (line.element, "queued-buffers") > 0)
      g_usleep (1000);
    g_assert_true (loads[i] > 0 || fake_wait_busy ());
    for (guint n = 1; n < 4; n++)
      push (&line, helper_buffer ("some bytes", 0, 0), n);
    for (guint n = 0; n < 3; n++) {
      GstMessage *message = helper_wait (line.element, GST_MESSAGE_QOS);
      GstClockTime running, stream, timestamp, duration;

      g_assert_nonnull (message);
      gst_message_parse_qos (
          message, NULL, &running, &stream, &timestamp, &duration);
      g_assert_cmpuint (running, ==, timestamp);
      g_assert_cmpuint (stream, ==, timestamp);
      g_assert_cmpuint (duration, ==, TIME);
      seen |= 1 << (timestamp / TIME);
      gst_message_unref (message);
    }
    g_assert_cmphex (seen, ==, 7);
    g_assert_true (helper_tap_wait (line.tap,
        "buffer@0+1000000000 buffer@1000000000+1000000000 "
        "buffer@2000000000+1000000000"));
    g_assert_cmpuint (helper_stat (line.element, "dropped"), ==, 3);
    g_assert_cmpuint (helper_count (line.element, GST_MESSAGE_QOS), ==, 0);
    helper_line_done (&line);
    fake_reset ();
  }
}

static void
check_offset (HelperLine *line, guint64 wanted)
{
  GstMessage *message = helper_wait_named (line->element, "mblmscore");
  const GstStructure *structure;
  guint64 offset;

  g_assert_nonnull (message);
  structure = gst_message_get_structure (message);
  g_assert_true (gst_structure_get_uint64 (structure, "offset", &offset));
  g_assert_cmpuint (offset, ==, wanted);
  gst_message_unref (message);
}

static GstBuffer *
zeros (gsize size)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);

  gst_buffer_memset (buffer, 0, 0, size);
  return buffer;
}

/* Frames that pass without a score count like those that have one: one that was
 * given up at work, one that waited, one that nobody may read. */
static void
test_offset (void)
{
  static const struct {
    const char *caps;
    gsize size, bytes;
  } cases[] = {{RGB, 64, 60}, {I420, 32 + 2 * 8, 24 + 2 * 6}, {OCTETS, 64, 64}};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gsize size = cases[i].size, bytes = cases[i].bytes;
    HelperLine line;

    line_new (&line, cases[i].caps, -1);
    push (&line, zeros (size), 0);
    g_assert_true (fake_wait_busy ());
    for (guint n = 1; n < 4; n++)
      push (&line, zeros (size), n);
    g_assert_true (helper_tap_wait (line.tap, "buffer@2000000000+1000000000"));
    fake_start_clock ();
    fake_set_speed (0, 0, -1);
    check_offset (&line, 3 * bytes);
    g_object_set (line.element, "max-size-buffers", 0, NULL);
    push (&line, locked_buffer (size), 4);
    push (&line, zeros (size), 5);
    check_offset (&line, 5 * bytes);
    helper_line_done (&line);
    fake_reset ();
  }
}

/* More comes than can be scored, and goes on coming: what is at work ends, and is
 * told; what waits behind it passes. */
static void
test_overload (void)
{
  HelperLine line;

  line_new (&line, OCTETS, -1);
  g_object_set (
      line.element, "max-size-buffers", 4, "max-size-time", (guint64) 0, NULL);
  push (&line, zeros (10), 0);
  g_assert_true (fake_wait_busy ());
  for (guint n = 1; n < 6; n++)
    push (&line, zeros (10), n);
  g_assert_cmpuint (helper_stat (line.element, "dropped"), ==, 4);
  fake_start_clock ();
  fake_set_speed (0, 0, -1);
  check_offset (&line, 0);
  check_offset (&line, 50);
  g_assert_true (helper_tap_wait (line.tap,
      "buffer@0+1000000000 buffer@1000000000+1000000000 "
      "buffer@4000000000+1000000000 buffer@5000000000+1000000000"));
  helper_line_done (&line);
  fake_reset ();
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/drops/qos", test_qos);
  g_test_add_func ("/drops/offset", test_offset);
  g_test_add_func ("/drops/overload", test_overload);
  return helper_end ();
}
