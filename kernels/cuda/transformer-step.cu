/* transformer-step.cu: the next row of a few sequences, through all layers.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The floor is the weights, read once. One launch does it all, a block on each
 * multiprocessor, and a block has the same rows of every weight: it knows long
 * before which memory it needs, and a ring in shared memory keeps that coming
 * whatever else happens. A thread brings only what it will use, so nobody waits for
 * another's copies. Between products, blocks send each other what they found, number
 * by number (letters.h): there is no barrier over the grid.
 *
 * A warp has a slice of the columns, for all rows of the block: eight rows at once,
 * four lanes to a row. The sums of the warps meet in shared memory. A norm scales a
 * whole row, so its factor waits until the sums are there. Heads are spread over
 * blocks.
 *
 * The shape and the number of multiprocessors decide the order of every sum.
 */

#include "transformer-attention.h"
#include "transformer-block.h"

/* ------------------------------------------------------------------------- */
/* Rotary embedding                                                          */
/* ------------------------------------------------------------------------- */

/* Double precision makes the reduction of the angle short: no library function,
 * whose case of large angles takes local memory. */
__device__ static float2
step_angle (float angle)
{
  double x = angle, n = rint (x * 0.63661977236758134); /* 2 / pi */
  double r = fma (-n, 6.123233995736766e-17, fma (-n, 1.5707963267948966, x));
  double q = r * r, sine, cosine;
  int quarter = (int) ((long long) n & 3);

  sine = fma (q, 1.0 / 6227020800.0, -1.0 / 39916800.0);
  sine = fma (q, sine, 1.0 / 362880.0);
  sine = fma (q, sine, -1.0 / 5040.0);
  sine = fma (q, sine, 1.0 / 120.0);
  sine = fma (q, sine, -1.0 / 6.0);
  sine = fma (q * r, sine, r);
  cosine = fma (q, 1.0 / 479001600.0, -1.0 / 3628800.0);
  cosine = fma (q, cosine, 1.0 / 40320.0);
  cosine = fma (q, cosine, -1.0 / 720.0);
  cosine = fma (q, cosine, 1.0 / 24.0);
  cosine = fma (q, cosine, -0.5);
  cosine = fma (q, cosine, 1.0);
  if (quarter & 1) {
    double other = cosine;

    cosine = -sine;
    sine = other;
  }
  if (quarter & 2) {
    cosine = -cosine;
    sine = -sine;
  }
  return make_float2 ((float) cosine, (float) sine);
}

/* ------------------------------------------------------------------------- */
/* The grid                                                                  */
/* ------------------------------------------------------------------------- */

template <typename T>
__global__ static void
__launch_bounds__ (STEP_THREADS, 1) step_kernel (const Step a)
{
  MBLM_CUDA_DYNAMIC (float, memory);
  StepShared s = step_shared (a);
  StepBlock<T> block = {a, (uint4 *) memory, (StepShare *) (memory + s.shares),
      memory + s.x, memory + s.partial, memory + s.squares,
      (float2 *) (memory + s.angles), threadIdx.x / MBLM_CUDA_WARP,
      threadIdx.x % MBLM_CUDA_WARP};
  StepAttention attention = {a, memory + s.attention};
  unsigned half = a.frequency ? a.head_dim / 2 : 0;

  block.passing = mblm_cuda_policy_first ();
  if (threadIdx.x < STEP_PRODUCTS)
    block.shares[threadIdx.x] = step_share (
        a, threadIdx.x, blockIdx.x, gridDim.x, StepBlock<T>::slice);
  __syncthreads ();
  block.fill_ring ();
  for (unsigned i = threadIdx.x; i < a.batch * half; i += STEP_THREADS)
    block.angles[i] = step_angle (
        (float) a.past[i / half] * a.frequency[i % half]);
  for (unsigned i = 0; i <= a.layers * STEP_LOGITS; i++) {
    block.run_product (i);
    if (block.kind_of (i) == STEP_QKV)
      attention.run (i / STEP_LOGITS);
  }
}

/* ------------------------------------------------------------------------- */
/* What is served                                                            */
/* ------------------------------------------------------------------------- */

static bool
is_aligned (const void *address)
{
  return (uintptr_t) address % 16 == 0;
}

static bool
is_weight (const MblmTransformerStep *a, const MblmMatrix *weight)
{
  return weight->type == a->layer[0].qkv.type && is_aligned (weight->data);
}

static bool
serves_shape (const MblmTransformerStep *a)
{
  size_t inner = a->heads * a->head_dim, most = 1u << 24;

  return a->batch >= 1 && a->batch <= STEP_MOST_BATCH && a->layers >= 1 &&
      a->layers <= STEP_MOST_LAYERS &&
      a->batch * a->layers <= STEP_MOST_STATES && a->dim % 16 == 0 &&
      inner % 8 == 0 && a->wide % 8 == 0 && a->head_dim <= STEP_MOST_WIDTH &&
      a->dim <= most && inner <= most && a->wide <= most &&
      (!a->to_logits.data || a->to_logits.rows <= most);
}

static bool
serves (const MblmTransformerStep *a)
{
  bool serves = serves_shape (a) && is_aligned (a->input) &&
      is_aligned (a->table.data) && is_aligned (a->positions.data) &&
      (!a->to_logits.data || is_weight (a, &a->to_logits));

  for (size_t i = 0; serves && i < a->layers; i++) {
    const MblmTransformerLayer *l = &a->layer[i];

    serves = is_weight (a, &l->qkv) && is_weight (a, &l->out) &&
        is_weight (a, &l->up) && is_weight (a, &l->down);
  }
  for (size_t i = 0; serves && i < a->batch * a->layers; i++) {
    const MblmTransformerState *s = &a->state[i];

    serves = is_aligned (s->key) && is_aligned (s->value) &&
        is_aligned (s->attention_shift) && is_aligned (s->ff_shift);
  }
  for (size_t b = 0; serves && b < a->batch; b++)
    serves = a->past[b] < STEP_MOST_KEYS &&
        (!a->addend || is_aligned (a->addend[b]));
  return serves;
}

/* ------------------------------------------------------------------------- */
/* The launch                                                                */
/* ------------------------------------------------------------------------- */

static void
put_layers (Step *step, const MblmTransformerStep *a)
{
  for (size_t i = 0; i < a->layers; i++) {
    const MblmTransformerLayer *l = &a->layer[i];

    step->layer[i] = {{l->qkv.data, l->out.data, l->up.data, l->down.data},
        l->attention_gain, l->ff_gain, l->up_bias, l->down_bias};
  }
  for (size_t i = 0; i < a->batch * a->layers; i++)
    step->state[i] = a->state[i];
  for (size_t b = 0; b < a->batch; b++) {
    step->past[b] = (unsigned) a->past[b];
    step->position[b] = a->positions.data ? (unsigned) a->position[b] : 0;
    step->ids[b] = a->table.data && !a->drawn ? a->ids[b] : 0;
    step->addend[b] = a->addend ? a->addend[b] : NULL;
  }
}

static void
put_rest (Step *step, const MblmTransformerStep *a)
{
  step->batch = (unsigned) a->batch;
  step->layers = (unsigned) a->layers;
  step->dim = (unsigned) a->dim;
  step->heads = (unsigned) a->heads;
  step->head_dim = (unsigned) a->head_dim;
  step->inner = step->heads * step->head_dim;
  step->wide = (unsigned) a->wide;
  step->vocabulary = a->to_logits.data ? (unsigned) a->to_logits.rows : 0;
  step->frequency = a->frequency;
  step->gain = a->gain;
  step->input = a->input;
  step->drawn = a->drawn;
  step->table = a->table.data;
  step->positions = a->positions.data;
  step->table_type = a->table.type;
  step->positions_type = a->positions.type;
  step->epsilon = a->epsilon;
  step->part = 1.0f / (float) a->dim;
  step->score_scale = 1.0f / sqrtf ((float) a->head_dim);
  step->out = a->out;
  step->to_logits = a->to_logits.data;
  step->logits_bias = a->logits_bias;
  step->logits = a->logits;
}

/* Zeros at first, and after the stamp has gone round; stamp 0 is nobody's. */
static bool
put_letters (MblmQueue *queue, Step *step)
{
  unsigned batch = step->batch;
  StepLetters *l = &step->letters;
  size_t count;

  l->attended = batch * 3 * step->inner;
  l->middle = l->attended + batch * step->inner;
  l->wide = l->middle + batch * step->dim;
  l->next = l->wide + batch * step->wide;
  l->all = l->next + batch * step->dim;
  count = mblm_cuda_count (l->all, step->layers);
  if (count > queue->letters_count) {
    if (!mblm_cuda_check (queue, cudaStreamSynchronize (queue->stream)))
      return false;
    cudaFree (queue->letters);
    queue->letters = NULL;
    queue->letters_count = 0;
    if (!mblm_cuda_check (
            queue, cudaMalloc (&queue->letters, count * sizeof (uint64_t))))
      return false;
    queue->letters_count = count;
    queue->stamp = UINT32_MAX;
  }
  if (++queue->stamp == 0) {
    queue->stamp = 1;
    if (!mblm_cuda_check (queue,
            cudaMemsetAsync (queue->letters, 0,
                queue->letters_count * sizeof (uint64_t), queue->stream)))
      return false;
  }
  l->memory = queue->letters;
  l->stamp = queue->stamp;
  return true;
}

template <typename T>
static bool
run (MblmQueue *queue, Step *step)
{
  constexpr unsigned slice = StepBlock<T>::slice;
  unsigned blocks = (unsigned) queue->device->multiprocessors;
  size_t most = (size_t) queue->device->shared_memory, fixed;

  for (unsigned kind = 0; kind < STEP_PRODUCTS; kind++)
    for (unsigned b = 0; b < blocks; b++) {
      StepShare share = step_share (*step, kind, b, blocks, slice);

      step->most_rows = (unsigned) max_size (step->most_rows, 8 * share.groups);
      step->most_span = (unsigned) max_size (
          step->most_span, share.passes * slice);
    }
  fixed = step_shared (*step).bytes;
  if (fixed > most || (most - fixed) / STEP_UNIT_BYTES < 2)
    return false;
  step->units = (unsigned) min_size (
      (most - fixed) / STEP_UNIT_BYTES, STEP_MOST_UNITS);
  if (!put_letters (queue, step))
    return true;
  return mblm_cuda_launch_together (queue, step_kernel<T>, blocks, STEP_THREADS,
      step_shared (*step).bytes, *step);
}

bool
mblm_cuda_transformer_step (MblmQueue *queue, const MblmTransformerStep *a)
{
  Step step = {};

  if (!serves (a) || !mblm_cuda_begin (queue))
    return false;
  put_layers (&step, a);
  put_rest (&step, a);
  if (a->layer[0].qkv.type == MBLM_TYPE_F32)
    return run<float> (queue, &step);
  return run<uint16_t> (queue, &step);
}
