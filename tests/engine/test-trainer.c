/* test-trainer.c: training runs, over a learner made for the test.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <glib/gstdio.h>
#include <math.h>
#include <mblm.h>
#include <string.h>
#include <unistd.h>

#include "fake-learner.h"
#include "formats.h"
#include "place.h"
#include "runs.h"

/* ---- one run ------------------------------------------------------------- */

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

/* What is in an output folder, and nothing else. */
static void
check_entries (const char *output)
{
  static const char *const entries[] = {"config.yaml", "lock", "loss.csv",
#ifdef HAVE_CAIRO
      "loss.svg",
#endif
      "run_top1", "run_top2", "state", "timemem.csv", NULL};
  g_autoptr (GDir) dir = g_dir_open (output, 0, NULL);
  const char *name;
  guint found = 0;

  for (; (name = g_dir_read_name (dir)) != NULL; found++)
    if (!g_strv_contains (entries, name))
      g_error ("%s: what is %s?", output, name);
  g_assert_cmpuint (found, ==, G_N_ELEMENTS (entries) - 1);
}

static void
check_losses (const char *output)
{
  g_autofree char *losses = runs_read_losses (output);
  g_auto (GStrv) lines = g_strsplit (losses, "\n", -1);
  guint train = 0, valid = 0;

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

static void
test_run (void)
{
  g_auto (Place) place;
  g_autoptr (MblmTrainer) trainer = NULL;
  const MblmTrainerProgress *progress;
  guint count = 0;

  place_init (&place, "", "", "");
  trainer = trainer_new (&place);
  g_signal_connect (trainer, "progress", G_CALLBACK (on_count), &count);
  run_ok (trainer);
  progress = mblm_trainer_get_progress (trainer);
  g_assert_cmpuint (progress->n_batches, ==, 40);
  g_assert_cmpuint (progress->n_done, ==, 40);
  g_assert_cmpuint (progress->n_epoch_batches, ==, 15);
  /* of the 15 batches of an epoch, the last three wait for the next one's */
  g_assert_cmpuint (progress->n_steps_done, ==, 3 + 3 + 2);
  g_assert_cmpuint (count, >, 40);
  g_assert_cmpfloat (progress->best_loss, <, progress->loss + 1);
  g_assert_cmpfloat (progress->test_loss, >, 0);
  check_entries (mblm_trainer_get_output (trainer));
  check_losses (mblm_trainer_get_output (trainer));
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

/* A place where "e" (101) is padding, and a file of its data set is so many of it
 * before what it was. */
static void
pad_place (Place *self, const char *file, gsize n)
{
  g_auto (GStrv) parts = g_strsplit (PARAMS, "pad_token_id: 256", 2);
  g_autofree char *params = g_strdup_printf (
      "%spad_token_id: 101%s", parts[0], parts[1]);
  g_autofree char *padding = g_strnfill (n, 'e');
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  g_autofree char *data = NULL;

  place_init_with (self, params, "", "", "");
  path = g_build_filename (self->folder, "data", file, NULL);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  data = g_strconcat (padding, text, NULL);
  g_assert_true (g_file_set_contents (path, data, -1, NULL));
  fake_learner.pad = 101;
}

/* Batches that hold nothing but padding. */
static void
test_idle (void)
{
  g_auto (Place) place;
  g_autofree char *path = NULL;
  g_autofree char *data = g_strnfill (2000, 'e');
  g_autoptr (MblmTrainer) trainer = NULL;
  g_autoptr (GString) messages = g_string_new (NULL);
  const char *said;

  pad_place (&place, "train/a.txt", 0);
  path = g_build_filename (place.folder, "data", "train", NULL);
  g_free (formats_write (path, "a.txt", data, -1));
  g_free (formats_write (path, "b.txt", data, -1));
  trainer = trainer_new (&place);
  g_signal_connect (trainer, "message", G_CALLBACK (on_message), messages);
  run_ok (trainer);
  memset (&fake_learner, 0, sizeof fake_learner);
  said = strstr (messages->str, "batch 0: none of its losses counts");
  g_assert_nonnull (said);
  g_assert_null (strstr (said + 30, "none of its losses"));
}

/* They have no part in the loss of a validation. */
static void
test_idle_validation (void)
{
  g_auto (Place) place, none;
  g_autoptr (MblmTrainer) trainer = NULL;
  g_autoptr (MblmTrainer) never = NULL;
  g_autoptr (GString) messages = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *losses = NULL;
  g_autofree char *path = NULL;
  g_autofree char *data = g_strnfill (2000, 'e');

  pad_place (&place, "validation/a.txt", 2 * 4 * 32);
  trainer = trainer_new (&place);
  run_ok (trainer);
  losses = runs_read_losses (mblm_trainer_get_output (trainer));
  const char *row = strstr (losses, ",valid,");
  g_assert_nonnull (row);
  g_auto (GStrv) fields = g_strsplit (row, ",", 7);
  /* two batches of 0 among six would make it two thirds of that */
  g_assert_cmpfloat (g_ascii_strtod (fields[5], NULL), >, log (257) * 0.9);

  pad_place (&none, "validation/a.txt", 0);
  path = g_build_filename (none.folder, "data", "validation", NULL);
  g_free (formats_write (path, "a.txt", data, -1));
  never = trainer_new (&none);
  g_signal_connect (never, "message", G_CALLBACK (on_message), messages);
  mblm_trainer_run (never, NULL, &error);
  g_assert_nonnull (strstr (messages->str, "batches counts"));
  g_assert_no_error (error);
  memset (&fake_learner, 0, sizeof fake_learner);
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

/* ---- what is refused ----------------------------------------------------- */

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
      {"", ", layer_inputs: bf16", "", MBLM_ERROR_CONFIG,
          "layer_inputs: bf16 needs precision: bf16"},
      {"", "",
          "resume: {checkpoint_file: /proc/self/cmdline, next_epoch_index: 0, "
          "next_batch_index: 16}\n",
          MBLM_ERROR_CONFIG, "next_batch_index is 16"},
      {"", "",
          "resume: {checkpoint_file: /nowhere/x.safetensors, "
          "next_epoch_index: 0, next_batch_index: 0}\n",
          MBLM_ERROR_NOT_FOUND, "/nowhere/x.safetensors"},
      {"", "",
          "resume: {checkpoint_file: '', next_epoch_index: 0, "
          "next_batch_index: 0}\n",
          MBLM_ERROR_CONFIG, "checkpoint_file is empty"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Place) place;
    g_autofree char *out = NULL;

    place_init (&place, cases[i].io, cases[i].train, cases[i].rest);
    expect_refusal (&place, NULL, MBLM_ERROR, cases[i].code, cases[i].part);
    /* nothing is left of it */
    out = g_build_filename (place.folder, "out", NULL);
    g_assert_true (
        !g_file_test (out, G_FILE_TEST_EXISTS) || g_rmdir (out) == 0);
  }
}

/* The first epoch has the four batches that a step takes, the second only three. */
static void
test_later_epochs (void)
{
  g_auto (Place) place;
  g_autofree char *train = NULL;
  g_autofree char *data = g_strnfill (256, 'e');

  place_init (&place, "", "", "");
  train = g_build_filename (place.folder, "data", "train", NULL);
  g_free (formats_write (train, "a.txt", data, -1));
  g_free (formats_write (train, "b.txt", data, -1));
  expect_refusal (&place, NULL, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "an epoch has 3 batches, fewer than gradient_accumulate_every (4)");
}

/* The run would train on what it writes: where a folder leads into one that is
 * read, be it there already or not. */
static void
test_among_data (void)
{
  static const struct {
    const char *target, *rest;
    gboolean among;
  } cases[] = {{"data/train", "", TRUE}, {"data/train", "/a/b", TRUE},
      {"data/validation", "", TRUE}, {"data/test", "/a", TRUE},
      {"data/train", "/.a/b", FALSE}, {"data", "/trains", FALSE},
      {"data2", "", FALSE}};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Place) place;
    g_autofree char *target = NULL;
    g_autofree char *out = NULL;
    g_autofree char *text = NULL;
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;
    g_autoptr (MblmTrainer) trainer = NULL;

    place_init (&place, "", "", "");
    target = g_build_filename (place.folder, cases[i].target, NULL);
    out = g_build_filename (place.folder, "out", NULL);
    g_assert_cmpint (g_mkdir_with_parents (target, 0777), ==, 0);
    g_assert_cmpint (symlink (target, out), ==, 0);
    from = g_strdup_printf ("%s,", out);
    to = g_strdup_printf ("%s%s,", out, cases[i].rest);
    g_assert_true (g_file_get_contents (place.config, &text, NULL, NULL));

    g_auto (GStrv) parts = g_strsplit (text, from, 2);
    g_autofree char *changed = g_strjoinv (to, parts);

    g_free (formats_write (place.folder, "run.yaml", changed, -1));
    if (cases[i].among) {
      expect_refusal (&place, NULL, MBLM_ERROR, MBLM_ERROR_CONFIG,
          "io.output_dir lies in io.dataset_dir");
    } else {
      trainer = trainer_new (&place);
      run_ok (trainer);
    }
  }
}

/* A test split that can't be used is known before the training. */
static void
test_test_split (void)
{
  g_auto (Place) place;
  g_autofree char *test = NULL;
  g_autofree char *file = NULL;
  g_autoptr (MblmTrainer) trainer = NULL;
  g_autoptr (GString) messages = g_string_new (NULL);

  place_init (&place, "", "", "");
  test = g_build_filename (place.folder, "data", "test", NULL);
  file = formats_write (test, "a.txt", "short", -1);
  expect_refusal (&place, NULL, MBLM_ERROR, MBLM_ERROR_INPUT,
      "5 ids for test, less than one sample");
  g_unlink (file);
  g_rmdir (test);
  trainer = trainer_new (&place);
  g_signal_connect (trainer, "message", G_CALLBACK (on_message), messages);
  run_ok (trainer);
  g_assert_nonnull (strstr (messages->str, "there is no test"));
}

typedef struct {
  char *path;
  guint batches;
} Spoil;

static void
on_spoil (MblmTrainer *trainer, Spoil *spoil)
{
  if (++spoil->batches == 30)
    g_assert_cmpint (truncate (spoil->path, 3), ==, 0);
}

/* Nor is it lost what went wrong with it after the training. */
static void
test_test_fails (void)
{
  g_auto (Place) place;
  g_autofree char *written = NULL;
  g_autoptr (MblmTrainer) trainer = NULL;
  g_autoptr (GError) error = NULL;
  Spoil spoil = {NULL, 0};

  place_init (&place, "", "", "");
  spoil.path = g_build_filename (place.folder, "data", "test", "a.txt", NULL);
  trainer = trainer_new (&place);
  g_signal_connect (trainer, "progress", G_CALLBACK (on_spoil), &spoil);
  g_assert_false (mblm_trainer_run (trainer, NULL, &error));
  g_assert_error (error, MBLM_ERROR, MBLM_ERROR_INPUT);
  written = runs_read (mblm_trainer_get_output (trainer), "config.yaml");
  g_assert_nonnull (strstr (written, "for test, less than one sample"));
  g_free (spoil.path);
}

static void
test_memory (void)
{
  g_auto (Place) place;

  place_init (&place, "", "", "");
  fake_learner.estimate = (guint64) 1 << 60;
  expect_refusal (&place, NULL, MBLM_ERROR, MBLM_ERROR_MEMORY, "take less");
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

/* Neither f32 nor bf16 goes on with what tf32 began. */
static void
test_other_precision (void)
{
  g_auto (Place) place;
  g_autofree char *output = NULL;

  place_init (&place, "", ", precision: tf32", "");
  g_assert_false (run_part (&place, FALSE, 7, &output));
  for (guint i = 0; i < 2; i++) {
    g_autoptr (MblmTrainer) trainer = trainer_new (&place);
    GError *error = NULL;

    mblm_trainer_set_precision (
        trainer, i == 0 ? MBLM_PRECISION_F32 : MBLM_PRECISION_BF16);
    mblm_trainer_set_resume (trainer, output);
    g_assert_false (mblm_trainer_run (trainer, NULL, &error));
    formats_expect (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "resume with the same file, precision and layer_inputs", "run");
  }
  g_assert_true (run_part (&place, TRUE, G_MAXUINT, &output));
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
  g_test_add_func ("/trainer/idle", test_idle);
  g_test_add_func ("/trainer/idle-validation", test_idle_validation);
  g_test_add_func ("/trainer/never-finite", test_never_finite);
  g_test_add_func ("/trainer/refused", test_refused);
  g_test_add_func ("/trainer/later-epochs", test_later_epochs);
  g_test_add_func ("/trainer/among-data", test_among_data);
  g_test_add_func ("/trainer/test-split", test_test_split);
  g_test_add_func ("/trainer/test-fails", test_test_fails);
  g_test_add_func ("/trainer/memory", test_memory);
  g_test_add_func ("/trainer/resume-refused", test_resume_refused);
  g_test_add_func ("/trainer/other-precision", test_other_precision);
  g_test_add_func ("/trainer/locked", test_locked);
  g_test_add_func ("/trainer/job", test_job);
  return g_test_run ();
}
