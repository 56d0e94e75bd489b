/* pickle-private.h: the values of the pickle machine.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "pickle.h"

G_BEGIN_DECLS

typedef enum {
  PICKLE_UNSET, /* a hole in the memo */
  PICKLE_NONE,
  PICKLE_BOOLEAN,
  PICKLE_INTEGER,
  PICKLE_FLOAT,
  PICKLE_STRING,
  PICKLE_TUPLE,
  PICKLE_DICT,
  PICKLE_GLOBAL,
  PICKLE_STORAGE,
  PICKLE_TENSOR,
} PickleKind;

/* What each kind keeps: BOOLEAN, INTEGER `integer`; STRING `at` in the bytes of the
 * pickle and `n` bytes; TUPLE `at` in the items and `n` of them; DICT, STORAGE and
 * TENSOR `at` in the array of their kind; GLOBAL a PickleGlobal in `at`. */
typedef struct {
  PickleKind kind;
  guint32 n;
  union {
    gint64 integer;
    guint64 at;
  };
} PickleValue;

typedef enum {
  PICKLE_ORDERED_DICT,
  PICKLE_REBUILD_TENSOR,
  PICKLE_REBUILD_PARAMETER,
  PICKLE_FIRST_STORAGE, /* and on: row - PICKLE_FIRST_STORAGE of types */
} PickleGlobal;

typedef struct {
  const char *name;    /* of the class in torch */
  const char *numbers; /* for messages */
  gint dtype;          /* MblmDtype or -1: unsupported */
} PickleStorageType;

typedef struct {
  guint type;      /* row of mblm_pickle_types */
  PickleValue key; /* STRING */
  guint64 n_elements;
} PickleStorage;

typedef struct {
  guint64 storage; /* in the array of storages */
  guint64 first;
  guint n_dims;
  guint64 shape[MBLM_MAX_DIMS];
  guint64 strides[MBLM_MAX_DIMS];
} PickleTensor;

typedef struct {
  gboolean ordered; /* an OrderedDict */
  GArray *pairs;    /* PickleValue key, value, key, value; or NULL */
} PickleDict;

typedef struct {
  const guint8 *bytes;
  gsize n, at;
  gsize opcode_at;              /* of the opcode that runs, for messages */
  GArray *stack, *memo, *items; /* PickleValue */
  GArray *marks;                /* guint: heights of the stack */
  GArray *dicts;                /* PickleDict */
  GArray *storages;             /* PickleStorage */
  guint n_pairs;                /* values in all dictionaries */
  GArray *tensors;              /* PickleTensor */
} Pickle;

extern const PickleStorageType mblm_pickle_types[];

gboolean mblm_pickle_fail (const Pickle *self, GError **error,
    const char *format, ...) G_GNUC_PRINTF (3, 4);

/* pickle.c: runs the opcodes; the value that is left. */
gboolean mblm_pickle_run (Pickle *self, PickleValue *out, GError **error);

/* pickle-call.c: GLOBAL, REDUCE, BINPERSID. */
gboolean mblm_pickle_find_global (const Pickle *self, const char *module,
    gsize module_n, const char *name, gsize name_n, PickleValue *out,
    GError **error);
gboolean mblm_pickle_reduce (Pickle *self, const PickleValue *callable,
    const PickleValue *args, PickleValue *out, GError **error);
gboolean mblm_pickle_find_storage (
    Pickle *self, const PickleValue *id, PickleValue *out, GError **error);
gboolean mblm_pickle_new_dict (
    Pickle *self, gboolean ordered, PickleValue *out, GError **error);

/* TRUE where `value` is the string `text`. */
gboolean mblm_pickle_is_string (
    const Pickle *self, const PickleValue *value, const char *text);

G_END_DECLS
