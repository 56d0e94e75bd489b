/* rope.c: rotary embedding of heads and of stage positions.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "isa.h"
#include "tile.h"

/* Nanoseconds for a pair. */
#define ROPE_WORK 0.4

typedef struct {
  const MblmRope *a;
  float sign; /* of the angles: -1 turns back */
} Rope;

/* The pairs (x[j], x[j + half]) of one head. */
static void
rotate_halves (
    float *x, size_t half, const float *cosine, const float *sine, float sign)
{
  for (size_t j = 0; j < half; j += VW) {
    size_t n = half - j;
    vf a = v_load_n (x + j, n), b = v_load_n (x + half + j, n);
    vf c = v_load_n (cosine + j, n);
    vf s = v_load_n (sine + j, n) * v_set1 (sign);

    v_store_n (x + j, n, v_fnma (b, s, a * c));
    v_store_n (x + half + j, n, v_fma (b, c, a * s));
  }
}

/* The pairs (x[2j], x[2j + 1]); only where a stage has rotary positions. */
static void
rotate_pairs (
    float *x, size_t half, const float *cosine, const float *sine, float sign)
{
  for (size_t j = 0; j < half; j++) {
    float a = x[2 * j], b = x[2 * j + 1], s = sign * sine[j];

    x[2 * j] = a * cosine[j] - b * s;
    x[2 * j + 1] = b * cosine[j] + a * s;
  }
}

static void
rope_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const Rope *self = tiles->args;
  const MblmRope *a = self->a;
  size_t end = row_tiles_end (tiles, tile);

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++) {
    size_t angle = i / a->rows * a->angle_stride + i % a->rows;
    const float *cosine = a->cosine + angle * a->half;
    const float *sine = a->sine + angle * a->half;
    float *x = a->x + i * a->x_stride;

    for (size_t h = 0; h < a->heads; h++, x += 2 * a->half)
      if (a->form == MBLM_ROPE_HALVES)
        rotate_halves (x, a->half, cosine, sine, self->sign);
      else
        rotate_pairs (x, a->half, cosine, sine, self->sign);
  }
}

static void
rotate_all (MblmQueue *queue, const MblmRope *a, float sign)
{
  size_t width = a->heads * a->half;
  Rope self = {a, sign};
  RowTiles tiles = row_tiles (&self, a->batch * a->rows, 2 * width);

  mblm_cpu_run (queue, row_tiles_count (&tiles),
      ROPE_WORK * (double) tiles.rows * (double) width, rope_tile, &tiles);
}

void
FN (rope) (MblmQueue *queue, const MblmRope *a)
{
  rotate_all (queue, a, 1.0f);
}

void
FN (rope_backward) (MblmQueue *queue, const MblmRope *a)
{
  rotate_all (queue, a, -1.0f);
}
