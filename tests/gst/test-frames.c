/* test-frames.c: frames and buffers that are hardly any.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A frame that can't be looked at is a warning and a GAP; the next one has its
 * answer. Two frames are the same to the model if the probabilities of their
 * answers are.
 */

#include "tap.h"

#include <gst/video/video.h>
#include <string.h>

#define OCTETS "application/octet-stream"
#define TEXT "text/x-raw, format=(string)utf8"
#define RGB "video/x-raw,format=RGB,width=16,height=12,framerate=10/1"
#define SMALL "video/x-raw,format=RGB,width=5,height=3,framerate=10/1"

static void
set_caps (HelperLine *line, const char *text)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (text);

  g_assert_true (gst_pad_push_event (line->feed, gst_event_new_caps (caps)));
}

static void
push_segment (HelperLine *line)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (line->feed, gst_event_new_segment (&segment));
}

/* Pushes a frame that has an answer; gives the probability of that. */
static double
ask (HelperLine *line, GstBuffer *frame)
{
  GstMessage *message;
  double probability;

  g_assert_cmpint (gst_pad_push (line->feed, frame), ==, GST_FLOW_OK);
  message = helper_wait_named (line->element, "mblmask");
  g_assert_nonnull (message);
  g_assert_true (gst_structure_get_double (
      gst_message_get_structure (message), "probability", &probability));
  gst_message_unref (message);
  return probability;
}

/* Pushes a frame that has none. */
static void
check_broken (HelperLine *line, GstBuffer *frame)
{
  guint64 failed = helper_stat (line->element, "failed");
  g_autofree char *gap = g_strdup_printf (
      "gap@%" G_GUINT64_FORMAT "+10", 1000 + 10 * failed);

  GST_BUFFER_PTS (frame) = 1000 + 10 * failed;
  GST_BUFFER_DURATION (frame) = 10;
  g_assert_cmpint (gst_pad_push (line->feed, frame), ==, GST_FLOW_OK);
  g_assert_true (helper_tap_wait (line->tap, gap));
  g_assert_cmpuint (helper_stat (line->element, "failed"), ==, failed + 1);
  helper_check_messages (line->element, 1, 0);
}

/* --- sizes and formats --- */

static GstBuffer *
plain (gsize size, guint8 value)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);

  gst_buffer_memset (buffer, 0, value, size);
  GST_BUFFER_PTS (buffer) = 0;
  GST_BUFFER_DURATION (buffer) = 10;
  return buffer;
}

static GstBuffer *
plain_frame (const char *text, guint8 value)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (text);
  GstVideoInfo info;

  g_assert_true (gst_video_info_from_caps (&info, caps));
  return plain (GST_VIDEO_INFO_SIZE (&info), value);
}

static void
test_sizes (void)
{
  static const guint sizes[][2] = {
      {1, 1}, {1, 3}, {3, 1}, {16384, 1}, {1, 16384}, {16384, 3}};
  static const char *const formats[] = {"RGB", "NV12", "v210"};
  HelperLine line;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    for (guint f = 0; f < G_N_ELEMENTS (formats); f++) {
      g_autofree char *caps = g_strdup_printf (
          "video/x-raw,format=%s,width=%u,height=%u,framerate=1/1", formats[f],
          sizes[i][0], sizes[i][1]);

      g_test_message ("%s", caps);
      set_caps (&line, caps);
      ask (&line, plain_frame (caps, 90));
    }
  }
  helper_check_messages (line.element, 0, 0);
  helper_line_done (&line);
}

static void
test_too_large (void)
{
  static const char *const caps[] = {
      "video/x-raw,format=RGB,width=16385,height=1,framerate=1/1",
      "video/x-raw,format=NV12,width=2,height=16386,framerate=1/1"};
  HelperLine line;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  for (guint i = 0; i < G_N_ELEMENTS (caps); i++) {
    set_caps (&line, caps[i]);
    check_broken (&line, plain_frame (caps[i], 90));
  }
  set_caps (&line, RGB);
  ask (&line, helper_frame (16, 12, 1, 0, 10));
  helper_line_done (&line);
}

/* Caps of no frame: refused, with one error. */
static void
test_nonsense (void)
{
  static const char *const nonsense[] = {
      "video/x-raw,format=RGB,width=0,height=0,framerate=1/1",
      "video/x-raw,format=RGB,width=-5,height=3,framerate=1/1",
      "video/x-raw,format=RGB,width=2147483647,height=2147483647,framerate=1/1",
      "video/x-raw,format=RGB,framerate=1/1", "video/x-raw,format=RGB"};

  for (guint i = 0; i < G_N_ELEMENTS (nonsense); i++) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (nonsense[i]);
    HelperLine line;

    helper_line (&line, "mblmask");
    helper_feed_begin (line.feed, NULL, GST_FORMAT_UNDEFINED);
    g_test_message ("%s", nonsense[i]);
    gst_pad_push_event (line.feed, gst_event_new_caps (caps));
    push_segment (&line);
    g_assert_cmpint (
        gst_pad_push (line.feed, plain (100, 1)), ==, GST_FLOW_NOT_NEGOTIATED);
    helper_check_messages (line.element, 0, 1);
    helper_line_done (&line);
  }
}

/* To mblmscore their buffers are bytes like any others. */
static void
test_nonsense_score (void)
{
  static const char *const nonsense[] = {
      "video/x-raw,format=RGB,width=-5,height=3,framerate=1/1",
      "video/x-raw,format=RGB,width=5,height=-3,framerate=1/1",
      "video/x-raw,format=NV12,width=0,height=5", "video/x-raw,format=NONE"};
  HelperLine line;
  GstMessage *message;
  guint64 bytes;

  helper_line (&line, "mblmscore");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  for (guint i = 0; i < G_N_ELEMENTS (nonsense); i++) {
    set_caps (&line, nonsense[i]);
    gst_pad_push (line.feed, plain (60, 1));
    message = helper_wait_named (line.element, "mblmscore");
    g_assert_nonnull (message);
    gst_structure_get_uint64 (
        gst_message_get_structure (message), "bytes", &bytes);
    g_assert_cmpuint (bytes, ==, 60);
    gst_message_unref (message);
  }
  helper_line_done (&line);
}

/* Every raw format that there is, however small, in one field or two. */
static void
test_formats (void)
{
  static const char *const sizes[] = {
      "width=1,height=1", "width=5,height=3", "width=16,height=4"};
  static const char *const more[] = {"", ",interlace-mode=interleaved",
      ",interlace-mode=mixed,field-order=top-field-first"};
  g_autofree char *list = g_strdup (GST_VIDEO_FORMATS_ALL);
  g_auto (GStrv) formats = NULL;
  HelperLine line;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  formats = g_strsplit (g_strdelimit (list, "{} ", ','), ",", -1);
  for (guint i = 0; formats[i]; i++) {
    for (guint k = 0; *formats[i] && k < 9; k++) {
      g_autofree char *caps = g_strdup_printf (
          "video/x-raw,format=%s,framerate=1/1,%s%s", formats[i], sizes[k % 3],
          more[k / 3]);

      g_test_message ("%s", caps);
      set_caps (&line, caps);
      ask (&line, plain_frame (caps, 90));
    }
  }
  helper_check_messages (line.element, 0, 0);
  helper_line_done (&line);
}

/* Frames of several views are looked at as they lie. */
static void
test_multiview (void)
{
  static const char *const more[] = {
      "multiview-mode=side-by-side,multiview-flags=0:0xffffffff,views=2",
      "multiview-mode=top-bottom,multiview-flags=half-aspect,views=2",
      "multiview-mode=multiview-frame-by-frame,views=2",
      "multiview-mode=separated,views=3"};
  HelperLine line;
  double one;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  one = ask (&line, helper_frame (16, 12, 1, 0, 10));
  for (guint i = 0; i < G_N_ELEMENTS (more); i++) {
    g_autofree char *caps = g_strdup_printf (RGB ",%s", more[i]);

    set_caps (&line, caps);
    g_assert_cmpfloat (ask (&line, helper_frame (16, 12, 1, 0, 10)), ==, one);
  }
  helper_line_done (&line);
}

/* --- metas --- */

/* The rows of `frame` (16x12 RGB) at another stride, behind other bytes, as a
 * GstVideoMeta says. A negative stride: from below. */
static GstBuffer *
restride (GstBuffer *frame, gint stride)
{
  gsize step = ABS (stride), size = 7 + step * 11 + 48;
  GstBuffer *buffer = plain (size, 200);
  gsize offset[GST_VIDEO_MAX_PLANES] = {stride < 0 ? 7 + step * 11 : 7};
  gint strides[GST_VIDEO_MAX_PLANES] = {stride};
  GstMapInfo map;

  g_assert_true (gst_buffer_map (frame, &map, GST_MAP_READ));
  for (guint y = 0; y < 12; y++)
    gst_buffer_fill (
        buffer, offset[0] + (gssize) y * stride, map.data + 48 * y, 48);
  gst_buffer_unmap (frame, &map);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_FORMAT_RGB, 16, 12, 1, offset, strides);
  return buffer;
}

static void
test_strides (void)
{
  static const gint strides[] = {48, 49, 51, 1000, -48, -77};
  g_autoptr (GstBuffer) frame = helper_frame (16, 12, 1, 0, 10);
  HelperLine line;
  double one, other;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  one = ask (&line, gst_buffer_ref (frame));
  other = ask (&line, helper_frame (16, 12, 2, 0, 10));
  g_assert_cmpfloat (one, !=, other);
  for (guint i = 0; i < G_N_ELEMENTS (strides); i++)
    g_assert_cmpfloat (ask (&line, restride (frame, strides[i])), ==, one);
  helper_check_messages (line.element, 0, 0);
  helper_line_done (&line);
}

/* Planes that lie in memories of their own, at an odd stride. */
static void
test_planes (void)
{
  const char *caps = "video/x-raw,format=NV12,width=6,height=4,framerate=1/1";
  gsize offset[GST_VIDEO_MAX_PLANES] = {0, 36};
  gint stride[GST_VIDEO_MAX_PLANES] = {9, 11};
  GstBuffer *one = plain (48, 0), *two = gst_buffer_new ();
  HelperLine line;
  double wanted;

  for (guint y = 0; y < 6; y++)
    gst_buffer_memset (one, 8 * y, 30 * y, 8);
  gst_buffer_append (two, plain (36, 0));
  gst_buffer_append (two, plain (22, 0));
  for (guint y = 0; y < 6; y++)
    gst_buffer_memset (
        two, y < 4 ? 9 * y : 36 + 11 * (y - 4), 30 * y, y < 4 ? 9 : 11);
  gst_buffer_add_video_meta_full (two, GST_VIDEO_FRAME_FLAG_NONE,
      GST_VIDEO_FORMAT_NV12, 6, 4, 2, offset, stride);
  g_assert_cmpuint (gst_buffer_n_memory (two), ==, 2);
  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, caps, GST_FORMAT_TIME);
  wanted = ask (&line, one);
  g_assert_cmpfloat (ask (&line, two), ==, wanted);
  helper_line_done (&line);
}

static GstBuffer *
crop (GstBuffer *frame, guint x, guint y, guint width, guint height)
{
  GstBuffer *copy = gst_buffer_copy_deep (frame);
  GstVideoCropMeta *meta = gst_buffer_add_video_crop_meta (copy);

  meta->x = x;
  meta->y = y;
  meta->width = width;
  meta->height = height;
  return copy;
}

/* Only what the crop leaves is looked at, as far as it is in the frame. */
static void
test_crop (void)
{
  g_autoptr (GstBuffer) frame = helper_frame (16, 12, 1, 0, 10);
  GstBuffer *part = plain (5 * 16, 0);
  HelperLine line;
  double whole, wanted;
  GstMapInfo map;

  gst_buffer_map (frame, &map, GST_MAP_READ);
  for (guint y = 0; y < 5; y++)
    gst_buffer_fill (part, 16 * y, map.data + 48 * (y + 7) + 3 * 11, 15);
  gst_buffer_unmap (frame, &map);
  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed,
      "video/x-raw,format=RGB,width=5,height=5,framerate=10/1",
      GST_FORMAT_TIME);
  wanted = ask (&line, part);
  set_caps (&line, RGB);
  whole = ask (&line, gst_buffer_ref (frame));
  g_assert_cmpfloat (whole, !=, wanted);
  g_assert_cmpfloat (ask (&line, crop (frame, 0, 0, 16, 12)), ==, whole);
  g_assert_cmpfloat (
      ask (&line, crop (frame, 0, 0, G_MAXUINT, G_MAXUINT)), ==, whole);
  g_assert_cmpfloat (ask (&line, crop (frame, 11, 7, 5, 5)), ==, wanted);
  g_assert_cmpfloat (
      ask (&line, crop (frame, 11, 7, G_MAXUINT, 99)), ==, wanted);
  check_broken (&line, crop (frame, 3, 3, 0, 5));
  check_broken (&line, crop (frame, 3, 3, 5, 0));
  check_broken (&line, crop (frame, 16, 0, 5, 5));
  check_broken (&line, crop (frame, G_MAXUINT, G_MAXUINT, 2, 2));
  g_assert_cmpfloat (ask (&line, gst_buffer_ref (frame)), ==, whole);
  helper_line_done (&line);
}

/* Odd crops of a frame whose colours are shared between pixels. */
static void
test_crop_yuv (void)
{
  static const char *const more[] = {"", ",interlace-mode=interleaved"};
  static const char *const formats[] = {"I420", "NV12", "YUY2", "v210", "Y41B"};
  HelperLine line;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  for (guint i = 0; i < 2 * G_N_ELEMENTS (formats); i++) {
    g_autofree char *caps = g_strdup_printf (
        "video/x-raw,format=%s,width=13,height=9,framerate=1/1%s",
        formats[i / 2], more[i % 2]);
    g_autoptr (GstBuffer) frame = plain_frame (caps, 90);

    set_caps (&line, caps);
    for (guint x = 0; x < 13; x += 3)
      for (guint y = 0; y < 9; y += 4)
        ask (&line, crop (frame, x, y, 1 + x / 2, 1 + y / 3));
  }
  helper_check_messages (line.element, 0, 0);
  helper_line_done (&line);
}

/* A GstVideoMeta of a frame that isn't there. */
static GstBuffer *
lying (GstVideoFormat format, guint width, guint height, gsize at, gint step)
{
  GstBuffer *buffer = plain (48 * 12, 5);
  gsize offset[GST_VIDEO_MAX_PLANES] = {at};
  gint stride[GST_VIDEO_MAX_PLANES] = {step};

  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, format,
      width, height, 1, offset, stride);
  return buffer;
}

static const struct {
  GstVideoFormat format;
  guint width, height;
  gsize at;
  gint step;
} lies[] = {
    {GST_VIDEO_FORMAT_GRAY8, 16, 12, 0, 48}, /* other than the caps say */
    {GST_VIDEO_FORMAT_RGB, 15, 12, 0, 48},
    {GST_VIDEO_FORMAT_RGB, 16, 11, 0, 48},
    {GST_VIDEO_FORMAT_RGB, 16, 12, 0, 4096}, /* beyond the buffer */
    {GST_VIDEO_FORMAT_RGB, 16, 12, 0, G_MAXINT},
    {GST_VIDEO_FORMAT_RGB, 16, 12, 1, 48},
    {GST_VIDEO_FORMAT_RGB, 16, 12, 48 * 12, 48},
    {GST_VIDEO_FORMAT_RGB, 16, 12, G_MAXSIZE - 5, 48},
    {GST_VIDEO_FORMAT_RGB, 16, 12, 0, -48}, /* before it */
    {GST_VIDEO_FORMAT_RGB, 16, 12, 0, G_MININT},
};

static void
test_lying_meta (void)
{
  HelperLine line;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  for (guint i = 0; i < G_N_ELEMENTS (lies); i++)
    check_broken (&line,
        lying (lies[i].format, lies[i].width, lies[i].height, lies[i].at,
            lies[i].step));
  ask (&line, helper_frame (16, 12, 1, 0, 10));
  /* A larger frame than the caps say is fine, if it is there. */
  set_caps (&line, SMALL);
  ask (&line, lying (GST_VIDEO_FORMAT_RGB, 16, 12, 0, 48));
  helper_line_done (&line);
}

/* mblmscore lets them pass, and scores the bytes that are there. */
static void
test_lying_meta_score (void)
{
  HelperLine line;
  guint64 bytes;
  GstMessage *message;

  helper_line (&line, "mblmscore");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  for (guint i = 0; i <= G_N_ELEMENTS (lies); i++) {
    guint64 wanted = 48 * 12;

    if (i == G_N_ELEMENTS (lies)) {
      set_caps (&line, SMALL);
      gst_pad_push (line.feed, lying (GST_VIDEO_FORMAT_RGB, 16, 12, 0, 48));
      wanted = 15 * 3;
    } else {
      gst_pad_push (line.feed,
          lying (lies[i].format, lies[i].width, lies[i].height, lies[i].at,
              lies[i].step));
    }
    message = helper_wait_named (line.element, "mblmscore");
    g_assert_nonnull (message);
    gst_structure_get_uint64 (
        gst_message_get_structure (message), "bytes", &bytes);
    g_assert_cmpuint (bytes, ==, wanted);
    gst_message_unref (message);
  }
  helper_line_done (&line);
}

/* A frame with less than its caps say. */
static void
test_short (void)
{
  HelperLine line;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  check_broken (&line, plain (48 * 12 - 1, 5));
  check_broken (&line, plain (1, 5));
  check_broken (&line, gst_buffer_new ());
  ask (&line, helper_frame (16, 12, 1, 0, 10));
  helper_line_done (&line);
}

/* A peer that never sent a stream-start: its frames stand upright all the same. */
static void
test_no_stream_start (void)
{
  double usual, probability;
  HelperLine line;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  usual = ask (&line, helper_frame (16, 12, 3, 0, 10));
  helper_line_done (&line);

  helper_allow_disorder ();
  helper_line (&line, "mblmask");
  set_caps (&line, RGB);
  probability = ask (&line, helper_frame (16, 12, 3, 0, 10));
  g_assert_cmpfloat (probability, ==, usual);
  helper_line_done (&line);
}

/* A JPEG whose header has thousands of segments, in each a buffer that begins as a
 * picture does: it is one picture. */
static void
test_thumbnails (void)
{
  static const guint8 inner[] = {
      0xff, 0xd8, 0xff, 0, 0, 0, 0, 0, 0xff, 0xe1, 0, 10};
  const MblmImageLayout layout = {
      .width = 16, .height = 12, .shift = -1, .jpeg = TRUE, .quality = 90};
  g_autofree guint8 *rgb = g_malloc0 (16 * 12 * 3);
  g_autoptr (MblmPicture)
      picture = mblm_picture_new (16, 12, rgb, 16 * 3, NULL);
  g_autoptr (GBytes) jpeg = mblm_picture_to_bytes (picture, &layout, NULL);
  g_autoptr (GByteArray) last = g_byte_array_new ();
  HelperLine line;
  gsize n;
  const guint8 *data = g_bytes_get_data (jpeg, &n);
  GstBuffer *buffer;

  helper_line (&line, "mblmask");
  helper_feed_begin (line.feed, "image/jpeg", GST_FORMAT_TIME);
  g_byte_array_append (last, data, 2);
  g_byte_array_append (last, inner + 8, 4);
  buffer = gst_buffer_new_memdup (last->data, last->len);
  GST_BUFFER_PTS (buffer) = 70;
  GST_BUFFER_DURATION (buffer) = 10;
  gst_pad_push (line.feed, buffer);
  for (guint i = 0; i < 3000; i++)
    gst_pad_push (line.feed, gst_buffer_new_memdup (inner, sizeof inner));
  g_byte_array_set_size (last, 0);
  g_byte_array_append (last, inner, 8);
  g_byte_array_append (last, data + 2, n - 2);
  g_assert_cmpfloat (
      ask (&line, gst_buffer_new_memdup (last->data, last->len)), >, 0.0);
  g_assert_cmpuint (helper_stat (line.element, "failed"), ==, 0);
  g_assert_true (helper_tap_wait (line.tap, "buffer@70+10"));
  helper_check_messages (line.element, 0, 0);
  helper_line_done (&line);
}

/* Rubble in a leaky queue, which waits for nobody: what gets no answer doesn't pile
 * up, however many pictures it was to be. */
static void
test_rubble (void)
{
  static const guint8 begun[] = {0xff, 0xd8};
  const guint n = 20000;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree char *log = NULL;
  HelperLine line;
  guint gaps = 0;

  helper_line (&line, "mblmask");
  gst_util_set_object_arg (G_OBJECT (line.element), "leaky", "downstream");
  helper_tap_hold (line.tap, TRUE);
  helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
  g_assert_cmpint (helper_line_push (&line, 0), ==, GST_FLOW_OK);
  g_assert_true (helper_tap_wait_held (line.tap));
  set_caps (&line, "image/jpeg");
  for (guint i = 0; i < n; i++)
    g_byte_array_append (bytes, begun, sizeof begun);
  g_assert_cmpint (
      gst_pad_push (line.feed, gst_buffer_new_memdup (bytes->data, bytes->len)),
      ==, GST_FLOW_OK);
  gst_pad_push_event (line.feed, gst_event_new_eos ());
  g_assert_cmpuint (helper_stat (line.element, "failed"), >=, n - 1);
  helper_tap_hold (line.tap, FALSE);
  g_assert_true (helper_tap_wait (line.tap, "eos"));
  log = helper_tap_read (line.tap);
  for (const char *p = log; (p = strstr (p, "gap@")); p++)
    gaps++;
  g_assert_cmpuint (gaps, ==, 1);
  helper_line_done (&line);
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/frames/sizes", test_sizes);
  g_test_add_func ("/frames/too-large", test_too_large);
  g_test_add_func ("/frames/nonsense", test_nonsense);
  g_test_add_func ("/frames/nonsense-score", test_nonsense_score);
  g_test_add_func ("/frames/formats", test_formats);
  g_test_add_func ("/frames/multiview", test_multiview);
  g_test_add_func ("/frames/strides", test_strides);
  g_test_add_func ("/frames/planes", test_planes);
  g_test_add_func ("/frames/crop", test_crop);
  g_test_add_func ("/frames/crop-yuv", test_crop_yuv);
  g_test_add_func ("/frames/lying-meta", test_lying_meta);
  g_test_add_func ("/frames/lying-meta-score", test_lying_meta_score);
  g_test_add_func ("/frames/no-stream-start", test_no_stream_start);
  g_test_add_func ("/frames/thumbnails", test_thumbnails);
  g_test_add_func ("/frames/rubble", test_rubble);
  g_test_add_func ("/frames/short", test_short);
  return helper_end ();
}
