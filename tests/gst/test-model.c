/* test-model.c: models that come and go while an element plays.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fake.h"
#include "kinds.h"
#include "tap.h"

#include <glib/gstdio.h>
#include <string.h>
#ifdef __linux__
#include <sys/inotify.h>
#include <unistd.h>
#endif

static gboolean
is_ask (const Kind *kind)
{
  return g_str_equal (kind->factory, "mblmask");
}

static const char *
model_of (const Kind *kind)
{
  return is_ask (kind) ? helper_qa_model () : helper_text_model ();
}

/* A model by name that it can use. */
static const char *
other_of (const Kind *kind)
{
  return is_ask (kind) ? "scenes" : "text";
}

/* Waits until it is said that a model is there. */
static void
wait_loaded (HelperLine *line, const char *model)
{
  g_autofree char *quoted = g_strdup_printf ("“%s”", model);
  gboolean done = FALSE;

  while (!done) {
    GstMessage *message = helper_wait (line->element, GST_MESSAGE_PROGRESS);
    g_autofree char *text = NULL;
    GstProgressType type;

    g_assert_nonnull (message);
    gst_message_parse_progress (message, &type, NULL, &text);
    done = type == GST_PROGRESS_TYPE_COMPLETE && strstr (text, quoted);
    gst_message_unref (message);
  }
}

/* Sets the model and waits for what comes of it: a warning, or that it is there. */
static void
set_model (HelperLine *line, const char *model, gboolean good)
{
  gboolean done = FALSE, warned = FALSE;
  GstMessage *message;
  GstProgressType type;
  g_autofree char *quoted = g_strdup_printf ("“%s”", model);

  g_object_set (line->element, "model", model, NULL);
  while (!done || (!good && !warned)) {
    message = helper_wait (
        line->element, GST_MESSAGE_PROGRESS | GST_MESSAGE_WARNING);
    g_assert_nonnull (message);
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
      g_assert_false (good);
      g_assert_false (warned);
      warned = TRUE;
    } else {
      g_autofree char *text = NULL;

      /* That the first one is loaded may be said only now. */
      gst_message_parse_progress (message, &type, NULL, &text);
      done = strstr (text, quoted) &&
          type == (good ? GST_PROGRESS_TYPE_COMPLETE : GST_PROGRESS_TYPE_ERROR);
    }
    gst_message_unref (message);
  }
}

/* The element has its first model, and nothing of its messages is left. */
static void
begin (HelperLine *line, const Kind *kind)
{
  helper_line (line, kind->factory);
  helper_feed_begin (line->feed, kind->caps, GST_FORMAT_TIME);
  g_assert_cmpint (helper_line_push (line, 0), ==, GST_FLOW_OK);
  g_assert_true (helper_tap_wait (line->tap, "buffer@0+10"));
  helper_count (line->element, GST_MESSAGE_ANY);
}

static void
wait_model (HelperLine *line, const char *wanted)
{
  for (guint i = 0; i < 10000; i++) {
    g_autofree char *model = NULL;

    g_object_get (line->element, "model", &model, NULL);
    if (g_strcmp0 (model, wanted) == 0)
      return;
    g_usleep (1000);
  }
  g_assert_not_reached ();
}

/* A bad model while playing: one warning, the old one stays and is what the
 * property says. */
static void
test_bad (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;

    begin (&line, kind);
    set_model (&line, "/no/such/model", FALSE);
    wait_model (&line, model_of (kind));
    g_assert_cmpint (helper_line_push (&line, 1), ==, GST_FLOW_OK);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, "buffer@0+10 buffer@10+10 eos"));
    helper_check_messages (line.element, 0, 0);
    helper_line_done (&line);
  }
}

/* A model for the other task: the warning names an element that takes it. */
static void
test_other_task (void)
{
  FOR_EACH (kind)
  {
    const char *model = is_ask (kind) ? helper_text_model ()
                                      : helper_qa_model ();
    const char *user = is_ask (kind) ? "mblmgenerate" : "mblmask";
    HelperLine line;
    GstMessage *message;
    g_autoptr (GError) error = NULL;

    begin (&line, kind);
    g_object_set (line.element, "model", model, NULL);
    message = helper_wait (line.element, GST_MESSAGE_WARNING);
    g_assert_nonnull (message);
    gst_message_parse_warning (message, &error, NULL);
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_nonnull (strstr (error->message, user));
    gst_message_unref (message);
    wait_model (&line, model_of (kind));
    g_assert_cmpint (helper_line_push (&line, 1), ==, GST_FLOW_OK);
    g_assert_true (helper_tap_wait (line.tap, "buffer@10+10"));
    helper_line_done (&line);
  }
}

/* A good one takes over, and no buffer is lost on the way. */
static void
test_good (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;

    begin (&line, kind);
    for (guint round = 0; round < 4; round++) {
      g_object_set (line.element, "model",
          round % 2 ? model_of (kind) : other_of (kind), NULL);
      for (guint n = 0; n < 10; n++)
        g_assert_cmpint (
            helper_line_push (&line, 10 * round + n + 1), ==, GST_FLOW_OK);
    }
    set_model (&line, other_of (kind), TRUE);
    g_assert_cmpint (helper_line_push (&line, 41), ==, GST_FLOW_OK);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, "buffer@0+10 buffer@410+10 eos"));
    g_assert_cmpuint (line.tap->buffers->len, ==, 42);
    helper_check_messages (line.element, 0, 0);
    helper_line_done (&line);
  }
}

/* What comes from the model that took over is what it says from the start. */
static void
test_takes_over (void)
{
  HelperLine line, fresh;
  GstBuffer *one, *other;
  GstMapInfo map;

  begin (&line, &kinds[0]);
  g_object_set (line.element, "max-bytes", 20, NULL);
  set_model (&line, "text", TRUE);
  helper_line_push (&line, 1);
  g_assert_true (helper_tap_wait (line.tap, "buffer@10+10"));
  helper_line (&fresh, "mblmgenerate");
  gst_element_set_state (fresh.element, GST_STATE_NULL);
  g_object_set (fresh.element, "max-bytes", 20, "model", "text", NULL);
  gst_element_set_state (fresh.element, GST_STATE_PLAYING);
  helper_feed_begin (fresh.feed, TEXT, GST_FORMAT_TIME);
  helper_line_push (&fresh, 1);
  g_assert_true (helper_tap_wait (fresh.tap, "buffer@10+10"));
  one = line.tap->buffers->pdata[1];
  other = fresh.tap->buffers->pdata[0];
  g_assert_cmpuint (gst_buffer_get_size (one), ==, gst_buffer_get_size (other));
  gst_buffer_map (one, &map, GST_MAP_READ);
  g_assert_cmpint (gst_buffer_memcmp (other, 0, map.data, map.size), ==, 0);
  gst_buffer_unmap (one, &map);
  helper_line_done (&fresh);
  helper_line_done (&line);
}

static void
copy_model (const char *from, const char *to)
{
  g_autoptr (GDir) dir = g_dir_open (from, 0, NULL);
  const char *name;

  g_assert_nonnull (dir);
  g_mkdir_with_parents (to, 0700);
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *source = g_build_filename (from, name, NULL);
    g_autofree char *target = g_build_filename (to, name, NULL);
    g_autofree char *data = NULL;
    gsize size;

    if (g_file_get_contents (source, &data, &size, NULL))
      g_assert_true (g_file_set_contents (target, data, size, NULL));
  }
}

/* --- what can't take over, and what has already --- */

static void
count_notify (GObject *object, GParamSpec *spec, gpointer user_data)
{
  g_atomic_int_inc ((gint *) user_data);
}

/* Not the model alone is taken back: nothing of what failed is left. */
static void
test_taken_back (void)
{
  static const char *const names[] = {
      "model", "device", "precision", "threads"};
  g_autofree char *first = helper_fake_model ("first", MBLM_TASK_TEXT, NULL, 0);
  g_autofree char *second = helper_fake_model (
      "second", MBLM_TASK_TEXT, NULL, 0);
  g_autofree char *device = NULL;
  gint notified[G_N_ELEMENTS (names)] = {0};
  HelperLine line;
  GstMessage *message;
  guint threads;
  gint precision;

  begin (&line, &kinds[0]);
  set_model (&line, first, TRUE);
  fake_stop_clock ();
  fake_set_speed (0, 0, GST_SECOND);
  g_object_set (line.element, "model", second, NULL);
  /* While that is being loaded, what comes next is put together. */
  g_assert_true (fake_wait_busy ());
  g_object_set (line.element, "device", "toaster", "threads", 3, "model",
      "/no/such/model", NULL);
  gst_util_set_object_arg (G_OBJECT (line.element), "precision", "bf16");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *signal = g_strconcat ("notify::", names[i], NULL);

    g_signal_connect (
        line.element, signal, G_CALLBACK (count_notify), &notified[i]);
  }
  fake_reset ();
  message = helper_wait (line.element, GST_MESSAGE_WARNING);
  g_assert_nonnull (message);
  gst_message_unref (message);
  wait_model (&line, second);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    for (guint n = 0; n < 5000 && !g_atomic_int_get (&notified[i]); n++)
      g_usleep (1000);
    g_assert_cmpint (g_atomic_int_get (&notified[i]), ==, 1);
  }
  g_object_get (line.element, "device", &device, "threads", &threads,
      "precision", &precision, NULL);
  g_assert_cmpstr (device, ==, "auto");
  g_assert_cmpuint (threads, ==, 0);
  g_assert_cmpint (precision, ==, 0);
  helper_line_done (&line);
}

/* What the second of two prompts comes to, between which the model is `set` to what
 * it is, and written `anew`. */
static GBytes *
continue_with (gboolean set, gboolean anew)
{
  g_autofree char *path = helper_path ("again");
  GstBuffer *last;
  GstMapInfo map;
  GBytes *bytes;
  HelperLine line;

  copy_model (helper_text_model (), path);
  helper_line (&line, "mblmgenerate");
  gst_element_set_state (line.element, GST_STATE_NULL);
  g_object_set (line.element, "model", path, "max-bytes", 20, NULL);
  gst_element_set_state (line.element, GST_STATE_PLAYING);
  wait_loaded (&line, path); /* which of two of this name is there matters */
  helper_feed_begin (line.feed, TEXT, GST_FORMAT_TIME);
  helper_line_push (&line, 0);
  g_assert_true (helper_tap_wait (line.tap, "buffer@0+10"));
  helper_count (line.element, GST_MESSAGE_ANY);
  if (anew)
    copy_model (helper_text_model (), path);
  if (set)
    set_model (&line, path, TRUE);
  helper_line_push (&line, 1);
  g_assert_true (helper_tap_wait (line.tap, "buffer@10+10"));
  last = line.tap->buffers->pdata[1];
  gst_buffer_map (last, &map, GST_MAP_READ);
  bytes = g_bytes_new (map.data, map.size);
  gst_buffer_unmap (last, &map);
  helper_line_done (&line);
  return bytes;
}

/* The same model again goes on where it was, unless its files have changed. */
static void
test_again (void)
{
  g_autoptr (GBytes) unset = continue_with (FALSE, FALSE);
  g_autoptr (GBytes) again = continue_with (TRUE, FALSE);
  g_autoptr (GBytes) anew = continue_with (TRUE, TRUE);

  g_assert_true (g_bytes_equal (again, unset));
  g_assert_false (g_bytes_equal (anew, unset));
}

/* --- files --- */

/* Every file of the folder becomes this, in place; NULL: goes, and the folder. */
static void
overwrite_model (const char *path, const char *with)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir))) {
    g_autofree char *file = g_build_filename (path, name, NULL);
    FILE *stream;

    if (!with) {
      g_remove (file);
      continue;
    }
    stream = fopen (file, "w");
    g_assert_nonnull (stream);
    fputs (with, stream);
    fclose (stream);
  }
  if (!with)
    g_rmdir (path);
}

/* The files of the model at work are cut off, deleted, and replaced: it works on,
 * and what is there is looked at when it is set again. */
static void
test_files (void)
{
  FOR_EACH (kind)
  {
    g_autofree char *path = helper_path ("copy");
    HelperLine line;

    copy_model (model_of (kind), path);
    helper_line (&line, kind->factory);
    gst_element_set_state (line.element, GST_STATE_NULL);
    g_object_set (line.element, "model", path, NULL);
    gst_element_set_state (line.element, GST_STATE_PLAYING);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    helper_line_push (&line, 0);
    g_assert_true (helper_tap_wait (line.tap, "buffer@0+10"));
    helper_count (line.element, GST_MESSAGE_ANY);

    overwrite_model (path, "");
    helper_line_push (&line, 1);
    g_assert_true (helper_tap_wait (line.tap, "buffer@10+10"));
    set_model (&line, path, FALSE);
    overwrite_model (path, "nonsense");
    set_model (&line, path, FALSE);
    overwrite_model (path, NULL);
    set_model (&line, path, FALSE);
    helper_line_push (&line, 2);
    g_assert_true (helper_tap_wait (line.tap, "buffer@20+10"));
    copy_model (model_of (kind), path);
    set_model (&line, path, TRUE);
    helper_line_push (&line, 3);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, "buffer@30+10 eos"));
    g_assert_cmpuint (line.tap->buffers->len, ==, 4);
    helper_check_messages (line.element, 0, 0);
    overwrite_model (path, NULL);
    helper_line_done (&line);
  }
}

/* --- starting --- */

/* Another model at once, before the first has even begun to be loaded: with one
 * that is bad, or good, the first buffer is worked on. */
static void
test_at_once (void)
{
  for (guint i = 0; i < 90; i++) {
    const Kind *kind = &kinds[i % 3];
    gboolean bad = i % 2;
    HelperLine line;

    helper_line (&line, kind->factory);
    gst_element_set_state (line.element, GST_STATE_NULL);
    helper_count (line.element, GST_MESSAGE_ANY);
    gst_element_set_state (line.element, GST_STATE_READY);
    g_object_set (line.element, "threads", 1, NULL);
    if (bad)
      g_object_set (line.element, "model", "/no/such/model", NULL);
    gst_element_set_state (line.element, GST_STATE_PLAYING);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    g_assert_cmpint (helper_line_push (&line, 0), ==, GST_FLOW_OK);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, "buffer@0+10 eos"));
    if (bad)
      wait_model (&line, model_of (kind));
    gst_element_set_state (line.element, GST_STATE_NULL);
    helper_check_messages (line.element, bad, 0);
    helper_line_done (&line);
  }
}

/* To NULL while a model is being loaded, in any state, and again. */
static void
test_null_while_loading (void)
{
  static const GstState states[] = {
      GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING};

  FOR_EACH (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    gst_element_set_state (line.element, GST_STATE_NULL);
    helper_count (line.element, GST_MESSAGE_ANY);
    g_object_set (line.element, "model", other_of (kind), NULL);
    for (guint i = 0; i < 30; i++) {
      g_assert_cmpint (gst_element_set_state (line.element, states[i % 3]), ==,
          GST_STATE_CHANGE_SUCCESS);
      if (i % 3 > 0) {
        helper_feed_free (line.feed);
        line.feed = helper_feed (line.element, "sink");
        helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
        g_assert_cmpint (helper_line_push (&line, i), ==, GST_FLOW_OK);
      }
      if (i % 4 == 1)
        g_object_set (line.element, "model", model_of (kind), NULL);
      g_assert_cmpint (gst_element_set_state (line.element, GST_STATE_NULL), ==,
          GST_STATE_CHANGE_SUCCESS);
      g_object_set (line.element, "model", other_of (kind), NULL);
    }
    helper_check_messages (line.element, 0, 0);
    helper_feed_free (line.feed);
    line.feed = helper_feed (line.element, "sink");
    gst_element_set_state (line.element, GST_STATE_PLAYING);
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    helper_line_push (&line, 100);
    g_assert_true (helper_tap_wait (line.tap, "buffer@1000+10"));
    helper_line_done (&line);
  }
}

/* Two elements with one model: that one of them can't start is nothing to the
 * other, whichever was first. */
static void
test_one_fails (void)
{
  FOR_EACH (kind)
  {
    for (guint i = 0; i < 2; i++) {
      HelperLine line;
      GstElement *other = helper_element (kind->factory);

      g_object_set (other, "device", "toaster", NULL);
      if (i == 0)
        g_assert_cmpint (gst_element_set_state (other, GST_STATE_READY), ==,
            GST_STATE_CHANGE_FAILURE);
      begin (&line, kind);
      if (i == 1)
        g_assert_cmpint (gst_element_set_state (other, GST_STATE_READY), ==,
            GST_STATE_CHANGE_FAILURE);
      helper_check_messages (other, 0, 1);
      helper_line_push (&line, 1);
      g_assert_true (helper_tap_wait (line.tap, "buffer@10+10"));
      helper_check_messages (line.element, 0, 0);
      /* And it starts once it is told better. */
      g_object_set (other, "device", "cpu", NULL);
      g_assert_cmpint (gst_element_set_state (other, GST_STATE_PLAYING), ==,
          GST_STATE_CHANGE_SUCCESS);
      helper_line_done (&line);
      helper_drop (other);
    }
  }
}

/* Elements that are only looked at, by a registry scan too, open no model; one
 * that starts does. */
static void
test_looked_at (void)
{
#ifdef __linux__
  g_autofree char *models = helper_path ("watched");
  g_autofree char *path = g_build_filename (models, "text", NULL);
  g_autofree char *out = NULL, *err = NULL;
  char events[4096];
  gint status, fd = inotify_init1 (IN_NONBLOCK);
  const char *argv[] = {"gst-inspect-1.0", "mblm", NULL};
  g_autofree char *registry = helper_path ("registry.bin");
  g_auto (GStrv) environment = g_get_environ ();
  g_autoptr (GError) error = NULL;
  GstElement *element;

  copy_model (helper_text_model (), path);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (inotify_add_watch (fd, path, IN_OPEN | IN_ACCESS), >=, 0);
  /* A program without a sanitizer can't load what has it. */
  if (!g_getenv ("ASAN_OPTIONS") && !g_getenv ("TSAN_OPTIONS")) {
    environment = g_environ_setenv (
        environment, "GST_REGISTRY", registry, TRUE);
    environment = g_environ_setenv (
        environment, "MBLM_MODEL_PATH", models, TRUE);
    g_assert_true (g_spawn_sync (NULL, (char **) argv, environment,
        G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, &error));
    g_assert_no_error (error);
    g_assert_nonnull (strstr (out, "mblmscore"));
  }
  element = helper_element ("mblmscore");
  g_object_set (element, "model", path, NULL);
  g_assert_cmpint (read (fd, events, sizeof events), <, 0);

  g_assert_cmpint (gst_element_set_state (element, GST_STATE_READY), ==,
      GST_STATE_CHANGE_SUCCESS);
  g_assert_cmpint (read (fd, events, sizeof events), >, 0);
  helper_drop (element);
  close (fd);
#else
  g_test_skip ("nobody tells here which files are opened");
#endif
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/model/bad", test_bad);
  g_test_add_func ("/model/other-task", test_other_task);
  g_test_add_func ("/model/good", test_good);
  g_test_add_func ("/model/takes-over", test_takes_over);
  g_test_add_func ("/model/taken-back", test_taken_back);
  g_test_add_func ("/model/again", test_again);
  g_test_add_func ("/model/files", test_files);
  g_test_add_func ("/model/at-once", test_at_once);
  g_test_add_func ("/model/null-while-loading", test_null_while_loading);
  g_test_add_func ("/model/one-fails", test_one_fails);
  g_test_add_func ("/model/looked-at", test_looked_at);
  return helper_end ();
}
