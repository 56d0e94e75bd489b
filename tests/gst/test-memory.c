/* test-memory.c: buffers in pieces, in lists, empty, or that nobody may read.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "kinds.h"
#include "locked.h"
#include "tap.h"

#include <gst/video/video.h>
#include <string.h>

#define NONE GST_CLOCK_TIME_NONE

/* Picture files besides the others, as the last. */
static const Kind png = {"mblmask", "image/png"};

static const Kind *
next_input (const Kind *kind)
{
  if (kind == &png)
    return NULL;
  return kind + 1 < kinds + G_N_ELEMENTS (kinds) ? kind + 1 : &png;
}

#define FOR_EACH_INPUT(kind)                                                   \
  for (const Kind *kind = kinds; kind; kind = next_input (kind))

/* What an element gets; a picture file for image/png. */
static GstBuffer *
new_buffer (const Kind *kind, GstClockTime pts, GstClockTime duration)
{
  GstBuffer *buffer;

  if (g_str_equal (kind->caps, RGB))
    return helper_frame (16, 12, 3, pts, duration);
  if (g_str_equal (kind->caps, "image/png")) {
    g_autofree char *path = g_build_filename (
        g_getenv ("MBLM_MODEL_PATH"), "scenes", "samples", "scene00.png", NULL);
    char *data;
    gsize size;

    g_assert_true (g_file_get_contents (path, &data, &size, NULL));
    buffer = gst_buffer_new_wrapped (data, size);
    GST_BUFFER_PTS (buffer) = pts;
    GST_BUFFER_DURATION (buffer) = duration;
    return buffer;
  }
  return helper_buffer ("some bytes", pts, duration);
}

/* The same bytes in memories of 7 bytes, the last of the rest. */
static GstBuffer *
split (GstBuffer *whole)
{
  GstBuffer *buffer = gst_buffer_new ();
  gsize size = gst_buffer_get_size (whole);

  for (gsize at = 0; at < size; at += 7) {
    gboolean last = gst_buffer_n_memory (buffer) == 9;
    gsize n = last ? size - at : MIN (7, size - at);
    guint8 *piece = g_malloc (n);

    gst_buffer_extract (whole, at, piece, n);
    gst_buffer_append_memory (
        buffer, gst_memory_new_wrapped (0, piece, n, 0, n, piece, g_free));
    if (last)
      break;
  }
  GST_BUFFER_PTS (buffer) = GST_BUFFER_PTS (whole);
  GST_BUFFER_DURATION (buffer) = GST_BUFFER_DURATION (whole);
  gst_buffer_unref (whole);
  return buffer;
}

/* What comes out for one buffer, as bytes. */
static GBytes *
run (const Kind *kind, GstBuffer *buffer)
{
  HelperLine line;
  GBytes *bytes;
  GstMapInfo map;

  helper_line (&line, kind->factory);
  helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
  g_assert_cmpint (gst_pad_push (line.feed, buffer), ==, GST_FLOW_OK);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  g_assert_cmpuint (line.tap->buffers->len, ==, 1);
  helper_check_messages (line.element, 0, 0);
  gst_buffer_map (line.tap->buffers->pdata[0], &map, GST_MAP_READ);
  bytes = g_bytes_new (map.data, map.size);
  gst_buffer_unmap (line.tap->buffers->pdata[0], &map);
  helper_line_done (&line);
  return bytes;
}

/* Memories in a row are one buffer. */
static void
test_pieces (void)
{
  FOR_EACH_INPUT (kind)
  {
    g_autoptr (GBytes) one = run (kind, new_buffer (kind, 0, 10));
    g_autoptr (GBytes) many = run (kind, split (new_buffer (kind, 0, 10)));

    g_assert_true (g_bytes_equal (one, many));
  }
}

static void
test_lists (void)
{
  FOR_EACH_INPUT (kind)
  {
    HelperLine line;
    GstBufferList *list = gst_buffer_list_new ();

    helper_line (&line, kind->factory);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    for (guint i = 0; i < 3; i++)
      gst_buffer_list_add (list, new_buffer (kind, 10 * i, 10));
    g_assert_cmpint (gst_pad_push_list (line.feed, list), ==, GST_FLOW_OK);
    g_assert_cmpint (
        gst_pad_push_list (line.feed, gst_buffer_list_new ()), ==, GST_FLOW_OK);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (
        line.tap, "buffer@0+10 buffer@10+10 buffer@20+10 eos"));
    g_assert_cmpuint (line.tap->buffers->len, ==, 3);
    helper_line_done (&line);
  }
}

/* Buffers without bytes: no prompt, no score, no picture; time goes on. */
static void
test_empty (void)
{
  static const char *const all[] = {"gap@0+10 buffer@10+10 gap@20+10 eos",
      "buffer@0+10 buffer@10+10 buffer@20+10 eos",
      "gap@0+10 buffer@10+10 gap@20+10 eos", "buffer@10+10 eos"};
  const char *const *wanted = all;

  FOR_EACH_INPUT (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    for (guint i = 0; i < 3; i++) {
      GstBuffer *buffer = i == 1 ? new_buffer (kind, 10, 10)
                                 : helper_buffer ("", 10 * i, 10);

      g_assert_cmpint (gst_pad_push (line.feed, buffer), ==, GST_FLOW_OK);
    }
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, *wanted++));
    helper_check_messages (
        line.element, g_str_equal (kind->caps, RGB) ? 2 : 0, 0);
    helper_line_done (&line);
  }
}

/* Memory that can't be read: one warning, and the next buffer is worked on. */
static void
test_unreadable (void)
{
  FOR_EACH_INPUT (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    g_assert_cmpint (
        gst_pad_push (line.feed, locked_buffer (48 * 12)), ==, GST_FLOW_OK);
    g_assert_cmpint (
        gst_pad_push (line.feed, new_buffer (kind, 10, 10)), ==, GST_FLOW_OK);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, "buffer@10+10 eos"));
    helper_check_messages (line.element, 1, 0);
    helper_line_done (&line);
  }
}

/* While the model works, or what it said waits, upstream's pool never runs dry:
 * two buffers are enough, for what doesn't pass them on. */
static void
test_pool (void)
{
  FOR_EACH_INPUT (kind)
  {
    GstBufferPool *pool;
    GstStructure *config;
    g_autoptr (GstCaps) caps = gst_caps_from_string (kind->caps);
    g_autoptr (GstBuffer) content = new_buffer (kind, 0, 0);
    GstBufferPoolAcquireParams params = {
        .flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT};
    HelperLine line;

    if (g_str_equal (kind->factory, "mblmscore"))
      continue;
    pool = gst_buffer_pool_new ();
    config = gst_buffer_pool_get_config (pool);
    gst_buffer_pool_config_set_params (
        config, caps, gst_buffer_get_size (content), 2, 2);
    g_assert_true (gst_buffer_pool_set_config (pool, config));
    g_assert_true (gst_buffer_pool_set_active (pool, TRUE));
    helper_line (&line, kind->factory);
    g_object_set (line.element, "max-size-buffers", 0, "max-size-time",
        (guint64) 0, NULL);
    helper_tap_hold (line.tap, TRUE);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    for (guint i = 0; i < 8; i++) {
      GstBuffer *buffer;
      GstMapInfo map;

      g_assert_cmpint (gst_buffer_pool_acquire_buffer (pool, &buffer, &params),
          ==, GST_FLOW_OK);
      gst_buffer_map (content, &map, GST_MAP_READ);
      gst_buffer_fill (buffer, 0, map.data, map.size);
      gst_buffer_unmap (content, &map);
      GST_BUFFER_PTS (buffer) = 10 * i;
      GST_BUFFER_DURATION (buffer) = 10;
      g_assert_cmpint (gst_pad_push (line.feed, buffer), ==, GST_FLOW_OK);
      if (i == 3)
        g_assert_true (helper_tap_wait_held (line.tap));
    }
    helper_tap_hold (line.tap, FALSE);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, "eos"));
    g_assert_cmpuint (line.tap->buffers->len, ==, 8);
    helper_line_done (&line);
    gst_buffer_pool_set_active (pool, FALSE);
    gst_object_unref (pool);
  }
}

/* The same buffers pass mblmscore, and only two of them do for a pool of two:
 * they are back once downstream is done with them. */
static void
test_pool_score (void)
{
  GstBufferPool *pool = gst_buffer_pool_new ();
  GstStructure *config = gst_buffer_pool_get_config (pool);
  HelperLine line;

  gst_buffer_pool_config_set_params (config, NULL, 100, 2, 2);
  g_assert_true (gst_buffer_pool_set_config (pool, config));
  g_assert_true (gst_buffer_pool_set_active (pool, TRUE));
  helper_line (&line, "mblmscore");
  helper_feed_begin (line.feed, OCTETS, GST_FORMAT_TIME);
  for (guint i = 0; i < 50; i++) {
    GstBuffer *buffer;

    g_assert_cmpint (
        gst_buffer_pool_acquire_buffer (pool, &buffer, NULL), ==, GST_FLOW_OK);
    gst_buffer_memset (buffer, 0, i, 100);
    g_assert_cmpint (gst_pad_push (line.feed, buffer), ==, GST_FLOW_OK);
    /* What came is held by the tap. */
    g_assert_true (helper_wait_stat (line.element, "units", i + 1));
    g_mutex_lock (&line.tap->lock);
    g_ptr_array_set_size (line.tap->buffers, 0);
    g_mutex_unlock (&line.tap->lock);
  }
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  helper_line_done (&line);
  gst_buffer_pool_set_active (pool, FALSE);
  gst_object_unref (pool);
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/memory/pieces", test_pieces);
  g_test_add_func ("/memory/lists", test_lists);
  g_test_add_func ("/memory/empty", test_empty);
  g_test_add_func ("/memory/unreadable", test_unreadable);
  g_test_add_func ("/memory/pool", test_pool);
  g_test_add_func ("/memory/pool-score", test_pool_score);
  return helper_end ();
}
