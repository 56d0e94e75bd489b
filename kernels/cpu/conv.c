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

/* Channels [c, c + n), n <= VW, of rows [first, end) of sequence b. */
static void
conv_channels (
    const Conv *self, size_t b, size_t c, size_t n, size_t first, size_t end)
{
  const MblmConv *a = self->a;
  const float *carry = carry_from (&a->carry, self->start, b);
  float weight[MAX_TAPS][VW] = {{0}};
  vf bias = a->bias ? v_load_n (a->bias + c, n) : v_zero ();

  for (size_t w = 0; w < a->taps; w++)
    for (size_t j = 0; j < n; j++)
      weight[w][j] = a->weight[(c + j) * a->taps + w];
  for (size_t t = first; t < end; t++) {
    vf sum = bias;

    for (size_t w = 0; w < a->taps; w++) {
      const float *x = NULL;

      if (t + w + 1 >= a->taps)
        x = a->x + (b * a->rows + t + w + 1 - a->taps) * a->x_stride;
      else if (carry)
        x = carry + (t + w) * a->width;
      if (x)
        sum = v_fma (v_load (weight[w]), v_load_n (x + c, n), sum);
    }
    v_store_n (a->out + (b * a->rows + t) * a->out_stride + c, n, v_silu (sum));
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

  for (size_t c = part * TILE_WIDTH; c < last; c += VW)
    conv_channels (self, b, c, min_size (VW, last - c), first, end);
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
