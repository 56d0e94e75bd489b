/* test-trainer-resume.c: training runs that are stopped, killed and gone on with.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>
#include <glib/gstdio.h>
#include <mblm.h>
#include <safetensors.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <training-config.h>
#include <unistd.h>

#include "fake-learner.h"
#include "formats.h"
#include "fresh.h"
#include "place.h"
#include "runs.h"

/* ---- stopped, killed, resumed ---------------------------------------------- */

/* A run that is stopped after every few batches, in validations too. */
static void
test_stopped (void)
{
  static const char more[] = ", shuffle_train: true, shuffle_eval: true, "
                             "max_eval_steps: 2, seed: 3";
  g_auto (Place) place, whole;
  g_autoptr (MblmTrainer) trainer = NULL;

  place_init (&whole, "", more, "");
  trainer = trainer_new (&whole);
  run_ok (trainer);
  /* a validation, which begins anew, takes two signals */
  for (guint after = 3; after < 14; after += 2) {
    g_autofree char *output = NULL;
    guint parts = 1;

    place_init (&place, "", more, "");
    while (!run_part (&place, output != NULL, after, &output))
      parts++;
    g_assert_cmpuint (parts, >=, 40 / after);
    runs_assert_same (mblm_trainer_get_output (trainer), output);
    place_clear (&place);
  }
  place_init (&place, "", "", "");
}

/* In a child that is killed after `wait` us; TRUE: it came to its end. */
static gboolean
run_killed (const Place *place, gboolean resume, gulong wait)
{
  int status;
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    g_autoptr (MblmTrainer) trainer = trainer_new (place);
    g_autoptr (GError) error = NULL;

    if (resume)
      mblm_trainer_set_resume (trainer, NULL);
    _exit (mblm_trainer_run (trainer, NULL, &error)                     ? 0
            : g_error_matches (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND) ? 7
                                                                        : 1);
  }
  if (wait > 0) {
    g_usleep (wait);
    kill (child, SIGKILL);
  }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  if (WIFSIGNALED (status))
    return FALSE;
  /* killed before anything could be resumed */
  if (WEXITSTATUS (status) == 7)
    return run_killed (place, FALSE, wait);
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  return TRUE;
}

/* The newest folder of the runs in a place. */
static char *
find_output (const Place *place)
{
  g_autofree char *out = g_build_filename (place->folder, "out", NULL);
  g_autoptr (GDir) dir = g_dir_open (out, 0, NULL);
  g_autofree char *found = NULL;
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (out, name, NULL);
    g_autofree char *plot = g_build_filename (path, "run_top1", NULL);

    if (g_file_test (plot, G_FILE_TEST_EXISTS)) {
      g_free (found);
      found = g_steal_pointer (&path);
    }
  }
  g_assert_nonnull (found);
  return g_steal_pointer (&found);
}

/* kill -9 at any moment. */
static void
test_killed (void)
{
  static const char more[] = ", checkpoint_minutes: 0, shuffle_train: true";
  g_autoptr (GRand) random = g_rand_new_with_seed (11);
  g_auto (Place) place, whole;
  g_autofree char *expected = NULL;
  g_autofree char *output = NULL;
  gint64 began = g_get_monotonic_time ();
  gulong length;
  guint kills = 0;

  fake_learner.delay = 500;
  place_init (&whole, "", more, "");
  g_assert_true (run_killed (&whole, FALSE, 0));
  length = (gulong) (g_get_monotonic_time () - began);
  expected = find_output (&whole);
  place_init (&place, "", more, "");
  for (; kills < 40; kills++)
    if (run_killed (&place, kills > 0,
            length / 50 + g_rand_int (random) % (length / 4)))
      break;
  if (kills == 40)
    g_assert_true (run_killed (&place, TRUE, 0));
  g_test_message ("killed %u times", kills);
  g_assert_cmpuint (kills, >, 1);
  fake_learner.delay = 0;
  output = find_output (&place);
  runs_assert_same (expected, output);
}

/* ---- the published way of going on ----------------------------------------- */

/* The parameters of a golden model as `params` of a training file, with another
 * vocabulary where `ids` is given. */
static char *
golden_params (const char *name, guint ids)
{
  g_autofree char *file = g_strdup_printf ("%s/config.yaml", name);
  g_autofree char *path = formats_golden (file);
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmConfig) config = mblm_config_load (path, &error);
  g_autofree char *yaml = config != NULL ? mblm_config_to_yaml (config) : NULL;
  g_auto (GStrv) lines = g_strsplit (yaml, "\n", -1);
  GString *out = g_string_new ("params:\n  input_seq_len: 32\n");

  g_assert_no_error (error);
  for (guint i = 0; lines[i] != NULL && lines[i][0] != '\0'; i++)
    if (ids != 0 && g_str_has_prefix (lines[i], "num_tokens:"))
      g_string_append_printf (out, "  num_tokens: %u\n", ids);
    else
      g_string_append_printf (out, "  %s\n", lines[i]);
  return g_string_free (out, FALSE);
}

/* What a run begins with: `n` values of to_logits.bias after a batch without a
 * step. */
static float *
start_values (
    const char *params, const char *checkpoint, const char *more, gsize *n)
{
  g_auto (Place) place;
  g_autofree char *path = formats_golden (checkpoint);
  g_autofree char *rest = g_strdup_printf (
      "resume: {checkpoint_file: \"%s\", next_epoch_index: 1, "
      "next_batch_index: 2%s}\n",
      path, more);
  g_autofree char *output = NULL;
  g_autofree char *weights = NULL;
  g_autofree char *start = NULL;
  g_autofree char *losses = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmTensorFile) file = NULL;
  float *values;

  place_init_with (&place, params, "", "", rest);
  g_assert_false (run_part (&place, FALSE, 2, &output));
  weights = g_build_filename (output, "state", "model.safetensors", NULL);
  start = g_build_filename (output, ".run_start", NULL);
  losses = runs_read_losses (output);
  /* the batch is the 18th of all, and the first of this run */
  g_assert_nonnull (strstr (losses, "\n0,128,train,1,2,17,"));
  g_assert_false (g_file_test (start, G_FILE_TEST_EXISTS));
  file = mblm_tensor_file_open (weights, &error);
  g_assert_no_error (error);

  const MblmTensorEntry *entry = mblm_tensor_file_lookup (
      file, "to_logits.bias");

  *n = entry->n_elements;
  values = g_new (float, *n);
  g_assert_true (mblm_tensor_file_read (file, entry, 0, *n, values, &error));
  return values;
}

static void
test_checkpoints (void)
{
  static const char *const files[] = {"m1-t/model.safetensors",
      "m1-t/model-0.3-names.safetensors", "m1-t/checkpoint-0.4.pth",
      "m1-t/checkpoint-0.3.pth"};
  g_autofree char *params = golden_params ("m1-t", 0);
  gsize n, m;
  g_autofree float *expected = start_values (params, "m1-t", "", &n);

  g_assert_cmpuint (n, ==, 257);
  g_assert_cmpfloat (fabs (expected[0]), >, 0);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree float *values = start_values (
        params, files[i], ", rename_modules: true", &m);

    g_assert_cmpmem (values, m * sizeof (float), expected, n * sizeof (float));
  }
}

static void
test_migrated (void)
{
  g_autofree char *params = golden_params ("m1-t", 0);
  g_autofree char *more = golden_params ("m1-t", 260);
  g_autofree char *path = formats_golden ("m1-t");
  g_autofree char *rest = g_strdup_printf (
      "resume: {checkpoint_file: %s, next_epoch_index: 0, "
      "next_batch_index: 0}\n",
      path);
  gsize n, m;
  g_autofree float *old = start_values (params, "m1-t", "", &n);
  g_autofree float *values = start_values (
      more, "m1-t/checkpoint-0.3.pth", ", migrate_embeddings: true", &m);
  g_auto (Place) place;
  g_autoptr (MblmTrainer) trainer = NULL;
  GError *error = NULL;

  g_assert_cmpuint (m, ==, 260);
  g_assert_cmpmem (values, n * sizeof (float), old, n * sizeof (float));
  for (gsize i = n; i < m; i++)
    g_assert_true (values[i] != 0 && fabs (values[i]) <= 0.25);

  place_init_with (&place, more, "", "", rest);
  trainer = trainer_new (&place);
  g_assert_false (mblm_trainer_run (trainer, NULL, &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "has the shape [257",
      "another vocabulary");
}

/* ---- other files than it began with ----------------------------------------- */

/* Writes `text` over a file of the run or its data. */
static void
write_in (const char *folder, const char *name, const char *text)
{
  g_free (formats_write (folder, name, text, -1));
}

/* A state as an older version wrote it, with its kind of fingerprint. */
static void
make_older (const Place *place, const char *output)
{
  static const char *const keys[] = {"samples", "valid_samples", "data", "info",
      "device", "fingerprint", NULL};
  g_autofree char *text = runs_read (output, "state/state.json");
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (MblmTrainingConfig)
      config = mblm_training_config_load (place->config, NULL);
  g_autoptr (GString) out = g_string_new (NULL);
  guint found = 0;

  for (guint i = 0; lines[i] != NULL; i++) {
    gboolean later = FALSE;

    for (guint k = 0; keys[k] != NULL; k++) {
      g_autofree char *key = g_strdup_printf ("  \"%s\": ", keys[k]);

      later |= g_str_has_prefix (lines[i], key);
    }
    found += later;
    if (strstr (lines[i], "\"fingerprint\"") != NULL)
      g_string_append_printf (
          out, "  \"fingerprint\": \"%s\",\n", config->old_fingerprint);
    else if (!later)
      g_string_append_printf (out, "%s\n", lines[i]);
  }
  g_assert_cmpuint (found, ==, 6);
  write_in (output, "state/state.json", out->str);
}

static void
test_older (void)
{
  g_autofree char *params = golden_params ("m1-t", 0);
  g_autofree char *path = formats_golden ("m1-t");
  g_autofree char *rest = g_strdup_printf (
      "resume: {checkpoint_file: \"%s\", next_epoch_index: 0, "
      "next_batch_index: 2}\n",
      path);

  for (guint i = 0; i < 2; i++) {
    g_auto (Place) whole, place;
    g_autofree char *expected = NULL;
    g_autofree char *output = NULL;

    place_init_with (&whole, params, "", "", i ? rest : "");
    place_init_with (&place, params, "", "", i ? rest : "");
    g_assert_true (run_part (&whole, FALSE, G_MAXUINT, &expected));
    g_assert_false (run_part (&place, FALSE, 12, &output));
    make_older (&place, output);
    g_assert_true (run_part (&place, TRUE, G_MAXUINT, &output));
    runs_assert_same (expected, output);
  }
}

/* The file that a run writes resumes it, with a best model and without one. */
static void
test_own_file (void)
{
  g_auto (Place) whole, place;
  g_autofree char *expected = NULL;
  g_autofree char *output = NULL;

  place_init (&whole, "", "", "");
  place_init (&place, "", "", "");
  g_assert_true (run_part (&whole, FALSE, G_MAXUINT, &expected));
  g_assert_false (run_part (&place, FALSE, 1, &output));
  for (guint i = 0; i < 2; i++) {
    g_autofree char *text = runs_read (output, "config.yaml");

    /* it is its own, and began with nothing */
    g_assert_nonnull (strstr (text, "  resumed_from: null\n"));
    g_assert_cmpint (
        strstr (text, "checkpoint_file: \"\"\n") != NULL, ==, i == 0);
    write_in (place.folder, "run.yaml", text);
    g_assert_cmpint (
        run_part (&place, TRUE, i == 0 ? 15 : G_MAXUINT, &output), ==, i == 1);
  }
  g_autofree char *last = runs_read (output, "config.yaml");

  g_assert_nonnull (strstr (last, "  resumed_from: null\n"));
  runs_assert_same (expected, output);
}

static void
resume_refused (const Place *place, const char *output, const char *part)
{
  g_autoptr (MblmTrainer) trainer = trainer_new (place);
  GError *error = NULL;

  mblm_trainer_set_resume (trainer, output);
  /* without writing anything, as --dry-run */
  g_assert_false (mblm_trainer_prepare (trainer, &error));
  formats_expect (error, MBLM_ERROR, MBLM_ERROR_CONFIG, part, "other data");
}

/* Data that changed would be gone through in another order. */
static void
test_other_data (void)
{
  static const struct {
    const char *name, *text, *part;
  } cases[] = {
      {"train/c.txt", "a new one, with more than thirty-two bytes",
          "samples for training, not 60"},
      {"train/c.txt", "new", "files of other names or sizes"},
      {"validation/0.txt", "new", "files of other names or sizes"},
      {"validation/c.txt", "a new one, with more than thirty-two bytes",
          "samples for validation, not 13"},
  };
  g_auto (Place) whole, place;
  g_autofree char *expected = NULL;
  g_autofree char *output = NULL;
  g_autofree char *data = NULL;
  g_autofree char *info = NULL;

  place_init (&whole, "", "", "");
  place_init (&place, "", "", "");
  data = g_build_filename (place.folder, "data", NULL);
  g_assert_true (run_part (&whole, FALSE, G_MAXUINT, &expected));
  g_assert_false (run_part (&place, FALSE, 9, &output));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_build_filename (data, cases[i].name, NULL);

    write_in (data, cases[i].name, cases[i].text);
    resume_refused (&place, output, cases[i].part);
    g_unlink (path);
  }
  g_assert_true (run_part (&place, TRUE, G_MAXUINT, &output));
  runs_assert_same (expected, output);
}

static void
test_other_info (void)
{
  static const char text[] =
      "{\"format\": 1, \"name\": \"x\", \"task\": \"text\"}";
  g_auto (Place) place;
  g_autofree char *output = NULL;
  g_autofree char *folder = fresh_folder ();
  g_autofree char *path = formats_write (folder, "mblm.json", text, -1);
  g_autofree char *io = g_strdup_printf (", model_info: %s", path);

  place_init (&place, io, "", "");
  g_assert_false (run_part (&place, FALSE, 9, &output));
  write_in (folder, "mblm.json",
      "{\"format\": 1, \"name\": \"y\", \"task\": \"text\"}");
  resume_refused (&place, output, "mblm.json: it differs");
  write_in (folder, "mblm.json", text);
  g_assert_true (run_part (&place, TRUE, G_MAXUINT, &output));
  fresh_remove (g_steal_pointer (&folder));
}

/* A state with another model in it than the file says. */
static void
test_other_shape (void)
{
  g_auto (Place) place;
  g_autofree char *output = NULL;
  g_autofree char *text = NULL;
  g_autoptr (MblmTrainer) trainer = NULL;
  GError *error = NULL;
  char *at;

  place_init (&place, "", "", "");
  g_assert_false (run_part (&place, FALSE, 9, &output));
  text = runs_read (output, "state/config.yaml");
  at = strstr (text, "[24, 16]");
  g_assert_nonnull (at);
  at[2] = '8';
  write_in (output, "state/config.yaml", text);
  trainer = trainer_new (&place);
  mblm_trainer_set_resume (trainer, output);
  g_assert_false (mblm_trainer_run (trainer, NULL, &error));
  formats_expect (
      error, MBLM_ERROR, MBLM_ERROR_CONFIG, "a model of another shape", "it");
}

static void
on_message (MblmTrainer *trainer, const char *text, GString *all)
{
  g_string_append_printf (all, "%s\n", text);
}

/* The last digits of a run on another device are others: that is said. */
static void
test_other_device (void)
{
  g_auto (Place) place;
  g_autofree char *output = NULL;
  g_autofree char *json = NULL;
  g_autoptr (GString) messages = g_string_new (NULL);

  place_init (&place, "", "", "");
  g_assert_false (run_part (&place, FALSE, 9, &output));
  json = runs_read (output, "state/state.json");
  g_assert_nonnull (
      strstr (json, "\"device\": \"ref (plain C in double precision)\""));

  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) device = mblm_device_open ("cpu", 1, &error);
  g_autoptr (MblmTrainer)
      trainer = mblm_trainer_new (place.config, device, &error);

  g_assert_no_error (error);
  g_signal_connect (trainer, "message", G_CALLBACK (on_message), messages);
  mblm_trainer_set_resume (trainer, output);
  run_ok (trainer);
  g_assert_nonnull (strstr (messages->str, "the run began on ref (plain C"));
}

int
main (int argc, char **argv)
{
  /* a run syncs a lot, which takes its time on a disk */
  if (access ("/dev/shm", W_OK) == 0)
    g_setenv ("TMPDIR", "/dev/shm", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trainer-resume/stopped", test_stopped);
  g_test_add_func ("/trainer-resume/killed", test_killed);
  g_test_add_func ("/trainer-resume/checkpoints", test_checkpoints);
  g_test_add_func ("/trainer-resume/migrated", test_migrated);
  g_test_add_func ("/trainer-resume/older", test_older);
  g_test_add_func ("/trainer-resume/own-file", test_own_file);
  g_test_add_func ("/trainer-resume/other-data", test_other_data);
  g_test_add_func ("/trainer-resume/other-info", test_other_info);
  g_test_add_func ("/trainer-resume/other-shape", test_other_shape);
  g_test_add_func ("/trainer-resume/other-device", test_other_device);
  return g_test_run ();
}
