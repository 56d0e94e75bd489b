/* norms.h: what the norms share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sums over a row are taken over parts of SUM_PART elements in float32, and over
 * the parts in double: wide rows (a patch of a thousand bytes' embeddings) lose
 * no digits.
 *
 * All norms are out = (x - offset) scale gain, and their gradients
 *
 *   d_x = d_out gain scale - (x - offset) back - shift
 *
 * with four numbers for each row. Rows go backward in blocks of SUM_ROWS, which
 * leave their part of the gradient of the gain, see columns.h.
 */

#pragma once

#include "columns.h"

#define SUM_PART 1024

/* Nanoseconds for an element. */
#define NORM_WORK 0.3

static inline void
run_norm_rows (MblmQueue *queue, RowTiles *tiles, size_t width, MblmTask task)
{
  mblm_cpu_run (queue, row_tiles_count (tiles),
      NORM_WORK * (double) tiles->rows * (double) width, task, tiles);
}

/* sum (x - offset), or sum (x - offset)^2 with `square` */
static ALWAYS_INLINE double
sum_row (const float *x, size_t width, float offset, bool square)
{
  vf o = v_set1 (offset);
  double total = 0.0;

  for (size_t first = 0; first < width; first += SUM_PART) {
    size_t end = min_size (width, first + SUM_PART), i = first;
    vf s[2] = {v_zero (), v_zero ()};

    for (; i + 2 * VW <= end; i += 2 * VW) {
      vf p = v_load (x + i) - o, q = v_load (x + i + VW) - o;

      if (square) {
        s[0] = v_fma (p, p, s[0]);
        s[1] = v_fma (q, q, s[1]);
      } else {
        s[0] = s[0] + p;
        s[1] = s[1] + q;
      }
    }
    total += v_sum (s[0] + s[1]);
    for (; i < end; i++) {
      double p = x[i] - offset;

      total += square ? p * p : p;
    }
  }
  return total;
}

/* out = (x - offset) * scale * gain [+ bias] */
static ALWAYS_INLINE void
scale_row (const float *x, size_t width, float offset, float scale,
    const float *gain, const float *bias, float *out)
{
  vf o = v_set1 (offset), s = v_set1 (scale);

  for (size_t i = 0; i < width; i += VW) {
    size_t n = width - i;
    vf y = (v_load_n (x + i, n) - o) * s;

    if (bias)
      y = v_fma (y, v_load_n (gain + i, n), v_load_n (bias + i, n));
    else
      y = y * v_load_n (gain + i, n);
    v_store_n (out + i, n, y);
  }
}

/* A row on its way back: `count` numbers from x, d_out and d_x (NULL: not
 * wanted) on. */
typedef struct {
  const float *x, *d_out;
  float *d_x;
  float offset, scale, back, shift;
} NormRow;

/* Over a row, for g = d_out gain and p = x - offset. */
typedef struct {
  double p, pp, g, gp;
} NormSums;

/* The processor foresees where three streams go, but no further than a page of
 * memory; so many entries ahead are asked for. */
#define AHEAD 1536

/* Adds `width` entries of a row to its sums; only those of p p and g p unless
 * `layer`. */
static ALWAYS_INLINE void
norm_sums (NormSums *sums, const NormRow *row, const float *gain, size_t width,
    bool layer)
{
  vf o = v_set1 (row->offset);

  for (size_t first = 0; first < width; first += SUM_PART) {
    size_t end = min_size (width, first + SUM_PART), i = first;
    vf p = v_zero (), pp = v_zero (), gs = v_zero (), gp = v_zero ();

    for (; i + VW <= end; i += VW) {
      vf x, g;

      __builtin_prefetch (row->x + i + AHEAD);
      __builtin_prefetch (row->d_out + i + AHEAD);
      if (row->d_x)
        __builtin_prefetch (row->d_x + i + AHEAD, 1);
      x = v_load (row->x + i) - o;
      g = v_load (row->d_out + i) * v_load (gain + i);

      pp = v_fma (x, x, pp);
      gp = v_fma (g, x, gp);
      if (layer) {
        p = p + x;
        gs = gs + g;
      }
    }
    sums->pp += v_sum (pp);
    sums->gp += v_sum (gp);
    sums->p += v_sum (p);
    sums->g += v_sum (gs);
    for (; i < end; i++) {
      double x = row->x[i] - row->offset, g = row->d_out[i] * gain[i];

      sums->pp += x * x;
      sums->gp += g * x;
      sums->p += x;
      sums->g += g;
    }
  }
}

/* The gradients of `count` rows, and what they add to those of gain and bias;
 * d_bias only with `layer`. */
static ALWAYS_INLINE void
norm_rows_back (const NormRow *rows, size_t count, const float *gain,
    size_t width, bool layer, bool accumulate, float *d_gain, float *d_bias)
{
  for (size_t j = 0; j < width; j += VW) {
    size_t n = width - j;
    vf g = v_load_n (gain + j, n), gains = v_zero (), biases = v_zero ();

    UNROLL
    for (size_t r = 0; r < count; r++) {
      vf d = v_load_n (rows[r].d_out + j, n);
      vf x = v_load_n (rows[r].x + j, n) - v_set1 (rows[r].offset);
      vf s = v_set1 (rows[r].scale), y;

      gains = v_fma (d, x * s, gains);
      if (layer)
        biases = biases + d;
      if (!rows[r].d_x)
        continue;
      y = v_fnma (x, v_set1 (rows[r].back), d * g * s);
      if (layer)
        y = y - v_set1 (rows[r].shift);
      if (accumulate)
        y = v_load_n (rows[r].d_x + j, n) + y;
      v_store_n (rows[r].d_x + j, n, y);
    }
    v_store_n (d_gain + j, n, v_load_n (d_gain + j, n) + gains);
    if (layer)
      v_store_n (d_bias + j, n, v_load_n (d_bias + j, n) + biases);
  }
}

/* Up to four rows. */
static ALWAYS_INLINE void
norm_group_back (const NormRow *rows, size_t count, const float *gain,
    size_t width, bool layer, bool accumulate, float *d_gain, float *d_bias)
{
  if (count == 4) {
    norm_rows_back (rows, 4, gain, width, layer, accumulate, d_gain, d_bias);
    return;
  }
  for (size_t r = 0; r < count; r++)
    norm_rows_back (
        rows + r, 1, gain, width, layer, accumulate, d_gain, d_bias);
}

/* A backward operation over blocks of rows. */
typedef struct {
  const void *args; /* of the operation */
  size_t rows, block, width;
  float *sums; /* [blocks, width]: a block's part of the gradient of the gain */
  float *more; /* LayerNorm: the same of the bias */
  float *zeros; /* token shift: [width / 2] */
  float *start; /* ... NULL, or [batch, width / 2]: gradients of what came in */
  char *workers; /* gated norm: `each` bytes for every worker */
  size_t each;
} NormBack;

static inline size_t
norm_back_end (const NormBack *self, size_t tile)
{
  return min_size (self->rows, (tile + 1) * self->block);
}

static inline void
run_norm_back (MblmQueue *queue, const NormBack *self, MblmTask task)
{
  mblm_cpu_run (queue, divide_up (self->rows, self->block),
      2.0 * NORM_WORK * (double) self->rows * (double) self->width, task, self);
}

/* d_gain [width] += the parts of all blocks. */
static inline void
add_norm_sums (
    MblmQueue *queue, const NormBack *self, const float *sums, float *d_gain)
{
  ColumnSums job = {sums, self->width, divide_up (self->rows, self->block),
      self->width, d_gain};

  column_sums (queue, &job);
}
