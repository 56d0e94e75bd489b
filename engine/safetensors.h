/* safetensors.h: weights in files.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *
 * Reading is strict, as the format asks: no holes, no overlap, no duplicate
 * names, no rest behind the last tensor, sizes that match shapes; F32, BF16 and
 * F16 only. Data is copied with pread, never mapped. Private to the engine.
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define MBLM_MAX_DIMS 8

typedef enum {
  MBLM_DTYPE_F32,
  MBLM_DTYPE_BF16,
  MBLM_DTYPE_F16,
} MblmDtype;

typedef struct {
  char *name;
  MblmDtype dtype;
  guint n_dims;
  gsize shape[MBLM_MAX_DIMS];
  gsize n_elements;
  guint64 offset; /* in the file */
  gsize size;     /* bytes */
} MblmTensorEntry;

/* An open file whose header has been checked. */
typedef struct _MblmTensorFile MblmTensorFile;

/* Errors: NOT_FOUND, WEIGHTS (what is wrong with the header), G_FILE_ERROR. */
MblmTensorFile *mblm_tensor_file_open (const char *path, GError **error);
void mblm_tensor_file_free (MblmTensorFile *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmTensorFile, mblm_tensor_file_free)

/* Entries in the order of their data. */
guint mblm_tensor_file_get_n_entries (MblmTensorFile *self);
const MblmTensorEntry *mblm_tensor_file_get_entry (
    MblmTensorFile *self, guint i);
/* NULL where there is none. */
const MblmTensorEntry *mblm_tensor_file_lookup (
    MblmTensorFile *self, const char *name);
/* Device, inode, size and mtime of the open file as a string: equal for the same
 * unchanged file. */
const char *mblm_tensor_file_get_identity (MblmTensorFile *self);
/* Reads elements first .. first + n of an entry as float32 into `out` [n]. Fails
 * if the file has changed since it was opened (size or mtime). */
gboolean mblm_tensor_file_read (MblmTensorFile *self,
    const MblmTensorEntry *entry, gsize first, gsize n, float *out,
    GError **error);

/* Writing: tensors are added with their float32 data (borrowed until finish),
 * converted to `dtype`, written to a new file beside `path`, synced, renamed. */
typedef struct _MblmTensorWriter MblmTensorWriter;

MblmTensorWriter *mblm_tensor_writer_new (void);
void mblm_tensor_writer_add (MblmTensorWriter *self, const char *name,
    MblmDtype dtype, guint n_dims, const gsize *shape, const float *data);
gboolean mblm_tensor_writer_finish (
    MblmTensorWriter *self, const char *path, GError **error);
void mblm_tensor_writer_free (MblmTensorWriter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmTensorWriter, mblm_tensor_writer_free)

/* A tensor name of before 0.4 in today's form (mblm-math section 2); a name that
 * is of today's form already comes back unchanged. Free with g_free. */
char *mblm_tensor_name_modernise (const char *name);

/* float32 to bfloat16, to nearest, ties to even; NaN stays NaN. */
guint16 mblm_bf16_from_float (float x);
float mblm_float_from_bf16 (guint16 x);

G_END_DECLS
