/* dataset-args.c: what dataset_args of a training file says.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "dataset-private.h"

#include <math.h>

#include "mblm-error.h"
#include "message.h"

gboolean
mblm_args_check_known (GVariant *args, const char *const *known, GError **error)
{
  GVariantIter iter;
  const char *key;

  if (!args)
    return TRUE;
  g_variant_iter_init (&iter, args);
  while (g_variant_iter_next (&iter, "{&sv}", &key, NULL)) {
    if (g_strv_contains (known, key))
      continue;
    g_autofree char *quoted = mblm_quote (key, -1);
    g_autofree char *suggestion = mblm_suggest (key, known);
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "dataset_args: %s is not known%s", quoted, suggestion);
    return FALSE;
  }
  return TRUE;
}

static GVariant *
lookup (GVariant *args, const char *key)
{
  return args ? g_variant_lookup_value (args, key, NULL) : NULL;
}

gboolean
mblm_args_has (GVariant *args, const char *key)
{
  g_autoptr (GVariant) value = lookup (args, key);
  return value != NULL;
}

/* NAN for what is no number. */
static double
to_number (GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    return g_variant_get_double (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
    return (double) g_variant_get_int64 (value);
  return NAN;
}

gboolean
mblm_args_get_integer (GVariant *args, const char *key, gint64 min, gint64 max,
    gint64 *value, GError **error)
{
  g_autoptr (GVariant) field = lookup (args, key);

  if (!field)
    return TRUE;
  if (g_variant_is_of_type (field, G_VARIANT_TYPE_INT64)) {
    gint64 number = g_variant_get_int64 (field);

    if (number >= min && number <= max) {
      *value = number;
      return TRUE;
    }
  }
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "dataset_args: %s must be a whole number from %" G_GINT64_FORMAT
      " to %" G_GINT64_FORMAT,
      key, min, max);
  return FALSE;
}

gboolean
mblm_args_get_number (GVariant *args, const char *key, double min, double max,
    double *value, GError **error)
{
  g_autoptr (GVariant) field = lookup (args, key);

  if (!field)
    return TRUE;

  double number = to_number (field);
  if (number >= min && number <= max) {
    *value = number;
    return TRUE;
  }
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "dataset_args: %s must be a number from %g to %g", key, min, max);
  return FALSE;
}

gboolean
mblm_args_get_boolean (
    GVariant *args, const char *key, gboolean *value, GError **error)
{
  g_autoptr (GVariant) field = lookup (args, key);

  if (!field)
    return TRUE;
  if (g_variant_is_of_type (field, G_VARIANT_TYPE_BOOLEAN)) {
    *value = g_variant_get_boolean (field);
    return TRUE;
  }
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "dataset_args: %s must be true or false", key);
  return FALSE;
}

gboolean
mblm_args_get_word (GVariant *args, const char *key, const char *const *words,
    guint *value, GError **error)
{
  g_autoptr (GVariant) field = lookup (args, key);

  if (!field)
    return TRUE;
  if (g_variant_is_of_type (field, G_VARIANT_TYPE_STRING))
    for (guint i = 0; words[i]; i++)
      if (g_str_equal (words[i], g_variant_get_string (field, NULL))) {
        *value = i;
        return TRUE;
      }
  g_autofree char *all = g_strjoinv (", ", (char **) words);
  g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
      "dataset_args: %s must be one of: %s", key, all);
  return FALSE;
}

gboolean
mblm_args_get_numbers (GVariant *args, const char *key, double min, double max,
    double *values, guint n, GError **error)
{
  g_autoptr (GVariant) field = lookup (args, key);
  gboolean good = TRUE;

  if (!field)
    return TRUE;
  good = g_variant_is_of_type (field, G_VARIANT_TYPE ("av")) &&
      g_variant_n_children (field) == n;
  for (guint i = 0; good && i < n; i++) {
    g_autoptr (GVariant) boxed = g_variant_get_child_value (field, i);
    g_autoptr (GVariant) item = g_variant_get_variant (boxed);

    values[i] = to_number (item);
    good = values[i] >= min && values[i] <= max;
  }
  if (!good)
    g_set_error (error, MBLM_ERROR, MBLM_ERROR_CONFIG,
        "dataset_args: %s must be a list of %u numbers from %g to %g", key, n,
        min, max);
  return good;
}
