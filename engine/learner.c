/* learner.c: weights that change: loss, gradient, optimiser.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The gradient of a model is a model of the same shape: whatever declares its
 * weights has declared their gradients too.
 */

#include "learner-private.h"

#include <math.h>

#define BETA1 0.9
#define BETA2 0.95
#define EPSILON 1e-8

/* ------------------------------------------------------------------------- */
/* Making                                                                    */
/* ------------------------------------------------------------------------- */

const MblmParameter *
learner_parameter (MblmModel *model, guint i)
{
  const MblmParameter *p = g_ptr_array_index (model->parameters->list, i);

  return p->optional ? NULL : p;
}

guint
learner_n_parameters (MblmLearner *self)
{
  return self->model->parameters->list->len;
}

static gboolean
check_blocks (MblmLearner *self, GError **error)
{
  for (guint k = 0; k < self->model->n_stages; k++) {
    MblmBlock *block = self->model->stage[k].block;
    gboolean drops;

    if (block->klass->layer_backward == NULL) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
          "stage %u: blocks of type %s can't be trained: they have no backward "
          "pass; use another block_type",
          k, block->klass->type);
      return FALSE;
    }
    if (!block->klass->check_training (block, &drops, error)) {
      g_prefix_error (error, "stage %u: ", k);
      return FALSE;
    }
    self->drops |= drops;
  }
  return TRUE;
}

void *
learner_allocate (MblmLearner *self, gsize bytes, GError **error)
{
  void *memory = self->run.k->alloc (self->run.memory, bytes);

  if (memory == NULL) {
    gboolean elsewhere = self->options.host_moments;
    MblmTraits traits;

    mblm_device_get_traits (self->run.device, &traits);
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "%s: not enough memory for the optimiser: training this model takes "
        "%.1f GiB without activations; %suse a smaller model",
        mblm_device_get_name (self->run.device),
        (elsewhere ? 8.0 : 16.0) * self->model->n_parameters / (1 << 30),
        traits.memory > 0 && !elsewhere ? "set optimizer_memory: host, or "
                                        : "");
    return NULL;
  }
  self->run.k->zero (self->run.q, memory, bytes);
  return memory;
}

/* A model of the shape of ours, all zeros. */
static MblmModel *
make_twin (MblmLearner *self, GError **error)
{
  g_autoptr (MblmModel) twin = mblm_model_new_like (self->model, error);

  if (twin == NULL)
    return NULL;
  twin->device = g_object_ref (self->model->device);
  twin->precision = MBLM_PRECISION_F32;
  return mblm_parameters_allocate (twin->parameters, &self->run, error)
      ? g_steal_pointer (&twin)
      : NULL;
}

/* What products of bfloat16 would round each time is rounded once a step. */
static gboolean
make_rounded (MblmLearner *self, GError **error)
{
  MblmRun *run = &self->run;

  if (run->product != MBLM_TYPE_BF16 || !run->rounds)
    return TRUE;
  self->rounded = mblm_model_new_like (self->model, error);
  if (self->rounded == NULL)
    return FALSE;
  self->rounded->device = g_object_ref (self->model->device);
  if (!mblm_parameters_share (
          self->rounded->parameters, self->model->parameters, run, error))
    return FALSE;
  mblm_model_make_frequencies (self->rounded, run);
  mblm_parameters_round (
      self->rounded->parameters, self->model->parameters, run);
  return mblm_run_check (run, error);
}

/* Takes `model`, whose weights are in `file` or, without one, are drawn. */
static MblmLearner *
make (MblmModel *model, MblmTensorFile *file, guint64 weight_seed,
    MblmDevice *device, const MblmLearnerOptions *options, GError **error)
{
  g_autoptr (MblmLearner) self = g_new0 (MblmLearner, 1);
  MblmRun *run = &self->run;

  self->options = *options;
  self->model = model;
  model->device = g_object_ref (device);
  model->precision = MBLM_PRECISION_F32;
  if (!check_blocks (self, error) || !mblm_run_init (run, device, error))
    return NULL;
  mblm_run_set_tf32 (run, options->precision == MBLM_PRECISION_TF32);
  run->product = learner_product (options);
  if (file != NULL
          ? !mblm_parameters_load (
                model->parameters, file, MBLM_TYPE_F32, run, error)
          : !mblm_parameters_allocate (model->parameters, run, error) ||
              !mblm_parameters_refresh (
                  model->parameters, weight_seed, run, error) ||
              (options->smooth &&
                  !learner_smooth_embeddings (self, weight_seed, error)))
    return NULL;
  mblm_model_make_frequencies (model, run);
  if (!mblm_run_check (run, error))
    return NULL;
  self->gradient = make_twin (self, error);
  if (self->gradient == NULL || !learner_make_moments (self, error) ||
      !make_rounded (self, error) || !mblm_run_wait (run, error))
    return NULL;
  self->sum = learner_allocate (self, sizeof (double), error);
  if (self->sum == NULL)
    return NULL;
  if (self->options.memory == 0)
    self->options.memory = learner_default_memory (device, 0);
  return g_steal_pointer (&self);
}

MblmLearner *
mblm_learner_new_from_folder (const char *folder, MblmDevice *device,
    const MblmLearnerOptions *options, GError **error)
{
  g_autoptr (MblmTensorFile) file = NULL;
  MblmModel *model = mblm_model_open (folder, &file, error);
  MblmLearner *self;

  if (model == NULL)
    return NULL;
  self = make (model, file, 0, device, options, error);
  if (self == NULL && error != NULL && (*error)->domain == MBLM_ERROR)
    g_prefix_error (error, "%s: ", folder);
  return self;
}

MblmLearner *
mblm_learner_new_fresh (MblmConfig *config, MblmInfo *info, guint64 weight_seed,
    MblmDevice *device, const MblmLearnerOptions *options, GError **error)
{
  MblmModel *model = mblm_model_new_bare (config, NULL, error);

  if (model == NULL)
    return NULL;
  model->info = info != NULL
      ? g_object_ref (info)
      : mblm_info_new_default ("model", mblm_config_get_pad_id (config));
  return make (model, NULL, weight_seed, device, options, error);
}

void
mblm_learner_free (MblmLearner *self)
{
  learner_free_moments (self);
  if (self->sum != NULL)
    self->run.k->free (self->run.memory, self->sum);
  mblm_run_clear (&self->run);
  g_clear_object (&self->total);
  g_clear_object (&self->gradient);
  g_clear_object (&self->rounded);
  g_clear_object (&self->model);
  g_free (self);
}

MblmModel *
mblm_learner_get_model (MblmLearner *self)
{
  return self->model;
}

/* ------------------------------------------------------------------------- */
/* Loss and gradient                                                         */
/* ------------------------------------------------------------------------- */

static gboolean
check_batch (MblmLearner *self, const MblmLearnerBatch *b, GError **error)
{
  MblmModel *model = self->model;
  gsize n;

  if (!g_size_checked_mul (&n, b->batch, b->length) || n == 0 ||
      (model->encoder && b->labels == NULL) ||
      (model->stage[0].position == MBLM_POSITION_FIXED &&
          b->length > mblm_config_get_context (model->config))) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "a batch of %" G_GSIZE_FORMAT " sequences of %" G_GSIZE_FORMAT
        " ids is none for this model: it needs at least one id, at most its "
        "context of %" G_GUINT64_FORMAT " where positions are fixed, and "
        "labels in an encoder",
        b->batch, b->length, mblm_config_get_context (model->config));
    return FALSE;
  }
  return mblm_model_check_ids (model, b->ids, n, error) &&
      (!model->encoder || mblm_model_check_ids (model, b->labels, n, error));
}

static void
make_plan (MblmLearner *self, const MblmLearnerBatch *batch)
{
  if (self->plan_batch == batch->batch && self->plan_length == batch->length)
    return;
  mblm_plan_make (&self->plan, self->model,
      &(MblmPlanNeeds){.product = self->run.product,
          .inputs = self->options.layer_inputs,
          .rows = self->run.rows,
          .batch = batch->batch,
          .length = batch->length,
          .memory = self->options.memory});
  self->plan_batch = batch->batch;
  self->plan_length = batch->length;
}

/* `to` += scale * `from`; `from` = 0. */
static void
move_gradient (MblmLearner *self, MblmModel *to, MblmModel *from, double scale)
{
  for (guint i = 0; i < learner_n_parameters (self); i++) {
    const MblmParameter *p = learner_parameter (from, i);
    if (p == NULL)
      continue;
    self->run.k->add_scaled (self->run.q,
        &(MblmAddScaled){.count = p->n_elements,
            .x = mblm_parameter_get_data (learner_parameter (to, i)),
            .y = mblm_parameter_get_data (p),
            .scale = scale});
    self->run.k->zero (self->run.q, mblm_parameter_get_data (p),
        p->n_elements * sizeof (float));
  }
}

gboolean
learner_make_total (MblmLearner *self, GError **error)
{
  if (self->total == NULL)
    self->total = make_twin (self, error);
  return self->total != NULL;
}

gboolean
learner_put_away (MblmLearner *self, GError **error)
{
  if (self->scale == 0)
    return TRUE;
  if (!learner_make_total (self, error))
    return FALSE;
  move_gradient (self, self->total, self->gradient, self->scale);
  self->scale = 0;
  self->total_used = TRUE;
  return mblm_run_wait (&self->run, error);
}

static gboolean
zero_gradient (MblmLearner *self, MblmModel *gradient, GError **error)
{
  for (guint i = 0; i < learner_n_parameters (self); i++) {
    const MblmParameter *p = learner_parameter (gradient, i);
    if (p != NULL)
      self->run.k->zero (self->run.q, mblm_parameter_get_data (p),
          p->n_elements * sizeof (float));
  }
  return mblm_run_wait (&self->run, error);
}

static gboolean
run_batch (MblmLearner *self, const MblmLearnerBatch *batch, gboolean learn,
    guint64 dropout, double *loss, guint64 *count, GCancellable *cancellable,
    GError **error)
{
  MblmDepthFirst step = {
      .model = self->rounded != NULL ? self->rounded : self->model,
      .gradient = learn ? self->gradient : NULL,
      .run = &self->run,
      .plan = &self->plan,
      .batch = batch,
      .drops = learn && self->drops,
      .drop_seed = self->options.seed + dropout * 0x9e3779b97f4a7c15u};
  g_autoptr (GError) problem = NULL;
  double sum;

  if (!check_batch (self, batch, error))
    return FALSE;
  make_plan (self, batch);
  self->run.cancellable = cancellable;
  gboolean ok = mblm_depth_first_run (&step, &sum, count, &problem);
  self->run.cancellable = NULL;
  if (g_error_matches (problem, MBLM_ERROR, MBLM_ERROR_MEMORY))
    learner_explain_memory (self, batch, &problem);
  if (problem != NULL)
    g_propagate_error (error, g_steal_pointer (&problem));
  *loss = ok && *count > 0 ? sum / *count : 0.0;
  return ok;
}

gboolean
mblm_learner_accumulate (MblmLearner *self, const MblmLearnerBatch *batch,
    double share, guint64 dropout, double *loss, GCancellable *cancellable,
    GError **error)
{
  guint64 count;

  if (!learner_put_away (self, error))
    return FALSE;
  if (!run_batch (
          self, batch, TRUE, dropout, loss, &count, cancellable, error)) {
    zero_gradient (self, self->gradient, NULL);
    return FALSE;
  }
  if (!isfinite (*loss) || count == 0)
    return zero_gradient (self, self->gradient, error);
  self->scale = share / count;
  return TRUE;
}

gboolean
mblm_learner_evaluate (MblmLearner *self, const MblmLearnerBatch *batch,
    double *loss, guint64 *count, GCancellable *cancellable, GError **error)
{
  return run_batch (self, batch, FALSE, 0, loss, count, cancellable, error);
}

/* ------------------------------------------------------------------------- */
/* Steps                                                                     */
/* ------------------------------------------------------------------------- */

/* A gradient of several batches is in `total`, after the last of them has been
 * moved there. */
MblmModel *
learner_gradient (MblmLearner *self, double *scale)
{
  if (!self->total_used) {
    *scale = self->scale;
    return self->gradient;
  }
  if (self->scale != 0)
    move_gradient (self, self->total, self->gradient, self->scale);
  self->scale = 0;
  *scale = 1;
  return self->total;
}

gboolean
mblm_learner_get_norm (MblmLearner *self, double *norm, GError **error)
{
  double scale, sum = 0;
  MblmModel *gradient = learner_gradient (self, &scale);
  MblmRun *run = &self->run;

  run->k->zero (run->q, self->sum, sizeof (double));
  for (guint i = 0; i < learner_n_parameters (self); i++) {
    const MblmParameter *p = learner_parameter (gradient, i);
    if (p != NULL)
      run->k->sum_squares (run->q,
          &(MblmSumSquares){.count = p->n_elements,
              .x = mblm_parameter_get_data (p),
              .sum = self->sum});
  }
  run->k->download (run->q, &sum, self->sum, sizeof sum);
  *norm = fabs (scale) * sqrt (sum);
  return mblm_run_wait (run, error);
}

gboolean
mblm_learner_step (
    MblmLearner *self, double rate, double clip, double norm, GError **error)
{
  double scale;
  MblmModel *gradient = learner_gradient (self, &scale);
  double t = ++self->steps;
  MblmAdam adam = {.rate = rate,
      .beta1 = BETA1,
      .beta2 = BETA2,
      .correction1 = 1 - pow (BETA1, t),
      .correction2 = 1 - pow (BETA2, t),
      .epsilon = EPSILON};

  if (clip > 0)
    scale *= MIN (1.0, clip / (norm + 1e-6));
  adam.scale = scale;
  for (guint i = 0; i < learner_n_parameters (self); i++) {
    const MblmParameter *p = learner_parameter (self->model, i);
    if (p == NULL || learner_is_muons (self, p))
      continue;
    adam.count = p->n_elements;
    adam.weight = mblm_parameter_get_data (p);
    adam.gradient = mblm_parameter_get_data (learner_parameter (gradient, i));
    learner_step_moments (self, i, &adam);
  }
  if (self->options.optimizer == MBLM_OPTIMIZER_MUON &&
      !learner_step_muon (self, gradient, scale, rate, error))
    return FALSE;
  if (self->rounded != NULL)
    mblm_parameters_round (
        self->rounded->parameters, self->model->parameters, &self->run);
  return mblm_learner_drop_gradient (self, error);
}

gboolean
mblm_learner_drop_gradient (MblmLearner *self, GError **error)
{
  gboolean ok = zero_gradient (self, self->gradient, error) &&
      (!self->total_used || zero_gradient (self, self->total, error));

  self->scale = 0;
  self->total_used = FALSE;
  return ok;
}

guint64
mblm_learner_get_steps (MblmLearner *self)
{
  return self->steps;
}
