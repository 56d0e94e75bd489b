/* ssd-states.cu: the steps, products and states of Mamba-2's scan that its forward
 * and backward passes share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the chunks add to the states is one product for each tile, all of them at
 * once. Only the states themselves go from chunk to chunk in order, with a thread
 * for each of their numbers: that is bound by memory, 8 bytes for each number and
 * chunk, which a group's states being in the cache makes cheap.
 */

#include "ssd.h"

#define PASS_THREADS 256
#define PASS_AHEAD 4 /* chunks that are on their way at once */

/* Floats of the states of a group. */
#define GROUP_STATES (8u << 20)
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
  size_t matrix = mblm_cuda_count (a->heads, a->head_dim, a->state);
  size_t states = max_size (1, GROUP_STATES / max_size (1, matrix)), chunks;
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
      .from_zeros = !a->carry.from};
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
    decay[i] = expf (-expf (a.a_log[h]) * dt);
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

/* The sum over the steps of a tile of weight left (outer) right, `left` like x and
 * `right` like b. */
struct SsdOuter {
  const float *left, *right;
  size_t left_stride;
  bool is_gradient; /* weights are pre; otherwise dt post */
  float *out;       /* [tiles, head_dim, state] */
};

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

  mblm_cuda_launch (queue, outer_kernel, grid, SSD_THREADS, 0, *a, *outer);
}

void
mblm_cuda_ssd_states (MblmQueue *queue, const Ssd *a)
{
  SsdOuter outer = {a->x, a->b, a->xbc_stride, false, a->states};

  run_outer (queue, a, &outer);
}

void
mblm_cuda_ssd_gradients (
    MblmQueue *queue, const Ssd *a, const float *g, float *d_states)
{
  SsdOuter outer = {g, a->c, a->heads * a->head_dim, true, d_states};

  run_outer (queue, a, &outer);
}

/* ------------------------------------------------------------------------- */
/* From chunk to chunk                                                       */
/* ------------------------------------------------------------------------- */

/* Takes one number of the state of unit u, `at`, through the chunks; they are
 * forward[0 .. chunks - 1] of STEP 1, or backward of STEP -1. What is `adds`-ed is
 * replaced by what was there before. */
template <bool BACK>
__device__ static float
pass (const Ssd &a, size_t u, size_t at, bool adds, float now, float *numbers)
{
  size_t matrix = a.head_dim * a.state, size = a.heads * matrix;
  size_t h = at / matrix;

  for (size_t c = 0; c < a.chunks; c += PASS_AHEAD) {
    SsdDecay total[PASS_AHEAD];
    float own[PASS_AHEAD];

#pragma unroll
    for (unsigned k = 0; k < PASS_AHEAD; k++) {
      size_t chunk = BACK ? a.chunks - 1 - c - k : c + k;
      size_t piece = u * a.chunks + chunk;
      bool is_in = c + k < a.chunks;

      own[k] = is_in && adds ? numbers[piece * size + at] : 0.0f;
      total[k] = is_in ? a.steps[piece * a.heads + h].total
                       : SsdDecay{0.0f, 0.0f};
    }
#pragma unroll
    for (unsigned k = 0; k < PASS_AHEAD; k++) {
      size_t chunk = BACK ? a.chunks - 1 - c - k : c + k;

      if (c + k >= a.chunks)
        continue;
      numbers[(u * a.chunks + chunk) * size + at] = now;
      now = total[k].times (now) + own[k];
    }
  }
  return now;
}

__global__ static void
pass_kernel (
    Ssd a, MblmCudaCarry carry, const float *before, float *after, bool adds)
{
  size_t size = a.heads * a.head_dim * a.state, u = blockIdx.y;
  size_t at = mblm_cuda_thread ();
  const float *from = before ? before + u * size : carry.from_of (u);
  float *to = after ? after + u * size : carry.to_of (u);
  float now;

  if (at >= size)
    return;
  now = pass<false> (a, u, at, adds, from ? from[at] : 0.0f, a.states);
  if (to)
    to[at] = now;
}

void
mblm_cuda_ssd_pass (MblmQueue *queue, const Ssd *a, const MblmCudaCarry *carry,
    const float *before, float *after, bool adds)
{
  size_t size = a->heads * a->head_dim * a->state;

  mblm_cuda_launch (queue, pass_kernel,
      dim3 ((unsigned) divide_up (size, PASS_THREADS), (unsigned) a->units),
      PASS_THREADS, 0, *a, *carry, before, after, adds);
}

__global__ static void
pass_back_kernel (Ssd a, float *d_states, MblmCudaCarryGradient gradient,
    const float *after, float *before, bool adds)
{
  size_t size = a.heads * a.head_dim * a.state, u = blockIdx.y;
  size_t at = mblm_cuda_thread ();
  const float *to = after ? after + u * size : gradient.to_of (u);
  float now;

  if (at >= size)
    return;
  now = pass<true> (a, u, at, adds, to ? to[at] : 0.0f, d_states);
  if (before)
    before[u * size + at] = now;
  else
    gradient.give (u, at, now);
}

void
mblm_cuda_ssd_pass_back (MblmQueue *queue, const Ssd *a, float *d_states,
    const MblmCudaCarryGradient *gradient, const float *after, float *before,
    bool adds)
{
  size_t size = a->heads * a->head_dim * a->state;

  mblm_cuda_launch (queue, pass_back_kernel,
      dim3 ((unsigned) divide_up (size, PASS_THREADS), (unsigned) a->units),
      PASS_THREADS, 0, *a, d_states, *gradient, after, before, adds);
}
