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

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* Rows of a tile: of one sequence, or of several whole ones. */
#define SUM_ROWS 256

/* Nanoseconds for an element. */
#define BACKWARD_WORK 1.5

/* A tile adds up its rows' part of the weights' gradients, and of that of a
 * shared start; these are then added in the order of the tiles. */
typedef struct {
  const MblmConvBackward *a;
  const float *start; /* where it is shared, [taps - 1, width] */
  size_t sequences;   /* of a tile */
  size_t row_tiles;   /* of a sequence */
  size_t time_tiles;  /* in all */
  size_t width_tiles;
  size_t parts; /* taps weights, the bias, taps - 1 rows of the start */
  float *sums;  /* [time_tiles, parts, width] */
} ConvBackward;

/* VW channels of a piece of a sequence. */
typedef struct {
  float weight[MAX_TAPS][VW];
  float sums[2 * MAX_TAPS][VW];      /* the parts */
  float g[TILE_ROWS + MAX_TAPS][VW]; /* d (weighted sum), rows from the first */
} Channels;

/* What tap w of row t sees. */
static ALWAYS_INLINE vf
tap_input (const MblmConv *f, const float *carry, const float *x, size_t t,
    size_t w, size_t n)
{
  if (t + w + 1 >= f->taps)
    return v_load_n (x + (t + w + 1 - f->taps) * f->x_stride, n);
  return carry ? v_load_n (carry + (t + w) * f->width, n) : v_zero ();
}

/* g of rows [first, last), of which those before `end` count for the weights. */
static ALWAYS_INLINE void
gradients_before (const ConvBackward *self, const size_t taps, size_t b,
    size_t c, size_t n, size_t first, size_t end, size_t last, Channels *k)
{
  const MblmConv *f = &self->a->forward;
  const float *carry = carry_from (&f->carry, self->start, b);
  const float *x = f->x + b * f->rows * f->x_stride + c;
  const float *d_out = self->a->d_out + b * f->rows * self->a->d_out_stride + c;
  vf bias = f->bias ? v_load_n (f->bias + c, n) : v_zero ();
  vf sums[MAX_TAPS + 1];

  UNROLL
  for (size_t w = 0; w <= taps; w++)
    sums[w] = v_load (k->sums[w]);
  for (size_t t = first; t < last; t++) {
    vf in[MAX_TAPS] = {v_zero ()}, sum = bias, g;

    /* The next channels: no processor foresees rows as far apart as these. */
    __builtin_prefetch (x + t * f->x_stride + VW, 0, 2);
    __builtin_prefetch (d_out + t * self->a->d_out_stride + VW, 0, 2);
    UNROLL
    for (size_t w = 0; w < taps; w++) {
      in[w] = tap_input (f, carry ? carry + c : NULL, x, t, w, n);
      sum = v_fma (v_load (k->weight[w]), in[w], sum);
    }
    g = v_load_n (d_out + t * self->a->d_out_stride, n) * v_silu_slope (sum);
    v_store (k->g[t - first], g);
    if (t >= end)
      continue;
    UNROLL
    for (size_t w = 0; w < taps; w++)
      sums[w] = v_fma (g, in[w], sums[w]);
    sums[taps] = sums[taps] + g;
  }
  UNROLL
  for (size_t w = 0; w <= taps; w++)
    v_store (k->sums[w], sums[w]);
}

/* The gradient of input i, counted from the first that is carried in: the rows
 * that see it, g of the first of which is `g`, and what is carried on. */
static ALWAYS_INLINE vf
gradient_of_input (const ConvBackward *self, const size_t taps, size_t b,
    size_t c, size_t n, size_t i, const float (*g)[VW], const Channels *k)
{
  const MblmConv *f = &self->a->forward;
  vf sum = v_zero ();

  if (self->a->d_carry.to && i >= f->rows)
    sum = v_load_n (self->a->d_carry.to[b] + (i - f->rows) * f->width + c, n);
  UNROLL
  for (size_t w = 0; w < taps; w++)
    sum = v_fma (v_load (k->weight[taps - 1 - w]), v_load (g[w]), sum);
  return sum;
}

/* The gradients of what sequence b carries in, whose first rows' g are known. */
static void
gradients_of_start (
    const ConvBackward *self, size_t b, size_t c, size_t n, Channels *k)
{
  const MblmConv *f = &self->a->forward;
  size_t kept = f->taps - 1;

  for (size_t i = 0; i < kept; i++) {
    float *to = self->a->d_carry.from[f->carry.shared ? 0 : b] + i * f->width +
        c;
    float *sum = k->sums[f->taps + 1 + i];
    vf d = v_zero ();

    if (self->a->d_carry.to && i >= f->rows)
      d = v_load_n (self->a->d_carry.to[b] + (i - f->rows) * f->width + c, n);
    for (size_t t = 0; t <= i && t < f->rows; t++)
      d = v_fma (v_load (k->weight[i - t]), v_load (k->g[t]), d);
    if (f->carry.shared)
      v_store (sum, v_load (sum) + d);
    else
      v_store_n (to, n, v_load_n (to, n) + d);
  }
}

/* Channels [c, c + n), n <= VW, of rows [first, end) of sequence b. */
static ALWAYS_INLINE void
piece_backward (const ConvBackward *self, const size_t taps, size_t b, size_t c,
    size_t n, size_t first, size_t end, Channels *k)
{
  const MblmConvBackward *a = self->a;
  size_t rows = a->forward.rows, last = min_size (rows, end + taps - 1);

  gradients_before (self, taps, b, c, n, first, end, last, k);
  for (size_t t = last; t < end + taps - 1; t++)
    v_store (k->g[t - first], v_zero ());
  if (a->d_x)
    for (size_t t = first; t < end; t++)
      v_store_n (a->d_x + (b * rows + t) * a->d_x_stride + c, n,
          gradient_of_input (self, taps, b, c, n, t + taps - 1,
              (const float (*)[VW]) k->g + (t - first), k));
  if (first == 0 && a->d_carry.from)
    gradients_of_start (self, b, c, n, k);
}

/* All rows of a tile, VW channels from c on. */
static void
channels_backward (const ConvBackward *self, size_t time, size_t c, size_t n)
{
  const MblmConv *f = &self->a->forward;
  size_t b = time / self->row_tiles * self->sequences;
  size_t last = min_size (f->batch, b + self->sequences);
  size_t begin = time % self->row_tiles * SUM_ROWS;
  size_t end = min_size (f->rows, begin + SUM_ROWS);
  Channels k;

  load_weight (f, c, n, k.weight);
  memset (k.sums, 0, self->parts * sizeof (k.sums[0]));
  for (; b < last; b++) {
    if (f->rows == 0 && self->a->d_carry.from)
      gradients_of_start (self, b, c, n, &k);
    for (size_t t = begin; t < end; t += TILE_ROWS)
      if (f->taps == 4 && n == VW)
        piece_backward (
            self, 4, b, c, VW, t, min_size (end, t + TILE_ROWS), &k);
      else
        piece_backward (
            self, f->taps, b, c, n, t, min_size (end, t + TILE_ROWS), &k);
  }
  for (size_t i = 0; i < self->parts; i++)
    v_store_n (self->sums + (time * self->parts + i) * f->width + c, n,
        v_load (k.sums[i]));
}

static void
backward_tile (const void *data, size_t tile, unsigned worker)
{
  const ConvBackward *self = data;
  size_t width = self->a->forward.width;
  size_t part = tile % self->width_tiles, time = tile / self->width_tiles;
  size_t last = min_size (width, (part + 1) * TILE_WIDTH);

  for (size_t c = part * TILE_WIDTH; c < last; c += VW)
    channels_backward (self, time, c, min_size (VW, last - c));
}

/* Adds the tiles' sums for the channels of a tile. */
static void
sum_tile (const void *data, size_t tile, unsigned worker)
{
  const ConvBackward *self = data;
  const MblmConvBackward *a = self->a;
  const MblmConv *f = &a->forward;
  size_t last = min_size (f->width, (tile + 1) * TILE_WIDTH);

  for (size_t c = tile * TILE_WIDTH; c < last; c++)
    for (size_t i = 0; i < self->parts; i++) {
      float sum = 0.0f;

      for (size_t time = 0; time < self->time_tiles; time++)
        sum += self->sums[(time * self->parts + i) * f->width + c];
      if (i < f->taps && a->d_weight)
        a->d_weight[c * f->taps + i] += sum;
      else if (i == f->taps && a->d_bias)
        a->d_bias[c] += sum;
      else if (i > f->taps)
        a->d_carry.from[0][(i - f->taps - 1) * f->width + c] += sum;
    }
}

void
FN (conv_backward) (MblmQueue *queue, const MblmConvBackward *a)
{
  const MblmConv *f = &a->forward;
  bool shared = f->carry.shared && f->batch > 0;
  ConvBackward self = {
      .a = a,
      .start = f->carry.from && shared ? f->carry.from[0] : NULL,
      .sequences = max_size (1, SUM_ROWS / max_size (1, f->rows)),
      .row_tiles = max_size (1, divide_up (f->rows, SUM_ROWS)),
      .width_tiles = divide_up (f->width, TILE_WIDTH),
      .parts = f->taps + 1,
  };
  double work = BACKWARD_WORK * (double) f->batch * (double) f->rows *
      (double) f->width;

  if (shared && a->d_carry.from)
    self.parts += f->taps - 1;
  self.time_tiles = divide_up (f->batch, self.sequences) * self.row_tiles;
  self.sums = mblm_cpu_scratch (queue,
      mblm_cpu_bytes (
          self.time_tiles * self.parts * f->width, sizeof (*self.sums)),
      NULL, NULL);
  if (!self.sums)
    return;
  mblm_cpu_run (
      queue, self.time_tiles * self.width_tiles, work, backward_tile, &self);
  mblm_cpu_run (queue, self.width_tiles,
      (double) self.time_tiles * (double) self.parts * (double) f->width,
      sum_tile, &self);
}
