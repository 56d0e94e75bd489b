/* test-ask.c: `mblm ask`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "spawn.h"

#include <math.h>
#include <string.h>

/* The model that the published code trained. */
static char *published;

static char *
sample (const char *name)
{
  return g_build_filename (published, "samples", name, NULL);
}

/* The answers that the published code gave to the model's sample pictures. */
static void
test_samples (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *list = sample ("questions.json");
  g_autoptr (GError) error = NULL;

  json_parser_load_from_file (parser, list, &error);
  g_assert_no_error (error);
  JsonArray *questions = json_node_get_array (json_parser_get_root (parser));
  g_assert_cmpuint (json_array_get_length (questions), >, 0);

  for (guint i = 0; i < json_array_get_length (questions); i++) {
    JsonObject *entry = json_array_get_object_element (questions, i);
    const char *question = json_object_get_string_member (entry, "question");
    g_autofree char *picture = sample (
        json_object_get_string_member (entry, "picture"));
    g_autoptr (Spawned) s = spawn (
        "ask", published, picture, "--question", question, "--json", NULL);

    spawned_assert_ok (s);
    g_autoptr (JsonObject) object = spawned_get_object (s, 0);
    double p = json_object_get_double_member (object, "probability");

    g_assert_cmpstr (json_object_get_string_member (object, "answer"), ==,
        json_object_get_string_member (entry, "answer"));
    g_assert_cmpstr (
        json_object_get_string_member (object, "path"), ==, picture);
    g_assert_cmpstr (
        json_object_get_string_member (object, "question"), ==, question);
    g_assert_false (json_object_has_member (object, "choices"));
    g_assert_cmpfloat (p, >, 0);
    g_assert_cmpfloat (p, <=, 1);
  }
}

static void
test_choices (void)
{
  g_autofree char *picture = sample ("scene01.png");
  g_autoptr (Spawned) s = spawn ("ask", published, picture, picture,
      "--question", "What color is the object?", "--choices",
      "red, yellow,blue", "--json", NULL);
  g_autoptr (Spawned) text = spawn ("ask", published, picture, "--question",
      "What color is the object?", "--choices", "red,yellow", NULL);
  double sum = 0;

  spawned_assert_ok (s);
  g_assert_cmpuint (spawned_count_lines (s), ==, 2);
  g_autoptr (JsonObject) object = spawned_get_object (s, 1);
  JsonArray *choices = json_object_get_array_member (object, "choices");
  g_assert_cmpuint (json_array_get_length (choices), ==, 3);
  for (guint i = 0; i < 3; i++)
    sum += json_object_get_double_member (
        json_array_get_object_element (choices, i), "probability");
  g_assert_cmpfloat_with_epsilon (sum, 1, 1e-9);
  g_assert_cmpstr (json_object_get_string_member (
                       json_array_get_object_element (choices, 1), "text"),
      ==, "yellow");
  g_assert_cmpstr (
      json_object_get_string_member (object, "answer"), ==, "yellow");

  spawned_assert_ok (text);
  g_auto (GStrv) fields = g_strsplit (text->out, "\t", -1);
  g_assert_cmpuint (g_strv_length (fields), ==, 6);
  g_assert_cmpstr (fields[2], ==, "yellow");
  g_assert_true (g_str_has_prefix (fields[4], "red=0."));
}

/* Several questions about several pictures: the same answers as to each alone. */
static void
test_questions (void)
{
  static const char *const questions[] = {
      "What color is the object?", "Where is the object?", ""};
  g_autofree char *a = sample ("scene00.png");
  g_autofree char *b = sample ("scene01.png");
  g_autoptr (GString) expected = g_string_new (NULL);
  g_autoptr (Spawned) s = spawn ("ask", "scenes", a, b, "-q", questions[0],
      "-q", questions[1], "-q", questions[2], NULL);
  g_autoptr (Spawned) bad = spawn ("ask", "scenes", "missing.png", a, "-q",
      questions[0], "-q", questions[1], NULL);

  for (guint i = 0; i < 6; i++) {
    g_autoptr (Spawned) one = spawn (
        "ask", "scenes", i < 3 ? a : b, "-q", questions[i % 3], NULL);

    spawned_assert_ok (one);
    g_string_append (expected, one->out);
  }
  spawned_assert_ok (s);
  g_assert_cmpstr (s->out, ==, expected->str);

  /* a bad picture is reported once */
  g_assert_cmpint (bad->status, ==, 1);
  g_assert_cmpuint (spawned_count_lines (bad), ==, 2);
  const char *first = strstr (bad->err, "missing.png");
  g_assert_nonnull (first);
  g_assert_null (strstr (first + 1, "missing.png"));
}

/* A bad picture is reported; the others are answered. */
static void
test_bad_picture (void)
{
  g_autofree char *folder = folder_new ();
  g_autofree char *picture = sample ("scene00.png");
  g_autofree char *data = NULL;
  gsize size;
  g_assert_true (g_file_get_contents (picture, &data, &size, NULL));
  g_autofree char *cut = folder_write (folder, "cut.png", data, size / 2);
  g_autofree char *text = folder_write (folder, "text.jpg", "no picture", -1);
  g_autofree char *empty = folder_write (folder, "empty.png", "", 0);
  g_autoptr (Spawned) s = spawn ("ask", published, cut, text, picture, empty,
      "missing.png", "-q", "How many objects are there?", NULL);

  g_assert_cmpint (s->status, ==, 1);
  g_assert_cmpuint (spawned_count_lines (s), ==, 1);
  g_assert_true (g_str_has_prefix (s->out, picture));
  g_assert_nonnull (strstr (s->err, "cut.png: "));
  g_assert_nonnull (strstr (s->err, "text.jpg: "));
  g_assert_nonnull (strstr (s->err, "empty.png: "));
  g_assert_nonnull (strstr (s->err, "missing.png: No such file"));

  g_autoptr (Spawned) piped = spawn_with (
      data, size, "ask", published, "-", "-q", "How many objects?", NULL);
  spawned_assert_ok (piped);
  folder_remove (g_steal_pointer (&folder));
}

static void
test_bad_questions (void)
{
  g_autofree char *picture = sample ("scene00.png");
  g_autofree char *longest = g_strnfill (4000, 'x');
  g_autoptr (Spawned)
      latin = spawn ("ask", published, picture, "-q", "caf\xe9", NULL);
  g_autoptr (Spawned)
      longer = spawn ("ask", published, picture, "-q", longest, NULL);
  g_autoptr (Spawned) doubled = spawn (
      "ask", published, picture, "-q", "?", "-c", "a,b,a", NULL);
  g_autoptr (Spawned)
      empty = spawn ("ask", published, picture, "-q", "?", "-c", "a,,b", NULL);
  g_autoptr (Spawned)
      none = spawn ("ask", published, picture, "-q", "?", "-c", "", NULL);

  spawned_assert_fails (latin, 1, "UTF-8");
  spawned_assert_fails (longer, 1, "too long");
  spawned_assert_fails (doubled, 1, "twice");
  spawned_assert_fails (empty, 1, "empty");
  spawned_assert_fails (none, 1, "empty");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  published = g_build_filename (
      g_getenv ("MBLM_TEST_MODELS"), "published", NULL);
  g_test_add_func ("/command/ask/samples", test_samples);
  g_test_add_func ("/command/ask/choices", test_choices);
  g_test_add_func ("/command/ask/questions", test_questions);
  g_test_add_func ("/command/ask/bad-picture", test_bad_picture);
  g_test_add_func ("/command/ask/bad-questions", test_bad_questions);
  int status = g_test_run ();
  g_free (published);
  return status;
}
