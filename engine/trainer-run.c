/* trainer-run.c: the loop of a training run.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mblm-math section 2.13. Whatever decides what comes next is in the state, which
 * is saved between two batches only; so a run that goes on from any of its states
 * computes the same.
 */

#include "trainer-private.h"

#include <math.h>

#include "loss-plot.h"
#include "mblm-error.h"
#include "schedule.h"

/* Batches whose time goes into timemem.csv, as published. */
#define TIMED 30

static double
get_rate (MblmTrainer *self)
{
  const MblmTrainingConfig *config = self->config;

  return mblm_schedule_get_rate (config->learning_rate, config->warmup,
      config->steps, self->state->schedule_steps);
}

static gint64
get_elements (MblmTrainer *self)
{
  const MblmTrainingConfig *config = self->config;

  return (gint64) (self->state->done * config->batch_size *
      (config->by_sequence ? config->length : 1));
}

static void
update_time (MblmTrainer *self)
{
  self->progress.seconds = self->seconds_before +
      (double) (g_get_monotonic_time () - self->began) / G_USEC_PER_SEC;
}

static void
update_progress (MblmTrainer *self)
{
  const MblmTrainingState *state = self->state;

  self->progress.n_done = state->done;
  self->progress.n_steps_done = state->schedule_steps;
  self->progress.epoch = state->epoch;
  self->progress.rate = get_rate (self);
  self->progress.n_epoch_batches = mblm_batches_count (
      self->batches, state->epoch);
  if (state->best->len > 0)
    self->progress.best_loss =
        g_array_index (state->best, MblmBestModel, 0).loss;
  update_time (self);
}

/* ------------------------------------------------------------------------- */
/* A batch                                                                   */
/* ------------------------------------------------------------------------- */

static void
average (double *mean, double value, double share)
{
  if (isfinite (value))
    *mean = isfinite (*mean) ? *mean + share * (value - *mean) : value;
}

/* What `what` of batch `number` is not finite: the step that it belongs to is not
 * taken. */
static gboolean
skip (MblmTrainer *self, const char *what, GError **error)
{
  guint64 number = self->state->first + self->state->done;

  self->state->skipped++;
  mblm_trainer_say (self,
      "batch %" G_GUINT64_FORMAT ": the %s is not finite; its step is left out",
      number, what);
  if (self->state->skipped < MBLM_TRAINER_MAX_SKIPPED)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_STATE,
      "%s: losses or gradients were not finite %d times in a row; lower "
      "learning_rate or gradient_clipping and begin with the best model so far "
      "(`resume` of %s/config.yaml)",
      self->output, MBLM_TRAINER_MAX_SKIPPED, self->output);
  return FALSE;
}

/* A step is due. */
static gboolean
take_step (MblmTrainer *self, GError **error)
{
  MblmTrainingState *state = self->state;
  double clip = self->config->clip, norm = NAN;
  gboolean spoiled = state->spoiled != 0;

  state->gradient = state->spoiled = 0;
  if (!spoiled && !mblm_learner_get_norm (self->learner, &norm, error))
    return FALSE;
  if (spoiled || !isfinite (norm))
    return mblm_learner_drop_gradient (self->learner, error) &&
        (spoiled || skip (self, "gradient", error));
  if (!mblm_learner_step (self->learner, get_rate (self), clip, norm, error))
    return FALSE;
  state->schedule_steps++;
  state->skipped = 0;
  state->norm = norm;
  state->clipped = clip > 0 ? norm * MIN (1, clip / (norm + 1e-6)) : norm;
  return TRUE;
}

/* Of the batch that has just been computed. */
static gboolean
log_batch (MblmTrainer *self, const MblmBatch *batch, double loss,
    double seconds, GError **error)
{
  const MblmTrainingConfig *config = self->config;
  MblmTrainingState *state = self->state;
  const MblmLossRow row = {.kind = "train",
      .elements = get_elements (self) +
          (gint64) (config->batch_size *
              (config->by_sequence ? config->length : 1)),
      .epoch = (gint64) batch->epoch,
      .batch = (gint64) batch->index,
      .cum_batch = (gint64) (state->first + state->done),
      .loss = loss,
      .rate = get_rate (self),
      .norm = state->norm,
      .clipped = state->clipped};

  if (state->timed < TIMED) {
    state->timed++;
    if (!mblm_trainer_write_time (self, row.kind, row.cum_batch,
            (gint64) config->batch_size, seconds, error))
      return FALSE;
  }
  return !mblm_schedule_is_point (
             config->batches, config->log_amount, state->done) ||
      mblm_trainer_write_loss (self, &row, error);
}

/* A mean that is exactly zero is that of no loss at all. */
static void
note_idle (MblmTrainer *self, double loss)
{
  if (loss != 0 || self->idle_said)
    return;
  self->idle_said = TRUE;
  mblm_trainer_say (self,
      "batch %" G_GUINT64_FORMAT ": none of its losses counts, so that nothing "
      "is learnt from it; look at the weights of the loss in dataset_args, and "
      "at pad_token_id (this is said once)",
      self->state->first + self->state->done);
}

static gboolean
accumulate (MblmTrainer *self, const MblmBatch *batch, GError **error)
{
  MblmTrainingState *state = self->state;
  const MblmLearnerBatch what = mblm_trainer_view_batch (self, batch);
  gint64 began = g_get_monotonic_time ();
  double loss, seconds;

  /* never cancelled in the middle: the gradient would be half a batch's */
  if (!mblm_learner_accumulate (self->learner, &what,
          1.0 / (double) self->config->accumulate, state->first + state->done,
          &loss, NULL, error))
    return FALSE;
  seconds = (double) (g_get_monotonic_time () - began) / G_USEC_PER_SEC;
  self->progress.loss = loss;
  average (&self->progress.smooth_loss, loss, 0.05);
  average (&self->progress.batch_seconds, seconds,
      self->progress.batch_seconds > 0 ? 0.1 : 1);
  note_idle (self, loss);
  if (!log_batch (self, batch, loss, seconds, error))
    return FALSE;
  if (isfinite (loss)) {
    state->gradient = 1;
    return TRUE;
  }
  state->spoiled = 1;
  return skip (self, "loss", error);
}

static gboolean
do_batch (MblmTrainer *self, GCancellable *cancellable, GError **error)
{
  MblmTrainingState *state = self->state;
  const MblmTrainingConfig *config = self->config;
  g_autoptr (MblmBatch)
      batch = mblm_batches_next (self->batches, cancellable, error);

  if (batch == NULL)
    return FALSE;
  self->whole = FALSE;
  if (!accumulate (self, batch, error))
    return FALSE;
  if ((batch->index + 1) % config->accumulate == 0 && !take_step (self, error))
    return FALSE;
  state->pending = mblm_schedule_is_point (
      config->batches, config->validate_amount, state->done);
  state->done++;
  state->epoch = batch->epoch;
  state->batch = batch->index + 1;
  if (state->batch >= mblm_batches_count (self->batches, state->epoch)) {
    state->epoch++;
    state->batch = 0;
  }
  self->whole = TRUE;
  update_progress (self);
  mblm_trainer_tell_progress (self);
  return TRUE;
}

/* ------------------------------------------------------------------------- */
/* Validation                                                                */
/* ------------------------------------------------------------------------- */

static void
draw_plot (MblmTrainer *self)
{
  g_autofree char *csv = g_build_filename (self->output, "loss.csv", NULL);
  g_autofree char *svg = g_build_filename (self->output, "loss.svg", NULL);
  g_autoptr (GError) error = NULL;

  if (mblm_loss_plot (csv, svg, self->config->name, &error) ||
      self->plot_failed)
    return;
  self->plot_failed = TRUE;
  mblm_trainer_say (self, "loss.svg is left out: %s", error->message);
}

/* The batch that was done last; an epoch may be empty. */
static void
get_last_place (MblmTrainer *self, gint64 *epoch, gint64 *batch)
{
  guint64 at = self->state->epoch, after = self->state->batch;

  while (after == 0 && at > 0)
    after = mblm_batches_count (self->batches, --at);
  *epoch = (gint64) at;
  *batch = (gint64) after - 1;
}

static gboolean
log_validation (MblmTrainer *self, double loss, double seconds, GError **error)
{
  MblmLossRow row = {.kind = "valid",
      .elements = get_elements (self),
      .cum_batch = (gint64) (self->state->first + self->state->done) - 1,
      .loss = loss,
      .rate = -1,
      .norm = -1,
      .clipped = -1};

  get_last_place (self, &row.epoch, &row.batch);
  return mblm_trainer_write_time (
             self, row.kind, row.cum_batch, row.elements, seconds, error) &&
      mblm_trainer_write_loss (self, &row, error);
}

static gboolean
validate (MblmTrainer *self, GCancellable *cancellable, GError **error)
{
  MblmTrainingState *state = self->state;
  gint64 began = g_get_monotonic_time ();
  gboolean kept;
  double loss;

  if (!mblm_trainer_evaluate (self, self->learner, self->valid,
          self->config->shuffle_eval, state->validations, &loss, cancellable,
          error))
    return FALSE;
  self->whole = FALSE;
  if (!log_validation (self, loss,
          (double) (g_get_monotonic_time () - began) / G_USEC_PER_SEC, error))
    return FALSE;
  state->validations++;
  state->pending = 0;
  self->progress.valid_loss = loss;
  update_time (self);
  if (!mblm_trainer_consider (self, loss, &kept, error))
    return FALSE;
  if (kept &&
      (!mblm_trainer_save (self, error) ||
          !mblm_trainer_arrange_best (self, error)))
    return FALSE;
  self->whole = TRUE;
  mblm_trainer_tell_loss (self, "valid", loss, kept);
  draw_plot (self);
  return TRUE;
}

/* The best model on the split `test`, where there is one. */
static gboolean
test (MblmTrainer *self, GCancellable *cancellable, GError **error)
{
  const MblmLearnerOptions options = mblm_trainer_get_options (self);
  MblmLossRow row = {.kind = "test",
      .elements = -1,
      .epoch = -1,
      .batch = -1,
      .cum_batch = -1,
      .rate = -1,
      .norm = -1,
      .clipped = -1};
  g_autoptr (GError) none = NULL;
  g_autoptr (MblmDataset)
      dataset = mblm_trainer_open_split (self, MBLM_SPLIT_TEST, &none);
  g_autofree char *best = mblm_trainer_get_best_model (self);
  g_autoptr (MblmLearner) learner = NULL;

  if (dataset == NULL &&
      !g_error_matches (none, MBLM_ERROR, MBLM_ERROR_NOT_FOUND)) {
    g_propagate_error (error, g_steal_pointer (&none));
    return FALSE;
  }
  if (dataset == NULL || best == NULL) {
    mblm_trainer_say (self, "there is no test: %s",
        none != NULL ? none->message : "no validation gave a finite loss");
    return TRUE;
  }
  /* one at a time fits where training fitted */
  g_clear_pointer (&self->learner, mblm_learner_free);
  learner = mblm_learner_new_from_folder (best, self->device, &options, error);
  if (learner == NULL ||
      !mblm_trainer_evaluate (
          self, learner, dataset, FALSE, 0, &row.loss, cancellable, error) ||
      !mblm_trainer_write_loss (self, &row, error))
    return FALSE;
  self->progress.test_loss = row.loss;
  mblm_trainer_tell_loss (self, "test", row.loss, FALSE);
  return mblm_trainer_sync_csv (self, error);
}

/* ------------------------------------------------------------------------- */
/* The run                                                                   */
/* ------------------------------------------------------------------------- */

static gboolean
is_due (MblmTrainer *self)
{
  double minutes = (double) (g_get_monotonic_time () - self->saved) /
      (60.0 * G_USEC_PER_SEC);

  return minutes >= self->config->checkpoint_minutes;
}

static gboolean
save (MblmTrainer *self, GError **error)
{
  /* what can't be written now can't be a moment later */
  self->whole = FALSE;
  if (!mblm_trainer_save (self, error))
    return FALSE;
  self->whole = TRUE;
  return TRUE;
}

/* Batches and validations to the end, which is saved. */
static gboolean
work (MblmTrainer *self, GCancellable *cancellable, GError **error)
{
  MblmTrainingState *state = self->state;

  self->whole = TRUE;
  while (state->pending || state->done < self->config->batches) {
    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    if (!(state->pending ? validate (self, cancellable, error)
                         : do_batch (self, cancellable, error)))
      return FALSE;
    if (is_due (self) && !save (self, error))
      return FALSE;
  }
  return save (self, error);
}

static gboolean
begin (MblmTrainer *self, GError **error)
{
  g_autofree char *state_folder = NULL;

  if (!mblm_trainer_prepare (self, error) ||
      !mblm_trainer_open_output (self, &state_folder, error) ||
      !mblm_trainer_start (self, state_folder, error) ||
      !mblm_trainer_open_csv (self, error) ||
      !mblm_trainer_arrange_best (self, error))
    return FALSE;
  mblm_batches_seek (self->batches, self->state->epoch, self->state->batch);
  self->began = self->saved = g_get_monotonic_time ();
  self->seconds_before = self->state->seconds;
  update_progress (self);
  mblm_trainer_tell_progress (self);
  if (state_folder != NULL)
    return TRUE;
  /* A disk that is too small shows now, and there is something to resume. */
  if (!mblm_trainer_save (self, error))
    return FALSE;
  mblm_trainer_check_room (self);
  return TRUE;
}

static gboolean
end (MblmTrainer *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GDateTime) now = NULL;
  g_autofree char *time = NULL;

  self->whole = FALSE; /* it is saved, and the learner goes */
  if (!test (self, cancellable, error))
    return FALSE;
  now = g_date_time_new_now_local ();
  time = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%f");
  draw_plot (self);
  return mblm_trainer_write_config (self, time, NULL, error);
}

/* What was done is kept, where the state is one between two batches. A
 * cancellation is a stop, and the problem is then that it can't be; any other
 * problem is written down. */
static void
give_up (MblmTrainer *self, GError **problem)
{
  gboolean stopped = g_error_matches (
      *problem, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_autoptr (GError) second = NULL;

  update_time (self);
  if (self->whole && !mblm_trainer_save (self, &second) && stopped) {
    g_clear_error (problem);
    *problem = g_steal_pointer (&second);
  } else if (!stopped) {
    mblm_trainer_write_config (self, NULL, (*problem)->message, NULL);
  }
}

gboolean
mblm_trainer_run (MblmTrainer *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) problem = NULL;
  gboolean begun = begin (self, &problem);
  gboolean ok = begun && work (self, cancellable, &problem) &&
      end (self, cancellable, &problem);

  if (!begun)
    mblm_trainer_discard_output (self);
  else if (!ok)
    give_up (self, &problem);
  mblm_trainer_close_output (self);
  g_clear_pointer (&self->learner, mblm_learner_free);
  if (!ok)
    g_propagate_error (error, g_steal_pointer (&problem));
  return ok;
}
