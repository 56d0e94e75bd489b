/* tally.c: how many answers were right, by type of question.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "tally.h"

#include <math.h>

/* A true answer. */
typedef struct {
  guint64 n;
  GHashTable *said; /* answer to how often, a guint64 */
} Truth;

typedef struct {
  TallyCounts counts;
  GHashTable *truths; /* true answer to Truth */
  GHashTable *said;   /* a set of answers */
} Type;

struct _Tally {
  GHashTable *types; /* name to Type */
};

static void
truth_free (gpointer data)
{
  Truth *truth = data;

  g_hash_table_unref (truth->said);
  g_free (truth);
}

static void
type_free (gpointer data)
{
  Type *type = data;

  g_hash_table_unref (type->truths);
  g_hash_table_unref (type->said);
  g_free (type);
}

Tally *
tally_new (void)
{
  Tally *self = g_new0 (Tally, 1);

  self->types = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, type_free);
  return self;
}

void
tally_free (Tally *self)
{
  g_hash_table_unref (self->types);
  g_free (self);
}

static Type *
find_type (Tally *self, const char *name)
{
  Type *type = g_hash_table_lookup (self->types, name);

  if (type)
    return type;
  type = g_new0 (Type, 1);
  type->truths = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, truth_free);
  type->said = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_insert (self->types, g_strdup (name), type);
  return type;
}

static Truth *
find_truth (Type *type, const char *name)
{
  Truth *truth = g_hash_table_lookup (type->truths, name);

  if (truth)
    return truth;
  truth = g_new0 (Truth, 1);
  truth->said = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_hash_table_insert (type->truths, g_strdup (name), truth);
  return truth;
}

void
tally_add (Tally *self, const char *name, const char *truth, const char *answer,
    const char *blind)
{
  Type *type = find_type (self, name);
  Truth *row = find_truth (type, truth);
  guint64 *often = g_hash_table_lookup (row->said, answer);

  if (!often) {
    often = g_new0 (guint64, 1);
    g_hash_table_insert (row->said, g_strdup (answer), often);
    g_hash_table_add (type->said, g_strdup (answer));
  }
  ++*often;
  row->n++;
  type->counts.n++;
  type->counts.right += g_str_equal (truth, answer);
  type->counts.blind += g_str_equal (truth, blind);
  type->counts.frequent = MAX (type->counts.frequent, row->n);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *) a, *(const char *const *) b);
}

static const char **
sort_keys (GHashTable *table)
{
  guint n;
  const char **keys = (const char **) g_hash_table_get_keys_as_array (
      table, &n);

  qsort (keys, n, sizeof (char *), compare);
  return keys;
}

const char **
tally_get_types (Tally *self)
{
  return sort_keys (self->types);
}

const char **
tally_get_truths (Tally *self, const char *type)
{
  return sort_keys (((Type *) g_hash_table_lookup (self->types, type))->truths);
}

const char **
tally_get_said (Tally *self, const char *name, const char *truth)
{
  const Type *type = g_hash_table_lookup (self->types, name);
  const Truth *row = truth ? g_hash_table_lookup (type->truths, truth) : NULL;

  return sort_keys (row ? row->said : type->said);
}

guint64
tally_count (Tally *self, const char *name, const char *truth, const char *said)
{
  const Type *type = g_hash_table_lookup (self->types, name);
  const Truth *row = g_hash_table_lookup (type->truths, truth);
  const guint64 *often = row ? g_hash_table_lookup (row->said, said) : NULL;

  return often ? *often : 0;
}

TallyCounts
tally_get (Tally *self, const char *name)
{
  TallyCounts sum = {0};
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, self->types);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    const TallyCounts *counts = &((Type *) value)->counts;

    if (name && !g_str_equal (name, key))
      continue;
    sum.n += counts->n;
    sum.right += counts->right;
    sum.blind += counts->blind;
    sum.frequent += counts->frequent;
  }
  return sum;
}

void
tally_interval (guint64 right, guint64 n, double *low, double *high)
{
  const double z = 1.959964; /* the normal's quantile of 0.975 */
  double p = (double) right / (double) n, square = z * z / (double) n;
  double middle = (p + square / 2.0) / (1.0 + square);
  double half = z / (1.0 + square) *
      sqrt (p * (1.0 - p) / (double) n + square / (4.0 * (double) n));

  /* p is in it, whatever is rounded */
  *low = CLAMP (middle - half, 0.0, p);
  *high = CLAMP (middle + half, p, 1.0);
}
