/* block.c: block classes, and the fields they are made from.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "block.h"
#include "message.h"
#include "registry.h"

#include <math.h>
#include <string.h>

static gconstpointer
built_in (guint i, const char **name)
{
  static const MblmBlockClass *const classes[] = {
      &mblm_transformer_class,
      &mblm_transformer_encoder_class,
      &mblm_mamba1_class,
      &mblm_mamba2_class,
  };

  if (i == G_N_ELEMENTS (classes))
    return NULL;
  *name = classes[i]->type;
  return classes[i];
}

static MblmRegistry registry = {
    .what = "block type",
    .another = "name",
    .abi = MBLM_BLOCK_ABI,
    .built_in = built_in,
};

gboolean
mblm_block_register (const MblmBlockClass *klass, GError **error)
{
  guint trains = 0;

  /* of another version, what follows `abi` and `type` may lie elsewhere */
  if (klass->abi == MBLM_BLOCK_ABI)
    trains = (klass->kept_size != NULL) + (klass->layer_forward != NULL) +
        (klass->layer_backward != NULL) + (klass->check_training != NULL);
  if (trains != 0 && trains != 4) {
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_INPUT,
        "block type %s has %u of the four functions that training needs; give "
        "all, or none",
        klass->type, trains);
    return FALSE;
  }
  return mblm_registry_add (&registry, klass->type, klass->abi, klass, error);
}

const MblmBlockClass *
mblm_block_lookup (const char *type)
{
  return mblm_registry_lookup (&registry, type);
}

char *
mblm_block_list_types (void)
{
  return mblm_registry_list (&registry);
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
