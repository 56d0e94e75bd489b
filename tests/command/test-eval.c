/* test-eval.c: `mblm scenes` and `mblm eval`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "spawn.h"

#include <math.h>
#include <string.h>

#include <mblm.h>

static char *folder;
/* A model that knows few answers, and has a list of them. */
static char *published;

static char *
make_scenes (const char *name, const char *seed, const char *level)
{
  char *path = g_build_filename (folder, name, NULL);
  g_autoptr (Spawned) s = spawn ("scenes", "--family", "flat", "--count", "6",
      "--size", "80x60", "--questions", "3", "--seed", seed, "--level", level,
      "--output", path, NULL);

  spawned_assert_ok (s);
  g_assert_nonnull (strstr (s->out, path));
  return path;
}

/* A file in a folder. */
static char *
contents (const char *path, const char *name, gsize *size)
{
  g_autofree char *file = g_build_filename (path, name, NULL);
  g_autoptr (GError) error = NULL;
  char *data;

  g_file_get_contents (file, &data, size, &error);
  g_assert_no_error (error);
  return data;
}

/* Pictures, a line for each question, and a page that shows them. */
static void
test_scenes (void)
{
  g_autofree char *path = make_scenes ("one", "5", "usual");
  g_autofree char *again = make_scenes ("two", "5", "usual");
  g_autofree char *other = make_scenes ("three", "6", "usual");
  gsize n, m, k;
  g_autofree char *lines = contents (path, "test.jsonl", &n);
  g_autofree char *same = contents (again, "test.jsonl", &m);
  g_autofree char *not_same = contents (other, "test.jsonl", &k);
  g_autofree char *page = contents (path, "index.html", &k);
  g_auto (GStrv) list = g_strsplit (g_strchomp (lines), "\n", -1);

  g_assert_cmpstr (lines, ==, g_strchomp (same));
  g_assert_cmpstr (lines, !=, g_strchomp (not_same));
  g_assert_cmpuint (g_strv_length (list), >=, 6);
  g_assert_cmpuint (g_strv_length (list), <=, 18);
  for (guint i = 0; list[i]; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = json_from_string (list[i], &error);

    g_assert_no_error (error);
    JsonObject *object = json_node_get_object (node);
    const char *image = json_object_get_string_member (object, "image");
    g_autofree char *file = g_build_filename (path, image, NULL);
    g_autoptr (MblmPicture) picture = mblm_picture_load (file, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (mblm_picture_get_width (picture), ==, 80);
    g_assert_cmpuint (mblm_picture_get_height (picture), ==, 60);
    g_assert_nonnull (strstr (page, image));
    g_assert_cmpstr (json_object_get_string_member (object, "answer"), !=, "");
    g_assert_cmpstr (json_object_get_string_member (object, "type"), !=, "");
  }
}

/* Plain scenes have no two objects to count and to compare; hard ones have. */
static void
test_levels (void)
{
  g_autofree char *plain = make_scenes ("plain", "5", "plain");
  g_autofree char *hard = make_scenes ("hard", "5", "hard");
  gsize n;
  g_autofree char *easy = contents (plain, "test.jsonl", &n);
  g_autofree char *all = contents (hard, "test.jsonl", &n);
  const char *const numbers = "\"count-(shape|color)\"";
  g_autoptr (Spawned) wrong = spawn (
      "scenes", "--family", "flat", "--output", "x", "--level", "easy", NULL);

  g_assert_null (strstr (easy, "\"relation\""));
  g_assert_false (g_regex_match_simple (numbers, easy, 0, 0));
  g_assert_nonnull (strstr (all, "\"relation\""));
  g_assert_true (g_regex_match_simple (numbers, all, 0, 0));
  spawned_assert_fails (wrong, 2, "usual, plain, hard");
}

static gint64
count_confusions (JsonObject *row)
{
  JsonObject *truths = json_object_get_object_member (row, "confusions");
  g_autoptr (GList) names = json_object_get_members (truths);
  gint64 n = 0;

  for (GList *name = names; name; name = name->next) {
    JsonObject *said = json_object_get_object_member (truths, name->data);
    g_autoptr (GList) counts = json_object_get_values (said);

    for (GList *count = counts; count; count = count->next)
      n += json_node_get_int (count->data);
  }
  return n;
}

/* The counts of the rows are those of the last. */
static void
check_rows (Spawned *s, gint64 questions)
{
  guint n = spawned_count_lines (s);
  gint64 asked = 0, right = 0;

  g_assert_cmpuint (n, >, 1);
  for (guint i = 0; i < n; i++) {
    g_autoptr (JsonObject) row = spawned_get_object (s, i);
    double accuracy = json_object_get_double_member (row, "accuracy");
    gint64 here = json_object_get_int_member (row, "questions");

    g_assert_cmpint (json_object_get_int_member (row, "right"), >=, 0);
    g_assert_cmpint (json_object_get_int_member (row, "right"), <=, here);
    g_assert_cmpfloat (json_object_get_double_member (row, "low"), >=, 0);
    g_assert_cmpfloat (json_object_get_double_member (row, "high"), <=, 1);
    g_assert_cmpfloat (
        json_object_get_double_member (row, "low"), <=, accuracy);
    g_assert_cmpfloat (
        json_object_get_double_member (row, "high"), >=, accuracy);
    g_assert_cmpfloat (json_object_get_double_member (row, "frequent"), >, 0);
    g_assert_cmpfloat (json_object_get_double_member (row, "blind"), <=, 1);
    if (i + 1 < n) {
      asked += here;
      right += json_object_get_int_member (row, "right");
      g_assert_cmpint (count_confusions (row), ==, here);
      continue;
    }
    g_assert_cmpstr (json_object_get_string_member (row, "type"), ==, "all");
    g_assert_cmpint (here, ==, questions);
    g_assert_cmpint (asked, ==, here);
    g_assert_cmpint (right, ==, json_object_get_int_member (row, "right"));
    g_assert_cmpfloat_with_epsilon (
        accuracy, (double) right / (double) asked, 1e-12);
  }
}

static void
test_eval (void)
{
  g_autofree char *path = make_scenes ("asked", "1", "usual");
  g_autoptr (Spawned)
      s = spawn ("eval", "scenes", "scenes:flat", "-n", "60", "--json", NULL);
  g_autoptr (Spawned) again = spawn (
      "eval", "scenes", "scenes:flat", "-n", "60", "--json", NULL);
  g_autoptr (Spawned) other = spawn ("eval", "scenes", "scenes:flat", "-n",
      "60", "--seed", "1", "--json", NULL);
  g_autoptr (Spawned) files = spawn (
      "eval", published, path, "--choose", "-n", "5", "--json", NULL);

  spawned_assert_ok (s);
  spawned_assert_ok (other);
  spawned_assert_ok (files);
  check_rows (s, 60);
  check_rows (files, 5);
  g_assert_cmpstr (s->out, ==, again->out);
  g_assert_cmpstr (s->out, !=, other->out);
}

/* Each answer is what `mblm ask` gives for the picture and the question. */
static void
test_answers (void)
{
  g_autofree char *path = make_scenes ("listed", "2", "usual");
  g_autoptr (Spawned) s = spawn ("eval", "scenes", path, "--list", NULL);
  gsize size;
  g_autofree char *text = contents (path, "test.jsonl", &size);
  g_auto (GStrv) asked = g_strsplit (g_strchomp (text), "\n", -1);

  spawned_assert_ok (s);
  g_auto (GStrv) lines = g_strsplit (s->out, "\n", -1);
  for (guint i = 0; i < 4; i++) {
    g_autoptr (JsonNode) node = json_from_string (asked[i], NULL);
    JsonObject *object = json_node_get_object (node);
    const char *question = json_object_get_string_member (object, "question");
    g_autofree char *picture = g_build_filename (
        path, json_object_get_string_member (object, "image"), NULL);
    g_autoptr (Spawned)
        one = spawn ("ask", "scenes", picture, "-q", question, NULL);
    g_auto (GStrv) fields = g_strsplit (one->out, "\t", -1);

    g_assert_cmpuint (g_strv_length (fields), ==, 4);
    g_autofree char *line = g_strdup_printf ("%s\t%s\t%s\t%s",
        json_object_get_string_member (object, "type"), question,
        json_object_get_string_member (object, "answer"), fields[2]);

    g_assert_cmpstr (lines[i], ==, line);
  }
}

/* The default model can be asked what the family asks, whatever it answers. */
static void
test_model (void)
{
  g_autoptr (Spawned)
      s = spawn ("eval", "scenes", "scenes:flat", "-n", "20", "--json", NULL);

  spawned_assert_ok (s);
  check_rows (s, 20);
}

/* Every wrong answer is on the page, with its picture. */
static void
test_report (void)
{
  g_autofree char *path = g_build_filename (folder, "report", NULL);
  g_autoptr (Spawned) s = spawn ("eval", published, "scenes:flat", "-n", "60",
      "--output", path, "--json", NULL);
  g_autoptr (Spawned) twice = spawn (
      "eval", published, "scenes:flat", "-n", "1", "--output", path, NULL);
  gsize size;

  spawned_assert_ok (s);
  spawned_assert_fails (twice, 1, "report");
  check_rows (s, 60);
  g_autofree char *page = contents (path, "index.html", &size);
  g_autoptr (JsonObject)
      all = spawned_get_object (s, spawned_count_lines (s) - 1);
  gint64 wrong = 60 - json_object_get_int_member (all, "right");

  g_assert_cmpint (wrong, >, 0);
  for (gint64 i = 0; i <= wrong; i++) {
    g_autofree char *name = g_strdup_printf ("%03d.png", (int) i);
    g_autofree char *file = g_build_filename (path, name, NULL);

    g_assert_true ((strstr (page, name) != NULL) == (i < wrong));
    g_assert_true (g_file_test (file, G_FILE_TEST_EXISTS) == (i < wrong));
  }
}

/* A folder of one picture with these lines of questions about it, each with %u for
 * its number; its path. */
static char *
make_questions (const char *name, const char *format, guint n)
{
  char *path = make_scenes (name, "1", "usual");
  g_autofree char *file = g_build_filename (path, "test.jsonl", NULL);
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < n; i++) {
    g_auto (GStrv) parts = g_strsplit (format, "%u", -1);
    g_autofree char *number = g_strdup_printf ("%u", i);
    g_autofree char *line = g_strjoinv (number, parts);
    g_string_append_printf (lines, "%s\n", line);
  }
  g_file_set_contents (file, lines->str, -1, &error);
  g_assert_no_error (error);
  return path;
}

/* A table of all answers would be as large as their number squared. */
static void
test_many_answers (void)
{
  g_autofree char *path = make_questions ("many",
      "{\"image\": \"000000.png\", \"question\": \"?\", \"answer\": \"a%u\"}",
      70);
  g_autofree char *output = g_build_filename (folder, "many-page", NULL);
  g_autoptr (Spawned)
      s = spawn ("eval", published, path, "--output", output, "--json", NULL);
  gsize size;

  spawned_assert_ok (s);
  check_rows (s, 70);
  g_autofree char *page = contents (output, "index.html", &size);
  g_assert_nonnull (strstr (page, "Too many different answers"));
  g_assert_null (strstr (page, "<th>a7"));
}

/* Where the question stands that can't be asked. */
static void
test_where (void)
{
  g_autofree char *words = g_strnfill (100000, 'w');
  g_autofree char *format = g_strdup_printf (
      "{\"image\": \"000000.png\", \"question\": \"%s\", \"answer\": \"a\"}",
      words);
  g_autofree char *path = make_questions ("long", format, 1);
  g_autoptr (Spawned) s = spawn ("eval", "scenes", path, NULL);

  spawned_assert_fails (s, 1, "test.jsonl, line 1");
}

/* What can't be asked or written is said, and nothing is lost. */
static void
test_errors (void)
{
  g_autofree char *path = make_scenes ("kept", "3", "usual");
  gsize size, still;
  g_autofree char *before = contents (path, "test.jsonl", &size);
  g_autoptr (Spawned) full = spawn (
      "scenes", "--family", "flat", "--count", "1", "--output", path, NULL);
  g_autoptr (Spawned) family = spawn ("eval", "scenes", "scenes:x", NULL);
  g_autoptr (Spawned) none = spawn ("eval", "scenes", folder, NULL);
  g_autoptr (Spawned) task = spawn ("eval", "text", "scenes:flat", NULL);
  g_autoptr (Spawned)
      split = spawn ("eval", "scenes", "scenes:flat", "--split", "all", NULL);
  g_autoptr (Spawned)
      bad = spawn ("scenes", "--family", "x", "--output", "y", NULL);
  g_autoptr (Spawned) size_text = spawn (
      "scenes", "--family", "flat", "--output", "y", "--size", "8", NULL);

  spawned_assert_fails (full, 1, "kept");
  spawned_assert_fails (family, 1, "flat");
  spawned_assert_fails (none, 1, "test.jsonl");
  spawned_assert_fails (task, 1, "mblm generate");
  spawned_assert_fails (split, 2, "--split");
  spawned_assert_fails (bad, 2, "flat");
  spawned_assert_fails (size_text, 2, "--size");
  g_autofree char *after = contents (path, "test.jsonl", &still);
  g_assert_cmpstr (before, ==, after);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  published = g_build_filename (
      g_getenv ("MBLM_TEST_MODELS"), "published", NULL);
  g_test_add_func ("/eval/scenes", test_scenes);
  g_test_add_func ("/eval/levels", test_levels);
  g_test_add_func ("/eval/rows", test_eval);
  g_test_add_func ("/eval/model", test_model);
  g_test_add_func ("/eval/answers", test_answers);
  g_test_add_func ("/eval/report", test_report);
  g_test_add_func ("/eval/many-answers", test_many_answers);
  g_test_add_func ("/eval/where", test_where);
  g_test_add_func ("/eval/errors", test_errors);
  int status = g_test_run ();
  folder_remove (folder);
  g_free (published);
  return status;
}
