/* test-sample.c: how question, picture and answer become ids.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include <json-glib/json-glib.h>

#include "npy.h"
#include "talker.h"

static MblmConfig *
new_config (void)
{
  static const char yaml[] =
      "num_tokens: 260\npad_token_id: 7\nhidden_dims: [8, 8]\n"
      "num_layers: [1, 1]\nseq_lens: [32, 8]\n"
      "block:\n"
      "- { attn_head_dims: 8, attn_num_heads: 1, attn_use_rot_embs: true }\n"
      "- { attn_head_dims: 8, attn_num_heads: 1, attn_use_rot_embs: true }\n";
  g_autoptr (GError) error = NULL;
  MblmConfig *config = mblm_config_parse (
      yaml, strlen (yaml), "config.yaml", &error);
  g_assert_no_error (error);
  return config;
}

static MblmInfo *
new_info (const char *keys)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *json = g_strdup_printf (
      "{ \"format\": 1, \"name\": \"x\", \"task\": \"qa\", \"image\": { "
      "\"width\": 2, \"height\": 1 }, \"sample\": [\"question\", \"image\", "
      "\"answer\"], %s }",
      keys);
  MblmInfo *info = mblm_info_parse (
      json, strlen (json), "mblm.json", 260, &error);
  g_assert_no_error (error);
  return info;
}

static void
assert_segment (const char *keys, MblmSegment segment, const char *text,
    const gint32 *expected, gsize n)
{
  g_autoptr (MblmConfig) config = new_config ();
  g_autoptr (MblmInfo) info = new_info (keys);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  gint32 before = 42;

  g_assert_cmpuint (
      mblm_sample_length (config, info, segment, strlen (text)), ==, n);
  g_array_append_val (ids, before);
  mblm_sample_append (
      ids, config, info, segment, (const guint8 *) text, strlen (text));
  g_assert_cmpuint (ids->len, ==, n + 1);
  g_assert_cmpint (g_array_index (ids, gint32, 0), ==, 42);
  g_assert_cmpmem (
      ids->data + sizeof (gint32), n * sizeof (gint32), expected, n * 4);
}

#define ASSERT_SEGMENT(keys, segment, text, ...)                               \
  G_STMT_START                                                                 \
  {                                                                            \
    const gint32 expected[] = {__VA_ARGS__};                                   \
    assert_segment (keys, segment, text, expected, G_N_ELEMENTS (expected));   \
  }                                                                            \
  G_STMT_END

static void
test_segments (void)
{
  ASSERT_SEGMENT (
      TALKER_TOKENS, MBLM_SEGMENT_QUESTION, "ab", 258, 'a', 'b', 257);
  ASSERT_SEGMENT (TALKER_TOKENS, MBLM_SEGMENT_IMAGE, "ab", 259, 'a', 'b', 257);
  ASSERT_SEGMENT (TALKER_TOKENS, MBLM_SEGMENT_ANSWER, "", 258, 257);
  /* tokens that a model has not are not written */
  ASSERT_SEGMENT (
      "\"tokens\": { \"end\": 1 }", MBLM_SEGMENT_IMAGE, "ab", 'a', 'b', 1);
  ASSERT_SEGMENT ("\"tokens\": {}", MBLM_SEGMENT_QUESTION, "a", 'a');
}

static void
test_padding (void)
{
  /* whole patches of 8 */
  ASSERT_SEGMENT (TALKER_TOKENS ", \"align\": true", MBLM_SEGMENT_QUESTION,
      "abcde", 258, 'a', 'b', 'c', 'd', 'e', 257, 256);
  ASSERT_SEGMENT (TALKER_TOKENS ", \"align\": true", MBLM_SEGMENT_QUESTION,
      "abcdef", 258, 'a', 'b', 'c', 'd', 'e', 'f', 257);
  /* the pad of the configuration where mblm.json has none */
  ASSERT_SEGMENT ("\"tokens\": { \"text\": 258 }, \"align\": true",
      MBLM_SEGMENT_QUESTION, "abcde", 258, 'a', 'b', 'c', 'd', 'e', 7, 7);
  /* at least as many as told, whole patches beyond */
  const char *least = TALKER_TOKENS
      ", \"align\": true, \"segment_bytes\": { \"question\": 16 }";
  ASSERT_SEGMENT (least, MBLM_SEGMENT_QUESTION, "a", 258, 'a', 257, 256, 256,
      256, 256, 256, 256, 256, 256, 256, 256, 256, 256, 256);
  ASSERT_SEGMENT (least, MBLM_SEGMENT_QUESTION, "0123456789abcde", 258, '0',
      '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 257,
      256, 256, 256, 256, 256, 256, 256);
  ASSERT_SEGMENT (
      least, MBLM_SEGMENT_ANSWER, "a", 258, 'a', 257, 256, 256, 256, 256, 256);
}

static void
test_answer (void)
{
  g_autoptr (MblmInfo) info = new_info (TALKER_TOKENS);
  g_autoptr (MblmInfo) none = new_info ("\"tokens\": {}");
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  mblm_sample_open_answer (ids, none);
  g_assert_cmpuint (ids->len, ==, 0);
  mblm_sample_open_answer (ids, info);
  g_assert_cmpuint (ids->len, ==, 1);
  g_assert_cmpint (g_array_index (ids, gint32, 0), ==, 258);
}

/* The prompts that the published code trained its model on. */
static void
test_published (void)
{
  g_autoptr (MblmModel) model = talker_load_published ();
  const char *path = mblm_model_get_path (model);
  g_autofree char *samples = g_build_filename (path, "samples", NULL);
  g_autofree char *list = g_build_filename (samples, "questions.json", NULL);
  g_autofree char *prompts = g_build_filename (samples, "prompt-ids.npy", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_auto (MblmNpy) expected = {0};
  g_autoptr (MblmAsker) asker = mblm_asker_new (model, &error);
  g_assert_no_error (error);

  mblm_npy_load_ids (prompts, &expected, &error);
  g_assert_no_error (error);
  json_parser_load_from_file (parser, list, &error);
  g_assert_no_error (error);
  JsonArray *questions = json_node_get_array (json_parser_get_root (parser));
  g_assert_cmpuint (json_array_get_length (questions), ==, expected.shape[0]);
  for (guint i = 0; i < expected.shape[0]; i++) {
    JsonObject *entry = json_array_get_object_element (questions, i);
    g_autofree char *file = g_build_filename (
        samples, json_object_get_string_member (entry, "picture"), NULL);
    g_autoptr (MblmPicture) picture = mblm_picture_load (file, &error);
    g_assert_no_error (error);
    g_autoptr (GBytes) bytes = mblm_picture_to_bytes (
        picture, mblm_info_get_image (mblm_model_get_info (model)), &error);
    g_assert_no_error (error);
    mblm_asker_set_question (
        asker, json_object_get_string_member (entry, "question"), &error);
    g_assert_no_error (error);
    g_autoptr (GArray) ids = mblm_asker_get_prompt_ids (asker, bytes, &error);
    g_assert_no_error (error);
    g_assert_cmpmem (ids->data, ids->len * sizeof (gint32),
        (gint32 *) expected.data + i * expected.shape[1],
        expected.shape[1] * sizeof (gint32));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sample/segments", test_segments);
  g_test_add_func ("/sample/padding", test_padding);
  g_test_add_func ("/sample/answer", test_answer);
  g_test_add_func ("/sample/published", test_published);
  return g_test_run ();
}
