/* test-generate.c: mblmgenerate in a harness.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "helper.h"

#include <string.h>

#define PROMPT "Once upon a time"
#define OCTETS "application/octet-stream"
#define TEXT "text/x-raw, format=(string)utf8"

/* What the engine itself says to a prompt: n bytes, greedily. */
static GByteArray *
expected (const char *prompt, guint n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) device = mblm_device_open ("cpu", 0, &error);
  g_autoptr (MblmModel) model = mblm_model_load (
      helper_text_model (), device, MBLM_PRECISION_F32, NULL, &error);
  g_autoptr (MblmSession) session = mblm_session_new (model, &error);
  g_autoptr (MblmSampler) sampler = mblm_sampler_new ();
  g_autoptr (MblmGenerator) generator = mblm_generator_new (session, sampler);
  GByteArray *bytes = g_byte_array_new ();

  g_assert_no_error (error);
  mblm_session_feed_bytes (
      session, (const guint8 *) prompt, strlen (prompt), NULL, &error);
  mblm_generator_set_max (generator, n);
  mblm_generator_start (generator);
  while (mblm_generator_next (generator, bytes, NULL, &error))
    ;
  g_assert_no_error (error);
  return bytes;
}

/* The same as valid UTF-8. */
static char *
expected_text (const char *prompt, guint n)
{
  g_autoptr (GByteArray) bytes = expected (prompt, n);
  MblmUtf8 utf8 = MBLM_UTF8_INIT;
  GString *text = g_string_new (NULL);

  mblm_utf8_push (&utf8, bytes->data, bytes->len, text);
  mblm_utf8_finish (&utf8, text);
  return g_string_free (text, FALSE);
}

static GstHarness *
new_harness (const char *caps, guint max_bytes)
{
  GstElement *element = helper_element ("mblmgenerate");
  GstHarness *h;

  g_object_set (element, "max-bytes", max_bytes, NULL);
  h = helper_harness (element);
  gst_harness_set_src_caps_str (h, caps);
  return h;
}

static void
test_stream (void)
{
  GstHarness *h = new_harness (OCTETS, 40);
  g_autofree char *wanted = expected_text (PROMPT, 40);
  g_autofree char *text = NULL;

  gst_harness_push (
      h, helper_buffer ("Once ", GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
  gst_harness_push (h,
      helper_buffer ("upon a time", GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
  gst_harness_push_event (h, gst_event_new_eos ());
  text = helper_pull_text (h);
  g_assert_cmpstr (text, ==, wanted);
  helper_done (h);
}

/* Of a long stream the last context bytes count. */
static void
test_long_stream (void)
{
  GstHarness *h = new_harness (OCTETS, 20);
  g_autofree char *prompt = g_strnfill (HELPER_CONTEXT, 'b');
  g_autofree char *wanted = expected_text (prompt, 20);
  g_autofree char *text = NULL;

  for (guint i = 0; i < 3; i++)
    gst_harness_push (h,
        helper_buffer ("aaaaaaaaaaaaaaaaaaaaaaaaa", GST_CLOCK_TIME_NONE,
            GST_CLOCK_TIME_NONE));
  for (guint i = 0; i < 2; i++)
    gst_harness_push (
        h, helper_buffer (prompt, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
  gst_harness_push_event (h, gst_event_new_eos ());
  text = helper_pull_text (h);
  g_assert_cmpstr (text, ==, wanted);
  helper_done (h);
}

/* Untimed bytes: each byte takes byte-duration, and the events before them. */
static void
test_times (void)
{
  GstHarness *h = new_harness (OCTETS, 10);
  GstClockTime next = 0;
  GstBuffer *buffer;
  GstStreamFlags flags;
  const GstSegment *segment;
  GstEvent *event;
  guint group;

  g_object_set (h->element, "byte-duration", (guint64) 7, NULL);
  gst_harness_push (
      h, helper_buffer (PROMPT, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));

  event = helper_sticky (h, GST_EVENT_STREAM_START);
  gst_event_parse_stream_flags (event, &flags);
  g_assert_cmpint (flags, ==, GST_STREAM_FLAG_SPARSE);
  g_assert_true (gst_event_parse_group_id (event, &group));
  gst_event_unref (event);
  event = helper_sticky (h, GST_EVENT_SEGMENT);
  gst_event_parse_segment (event, &segment);
  g_assert_cmpint (segment->format, ==, GST_FORMAT_TIME);
  gst_event_unref (event);

  while ((buffer = gst_harness_try_pull (h))) {
    gsize size = gst_buffer_get_size (buffer);

    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, next);
    g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, 7 * size);
    next += 7 * size;
    gst_buffer_unref (buffer);
  }
  g_assert_cmpuint (next, >, 0);
  helper_done (h);
}

/* Every buffer of text is valid UTF-8, whatever the model says. */
static void
test_utf8 (void)
{
  for (guint seed = 0; seed < 8; seed++) {
    GstHarness *h = new_harness (TEXT, 100);
    GstBuffer *buffer;
    guint n = 0;

    g_object_set (h->element, "temperature", 1.5, "seed", (guint64) seed, NULL);
    gst_harness_push (h, helper_buffer (PROMPT, 0, GST_SECOND));
    gst_harness_push_event (h, gst_event_new_eos ());
    g_assert_true (helper_wait_eos (h));
    while ((buffer = gst_harness_try_pull (h))) {
      GstMapInfo map;

      g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
      g_assert_true (g_utf8_validate ((const char *) map.data, map.size, NULL));
      g_assert_cmpint (
          g_utf8_strlen ((const char *) map.data, map.size), ==, 1);
      gst_buffer_unmap (buffer, &map);
      gst_buffer_unref (buffer);
      n++;
    }
    g_assert_cmpuint (n, >, 0);
    helper_done (h);
  }
}

/* Behind a capsfilter for plain bytes they come as the model says them. */
static void
test_bytes (void)
{
  GstHarness *h = new_harness (OCTETS, 60);
  g_autoptr (GByteArray) wanted = expected (PROMPT, 60);
  g_autoptr (GByteArray) got = g_byte_array_new ();
  GstBuffer *buffer;

  gst_harness_set_sink_caps_str (h, OCTETS);
  gst_harness_push (
      h, helper_buffer (PROMPT, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  while ((buffer = gst_harness_try_pull (h))) {
    GstMapInfo map;

    g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
    g_byte_array_append (got, map.data, map.size);
    gst_buffer_unmap (buffer, &map);
    gst_buffer_unref (buffer);
  }
  g_assert_cmpmem (got->data, got->len, wanted->data, wanted->len);
  helper_done (h);
}

/* Timed text: one buffer for each prompt, with its time and the separator. */
static void
test_prompts (void)
{
  GstHarness *h = new_harness (TEXT, 12);
  g_autofree char *wanted = expected_text (PROMPT, 12);

  gst_util_set_object_arg (G_OBJECT (h->element), "emit", "prompt");
  gst_util_set_object_arg (G_OBJECT (h->element), "context-policy", "reset");
  g_object_set (h->element, "separator", "|", "echo", TRUE, NULL);
  for (guint i = 0; i < 3; i++)
    gst_harness_push (
        h, helper_buffer (PROMPT, i * GST_SECOND, GST_SECOND / 2));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  for (guint i = 0; i < 3; i++) {
    GstBuffer *buffer = gst_harness_try_pull (h);
    g_autofree char *whole = g_strconcat (PROMPT, wanted, "|", NULL);

    g_assert_nonnull (buffer);
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, i * GST_SECOND);
    g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, GST_SECOND / 2);
    g_assert_cmpint (gst_buffer_get_size (buffer), ==, strlen (whole));
    g_assert_cmpint (
        gst_buffer_memcmp (buffer, 0, whole, strlen (whole)), ==, 0);
    gst_buffer_unref (buffer);
  }
  g_assert_null (gst_harness_try_pull (h));
  helper_done (h);
}

/* Characters of timed text stay within the time of their prompt. */
static void
test_within_prompt (void)
{
  GstHarness *h = new_harness (TEXT, 30);
  GstClockTime last = GST_SECOND;
  GstBuffer *buffer;

  gst_harness_push (h, helper_buffer (PROMPT, GST_SECOND, GST_SECOND));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  while ((buffer = gst_harness_try_pull (h))) {
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), >=, last);
    last = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
    g_assert_cmpuint (last, <=, 2 * GST_SECOND);
    gst_buffer_unref (buffer);
  }
  helper_done (h);
}

/* The context goes on from one prompt to the next, unless it is reset. */
static void
test_context (void)
{
  g_autofree char *first = expected_text (PROMPT, 8);
  GstHarness *h = new_harness (TEXT, 8);
  g_autofree char *kept = NULL, *twice = NULL;

  g_object_set (h->element, "prompt", "Once upon ", NULL);
  gst_harness_push (h, helper_buffer ("a time", 0, GST_SECOND));
  gst_harness_push (h, helper_buffer ("a time", GST_SECOND, GST_SECOND));
  gst_harness_push_event (h, gst_event_new_eos ());
  kept = helper_pull_text (h);
  helper_done (h);
  g_assert_true (g_str_has_prefix (kept, first));

  h = new_harness (TEXT, 8);
  g_object_set (h->element, "prompt", "Once upon ", NULL);
  gst_util_set_object_arg (G_OBJECT (h->element), "context-policy", "reset");
  gst_harness_push (h, helper_buffer ("a time", 0, GST_SECOND));
  gst_harness_push (h, helper_buffer ("a time", GST_SECOND, GST_SECOND));
  gst_harness_push_event (h, gst_event_new_eos ());
  twice = helper_pull_text (h);
  helper_done (h);
  g_assert_cmpint (strlen (twice), ==, 2 * strlen (first));
  g_assert_true (g_str_has_prefix (twice, first));
  g_assert_true (g_str_has_suffix (twice, first));
}

static void
test_context_full (void)
{
  GstHarness *h = new_harness (OCTETS, 2 * HELPER_CONTEXT);
  GstMessage *message;

  gst_util_set_object_arg (G_OBJECT (h->element), "context-full", "error");
  gst_harness_push (
      h, helper_buffer (PROMPT, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
  gst_harness_push_event (h, gst_event_new_eos ());
  message = helper_wait (h->element, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_true (
      helper_is_error (message, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED));
  gst_message_unref (message);
  g_assert_true (helper_wait_eos (h));
  g_assert_cmpuint (helper_count (h->element, GST_MESSAGE_ERROR), ==, 0);
  helper_done (h);

  h = new_harness (OCTETS, 2 * HELPER_CONTEXT);
  gst_harness_push (
      h, helper_buffer (PROMPT, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_assert_cmpuint (helper_count (h->element, GST_MESSAGE_ERROR), ==, 0);
  helper_done (h);
}

static void
test_empty (void)
{
  GstHarness *h = new_harness (OCTETS, 8);

  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_assert_null (gst_harness_try_pull (h));
  helper_done (h);

  /* Buffers without bytes are no prompts. */
  h = new_harness (TEXT, 8);
  gst_harness_push (h, helper_buffer ("", 0, GST_SECOND));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_assert_null (gst_harness_try_pull (h));
  helper_done (h);
}

static void
test_stop (void)
{
  g_autofree char *whole = expected_text (PROMPT, 60);
  GstHarness *h = new_harness (OCTETS, 60);
  g_autofree char *stop = g_utf8_substring (whole, 10, 13);
  g_autofree char *text = NULL;
  char *at = strstr (whole, stop);

  g_object_set (h->element, "stop", stop, NULL);
  gst_harness_push (
      h, helper_buffer (PROMPT, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
  gst_harness_push_event (h, gst_event_new_eos ());
  text = helper_pull_text (h);
  /* Bytes that are no characters have nothing to stop at. */
  if (!strstr (whole, "\xef\xbf\xbd")) {
    *at = '\0';
    g_assert_cmpstr (text, ==, whole);
  }
  helper_done (h);
}

/* Flushing in the middle of a generation ends it, and nothing of it is left. */
static void
test_flush (void)
{
  GstHarness *h = new_harness (TEXT, G_MAXUINT);
  g_autofree char *wanted = expected_text (PROMPT, 16);
  g_autofree char *text = NULL;
  GstSegment segment;
  GstBuffer *buffer;
  gint64 began;

  gst_harness_push (h, helper_buffer ("endless", 0, GST_SECOND));
  buffer = gst_harness_pull (h);
  g_assert_nonnull (buffer);
  gst_buffer_unref (buffer);

  began = g_get_monotonic_time ();
  gst_harness_push_event (h, gst_event_new_flush_start ());
  g_assert_cmpint (g_get_monotonic_time () - began, <, G_USEC_PER_SEC);
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  while ((buffer = gst_harness_try_pull (h)))
    gst_buffer_unref (buffer);

  g_object_set (h->element, "max-bytes", 16, NULL);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  gst_harness_push (h, helper_buffer (PROMPT, 0, GST_SECOND));
  gst_harness_push_event (h, gst_event_new_eos ());
  text = helper_pull_text (h);
  g_assert_cmpstr (text, ==, wanted);
  helper_done (h);
}

/* So does going to NULL, at once, and it can go on after. */
static void
test_null (void)
{
  GstHarness *h = new_harness (TEXT, G_MAXUINT);
  GstElement *element = h->element;
  gint64 began;

  gst_harness_push (h, helper_buffer ("endless", 0, GST_SECOND));
  gst_buffer_unref (gst_harness_pull (h));
  began = g_get_monotonic_time ();
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_NULL), ==,
      GST_STATE_CHANGE_SUCCESS);
  g_assert_cmpint (g_get_monotonic_time () - began, <, G_USEC_PER_SEC);
  g_assert_cmpuint (helper_count (element, GST_MESSAGE_ERROR), ==, 0);
  helper_done (h);
}

/* EOS in the middle of a generation waits for its end. */
static void
test_eos (void)
{
  GstHarness *h = new_harness (TEXT, 50);
  g_autofree char *text = NULL;
  g_autofree char *wanted = expected_text (PROMPT, 50);

  gst_harness_push (h, helper_buffer (PROMPT, 0, GST_SECOND));
  gst_harness_push_event (h, gst_event_new_eos ());
  text = helper_pull_text (h);
  g_assert_cmpstr (text, ==, wanted);
  g_assert_cmpint (
      gst_harness_push (h, helper_buffer ("x", 0, 1)), ==, GST_FLOW_EOS);
  helper_done (h);
}

/* Two runs give the same buffers at the same times. */
static void
test_same (void)
{
  g_autoptr (GPtrArray) first = g_ptr_array_new_with_free_func (
      (GDestroyNotify) gst_buffer_unref);

  for (guint run = 0; run < 2; run++) {
    GstHarness *h = new_harness (OCTETS, 50);
    GstBuffer *buffer;
    guint n = 0;

    g_object_set (h->element, "temperature", 1.0, "seed", (guint64) 5, NULL);
    gst_harness_push (
        h, helper_buffer (PROMPT, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
    gst_harness_push_event (h, gst_event_new_eos ());
    g_assert_true (helper_wait_eos (h));
    while ((buffer = gst_harness_try_pull (h))) {
      if (run == 0) {
        g_ptr_array_add (first, buffer);
        continue;
      }
      g_assert_cmpuint (n, <, first->len);
      GstBuffer *other = first->pdata[n++];
      GstMapInfo map;
      g_assert_true (gst_buffer_map (other, &map, GST_MAP_READ));
      g_assert_cmpint (
          gst_buffer_memcmp (buffer, 0, map.data, map.size), ==, 0);
      gst_buffer_unmap (other, &map);
      g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, GST_BUFFER_PTS (other));
      g_assert_cmpuint (
          GST_BUFFER_DURATION (buffer), ==, GST_BUFFER_DURATION (other));
      g_assert_cmpuint (
          GST_BUFFER_FLAGS (buffer), ==, GST_BUFFER_FLAGS (other));
      gst_buffer_unref (buffer);
    }
    helper_done (h);
  }
}

/* In a segment of our own nobody can seek, nor ask for the time. */
static void
test_own_time (void)
{
  GstHarness *h = new_harness (OCTETS, 8);
  GstSegment bytes;
  gint64 time;

  gst_segment_init (&bytes, GST_FORMAT_BYTES);
  gst_harness_push_event (h, gst_event_new_segment (&bytes));
  gst_harness_push (
      h, helper_buffer (PROMPT, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_assert_false (
      gst_element_query_position (h->element, GST_FORMAT_TIME, &time));
  g_assert_false (
      gst_element_query_duration (h->element, GST_FORMAT_TIME, &time));
  g_assert_false (gst_harness_push_upstream_event (h,
      gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
          GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0)));
  helper_done (h);
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/generate/stream", test_stream);
  g_test_add_func ("/generate/long-stream", test_long_stream);
  g_test_add_func ("/generate/times", test_times);
  g_test_add_func ("/generate/utf8", test_utf8);
  g_test_add_func ("/generate/bytes", test_bytes);
  g_test_add_func ("/generate/prompts", test_prompts);
  g_test_add_func ("/generate/within-prompt", test_within_prompt);
  g_test_add_func ("/generate/context", test_context);
  g_test_add_func ("/generate/context-full", test_context_full);
  g_test_add_func ("/generate/empty", test_empty);
  g_test_add_func ("/generate/stop", test_stop);
  g_test_add_func ("/generate/flush", test_flush);
  g_test_add_func ("/generate/null", test_null);
  g_test_add_func ("/generate/eos", test_eos);
  g_test_add_func ("/generate/same", test_same);
  g_test_add_func ("/generate/own-time", test_own_time);
  return helper_end ();
}
