/* place.c: where a test trains: data, a training file, an output folder.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "place.h"

#include "formats.h"
#include "fresh.h"
#include "sets.h"

void
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

void
place_init (Place *self, const char *io, const char *train, const char *rest)
{
  place_init_with (self, PARAMS, io, train, rest);
}

void
place_clear (Place *self)
{
  fresh_remove (self->folder);
  g_free (self->config);
}

MblmTrainer *
trainer_new (const Place *place)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MblmDevice) device = mblm_device_open ("ref", 1, &error);
  MblmTrainer *trainer = mblm_trainer_new (place->config, device, &error);

  g_assert_no_error (error);
  return trainer;
}

void
run_ok (MblmTrainer *trainer)
{
  g_autoptr (GError) error = NULL;

  mblm_trainer_run (trainer, NULL, &error);
  g_assert_no_error (error);
}

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

gboolean
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
