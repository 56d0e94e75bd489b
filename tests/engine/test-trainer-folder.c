/* test-trainer-folder.c: the folder of a training run, where others work too.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <errno.h>
#include <glib/gstdio.h>
#include <mblm.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake-learner.h"
#include "formats.h"
#include "place.h"
#include "runs.h"

/* ---- helpers --------------------------------------------------------------- */

/* Instead of the C library's: where `rival` says so, another process was faster,
 * and has written its first file. */
static struct {
  gboolean armed;
  char *loss;
} rival;

int
flock (int fd, int operation)
{
  if (rival.armed) {
    g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", fd);
    g_autofree char *lock = g_file_read_link (link, NULL);
    g_autofree char *folder = g_path_get_dirname (lock);

    rival.loss = formats_write (folder, "loss.csv", "of another\n", -1);
    errno = EWOULDBLOCK;
    return -1;
  }
  return (int) syscall (SYS_flock, fd, operation);
}

static gboolean small_disk;

/* And a disk that has too little room. */
int
statvfs (const char *path, struct statvfs *status)
{
  memset (status, 0, sizeof *status);
  status->f_frsize = 1;
  status->f_bavail = small_disk ? 5000 : 1u << 30;
  return 0;
}

static char *
in (const char *output, const char *name)
{
  return g_build_filename (output, name, NULL);
}

static gboolean
is_there (const char *output, const char *name)
{
  g_autofree char *path = in (output, name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
rename_in (const char *output, const char *from, const char *to)
{
  g_autofree char *path = in (output, from);
  g_autofree char *target = in (output, to);

  g_assert_cmpint (g_rename (path, target), ==, 0);
}

static void
on_message (MblmTrainer *trainer, const char *text, GString *all)
{
  g_string_append_printf (all, "%s\n", text);
}

/* A whole run, and the folder of another that is stopped where two models are
 * kept. */
static char *
run_both (const Place *whole, const Place *place, char **expected)
{
  char *output = NULL;

  g_assert_true (run_part (whole, FALSE, G_MAXUINT, expected));
  g_assert_false (run_part (place, FALSE, 25, &output));
  g_assert_true (is_there (output, "run_top2"));
  return output;
}

static void
resume_refused (const Place *place, const char *output, GQuark domain, int code,
    const char *part)
{
  g_autoptr (MblmTrainer) trainer = trainer_new (place);
  GError *error = NULL;

  mblm_trainer_set_resume (trainer, output);
  g_assert_false (mblm_trainer_run (trainer, NULL, &error));
  formats_expect (error, domain, code, part, "resumed");
}

/* ---- models ---------------------------------------------------------------- */

/* A file where a model belongs: an error, and no model is lost. */
static void
test_in_the_way (void)
{
  g_auto (Place) whole, place;
  g_autofree char *expected = NULL;
  g_autofree char *output = NULL;
  g_autofree char *stray = NULL;

  place_init (&whole, "", "", "");
  place_init (&place, "", "", "");
  output = run_both (&whole, &place, &expected);
  rename_in (output, "run_top1", "run_top7");
  stray = formats_write (output, "run_top1", "not a model", -1);
  for (guint i = 0; i < 2; i++)
    resume_refused (&place, output, G_FILE_ERROR, G_FILE_ERROR_NOTDIR,
        "make room there and resume");
  g_unlink (stray);
  g_assert_true (run_part (&place, TRUE, G_MAXUINT, &output));
  runs_assert_same (expected, output);
}

static void
copy_model (const char *output, const char *from, const char *to)
{
  static const char *const files[] = {
      "config.yaml", "model.safetensors", "training.json"};
  g_autofree char *folder = in (output, to);
  g_autofree char *source = in (output, from);

  g_assert_cmpint (g_mkdir (folder, 0777), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *path = in (source, files[i]);
    g_autoptr (GBytes) bytes = formats_read (path);
    gsize n;
    const void *data = g_bytes_get_data (bytes, &n);

    g_free (formats_write (folder, files[i], data, (gssize) n));
  }
}

/* Folders that have such a name and are not the run's stay; what is its own and
 * no longer among the best goes. */
static void
test_strangers (void)
{
  g_auto (Place) whole, place;
  g_autofree char *expected = NULL;
  g_autofree char *output = NULL;
  g_autofree char *folder = NULL;
  g_autofree char *inner = NULL;
  g_autofree char *old = NULL;
  g_autofree char *partial = NULL;
  g_autofree char *text = NULL;
  g_autoptr (MblmTrainer) trainer = NULL;
  g_autoptr (GString) messages = g_string_new (NULL);

  place_init (&whole, "", "", "");
  place_init (&place, "", "", "");
  output = run_both (&whole, &place, &expected);
  copy_model (output, "run_top1", "run_top9");
  folder = in (output, "run_top3");
  inner = in (folder, "inner");
  g_assert_cmpint (g_mkdir_with_parents (inner, 0777), ==, 0);
  text = formats_write (folder, "notes.txt", "mine", -1);
  copy_model (output, "run_top1", "start");
  copy_model (output, "run_top1", ".run_batch3");
  old = in (output, ".run_batch3");
  g_free (formats_write (old, "training.json", "{\"batch\": 3}", -1));
  partial = in (output, ".run_batch7");
  g_assert_cmpint (g_mkdir (partial, 0777), ==, 0);
  g_free (formats_write (partial, "config.yaml", "x", -1));

  trainer = trainer_new (&place);
  mblm_trainer_set_resume (trainer, output);
  g_signal_connect (trainer, "message", G_CALLBACK (on_message), messages);
  run_ok (trainer);
  runs_assert_same (expected, output);
  g_assert_true (is_there (output, "run_top9"));
  g_assert_true (is_there (output, "start"));
  g_assert_true (g_file_test (inner, G_FILE_TEST_IS_DIR));
  g_assert_true (g_file_test (text, G_FILE_TEST_IS_REGULAR));
  g_assert_false (is_there (output, ".run_batch3"));
  g_assert_false (is_there (output, ".run_batch7"));
  g_assert_nonnull (strstr (messages->str, "/run_top3 is left alone"));
  /* once */
  g_assert_null (
      strstr (strstr (messages->str, "run_top3") + 1, "run_top3 is left"));
}

/* A model that the user took away is no longer one of the best. */
static void
test_taken_away (void)
{
  g_auto (Place) place;
  g_autofree char *output = NULL;
  g_autoptr (MblmTrainer) trainer = NULL;
  g_autoptr (GString) messages = g_string_new (NULL);

  place_init (&place, "", "", "");
  g_assert_false (run_part (&place, FALSE, 25, &output));
  rename_in (output, "run_top1", "mine");
  trainer = trainer_new (&place);
  mblm_trainer_set_resume (trainer, output);
  g_signal_connect (trainer, "message", G_CALLBACK (on_message), messages);
  run_ok (trainer);
  g_assert_nonnull (strstr (messages->str, " is no longer there"));
  g_assert_true (is_there (output, "mine"));
  g_assert_true (is_there (output, "run_top2"));
}

/* ---- the folder ------------------------------------------------------------ */

static void
begin_refused (const Place *place, int code, const char *part)
{
  g_autoptr (MblmTrainer) trainer = trainer_new (place);
  GError *error = NULL;

  g_assert_false (mblm_trainer_run (trainer, NULL, &error));
  formats_expect (error, MBLM_ERROR, code, part, "begun");
}

/* A run doesn't begin in the folder of another, be its state damaged or gone. */
static void
test_used (void)
{
  static const char *const bad[] = {"two\nlines", "\xff\xfe", "a/b"};
  g_auto (Place) place;
  g_autofree char *output = NULL;
  g_autofree char *state = NULL;

  place_init (&place, "", "", "");
  g_setenv ("JOB_ID", "j8", TRUE);
  g_assert_true (run_part (&place, FALSE, G_MAXUINT, &output));
  begin_refused (&place, MBLM_ERROR_INPUT, "there is a run already");
  state = in (output, "state");
  g_free (formats_write (state, "state.json", "{\"format\": 9}", -1));
  begin_refused (&place, MBLM_ERROR_INPUT, "or one of another version");
  rename_in (output, "state", "elsewhere");
  begin_refused (&place, MBLM_ERROR_INPUT, "there is a run already");
  g_assert_true (is_there (output, "run_top1/model.safetensors"));
  g_assert_true (is_there (output, "run_top2/model.safetensors"));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_setenv ("JOB_ID", bad[i], TRUE);
    begin_refused (&place, MBLM_ERROR_INPUT, "JOB_ID names the output folder");
  }
  g_unsetenv ("JOB_ID");
}

/* Two begin in one folder at once: who comes too late removes nothing. */
static void
test_race (void)
{
  g_auto (Place) place;
  g_autofree char *loss = NULL;

  place_init (&place, "", "", "");
  g_setenv ("JOB_ID", "j9", TRUE);
  rival.armed = TRUE;
  begin_refused (&place, MBLM_ERROR_INPUT, "another process is training there");
  rival.armed = FALSE;
  g_unsetenv ("JOB_ID");
  loss = g_steal_pointer (&rival.loss);
  g_assert_nonnull (loss);
  g_assert_true (g_file_test (loss, G_FILE_TEST_EXISTS));
}

/* Files of a run that lead elsewhere, or would be waited for. */
static void
test_links (void)
{
  static const char *const names[] = {"loss.csv", "timemem.csv", "lock"};

  for (guint i = 0; i < 2 * G_N_ELEMENTS (names); i++) {
    const char *name = names[i / 2];
    g_auto (Place) place;
    g_autofree char *output = NULL;
    g_autofree char *target = NULL;
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    g_autoptr (MblmTrainer) trainer = NULL;
    g_autoptr (GError) error = NULL;

    place_init (&place, "", "", "");
    g_assert_false (run_part (&place, FALSE, 4, &output));
    target = formats_write (place.folder, "target", "precious\n", -1);
    path = in (output, name);
    g_unlink (path);
    g_assert_cmpint (
        i % 2 ? mkfifo (path, 0600) : symlink (target, path), ==, 0);
    trainer = trainer_new (&place);
    mblm_trainer_set_resume (trainer, output);
    g_assert_false (mblm_trainer_run (trainer, NULL, &error));
    g_assert_nonnull (strstr (error->message, name));
    g_assert_true (g_file_get_contents (target, &text, NULL, NULL));
    g_assert_cmpstr (text, ==, "precious\n");
  }
}

/* 257 weights and as many moments of each kind: a second state, its gradient and
 * that of the first, and three models take 8.2 kB and what the headers take. */
static void
test_room (void)
{
  for (guint i = 0; i < 2; i++) {
    g_auto (Place) place;
    g_autoptr (MblmTrainer) trainer = NULL;
    g_autoptr (GString) messages = g_string_new (NULL);

    place_init (&place, "", "", "");
    small_disk = i == 1;
    trainer = trainer_new (&place);
    g_signal_connect (trainer, "message", G_CALLBACK (on_message), messages);
    run_ok (trainer);
    small_disk = FALSE;
    g_assert_cmpint (
        strstr (messages->str, "and 5.0\xc2\xa0kB are free") != NULL, ==,
        i == 1);
  }
}

/* ---- data that vanish ------------------------------------------------------ */

typedef struct {
  char *path;
  guint after, seen;
} Cut;

static void
on_cut (MblmTrainer *trainer, Cut *cut)
{
  if (++cut->seen == cut->after)
    g_assert_cmpint (truncate (cut->path, 10), ==, 0);
}

/* What was done before data can't be read is kept. */
static void
test_data_error (void)
{
  g_auto (Place) whole, place;
  g_autofree char *expected = NULL;
  g_autofree char *output = NULL;
  g_autofree char *text = NULL;
  g_autofree char *written = NULL;
  g_autoptr (MblmTrainer) trainer = NULL;
  GError *error = NULL;
  Cut cut = {NULL, 10, 0};
  guint64 done;
  gsize n;

  place_init (&whole, "", "", "");
  place_init (&place, "", "", "");
  g_assert_true (run_part (&whole, FALSE, G_MAXUINT, &expected));
  cut.path = g_build_filename (place.folder, "data", "train", "a.txt", NULL);
  g_assert_true (g_file_get_contents (cut.path, &text, &n, NULL));
  trainer = trainer_new (&place);
  g_signal_connect (trainer, "progress", G_CALLBACK (on_cut), &cut);
  g_assert_false (mblm_trainer_run (trainer, NULL, &error));
  formats_expect (
      error, MBLM_ERROR, MBLM_ERROR_INPUT, "became shorter", "cut data");
  output = g_strdup (mblm_trainer_get_output (trainer));
  done = mblm_trainer_get_progress (trainer)->n_done;
  written = runs_read (output, "config.yaml");
  g_assert_nonnull (strstr (written, "became shorter"));
  g_clear_object (&trainer);

  g_assert_true (g_file_set_contents (cut.path, text, (gssize) n, NULL));
  g_autofree char *json = runs_read (output, "state/state.json");
  g_autofree char *part = g_strdup_printf (
      "\"done\": %" G_GUINT64_FORMAT ",", done);

  g_assert_cmpuint (done, >, 5);
  g_assert_nonnull (strstr (json, part));
  g_assert_true (run_part (&place, TRUE, G_MAXUINT, &output));
  runs_assert_same (expected, output);
  g_free (cut.path);
}

int
main (int argc, char **argv)
{
  /* a run syncs a lot, which takes its time on a disk */
  if (access ("/dev/shm", W_OK) == 0)
    g_setenv ("TMPDIR", "/dev/shm", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trainer-folder/in-the-way", test_in_the_way);
  g_test_add_func ("/trainer-folder/strangers", test_strangers);
  g_test_add_func ("/trainer-folder/taken-away", test_taken_away);
  g_test_add_func ("/trainer-folder/used", test_used);
  g_test_add_func ("/trainer-folder/race", test_race);
  g_test_add_func ("/trainer-folder/links", test_links);
  g_test_add_func ("/trainer-folder/room", test_room);
  g_test_add_func ("/trainer-folder/data-error", test_data_error);
  return g_test_run ();
}
