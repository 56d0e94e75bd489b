/* test-train.c: `mblm train`.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <mblm.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../engine/runs.h"
#include "spawn.h"

#define KILLS 20

/* A small model over a text that repeats itself: 40 batches, 20 steps. */
static const char file[] =
    "io:\n"
    "  name_model: run\n"
    "  output_dir: %s/out\n"
    "  dataset_dir: %s/data\n"
    "  dataset_id: pg19\n"
    "  num_models_to_save: 2\n"
    "  validate_amount: 4\n"
    "  log_train_loss_amount: 20\n"
    "params:\n"
    "  num_tokens: 257\n"
    "  pad_token_id: 256\n"
    "  input_seq_len: 64\n"
    "  hidden_dims: [32, 24]\n"
    "  num_layers: [1, 1]\n"
    "  seq_lens: [8, 8]\n"
    "  block: {attn_head_dims: 8, attn_num_heads: 2, attn_use_rot_embs: true, "
    "ff_dropout: 0.1, pos_emb_type: fixed}\n"
    "train:\n"
    "  target_elements: 10240\n"
    "  target_elements_strategy: sequence\n"
    "  batch_size: 4\n"
    "  shuffle_train: true\n"
    "  max_eval_steps: 3\n"
    "  learning_rate: 0.01\n"
    "  gradient_accumulate_every: 2\n"
    "  gradient_clipping: 1.0\n"
    "%s";

typedef struct {
  char *folder, *config;
} Place;

static void
place_init (Place *self, const char *more)
{
  static const char *const splits[] = {
      "data/train/a.txt", "data/validation/a.txt", "data/test/a.txt"};
  static const char words[] = "the same few words, again and again; ";
  g_autofree char *text = NULL;

  self->folder = folder_new ();
  for (guint i = 0; i < G_N_ELEMENTS (splits); i++) {
    GString *data = g_string_new (NULL);

    while (data->len < (i == 0 ? 6000 : 1500))
      g_string_append (data, words + data->len % 3);
    g_free (
        folder_write (self->folder, splits[i], data->str, (gssize) data->len));
    g_string_free (data, TRUE);
  }
  text = g_strdup_printf (file, self->folder, self->folder, more);
  self->config = folder_write (self->folder, "run.yaml", text, -1);
}

static void
place_clear (Place *self)
{
  folder_remove (self->folder);
  g_free (self->config);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Place, place_clear)

/* The folder of the one run of a place; NULL where there is none. */
static char *
find_output (const Place *place)
{
  g_autofree char *out = g_build_filename (place->folder, "out", NULL);
  g_autoptr (GDir) dir = g_dir_open (out, 0, NULL);
  const char *name = dir ? g_dir_read_name (dir) : NULL;
  char *output = name ? g_build_filename (out, name, NULL) : NULL;

  if (name)
    g_assert_null (g_dir_read_name (dir));
  return output;
}

/* A run that nothing happens to. */
static char *
run_whole (const Place *place)
{
  g_autoptr (Spawned)
      s = spawn ("train", place->config, "--threads", "1", NULL);

  spawned_assert_ok (s);
  return find_output (place);
}

static void
test_lines (void)
{
  g_auto (Place) place;
  g_autofree char *output = NULL;
  g_autofree char *model = NULL;
  g_autofree char *book = NULL;
  g_autofree char *best = NULL;

  place_init (&place, "");
  g_autoptr (Spawned) s = spawn ("train", place.config, NULL);

  spawned_assert_ok (s);
  output = find_output (&place);
  model = g_build_filename (output, "run_top1", NULL);
  best = g_strdup_printf ("\nthe best model: %s\n", model);
  g_assert_true (g_str_has_prefix (s->out, output));
  g_assert_nonnull (strstr (s->out, "batch 1: validation "));
  g_assert_nonnull (strstr (s->out, "\nbatch 40 of 40 (100.0 %): "));
  g_assert_nonnull (strstr (s->out, "the best model on the test split: "));
  g_assert_true (g_str_has_suffix (s->out, best));
  g_assert_cmpstr (s->err, ==, "");

  /* the model works, and has learnt */
  book = g_build_filename (place.folder, "data", "test", "a.txt", NULL);
  g_autoptr (Spawned) score = spawn ("score", model, book, "--json", NULL);
  g_autoptr (JsonObject) object = NULL;

  spawned_assert_ok (score);
  object = spawned_get_object (score, 0);
  g_assert_cmpfloat (
      json_object_get_double_member (object, "bits_per_byte"), <, 4.5);
}

static void
test_json (void)
{
  g_auto (Place) place;
  guint valid = 0, test = 0;

  place_init (&place, "");
  g_autoptr (Spawned) s = spawn ("train", place.config, "--json", NULL);

  spawned_assert_ok (s);
  for (guint i = 0; i < spawned_count_lines (s); i++) {
    g_autoptr (JsonObject) object = spawned_get_object (s, i);
    const char *event = json_object_get_string_member (object, "event");

    g_assert_cmpint (json_object_get_int_member (object, "batches"), ==, 40);
    if (i == 0)
      g_assert_cmpstr (event, ==, "start");
    valid += g_str_equal (event, "valid");
    test += g_str_equal (event, "test");
    if (i == spawned_count_lines (s) - 1) {
      g_assert_cmpstr (event, ==, "end");
      g_assert_true (g_str_has_suffix (
          json_object_get_string_member (object, "best_model"), "/run_top1"));
    }
  }
  g_assert_cmpuint (valid, ==, 4);
  g_assert_cmpuint (test, ==, 1);
}

/* A bound that is too small for anything shows what the options say. */
static void
test_memory (void)
{
  static const char *const parts[] = {
      "weights", "gradients", "moments", "layer_inputs", "chunks", "saving"};
  g_auto (Place) place;
  gint64 sum = 0;

  place_init (&place, "");
  g_autoptr (Spawned) s = spawn ("train", place.config, "--dry-run", "--json",
      "--memory=1", "--precision=bf16", "--layer-inputs=f32",
      "--optimizer-memory=host", "--device=cpu", NULL);
  g_autoptr (JsonObject) object = NULL;

  spawned_assert_ok (s);
  object = spawned_get_object (s, 0);
  JsonObject *memory = json_object_get_object_member (object, "memory");
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    sum += json_object_get_int_member (memory, parts[i]);
  g_assert_cmpint (
      json_object_get_int_member (object, "memory_bytes"), ==, sum);
  g_assert_false (json_object_has_member (memory, "host_moments"));

  g_autoptr (Spawned) text = spawn ("train", place.config, "--dry-run",
      "--memory=1", "--precision=bf16", "--device=cpu", NULL);
  spawned_assert_ok (text);
  g_assert_nonnull (strstr (text->out, ": layer inputs, bf16\n"));
}

static void
test_dry_run (void)
{
  g_auto (Place) place;
  g_autofree char *output = NULL;

  place_init (&place, "");
  g_autoptr (Spawned)
      s = spawn ("train", place.config, "--dry-run", "--json", NULL);
  g_autoptr (JsonObject) object = NULL;

  spawned_assert_ok (s);
  object = spawned_get_object (s, 0);
  g_assert_cmpint (json_object_get_int_member (object, "batches"), ==, 40);
  g_assert_cmpint (json_object_get_int_member (object, "steps"), ==, 20);
  g_assert_cmpint (json_object_get_int_member (object, "batch_bytes"), ==, 256);
  g_assert_cmpint (
      json_object_get_int_member (object, "epoch_batches"), ==, 23);
  g_assert_cmpint (json_object_get_int_member (object, "parameters"), >, 10000);
  g_assert_cmpint (
      json_object_get_int_member (object, "memory_bytes"), >, 100000);
  g_assert_cmpfloat (json_object_get_double_member (object, "seconds"), >, 0);
  g_assert_true (json_object_get_boolean_member (object, "measured"));
  output = find_output (&place);
  g_assert_null (output);
}

/* An interrupt saves and is no failure; what then follows is the same run. */
static void
test_interrupted (void)
{
  static const int signals[] = {SIGINT, SIGTERM};
  g_auto (Place) whole;
  g_autofree char *expected = NULL;

  place_init (&whole, "");
  expected = run_whole (&whole);
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++) {
    g_auto (Place) place;
    g_autofree char *output = NULL;
    g_autoptr (GSubprocessLauncher)
        launcher = spawn_launcher (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autoptr (GError) error = NULL;

    g_autofree char *config = NULL;
    g_autofree char *last = NULL;
    g_autofree char *expected_line = NULL;

    place_init (&place, "");
    /* a path that has to be quoted where it is typed */
    config = g_build_filename (place.folder, "my run.yaml", NULL);
    g_assert_cmpint (g_rename (place.config, config), ==, 0);
    g_free (place.config);
    place.config = g_steal_pointer (&config);
    g_autoptr (GSubprocess) process = g_subprocess_launcher_spawn (launcher,
        &error, spawn_path (), "train", place.config, "--threads", "2", NULL);

    g_assert_no_error (error);
    /* the first line comes when the run has begun */
    g_autoptr (GDataInputStream) lines = g_data_input_stream_new (
        g_subprocess_get_stdout_pipe (process));
    g_autofree char *first = g_data_input_stream_read_line (
        lines, NULL, NULL, NULL);

    g_assert_nonnull (strstr (first, " parameters"));
    g_subprocess_send_signal (process, signals[i]);
    for (char *line; (line = g_data_input_stream_read_line (
                          lines, NULL, NULL, NULL)) != NULL;) {
      g_free (last);
      last = line;
    }
    expected_line = g_strdup_printf (
        "stopped; go on with: mblm train '%s' --resume %s/out/run_",
        place.config, place.folder);
    g_assert_true (g_str_has_prefix (last, expected_line));
    g_assert_cmpint (spawn_wait (process), ==, 0);

    g_autoptr (Spawned)
        s = spawn ("train", "--resume", place.config, "--json", NULL);

    spawned_assert_ok (s);
    output = find_output (&place);
    runs_assert_same (expected, output);
  }
}

/* Kills a run at random moments, going on each time, up to its end. Returns how
 * many times. */
static guint
run_killed (const Place *place, GRand *random, gint64 length)
{
  int status = 1;
  guint kills = 0;

  for (guint i = 0; status != 0 && i < 60; i++) {
    g_autofree char *found = find_output (place);
    g_autofree char *state = found ? g_build_filename (found, "state", NULL)
                                   : NULL;
    g_autofree char *old = found ? g_build_filename (found, "state.old", NULL)
                                 : NULL;
    g_autoptr (GSubprocessLauncher)
        launcher = spawn_launcher (G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
    gboolean resume = found &&
        (g_file_test (state, G_FILE_TEST_IS_DIR) ||
            g_file_test (old, G_FILE_TEST_IS_DIR));
    g_autoptr (GSubprocess) process = NULL;

    /* killed before there was anything to resume: from the beginning */
    if (found && !resume)
      folder_remove (g_steal_pointer (&found));
    process = g_subprocess_launcher_spawn (launcher, NULL, spawn_path (),
        "train", place->config, resume ? "--resume" : NULL, NULL);
    g_usleep (length / 10 + g_rand_double (random) * length / 2);
    g_subprocess_send_signal (process, SIGKILL);
    status = spawn_wait (process);
    kills += status == 128 + SIGKILL;
    g_assert_true (status == 0 || status == 128 + SIGKILL);
  }
  if (status != 0) {
    g_autoptr (Spawned) s = spawn ("train", place->config, "--resume", NULL);

    spawned_assert_ok (s);
  }
  return kills;
}

static void
test_killed (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (3);
  g_auto (Place) whole;
  g_autofree char *expected = NULL;
  gint64 began = g_get_monotonic_time (), length;
  guint kills = 0;

  place_init (&whole, "  checkpoint_minutes: 0\n");
  expected = run_whole (&whole);
  length = g_get_monotonic_time () - began;
  for (guint i = 0; kills < KILLS && i < 4 * KILLS; i++) {
    g_auto (Place) place;
    g_autofree char *output = NULL;

    place_init (&place, "  checkpoint_minutes: 0\n");
    kills += run_killed (&place, random, length);
    output = find_output (&place);
    runs_assert_same (expected, output);
  }
  g_assert_cmpuint (kills, >=, KILLS);
}

static void
test_refused (void)
{
  static const struct {
    const char *more, *text;
  } cases[] = {
      {"  learning_rat: 1\n",
          "run.yaml, line 26: train has no key "
          "\"learning_rat\" (did you mean "},
      {"  batch_size: 5\n", "the key \"batch_size\" is there twice"},
      {"  warmup_steps_perc: 1\n", "line 26: warmup_steps_perc leaves no step"},
      {"resume: {checkpoint_file: none.pth, next_epoch_index: 0, "
       "next_batch_index: 0}\n",
          "none.pth: there is no such file"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Place) place;

    place_init (&place, cases[i].more);
    g_autoptr (Spawned) s = spawn ("train", place.config, NULL);

    spawned_assert_fails (s, 1, cases[i].text);
  }
}

/* Data and output that can't be used, and a state that isn't there. */
static void
test_places (void)
{
  g_auto (Place) place;
  g_autofree char *data = NULL;
  g_autofree char *out = NULL;

  place_init (&place, "");
  g_autoptr (Spawned) none = spawn ("train", place.config, "--resume", NULL);

  spawned_assert_fails (none, 1, "there is no run of run to resume");
  g_autoptr (Spawned)
      dry = spawn ("train", place.config, "--dry-run", "--resume", NULL);

  spawned_assert_fails (dry, 1, "there is no run of run to resume");
  data = folder_write (place.folder, "data/train/a.txt", "short", -1);
  g_autoptr (Spawned) few = spawn ("train", place.config, NULL);

  spawned_assert_fails (few, 1, "less than one sample of 64");
  g_unlink (data);
  g_autoptr (Spawned) empty = spawn ("train", place.config, NULL);

  spawned_assert_fails (empty, 1, "train");
  out = folder_write (place.folder, "out", "a file", -1);
  g_autoptr (Spawned) full = spawn ("train", place.config, NULL);

  spawned_assert_fails (full, 1, "the run can't write there");
}

int
main (int argc, char **argv)
{
  /* a run syncs a lot, which takes its time on a disk */
  if (access ("/dev/shm", W_OK) == 0)
    g_setenv ("TMPDIR", "/dev/shm", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/command/train/lines", test_lines);
  g_test_add_func ("/command/train/json", test_json);
  g_test_add_func ("/command/train/dry-run", test_dry_run);
  g_test_add_func ("/command/train/memory", test_memory);
  g_test_add_func ("/command/train/interrupted", test_interrupted);
  g_test_add_func ("/command/train/killed", test_killed);
  g_test_add_func ("/command/train/refused", test_refused);
  g_test_add_func ("/command/train/places", test_places);
  return g_test_run ();
}
