/* selective-scan-backward.cu: the gradient of Mamba-1's scan.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A block has 64 channels (selective-scan.h) of a sequence, or of several short
 * ones, and a piece of time of at most PIECE_ROWS rows, before and after which
 * selective-pieces.cu has found the state and its gradient. The block walks a
 * piece twice: with time it keeps the state before each group of four rows in
 * shared memory; against time it finds the states inside a group again, in
 * registers, and their gradients.
 *
 * The gradients of B and C are sums over channels: over those of a warp by
 * exchanges, over those of a block in shared memory, and over blocks by a launch
 * of its own, as are the sums over sequences and pieces of the others. A piece
 * needs up to 3 states of a channel in scratch memory, a row 2 states of 64
 * channels.
 *
 * 28 bytes move for a row and channel, and about 16 more through scratch memory;
 * 3 exponentials for each state of it, and some 30 other operations, take longer.
 */

#include "selective-scan.h"
#include "sums.h"

#define THREADS 256
#define WARPS (THREADS / MBLM_CUDA_WARP)
#define CHANNELS (THREADS / SELECTIVE_LANES)
#define BC (2 * SELECTIVE_STATES) /* of B, then of C */

/* Pieces are so long unless that makes too few threads. */
#define PIECE_ROWS 64
#define LEAST_PIECE_ROWS 16
#define WANTED_THREADS (64 * 1024)

/* A block has so many rows of short sequences; a launch so many of several. */
#define BLOCK_ROWS 64
#define LAUNCH_ROWS 32768

/* A launch. A group is the sequences of a block, and a time a piece of a group.
 * What is summed up over blocks is NULL where nobody wants it. */
struct Backward {
  MblmCudaSelective s;
  const float *d_y;
  float *d_x, *d_delta, *d_z;
  size_t d_x_stride, d_delta_stride, d_z_stride;
  size_t count, each; /* sequences, and of a block */
  float *bc_rows;     /* [blocks, count * rows, BC] */
  float *a_log_rows;  /* [times, width, state] */
  float *skip_rows;   /* [times, width] */
  float *start_rows;  /* [groups, width, state] */
};

/* What a thread has of its channel. Sums are over the rows of the block. */
struct Channel {
  float rate[4], skip;
  float d_state[4];        /* the gradient of the state after the row at work */
  float d_rate[4], d_skip; /* sums */
};

/* Sums over the channels of a warp, by row of a tile. */
struct BcSums {
  float of[WARPS][SELECTIVE_TILE][BC];
};

/* ------------------------------------------------------------------------- */
/* Groups of four rows                                                       */
/* ------------------------------------------------------------------------- */

/* h goes through a group; row `first` of the tile is its first. */
__device__ static void
advance (const float (&rate)[4], const SelectiveRow &own, unsigned lane,
    const SelectiveTile &tile, unsigned first, float (&h)[4])
{
  float dt = selective_softplus (own.delta), input = dt * own.x;

#pragma unroll
  for (unsigned r = 0; r < SELECTIVE_LANES; r++) {
    float dt_r = selective_of (dt, r), input_r = selective_of (input, r), b[4];

    selective_four (tile.b[first + r], lane, b);
#pragma unroll
    for (unsigned k = 0; k < 4; k++)
      h[k] = fmaf (input_r, b[k], h[k] * exp2f (rate[k] * dt_r));
  }
}

/* The states before the rows of a group, and the decays there. */
struct States {
  float before[SELECTIVE_LANES][4], decay[SELECTIVE_LANES][4];
};

/* h, the state before the group, becomes that after it. */
__device__ static void
find_states (const float (&rate)[4], float dt, float input, unsigned lane,
    const SelectiveTile &tile, unsigned first, float (&h)[4], States *states)
{
#pragma unroll
  for (unsigned r = 0; r < SELECTIVE_LANES; r++) {
    float dt_r = selective_of (dt, r), input_r = selective_of (input, r), b[4];

    selective_four (tile.b[first + r], lane, b);
#pragma unroll
    for (unsigned k = 0; k < 4; k++) {
      states->before[r][k] = h[k];
      states->decay[r][k] = exp2f (rate[k] * dt_r);
      h[k] = fmaf (input_r, b[k], h[k] * states->decay[r][k]);
    }
  }
}

/* What the thread's states give, for each row of a group. */
struct Sums {
  float sum[SELECTIVE_LANES];     /* h . c */
  float d_input[SELECTIVE_LANES]; /* of dt x */
  float d_dt[SELECTIVE_LANES];    /* through the decays */
};

/* Row r of a group, with the states before and after it; g is the gradient of
 * h . c. d_bc gets the parts of its B, then of its C. */
__device__ static void
row_backward (Channel *channel, const float (&before)[4],
    const float (&decay)[4], const float (&after)[4], float g, float dt,
    float input, const float (&b)[4], const float (&c)[4], Sums *sums,
    unsigned r, float (&d_bc)[8])
{
#pragma unroll
  for (unsigned k = 0; k < 4; k++) {
    float d = fmaf (g, c[k], channel->d_state[k]);
    float passed = d * decay[k], d_exponent = passed * before[k];

    sums->sum[r] = fmaf (after[k], c[k], sums->sum[r]);
    sums->d_input[r] = fmaf (d, b[k], sums->d_input[r]);
    sums->d_dt[r] = fmaf (d_exponent, channel->rate[k], sums->d_dt[r]);
    channel->d_rate[k] = fmaf (d_exponent, dt, channel->d_rate[k]);
    channel->d_state[k] = passed;
    d_bc[k] = d * input;
    d_bc[4 + k] = g * after[k];
  }
}

/* The gradients of the thread's own row. */
__device__ static void
give_row (const Backward &a, const SelectivePlace &p, size_t t,
    const SelectiveRow &own, const Channel &channel, float sum, float d_input,
    float d_dt)
{
  size_t row = p.row + t + p.lane;
  SelectiveSigmoid z = selective_sigmoid (own.z);
  float dt = selective_softplus (own.delta), g = own.d_y * own.z * z.value;
  float d_x = dt * d_input, d_delta, d_z;

  if (!p.is_in || t + p.lane >= p.rows)
    return;
  d_delta = fmaf (own.x, d_input, d_dt * SELECTIVE_LN_2);
  if (own.delta <= 20.0f)
    d_delta *= selective_sigmoid (own.delta).value;
  if (a.s.first_state == 0) {
    d_x = fmaf (g, channel.skip, d_x);
    sum = fmaf (channel.skip, own.x, sum);
  }
  d_z = own.d_y * sum * (z.value * fmaf (own.z, z.rest, 1.0f));

  if (a.d_x) {
    float *to = a.d_x + row * a.d_x_stride + p.e;

    *to = a.s.first_state == 0 ? d_x : *to + d_x;
  }
  if (a.d_delta) {
    float *to = a.d_delta + row * a.d_delta_stride + p.e;

    *to = a.s.first_state == 0 ? d_delta : *to + d_delta;
  }
  if (a.d_z) {
    float *to = a.d_z + row * a.d_z_stride + p.e;

    *to = a.s.first_state == 0 ? d_z : *to + d_z;
  }
}

/* The group of the rows t .. t + 3 of a piece, row `first` of the tile is its
 * first; h is the state before it. */
__device__ static void
group_backward (const Backward &a, const SelectivePlace &p, size_t t,
    const SelectiveRow &own, Channel *channel, const SelectiveTile &tile,
    unsigned first, float (&h)[4], BcSums *bc)
{
  unsigned warp = threadIdx.x / MBLM_CUDA_WARP;
  unsigned i = threadIdx.x % MBLM_CUDA_WARP / SELECTIVE_LANES;
  float dt = selective_softplus (own.delta), input = dt * own.x;
  float g = own.d_y * selective_silu (own.z);
  States states;
  Sums sums = {};

  channel->d_skip = fmaf (g, own.x, channel->d_skip);
  find_states (channel->rate, dt, input, p.lane, tile, first, h, &states);
#pragma unroll
  for (unsigned left = SELECTIVE_LANES; left > 0; left--) {
    unsigned r = left - 1;
    float dt_r = selective_of (dt, r), input_r = selective_of (input, r);
    float g_r = selective_of (g, r), b[4], c[4], d_bc[8];

    selective_four (tile.b[first + r], p.lane, b);
    selective_four (tile.c[first + r], p.lane, c);
    row_backward (channel, states.before[r], states.decay[r], h, g_r, dt_r,
        input_r, b, c, &sums, r, d_bc);
#pragma unroll
    for (unsigned k = 0; k < 4; k++)
      h[k] = states.before[r][k];
    /* Channel i of the warp's eight gets that of B, or C, of one state. */
    if (a.bc_rows)
      bc->of[warp][first + r][i / 4 * SELECTIVE_STATES + 4 * p.lane + i % 4] =
          selective_sum<8, SELECTIVE_LANES> (d_bc);
  }
  give_row (a, p, t, own, *channel,
      selective_sum<SELECTIVE_LANES, 1> (sums.sum),
      selective_sum<SELECTIVE_LANES, 1> (sums.d_input),
      selective_sum<SELECTIVE_LANES, 1> (sums.d_dt));
}

/* ------------------------------------------------------------------------- */
/* Pieces                                                                    */
/* ------------------------------------------------------------------------- */

/* From the state h before the piece, those before its groups, [groups, THREADS]. */
__device__ static void
keep_states (const Backward &a, const SelectivePlace &p, const float (&rate)[4],
    float (&h)[4], SelectiveTile *tile, float4 *kept)
{
  SelectiveRow next = selective_row<false, false> (a.s, p, 0, NULL);

  for (size_t t = 0; t < p.rows; t += SELECTIVE_LANES) {
    SelectiveRow own = next;

    kept[t / SELECTIVE_LANES * THREADS + threadIdx.x] = selective_pack (h);
    if (t + SELECTIVE_LANES >= p.rows)
      break;
    next = selective_row<false, false> (a.s, p, t + SELECTIVE_LANES, NULL);
    if (t % SELECTIVE_TILE == 0)
      selective_fill<THREADS> (a.s, p, t, tile);
    advance (rate, own, p.lane, *tile, t % SELECTIVE_TILE, h);
  }
}

/* The sums of a tile's rows over the warps; row `row` of the launch is its first. */
__device__ static void
give_bc (const Backward &a, size_t row, size_t rows, const BcSums &bc)
{
  size_t all = a.count * a.s.a.rows;
  size_t block = blockIdx.x % (unsigned) divide_up (a.s.a.width, CHANNELS);

  __syncthreads ();
  for (unsigned i = threadIdx.x; i < rows * BC; i += THREADS) {
    float sum = 0.0f;

#pragma unroll
    for (unsigned w = 0; w < WARPS; w++)
      sum += bc.of[w][i / BC][i % BC];
    a.bc_rows[(block * all + row) * BC + i] = sum;
  }
}

/* Against time; `row` is the piece's first of the launch. */
__device__ static void
piece_backward (const Backward &a, const SelectivePlace &p, size_t row,
    Channel *channel, SelectiveTile *tile, const float4 *kept, BcSums *bc)
{
  size_t t = p.rows > 0 ? (p.rows - 1) / SELECTIVE_LANES * SELECTIVE_LANES : 0;
  SelectiveRow next = selective_row<true, true> (a.s, p, t, a.d_y);
  bool is_new = true; /* tile */

  for (size_t left = divide_up (p.rows, SELECTIVE_LANES); left > 0; left--) {
    size_t first = t / SELECTIVE_TILE * SELECTIVE_TILE;
    SelectiveRow own = next;
    float h[4];

    if (t > 0)
      next = selective_row<true, true> (a.s, p, t - SELECTIVE_LANES, a.d_y);
    if (is_new)
      selective_fill<THREADS> (a.s, p, first, tile);
    selective_unpack (kept[t / SELECTIVE_LANES * THREADS + threadIdx.x], h);
    group_backward (
        a, p, t, own, channel, *tile, (unsigned) (t - first), h, bc);
    is_new = t == first;
    if (is_new && a.bc_rows)
      give_bc (a, row + first, min_size (SELECTIVE_TILE, p.rows - first), *bc);
    t -= SELECTIVE_LANES;
  }
}

/* The sums that the block leaves in row blockIdx.y * pieces + piece. */
__device__ static void
give_sums (const Backward &a, const SelectivePlace &p, const Channel &channel,
    const float (&d_start)[4])
{
  size_t width = a.s.a.width, time = blockIdx.y * a.s.pieces + p.piece;
  float d_skip = mblm_cuda_warp_sum<SELECTIVE_LANES> (channel.d_skip);
  float d_a_log[4];

#pragma unroll
  for (unsigned k = 0; k < 4; k++)
    d_a_log[k] = channel.d_rate[k] * (channel.rate[k] * SELECTIVE_LN_2);
  if (a.a_log_rows)
    selective_store (p, d_a_log, a.a_log_rows + time * width * a.s.a.state);
  if (a.skip_rows && a.s.first_state == 0 && p.is_in && p.lane == 0)
    a.skip_rows[time * width + p.e] = d_skip;
  if (a.start_rows && p.piece == 0)
    selective_store (
        p, d_start, a.start_rows + blockIdx.y * width * a.s.a.state);
}

/* Sequences i of a block, one after the other. */
__global__ static void
__launch_bounds__ (THREADS, 2) backward_kernel (
    Backward a, MblmCudaCarry carry, MblmCudaCarryGradient d_carry)
{
  MBLM_CUDA_DYNAMIC (float4, kept);
  __shared__ SelectiveTile tile;
  __shared__ BcSums bc;
  size_t first = blockIdx.y * a.each, end = min_size (first + a.each, a.count);
  SelectivePlace p = selective_place (a.s, carry.first + first);
  Channel channel = {};
  float d_start[4] = {};

  selective_load (p, a.s.a.a_log, channel.rate);
  selective_rates (channel.rate);
  channel.skip = p.is_in ? a.s.a.skip[p.e] : 0.0f;
  for (size_t i = first; i < end; i++, p.row += a.s.a.rows) {
    size_t slot = selective_slot (a.s, p, i);
    float h[4] = {};

    if (a.s.pieces == 1) {
      selective_load (p, carry.from_of (i), h);
      selective_load (p, d_carry.to_of (i), channel.d_state);
    } else if (p.is_in) {
      selective_unpack (a.s.starts[slot], h);
      selective_unpack (a.s.ends[slot], channel.d_state);
    }
    keep_states (a, p, channel.rate, h, &tile, kept);
    piece_backward (
        a, p, p.row - carry.first * a.s.a.rows, &channel, &tile, kept, &bc);
#pragma unroll
    for (unsigned k = 0; k < 4; k++) {
      d_start[k] += channel.d_state[k];
      if (p.piece == 0 && k < p.states)
        d_carry.give (i, p.at + k, channel.d_state[k]);
    }
  }
  give_sums (a, p, channel, d_start);
}

/* ------------------------------------------------------------------------- */
/* Sums over blocks                                                          */
/* ------------------------------------------------------------------------- */

/* from [blocks, rows, BC] */
__global__ static void
bc_kernel (const float *from, size_t blocks, size_t rows, size_t first_state,
    unsigned states, float *d_b, float *d_c, size_t stride)
{
  for (size_t i = mblm_cuda_thread (); i < rows * BC;
       i += mblm_cuda_threads ()) {
    size_t n = i % SELECTIVE_STATES;
    float *to = i % BC < SELECTIVE_STATES ? d_b : d_c, sum = 0.0f;

    if (!to || n >= states)
      continue;
#pragma unroll 4
    for (size_t block = 0; block < blocks; block++)
      sum += from[block * rows * BC + i];
    to[i / BC * stride + first_state + n] = sum;
  }
}

/* ------------------------------------------------------------------------- */
/* The host's part                                                           */
/* ------------------------------------------------------------------------- */

/* Parts of the scratch memory. */
struct Parts {
  MblmCudaSelectiveParts pieces;
  size_t bc_rows, a_log_rows, skip_rows, start_rows;
  size_t time_sums, start_sums;
};

/* How time and the batch are cut, for `count` sequences of a launch. */
static void
cut (Backward *self, size_t count)
{
  const MblmSelectiveScan *f = &self->s.a;
  size_t threads = mblm_cuda_count (count, f->width, SELECTIVE_LANES);
  size_t rows = PIECE_ROWS;

  while (rows > LEAST_PIECE_ROWS && f->rows > rows / 2 &&
      threads < WANTED_THREADS / divide_up (f->rows, rows))
    rows /= 2;
  self->s.piece_rows = rows;
  self->s.pieces = max_size (1, divide_up (f->rows, rows));
  self->each = 1;
  if (self->s.pieces == 1)
    self->each = max_size (1,
        min_size (
            BLOCK_ROWS / max_size (1, f->rows), threads / WANTED_THREADS));
}

static void
find_parts (MblmCudaScratch *scratch, const MblmSelectiveScanBackward *a,
    const Backward *self, size_t count, Parts *parts)
{
  const MblmSelectiveScan *f = &a->forward;
  size_t size = mblm_cuda_count (f->width, f->state);
  size_t groups = divide_up (count, self->each);
  size_t times = mblm_cuda_count (groups, self->s.pieces);
  size_t blocks = a->d_b || a->d_c ? divide_up (f->width, CHANNELS) : 0;
  size_t starts = mblm_cuda_carry_sums (&f->carry, &a->d_carry) ? groups : 0;

  mblm_cuda_selective_parts (scratch, &self->s, count, true, &parts->pieces);
  parts->bc_rows = mblm_cuda_part (scratch,
      mblm_cuda_count (blocks, mblm_cuda_count (count, f->rows), BC),
      sizeof (float));
  parts->a_log_rows = mblm_cuda_part (
      scratch, mblm_cuda_count (a->d_a_log ? times : 0, size), sizeof (float));
  parts->skip_rows = mblm_cuda_part (scratch,
      mblm_cuda_count (a->d_skip ? times : 0, f->width), sizeof (float));
  parts->start_rows = mblm_cuda_part (
      scratch, mblm_cuda_count (starts, size), sizeof (float));
  parts->time_sums = mblm_cuda_sum_rows_part (scratch, times, size);
  parts->start_sums = mblm_cuda_sum_rows_part (scratch, starts, size);
}

static void
use_parts (MblmCudaScratch *scratch, const MblmSelectiveScanBackward *a,
    const Parts *parts, Backward *self)
{
  mblm_cuda_selective_find (scratch, &parts->pieces, true, &self->s);
  if (a->d_b || a->d_c)
    self->bc_rows = mblm_cuda_at<float> (scratch, parts->bc_rows);
  if (a->d_a_log)
    self->a_log_rows = mblm_cuda_at<float> (scratch, parts->a_log_rows);
  if (a->d_skip)
    self->skip_rows = mblm_cuda_at<float> (scratch, parts->skip_rows);
  if (mblm_cuda_carry_sums (&a->forward.carry, &a->d_carry))
    self->start_rows = mblm_cuda_at<float> (scratch, parts->start_rows);
}

/* One pass over some of the states. */
static void
run_pass (MblmQueue *queue, const MblmSelectiveScanBackward *a,
    const Backward *self, const MblmCudaCarry *carry,
    const MblmCudaCarryGradient *d_carry)
{
  const MblmSelectiveScan *f = &a->forward;
  size_t first = carry->first * f->rows, rows = self->count * f->rows;
  size_t kept = min_size (f->rows, self->s.piece_rows);
  dim3 grid (mblm_cuda_selective_blocks (&self->s, THREADS),
      (unsigned) divide_up (self->count, self->each));

  mblm_cuda_selective_join (queue, &self->s, carry, a->d_y, d_carry);
  mblm_cuda_launch (queue, backward_kernel, grid, THREADS,
      divide_up (kept, SELECTIVE_LANES) * THREADS * sizeof (float4), *self,
      *carry, *d_carry);
  if (self->bc_rows)
    mblm_cuda_launch (queue, bc_kernel, mblm_cuda_blocks (rows * BC, THREADS),
        THREADS, 0, self->bc_rows, divide_up (f->width, CHANNELS), rows,
        self->s.first_state, self->s.states,
        a->d_b ? a->d_b + first * a->d_bc_stride : NULL,
        a->d_c ? a->d_c + first * a->d_bc_stride : NULL, a->d_bc_stride);
}

/* The sums over the blocks of a launch. */
static void
add_sums (MblmCudaScratch *scratch, const MblmSelectiveScanBackward *a,
    const Backward *self, const Parts *parts)
{
  const MblmSelectiveScan *f = &a->forward;
  size_t groups = divide_up (self->count, self->each);
  size_t times = groups * self->s.pieces, size = f->width * f->state;

  mblm_cuda_sum_rows_to (scratch, parts->time_sums, self->a_log_rows, times,
      size, size, a->d_a_log);
  mblm_cuda_sum_rows_to (scratch, parts->time_sums, self->skip_rows, times,
      f->width, f->width, a->d_skip);
  if (self->start_rows)
    mblm_cuda_sum_rows_to (scratch, parts->start_sums, self->start_rows, groups,
        size, size, a->d_carry.from[0]);
}

void
mblm_cuda_selective_scan_backward (
    MblmQueue *queue, const MblmSelectiveScanBackward *a)
{
  const MblmSelectiveScan *f = &a->forward;
  MblmCudaScratch scratch = {queue};
  Backward self = {.s = {.a = *f},
      .d_y = a->d_y,
      .d_x = a->d_x,
      .d_delta = a->d_delta,
      .d_z = a->d_z,
      .d_x_stride = a->d_x_stride,
      .d_delta_stride = a->d_delta_stride,
      .d_z_stride = a->d_z_stride};
  bool has_arrays = (f->carry.from && !f->carry.shared) || a->d_carry.to;
  size_t most = min_size (mblm_cuda_piece_count (has_arrays, 0, f->batch),
      max_size (1, LAUNCH_ROWS / max_size (1, f->rows)));
  /* What was carried on isn't asked for. */
  MblmCarry from = {f->carry.from, NULL, f->carry.shared};
  MblmCudaCarry carry;
  MblmCudaCarryGradient d_carry;
  Parts parts;

  cut (&self, most);
  find_parts (&scratch, a, &self, most, &parts);
  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  use_parts (&scratch, a, &parts, &self);

  for (size_t b = 0; b < f->batch; b += self.count) {
    const float *start = from.from && from.shared ? from.from[0] : NULL;

    mblm_cuda_carry_piece (&carry, &from, start, b, f->batch);
    carry.count = self.count = min_size (most, f->batch - b);
    mblm_cuda_carry_gradient_piece (
        &d_carry, &from, &a->d_carry, &carry, NULL, 0);
    /* Sums over sequences are the block's. */
    d_carry.rows = NULL;
    self.s.first_state = 0;
    do {
      mblm_cuda_selective_pass (&self.s);
      run_pass (queue, a, &self, &carry, &d_carry);
      self.s.first_state += SELECTIVE_STATES;
    } while (self.s.first_state < f->state);
    add_sums (&scratch, a, &self, &parts);
  }
}
