/* sample.c: drawing an id from a distribution.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The reference with another sort: a logit and its id are one integer that rises
 * as the logit falls, and a radix sort by the logit leaves equal ones in the
 * order of their ids. Weights are summed up in the same order and precision, so
 * that the same id is drawn. A logit that is not a number is minus infinity.
 */

#include "cpu.h"

#include <math.h>
#include <string.h>

#define RADIX 256
#define DIGITS 4

/* Nanoseconds for a logit. */
#define SAMPLE_WORK 15.0

typedef struct {
  const MblmSample *a;
  char *workers;
  size_t each;
} Sample;

/* Rises as x falls; equal for equal numbers. */
static uint32_t
falling_key (float x)
{
  uint32_t bits;

  x = isnan (x) ? -INFINITY : x + 0.0f; /* -0 becomes 0 */
  memcpy (&bits, &x, sizeof (bits));
  return bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
}

static float
falling_value (uint32_t key)
{
  uint32_t bits = key & 0x80000000u ? key : ~key & 0x7fffffffu;
  float x;

  memcpy (&x, &bits, sizeof (x));
  return x;
}

/* Sorts list[count] by the upper halves; returns where the result is, `list` or
 * `other`. */
static const uint64_t *
sort (uint64_t *list, uint64_t *other, size_t count)
{
  uint32_t starts[DIGITS][RADIX] = {{0}};

  for (size_t i = 0; i < count; i++)
    for (int d = 0; d < DIGITS; d++)
      starts[d][list[i] >> (32 + 8 * d) & (RADIX - 1)]++;
  for (int d = 0; d < DIGITS; d++) {
    uint32_t *start = starts[d], sum = 0;
    uint64_t *swap = list;
    int shift = 32 + 8 * d;

    if (start[list[0] >> shift & (RADIX - 1)] == count)
      continue;
    for (int r = 0; r < RADIX; r++) {
      uint32_t n = start[r];

      start[r] = sum;
      sum += n;
    }
    for (size_t i = 0; i < count; i++)
      other[start[list[i] >> shift & (RADIX - 1)]++] = list[i];
    list = other;
    other = swap;
  }
  return list;
}

static int32_t
largest (const MblmSample *a, const float *logits)
{
  int32_t best = -1;
  float top = -INFINITY;

  for (size_t v = 0; v < a->vocabulary; v++)
    if ((!a->allowed || a->allowed[v]) && (best < 0 || logits[v] > top)) {
      best = (int32_t) v;
      top = isnan (logits[v]) ? -INFINITY : logits[v];
    }
  return best;
}

/* From the sorted candidates; weight [count] is scratch memory. Weights are
 * probabilities times their sum, so that the largest is exactly 1. */
static int32_t
draw (const MblmSample *a, const uint64_t *list, size_t count, double *weight,
    double uniform)
{
  float top = falling_value ((uint32_t) (list[0] >> 32));
  double total = 0.0, reached = 0.0;
  size_t kept = 0;

  for (size_t i = 0; i < count; i++) {
    float logit = falling_value ((uint32_t) (list[i] >> 32));

    weight[i] = logit == top
        ? 1.0
        : exp (((double) logit - (double) top) / a->temperature);
    total += weight[i];
  }
  while (kept < count && (kept == 0 || weight[kept] >= a->min_p) &&
      (kept == 0 || a->top_p >= 1.0f || reached < a->top_p * total))
    reached += weight[kept++];

  total = reached;
  reached = 0.0;
  for (size_t i = 0; i < kept; i++) {
    reached += weight[i];
    if (reached > uniform * total)
      return (int32_t) list[i];
  }
  return (int32_t) list[kept - 1];
}

static void
sample_tile (const void *data, size_t row, unsigned worker)
{
  const Sample *self = data;
  const MblmSample *a = self->a;
  const float *logits = a->logits + row * a->vocabulary;
  uint64_t *list = (uint64_t *) (self->workers + worker * self->each);
  uint64_t *other = list + a->vocabulary;
  double *weight = (double *) (other + a->vocabulary);
  size_t count = 0;
  const uint64_t *sorted;

  if (!(a->temperature > 0.0f)) {
    a->ids[row] = largest (a, logits);
    return;
  }
  for (size_t v = 0; v < a->vocabulary; v++)
    if (!a->allowed || a->allowed[v])
      list[count++] = (uint64_t) falling_key (logits[v]) << 32 | v;
  if (count == 0) {
    a->ids[row] = -1;
    return;
  }
  sorted = sort (list, other, count);
  if (a->top_k > 0 && a->top_k < count)
    count = a->top_k;
  a->ids[row] = draw (a, sorted, count, weight, a->uniform[row]);
}

void
mblm_cpu_sample (MblmQueue *queue, const MblmSample *a)
{
  Sample self = {.a = a};

  self.each = mblm_cpu_bytes (
      a->vocabulary, 2 * sizeof (uint64_t) + sizeof (double));
  if (!mblm_cpu_scratch (queue, 0, &self.each, &self.workers))
    return;
  mblm_cpu_run (queue, a->rows,
      SAMPLE_WORK * (double) a->rows * (double) a->vocabulary, sample_tile,
      &self);
}
