/* test-overlay.c: mblmaskoverlay, and textoverlay beside mblmask.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "helper.h"

#include <string.h>

#define FRAMES 40

/* What came out of a pipeline. */
typedef struct {
  guint frames;
  guint with_text; /* frames that are not all of one colour */
  GstClockTime last;
} Seen;

static void
see_frame (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer user_data)
{
  Seen *seen = user_data;
  GstMapInfo map;
  gboolean plain = TRUE;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  for (gsize i = 1; i < map.size && plain; i++)
    plain = map.data[i] == map.data[0];
  gst_buffer_unmap (buffer, &map);
  seen->frames++;
  seen->with_text += !plain;
  /* In order, and none twice. */
  g_assert_true (!GST_CLOCK_TIME_IS_VALID (seen->last) ||
      GST_BUFFER_PTS (buffer) > seen->last);
  seen->last = GST_BUFFER_PTS (buffer);
}

/* Runs a pipeline whose sink is named "out" to its end, and counts what came. */
static Seen
run (const char *description)
{
  g_autoptr (GError) error = NULL;
  Seen seen = {0, 0, GST_CLOCK_TIME_NONE};
  GstElement *pipeline = gst_parse_launch (description, &error);
  g_assert_no_error (error);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "out");
  GstBus *bus = gst_element_get_bus (pipeline);

  g_signal_connect (sink, "handoff", G_CALLBACK (see_frame), &seen);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  g_assert_no_error (error);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  return seen;
}

#define GREY "pattern=solid-color foreground-color=0xff808080"
#define SIZE "video/x-raw,format=GRAY8,width=160,height=120,framerate=30/1"
#define OUT "fakesink name=out signal-handoffs=true"

/* A file: every frame goes through, and has its answer. */
static void
test_file (void)
{
  g_autofree char *line = g_strdup_printf (
      "videotestsrc num-buffers=%d " GREY " ! " SIZE
      " ! mblmaskoverlay model=%s question=a choices=left,right ! " OUT,
      FRAMES, helper_qa_model ());
  Seen seen = run (line);

  g_assert_cmpuint (seen.frames, ==, FRAMES);
  g_assert_cmpuint (seen.with_text, ==, FRAMES);
}

/* A camera: no frame is held back for good, and answers are seen. */
static void
test_live (void)
{
  g_autofree char *line = g_strdup_printf (
      "videotestsrc is-live=true num-buffers=%d " GREY " ! " SIZE
      " ! mblmaskoverlay model=%s question=a choices=left,right ! " OUT,
      FRAMES, helper_qa_model ());
  Seen seen = run (line);

  g_assert_cmpuint (seen.frames, ==, FRAMES);
  g_assert_cmpuint (seen.with_text, >, 0);
}

/* The same from separate elements, with a default queue on either side. */
static void
test_tee (void)
{
  g_autofree char *line = g_strdup_printf (
      "videotestsrc is-live=true num-buffers=%d " GREY " ! " SIZE
      " ! tee name=t ! queue ! mblmask model=%s question=a "
      "choices=left,right leaky=downstream ! o.text_sink "
      "t. ! queue ! textoverlay name=o ! " OUT,
      FRAMES, helper_qa_model ());
  Seen seen = run (line);

  g_assert_cmpuint (seen.frames, ==, FRAMES);
  g_assert_cmpuint (seen.with_text, >, 0);
}

static void
test_properties (void)
{
  GstElement *overlay = gst_element_factory_make ("mblmaskoverlay", NULL);
  GstElement *ask = gst_bin_get_by_name (GST_BIN (overlay), "ask");
  g_autofree char *question = NULL, *model = NULL;
  guint interval;
  double temperature;

  gst_object_ref_sink (overlay);
  g_object_set (overlay, "question", "why", "frame-interval", 7, NULL);
  g_object_get (ask, "question", &question, "frame-interval", &interval, NULL);
  g_assert_cmpstr (question, ==, "why");
  g_assert_cmpuint (interval, ==, 7);
  g_object_get (overlay, "model", &model, NULL);
  g_assert_cmpstr (model, ==, "scenes");
  gst_child_proxy_set (
      GST_CHILD_PROXY (overlay), "ask::temperature", 0.5, NULL);
  g_object_get (ask, "temperature", &temperature, NULL);
  g_assert_cmpfloat (temperature, ==, 0.5);
  gst_object_unref (ask);
  gst_object_unref (overlay);
}

/* The style of the text is that of the overlay inside. */
static void
test_style (void)
{
  GstElement *element = gst_element_factory_make ("mblmaskoverlay", NULL);
  GstElement *overlay = gst_bin_get_by_name (GST_BIN (element), "overlay");
  guint color, outline;
  gint valignment, halignment, xpad;
  gboolean shaded;

  gst_object_ref_sink (element);
  g_object_get (element, "color", &color, "halignment", &halignment,
      "valignment", &valignment, NULL);
  g_assert_cmphex (color, ==, 0xffffffff);
  g_object_set (element, "color", 0xff00ff00, "outline-color", 0x80ff0000,
      "xpad", 7, "shaded-background", TRUE, NULL);
  gst_util_set_object_arg (G_OBJECT (element), "valignment", "top");
  gst_util_set_object_arg (G_OBJECT (element), "halignment", "right");
  g_object_get (overlay, "color", &color, "outline-color", &outline, "xpad",
      &xpad, "shaded-background", &shaded, NULL);
  g_assert_cmphex (color, ==, 0xff00ff00);
  g_assert_cmphex (outline, ==, 0x80ff0000);
  g_assert_cmpint (xpad, ==, 7);
  g_assert_true (shaded);
  g_object_get (
      element, "halignment", &halignment, "valignment", &valignment, NULL);
  g_assert_cmpint (halignment, ==, 2);
  g_assert_cmpint (valignment, ==, 2);
  /* A position that only the child knows reads as the default. */
  gst_util_set_object_arg (G_OBJECT (overlay), "valignment", "absolute");
  g_object_get (element, "valignment", &valignment, NULL);
  g_assert_cmpint (valignment, ==, 0);
  gst_object_unref (overlay);
  gst_object_unref (element);
}

/* What mblmask says is wrong reaches the bus of the bin. */
static void
test_error (void)
{
  GstElement *pipeline = gst_parse_launch (
      "videotestsrc num-buffers=3 ! mblmaskoverlay model=/no/such/model "
      "question=a ! fakesink",
      NULL);
  GstBus *bus = gst_element_get_bus (pipeline);

  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PLAYING), ==,
      GST_STATE_CHANGE_FAILURE);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, 5 * GST_SECOND, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_true (helper_is_error (
      message, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND));
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/overlay/file", test_file);
  g_test_add_func ("/overlay/live", test_live);
  g_test_add_func ("/overlay/tee", test_tee);
  g_test_add_func ("/overlay/properties", test_properties);
  g_test_add_func ("/overlay/style", test_style);
  g_test_add_func ("/overlay/error", test_error);
  return helper_end ();
}
