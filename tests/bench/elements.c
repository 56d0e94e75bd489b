/* elements.c: what the elements cost a pipeline beside the model's own work.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Figures, each beside what it is to be compared with; none of them is a test.
 */

#include <gst/video/video.h>
#include <stdlib.h>
#include <string.h>

#include "../gst/helper.h"
#include "fake.h"
#include "gstmblmframe.h"

#define RUNS 5

static int
compare (const void *a, const void *b)
{
  const double *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

/* Sorts, and gives the value that the share q is not above. */
static double
quantile (double *values, guint n, double q)
{
  qsort (values, n, sizeof *values, compare);
  return values[MIN ((guint) (q * n), n - 1)];
}

static double
seconds (void)
{
  return g_get_monotonic_time () / 1e6;
}

/* --- buffers through mblmscore --- */

#define BUFFERS 100000

typedef struct {
  GMutex lock;
  GCond cond;
  guint n;
} Sink;

static GstFlowReturn
take (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  Sink *sink = pad->chaindata;

  gst_buffer_unref (buffer);
  g_mutex_lock (&sink->lock);
  if (++sink->n == BUFFERS)
    g_cond_signal (&sink->cond);
  g_mutex_unlock (&sink->lock);
  return GST_FLOW_OK;
}

static void
link_through (GstPad *src, GstElement *element, GstPad *sink)
{
  if (element == NULL) {
    g_assert_cmpint (gst_pad_link (src, sink), ==, GST_PAD_LINK_OK);
    return;
  }
  g_autoptr (GstPad) in = gst_element_get_static_pad (element, "sink");
  g_autoptr (GstPad) out = gst_element_get_static_pad (element, "src");

  g_assert_cmpint (gst_pad_link (src, in), ==, GST_PAD_LINK_OK);
  g_assert_cmpint (gst_pad_link (out, sink), ==, GST_PAD_LINK_OK);
}

/* Microseconds a buffer from pad to pad through an element, or directly. */
static double
time_buffers (GstElement *element, gsize size)
{
  GstPad *src = gst_pad_new ("src", GST_PAD_SRC);
  GstPad *pad = gst_pad_new ("sink", GST_PAD_SINK);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);
  Sink sink = {.n = 0};
  GstSegment segment;
  double began;

  gst_buffer_memset (buffer, 0, 'x', size);
  gst_object_ref_sink (src);
  gst_object_ref_sink (pad);
  gst_pad_set_chain_function_full (pad, take, &sink, NULL);
  gst_pad_set_active (src, TRUE);
  gst_pad_set_active (pad, TRUE);
  link_through (src, element, pad);
  if (element)
    gst_element_set_state (element, GST_STATE_PLAYING);
  gst_segment_init (&segment, GST_FORMAT_BYTES);
  gst_pad_push_event (src, gst_event_new_stream_start ("bench"));
  gst_pad_push_event (src, gst_event_new_segment (&segment));

  began = seconds ();
  for (guint i = 0; i < BUFFERS; i++)
    gst_pad_push (src, gst_buffer_ref (buffer));
  g_mutex_lock (&sink.lock);
  while (sink.n < BUFFERS)
    g_cond_wait (&sink.cond, &sink.lock);
  g_mutex_unlock (&sink.lock);
  began = seconds () - began;

  gst_pad_set_active (pad, FALSE);
  if (element)
    gst_element_set_state (element, GST_STATE_NULL);
  gst_pad_set_active (src, FALSE);
  gst_object_unref (src);
  gst_object_unref (pad);
  gst_buffer_unref (buffer);
  return began * 1e6 / BUFFERS;
}

static GstElement *
make_score (const char *per)
{
  GstElement *element = helper_element ("mblmscore");
  GstBus *bus = gst_element_get_bus (element);
  g_autofree char *model = helper_fake_model ("score", MBLM_TASK_TEXT, "x", 0);

  g_object_set (element, "model", model, NULL);
  gst_util_set_object_arg (G_OBJECT (element), "per", per);
  /* A bus that is read costs what its reader does. */
  gst_bus_set_flushing (bus, TRUE);
  gst_object_unref (bus);
  return element;
}

/* Microseconds that the engine alone takes for a buffer of so many bytes. */
static double
time_engine (gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = helper_fake_model ("score", MBLM_TASK_TEXT, "x", 0);
  g_autoptr (MblmDevice) device = mblm_device_open ("cpu", 0, &error);
  g_autoptr (MblmModel)
      model = mblm_model_load (path, device, MBLM_PRECISION_F32, NULL, &error);
  g_autoptr (MblmScorer) scorer = mblm_scorer_new (model, FALSE, &error);
  g_autofree guint8 *bytes = g_malloc0 (size);
  g_autofree float *bits = g_new (float, size);
  double began;

  g_assert_no_error (error);
  began = seconds ();
  for (guint i = 0; i < BUFFERS; i++)
    mblm_scorer_push (scorer, bytes, size, bits, NULL, NULL);
  return (seconds () - began) * 1e6 / BUFFERS;
}

static void
bench_score (void)
{
  static const struct {
    const char *name, *per;
    gsize size;
  } cases[] = {
      {"queue", NULL, 1},
      {"mblmscore per=stream, buffers of 1 byte", "stream", 1},
      {"mblmscore per=buffer, buffers of 1 byte", "buffer", 1},
      {"mblmscore per=stream, buffers of 16 bytes", "stream", 16},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    double with[RUNS], without[RUNS], engine[RUNS];

    for (guint run = 0; run < RUNS; run++) {
      GstElement *element = cases[i].per != NULL
          ? make_score (cases[i].per)
          : gst_object_ref_sink (gst_element_factory_make ("queue", NULL));

      without[run] = time_buffers (NULL, cases[i].size);
      with[run] = time_buffers (element, cases[i].size) - without[run];
      engine[run] = cases[i].per ? time_engine (cases[i].size) : 0.0;
      if (cases[i].per != NULL)
        helper_drop (element);
      else
        gst_object_unref (element);
    }
    g_print ("%-45s %6.2f us a buffer, %.2f of them the engine's (directly "
             "%.2f)\n",
        cases[i].name, quantile (with, RUNS, 0.5), quantile (engine, RUNS, 0.5),
        quantile (without, RUNS, 0.5));
  }
}

/* --- frames into mblmask --- */

#define FRAMES 200
#define FRAME_CAPS "video/x-raw,format=I420,width=640,height=480,framerate=30/1"

static double
time_frames (GstHarness *h, GstBuffer *frame)
{
  double began = seconds ();

  for (guint i = 0; i < FRAMES; i++) {
    GstBuffer *buffer = gst_buffer_copy (frame);

    GST_BUFFER_PTS (buffer) = i * GST_SECOND / 30;
    gst_harness_push (h, buffer);
  }
  return (seconds () - began) * 1e6 / FRAMES;
}

/* The conversion alone, to RGB and to the bytes for the model: what a frame that is
 * taken can't cost less than. */
static double
time_conversion (const char *path, GstBuffer *frame)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmInfo) info = NULL;
  g_autoptr (GstCaps) caps = gst_caps_from_string (FRAME_CAPS);
  GstMblmFrames frames = {.known = FALSE};
  double began;

  g_assert_true (mblm_model_check (path, NULL, &info, &error));
  g_assert_true (gst_mblm_frames_set_caps (&frames, caps));
  began = seconds ();
  for (guint i = 0; i < FRAMES; i++) {
    MblmPicture *picture = gst_mblm_frames_convert (&frames, frame, &error);

    g_assert_no_error (error);
    g_bytes_unref (
        mblm_picture_to_bytes (picture, mblm_info_get_image (info), &error));
    mblm_picture_unref (picture);
  }
  began = (seconds () - began) * 1e6 / FRAMES;
  gst_mblm_frames_clear (&frames);
  return began;
}

static void
bench_ask (void)
{
  g_autofree char *model = helper_fake_model ("ask", MBLM_TASK_QA, "x", 3600);
  GstVideoInfo info;
  GstBuffer *frame;
  double cost[RUNS], idle[RUNS], conversion[RUNS];

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_I420, 640, 480);
  frame = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&info), NULL);
  gst_buffer_memset (frame, 0, 100, GST_VIDEO_INFO_SIZE (&info));
  fake_stop_clock ();
  for (guint run = 0; run < RUNS; run++) {
    for (guint k = 0; k < 2; k++) {
      GstElement *element = helper_element ("mblmask");
      GstHarness *h;

      g_object_set (element, "model", model, "question", "a", NULL);
      gst_util_set_object_arg (G_OBJECT (element), "leaky", "downstream");
      gst_util_set_object_arg (G_OBJECT (element), "timing", "arrival");
      /* Of a second of frames one is taken. */
      if (k == 1)
        g_object_set (element, "frame-interval", 1000000, NULL);
      h = helper_harness (element);
      gst_harness_set_src_caps_str (
          h, "video/x-raw,format=I420,width=640,height=480,framerate=30/1");
      *(k == 0 ? &cost[run] : &idle[run]) = time_frames (h, frame);
      helper_done (h);
    }
    conversion[run] = time_conversion (model, frame);
  }
  fake_reset ();
  gst_buffer_unref (frame);
  g_print ("%-45s %6.0f us a frame taken, %.0f of them its conversion; %.1f us "
           "a frame not taken\n",
      "mblmask leaky, I420 640x480, camera's thread",
      quantile (cost, RUNS, 0.5), quantile (conversion, RUNS, 0.5),
      quantile (idle, RUNS, 0.5));
}

/* --- to NULL out of the middle of work --- */

#define STOPS 300

static void
report_stops (const char *name, double *ms)
{
  double median = quantile (ms, STOPS, 0.5);

  g_print ("%-45s %6.1f ms, 99 %% within %.1f ms, %d times\n", name, median,
      quantile (ms, STOPS, 0.99), STOPS);
}

static double
time_stop (GstElement *element, const char *caps, GstBuffer *input)
{
  GstHarness *h = helper_harness (element);
  double began;

  gst_harness_set_src_caps_str (h, caps);
  gst_harness_push (h, input);
  gst_buffer_unref (gst_harness_pull (h));
  g_usleep (g_random_int_range (0, 5000));
  began = seconds ();
  gst_element_set_state (h->element, GST_STATE_NULL);
  began = (seconds () - began) * 1e3;
  helper_done (h);
  return began;
}

static void
bench_stop (void)
{
  double ms[STOPS];
  g_autofree char *prompt = g_strnfill (2000, 'a');

  for (guint i = 0; i < STOPS; i++) {
    GstElement *element = helper_element ("mblmgenerate");

    g_object_set (element, "model", "text", "max-bytes", G_MAXUINT, NULL);
    ms[i] = time_stop (element, "text/x-raw,format=utf8",
        helper_buffer (prompt, 0, GST_SECOND));
  }
  report_stops ("mblmgenerate to NULL out of a generation", ms);
  for (guint i = 0; i < STOPS; i++) {
    GstElement *element = helper_element ("mblmask");

    g_object_set (element, "model", "scenes", "question", "a", "max-bytes",
        G_MAXUINT, NULL);
    ms[i] = time_stop (element,
        "video/x-raw,format=RGB,width=640,height=480,framerate=30/1",
        helper_frame (640, 480, i, 0, GST_SECOND / 30));
  }
  report_stops ("mblmask to NULL behind a frame", ms);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  helper_make_models ();
  bench_score ();
  bench_ask ();
  bench_stop ();
  helper_remove_models ();
  gst_deinit ();
  return 0;
}
