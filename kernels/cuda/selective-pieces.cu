/* selective-pieces.cu: the states between the pieces of time of Mamba-1's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A long sequence has too few channels to fill a device, so its time is cut into
 * pieces. First each is scanned from zeros. The decay over a piece is that of the
 * sum of its dt, so that a second launch finds, one piece after the other, the
 * state before each; and the way back the gradient of that after each, which is a
 * scan against time of the same decays.
 *
 * The first costs about as much as the scan itself, most of it exponentials; the
 * second reads and writes a state for each piece.
 */

#include "selective-scan.h"

#define THREADS 128
#define BATCH 8 /* pieces that are read at once */

/* ------------------------------------------------------------------------- */
/* Pieces from zeros                                                         */
/* ------------------------------------------------------------------------- */

/* d is the gradient of the state before the piece, where that of the state after
 * it is zero; a row's part of it has gone through all decays up to there. */
template <bool BACK>
__global__ static void
__launch_bounds__ (THREADS)
    piece_kernel (MblmCudaSelective s, size_t first_sequence, const float *d_y)
{
  __shared__ SelectiveTile tile;
  SelectivePlace p = selective_place (s, first_sequence + blockIdx.y);
  SelectiveRow next = selective_row<BACK, BACK> (s, p, 0, d_y);
  float rate[4], h[4] = {}, d[4] = {}, span = 0.0f;
  float decays[4] = {1.0f, 1.0f, 1.0f, 1.0f};

  selective_load (p, s.a.a_log, rate);
  selective_rates (rate);
  for (size_t t = 0; t < p.rows; t += SELECTIVE_LANES) {
    SelectiveRow own = next;
    float dt = selective_softplus (own.delta), input = dt * own.x;
    float g = BACK ? own.d_y * selective_silu (own.z) : 0.0f;

    next = selective_row<BACK, BACK> (s, p, t + SELECTIVE_LANES, d_y);
    if (t % SELECTIVE_TILE == 0)
      selective_fill<THREADS> (s, p, t, &tile);
    span += dt;
#pragma unroll
    for (unsigned r = 0; r < SELECTIVE_LANES; r++) {
      float dt_r = selective_of (dt, r), input_r = selective_of (input, r);
      float g_r = BACK ? selective_of (g, r) : 0.0f, b[4], c[4];

      selective_four (tile.b[t % SELECTIVE_TILE + r], p.lane, b);
      if (BACK)
        selective_four (tile.c[t % SELECTIVE_TILE + r], p.lane, c);
#pragma unroll
      for (unsigned k = 0; k < 4; k++) {
        float decay = exp2f (rate[k] * dt_r);

        h[k] = fmaf (input_r, b[k], h[k] * decay);
        if (BACK) {
          decays[k] *= decay;
          d[k] = fmaf (decays[k] * g_r, c[k], d[k]);
        }
      }
    }
  }

  span = mblm_cuda_warp_sum<SELECTIVE_LANES> (span);
  if (!p.is_in)
    return;
  s.starts[selective_slot (s, p, blockIdx.y)] = selective_pack (h);
  if (BACK)
    s.ends[selective_slot (s, p, blockIdx.y)] = selective_pack (d);
  if (p.lane == 0)
    s.spans[(blockIdx.y * s.pieces + p.piece) * s.a.width + p.e] = span;
}

/* ------------------------------------------------------------------------- */
/* One after the other                                                       */
/* ------------------------------------------------------------------------- */

/* What the first piece begins with, in the order of the walk. */
__device__ static const float *
first_of (const MblmCudaCarry &carry, size_t i)
{
  return carry.from_of (i);
}

__device__ static const float *
first_of (const MblmCudaCarryGradient &d_carry, size_t i)
{
  return d_carry.to_of (i);
}

/* Each of `slots` becomes what the pieces before it, or behind it, have left. */
template <bool BACK, typename Carry>
__global__ static void
__launch_bounds__ (THREADS)
    join_kernel (MblmCudaSelective s, float4 *slots, Carry carry)
{
  /* No more blocks than for one piece. */
  SelectivePlace p = selective_place (s, 0);
  float rate[4], h[4];

  if (!p.is_in)
    return;
  selective_load (p, s.a.a_log, rate);
  selective_load (p, first_of (carry, blockIdx.y), h);
  selective_rates (rate);
  for (size_t first = 0; first < s.pieces; first += BATCH) {
    float4 own[BATCH];
    float span[BATCH];

#pragma unroll
    for (unsigned j = 0; j < BATCH; j++)
      if (first + j < s.pieces) {
        p.piece = BACK ? s.pieces - 1 - first - j : first + j;
        own[j] = slots[selective_slot (s, p, blockIdx.y)];
        span[j] = s.spans[(blockIdx.y * s.pieces + p.piece) * s.a.width + p.e];
      }
#pragma unroll
    for (unsigned j = 0; j < BATCH; j++)
      if (first + j < s.pieces) {
        float more[4];

        p.piece = BACK ? s.pieces - 1 - first - j : first + j;
        slots[selective_slot (s, p, blockIdx.y)] = selective_pack (h);
        selective_unpack (own[j], more);
#pragma unroll
        for (unsigned k = 0; k < 4; k++)
          h[k] = fmaf (h[k], exp2f (rate[k] * span[j]), more[k]);
      }
  }
}

/* ------------------------------------------------------------------------- */
/* The host's part                                                           */
/* ------------------------------------------------------------------------- */

void
mblm_cuda_selective_parts (MblmCudaScratch *scratch, const MblmCudaSelective *s,
    size_t count, bool has_ends, MblmCudaSelectiveParts *parts)
{
  size_t pieces = s->pieces > 1 ? mblm_cuda_count (count, s->pieces) : 0;
  size_t channels = mblm_cuda_count (pieces, s->a.width);
  size_t slots = mblm_cuda_count (channels, SELECTIVE_LANES);

  parts->starts = mblm_cuda_part (scratch, slots, sizeof (float4));
  parts->ends = mblm_cuda_part (scratch, has_ends ? slots : 0, sizeof (float4));
  parts->spans = mblm_cuda_part (scratch, channels, sizeof (float));
}

void
mblm_cuda_selective_find (const MblmCudaScratch *scratch,
    const MblmCudaSelectiveParts *parts, bool has_ends, MblmCudaSelective *s)
{
  s->starts = mblm_cuda_at<float4> (scratch, parts->starts);
  s->ends = has_ends ? mblm_cuda_at<float4> (scratch, parts->ends) : NULL;
  s->spans = mblm_cuda_at<float> (scratch, parts->spans);
}

void
mblm_cuda_selective_join (MblmQueue *queue, const MblmCudaSelective *s,
    const MblmCudaCarry *carry, const float *d_y,
    const MblmCudaCarryGradient *d_carry)
{
  unsigned blocks = mblm_cuda_selective_blocks (s, THREADS);
  dim3 all (blocks, (unsigned) carry->count);
  dim3 channels ((unsigned) (blocks / s->pieces), (unsigned) carry->count);

  if (s->pieces == 1)
    return;
  mblm_cuda_launch (queue, d_y ? piece_kernel<true> : piece_kernel<false>, all,
      THREADS, 0, *s, carry->first, d_y);
  mblm_cuda_launch (queue, join_kernel<false, MblmCudaCarry>, channels, THREADS,
      0, *s, s->starts, *carry);
  if (d_y)
    mblm_cuda_launch (queue, join_kernel<true, MblmCudaCarryGradient>, channels,
        THREADS, 0, *s, s->ends, *d_carry);
}
