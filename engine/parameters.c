/* parameters.c: the tensors of a model, by name.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parameters.h"

#include <math.h>

#include "name-hash.h"

/* Elements read, converted and uploaded at a time. */
#define PIECE ((gsize) 1 << 18)

static void
free_parameter (gpointer data)
{
  MblmParameter *p = data;
  g_free (p->name);
  g_free (p);
}

MblmParameters *
mblm_parameters_new (void)
{
  MblmParameters *self = g_new0 (MblmParameters, 1);
  self->prefix = g_strdup ("");
  self->list = g_ptr_array_new_with_free_func (free_parameter);
  return self;
}

void
mblm_parameters_free (MblmParameters *self)
{
  g_free (self->prefix);
  g_ptr_array_unref (self->list);
  g_free (self);
}

void
mblm_parameters_set_prefix (MblmParameters *self, const char *format, ...)
{
  g_free (self->prefix);
  if (format == NULL) {
    self->prefix = g_strdup ("");
    return;
  }
  va_list args;
  va_start (args, format);
  self->prefix = g_strdup_vprintf (format, args);
  va_end (args);
}

static MblmParameter *
add (MblmParameters *self, MblmInit init, const char *format, va_list args)
{
  MblmParameter *p = g_new0 (MblmParameter, 1);
  g_autofree char *name = g_strdup_vprintf (format, args);

  p->name = g_strconcat (self->prefix, name, NULL);
  p->init = init;
  g_ptr_array_add (self->list, p);
  return p;
}

MblmParameter *
mblm_parameters_add_matrix (MblmParameters *self, MblmMatrix *matrix,
    gsize all_rows, gsize first_row, gsize rows, gsize cols, MblmInit init,
    const char *format, ...)
{
  va_list args;
  va_start (args, format);
  MblmParameter *p = add (self, init, format, args);
  va_end (args);
  p->n_dims = 2;
  p->shape[0] = rows;
  p->shape[1] = cols;
  p->n_elements = rows * cols;
  p->matrix = matrix;
  p->first_row = first_row;
  matrix->rows = all_rows;
  matrix->cols = cols;
  return p;
}

MblmParameter *
mblm_parameters_add_vector (MblmParameters *self, float **vector, gsize n,
    gsize m, gsize l, MblmInit init, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  MblmParameter *p = add (self, init, format, args);
  va_end (args);
  p->n_dims = m == 0 ? 1 : l == 0 ? 2 : 3;
  p->shape[0] = n;
  p->shape[1] = m;
  p->shape[2] = l;
  p->n_elements = n * MAX (m, 1) * MAX (l, 1);
  p->vector = vector;
  return p;
}

guint64
mblm_parameters_count (MblmParameters *self)
{
  guint64 count = 0;

  for (guint i = 0; i < self->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (self->list, i);
    if (!p->optional)
      count += p->n_elements;
  }
  return count;
}

guint64
mblm_parameters_get_bytes (MblmParameters *self, MblmType precision)
{
  guint64 bytes = 0;

  for (guint i = 0; i < self->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (self->list, i);
    bytes += p->n_elements *
        (p->matrix != NULL && precision == MBLM_TYPE_BF16 ? 2 : 4);
  }
  return bytes;
}

/* ------------------------------------------------------------------------- */
/* Files                                                                     */
/* ------------------------------------------------------------------------- */

static char *
shape_to_string (guint n_dims, const gsize *shape)
{
  GString *text = g_string_new ("[");
  for (guint i = 0; i < n_dims; i++)
    g_string_append_printf (
        text, "%s%" G_GSIZE_FORMAT, i > 0 ? ", " : "", shape[i]);
  return g_string_free (g_string_append_c (text, ']'), FALSE);
}

static gboolean
check_shape (
    const MblmParameter *p, const MblmTensorEntry *entry, GError **error)
{
  gboolean equal = p->n_dims == entry->n_dims;

  for (guint i = 0; equal && i < p->n_dims; i++)
    equal = p->shape[i] == entry->shape[i];
  if (equal)
    return TRUE;
  g_autofree char *is = shape_to_string (entry->n_dims, entry->shape);
  g_autofree char *wanted = shape_to_string (p->n_dims, p->shape);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
      "tensor %s has the shape %s, the configuration asks for %s; use the "
      "config.yaml that belongs to these weights",
      p->name, is, wanted);
  return FALSE;
}

/* A tensor with a row for each id, of which the file has fewer. */
static gboolean
can_extend (const MblmParameter *p, const MblmTensorEntry *entry)
{
  gboolean table = g_str_has_prefix (p->name, "token_embs_rev.") &&
      g_str_has_suffix (p->name, ".embedding.weight");

  if (!table && !g_str_has_prefix (p->name, "to_logits."))
    return FALSE;
  for (guint i = 1; i < p->n_dims && p->n_dims == entry->n_dims; i++)
    if (p->shape[i] != entry->shape[i])
      return FALSE;
  return p->n_dims == entry->n_dims && entry->shape[0] < p->shape[0];
}

GHashTable *
mblm_parameters_index_file (MblmTensorFile *file, GError **error)
{
  g_autoptr (GHashTable)
      index = g_hash_table_new_full (mblm_name_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < mblm_tensor_file_get_n_entries (file); i++) {
    const MblmTensorEntry *entry = mblm_tensor_file_get_entry (file, i);
    char *name = mblm_tensor_name_modernise (entry->name);
    if (g_hash_table_contains (index, name)) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
          "tensor %s is there twice, under its old and its new name", name);
      g_free (name);
      return NULL;
    }
    g_hash_table_insert (index, name, (gpointer) entry);
  }
  return g_steal_pointer (&index);
}

static gboolean
check_file (MblmParameters *self, MblmTensorFile *file, gboolean migrate,
    GError **error)
{
  g_autoptr (GHashTable) index = mblm_parameters_index_file (file, error);
  if (index == NULL)
    return FALSE;

  for (guint i = 0; i < self->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (self->list, i);
    const MblmTensorEntry *entry = g_hash_table_lookup (index, p->name);
    if (entry == NULL && !p->optional) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
          "tensor %s is missing; use the config.yaml that belongs to these "
          "weights",
          p->name);
      return FALSE;
    }
    if (entry != NULL && !(migrate && can_extend (p, entry)) &&
        !check_shape (p, entry, error))
      return FALSE;
    g_hash_table_remove (index, p->name);
  }

  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init (&iter, index);
  if (g_hash_table_iter_next (&iter, &name, NULL)) {
    g_autofree char *escaped = g_strescape (name, NULL);
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
        "tensor %s is none of this model; use the config.yaml that belongs to "
        "these weights",
        escaped);
    return FALSE;
  }
  return TRUE;
}

gboolean
mblm_parameters_check_file (
    MblmParameters *self, MblmTensorFile *file, GError **error)
{
  return check_file (self, file, FALSE, error);
}

gboolean
mblm_parameters_check_migration (
    MblmParameters *self, MblmTensorFile *file, GError **error)
{
  return check_file (self, file, TRUE, error);
}

/* Where the values of `p` go, allocating it first. */
static guint8 *
provide_memory (const MblmParameter *p, MblmType precision, MblmRun *run)
{
  if (p->vector != NULL) {
    *p->vector = run->k->alloc (run->memory, p->n_elements * sizeof (float));
    return (guint8 *) *p->vector;
  }
  MblmMatrix *m = p->matrix;
  gsize size = precision == MBLM_TYPE_BF16 ? 2 : 4;
  if (m->data == NULL) {
    m->type = precision;
    m->data = run->k->alloc (run->memory, m->rows * m->cols * size);
  }
  return m->data != NULL ? (guint8 *) m->data + p->first_row * m->cols * size
                         : NULL;
}

static gboolean
fail_memory (MblmRun *run, GError **error)
{
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_MEMORY,
      "%s: not enough memory for the weights; use a smaller model or "
      "precision bf16",
      mblm_device_get_name (run->device));
  return FALSE;
}

gboolean
mblm_parameter_check_finite (
    const MblmParameter *p, const float *x, gsize n, GError **error)
{
  for (gsize i = 0; i < n; i++)
    if (!isfinite (x[i])) {
      g_set_error (error, MBLM_ERROR, MBLM_ERROR_WEIGHTS,
          "tensor %s holds values that are no numbers; its training went wrong "
          "or the file is damaged",
          p->name);
      return FALSE;
    }
  return TRUE;
}

/* Moves n values from `x` (overwritten) to the device. */
static void
upload (MblmRun *run, guint8 *to, float *x, gsize first, gsize n, gboolean bf16)
{
  if (bf16) {
    guint16 *half = (guint16 *) x;
    for (gsize i = 0; i < n; i++)
      half[i] = mblm_bf16_from_float (x[i]);
    run->k->upload (run->q, to + first * 2, half, n * 2);
  } else {
    run->k->upload (run->q, to + first * 4, x, n * 4);
  }
}

static gboolean
load_one (const MblmParameter *p, MblmTensorFile *file,
    const MblmTensorEntry *entry, guint8 *to, gboolean bf16, float *buffer,
    MblmRun *run, GError **error)
{
  if (entry == NULL) {
    g_autofree float *fresh = g_new (float, p->n_elements);
    mblm_parameter_draw (p, NULL, fresh);
    upload (run, to, fresh, 0, p->n_elements, FALSE);
    return mblm_run_wait (run, error);
  }
  for (gsize first = 0; first < p->n_elements; first += PIECE) {
    gsize n = MIN (PIECE, p->n_elements - first);
    if (!mblm_run_check (run, error) ||
        !mblm_tensor_file_read (file, entry, first, n, buffer, error) ||
        !mblm_parameter_check_finite (p, buffer, n, error))
      return FALSE;
    upload (run, to, buffer, first, n, bf16);
    if (!mblm_run_wait (run, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
mblm_parameters_load (MblmParameters *self, MblmTensorFile *file,
    MblmType precision, MblmRun *run, GError **error)
{
  g_autoptr (GHashTable) index = mblm_parameters_index_file (file, error);
  g_autofree float *buffer = g_new (float, PIECE);

  if (index == NULL)
    return FALSE;
  for (guint i = 0; i < self->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (self->list, i);
    guint8 *to = provide_memory (p, precision, run);
    if (to == NULL)
      return fail_memory (run, error);
    if (!load_one (p, file, g_hash_table_lookup (index, p->name), to,
            p->matrix != NULL && precision == MBLM_TYPE_BF16, buffer, run,
            error))
      return FALSE;
  }
  return TRUE;
}

gboolean
mblm_parameters_allocate (MblmParameters *self, MblmRun *run, GError **error)
{
  for (guint i = 0; i < self->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (self->list, i);
    guint8 *to = provide_memory (p, MBLM_TYPE_F32, run);
    if (to == NULL)
      return fail_memory (run, error);
    run->k->zero (run->q, to, p->n_elements * sizeof (float));
  }
  return mblm_run_wait (run, error);
}

gboolean
mblm_parameters_refresh (
    MblmParameters *self, guint64 seed, MblmRun *run, GError **error)
{
  GRand *random = mblm_parameters_new_random (seed);
  gboolean ok = TRUE;

  for (guint i = 0; ok && i < self->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (self->list, i);
    g_autofree float *fresh = g_try_new (float, p->n_elements);
    if (fresh == NULL) {
      ok = fail_memory (run, error);
      break;
    }
    mblm_parameter_draw (p, random, fresh);
    run->k->upload (run->q, mblm_parameter_get_data (p), fresh,
        p->n_elements * sizeof (float));
    ok = mblm_run_wait (run, error);
  }
  g_rand_free (random);
  return ok;
}

gboolean
mblm_parameters_share (
    MblmParameters *self, MblmParameters *from, MblmRun *run, GError **error)
{
  for (guint i = 0; i < self->list->len; i++) {
    MblmParameter *p = g_ptr_array_index (self->list, i);
    const MblmParameter *other = g_ptr_array_index (from->list, i);

    if (p->matrix != NULL && !p->is_table) {
      if (provide_memory (p, MBLM_TYPE_BF16, run) == NULL)
        return fail_memory (run, error);
      continue;
    }
    p->borrowed = TRUE;
    if (p->vector != NULL)
      *p->vector = *other->vector;
    else
      *p->matrix = *other->matrix;
  }
  return TRUE;
}

void
mblm_parameters_round (MblmParameters *self, MblmParameters *from, MblmRun *run)
{
  for (guint i = 0; i < self->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (self->list, i);

    if (!p->borrowed)
      run->k->convert (run->q,
          &(MblmConvert){.count = p->n_elements,
              .x = mblm_parameter_get_data (g_ptr_array_index (from->list, i)),
              .out = (guint16 *) p->matrix->data +
                  p->first_row * p->matrix->cols,
              .out_type = MBLM_TYPE_BF16});
  }
}

float *
mblm_parameter_get_data (const MblmParameter *self)
{
  return self->vector != NULL
      ? *self->vector
      : (float *) self->matrix->data + self->first_row * self->matrix->cols;
}

void
mblm_parameters_unload (MblmParameters *self, MblmRun *run)
{
  for (guint i = 0; i < self->list->len; i++) {
    const MblmParameter *p = g_ptr_array_index (self->list, i);
    if (p->borrowed)
      continue;
    if (p->vector != NULL && *p->vector != NULL) {
      run->k->free (run->memory, *p->vector);
      *p->vector = NULL;
    } else if (p->matrix != NULL && p->matrix->data != NULL) {
      run->k->free (run->memory, (void *) p->matrix->data);
      p->matrix->data = NULL;
    }
  }
}

/* ------------------------------------------------------------------------- */
/* Fresh values                                                              */
/* ------------------------------------------------------------------------- */

/* Box-Muller, one of the pair. */
static double
draw_normal (GRand *random)
{
  double u = 1.0 - g_rand_double (random);
  return sqrt (-2.0 * log (u)) * cos (2.0 * G_PI * g_rand_double (random));
}

static double
draw (const MblmParameter *p, GRand *random, gsize i)
{
  const MblmInit *init = &p->init;
  gsize cols = p->n_dims > 1 ? p->shape[1] : p->n_elements;

  switch (init->kind) {
    case MBLM_INIT_CONSTANT:
      return init->a;
    case MBLM_INIT_NORMAL:
      return (gssize) (i / cols) == init->row_zero ? 0.0 : draw_normal (random);
    case MBLM_INIT_UNIFORM:
      return g_rand_double_range (random, -init->a, init->a);
    case MBLM_INIT_LOG_UNIFORM:
      return log (g_rand_double_range (random, init->a, init->b));
    case MBLM_INIT_LOG_COUNT:
      return log (1.0 + i % cols);
    case MBLM_INIT_STEP_SIZE: {
      double dt = exp (
          g_rand_double_range (random, log (init->a), log (init->b)));
      dt = MAX (dt, 1e-4);
      return dt + log (-expm1 (-dt));
    }
    case MBLM_INIT_FREQUENCY: {
      /* As PyTorch computes it, in float32: 1 / base^(2i / d). */
      float exponent = (float) (2 * i) / (float) (2 * cols);
      return 1.0f / (float) pow (10000.0, exponent);
    }
  }
  g_return_val_if_reached (0.0);
}

GRand *
mblm_parameters_new_random (guint64 seed)
{
  const guint32 seeds[2] = {(guint32) seed, (guint32) (seed >> 32)};

  return g_rand_new_with_seed_array (seeds, 2);
}

void
mblm_parameter_draw (const MblmParameter *self, GRand *random, float *out)
{
  for (gsize i = 0; i < self->n_elements; i++)
    out[i] = draw (self, random, i);
}
