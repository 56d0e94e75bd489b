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
 * 8,192 multiplications make the states, as many read them, and 4,096 are inside.
 * Where products may round, ssd-mma.cu does them.
 */

#include "ssd-mma.h"

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

/* What a lane needs of a row. */
template <int NUMBERS> struct FewRow {
  float x[FEW_CHANNELS], b[NUMBERS], c[NUMBERS];
};

template <int NUMBERS>
__device__ static void
load_row (const Ssd &a, const Few &few, size_t row, FewRow<NUMBERS> *to)
{
  size_t at = row * a.xbc_stride;

#pragma unroll
  for (unsigned q = 0; q < FEW_CHANNELS; q++)
    to->x[q] = q < few.count ? a.x[at + few.channel + q] : 0.0f;
#pragma unroll
  for (unsigned m = 0; m < NUMBERS; m++) {
    size_t n = few.first_n + threadIdx.x % 32 + 32 * m;

    to->b[m] = n < a.state ? a.b[at + n] : 0.0f;
    to->c[m] = n < a.state ? a.c[at + n] : 0.0f;
  }
}

/* One row; y is that of this lane's channel. Where the state is longer than a warp
 * has numbers, what follows is added to y by the lane that has written it. */
template <int NUMBERS>
__device__ static void
step_few (const Few &few, const FewRow<NUMBERS> &row, float dt, float decay,
    float skip, float (&s)[FEW_CHANNELS][NUMBERS], float *y)
{
  unsigned lane = threadIdx.x % 32;
  float sum[FEW_CHANNELS] = {}, x, result;

#pragma unroll
  for (unsigned m = 0; m < NUMBERS; m++)
#pragma unroll
    for (unsigned q = 0; q < FEW_CHANNELS; q++) {
      s[q][m] = fmaf (dt * row.x[q], row.b[m], decay * s[q][m]);
      sum[q] = fmaf (s[q][m], row.c[m], sum[q]);
    }
  result = sum_channels (sum);
  x = lane & 16 ? (lane & 8 ? row.x[3] : row.x[2])
                : (lane & 8 ? row.x[1] : row.x[0]);
  if (lane % 8 == 0 && lane / 8 < few.count)
    *y = few.first_n > 0 ? *y + result : fmaf (skip, x, result);
}

/* A lane finds dt and the decay of a step of 32. All that the first row needs is
 * on its way at once: a single row waits for memory once. */
template <int NUMBERS>
__device__ static void
scan_few (const Ssd &a, const Few &few, size_t b, const float *from, float *to,
    float *y)
{
  size_t begin = b * a.sequence, end = begin + a.sequence;
  size_t width = a.heads * a.head_dim;
  float s[FEW_CHANNELS][NUMBERS], a_log = a.a_log[few.h];
  float skip = a.skip[few.h], bias = a.delta_bias[few.h];
  FewRow<NUMBERS> next = {};

  load_few (a, few, from, s);
  if (begin < end)
    load_row (a, few, begin, &next);
  y += few.channel + threadIdx.x % 32 / 8;
  for (size_t first = begin; first < end; first += 32) {
    size_t mine = min_size (first + threadIdx.x % 32, end - 1);
    float delta = a.delta[mine * a.delta_stride + few.h];
    float dt = ssd_softplus (delta + bias);
    float decay = ssd_decay (a_log, dt);

    for (size_t row = first; row < min_size (first + 32, end); row++) {
      FewRow<NUMBERS> own = next;
      int lane = (int) (row - first);

      if (row + 1 < end)
        load_row (a, few, row + 1, &next);
      step_few (few, own, __shfl_sync (MBLM_CUDA_EVERY_LANE, dt, lane),
          __shfl_sync (MBLM_CUDA_EVERY_LANE, decay, lane), skip, s,
          y + row * width);
    }
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
    read_state (a, tiles, piece, ssd_state (a, tile, h) + first_p * a.state,
        channels, steps.pre, sum);
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

static void
run_outputs (MblmQueue *queue, const Ssd *a, float *y)
{
  dim3 grid ((unsigned) (a->units * a->chunks * a->heads),
      (unsigned) divide_up (a->head_dim, SSD_TILE));

  if (a->numbers > 0)
    mblm_cuda_ssd_mma_chunks (queue, a, y);
  else
    mblm_cuda_launch (queue, chunks_kernel, grid, SSD_THREADS, 0, *a, y);
}

/* The chunks of a group; the states before the first are in the carry, or in
 * `running`, where those after the last go, too. */
static void
run_group (MblmQueue *queue, const Ssd *a, const MblmCudaCarry *carry,
    float *running, float *y)
{
  bool is_last = a->first_chunk + a->chunks == a->all_chunks;
  bool adds = a->all_chunks > 1 || carry->has_to;

  mblm_cuda_ssd_steps (queue, a);
  if (a->numbers == 0)
    mblm_cuda_ssd_products (queue, a);
  if (adds)
    mblm_cuda_ssd_states (queue, a);
  if (adds || (!a->from_zeros && !a->start))
    mblm_cuda_ssd_pass (queue, a, carry, a->first_chunk > 0 ? running : NULL,
        is_last ? NULL : running, adds);
  run_outputs (queue, a, y);
}

/* Where the parts of the scratch memory are. */
struct Parts {
  size_t start, running;
  SsdParts ssd;
};

static Parts
plan_parts (const Ssd *a, const SsdPlan *plan, const MblmSsdScan *scan,
    bool has_chunks, bool is_alone, MblmCudaScratch *scratch)
{
  size_t size = mblm_cuda_count (a->heads, a->head_dim, a->state);
  Parts parts;

  parts.start = mblm_cuda_carry_part (scratch, &scan->carry, scan->batch, size);
  parts.ssd = mblm_cuda_ssd_parts (a, plan, has_chunks, is_alone, scratch);
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
  Parts parts = plan_parts (
      &ssd, &plan, a, has_chunks, mblm_cuda_ssd_is_alone (a, packs), &scratch);
  MblmCudaCarry carry;
  const float *start;

  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  start = mblm_cuda_carry_start (
      &scratch, parts.start, &a->carry, a->batch, size);
  ssd.start = ssd.all_chunks == 1 && !a->carry.to ? start : NULL;
  ssd.is_aligned = mblm_cuda_aligned (a->head_dim | a->xbc_stride, a->x, a->y);
  mblm_cuda_ssd_find_parts (&parts.ssd, &plan, &scratch, &ssd);
  if (has_chunks && ssd.start && ssd.numbers > 0)
    mblm_cuda_ssd_mma_start (queue, &ssd);
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
