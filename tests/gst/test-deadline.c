/* test-deadline.c: answers that are cut short, what is counted, and alarms.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The model's clock and that of the element are moved by the test, together.
 */

#include "helper.h"

#include <gst/check/gsttestclock.h>
#include <string.h>

#include "fake.h"

#define RGB "video/x-raw,format=RGB,width=16,height=12,framerate=10/1"
#define TEXT "text/x-raw, format=(string)utf8"
#define FRAME (GST_SECOND / 10)
#define MS GST_MSECOND

typedef struct {
  GstHarness *h;
  GstTestClock *clock;
} Scene;

static Scene
new_scene (GstElement *element, const char *caps)
{
  Scene scene;

  fake_stop_clock ();
  scene.h = helper_harness (element);
  gst_harness_use_testclock (scene.h);
  scene.clock = gst_harness_get_testclock (scene.h);
  gst_harness_set_src_caps_str (scene.h, caps);
  return scene;
}

static void
end_scene (Scene *scene)
{
  gst_object_unref (scene->clock);
  helper_done (scene->h);
  fake_reset ();
}

/* Both clocks, in steps of a millisecond, each of which the model has seen. */
static void
go_on (Scene *scene, guint milliseconds)
{
  for (guint i = 0; i < milliseconds; i++) {
    g_assert_true (fake_wait_busy ());
    gst_test_clock_advance_time (scene->clock, MS);
    fake_advance (MS);
  }
}

/* Until the next message of this name, however long the model takes. */
static GstMessage *
run_until (Scene *scene, const char *name)
{
  GstBus *bus = gst_element_get_bus (scene->h->element);

  for (guint i = 0; i < 5000; i++) {
    GstMessage *message = gst_bus_timed_pop_filtered (
        bus, 2 * GST_MSECOND, GST_MESSAGE_ELEMENT);

    if (message && gst_message_has_name (message, name)) {
      gst_object_unref (bus);
      return message;
    }
    g_clear_pointer (&message, gst_message_unref);
    gst_test_clock_advance_time (scene->clock, MS);
    fake_advance (MS);
  }
  gst_object_unref (bus);
  g_assert_not_reached ();
}

static GstElement *
new_ask (double prompt, const char *text)
{
  GstElement *element = helper_element ("mblmask");
  g_autofree char *model = helper_fake_model (
      "deadline-qa", MBLM_TASK_QA, text, prompt);

  g_object_set (element, "model", model, "question", "why", "separator", "",
      "deadline", (guint64) (200 * MS), NULL);
  return element;
}

static gboolean
is_partial (const GstStructure *structure)
{
  gboolean partial = FALSE;

  g_assert_true (gst_structure_get_boolean (structure, "partial", &partial));
  return partial;
}

/* 100 ms of picture, 30 ms a byte, and 200 ms in all: three bytes. */
static void
test_ask (void)
{
  Scene scene = new_scene (new_ask (0.1, "abcdefgh"), RGB);
  g_autoptr (GstBuffer) buffer = NULL;
  g_autofree char *text = NULL;
  GstMessage *message;
  const GstStructure *s;

  fake_set_speed (-1, 30 * MS, -1);
  gst_harness_push (scene.h, helper_frame (16, 12, 1, 0, FRAME));
  message = run_until (&scene, "mblmask");
  s = gst_message_get_structure (message);
  g_assert_true (is_partial (s));
  buffer = gst_harness_pull (scene.h);
  text = helper_text (buffer);
  g_assert_cmpstr (gst_structure_get_string (s, "answer"), ==, text);
  g_assert_true (g_str_has_prefix ("abcdefgh", text));
  g_assert_cmpuint (strlen (text), >=, 2);
  g_assert_cmpuint (strlen (text), <=, 5);
  g_assert_true (is_partial (gst_custom_meta_get_structure (
      gst_buffer_get_custom_meta (buffer, "GstMblmAnswerMeta"))));
  gst_message_unref (message);

  /* In time, it is whole. */
  fake_set_speed (10 * MS, 2 * MS, -1);
  gst_harness_push (scene.h, helper_frame (16, 12, 1, FRAME, FRAME));
  message = run_until (&scene, "mblmask");
  s = gst_message_get_structure (message);
  g_assert_false (is_partial (s));
  g_assert_cmpstr (gst_structure_get_string (s, "answer"), ==, "abcdefgh");
  gst_message_unref (message);
  end_scene (&scene);
}

/* Choices are judged by what is known of all of them. */
static void
test_choices (void)
{
  GstElement *element = new_ask (0.1, "blue");
  Scene scene;
  g_autoptr (GstBuffer) buffer = NULL;
  g_autofree char *text = NULL;
  GstMessage *message;

  g_object_set (element, "choices", "green,blue,brown,black", NULL);
  scene = new_scene (element, RGB);
  fake_set_speed (-1, 60 * MS, -1);
  gst_harness_push (scene.h, helper_frame (16, 12, 1, 0, FRAME));
  message = run_until (&scene, "mblmask");
  g_assert_true (is_partial (gst_message_get_structure (message)));
  gst_message_unref (message);
  buffer = gst_harness_pull (scene.h);
  text = helper_text (buffer);
  /* "bl" is known when the time is up, or only "b". */
  g_assert_true (text[0] == 'b');
  end_scene (&scene);
}

/* When the picture itself takes too long, the last answer holds. */
static void
test_nothing (void)
{
  Scene scene = new_scene (new_ask (0.001, "yes"), RGB);
  GstMessage *message;
  GstBuffer *buffer;

  gst_harness_push (scene.h, helper_frame (16, 12, 1, 0, FRAME));
  message = run_until (&scene, "mblmask");
  g_assert_false (is_partial (gst_message_get_structure (message)));
  gst_message_unref (message);
  gst_buffer_unref (gst_harness_pull (scene.h));

  fake_set_speed (10 * GST_SECOND, 0, -1);
  gst_harness_push (scene.h, helper_frame (16, 12, 1, FRAME, FRAME));
  message = run_until (&scene, "mblmask");
  g_assert_true (is_partial (gst_message_get_structure (message)));
  g_assert_cmpstr (
      gst_structure_get_string (gst_message_get_structure (message), "answer"),
      ==, "");
  gst_message_unref (message);
  buffer = gst_harness_pull (scene.h);
  g_assert_true (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP));
  g_assert_cmpint (gst_buffer_memcmp (buffer, 0, "yes", 3), ==, 0);
  gst_buffer_unref (buffer);
  end_scene (&scene);
}

/* A continuation ends with the time, and the context goes on. */
static void
test_generate (void)
{
  GstElement *element = helper_element ("mblmgenerate");
  g_autofree char *model = helper_fake_model (
      "deadline-text", MBLM_TASK_TEXT, "abcdefgh", 0);
  Scene scene;
  GstMessage *message;
  GstBuffer *buffer;
  g_autofree char *text = NULL, *rest = NULL;
  guint64 bytes;

  g_object_set (element, "model", model, "max-bytes", 100, "separator", "",
      "deadline", (guint64) (100 * MS), NULL);
  gst_util_set_object_arg (G_OBJECT (element), "emit", "prompt");
  scene = new_scene (element, TEXT);
  fake_set_speed (0, 20 * MS, -1);
  gst_harness_push (scene.h, helper_buffer ("xx", 0, GST_SECOND));
  message = run_until (&scene, "mblmgenerate");
  g_assert_true (is_partial (gst_message_get_structure (message)));
  g_assert_true (gst_structure_get_uint64 (
      gst_message_get_structure (message), "bytes", &bytes));
  gst_message_unref (message);
  buffer = gst_harness_pull (scene.h);
  text = helper_text (buffer);
  g_assert_cmpuint (strlen (text), ==, bytes);
  g_assert_cmpuint (bytes, >=, 4);
  g_assert_cmpuint (bytes, <=, 7);
  g_assert_true (g_str_has_prefix ("abcdefghabcdefgh", text));
  g_assert_true (is_partial (gst_custom_meta_get_structure (
      gst_buffer_get_custom_meta (buffer, "GstMblmAnswerMeta"))));
  gst_buffer_unref (buffer);

  /* What was said is part of the context: the text goes on from there. */
  fake_set_speed (0, 0, -1);
  g_object_set (scene.h->element, "max-bytes", 3, NULL);
  buffer = gst_buffer_new_memdup ("abcdefgh" + bytes % 8, 1);
  GST_BUFFER_PTS (buffer) = GST_SECOND;
  GST_BUFFER_DURATION (buffer) = GST_SECOND;
  gst_harness_push (scene.h, buffer);
  buffer = gst_harness_pull (scene.h);
  rest = helper_text (buffer);
  g_assert_true (g_str_has_prefix ("abcdefghabcdefgh" + (bytes + 1) % 8, rest));
  gst_buffer_unref (buffer);
  end_scene (&scene);
}

static guint64
get_stat (GstElement *element, const char *name)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 value;

  g_object_get (element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, name, &value));
  return value;
}

/* Times are those of the clock, and what waits downstream is none of ours. */
static void
test_stats (void)
{
  Scene scene = new_scene (new_ask (0.08, "abcd"), RGB);
  GstElement *element = scene.h->element;
  g_autoptr (GstStructure) stats = NULL;
  double rate;
  guint queued;

  fake_set_speed (-1, 5 * MS, -1);
  for (guint i = 0; i < 4; i++) {
    gst_harness_push (scene.h, helper_frame (16, 12, 1, i * FRAME, FRAME));
    gst_message_unref (run_until (&scene, "mblmask"));
    gst_buffer_unref (gst_harness_pull (scene.h));
  }
  gst_harness_push_event (scene.h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (scene.h));
  g_assert_cmpuint (get_stat (element, "buffers-in"), ==, 4);
  g_assert_cmpuint (get_stat (element, "units"), ==, 4);
  g_assert_cmpuint (get_stat (element, "answered"), ==, 4);
  g_assert_cmpuint (get_stat (element, "partial"), ==, 0);
  g_assert_cmpuint (get_stat (element, "dropped"), ==, 0);
  g_assert_cmpuint (get_stat (element, "failed"), ==, 0);
  g_assert_cmpuint (get_stat (element, "bytes-out"), ==, 16);
  /* The picture, and three bytes that are fed to get the next. */
  g_assert_cmpuint (get_stat (element, "answer-time"), >=, 80 * MS);
  g_assert_cmpuint (get_stat (element, "answer-time"), <=, 130 * MS);
  g_assert_cmpuint (get_stat (element, "answer-time-95"), >=,
      get_stat (element, "answer-time"));
  g_assert_cmpuint (get_stat (element, "first-byte-time"), >=, 80 * MS);
  g_assert_cmpuint (get_stat (element, "busy-time"), >=, 320 * MS);
  g_object_get (element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_double (stats, "bytes-per-second", &rate));
  g_assert_cmpfloat (rate, >, 20.0);
  g_assert_cmpfloat (rate, <, 50.0);
  g_assert_true (gst_structure_get_uint (stats, "queued-buffers", &queued));
  g_assert_cmpuint (queued, ==, 0);
  end_scene (&scene);
}

/* --- alarms --- */

static void
push_score (GstHarness *h, const char *bytes)
{
  gst_harness_push (
      h, helper_buffer (bytes, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
  gst_buffer_unref (gst_harness_pull (h));
}

/* The next message is of this name, and counts so many units in a row. */
static void
expect (GstHarness *h, const char *name, gint count)
{
  GstMessage *message = helper_wait (h->element, GST_MESSAGE_ELEMENT);
  guint64 n;

  g_assert_nonnull (message);
  g_assert_cmpstr (
      gst_structure_get_name (gst_message_get_structure (message)), ==, name);
  if (count > 0) {
    g_assert_true (gst_structure_get_uint64 (
        gst_message_get_structure (message), "count", &n));
    g_assert_cmpuint (n, ==, count);
  }
  gst_message_unref (message);
}

static void
test_alarm (void)
{
  GstElement *element = helper_element ("mblmscore");
  g_autofree char *model = helper_fake_model (
      "alarm", MBLM_TASK_TEXT, "abcdefgh", 0);
  GstHarness *h;

  g_object_set (element, "model", model, "threshold", 3.0, NULL);
  h = helper_harness (element);
  gst_harness_set_src_caps_str (h, "application/octet-stream");
  push_score (h, "abcdefghabcdefgh");
  expect (h, "mblmscore", 0);
  push_score (h, "zzzzzzzzzz");
  expect (h, "mblmscore-alarm", 1);
  expect (h, "mblmscore", 0);
  push_score (h, "yyyyyyyyyyyy");
  expect (h, "mblmscore-alarm", 2);
  expect (h, "mblmscore", 0);
  push_score (h, "abcdefghabcdefghabcdefgh");
  expect (h, "mblmscore-all-clear", 2);
  expect (h, "mblmscore", 0);
  push_score (h, "abcdefgh");
  expect (h, "mblmscore", 0);
  /* Without a threshold an alarm is over, too. */
  push_score (h, "zzzzzzzzzz");
  expect (h, "mblmscore-alarm", 1);
  expect (h, "mblmscore", 0);
  g_object_set (h->element, "threshold", 0.0, NULL);
  push_score (h, "zzzzzzzzzz");
  expect (h, "mblmscore-all-clear", 1);
  expect (h, "mblmscore", 0);
  helper_done (h);
}

/* --- cancelling --- */

/* Out of the middle of a picture that takes a minute: at most one more piece of
 * work begins. */
static void
test_cancel (void)
{
  for (guint way = 0; way < 2; way++) {
    GstElement *element = new_ask (60, "abc");
    Scene scene;
    guint64 chunks;

    g_object_set (element, "deadline", (guint64) 0, NULL);
    scene = new_scene (element, RGB);
    gst_harness_push (scene.h, helper_frame (16, 12, 1, 0, FRAME));
    g_assert_true (fake_wait_busy ());
    chunks = fake_get_chunks () + 2;
    go_on (&scene, 120);
    /* Until the model has followed its clock. */
    for (guint i = 0; i < 5000 && fake_get_chunks () < chunks; i++)
      g_usleep (1000);
    g_assert_cmpuint (fake_get_chunks (), ==, chunks);
    if (way == 0)
      gst_harness_push_event (scene.h, gst_event_new_flush_start ());
    else
      gst_element_set_state (scene.h->element, GST_STATE_NULL);
    /* FLUSH_START doesn't wait for the task. */
    for (guint i = 0; i < 5000 && fake_get_busy () > 0; i++)
      g_usleep (1000);
    g_assert_cmpuint (fake_get_busy (), ==, 0);
    g_assert_cmpuint (fake_get_chunks () - chunks, <=, 1);
    end_scene (&scene);
  }
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/deadline/ask", test_ask);
  g_test_add_func ("/deadline/choices", test_choices);
  g_test_add_func ("/deadline/nothing", test_nothing);
  g_test_add_func ("/deadline/generate", test_generate);
  g_test_add_func ("/deadline/stats", test_stats);
  g_test_add_func ("/deadline/alarm", test_alarm);
  g_test_add_func ("/deadline/cancel", test_cancel);
  return helper_end ();
}
