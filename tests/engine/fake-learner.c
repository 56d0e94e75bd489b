/* fake-learner.c: a learner that is quick, and fails when it is told to.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fake-learner.h"

#include <math.h>
#include <string.h>

#include "safetensors.h"

#define TENSOR "to_logits.bias"

FakeLearner fake_learner;

struct _MblmLearner {
  gsize n; /* ids */
  gint pad;
  guint64 seed, steps;
  float *weight, *m, *v, *gradient; /* [n] */
};

static MblmLearner *
learner_new (gsize n, const MblmLearnerOptions *options)
{
  MblmLearner *self = g_new0 (MblmLearner, 1);

  self->n = n;
  self->pad = (gint) n - 1;
  self->seed = options->seed;
  self->weight = g_new0 (float, n);
  self->m = g_new0 (float, n);
  self->v = g_new0 (float, n);
  self->gradient = g_new0 (float, n);
  return self;
}

static gboolean
read_tensor (
    MblmTensorFile *file, const char *name, float *to, gsize n, GError **error)
{
  const MblmTensorEntry *entry = mblm_tensor_file_lookup (file, name);

  g_assert_nonnull (entry);
  g_assert_cmpuint (entry->n_elements, ==, n);
  return mblm_tensor_file_read (file, entry, 0, n, to, error);
}

MblmLearner *
mblm_learner_new_from_folder (const char *folder, MblmDevice *device,
    const MblmLearnerOptions *options, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "model.safetensors", NULL);
  g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, error);
  gsize n;
  MblmLearner *self;

  if (file == NULL)
    return NULL;
  n = mblm_tensor_file_lookup (file, TENSOR)->n_elements;
  self = learner_new (n, options);
  if (!read_tensor (file, TENSOR, self->weight, n, error))
    g_clear_pointer (&self, mblm_learner_free);
  return self;
}

MblmLearner *
mblm_learner_new_fresh (MblmConfig *config, MblmInfo *info, guint64 weight_seed,
    MblmDevice *device, const MblmLearnerOptions *options, GError **error)
{
  MblmLearner *self = learner_new (
      mblm_config_get_vocabulary (config), options);
  g_autoptr (GRand) random = g_rand_new_with_seed ((guint32) weight_seed);

  for (gsize i = 0; i < self->n; i++)
    self->weight[i] = (float) g_rand_double (random);
  return self;
}

void
mblm_learner_free (MblmLearner *self)
{
  g_free (self->weight);
  g_free (self->m);
  g_free (self->v);
  g_free (self->gradient);
  g_free (self);
}

MblmModel *
mblm_learner_get_model (MblmLearner *self)
{
  return NULL;
}

guint64
mblm_learner_estimate (
    const MblmLearnerNeeds *needs, MblmTrainerMemory *parts, GError **error)
{
  memset (parts, 0, sizeof *parts);
  return fake_learner.estimate;
}

char *
mblm_learner_find_fit (const MblmLearnerNeeds *needs, guint64 there)
{
  return g_strdup ("take less");
}

/* The mean loss of the entries that count; adds `scale` times its gradient where
 * `scale` is not 0. */
static double
pass (MblmLearner *self, const MblmLearnerBatch *batch, double scale,
    guint64 *n_counted)
{
  gsize n = batch->batch * batch->length;
  g_autofree double *p = g_new (double, self->n);
  g_autofree double *count = g_new0 (double, self->n);
  double sum = 0, loss = 0, counted = 0;

  for (gsize i = 0; i < self->n; i++)
    sum += p[i] = exp (self->weight[i]);
  for (gsize i = 0; i < n; i++) {
    gint32 id = batch->ids[i];
    double weight = batch->loss_mask != NULL ? batch->loss_mask[i] : 1;

    if (id == self->pad || weight == 0 ||
        (fake_learner.pad != 0 && id == fake_learner.pad))
      continue;
    loss -= weight * log (p[id] / sum);
    count[id] += weight;
    counted++;
  }
  for (gsize i = 0; i < self->n; i++)
    self->gradient[i] += counted > 0
        ? (float) (scale * (p[i] / sum - count[i] / counted))
        : 0;
  *n_counted = (guint64) counted;
  return counted > 0 ? loss / counted : 0;
}

gboolean
mblm_learner_accumulate (MblmLearner *self, const MblmLearnerBatch *batch,
    double share, guint64 dropout, double *loss, GCancellable *cancellable,
    GError **error)
{
  guint64 count, mixed = (dropout + 1) * 0x9e3779b97f4a7c15u ^ self->seed;

  g_usleep (fake_learner.delay);
  if (dropout >= fake_learner.bad_loss_from &&
      dropout < fake_learner.bad_loss_to) {
    *loss = NAN;
    return TRUE;
  }
  *loss = pass (
      self, batch, share * (1 + (double) (mixed >> 32) / 1e12), &count);
  return TRUE;
}

gboolean
mblm_learner_evaluate (MblmLearner *self, const MblmLearnerBatch *batch,
    double *loss, guint64 *count, GCancellable *cancellable, GError **error)
{
  *loss = pass (self, batch, 0, count);
  return TRUE;
}

gboolean
mblm_learner_get_norm (MblmLearner *self, double *norm, GError **error)
{
  guint64 number = fake_learner.norms++;
  double sum = 0;

  for (gsize i = 0; i < self->n; i++)
    sum += (double) self->gradient[i] * self->gradient[i];
  *norm = number >= fake_learner.bad_norm_from &&
          number < fake_learner.bad_norm_to
      ? INFINITY
      : sqrt (sum);
  return TRUE;
}

gboolean
mblm_learner_step (
    MblmLearner *self, double rate, double clip, double norm, GError **error)
{
  double scale = clip > 0 ? MIN (1, clip / (norm + 1e-6)) : 1;
  double t = (double) ++self->steps;

  for (gsize i = 0; i < self->n; i++) {
    float g = (float) (scale * self->gradient[i]);

    self->m[i] = 0.9f * self->m[i] + 0.1f * g;
    self->v[i] = 0.95f * self->v[i] + 0.05f * g * g;
    self->weight[i] -= (float) (rate / (1 - pow (0.9, t)) * self->m[i] /
        (sqrt (self->v[i]) / sqrt (1 - pow (0.95, t)) + 1e-8));
  }
  return mblm_learner_drop_gradient (self, error);
}

gboolean
mblm_learner_drop_gradient (MblmLearner *self, GError **error)
{
  memset (self->gradient, 0, self->n * sizeof (float));
  return TRUE;
}

guint64
mblm_learner_get_steps (MblmLearner *self)
{
  return self->steps;
}

gboolean
mblm_learner_write_weights (
    MblmLearner *self, gboolean bf16, const char *path, GError **error)
{
  g_autoptr (MblmTensorWriter) writer = mblm_tensor_writer_new ();

  mblm_tensor_writer_add (
      writer, TENSOR, MBLM_DTYPE_F32, 1, &self->n, self->weight);
  return mblm_tensor_writer_finish (writer, path, error);
}

gboolean
mblm_learner_write_gradient (
    MblmLearner *self, const char *path, GError **error)
{
  g_assert_not_reached ();
}

gboolean
mblm_learner_write_state (
    MblmLearner *self, gboolean gradient, const char *path, GError **error)
{
  g_autoptr (MblmTensorWriter) writer = mblm_tensor_writer_new ();

  mblm_tensor_writer_add (
      writer, "m." TENSOR, MBLM_DTYPE_F32, 1, &self->n, self->m);
  mblm_tensor_writer_add (
      writer, "v." TENSOR, MBLM_DTYPE_F32, 1, &self->n, self->v);
  if (gradient)
    mblm_tensor_writer_add (writer, "gradient." TENSOR, MBLM_DTYPE_F32, 1,
        &self->n, self->gradient);
  return mblm_tensor_writer_finish (writer, path, error);
}

gboolean
mblm_learner_read_state (
    MblmLearner *self, const char *path, guint64 steps, GError **error)
{
  g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, error);

  self->steps = steps;
  return file != NULL &&
      read_tensor (file, "m." TENSOR, self->m, self->n, error) &&
      read_tensor (file, "v." TENSOR, self->v, self->n, error) &&
      (mblm_tensor_file_lookup (file, "gradient." TENSOR) == NULL ||
          read_tensor (
              file, "gradient." TENSOR, self->gradient, self->n, error));
}
