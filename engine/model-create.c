/* model-create.c: a model folder with fresh weights.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "model-private.h"

#include <errno.h>
#include <glib/gstdio.h>

/* Every tensor in the order of its declaration, so that a seed means one file. */
static gboolean
write_weights (MblmModel *model, guint64 seed, const char *path, GError **error)
{
  GPtrArray *list = model->parameters->list;
  g_autoptr (MblmTensorWriter) writer = mblm_tensor_writer_new ();
  g_autoptr (GPtrArray) buffers = g_ptr_array_new_with_free_func (g_free);
  GRand *random = mblm_parameters_new_random (seed);
  gboolean ok = TRUE;

  for (guint i = 0; ok && i < list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (list, i);
    float *data = g_try_new (float, p->n_elements);
    ok = data != NULL;
    if (!ok)
      break;
    g_ptr_array_add (buffers, data);
    mblm_parameter_draw (p, random, data);
    mblm_tensor_writer_add (
        writer, p->name, MBLM_DTYPE_F32, p->n_dims, p->shape, data);
  }
  g_rand_free (random);
  if (!ok) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
        "not enough memory for %" G_GUINT64_FORMAT
        " parameters; use a smaller model",
        model->n_parameters);
    return FALSE;
  }
  return mblm_tensor_writer_finish (writer, path, error);
}

gboolean
mblm_model_create (
    MblmConfig *config, guint64 seed, const char *folder, GError **error)
{
  g_autoptr (MblmModel) model = mblm_model_new_bare (config, NULL, error);
  g_autofree char *weights = g_build_filename (
      folder, "model.safetensors", NULL);
  g_autofree char *yaml_path = g_build_filename (folder, "config.yaml", NULL);

  if (model == NULL)
    return FALSE;
  if (g_file_test (weights, G_FILE_TEST_EXISTS) ||
      g_file_test (yaml_path, G_FILE_TEST_EXISTS)) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "%s: there is a model already, or its config.yaml; choose another "
        "folder",
        folder);
    return FALSE;
  }
  if (g_mkdir_with_parents (folder, 0777) != 0) {
    int saved = errno;
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved),
        "%s: %s; choose a folder that can be written", folder,
        g_strerror (saved));
    return FALSE;
  }
  g_autofree char *yaml = mblm_config_to_yaml (config);
  return g_file_set_contents (yaml_path, yaml, -1, error) &&
      write_weights (model, seed, weights, error);
}
