/* train-plan.c: what a training run will be, before it is one.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The time is that of a step of the real model over the run's first batch, measured,
 * where a step is quick; else the least that it can be: three times the operations
 * of a forward pass at the rate of this machine's products.
 */

#include "command.h"

#include <inttypes.h>

#include "machine.h"
#include "model-private.h"
#include "output.h"
#include "train.h"
#include "trainer-private.h"
#include "work.h"

/* A step that should take longer isn't measured. */
#define MEASURED_SECONDS 2.0
#define CACHE_SET ((gsize) 1 << 20)

typedef struct {
  Command *command;
  MblmTrainer *trainer;
  double seconds; /* of a batch */
  gboolean measured;
} Plan;

/* The share of a batch that counts in the loss. */
static double
find_share (const MblmBatch *batch)
{
  gsize n = batch->batch * batch->length, counted = 0;

  for (gsize i = 0; i < n; i++)
    counted += batch->loss_mask[i] != 0.0f;
  return (double) counted / (double) n;
}

/* Seconds of a batch at the least. */
static gboolean
find_floor (Plan *self, const MblmBatch *batch, GError **error)
{
  MblmPrecision precision = mblm_trainer_get_precision (self->trainer);
  g_autoptr (MblmModel) model = mblm_model_new_bare (
      mblm_trainer_get_config (self->trainer), NULL, error);
  Machine machine = {0};

  if (!model ||
      !machine_measure (&machine, mblm_trainer_get_device (self->trainer),
          precision, TRUE, CACHE_SET, error))
    return FALSE;
  self->seconds = (double) batch->batch *
      work_of_training (model, batch->length, find_share (batch)) /
      machine.product_roof;
  return TRUE;
}

static gboolean
step (Plan *self, MblmLearner *learner, const MblmBatch *batch, double *seconds,
    GError **error)
{
  const MblmLearnerBatch what = mblm_trainer_view_batch (self->trainer, batch);
  gint64 began = g_get_monotonic_time ();
  double loss, norm;

  if (!mblm_learner_accumulate (
          learner, &what, 1, 0, &loss, self->command->cancellable, error) ||
      !mblm_learner_get_norm (learner, &norm, error) ||
      !mblm_learner_step (learner, 1e-5, 1, norm, error))
    return FALSE;
  *seconds = (double) (g_get_monotonic_time () - began) / G_USEC_PER_SEC;
  return TRUE;
}

/* A second step of a fresh model. */
static gboolean
measure (Plan *self, const MblmBatch *batch, GError **error)
{
  MblmConfig *config = mblm_trainer_get_config (self->trainer);
  const MblmLearnerOptions options = mblm_trainer_get_options (self->trainer);
  g_autoptr (MblmInfo)
      info = mblm_info_new_default ("plan", mblm_config_get_pad_id (config));
  g_autoptr (MblmLearner) learner = mblm_learner_new_fresh (config, info, 0,
      mblm_trainer_get_device (self->trainer), &options, error);

  if (!learner || !step (self, learner, batch, &self->seconds, error) ||
      !step (self, learner, batch, &self->seconds, error))
    return FALSE;
  self->measured = TRUE;
  return TRUE;
}

/* What training takes of memory, by parts; those of nothing are left out. */
typedef struct {
  const char *name, *label;
  guint64 bytes;
} Part;

#define MAX_PARTS 8

static guint
list_parts (const MblmTrainerMemory *m, Part *list)
{
  const Part all[MAX_PARTS] = {
      {"weights", _ ("weights"), m->weights},
      {"gradients", _ ("gradients"), m->gradients},
      {"moments", _ ("moments"), m->moments},
      {"rounded", _ ("bf16 weights"), m->rounded},
      {"layer_inputs",
          m->inputs_rounded ? _ ("layer inputs, bf16")
                            : _ ("layer inputs, f32"),
          m->layer_inputs},
      {"chunks", _ ("chunks"), m->chunks},
      {"saving", _ ("saving a state"), m->saving},
      {"host_moments", _ ("moments in memory of the host"), m->host_moments},
  };
  guint n = 0;

  for (guint i = 0; i < MAX_PARTS; i++)
    if (all[i].bytes > 0)
      list[n++] = all[i];
  return n;
}

static void
add_parts (JsonBuilder *builder, const MblmTrainerMemory *memory)
{
  Part parts[MAX_PARTS];
  guint n = list_parts (memory, parts);

  json_builder_set_member_name (builder, "memory");
  json_builder_begin_object (builder);
  for (guint i = 0; i < n; i++)
    json_add_count (builder, parts[i].name, parts[i].bytes);
  json_builder_end_object (builder);
}

static gboolean
print_parts (const MblmTrainerMemory *memory, GError **error)
{
  Part parts[MAX_PARTS];
  guint n = list_parts (memory, parts);
  gboolean ok = TRUE;

  for (guint i = 0; ok && i < n; i++) {
    g_autofree char *size = g_format_size (parts[i].bytes);

    ok = output_print (error, "  %s: %s\n", size, parts[i].label);
  }
  return ok;
}

static gboolean
print_json (Plan *self, GError **error)
{
  const MblmTrainerProgress *p = mblm_trainer_get_progress (self->trainer);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_add_count (builder, "parameters", p->n_parameters);
  json_add_count (builder, "batches", p->n_batches);
  json_add_count (builder, "steps", p->n_steps);
  json_add_count (builder, "epoch_batches", p->n_epoch_batches);
  json_add_count (builder, "batch_bytes", p->batch_bytes);
  json_add_real (builder, "bytes", (double) p->n_batches * p->batch_bytes);
  json_add_count (builder, "memory_bytes", p->memory_bytes);
  add_parts (builder, &p->memory);
  json_add_real (builder, "seconds", self->seconds * p->n_batches);
  json_add_bool (builder, "measured", self->measured);
  json_builder_end_object (builder);
  return output_json (builder, error);
}

static gboolean
print_text (Plan *self, GError **error)
{
  const MblmTrainerProgress *p = mblm_trainer_get_progress (self->trainer);
  g_autofree char *batch = g_format_size (p->batch_bytes);
  g_autofree char *memory = g_format_size (p->memory_bytes);
  g_autofree char *time = train_format_seconds (self->seconds * p->n_batches);
  double bytes = (double) p->n_batches * p->batch_bytes;
  g_autofree char *all = g_format_size (
      bytes < 1e19 ? (guint64) bytes : G_MAXUINT64);

  return output_print (error,
             _ ("parameters: %" PRIu64 "\nbatches:    %" PRIu64
                " of %s, %" PRIu64 " in an epoch\nsteps:      %" PRIu64
                "\nbytes:      %s\nmemory:     about %s\n"),
             p->n_parameters, p->n_batches, batch, p->n_epoch_batches,
             p->n_steps, all, memory) &&
      print_parts (&p->memory, error) &&
      (self->measured
              ? output_print (error,
                    _ ("time:       about %s without validations (a step was "
                       "measured)\n"),
                    time)
              : output_print (error,
                    _ ("time:       at least %s (at the rate of this machine's "
                       "products; expect a multiple)\n"),
                    time));
}

gboolean
train_print_plan (Command *command, MblmTrainer *trainer, GError **error)
{
  Plan self = {.command = command, .trainer = trainer};

  progress_show (_ ("measuring"));
  g_autoptr (MblmBatch)
      batch = mblm_batches_next (trainer->batches, command->cancellable, error);
  if (!batch || !find_floor (&self, batch, error) ||
      (self.seconds < MEASURED_SECONDS / 3 && !measure (&self, batch, error)))
    return FALSE;
  progress_clear ();
  return command->json ? print_json (&self, error) : print_text (&self, error);
}
