/* learner-fit.c: what would fit, where training doesn't.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "learner-private.h"

/* What of the options can change. */
typedef struct {
  gboolean rounds_inputs, moves_moments;
} Way;

static gboolean
can_go (const MblmLearnerNeeds *needs, const Way *way)
{
  MblmTraits traits;

  mblm_device_get_traits (needs->device, &traits);
  return (!way->rounds_inputs ||
             (needs->options.precision == MBLM_PRECISION_BF16 &&
                 needs->options.layer_inputs == MBLM_LAYER_INPUTS_F32)) &&
      (!way->moves_moments ||
          (traits.memory > 0 && !needs->options.host_moments));
}

/* A bound below this is none that chunks could be cut to. */
#define LEAST_BOUND ((guint64) 1 << 20)

/* Whether it fits that way; if need be with a lower bound of the activations, which
 * `needs` then has. The bound is one of chunks: a long sequence goes beyond it. */
static gboolean
fits (MblmLearnerNeeds *needs, const Way *way, guint64 there,
    MblmTrainerMemory *parts)
{
  guint64 *memory = &needs->options.memory, bytes;

  if (way->rounds_inputs)
    needs->options.layer_inputs = MBLM_LAYER_INPUTS_BF16;
  if (way->moves_moments)
    needs->options.host_moments = TRUE;
  bytes = mblm_learner_estimate (needs, parts, NULL);
  if (bytes <= there)
    return TRUE;
  if (*memory == 0)
    *memory = learner_default_memory (
        needs->device, bytes - parts->layer_inputs - parts->chunks);
  for (*memory /= 2; bytes > there && *memory >= LEAST_BOUND; *memory /= 2)
    bytes = mblm_learner_estimate (needs, parts, NULL);
  *memory *= 2;
  return bytes <= there;
}

/* `what` fits; models of a single stage have no chunks. */
static char *
say (const char *what, const MblmTrainerMemory *parts)
{
  return parts->chunk > 0
      ? g_strdup_printf ("take %s: that fits (patches in a chunk: "
                         "%" G_GUINT64_FORMAT ")",
            what, parts->chunk)
      : g_strdup_printf ("take %s: that fits", what);
}

static char *
describe (const MblmLearnerNeeds *needs, const Way *way, guint64 memory,
    const MblmTrainerMemory *parts)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);

  if (way->rounds_inputs)
    g_ptr_array_add (list, g_strdup ("layer_inputs: bf16"));
  if (way->moves_moments)
    g_ptr_array_add (list, g_strdup ("optimizer_memory: host"));
  if (needs->options.memory != memory)
    g_ptr_array_add (list,
        g_strdup_printf ("--memory=%" G_GUINT64_FORMAT, needs->options.memory));
  g_ptr_array_add (list, NULL);

  g_autofree char *options = g_strjoinv (" and ", (char **) list->pdata);
  return say (options, parts);
}

/* The longest context, of halves of the one asked for, that would fit. */
static char *
find_context (const MblmLearnerNeeds *needs, guint64 there)
{
  MblmLearnerNeeds less = *needs;
  MblmTrainerMemory parts;

  less.batch = 1;
  for (less.length /= 2; less.length > 0; less.length /= 2)
    if (mblm_learner_estimate (&less, &parts, NULL) <= there) {
      g_autofree char *context = g_strdup_printf (
          "a batch_size of 1 and an input_seq_len of %" G_GSIZE_FORMAT
          " or less",
          less.length);

      return say (context, &parts);
    }
  return NULL;
}

char *
mblm_learner_find_fit (const MblmLearnerNeeds *needs, guint64 there)
{
  static const Way ways[] = {
      {FALSE, FALSE}, {FALSE, TRUE}, {TRUE, FALSE}, {TRUE, TRUE}};
  MblmTrainerMemory parts;

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    MblmLearnerNeeds less = *needs;

    if (can_go (needs, &ways[i]) && fits (&less, &ways[i], there, &parts))
      return describe (&less, &ways[i], needs->options.memory, &parts);
  }
  return find_context (needs, there);
}

/* Free memory doesn't tell what a device's allocator can use of it, so this comes up
 * where a run was thought to fit, too: then less is to be taken than that. */
void
learner_explain_memory (
    MblmLearner *self, const MblmLearnerBatch *batch, GError **error)
{
  MblmLearnerNeeds needs = {.config = self->model->config,
      .device = self->run.device,
      .options = self->options,
      .batch = batch->batch,
      .length = batch->length,
      .accumulates = self->total != NULL};
  g_autofree char *taken = g_format_size (self->plan.bytes);
  g_autofree char *fit = NULL;
  gsize chunk = self->plan.chunk[self->model->last];
  g_autofree char *chunks = chunk > 0
      ? g_strdup_printf (" in chunks of %" G_GSIZE_FORMAT " patches", chunk)
      : g_strdup ("");
  MblmTrainerMemory parts;
  MblmTraits traits;

  mblm_device_get_traits (self->run.device, &traits);
  if (traits.memory > 0) {
    guint64 bytes = mblm_learner_estimate (&needs, &parts, NULL);

    guint64 there = traits.memory + mblm_run_get_bytes (&self->run);

    fit = mblm_learner_find_fit (&needs,
        bytes - self->plan.bytes + MIN (there, self->plan.bytes / 8 * 7));
  }
  g_clear_error (error);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
      "%s: not enough memory for a batch of %" G_GSIZE_FORMAT
      " times %" G_GSIZE_FORMAT
      " ids%s, which takes about %s besides the model: %s",
      mblm_device_get_name (self->run.device), batch->batch, batch->length,
      chunks, taken,
      fit != NULL ? fit : "use a smaller batch, context or --memory");
}
