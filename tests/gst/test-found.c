/* test-found.c: mistakes that random schedules have found, one by one.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "helper.h"

#include <string.h>

#define RGB "video/x-raw,format=RGB,width=16,height=12,framerate=10/1"
#define FRAME (GST_SECOND / 10)

/* A model that is set before the first one was begun doesn't take its place:
 * what is queued waits for the first. */
static void
test_other_model_at_once (void)
{
  for (guint i = 0; i < 20; i++) {
    GstElement *element = helper_element ("mblmgenerate");
    GstHarness *h;

    g_object_set (element, "max-bytes", 1, NULL);
    gst_element_set_state (element, GST_STATE_READY);
    g_object_set (element, "model", helper_text_model (), NULL);
    h = helper_harness (element);
    gst_harness_set_src_caps_str (h, "text/x-raw,format=utf8");
    gst_harness_push (h, helper_buffer ("a", 0, FRAME));
    gst_harness_push_event (h, gst_event_new_eos ());
    g_assert_true (helper_wait_eos (h));
    helper_done (h);
  }
}

/* A model of which only the end can't be read. */
static char *
make_cut_model (void)
{
  char *path = helper_path ("cut");
  static const char *const names[] = {
      "config.yaml", "mblm.json", "model.safetensors"};

  g_mkdir_with_parents (path, 0700);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *from = g_build_filename (
        helper_text_model (), names[i], NULL);
    g_autofree char *to = g_build_filename (path, names[i], NULL);
    g_autofree char *data = NULL;
    gsize size;

    g_assert_true (g_file_get_contents (from, &data, &size, NULL));
    /* The last tensor has numbers that are none. */
    if (g_str_equal (names[i], "model.safetensors"))
      memset (data + size - 64, 0xff, 64);
    g_assert_true (g_file_set_contents (to, data, size, NULL));
  }
  return path;
}

/* The stream begins, even if an error is all that there is of it. */
static void
test_error_begins_stream (void)
{
  GstElement *element = helper_element ("mblmgenerate");
  g_autofree char *path = make_cut_model ();
  GstHarness *h;

  g_object_set (element, "model", path, "max-bytes", 1, NULL);
  h = helper_harness (element);
  gst_harness_set_src_caps_str (h, "text/x-raw,format=utf8");
  gst_harness_push (h, helper_buffer ("a", 0, FRAME));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_autoptr (GstEvent) begin = helper_sticky (h, GST_EVENT_STREAM_START);
  g_assert_nonnull (begin);
  helper_done (h);
}

static void
test_no_font (void)
{
  GstElement *overlay = gst_element_factory_make ("mblmaskoverlay", NULL);

  gst_object_ref_sink (overlay);
  g_object_set (overlay, "font-desc", "Sans, 24", NULL);
  g_object_set (overlay, "font-desc", NULL, NULL);
  gst_object_unref (overlay);
}

/* Backwards from no end, as videotestsrc does: there is no running time. */
static void
test_backwards_from_no_end (void)
{
  GstElement *element = helper_element ("mblmask");
  GstHarness *h;
  GstSegment segment;

  g_object_set (element, "question", "why", "choices", "a,b", NULL);
  h = helper_harness (element);
  gst_harness_set_src_caps_str (h, RGB);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = -1.0;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  g_assert_cmpint (gst_harness_push (h, helper_frame (16, 12, 1, 0, FRAME)), ==,
      GST_FLOW_OK);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_autoptr (GstBuffer) answer = gst_harness_try_pull (h);
  g_assert_nonnull (answer);
  g_assert_cmpuint (GST_BUFFER_PTS (answer), ==, 0);
  helper_done (h);
}

/* Nothing, where a picture should begin. */
static void
test_empty_first (void)
{
  GstElement *element = helper_element ("mblmask");
  GstHarness *h;

  g_object_set (element, "question", "why", NULL);
  h = helper_harness (element);
  gst_harness_set_src_caps_str (h, "image/png");
  g_assert_cmpint (
      gst_harness_push (h, helper_buffer ("", 0, FRAME)), ==, GST_FLOW_OK);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  helper_done (h);
}

/* Another stream for the harness to push. */
static void
begin_stream (GstHarness *h, guint i)
{
  g_autofree char *id = g_strdup_printf ("stream-%u", i);
  g_autoptr (GstCaps) caps = gst_caps_from_string ("text/x-raw,format=utf8");
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_stream_start (id));
  gst_harness_push_event (h, gst_event_new_caps (caps));
  gst_harness_push_event (h, gst_event_new_segment (&segment));
}

/* The task that ends with one stream and upstream that begins the next meet. */
static void
test_stream_after_stream (void)
{
  GstElement *element = helper_element ("mblmscore");
  GstHarness *h = helper_harness (element);
  guint n = 1000, got = 0;
  GstBuffer *buffer;

  gst_harness_set_src_caps_str (h, "text/x-raw,format=utf8");
  for (guint i = 0; i < n; i++) {
    g_assert_cmpint (
        gst_harness_push (h, helper_buffer ("a", 0, FRAME)), ==, GST_FLOW_OK);
    gst_harness_push_event (h, gst_event_new_eos ());
    /* From none to all of the time that the task takes. */
    if (i % 2 == 1)
      g_usleep (i);
    begin_stream (h, i);
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  while (got < n && (buffer = gst_harness_pull (h))) {
    gst_buffer_unref (buffer);
    got++;
  }
  g_assert_cmpuint (got, ==, n);
  helper_done (h);
}

/* Says EOS to the first buffers, after a while. */
static GstPadProbeReturn
end_first (GstPad *pad, GstPadProbeInfo *info, gpointer left)
{
  if (g_atomic_int_get ((gint *) left) == 0)
    return GST_PAD_PROBE_OK;
  g_atomic_int_add ((gint *) left, -1);
  g_usleep (20000);
  gst_buffer_unref (info->data);
  info->data = NULL;
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = GST_FLOW_EOS;
  return GST_PAD_PROBE_HANDLED;
}

/* Downstream has had enough of one stream, not of the next: which begins when
 * upstream has been told (`told`), or before. */
static void
test_stream_after_enough (gconstpointer told)
{
  GstElement *element = helper_element ("mblmscore");
  GstHarness *h = helper_harness (element);
  GstPad *src = gst_element_get_static_pad (element, "src");
  gint left = 1;
  GstBuffer *buffer;

  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, end_first, &left, NULL);
  gst_harness_set_src_caps_str (h, "text/x-raw,format=utf8");
  do
    g_usleep (1000);
  while (gst_harness_push (h, helper_buffer ("a", 0, FRAME)) == GST_FLOW_OK &&
      GPOINTER_TO_INT (told));
  gst_harness_push_event (h, gst_event_new_eos ());
  begin_stream (h, 1);
  g_assert_cmpint (
      gst_harness_push (h, helper_buffer ("bb", 0, FRAME)), ==, GST_FLOW_OK);
  buffer = gst_harness_pull (h);
  g_assert_nonnull (buffer);
  g_assert_cmpuint (gst_buffer_get_size (buffer), ==, 2);
  gst_buffer_unref (buffer);
  gst_object_unref (src);
  helper_done (h);
}

/* A json pad that is not linked stops no stream that follows another. */
static void
test_json_after_stream (void)
{
  GstElement *element = helper_element ("mblmscore");
  GstHarness *h = helper_harness (element);
  GstPad *json = gst_element_request_pad_simple (element, "json");

  gst_harness_set_src_caps_str (h, "text/x-raw,format=utf8");
  gst_harness_push (h, helper_buffer ("a", 0, FRAME));
  gst_harness_push_event (h, gst_event_new_eos ());
  begin_stream (h, 1);
  gst_harness_push (h, helper_buffer ("b", 0, FRAME));
  for (guint i = 0; i < 2; i++) {
    GstBuffer *buffer = gst_harness_pull (h);

    g_assert_nonnull (buffer);
    gst_buffer_unref (buffer);
  }
  gst_element_release_request_pad (element, json);
  gst_object_unref (json);
  helper_done (h);
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/found/other-model-at-once", test_other_model_at_once);
  g_test_add_func ("/found/error-begins-stream", test_error_begins_stream);
  g_test_add_func ("/found/no-font", test_no_font);
  g_test_add_func ("/found/backwards-from-no-end", test_backwards_from_no_end);
  g_test_add_func ("/found/empty-first", test_empty_first);
  g_test_add_func ("/found/stream-after-stream", test_stream_after_stream);
  g_test_add_data_func ("/found/stream-after-enough/told", GINT_TO_POINTER (1),
      test_stream_after_enough);
  g_test_add_data_func (
      "/found/stream-after-enough/not-told", NULL, test_stream_after_enough);
  g_test_add_func ("/found/json-after-stream", test_json_after_stream);
  return helper_end ();
}
