/* test-properties.c: every property, with every value, at any time.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "kinds.h"
#include "tap.h"

#include <string.h>

/* --- every value --- */

/* Values of a property that are as far out as they can be; the last one is the
 * default. */
static guint
list_values (GParamSpec *spec, GValue values[4])
{
  GType type = G_PARAM_SPEC_VALUE_TYPE (spec);

  for (guint i = 0; i < 4; i++)
    g_value_init (&values[i], type);
  if (type == G_TYPE_STRING) {
    g_value_set_string (&values[0], "\xff\xfe,\xc3");
    g_value_set_string (&values[1], "");
    g_value_set_string (&values[2], NULL);
  } else if (type == G_TYPE_BOOLEAN) {
    g_value_set_boolean (&values[0], TRUE);
    g_value_set_boolean (&values[1], FALSE);
  } else if (type == G_TYPE_UINT) {
    g_value_set_uint (&values[0], G_PARAM_SPEC_UINT (spec)->minimum);
    g_value_set_uint (&values[1], G_PARAM_SPEC_UINT (spec)->maximum);
  } else if (type == G_TYPE_INT) {
    g_value_set_int (&values[0], G_PARAM_SPEC_INT (spec)->minimum);
    g_value_set_int (&values[1], G_PARAM_SPEC_INT (spec)->maximum);
  } else if (type == G_TYPE_UINT64) {
    g_value_set_uint64 (&values[0], G_PARAM_SPEC_UINT64 (spec)->minimum);
    g_value_set_uint64 (&values[1], G_PARAM_SPEC_UINT64 (spec)->maximum);
  } else if (type == G_TYPE_INT64) {
    g_value_set_int64 (&values[0], G_PARAM_SPEC_INT64 (spec)->minimum);
    g_value_set_int64 (&values[1], G_PARAM_SPEC_INT64 (spec)->maximum);
  } else if (type == G_TYPE_DOUBLE) {
    g_value_set_double (&values[0], G_PARAM_SPEC_DOUBLE (spec)->minimum);
    g_value_set_double (&values[1], G_PARAM_SPEC_DOUBLE (spec)->maximum);
  } else if (G_TYPE_IS_ENUM (type)) {
    g_value_set_enum (
        &values[0], G_PARAM_SPEC_ENUM (spec)->enum_class->minimum);
    g_value_set_enum (
        &values[1], G_PARAM_SPEC_ENUM (spec)->enum_class->maximum);
  } else {
    g_error ("a property of type %s", g_type_name (type));
  }
  g_param_value_set_default (spec, &values[3]);
  if (type != G_TYPE_STRING)
    g_param_value_set_default (spec, &values[2]);
  return 4;
}

static void
count_notify (GObject *object, GParamSpec *spec, gpointer user_data)
{
  g_atomic_int_inc ((gint *) user_data);
}

/* Whether a property reads as it was set. NULL and "" are the default of `model` and
 * `device`; with a model at work, what can't be loaded is taken back at any time. */
static gboolean
reads_as_set (GObject *object, GParamSpec *spec, const GValue *value)
{
  static const char *const loads[] = {
      "model", "device", "precision", "threads", NULL};

  if (g_strv_contains (loads, spec->name) &&
      GST_STATE (object) > GST_STATE_NULL)
    return FALSE;
  return !(g_str_equal (spec->name, "model") ||
             g_str_equal (spec->name, "device")) ||
      (g_value_get_string (value) && *g_value_get_string (value));
}

/* Sets a property to all of them and reads it; each time somebody is told. */
static void
set_all (GObject *object, GParamSpec *spec)
{
  g_autofree char *signal = g_strconcat ("notify::", spec->name, NULL);
  GValue values[4] = {G_VALUE_INIT}, before = G_VALUE_INIT;
  guint n = list_values (spec, values);
  gulong handler;
  gint notified = 0;

  g_value_init (&before, G_PARAM_SPEC_VALUE_TYPE (spec));
  if (spec->flags & G_PARAM_READABLE)
    g_object_get_property (object, spec->name, &before);
  handler = g_signal_connect (
      object, signal, G_CALLBACK (count_notify), &notified);
  for (guint i = 0; i < n; i++) {
    GValue now = G_VALUE_INIT;

    g_object_set_property (object, spec->name, &values[i]);
    if (!(spec->flags & G_PARAM_READABLE))
      continue;
    g_assert_cmpint (g_atomic_int_get (&notified), >, i);
    g_value_init (&now, G_PARAM_SPEC_VALUE_TYPE (spec));
    g_object_get_property (object, spec->name, &now);
    if (reads_as_set (object, spec, &values[i]))
      g_assert_cmpint (g_param_values_cmp (spec, &values[i], &now), ==, 0);
    else if (G_VALUE_HOLDS_STRING (&now))
      g_assert_nonnull (g_value_get_string (&now));
    g_value_unset (&now);
  }
  g_signal_handler_disconnect (object, handler);
  if (spec->flags & G_PARAM_READABLE)
    g_object_set_property (object, spec->name, &before);
  g_value_unset (&before);
  for (guint i = 0; i < n; i++)
    g_value_unset (&values[i]);
}

/* All that are the element's own. */
static void
set_every_property (GstElement *element)
{
  guint n, n_set = 0;
  GParamSpec **specs = g_object_class_list_properties (
      G_OBJECT_GET_CLASS (element), &n);

  for (guint i = 0; i < n; i++) {
    if (!g_str_has_prefix (g_type_name (specs[i]->owner_type), "GstMblm"))
      continue;
    if (specs[i]->flags & G_PARAM_WRITABLE) {
      set_all (G_OBJECT (element), specs[i]);
      n_set++;
    } else {
      GValue value = G_VALUE_INIT;

      g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (specs[i]));
      g_object_get_property (G_OBJECT (element), specs[i]->name, &value);
      g_value_unset (&value);
    }
  }
  g_assert_cmpuint (n_set, >, 6);
  g_free (specs);
}

/* Nothing is asked of the model between; afterwards it works. */
static void
test_every_state (void)
{
  static const GstState states[] = {
      GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING};

  FOR_EACH (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    gst_element_set_state (line.element, GST_STATE_NULL);
    set_every_property (line.element);
    for (guint i = 0; i < G_N_ELEMENTS (states); i++) {
      g_assert_cmpint (gst_element_set_state (line.element, states[i]), ==,
          GST_STATE_CHANGE_SUCCESS);
      set_every_property (line.element);
    }
    g_assert_cmpuint (helper_count (line.element, GST_MESSAGE_ERROR), ==, 0);
    helper_feed_free (line.feed);
    line.feed = helper_feed (line.element, "sink");
    helper_feed_begin (line.feed, kind->caps, GST_FORMAT_TIME);
    g_assert_cmpint (helper_line_push (&line, 1), ==, GST_FLOW_OK);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, "buffer@10+10 eos"));
    g_assert_cmpuint (helper_count (line.element, GST_MESSAGE_ERROR), ==, 0);
    helper_line_done (&line);
  }
}

static void
test_every_state_overlay (void)
{
  GstElement *overlay = gst_element_factory_make ("mblmaskoverlay", NULL);

  gst_object_ref_sink (overlay);
  g_object_set (overlay, "model", helper_qa_model (), NULL);
  for (GstState state = GST_STATE_NULL; state <= GST_STATE_PLAYING; state++) {
    g_assert_cmpint (
        gst_element_set_state (overlay, state), !=, GST_STATE_CHANGE_FAILURE);
    set_every_property (overlay);
  }
  g_assert_cmpint (gst_element_set_state (overlay, GST_STATE_NULL), ==,
      GST_STATE_CHANGE_SUCCESS);
  gst_object_unref (overlay);
}

/* What can't be said in UTF-8 is never sent as such. */
static void
test_text_is_utf8 (void)
{
  static const char bad[] = "\xc3|\xff|";
  static const char *const factories[] = {"mblmgenerate", "mblmask"};

  for (guint i = 0; i < G_N_ELEMENTS (factories); i++) {
    HelperLine line;
    GstMapInfo map;

    helper_line (&line, factories[i]);
    g_object_set (line.element, "separator", bad, NULL);
    if (i == 0)
      g_object_set (
          line.element, "prompt", bad, "stop", bad, "echo", TRUE, NULL);
    helper_feed_begin (line.feed, i == 0 ? TEXT : RGB, GST_FORMAT_TIME);
    for (guint n = 0; n < 3; n++)
      g_assert_cmpint (helper_line_push (&line, n), ==, GST_FLOW_OK);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (line.tap, "buffer@20+10 eos"));
    for (guint n = 0; n < 3; n++) {
      gst_buffer_map (line.tap->buffers->pdata[n], &map, GST_MAP_READ);
      g_assert_true (g_utf8_validate ((const char *) map.data, map.size, NULL));
      g_assert_nonnull (memchr (map.data, '|', map.size));
      gst_buffer_unmap (line.tap->buffers->pdata[n], &map);
    }
    helper_check_messages (line.element, 0, 0);
    helper_line_done (&line);
  }
}

/* A question or choices that are not UTF-8 are refused while playing, once, and
 * the last ones stay; the message is UTF-8. */
static void
test_question_is_utf8 (void)
{
  static const char *const names[] = {"question", "choices"};

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    HelperLine line;
    GstMessage *message;
    g_autofree char *debug = NULL;

    helper_line (&line, "mblmask");
    helper_feed_begin (line.feed, RGB, GST_FORMAT_TIME);
    helper_line_push (&line, 0);
    g_assert_true (helper_wait_stat (line.element, "units", 1));
    g_object_set (line.element, names[i], "\xff,b", NULL);
    helper_line_push (&line, 1);
    helper_line_push (&line, 2);
    message = helper_wait (line.element, GST_MESSAGE_WARNING);
    g_assert_nonnull (message);
    gst_message_parse_warning (message, NULL, &debug);
    g_assert_nonnull (debug);
    g_assert_true (g_utf8_validate (debug, -1, NULL));
    gst_message_unref (message);
    gst_pad_push_event (line.feed, gst_event_new_eos ());
    g_assert_true (helper_tap_wait (
        line.tap, "buffer@0+10 buffer@10+10 buffer@20+10 eos"));
    helper_check_messages (line.element, 0, 0);
    helper_line_done (&line);
  }
}

/* One error whose text is UTF-8, whatever the property is. */
static void
test_device_is_utf8 (void)
{
  FOR_EACH (kind)
  {
    GstElement *element = helper_element (kind->factory);
    g_autofree char *debug = NULL;
    g_autoptr (GError) error = NULL;
    GstMessage *message;

    g_object_set (element, "device", "\xff\xfe", NULL);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_READY), ==,
        GST_STATE_CHANGE_FAILURE);
    message = helper_wait (element, GST_MESSAGE_ERROR);
    g_assert_nonnull (message);
    gst_message_parse_error (message, &error, &debug);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
    g_assert_true (debug && g_utf8_validate (debug, -1, NULL));
    gst_message_unref (message);
    helper_check_messages (element, 0, 0);
    helper_drop (element);
  }
}

/* The same for a model that is to take over: the messages about it are UTF-8. */
static void
test_model_is_utf8 (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;
    GstMessage *message;

    helper_line (&line, kind->factory);
    g_object_set (line.element, "model", "\xff\xfe", NULL);
    message = helper_wait (line.element, GST_MESSAGE_WARNING);
    g_assert_nonnull (message);
    gst_message_unref (message);
    helper_line_done (&line);
  }
}

/* A file whose name is not UTF-8. */
static void
test_path_is_utf8 (void)
{
  g_autofree char *file = helper_path ("caf\xe9");
  GstElement *source = gst_element_factory_make ("filesrc", NULL);
  GstElement *score = gst_element_factory_make ("mblmscore", NULL);
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);
  GstElement *pipeline = gst_pipeline_new (NULL);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  const char *path = NULL;

  g_assert_true (g_file_set_contents (file, "some bytes", -1, NULL));
  g_object_set (source, "location", file, NULL);
  g_object_set (score, "model", helper_text_model (), NULL);
  gst_util_set_object_arg (G_OBJECT (score), "per", "file");
  gst_bin_add_many (GST_BIN (pipeline), source, score, sink, NULL);
  g_assert_true (gst_element_link_many (source, score, sink, NULL));
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
      GST_MESSAGE_ERROR | GST_MESSAGE_EOS | GST_MESSAGE_ELEMENT);
  g_assert_nonnull (message);
  g_assert_true (gst_message_has_name (message, "mblmscore"));
  path = gst_structure_get_string (gst_message_get_structure (message), "path");
  g_assert_nonnull (path);
  g_assert_true (g_utf8_validate (path, -1, NULL));
  g_assert_nonnull (strstr (path, "/caf\xef\xbf\xbd"));
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

/* --- who listens --- */

static void
read_all (GObject *object)
{
  guint n;
  GParamSpec **specs = g_object_class_list_properties (
      G_OBJECT_GET_CLASS (object), &n);

  for (guint i = 0; i < n; i++) {
    GValue value = G_VALUE_INIT;

    if (!(specs[i]->flags & G_PARAM_READABLE))
      continue;
    g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (specs[i]));
    g_object_get_property (object, specs[i]->name, &value);
    g_value_unset (&value);
  }
  g_free (specs);
}

static GstBusSyncReply
read_on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  g_atomic_int_inc ((gint *) user_data);
  read_all (G_OBJECT (GST_MESSAGE_SRC (message)));
  return GST_BUS_PASS;
}

static void
read_on_notify (GObject *object, GParamSpec *spec, gpointer user_data)
{
  read_all (object);
}

/* What makes an element say all that it says. */
static void
excite (HelperLine *line, const Kind *kind)
{
  GstElement *element = line->element;

  if (g_str_equal (kind->factory, "mblmscore"))
    g_object_set (element, "threshold", 0.001, NULL);
  helper_feed_begin (line->feed, kind->caps, GST_FORMAT_TIME);
  for (guint n = 0; n < 3; n++)
    helper_line_push (line, n);
  g_object_set (element, "latency", G_GINT64_CONSTANT (5), NULL);
  g_assert_true (helper_wait_stat (element, "units", 3));
  /* Told from the loader's thread; with a full queue, which blocks or drops. */
  g_object_set (
      element, "model", "/no/such/model", "max-size-buffers", 1, NULL);
  gst_util_set_object_arg (G_OBJECT (element), "leaky", "upstream");
  for (guint n = 3; n < 40; n++)
    helper_line_push (line, n);
  if (g_str_equal (kind->factory, "mblmask"))
    gst_pad_push (line->feed, helper_buffer ("short", 400, 10));
  gst_pad_push_event (line->feed, gst_event_new_eos ());
  g_assert_true (helper_tap_wait (line->tap, "eos"));
}

static void
test_sync_handler (void)
{
  FOR_EACH (kind)
  {
    HelperLine line;
    GstBus *bus;
    gint messages = 0;

    helper_line (&line, kind->factory);
    bus = gst_element_get_bus (line.element);
    gst_bus_set_sync_handler (bus, read_on_message, &messages, NULL);
    g_signal_connect (
        line.element, "notify", G_CALLBACK (read_on_notify), NULL);
    gst_element_set_state (line.element, GST_STATE_NULL);
    gst_element_set_state (line.element, GST_STATE_PLAYING);
    excite (&line, kind);
    gst_element_set_state (line.element, GST_STATE_READY);
    g_assert_cmpint (g_atomic_int_get (&messages), >, 8);
    gst_bus_set_sync_handler (bus, NULL, NULL, NULL);
    gst_object_unref (bus);
    helper_line_done (&line);
  }
}

/* Nobody reads the bus; it takes nothing; there is none. */
static void
test_no_listener (void)
{
  FOR_EACH (kind)
  {
    for (guint how = 0; how < 3; how++) {
      HelperLine line;
      GstBus *bus;

      helper_line (&line, kind->factory);
      bus = gst_element_get_bus (line.element);
      if (how == 1)
        gst_bus_set_flushing (bus, TRUE);
      else if (how == 2)
        gst_element_set_bus (line.element, NULL);
      for (guint i = 0; i < 3; i++) {
        excite (&line, kind);
        g_assert_true (helper_tap_wait (line.tap, "eos"));
      }
      gst_element_set_bus (line.element, bus);
      gst_object_unref (bus);
      helper_line_done (&line);
    }
  }
}

static void
format_only (GstDebugCategory *category, GstDebugLevel level, const gchar *file,
    const gchar *function, gint line, GObject *object, GstDebugMessage *message,
    gpointer user_data)
{
  g_atomic_int_add (
      (gint *) user_data, gst_debug_message_get (message) != NULL);
}

/* All that can be logged, as text that nobody sees. */
static void
test_log (void)
{
  GstDebugLevel level = gst_debug_get_default_threshold ();
  gint lines = 0;

  gst_debug_remove_log_function (NULL);
  gst_debug_add_log_function (format_only, &lines, NULL);
  gst_debug_set_active (TRUE);
  gst_debug_set_threshold_from_string ("*:9", TRUE);
  FOR_EACH (kind)
  {
    HelperLine line;

    helper_line (&line, kind->factory);
    excite (&line, kind);
    helper_line_done (&line);
  }
  gst_debug_set_threshold_from_string ("", TRUE);
  gst_debug_set_default_threshold (level);
  gst_debug_remove_log_function (format_only);
  g_assert_cmpint (g_atomic_int_get (&lines), >, 1000);
}

int
main (int argc, char **argv)
{
  helper_begin (&argc, &argv);
  g_test_add_func ("/properties/every-state", test_every_state);
  g_test_add_func ("/properties/every-state-overlay", test_every_state_overlay);
  g_test_add_func ("/properties/text-is-utf8", test_text_is_utf8);
  g_test_add_func ("/properties/question-is-utf8", test_question_is_utf8);
  g_test_add_func ("/properties/device-is-utf8", test_device_is_utf8);
  g_test_add_func ("/properties/model-is-utf8", test_model_is_utf8);
  g_test_add_func ("/properties/path-is-utf8", test_path_is_utf8);
  g_test_add_func ("/properties/sync-handler", test_sync_handler);
  g_test_add_func ("/properties/no-listener", test_no_listener);
  g_test_add_func ("/properties/log", test_log);
  return helper_end ();
}
