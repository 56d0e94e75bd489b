/* rope.c: rotary embedding of heads and of stage positions.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "bf16.h"
#include "isa.h"
#include "tile.h"

/* Nanoseconds for a pair. */
#define ROPE_WORK 0.4

typedef struct {
  const MblmRope *a;
  float sign; /* of the angles: -1 turns back */
} Rope;

/* The pairs (x[j], x[j + half]) of one head, which begins at x[at]. */
static ALWAYS_INLINE void
rotate_halves (const MblmType type, void *x, size_t at, size_t half,
    const float *cosine, const float *sine, float sign)
{
  for (size_t j = 0; j < half; j += VW) {
    size_t n = half - j;
    vf a = v_load_as (type, x, at + j, n);
    vf b = v_load_as (type, x, at + half + j, n);
    vf c = v_load_n (cosine + j, n);
    vf s = v_load_n (sine + j, n) * v_set1 (sign);

    v_store_as (type, x, at + j, n, v_fnma (b, s, a * c));
    v_store_as (type, x, at + half + j, n, v_fma (b, c, a * s));
  }
}

/* The pairs (x[2j], x[2j + 1]); only where a stage has rotary positions. */
static void
rotate_pairs (MblmType type, void *x, size_t at, size_t half,
    const float *cosine, const float *sine, float sign)
{
  for (size_t j = 0; j < half; j++, at += 2) {
    float a = v_load_as (type, x, at, 1)[0];
    float b = v_load_as (type, x, at + 1, 1)[0], s = sign * sine[j];

    v_store_as (type, x, at, 1, v_set1 (a * cosine[j] - b * s));
    v_store_as (type, x, at + 1, 1, v_set1 (b * cosine[j] + a * s));
  }
}

static ALWAYS_INLINE void
rotate_row (const Rope *self, const MblmType type, size_t row)
{
  const MblmRope *a = self->a;
  size_t angle = row / a->rows * a->angle_stride + row % a->rows;
  const float *cosine = a->cosine + angle * a->half;
  const float *sine = a->sine + angle * a->half;
  size_t at = row * a->x_stride;

  for (size_t h = 0; h < a->heads; h++, at += 2 * a->half)
    if (a->form == MBLM_ROPE_HALVES)
      rotate_halves (type, a->x, at, a->half, cosine, sine, self->sign);
    else
      rotate_pairs (type, a->x, at, a->half, cosine, sine, self->sign);
}

static void
rope_tile (const void *data, size_t tile, unsigned worker)
{
  const RowTiles *tiles = data;
  const Rope *self = tiles->args;
  size_t end = row_tiles_end (tiles, tile);

  for (size_t i = row_tiles_first (tiles, tile); i < end; i++)
    if (self->a->x_type == MBLM_TYPE_F32)
      rotate_row (self, MBLM_TYPE_F32, i);
    else
      rotate_row (self, MBLM_TYPE_BF16, i);
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
