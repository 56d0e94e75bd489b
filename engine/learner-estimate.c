/* learner-estimate.c: the memory that training takes.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "learner-private.h"

/* For activations, where nobody says. The larger one is of a device that has
 * memory of its own: so the chunks of a model of 360M parameters have all the rows
 * that such a device likes. */
#define DEFAULT_MEMORY ((guint64) 768 << 20)
#define DEVICE_MEMORY ((guint64) 17 << 29)

guint64
learner_default_memory (MblmDevice *device, guint64 taken)
{
  MblmTraits traits;

  mblm_device_get_traits (device, &traits);
  if (traits.memory == 0)
    return DEFAULT_MEMORY;
  return MIN (DEVICE_MEMORY,
      traits.memory > taken ? (traits.memory - taken) / 10 * 9 : 1);
}

MblmType
learner_product (const MblmLearnerOptions *options)
{
  return options->precision == MBLM_PRECISION_BF16 ? MBLM_TYPE_BF16
                                                   : MBLM_TYPE_F32;
}

/* What doesn't depend on the batches. */
static guint64
estimate_model (const MblmLearnerNeeds *needs, const MblmTraits *traits,
    guint64 n, MblmTrainerMemory *parts)
{
  gboolean on_host = needs->options.host_moments && traits->memory > 0;
  gboolean rounds = traits->rounds &&
      learner_product (&needs->options) == MBLM_TYPE_BF16;

  *parts = (MblmTrainerMemory){.weights = 4 * n,
      .gradients = (needs->accumulates ? 8 : 4) * n,
      .moments = on_host ? learner_get_window_bytes () : 8 * n,
      .rounded = rounds ? 2 * n : 0,
      .host_moments = on_host ? 8 * n : 0};
  return parts->weights + parts->gradients + parts->moments + parts->rounded;
}

guint64
mblm_learner_estimate (
    const MblmLearnerNeeds *needs, MblmTrainerMemory *parts, GError **error)
{
  g_autoptr (MblmModel)
      model = mblm_model_new_bare (needs->config, NULL, error);
  guint64 memory = needs->options.memory;
  MblmTraits traits;
  MblmPlan plan;

  *parts = (MblmTrainerMemory){0};
  if (model == NULL)
    return 0;
  mblm_device_get_traits (needs->device, &traits);
  for (guint k = 0; k < model->n_stages; k++)
    if (model->stage[k].block->klass->kept_size == NULL)
      return 0;

  guint64 steady = estimate_model (needs, &traits, model->n_parameters, parts);
  mblm_plan_make (&plan, model,
      &(MblmPlanNeeds){.product = learner_product (&needs->options),
          .inputs = needs->options.layer_inputs,
          .rows = traits.rows,
          .batch = needs->batch,
          .length = needs->length,
          .memory = memory > 0
              ? memory
              : learner_default_memory (needs->device, steady)});
  parts->layer_inputs = plan.input_bytes;
  parts->chunks = plan.bytes - plan.input_bytes;
  parts->inputs_rounded = plan.inputs == MBLM_TYPE_BF16;
  parts->chunk = plan.chunk[model->last];
  /* moments and the sum of gradients are copied to save them */
  if (traits.memory == 0)
    parts->saving = parts->moments +
        (needs->accumulates ? parts->gradients / 2 : 0);
  return steady + plan.bytes + parts->saving;
}
