/* test-score.c: mblmscore in a harness.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "helper.h"
#include "locked.h"

#include <math.h>
#include <string.h>

#include <gst/video/video.h>

#define NONE GST_CLOCK_TIME_NONE

/* Bits of these bytes by the engine, as one stream. */
static double
expected (const guint8 *bytes, gsize n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) device = mblm_device_open ("cpu", 0, &error);
  g_autoptr (MblmModel) model = mblm_model_load (
      helper_text_model (), device, MBLM_PRECISION_F32, NULL, &error);
  g_autoptr (MblmScorer) scorer = mblm_scorer_new (model, FALSE, &error);

  g_assert_no_error (error);
  mblm_scorer_push (scorer, bytes, n, NULL, NULL, &error);
  g_assert_no_error (error);
  return mblm_scorer_get_bits (scorer);
}

static GstHarness *
new_harness_in (const char *precision, const char *per)
{
  GstElement *element = helper_element ("mblmscore");
  GstHarness *h;

  gst_util_set_object_arg (G_OBJECT (element), "precision", precision);
  gst_util_set_object_arg (G_OBJECT (element), "per", per);
  h = helper_harness (element);
  gst_harness_set_src_caps_str (h, "application/octet-stream");
  return h;
}

static GstHarness *
new_harness (const char *per)
{
  return new_harness_in ("f32", per);
}

/* Waits for a score of so many bytes; gives its bits. */
static double
next_score (GstHarness *h, guint64 offset, guint64 bytes)
{
  GstMessage *message = helper_wait_named (h->element, "mblmscore");
  const GstStructure *s;
  guint64 value;
  double bits, per_byte;

  g_assert_nonnull (message);
  s = gst_message_get_structure (message);
  g_assert_true (gst_structure_get_uint64 (s, "offset", &value));
  g_assert_cmpuint (value, ==, offset);
  g_assert_true (gst_structure_get_uint64 (s, "bytes", &value));
  g_assert_cmpuint (value, ==, bytes);
  g_assert_true (gst_structure_get_double (s, "bits", &bits));
  g_assert_true (gst_structure_get_double (s, "bits-per-byte", &per_byte));
  g_assert_cmpfloat_with_epsilon (per_byte, bits / bytes, 1e-9);
  g_assert_true (gst_structure_has_field (s, "timestamp"));
  g_assert_true (gst_structure_has_field (s, "stream-time"));
  g_assert_true (gst_structure_has_field (s, "running-time"));
  g_assert_true (gst_structure_has_field (s, "duration"));
  g_assert_true (gst_structure_has_field (s, "surprises"));
  gst_message_unref (message);
  return bits;
}

static guint8 *
make_bytes (gsize n)
{
  guint8 *bytes = g_malloc (n);

  for (gsize i = 0; i < n; i++)
    bytes[i] = 'a' + (i * i) % 23;
  return bytes;
}

/* The same buffers pass in order; every byte is scored once. */
static void
test_pass (void)
{
  GstHarness *h = new_harness ("buffer");
  g_autofree guint8 *bytes = make_bytes (1000);
  GstBuffer *buffers[10];
  double bits = 0.0;

  for (guint i = 0; i < 10; i++) {
    buffers[i] = gst_buffer_new_memdup (bytes + 100 * i, 100);
    GST_BUFFER_PTS (buffers[i]) = i * GST_SECOND;
    GST_BUFFER_DURATION (buffers[i]) = GST_SECOND;
    gst_harness_push (h, gst_buffer_ref (buffers[i]));
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  for (guint i = 0; i < 10; i++) {
    GstBuffer *buffer = gst_harness_pull (h);

    g_assert_true (buffer == buffers[i]);
    gst_buffer_unref (buffer);
    gst_buffer_unref (buffers[i]);
    bits += next_score (h, 100 * i, 100);
  }
  g_assert_true (helper_wait_eos (h));
  g_assert_cmpfloat_with_epsilon (bits, expected (bytes, 1000), 1e-2);
  helper_done (h);
}

static void
test_windows (void)
{
  GstHarness *h = new_harness ("window");
  g_autofree guint8 *bytes = make_bytes (1000);
  double bits = 0.0;

  g_object_set (h->element, "window", 300, NULL);
  for (guint i = 0; i < 8; i++)
    gst_harness_push (h, gst_buffer_new_memdup (bytes + 125 * i, 125));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  for (guint i = 0; i < 3; i++)
    bits += next_score (h, 300 * i, 300);
  bits += next_score (h, 900, 100);
  g_assert_cmpfloat_with_epsilon (bits, expected (bytes, 1000), 1e-2);
  helper_done (h);
}

static void
test_stream (void)
{
  GstHarness *h = new_harness ("stream");
  g_autofree guint8 *bytes = make_bytes (700);

  gst_harness_push (h, gst_buffer_new_memdup (bytes, 300));
  gst_harness_push (h, gst_buffer_new_memdup (bytes + 300, 400));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_assert_cmpfloat_with_epsilon (
      next_score (h, 0, 700), expected (bytes, 700), 1e-2);
  helper_done (h);

  /* On a CPU, tf32 is float32, and nothing is rounded. */
  h = new_harness_in ("tf32", "stream");
  gst_harness_push (h, gst_buffer_new_memdup (bytes, 700));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_assert_cmpfloat_with_epsilon (
      next_score (h, 0, 700), expected (bytes, 700), 1e-2);
  helper_done (h);

  /* An empty stream has no score. */
  h = new_harness ("stream");
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_assert_cmpuint (helper_count (h->element, GST_MESSAGE_ELEMENT), ==, 0);
  helper_done (h);
}

/* Each file of a concatenation gets a score, with its path. */
static void
test_files (void)
{
  static const char *const texts[] = {
      "the first file", "and the second", "the third one!"};
  g_autofree char *one = helper_path ("one"), *two = helper_path ("two");
  g_autofree char *three = helper_path ("three"), *line = NULL;
  const char *paths[] = {one, two, three};
  GstElement *pipeline;
  GstBus *bus;
  GError *error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    g_file_set_contents (paths[i], texts[i], -1, NULL);
  line = g_strdup_printf (
      "concat name=c ! mblmscore per=file model=\"%s\" ! fakesink "
      "filesrc location=\"%s\" ! c.sink_0 filesrc location=\"%s\" ! c.sink_1 "
      "filesrc location=\"%s\" ! c.sink_2",
      helper_text_model (), paths[0], paths[1], paths[2]);
  pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < G_N_ELEMENTS (paths);) {
    GstMessage *message = gst_bus_timed_pop_filtered (bus, 10 * GST_SECOND,
        GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

    g_assert_nonnull (message);
    g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_ELEMENT);
    if (gst_message_has_name (message, "mblmscore")) {
      const GstStructure *s = gst_message_get_structure (message);
      guint64 bytes;

      g_assert_cmpstr (gst_structure_get_string (s, "path"), ==, paths[i]);
      g_assert_true (gst_structure_get_uint64 (s, "bytes", &bytes));
      g_assert_cmpuint (bytes, ==, 14);
      i++;
    }
    gst_message_unref (message);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}

/* The pad json says what the messages say, one line each. */
static void
test_json (void)
{
  GstElement *element = helper_element ("mblmscore");
  GstHarness *h = helper_harness (element);
  GstHarness *json = gst_harness_new_with_element (element, NULL, "json");
  g_autofree guint8 *bytes = make_bytes (200);
  GstBuffer *buffer;
  GstMapInfo map;
  GstCaps *caps;

  gst_harness_set_src_caps_str (h, "application/octet-stream");
  buffer = gst_buffer_new_memdup (bytes, 200);
  GST_BUFFER_PTS (buffer) = GST_SECOND;
  GST_BUFFER_DURATION (buffer) = 2 * GST_SECOND;
  gst_harness_push (h, buffer);
  gst_buffer_unref (gst_harness_pull (h));
  buffer = gst_harness_pull (json);
  g_assert_nonnull (buffer);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, GST_SECOND);
  g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, 2 * GST_SECOND);
  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  g_test_message ("%.*s", (int) map.size, (const char *) map.data);
  g_assert_true (g_str_has_prefix ((const char *) map.data,
      "{\"timestamp\": 1000000000, \"stream_time\": 1000000000, "
      "\"running_time\": 1000000000, \"duration\": 2000000000, \"offset\": 0, "
      "\"bytes\": 200, \"bits\": "));
  g_assert_cmpint (map.data[map.size - 1], ==, '\n');
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  caps = gst_pad_get_current_caps (json->sinkpad);
  g_assert_cmpstr (gst_structure_get_name (gst_caps_get_structure (caps, 0)),
      ==, "application/x-json");
  gst_caps_unref (caps);

  /* Released while playing: what passes goes on. */
  gst_harness_teardown (json);
  gst_harness_push (h, gst_buffer_new_memdup (bytes, 100));
  gst_buffer_unref (gst_harness_pull (h));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_assert_cmpuint (helper_count (element, GST_MESSAGE_ERROR), ==, 0);
  helper_done (h);
}

/* Sinks behind `src` and `json` both preroll, though a score comes at the end
 * alone; and one that takes nothing holds nobody up. */
static void
test_json_sinks (void)
{
  static const char *const behind[] = {
      "fakesink sync=true", "queue max-size-buffers=1 ! fakesink name=stuck"};
  g_autofree char *file = helper_path ("to-score");

  g_file_set_contents (file, "some bytes and some more of them", -1, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (behind); i++) {
    g_autofree char *line = g_strdup_printf (
        "filesrc location=\"%s\" blocksize=4 ! mblmscore name=s model=\"%s\" "
        "per=%s ! fakesink name=data s.json ! %s",
        file, helper_text_model (), i == 0 ? "stream" : "buffer", behind[i]);
    GstElement *pipeline = gst_parse_launch (line, NULL);
    g_autoptr (GstElement)
        stuck = gst_bin_get_by_name (GST_BIN (pipeline), "stuck");
    g_autoptr (GstElement)
        data = gst_bin_get_by_name (GST_BIN (pipeline), "data");
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
    GstMessage *message;

    /* It stays in PAUSED, and takes one buffer. */
    if (stuck)
      gst_element_set_locked_state (stuck, TRUE);
    if (stuck)
      gst_element_set_state (stuck, GST_STATE_PAUSED);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    if (stuck) {
      g_autoptr (GstPad) pad = gst_element_get_static_pad (data, "sink");
      gboolean ended = FALSE;

      for (guint k = 0; k < 5000 && !ended; k++) {
        g_autoptr (GstEvent)
            eos = gst_pad_get_sticky_event (pad, GST_EVENT_EOS, 0);

        ended = eos != NULL;
        g_usleep (1000);
      }
      g_assert_true (ended);
    } else {
      message = gst_bus_timed_pop_filtered (
          bus, 10 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
      g_assert_nonnull (message);
      g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
      gst_message_unref (message);
    }
    if (stuck)
      gst_element_set_state (stuck, GST_STATE_NULL);
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_object_unref (pipeline);
  }
}

/* A json pad that nothing is linked to stops nobody. */
static void
test_json_unlinked (void)
{
  GstElement *element = helper_element ("mblmscore");
  GstPad *pad = gst_element_request_pad_simple (element, "json");
  GstHarness *h = helper_harness (element);

  g_assert_nonnull (pad);
  gst_harness_set_src_caps_str (h, "application/octet-stream");
  for (guint i = 0; i < 5; i++) {
    gst_harness_push (h, helper_buffer ("some bytes", NONE, NONE));
    gst_buffer_unref (gst_harness_pull (h));
  }
  gst_element_release_request_pad (element, pad);
  gst_object_unref (pad);
  gst_harness_push (h, helper_buffer ("some bytes", NONE, NONE));
  gst_buffer_unref (gst_harness_pull (h));
  helper_done (h);
}

/* Caps, events and queries go through; only the latency is ours. */
static void
test_proxy (void)
{
  GstHarness *h = new_harness ("buffer");
  GstEvent *event;
  GstCaps *caps;
  GstQuery *query;

  gst_harness_push_event (h,
      gst_event_new_custom (
          GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("mine")));
  gst_harness_push (h, helper_buffer ("x", NONE, NONE));
  gst_buffer_unref (gst_harness_pull (h));
  caps = gst_pad_get_current_caps (h->sinkpad);
  g_assert_true (gst_structure_has_name (
      gst_caps_get_structure (caps, 0), "application/octet-stream"));
  while ((event = gst_harness_pull_event (h))) {
    gboolean found = GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM;

    gst_event_unref (event);
    if (found)
      break;
  }
  query = gst_query_new_allocation (caps, FALSE);
  gst_harness_add_propose_allocation_meta (h, GST_VIDEO_META_API_TYPE, NULL);
  g_assert_true (gst_pad_peer_query (h->srcpad, query));
  g_assert_true (
      gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  gst_query_unref (query);
  gst_caps_unref (caps);
  helper_done (h);
}

/* --- memory --- */

static void
test_memory (void)
{
  GstHarness *h = new_harness ("buffer");
  g_autofree guint8 *bytes = make_bytes (90);
  GstBuffer *buffer;

  /* Several memories are one run of bytes. */
  buffer = gst_buffer_new_memdup (bytes, 30);
  gst_buffer_append_memory (buffer,
      gst_memory_new_wrapped (
          GST_MEMORY_FLAG_READONLY, bytes + 30, 60, 0, 60, NULL, NULL));
  gst_harness_push (h, buffer);
  gst_buffer_unref (gst_harness_pull (h));
  g_assert_cmpfloat_with_epsilon (
      next_score (h, 0, 90), expected (bytes, 90), 1e-2);

  /* No bytes, no score. */
  gst_harness_push (h, gst_buffer_new ());
  gst_buffer_unref (gst_harness_pull (h));

  /* Memory that can't be mapped passes, with one warning. */
  for (guint i = 0; i < 3; i++) {
    gst_harness_push (h, locked_buffer (10));
    gst_buffer_unref (gst_harness_pull (h));
  }
  g_assert_cmpuint (helper_count (h->element, GST_MESSAGE_WARNING), ==, 1);
  g_assert_cmpuint (helper_count (h->element, GST_MESSAGE_ERROR), ==, 0);
  helper_done (h);
}

/* Padding between rows is no part of a frame. */
static void
test_video (void)
{
  GstHarness *h = new_harness ("buffer");
  GstBuffer *buffer = helper_frame (5, 4, 1, 0, GST_SECOND);
  guint8 rows[60];

  for (guint y = 0; y < 4; y++)
    gst_buffer_extract (buffer, 16 * y, rows + 15 * y, 15);
  gst_harness_set_src_caps_str (
      h, "video/x-raw, format=RGB, width=5, height=4, framerate=1/1");
  gst_harness_push (h, buffer);
  gst_buffer_unref (gst_harness_pull (h));
  g_assert_cmpfloat_with_epsilon (
      next_score (h, 0, 60), expected (rows, 60), 1e-2);
  helper_done (h);
}

/* --- more --- */

/* However full the queue is, a leaky one drops scores and never data. */
static void
test_leaky (void)
{
  const char *const leaky[] = {"upstream", "downstream"};

  for (guint k = 0; k < 2; k++) {
    GstHarness *h = new_harness ("buffer");
    GstStructure *stats;
    guint64 dropped, units;

    gst_util_set_object_arg (G_OBJECT (h->element), "leaky", leaky[k]);
    g_object_set (h->element, "max-size-buffers", 1, NULL);
    for (guint i = 0; i < 200; i++) {
      GstBuffer *buffer = gst_buffer_new_allocate (NULL, 2000, NULL);

      gst_buffer_memset (buffer, 0, i, 2000);
      GST_BUFFER_OFFSET (buffer) = i;
      g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_OK);
    }
    for (guint i = 0; i < 200; i++) {
      GstBuffer *buffer = gst_harness_pull (h);

      g_assert_nonnull (buffer);
      g_assert_cmpuint (GST_BUFFER_OFFSET (buffer), ==, i);
      gst_buffer_unref (buffer);
    }
    g_object_get (h->element, "stats", &stats, NULL);
    g_assert_true (gst_structure_get (stats, "dropped", G_TYPE_UINT64, &dropped,
        "units", G_TYPE_UINT64, &units, NULL));
    g_assert_cmpuint (dropped, >, 0);
    gst_structure_free (stats);
    helper_done (h);
  }
}

static void
test_threshold (void)
{
  GstHarness *h = new_harness ("buffer");
  GstMessage *message;

  g_object_set (h->element, "threshold", 0.001, NULL);
  gst_harness_push (h, helper_buffer ("alarming", NONE, NONE));
  gst_buffer_unref (gst_harness_pull (h));
  message = helper_wait_named (h->element, "mblmscore-alarm");
  g_assert_nonnull (message);
  gst_message_unref (message);
  g_object_set (h->element, "threshold", 900.0, NULL);
  gst_harness_push (h, helper_buffer ("alarming", NONE, NONE));
  gst_buffer_unref (gst_harness_pull (h));
  message = helper_wait_named (h->element, "mblmscore");
  gst_message_unref (message);
  helper_done (h);
}

/* After a flush scoring begins afresh. */
static void
test_flush (void)
{
  GstHarness *h = new_harness ("stream");
  g_autofree guint8 *bytes = make_bytes (100);
  GstSegment segment;
  GstBuffer *buffer;

  gst_harness_push (h, helper_buffer ("something else", NONE, NONE));
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  while ((buffer = gst_harness_try_pull (h)))
    gst_buffer_unref (buffer);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  gst_harness_push (h, gst_buffer_new_memdup (bytes, 100));
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_true (helper_wait_eos (h));
  g_assert_cmpfloat_with_epsilon (
      next_score (h, 0, 100), expected (bytes, 100), 1e-2);
  helper_done (h);
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/score/pass", test_pass);
  g_test_add_func ("/score/windows", test_windows);
  g_test_add_func ("/score/stream", test_stream);
  g_test_add_func ("/score/files", test_files);
  g_test_add_func ("/score/json", test_json);
  g_test_add_func ("/score/json-sinks", test_json_sinks);
  g_test_add_func ("/score/json-unlinked", test_json_unlinked);
  g_test_add_func ("/score/proxy", test_proxy);
  g_test_add_func ("/score/memory", test_memory);
  g_test_add_func ("/score/video", test_video);
  g_test_add_func ("/score/leaky", test_leaky);
  g_test_add_func ("/score/threshold", test_threshold);
  g_test_add_func ("/score/flush", test_flush);
  return helper_end ();
}
