/* gstmblmquestion.c: a sink pad that takes questions.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <string.h>

#include <glib/gi18n-lib.h>

#include "gstmblmquestion.h"

#include "gstmblmbytes.h"
#include "gstmblmfault.h"
#include "gstmblmtiming.h"

/* Questions that may wait for their time, and bytes of one. */
#define MAX_WAITING 256
#define MAX_BYTES (1024 * 1024)

typedef struct {
  GstClockTime time; /* running time */
  char *text;
} Waiting;

struct _GstMblmQuestionPad {
  GstPad parent;

  GstMblmTextPad *answer; /* constant, owned */
  GstSegment segment;     /* with the stream lock of the pad */

  /* Under the pad's object lock. */
  char *question; /* the one that holds, or NULL */
  GQueue waiting; /* of Waiting, for later, by time */
};

G_DEFINE_TYPE (GstMblmQuestionPad, gst_mblm_question_pad, GST_TYPE_PAD);

static void
waiting_free (gpointer data)
{
  Waiting *waiting = data;

  g_free (waiting->text);
  g_free (waiting);
}

/* The question in a buffer, or NULL and what is wrong with it. */
static char *
read_question (GstBuffer *buffer, const char **problem)
{
  g_autofree char *text = NULL;
  g_autoptr (GBytes) bytes = NULL;
  gsize size = gst_buffer_get_size (buffer);

  if (size > MAX_BYTES) {
    *problem = "it has more than a million bytes";
    return NULL;
  }
  bytes = gst_mblm_buffer_copy (buffer);
  if (!bytes) {
    *problem = "the buffer can't be read";
    return NULL;
  }
  text = g_malloc (size + 1);
  if (size > 0)
    memcpy (text, g_bytes_get_data (bytes, NULL), size);
  /* Some sources of text send its final NUL. */
  if (size > 0 && text[size - 1] == '\0')
    size--;
  if (size > 0 && text[size - 1] == '\n')
    size--;
  if (size > 0 && text[size - 1] == '\r')
    size--;
  text[size] = '\0';
  if (!g_utf8_validate (text, size, NULL)) {
    *problem = "it is not UTF-8";
    return NULL;
  }
  return g_steal_pointer (&text);
}

/* Of two for the same time the one that came last is asked. */
static gint
compare_times (gconstpointer there, gconstpointer new, gpointer user_data)
{
  return ((const Waiting *) there)->time <= ((const Waiting *) new)->time ? -1
                                                                          : 1;
}

/* Takes the text. */
static void
set_question (GstMblmQuestionPad *self, char *text, GstClockTime time)
{
  Waiting *waiting, *dropped = NULL;

  GST_OBJECT_LOCK (self);
  if (!GST_CLOCK_TIME_IS_VALID (time)) {
    g_free (self->question);
    self->question = text;
  } else {
    waiting = g_new (Waiting, 1);
    waiting->time = time;
    waiting->text = text;
    g_queue_insert_sorted (&self->waiting, waiting, compare_times, NULL);
    if (self->waiting.length > MAX_WAITING)
      dropped = g_queue_pop_head (&self->waiting);
  }
  GST_OBJECT_UNLOCK (self);
  if (dropped)
    waiting_free (dropped);
}

/* When a question is for, outside of its segment, too: long ago is 0. */
static GstClockTime
find_time (GstMblmQuestionPad *self, GstClockTime pts)
{
  guint64 time = GST_CLOCK_TIME_NONE;
  gint sign;

  if (!GST_CLOCK_TIME_IS_VALID (pts) || !gst_mblm_has_time (&self->segment))
    return GST_CLOCK_TIME_NONE;
  sign = gst_segment_to_running_time_full (
      &self->segment, GST_FORMAT_TIME, pts, &time);
  return sign < 0 ? 0 : time;
}

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstMblmQuestionPad *self = GST_MBLM_QUESTION_PAD (pad);
  GstClockTime time = find_time (self, GST_BUFFER_PTS (buffer));
  const char *problem = NULL;
  char *text = read_question (buffer, &problem);

  gst_buffer_unref (buffer);
  if (text) {
    set_question (self, text, time);
  } else {
    g_autoptr (GstMblmFault)
        fault = gst_mblm_fault_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
            g_strdup_printf (
                _ ("A question on pad “%s” can't be asked; the last one stays. "
                   "Send text in UTF-8, at most a MiB of it."),
                GST_OBJECT_NAME (pad)),
            problem);

    gst_mblm_fault_post (fault, GST_ELEMENT (parent), GST_MESSAGE_WARNING);
  }
  return GST_FLOW_OK;
}

static gboolean
event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstMblmQuestionPad *self = GST_MBLM_QUESTION_PAD (pad);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment (event, &self->segment);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
      GST_OBJECT_LOCK (self);
      g_queue_clear_full (&self->waiting, waiting_free);
      GST_OBJECT_UNLOCK (self);
      break;
    default:
      break;
  }
  gst_event_unref (event);
  return TRUE;
}

/* The pad belongs to no other. */
static GstIterator *
links (GstPad *pad, GstObject *parent)
{
  return NULL;
}

char *
gst_mblm_question_pad_ask (GstMblmQuestionPad *self, GstClockTime running_time)
{
  const Waiting *next;
  char *text;

  GST_OBJECT_LOCK (self);
  while (GST_CLOCK_TIME_IS_VALID (running_time) &&
      (next = g_queue_peek_head (&self->waiting)) &&
      next->time <= running_time) {
    Waiting *waiting = g_queue_pop_head (&self->waiting);

    g_free (self->question);
    self->question = g_steal_pointer (&waiting->text);
    waiting_free (waiting);
  }
  text = g_strdup (self->question);
  GST_OBJECT_UNLOCK (self);
  return text;
}

GstMblmTextPad *
gst_mblm_question_pad_get_answer (GstMblmQuestionPad *self)
{
  return self->answer;
}

static void
gst_mblm_question_pad_finalize (GObject *object)
{
  GstMblmQuestionPad *self = GST_MBLM_QUESTION_PAD (object);

  g_queue_clear_full (&self->waiting, waiting_free);
  g_free (self->question);
  gst_clear_object (&self->answer);
  G_OBJECT_CLASS (gst_mblm_question_pad_parent_class)->finalize (object);
}

static void
gst_mblm_question_pad_class_init (GstMblmQuestionPadClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = gst_mblm_question_pad_finalize;
}

static void
gst_mblm_question_pad_init (GstMblmQuestionPad *self)
{
  g_queue_init (&self->waiting);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
}

GstMblmQuestionPad *
gst_mblm_question_pad_new (
    GstPadTemplate *template, const char *name, GstMblmTextPad *answer)
{
  GstMblmQuestionPad *self = g_object_new (GST_TYPE_MBLM_QUESTION_PAD, "name",
      name, "direction", GST_PAD_SINK, "template", template, NULL);
  GstPad *pad = GST_PAD (self);

  /* Not in init: there a pad has no direction yet. */
  gst_pad_set_chain_function (pad, GST_DEBUG_FUNCPTR (chain));
  gst_pad_set_event_function (pad, GST_DEBUG_FUNCPTR (event));
  gst_pad_set_iterate_internal_links_function (pad, GST_DEBUG_FUNCPTR (links));
  self->answer = gst_object_ref (answer);
  return self;
}
