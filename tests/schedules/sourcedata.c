/* sourcedata.c: the buffers, caps and segments of the source.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "account.h"
#include "pictures.h"
#include "sourceprivate.h"

#include <gst/video/video.h>
#include <string.h>

/* What a passing buffer was like when it was sent. */
typedef struct {
  guint64 number;
  gsize size;
  GstClockTime pts, duration;
} Mark;

static GQuark
mark_quark (void)
{
  return g_quark_from_static_string ("schedules-mark");
}

static void
mark (Source *self, GstBuffer *buffer)
{
  Mark *mark = g_new (Mark, 1);

  mark->number = self->number;
  mark->size = gst_buffer_get_size (buffer);
  mark->pts = GST_BUFFER_PTS (buffer);
  mark->duration = GST_BUFFER_DURATION (buffer);
  gst_mini_object_set_qdata (
      GST_MINI_OBJECT (buffer), mark_quark (), mark, g_free);
}

guint64
source_number_of (GstBuffer *buffer)
{
  const Mark *mark = gst_mini_object_get_qdata (
      GST_MINI_OBJECT (buffer), mark_quark ());

  return mark ? mark->number : 0;
}

gboolean
source_is_untouched (GstBuffer *buffer)
{
  const Mark *mark = gst_mini_object_get_qdata (
      GST_MINI_OBJECT (buffer), mark_quark ());

  return mark && mark->size == gst_buffer_get_size (buffer) &&
      mark->pts == GST_BUFFER_PTS (buffer) &&
      mark->duration == GST_BUFFER_DURATION (buffer);
}

/* --- caps --- */

static const char *const raw_caps[] = {
    "video/x-raw,format=RGB,width=16,height=12,framerate=10/1",
    "video/x-raw,format=I420,width=17,height=13,framerate=25/1",
    "video/x-raw,format=GRAY8,width=1,height=1,framerate=0/1",
    "video/x-raw,format=NV12,width=8,height=6",
    "video/x-raw,format=BGRA,width=5,height=9,framerate=30/1",
};

GstCaps *
source_make_caps (Source *self)
{
  switch (self->plan.media) {
    case SOURCE_RAW:
      if (self->plan.calm)
        return gst_caps_from_string (raw_caps[0]);
      return gst_caps_from_string (
          raw_caps[dice_below (&self->dice, G_N_ELEMENTS (raw_caps))]);
    case SOURCE_PNG:
      return gst_caps_from_string ("image/png,framerate=10/1");
    case SOURCE_JPEG:
      return gst_caps_from_string ("image/jpeg");
    case SOURCE_TEXT:
      return gst_caps_from_string ("text/x-raw,format=utf8");
    default:
      return gst_caps_from_string ("application/octet-stream");
  }
}

/* --- bytes --- */

static GstBuffer *
make_frame (Source *self)
{
  GstVideoInfo info;
  gsize size = 1;
  GstBuffer *buffer;

  if (gst_video_info_from_caps (&info, self->caps))
    size = GST_VIDEO_INFO_SIZE (&info);
  /* A frame that is cut short can't be read. */
  if (!self->plan.calm && dice_one_in (&self->dice, 40))
    size /= 2;
  buffer = gst_buffer_new_allocate (NULL, size, NULL);
  gst_buffer_memset (buffer, 0, dice_below (&self->dice, 256), size);
  return buffer;
}

static GstBuffer *
make_text (Source *self)
{
  static const char *const words[] = {"", "a", "Once upon", "\n", "\xc3\xa4",
      "\xe2\x82\xac", "\xe2\x82", "\xff", "a longer line of text\n"};
  const char *word = words[dice_below (&self->dice, G_N_ELEMENTS (words))];

  return *word ? gst_buffer_new_memdup (word, strlen (word))
               : gst_buffer_new ();
}

static GstBuffer *
make_bytes (Source *self)
{
  guint8 bytes[40];
  gsize n = dice_below (&self->dice, sizeof bytes);
  GstBuffer *buffer;

  for (gsize i = 0; i < n; i++)
    bytes[i] = dice_next (&self->dice);
  buffer = n > 0 ? gst_buffer_new_memdup (bytes, n) : gst_buffer_new ();
  if (dice_one_in (&self->dice, 8))
    buffer = gst_buffer_append (buffer, gst_buffer_new_memdup ("more", 4));
  return buffer;
}

/* The next piece of a picture's file, or what is none. */
static GstBuffer *
make_piece (Source *self, const guint8 *file, gsize size)
{
  gsize n = 1 + dice_below (&self->dice, size);

  if (self->plan.calm || dice_one_in (&self->dice, 2))
    n = size;
  n = MIN (n, size - self->cursor);
  if (!self->plan.calm && dice_one_in (&self->dice, 30))
    return make_bytes (self);
  file += self->cursor;
  self->cursor = (self->cursor + n) % size;
  return gst_buffer_new_memdup (file, n);
}

/* Memory that can't be read. */
static GstBuffer *
make_unmappable (void)
{
  GstBuffer *buffer = gst_buffer_new ();
  gpointer data = g_malloc0 (8);

  gst_buffer_append_memory (buffer,
      gst_memory_new_wrapped (
          GST_MEMORY_FLAG_NOT_MAPPABLE, data, 8, 0, 8, data, g_free));
  return buffer;
}

static GstBuffer *
make_payload (Source *self)
{
  const guint8 *file;
  gsize size;

  if (!self->plan.calm && dice_one_in (&self->dice, 80))
    return make_unmappable ();
  switch (self->plan.media) {
    case SOURCE_RAW:
      return make_frame (self);
    case SOURCE_PNG:
      file = pictures_png (&size);
      return make_piece (self, file, size);
    case SOURCE_JPEG:
      file = pictures_jpeg (&size);
      return make_piece (self, file, size);
    case SOURCE_TEXT:
      return make_text (self);
    default:
      return make_bytes (self);
  }
}

/* --- time --- */

/* Times that never come twice: a step of whole milliseconds, and the number of
 * the buffer in nanoseconds. */
static GstClockTime
next_time (Source *self, GstClockTime *duration)
{
  GstClockTime time = self->time + self->number % GST_MSECOND;

  *duration = (1 + dice_below (&self->dice, 50)) * GST_MSECOND;
  self->time += *duration + GST_MSECOND;
  return time;
}

static void
enter (Source *self, GstClockTime time)
{
  if (self->plan.token == SOURCE_TOKEN_NUMBER)
    ledger_enter (self->plan.ledger, self->number);
  else if (self->plan.token == SOURCE_TOKEN_TIME)
    ledger_enter (self->plan.ledger, time);
}

GstBuffer *
source_make_buffer (Source *self)
{
  GstBuffer *buffer = make_payload (self);
  GstClockTime pts = GST_CLOCK_TIME_NONE, duration = GST_CLOCK_TIME_NONE;

  self->number++;
  if (self->plan.timed) {
    pts = next_time (self, &duration);
    /* Where no order by time is kept, some have no time. */
    if (self->plan.token != SOURCE_TOKEN_TIME && !self->plan.calm) {
      if (dice_one_in (&self->dice, 12))
        duration = GST_CLOCK_TIME_NONE;
      if (dice_one_in (&self->dice, 20))
        pts = GST_CLOCK_TIME_NONE;
    }
  }
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = duration;
  ledger_reach (self->plan.ledger, &self->segment, pts, duration);
  enter (self, pts);
  mark (self, buffer);
  account_mini (buffer, "a buffer");
  return buffer;
}

GstEvent *
source_make_gap (Source *self)
{
  GstClockTime duration, time;
  GstEvent *event;

  self->number++;
  time = next_time (self, &duration);
  if (self->plan.token == SOURCE_TOKEN_TIME)
    ledger_enter (self->plan.ledger, time);
  else if (dice_one_in (&self->dice, 4))
    duration = GST_CLOCK_TIME_NONE;
  ledger_reach (self->plan.ledger, &self->segment, time, duration);
  event = gst_event_new_gap (time, duration);
  account_mini (event, "a GAP event");
  return event;
}

GstEvent *
source_make_segment (Source *self)
{
  GstSegment segment;
  GstEvent *event;

  if (!self->plan.timed) {
    gst_segment_init (&segment, GST_FORMAT_BYTES);
  } else {
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.rate = self->rate;
    segment.start = dice_one_in (&self->dice, 3) ? 0 : self->time;
    segment.time = segment.start;
    segment.position = segment.start;
    segment.base = dice_one_in (&self->dice, 4) ? self->time : 0;
    /* Others than ours don't bear a segment that runs backwards from no end. */
    if (segment.rate < 0 &&
        !(self->plan.direct && dice_one_in (&self->dice, 3)))
      segment.stop = self->time + 100 * GST_SECOND;
  }
  self->segment = segment;
  event = gst_event_new_segment (&segment);
  account_mini (event, "a SEGMENT event");
  return event;
}
