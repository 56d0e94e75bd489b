/* parameters.h: the tensors of a model, by name.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The model and its blocks declare what they need; loading, creating and (in
 * training) everything else walk this list. Private to the engine.
 */

#pragma once

#include "block.h"
#include "safetensors.h"

G_BEGIN_DECLS

struct _MblmParameters {
  char *prefix;    /* put before declared names */
  GPtrArray *list; /* of MblmParameter */
};

MblmParameters *mblm_parameters_new (void);
void mblm_parameters_free (MblmParameters *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MblmParameters, mblm_parameters_free)

/* "stage_models.1." for what is declared from now on; NULL for nothing. */
void mblm_parameters_set_prefix (MblmParameters *self, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
/* Elements of all tensors but the optional ones (which are buffers). */
guint64 mblm_parameters_count (MblmParameters *self);

/* Names and shapes of a file against the list: missing, superfluous, doubled
 * (by old and new name) and misshapen tensors are MBLM_ERROR_WEIGHTS. */
gboolean mblm_parameters_check_file (
    MblmParameters *self, MblmTensorFile *file, GError **error);
/* The same, but the tensors that have a row for each id may have fewer rows in
 * the file (mblm-math section 5.14). */
gboolean mblm_parameters_check_migration (
    MblmParameters *self, MblmTensorFile *file, GError **error);
/* Entries of a file, borrowed, by today's names. Error: WEIGHTS for one that is
 * there under both its names. */
GHashTable *mblm_parameters_index_file (MblmTensorFile *file, GError **error);
/* Error: WEIGHTS where one of x [n], values of the tensor, is no number. */
gboolean mblm_parameter_check_finite (
    const MblmParameter *p, const float *x, gsize n, GError **error);
/* Allocates every tensor on the device and fills it from the file. */
gboolean mblm_parameters_load (MblmParameters *self, MblmTensorFile *file,
    MblmType precision, MblmRun *run, GError **error);
/* Allocates every tensor on the device in float32, all zeros. Error:
 * MBLM_ERROR_MEMORY. */
gboolean mblm_parameters_allocate (
    MblmParameters *self, MblmRun *run, GError **error);
/* Fills them with fresh values, drawn in the order of their declaration. */
gboolean mblm_parameters_refresh (
    MblmParameters *self, guint64 seed, MblmRun *run, GError **error);
/* Of a model of the same shape: products get memory of their own in bfloat16, all
 * else is the other's, which has to live longer. Error: MBLM_ERROR_MEMORY. */
gboolean mblm_parameters_share (
    MblmParameters *self, MblmParameters *from, MblmRun *run, GError **error);
/* Rounds the other's into that memory. */
void mblm_parameters_round (
    MblmParameters *self, MblmParameters *from, MblmRun *run);
/* Where a tensor of float32 lies on the device. */
float *mblm_parameter_get_data (const MblmParameter *self);
/* Gives the memory back. */
void mblm_parameters_unload (MblmParameters *self, MblmRun *run);
/* Bytes on the device. */
guint64 mblm_parameters_get_bytes (MblmParameters *self, MblmType precision);

/* What fresh tensors are drawn with: a seed means the same values everywhere. */
GRand *mblm_parameters_new_random (guint64 seed);
/* Fills `out` [n_elements] with a fresh tensor, drawn from `random`. */
void mblm_parameter_draw (const MblmParameter *self, GRand *random, float *out);

G_END_DECLS
