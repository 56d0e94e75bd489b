/* ask.c: an application that asks about a running stream, and changes its question.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * It runs a pipeline that is described as for gst-launch-1.0 and has an mblmask or
 * mblmaskoverlay named "ask". Each answer is a line: time in the stream, question,
 * answer and probability, with tabs between. Each line on standard input is a new
 * question, which is asked from the next frame on.
 *
 *   ask "Where is the object?" videotestsrc is-live=true pattern=ball ! \
 *     mblmask name=ask ! fakesink
 *
 * Ctrl-C ends the stream, and once more ends the application at once. All it needs
 * is GStreamer; ask.py is the same in Python.
 *
 *   cc ask.c -o ask $(pkg-config --cflags --libs gstreamer-1.0 gio-unix-2.0)
 */

#include <gio/gunixinputstream.h>
#include <glib-unix.h>
#include <gst/gst.h>
#include <locale.h>
#include <unistd.h>

typedef struct {
  GMainLoop *loop;
  GstElement *pipeline;
  GstElement *ask;
  GDataInputStream *input;
  gboolean ending;
  int status;
} Application;

static void
fail (Application *self, const char *message)
{
  g_printerr ("ask: %s\n", message);
  self->status = 1;
  g_main_loop_quit (self->loop);
}

/* --- answers --- */

static void
print_answer (const GstStructure *answer)
{
  g_autofree char *text = g_strdup (
      gst_structure_get_string (answer, "answer"));
  guint64 time = 0;
  gdouble probability = 0;

  gst_structure_get_uint64 (answer, "stream-time", &time);
  gst_structure_get_double (answer, "probability", &probability);
  time /= GST_MSECOND;
  g_print ("%u:%02u:%02u.%03u\t%s\t%s\t%.4f\n", (guint) (time / 3600000),
      (guint) (time / 60000 % 60), (guint) (time / 1000 % 60),
      (guint) (time % 1000), gst_structure_get_string (answer, "question"),
      g_strdelimit (text, "\t\r\n", ' '), probability);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Application *self = user_data;
  g_autoptr (GError) error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      if (gst_message_has_name (message, "mblmask"))
        print_answer (gst_message_get_structure (message));
      break;
    case GST_MESSAGE_EOS:
      g_main_loop_quit (self->loop);
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      fail (self, error->message);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, NULL);
      g_printerr ("ask: %s\n", error->message);
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (self->pipeline));
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* --- questions --- */

static void
set_question (Application *self, const char *question)
{
  g_object_set (self->ask, "question", question, NULL);
  g_printerr ("Asking: %s\n", question);
}

static void
on_line (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Application *self = user_data;
  g_autofree char *line = g_data_input_stream_read_line_finish (
      self->input, result, NULL, NULL);

  /* No more questions; the last one is asked to the end. */
  if (!line)
    return;
  g_strstrip (line);
  if (!g_utf8_validate (line, -1, NULL))
    g_printerr ("ask: this question is not UTF-8\n");
  else if (*line)
    set_question (self, line);
  g_data_input_stream_read_line_async (
      self->input, G_PRIORITY_DEFAULT, NULL, on_line, self);
}

/* --- begin and end --- */

/* The end passes through the pipeline, so that a file that it writes is whole. */
static gboolean
on_interrupt (gpointer user_data)
{
  Application *self = user_data;

  if (self->ending)
    g_main_loop_quit (self->loop);
  self->ending = TRUE;
  gst_element_send_event (self->pipeline, gst_event_new_eos ());
  return G_SOURCE_CONTINUE;
}

static gboolean
set_up (Application *self, const char **description, GError **error)
{
  self->pipeline = gst_parse_launchv (description, error);
  if (!self->pipeline || *error)
    return FALSE;
  if (GST_IS_PIPELINE (self->pipeline))
    self->ask = gst_bin_get_by_name (GST_BIN (self->pipeline), "ask");
  if (self->ask &&
      g_object_class_find_property (G_OBJECT_GET_CLASS (self->ask), "question"))
    return TRUE;
  g_set_error (error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT,
      "the pipeline needs an mblmask or mblmaskoverlay with name=ask");
  return FALSE;
}

static void
run (Application *self, const char *question)
{
  g_autoptr (GInputStream)
      input = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);
  g_autoptr (GstMessage) message = NULL;

  self->input = g_data_input_stream_new (input);
  set_question (self, question);
  if (gst_element_set_state (self->pipeline, GST_STATE_PLAYING) ==
      GST_STATE_CHANGE_FAILURE) {
    message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    if (message)
      on_message (bus, message, self);
    else
      fail (self, "the pipeline does not start");
  } else {
    gst_bus_add_watch (bus, on_message, self);
    g_unix_signal_add (SIGINT, on_interrupt, self);
    g_unix_signal_add (SIGTERM, on_interrupt, self);
    g_data_input_stream_read_line_async (
        self->input, G_PRIORITY_DEFAULT, NULL, on_line, self);
    g_main_loop_run (self->loop);
    gst_bus_remove_watch (bus);
  }
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  Application self = {0};

  setlocale (LC_ALL, "");
  gst_init (&argc, &argv);
  if (argc < 3) {
    g_printerr ("Usage: ask QUESTION PIPELINE\n"
                "PIPELINE is as for gst-launch-1.0, with an mblmask or "
                "mblmaskoverlay that has name=ask.\n");
    return 2;
  }
  self.loop = g_main_loop_new (NULL, FALSE);
  if (set_up (&self, (const char **) argv + 2, &error))
    run (&self, argv[1]);
  else
    fail (&self, error->message);
  g_clear_object (&self.input);
  gst_clear_object (&self.ask);
  gst_clear_object (&self.pipeline);
  g_main_loop_unref (self.loop);
  return self.status;
}
