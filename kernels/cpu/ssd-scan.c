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

/* What the channels of a head share in one chunk. */
typedef struct {
  size_t steps;       /* <= CHUNK */
  const float *b, *c; /* [steps, state] */
  size_t stride;      /* of b, c and x */
  float dt[CHUNK], decay[CHUNK];
} Chunk;

/* dt and decay of head h for the steps from row `row` on. */
static void
prepare_chunk (const MblmSsdScan *a, size_t h, size_t row, Chunk *chunk)
{
  vf bias = v_set1 (a->delta_bias[h]);
  vf rate = v_set1 (-expf (a->a_log[h]));

  for (size_t t = 0; t < CHUNK; t++)
    chunk->dt[t] = t < chunk->steps ? a->delta[(row + t) * a->delta_stride + h]
                                    : 0.0f;
  for (size_t t = 0; t < CHUNK; t += VW) {
    vf dt = v_softplus (v_load (chunk->dt + t) + bias);

    v_store (chunk->dt + t, dt);
    v_store (chunk->decay + t, v_exp (rate * dt));
  }
  chunk->b = a->b + row * a->xbc_stride;
  chunk->c = a->c + row * a->xbc_stride;
  chunk->stride = a->xbc_stride;
}

/* One channel through a chunk: s [state] its row of the state, x its input of
 * the first step, y [steps] its output without the skip. `vectors` * VW is
 * state; where that is not known when this is compiled it is 0. */
static ALWAYS_INLINE void
scan_channel (const Chunk *chunk, const int vectors, size_t state, float *s,
    const float *x, float *y)
{
  vf sums[8], keep[8];

  UNROLL
  for (int i = 0; i < vectors; i++)
    keep[i] = v_load (s + i * VW);
  for (size_t t = 0; t < chunk->steps; t++) {
    const float *b = chunk->b + t * chunk->stride;
    const float *c = chunk->c + t * chunk->stride;
    vf decay = v_set1 (chunk->decay[t]);
    vf input = v_set1 (chunk->dt[t] * x[t * chunk->stride]);
    vf sum[2] = {v_zero (), v_zero ()};

    UNROLL
    for (int i = 0; i < vectors; i++) {
      keep[i] = v_fma (input, v_load (b + i * VW), keep[i] * decay);
      sum[i % 2] = v_fma (keep[i], v_load (c + i * VW), sum[i % 2]);
    }
    for (size_t i = 0; vectors == 0 && i < state; i += VW) {
      vf k = v_load_n (s + i, state - i) * decay;

      k = v_fma (input, v_load_n (b + i, state - i), k);
      v_store_n (s + i, state - i, k);
      sum[0] = v_fma (k, v_load_n (c + i, state - i), sum[0]);
    }
    sums[t % 8] = sum[0] + sum[1];
    if (t % 8 == 7)
      v_sum8 (sums, y + t - 7);
  }
  for (size_t t = chunk->steps / 8 * 8; t < chunk->steps; t++)
    y[t] = v_sum (sums[t % 8]);
  UNROLL
  for (int i = 0; i < vectors; i++)
    v_store (s + i * VW, keep[i]);
}

static void
scan_any (const Chunk *chunk, size_t state, float *s, const float *x, float *y)
{
  switch (state % VW == 0 ? state / VW : 0) {
    case 1:
      scan_channel (chunk, 1, state, s, x, y);
      break;
    case 2:
      scan_channel (chunk, 2, state, s, x, y);
      break;
    case 4:
      scan_channel (chunk, 4, state, s, x, y);
      break;
    case 8:
      scan_channel (chunk, 8, state, s, x, y);
      break;
    default:
      scan_channel (chunk, 0, state, s, x, y);
  }
}

/* Channels [p, p + count) of head h of sequence b; s [count, state]. */
static void
scan_block (
    const MblmSsdScan *a, size_t b, size_t h, size_t p, size_t count, float *s)
{
  size_t width = a->heads * a->head_dim, at = h * a->head_dim + p;
  float y[CHUNK];
  Chunk chunk;

  for (size_t t = 0; t < a->rows; t += CHUNK) {
    size_t row = b * a->rows + t;

    chunk.steps = min_size (CHUNK, a->rows - t);
    prepare_chunk (a, h, row, &chunk);
    for (size_t i = 0; i < count; i++) {
      const float *x = a->x + row * a->xbc_stride + at + i;
      float *out = a->y + row * width + at + i;

      scan_any (&chunk, a->state, s + i * a->state, x, y);
      for (size_t j = 0; j < chunk.steps; j++)
        out[j * width] = y[j] + a->skip[h] * x[j * a->xbc_stride];
    }
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
