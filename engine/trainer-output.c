/* trainer-output.c: the output folder of a run.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The file `lock` in it is locked (flock) as long as a process works on the run.
 */

#include "trainer-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "atomic-file.h"
#include "mblm-error.h"
#include "message.h"

#define LOCK "lock"
#define CONFIG "config.yaml"

int
mblm_trainer_open_own (const char *path, int flags)
{
  int fd = open (
      path, flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  struct stat status;

  if (fd < 0 || (fstat (fd, &status) == 0 && S_ISREG (status.st_mode)))
    return fd;
  close (fd);
  errno = EINVAL;
  return -1;
}

/* ------------------------------------------------------------------------- */
/* Which folder                                                              */
/* ------------------------------------------------------------------------- */

/* When the state in `folder` was saved, where it is one of this run's name; 0
 * where it isn't. */
static gint64
get_age (MblmTrainer *self, const char *folder)
{
  g_autofree char *state_folder = NULL;
  g_autoptr (MblmTrainingState)
      state = mblm_training_state_peek (folder, &state_folder, NULL);
  g_autofree char *path = NULL;
  GStatBuf status;

  if (state == NULL || !g_str_equal (state->name, self->config->name))
    return 0;
  path = g_build_filename (state_folder, "state.json", NULL);
  return g_stat (path, &status) == 0
      ? (gint64) status.st_mtim.tv_sec * G_USEC_PER_SEC +
          status.st_mtim.tv_nsec / 1000
      : 0;
}

static char *
find_newest (MblmTrainer *self, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  g_autofree char *prefix = g_strconcat (config->name, "_", NULL);
  g_autoptr (GDir) dir = g_dir_open (config->output_dir, 0, NULL);
  g_autofree char *found = NULL;
  const char *name;
  gint64 newest = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (config->output_dir, name, NULL);
    gint64 age = g_str_has_prefix (name, prefix) ? get_age (self, path) : 0;

    if (age <= newest)
      continue;
    newest = age;
    g_free (found);
    found = g_steal_pointer (&path);
  }
  if (found == NULL)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
        "%s: there is no run of %s to resume; leave out --resume to begin one",
        config->output_dir, config->name);
  return g_steal_pointer (&found);
}

static gboolean
check_job (const char *job, GError **error)
{
  gboolean good = strchr (job, '/') == NULL && strlen (job) <= 50 &&
      g_utf8_validate (job, -1, NULL);

  for (const char *p = job; good && *p != '\0'; p = g_utf8_next_char (p))
    good = !g_unichar_iscntrl (g_utf8_get_char (p));
  if (!good)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "JOB_ID names the output folder: it has at most 50 bytes of UTF-8, no "
        "slash and no control characters");
  return good;
}

/* A folder of $JOB_ID, which may be there without a run in it, or of the time. */
static char *
make_folder (MblmTrainer *self, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  const char *job = g_getenv ("JOB_ID");
  gint64 seconds = g_get_real_time () / G_USEC_PER_SEC;

  if (job != NULL && job[0] == '\0')
    job = NULL;
  if (job != NULL && !check_job (job, error))
    return NULL;
  if (g_mkdir_with_parents (config->output_dir, 0777) != 0) {
    mblm_fail_errno (config->output_dir, "make", error);
    return NULL;
  }
  for (;; seconds++) {
    g_autofree char *name = job != NULL
        ? g_strdup_printf ("%s_%s", config->name, job)
        : g_strdup_printf ("%s_%" G_GINT64_FORMAT, config->name, seconds);
    g_autofree char *path = g_build_filename (config->output_dir, name, NULL);

    self->made = g_mkdir (path, 0777) == 0;
    if (self->made || (errno == EEXIST && job != NULL))
      return g_steal_pointer (&path);
    if (errno != EEXIST) {
      mblm_fail_errno (path, "make", error);
      return NULL;
    }
  }
}

static gboolean
take_lock (MblmTrainer *self, GError **error)
{
  g_autofree char *path = g_build_filename (self->output, LOCK, NULL);

  self->lock = mblm_trainer_open_own (path, O_RDWR);
  if (self->lock < 0)
    return mblm_fail_errno (path, "open", error);
  if (flock (self->lock, LOCK_EX | LOCK_NB) == 0)
    return TRUE;
  if (errno != EWOULDBLOCK)
    return mblm_fail_errno (path, "lock", error);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: another process is training there; wait for it or end it",
      self->output);
  return FALSE;
}

/* ------------------------------------------------------------------------- */
/* Begin and end                                                             */
/* ------------------------------------------------------------------------- */

/* Whether `name` is what a run writes into its folder. */
static gboolean
is_of_run (MblmTrainer *self, const char *name)
{
  static const char *const names[] = {
      "loss.csv", "timemem.csv", CONFIG, "state", "state.old", NULL};
  g_autofree char *top = g_strconcat (self->config->name, "_top", NULL);
  g_autofree char *hidden = g_strdup_printf (".%s_batch", self->config->name);

  return g_strv_contains (names, name) || g_str_has_prefix (name, top) ||
      g_str_has_prefix (name, hidden);
}

/* A folder of $JOB_ID that was there: a run in it is not to be overwritten, one
 * that can't be read least of all. */
static gboolean
check_unused (MblmTrainer *self, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (MblmTrainingState)
      found = mblm_training_state_peek (self->output, NULL, &problem);
  g_autoptr (GDir) dir = g_dir_open (self->output, 0, error);
  gboolean used = found != NULL;
  const char *name;

  if (dir == NULL)
    return FALSE;
  if (found == NULL &&
      !g_error_matches (problem, MBLM_ERROR, MBLM_ERROR_NOT_FOUND)) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return FALSE;
  }
  while (!used && (name = g_dir_read_name (dir)) != NULL)
    used = is_of_run (self, name);
  if (!used)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
      "%s: there is a run already, or what is left of one: resume it, set "
      "another JOB_ID, or move the folder away",
      self->output);
  return FALSE;
}

/* The folder that --resume means. */
static char *
find_run (MblmTrainer *self, GError **error)
{
  if (self->resume_folder == NULL)
    return find_newest (self, error);
  if (g_file_test (self->resume_folder, G_FILE_TEST_IS_DIR))
    return g_strdup (self->resume_folder);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_NOT_FOUND,
      "%s: there is no such folder to resume a run from", self->resume_folder);
  return NULL;
}

gboolean
mblm_trainer_find_run (MblmTrainer *self, GError **error)
{
  g_free (self->output);
  self->output = find_run (self, error);
  return self->output != NULL;
}

gboolean
mblm_trainer_open_output (MblmTrainer *self, char **folder, GError **error)
{
  g_free (self->output);
  self->output = self->resume ? find_run (self, error)
                              : make_folder (self, error);
  if (self->output == NULL)
    return FALSE;
  if (!take_lock (self, error)) {
    /* whoever holds it works here, so that nothing may be removed */
    self->made = FALSE;
    return FALSE;
  }
  if (self->resume)
    return mblm_trainer_load_state (self, folder, error);
  if (!self->made && !check_unused (self, error))
    return FALSE;
  mblm_trainer_begin_state (self);
  return TRUE;
}

void
mblm_trainer_close_output (MblmTrainer *self)
{
  mblm_trainer_close_csv (self);
  if (self->lock >= 0)
    close (self->lock);
  self->lock = -1;
}

void
mblm_trainer_discard_output (MblmTrainer *self)
{
  static const char *const names[] = {CONFIG, "loss.csv", "timemem.csv", LOCK};

  for (guint i = 0; self->made && i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (self->output, names[i], NULL);

    g_unlink (path);
  }
  /* it stays where there is a state */
  if (self->made)
    g_rmdir (self->output);
  /* last: nobody begins there while it is removed */
  mblm_trainer_close_output (self);
}

/* ------------------------------------------------------------------------- */
/* What is written                                                           */
/* ------------------------------------------------------------------------- */

gboolean
mblm_trainer_write_file (
    const char *folder, const char *name, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return mblm_atomic_file_save (path, text, strlen (text), error);
}

gboolean
mblm_trainer_write_model (MblmTrainer *self, const char *folder, GError **error)
{
  g_autofree char *weights = g_build_filename (
      folder, "model.safetensors", NULL);
  g_autofree char *yaml = mblm_config_to_yaml (self->config->model);
  g_autofree char *json = mblm_info_to_json (self->info);

  return mblm_learner_write_weights (self->learner, FALSE, weights, error) &&
      mblm_trainer_write_file (folder, CONFIG, yaml, error) &&
      (!self->has_info ||
          mblm_trainer_write_file (folder, "mblm.json", json, error));
}

static gboolean
fill_state (const char *folder, gpointer data, GError **error)
{
  MblmTrainer *self = data;
  g_autofree char *path = g_build_filename (folder, "state.safetensors", NULL);

  return mblm_trainer_write_model (self, folder, error) &&
      mblm_learner_write_state (
          self->learner, self->state->gradient != 0, path, error);
}

gboolean
mblm_trainer_save (MblmTrainer *self, GError **error)
{
  MblmTrainingState *state = self->state;

  self->saved = g_get_monotonic_time ();
  state->adam_steps = mblm_learner_get_steps (self->learner);
  state->seconds = self->progress.seconds;
  state->memory = self->memory;
  if (!mblm_trainer_sync_csv (self, error) ||
      !mblm_training_state_save (
          state, self->output, fill_state, self, error)) {
    g_prefix_error (error,
        "the state can't be saved; the one before it stays, make room and "
        "resume: ");
    return FALSE;
  }
  return mblm_trainer_write_config (self, NULL, NULL, error);
}

static guint64
get_size (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  GStatBuf status;

  return g_stat (path, &status) == 0 ? (guint64) status.st_size : 0;
}

/* There will be a second state beside the first, and one model more than are
 * kept; other files are small. */
void
mblm_trainer_check_room (MblmTrainer *self)
{
  const MblmTrainingConfig *config = self->config;
  g_autofree char *folder = g_build_filename (self->output, "state", NULL);
  guint64 model = get_size (folder, "model.safetensors");
  guint64 state = model + get_size (folder, "state.safetensors");
  guint64 gradient = config->accumulate > 1 ? model : 0;
  guint64 models = MIN (config->models_to_save, config->validate_amount) + 1;
  double needed = (double) models * (double) model + (double) state +
      2 * (double) gradient;
  struct statvfs status;

  if (statvfs (self->output, &status) != 0 ||
      (double) status.f_bavail * (double) status.f_frsize >= needed)
    return;

  g_autofree char *bytes = g_format_size (
      (guint64) MIN (needed, (double) G_MAXINT64));
  g_autofree char *free = g_format_size (
      (guint64) status.f_bavail * status.f_frsize);

  mblm_trainer_say (self,
      "%s: the run will keep up to %s more, and %s are free; make room, or "
      "lower num_models_to_save",
      self->output, bytes, free);
}

gboolean
mblm_trainer_write_config (
    MblmTrainer *self, const char *end, const char *problem, GError **error)
{
  g_autofree char *best = mblm_trainer_get_best_model (self);
  const MblmTrainingSummary summary = {.checkpoint_file = best,
      .goes_on = self->resume,
      .has_place = best != NULL,
      .next_epoch = self->state->epoch,
      .next_batch = self->state->batch,
      .training_start = self->state->start,
      .training_end = end,
      .error = problem,
      .n_parameters = self->progress.n_parameters};
  g_autofree char *yaml = mblm_training_config_to_yaml (self->config, &summary);

  return mblm_trainer_write_file (self->output, CONFIG, yaml, error);
}
