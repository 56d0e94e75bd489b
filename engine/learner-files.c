/* learner-files.c: a learner's weights, gradient and moments in files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "learner-private.h"

#include <math.h>
#include <string.h>

/* Tensors on their way to a file: the writer borrows names and data. */
typedef struct {
  MblmTensorWriter *writer;
  GPtrArray *data;
} Tensors;

static void
tensors_init (Tensors *self)
{
  self->writer = mblm_tensor_writer_new ();
  self->data = g_ptr_array_new_with_free_func (g_free);
}

static void
tensors_clear (Tensors *self)
{
  mblm_tensor_writer_free (self->writer);
  g_ptr_array_unref (self->data);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Tensors, tensors_clear)

/* `memory` of the device, shaped like `p`, times `scale`, as PREFIXname. */
static gboolean
add (Tensors *self, MblmRun *run, const MblmParameter *p, const char *prefix,
    MblmDtype type, const float *memory, double scale, GError **error)
{
  g_autofree char *name = g_strconcat (prefix, p->name, NULL);
  float *data = g_try_new (float, p->n_elements);

  if (data == NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "not enough memory to save %s; use a smaller model", p->name);
    return FALSE;
  }
  g_ptr_array_add (self->data, data);
  run->k->download (run->q, data, memory, p->n_elements * sizeof (float));
  if (!mblm_run_wait (run, error))
    return FALSE;
  if (scale != 1)
    for (gsize i = 0; i < p->n_elements; i++)
      data[i] *= scale;
  mblm_tensor_writer_add (self->writer, name, type, p->n_dims, p->shape, data);
  return TRUE;
}

/* All tensors of `model`; `buffers` too, which aren't trained. */
static gboolean
add_all (Tensors *self, MblmRun *run, MblmModel *model, const char *prefix,
    gboolean buffers, MblmDtype type, double scale, GError **error)
{
  for (guint i = 0; i < model->parameters->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (model->parameters->list, i);
    MblmDtype own = p->optional ? MBLM_DTYPE_F32 : type;

    if ((buffers || !p->optional) &&
        !add (self, run, p, prefix, own, mblm_parameter_get_data (p), scale,
            error))
      return FALSE;
  }
  return TRUE;
}

gboolean
mblm_learner_write_weights (
    MblmLearner *self, gboolean bf16, const char *path, GError **error)
{
  g_auto (Tensors) tensors;

  tensors_init (&tensors);
  return add_all (&tensors, &self->run, self->model, "", TRUE,
             bf16 ? MBLM_DTYPE_BF16 : MBLM_DTYPE_F32, 1, error) &&
      mblm_tensor_writer_finish (tensors.writer, path, error);
}

gboolean
mblm_learner_write_gradient (
    MblmLearner *self, const char *path, GError **error)
{
  double scale;
  MblmModel *gradient = learner_gradient (self, &scale);
  g_auto (Tensors) tensors;

  tensors_init (&tensors);
  return add_all (&tensors, &self->run, gradient, "", FALSE, MBLM_DTYPE_F32,
             scale, error) &&
      mblm_tensor_writer_finish (tensors.writer, path, error);
}

/* A moment goes to the file from where it is, if the host can see it. */
static gboolean
add_moment (Tensors *tensors, MblmLearner *self, const MblmParameter *p,
    const char *prefix, const float *moment, GError **error)
{
  if (self->window == NULL)
    return add (
        tensors, &self->run, p, prefix, MBLM_DTYPE_F32, moment, 1, error);

  g_autofree char *name = g_strconcat (prefix, p->name, NULL);
  mblm_tensor_writer_add (
      tensors->writer, name, MBLM_DTYPE_F32, p->n_dims, p->shape, moment);
  return TRUE;
}

static gboolean
add_moments (Tensors *tensors, MblmLearner *self, GError **error)
{
  if (!mblm_run_wait (&self->run, error))
    return FALSE;
  for (guint i = 0; i < learner_n_parameters (self); i++) {
    const MblmParameter *p = learner_parameter (self->model, i);
    if (p != NULL &&
        (!add_moment (tensors, self, p, "m.", self->m[i], error) ||
            !add_moment (tensors, self, p, "v.", self->v[i], error)))
      return FALSE;
  }
  return TRUE;
}

/* Another batch will come before the step, so the gradient may as well be moved
 * to the sum now as then: what was saved and what was not go on alike to the last
 * bit. */
gboolean
mblm_learner_write_state (
    MblmLearner *self, gboolean gradient, const char *path, GError **error)
{
  g_auto (Tensors) tensors;

  tensors_init (&tensors);
  return add_moments (&tensors, self, error) &&
      (!gradient ||
          (learner_put_away (self, error) &&
              (!self->total_used ||
                  add_all (&tensors, &self->run, self->total, "gradient.",
                      FALSE, MBLM_DTYPE_F32, 1, error)))) &&
      mblm_tensor_writer_finish (tensors.writer, path, error);
}

/* ------------------------------------------------------------------------- */
/* Reading                                                                   */
/* ------------------------------------------------------------------------- */

/* PREFIXname, which has to be there, into `memory`: of a moment, which is finite
 * and may lie in the host's, or of a gradient. */
static gboolean
read_tensor (MblmLearner *self, MblmTensorFile *file, const MblmParameter *p,
    const char *prefix, gboolean is_moment, float *memory, GError **error)
{
  MblmRun *run = &self->run;
  g_autofree char *name = g_strconcat (prefix, p->name, NULL);
  const MblmTensorEntry *entry = mblm_tensor_file_lookup (file, name);
  g_autofree float *data = NULL;

  gboolean fits = entry != NULL && entry->dtype == MBLM_DTYPE_F32 &&
      entry->n_dims == p->n_dims;

  for (guint i = 0; fits && i < p->n_dims; i++)
    fits = entry->shape[i] == p->shape[i];
  if (!fits) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
        "tensor %s is missing or of another shape: this is the state of "
        "another "
        "model; go on from the state that belongs to this configuration",
        name);
    return FALSE;
  }
  data = g_try_new (float, p->n_elements);
  if (data == NULL) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "not enough memory to read %s; use a smaller model", name);
    return FALSE;
  }
  if (!mblm_tensor_file_read (file, entry, 0, p->n_elements, data, error))
    return FALSE;
  for (gsize i = 0; is_moment && i < p->n_elements; i++)
    if (!isfinite (data[i])) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
          "tensor %s holds values that are no numbers: the file is damaged; go "
          "on from an earlier state",
          name);
      return FALSE;
    }
  if (is_moment && self->window != NULL)
    memcpy (memory, data, p->n_elements * sizeof (float));
  else
    run->k->upload (run->q, memory, data, p->n_elements * sizeof (float));
  return mblm_run_wait (run, error);
}

static gboolean
has_gradient (MblmLearner *self, MblmTensorFile *file)
{
  const MblmParameter *p = learner_parameter (self->model, 0);
  g_autofree char *name = g_strconcat ("gradient.", p->name, NULL);

  return mblm_tensor_file_lookup (file, name) != NULL;
}

gboolean
mblm_learner_read_state (
    MblmLearner *self, const char *path, guint64 steps, GError **error)
{
  g_autoptr (MblmTensorFile) file = mblm_tensor_file_open (path, error);

  if (file == NULL || !mblm_learner_drop_gradient (self, error))
    return FALSE;
  gboolean gradient = has_gradient (self, file);
  if (gradient && !learner_make_total (self, error))
    return FALSE;
  for (guint i = 0; i < learner_n_parameters (self); i++) {
    const MblmParameter *p = learner_parameter (self->model, i);
    if (p != NULL &&
        (!read_tensor (self, file, p, "m.", TRUE, self->m[i], error) ||
            !read_tensor (self, file, p, "v.", TRUE, self->v[i], error) ||
            (gradient &&
                !read_tensor (self, file, p, "gradient.", FALSE,
                    mblm_parameter_get_data (
                        learner_parameter (self->total, i)),
                    error)))) {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  }
  self->total_used = gradient;
  self->steps = steps;
  return TRUE;
}
