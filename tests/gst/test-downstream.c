/* test-downstream.c: a downstream that fails, refuses, blocks or isn't there.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "kinds.h"
#include "tap.h"

#include <string.h>

static const GstFlowReturn flows[] = {GST_FLOW_NOT_LINKED, GST_FLOW_FLUSHING,
    GST_FLOW_EOS, GST_FLOW_NOT_NEGOTIATED, GST_FLOW_ERROR,
    GST_FLOW_NOT_SUPPORTED, GST_FLOW_CUSTOM_ERROR, GST_FLOW_CUSTOM_ERROR_2};

/* Flows that end the stream with an error, as GStreamer's sources see it. */
static gboolean
is_fatal (GstFlowReturn flow)
{
  return flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS;
}

/* What pushing comes to in the end. */
static GstFlowReturn
push_on (HelperLine *line)
{
  GstFlowReturn ret = GST_FLOW_OK;

  for (guint i = 0; ret == GST_FLOW_OK && i < 10000; i++) {
    ret = helper_line_push (line, i);
    g_usleep (1000);
  }
  return ret;
}

static void
flush (HelperLine *line)
{
  GstSegment segment;

  gst_pad_push_event (line->feed, gst_event_new_flush_start ());
  gst_pad_push_event (line->feed, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (line->feed, gst_event_new_segment (&segment));
}

/* What `src` returns comes back to upstream, which says so; after a flush the
 * stream goes on. */
static void
test_flows (void)
{
  FOR_EACH (kind)
  {
    for (guint i = 0; i < G_N_ELEMENTS (flows); i++) {
      HelperLine line;

      g_test_message ("%s: %s", kind->factory, gst_flow_get_name (flows[i]));
      helper_line (&line, kind->factory);
      helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
      helper_tap_set_answer (line.tap, flows[i]);
      g_assert_cmpint (push_on (&line), ==, flows[i]);
      g_assert_cmpint (helper_line_push (&line, 0), ==, flows[i]);
      g_assert_false (gst_pad_push_event (line.feed, gst_event_new_eos ()));
      helper_check_messages (line.element, 0, 0);
      helper_tap_set_answer (line.tap, GST_FLOW_OK);
      flush (&line);
      g_assert_cmpint (helper_line_push (&line, 77), ==, GST_FLOW_OK);
      gst_pad_push_event (line.feed, gst_event_new_eos ());
      g_assert_true (helper_tap_wait (
          line.tap, "flush-start flush-stop segment buffer@770+10 eos"));
      helper_check_messages (line.element, 0, 0);
      helper_line_done (&line);
    }
  }
}

/* When the last buffer fails, with EOS behind it, nobody but the element can say
 * so; with a fatal flow it does, once. */
static void
test_eos_in_line (void)
{
  FOR_EACH (kind)
  {
    for (guint i = 0; i < G_N_ELEMENTS (flows); i++) {
      HelperLine line;
      gint64 end = g_get_monotonic_time () + 60 * G_TIME_SPAN_SECOND;

      helper_line (&line, kind->factory);
      helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
      helper_tap_set_answer (line.tap, flows[i]);
      helper_tap_hold (line.tap, TRUE);
      helper_line_push (&line, 0);
      g_assert_true (helper_tap_wait_held (line.tap));
      helper_line_push (&line, 1);
      g_assert_true (gst_pad_push_event (line.feed, gst_event_new_eos ()));
      helper_tap_hold (line.tap, FALSE);
      if (is_fatal (flows[i])) {
        g_assert_true (helper_tap_wait (line.tap, "buffer@0+10 eos"));
      } else {
        while (helper_stat (line.element, "queued-buffers") > 0)
          g_assert_cmpint (g_get_monotonic_time (), <, end);
      }
      gst_element_set_state (line.element, GST_STATE_READY);
      helper_check_messages (line.element, 0, is_fatal (flows[i]));
      g_assert_cmpuint (line.tap->buffers->len, ==, 1);
      helper_line_done (&line);
    }
  }
}

/* The same when EOS comes after the failure, and no buffer between. */
static void
test_eos_late (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    helper_tap_set_answer (line.tap, GST_FLOW_ERROR);
    helper_line_push (&line, 0);
    /* The element ends its text, or what passed. */
    g_assert_true (helper_tap_wait (line.tap, "buffer@0+10 eos"));
    g_assert_false (gst_pad_push_event (line.feed, gst_event_new_eos ()));
    helper_check_messages (line.element, 0, 1);
    helper_line_done (&line);
  }
}

/* A success of downstream's own kind is a success. */
static void
test_custom_success (void)
{
  static const GstFlowReturn good[] = {GST_FLOW_CUSTOM_SUCCESS,
      GST_FLOW_CUSTOM_SUCCESS_1, GST_FLOW_CUSTOM_SUCCESS_2};

  FOR_EACH (kind)
  {
    for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
      HelperLine line;

      helper_line (&line, kind->factory);
      helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
      helper_tap_set_answer (line.tap, good[i]);
      for (guint n = 0; n < 5; n++) {
        g_assert_cmpint (helper_line_push (&line, n), ==, GST_FLOW_OK);
        g_assert_true (helper_wait_stat (line.element, "units", n + 1));
      }
      gst_pad_push_event (line.feed, gst_event_new_eos ());
      g_assert_true (helper_tap_wait (line.tap, "buffer@40+10 eos"));
      helper_line_done (&line);
    }
  }
}

/* Downstream refuses the caps that it said it takes. */
static void
test_refuses_caps (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    line.tap->refuses = TRUE;
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    g_assert_cmpint (push_on (&line), ==, GST_FLOW_NOT_NEGOTIATED);
    g_assert_cmpuint (line.tap->buffers->len, ==, 0);
    helper_check_messages (line.element, 0, 0);
    helper_line_done (&line);
  }
}

/* ... or takes none that the element has. */
static void
test_no_common_caps (void)
{
  static const char *const factories[] = {"mblmgenerate", "mblmask"};

  for (guint i = 0; i < G_N_ELEMENTS (factories); i++) {
    GstElement *element = helper_element (factories[i]);
    GstElement *filter = gst_element_factory_make ("capsfilter", NULL);
    HelperLine line = {.element = element};
    g_autoptr (GstCaps) caps = gst_caps_from_string (TEXT ",x=1");
    g_autoptr (GstPad) sink = gst_element_get_static_pad (filter, "sink");
    g_autoptr (GstPad) src = gst_element_get_static_pad (element, "src");

    gst_object_ref_sink (filter);
    g_object_set (element, "max-size-buffers", 0, NULL);
    line.feed = helper_feed (element, "sink");
    g_assert_cmpint (gst_pad_link (src, sink), ==, GST_PAD_LINK_OK);
    g_object_set (filter, "caps", caps, NULL);
    /* The link is there; only now it is one that can't be. */
    gst_caps_take (&caps, gst_caps_from_string ("audio/x-raw"));
    g_object_set (filter, "caps", caps, NULL);
    gst_element_set_state (filter, GST_STATE_PLAYING);
    gst_element_set_state (element, GST_STATE_PLAYING);
    helper_feed_begin (line.feed, i == 0 ? TEXT : RGB, GST_FORMAT_TIME);
    g_assert_cmpint (push_on (&line), ==, GST_FLOW_NOT_NEGOTIATED);
    helper_check_messages (element, 0, 0);
    gst_element_set_state (filter, GST_STATE_NULL);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_pad_unlink (src, sink);
    gst_object_unref (filter);
    helper_feed_free (line.feed);
    helper_drop (element);
  }
}

static void
test_unlinked (void)
{
  FOR_EACH (kind)
  {
    HelperLine line = {.element = helper_element (kind->factory)};

    line.feed = helper_feed (line.element, "sink");
    gst_element_set_state (line.element, GST_STATE_PLAYING);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    g_assert_cmpint (push_on (&line), ==, GST_FLOW_NOT_LINKED);
    helper_check_messages (line.element, 0, 0);
    helper_feed_free (line.feed);
    helper_drop (line.element);
  }
}

/* --- json --- */

static HelperTap *
json_tap (HelperLine *line)
{
  GstPad *pad = gst_element_request_pad_simple (line->element, "json");

  g_assert_nonnull (pad);
  gst_object_unref (pad);
  return helper_tap (line->element, "json");
}

/* Whatever becomes of the scores, the data go on; a failure is one warning. */
static void
test_json (void)
{
  static const char *const per[] = {"buffer", "window", "stream", "file"};

  for (guint i = 0; i < G_N_ELEMENTS (flows) * G_N_ELEMENTS (per); i++) {
    GstFlowReturn flow = flows[i / G_N_ELEMENTS (per)];
    HelperLine line;
    HelperTap *json;

    helper_line (&line, "mblmscore");
    gst_util_set_object_arg (
        G_OBJECT (line.element), "per", per[i % G_N_ELEMENTS (per)]);
    g_object_set (line.element, "window", 3, NULL);
    json = json_tap (&line);
    helper_tap_set_answer (json, flow);
    for (guint k = 0; k < 2; k++) {
      helper_feed_begin (line.feed, OCTETS, GST_FORMAT_TIME);
      for (guint n = 0; n < 5; n++)
        g_assert_cmpint (helper_line_push (&line, 5 * k + n), ==, GST_FLOW_OK);
    }
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, "buffer@90+10 eos"));
    g_assert_cmpuint (line.tap->buffers->len, ==, 10);
    g_assert_cmpuint (helper_stat (line.element, "bytes-in"), ==, 100);
    /* The scores come by a thread of their own. */
    g_assert_true (helper_tap_wait (json, "eos"));
    helper_check_messages (line.element, flow < GST_FLOW_EOS, 0);
    helper_tap_free (json);
    helper_line_done (&line);
  }
}

/* What `json` comes to in its thread is not what the stream does. */
static void
test_json_beside (void)
{
  HelperLine line;
  HelperTap *json;

  helper_line (&line, "mblmscore");
  json = json_tap (&line);
  helper_tap_set_answer (json, GST_FLOW_FLUSHING);
  helper_feed_begin (line.feed, OCTETS, GST_FORMAT_TIME);
  for (guint n = 0; n < 2000; n++)
    g_assert_cmpint (helper_line_push (&line, n), ==, GST_FLOW_OK);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "buffer@19990+10 eos"));
  helper_check_messages (line.element, 0, 0);
  helper_tap_free (json);
  helper_line_done (&line);
}

static void
test_json_refuses (void)
{
  HelperLine line;
  HelperTap *json;

  helper_line (&line, "mblmscore");
  json = json_tap (&line);
  json->refuses = TRUE;
  helper_feed_begin (line.feed, OCTETS, GST_FORMAT_TIME);
  for (guint n = 0; n < 5; n++)
    g_assert_cmpint (helper_line_push (&line, n), ==, GST_FLOW_OK);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "buffer@0+10 buffer@40+10 eos"));
  g_assert_true (helper_tap_wait (json, "eos"));
  helper_check_messages (line.element, 1, 0);
  helper_tap_free (json);
  helper_line_done (&line);
}

/* With `src` unlinked the scores are all there is: where they end, so does the
 * stream. */
static void
test_json_alone (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (flows); i++) {
    HelperLine line = {.element = helper_element ("mblmscore")};
    HelperTap *json = json_tap (&line);
    GstFlowReturn wanted = flows[i];

    if (is_fatal (wanted))
      wanted = GST_FLOW_NOT_LINKED;
    line.feed = helper_feed (line.element, "sink");
    gst_element_set_state (line.element, GST_STATE_PLAYING);
    helper_feed_begin (line.feed, OCTETS, GST_FORMAT_TIME);
    g_assert_cmpint (helper_line_push (&line, 0), ==, GST_FLOW_OK);
    g_assert_true (
        helper_tap_wait (json, "stream-start caps segment buffer@0+10"));
    helper_tap_set_answer (json, flows[i]);
    g_assert_cmpint (push_on (&line), ==, wanted);
    helper_check_messages (line.element, flows[i] < GST_FLOW_EOS, 0);
    helper_tap_free (json);
    helper_feed_free (line.feed);
    helper_drop (line.element);
  }
}

/* Releasing the pad doesn't wait for downstream, which holds a line up. */
static void
test_json_released (void)
{
  HelperLine line;
  HelperTap *json;
  GstPad *pad;

  helper_line (&line, "mblmscore");
  json = json_tap (&line);
  pad = gst_element_get_static_pad (line.element, "json");
  helper_tap_hold (json, TRUE);
  helper_feed_begin (line.feed, OCTETS, GST_FORMAT_TIME);
  g_assert_cmpint (helper_line_push (&line, 0), ==, GST_FLOW_OK);
  g_assert_true (helper_tap_wait_held (json));
  gst_element_release_request_pad (line.element, pad);
  g_assert_null (GST_OBJECT_PARENT (pad));

  for (guint n = 1; n < 5; n++)
    g_assert_cmpint (helper_line_push (&line, n), ==, GST_FLOW_OK);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "buffer@40+10 eos"));
  helper_tap_hold (json, FALSE);
  for (guint n = 0; gst_pad_is_active (pad); n++) {
    g_assert_cmpuint (n, <, 10000);
    g_usleep (1000);
  }
  gst_object_unref (pad);
  helper_tap_free (json);
  helper_line_done (&line);
}

/* A leaky queue leaves out scores, not the wait for downstream: what passes
 * without a score doesn't pile up. */
typedef struct {
  HelperLine *line;
  gint pushed;
} Pusher;

static gpointer
push_many (gpointer data)
{
  Pusher *self = data;

  for (guint n = 0; n < 200; n++) {
    g_assert_cmpint (helper_line_push (self->line, n), ==, GST_FLOW_OK);
    g_atomic_int_inc (&self->pushed);
  }
  return NULL;
}

static void
test_leaky_waits (void)
{
  static const char *const leaky[] = {"upstream", "downstream"};

  for (guint i = 0; i < 2; i++) {
    HelperLine line;
    Pusher pusher = {.line = &line};
    GThread *thread;

    helper_line (&line, "mblmscore");
    gst_util_set_object_arg (G_OBJECT (line.element), "leaky", leaky[i]);
    g_object_set (line.element, "max-size-buffers", 3, NULL);
    helper_feed_begin (line.feed, OCTETS, GST_FORMAT_TIME);
    helper_tap_hold (line.tap, TRUE);
    thread = g_thread_new ("pusher", push_many, &pusher);
    g_assert_true (helper_tap_wait_held (line.tap));
    /* Time for it to go too far; it never does, however long this is. */
    g_usleep (50 * 1000);
    g_assert_cmpint (g_atomic_int_get (&pusher.pushed), <, 12);
    helper_tap_hold (line.tap, FALSE);
    g_thread_join (thread);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, "buffer@1990+10 eos"));
    g_assert_cmpuint (line.tap->buffers->len, ==, 200);
    helper_line_done (&line);
  }
}

/* --- answers --- */

/* An element with a question pad whose question is "where". */
static HelperTap *
answer_tap (HelperLine *line)
{
  GstPad *pad = gst_element_request_pad_simple (line->element, "question_%u");
  GstPad *feed;

  g_assert_nonnull (pad);
  feed = helper_feed (line->element, GST_OBJECT_NAME (pad));
  helper_feed_begin (feed, TEXT, GST_FORMAT_TIME);
  g_assert_cmpint (
      gst_pad_push (feed, helper_buffer ("where", GST_CLOCK_TIME_NONE, 0)), ==,
      GST_FLOW_OK);
  helper_feed_free (feed);
  gst_object_unref (pad);
  return helper_tap (line->element, "answer_0");
}

/* An answer pad that isn't linked, has enough or is being taken away stops
 * nobody; one that fails stops the stream, as a branch of tee does. */
static void
test_answers (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (flows); i++) {
    HelperLine line;
    HelperTap *answers;

    helper_line (&line, "mblmask");
    answers = answer_tap (&line);
    helper_tap_set_answer (answers, flows[i]);
    helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
    if (flows[i] < GST_FLOW_EOS) {
      g_assert_cmpint (push_on (&line), ==, flows[i]);
    } else {
      for (guint n = 0; n < 5; n++)
        g_assert_cmpint (helper_line_push (&line, n), ==, GST_FLOW_OK);
      gst_pad_push_event (line.feed, gst_event_new_eos ());
      g_assert_true (
          helper_tap_wait (line.tap, "buffer@0+10 buffer@40+10 eos"));
    }
    helper_check_messages (line.element, 0, 0);
    helper_tap_free (answers);
    helper_line_done (&line);
  }
}

/* With `src` unlinked the answers are all there is. One that flushes, as at a
 * change of state, is no error. */
static void
test_answers_alone (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (flows); i++) {
    HelperLine line = {.element = helper_element ("mblmask")};
    HelperTap *answers;

    g_object_set (line.element, "max-size-buffers", 0, "max-bytes", 2, NULL);
    gst_element_set_state (line.element, GST_STATE_PLAYING);
    answers = answer_tap (&line);
    line.feed = helper_feed (line.element, "sink");
    helper_tap_set_answer (answers, flows[i]);
    helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
    g_assert_cmpint (push_on (&line), ==, flows[i]);
    helper_check_messages (line.element, 0, 0);
    helper_tap_free (answers);
    helper_feed_free (line.feed);
    helper_drop (line.element);
  }
}

/* --- states --- */

/* To NULL while a sink holds the first buffer, or a probe blocks `src`. */
static void
test_null (void)
{
  g_autofree char *file = helper_path ("prompt");
  char *lines[] = {
      g_strdup_printf ("filesrc location=%s ! mblmgenerate name=e model=%s "
                       "max-bytes=1000000 ! fakesink",
          file, helper_text_model ()),
      g_strdup_printf ("filesrc location=%s blocksize=3 ! mblmscore name=e "
                       "model=%s ! fakesink",
          file, helper_text_model ()),
      g_strdup_printf ("videotestsrc ! mblmask name=e model=%s question=a ! "
                       "fakesink",
          helper_qa_model ())};

  g_file_set_contents (file, "Once upon a time there was a byte", -1, NULL);
  for (guint i = 0; i < 6; i++) {
    g_autoptr (GError) error = NULL;
    GstElement *pipeline = gst_parse_launch (lines[i / 2], &error);
    GstElement *element;

    g_assert_no_error (error);
    element = gst_bin_get_by_name (GST_BIN (pipeline), "e");
    if (i % 2 == 1) {
      g_autoptr (GstPad) src = gst_element_get_static_pad (element, "src");

      gst_pad_add_probe (
          src, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, NULL, NULL, NULL);
      gst_element_set_state (pipeline, GST_STATE_PLAYING);
      for (guint n = 0; n < 10000 && !gst_pad_is_blocking (src); n++)
        g_usleep (1000);
      g_assert_true (gst_pad_is_blocking (src));
    } else {
      gst_element_set_state (pipeline, GST_STATE_PAUSED);
      g_assert_cmpint (
          gst_element_get_state (pipeline, NULL, NULL, 60 * GST_SECOND), ==,
          GST_STATE_CHANGE_SUCCESS);
    }
    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==,
        GST_STATE_CHANGE_SUCCESS);
    gst_object_unref (element);
    gst_object_unref (pipeline);
  }
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    g_free (lines[i]);
}

/* Stopping in the middle is no error of anybody, however the pads are linked. */
static void
test_stop (void)
{
  g_autofree char *one = g_strdup_printf (
      "videotestsrc ! video/x-raw,format=GRAY8,width=4,height=3 ! mblmscore "
      "name=e model=%s e.json ! fakesink",
      helper_text_model ());
  g_autofree char *two = g_strdup_printf (
      "videotestsrc ! mblmask name=e model=%s question=a choices=b,c ! "
      "fakesink",
      helper_qa_model ());

  for (guint i = 0; i < 40; i++) {
    g_autoptr (GError) error = NULL;
    GstElement *pipeline = gst_parse_launch (i % 2 ? one : two, &error);
    GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), "e");
    GstBus *bus = gst_element_get_bus (pipeline);
    GstMessage *message;

    g_assert_no_error (error);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    g_assert_true (helper_wait_stat (element, "units", 1 + i % 3));
    /* The sinks stop first; what is pushed to them now flushes. */
    gst_element_set_state (pipeline, GST_STATE_READY);
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    g_assert_null (message);
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_object_unref (bus);
    gst_object_unref (element);
    gst_object_unref (pipeline);
  }
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/downstream/flows", test_flows);
  g_test_add_func ("/downstream/eos-in-line", test_eos_in_line);
  g_test_add_func ("/downstream/eos-late", test_eos_late);
  g_test_add_func ("/downstream/custom-success", test_custom_success);
  g_test_add_func ("/downstream/refuses-caps", test_refuses_caps);
  g_test_add_func ("/downstream/no-common-caps", test_no_common_caps);
  g_test_add_func ("/downstream/unlinked", test_unlinked);
  g_test_add_func ("/downstream/json", test_json);
  g_test_add_func ("/downstream/json-beside", test_json_beside);
  g_test_add_func ("/downstream/json-refuses", test_json_refuses);
  g_test_add_func ("/downstream/json-alone", test_json_alone);
  g_test_add_func ("/downstream/json-released", test_json_released);
  g_test_add_func ("/downstream/leaky-waits", test_leaky_waits);
  g_test_add_func ("/downstream/answers", test_answers);
  g_test_add_func ("/downstream/answers-alone", test_answers_alone);
  g_test_add_func ("/downstream/null", test_null);
  g_test_add_func ("/downstream/stop", test_stop);
  return helper_end ();
}
