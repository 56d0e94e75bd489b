/* test-dataset-pictures.c: the data sets of questions about pictures.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "npy.h"
#include "pictures.h"
#include "sets.h"
#include "talker.h"

static char *folder; /* of the test that runs */

static void
put (const char *name, const char *text)
{
  g_free (sets_write (folder, name, text, -1));
}

static void
put_picture (const char *name, MblmPicture *picture)
{
  g_autoptr (GByteArray) png = test_png_rgb (picture);
  g_free (sets_write (folder, name, png->data, png->len));
}

/* That sample `index` can't be read, with an error that says `part`. */
static void
assert_unreadable (MblmDataset *set, guint64 index, int code, const char *part)
{
  gsize n = set->options.length;
  g_autofree gint32 *ids = g_new (gint32, n), *labels = g_new (gint32, n);
  g_autofree float *loss = g_new (float, n);
  g_autofree guint8 *attention = g_new (guint8, n);
  MblmTrainingSample sample = {ids, loss, labels, attention};
  g_autoptr (GError) error = NULL;

  g_assert_false (mblm_dataset_read (set, 0, index, &sample, &error));
  g_assert_error (error, MBLM_ERROR, code);
  if (!strstr (error->message, part))
    g_error ("\"%s\" is not in: %s", part, error->message);
}

/* ------------------------------------------------------------------------- */
/* CLEVR                                                                     */
/* ------------------------------------------------------------------------- */

static MblmDatasetOptions
clevr_options (gsize length, const char *args)
{
  MblmDatasetOptions options = sets_options (
      folder, MBLM_SPLIT_VALID, length, NULL);

  options.config = sets_config (
      "num_tokens: 256\npad_token_id: 128\nhidden_dims: [8]\nnum_layers: [1]\n"
      "seq_lens: [8192]\nblock: { attn_head_dims: 8, attn_num_heads: 1, "
      "attn_use_rot_embs: true }\n");
  options.args = args ? sets_args (args) : NULL;
  return options;
}

static GVariant *
value_of (JsonNode *node)
{
  GType type = json_node_get_value_type (node);

  if (JSON_NODE_HOLDS_ARRAY (node)) {
    GVariantBuilder list;
    JsonArray *array = json_node_get_array (node);

    g_variant_builder_init (&list, G_VARIANT_TYPE ("av"));
    for (guint i = 0; i < json_array_get_length (array); i++)
      g_variant_builder_add (
          &list, "v", value_of (json_array_get_element (array, i)));
    return g_variant_builder_end (&list);
  }
  return type == G_TYPE_BOOLEAN
      ? g_variant_new_boolean (json_node_get_boolean (node))
      : type == G_TYPE_INT64 ? g_variant_new_int64 (json_node_get_int (node))
      : type == G_TYPE_DOUBLE
      ? g_variant_new_double (json_node_get_double (node))
      : g_variant_new_string (json_node_get_string (node));
}

/* The arguments of a file of the golden set. */
static GVariant *
load_args (const char *path, gboolean quirks)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  GVariantDict args;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  JsonObject *object = json_node_get_object (json_parser_get_root (parser));
  GList *keys = json_object_get_members (object);
  g_variant_dict_init (&args, NULL);
  for (GList *l = keys; l; l = l->next)
    g_variant_dict_insert_value (
        &args, l->data, value_of (json_object_get_member (object, l->data)));
  if (quirks)
    g_variant_dict_insert (&args, "published_quirks", "b", TRUE);
  g_list_free (keys);
  return sets_keep_args (g_variant_dict_end (&args));
}

static void
assert_golden (const char *golden, const char *name)
{
  g_autofree char *args = g_strdup_printf ("%s/%s.json", golden, name);
  g_autofree char *ids_path = g_strdup_printf ("%s/%s-ids.npy", golden, name);
  g_autofree char *mask_path = g_strdup_printf (
      "%s/%s-loss-mask.npy", golden, name);
  g_auto (MblmNpy) ids = {0}, mask = {0};
  g_autoptr (GError) error = NULL;

  mblm_npy_load_ids (ids_path, &ids, &error);
  g_assert_no_error (error);
  mblm_npy_load_floats (mask_path, &mask, &error);
  g_assert_no_error (error);
  gsize length = ids.shape[1];
  MblmDatasetOptions options = clevr_options (length, NULL);
  options.args = load_args (args, TRUE);
  g_autoptr (MblmDataset) set = sets_open ("clevr", &options);

  g_assert_cmpuint (mblm_dataset_count (set, 0), ==, ids.shape[0]);
  for (guint i = 0; i < ids.shape[0]; i++) {
    g_autoptr (SetsSample) sample = sets_read (set, 0, i);

    g_assert_cmpmem (sample->sample.ids, length * 4,
        (gint32 *) ids.data + i * length, length * 4);
    g_assert_cmpmem (sample->sample.loss_mask, length * 4,
        (float *) mask.data + i * length, length * 4);
  }
}

/* Copies the pictures of the golden set; FALSE where they are not there. */
static gboolean
copy_pictures (const char *from)
{
  g_autoptr (GDir) dir = g_dir_open (from, 0, NULL);
  const char *name;
  guint n = 0;

  for (; dir && (name = g_dir_read_name (dir)) != NULL; n++) {
    g_autofree char *path = g_build_filename (from, name, NULL);
    g_autofree char *to = g_build_filename ("images/val", name, NULL);
    g_autofree char *data = NULL;
    gsize size;

    g_assert_true (g_file_get_contents (path, &data, &size, NULL));
    g_free (sets_write (folder, to, data, (gssize) size));
  }
  return n > 0;
}

/* Ids and loss masks of the published pipeline. */
static void
test_clevr_golden (void)
{
  const char *shared = g_getenv ("MBLM_TEST_SHARED");
  g_autofree char *golden = g_build_filename (shared, "golden/clevr", NULL);
  g_autofree char *pictures = g_build_filename (
      shared, "data/clevr/samples/renders_b/images", NULL);
  g_autofree char *list = g_build_filename (golden, "questions.json", NULL);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (list, &text, NULL, NULL) ||
      !copy_pictures (pictures)) {
    g_test_skip ("the whole golden set is not here");
    return;
  }
  g_autofree char *questions = g_strdup_printf (
      "{ \"info\": { \"questions\": [{}] }, \"questions\": %s }", text);
  put ("questions/CLEVR_val_questions.json", questions);
  assert_golden (golden, "published");
  assert_golden (golden, "words");
  assert_golden (golden, "bins");
  assert_golden (golden, "bins-shifted");
  assert_golden (golden, "jpeg");
}

/* Two questions about a picture of 5 x 4. */
static MblmPicture *
put_clevr (const char *answer)
{
  MblmPicture *picture = test_picture (5, 4, FALSE);
  g_autofree char *text = g_strdup_printf (
      "{\"questions\": [ {\"image_filename\": \"a.png\", \"question\": \"ab\", "
      "\"program\": [{\"type\": \"}]\"}], \"answer\": \"%s\"},\n"
      "{\"question\": \"c\\\"\", \"answer\": null, "
      "\"image_filename\": \"none.png\"}], \"info\": [{}]}",
      answer);

  put ("questions/CLEVR_val_questions.json", text);
  put_picture ("images/val/a.png", picture);
  return picture;
}

/* Every part with its weight; the picture as it is, planar. */
static void
test_clevr_parts (void)
{
  MblmDatasetOptions options = clevr_options (80,
      "{'qiqa_loss_mask': <[<0.25>, <0.5>, <int64 0>, <1.0>]>, "
      "'eom_token_id': <int64 1>, 'som_text_token_id': <int64 2>, "
      "'som_image_token_id': <int64 3>, 'answer_categorical': <true>}");
  g_autoptr (MblmPicture) picture = put_clevr ("yellow");
  const guint8 *rgb = mblm_picture_get_rgb (picture);
  g_autoptr (MblmDataset) set = sets_open ("clevr", &options);
  g_autoptr (SetsSample) sample = sets_read (set, 5, 0);
  const gint32 *ids = sample->sample.ids;
  const float *weights = sample->sample.loss_mask;
  const gint32 text[] = {2, 'a', 'b', 1}, answer[] = {2, 'Q', 1};

  g_assert_cmpuint (mblm_dataset_count (set, 0), ==, 2);
  g_assert_cmpmem (ids, 16, text, 16);
  g_assert_cmpint (ids[4], ==, 3);
  for (guint i = 0; i < 60; i++)
    g_assert_cmpint (ids[5 + i], ==, rgb[i % 20 * 3 + i / 20]);
  g_assert_cmpint (ids[65], ==, 1);
  g_assert_cmpmem (ids + 66, 16, text, 16);
  g_assert_cmpmem (ids + 70, 12, answer, 12);
  for (guint i = 0; i < 80; i++) {
    float expected = i < 4 ? 0.25f : i < 66 ? 0.5f : i < 70 ? 0.0f : 1.0f;

    g_assert_cmpfloat (weights[i], ==, i < 73 ? expected : 0.0f);
    g_assert_cmpint (sample->sample.labels[i], ==, ids[i]);
    if (i >= 73)
      g_assert_cmpint (ids[i], ==, 128);
  }
  assert_unreadable (set, 1, MBLM_ERROR_INPUT, "entry 2");

  options.args = sets_args ("{'answer_categorical': <false>}");
  options.length = 2 + 60 + 2 + 6;
  g_autoptr (MblmDataset) exact = sets_open ("clevr", &options);
  g_autoptr (SetsSample) bare = sets_read (exact, 0, 0);
  g_assert_cmpint (bare->sample.ids[69], ==, 'w');
  g_assert_cmpfloat (bare->sample.loss_mask[63], ==, 0.0f);
  g_assert_cmpfloat (bare->sample.loss_mask[64], ==, 1.0f);
  options.length--;
  g_autoptr (MblmDataset) too_short = sets_open ("clevr", &options);
  assert_unreadable (too_short, 0, MBLM_ERROR_INPUT, "70 ids");
}

static void
test_clevr_answers (void)
{
  static const char *const answers[] = {"0", "9", "10", "blue", "brown", "cube",
      "cyan", "cylinder", "gray", "green", "large", "metal", "no", "purple",
      "red", "rubber", "small", "sphere", "yellow", "yes"};
  const char *bytes = "09ABCDEFGHIJKLMNOPQR";
  MblmDatasetOptions options = clevr_options (
      100, "{'answer_categorical': <true>}");

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++) {
    g_autoptr (MblmPicture) picture = put_clevr (answers[i]);
    g_autoptr (MblmDataset) set = sets_open ("clevr", &options);
    g_autoptr (SetsSample) sample = sets_read (set, 0, 0);

    g_assert_cmpint (sample->sample.ids[64], ==, bytes[i]);
  }
  g_autoptr (MblmPicture) picture = put_clevr ("11");
  g_autoptr (MblmDataset) set = sets_open ("clevr", &options);
  assert_unreadable (set, 0, MBLM_ERROR_INPUT, "28 answers");
}

static void
test_clevr_refusal (void)
{
  static const char *const wrong[][2] = {
      {"{'target_mode': <'b'>}", "a, qiqa"},
      {"{'qiqa_loss_mask': <[<1.0>, <1.0>]>}", "4 numbers"},
      {"{'qiqa_loss_mask': <[<'1'>, <1.0>, <1.0>, <1.0>]>}", "4 numbers"},
      {"{'resize_to_w': <int64 4>}", "resize_to_h"},
      {"{'crop_h_perc': <0.5>}", "crop_h_perc"},
      {"{'eom_token_id': <int64 256>}", "255"},
      {"{'shift_channels_start': <int64 3>}", "downsample_channels"},
      {"{'enable_jpeg_stream_with_quality': <int64 96>}", "95"},
      {"{'resize_to_wide': <int64 4>}", "resize_to_w"},
  };
  g_autoptr (MblmPicture) picture = put_clevr ("1");
  MblmDatasetOptions options = clevr_options (100, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    options.args = sets_args (wrong[i][0]);
    sets_expect ("clevr", &options, MBLM_ERROR, MBLM_ERROR_CONFIG, wrong[i][1]);
  }
  options.args = NULL;
  options.split = MBLM_SPLIT_TRAIN;
  sets_expect ("clevr", &options, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "train");
  put ("questions/CLEVR_train_questions.json", "{\"questions\": []}");
  sets_expect ("clevr", &options, MBLM_ERROR, MBLM_ERROR_INPUT, "no questions");
  put ("questions/CLEVR_train_questions.json", "{\"answers\": [{}]}");
  sets_expect ("clevr", &options, MBLM_ERROR, MBLM_ERROR_INPUT, "no such list");
  put ("questions/CLEVR_train_questions.json", "{\"questions\": [{}, {");
  sets_expect ("clevr", &options, MBLM_ERROR, MBLM_ERROR_INPUT, "middle");
  put ("questions/CLEVR_train_questions.json", "{\"questions\": [{x}]}");
  sets_expect ("clevr", &options, MBLM_ERROR, MBLM_ERROR_INPUT, "entry 1");
  put ("questions/CLEVR_test_questions.json",
      "{\"questions\": [{\"question\": \"?\"}]}");
  options.split = MBLM_SPLIT_TEST;
  sets_expect ("clevr", &options, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "answer");
}

/* A file of questions that spans many buffers. */
static void
test_clevr_many (void)
{
  g_autoptr (GString) text = g_string_new ("{\"questions\": [");
  MblmDatasetOptions options = clevr_options (100, NULL);
  const guint n = 3000;

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text,
        "%s{\"question\": \"%u\", \"image_filename\": \"a.png\", \"program\": "
        "[{\"inputs\": [0, [1]], \"s\": \"\\\\\\\"{[\"}], \"answer\": \"%u\"}",
        i > 0 ? "," : "", i, i % 10);
  g_string_append (text, "]}");
  g_autoptr (MblmPicture) picture = put_clevr ("1");
  put ("questions/CLEVR_val_questions.json", text->str);
  g_autoptr (MblmDataset) set = sets_open ("clevr", &options);
  g_assert_cmpuint (mblm_dataset_count (set, 0), ==, n);
  for (guint i = 1000; i < n; i += 97) {
    g_autoptr (SetsSample) sample = sets_read (set, 0, i);
    g_autofree char *question = g_strdup_printf ("%u", i);

    for (guint k = 0; k < 4; k++)
      g_assert_cmpint (sample->sample.ids[k], ==, question[k]);
    g_assert_cmpint (sample->sample.ids[68], ==, '0' + i % 10);
  }
}

/* ------------------------------------------------------------------------- */
/* qa                                                                        */
/* ------------------------------------------------------------------------- */

#define QA_INFO                                                                \
  TALKER_TOKENS                                                                \
  ", \"task\": \"qa\", \"image\": { \"width\": 2, \"height\": 1 }, "           \
  "\"sample\": [\"question\", \"image\", \"answer\"], \"align\": true"

static void
test_qa_layout (void)
{
  g_autoptr (MblmPicture) picture = test_picture (2, 1, FALSE);
  const guint8 *p = mblm_picture_get_rgb (picture);
  MblmDatasetOptions options = sets_options (
      folder, MBLM_SPLIT_TRAIN, 34, QA_INFO);
  const gint32 expected[] = {258, 'h', 'i', 257, 256, 256, 256, 256, 259, p[0],
      p[1], p[2], p[3], p[4], p[5], 257, 258, '4', '2', 257, 256, 256, 256, 256,
      256, 256, 256, 256, 256, 256, 256, 256, 256, 256};

  put_picture ("p/a.png", picture);
  put ("train.jsonl",
      "\n{\"image\": \"p/a.png\", \"question\": \"hi\", \"answer\": 42, "
      "\"id\": [1]}\r\n   \n"
      "{\"image\": \"p/a.png\", \"answer\": \"x\"}");
  options.args = sets_args ("{'loss_share': <0.5>}");
  g_autoptr (MblmDataset) set = sets_open ("qa", &options);
  g_autoptr (SetsSample) sample = sets_read (set, 0, 0);

  g_assert_cmpuint (mblm_dataset_count (set, 3), ==, 2);
  g_assert_cmpmem (sample->sample.ids, 34 * 4, expected, sizeof (expected));
  for (guint i = 0; i < 34; i++)
    g_assert_cmpfloat (sample->sample.loss_mask[i], ==,
        expected[i] == 256 || expected[i] == 258 || expected[i] == 259 ? 0.0f
            : i < 16                                                   ? 0.5f
                                                                       : 1.0f);

  /* a caption; by default all but the answer weighs nothing */
  options.args = NULL;
  options.length = 16;
  g_autoptr (MblmDataset) bare = sets_open ("qa", &options);
  g_autoptr (SetsSample) caption = sets_read (bare, 0, 1);
  g_assert_cmpmem (caption->sample.ids, 8 * 4, expected + 8, 8 * 4);
  g_assert_cmpint (caption->sample.ids[9], ==, 'x');
  g_assert_cmpint (caption->sample.ids[10], ==, 257);
  for (guint i = 0; i < 16; i++)
    g_assert_cmpfloat (
        caption->sample.loss_mask[i], ==, i < 9 || i > 10 ? 0.0f : 1.0f);
  assert_unreadable (bare, 0, MBLM_ERROR_INPUT, "24 ids");
}

/* The prompts that the published code trained its model on. */
static void
test_qa_prompts (void)
{
  g_autoptr (MblmModel) model = talker_load_published ();
  g_autofree char *samples = g_build_filename (
      mblm_model_get_path (model), "samples", NULL);
  g_autofree char *list = g_build_filename (samples, "questions.json", NULL);
  g_autofree char *prompts = g_build_filename (samples, "prompt-ids.npy", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_auto (MblmNpy) expected = {0};

  mblm_npy_load_ids (prompts, &expected, &error);
  g_assert_no_error (error);
  json_parser_load_from_file (parser, list, &error);
  g_assert_no_error (error);
  JsonArray *questions = json_node_get_array (json_parser_get_root (parser));
  for (guint i = 0; i < expected.shape[0]; i++) {
    JsonObject *entry = json_array_get_object_element (questions, i);

    g_string_append_printf (lines,
        "{\"image\": \"%s/%s\", \"question\": \"%s\", \"answer\": \"%s\"}\n",
        samples, json_object_get_string_member (entry, "picture"),
        json_object_get_string_member (entry, "question"),
        json_object_get_string_member (entry, "answer"));
  }
  put ("valid.jsonl", lines->str);

  gsize n = expected.shape[1];
  MblmDatasetOptions options = sets_options (
      folder, MBLM_SPLIT_VALID, n + 32, NULL);
  options.config = mblm_model_get_config (model);
  options.info = mblm_model_get_info (model);
  g_autoptr (MblmDataset) set = sets_open ("qa", &options);
  for (guint i = 0; i < expected.shape[0]; i++) {
    JsonObject *entry = json_array_get_object_element (questions, i);
    const char *answer = json_object_get_string_member (entry, "answer");
    g_autoptr (SetsSample) sample = sets_read (set, 0, i);
    const gint32 *ids = sample->sample.ids;

    g_assert_cmpmem (ids, n * 4, (gint32 *) expected.data + i * n, n * 4);
    for (guint k = 0; k < strlen (answer); k++)
      g_assert_cmpint (ids[n + k], ==, answer[k]);
    g_assert_cmpint (ids[n + strlen (answer)], ==, 257);
  }
}

static void
test_qa_errors (void)
{
  g_autoptr (MblmPicture) picture = test_picture (2, 1, FALSE);
  MblmDatasetOptions options = sets_options (
      folder, MBLM_SPLIT_TRAIN, 64, QA_INFO);
  g_autofree char *path = g_build_filename (folder, "train.jsonl", NULL);

  sets_expect ("qa", &options, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "train.jsonl");
  put ("train.jsonl", "\n \n");
  sets_expect ("qa", &options, MBLM_ERROR, MBLM_ERROR_INPUT, "no questions");
  put_picture ("a.png", picture);
  put ("b.png", "this is none");
  put ("train.jsonl",
      "{\"image\": \"a.png\", \"answer\": \"good\"}\n"
      "{\"image\": \"none.png\", \"answer\": \"x\"}\n"
      "{\"image\": \"a.png\", \"answer\": \"x\"\n"
      "{\"image\": \"b.png\", \"answer\": \"x\"}\n"
      "{\"image\": \"a.png\"}\n"
      "{\"answer\": \"x\"}\n"
      "{\"image\": \"a.png\", \"answer\": [1]}\n"
      "{\"answer\": \"x\", \"image\": \"a.png\", \"answer\": \"y\"}\n"
      "[1]\n"
      "{\"image\": \"a.png\", \"answer\": \"good\"} 1\n");
  g_autoptr (MblmDataset) set = sets_open ("qa", &options);
  g_assert_cmpuint (mblm_dataset_count (set, 0), ==, 10);
  assert_unreadable (set, 1, MBLM_ERROR_NOT_FOUND, "none.png");
  assert_unreadable (set, 2, MBLM_ERROR_INPUT, "line 3");
  /* a picture's line is told too */
  assert_unreadable (set, 1, MBLM_ERROR_NOT_FOUND, "train.jsonl, line 2: ");
  assert_unreadable (set, 3, MBLM_ERROR_INPUT, "train.jsonl, line 4: ");
  assert_unreadable (set, 3, MBLM_ERROR_INPUT, "b.png");
  assert_unreadable (set, 4, MBLM_ERROR_INPUT, "line 5: has no \"answer\"");
  assert_unreadable (set, 5, MBLM_ERROR_INPUT, "line 6: has no \"image\"");
  assert_unreadable (set, 6, MBLM_ERROR_INPUT, "line 7");
  assert_unreadable (set, 7, MBLM_ERROR_INPUT, "twice");
  assert_unreadable (set, 8, MBLM_ERROR_INPUT, "object");
  assert_unreadable (set, 9, MBLM_ERROR_INPUT, "line 10");
  g_assert_cmpint (truncate (path, 10), ==, 0);
  assert_unreadable (set, 4, MBLM_ERROR_INPUT, "shorter after it was opened");

  options.info = sets_keep_object (mblm_info_new_default ("x", 256));
  sets_expect ("qa", &options, MBLM_ERROR, MBLM_ERROR_CONFIG, "mblm.json");
}

/* Left out when the set is opened: what has no picture, is no object, or is too
 * long. */
static void
test_qa_skip (void)
{
  g_autoptr (MblmPicture) picture = test_picture (2, 1, FALSE);
  MblmDatasetOptions options = sets_options (
      folder, MBLM_SPLIT_TRAIN, 64, QA_INFO);

  put_picture ("a.png", picture);
  g_autofree char *much = g_strnfill (2 << 20, 'x');
  g_autofree char *lines = g_strdup_printf (
      "{\"image\": \"none.png\", \"answer\": \"x\"}\n"
      "{\"image\": \"a.png\", \"answer\": \"1\"}\n"
      "{]\n"
      "{\"image\": \"a.png\", \"answer\": \"%s\"}\n"
      "{\"image\": \"a.png\", \"answer\": \"2\"}\n",
      much);
  put ("train.jsonl", lines);
  sets_expect ("qa", &options, MBLM_ERROR, MBLM_ERROR_INPUT, "line 4");
  options.skip_unreadable = TRUE;
  g_test_expect_message ("mblm", G_LOG_LEVEL_WARNING, "*none.png*left out*");
  g_test_expect_message ("mblm", G_LOG_LEVEL_WARNING, "*line 3*left out*");
  g_test_expect_message (
      "mblm", G_LOG_LEVEL_WARNING, "*line 4*more than*left out*");
  g_autoptr (MblmDataset) set = sets_open ("qa", &options);
  g_test_assert_expected_messages ();
  g_assert_cmpuint (mblm_dataset_count (set, 0), ==, 2);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (SetsSample) sample = sets_read (set, 0, i);
    g_assert_cmpint (sample->sample.ids[9], ==, '1' + i);
  }
}

static void
run (gconstpointer data)
{
  folder = fresh_folder ();
  ((GTestFunc) data) ();
  fresh_remove (folder);
}

int
main (int argc, char **argv)
{
  const struct {
    const char *name;
    GTestFunc func;
  } tests[] = {
      {"clevr/golden", test_clevr_golden},
      {"clevr/parts", test_clevr_parts},
      {"clevr/answers", test_clevr_answers},
      {"clevr/refusal", test_clevr_refusal},
      {"clevr/many", test_clevr_many},
      {"qa/layout", test_qa_layout},
      {"qa/prompts", test_qa_prompts},
      {"qa/errors", test_qa_errors},
      {"qa/skip", test_qa_skip},
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++) {
    g_autofree char *name = g_strconcat ("/dataset/", tests[i].name, NULL);
    g_test_add_data_func (name, (gconstpointer) tests[i].func, run);
  }
  return g_test_run ();
}
