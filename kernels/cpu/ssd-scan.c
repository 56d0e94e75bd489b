/* ssd-scan.c: Mamba-2's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A tile is TILE_CHANNELS channels of a head of one sequence. Time goes by in
 * chunks of CHUNK steps; in each, one channel after the other takes its row of
 * the state into registers, and B and C of the chunk stay in the first level
 * cache. The recurrence itself costs three operations for an element of the
 * state and step, little more than the products of the chunked form, and it is
 * exact.
 */

#include "carry.h"
#include "isa.h"
#include "tile.h"
#include "vecmath.h"

#define CHUNK 32 /* a multiple of 8 and of VW */
#define TILE_CHANNELS 16

/* Nanoseconds for an element of the state and a step. */
#define SCAN_WORK 0.1

typedef struct {
  const MblmSsdScan *a;
  const float *start; /* where it is shared, [heads, head_dim, state] */
  size_t blocks;      /* of channels, of a head */
  char *workers;
  size_t each;
} Scan;

/* A chunk of some channels of a head. */
typedef struct {
  size_t steps;       /* <= CHUNK */
  const float *b, *c; /* [steps, state] */
  size_t stride;      /* of b and c */
  float dt[CHUNK], decay[CHUNK];
  float input[TILE_CHANNELS][CHUNK]; /* dt x */
  float y[TILE_CHANNELS][CHUNK];     /* without the skip */
} Chunk;

/* input [VW channels from i on, VW steps from t on]; x [steps, n channels]. */
static void
prepare_square (
    Chunk *chunk, const float *x, size_t stride, size_t t, size_t i, size_t n)
{
  vf square[VW];

  for (size_t j = 0; j < VW; j++)
    if (t + j < chunk->steps)
      square[j] = v_load_n (x + (t + j) * stride + i, n) *
          v_set1 (chunk->dt[t + j]);
    else
      square[j] = v_zero ();
  v_transpose (square);
  for (size_t j = 0; j < VW; j++)
    v_store (&chunk->input[i + j][t], square[j]);
}

/* The steps from row `row` on for channels [p, p + count) of head h. */
static void
prepare_chunk (const MblmSsdScan *a, size_t h, size_t p, size_t count,
    size_t row, Chunk *chunk)
{
  const float *x = a->x + row * a->xbc_stride + h * a->head_dim + p;
  vf bias = v_set1 (a->delta_bias[h]);
  vf rate = v_set1 (-expf (a->a_log[h]));

  for (size_t t = 0; t < CHUNK; t++)
    chunk->dt[t] = t < chunk->steps ? a->delta[(row + t) * a->delta_stride + h]
                                    : 0.0f;
  for (size_t t = 0; t < chunk->steps; t += VW) {
    vf dt = v_softplus (v_load (chunk->dt + t) + bias);

    v_store (chunk->dt + t, dt);
    v_store (chunk->decay + t, v_exp (rate * dt));
  }
  for (size_t t = 0; t < chunk->steps; t += VW)
    for (size_t i = 0; i < count; i += VW)
      prepare_square (chunk, x, a->xbc_stride, t, i, count - i);
  chunk->b = a->b + row * a->xbc_stride;
  chunk->c = a->c + row * a->xbc_stride;
  chunk->stride = a->xbc_stride;
}

/* y [steps] = the sums of `sums`, one vector each. */
static ALWAYS_INLINE void
sum_steps (const vf *sums, size_t steps, float *y)
{
  size_t t = 0;

  for (; t + 8 <= steps; t += 8)
    v_sum8 (sums + t, y + t);
  for (; t < steps; t++)
    y[t] = v_sum (sums[t]);
}

/* Channels [i, i + channels) through a chunk; s [channels, state] are their
 * rows of the state, of `vectors` * VW elements, which stay in registers. */
static ALWAYS_INLINE void
scan_registers (
    Chunk *chunk, const int vectors, size_t i, const int channels, float *s)
{
  vf keep[2][8], sums[2][CHUNK];

  UNROLL
  for (int q = 0; q < channels; q++)
    UNROLL
  for (int v = 0; v < vectors; v++)
    keep[q][v] = v_load (s + (q * vectors + v) * VW);
  for (size_t t = 0; t < chunk->steps; t++) {
    const float *b = chunk->b + t * chunk->stride;
    const float *c = chunk->c + t * chunk->stride;
    vf decay = v_set1 (chunk->decay[t]), input[2], sum[2][2];

    UNROLL
    for (int q = 0; q < channels; q++) {
      input[q] = v_set1 (chunk->input[i + q][t]);
      sum[q][0] = sum[q][1] = v_zero ();
    }
    UNROLL
    for (int v = 0; v < vectors; v++) {
      vf vb = v_load (b + v * VW), vc = v_load (c + v * VW);

      UNROLL
      for (int q = 0; q < channels; q++) {
        keep[q][v] = v_fma (input[q], vb, keep[q][v] * decay);
        sum[q][v % 2] = v_fma (keep[q][v], vc, sum[q][v % 2]);
      }
    }
    UNROLL
    for (int q = 0; q < channels; q++)
      sums[q][t] = sum[q][0] + sum[q][1];
  }
  UNROLL
  for (int q = 0; q < channels; q++) {
    sum_steps (sums[q], chunk->steps, chunk->y[i + q]);
    UNROLL
    for (int v = 0; v < vectors; v++)
      v_store (s + (q * vectors + v) * VW, keep[q][v]);
  }
}

/* One channel with any size of the state. */
static void
scan_memory (Chunk *chunk, size_t state, size_t i, float *s)
{
  vf sums[CHUNK];

  for (size_t t = 0; t < chunk->steps; t++) {
    const float *b = chunk->b + t * chunk->stride;
    const float *c = chunk->c + t * chunk->stride;
    vf decay = v_set1 (chunk->decay[t]);
    vf input = v_set1 (chunk->input[i][t]), sum = v_zero ();

    for (size_t v = 0; v < state; v += VW) {
      vf keep = v_load_n (s + v, state - v) * decay;

      keep = v_fma (input, v_load_n (b + v, state - v), keep);
      v_store_n (s + v, state - v, keep);
      sum = v_fma (keep, v_load_n (c + v, state - v), sum);
    }
    sums[t] = sum;
  }
  sum_steps (sums, chunk->steps, chunk->y[i]);
}

/* Channels [0, count) through a chunk; s [count, state]. */
static void
scan_chunk (Chunk *chunk, size_t state, size_t count, float *s)
{
  size_t vectors = state % VW == 0 ? state / VW : 0, i = 0;

#define CASE(VECTORS)                                                          \
  case VECTORS:                                                                \
    for (; i + 2 <= count; i += 2)                                             \
      scan_registers (chunk, VECTORS, i, 2, s + i * state);                    \
    for (; i < count; i++)                                                     \
      scan_registers (chunk, VECTORS, i, 1, s + i * state);                    \
    break;

  switch (vectors) {
    CASE (1)
    CASE (2)
    CASE (4)
#if VW == 16
    CASE (8)
#endif
    default:
      for (; i < count; i++)
        scan_memory (chunk, state, i, s + i * state);
  }
#undef CASE
}

/* out [steps, n channels] for VW channels from i on, VW steps from t on. */
static void
finish_square (const Chunk *chunk, size_t t, size_t i, size_t n, float skip,
    const float *x, size_t x_stride, float *out, size_t out_stride)
{
  vf square[VW];

  for (size_t j = 0; j < VW; j++)
    square[j] = v_load (&chunk->y[i + j][t]);
  v_transpose (square);
  for (size_t j = 0; j < VW && t + j < chunk->steps; j++)
    v_store_n (out + (t + j) * out_stride + i, n,
        v_fma (v_set1 (skip), v_load_n (x + (t + j) * x_stride + i, n),
            square[j]));
}

/* Channels [p, p + count) of head h of sequence b; s [count, state]. */
static void
scan_block (
    const MblmSsdScan *a, size_t b, size_t h, size_t p, size_t count, float *s)
{
  size_t width = a->heads * a->head_dim, at = h * a->head_dim + p;
  Chunk chunk;

  for (size_t t = 0; t < a->rows; t += CHUNK) {
    size_t row = b * a->rows + t;

    chunk.steps = min_size (CHUNK, a->rows - t);
    prepare_chunk (a, h, p, count, row, &chunk);
    scan_chunk (&chunk, a->state, count, s);
    for (size_t j = 0; j < chunk.steps; j += VW)
      for (size_t i = 0; i < count; i += VW)
        finish_square (&chunk, j, i, count - i, a->skip[h],
            a->x + row * a->xbc_stride + at, a->xbc_stride,
            a->y + row * width + at, width);
  }
}

static void
scan_tile (const void *data, size_t tile, unsigned worker)
{
  const Scan *self = data;
  const MblmSsdScan *a = self->a;
  size_t p = tile % self->blocks * TILE_CHANNELS;
  size_t h = tile / self->blocks % a->heads;
  size_t b = tile / self->blocks / a->heads;
  size_t count = min_size (TILE_CHANNELS, a->head_dim - p);
  size_t at = (h * a->head_dim + p) * a->state, size = count * a->state;
  float *s = (float *) (self->workers + worker * self->each);
  const float *from = carry_from (&a->carry, self->start, b);

  if (from)
    memcpy (s, from + at, size * sizeof (*s));
  else
    memset (s, 0, size * sizeof (*s));
  scan_block (a, b, h, p, count, s);
  if (a->carry.to)
    memcpy (a->carry.to[b] + at, s, size * sizeof (*s));
}

void
FN (ssd_scan) (MblmQueue *queue, const MblmSsdScan *a)
{
  Scan self = {.a = a, .blocks = divide_up (a->head_dim, TILE_CHANNELS)};
  size_t size = a->heads * a->head_dim * a->state;
  double steps = (double) a->rows * (double) a->batch;

  self.each = mblm_cpu_bytes (TILE_CHANNELS * a->state, sizeof (float));
  if (!carry_begin (queue, &a->carry, size, a->batch, &self.start, &self.each,
          &self.workers))
    return;
  mblm_cpu_run (queue, a->batch * a->heads * self.blocks,
      SCAN_WORK * steps * (double) size, scan_tile, &self);
}
