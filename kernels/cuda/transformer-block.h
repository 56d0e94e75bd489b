/* transformer-block.h: what a block does in a step of a Transformer.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "finish.h"
#include "reduce.h"
#include "transformer-step.h"

/* ------------------------------------------------------------------------- */
/* A block                                                                   */
/* ------------------------------------------------------------------------- */

__device__ static inline void
step_spread (uint4 piece, float (&to)[8], const uint16_t *)
{
  uint32_t words[4] = {piece.x, piece.y, piece.z, piece.w};

#pragma unroll
  for (int i = 0; i < 4; i++) {
    float2 two = mblm_cuda_from_bf16x2 (words[i]);

    to[2 * i] = two.x;
    to[2 * i + 1] = two.y;
  }
}

__device__ static inline void
step_spread (uint4 piece, float (&to)[4], const float *)
{
  to[0] = __uint_as_float (piece.x);
  to[1] = __uint_as_float (piece.y);
  to[2] = __uint_as_float (piece.z);
  to[3] = __uint_as_float (piece.w);
}

/* Units of a product: the groups of rows of one pass after the other. */
__device__ static inline void
step_next (unsigned &pass, unsigned &group, const StepShare &share)
{
  if (++group == share.groups) {
    group = 0;
    pass++;
  }
}

/* T is the type of the weights: float or uint16_t. */
template <typename T> struct StepBlock {
  static constexpr int entries = 16 / sizeof (T); /* of a piece */
  static constexpr int slice = STEP_PIECES * 4 * entries;
  static constexpr int mine = slice / MBLM_CUDA_WARP; /* of x, to bring */

  const Step &a;
  uint4 *ring;
  StepShare *shares;
  float *x, *partial, *squares;
  float2 *angles;
  unsigned warp, lane;
  /* The ring: units that were begun and used, and what comes next. */
  unsigned begun, used;
  unsigned product, pass, group;
  unsigned turn;          /* two sets of sums */
  MblmCudaPolicy passing; /* of weights, which the cache needn't keep */

  __device__ unsigned
  kind_of (unsigned number) const
  {
    return number == a.layers * STEP_LOGITS ? (unsigned) STEP_LOGITS
                                            : number % STEP_LOGITS;
  }

  /* Rotated pairs are neighbours: the row of the weight that row `i` is. */
  __device__ unsigned
  row_of (unsigned kind, unsigned i) const
  {
    unsigned half = a.head_dim / 2, pair = i / 2;

    if (kind != STEP_QKV || !a.frequency || i >= 2 * a.inner)
      return i;
    return pair / half * a.head_dim + pair % half + i % 2 * half;
  }

  /* --------------------------------------------------------------------- */
  /* The ring                                                              */
  /* --------------------------------------------------------------------- */

  __device__ void
  begin_unit ()
  {
    uint4 *to = ring + begun % a.units * STEP_PIECES * STEP_THREADS +
        threadIdx.x;

    while (product <= a.layers * STEP_LOGITS &&
        shares[kind_of (product)].groups == 0)
      product++;
    if (product <= a.layers * STEP_LOGITS) {
      unsigned kind = kind_of (product);
      StepShare share = shares[kind];
      const T *weight = (const T *) (kind == STEP_LOGITS
              ? a.to_logits
              : a.layer[product / STEP_LOGITS].weight[kind]);
      unsigned row = group * 8 + lane / 4;
      unsigned column = (warp * share.passes + pass) * slice +
          lane % 4 * entries;
      const T *from = weight +
          (size_t) row_of (kind, share.first + row) * share.columns + column;

#pragma unroll
      for (int i = 0; i < STEP_PIECES; i++)
        mblm_cuda_async_copy (to + i * STEP_THREADS, from + i * 4 * entries,
            row < share.rows && column + i * 4 * entries < share.columns,
            passing);
      step_next (pass, group, share);
      if (pass == share.passes) {
        pass = 0;
        product++;
      }
    }
    mblm_cuda_async_close ();
    begun++;
  }

  __device__ void
  fill_ring ()
  {
    while (begun - used < a.units)
      begin_unit ();
  }

  /* --------------------------------------------------------------------- */
  /* What is sent                                                          */
  /* --------------------------------------------------------------------- */

  template <int count>
  __device__ void
  add (MblmType type, const void *row, size_t i, float (&to)[count]) const
  {
    constexpr int at_once = count % 4 == 0 ? 4 : 1;
    float more[at_once];

    for (int j = 0; j < count; j += at_once) {
      mblm_cuda_get<at_once> (type, row, i + j, more);
#pragma unroll
      for (int k = 0; k < at_once; k++)
        to[j + k] += more[k];
    }
  }

  /* Entries from `column` on of the row that sequence b begins with. */
  template <int count>
  __device__ void
  first_input (unsigned b, unsigned column, float (&to)[count]) const
  {
#pragma unroll
    for (int i = 0; i < count; i++)
      to[i] = 0.0f;
    if (a.input)
      add (MBLM_TYPE_F32, a.input, (size_t) b * a.dim + column, to);
    if (a.table)
      add (a.table_type, a.table,
          (size_t) (a.drawn ? a.drawn[b] : a.ids[b]) * a.dim + column, to);
    if (a.positions)
      add (a.positions_type, a.positions,
          (size_t) a.position[b] * a.dim + column, to);
    if (a.addend[b])
      add (MBLM_TYPE_F32, a.addend[b], column, to);
  }

  /* Of what goes into a layer, or comes out of the last. */
  template <int count>
  __device__ void
  input (unsigned layer, unsigned b, unsigned column, float (&to)[count]) const
  {
    if (layer == 0)
      first_input (b, column, to);
    else
      mblm_cuda_receive (
          step_letters (a, layer - 1, a.letters.next) + b * a.dim + column,
          a.letters.stamp, to);
  }

  template <int count>
  __device__ void
  middle (unsigned layer, unsigned b, unsigned column, float (&to)[count]) const
  {
    mblm_cuda_receive (
        step_letters (a, layer, a.letters.middle) + b * a.dim + column,
        a.letters.stamp, to);
  }

  __device__ const float *
  gain_of (unsigned kind, unsigned layer) const
  {
    return kind == STEP_QKV   ? a.layer[layer].attention_gain
        : kind == STEP_UP     ? a.layer[layer].ff_gain
        : kind == STEP_LOGITS ? a.gain
                              : NULL;
  }

  /* Entries of what a product multiplies, before the gain of a norm. The second
   * part of a shifted row is of the row before. */
  template <int count>
  __device__ void
  operand (unsigned kind, unsigned layer, unsigned b, unsigned column,
      float (&to)[count]) const
  {
    unsigned own = a.dim / 2;
    const MblmTransformerState &state =
        a.state[b * a.layers + min (layer, a.layers - 1)];

    switch (kind) {
      case STEP_QKV:
        if (column < own)
          return input (layer, b, column, to);
        break;
      case STEP_UP:
        if (column < own)
          return middle (layer, b, column, to);
        break;
      case STEP_OUT:
        return mblm_cuda_receive (
            step_letters (a, layer, a.letters.attended) + b * a.inner + column,
            a.letters.stamp, to);
      case STEP_DOWN:
        return mblm_cuda_receive (
            step_letters (a, layer, a.letters.wide) + b * a.wide + column,
            a.letters.stamp, to);
      default:
        return input (layer, b, column, to);
    }
#pragma unroll
    for (int i = 0; i < count; i++)
      to[i] = 0.0f;
    add (MBLM_TYPE_F32,
        kind == STEP_QKV ? state.attention_shift : state.ff_shift, column - own,
        to);
  }

  /* --------------------------------------------------------------------- */
  /* Products                                                              */
  /* --------------------------------------------------------------------- */

  __device__ void
  add_square (unsigned b, float square)
  {
    square = mblm_cuda_warp_sum (square);
    if (lane == 0)
      squares[(turn * a.batch + b) * STEP_WARPS + warp] = square;
  }

  /* Entries of a sequence to the memory of this warp; adds their squares. */
  template <int count>
  __device__ void
  bring_some (unsigned kind, unsigned layer, unsigned b, unsigned column,
      unsigned columns, float *to, float &square) const
  {
    const float *gain = gain_of (kind, layer);
    float factor[count], value[count] = {};

#pragma unroll
    for (int i = 0; i < count; i++)
      factor[i] = gain && column < columns ? gain[column + i] : 1.0f;
    if (column < columns)
      operand (kind, layer, b, column, value);
#pragma unroll
    for (int i = 0; i < count; i++) {
      square = fmaf (value[i], value[i], square);
      to[i] = value[i] * factor[i];
    }
  }

  /* All columns of this warp. The squares of the last sequence are left to the
   * caller, for when there is time. */
  __device__ float
  bring (unsigned kind, unsigned layer, const StepShare &share)
  {
    unsigned count = share.passes * mine; /* of a lane */
    unsigned column = (warp * MBLM_CUDA_WARP + lane) * count;
    float square = 0.0f;

    for (unsigned b = 0; b < a.batch; b++) {
      float *to = x + (warp * a.batch + b) * a.most_span + lane * count;

      if (b > 0 && gain_of (kind, layer))
        add_square (b - 1, square);
      square = 0.0f;
      if (share.passes % 2 == 0)
        for (unsigned i = 0; i < count; i += 2 * mine)
          bring_some<2 * mine> (
              kind, layer, b, column + i, share.columns, to + i, square);
      else
        for (unsigned i = 0; i < count; i += mine)
          bring_some<mine> (
              kind, layer, b, column + i, share.columns, to + i, square);
    }
    __syncwarp ();
    return square;
  }

  /* The unit that comes `after` those that were used. */
  __device__ void
  take (unsigned after, uint4 (&piece)[STEP_PIECES]) const
  {
    const uint4 *from = ring +
        (used + after) % a.units * STEP_PIECES * STEP_THREADS + threadIdx.x;

    mblm_cuda_async_wait_for<STEP_MOST_UNITS - 1> (
        (int) (begun - used - after) - 1);
#pragma unroll
    for (int i = 0; i < STEP_PIECES; i++)
      piece[i] = from[i * STEP_THREADS];
  }

  /* The sums of eight rows over the slice. */
  __device__ void
  multiply (unsigned pass, unsigned group, const uint4 (&piece)[STEP_PIECES])
  {
    for (unsigned b = 0; b < a.batch; b++) {
      const float *from = x + (warp * a.batch + b) * a.most_span +
          pass * slice + lane % 4 * entries;
      float *to = partial +
          ((turn * a.batch + b) * a.most_rows + group * 8 + lane / 4) *
              STEP_WARPS +
          warp;
      float sums[STEP_PIECES], sum = 0.0f;

#pragma unroll
      for (int i = 0; i < STEP_PIECES; i++) {
        float weight[entries];

        step_spread (piece[i], weight, (const T *) NULL);
        sums[i] = 0.0f;
#pragma unroll
        for (int j = 0; j < entries; j += 4) {
          float4 four = *(const float4 *) (from + i * 4 * entries + j);

          sums[i] = fmaf (weight[j], four.x, sums[i]);
          sums[i] = fmaf (weight[j + 1], four.y, sums[i]);
          sums[i] = fmaf (weight[j + 2], four.z, sums[i]);
          sums[i] = fmaf (weight[j + 3], four.w, sums[i]);
        }
      }
#pragma unroll
      for (int i = 0; i < STEP_PIECES; i += 2)
        sum += sums[i] + sums[i + 1];
      sum = mblm_cuda_warp_sum<4> (sum);
      if (lane % 4 == 0)
        *to = pass == 0 ? sum : *to + sum;
    }
  }

  /* Some weights are in registers before what they multiply is here. */
  __device__ void
  multiply_all (unsigned kind, unsigned layer, const StepShare &share)
  {
    unsigned units = share.passes * share.groups, pass = 0, group = 0;
    unsigned early = min (min (units, begun - used), STEP_EARLY);
    uint4 first[STEP_EARLY][STEP_PIECES], piece[STEP_PIECES];
    float square;

#pragma unroll
    for (unsigned i = 0; i < STEP_EARLY; i++)
      if (i < early)
        take (i, first[i]);
    square = bring (kind, layer, share);
#pragma unroll
    for (unsigned i = 0; i < STEP_EARLY; i++)
      if (i < early) {
        multiply (pass, group, first[i]);
        step_next (pass, group, share);
      }
    used += early;
    for (unsigned i = early; i < units; i++) {
      if (begun == used)
        fill_ring ();
      take (0, piece);
      used++;
      multiply (pass, group, piece);
      step_next (pass, group, share);
    }
    if (gain_of (kind, layer))
      add_square (a.batch - 1, square);
  }

  __device__ static float
  sum_of_warps (const float *from)
  {
    float sum = 0.0f;

#pragma unroll
    for (int i = 0; i < STEP_WARPS; i += 4) {
      float4 four = *(const float4 *) (from + i);

      sum += (four.x + four.y) + (four.z + four.w);
    }
    return sum;
  }

  /* What the norm of a row multiplies it by. */
  __device__ float
  scale_of (unsigned b) const
  {
    float sum = sum_of_warps (squares + (turn * a.batch + b) * STEP_WARPS);

    float mean = sum * a.part;

    return mean >= a.epsilon * a.epsilon ? rsqrtf (mean) : 1.0f / a.epsilon;
  }

  /* What is added to a result, of which sum and activation are not needed. */
  __device__ void
  prepare (unsigned kind, unsigned layer, unsigned b, unsigned row, float &bias,
      float &residual) const
  {
    const float *biases = kind == STEP_UP ? a.layer[layer].up_bias
        : kind == STEP_DOWN               ? a.layer[layer].down_bias
        : kind == STEP_LOGITS             ? a.logits_bias
                                          : NULL;
    float one[1] = {0.0f};

    bias = biases ? biases[row] : 0.0f;
    if (kind == STEP_OUT)
      input (layer, b, row, one);
    else if (kind == STEP_DOWN)
      middle (layer, b, row, one);
    residual = one[0];
  }

  /* A result, and what stays of it: new keys and values, and what the next row
   * shifts in, which no block needs any more as it was. */
  __device__ void
  give (unsigned kind, unsigned layer, unsigned b, unsigned row, float sum,
      float residual)
  {
    const MblmTransformerState &state =
        a.state[b * a.layers + min (layer, a.layers - 1)];
    uint32_t stamp = a.letters.stamp;
    unsigned own = a.dim / 2;

    switch (kind) {
      case STEP_QKV:
        mblm_cuda_send (
            step_letters (a, layer, 0) + b * 3 * a.inner + row, sum, stamp);
        if (row >= a.inner) {
          float *to = row < 2 * a.inner ? state.key : state.value;

          to[(size_t) a.past[b] * a.inner + row % a.inner] = sum;
        }
        break;
      case STEP_OUT:
        mblm_cuda_send (
            step_letters (a, layer, a.letters.middle) + b * a.dim + row,
            sum + residual, stamp);
        if (row >= own)
          state.attention_shift[row - own] = residual;
        break;
      case STEP_UP:
        mblm_cuda_send (
            step_letters (a, layer, a.letters.wide) + b * a.wide + row,
            mblm_cuda_gelu (MBLM_TYPE_F32, sum), stamp);
        break;
      case STEP_DOWN:
        mblm_cuda_send (
            step_letters (a, layer, a.letters.next) + b * a.dim + row,
            sum + residual, stamp);
        if (row >= own)
          state.ff_shift[row - own] = residual;
        break;
      default:
        a.logits[(size_t) b * a.vocabulary + row] = sum;
    }
  }

  /* Result i of the block in this product, one of a sequence after the other. */
  __device__ void
  finish (unsigned kind, unsigned layer, const StepShare &share, unsigned i,
      float bias, float residual)
  {
    bool is_mine = i < share.rows * a.batch;
    unsigned b = is_mine ? i / share.rows : 0;
    unsigned local = is_mine ? i % share.rows : 0;
    unsigned index = share.first + local;
    float sum = 0.0f;

    if (is_mine)
      sum = sum_of_warps (
          partial + ((turn * a.batch + b) * a.most_rows + local) * STEP_WARPS);
    if (gain_of (kind, layer))
      sum *= scale_of (b);
    if (kind == STEP_QKV && a.frequency) {
      float other = __shfl_xor_sync (MBLM_CUDA_EVERY_LANE, sum, 1);
      unsigned half = a.head_dim / 2;

      if (index < 2 * a.inner) {
        float2 turned = angles[b * half + index / 2 % half];

        sum = index % 2 == 0 ? fmaf (sum, turned.x, -(other * turned.y))
                             : fmaf (sum, turned.x, other * turned.y);
      }
    }
    if (is_mine)
      give (kind, layer, b, row_of (kind, index), sum + bias, residual);
  }

  /* The row that all layers have left. */
  __device__ void
  write_out () const
  {
    for (unsigned i = threadIdx.x; i < a.batch * a.dim; i += STEP_THREADS) {
      float value[1];

      input (a.layers, i / a.dim, i % a.dim, value);
      a.out[i] = value[0] * a.gain[i % a.dim] * scale_of (i / a.dim);
    }
  }

  __device__ void
  run_product (unsigned number)
  {
    unsigned kind = kind_of (number), layer = number / STEP_LOGITS;
    StepShare share = shares[kind];
    bool writes_out = kind == STEP_LOGITS && blockIdx.x == 0;
    unsigned results = share.rows * a.batch, t = threadIdx.x;
    float bias = 0.0f, residual = 0.0f;

    if (share.rows == 0 && !writes_out)
      return;
    if (t < results)
      prepare (kind, layer, t / share.rows,
          row_of (kind, share.first + t % share.rows), bias, residual);
    multiply_all (kind, layer, share);
    __syncthreads ();
    for (unsigned i = t; i - t < results; i += STEP_THREADS) {
      if (i >= STEP_THREADS && i < results)
        prepare (kind, layer, i / share.rows,
            row_of (kind, share.first + i % share.rows), bias, residual);
      finish (kind, layer, share, i, bias, residual);
    }
    if (writes_out)
      write_out ();
    turn ^= 1;
    fill_ring ();
  }
};
