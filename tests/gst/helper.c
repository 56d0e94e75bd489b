/* helper.c: small models and harnesses for the tests of elements.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "helper.h"

#include <glib/gstdio.h>
#include <string.h>

#include "fake.h"

#define MODEL                                                                  \
  "num_tokens: 260\npad_token_id: 256\nhidden_dims: [24, 16]\n"                \
  "num_layers: [2, 1]\nseq_lens: [32, 8]\ntrain_checkpoint_chunks: null\n"     \
  "block:\n"                                                                   \
  "- { attn_head_dims: 8, attn_num_heads: 2, attn_use_rot_embs: true, "        \
  "pos_emb_type: fixed }\n"                                                    \
  "- { attn_head_dims: 8, attn_num_heads: 2, attn_use_rot_embs: true, "        \
  "pos_emb_type: fixed }\n"

static const char text_json[] =
    "{ \"format\": 1, \"name\": \"small-text\", "
    "\"task\": \"text\", \"tokens\": { \"pad\": 256 "
    "} }";
static const char qa_json[] =
    "{ \"format\": 1, \"name\": \"small-qa\", \"task\": \"qa\", "
    "\"tokens\": { \"pad\": 256, \"end\": 257, \"text\": 258, \"image\": 259 "
    "}, "
    "\"image\": { \"width\": 4, \"height\": 3 }, "
    "\"sample\": [\"question\", \"image\", \"question\", \"answer\"], "
    "\"align\": true, \"segment_bytes\": { \"question\": 16 } }";

static char *folder, *text_model, *qa_model;

static char *
make_model (const char *name, const char *json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmConfig)
      config = mblm_config_parse (MODEL, strlen (MODEL), name, &error);
  char *path = helper_path (name);
  g_autofree char *file = g_build_filename (path, "mblm.json", NULL);

  g_assert_no_error (error);
  mblm_model_create (config, 7, path, &error);
  g_assert_no_error (error);
  g_file_set_contents (file, json, -1, &error);
  g_assert_no_error (error);
  return path;
}

void
helper_make_models (void)
{
  folder = g_dir_make_tmp ("mblm-gst-XXXXXX", NULL);
  text_model = make_model ("small-text", text_json);
  qa_model = make_model ("small-qa", qa_json);
}

void
helper_begin (int *argc, char ***argv)
{
  gst_init (argc, argv);
  g_test_init (argc, argv, NULL);
  helper_make_models ();
}

/* A link goes, and never what it leads to: that may be anybody's. */
static void
remove_tree (const char *path)
{
  gboolean is_link = g_file_test (path, G_FILE_TEST_IS_SYMLINK);
  g_autoptr (GDir) dir = is_link ? NULL : g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *child = g_build_filename (path, name, NULL);

    remove_tree (child);
  }
  g_remove (path);
}

void
helper_remove_models (void)
{
  remove_tree (folder);
  g_clear_pointer (&folder, g_free);
  g_clear_pointer (&text_model, g_free);
  g_clear_pointer (&qa_model, g_free);
}

int
helper_end (void)
{
  int result = g_test_run ();

  helper_remove_models ();
  gst_deinit ();
  return result;
}

const char *
helper_text_model (void)
{
  return text_model;
}

const char *
helper_qa_model (void)
{
  return qa_model;
}

char *
helper_path (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

char *
helper_fake_model (
    const char *name, MblmTask task, const char *text, double prompt)
{
  char *path = helper_path (name);

  fake_model (
      path, &(FakeOptions){.task = task, .text = text, .prompt = prompt});
  return path;
}

GstElement *
helper_element (const char *factory)
{
  GstElement *element = gst_element_factory_make (factory, NULL);
  GstBus *bus = gst_bus_new ();

  g_assert_nonnull (element);
  gst_object_ref_sink (element);
  gst_element_set_bus (element, bus);
  gst_object_unref (bus);
  g_object_set (element, "model",
      g_str_equal (factory, "mblmask") ? qa_model : text_model, NULL);
  gst_util_set_object_arg (G_OBJECT (element), "leaky", "no");
  if (!g_str_equal (factory, "mblmscore"))
    gst_util_set_object_arg (G_OBJECT (element), "timing", "frame");
  return element;
}

GstHarness *
helper_harness (GstElement *element)
{
  return gst_harness_new_with_element (element, "sink", "src");
}

void
helper_drop (GstElement *element)
{
  GstBus *bus = gst_element_get_bus (element);

  gst_element_set_state (element, GST_STATE_NULL);
  gst_bus_set_flushing (bus, TRUE);
  gst_object_unref (bus);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
}

void
helper_done (GstHarness *harness)
{
  GstElement *element = gst_object_ref (harness->element);

  gst_element_set_state (element, GST_STATE_NULL);
  gst_harness_teardown (harness);
  helper_drop (element);
  gst_object_unref (element);
}

GstMessage *
helper_wait (GstElement *element, GstMessageType types)
{
  GstBus *bus = gst_element_get_bus (element);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, 60 * GST_SECOND, types);

  gst_object_unref (bus);
  return message;
}

guint
helper_count (GstElement *element, GstMessageType types)
{
  GstBus *bus = gst_element_get_bus (element);
  GstMessage *message;
  guint n = 0;

  while ((message = gst_bus_pop_filtered (bus, types))) {
    n++;
    gst_message_unref (message);
  }
  gst_object_unref (bus);
  return n;
}

void
helper_check_messages (GstElement *element, guint warnings, guint errors)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (element);
  GstMessage *message;
  guint n_warnings = 0, n_errors = 0;

  while ((message = gst_bus_pop (bus))) {
    n_warnings += GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING;
    n_errors += GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR;
    gst_message_unref (message);
  }
  g_assert_cmpuint (n_warnings, ==, warnings);
  g_assert_cmpuint (n_errors, ==, errors);
}

GstMessage *
helper_wait_named (GstElement *element, const char *name)
{
  GstMessage *message;

  while ((message = helper_wait (element, GST_MESSAGE_ELEMENT))) {
    if (gst_message_has_name (message, name))
      return message;
    gst_message_unref (message);
  }
  return NULL;
}

gboolean
helper_is_error (GstMessage *message, GQuark domain, gint code)
{
  g_autoptr (GError) error = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  else
    gst_message_parse_warning (message, &error, NULL);
  g_test_message ("%s", error->message);
  return g_error_matches (error, domain, code);
}

GstBuffer *
helper_buffer (const char *text, GstClockTime pts, GstClockTime duration)
{
  gsize size = strlen (text);
  GstBuffer *buffer = size > 0 ? gst_buffer_new_memdup (text, size)
                               : gst_buffer_new ();

  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = duration;
  return buffer;
}

gboolean
helper_wait_eos (GstHarness *harness)
{
  for (guint i = 0; i < 5000; i++) {
    g_autoptr (GstEvent)
        event = gst_pad_get_sticky_event (harness->sinkpad, GST_EVENT_EOS, 0);

    if (event)
      return TRUE;
    g_usleep (1000);
  }
  return FALSE;
}

char *
helper_pull_text (GstHarness *harness)
{
  GString *text = g_string_new (NULL);
  GstBuffer *buffer;

  g_assert_true (helper_wait_eos (harness));
  while ((buffer = gst_harness_try_pull (harness))) {
    GstMapInfo map;

    g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
    g_string_append_len (text, (const char *) map.data, map.size);
    gst_buffer_unmap (buffer, &map);
    gst_buffer_unref (buffer);
  }
  return g_string_free (text, FALSE);
}

char *
helper_text (GstBuffer *buffer)
{
  GstMapInfo map;
  char *text;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  text = g_strndup ((const char *) map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  return text;
}

GstEvent *
helper_sticky (GstHarness *harness, GstEventType type)
{
  return gst_pad_get_sticky_event (harness->sinkpad, type, 0);
}

GstBuffer *
helper_frame (guint width, guint height, guint seed, GstClockTime pts,
    GstClockTime duration)
{
  gsize stride = GST_ROUND_UP_4 (width * 3);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, stride * height, NULL);
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = g_rand_int_range (random, 0, 256);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = duration;
  return buffer;
}

static gboolean
is_of_disorder (const char *message)
{
  return strstr (message, "Sticky event misordering") ||
      strstr (message, "Got data flow before");
}

static gboolean
is_fatal (const char *domain, GLogLevelFlags level, const char *message,
    gpointer user_data)
{
  return !is_of_disorder (message);
}

/* GTest's own writes “Bail out!” before it asks whether a message is fatal. */
static void
log_order (const char *domain, GLogLevelFlags level, const char *message,
    gpointer user_data)
{
  if (is_of_disorder (message))
    g_test_message ("%s", message);
  else
    g_log_default_handler (domain, level, message, NULL);
}

void
helper_allow_disorder (void)
{
  g_log_set_handler (
      "GStreamer", G_LOG_LEVEL_WARNING | G_LOG_FLAG_FATAL, log_order, NULL);
  g_test_log_set_fatal_handler (is_fatal, NULL);
}

guint64
helper_stat (GstElement *element, const char *name)
{
  GstStructure *stats;
  guint64 value = 0;
  guint small;

  g_object_get (element, "stats", &stats, NULL);
  if (gst_structure_get_uint (stats, name, &small))
    value = small;
  else
    g_assert_true (gst_structure_get_uint64 (stats, name, &value));
  gst_structure_free (stats);
  return value;
}

gboolean
helper_wait_stat (GstElement *element, const char *name, guint64 least)
{
  gint64 end = g_get_monotonic_time () + 60 * G_TIME_SPAN_SECOND;

  while (helper_stat (element, name) < least) {
    if (g_get_monotonic_time () > end)
      return FALSE;
    g_usleep (1000);
  }
  return TRUE;
}
