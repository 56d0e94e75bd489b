/* cross-entropy.c: the loss of each row, in float32, and its gradient.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The rounding is part of the definition, for losses that are exactly 0 leave
 * the mean: exponentials in float32, their sum rounded to float32, and every
 * step after it. They are added up in double, so that the order of the lanes
 * doesn't show.
 */

#include "isa.h"
#include "tile.h"
#include "vecmath.h"

/* Nanoseconds for a logit. */
#define LOSS_WORK 0.7

/* Half a vector of floats, and as many doubles. */
typedef float vh __attribute__ ((vector_size (sizeof (vf) / 2)));
typedef double vd __attribute__ ((vector_size (sizeof (vf))));

/* sums[0 .. 1] += the lanes of y */
static ALWAYS_INLINE void
add_lanes (vd *sums, vf y)
{
  vh half[2];

  memcpy (half, &y, sizeof (half));
  sums[0] = sums[0] + __builtin_convertvector(half[0], vd);
  sums[1] = sums[1] + __builtin_convertvector(half[1], vd);
}

/* The largest entry of x [vocabulary]. */
static ALWAYS_INLINE float
largest (const float *x, size_t vocabulary)
{
  vf max = v_set1 (-INFINITY);
  float top;
  size_t v = 0;

  for (; v + VW <= vocabulary; v += VW)
    max = v_max (max, v_load (x + v));
  top = v_max_lane (max);
  for (; v < vocabulary; v++)
    top = fmaxf (top, x[v]);
  return top;
}

/* The loss of a row x [vocabulary]. With `exps` [vocabulary], which may be x, the
 * exponentials stay there; *sum gets their sum. */
static ALWAYS_INLINE float
cross_entropy_row (
    const float *x, size_t vocabulary, int32_t target, float *exps, double *sum)
{
  float top = largest (x, vocabulary), at_target = x[target];
  vd sums[2] = {{0.0}, {0.0}};
  size_t v = 0;

  for (; v + VW <= vocabulary; v += VW) {
    vf y = v_exp (v_load (x + v) - v_set1 (top));

    if (exps)
      v_store (exps + v, y);
    add_lanes (sums, y);
  }
  if (v < vocabulary) {
    vm rest = v_first (vocabulary - v);
    vf y = v_exp (v_load_m (x + v, rest) - v_set1 (top));
    float e[VW] = {0.0f};

    v_store_m (e, rest, y);
    if (exps)
      v_store_m (exps + v, rest, y);
    add_lanes (sums, v_load (e));
  }
  *sum = 0.0;
  for (size_t i = 0; i < VW; i++)
    *sum += sums[i / (VW / 2)][i % (VW / 2)];
  return logf ((float) *sum) - (at_target - top);
}

static void
cross_entropy_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmCrossEntropy *a = tiles->args;
  size_t end = row_tiles_end (tiles, tile), n = a->vocabulary;
  double sum;

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++)
    a->loss[i] = a->targets[i] < 0
        ? 0.0f
        : cross_entropy_row (a->logits + i * n, n, a->targets[i], NULL, &sum);
}

void
FN (cross_entropy) (MblmQueue *queue, const MblmCrossEntropy *a)
{
  RowTiles tiles = row_tiles (a, a->rows, a->vocabulary);

  mblm_cpu_run (queue, row_tiles_count (&tiles),
      LOSS_WORK * (double) a->rows * (double) a->vocabulary, cross_entropy_tile,
      &tiles);
}

/* d [vocabulary]: exponentials become weight (softmax - one of the target). */
static void
scale_row (
    float *d, size_t vocabulary, int32_t target, float weight, double sum)
{
  vf scale = v_set1 ((float) (weight / sum));
  double rest = sum - (double) d[target]; /* more exact than 1 - softmax */

  for (size_t v = 0; v < vocabulary; v += VW) {
    size_t n = vocabulary - v;

    v_store_n (d + v, n, v_load_n (d + v, n) * scale);
  }
  d[target] = (float) (-weight * (rest / sum));
}

static void
cross_entropy_back_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmCrossEntropyBackward *a = tiles->args;
  const MblmCrossEntropy *f = &a->forward;
  size_t end = row_tiles_end (tiles, tile), n = f->vocabulary;

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++) {
    float *d = a->d_logits ? a->d_logits + i * n : NULL;
    float weight = a->weight ? a->weight[i] : 1.0f, loss = 0.0f;
    double sum = 1.0;

    if (f->targets[i] >= 0)
      loss = cross_entropy_row (f->logits + i * n, n, f->targets[i], d, &sum);
    if (f->loss)
      f->loss[i] = loss;
    if (!d)
      continue;
    if (f->targets[i] < 0 || loss * weight == 0.0f)
      memset (d, 0, n * sizeof (*d));
    else
      scale_row (d, n, f->targets[i], weight, sum);
  }
}

void
FN (cross_entropy_backward) (
    MblmQueue *queue, const MblmCrossEntropyBackward *a)
{
  const MblmCrossEntropy *f = &a->forward;
  RowTiles tiles = row_tiles (a, f->rows, f->vocabulary);

  mblm_cpu_run (queue, row_tiles_count (&tiles),
      LOSS_WORK * (double) f->rows * (double) f->vocabulary,
      cross_entropy_back_tile, &tiles);
}
