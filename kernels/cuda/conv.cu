/* conv.cu: the causal depthwise convolution of the Mamba blocks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A thread walks down a stretch of rows of one channel, with the inputs of the
 * taps in registers; neighbours have neighbouring channels, so that every access
 * is a line of memory. The rows before a stretch are read again, from the cache.
 * The floor is memory: forward x and out once, 8 bytes an entry, backward x,
 * d_out and d_x, 12 bytes. Short sequences are one stretch and one launch.
 *
 * Inputs are counted with the carried rows first: row t is input taps - 1 + t,
 * and its taps are inputs t .. t + taps - 1. Slots of registers are in the order
 * of time, the newest last; with fewer taps than slots the first ones are unused.
 */

#include "sequences.h"
#include "sums.h"

#include <math.h>

#define THREADS 128
#define MOST_TAPS 16
#define STRETCH 16      /* rows of a thread, forward */
#define BACK_STRETCH 64 /* and backward: sums over them are kept for each */
#define AHEAD 4         /* rows that are on their way at once */
#define MOST_STRETCHES 65535

struct Conv {
  const float *x;
  size_t x_stride;
  const float *weight, *bias;
  float *out;
  size_t out_stride, rows, width, taps, stretch;
};

/* An array of slots for TAPS taps, or for any number where these are the most. */
template <int TAPS>
__device__ static size_t
taps_of (const Conv &a)
{
  return TAPS == MOST_TAPS ? a.taps : TAPS;
}

/* Input i of channel c of sequence b. */
__device__ static float
input_at (const Conv &a, const float *from, size_t b, size_t c, size_t i)
{
  size_t kept = a.taps - 1;

  if (i >= kept)
    return a.x[(b * a.rows + i - kept) * a.x_stride + c];
  return from ? from[i * a.width + c] : 0.0f;
}

/* The slots as they are before row t: inputs t .. t + taps - 2 are in the last,
 * and move on by one when the row comes. */
template <int TAPS>
__device__ static void
fill_slots (const Conv &a, const float *from, size_t b, size_t c, size_t t,
    float (&slots)[TAPS])
{
  size_t unused = TAPS - taps_of<TAPS> (a);

#pragma unroll
  for (unsigned s = 0; s < TAPS; s++)
    slots[s] = s > unused ? input_at (a, from, b, c, t + s - unused - 1) : 0.0f;
}

template <int TAPS>
__device__ static void
push (float (&slots)[TAPS], float newest)
{
#pragma unroll
  for (unsigned s = 0; s + 1 < TAPS; s++)
    slots[s] = slots[s + 1];
  slots[TAPS - 1] = newest;
}

template <int TAPS>
__device__ static void
load_weight (const Conv &a, size_t c, float (&weight)[TAPS])
{
  size_t taps = taps_of<TAPS> (a), unused = TAPS - taps;

#pragma unroll
  for (unsigned s = 0; s < TAPS; s++)
    weight[s] = s >= unused ? a.weight[c * taps + s - unused] : 0.0f;
}

/* The latest tap first: what rows before this one take of an input. */
template <int TAPS>
__device__ static void
load_reversed (const Conv &a, size_t c, float (&reversed)[TAPS])
{
  size_t taps = taps_of<TAPS> (a);

#pragma unroll
  for (unsigned s = 0; s < TAPS; s++)
    reversed[s] = TAPS - s <= taps ? a.weight[c * taps + TAPS - 1 - s] : 0.0f;
}

/* Before silu. */
template <int TAPS>
__device__ static float
weigh (const Conv &a, const float (&weight)[TAPS], const float (&slots)[TAPS],
    float bias)
{
  size_t unused = TAPS - taps_of<TAPS> (a);
  float sum = bias;

#pragma unroll
  for (unsigned s = 0; s < TAPS; s++)
    if (s >= unused)
      sum = fmaf (weight[s], slots[s], sum);
  return sum;
}

static Conv
conv_of (const MblmConv *a)
{
  return {a->x, a->x_stride, a->weight, a->bias, a->out, a->out_stride, a->rows,
      a->width, a->taps};
}

/* ------------------------------------------------------------------------- */
/* Forward                                                                   */
/* ------------------------------------------------------------------------- */

/* Leaves what is carried on itself where one stretch is all of a sequence. */
template <int TAPS>
__global__ static void
__launch_bounds__ (THREADS) conv_kernel (Conv a, MblmCudaCarry carry)
{
  size_t c = mblm_cuda_thread (), b = carry.first + blockIdx.y;
  size_t first = blockIdx.z * a.stretch;
  size_t end = min_size (a.rows, first + a.stretch);
  size_t unused = TAPS - taps_of<TAPS> (a);
  float *to = gridDim.z == 1 ? carry.to_of (blockIdx.y) : NULL;
  float weight[TAPS], slots[TAPS], bias;

  if (c >= a.width)
    return;
  bias = a.bias ? a.bias[c] : 0.0f;
  load_weight (a, c, weight);
  fill_slots (a, carry.from_of (blockIdx.y), b, c, first, slots);
  for (size_t t = first; t < end; t += AHEAD) {
    size_t row = b * a.rows + t;
    float ahead[AHEAD];

#pragma unroll
    for (int k = 0; k < AHEAD; k++)
      ahead[k] = t + k < end ? a.x[(row + k) * a.x_stride + c] : 0.0f;
#pragma unroll
    for (int k = 0; k < AHEAD; k++)
      if (t + k < end) {
        float sum;

        push (slots, ahead[k]);
        sum = weigh (a, weight, slots, bias);
        a.out[(row + k) * a.out_stride + c] = sum / (1.0f + expf (-sum));
      }
  }
  if (to) {
#pragma unroll
    for (unsigned s = 0; s < TAPS; s++)
      if (s > unused)
        to[(s - unused - 1) * a.width + c] = slots[s];
  }
}

/* The last inputs of each sequence. Rising in time, none is written before it is
 * read where it is left where it came from. */
__global__ static void
conv_carry_kernel (Conv a, MblmCudaCarry carry)
{
  size_t c = mblm_cuda_thread (), b = carry.first + blockIdx.y;
  const float *from = carry.from_of (blockIdx.y);
  float *to = carry.to_of (blockIdx.y);

  if (c >= a.width || !to)
    return;
  for (size_t i = 0; i + 1 < a.taps; i++)
    to[i * a.width + c] = input_at (a, from, b, c, i + a.rows);
}

void
mblm_cuda_conv (MblmQueue *queue, const MblmConv *a)
{
  MblmCudaScratch scratch = {queue};
  size_t size = (a->taps - 1) * a->width;
  size_t part = mblm_cuda_carry_part (&scratch, &a->carry, a->batch, size);
  unsigned columns = (unsigned) divide_up (a->width, THREADS), stretches;
  Conv conv = conv_of (a);
  MblmCudaCarry carry;
  const float *start;

  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  conv.stretch = max_size (STRETCH, divide_up (a->rows, MOST_STRETCHES));
  stretches = (unsigned) max_size (1, divide_up (a->rows, conv.stretch));
  start = mblm_cuda_carry_start (&scratch, part, &a->carry, a->batch, size);
  for (size_t b = 0; b < a->batch; b += carry.count) {
    mblm_cuda_carry_piece (&carry, &a->carry, start, b, a->batch);
    mblm_cuda_launch (queue, a->taps == 4 ? conv_kernel<4> : conv_kernel<16>,
        dim3 (columns, (unsigned) carry.count, stretches), THREADS, 0, conv,
        carry);
    if (stretches > 1 && a->carry.to)
      mblm_cuda_launch (queue, conv_carry_kernel,
          dim3 (columns, (unsigned) carry.count), THREADS, 0, conv, carry);
  }
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

/* Sequences of a piece where there are no arrays: whole groups. */
#define MOST_OF_PIECE 32768

/* A stretch here is of inputs: each is finished by the row that it is the first
 * tap of. A group of short sequences shares its sums. */
struct ConvBack {
  const float *d_out;
  size_t d_out_stride;
  float *d_x;
  size_t d_x_stride, together; /* sequences of a group: a power of two */
  float *d_weight;             /* [groups, stretches, width, taps] or NULL */
  float *d_bias;               /* [groups, stretches, width] or NULL */
};

/* The slope of silu; 1 - s isn't found by subtraction. */
__device__ static float
silu_slope (float x)
{
  float e = expf (-fabsf (x)), large = 1.0f / (1.0f + e), small = e * large;
  float s = x < 0.0f ? small : large, rest = x < 0.0f ? large : small;

  return s * fmaf (x, rest, 1.0f);
}

/* Of a thread: what it adds up. */
template <int TAPS> struct ConvSums {
  float weight[TAPS], bias;
};

/* The gradients by the sums before silu, of rows t .. t + COUNT - 1 as far as they
 * are before `end`; zeros after the last row. */
template <int COUNT>
__device__ static void
load_ahead (const Conv &a, const ConvBack &back, size_t b, size_t c, size_t t,
    size_t end, float (&x)[COUNT], float (&d_out)[COUNT])
{
#pragma unroll
  for (int k = 0; k < COUNT; k++) {
    bool is_in = t + k < min_size (end, a.rows);
    size_t row = b * a.rows + t + k;

    x[k] = is_in ? a.x[row * a.x_stride + c] : 0.0f;
    d_out[k] = is_in ? back.d_out[row * back.d_out_stride + c] : 0.0f;
  }
}

/* The gradient of input t, from those of the rows that it is a tap of. */
template <int TAPS>
__device__ static void
store_input (const Conv &a, const ConvBack &back,
    const MblmCudaCarryGradient &gradient, size_t i, size_t b, size_t c,
    size_t t, float d_input)
{
  size_t kept = taps_of<TAPS> (a) - 1;

  if (t >= a.rows && gradient.to_of (i))
    d_input += gradient.to_of (i)[(t - a.rows) * a.width + c];
  if (t < kept)
    gradient.give (i, t * a.width + c, d_input);
  else if (back.d_x)
    back.d_x[(b * a.rows + t - kept) * back.d_x_stride + c] = d_input;
}

/* Inputs first .. end - 1 of channel c of sequence i of the piece. */
template <int TAPS>
__device__ static void
walk_back (const Conv &a, const ConvBack &back, const MblmCudaCarry &carry,
    const MblmCudaCarryGradient &gradient, size_t i, size_t c, size_t first,
    size_t end, const float (&weight)[TAPS], const float (&reversed)[TAPS],
    ConvSums<TAPS> *sums)
{
  constexpr int ahead = TAPS == MOST_TAPS ? 1 : AHEAD; /* for registers */
  size_t taps = taps_of<TAPS> (a), b = carry.first + i;
  size_t begin = first - min_size (first, taps - 1);
  float bias = a.bias ? a.bias[c] : 0.0f;
  float slots[TAPS], d_rows[TAPS] = {};

  fill_slots (a, carry.from_of (i), b, c, min_size (begin, a.rows), slots);
  for (size_t t = begin; t < end; t += ahead) {
    float x[ahead], d_out[ahead];

    load_ahead (a, back, b, c, t, end, x, d_out);
#pragma unroll
    for (int k = 0; k < ahead; k++) {
      float d_row = 0.0f, d_input = 0.0f;

      if (t + k >= end)
        continue;
      push (slots, x[k]);
      if (t + k < a.rows)
        d_row = d_out[k] * silu_slope (weigh (a, weight, slots, bias));
      push (d_rows, d_row);
      if (t + k < first)
        continue;
#pragma unroll
      for (unsigned s = 0; s < TAPS; s++) {
        if (TAPS - s <= taps)
          d_input = fmaf (reversed[s], d_rows[s], d_input);
        if (s >= TAPS - taps && t + k < a.rows)
          sums->weight[s] = fmaf (d_row, slots[s], sums->weight[s]);
      }
      sums->bias += d_row;
      store_input<TAPS> (a, back, gradient, i, b, c, t + k, d_input);
    }
  }
}

template <int TAPS>
__global__ static void
__launch_bounds__ (THREADS, TAPS == 4 ? 6 : 2) conv_backward_kernel (
    Conv a, ConvBack back, MblmCudaCarry carry, MblmCudaCarryGradient gradient)
{
  size_t c = mblm_cuda_thread (), taps = taps_of<TAPS> (a);
  size_t i = blockIdx.y * back.together, first = blockIdx.z * a.stretch;
  size_t end = min_size (a.rows + taps - 1, first + a.stretch);
  size_t part = (carry.first + i) / back.together * gridDim.z + blockIdx.z;
  ConvSums<TAPS> sums = {};
  float weight[TAPS], reversed[TAPS];

  if (c >= a.width)
    return;
  load_weight (a, c, weight);
  load_reversed (a, c, reversed);
  for (size_t j = i; j < min_size (i + back.together, carry.count); j++)
    walk_back (
        a, back, carry, gradient, j, c, first, end, weight, reversed, &sums);
  if (back.d_weight) {
#pragma unroll
    for (unsigned s = 0; s < TAPS; s++)
      if (s >= TAPS - taps)
        back.d_weight[(part * a.width + c) * taps + s - (TAPS - taps)] =
            sums.weight[s];
  }
  if (back.d_bias)
    back.d_bias[part * a.width + c] = sums.bias;
}

/* Where the sums of a batch go. */
struct ConvParts {
  size_t count; /* of partial sums */
  size_t weight, bias, rows, weight_sum, bias_sum, rows_sum;
};

static void
plan_parts (const MblmConvBackward *a, size_t groups, size_t stretches,
    MblmCudaScratch *scratch, ConvParts *parts)
{
  const MblmConv *f = &a->forward;
  size_t kept = (f->taps - 1) * f->width, weights = f->width * f->taps;
  size_t count = groups * stretches;

  parts->count = count;
  parts->weight = mblm_cuda_part (scratch,
      a->d_weight ? mblm_cuda_count (count, weights) : 0, sizeof (float));
  parts->bias = mblm_cuda_part (scratch,
      a->d_bias ? mblm_cuda_count (count, f->width) : 0, sizeof (float));
  parts->rows = mblm_cuda_carry_rows_part (
      scratch, &f->carry, &a->d_carry, f->batch, kept);
  parts->weight_sum = mblm_cuda_sum_rows_part (scratch, count, weights);
  parts->bias_sum = mblm_cuda_sum_rows_part (scratch, count, f->width);
  parts->rows_sum = mblm_cuda_sum_rows_part (scratch, f->batch, kept);
}

static void
add_parts (
    const MblmConvBackward *a, MblmCudaScratch *scratch, const ConvParts *parts)
{
  const MblmConv *f = &a->forward;
  size_t kept = (f->taps - 1) * f->width, weights = f->width * f->taps;

  mblm_cuda_sum_rows_to (scratch, parts->weight_sum,
      mblm_cuda_at<float> (scratch, parts->weight), parts->count, weights,
      weights, a->d_weight);
  mblm_cuda_sum_rows_to (scratch, parts->bias_sum,
      mblm_cuda_at<float> (scratch, parts->bias), parts->count, f->width,
      f->width, a->d_bias);
  if (mblm_cuda_carry_sums (&f->carry, &a->d_carry) && f->batch > 0)
    mblm_cuda_sum_rows_to (scratch, parts->rows_sum,
        mblm_cuda_at<float> (scratch, parts->rows), f->batch, kept, kept,
        a->d_carry.from[0]);
}

static void
run_backward (MblmQueue *queue, const MblmConvBackward *a, const Conv *conv,
    const ConvBack *back, unsigned stretches, float *rows)
{
  const MblmConv *f = &a->forward;
  const float *start = f->carry.from && f->carry.shared && f->batch > 0
      ? f->carry.from[0]
      : NULL;
  MblmCudaCarryGradient gradient;
  MblmCudaCarry carry;
  MblmCarry from = f->carry;

  from.to = NULL;
  for (size_t b = 0; b < f->batch; b += carry.count) {
    mblm_cuda_carry_piece (&carry, &from, start, b, f->batch);
    if (a->d_carry.to || (a->d_carry.from && !f->carry.shared))
      carry.count = mblm_cuda_piece_count (true, b, f->batch);
    carry.count = min_size (carry.count, MOST_OF_PIECE);
    mblm_cuda_carry_gradient_piece (&gradient, &f->carry, &a->d_carry, &carry,
        rows, (f->taps - 1) * f->width);
    mblm_cuda_launch (queue,
        f->taps == 4 ? conv_backward_kernel<4> : conv_backward_kernel<16>,
        dim3 ((unsigned) divide_up (f->width, THREADS),
            (unsigned) divide_up (carry.count, back->together), stretches),
        THREADS, 0, *conv, *back, carry, gradient);
  }
}

void
mblm_cuda_conv_backward (MblmQueue *queue, const MblmConvBackward *a)
{
  const MblmConv *f = &a->forward;
  MblmCudaScratch scratch = {queue};
  size_t inputs = f->rows + f->taps - 1, stretches;
  Conv conv = conv_of (f);
  ConvBack back = {.d_out = a->d_out,
      .d_out_stride = a->d_out_stride,
      .d_x = a->d_x,
      .d_x_stride = a->d_x_stride,
      .together = 1};
  ConvParts parts;

  if (inputs == 0 || f->width == 0 || !mblm_cuda_begin (queue))
    return;
  conv.stretch = max_size (BACK_STRETCH, divide_up (inputs, MOST_STRETCHES));
  stretches = divide_up (inputs, conv.stretch);
  while (2 * back.together * inputs <= BACK_STRETCH)
    back.together *= 2;
  plan_parts (
      a, divide_up (f->batch, back.together), stretches, &scratch, &parts);
  if (!mblm_cuda_scratch (&scratch))
    return;
  if (a->d_weight)
    back.d_weight = mblm_cuda_at<float> (&scratch, parts.weight);
  if (a->d_bias)
    back.d_bias = mblm_cuda_at<float> (&scratch, parts.bias);
  run_backward (queue, a, &conv, &back, (unsigned) stretches,
      mblm_cuda_at<float> (&scratch, parts.rows));
  add_parts (a, &scratch, &parts);
}
