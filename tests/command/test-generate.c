/* test-generate.c: `mblm generate`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "spawn.h"

#include <string.h>

static char *
golden (const char *name)
{
  return g_build_filename (g_getenv ("MBLM_TEST_GOLDEN"), name, NULL);
}

static void
assert_same (Spawned *a, Spawned *b)
{
  spawned_assert_ok (a);
  spawned_assert_ok (b);
  g_assert_cmpmem (a->out, a->out_size, b->out, b->out_size);
}

static void
test_text (void)
{
  g_autoptr (Spawned) s = spawn (
      "generate", "text", "--prompt", "The old man", "-n", "200", NULL);
  guint letters = 0;

  spawned_assert_ok (s);
  g_assert_cmpuint (s->out_size, ==, 200);
  for (gsize i = 0; i < s->out_size; i++)
    letters += g_ascii_islower (s->out[i]) || s->out[i] == ' ';
  g_assert_cmpuint (letters, >, 160);
  g_assert_cmpstr (s->err, ==, "");
}

/* A file, standard input and --prompt are one prompt. */
static void
test_prompts (void)
{
  const char *text = "It was a dark and stormy night; the rain";
  g_autofree char *folder = folder_new ();
  g_autofree char *whole = folder_write (folder, "whole", text, -1);
  g_autofree char *half = folder_write (folder, "half", text, 20);
  g_autoptr (Spawned)
      a = spawn ("generate", "text", "-p", text, "-n", "30", NULL);
  g_autoptr (Spawned) b = spawn ("generate", "text", whole, "-n", "30", NULL);
  g_autoptr (Spawned) c = spawn_with (
      text, strlen (text), "generate", "text", "-", "-n", "30", NULL);
  g_autoptr (Spawned) d = spawn (
      "generate", "text", half, "-n", "30", "--prompt", text + 20, NULL);
  g_autoptr (Spawned) other = spawn ("generate", "text", "-n", "30", NULL);
  g_autoptr (Spawned) missing = spawn ("generate", "text", "no-file", NULL);
  g_autoptr (Spawned) is_folder = spawn ("generate", "text", folder, NULL);

  assert_same (a, b);
  assert_same (a, c);
  assert_same (a, d);
  spawned_assert_ok (other);
  g_assert_cmpuint (other->out_size, ==, 30);
  spawned_assert_fails (missing, 1, "no-file: No such file");
  spawned_assert_fails (is_folder, 1, "directory");
  folder_remove (g_steal_pointer (&folder));
}

/* The same seed gives the same bytes on any number of threads; another seed
 * gives others. */
static void
test_seeds (void)
{
  g_autoptr (Spawned) one = spawn ("generate", "text", "-p", "The", "-n", "80",
      "-t", "1", "--seed", "7", "--threads", "1", NULL);
  g_autoptr (Spawned) two = spawn ("generate", "text", "-p", "The", "-n", "80",
      "-t", "1", "--seed", "7", "--threads", "2", NULL);
  g_autoptr (Spawned) other = spawn ("generate", "text", "-p", "The", "-n",
      "80", "-t", "1", "--seed", "18446744073709551615", NULL);
  g_autoptr (Spawned) zero = spawn (
      "generate", "text", "-p", "The", "-n", "80", "-t", "1", NULL);
  g_autoptr (Spawned) zero_too = spawn ("generate", "text", "-p", "The", "-n",
      "80", "-t", "1", "--seed", "0", NULL);

  assert_same (one, two);
  assert_same (zero, zero_too);
  spawned_assert_ok (other);
  g_assert_cmpuint (other->out_size, ==, 80);
  g_assert_cmpint (memcmp (one->out, other->out, 80), !=, 0);
}

/* Cuts that leave one byte are greedy, whatever the temperature. */
static void
test_cuts (void)
{
  g_autoptr (Spawned)
      greedy = spawn ("generate", "text", "-p", "The", "-n", "40", NULL);
  g_autoptr (Spawned) top_k = spawn ("generate", "text", "-p", "The", "-n",
      "40", "-t", "2", "--top-k", "1", NULL);
  g_autoptr (Spawned) top_p = spawn ("generate", "text", "-p", "The", "-n",
      "40", "-t", "2", "--top-p", "0", NULL);
  g_autoptr (Spawned) min_p = spawn ("generate", "text", "-p", "The", "-n",
      "40", "-t", "2", "--min-p", "1", NULL);

  assert_same (greedy, top_k);
  assert_same (greedy, top_p);
  assert_same (greedy, min_p);
}

static JsonObject *
get_result (Spawned *s)
{
  spawned_assert_ok (s);
  g_assert_cmpuint (spawned_count_lines (s), ==, 1);
  return spawned_get_object (s, 0);
}

static void
test_json (void)
{
  g_autoptr (Spawned)
      raw = spawn ("generate", "text", "-p", "The", "-n", "20", NULL);
  g_autoptr (Spawned)
      s = spawn ("generate", "text", "-p", "The", "-n", "20", "--json", NULL);
  g_autoptr (JsonObject) object = get_result (s);

  spawned_assert_ok (raw);
  g_assert_cmpstr (
      json_object_get_string_member (object, "text"), ==, raw->out);
  g_assert_cmpint (json_object_get_int_member (object, "bytes"), ==, 20);
  g_assert_cmpint (json_object_get_int_member (object, "prompt_bytes"), ==, 3);
  g_assert_cmpstr (
      json_object_get_string_member (object, "finish"), ==, "length");
  g_assert_cmpfloat (json_object_get_double_member (object, "seconds"), >, 0);
}

/* Bytes that are no text come as base64. */
static void
test_json_bytes (void)
{
  g_autofree char *model = golden ("t2");
  g_autoptr (Spawned) raw = spawn ("generate", model, "-n", "60", NULL);
  g_autoptr (Spawned) s = spawn ("generate", model, "-n", "60", "--json", NULL);
  g_autoptr (JsonObject) object = get_result (s);
  gsize size;

  spawned_assert_ok (raw);
  g_assert_true (json_object_has_member (object, "base64"));
  g_autofree guchar *bytes = g_base64_decode (
      json_object_get_string_member (object, "base64"), &size);
  g_assert_cmpmem (bytes, size, raw->out, raw->out_size);
}

/* Where `needle` [m] begins in `text` [n]; it does. */
static const char *
find (const char *text, gsize n, const char *needle, gsize m)
{
  for (gsize i = 0; i + m <= n; i++)
    if (memcmp (text + i, needle, m) == 0)
      return text + i;
  g_assert_not_reached ();
}

/* A stop string and what follows it are not written, whether a session or full
 * passes generate. */
static void
check_stop (const char *model, const char *prompt)
{
  g_autoptr (Spawned)
      whole = spawn ("generate", model, "-p", prompt, "-n", "36", NULL);

  spawned_assert_ok (whole);
  g_assert_cmpuint (whole->out_size, ==, 36);
  for (gsize at = 3; at < 30; at += 9) {
    g_autofree char *stop = g_strndup (whole->out + at, 4);
    if (strlen (stop) < 4)
      continue;
    const char *first = find (whole->out, whole->out_size, stop, 4);
    g_autoptr (Spawned) s = spawn ("generate", model, "-p", prompt, "-n", "36",
        "--stop", "never comes", "--stop", stop, NULL);
    g_autoptr (Spawned) json = spawn ("generate", model, "-p", prompt, "-n",
        "36", "--stop", stop, "--json", NULL);
    g_autoptr (JsonObject) object = get_result (json);

    spawned_assert_ok (s);
    g_assert_cmpmem (s->out, s->out_size, whole->out, first - whole->out);
    g_assert_cmpstr (
        json_object_get_string_member (object, "finish"), ==, "stop");
  }
}

static void
test_stop (void)
{
  g_autofree char *both_ways = golden ("e2");

  check_stop ("text", "The old man");
  check_stop (both_ways, "abc");
}

/* The default is the rest of the context; beyond it a model with fixed
 * positions begins anew, one with a state-space model goes on. */
static void
test_lengths (void)
{
  g_autofree char *fixed = golden ("t2"), *mamba = golden ("m1-t"),
                  *nopos = golden ("t2-nopos"), *both_ways = golden ("e2");
  const char *const models[] = {fixed, mamba, nopos, both_ways};
  const guint contexts[] = {128, 128, 64, 48};

  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autoptr (Spawned) rest = spawn (
        "generate", models[i], "-p", "0123456789", "--json", NULL);
    g_autoptr (Spawned) beyond = spawn (
        "generate", models[i], "-p", "0123456789", "-n", "300", "--json", NULL);
    g_autoptr (Spawned) none = spawn ("generate", models[i], "-n", "0", NULL);
    g_autoptr (JsonObject) a = get_result (rest), b = get_result (beyond);

    if (json_object_get_int_member (a, "bytes") != contexts[i] - 10)
      g_test_message ("%s", models[i]);
    g_assert_cmpint (
        json_object_get_int_member (a, "bytes"), ==, contexts[i] - 10);
    g_assert_cmpint (json_object_get_int_member (b, "bytes"), <=, 300);
    g_assert_cmpint (json_object_get_int_member (b, "bytes"), >, 150);
    spawned_assert_ok (none);
    g_assert_cmpuint (none->out_size, ==, 0);
  }
}

/* A prompt longer than the context keeps its last part, and says so. */
static void
test_long_prompt (void)
{
  g_autofree char *model = golden ("t2"), *mamba = golden ("m1-t");
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < 500; i++)
    g_string_append_printf (text, "%u ", i);

  g_autoptr (Spawned) whole = spawn_with (
      text->str, text->len, "generate", model, "-", "-n", "50", NULL);
  g_autoptr (Spawned) part = spawn_with (text->str + text->len - 128, 128,
      "generate", model, "-", "-n", "50", NULL);
  g_autoptr (Spawned) all = spawn_with (
      text->str, text->len, "generate", mamba, "-", "-n", "50", NULL);
  g_autoptr (Spawned)
      rest = spawn_with (text->str, text->len, "generate", model, "-", NULL);

  assert_same (whole, part);
  g_assert_nonnull (strstr (whole->err, "only the last part is used"));
  g_assert_cmpstr (part->err, ==, "");
  spawned_assert_ok (all);
  g_assert_cmpstr (all->err, ==, "");
  spawned_assert_ok (rest);
  g_assert_cmpuint (rest->out_size, ==, 64);
  g_string_free (text, TRUE);
}

/* What can't go on for ever ends with a clear error at its bound, and what came
 * before stays written. */
static void
test_memory_bound (void)
{
  g_autofree char *model = golden ("t2-nopos");
  g_autoptr (Spawned)
      s = spawn ("generate", model, "-n", "90000", "--memory-bound", "1", NULL);

  g_assert_cmpint (s->status, ==, 1);
  g_assert_true (g_str_has_prefix (s->err, "mblm: "));
  g_assert_nonnull (strstr (s->err, "memory"));
  g_assert_cmpuint (s->out_size, >, 1000);
}

static void
test_encoder (void)
{
  g_autofree char *model = golden ("encoder-any");
  g_autoptr (Spawned) s = spawn ("generate", model, "-n", "3", NULL);

  spawned_assert_fails (s, 1, "mblm fill");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/command/generate/text", test_text);
  g_test_add_func ("/command/generate/prompts", test_prompts);
  g_test_add_func ("/command/generate/seeds", test_seeds);
  g_test_add_func ("/command/generate/cuts", test_cuts);
  g_test_add_func ("/command/generate/json", test_json);
  g_test_add_func ("/command/generate/json-bytes", test_json_bytes);
  g_test_add_func ("/command/generate/stop", test_stop);
  g_test_add_func ("/command/generate/lengths", test_lengths);
  g_test_add_func ("/command/generate/long-prompt", test_long_prompt);
  g_test_add_func ("/command/generate/memory-bound", test_memory_bound);
  g_test_add_func ("/command/generate/encoder", test_encoder);
  return g_test_run ();
}
