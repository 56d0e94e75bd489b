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

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
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
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 5 * GST_SECOND, types);

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

/* --- pads of the test's own --- */

#define WATCHDOG (10 * G_TIME_SPAN_SECOND)

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

/* FALSE: the message ends nothing. */
static gboolean
is_fatal (const char *domain, GLogLevelFlags level, const char *message,
    gpointer user_data)
{
  return (level & G_LOG_LEVEL_WARNING) == 0 ||
      (!strstr (message, "Sticky event misordering") &&
          !strstr (message, "Got data flow before"));
}

void
helper_allow_disorder (void)
{
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
  gint64 end = g_get_monotonic_time () + WATCHDOG;

  while (helper_stat (element, name) < least) {
    if (g_get_monotonic_time () > end)
      return FALSE;
    g_usleep (1000);
  }
  return TRUE;
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
