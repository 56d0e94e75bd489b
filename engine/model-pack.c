/* model-pack.c: the files of a model, written anew.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "model-pack.h"

#include <string.h>

#include "atomic-file.h"
#include "info-private.h"
#include "model-private.h"
#include "new-folder.h"
#include "read-file.h"
#include "safetensors.h"

#define WEIGHTS "model.safetensors"
#define CONFIG "config.yaml"
#define INFO "mblm.json"

static gboolean
fail_memory (const MblmParameter *p, gsize n, GError **error)
{
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
      "not enough memory for %s: it has %" G_GSIZE_FORMAT " numbers", p->name,
      n);
  return FALSE;
}

/* Reads a tensor for the writer, which borrows it from `data`. `resize` may be
 * NULL. */
static gboolean
add (MblmTensorWriter *writer, GPtrArray *data, MblmTensorFile *file,
    const MblmResize *resize, const MblmParameter *p,
    const MblmTensorEntry *entry, MblmDtype type, GError **error)
{
  float *values = g_try_new (float, p->n_elements);
  gsize shape[G_N_ELEMENTS (p->shape)];

  if (values == NULL)
    return fail_memory (p, p->n_elements, error);
  g_ptr_array_add (data, values);
  if (!mblm_tensor_file_read (file, entry, 0, p->n_elements, values, error) ||
      !mblm_parameter_check_finite (p, values, p->n_elements, error))
    return FALSE;
  memcpy (shape, p->shape, sizeof shape);
  if (resize != NULL && g_str_equal (p->name, "pos_embs.0.weight")) {
    shape[0] = mblm_config_get_seq_len (resize->config, 0);
    values = mblm_resize_positions (resize, values, shape[1]);
    if (values == NULL)
      return fail_memory (p, shape[0] * shape[1], error);
    g_ptr_array_add (data, values);
  }
  mblm_tensor_writer_add (writer, p->name, type, p->n_dims, shape, values);
  return TRUE;
}

static gboolean
write_weights (MblmModel *model, MblmTensorFile *file, MblmPrecision precision,
    const MblmResize *resize, const char *path, GCancellable *cancellable,
    GError **error)
{
  g_autoptr (GHashTable) index = mblm_parameters_index_file (file, error);
  g_autoptr (MblmTensorWriter) writer = mblm_tensor_writer_new ();
  g_autoptr (GPtrArray) data = g_ptr_array_new_with_free_func (g_free);
  MblmDtype type = precision == MBLM_PRECISION_BF16 ? MBLM_DTYPE_BF16
                                                    : MBLM_DTYPE_F32;

  if (index == NULL)
    return FALSE;
  for (guint i = 0; i < model->parameters->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (model->parameters->list, i);
    const MblmTensorEntry *entry = g_hash_table_lookup (index, p->name);

    if (g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    /* an optional one may be missing */
    if (entry != NULL &&
        !add (writer, data, file, resize, p, entry,
            p->optional ? MBLM_DTYPE_F32 : type, error))
      return FALSE;
  }
  return mblm_tensor_writer_finish (writer, path, error);
}

gboolean
mblm_model_pack_weights (const char *path, MblmPrecision precision,
    const char *weights, GCancellable *cancellable, GError **error)
{
  g_autoptr (MblmTensorFile) file = NULL;
  g_autoptr (MblmModel) model = mblm_model_open (path, &file, error);

  return model != NULL &&
      write_weights (model, file, precision, NULL, weights, cancellable, error);
}

gboolean
mblm_model_pack_config (MblmConfig *config, const char *path, GError **error)
{
  g_autofree char *yaml = mblm_config_to_yaml (config);

  return mblm_atomic_file_save (path, yaml, strlen (yaml), error);
}

/* The mblm.json beside the weights, if there is one: as it is, or as it is
 * resized. */
static gboolean
write_info (
    const char *model, const MblmResize *resize, const char *to, GError **error)
{
  g_autofree char *folder = g_str_has_suffix (model, ".safetensors")
      ? g_path_get_dirname (model)
      : g_strdup (model);
  g_autofree char *from = g_build_filename (folder, INFO, NULL);
  g_autofree char *text = NULL;
  gsize n;

  if (resize != NULL ? resize->info == NULL
                     : !g_file_test (from, G_FILE_TEST_EXISTS))
    return TRUE;
  if (resize != NULL) {
    text = mblm_info_to_json (resize->info);
    n = strlen (text);
  } else {
    text = mblm_read_file (from, MBLM_INFO_MAX_BYTES, &n, error);
  }
  return text != NULL && mblm_atomic_file_save (to, text, n, error);
}

gboolean
mblm_model_pack (const char *path, MblmPrecision precision,
    const MblmModelSize *size, const char *folder, GCancellable *cancellable,
    GError **error)
{
  g_autofree char *found = mblm_model_find (path, error);
  g_autoptr (MblmTensorFile) file = NULL;
  g_autoptr (MblmModel) model = NULL;
  g_autoptr (MblmResize) resize = NULL;
  g_autoptr (MblmNewFolder) made = NULL;

  if (found == NULL ||
      (model = mblm_model_open (found, &file, error)) == NULL ||
      (size != NULL &&
          (resize = mblm_resize_new (model, size, error)) == NULL) ||
      (made = mblm_new_folder_new (folder, error)) == NULL)
    return FALSE;
  const char *at = mblm_new_folder_get_path (made);
  g_autofree char *weights = g_build_filename (at, WEIGHTS, NULL);
  g_autofree char *config = g_build_filename (at, CONFIG, NULL);
  g_autofree char *info = g_build_filename (at, INFO, NULL);

  return write_weights (
             model, file, precision, resize, weights, cancellable, error) &&
      mblm_model_pack_config (
          resize != NULL ? resize->config : model->config, config, error) &&
      write_info (found, resize, info, error) &&
      mblm_new_folder_commit (made, error);
}
