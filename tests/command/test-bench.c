/* test-bench.c: `mblm bench` of models that see pictures.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Figures are there and hang together; how large they are is the machine's.
 */

#include "spawn.h"

/* What a benchmark with one run prints. */
static JsonObject *
measure (const char *kind)
{
  g_autoptr (Spawned) s = spawn ("bench", kind, "--model", "scenes", "--runs",
      "1", "--threads", "1", "--json", NULL);
  JsonObject *object;

  spawned_assert_ok (s);
  g_assert_cmpuint (spawned_count_lines (s), ==, 1);
  object = spawned_get_object (s, 0);
  g_assert_cmpstr (json_object_get_string_member (object, "bench"), ==, kind);
  g_assert_cmpstr (
      json_object_get_string_member (object, "model"), ==, "scenes");
  g_assert_cmpfloat (
      json_object_get_double_member (object, "product_roof"), >, 0);
  return object;
}

static void
test_scenes (void)
{
  g_autoptr (JsonObject) object = measure ("scenes");

  g_assert_cmpfloat (
      json_object_get_double_member (object, "flat_scenes"), >, 0);
  g_assert_cmpfloat (
      json_object_get_double_member (object, "clevr_scenes"), >, 0);
}

static void
test_ask (void)
{
  g_autoptr (JsonObject) object = measure ("ask");
  double answer = json_object_get_double_member (object, "answer_seconds");

  g_assert_cmpfloat (answer, >, 0);
  g_assert_cmpfloat_with_epsilon (
      json_object_get_double_member (object, "choices_ratio"),
      json_object_get_double_member (object, "choices_seconds") / answer, 1e-9);
  g_assert_cmpint (json_object_get_int_member (object, "frame_ids"), >, 0);
}

/* A model of text has nothing to draw for. */
static void
test_blind (void)
{
  g_autoptr (Spawned)
      s = spawn ("bench", "scenes", "--model", "text", "--runs", "1", NULL);

  spawned_assert_fails (s, 1, "sees no pictures");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bench/scenes", test_scenes);
  g_test_add_func ("/bench/ask", test_ask);
  g_test_add_func ("/bench/blind", test_blind);
  return g_test_run ();
}
