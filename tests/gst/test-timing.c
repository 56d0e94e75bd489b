/* test-timing.c: the times of answers, those sent again, and GAPs.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The fake model's text "@" is the first byte of the frame, so that an answer
 * tells which frame it is of.
 */

#include "helper.h"

#include <gst/check/gsttestclock.h>
#include <string.h>

#include "fake.h"

#define RGB "video/x-raw,format=RGB,width=4,height=3,framerate=10/1"
#define FRAME (GST_SECOND / 10)
#define NONE GST_CLOCK_TIME_NONE

/* A frame whose first byte, and so the answer to it, is `tag`. */
static GstBuffer *
tagged_frame (guint8 tag, GstClockTime pts, GstClockTime duration)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 36, NULL);

  gst_buffer_memset (buffer, 0, tag, 36);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = duration;
  return buffer;
}

static GstElement *
new_ask (void)
{
  GstElement *element = helper_element ("mblmask");
  g_autofree char *model = helper_fake_model ("timing", MBLM_TASK_QA, "@", 0);

  g_object_set (element, "model", model, "question", "which", "separator", "",
      "max-size-buffers", 0, NULL);
  return element;
}

static GstHarness *
new_harness (GstElement *element, const char *caps)
{
  GstHarness *h = helper_harness (element);

  gst_harness_set_src_caps_str (h, caps);
  return h;
}

/* --- what comes out, as a line of text --- */

static gboolean
is_repeated (GstBuffer *buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (
      buffer, "GstMblmAnswerMeta");
  gboolean repeated = FALSE;

  g_assert_nonnull (meta);
  g_assert_true (gst_structure_get_boolean (
      gst_custom_meta_get_structure (meta), "repeated", &repeated));
  g_assert_cmpint (
      repeated, ==, GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP));
  return repeated;
}

/* "07@0+1" is the answer 07 for frames 0 to 1; "*" before it: sent again. */
static void
describe_buffer (GString *out, GstBuffer *buffer)
{
  g_autofree char *text = helper_text (buffer);

  g_string_append_printf (out, "%s%s@%g+%g ", is_repeated (buffer) ? "*" : "",
      text, (double) GST_BUFFER_PTS (buffer) / FRAME,
      (double) GST_BUFFER_DURATION (buffer) / FRAME);
}

/* Buffers and GAPs in the order in which they came. */
typedef struct {
  GMutex lock;
  GCond cond;
  GString *line; /* under `lock` */
} Record;

static GstPadProbeReturn
record (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Record *self = data;
  GstClockTime start, duration;

  g_mutex_lock (&self->lock);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    describe_buffer (self->line, GST_PAD_PROBE_INFO_BUFFER (info));
  } else if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) ==
      GST_EVENT_GAP) {
    gst_event_parse_gap (GST_PAD_PROBE_INFO_EVENT (info), &start, &duration);
    g_string_append_printf (self->line, "gap@%g+%g ", (double) start / FRAME,
        (double) duration / FRAME);
  }
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_OK;
}

static void
record_init (Record *self, GstHarness *h)
{
  g_autoptr (GstPad) src = gst_element_get_static_pad (h->element, "src");

  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->line = g_string_new (NULL);
  gst_pad_add_probe (src,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, record,
      self, NULL);
}

static void
record_clear (Record *self)
{
  g_string_free (self->line, TRUE);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
}

/* Waits until this has come, and nothing else. */
static void
expect (Record *self, const char *line)
{
  gint64 end = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

  g_mutex_lock (&self->lock);
  while (strcmp (self->line->str, line) != 0 &&
      g_cond_wait_until (&self->cond, &self->lock, end))
    ;
  g_assert_cmpstr (self->line->str, ==, line);
  g_string_truncate (self->line, 0);
  g_mutex_unlock (&self->lock);
}

static void
finish (GstHarness *h, Record *self, const char *line)
{
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  expect (self, line);
  helper_done (h);
  record_clear (self);
}

/* --- timing=frame --- */

static void
test_frame (void)
{
  GstHarness *h = new_harness (new_ask (), RGB);
  Record r;

  record_init (&r, h);
  for (guint i = 0; i < 3; i++)
    gst_harness_push (h, tagged_frame (i, i * FRAME, FRAME));
  finish (h, &r, "00@0+1 01@1+1 02@2+1 ");
}

/* Frames without an answer of their own get the last one again. */
static void
test_hold (void)
{
  GstElement *element = new_ask ();
  GstHarness *h;
  Record r;

  g_object_set (element, "frame-interval", 3, NULL);
  h = new_harness (element, RGB);
  record_init (&r, h);
  for (guint i = 0; i < 5; i++)
    gst_harness_push (h, tagged_frame (i, i * FRAME, FRAME));
  finish (h, &r, "00@0+1 *00@1+1 *00@2+1 03@3+1 *03@4+1 ");

  element = new_ask ();
  g_object_set (element, "frame-interval", 3, "hold", FALSE, NULL);
  h = new_harness (element, RGB);
  record_init (&r, h);
  for (guint i = 0; i < 5; i++)
    gst_harness_push (h, tagged_frame (i, i * FRAME, FRAME));
  finish (h, &r, "00@0+1 gap@1+1 gap@2+1 03@3+1 gap@4+1 ");
}

static void
test_interval (void)
{
  GstElement *element = new_ask ();
  GstHarness *h;
  Record r;

  g_object_set (element, "interval", (guint64) (2 * FRAME), NULL);
  h = new_harness (element, RGB);
  record_init (&r, h);
  for (guint i = 0; i < 5; i++)
    gst_harness_push (h, tagged_frame (i, i * FRAME, FRAME));
  finish (h, &r, "00@0+1 *00@1+1 02@2+1 *02@3+1 04@4+1 ");
}

static void
test_on_change (void)
{
  static const guint8 tags[] = {7, 7, 8, 8, 7};
  GstElement *element = new_ask ();
  GstHarness *h;
  Record r;

  g_object_set (element, "on-change", TRUE, NULL);
  h = new_harness (element, RGB);
  record_init (&r, h);
  for (guint i = 0; i < G_N_ELEMENTS (tags); i++)
    gst_harness_push (h, tagged_frame (tags[i], i * FRAME, FRAME));
  finish (h, &r, "07@0+1 gap@1+1 08@2+1 gap@3+1 07@4+1 ");
}

/* A GAP upstream is one here, and no occasion to say something again. */
static void
test_gap (void)
{
  GstHarness *h = new_harness (new_ask (), RGB);
  Record r;

  record_init (&r, h);
  gst_harness_push (h, tagged_frame (1, 0, FRAME));
  gst_harness_push_event (h, gst_event_new_gap (FRAME, 2 * FRAME));
  gst_harness_push (h, tagged_frame (2, 3 * FRAME, FRAME));
  finish (h, &r, "01@0+1 gap@1+2 02@3+1 ");
}

/* Frames that a full queue dropped stay in line as input without an answer. */
static void
test_leaky (void)
{
  GstElement *element = new_ask ();
  GstHarness *h;
  Record r;

  g_object_set (element, "max-size-buffers", 1, NULL);
  gst_util_set_object_arg (G_OBJECT (element), "leaky", "downstream");
  fake_stop_clock ();
  fake_set_speed (GST_SECOND, 0, -1);
  h = new_harness (element, RGB);
  record_init (&r, h);
  gst_harness_push (h, tagged_frame (0, 0, FRAME));
  g_assert_true (fake_wait_busy ());
  for (guint i = 1; i < 5; i++)
    gst_harness_push (h, tagged_frame (i, i * FRAME, FRAME));
  expect (&r, "");
  fake_reset ();
  fake_set_speed (0, 0, -1);
  finish (h, &r, "00@0+1 *00@1+3 04@4+1 ");
  fake_reset ();
}

/* --- untimed frames --- */

static void
test_untimed (void)
{
  GstHarness *h = new_harness (new_ask (), RGB);
  Record r;

  record_init (&r, h);
  for (guint i = 0; i < 3; i++) {
    GstBuffer *buffer = tagged_frame (i, NONE, NONE);

    GST_BUFFER_DTS (buffer) = 77 * GST_SECOND; /* of no account */
    gst_harness_push (h, buffer);
  }
  finish (h, &r, "00@0+1 01@1+1 02@2+1 ");

  /* Without a framerate, a second each. */
  h = new_harness (
      new_ask (), "video/x-raw,format=RGB,width=4,height=3,framerate=0/1");
  record_init (&r, h);
  for (guint i = 0; i < 3; i++)
    gst_harness_push (h, tagged_frame (i, NONE, NONE));
  finish (h, &r, "00@0+10 01@10+10 02@20+10 ");
}

/* --- timing=arrival --- */

typedef struct {
  GstHarness *h;
  GstTestClock *clock;
  Record r;
} Live;

static Live *
live_new (GstElement *element)
{
  Live *live = g_new0 (Live, 1);

  gst_util_set_object_arg (G_OBJECT (element), "timing", "arrival");
  gst_util_set_object_arg (G_OBJECT (element), "leaky", "downstream");
  g_object_set (element, "max-size-buffers", 1, NULL);
  fake_stop_clock ();
  live->h = gst_harness_new_with_element (element, "sink", "src");
  gst_harness_use_testclock (live->h);
  live->clock = gst_harness_get_testclock (live->h);
  gst_harness_set_src_caps_str (live->h, RGB);
  record_init (&live->r, live->h);
  return live;
}

/* The time is that of a frame when it comes. */
static void
live_push (Live *live, guint i)
{
  gst_test_clock_set_time (live->clock, i * FRAME);
  gst_harness_push (live->h, tagged_frame (i, i * FRAME, FRAME));
}

/* Until the model has worked on so many frames. */
static void
live_wait (Live *live, guint64 n)
{
  guint64 units = 0;

  for (guint i = 0; i < 5000 && units < n; i++) {
    g_autoptr (GstStructure) stats = NULL;

    g_object_get (live->h->element, "stats", &stats, NULL);
    g_assert_true (gst_structure_get_uint64 (stats, "units", &units));
    g_usleep (1000);
  }
  g_assert_cmpuint (units, ==, n);
}

static void
live_end (Live *live, const char *line)
{
  gst_harness_push_event (live->h, gst_event_new_eos ());
  fake_set_speed (0, 0, -1);
  fake_advance (100 * GST_SECOND);
  g_assert_true (helper_wait_eos (live->h));
  expect (&live->r, line);
  gst_object_unref (live->clock);
  helper_done (live->h);
  record_clear (&live->r);
  g_free (live);
  fake_reset ();
}

/* While the model works, GAPs follow the newest frame; its answer begins now;
 * then it is sent again with every later frame. */
static void
test_arrival (void)
{
  Live *live = live_new (new_ask ());

  fake_set_speed (GST_SECOND, 0, -1);
  live_push (live, 0);
  expect (&live->r, "gap@0+1 ");
  g_assert_true (fake_wait_busy ());
  live_push (live, 1);
  expect (&live->r, "gap@1+1 ");
  live_push (live, 2);
  expect (&live->r, "gap@2+1 ");
  fake_set_speed (100 * GST_SECOND, 0, -1);
  fake_advance (GST_SECOND);
  live_wait (live, 1);
  /* It waits for input to cover: nothing lasts beyond the newest frame. */
  live_push (live, 3);
  expect (&live->r, "00@3+1 ");
  live_push (live, 4);
  expect (&live->r, "*00@4+1 ");
  live_push (live, 5);
  expect (&live->r, "*00@5+1 ");
  live_end (live, "05@6+0 ");
}

/* A SEGMENT has to wait for the unit at work, and time goes on all the same: in the
 * segment before, while that has such a time, then in the new one. */
static void
test_arrival_segment (void)
{
  for (guint bounded = 0; bounded < 2; bounded++) {
    Live *live = live_new (new_ask ());
    GstSegment segment;

    fake_set_speed (GST_SECOND, 0, -1);
    gst_segment_init (&segment, GST_FORMAT_TIME);
    if (bounded)
      segment.stop = 3 * FRAME;
    gst_harness_push_event (live->h, gst_event_new_segment (&segment));
    live_push (live, 0);
    expect (&live->r, "gap@0+1 ");
    g_assert_true (fake_wait_busy ());
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.start = segment.time = 10 * FRAME;
    segment.base = 2 * FRAME;
    gst_harness_push_event (live->h, gst_event_new_segment (&segment));
    for (guint i = 0; i < 2; i++) {
      gst_test_clock_set_time (live->clock, (i + 2) * FRAME);
      gst_harness_push (
          live->h, tagged_frame (10 + i, (10 + i) * FRAME, FRAME));
      if (i == 0)
        expect (&live->r, "gap@1+2 ");
      else if (!bounded)
        expect (&live->r, "gap@3+1 ");
    }
    fake_set_speed (100 * GST_SECOND, 0, -1);
    fake_advance (GST_SECOND);
    live_wait (live, 1);
    expect (&live->r, bounded ? "00@3+0 *00@11+1 " : "00@4+0 ");
    gst_test_clock_set_time (live->clock, 4 * FRAME);
    gst_harness_push (live->h, tagged_frame (12, 12 * FRAME, FRAME));
    expect (&live->r, "*00@12+1 ");
    live_end (live, "0c@13+0 ");
  }
}

static void
test_arrival_without_hold (void)
{
  GstElement *element = new_ask ();
  Live *live;

  g_object_set (element, "hold", FALSE, NULL);
  live = live_new (element);
  fake_set_speed (GST_SECOND, 0, -1);
  live_push (live, 0);
  expect (&live->r, "gap@0+1 ");
  g_assert_true (fake_wait_busy ());
  fake_set_speed (100 * GST_SECOND, 0, -1);
  fake_advance (GST_SECOND);
  live_wait (live, 1);
  live_push (live, 1);
  expect (&live->r, "00@1+1 ");
  live_push (live, 2);
  expect (&live->r, "gap@2+1 ");
  live_end (live, "02@3+0 ");
}

/* A frame that comes late: the text begins at the running time, not before. */
static void
test_arrival_late (void)
{
  Live *live = live_new (new_ask ());

  fake_set_speed (0, 0, -1);
  gst_test_clock_set_time (live->clock, 5 * FRAME);
  gst_harness_push (live->h, tagged_frame (0, 0, FRAME));
  gst_harness_push (live->h, tagged_frame (4, 4 * FRAME, FRAME));
  live_push (live, 5);
  live_push (live, 6);
  gst_harness_push_event (live->h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (live->h));
  g_mutex_lock (&live->r.lock);
  g_test_message ("%s", live->r.line->str);
  g_assert_nonnull (strstr (live->r.line->str, "@"));
  g_string_truncate (live->r.line, 0);
  g_mutex_unlock (&live->r.lock);
  live_end (live, "");
}

/* A question that is changed while playing is asked from the next frame on. */
static void
test_question (void)
{
  static const char *const questions[] = {"which", "what", "what", ""};
  GstHarness *h = new_harness (new_ask (), RGB);

  for (guint i = 0; i < G_N_ELEMENTS (questions); i++) {
    GstMessage *message;

    g_object_set (h->element, "question", questions[i], NULL);
    gst_harness_push (h, tagged_frame (i, i * FRAME, FRAME));
    message = helper_wait_named (h->element, "mblmask");
    g_assert_nonnull (message);
    g_assert_cmpstr (gst_structure_get_string (
                         gst_message_get_structure (message), "question"),
        ==, questions[i]);
    gst_message_unref (message);
    gst_buffer_unref (gst_harness_pull (h));
  }
  helper_done (h);
}

/* Another model takes over at a frame: each frame has its answer, the first ones
 * by the old model. */
static void
test_model (void)
{
  g_autofree char *other = helper_fake_model (
      "timing-other", MBLM_TASK_QA, "new", 0);
  GstHarness *h = new_harness (new_ask (), RGB);
  gboolean swapped = FALSE;

  for (guint i = 0; i < 500 && !(swapped && i % 50 == 0); i++) {
    g_autofree char *old = g_strdup_printf ("%02x", i & 0xff);
    g_autofree char *text = NULL;
    GstBuffer *buffer;

    if (i == 20)
      g_object_set (h->element, "model", other, NULL);
    gst_harness_push (h, tagged_frame (i, i * FRAME, FRAME));
    buffer = gst_harness_pull (h);
    g_assert_nonnull (buffer);
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, i * FRAME);
    text = helper_text (buffer);
    if (swapped || i < 20)
      g_assert_cmpstr (text, ==, swapped ? "new" : old);
    else if (g_str_equal (text, "new"))
      swapped = TRUE;
    else
      g_assert_cmpstr (text, ==, old);
    gst_buffer_unref (buffer);
    if (!swapped && i >= 20)
      g_usleep (1000);
  }
  g_assert_true (swapped);
  g_assert_cmpuint (helper_count (h->element, GST_MESSAGE_WARNING), ==, 0);
  helper_done (h);
}

/* A pause stands still: no running time passes, and nothing is sent. */
static void
test_pause (void)
{
  GstHarness *h = new_harness (new_ask (), RGB);
  Record r;

  record_init (&r, h);
  gst_harness_push (h, tagged_frame (0, 0, FRAME));
  expect (&r, "00@0+1 ");
  gst_element_set_state (h->element, GST_STATE_PAUSED);
  gst_element_set_state (h->element, GST_STATE_PLAYING);
  gst_harness_push (h, tagged_frame (1, FRAME, FRAME));
  finish (h, &r, "01@1+1 ");
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/timing/frame", test_frame);
  g_test_add_func ("/timing/hold", test_hold);
  g_test_add_func ("/timing/interval", test_interval);
  g_test_add_func ("/timing/on-change", test_on_change);
  g_test_add_func ("/timing/gap", test_gap);
  g_test_add_func ("/timing/leaky", test_leaky);
  g_test_add_func ("/timing/untimed", test_untimed);
  g_test_add_func ("/timing/arrival", test_arrival);
  g_test_add_func ("/timing/arrival-without-hold", test_arrival_without_hold);
  g_test_add_func ("/timing/arrival-segment", test_arrival_segment);
  g_test_add_func ("/timing/arrival-late", test_arrival_late);
  g_test_add_func ("/timing/question", test_question);
  g_test_add_func ("/timing/model", test_model);
  g_test_add_func ("/timing/pause", test_pause);
  return helper_end ();
}
