/* cross-entropy.c: the loss of each row, in float32.
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

static float
cross_entropy_row (const float *x, size_t vocabulary, int32_t target)
{
  vf max = v_set1 (-INFINITY);
  double sums[VW] = {0.0}, sum = 0.0;
  float top;
  size_t v = 0;

  for (; v + VW <= vocabulary; v += VW)
    max = v_max (max, v_load (x + v));
  top = v_max_lane (max);
  for (; v < vocabulary; v++)
    top = fmaxf (top, x[v]);
  for (v = 0; v < vocabulary; v += VW) {
    size_t n = min_size (VW, vocabulary - v);
    float e[VW];

    v_store (e, v_exp (v_load_n (x + v, n) - v_set1 (top)));
    for (size_t i = n; i < VW; i++)
      e[i] = 0.0f;
    for (size_t i = 0; i < VW; i++)
      sums[i] += (double) e[i];
  }
  for (size_t i = 0; i < VW; i++)
    sum += sums[i];
  return logf ((float) sum) - (x[target] - top);
}

static void
cross_entropy_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const MblmCrossEntropy *a = tiles->args;
  size_t end = row_tiles_end (tiles, tile);

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++)
    a->loss[i] = a->targets[i] < 0
        ? 0.0f
        : cross_entropy_row (
              a->logits + i * a->vocabulary, a->vocabulary, a->targets[i]);
}

void
FN (cross_entropy) (MblmQueue *queue, const MblmCrossEntropy *a)
{
  RowTiles tiles = row_tiles (a, a->rows, a->vocabulary);

  mblm_cpu_run (queue, row_tiles_count (&tiles),
      LOSS_WORK * (double) a->rows * (double) a->vocabulary, cross_entropy_tile,
      &tiles);
}
