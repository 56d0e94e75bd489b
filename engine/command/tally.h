/* tally.h: how many answers were right, by type of question.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What stands beside the model's own answers. */
typedef struct {
  guint64 n, right;
  guint64 blind;    /* right with the picture withheld */
  guint64 frequent; /* right where the most frequent answer to questions of that
                     * type is always given */
} TallyCounts;

typedef struct _Tally Tally;

Tally *tally_new (void);
void tally_free (Tally *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Tally, tally_free)

void tally_add (Tally *self, const char *type, const char *truth,
    const char *answer, const char *blind);
/* The types, sorted: NULL-terminated, free with g_free. */
const char **tally_get_types (Tally *self);
/* Of a type; NULL: of all. */
TallyCounts tally_get (Tally *self, const char *type);

/* The true answers of a type, and what was said to its questions, to those with
 * this true answer, or NULL: to all. Sorted, NULL-terminated, free with g_free. */
const char **tally_get_truths (Tally *self, const char *type);
const char **tally_get_said (Tally *self, const char *type, const char *truth);
/* How often `said` was said where `truth` is true. */
guint64 tally_count (
    Tally *self, const char *type, const char *truth, const char *said);

/* Where the share of right answers among all such questions lies, in 95 of 100
 * such examinations: Wilson's interval of `right` out of n. */
void tally_interval (guint64 right, guint64 n, double *low, double *high);

G_END_DECLS
