/* pickle-call.c: the few names that a checkpoint's pickle may use.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "pickle-private.h"

#include <string.h>

#include "message.h"
#include "safetensors-private.h"

#define MAX_TENSORS (2 * MBLM_TENSOR_MAX_COUNT)

const PickleStorageType mblm_pickle_types[] = {
    {"FloatStorage", "float32", MBLM_DTYPE_F32},
    {"BFloat16Storage", "bfloat16", MBLM_DTYPE_BF16},
    {"HalfStorage", "float16", MBLM_DTYPE_F16},
    {"DoubleStorage", "float64", -1},
    {"LongStorage", "int64", -1},
    {"IntStorage", "int32", -1},
    {"ShortStorage", "int16", -1},
    {"CharStorage", "int8", -1},
    {"ByteStorage", "uint8", -1},
    {"BoolStorage", "bool", -1},
};

gboolean
mblm_pickle_find_global (const Pickle *self, const char *module, gsize module_n,
    const char *name, gsize name_n, PickleValue *out, GError **error)
{
  g_autofree char *full = g_strdup_printf (
      "%.*s.%.*s", (int) module_n, module, (int) name_n, name);
  g_autofree char *quoted = NULL;

  *out = (PickleValue){.kind = PICKLE_GLOBAL};
  if (g_str_equal (full, "collections.OrderedDict")) {
    out->at = PICKLE_ORDERED_DICT;
    return TRUE;
  }
  if (g_str_equal (full, "torch._utils._rebuild_tensor_v2")) {
    out->at = PICKLE_REBUILD_TENSOR;
    return TRUE;
  }
  if (g_str_equal (full, "torch._utils._rebuild_parameter")) {
    out->at = PICKLE_REBUILD_PARAMETER;
    return TRUE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (mblm_pickle_types); i++) {
    if (g_str_has_prefix (full, "torch.") &&
        g_str_equal (full + strlen ("torch."), mblm_pickle_types[i].name)) {
      out->at = PICKLE_FIRST_STORAGE + i;
      return TRUE;
    }
  }
  quoted = mblm_quote (full, -1);
  return mblm_pickle_fail (self, error,
      "it asks for %s, which no checkpoint "
      "needs: don't trust this file",
      quoted);
}

static const PickleValue *
item (const Pickle *self, const PickleValue *tuple, guint i)
{
  return &g_array_index (self->items, PickleValue, tuple->at + i);
}

/* ('storage', class, key, location, number of elements) */
gboolean
mblm_pickle_find_storage (
    Pickle *self, const PickleValue *id, PickleValue *out, GError **error)
{
  PickleStorage storage = {0};
  const PickleValue *type;

  if (id->kind != PICKLE_TUPLE || id->n != 5 ||
      !mblm_pickle_is_string (self, item (self, id, 0), "storage"))
    return mblm_pickle_fail (self, error, "a reference to no storage");
  type = item (self, id, 1);
  if (type->kind != PICKLE_GLOBAL || type->at < PICKLE_FIRST_STORAGE ||
      item (self, id, 2)->kind != PICKLE_STRING ||
      item (self, id, 3)->kind != PICKLE_STRING ||
      item (self, id, 4)->kind != PICKLE_INTEGER ||
      item (self, id, 4)->integer < 0)
    return mblm_pickle_fail (self, error, "a damaged reference to a storage");
  if (self->storages->len == MAX_TENSORS)
    return mblm_pickle_fail (self, error, "too many storages");
  storage.type = (guint) (type->at - PICKLE_FIRST_STORAGE);
  storage.key = *item (self, id, 2);
  storage.n_elements = (guint64) item (self, id, 4)->integer;
  *out = (PickleValue){.kind = PICKLE_STORAGE};
  out->at = self->storages->len;
  g_array_append_val (self->storages, storage);
  return TRUE;
}

static gboolean
is_empty_dict (const Pickle *self, const PickleValue *value)
{
  const PickleDict *dict;

  if (value->kind != PICKLE_DICT)
    return FALSE;
  dict = &g_array_index (self->dicts, PickleDict, value->at);
  return dict->pairs == NULL || dict->pairs->len == 0;
}

/* A tuple of whole numbers from 0 up. */
static gboolean
read_sizes (const Pickle *self, const PickleValue *tuple, guint64 *out,
    guint *n, GError **error)
{
  if (tuple->kind != PICKLE_TUPLE)
    return mblm_pickle_fail (self, error, "a tensor's shape is no tuple");
  if (tuple->n > MBLM_MAX_DIMS)
    return mblm_pickle_fail (
        self, error, "a tensor of more than %d dimensions", MBLM_MAX_DIMS);
  *n = tuple->n;
  for (guint i = 0; i < *n; i++) {
    if (item (self, tuple, i)->kind != PICKLE_INTEGER ||
        item (self, tuple, i)->integer < 0)
      return mblm_pickle_fail (
          self, error, "a tensor's shape has what is no size");
    out[i] = (guint64) item (self, tuple, i)->integer;
  }
  return TRUE;
}

/* (storage, offset, size, stride, requires_grad, hooks[, metadata]) */
static gboolean
rebuild_tensor (
    Pickle *self, const PickleValue *args, PickleValue *out, GError **error)
{
  PickleTensor tensor = {0};
  guint n_strides;

  if ((args->n != 6 && args->n != 7) ||
      item (self, args, 0)->kind != PICKLE_STORAGE ||
      item (self, args, 1)->kind != PICKLE_INTEGER ||
      item (self, args, 1)->integer < 0 ||
      item (self, args, 4)->kind != PICKLE_BOOLEAN ||
      !is_empty_dict (self, item (self, args, 5)) ||
      (args->n == 7 && item (self, args, 6)->kind != PICKLE_NONE))
    return mblm_pickle_fail (self, error, "a damaged tensor");
  tensor.storage = item (self, args, 0)->at;
  tensor.first = (guint64) item (self, args, 1)->integer;
  if (!read_sizes (
          self, item (self, args, 2), tensor.shape, &tensor.n_dims, error) ||
      !read_sizes (
          self, item (self, args, 3), tensor.strides, &n_strides, error))
    return FALSE;
  if (n_strides != tensor.n_dims)
    return mblm_pickle_fail (
        self, error, "a tensor with shape and strides of different lengths");
  if (self->tensors->len == MAX_TENSORS)
    return mblm_pickle_fail (self, error, "too many tensors");
  *out = (PickleValue){.kind = PICKLE_TENSOR};
  out->at = self->tensors->len;
  g_array_append_val (self->tensors, tensor);
  return TRUE;
}

gboolean
mblm_pickle_reduce (Pickle *self, const PickleValue *callable,
    const PickleValue *args, PickleValue *out, GError **error)
{
  if (callable->kind == PICKLE_GLOBAL && args->kind == PICKLE_TUPLE) {
    if (callable->at == PICKLE_ORDERED_DICT && args->n == 0)
      return mblm_pickle_new_dict (self, TRUE, out, error);
    if (callable->at == PICKLE_REBUILD_TENSOR)
      return rebuild_tensor (self, args, out, error);
    if (callable->at == PICKLE_REBUILD_PARAMETER && args->n == 3 &&
        item (self, args, 0)->kind == PICKLE_TENSOR &&
        item (self, args, 1)->kind == PICKLE_BOOLEAN &&
        is_empty_dict (self, item (self, args, 2))) {
      *out = *item (self, args, 0);
      return TRUE;
    }
  }
  return mblm_pickle_fail (
      self, error, "it calls what a checkpoint does not call");
}
