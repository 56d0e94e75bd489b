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
  return parts->chunk > 0
      ? g_strdup_printf ("take %s, which fits (patches in a chunk: "
                         "%" G_GUINT64_FORMAT ")",
            options, parts->chunk)
      : g_strdup_printf ("take %s, which fits", options);
}

/* The longest context, of halves of the one asked for, that would fit; 0: none. */
static guint64
find_context (const MblmLearnerNeeds *needs, guint64 there)
{
  MblmLearnerNeeds less = *needs;
  MblmTrainerMemory parts;

  less.batch = 1;
  for (less.length /= 2; less.length > 0; less.length /= 2)
    if (mblm_learner_estimate (&less, &parts, NULL) <= there)
      return less.length;
  return 0;
}

char *
mblm_learner_find_fit (const MblmLearnerNeeds *needs, guint64 there)
{
  static const Way ways[] = {
      {FALSE, FALSE}, {FALSE, TRUE}, {TRUE, FALSE}, {TRUE, TRUE}};
  MblmTrainerMemory parts;
  guint64 length;

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    MblmLearnerNeeds less = *needs;

    if (can_go (needs, &ways[i]) && fits (&less, &ways[i], there, &parts))
      return describe (&less, &ways[i], needs->options.memory, &parts);
  }
  length = find_context (needs, there);
  return length == 0 ? NULL
                     : g_strdup_printf ("take a batch_size of 1 and an "
                                        "input_seq_len of %" G_GUINT64_FORMAT
                                        " or less, which fit",
                           length);
}

/* Free memory doesn't tell what a device's allocator can use of it, so this comes up
 * where a run was thought to fit, too. */
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
  MblmTrainerMemory parts;
  MblmTraits traits;

  mblm_device_get_traits (self->run.device, &traits);
  if (traits.memory > 0) {
    guint64 bytes = mblm_learner_estimate (&needs, &parts, NULL);

    /* all that is free, or ours */
    fit = mblm_learner_find_fit (&needs,
        bytes - self->plan.bytes + traits.memory +
            mblm_run_get_bytes (&self->run));
  }
  g_clear_error (error);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
      "%s: not enough memory for %" G_GSIZE_FORMAT
      " sequences of %" G_GSIZE_FORMAT " ids, in chunks of %" G_GSIZE_FORMAT
      " patches, which take about %s besides the model: %s",
      mblm_device_get_name (self->run.device), batch->batch, batch->length,
      self->plan.chunk[self->model->last], taken,
      fit != NULL ? fit : "use a smaller batch, context or --memory");
}
