/* block.c: the registry of block classes, and the fields they are made from.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "block.h"
#include "message.h"
#include "module.h"

#include <math.h>
#include <string.h>

/* Type name to class; protected by `lock`. */
static GMutex lock;
static GHashTable *classes;

/* Called with `lock` held. */
static void
ensure_built_in (void)
{
  static const MblmBlockClass *const built_in[] = {
      &mblm_transformer_class,
      &mblm_transformer_encoder_class,
      &mblm_mamba1_class,
      &mblm_mamba2_class,
  };

  if (classes != NULL)
    return;
  classes = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < G_N_ELEMENTS (built_in); i++)
    g_hash_table_insert (
        classes, (char *) built_in[i]->type, (gpointer) built_in[i]);
}

gboolean
mblm_block_register (const MblmBlockClass *klass, GError **error)
{
  if (klass->abi != MBLM_BLOCK_ABI) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "block type %s is made for version %u of the interface, this library "
        "has %u; build it again",
        klass->type, klass->abi, MBLM_BLOCK_ABI);
    return FALSE;
  }
  guint trains = (klass->kept_size != NULL) + (klass->layer_forward != NULL) +
      (klass->layer_backward != NULL) + (klass->check_training != NULL);
  if (trains != 0 && trains != 4) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "block type %s has %u of the four functions that training needs; give "
        "all, or none",
        klass->type, trains);
    return FALSE;
  }
  g_mutex_lock (&lock);
  ensure_built_in ();
  gboolean free_name = !g_hash_table_contains (classes, klass->type);
  if (free_name)
    g_hash_table_insert (classes, (char *) klass->type, (gpointer) klass);
  g_mutex_unlock (&lock);
  if (!free_name)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "block type %s is registered already; choose another name",
        klass->type);
  return free_name;
}

static const MblmBlockClass *
lookup (const char *type)
{
  g_mutex_lock (&lock);
  ensure_built_in ();
  const MblmBlockClass *klass = g_hash_table_lookup (classes, type);
  g_mutex_unlock (&lock);
  return klass;
}

const MblmBlockClass *
mblm_block_lookup (const char *type)
{
  const MblmBlockClass *klass = lookup (type);

  if (klass == NULL) {
    mblm_modules_open ();
    klass = lookup (type);
  }
  return klass;
}

char *
mblm_block_list_types (void)
{
  g_mutex_lock (&lock);
  ensure_built_in ();
  GList *names = g_list_sort (
      g_hash_table_get_keys (classes), (GCompareFunc) strcmp);
  GString *text = g_string_new (NULL);
  for (GList *l = names; l != NULL; l = l->next)
    g_string_append_printf (
        text, "%s%s", text->len > 0 ? ", " : "", (const char *) l->data);
  g_list_free (names);
  g_mutex_unlock (&lock);
  return g_string_free (text, FALSE);
}

MblmBlock *
mblm_block_new (const MblmBlockClass *klass, gsize dim, gsize layers,
    gsize expected, GVariant *options, GError **error)
{
  MblmBlock *self = klass->create (dim, layers, options, error);
  if (self == NULL)
    return NULL;
  self->klass = klass;
  self->dim = dim;
  self->layers = layers;
  self->expected = expected;
  return self;
}

void
mblm_block_free (MblmBlock *self)
{
  self->klass->free (self);
}

/* ------------------------------------------------------------------------- */
/* Fields                                                                    */
/* ------------------------------------------------------------------------- */

gboolean
mblm_options_check_known (
    GVariant *options, const char *const *known, GError **error)
{
  GVariantIter iter;
  const char *key;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, NULL)) {
    if (g_strv_contains (known, key))
      continue;
    g_autofree char *quoted = mblm_quote (key, -1);
    g_autofree char *suggestion = mblm_suggest (key, known);
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "block: field %s is not known%s", quoted, suggestion);
    return FALSE;
  }
  return TRUE;
}

static gboolean
require (gboolean there, const char *key, GError **error)
{
  if (!there)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "block: field \"%s\" is missing", key);
  return there;
}

gboolean
mblm_options_get_int (GVariant *options, const char *key, gint64 min,
    gint64 max, gint64 fallback, gsize *value, GError **error)
{
  g_autoptr (GVariant) field = g_variant_lookup_value (options, key, NULL);
  gint64 number = fallback;

  if (field == NULL) {
    if (!require (fallback != G_MININT64, key, error))
      return FALSE;
  } else if (!g_variant_is_of_type (field, G_VARIANT_TYPE_INT64) ||
      (number = g_variant_get_int64 (field)) < min || number > max) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "block: field \"%s\" must be a whole number from %" G_GINT64_FORMAT
        " to %" G_GINT64_FORMAT,
        key, min, max);
    return FALSE;
  }
  *value = number;
  return TRUE;
}

gboolean
mblm_options_get_double (GVariant *options, const char *key, double min,
    double max, double fallback, double *value, GError **error)
{
  g_autoptr (GVariant) field = g_variant_lookup_value (options, key, NULL);

  if (field == NULL) {
    *value = fallback;
    return require (!isnan (fallback), key, error);
  }
  if (g_variant_is_of_type (field, G_VARIANT_TYPE_DOUBLE))
    *value = g_variant_get_double (field);
  else if (g_variant_is_of_type (field, G_VARIANT_TYPE_INT64))
    *value = g_variant_get_int64 (field);
  else
    *value = NAN;
  if (*value >= min && *value <= max)
    return TRUE;
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "block: field \"%s\" must be a number from %g to %g", key, min, max);
  return FALSE;
}

gboolean
mblm_options_get_boolean (GVariant *options, const char *key, gint fallback,
    gboolean *value, GError **error)
{
  g_autoptr (GVariant) field = g_variant_lookup_value (options, key, NULL);

  if (field == NULL) {
    *value = fallback;
    return require (fallback >= 0, key, error);
  }
  if (g_variant_is_of_type (field, G_VARIANT_TYPE_BOOLEAN)) {
    *value = g_variant_get_boolean (field);
    return TRUE;
  }
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "block: field \"%s\" must be true or false", key);
  return FALSE;
}
