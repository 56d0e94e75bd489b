/* ssd-states.cu: the steps, products and states of Mamba-2's scan that its forward
 * and backward passes share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the chunks add to the states is one product for each tile, all of them at
 * once. Only the states themselves go from chunk to chunk in order, with a thread
 * for each of their numbers: that is bound by memory, 8 bytes for each number and
 * chunk, which a group's states being in the cache makes cheap. Where products
 * round, what the chunks see is written as they want it, which is 6 bytes.
 */

#include "ssd-mma.h"

#define PASS_THREADS 256
#define PASS_AHEAD 4 /* chunks that are on their way at once */

/* Floats of the states of a group. */
#define GROUP_STATES (8u << 20)
/* So many times the pieces where there are none, and so little memory is needed. */
#define MORE_ALONE 8
/* Its most units where there are no arrays. */
#define MOST_UNITS 32768

static size_t
square_root (size_t n)
{
  size_t root = (size_t) sqrt ((double) n);

  return root * root < n ? root + 1 : root;
}

SsdPlan
mblm_cuda_ssd_plan (
    const MblmSsdScan *a, bool packs, bool keeps, bool has_arrays, Ssd *ssd)
{
  size_t sequences = packs && a->rows > 0 ? max_size (1, SSD_CHUNK / a->rows)
                                          : 1;
  bool rounds = a->product == MBLM_TYPE_BF16 && a->head_dim <= SSD_TILE &&
      a->state <= 128;
  size_t numbers = !rounds ? 0 : a->state <= 64 ? 64 : 128;
  size_t matrix = rounds ? mblm_cuda_count (a->heads, SSD_TILE, numbers)
                         : mblm_cuda_count (a->heads, a->head_dim, a->state);
  size_t states = GROUP_STATES / max_size (1, matrix), chunks;
  SsdPlan plan;

  *ssd = Ssd{.x = a->x,
      .b = a->b,
      .c = a->c,
      .xbc_stride = a->xbc_stride,
      .delta = a->delta,
      .delta_stride = a->delta_stride,
      .delta_bias = a->delta_bias,
      .a_log = a->a_log,
      .skip = a->skip,
      .heads = a->heads,
      .head_dim = a->head_dim,
      .state = a->state,
      .sequence = a->rows,
      .rows = a->rows * sequences,
      .all_rows = a->batch * a->rows,
      .all_units = divide_up (a->batch, sequences),
      .all_chunks = divide_up (a->rows * sequences, SSD_CHUNK),
      .from_zeros = !a->carry.from,
      .numbers = numbers};
  if (rounds && mblm_cuda_ssd_is_alone (a, packs))
    states *= MORE_ALONE;
  states = max_size (1, states);
  chunks = max_size (1, ssd->all_chunks);
  plan.chunks = min_size (
      chunks, keeps ? max_size (states, square_root (chunks)) : states);
  plan.groups = divide_up (chunks, plan.chunks);
  plan.chunks = divide_up (chunks, plan.groups);
  plan.groups = divide_up (chunks, plan.chunks);
  plan.units = max_size (1, states / plan.chunks);
  plan.units = min_size (plan.units, max_size (1, ssd->all_units));
  plan.units = min_size (
      plan.units, has_arrays ? MBLM_CUDA_SEQUENCES : MOST_UNITS);
  return plan;
}

SsdParts
mblm_cuda_ssd_parts (const Ssd *a, const SsdPlan *plan, bool has_chunks,
    bool is_alone, MblmCudaScratch *scratch)
{
  size_t pieces = has_chunks ? mblm_cuda_ssd_pieces (plan) : 0;
  size_t tiles = mblm_cuda_count (pieces, a->heads);
  size_t lines = is_alone && has_chunks ? a->heads : tiles;
  bool rounds = a->numbers > 0, has_states = !rounds || !is_alone;

  return {
      .steps = mblm_cuda_part (scratch, tiles, sizeof (SsdSteps)),
      .products = mblm_cuda_part (scratch,
          rounds ? 0 : mblm_cuda_count (pieces, SSD_CHUNK, SSD_CHUNK),
          sizeof (float)),
      .states = mblm_cuda_part (scratch,
          has_states ? mblm_cuda_count (tiles, a->head_dim, a->state) : 0,
          sizeof (float)),
      .halves = mblm_cuda_part (scratch,
          mblm_cuda_count (pieces, 2 * SSD_CHUNK, a->numbers),
          sizeof (uint16_t)),
      .state_halves = mblm_cuda_part (scratch,
          mblm_cuda_count (lines, SSD_TILE, a->numbers), sizeof (uint16_t)),
  };
}

void
mblm_cuda_ssd_find_parts (const SsdParts *parts, const SsdPlan *plan,
    const MblmCudaScratch *scratch, Ssd *a)
{
  a->steps = mblm_cuda_at<SsdSteps> (scratch, parts->steps);
  a->products = mblm_cuda_at<float> (scratch, parts->products);
  a->states = mblm_cuda_at<float> (scratch, parts->states);
  a->b_halves = mblm_cuda_at<uint16_t> (scratch, parts->halves);
  a->c_halves = a->b_halves +
      mblm_cuda_ssd_pieces (plan) * SSD_CHUNK * a->numbers;
  a->state_halves = mblm_cuda_at<uint16_t> (scratch, parts->state_halves);
}

/* ------------------------------------------------------------------------- */
/* Steps                                                                     */
/* ------------------------------------------------------------------------- */

/* A block has a tile, a thread a step of it. */
__global__ static void
__launch_bounds__ (SSD_CHUNK) steps_kernel (Ssd a)
{
  __shared__ float decay[SSD_CHUNK];
  size_t tile = blockIdx.x, h = tile % a.heads;
  SsdPiece piece = ssd_piece (a, tile / a.heads);
  SsdSteps *steps = &a.steps[tile];
  size_t local = (piece.row + threadIdx.x) % a.rows; /* of the unit */
  unsigned i = threadIdx.x, begin;
  SsdProduct pre, post;
  float dt = 0.0f;

  decay[i] = 1.0f;
  if (i < piece.count) {
    dt = ssd_softplus (
        a.delta[(piece.row + i) * a.delta_stride + h] + a.delta_bias[h]);
    decay[i] = ssd_decay (a.a_log[h], dt);
  }
  __syncthreads ();
  begin = i - (unsigned) min_size (i, local % a.sequence);
  for (unsigned j = begin; j <= i; j++)
    pre.multiply (decay[j]);
  for (unsigned j = piece.count; j-- > i + 1;)
    post.multiply (decay[j]);
  steps->dt[i] = dt;
  steps->link[i] = i < piece.count && local % a.sequence > 0 ? decay[i] : 0.0f;
  steps->pre[i] = i < piece.count ? pre.decay () : SsdDecay{0.0f, 0.0f};
  steps->post[i] = i < piece.count ? post.decay () : SsdDecay{0.0f, 0.0f};
  if (i + 1 == piece.count)
    steps->total = pre.decay ();
}

void
mblm_cuda_ssd_steps (MblmQueue *queue, const Ssd *a)
{
  mblm_cuda_launch (queue, steps_kernel,
      (unsigned) (a->units * a->chunks * a->heads), SSD_CHUNK, 0, *a);
  if (a->numbers > 0)
    mblm_cuda_ssd_mma_halves (queue, a);
}

/* ------------------------------------------------------------------------- */
/* Products                                                                  */
/* ------------------------------------------------------------------------- */

/* A block has a piece. */
__global__ static void
__launch_bounds__ (SSD_THREADS, 3) products_kernel (Ssd a)
{
  __shared__ SsdTiles tiles;
  SsdPiece piece = ssd_piece (a, blockIdx.x);
  const float *b = a.b + piece.row * a.xbc_stride;
  const float *c = a.c + piece.row * a.xbc_stride;
  float *out = a.products + blockIdx.x * (size_t) (SSD_CHUNK * SSD_CHUNK);
  SsdSum sum = {};

  ssd_multiply<true, true> (
      tiles, a.state,
      [&] (unsigned n, unsigned i) {
        return i < piece.count ? c[i * a.xbc_stride + n] : 0.0f;
      },
      [&] (unsigned n, unsigned j) {
        return j < piece.count ? b[j * a.xbc_stride + n] : 0.0f;
      },
      sum);
#pragma unroll
  for (unsigned r = 0; r < 8; r++)
    ssd_store (out + ssd_row (r) * SSD_CHUNK + ssd_column (), sum[r], 4);
}

void
mblm_cuda_ssd_products (MblmQueue *queue, const Ssd *a)
{
  mblm_cuda_launch (queue, products_kernel, (unsigned) (a->units * a->chunks),
      SSD_THREADS, 0, *a);
}

/* A block has a square of the state of a tile. */
__global__ static void
__launch_bounds__ (SSD_THREADS, 3) outer_kernel (Ssd a, SsdOuter outer)
{
  __shared__ SsdTiles tiles;
  __shared__ SsdDecay weight[SSD_CHUNK];
  size_t tile = blockIdx.x, h = tile % a.heads;
  size_t first_p = blockIdx.y * SSD_TILE, first_n = blockIdx.z * SSD_TILE;
  SsdPiece piece = ssd_piece (a, tile / a.heads);
  const SsdSteps *steps = &a.steps[tile];
  size_t p_count = a.head_dim - first_p, n_count = a.state - first_n;
  const float *left = outer.left + piece.row * outer.left_stride +
      h * a.head_dim + first_p;
  const float *right = outer.right + piece.row * a.xbc_stride + first_n;
  float *out = outer.out + tile * a.head_dim * a.state + first_n;
  SsdSum sum = {};

  if (threadIdx.x < SSD_CHUNK) {
    SsdDecay own = steps->post[threadIdx.x];

    own.value *= steps->dt[threadIdx.x];
    weight[threadIdx.x] = outer.is_gradient ? steps->pre[threadIdx.x] : own;
  }
  __syncthreads ();
  ssd_multiply<false, false> (
      tiles, piece.count,
      [&] (unsigned j, unsigned p) {
        return p < p_count ? weight[j].times (left[j * outer.left_stride + p])
                           : 0.0f;
      },
      [&] (unsigned j, unsigned n) {
        return n < n_count ? right[j * a.xbc_stride + n] : 0.0f;
      },
      sum);
#pragma unroll
  for (unsigned r = 0; r < 8; r++)
    if (ssd_row (r) < p_count && ssd_column () < n_count)
      ssd_store (out + (first_p + ssd_row (r)) * a.state + ssd_column (),
          sum[r], n_count - ssd_column ());
}

static void
run_outer (MblmQueue *queue, const Ssd *a, const SsdOuter *outer)
{
  dim3 grid ((unsigned) (a->units * a->chunks * a->heads),
      (unsigned) divide_up (a->head_dim, SSD_TILE),
      (unsigned) divide_up (a->state, SSD_TILE));

  if (a->numbers > 0)
    mblm_cuda_ssd_mma_outer (queue, a, outer);
  else
    mblm_cuda_launch (queue, outer_kernel, grid, SSD_THREADS, 0, *a, *outer);
}

void
mblm_cuda_ssd_states (MblmQueue *queue, const Ssd *a)
{
  SsdOuter outer = {.left = a->x,
      .right = a->b,
      .halves = a->b_halves,
      .left_stride = a->xbc_stride,
      .out = a->states};

  run_outer (queue, a, &outer);
}

void
mblm_cuda_ssd_gradients (MblmQueue *queue, const Ssd *a, const float *g,
    size_t slab, float *d_states)
{
  SsdOuter outer = {.left = g,
      .right = a->c,
      .halves = a->c_halves,
      .left_stride = a->heads * a->head_dim,
      .is_gradient = true,
      .slab = slab,
      .out = d_states};

  run_outer (queue, a, &outer);
}

/* ------------------------------------------------------------------------- */
/* From chunk to chunk                                                       */
/* ------------------------------------------------------------------------- */

/* One number of the state of a head. */
struct Number {
  size_t h, at; /* in the state of a unit */
  bool is_in;   /* or it only fills up what is rounded */
};

/* That of this thread: rounded, a head has lines and numbers that aren't there. */
template <bool ROUNDS>
__device__ static Number
number_of (const Ssd &a)
{
  size_t thread = mblm_cuda_thread (), matrix = a.head_dim * a.state;

  if constexpr (ROUNDS) {
    size_t n = thread % a.numbers, p = thread / a.numbers % SSD_TILE;
    size_t h = thread / a.numbers / SSD_TILE;

    return {h, h * matrix + p * a.state + n,
        h < a.heads && p < a.head_dim && n < a.state};
  }
  return {thread / matrix, thread, thread < a.heads * matrix};
}

/* Takes a number of the state of unit u through the chunks, or back. What is
 * `adds`-ed is replaced by what was there before; or that is rounded, to `halves`.
 * */
template <bool BACK, bool ROUNDS>
__device__ static float
pass (const Ssd &a, size_t u, const Number &number, bool adds, float now,
    float *numbers, uint16_t *halves)
{
  size_t size = a.heads * a.head_dim * a.state;
  size_t padded = a.heads * SSD_TILE * a.numbers;

  for (size_t c = 0; c < a.chunks; c += PASS_AHEAD) {
    SsdDecay total[PASS_AHEAD];
    float own[PASS_AHEAD];

#pragma unroll
    for (unsigned k = 0; k < PASS_AHEAD; k++) {
      size_t chunk = BACK ? a.chunks - 1 - c - k : c + k;
      size_t piece = u * a.chunks + chunk;
      bool is_in = number.is_in && c + k < a.chunks;

      own[k] = is_in && adds ? numbers[piece * size + number.at] : 0.0f;
      total[k] = is_in ? a.steps[piece * a.heads + number.h].total
                       : SsdDecay{0.0f, 0.0f};
    }
#pragma unroll
    for (unsigned k = 0; k < PASS_AHEAD; k++) {
      size_t chunk = BACK ? a.chunks - 1 - c - k : c + k;
      size_t piece = u * a.chunks + chunk;

      if (c + k >= a.chunks)
        continue;
      if constexpr (ROUNDS)
        halves[piece * padded + mblm_cuda_thread ()] = mblm_cuda_to_bf16 (now);
      else
        numbers[piece * size + number.at] = now;
      now = total[k].times (now) + own[k];
    }
  }
  return now;
}

/* Whether this thread has anything to do. */
template <bool ROUNDS>
__device__ static bool
has_number (const Ssd &a, const Number &number)
{
  return ROUNDS ? number.h < a.heads : number.is_in;
}

/* Threads for the numbers of the units. */
static dim3
pass_grid (const Ssd *a)
{
  size_t size = a->heads *
      (a->numbers > 0 ? SSD_TILE * a->numbers : a->head_dim * a->state);

  return dim3 ((unsigned) divide_up (size, PASS_THREADS), (unsigned) a->units);
}

template <bool ROUNDS>
__global__ static void
pass_kernel (
    Ssd a, MblmCudaCarry carry, const float *before, float *after, bool adds)
{
  size_t size = a.heads * a.head_dim * a.state, u = blockIdx.y;
  Number number = number_of<ROUNDS> (a);
  const float *from = before ? before + u * size : carry.from_of (u);
  float *to = after ? after + u * size : carry.to_of (u);
  float now;

  if (!has_number<ROUNDS> (a, number))
    return;
  now = pass<false, ROUNDS> (a, u, number, adds,
      from && number.is_in ? from[number.at] : 0.0f, a.states, a.state_halves);
  if (to && number.is_in)
    to[number.at] = now;
}

void
mblm_cuda_ssd_pass (MblmQueue *queue, const Ssd *a, const MblmCudaCarry *carry,
    const float *before, float *after, bool adds)
{
  mblm_cuda_launch (queue,
      a->numbers > 0 ? pass_kernel<true> : pass_kernel<false>, pass_grid (a),
      PASS_THREADS, 0, *a, *carry, before, after, adds);
}

template <bool ROUNDS>
__global__ static void
pass_back_kernel (Ssd a, SsdGradients d, MblmCudaCarryGradient gradient,
    const float *after, float *before, bool adds)
{
  size_t size = a.heads * a.head_dim * a.state, u = blockIdx.y;
  Number number = number_of<ROUNDS> (a);
  const float *to = after ? after + u * size : gradient.to_of (u);
  float now;

  if (!has_number<ROUNDS> (a, number))
    return;
  now = pass<true, ROUNDS> (a, u, number, adds,
      to && number.is_in ? to[number.at] : 0.0f, d.states, d.halves);
  if (!number.is_in)
    return;
  if (before)
    before[u * size + number.at] = now;
  else
    gradient.give (u, number.at, now);
}

void
mblm_cuda_ssd_pass_back (MblmQueue *queue, const Ssd *a, const SsdGradients *d,
    const MblmCudaCarryGradient *gradient, const float *after, float *before,
    bool adds)
{
  mblm_cuda_launch (queue,
      a->numbers > 0 ? pass_back_kernel<true> : pass_back_kernel<false>,
      pass_grid (a), PASS_THREADS, 0, *a, *d, *gradient, after, before, adds);
}
