/* pickle-model.c: from the value of a pickle to the tensors of a model.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "pickle-private.h"

#include <string.h>

#include "mblm-error.h"
#include "message.h"
#include "safetensors-private.h"

static void
clear_dict (gpointer data)
{
  g_clear_pointer (&((PickleDict *) data)->pairs, g_array_unref);
}

static void
clear_tensor (gpointer data)
{
  MblmPickleTensor *tensor = data;

  g_free (tensor->name);
  g_free (tensor->key);
}

G_GNUC_PRINTF (3, 4)
static gboolean
fail_tensor (const char *name, GError **error, const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;
  g_autofree char *quoted = mblm_quote (name, -1);

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (
      error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "the tensor %s %s", quoted, text);
  return FALSE;
}

/* A string without NUL; NULL where it has one or is empty. */
static char *
dup_string (const Pickle *self, const PickleValue *value)
{
  const char *text = (const char *) self->bytes + value->at;

  if (value->n == 0 || memchr (text, '\0', value->n) != NULL)
    return NULL;
  return g_strndup (text, value->n);
}

/* Row-major and dense: a dimension's stride is the size of all behind it. */
static gboolean
is_contiguous (const PickleTensor *tensor, guint64 n_elements)
{
  guint64 stride = 1;

  if (n_elements == 0)
    return TRUE;
  for (guint i = tensor->n_dims; i-- > 0;) {
    if (tensor->shape[i] != 1 && tensor->strides[i] != stride)
      return FALSE;
    stride *= tensor->shape[i];
  }
  return TRUE;
}

/* Fills `out`, but for its name, from a value. */
static gboolean
read_tensor (const Pickle *self, const PickleValue *value, const char *name,
    MblmPickleTensor *out, GError **error)
{
  const PickleTensor *tensor;
  const PickleStorage *storage;
  const PickleStorageType *type;

  if (value->kind != PICKLE_TENSOR)
    return fail_tensor (name, error, "is no tensor");
  tensor = &g_array_index (self->tensors, PickleTensor, value->at);
  storage = &g_array_index (self->storages, PickleStorage, tensor->storage);
  type = &mblm_pickle_types[storage->type];
  if (type->dtype < 0)
    return fail_tensor (name, error,
        "holds %s numbers; float32, bfloat16 and "
        "float16 are supported: convert it before it is saved",
        type->numbers);
  out->dtype = (MblmDtype) type->dtype;
  out->storage_elements = storage->n_elements;
  out->first = tensor->first;
  out->n_dims = tensor->n_dims;
  out->n_elements = 1;
  for (guint i = 0; i < tensor->n_dims; i++) {
    if (__builtin_mul_overflow (
            out->n_elements, tensor->shape[i], &out->n_elements) ||
        tensor->shape[i] > G_MAXSIZE)
      return fail_tensor (name, error, "has a shape that is too large");
    out->shape[i] = (gsize) tensor->shape[i];
  }
  if (!is_contiguous (tensor, out->n_elements))
    return fail_tensor (name, error,
        "is not contiguous: call contiguous () "
        "before it is saved");
  if (out->first > out->storage_elements ||
      out->n_elements > out->storage_elements - out->first)
    return fail_tensor (name, error,
        "reaches beyond its storage of %" G_GUINT64_FORMAT " numbers",
        out->storage_elements);
  out->key = dup_string (self, &storage->key);
  return out->key != NULL
      ? TRUE
      : fail_tensor (name, error, "has a storage without a key");
}

static gboolean
read_state (
    const Pickle *self, const PickleDict *state, GArray *out, GError **error)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  guint n = state->pairs != NULL ? state->pairs->len / 2 : 0;

  for (guint i = 0; i < n; i++) {
    const PickleValue *key = &g_array_index (state->pairs, PickleValue, 2 * i);
    const PickleValue *value = key + 1;
    MblmPickleTensor tensor = {0};
    g_autofree char *name = NULL;

    if (key->kind == PICKLE_STRING && key->n <= MBLM_TENSOR_MAX_NAME)
      name = dup_string (self, key);
    if (name == NULL || i == MBLM_TENSOR_MAX_COUNT) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS, "MODEL has %s",
          name == NULL ? "a key that can't be a tensor's name"
                       : "too many tensors");
      return FALSE;
    }
    tensor.name = mblm_tensor_name_modernise (name);
    if (!g_hash_table_add (names, tensor.name)) {
      fail_tensor (tensor.name, error, "is there twice");
      clear_tensor (&tensor);
      return FALSE;
    }
    if (!read_tensor (self, value, name, &tensor, error)) {
      clear_tensor (&tensor);
      return FALSE;
    }
    g_array_append_val (out, tensor);
  }
  return TRUE;
}

/* {"MODEL": the tensors, "LOSS": ignored} */
static gboolean
read_root (
    const Pickle *self, const PickleValue *root, GArray *out, GError **error)
{
  const GArray *pairs = NULL;
  const PickleValue *model = NULL;

  if (root->kind == PICKLE_DICT)
    pairs = g_array_index (self->dicts, PickleDict, root->at).pairs;
  for (guint i = 0; pairs != NULL && i < pairs->len; i += 2) {
    const PickleValue *key = &g_array_index (pairs, PickleValue, i);

    if (model == NULL && mblm_pickle_is_string (self, key, "MODEL")) {
      model = key + 1;
    } else if (!mblm_pickle_is_string (self, key, "LOSS")) {
      model = NULL;
      break;
    }
  }
  if (model == NULL || model->kind != PICKLE_DICT) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
        "not a checkpoint of "
        "the published trainer, which is {\"MODEL\": the tensors by name, "
        "\"LOSS\": a number}");
    return FALSE;
  }
  return read_state (
      self, &g_array_index (self->dicts, PickleDict, model->at), out, error);
}

GArray *
mblm_pickle_read (const guint8 *bytes, gsize n, GError **error)
{
  Pickle self = {.bytes = bytes, .n = n};
  GArray *out = g_array_new (FALSE, FALSE, sizeof (MblmPickleTensor));
  PickleValue root;
  gboolean ok;

  g_array_set_clear_func (out, clear_tensor);
  self.stack = g_array_new (FALSE, FALSE, sizeof (PickleValue));
  self.memo = g_array_new (FALSE, FALSE, sizeof (PickleValue));
  self.items = g_array_new (FALSE, FALSE, sizeof (PickleValue));
  self.marks = g_array_new (FALSE, FALSE, sizeof (guint));
  self.dicts = g_array_new (FALSE, FALSE, sizeof (PickleDict));
  g_array_set_clear_func (self.dicts, clear_dict);
  self.storages = g_array_new (FALSE, FALSE, sizeof (PickleStorage));
  self.tensors = g_array_new (FALSE, FALSE, sizeof (PickleTensor));
  if (n > MBLM_PICKLE_MAX_BYTES)
    ok = mblm_pickle_fail (
        &self, error, "larger than %d bytes", MBLM_PICKLE_MAX_BYTES);
  else
    ok = mblm_pickle_run (&self, &root, error) &&
        read_root (&self, &root, out, error);
  g_array_unref (self.stack);
  g_array_unref (self.memo);
  g_array_unref (self.items);
  g_array_unref (self.marks);
  g_array_unref (self.dicts);
  g_array_unref (self.storages);
  g_array_unref (self.tensors);
  if (!ok)
    g_clear_pointer (&out, g_array_unref);
  return out;
}
