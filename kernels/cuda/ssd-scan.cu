/* ssd-scan.cu: Mamba-2's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A few rows are the plain recurrence in one launch: a warp has four channels of
 * a head, whose states it keeps in registers, a lane for every 32nd number. With
 * one row it is bound by the state's memory, 8 bytes for each of its numbers.
 *
 * Many rows go in chunks (see ssd.h), whose outputs are
 *
 *   y_i = pre[i] S C_i + sum over j <= i of (C_i . B_j) L[i, j] dt_j x_j
 *       + skip x_i
 *
 * with S the state before. A block has a tile and 64 of its channels. The floor is
 * arithmetic: for each step of a head of 64 channels and 128 numbers of state,
 * 20,000 multiplications, of which half make the states.
 */

#include "ssd.h"

/* ------------------------------------------------------------------------- */
/* A few rows                                                                */
/* ------------------------------------------------------------------------- */

#define FEW_ROWS 16    /* more go in chunks */
#define FEW_PACKED 256 /* of all sequences, where these are packed */
#define FEW_CHANNELS 4 /* of a warp */
#define FEW_THREADS 128

/* Of the lanes' sums of four channels; lane 8 q has that of channel q. */
__device__ static float
sum_channels (const float (&sum)[FEW_CHANNELS])
{
  unsigned every = MBLM_CUDA_EVERY_LANE;
  bool high = threadIdx.x & 16, odd = threadIdx.x & 8;
  float first = high ? sum[2] : sum[0], second = high ? sum[3] : sum[1];
  float mine;

  first += __shfl_xor_sync (every, high ? sum[0] : sum[2], 16);
  second += __shfl_xor_sync (every, high ? sum[1] : sum[3], 16);
  mine = odd ? second : first;
  mine += __shfl_xor_sync (every, odd ? first : second, 8);
  return mblm_cuda_warp_sum<8> (mine);
}

/* What a warp works on. */
struct Few {
  size_t h, channel; /* the first of all channels */
  unsigned count;    /* of channels */
  size_t first_n;    /* of the state */
};

/* Numbers of the state: first_n + lane + 32 m, of each channel. */
template <int NUMBERS>
__device__ static void
load_few (const Ssd &a, const Few &few, const float *from,
    float (&s)[FEW_CHANNELS][NUMBERS])
{
#pragma unroll
  for (unsigned q = 0; q < FEW_CHANNELS; q++)
#pragma unroll
    for (unsigned m = 0; m < NUMBERS; m++) {
      size_t n = few.first_n + threadIdx.x % 32 + 32 * m;
      bool is_in = from && q < few.count && n < a.state;

      s[q][m] = is_in ? from[(few.channel + q) * a.state + n] : 0.0f;
    }
}

template <int NUMBERS>
__device__ static void
store_few (const Ssd &a, const Few &few, float *to,
    const float (&s)[FEW_CHANNELS][NUMBERS])
{
#pragma unroll
  for (unsigned q = 0; q < FEW_CHANNELS; q++)
#pragma unroll
    for (unsigned m = 0; m < NUMBERS; m++) {
      size_t n = few.first_n + threadIdx.x % 32 + 32 * m;

      if (q < few.count && n < a.state)
        to[(few.channel + q) * a.state + n] = s[q][m];
    }
}

/* One row. Where the state is longer than a warp has numbers, what follows is
 * added to y by the lane that has written it. */
template <int NUMBERS>
__device__ static void
step_few (const Ssd &a, const Few &few, size_t row, float dt, float decay,
    float skip, float (&s)[FEW_CHANNELS][NUMBERS], float *y)
{
  unsigned lane = threadIdx.x % 32, mine = lane / 8;
  const float *x = a.x + row * a.xbc_stride + few.channel;
  float *out = y + row * a.heads * a.head_dim + few.channel + mine;
  float sum[FEW_CHANNELS] = {}, input[FEW_CHANNELS], result;

#pragma unroll
  for (unsigned q = 0; q < FEW_CHANNELS; q++)
    input[q] = q < few.count ? x[q] : 0.0f;
#pragma unroll
  for (unsigned m = 0; m < NUMBERS; m++) {
    size_t n = few.first_n + lane + 32 * m;
    bool is_in = n < a.state;
    float b = is_in ? a.b[row * a.xbc_stride + n] : 0.0f;
    float c = is_in ? a.c[row * a.xbc_stride + n] : 0.0f;

#pragma unroll
    for (unsigned q = 0; q < FEW_CHANNELS; q++) {
      s[q][m] = fmaf (dt * input[q], b, decay * s[q][m]);
      sum[q] = fmaf (s[q][m], c, sum[q]);
    }
  }
  result = sum_channels (sum);
  if (lane % 8 == 0 && mine < few.count)
    *out = few.first_n > 0 ? *out + result : fmaf (skip, x[mine], result);
}

/* A lane finds dt and the decay of a step of 32. */
template <int NUMBERS>
__device__ static void
scan_few (const Ssd &a, const Few &few, size_t b, const float *from, float *to,
    float *y)
{
  float s[FEW_CHANNELS][NUMBERS], rate = -expf (a.a_log[few.h]);
  float skip = a.skip[few.h], bias = a.delta_bias[few.h];

  load_few (a, few, from, s);
  for (size_t first = 0; first < a.sequence; first += 32) {
    unsigned count = (unsigned) min_size (32, a.sequence - first);
    unsigned lane = (unsigned) min_size (threadIdx.x % 32, count - 1);
    size_t row = b * a.sequence + first;
    float dt = ssd_softplus (
        a.delta[(row + lane) * a.delta_stride + few.h] + bias);
    float decay = expf (rate * dt);

    for (unsigned t = 0; t < count; t++)
      step_few (a, few, row + t,
          __shfl_sync (MBLM_CUDA_EVERY_LANE, dt, (int) t),
          __shfl_sync (MBLM_CUDA_EVERY_LANE, decay, (int) t), skip, s, y);
  }
  if (to)
    store_few (a, few, to, s);
}

template <int NUMBERS>
__global__ static void
__launch_bounds__ (FEW_THREADS)
    few_kernel (Ssd a, MblmCudaCarry carry, float *y)
{
  size_t of_head = divide_up (a.head_dim, FEW_CHANNELS);
  size_t warp = mblm_cuda_thread () / MBLM_CUDA_WARP, p;
  Few few;

  if (warp >= a.heads * of_head)
    return;
  few.h = warp / of_head;
  p = warp % of_head * FEW_CHANNELS;
  few.channel = few.h * a.head_dim + p;
  few.count = (unsigned) min_size (FEW_CHANNELS, a.head_dim - p);
  for (few.first_n = 0; few.first_n < a.state; few.first_n += 32 * NUMBERS)
    scan_few<NUMBERS> (a, few, carry.first + blockIdx.y,
        carry.from_of (blockIdx.y), carry.to_of (blockIdx.y), y);
}

static void
run_few (MblmQueue *queue, const Ssd *a, const MblmCudaCarry *carry, float *y)
{
  size_t warps = a->heads * divide_up (a->head_dim, FEW_CHANNELS);
  dim3 grid ((unsigned) divide_up (warps * MBLM_CUDA_WARP, FEW_THREADS),
      (unsigned) carry->count);

  mblm_cuda_launch (queue,
      a->state <= 32       ? few_kernel<1>
          : a->state <= 64 ? few_kernel<2>
                           : few_kernel<4>,
      grid, FEW_THREADS, 0, *a, *carry, y);
}

/* ------------------------------------------------------------------------- */
/* Chunks                                                                    */
/* ------------------------------------------------------------------------- */

/* sum [steps, channels] = pre[i] S C_i; s [channels, state]. */
__device__ static void
read_state (const Ssd &a, SsdTiles &tiles, SsdPiece piece, const float *s,
    size_t channels, const SsdDecay *pre, SsdSum &sum)
{
  const float *c = a.c + piece.row * a.xbc_stride;

  ssd_multiply<true, true> (
      tiles, a.state,
      [&] (unsigned n, unsigned i) {
        return i < piece.count ? c[i * a.xbc_stride + n] : 0.0f;
      },
      [&] (unsigned n, unsigned p) {
        return p < channels ? s[p * a.state + n] : 0.0f;
      },
      sum);
#pragma unroll
  for (unsigned r = 0; r < 8; r++)
#pragma unroll
    for (unsigned j = 0; j < 4; j++)
      sum[r][j] = pre[ssd_row (r)].times (sum[r][j]);
}

__global__ static void
__launch_bounds__ (SSD_THREADS, 3) chunks_kernel (Ssd a, float *y)
{
  __shared__ SsdTiles tiles;
  __shared__ float cbl[SSD_CHUNK * SSD_LINE]; /* (C_i . B_j) L[i, j] */
  __shared__ SsdSteps steps;
  size_t tile = blockIdx.x, h = tile % a.heads, first_p = blockIdx.y * SSD_TILE;
  SsdPiece piece = ssd_piece (a, tile / a.heads);
  size_t channels = a.head_dim - first_p, width = a.heads * a.head_dim;
  const float *x = a.x + piece.row * a.xbc_stride + h * a.head_dim + first_p;
  const float *products = a.products + tile / a.heads * (SSD_CHUNK * SSD_CHUNK);
  float skip = a.skip[h];
  SsdSum sum = {};

  ssd_copy_steps (&a.steps[tile], &steps);
  for (unsigned i = threadIdx.x; i < SSD_CHUNK * SSD_LINE; i += SSD_THREADS)
    cbl[i] = 0.0f;
  __syncthreads ();
  ssd_decays (steps.link, [&] (unsigned i, unsigned j, SsdDecay decay) {
    cbl[i * SSD_LINE + j] = decay.times (products[i * SSD_CHUNK + j]);
  });
  if (ssd_has_state (a, tile / a.heads))
    read_state (a, tiles, piece,
        a.states + (tile * a.head_dim + first_p) * a.state, channels, steps.pre,
        sum);
  ssd_multiply<true, false> (
      tiles, piece.count,
      [&] (unsigned j, unsigned i) { return cbl[i * SSD_LINE + j]; },
      [&] (unsigned j, unsigned p) {
        return p < channels ? steps.dt[j] * x[j * a.xbc_stride + p] : 0.0f;
      },
      sum);
#pragma unroll
  for (unsigned r = 0; r < 8; r++) {
    unsigned i = ssd_row (r), p = ssd_column ();

    if (i >= piece.count || p >= channels)
      continue;
#pragma unroll
    for (unsigned j = 0; j < 4; j++)
      if (p + j < channels)
        sum[r][j] = fmaf (skip, x[i * a.xbc_stride + p + j], sum[r][j]);
    ssd_store (y + (piece.row + i) * width + h * a.head_dim + first_p + p,
        sum[r], channels - p);
  }
}

/* The chunks of a group; the states before the first are in the carry, or in
 * `running`, where those after the last go, too. */
static void
run_group (MblmQueue *queue, const Ssd *a, const MblmCudaCarry *carry,
    float *running, float *y)
{
  dim3 grid ((unsigned) (a->units * a->chunks * a->heads),
      (unsigned) divide_up (a->head_dim, SSD_TILE));
  bool is_last = a->first_chunk + a->chunks == a->all_chunks;
  bool adds = a->all_chunks > 1 || carry->has_to;

  mblm_cuda_ssd_steps (queue, a);
  mblm_cuda_ssd_products (queue, a);
  if (adds)
    mblm_cuda_ssd_states (queue, a);
  if (adds || !a->from_zeros)
    mblm_cuda_ssd_pass (queue, a, carry, a->first_chunk > 0 ? running : NULL,
        is_last ? NULL : running, adds);
  mblm_cuda_launch (queue, chunks_kernel, grid, SSD_THREADS, 0, *a, y);
}

/* Where the parts of the scratch memory are. */
struct Parts {
  size_t start, steps, products, states, running;
};

static Parts
plan_parts (const Ssd *a, const SsdPlan *plan, const MblmSsdScan *scan,
    bool has_chunks, MblmCudaScratch *scratch)
{
  size_t size = mblm_cuda_count (a->heads, a->head_dim, a->state);
  size_t pieces = has_chunks ? mblm_cuda_ssd_pieces (plan) : 0;
  Parts parts;

  parts.start = mblm_cuda_carry_part (scratch, &scan->carry, scan->batch, size);
  parts.steps = mblm_cuda_part (
      scratch, mblm_cuda_count (pieces, a->heads), sizeof (SsdSteps));
  parts.products = mblm_cuda_part (
      scratch, mblm_cuda_count (pieces, SSD_CHUNK, SSD_CHUNK), sizeof (float));
  parts.states = mblm_cuda_part (
      scratch, mblm_cuda_count (pieces, size), sizeof (float));
  parts.running = mblm_cuda_part (scratch,
      has_chunks && plan->groups > 1 ? mblm_cuda_count (plan->units, size) : 0,
      sizeof (float));
  return parts;
}

void
mblm_cuda_ssd_scan (MblmQueue *queue, const MblmSsdScan *a)
{
  MblmCudaScratch scratch = {queue};
  bool own = a->carry.from && !a->carry.shared;
  bool packs = !own && !a->carry.to && a->batch * a->rows >= FEW_PACKED;
  bool has_chunks = packs || a->rows >= FEW_ROWS;
  size_t size = mblm_cuda_count (a->heads, a->head_dim, a->state), count;
  Ssd ssd;
  SsdPlan plan = mblm_cuda_ssd_plan (a, packs, false, own || a->carry.to, &ssd);
  Parts parts = plan_parts (&ssd, &plan, a, has_chunks, &scratch);
  MblmCudaCarry carry;
  const float *start;

  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  start = mblm_cuda_carry_start (
      &scratch, parts.start, &a->carry, a->batch, size);
  ssd.steps = mblm_cuda_at<SsdSteps> (&scratch, parts.steps);
  ssd.products = mblm_cuda_at<float> (&scratch, parts.products);
  ssd.states = mblm_cuda_at<float> (&scratch, parts.states);
  for (size_t u = 0; u < ssd.all_units; u += count) {
    mblm_cuda_carry_piece (&carry, &a->carry, start, u, ssd.all_units);
    count = has_chunks ? min_size (carry.count, plan.units) : carry.count;
    if (!has_chunks)
      run_few (queue, &ssd, &carry, a->y);
    for (size_t group = 0; has_chunks && group < plan.groups; group++) {
      mblm_cuda_ssd_group (&plan, u, count, group, &ssd);
      run_group (queue, &ssd, &carry,
          mblm_cuda_at<float> (&scratch, parts.running), a->y);
    }
  }
}
