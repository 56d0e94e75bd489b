/* step.c: what a step of an optimiser is made of.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All of it is limited by memory: each number is read once and written once.
 */

#include "bf16.h"
#include "isa.h"
#include "tile.h"

#include <float.h>

/* Squares are added up in double over so many elements, and these sums in their
 * order. */
#define SQUARES 4096
#define SQUARE_LANES 32

/* Nanoseconds for an element. */
#define SQUARE_WORK 0.3
#define SCALED_WORK 0.5
#define ADAM_WORK 1.5

/* One tile is TILE_ELEMENTS elements. */
static size_t
element_end (size_t count, size_t tile)
{
  return min_size (count, (tile + 1) * TILE_ELEMENTS);
}

static void
run_elements (MblmQueue *queue, size_t count, double work, MblmTask task,
    const void *data)
{
  mblm_cpu_run (queue, divide_up (count, TILE_ELEMENTS), work * (double) count,
      task, data);
}

typedef struct {
  const MblmSumSquares *a;
  double *sums; /* of each block */
} Squares;

static void
sum_squares_tile (const void *data, size_t tile, unsigned worker)
{
  const Squares *self = data;
  size_t i = tile * SQUARES, end = min_size (self->a->count, i + SQUARES);
  const float *x = self->a->x;
  double lanes[SQUARE_LANES] = {0.0}, sum = 0.0;

  for (; i + SQUARE_LANES <= end; i += SQUARE_LANES)
    for (size_t l = 0; l < SQUARE_LANES; l++)
      lanes[l] += (double) x[i + l] * (double) x[i + l];
  for (size_t l = 0; i + l < end; l++)
    lanes[l] += (double) x[i + l] * (double) x[i + l];
  for (size_t l = 0; l < SQUARE_LANES; l++)
    sum += lanes[l];
  self->sums[tile] = sum;
}

void
FN (sum_squares) (MblmQueue *queue, const MblmSumSquares *a)
{
  size_t blocks = divide_up (a->count, SQUARES);
  Squares self = {.a = a};
  double sum = 0.0;

  self.sums = mblm_cpu_scratch (
      queue, mblm_cpu_bytes (blocks, sizeof (double)), NULL, NULL);
  if (!self.sums)
    return;
  mblm_cpu_run (
      queue, blocks, SQUARE_WORK * (double) a->count, sum_squares_tile, &self);
  for (size_t i = 0; i < blocks; i++)
    sum += self.sums[i];
  a->sum[0] += sum;
}

static void
add_scaled_tile (const void *data, size_t tile, unsigned worker)
{
  const MblmAddScaled *a = data;
  size_t end = element_end (a->count, tile);
  vf scale = v_set1 (a->scale);

  for (size_t i = tile * TILE_ELEMENTS; i < end; i += VW) {
    size_t n = end - i;

    v_store_n (a->x + i, n,
        v_fma (scale, v_load_n (a->y + i, n), v_load_n (a->x + i, n)));
  }
}

void
FN (add_scaled) (MblmQueue *queue, const MblmAddScaled *a)
{
  run_elements (queue, a->count, SCALED_WORK, add_scaled_tile, a);
}

typedef struct {
  const MblmConvert *a;
  void (*round) (uint16_t *to, const float *from, size_t n);
} Conversion;

static void
convert_tile (const void *data, size_t tile, unsigned worker)
{
  const Conversion *self = data;
  const MblmConvert *a = self->a;
  size_t i = tile * TILE_ELEMENTS, end = element_end (a->count, tile);

  if (a->x_type == MBLM_TYPE_F32 && a->out_type == MBLM_TYPE_BF16) {
    self->round ((uint16_t *) a->out + i, (const float *) a->x + i, end - i);
    return;
  }
  for (; i < end; i += VW)
    v_store_as (a->out_type, a->out, i, end - i,
        v_load_as (a->x_type, a->x, i, end - i));
}

void
FN (convert) (MblmQueue *queue, const MblmConvert *a)
{
  Conversion self = {a, queue->device->ops.round_bf16};

  run_elements (queue, a->count, SCALED_WORK, convert_tile, &self);
}

/* Zero for what is below the smallest normal number: the moments of a weight
 * that gets no gradient any more would stay there for ever, and be slow. */
static ALWAYS_INLINE vf
flush (vf x)
{
  vf size = v_as_float (v_as_int (x) & 0x7fffffff);

  return v_select_lt (size, v_set1 (FLT_MIN), v_zero (), x);
}

static void
adam_tile (const void *data, size_t tile, unsigned worker)
{
  const MblmAdam *a = data;
  size_t end = element_end (a->count, tile);
  vf beta1 = v_set1 ((float) a->beta1), beta2 = v_set1 ((float) a->beta2);
  vf rest1 = v_set1 ((float) (1.0 - a->beta1));
  vf rest2 = v_set1 ((float) (1.0 - a->beta2));
  vf rate = v_set1 ((float) (a->rate / a->correction1));
  vf root = v_set1 ((float) (1.0 / sqrt (a->correction2)));
  vf epsilon = v_set1 ((float) a->epsilon), scale = v_set1 (a->scale);

  for (size_t i = tile * TILE_ELEMENTS; i < end; i += VW) {
    size_t n = end - i;
    vf g = scale * v_load_n (a->gradient + i, n);
    vf m = v_fma (beta1, v_load_n (a->m + i, n), rest1 * g);
    vf v = v_fma (beta2, v_load_n (a->v + i, n), rest2 * g * g);
    vf step = rate * m / v_fma (v_sqrt (v), root, epsilon);

    v_store_n (a->m + i, n, flush (m));
    v_store_n (a->v + i, n, flush (v));
    v_store_n (a->weight + i, n, v_load_n (a->weight + i, n) - step);
  }
}

void
FN (adam) (MblmQueue *queue, const MblmAdam *a)
{
  run_elements (queue, a->count, ADAM_WORK, adam_tile, a);
}
