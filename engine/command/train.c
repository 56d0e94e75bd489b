/* train.c: `mblm train`, a training run.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Losses are shown in bits per byte. On a terminal a line on stderr tells how far
 * the run is; without one a line on stdout does so now and then. An interrupt lets
 * the batch finish and saves the state.
 */

#include "command.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "train.h"
#include "training-config.h"

#define BITS(nats) ((nats) / G_LN2)
/* Seconds between two lines where there is no terminal. */
#define LINE_SECONDS 30

typedef struct {
  Command *command;
  const char *config;
  MblmTrainer *trainer;
  gboolean started;
  gint64 began;        /* when it did */
  guint64 done_before; /* batches that an earlier process did */
  gint64 last_line;    /* when it was printed ... */
  guint64 last_done;   /* ... and after how many batches */
  GError *error;       /* of writing: the run is cancelled then */
} Train;

/* ------------------------------------------------------------------------- */
/* Figures                                                                   */
/* ------------------------------------------------------------------------- */

char *
train_format_seconds (double seconds)
{
  guint64 s = seconds < 1e15 ? (guint64) llround (seconds) : 0;

  if (!(seconds < 1e15))
    return g_strdup ("?");
  if (seconds < 10)
    return g_strdup_printf ("%.1f s", seconds);
  if (s < 60)
    return g_strdup_printf ("%" PRIu64 " s", s);
  if (s < 3600)
    return g_strdup_printf ("%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
  if (s < 86400)
    return g_strdup_printf (
        "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
  return g_strdup_printf (
      "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
}

/* Seconds for a batch so far, validations and states included; 0: unknown. */
static double
batch_seconds (const Train *self, const MblmTrainerProgress *progress)
{
  guint64 done = progress->n_done - self->done_before;

  return done
      ? (double) (g_get_monotonic_time () - self->began) / G_USEC_PER_SEC / done
      : 0;
}

static char *
describe (Train *self)
{
  const MblmTrainerProgress *p = mblm_trainer_get_progress (self->trainer);
  double seconds = batch_seconds (self, p);

  if (seconds <= 0)
    return g_strdup_printf (
        _ ("batch %" PRIu64 " of %" PRIu64), p->n_done, p->n_batches);

  g_autofree char *left = train_format_seconds (
      (p->n_batches - p->n_done) * seconds);
  g_autofree char *speed = g_format_size ((guint64) (p->batch_bytes / seconds));
  g_autofree char *valid = isfinite (p->valid_loss)
      /* Translators: %.3f is a loss in bits per byte */
      ? g_strdup_printf (_ (", validation %.3f"), BITS (p->valid_loss))
      : g_strdup ("");

  /* Translators: batches done and in all, share of them; loss; what the message
   * above says or nothing; bytes; time */
  return g_strdup_printf (_ ("batch %" PRIu64 " of %" PRIu64
                             " (%.1f %%): %.3f bits per byte%s, %s/s, %s left"),
      p->n_done, p->n_batches, 100.0 * p->n_done / p->n_batches,
      BITS (p->smooth_loss), valid, speed, left);
}

/* "[####----]" */
static char *
draw_bar (const MblmTrainerProgress *p)
{
  char bar[] = "[--------------------]";
  guint width = sizeof bar - 3;

  memset (bar + 1, '#',
      (gsize) (p->n_done / (double) MAX (p->n_batches, 1) * width));
  return g_strdup (bar);
}

static void
check_written (Train *self, gboolean written, GError *error)
{
  if (written)
    return;
  if (self->error)
    g_error_free (error);
  else
    self->error = error;
  g_cancellable_cancel (self->command->cancellable);
}

/* ------------------------------------------------------------------------- */
/* JSON lines                                                                */
/* ------------------------------------------------------------------------- */

static JsonBuilder *
open_event (Train *self, const char *name)
{
  const MblmTrainerProgress *p = mblm_trainer_get_progress (self->trainer);
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_add_string (builder, "event", name);
  json_add_count (builder, "batch", p->n_done);
  json_add_count (builder, "batches", p->n_batches);
  return builder;
}

static void
close_event (Train *self, JsonBuilder *builder)
{
  GError *error = NULL;

  json_builder_end_object (builder);
  check_written (self, output_json (builder, &error), error);
  g_object_unref (builder);
}

static void
add_loss (JsonBuilder *builder, double loss)
{
  json_add_real (builder, "loss", loss);
  json_add_real (builder, "bits_per_byte", BITS (loss));
}

static void
write_batch (Train *self)
{
  const MblmTrainerProgress *p = mblm_trainer_get_progress (self->trainer);
  double seconds = batch_seconds (self, p);
  JsonBuilder *builder = open_event (self, "train");

  json_add_count (builder, "epoch", p->epoch);
  json_add_count (builder, "steps", p->n_steps_done);
  add_loss (builder, p->smooth_loss);
  json_add_real (builder, "learning_rate", p->rate);
  json_add_real (builder, "bytes_per_second",
      seconds > 0 ? p->batch_bytes / seconds : NAN);
  json_add_real (builder, "seconds_left", (p->n_batches - p->n_done) * seconds);
  close_event (self, builder);
}

/* ------------------------------------------------------------------------- */
/* What the trainer tells                                                    */
/* ------------------------------------------------------------------------- */

static void
note_start (Train *self)
{
  const MblmTrainerProgress *p = mblm_trainer_get_progress (self->trainer);
  const char *output = mblm_trainer_get_output (self->trainer);
  g_autofree char *escaped = output_escape (output);
  GError *error = NULL;

  if (self->started)
    return;
  self->started = TRUE;
  self->began = self->last_line = g_get_monotonic_time ();
  self->done_before = self->last_done = p->n_done;
  if (self->command->json) {
    JsonBuilder *builder = open_event (self, "start");

    json_add_string (builder, "output", output);
    json_add_count (builder, "parameters", p->n_parameters);
    close_event (self, builder);
  } else
    check_written (self,
        output_print (&error, _ ("%s: %" PRIu64 " parameters\n"), escaped,
            p->n_parameters),
        error);
}

static void
on_progress (MblmTrainer *trainer, Train *self)
{
  const MblmTrainerProgress *p = mblm_trainer_get_progress (trainer);
  gint64 now = g_get_monotonic_time ();
  gboolean line;

  note_start (self);
  line = now - self->last_line >= LINE_SECONDS * G_USEC_PER_SEC ||
      p->n_done == p->n_batches;
  if (progress_due ()) {
    g_autofree char *bar = draw_bar (p);
    g_autofree char *text = describe (self);

    progress_show ("%s %s", bar, text);
  }
  if (!line || p->n_done == self->last_done)
    return;
  self->last_line = now;
  self->last_done = p->n_done;
  if (self->command->json) {
    write_batch (self);
  } else if (!isatty (STDERR_FILENO)) {
    g_autofree char *text = describe (self);
    GError *error = NULL;

    check_written (self, output_print (&error, "%s\n", text), error);
  }
}

static void
on_validated (MblmTrainer *trainer, const char *kind, double loss,
    gboolean kept, Train *self)
{
  const MblmTrainerProgress *p = mblm_trainer_get_progress (trainer);
  GError *error = NULL;
  gboolean written;

  if (self->command->json) {
    JsonBuilder *builder = open_event (self, kind);

    add_loss (builder, loss);
    json_add_bool (builder, "kept", kept);
    close_event (self, builder);
    return;
  }
  if (g_str_equal (kind, "test"))
    written = output_print (&error,
        _ ("the best model on the test split: %.4f bits per byte\n"),
        BITS (loss));
  else if (kept)
    written = output_print (&error,
        _ ("batch %" PRIu64 ": validation %.4f bits per byte, kept\n"),
        p->n_done, BITS (loss));
  else
    written = output_print (&error,
        _ ("batch %" PRIu64 ": validation %.4f bits per byte\n"), p->n_done,
        BITS (loss));
  check_written (self, written, error);
}

static void
on_message (MblmTrainer *trainer, const char *text, Train *self)
{
  command_warn ("%s", text);
}

/* ------------------------------------------------------------------------- */
/* The run                                                                   */
/* ------------------------------------------------------------------------- */

/* A path as an argument of a command to be typed. One that a terminal must not get
 * as it is can't be typed either. */
static char *
quote_argument (const char *path)
{
  gboolean plain = path[0] != '\0';

  for (const char *p = path; *p; p++) {
    if ((guchar) *p < 0x20 || *p == 0x7f)
      return output_escape (path);
    plain &= g_ascii_isalnum (*p) || strchr ("/._-+=:,@%", *p) != NULL;
  }
  return plain ? g_strdup (path) : g_shell_quote (path);
}

static gboolean
print_end (Train *self, gboolean stopped, GError **error)
{
  const char *output = mblm_trainer_get_output (self->trainer);
  g_autofree char *best = mblm_trainer_get_best_model (self->trainer);
  g_autofree char *escaped = output_escape (best && !stopped ? best
          : output                                           ? output
                                                             : "");

  if (self->command->json) {
    g_autoptr (JsonBuilder)
        builder = open_event (self, stopped ? "stopped" : "end");

    json_add_string (builder, "output", output);
    json_add_string (builder, "best_model", best);
    json_builder_end_object (builder);
    return output_json (builder, error);
  }
  if (stopped && !output)
    return output_print (error, _ ("stopped before anything was trained\n"));
  if (stopped) {
    g_autofree char *config = quote_argument (self->config);
    g_autofree char *folder = quote_argument (output);

    return output_print (error,
        _ ("stopped; go on with: mblm train %s --resume %s\n"), config, folder);
  }
  if (!best)
    return TRUE;
  return output_print (error, _ ("the best model: %s\n"), escaped);
}

static int
run (Train *self)
{
  g_autoptr (GError) error = NULL;
  gboolean ok, stopped;

  /* What is done is not to be lost: an interrupt waits for the batch. */
  command_let_finish ();
  g_signal_connect (self->trainer, "progress", G_CALLBACK (on_progress), self);
  g_signal_connect (
      self->trainer, "validated", G_CALLBACK (on_validated), self);
  ok = mblm_trainer_run (self->trainer, self->command->cancellable, &error);
  progress_clear ();
  if (self->error)
    return command_fail (self->command, g_steal_pointer (&self->error));
  stopped = !ok && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  if (!ok && !stopped)
    return command_fail (self->command, g_steal_pointer (&error));
  g_clear_error (&error);
  if (!print_end (self, stopped, &error))
    return command_fail (self->command, g_steal_pointer (&error));
  return COMMAND_OK;
}

typedef struct {
  gboolean dry, resume;
  char *folder; /* of --resume */
  guint64 memory;
  int inputs, place; /* of the lists below; -1: what the file says */
} Options;

static const char *const optimizer_memory[] = {"device", "host", NULL};

/* What --resume was given; an option with an optional value has a callback, which
 * gets no data of ours. */
static gboolean resume_given;
static char *resume_folder;

static gboolean
take_resume (const char *name, const char *value, gpointer data, GError **error)
{
  resume_given = TRUE;
  g_free (resume_folder);
  resume_folder = g_strdup (value);
  return TRUE;
}

static int
train (Command *command, const char *config, const Options *options)
{
  Train self = {.command = command, .config = config};
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) device = command_open_device (command, &error);
  g_autoptr (MblmTrainer)
      trainer = device ? mblm_trainer_new (config, device, &error) : NULL;

  if (!trainer)
    return command_fail (command, g_steal_pointer (&error));
  self.trainer = trainer;
  mblm_trainer_set_memory (trainer, options->memory);
  if (command->precision)
    mblm_trainer_set_precision (trainer, command_get_precision (command));
  if (options->inputs >= 0)
    mblm_trainer_set_layer_inputs (trainer, options->inputs);
  if (options->place >= 0)
    mblm_trainer_set_host_moments (trainer, options->place == 1);
  if (options->resume)
    mblm_trainer_set_resume (trainer, options->folder);
  g_signal_connect (trainer, "message", G_CALLBACK (on_message), &self);
  progress_show (_ ("looking at the data"));
  if (!mblm_trainer_prepare (trainer, &error))
    return command_fail (command, g_steal_pointer (&error));
  progress_clear ();
  if (!options->dry)
    return run (&self);
  if (!train_print_plan (command, trainer, &error))
    return command_fail (command, g_steal_pointer (&error));
  return COMMAND_OK;
}

int
command_train (Command *command, char **argv)
{
  Options options = {.inputs = -1, .place = -1};
  g_autofree char *memory = NULL, *inputs = NULL, *place = NULL;
  const GOptionEntry entries[] = {
      {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &options.dry,
          N_ ("Check everything, tell how long it would take, and end"), NULL},
      {"resume", 0, G_OPTION_FLAG_OPTIONAL_ARG | G_OPTION_FLAG_FILENAME,
          G_OPTION_ARG_CALLBACK, take_resume,
          N_ ("Go on with the run in FOLDER, or with the newest of this name"),
          N_ ("FOLDER")},
      {"memory", 0, 0, G_OPTION_ARG_STRING, &memory,
          N_ ("That the numbers of one pass may take (default: 768 MiB; on a "
              "GPU 8.5 GiB)"),
          N_ ("BYTES")},
      {"layer-inputs", 0, 0, G_OPTION_ARG_STRING, &inputs,
          N_ ("Keep the inputs of layers as f32, bf16 or auto, f32 where that "
              "fits"),
          N_ ("TYPE")},
      {"optimizer-memory", 0, 0, G_OPTION_ARG_STRING, &place,
          N_ ("Keep the moments of Adam in memory of the device or the host"),
          N_ ("PLACE")},
      {NULL},
  };
  const CommandUsage usage = {
      .parameters = _ ("CONFIG.yaml"),
      .summary = _ (
          "Trains a model. CONFIG.yaml is a training configuration of the "
          "published schema. The\nbest models, the losses and what the run can "
          "be resumed from go into a folder of its own\nin io.output_dir."),
      .description = _ (
          "An interrupt lets the batch finish, saves and ends; the run goes on "
          "with --resume as if\nnothing had happened.\n\n"
          "Examples:\n  mblm train text.yaml --dry-run\n"
          "  mblm train text.yaml\n  mblm train text.yaml --resume"),
      .entries = entries,
      .min = 0,
      .max = 1,
  };
  int status;
  g_auto (GStrv) names = command_parse (command, &usage, argv, &status);
  g_autofree char *folder = g_steal_pointer (&resume_folder);
  const char *config = names ? names[0] : NULL;

  if (!names)
    return status;
  options.resume = resume_given;
  options.folder = folder;
  /* `--resume CONFIG.yaml`: the value was not meant as one */
  if (!config && folder && g_file_test (folder, G_FILE_TEST_IS_REGULAR)) {
    config = folder;
    options.folder = NULL;
  }
  if (!config)
    return command_usage_error (
        command, _ ("something is missing of: %s"), usage.parameters);
  if (!command_parse_number (
          command, "--memory", memory, 0, G_MAXINT64, &options.memory) ||
      !command_parse_word (command, "--layer-inputs", inputs,
          mblm_layer_inputs_names, &options.inputs) ||
      !command_parse_word (command, "--optimizer-memory", place,
          optimizer_memory, &options.place))
    return COMMAND_USAGE;
  return train (command, config, &options);
}
