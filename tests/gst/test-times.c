/* test-times.c: times that go back, are missing, or are hardly times.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whatever comes in, what goes out has a time, ends at one, and doesn't last
 * beyond the newest input.
 */

#include "tap.h"

#include <gst/check/gsttestclock.h>
#include <string.h>

#define NONE GST_CLOCK_TIME_NONE
#define LAST (GST_CLOCK_TIME_NONE - 1)
#define OCTETS "application/octet-stream"
#define TEXT "text/x-raw, format=(string)utf8"
#define VIDEO "video/x-raw,format=RGB,width=16,height=12,framerate="

static GstFlowReturn
push_frame (HelperLine *line, GstClockTime pts, GstClockTime duration)
{
  return gst_pad_push (line->feed, helper_frame (16, 12, 3, pts, duration));
}

static GstFlowReturn
push_text (HelperLine *line, GstClockTime pts, GstClockTime duration)
{
  return gst_pad_push (line->feed, helper_buffer ("a prompt", pts, duration));
}

/* EOS, and all that came after the segment. */
static char *
finish (HelperLine *line)
{
  g_autofree char *log = NULL;
  const char *data;

  gst_pad_push_event (line->feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line->tap, "eos"));
  helper_check_messages (line->element, 0, 0);
  log = helper_tap_read (line->tap);
  data = strstr (log, "segment ");
  g_assert_nonnull (data);
  return g_strdup (data + strlen ("segment "));
}

/* Every buffer that came has a time and ends at one. */
static void
check_times (HelperLine *line)
{
  for (guint i = 0; i < line->tap->buffers->len; i++) {
    GstBuffer *buffer = line->tap->buffers->pdata[i];

    g_assert_true (GST_BUFFER_PTS_IS_VALID (buffer));
    g_assert_true (GST_BUFFER_DURATION_IS_VALID (buffer));
    g_assert_cmpuint (
        GST_BUFFER_DURATION (buffer), <=, LAST - GST_BUFFER_PTS (buffer));
  }
}

/* Answers have the times of their frames, which may go back and forth. */
static void
test_back (void)
{
  HelperLine line;
  g_autofree char *log = NULL, *text = NULL;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, VIDEO "10/1", GST_FORMAT_TIME);
  push_frame (&line, 500, 100);
  push_frame (&line, 0, 100);
  push_frame (&line, 500, 100);
  push_frame (&line, 499, 1);
  log = finish (&line);
  g_assert_cmpstr (
      log, ==, "buffer@500+100 buffer@0+100 buffer@500+100 buffer@499+1 eos ");
  helper_line_done (&line);

  helper_line (&line, "mblmgenerate");
  helper_feed_begin (line.feed, TEXT, GST_FORMAT_TIME);
  push_text (&line, 500, 100);
  push_text (&line, 0, 100);
  push_text (&line, 499, 1);
  text = finish (&line);
  g_assert_cmpstr (text, ==, "buffer@500+100 buffer@0+100 buffer@499+1 eos ");
  helper_line_done (&line);
}

/* Of the interval between answers the distance counts, in either direction. */
static void
test_interval (void)
{
  HelperLine line;
  g_autofree char *log = NULL;

  helper_line (&line, "mblmask");
  g_object_set (line.element, "interval", (guint64) 100, "hold", FALSE, NULL);
  helper_feed_begin (line.feed, VIDEO "10/1", GST_FORMAT_TIME);
  push_frame (&line, 500, 10);
  push_frame (&line, 550, 10);
  push_frame (&line, 450, 10);
  push_frame (&line, 400, 10);
  push_frame (&line, LAST, 10);
  push_frame (&line, 0, 10);
  log = finish (&line);
  g_assert_cmpstr (log, ==,
      "buffer@500+10 gap@550+10 gap@450+10 buffer@400+10 "
      "buffer@18446744073709551614+0 buffer@0+10 eos ");
  helper_line_done (&line);
}

/* A frame without a duration, or of none, lasts as its caps say, or as long as it
 * was to the frame before. */
static void
test_no_duration (void)
{
  HelperLine line;
  g_autofree char *log = NULL, *still = NULL;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, VIDEO "10/1", GST_FORMAT_TIME);
  push_frame (&line, 0, NONE);
  push_frame (&line, 100, 0);
  log = finish (&line);
  g_assert_cmpstr (log, ==, "buffer@0+100000000 buffer@100+100000000 eos ");
  helper_line_done (&line);

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, VIDEO "0/1", GST_FORMAT_TIME);
  push_frame (&line, 0, NONE);
  push_frame (&line, 500, NONE);
  push_frame (&line, 500, 0);
  still = finish (&line);
  g_assert_cmpstr (
      still, ==, "buffer@0+33333333 buffer@500+500 buffer@500+500 eos ");
  helper_line_done (&line);
}

/* Times that are hardly times: what goes out ends at the last one there is. */
static void
test_extremes (void)
{
  HelperLine line;
  g_autofree char *log = NULL, *text = NULL;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, VIDEO "0/1", GST_FORMAT_TIME);
  push_frame (&line, 0, G_MAXINT64);
  push_frame (&line, G_MAXINT64, G_MAXINT64);
  push_frame (&line, (guint64) G_MAXINT64 + 5, G_MAXUINT64 - 1);
  push_frame (&line, LAST - 5, 100);
  push_frame (&line, LAST, NONE);
  push_frame (&line, NONE, G_MAXINT64);
  push_frame (&line, NONE, NONE);
  log = finish (&line);
  g_assert_cmpstr (log, ==,
      "buffer@0+9223372036854775807 "
      "buffer@9223372036854775807+9223372036854775807 "
      "buffer@9223372036854775812+9223372036854775802 "
      "buffer@18446744073709551609+5 buffer@18446744073709551614+0 "
      "buffer@18446744073709551614+0 buffer@18446744073709551614+0 eos ");
  check_times (&line);
  helper_line_done (&line);

  helper_line (&line, "mblmgenerate");
  helper_feed_begin (line.feed, TEXT, GST_FORMAT_TIME);
  push_text (&line, 0, G_MAXINT64);
  push_text (&line, LAST - 5, 100);
  push_text (&line, LAST, NONE);
  push_text (&line, NONE, G_MAXINT64);
  text = finish (&line);
  g_assert_cmpstr (text, ==,
      "buffer@0+9223372036854775807 buffer@18446744073709551609+5 "
      "buffer@18446744073709551614+0 buffer@18446744073709551614+0 eos ");
  check_times (&line);
  helper_line_done (&line);
}

/* mblmscore changes nothing of a buffer; its messages and lines end at a time. */
static void
test_extremes_score (void)
{
  static const guint64 times[][2] = {{0, G_MAXINT64}, {LAST - 5, 100},
      {LAST, LAST}, {G_MAXINT64, G_MAXUINT64 - 1}};
  HelperLine line;
  HelperTap *json;
  GstPad *pad;

  helper_line (&line, "mblmscore");
  pad = gst_element_request_pad_simple (line.element, "json");
  json = helper_tap (line.element, "json");
  helper_feed_begin (line.feed, OCTETS, GST_FORMAT_TIME);
  for (guint i = 0; i < G_N_ELEMENTS (times); i++) {
    GstMessage *message;
    guint64 start, duration;

    push_text (&line, times[i][0], times[i][1]);
    message = helper_wait_named (line.element, "mblmscore");
    g_assert_nonnull (message);
    g_assert_true (
        gst_structure_get (gst_message_get_structure (message), "timestamp",
            G_TYPE_UINT64, &start, "duration", G_TYPE_UINT64, &duration, NULL));
    g_assert_cmpuint (start, ==, times[i][0]);
    g_assert_cmpuint (duration, ==, MIN (times[i][1], LAST - times[i][0]));
    gst_message_unref (message);
  }
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap,
      "buffer@0+9223372036854775807 buffer@18446744073709551609+100 "
      "buffer@18446744073709551614+18446744073709551614 "
      "buffer@9223372036854775807+18446744073709551614 eos"));
  g_assert_true (helper_tap_wait (json,
      "buffer@0+9223372036854775807 buffer@18446744073709551609+5 "
      "buffer@18446744073709551614+0 "
      "buffer@9223372036854775807+9223372036854775807 eos"));
  helper_tap_free (json);
  gst_object_unref (pad);
  helper_line_done (&line);
}

/* GAPs of any length pass as far as there are times. */
static void
test_gaps (void)
{
  static const char *const factories[] = {"mblmask", "mblmgenerate"};

  for (guint i = 0; i < 2; i++) {
    HelperLine line;
    g_autofree char *log = NULL;

    helper_line (&line, factories[i]);
    helper_feed_begin (
        line.feed, i == 0 ? VIDEO "10/1" : TEXT, GST_FORMAT_TIME);
    gst_pad_push_event (line.feed, gst_event_new_gap (0, G_MAXINT64));
    gst_pad_push_event (line.feed, gst_event_new_gap (LAST - 5, 100));
    gst_pad_push_event (line.feed, gst_event_new_gap (LAST, LAST));
    gst_pad_push_event (line.feed, gst_event_new_gap (7, 0));
    gst_pad_push_event (line.feed, gst_event_new_gap (7, NONE));
    log = finish (&line);
    g_assert_cmpstr (
        log, ==, "gap@0+9223372036854775807 gap@18446744073709551609+5 eos ");
    helper_line_done (&line);
  }
}

/* Frame n without a time is at n / framerate, else at n seconds, and a DTS is no
 * time; a new framerate goes on from there. */
static void
test_untimed (void)
{
  HelperLine line;
  g_autofree char *log = NULL;
  g_autoptr (GstCaps) slow = gst_caps_from_string (VIDEO "2/1");
  g_autoptr (GstCaps) still = gst_caps_from_string (VIDEO "0/1");

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, VIDEO "10/1", GST_FORMAT_BYTES);
  push_frame (&line, NONE, NONE);
  push_frame (&line, NONE, 5);
  gst_pad_push_event (line.feed, gst_event_new_caps (slow));
  push_frame (&line, NONE, NONE);
  gst_pad_push_event (line.feed, gst_event_new_caps (still));
  for (guint i = 0; i < 2; i++) {
    GstBuffer *frame = helper_frame (16, 12, 3, NONE, NONE);

    GST_BUFFER_DTS (frame) = 77 * GST_SECOND;
    gst_pad_push (line.feed, frame);
  }
  log = finish (&line);
  g_assert_cmpstr (log, ==,
      "buffer@0+100000000 buffer@100000000+100000000 "
      "buffer@200000000+500000000 buffer@700000000+1000000000 "
      "buffer@1700000000+1000000000 eos ");
  helper_line_done (&line);
}

/* The slowest framerate there is: times end, none begins anew. */
static void
test_slow (void)
{
  HelperLine line;
  GstClockTime last = 0;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, VIDEO "1/2147483647", GST_FORMAT_BYTES);
  for (guint i = 0; i < 12; i++)
    push_frame (&line, NONE, NONE);
  g_free (finish (&line));
  check_times (&line);
  g_assert_cmpuint (line.tap->buffers->len, ==, 12);
  for (guint i = 0; i < 12; i++) {
    GstBuffer *buffer = line.tap->buffers->pdata[i];

    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, last);
    last += GST_BUFFER_DURATION (buffer);
  }
  g_assert_cmpuint (last, ==, LAST);
  helper_line_done (&line);
}

/* However long a byte takes, text stays within its prompt, and without the time
 * of one before the end of time. */
static void
test_byte_duration (void)
{
  const guint64 longest = 3600 * GST_SECOND;
  HelperLine line;
  g_autofree char *timed = NULL;

  helper_line (&line, "mblmgenerate");
  gst_util_set_object_arg (G_OBJECT (line.element), "emit", "line");
  g_object_set (line.element, "byte-duration", longest, "max-bytes", 0,
      "separator", "a\nbc\nd", NULL);
  helper_feed_begin (line.feed, TEXT, GST_FORMAT_TIME);
  push_text (&line, 10, 5);
  push_text (&line, LAST - 2 * longest - 1, NONE);
  push_text (&line, NONE, NONE);
  timed = finish (&line);
  g_assert_cmpstr (timed, ==,
      "buffer@10+5 buffer@15+0 buffer@15+0 "
      "buffer@18446736873709551613+7200000000000 "
      "buffer@18446744073709551613+1 buffer@18446744073709551614+0 "
      "buffer@18446744073709551614+0 buffer@18446744073709551614+0 "
      "buffer@18446744073709551614+0 eos ");
  helper_line_done (&line);
}

/* --- arrival --- */

typedef struct {
  GMutex lock;
  GstClockTime newest; /* end of the input that was pushed */
  guint n, beyond;
} Bound;

static GstPadProbeReturn
watch_end (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Bound *bound = user_data;
  GstClockTime start = 0, duration = 0;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    start = GST_BUFFER_PTS (info->data);
    duration = GST_BUFFER_DURATION (info->data);
  } else if (GST_EVENT_TYPE (info->data) == GST_EVENT_GAP) {
    gst_event_parse_gap (info->data, &start, &duration);
  }
  g_mutex_lock (&bound->lock);
  bound->n++;
  bound->beyond += start + duration > bound->newest;
  g_mutex_unlock (&bound->lock);
  return GST_PAD_PROBE_OK;
}

/* In arrival timing, with a clock far ahead or behind, and times that jump: no
 * text or GAP ends after the newest input. */
static void
test_arrival (void)
{
  static const GstClockTime starts[] = {
      0, 100, 50, 1000, 200, 5 * GST_SECOND, GST_SECOND, 6 * GST_SECOND};
  static const GstClockTime clocks[] = {0, 3 * GST_SECOND, 1000 * GST_SECOND};
  static const char *const factories[] = {"mblmask", "mblmgenerate"};

  for (guint k = 0; k < 6; k++) {
    GstClock *clock = gst_test_clock_new_with_start_time (clocks[k / 2]);
    Bound bound = {.newest = 0};
    HelperLine line;

    g_mutex_init (&bound.lock);
    helper_line (&line, factories[k % 2]);
    gst_element_set_clock (line.element, clock);
    gst_element_set_base_time (line.element, 0);
    gst_util_set_object_arg (G_OBJECT (line.element), "timing", "arrival");
    gst_pad_add_probe (line.tap->pad,
        GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
        watch_end, &bound, NULL);
    helper_feed_begin (
        line.feed, k % 2 == 0 ? VIDEO "10/1" : TEXT, GST_FORMAT_TIME);
    for (guint i = 0; i < G_N_ELEMENTS (starts); i++) {
      g_mutex_lock (&bound.lock);
      bound.newest = MAX (bound.newest, starts[i] + 100);
      g_mutex_unlock (&bound.lock);
      if (k % 2 == 0)
        push_frame (&line, starts[i], 100);
      else
        push_text (&line, starts[i], 100);
      g_assert_true (helper_wait_stat (line.element, "units", i + 1));
    }
    g_free (finish (&line));
    g_assert_cmpuint (bound.n, >, 4);
    g_assert_cmpuint (bound.beyond, ==, 0);
    helper_line_done (&line);
    gst_object_unref (clock);
    g_mutex_clear (&bound.lock);
  }
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/times/back", test_back);
  g_test_add_func ("/times/interval", test_interval);
  g_test_add_func ("/times/no-duration", test_no_duration);
  g_test_add_func ("/times/extremes", test_extremes);
  g_test_add_func ("/times/extremes-score", test_extremes_score);
  g_test_add_func ("/times/gaps", test_gaps);
  g_test_add_func ("/times/untimed", test_untimed);
  g_test_add_func ("/times/slow", test_slow);
  g_test_add_func ("/times/byte-duration", test_byte_duration);
  g_test_add_func ("/times/arrival", test_arrival);
  return helper_end ();
}
