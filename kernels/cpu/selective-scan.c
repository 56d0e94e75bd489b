/* selective-scan.c: Mamba-1's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A tile is VW channels of one sequence, one in each lane, so that nothing is
 * summed across lanes; its part of the state is kept transposed, [state, VW],
 * while time goes by. Most of the time goes into the exponentials.
 */

#include "carry.h"
#include "isa.h"
#include "tile.h"
#include "vecmath.h"

/* Nanoseconds for an element of the state and a step. */
#define SCAN_WORK 0.6

typedef struct {
  const MblmSelectiveScan *a;
  const float *start; /* where it is shared, [width, state] */
  size_t blocks;      /* of channels, of a sequence */
  char *workers;
  size_t each;
} Scan;

/* Channels [e, e + n) of sequence b; h and rate [state, VW]. */
static void
scan_block (const MblmSelectiveScan *a, size_t b, size_t e, size_t n, float *h,
    const float *rate)
{
  vf skip = v_load_n (a->skip + e, n);

  for (size_t t = 0; t < a->rows; t++) {
    size_t row = b * a->rows + t;
    const float *B = a->b + row * a->bc_stride;
    const float *C = a->c + row * a->bc_stride;
    vf x = v_load_n (a->x + row * a->x_stride + e, n);
    vf z = v_load_n (a->z + row * a->z_stride + e, n);
    vf dt = v_softplus (v_load_n (a->delta + row * a->delta_stride + e, n));
    vf input = dt * x, y = v_zero ();

    for (size_t i = 0; i < a->state; i++) {
      vf decay = v_exp (v_load (rate + i * VW) * dt);
      vf k = v_fma (input, v_set1 (B[i]), v_load (h + i * VW) * decay);

      v_store (h + i * VW, k);
      y = v_fma (k, v_set1 (C[i]), y);
    }
    y = v_fma (skip, x, y) * v_silu (z);
    v_store_n (a->y + row * a->width + e, n, y);
  }
}

static void
scan_tile (const void *data, size_t tile, unsigned worker)
{
  const Scan *self = data;
  const MblmSelectiveScan *a = self->a;
  size_t b = tile / self->blocks, e = tile % self->blocks * VW;
  size_t n = min_size (VW, a->width - e), state = a->state;
  float *h = (float *) (self->workers + worker * self->each);
  float *rate = h + state * VW;
  const float *from = carry_from (&a->carry, self->start, b);

  for (size_t i = 0; i < state; i++)
    for (size_t j = 0; j < VW; j++) {
      rate[i * VW + j] = j < n ? a->a_log[(e + j) * state + i] : 0.0f;
      h[i * VW + j] = from && j < n ? from[(e + j) * state + i] : 0.0f;
    }
  for (size_t i = 0; i < state; i++)
    v_store (rate + i * VW, v_zero () - v_exp_bounded (v_load (rate + i * VW)));
  scan_block (a, b, e, n, h, rate);
  if (a->carry.to)
    for (size_t j = 0; j < n; j++)
      for (size_t i = 0; i < state; i++)
        a->carry.to[b][(e + j) * state + i] = h[i * VW + j];
}

void
FN (selective_scan) (MblmQueue *queue, const MblmSelectiveScan *a)
{
  Scan self = {.a = a, .blocks = divide_up (a->width, VW)};
  size_t size = a->width * a->state;
  double steps = (double) a->rows * (double) a->batch;

  self.each = mblm_cpu_bytes (a->state, 2 * VW * sizeof (float));
  if (!carry_begin (queue, &a->carry, size, a->batch, &self.start, &self.each,
          &self.workers))
    return;
  mblm_cpu_run (queue, a->batch * self.blocks,
      SCAN_WORK * steps * (double) size, scan_tile, &self);
}
