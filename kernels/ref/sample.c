/* sample.c: drawing an id from a distribution.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The candidates are sorted once, from the most probable down and by id among
 * equals; every filter then keeps a beginning of that list. Weights stand for
 * probabilities times the sum of all weights, so that the largest is exactly 1
 * and a limit of min_p is a comparison with min_p itself. A logit that is not a
 * number counts as minus infinity, and equal infinite logits are equally
 * probable: a broken model still draws valid ids.
 */

#include "ref.h"

#include <stdlib.h>

typedef struct {
  double logit;
  double weight; /* exp ((logit - largest) / temperature) */
  int32_t id;
} Candidate;

/* For qsort: larger logits first, lower ids first among equals. */
static int
compare (const void *p, const void *q)
{
  const Candidate *a = p, *b = q;

  if (a->logit != b->logit)
    return a->logit > b->logit ? -1 : 1;
  return a->id < b->id ? -1 : 1;
}

/* The allowed ids of a row of logits [vocabulary], sorted; returns how many. */
static size_t
sort_candidates (const MblmSample *a, const float *logits, Candidate *list)
{
  size_t count = 0;

  for (size_t v = 0; v < a->vocabulary; v++)
    if (!a->allowed || a->allowed[v])
      list[count++] = (Candidate){
          .logit = isnan (logits[v]) ? -INFINITY : logits[v],
          .id = (int32_t) v,
      };
  qsort (list, count, sizeof (*list), compare);
  return count;
}

static int32_t
draw (const MblmSample *a, Candidate *list, size_t count, double uniform)
{
  double total = 0.0, reached = 0.0;
  size_t kept = 0;

  if (a->top_k > 0 && a->top_k < count)
    count = a->top_k;
  for (size_t i = 0; i < count; i++) {
    bool equal = list[i].logit == list[0].logit;

    list[i].weight = equal
        ? 1.0
        : exp ((list[i].logit - list[0].logit) / a->temperature);
    total += list[i].weight;
  }

  /* min_p and top_p both look at the whole distribution; the most probable id
   * always stays. */
  while (kept < count && (kept == 0 || list[kept].weight >= a->min_p) &&
      (kept == 0 || a->top_p >= 1.0f || reached < a->top_p * total))
    reached += list[kept++].weight;

  total = reached;
  reached = 0.0;
  for (size_t i = 0; i < kept; i++) {
    reached += list[i].weight;
    if (reached > uniform * total)
      return list[i].id;
  }
  return list[kept - 1].id;
}

void
ref_sample (MblmQueue *queue, const MblmSample *a)
{
  size_t bytes;
  Candidate *list = NULL;

  if (queue->status != MBLM_STATUS_OK)
    return;
  if (!__builtin_mul_overflow (a->vocabulary, sizeof (*list), &bytes))
    list = malloc (bytes ? bytes : 1);
  if (!list) {
    queue->status = MBLM_STATUS_NO_MEMORY;
    return;
  }
  for (size_t i = 0; i < a->rows; i++) {
    size_t count = sort_candidates (a, a->logits + i * a->vocabulary, list);

    if (count == 0)
      a->ids[i] = -1;
    else if (a->temperature > 0.0f)
      a->ids[i] = draw (a, list, count, a->uniform[i]);
    else
      a->ids[i] = list[0].id;
  }
  free (list);
}
