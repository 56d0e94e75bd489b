/* selective-scan.cu: Mamba-1's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A block has 32 channels of a sequence (selective-scan.h), and one of the pieces
 * that its time is cut into where there are few channels and many rows
 * (selective-pieces.cu). A row of decoding is one launch of a block for every 32
 * channels, whose loads are all independent.
 *
 * Each number of x, delta, z and y moves once, 16 bytes for a row and channel; the
 * 16 exponentials there take longer, and twice as long with pieces.
 */

#include "selective-scan.h"

#define THREADS 128

/* Time is cut until there are so many threads, but not into less rows. */
#define WANTED_THREADS (256 * 1024)
#define PIECE_ROWS 32

/* Lane l of a channel gets row t + l of `sums`, which all have a part of. */
__device__ static void
give_row (const MblmCudaSelective &s, const SelectivePlace &p, size_t t,
    const SelectiveRow &own, float skip, float (&sums)[SELECTIVE_LANES])
{
  float *y = s.a.y + (p.row + t + p.lane) * s.a.width + p.e;
  float sum = selective_sum<SELECTIVE_LANES, 1> (sums);
  float gate = selective_silu (own.z);

  if (!p.is_in || t + p.lane >= p.rows)
    return;
  if (s.first_state == 0)
    *y = fmaf (skip, own.x, sum) * gate;
  else
    *y = fmaf (sum, gate, *y);
}

__global__ static void
__launch_bounds__ (THREADS)
    scan_kernel (MblmCudaSelective s, MblmCudaCarry carry)
{
  __shared__ SelectiveTile tile;
  SelectivePlace p = selective_place (s, carry.first + blockIdx.y);
  SelectiveRow next = selective_row<true, false> (s, p, 0, NULL);
  float skip = p.is_in ? s.a.skip[p.e] : 0.0f, rate[4], h[4] = {};
  float *to = carry.to_of (blockIdx.y);

  /* All that is read before the first row is on its way at once. */
  selective_load (p, s.a.a_log, rate);
  if (s.pieces == 1)
    selective_load (p, carry.from_of (blockIdx.y), h);
  else if (p.is_in)
    selective_unpack (s.starts[selective_slot (s, p, blockIdx.y)], h);
  selective_fill<THREADS> (s, p, 0, &tile);
  selective_rates (rate);

  for (size_t t = 0; t < p.rows; t += SELECTIVE_LANES) {
    SelectiveRow own = next;
    float dt = selective_softplus (own.delta), input = dt * own.x;
    float sums[SELECTIVE_LANES] = {};

    next = selective_row<true, false> (s, p, t + SELECTIVE_LANES, NULL);
    if (t > 0 && t % SELECTIVE_TILE == 0)
      selective_fill<THREADS> (s, p, t, &tile);
#pragma unroll
    for (unsigned r = 0; r < SELECTIVE_LANES; r++) {
      float dt_r = selective_of (dt, r), input_r = selective_of (input, r);
      float b[4], c[4];

      selective_four (tile.b[t % SELECTIVE_TILE + r], p.lane, b);
      selective_four (tile.c[t % SELECTIVE_TILE + r], p.lane, c);
#pragma unroll
      for (unsigned k = 0; k < 4; k++) {
        h[k] = fmaf (input_r, b[k], h[k] * exp2f (rate[k] * dt_r));
        sums[r] = fmaf (h[k], c[k], sums[r]);
      }
    }
    give_row (s, p, t, own, skip, sums);
  }

  if (to && p.piece == s.pieces - 1)
    selective_store (p, h, to);
}

/* How time is cut, for `count` sequences at once. */
static void
cut (MblmCudaSelective *s, size_t count)
{
  const MblmSelectiveScan *a = &s->a;
  size_t threads = mblm_cuda_count (count, a->width, SELECTIVE_LANES);
  size_t pieces = min_size (
      WANTED_THREADS / max_size (threads, 1), divide_up (a->rows, PIECE_ROWS));

  s->piece_rows = divide_up (
      divide_up (a->rows, max_size (pieces, 1)), SELECTIVE_TILE);
  s->piece_rows = max_size (s->piece_rows, 1) * SELECTIVE_TILE;
  s->pieces = max_size (1, divide_up (a->rows, s->piece_rows));
}

void
mblm_cuda_selective_scan (MblmQueue *queue, const MblmSelectiveScan *a)
{
  MblmCudaScratch scratch = {queue};
  MblmCudaSelective s = {.a = *a};
  MblmCudaSelectiveParts parts;
  MblmCudaCarry carry;
  size_t size = mblm_cuda_count (a->width, a->state);
  size_t part = mblm_cuda_carry_part (&scratch, &a->carry, a->batch, size);
  bool has_arrays = (a->carry.from && !a->carry.shared) || a->carry.to;
  size_t count = mblm_cuda_piece_count (has_arrays, 0, a->batch);
  const float *start;

  cut (&s, count);
  mblm_cuda_selective_parts (&scratch, &s, count, false, &parts);
  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  mblm_cuda_selective_find (&scratch, &parts, false, &s);
  start = mblm_cuda_carry_start (&scratch, part, &a->carry, a->batch, size);

  for (size_t b = 0; b < a->batch; b += carry.count) {
    mblm_cuda_carry_piece (&carry, &a->carry, start, b, a->batch);
    s.first_state = 0;
    do {
      mblm_cuda_selective_pass (&s);
      mblm_cuda_selective_join (queue, &s, &carry, NULL, NULL);
      mblm_cuda_launch (queue, scan_kernel,
          dim3 (
              mblm_cuda_selective_blocks (&s, THREADS), (unsigned) carry.count),
          THREADS, 0, s, carry);
      s.first_state += SELECTIVE_STATES;
    } while (s.first_state < a->state);
  }
}
