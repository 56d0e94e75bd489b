/* test-formats-info.c: mblm.json.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <mblm.h>
#include <string.h>

#include "formats.h"
#include "fresh.h"

#define HEAD "\"format\": 1, \"name\": \"x\", \"task\": "
#define TEXT HEAD "\"text\""
#define IMAGE                                                                  \
  "\"image\": {\"width\": 24, \"height\": 18}, \"sample\": [\"image\", "       \
  "\"question\", \"answer\"]"
#define QA HEAD "\"qa\""
#define WITH_IMAGE(more)                                                       \
  "{" QA ", \"sample\": [\"image\", \"answer\"], \"image\": {\"width\": 24, "  \
  "\"height\": 18" more "}}"

static MblmInfo *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  MblmInfo *info = mblm_info_parse (
      text, strlen (text), "test.json", 260, &error);

  g_assert_no_error (error);
  return info;
}

static void
check_written (MblmInfo *info)
{
  g_autofree char *json = mblm_info_to_json (info);
  g_autoptr (MblmInfo) again = parse (json);
  g_autofree char *twice = mblm_info_to_json (again);

  g_assert_cmpstr (json, ==, twice);
}

static void
test_full (void)
{
  g_autoptr (MblmInfo) info = parse (
      "{" QA
      ", \"licence\": \"CC0-1.0\", \"trained_on\": \"a \\\"few\\\" scenes\","
      "\"figures\": {\"b\": [1, 2.5e3], \"a\": null} ,"
      "\"tokens\": {\"pad\": 256, \"end\": 257, \"text\": 258, "
      "\"image\": null},"
      "\"image\": {\"width\": 24, \"height\": 18, \"order\": \"planar\","
      "\"filter\": \"area\", \"crop\": [0.1, 0.25], \"bins\": 8,"
      "\"shift\": 10, \"stream\": \"jpeg\", \"quality\": 30},"
      "\"sample\": [\"question\", \"image\", \"question\", \"answer\"],"
      "\"align\": true, \"segment_bytes\": {\"question\": 48},"
      "\"answers\": [\"red\", \"bl\\u00fc\"]}");
  const MblmImageLayout *image = mblm_info_get_image (info);
  guint n;
  const MblmSegment *sample = mblm_info_get_sample (info, &n);

  g_assert_cmpint (mblm_info_get_task (info), ==, MBLM_TASK_QA);
  g_assert_cmpstr (mblm_info_get_name (info), ==, "x");
  g_assert_cmpstr (mblm_info_get_licence (info), ==, "CC0-1.0");
  g_assert_cmpstr (
      mblm_info_get_figures (info), ==, "{\"b\": [1, 2.5e3], \"a\": null}");
  g_assert_cmpint (mblm_info_get_token (info, MBLM_TOKEN_END), ==, 257);
  g_assert_cmpint (mblm_info_get_token (info, MBLM_TOKEN_IMAGE), ==, -1);
  g_assert_true (mblm_info_is_explicit (info));
  g_assert_true (mblm_info_is_special (info, 258));
  g_assert_false (mblm_info_is_special (info, 259));
  g_assert_false (mblm_info_is_special (info, -1));
  g_assert_cmpuint (image->width, ==, 24);
  g_assert_cmpint (image->order, ==, MBLM_ORDER_PLANAR);
  g_assert_cmpint (image->filter, ==, MBLM_FILTER_AREA);
  g_assert_cmpfloat (image->crop_w, ==, 0.1);
  g_assert_cmpfloat (image->crop_h, ==, 0.25);
  g_assert_cmpuint (image->bins, ==, 8);
  g_assert_cmpint (image->shift, ==, 10);
  g_assert_true (image->jpeg);
  g_assert_cmpuint (image->quality, ==, 30);
  g_assert_cmpuint (n, ==, 4);
  g_assert_cmpint (sample[1], ==, MBLM_SEGMENT_IMAGE);
  g_assert_true (mblm_info_get_align (info));
  g_assert_cmpuint (
      mblm_info_get_segment_bytes (info, MBLM_SEGMENT_QUESTION), ==, 48);
  g_assert_cmpuint (
      mblm_info_get_segment_bytes (info, MBLM_SEGMENT_IMAGE), ==, 0);
  g_assert_cmpstr (mblm_info_get_answers (info)[1], ==, "bl\303\274");
  g_assert_null (mblm_info_get_answers (info)[2]);
  check_written (info);
}

static void
test_tiles (void)
{
  g_autoptr (MblmInfo)
      info = parse ("{" QA ", \"sample\": [\"image\", "
                    "\"answer\"], \"image\": {\"tile\": [6, 3], \"width\": 24, "
                    "\"height\": 18, \"order\": \"tiles\"}}");
  const MblmImageLayout *image = mblm_info_get_image (info);

  g_assert_cmpint (image->order, ==, MBLM_ORDER_TILES);
  g_assert_cmpuint (image->tile_w, ==, 6);
  g_assert_cmpuint (image->tile_h, ==, 3);
  check_written (info);
}

static void
test_defaults (void)
{
  g_autoptr (MblmInfo) text = parse ("{" TEXT ", \"licence\": null}");
  g_autoptr (MblmInfo) qa = parse ("{" QA ", " IMAGE ", \"answers\": null}");
  g_autoptr (MblmInfo) none = mblm_info_new_default ("folder", 3);
  const MblmImageLayout *image = mblm_info_get_image (qa);
  guint n;

  g_assert_null (mblm_info_get_image (text));
  g_assert_null (mblm_info_get_licence (text));
  g_assert_null (mblm_info_get_figures (text));
  g_assert_null (mblm_info_get_answers (text));
  g_assert_cmpint (mblm_info_get_token (text, MBLM_TOKEN_PAD), ==, -1);
  mblm_info_get_sample (text, &n);
  g_assert_cmpuint (n, ==, 0);
  g_assert_cmpint (image->order, ==, MBLM_ORDER_INTERLEAVED);
  g_assert_false (image->jpeg);
  g_assert_cmpint (image->filter, ==, MBLM_FILTER_LANCZOS);
  g_assert_cmpuint (image->bins, ==, 0);
  g_assert_cmpint (image->shift, ==, -1);
  g_assert_false (mblm_info_is_explicit (none));
  g_assert_cmpint (mblm_info_get_token (none, MBLM_TOKEN_PAD), ==, 3);
  g_assert_cmpint (mblm_info_get_task (none), ==, MBLM_TASK_TEXT);
  check_written (text);
  check_written (qa);
}

static void
test_refused (void)
{
  static const struct {
    const char *text, *part;
  } cases[] = {
      {"", "not valid JSON"},
      {"[]", "must be an object"},
      {"{} {}", "not valid JSON"},
      {"{}", "\"format\" is missing"},
      {"{\"format\": 2}", "format is 2"},
      {"{\"format\": 1.0}", "format is 1.0"},
      {"{\"format\": 1, \"task\": \"text\"}", "\"name\" is missing"},
      {"{\"format\": 1, \"name\": \"x\"}", "\"task\" is missing"},
      {"{" HEAD "\"texts\"}", "one of text, qa"},
      {"{" HEAD "1}", "must be text, qa"},
      {"{" TEXT ", \"nam\": 1}", "did you mean \"name\""},
      {"{" TEXT ", \"name\": \"y\"}", "is there twice"},
      {"{" TEXT ", \"licence\": 3}", "must be a string"},
      {"{" TEXT ", \"licence\": \"\"}", "from 1 to"},
      {"{" TEXT ", \"figures\": 3}", "must be an object"},
      {"{" TEXT ", \"figures\": {\"a\": 1, \"a\": 2}}", "twice"},
      {"{" TEXT ", \"tokens\": {\"pad\": 260}}", "from 0 to 259"},
      {"{" TEXT ", \"tokens\": {\"pad\": -1}}", "from 0 to 259"},
      {"{" TEXT ", \"tokens\": {\"pad\": \"1\"}}", "from 0 to 259"},
      {"{" TEXT ", \"tokens\": {\"pad\": 1, \"end\": 1}}", "the same id"},
      {"{" TEXT ", \"tokens\": {\"stop\": 1}}", "unknown key"},
      {"{" TEXT ", \"tokens\": []}", "must be an object"},
      {"{" TEXT ", \"sample\": [\"answer\"]}", "belongs to the task qa"},
      {"{" TEXT ", \"align\": 1}", "true or false"},
      {"{" TEXT ", \"segment_bytes\": {\"question\": 0}}", "from 1 to"},
      {"{" TEXT ", \"answers\": []}", "is empty"},
      {"{" TEXT ", \"answers\": [\"\"]}", "an empty answer"},
      {"{" TEXT ", \"answers\": [\"a\", \"b\", \"a\"]}", "is there twice"},
      {"{" TEXT ", \"answers\": [\"a\", 1]}", "a list of strings"},
      {"{" TEXT ", \"answers\": [\"\377\"]}", "not UTF-8"},
      {"{" TEXT ", \"answers\": [\"\\u0000\"]}", "a NUL"},
      {"{" QA "}", "needs image"},
      {"{" QA ", \"image\": {\"width\": 4, \"height\": 4}}", "needs a sample"},
      {"{" QA ", \"image\": {\"width\": 4}}", "width and height"},
      {"{" QA ", \"sample\": [\"question\"], \"image\": {\"width\": 4, "
       "\"height\": 4}}",
          "needs a sample"},
      {"{" QA ", \"sample\": [\"image\", \"picture\"]}", "must be a list"},
      {"{" QA ", \"sample\": [\"image\", \"image\", \"image\", \"image\", "
       "\"image\", \"image\", \"image\", \"image\", \"answer\"]}",
          "more than 8"},
      {WITH_IMAGE (", \"width\": 4"), "is there twice"},
      {WITH_IMAGE (", \"order\": \"chw\""),
          "one of interleaved, planar, tiles"},
      {WITH_IMAGE (", \"order\": \"tiles\""), "needs tile"},
      {WITH_IMAGE (", \"tile\": [2, 2]"), "belongs to the order tiles"},
      {WITH_IMAGE (", \"order\": \"tiles\", \"tile\": [5, 3]"), "don't divide"},
      {WITH_IMAGE (", \"tile\": [0, 2]"), "from 1 to 4096"},
      {WITH_IMAGE (", \"tile\": [2]"), "from 1 to 4096"},
      {WITH_IMAGE (", \"tile\": [2, 2, 2]"), "two numbers of pixels"},
      {WITH_IMAGE (", \"tile\": 4"), "two numbers of pixels"},
      {WITH_IMAGE (", \"filter\": \"bicubic\""), "one of lanczos"},
      {WITH_IMAGE (", \"crop\": [0.5, 0]"), "less than 0.5"},
      {WITH_IMAGE (", \"crop\": [0, -0.1]"), "less than 0.5"},
      {WITH_IMAGE (", \"crop\": [0]"), "two numbers"},
      {WITH_IMAGE (", \"crop\": [0, 0, 0]"), "two numbers"},
      {WITH_IMAGE (", \"crop\": [1e999, 0]"), "two numbers"},
      {WITH_IMAGE (", \"bins\": 1"), "from 2 to 256"},
      {WITH_IMAGE (", \"bins\": 257"), "from 2 to 256"},
      {WITH_IMAGE (", \"shift\": 256"), "from 0 to 255"},
      {WITH_IMAGE (", \"bins\": 8, \"shift\": 250"), "goes beyond 255"},
      {WITH_IMAGE (", \"stream\": \"png\""), "one of pixels, jpeg"},
      {WITH_IMAGE (", \"stream\": \"jpeg\""), "needs quality"},
      {WITH_IMAGE (", \"quality\": 30"), "belongs to"},
      {WITH_IMAGE (", \"stream\": \"jpeg\", \"quality\": 101"),
          "from 1 to 100"},
      {WITH_IMAGE (", \"mean\": 1"), "unknown key"},
      {"{" QA ", \"image\": {\"width\": 4097}}", "from 1 to 4096"},
      {"{" QA ", \"image\": {\"height\": 0}}", "from 1 to 4096"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GError *error = NULL;
    MblmInfo *info = mblm_info_parse (
        cases[i].text, strlen (cases[i].text), "test.json", 260, &error);

    formats_expect (
        error, MBLM_ERROR, MBLM_ERROR_CONFIG, cases[i].part, cases[i].text);
    g_assert_null (info);
  }
}

static void
try_damaged (const guint8 *data, gsize n, gsize at, gpointer user_data)
{
  GError *error = NULL;
  g_autoptr (MblmInfo)
      info = mblm_info_parse ((const char *) data, n, "test.json", 260, &error);

  g_assert_true ((info == NULL) == (error != NULL));
  if (error != NULL) {
    g_assert_cmpint (error->code, ==, MBLM_ERROR_CONFIG);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
    g_error_free (error);
  } else {
    check_written (info);
    (*(guint *) user_data)++;
  }
}

static void
test_damaged (void)
{
  const char *text = "{" QA ", " IMAGE ", \"tokens\": {\"pad\": 256, "
                     "\"end\": 257}, \"figures\": {\"a\": [1, \"\\u20ac\"]}, "
                     "\"answers\": [\"a\\n\", \"b\"]}";
  guint taken = 0;

  formats_cut ((const guint8 *) text, strlen (text), 1, try_damaged, &taken);
  g_assert_cmpuint (taken, ==, 0);
  formats_flip ((const guint8 *) text, strlen (text), 1, try_damaged, &taken);
  g_assert_cmpuint (taken, <, strlen (text) / 2);
}

static void
test_models (void)
{
  static const struct {
    const char *variable, *folder, *name;
  } models[] = {
      {"MBLM_MODEL_PATH", "scenes", "scenes"},
      {"MBLM_MODEL_PATH", "text", "text"},
      {"MBLM_TEST_MODELS", "published", "scenes"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autofree char *path = g_build_filename (
        g_getenv (models[i].variable), models[i].folder, "mblm.json", NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (MblmInfo) info = mblm_info_load (path, 260, &error);

    g_assert_no_error (error);
    g_assert_cmpstr (mblm_info_get_name (info), ==, models[i].name);
    check_written (info);
  }

  GError *error = NULL;
  g_assert_null (mblm_info_load ("/nonexistent", 260, &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND, "no such", "path");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/formats/info/full", test_full);
  g_test_add_func ("/formats/info/tiles", test_tiles);
  g_test_add_func ("/formats/info/defaults", test_defaults);
  g_test_add_func ("/formats/info/refused", test_refused);
  g_test_add_func ("/formats/info/damaged", test_damaged);
  g_test_add_func ("/formats/info/models", test_models);
  return g_test_run ();
}
