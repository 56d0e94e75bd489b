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

#define OCTETS "application/octet-stream"
#define TIME GST_SECOND

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

/* What was at work is told like what waited, once each. */
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
    push (&line, helper_buffer ("some bytes", 0, 0), 1);
    push (&line, helper_buffer ("some bytes", 0, 0), 2);
    for (guint n = 0; n < 2; n++) {
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
    g_assert_cmphex (seen, ==, 3);
    g_assert_true (helper_tap_wait (line.tap,
        "buffer@0+1000000000 "
        "buffer@1000000000+1000000000"));
    g_assert_cmpuint (helper_stat (line.element, "dropped"), ==, 2);
    g_assert_cmpuint (helper_count (line.element, GST_MESSAGE_QOS), ==, 0);
    helper_line_done (&line);
    fake_reset ();
  }
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/drops/qos", test_qos);
  return helper_end ();
}
