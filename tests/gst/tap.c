/* tap.c: pads of a test's own, which send and take what they are told to.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "tap.h"

#define WATCHDOG (60 * G_TIME_SPAN_SECOND)

GstPad *
helper_feed (GstElement *element, const char *name)
{
  GstPad *feed = gst_pad_new ("feed", GST_PAD_SRC);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, name);

  g_assert_nonnull (sink);
  gst_object_ref_sink (feed);
  gst_pad_set_active (feed, TRUE);
  g_assert_cmpint (gst_pad_link (feed, sink), ==, GST_PAD_LINK_OK);
  return feed;
}

void
helper_feed_begin (GstPad *feed, const char *caps, GstFormat format)
{
  GstSegment segment;

  gst_pad_push_event (feed, gst_event_new_stream_start ("feed"));
  if (caps) {
    g_autoptr (GstCaps) parsed = gst_caps_from_string (caps);

    g_assert_nonnull (parsed);
    gst_pad_push_event (feed, gst_event_new_caps (parsed));
  }
  if (format != GST_FORMAT_UNDEFINED) {
    gst_segment_init (&segment, format);
    gst_pad_push_event (feed, gst_event_new_segment (&segment));
  }
}

static void
unlink_pad (GstPad *pad)
{
  g_autoptr (GstPad) peer = gst_pad_get_peer (pad);

  if (peer && GST_PAD_IS_SRC (pad))
    gst_pad_unlink (pad, peer);
  else if (peer)
    gst_pad_unlink (peer, pad);
  gst_pad_set_active (pad, FALSE);
}

void
helper_feed_free (GstPad *feed)
{
  unlink_pad (feed);
  gst_object_unref (feed);
}

static void
append_time (GString *log, char before, GstClockTime time)
{
  if (GST_CLOCK_TIME_IS_VALID (time))
    g_string_append_printf (log, "%c%" G_GUINT64_FORMAT, before, time);
  else
    g_string_append_printf (log, "%cnone", before);
}

static GstFlowReturn
tap_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  HelperTap *tap = gst_pad_get_element_private (pad);
  GstFlowReturn answer;

  g_mutex_lock (&tap->lock);
  g_string_append (tap->log, "buffer");
  append_time (tap->log, '@', GST_BUFFER_PTS (buffer));
  append_time (tap->log, '+', GST_BUFFER_DURATION (buffer));
  g_string_append_c (tap->log, ' ');
  g_ptr_array_add (tap->buffers, buffer);
  tap->held++;
  g_cond_broadcast (&tap->cond);
  while (tap->holds)
    g_cond_wait (&tap->cond, &tap->lock);
  tap->held--;
  answer = tap->answer;
  g_mutex_unlock (&tap->lock);
  return answer;
}

static gboolean
tap_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  HelperTap *tap = gst_pad_get_element_private (pad);
  GstClockTime start, duration;
  gboolean taken;

  g_mutex_lock (&tap->lock);
  g_string_append (tap->log, GST_EVENT_TYPE_NAME (event));
  if (GST_EVENT_TYPE (event) == GST_EVENT_GAP) {
    gst_event_parse_gap (event, &start, &duration);
    append_time (tap->log, '@', start);
    append_time (tap->log, '+', duration);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
    gst_event_copy_segment (event, &tap->segment);
  }
  g_string_append_c (tap->log, ' ');
  if (GST_EVENT_IS_SERIALIZED (event))
    tap->seqnum = gst_event_get_seqnum (event);
  taken = !tap->refuses || GST_EVENT_TYPE (event) != GST_EVENT_CAPS;
  g_cond_broadcast (&tap->cond);
  g_mutex_unlock (&tap->lock);
  gst_event_unref (event);
  return taken;
}

static GstStaticPadTemplate any_template = GST_STATIC_PAD_TEMPLATE (
    "tap", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

HelperTap *
helper_tap (GstElement *element, const char *name)
{
  HelperTap *tap = g_new0 (HelperTap, 1);
  g_autoptr (GstPad) src = gst_element_get_static_pad (element, name);

  g_assert_nonnull (src);
  g_mutex_init (&tap->lock);
  g_cond_init (&tap->cond);
  tap->log = g_string_new (NULL);
  tap->buffers = g_ptr_array_new_with_free_func (
      (GDestroyNotify) gst_buffer_unref);
  gst_segment_init (&tap->segment, GST_FORMAT_UNDEFINED);
  tap->pad = gst_object_ref_sink (
      gst_pad_new_from_static_template (&any_template, "tap"));
  gst_pad_set_element_private (tap->pad, tap);
  gst_pad_set_chain_function (tap->pad, tap_chain);
  gst_pad_set_event_function (tap->pad, tap_event);
  gst_pad_set_active (tap->pad, TRUE);
  g_assert_cmpint (gst_pad_link (src, tap->pad), ==, GST_PAD_LINK_OK);
  return tap;
}

void
helper_tap_free (HelperTap *tap)
{
  helper_tap_hold (tap, FALSE);
  unlink_pad (tap->pad);
  gst_object_unref (tap->pad);
  g_ptr_array_unref (tap->buffers);
  g_string_free (tap->log, TRUE);
  g_cond_clear (&tap->cond);
  g_mutex_clear (&tap->lock);
  g_free (tap);
}

void
helper_tap_set_answer (HelperTap *tap, GstFlowReturn answer)
{
  g_mutex_lock (&tap->lock);
  tap->answer = answer;
  g_mutex_unlock (&tap->lock);
}

void
helper_tap_hold (HelperTap *tap, gboolean hold)
{
  g_mutex_lock (&tap->lock);
  tap->holds = hold;
  g_cond_broadcast (&tap->cond);
  g_mutex_unlock (&tap->lock);
}

char *
helper_tap_read (HelperTap *tap)
{
  char *log;

  g_mutex_lock (&tap->lock);
  log = g_strdup (tap->log->str);
  g_mutex_unlock (&tap->lock);
  return log;
}

/* Whether the words are in the log, in this order. */
static gboolean
has_words (const char *log, char **words)
{
  g_auto (GStrv) written = g_strsplit (log, " ", -1);

  for (char **word = written; *word && *words; word++)
    if (g_str_equal (*word, *words))
      words++;
  return *words == NULL;
}

gboolean
helper_tap_wait (HelperTap *tap, const char *words)
{
  gint64 end = g_get_monotonic_time () + WATCHDOG;
  g_auto (GStrv) wanted = g_strsplit (words, " ", -1);
  gboolean in_time = TRUE, there;

  g_mutex_lock (&tap->lock);
  while (!(there = has_words (tap->log->str, wanted)) && in_time)
    in_time = g_cond_wait_until (&tap->cond, &tap->lock, end);
  if (!there)
    g_test_message ("no “%s” in “%s”", words, tap->log->str);
  g_mutex_unlock (&tap->lock);
  return there;
}

gboolean
helper_tap_wait_held (HelperTap *tap)
{
  gint64 end = g_get_monotonic_time () + WATCHDOG;
  gboolean in_time = TRUE, held;

  g_mutex_lock (&tap->lock);
  while (!(held = tap->held > 0) && in_time)
    in_time = g_cond_wait_until (&tap->cond, &tap->lock, end);
  g_mutex_unlock (&tap->lock);
  return held;
}

void
helper_line (HelperLine *line, const char *factory)
{
  GstElement *element = helper_element (factory);

  if (g_str_equal (factory, "mblmask"))
    g_object_set (element, "question", "why", "choices", "a,b", "separator", "",
        "max-size-buffers", 0, NULL);
  else if (g_str_equal (factory, "mblmgenerate"))
    g_object_set (element, "max-bytes", 3, NULL);
  if (g_str_equal (factory, "mblmgenerate"))
    gst_util_set_object_arg (G_OBJECT (element), "emit", "prompt");
  line->element = element;
  line->feed = helper_feed (element, "sink");
  line->tap = helper_tap (element, "src");
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PLAYING), !=,
      GST_STATE_CHANGE_FAILURE);
}

GstFlowReturn
helper_line_push (HelperLine *line, guint n)
{
  const char *factory = GST_OBJECT_NAME (
      gst_element_get_factory (line->element));
  GstBuffer *buffer = g_str_equal (factory, "mblmask")
      ? helper_frame (16, 12, 3, 10 * n, 10)
      : helper_buffer ("some bytes", 10 * n, 10);

  return gst_pad_push (line->feed, buffer);
}

void
helper_line_done (HelperLine *line)
{
  helper_tap_hold (line->tap, FALSE);
  g_assert_cmpint (gst_element_set_state (line->element, GST_STATE_NULL), ==,
      GST_STATE_CHANGE_SUCCESS);
  helper_feed_free (line->feed);
  helper_tap_free (line->tap);
  helper_drop (line->element);
}
