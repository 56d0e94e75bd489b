/* test-ask.c: mblmask in a harness.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "helper.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define RGB "video/x-raw,format=RGB,width=16,height=12,framerate=10/1"
#define FRAME (GST_SECOND / 10)
#define CHOICES "left,right,up"

/* What the engine itself says about a frame of helper_frame (16, 12, seed). */
static MblmAnswer *
expected (guint seed, const char *question)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) choices = g_strsplit (CHOICES, ",", -1);
  g_autoptr (MblmDevice) device = mblm_device_open ("cpu", 0, &error);
  g_autoptr (MblmModel) model = mblm_model_load (
      helper_qa_model (), device, MBLM_PRECISION_F32, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (MblmAsker) asker = mblm_asker_new (model, &error);
  g_autoptr (GstBuffer) frame = helper_frame (16, 12, seed, 0, 0);
  GstMapInfo map;

  g_assert_no_error (error);
  mblm_asker_set_question (asker, question, &error);
  mblm_asker_set_choices (asker, (const char *const *) choices, &error);
  g_assert_no_error (error);
  gst_buffer_map (frame, &map, GST_MAP_READ);
  g_autoptr (MblmPicture)
      picture = mblm_picture_new (16, 12, map.data, 48, &error);
  gst_buffer_unmap (frame, &map);
  g_assert_no_error (error);
  g_autoptr (GBytes) image = mblm_picture_to_bytes (
      picture, mblm_info_get_image (mblm_model_get_info (model)), &error);
  g_assert_no_error (error);
  MblmAnswer *answer = mblm_asker_answer (asker, image, NULL, &error);
  g_assert_no_error (error);
  return answer;
}

static GstHarness *
new_harness (const char *caps)
{
  GstElement *element = helper_element ("mblmask");
  GstHarness *h;

  g_object_set (element, "question", "why", "choices", CHOICES, "separator", "",
      "max-size-buffers", 0, NULL);
  h = helper_harness (element);
  gst_harness_set_src_caps_str (h, caps);
  return h;
}

static void
push_frames (GstHarness *h, guint n)
{
  for (guint i = 0; i < n; i++)
    g_assert_cmpint (
        gst_harness_push (h, helper_frame (16, 12, i, i * FRAME, FRAME)), ==,
        GST_FLOW_OK);
}

/* What a message or a meta says of an answer: its probability, and those of the
 * choices, which sum to 1. */
static void
check_said (const GstStructure *s, const MblmAnswer *wanted)
{
  const GValue *choices = gst_structure_get_value (s, "choices");
  double probability, sum = 0.0;

  g_assert_cmpstr (gst_structure_get_string (s, "question"), ==, "why");
  g_assert_cmpstr (gst_structure_get_string (s, "answer"), ==, wanted->text);
  g_assert_true (gst_structure_get_double (s, "probability", &probability));
  g_assert_cmpfloat_with_epsilon (probability, wanted->probability, 1e-4);
  g_assert_cmpuint (gst_value_array_get_size (choices), ==, wanted->n_choices);
  for (guint i = 0; i < wanted->n_choices; i++) {
    const GstStructure *choice = gst_value_get_structure (
        gst_value_array_get_value (choices, i));

    g_assert_cmpstr (
        gst_structure_get_string (choice, "text"), ==, wanted->choices[i].text);
    g_assert_true (
        gst_structure_get_double (choice, "probability", &probability));
    g_assert_cmpfloat_with_epsilon (
        probability, wanted->choices[i].probability, 1e-4);
    sum += probability;
  }
  g_assert_cmpfloat_with_epsilon (sum, 1.0, 1e-9);
}

/* Each frame has its answer, with its time; a message and a meta say more. */
static void
test_frames (void)
{
  GstHarness *h = new_harness (RGB);

  push_frames (h, 3);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) buffer = gst_harness_try_pull (h);
    g_autoptr (MblmAnswer) wanted = expected (i, "why");
    g_autofree char *text = NULL;
    GstMessage *message = helper_wait_named (h->element, "mblmask");

    g_assert_nonnull (buffer);
    text = helper_text (buffer);
    g_assert_cmpstr (text, ==, wanted->text);
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, i * FRAME);
    g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, FRAME);
    check_said (gst_message_get_structure (message), wanted);
    check_said (gst_custom_meta_get_structure (
                    gst_buffer_get_custom_meta (buffer, "GstMblmAnswerMeta")),
        wanted);
    gst_message_unref (message);
  }
  g_assert_null (gst_harness_try_pull (h));
  helper_done (h);
}

/* Any raw format; caps without a framerate. */
static void
test_formats (void)
{
  static const char *const caps[] = {
      "video/x-raw,format=I420,width=17,height=13,framerate=10/1",
      "video/x-raw,format=NV12,width=18,height=14,framerate=0/1",
      "video/x-raw,format=BGRA,width=15,height=1",
      "video/x-raw,format=GRAY8,width=1,height=1,framerate=10/1",
      "video/x-raw,format=RGB16,width=33,height=9,framerate=10/1",
      "video/x-raw,format=ARGB64,width=16,height=12,framerate=10/1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (caps); i++) {
    GstHarness *h = new_harness (caps[i]);
    g_autoptr (GstBuffer) out = NULL;
    GstBuffer *frame = gst_buffer_new_allocate (NULL, 65536, NULL);

    g_test_message ("%s", caps[i]);
    gst_buffer_memset (frame, 0, 100, 65536);
    GST_BUFFER_PTS (frame) = 0;
    g_assert_cmpint (gst_harness_push (h, frame), ==, GST_FLOW_OK);
    gst_harness_push_event (h, gst_event_new_eos ());
    g_assert_true (helper_wait_eos (h));
    out = gst_harness_try_pull (h);
    g_assert_nonnull (out);
    g_assert_cmpuint (gst_buffer_get_size (out), >, 0);
    helper_done (h);
  }
}

/* The recorded answers of the published code for the pictures of its model, whose
 * files come in small pieces. */
static void
test_samples (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *model = g_build_filename (
      g_getenv ("MBLM_TEST_MODELS"), "published", NULL);
  g_autofree char *list = g_build_filename (
      model, "samples", "questions.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  json_parser_load_from_file (parser, list, &error);
  g_assert_no_error (error);
  JsonArray *samples = json_node_get_array (json_parser_get_root (parser));

  for (guint i = 0; i < json_array_get_length (samples); i++) {
    JsonObject *sample = json_array_get_object_element (samples, i);
    g_autofree char *path = g_build_filename (model, "samples",
        json_object_get_string_member (sample, "picture"), NULL);
    GstElement *element = helper_element ("mblmask");
    g_autofree char *data = NULL, *text = NULL;
    gsize size;
    GstHarness *h;

    g_object_set (element, "model", model, "separator", "", "question",
        json_object_get_string_member (sample, "question"), NULL);
    h = helper_harness (element);
    gst_harness_set_src_caps_str (h, "image/png");
    g_file_get_contents (path, &data, &size, &error);
    g_assert_no_error (error);
    for (gsize at = 0; at < size; at += 100)
      gst_harness_push (
          h, gst_buffer_new_memdup (data + at, MIN (100, size - at)));
    gst_harness_push_event (h, gst_event_new_eos ());
    text = helper_pull_text (h);
    g_assert_cmpstr (
        text, ==, json_object_get_string_member (sample, "answer"));
    helper_done (h);
  }
}

/* A picture that is damaged is a warning, and the stream goes on. */
static void
test_damaged (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *model = mblm_model_find ("scenes", &error);
  g_autofree char *path = g_build_filename (
      model, "samples", "scene00.png", NULL);
  g_autofree char *data = NULL;
  gsize size;
  GstHarness *h = new_harness ("image/png");
  g_autoptr (GstBuffer) out = NULL;

  g_file_get_contents (path, &data, &size, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 2; i++) {
    GstBuffer *buffer = gst_buffer_new_memdup (data, size);

    if (i == 0)
      gst_buffer_memset (buffer, size / 2, 0x55, 20);
    GST_BUFFER_PTS (buffer) = i * FRAME;
    GST_BUFFER_DURATION (buffer) = FRAME;
    g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_OK);
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_assert_cmpuint (helper_count (h->element, GST_MESSAGE_WARNING), ==, 1);
  g_assert_cmpuint (helper_count (h->element, GST_MESSAGE_ERROR), ==, 0);
  out = gst_harness_try_pull (h);
  g_assert_nonnull (out);
  g_assert_cmpuint (GST_BUFFER_PTS (out), ==, FRAME);
  g_assert_null (gst_harness_try_pull (h));
  helper_done (h);
}

/* With hold off, a frame that is not asked about gets a GAP. */
static void
test_frame_interval (void)
{
  GstHarness *h = new_harness (RGB);
  guint n = 0;
  GstBuffer *buffer;

  g_object_set (h->element, "frame-interval", 3, "hold", FALSE, NULL);
  push_frames (h, 7);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  while ((buffer = gst_harness_try_pull (h))) {
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, 3 * n * FRAME);
    gst_buffer_unref (buffer);
    n++;
  }
  g_assert_cmpuint (n, ==, 3);
  helper_done (h);
}

/* A question pad has an answer pad; its question holds from the next frame. */
static void
test_question_pad (void)
{
  GstElement *element = helper_element ("mblmask");
  GstHarness *h, *answered;
  GstPad *sink, *src, *asker = gst_pad_new ("asker", GST_PAD_SRC);
  GstSegment segment;
  g_autoptr (GstBuffer) buffer = NULL;
  g_autofree char *text = NULL;
  GstMessage *message;
  g_autoptr (GstCaps) caps = gst_caps_from_string ("text/x-raw,format=utf8");

  g_object_set (
      element, "question", "why", "choices", CHOICES, "separator", "", NULL);
  sink = gst_element_request_pad_simple (element, "question_%u");
  g_assert_nonnull (sink);
  src = gst_element_get_static_pad (element, "answer_0");
  g_assert_nonnull (src);
  h = helper_harness (element);
  answered = gst_harness_new_empty ();
  gst_harness_add_element_src_pad (answered, src);
  gst_harness_set_src_caps_str (h, RGB);
  gst_pad_set_active (asker, TRUE);
  g_assert_cmpint (gst_pad_link (asker, sink), ==, GST_PAD_LINK_OK);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (asker, gst_event_new_stream_start ("questions"));
  gst_pad_push_event (asker, gst_event_new_caps (caps));
  gst_pad_push_event (asker, gst_event_new_segment (&segment));
  g_assert_cmpint (
      gst_pad_push (asker,
          helper_buffer ("where\n", GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE)),
      ==, GST_FLOW_OK);
  gst_harness_push (h, helper_frame (16, 12, 5, 0, FRAME));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  buffer = gst_harness_pull (answered);
  g_assert_nonnull (buffer);
  text = helper_text (buffer);
  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_cmpuint (strlen (text), >, 0);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, 0);
  message = helper_wait_named (element, "mblmask");
  while (g_strcmp0 (gst_structure_get_string (
                        gst_message_get_structure (message), "question"),
             "where") != 0) {
    gst_message_unref (message);
    message = helper_wait_named (element, "mblmask");
    g_assert_nonnull (message);
  }
  gst_message_unref (message);
  gst_pad_set_active (asker, FALSE);
  gst_object_unref (asker);
  gst_object_unref (src);
  gst_object_unref (sink);
  gst_harness_teardown (answered);
  helper_done (h);
}

/* In the middle of a long answer: a flush, and the stream goes on. */
static void
test_flush (void)
{
  GstElement *element = helper_element ("mblmask");
  GstHarness *h;
  GstSegment segment;
  GstBuffer *buffer;

  g_object_set (element, "question", "why", "max-bytes", 100000, NULL);
  h = helper_harness (element);
  gst_harness_set_src_caps_str (h, RGB);
  gst_harness_push (h, helper_frame (16, 12, 0, 0, FRAME));
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  while ((buffer = gst_harness_try_pull (h)))
    gst_buffer_unref (buffer);
  g_object_set (h->element, "choices", CHOICES, NULL);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  gst_harness_push (h, helper_frame (16, 12, 1, 0, FRAME));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  buffer = gst_harness_try_pull (h);
  g_assert_nonnull (buffer);
  gst_buffer_unref (buffer);
  helper_done (h);
}

static void
test_empty (void)
{
  GstHarness *h = new_harness (RGB);

  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_assert_null (gst_harness_try_pull (h));
  helper_done (h);
}

/* What can't be asked is one error when the element starts. */
static void
test_bad_properties (void)
{
  static const struct {
    const char *name, *value;
  } bad[] = {
      {"choices", "red,,blue"},
      {"choices", "red,red"},
      {"question", "\xff\xfe"},
      {"model", "/no/such/model"},
      {"model", "text"},
      {"device", "cuda:0"},
      {"device", "toaster"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    GstElement *element = helper_element ("mblmask");

    g_object_set (element, "question", "why", bad[i].name, bad[i].value, NULL);
    g_autofree char *printed = g_strescape (bad[i].value, NULL);
    g_test_message ("%s=%s", bad[i].name, printed);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_READY), ==,
        GST_STATE_CHANGE_FAILURE);
    g_assert_cmpuint (helper_count (element, GST_MESSAGE_ERROR), ==, 1);
    helper_drop (element);
  }
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/ask/frames", test_frames);
  g_test_add_func ("/ask/formats", test_formats);
  g_test_add_func ("/ask/samples", test_samples);
  g_test_add_func ("/ask/damaged", test_damaged);
  g_test_add_func ("/ask/frame-interval", test_frame_interval);
  g_test_add_func ("/ask/question-pad", test_question_pad);
  g_test_add_func ("/ask/flush", test_flush);
  g_test_add_func ("/ask/empty", test_empty);
  g_test_add_func ("/ask/bad-properties", test_bad_properties);
  return helper_end ();
}
