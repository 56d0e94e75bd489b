/* conv.c: the causal depthwise convolution of the Mamba blocks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A tile is a block of channels of a stretch of rows of one sequence, VW
 * channels at a time: the taps' weights stay in registers (or the first level
 * cache) while time goes by.
 */

#include "carry.h"
#include "isa.h"
#include "tile.h"
#include "vecmath.h"

#define MAX_TAPS 16
#define TILE_ROWS 64
#define TILE_WIDTH 256

/* Nanoseconds for an element. */
#define CONV_WORK 0.5

typedef struct {
  const MblmConv *a;
  const float *start;            /* where it is shared, [taps - 1, width] */
  size_t row_tiles, width_tiles; /* of a sequence */
} Conv;

/* weight[w][j] of channel c + j, [taps, VW]. */
static void
load_weight (const MblmConv *a, size_t c, size_t n, float weight[][VW])
{
  const float *from = a->weight + c * a->taps;

  if (a->taps == 4 && n == VW) {
    /* 4 VW numbers in squares of 4 * 4, the usual case */
    for (size_t j = 0; j < VW; j++)
      for (size_t w = 0; w < 4; w++)
        weight[w][j] = from[4 * j + w];
    return;
  }
  for (size_t w = 0; w < a->taps; w++)
    for (size_t j = 0; j < VW; j++)
      weight[w][j] = j < n ? from[j * a->taps + w] : 0.0f;
}

/* One row whose first taps are in the carry: x is its sequence's first row. */
static vf
conv_first (const MblmConv *a, const float *carry, const float *x, size_t t,
    size_t n, float weight[][VW], vf sum)
{
  for (size_t w = 0; w < a->taps; w++) {
    vf tap = v_load (weight[w]);

    if (t + w + 1 >= a->taps)
      sum = v_fma (
          tap, v_load_n (x + (t + w + 1 - a->taps) * a->x_stride, n), sum);
    else if (carry)
      sum = v_fma (tap, v_load_n (carry + (t + w) * a->width, n), sum);
  }
  return sum;
}

/* Channels [c, c + n), n <= VW, of rows [first, end) of sequence b. */
static ALWAYS_INLINE void
conv_channels (const Conv *self, const size_t taps, size_t b, size_t c,
    size_t n, size_t first, size_t end)
{
  const MblmConv *a = self->a;
  const float *carry = carry_from (&a->carry, self->start, b);
  const float *x = a->x + b * a->rows * a->x_stride + c;
  float *out = a->out + b * a->rows * a->out_stride + c;
  float weight[MAX_TAPS][VW];
  vf bias = a->bias ? v_load_n (a->bias + c, n) : v_zero ();
  size_t t = first;

  load_weight (a, c, n, weight);
  for (; t + 1 < taps && t < end; t++)
    v_store_n (out + t * a->out_stride, n,
        v_silu (
            conv_first (a, carry ? carry + c : NULL, x, t, n, weight, bias)));
  for (; t < end; t++) {
    const float *row = x + (t + 1 - taps) * a->x_stride;
    vf sum = bias;

    for (size_t w = 0; w < taps; w++)
      sum = v_fma (
          v_load (weight[w]), v_load_n (row + w * a->x_stride, n), sum);
    v_store_n (out + t * a->out_stride, n, v_silu (sum));
  }
}

static void
conv_tile (const void *data, size_t tile, unsigned worker)
{
  const Conv *self = data;
  const MblmConv *a = self->a;
  size_t part = tile % self->width_tiles, time = tile / self->width_tiles;
  size_t b = time / self->row_tiles;
  size_t first = time % self->row_tiles * TILE_ROWS;
  size_t end = min_size (a->rows, first + TILE_ROWS);
  size_t last = min_size (a->width, (part + 1) * TILE_WIDTH);

  for (size_t c = part * TILE_WIDTH; c < last; c += VW) {
    size_t n = min_size (VW, last - c);

    if (a->taps == 4 && n == VW)
      conv_channels (self, 4, b, c, VW, first, end);
    else
      conv_channels (self, a->taps, b, c, n, first, end);
  }
}

/* Leaves the last taps - 1 inputs of sequence b. */
static void
conv_store_carry (const Conv *self, size_t b)
{
  const MblmConv *a = self->a;
  const float *from = carry_from (&a->carry, self->start, b);
  float *to = a->carry.to[b];
  size_t keep = a->taps - 1;

  for (size_t i = 0; i < keep; i++) {
    size_t j = i + a->rows; /* of the carried rows followed by the own */

    if (j >= keep)
      memcpy (to + i * a->width, a->x + (b * a->rows + j - keep) * a->x_stride,
          a->width * sizeof (float));
    else if (from)
      memmove (
          to + i * a->width, from + j * a->width, a->width * sizeof (float));
    else
      memset (to + i * a->width, 0, a->width * sizeof (float));
  }
}

void
FN (conv) (MblmQueue *queue, const MblmConv *a)
{
  Conv self = {
      .a = a,
      .row_tiles = divide_up (a->rows, TILE_ROWS),
      .width_tiles = divide_up (a->width, TILE_WIDTH),
  };
  size_t each = 0;

  if (!carry_begin (queue, &a->carry, (a->taps - 1) * a->width, a->batch,
          &self.start, &each, NULL))
    return;

  mblm_cpu_run (queue, a->batch * self.row_tiles * self.width_tiles,
      CONV_WORK * (double) a->batch * (double) a->rows * (double) a->width,
      conv_tile, &self);
  if (a->carry.to)
    for (size_t b = 0; b < a->batch; b++)
      conv_store_carry (&self, b);
}
