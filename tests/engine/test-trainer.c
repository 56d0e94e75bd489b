/* test-trainer.c: training runs, over a learner made for the test.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib/gstdio.h>
#include <math.h>
#include <mblm.h>
#include <mblm-trainer.h>
#include <safetensors.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <training-state.h>
#include <unistd.h>

#include "fake-learner.h"
#include "formats.h"
#include "fresh.h"
#include "runs.h"
#include "sets.h"

/* The whole run: 40 batches of 4 samples of 32, ten steps; an epoch has 15. */
#define PARAMS                                                                 \
  "params: {input_seq_len: 32, num_tokens: 257, pad_token_id: 256, "           \
  "hidden_dims: [24, 16], num_layers: [2, 1], seq_lens: [4, 8], block: "       \
  "{attn_head_dims: 8, attn_num_heads: 2, attn_use_rot_embs: true, "           \
  "pos_emb_type: null}}\n"

typedef struct {
  char *folder; /* of everything */
  char *config;
} Place;

/* A data set, and a training file with `io`, `train` and the rest in addition to
 * the usual. */
static void
place_init_with (Place *self, const char *params, const char *io,
    const char *train, const char *rest)
{
  static const struct {
    const char *name;
    gsize size;
  } splits[] = {{"data/train/a.txt", 1200}, {"data/train/b.txt", 740},
      {"data/validation/a.txt", 420}, {"data/test/a.txt", 500}};
  g_autofree char *text = NULL;

  self->folder = fresh_folder ();
  for (guint i = 0; i < G_N_ELEMENTS (splits); i++) {
    g_autofree char *bytes = g_malloc (splits[i].size);

    for (gsize k = 0; k < splits[i].size; k++)
      bytes[k] = "eeeeettaoin shrdlu"[(k * k + 7 * k + i) % 18];
    g_free (sets_write (
        self->folder, splits[i].name, bytes, (gssize) splits[i].size));
  }
  text = g_strdup_printf (
      "io: {name_model: run, output_dir: %s/out, dataset_dir: %s/data, "
      "dataset_id: pg19, num_models_to_save: 2, validate_amount: 5, "
      "log_train_loss_amount: 20%s}\n%s"
      "train: {target_elements: 5120, target_elements_strategy: sequence, "
      "batch_size: 4, learning_rate: 0.05, gradient_accumulate_every: 4, "
      "gradient_clipping: 0.1%s}\n%s",
      self->folder, self->folder, io, params, train, rest);
  self->config = formats_write (self->folder, "run.yaml", text, -1);
}

static void
place_init (Place *self, const char *io, const char *train, const char *rest)
{
  place_init_with (self, PARAMS, io, train, rest);
}

static void
place_clear (Place *self)
{
  fresh_remove (self->folder);
  g_free (self->config);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Place, place_clear)

static MblmTrainer *
trainer_new (const Place *place)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) device = mblm_device_open ("ref", 1, &error);
  MblmTrainer *trainer = mblm_trainer_new (place->config, device, &error);

  g_assert_no_error (error);
  return trainer;
}

static void
run_ok (MblmTrainer *trainer)
{
  g_autoptr (GError) error = NULL;

  mblm_trainer_run (trainer, NULL, &error);
  g_assert_no_error (error);
}

/* ---- one run ------------------------------------------------------------------ */

static void
on_count (MblmTrainer *trainer, guint *count)
{
  ++*count;
}

static void
on_message (MblmTrainer *trainer, const char *text, GString *all)
{
  g_string_append_printf (all, "%s\n", text);
}

static void
test_run (void)
{
  static const char *const entries[] = {"config.yaml", "lock", "loss.csv",
      "loss.svg", "run_top1", "run_top2", "state", "timemem.csv"};
  g_auto (Place) place;
  g_autoptr (MblmTrainer) trainer = NULL;
  const MblmTrainerProgress *progress;
  guint count = 0, train = 0, valid = 0;

  place_init (&place, "", "", "");
  trainer = trainer_new (&place);
  g_signal_connect (trainer, "progress", G_CALLBACK (on_count), &count);
  run_ok (trainer);
  progress = mblm_trainer_get_progress (trainer);
  g_assert_cmpuint (progress->n_batches, ==, 40);
  g_assert_cmpuint (progress->n_done, ==, 40);
  g_assert_cmpuint (progress->n_epoch_batches, ==, 15);
  /* an epoch's last three batches are no step; the third one is not complete */
  g_assert_cmpuint (progress->n_steps_done, ==, 3 + 3 + 2);
  g_assert_cmpuint (count, >, 40);
  g_assert_cmpfloat (progress->best_loss, <, progress->loss + 1);
  g_assert_cmpfloat (progress->test_loss, >, 0);

  const char *output = mblm_trainer_get_output (trainer);
  g_autofree char *losses = runs_read_losses (output);
  g_auto (GStrv) lines = g_strsplit (losses, "\n", -1);
  g_autoptr (GDir) dir = g_dir_open (output, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    g_assert_true (g_strv_contains (
        (const char *const[]){entries[0], entries[1], entries[2], entries[3],
            entries[4], entries[5], entries[6], entries[7], NULL},
        name));
  for (guint i = 0; i < G_N_ELEMENTS (entries); i++) {
    g_autofree char *path = g_build_filename (output, entries[i], NULL);

    g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  }
  for (guint i = 0; lines[i] != NULL; i++) {
    train += strstr (lines[i], ",train,") != NULL;
    valid += strstr (lines[i], ",valid,") != NULL;
  }
  g_assert_cmpuint (train, ==, 20);
  g_assert_cmpuint (valid, ==, 5);
  /* the first batch: lr a tenth of the base with a warm-up of one step */
  g_assert_true (g_str_has_prefix (lines[1], "0,128,train,0,0,0,"));
  g_assert_nonnull (strstr (lines[1], ",0.005000000000000001,-1,-1"));
  g_assert_true (g_str_has_prefix (lines[2], "0,128,valid,0,0,0,"));
  g_assert_true (g_str_has_prefix (lines[25], "0,5120,valid,2,9,39,"));
  g_assert_true (g_str_has_prefix (lines[26], "0,-1,test,-1,-1,-1,"));
  g_assert_true (g_str_has_suffix (lines[26], ",-1,-1,-1"));
}

/* The config.yaml of a run says where its best model is; the same run again ends
 * the same. */
static void
test_repeated (void)
{
  g_auto (Place) place, next;
  g_autoptr (MblmTrainer) first = NULL;
  g_autoptr (MblmTrainer) second = NULL;
  g_autofree char *written = NULL;
  g_autofree char *expected = NULL;
  g_autofree char *losses = NULL;

  place_init (&place, "", "", "");
  first = trainer_new (&place);
  run_ok (first);
  written = runs_read (mblm_trainer_get_output (first), "config.yaml");
  expected = g_strdup_printf ("checkpoint_file: \"%s/run_top1\"\n"
                              "  next_epoch_index: 2\n  next_batch_index: 10\n",
      mblm_trainer_get_output (first));
  g_assert_nonnull (strstr (written, expected));
  g_assert_nonnull (strstr (written, "\nsummary:\n  training_start: \"20"));

  place_init (&next, "", "", "");
  second = trainer_new (&next);
  run_ok (second);
  runs_assert_same (
      mblm_trainer_get_output (first), mblm_trainer_get_output (second));
}

static void
test_not_finite (void)
{
  g_auto (Place) place;
  g_autoptr (MblmTrainer) trainer = NULL;
  g_autoptr (GString) messages = g_string_new (NULL);

  place_init (&place, "", "", "");
  fake_learner.bad_loss_from = 5;
  fake_learner.bad_loss_to = 7;
  fake_learner.bad_norm_from = 1;
  fake_learner.bad_norm_to = 2;
  fake_learner.norms = 0;
  trainer = trainer_new (&place);
  g_signal_connect (trainer, "message", G_CALLBACK (on_message), messages);
  run_ok (trainer);
  memset (&fake_learner, 0, sizeof fake_learner);
  /* one step for the two losses, one for the gradient */
  g_assert_cmpuint (
      mblm_trainer_get_progress (trainer)->n_steps_done, ==, 8 - 2);
  g_assert_nonnull (strstr (messages->str, "batch 5: the loss is not finite"));
  g_assert_nonnull (strstr (messages->str, "batch 6: the loss is not finite"));
  g_assert_nonnull (
      strstr (messages->str, "batch 11: the gradient is not finite"));
}

static void
test_never_finite (void)
{
  g_auto (Place) place;
  g_autoptr (MblmTrainer) trainer = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *written = NULL;

  place_init (&place, "", "", "");
  fake_learner.bad_loss_from = 4;
  fake_learner.bad_loss_to = G_MAXUINT64;
  trainer = trainer_new (&place);
  g_assert_false (mblm_trainer_run (trainer, NULL, &error));
  memset (&fake_learner, 0, sizeof fake_learner);
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_STATE);
  g_assert_nonnull (strstr (error->message, "not finite 20 times in a row"));
  g_assert_cmpuint (mblm_trainer_get_progress (trainer)->n_done, ==, 23);
  written = runs_read (mblm_trainer_get_output (trainer), "config.yaml");
  g_assert_nonnull (strstr (written, "  error: \""));
}

/* ---- stopped, killed, resumed ---------------------------------------------------- */

typedef struct {
  GCancellable *cancellable;
  guint after, seen;
} Stop;

static void
on_stop (MblmTrainer *trainer, Stop *stop)
{
  if (++stop->seen == stop->after)
    g_cancellable_cancel (stop->cancellable);
}

/* Runs until `after` signals have come; TRUE: to the end. */
static gboolean
run_part (const Place *place, gboolean resume, guint after, char **output)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (MblmTrainer) trainer = trainer_new (place);
  Stop stop = {cancellable, after, 0};
  gboolean done;

  if (resume)
    mblm_trainer_set_resume (trainer, *output);
  g_signal_connect (trainer, "progress", G_CALLBACK (on_stop), &stop);
  done = mblm_trainer_run (trainer, cancellable, &error);
  if (!done)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  if (*output == NULL)
    *output = g_strdup (mblm_trainer_get_output (trainer));
  return done;
}

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

/* ---- the published way of going on --------------------------------------------------- */

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
  start = g_build_filename (output, "start", NULL);
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

/* ---- what is refused ---------------------------------------------------------------- */

static void
expect_refusal (const Place *place, const char *resume, GQuark domain, int code,
    const char *part)
{
  g_autoptr (MblmTrainer) trainer = trainer_new (place);
  GError *error = NULL;

  if (resume != NULL)
    mblm_trainer_set_resume (trainer, resume);
  g_assert_false (mblm_trainer_run (trainer, NULL, &error));
  formats_expect (error, domain, code, part, "run");
}

static void
test_refused (void)
{
  static const struct {
    const char *io, *train, *rest;
    int code;
    const char *part;
  } cases[] = {
      {", dataset_args: {x: 1}", "", "", MBLM_ERROR_CONFIG, "dataset_args"},
      {"", "",
          "resume: {checkpoint_file: /nowhere/x, next_epoch_index: 0, "
          "next_batch_index: 16}\n",
          MBLM_ERROR_CONFIG, "next_batch_index is 16"},
      {"", "",
          "resume: {checkpoint_file: /nowhere/x.safetensors, "
          "next_epoch_index: 0, next_batch_index: 0}\n",
          MBLM_ERROR_NOT_FOUND, "/nowhere/x.safetensors"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Place) place;

    place_init (&place, cases[i].io, cases[i].train, cases[i].rest);
    expect_refusal (&place, NULL, MBLM_ERROR, cases[i].code, cases[i].part);
  }
}

static void
test_memory (void)
{
  g_auto (Place) place;

  place_init (&place, "", "", "");
  fake_learner.estimate = (guint64) 1 << 60;
  expect_refusal (
      &place, NULL, MBLM_ERROR, MBLM_ERROR_MEMORY, "training needs about 1.2");
  memset (&fake_learner, 0, sizeof fake_learner);
}

static void
test_resume_refused (void)
{
  g_auto (Place) place, other;
  g_autofree char *output = NULL;
  g_autofree char *out = NULL;

  place_init (&place, "", "", "");
  out = g_build_filename (place.folder, "out", NULL);
  expect_refusal (&place, "/nowhere", MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
      "/nowhere: there is no such folder");
  expect_refusal (&place, place.folder, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
      "no state of a training run");
  g_assert_false (run_part (&place, FALSE, 7, &output));
  place_init (&other, "", ", warmup_steps_perc: 0", "");
  expect_refusal (&other, output, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "it differs from what the run in");
}

typedef struct {
  const Place *place;
  guint tried;
} Rival;

static void
on_rival (MblmTrainer *trainer, Rival *rival)
{
  if (rival->tried++ == 3)
    expect_refusal (rival->place, mblm_trainer_get_output (trainer), MBLM_ERROR,
        MBLM_ERROR_INPUT, "another process is training there");
}

static void
test_locked (void)
{
  g_auto (Place) place;
  g_autoptr (MblmTrainer) trainer = NULL;
  Rival rival = {&place, 0};

  place_init (&place, "", "", "");
  trainer = trainer_new (&place);
  g_signal_connect (trainer, "progress", G_CALLBACK (on_rival), &rival);
  run_ok (trainer);
  g_assert_cmpuint (rival.tried, >, 4);
}

static void
test_job (void)
{
  g_auto (Place) place;
  g_autoptr (MblmTrainer) trainer = NULL;

  place_init (&place, "", "", "");
  g_setenv ("JOB_ID", "j7", TRUE);
  trainer = trainer_new (&place);
  run_ok (trainer);
  g_assert_true (
      g_str_has_suffix (mblm_trainer_get_output (trainer), "/out/run_j7"));
  expect_refusal (
      &place, NULL, MBLM_ERROR, MBLM_ERROR_INPUT, "there is a run already");
  g_unsetenv ("JOB_ID");
}

int
main (int argc, char **argv)
{
  /* a run syncs a lot, which takes its time on a disk */
  if (access ("/dev/shm", W_OK) == 0)
    g_setenv ("TMPDIR", "/dev/shm", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trainer/run", test_run);
  g_test_add_func ("/trainer/repeated", test_repeated);
  g_test_add_func ("/trainer/not-finite", test_not_finite);
  g_test_add_func ("/trainer/never-finite", test_never_finite);
  g_test_add_func ("/trainer/stopped", test_stopped);
  g_test_add_func ("/trainer/killed", test_killed);
  g_test_add_func ("/trainer/checkpoints", test_checkpoints);
  g_test_add_func ("/trainer/migrated", test_migrated);
  g_test_add_func ("/trainer/refused", test_refused);
  g_test_add_func ("/trainer/memory", test_memory);
  g_test_add_func ("/trainer/resume-refused", test_resume_refused);
  g_test_add_func ("/trainer/locked", test_locked);
  g_test_add_func ("/trainer/job", test_job);
  return g_test_run ();
}
