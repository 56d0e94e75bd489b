/* ssd-scan-backward.cu: the gradient of Mamba-2's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The formulas are in ssd-backward.h. The groups of a sequence go backward in time.
 * The states before a group are kept by a forward pass; those before its chunks are
 * found again, as are the gradients of those after, and then all chunks of the
 * group are worked on at once. What is summed over heads is summed in the order of
 * the heads, in parts and then over these.
 */

#include "ssd-backward.h"
#include "ssd-mma.h"
#include "sums.h"

#define THREADS 256
#define HEADS_TOGETHER 4 /* of a part */
#define MORE_TOGETHER 8  /* where there are many pieces */
#define MOST_PARTS 65535 /* that a grid has room for, in two halves */
#define SLABS 512        /* of all heads: sums of the gradient of a start */

/* ------------------------------------------------------------------------- */
/* Outputs                                                                   */
/* ------------------------------------------------------------------------- */

/* Sums K over the heads: blocks for each piece, and along a square. */
__global__ static void
sum_k_kernel (const float *k, size_t heads, float *k_sum)
{
  size_t square = SSD_CHUNK * SSD_CHUNK;
  size_t at = blockIdx.y * blockDim.x + threadIdx.x;
  float sum = 0.0f;

  k += blockIdx.x * heads * square + at;
#pragma unroll 4
  for (size_t h = 0; h < heads; h++)
    sum += k[h * square];
  k_sum[blockIdx.x * square + at] = sum;
}

/* Blocks: piece, part of the state, d_B or d_C. */
__global__ static void
__launch_bounds__ (SSD_THREADS, 3) common_kernel (Ssd a, SsdBack back)
{
  __shared__ SsdTiles tiles;
  size_t index = blockIdx.x, pieces = gridDim.x;
  size_t first_n = blockIdx.y * SSD_TILE, numbers = a.state - first_n;
  bool is_c = blockIdx.z > 0;
  float *out = is_c ? back.d_c : back.d_b;
  SsdPiece piece = ssd_piece (a, index);
  const float *k = back.k_sum + index * SSD_CHUNK * SSD_CHUNK;
  const float *right = (is_c ? a.b : a.c) + piece.row * a.xbc_stride + first_n;
  auto right_at = [&] (unsigned j, unsigned n) {
    return n < numbers ? right[j * a.xbc_stride + n] : 0.0f;
  };
  SsdSum sum = {};

  if (!out)
    return;
  if (is_c)
    ssd_multiply<true, false> (
        tiles, piece.count,
        [&] (unsigned j, unsigned i) { return k[i * SSD_CHUNK + j]; }, right_at,
        sum);
  else
    ssd_multiply<false, false> (
        tiles, piece.count,
        [&] (unsigned i, unsigned j) { return k[i * SSD_CHUNK + j]; }, right_at,
        sum);
#pragma unroll
  for (unsigned r = 0; r < 8; r++) {
    size_t i = ssd_row (r), n = ssd_column ();

    if (i >= piece.count || n >= numbers)
      continue;
    for (size_t part = 0; part < back.parts; part++) {
      const float *common = back.common +
          (((is_c ? back.parts : 0) + part) * pieces + index) * SSD_CHUNK *
              a.state +
          i * a.state + first_n + n;

#pragma unroll
      for (unsigned q = 0; q < 4; q++)
        if (n + q < numbers)
          sum[r][q] += common[q];
    }
    ssd_store (out + (piece.row + i) * back.d_xbc_stride + first_n + n, sum[r],
        numbers - n);
  }
}

/* A thread's part of the sum over s d. */
template <typename T>
__device__ static float
dot_of (const T *s, const T *d, size_t count)
{
  float sum = 0.0f;

#pragma unroll 4
  for (size_t i = threadIdx.x; i < count; i += SSD_THREADS)
    sum = fmaf (mblm_cuda_weight (s, i), mblm_cuda_weight (d, i), sum);
  return sum;
}

/* pre[last] <S, G>, for all threads. */
__device__ static float
sum_through (const Ssd &a, const SsdBack &back, size_t tile, size_t piece,
    size_t h, float *shared)
{
  size_t matrix = a.head_dim * a.state, padded = SSD_TILE * a.numbers;
  float sum;

  if (!ssd_has_state (a, piece) || !ssd_has_gradient (a, back, piece))
    return 0.0f;
  if (a.numbers > 0)
    sum = dot_of (
        ssd_mma_state (a, tile, h), back.d_halves + tile * padded, padded);
  else
    sum = dot_of (
        ssd_state (a, tile, h), back.d_states + tile * matrix, matrix);
  return a.steps[tile].total.times (mblm_cuda_block_sum (sum, shared));
}

/* The gradient of the logarithm of the decay of step t. */
__device__ static float
d_log_of (const Ssd &a, const SsdPiece &piece, unsigned t, const float *u,
    const float *v, float through, float inside)
{
  size_t of_sequence = (piece.row + t) % a.rows % a.sequence;
  unsigned end = (unsigned) min_size (
      piece.count, t + (a.sequence - of_sequence));
  float before = 0.0f, after = 0.0f;

  for (unsigned j = 0; j < t; j++)
    before += v[j];
  for (unsigned i = t; i < end; i++)
    after += u[i];
  return through + after + before + inside;
}

/* u[i] of a tile: the sum over the parts of the state. */
__device__ static float
u_of (const Ssd &a, const SsdBack &back, size_t tile, unsigned i)
{
  size_t tiles = gridDim.x;
  float sum = 0.0f;

  if (!ssd_has_state (a, tile / a.heads))
    return 0.0f;
  for (size_t part = 0; part < back.u_parts; part++)
    sum += back.u[(part * tiles + tile) * SSD_CHUNK + i];
  return sum;
}

/* A block has a tile, a thread a step; the others help with <S, G>. */
__global__ static void
__launch_bounds__ (SSD_THREADS, 12) steps_back_kernel (Ssd a, SsdBack back)
{
  __shared__ float shared[SSD_THREADS / MBLM_CUDA_WARP];
  __shared__ float u[SSD_CHUNK], v[SSD_CHUNK];
  size_t tile = blockIdx.x, tiles = gridDim.x, h = tile % a.heads;
  size_t index = tile / a.heads;
  SsdPiece piece = ssd_piece (a, index);
  const SsdRows *rows = &back.rows[tile];
  float through = sum_through (a, back, tile, index, h, shared);
  float d_delta = 0.0f, d_a_log = 0.0f, d_skip = 0.0f;
  unsigned t = threadIdx.x;

  if (t < SSD_CHUNK) {
    u[t] = u_of (a, back, tile, t);
    v[t] = rows->v[t];
  }
  __syncthreads ();
  if (t < piece.count) {
    float rate = -expf (a.a_log[h]);
    float raw = a.delta[(piece.row + t) * a.delta_stride + h] + a.delta_bias[h];
    float slope = raw > 20.0f ? 1.0f : 1.0f / (1.0f + expf (-raw)), d_log;

    d_log = rate * d_log_of (a, piece, t, u, v, through, rows->inside[t]);
    d_delta = (rows->xw[t] + d_log) * slope;
    d_a_log = d_log * a.steps[tile].dt[t];
    d_skip = rows->skip[t];
    if (back.d_delta)
      back.d_delta[(piece.row + t) * back.d_delta_stride + h] = d_delta;
  }
  d_delta = mblm_cuda_block_sum (d_delta, shared);
  d_a_log = mblm_cuda_block_sum (d_a_log, shared);
  d_skip = mblm_cuda_block_sum (d_skip, shared);
  if (t == 0) {
    back.sums[tile] = d_delta;
    back.sums[tiles + tile] = d_a_log;
    back.sums[2 * tiles + tile] = d_skip;
  }
}

/* ------------------------------------------------------------------------- */
/* Groups                                                                    */
/* ------------------------------------------------------------------------- */

/* Parts of the scratch memory, and what lies there. */
struct Parts {
  SsdParts ssd;
  size_t d_states, d_halves, kept, running, k, k_sum, rows, u, common, sums,
      heads_sum, starts, starts_sum;
};

struct Backward {
  const MblmSsdScanBackward *a;
  MblmCudaScratch scratch;
  SsdPlan plan;
  Parts parts;
  Ssd ssd;
  SsdBack back;
  size_t size; /* of the state of a unit */
  size_t
      slab; /* units that the gradient of a start is summed over at once; or 0 */
  float *kept; /* [groups - 1, units, size]: before the groups but the first */
  float *running; /* [units, size]: the gradient between two groups */
  float *starts;  /* [units or slabs, size]: the gradients of a shared start */
  bool wants_start;
};

/* What the state needs that the chunks see or leave. */
static void
find_states (Backward *self, const MblmCudaCarry *carry, size_t group, bool on)
{
  MblmQueue *queue = self->scratch.queue;
  const Ssd *a = &self->ssd;
  size_t kept = self->plan.units * self->size;
  bool adds = a->all_chunks > 1;

  mblm_cuda_ssd_steps (queue, a);
  if (adds)
    mblm_cuda_ssd_states (queue, a);
  if (adds || (!a->from_zeros && !a->start))
    mblm_cuda_ssd_pass (queue, a, carry,
        group > 0 ? self->kept + (group - 1) * kept : NULL,
        on ? self->kept + group * kept : NULL, adds);
}

static void
find_gradients (
    Backward *self, const MblmCudaCarryGradient *gradient, size_t group)
{
  MblmQueue *queue = self->scratch.queue;
  const Ssd *a = &self->ssd;
  const SsdBack *back = &self->back;
  SsdGradients d = {back->d_states, back->d_halves};
  bool adds = a->all_chunks > 1 || self->wants_start;
  bool is_last = group + 1 == self->plan.groups;

  /* What the units have of the gradient of a shared start is all there is. */
  if (a->start && back->to_zeros) {
    if (gradient->rows)
      mblm_cuda_ssd_gradients (queue, a, back->d_y, self->slab, gradient->rows);
    return;
  }
  if (adds)
    mblm_cuda_ssd_gradients (queue, a, back->d_y, 0, back->d_states);
  if (adds || !back->to_zeros)
    mblm_cuda_ssd_pass_back (queue, a, &d, gradient,
        is_last ? NULL : self->running, group > 0 ? self->running : NULL, adds);
}

static void
add_sums (Backward *self)
{
  const MblmSsdScanBackward *a = self->a;
  size_t heads = self->ssd.heads, pieces = self->ssd.units * self->ssd.chunks;
  float *to[] = {a->d_delta_bias, a->d_a_log, a->d_skip};

  for (size_t i = 0; i < 3; i++)
    mblm_cuda_sum_rows_to (&self->scratch, self->parts.heads_sum,
        self->back.sums + i * pieces * heads, pieces, heads, heads, to[i]);
}

static void
run_products (MblmQueue *queue, const Ssd *a, const SsdBack *back)
{
  unsigned pieces = (unsigned) (a->units * a->chunks);
  dim3 squares (pieces, SSD_CHUNK * SSD_CHUNK / THREADS);

  if (a->numbers > 0) {
    mblm_cuda_ssd_mma_tiles_back (queue, a, back);
    mblm_cuda_ssd_mma_common_back (queue, a, back);
    return;
  }
  mblm_cuda_ssd_products (queue, a);
  mblm_cuda_ssd_chunks_back (queue, a, back);
  mblm_cuda_ssd_common_back (queue, a, back);
  mblm_cuda_launch (
      queue, sum_k_kernel, squares, THREADS, 0, back->k, a->heads, back->k_sum);
  mblm_cuda_launch (queue, common_kernel,
      dim3 (pieces, (unsigned) divide_up (a->state, SSD_TILE), 2), SSD_THREADS,
      0, *a, *back);
}

static void
run_group (Backward *self, const MblmCudaCarry *carry,
    const MblmCudaCarryGradient *gradient, size_t group)
{
  const Ssd *a = &self->ssd;

  find_states (self, carry, group, false);
  find_gradients (self, gradient, group);
  run_products (self->scratch.queue, a, &self->back);
  mblm_cuda_launch (self->scratch.queue, steps_back_kernel,
      (unsigned) (a->units * a->chunks * a->heads), SSD_THREADS, 0, *a,
      self->back);
  add_sums (self);
}

/* The units of a piece of the batch. */
static void
run_units (Backward *self, const MblmCudaCarry *carry)
{
  const MblmSsdScanBackward *a = self->a;
  const MblmCarry *from = &a->forward.carry;
  size_t groups = self->plan.groups;
  MblmCudaCarryGradient gradient;

  mblm_cuda_carry_gradient_piece (
      &gradient, from, &a->d_carry, carry, NULL, self->size);
  gradient.rows = mblm_cuda_carry_sums (from, &a->d_carry) ? self->starts
                                                           : NULL;
  for (size_t group = 0; group + 1 < groups; group++) {
    mblm_cuda_ssd_group (
        &self->plan, carry->first, carry->count, group, &self->ssd);
    find_states (self, carry, group, true);
  }
  for (size_t group = groups; group-- > 0;) {
    mblm_cuda_ssd_group (
        &self->plan, carry->first, carry->count, group, &self->ssd);
    run_group (self, carry, &gradient, group);
  }
  if (gradient.rows)
    mblm_cuda_sum_rows_to (&self->scratch, self->parts.starts_sum, self->starts,
        divide_up (carry->count, max_size (1, self->slab)), self->size,
        self->size, a->d_carry.from[0]);
}

/* ------------------------------------------------------------------------- */
/* All of it                                                                 */
/* ------------------------------------------------------------------------- */

static size_t
add_floats (Backward *self, size_t count, size_t times = 1, size_t more = 1)
{
  return mblm_cuda_part (&self->scratch,
      mblm_cuda_count (mblm_cuda_count (count, times), more), sizeof (float));
}

static void
plan_parts (Backward *self, bool is_alone)
{
  const Ssd *a = &self->ssd;
  const SsdPlan *plan = &self->plan;
  size_t square = SSD_CHUNK * SSD_CHUNK, units = plan->units;
  size_t pieces = mblm_cuda_ssd_pieces (plan);
  size_t tiles = mblm_cuda_count (pieces, a->heads), groups = plan->groups;
  size_t starts = divide_up (units, max_size (1, self->slab));
  bool rounds = a->numbers > 0, has_states = !rounds || !is_alone;
  bool sums = mblm_cuda_carry_sums (&self->a->forward.carry, &self->a->d_carry);
  Parts *parts = &self->parts;

  parts->ssd = mblm_cuda_ssd_parts (a, plan, true, is_alone, &self->scratch);
  parts->rows = mblm_cuda_part (&self->scratch, tiles, sizeof (SsdRows));
  parts->d_states = add_floats (self, has_states ? pieces : 0, self->size);
  parts->d_halves = mblm_cuda_part (&self->scratch,
      mblm_cuda_count (has_states ? tiles : 0, SSD_TILE, a->numbers),
      sizeof (uint16_t));
  parts->kept = add_floats (self, groups - 1, units, self->size);
  parts->running = add_floats (self, groups > 1 ? units : 0, self->size);
  parts->k = add_floats (
      self, rounds ? pieces * self->back.parts : tiles, square);
  parts->k_sum = add_floats (self, rounds ? 0 : pieces, square);
  parts->u = add_floats (self, tiles, self->back.u_parts, SSD_CHUNK);
  parts->common = add_floats (self, 2 * self->back.parts, pieces,
      mblm_cuda_count (SSD_CHUNK, rounds ? a->numbers : a->state));
  parts->sums = add_floats (self, tiles, 3);
  parts->heads_sum = mblm_cuda_sum_rows_part (&self->scratch, pieces, a->heads);
  parts->starts = add_floats (self, sums ? starts : 0, self->size);
  parts->starts_sum = mblm_cuda_sum_rows_part (
      &self->scratch, sums ? starts : 0, self->size);
}

static void
find_parts (Backward *self)
{
  const MblmCudaScratch *scratch = &self->scratch;
  const Parts *parts = &self->parts;

  mblm_cuda_ssd_find_parts (&parts->ssd, &self->plan, scratch, &self->ssd);
  self->back.d_states = mblm_cuda_at<float> (scratch, parts->d_states);
  self->back.d_halves = mblm_cuda_at<uint16_t> (scratch, parts->d_halves);
  self->back.k = mblm_cuda_at<float> (scratch, parts->k);
  self->back.k_sum = mblm_cuda_at<float> (scratch, parts->k_sum);
  self->back.rows = mblm_cuda_at<SsdRows> (scratch, parts->rows);
  self->back.u = mblm_cuda_at<float> (scratch, parts->u);
  self->back.common = mblm_cuda_at<float> (scratch, parts->common);
  self->back.sums = mblm_cuda_at<float> (scratch, parts->sums);
  self->kept = mblm_cuda_at<float> (scratch, parts->kept);
  self->running = mblm_cuda_at<float> (scratch, parts->running);
  self->starts = mblm_cuda_at<float> (scratch, parts->starts);
}

/* How the work is cut. */
static void
plan_backward (Backward *self, bool packs, bool has_arrays)
{
  const MblmSsdScanBackward *a = self->a;
  const MblmSsdScan *f = &a->forward;
  bool is_alone = mblm_cuda_ssd_is_alone (f, packs), rounds;
  size_t together;

  self->plan = mblm_cuda_ssd_plan (f, packs, true, has_arrays, &self->ssd);
  rounds = self->ssd.numbers > 0;
  together = rounds && is_alone ? MORE_TOGETHER : HEADS_TOGETHER;
  while (2 * divide_up (f->heads, together) > MOST_PARTS)
    together *= 2;
  if (rounds && is_alone)
    self->slab = max_size (1, self->plan.units * f->heads / SLABS);
  self->ssd.is_aligned = mblm_cuda_aligned (
      f->head_dim | f->xbc_stride | a->d_xbc_stride, f->x, a->d_y, a->d_x);
  self->size = mblm_cuda_count (f->heads, f->head_dim, f->state);
  self->wants_start = f->carry.from && a->d_carry.from;
  self->back = SsdBack{.d_y = a->d_y,
      .d_x = a->d_x,
      .d_b = a->d_b,
      .d_c = a->d_c,
      .d_xbc_stride = a->d_xbc_stride,
      .d_delta = a->d_delta,
      .d_delta_stride = a->d_delta_stride,
      .to_zeros = !a->d_carry.to,
      .parts = divide_up (f->heads, together),
      .together = together,
      .is_even = (f->state | a->d_xbc_stride) % 2 == 0 &&
          (((uintptr_t) a->d_b | (uintptr_t) a->d_c) & 7) == 0,
      .u_parts = rounds ? 2 : divide_up (f->state, SSD_TILE)};
  plan_parts (self, is_alone);
}

void
mblm_cuda_ssd_scan_backward (MblmQueue *queue, const MblmSsdScanBackward *a)
{
  const MblmSsdScan *f = &a->forward;
  MblmCarry from = {f->carry.from, NULL, f->carry.shared};
  bool own = f->carry.from && !f->carry.shared;
  const float *start = from.from && from.shared && f->batch > 0 ? from.from[0]
                                                                : NULL;
  Backward self = {.a = a, .scratch = {queue}};
  MblmCudaCarry carry;

  plan_backward (&self, !own && !a->d_carry.to, own || a->d_carry.to);
  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&self.scratch))
    return;
  find_parts (&self);
  self.ssd.start = self.ssd.all_chunks == 1 ? start : NULL;
  if (self.ssd.start && self.ssd.numbers > 0)
    mblm_cuda_ssd_mma_start (queue, &self.ssd);
  for (size_t u = 0; u < self.ssd.all_units; u += carry.count) {
    mblm_cuda_carry_piece (&carry, &from, start, u, self.ssd.all_units);
    carry.count = min_size (carry.count, self.plan.units);
    run_units (&self, &carry);
  }
}
