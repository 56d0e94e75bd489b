/* selective-scan.h: what the files of Mamba-1's scan share.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A channel has SELECTIVE_LANES neighbouring threads, with four of its states in
 * registers each; 16 states are those of the published model, and more take
 * several passes. Time goes by in groups of as many rows: of each, one of the
 * threads does what is of the channel and not of a state (softplus, the gate),
 * and hands it to the others.
 *
 * A decay is 2^(rate dt), rate = -exp (a_log) / log 2. A row beyond the last has
 * dt = 0, and so leaves the state as it is.
 */

#pragma once

#include "reduce.h"
#include "sequences.h"

#include <float.h>
#include <math.h>

#define SELECTIVE_LANES 4
#define SELECTIVE_STATES (4 * SELECTIVE_LANES) /* of a pass */
#define SELECTIVE_TILE 16 /* rows whose B and C a block keeps at once */

#define SELECTIVE_LOG2_E 1.44269504f
#define SELECTIVE_LN_2 0.693147181f

/* A pass over some of the states of all channels. Where time is cut into several
 * pieces, these lie in scratch memory for the sequences of a launch. */
struct MblmCudaSelective {
  MblmSelectiveScan a;
  size_t first_state;
  unsigned states; /* up to SELECTIVE_STATES */
  size_t pieces, piece_rows;
  float4
      *starts;  /* [sequences, pieces, width, lanes]: the states before them */
  float4 *ends; /* the gradients of those after them, or NULL */
  float *spans; /* [sequences, pieces, width]: sums of dt */
};

/* Where a thread works. */
struct SelectivePlace {
  size_t e; /* its channel */
  bool is_in;
  unsigned lane, states; /* of the channel's threads; how many it has */
  size_t at;             /* of its states in [width, state] */
  size_t piece;
  size_t row, rows; /* of the piece: the first of all rows, and how many */
};

/* What is read of the thread's own row of a group. */
struct SelectiveRow {
  float x, delta, z, d_y;
};

/* B and C. */
struct SelectiveTile {
  alignas (16) float b[SELECTIVE_TILE][SELECTIVE_STATES];
  alignas (16) float c[SELECTIVE_TILE][SELECTIVE_STATES];
};

/* ------------------------------------------------------------------------- */
/* The host's part (selective-pieces.cu)                                     */
/* ------------------------------------------------------------------------- */

/* Parts of the scratch memory. */
struct MblmCudaSelectiveParts {
  size_t starts, ends, spans;
};

/* For up to `count` sequences at once; with the gradients, too. */
void mblm_cuda_selective_parts (MblmCudaScratch *scratch,
    const MblmCudaSelective *s, size_t count, bool has_ends,
    MblmCudaSelectiveParts *parts);
void mblm_cuda_selective_find (const MblmCudaScratch *scratch,
    const MblmCudaSelectiveParts *parts, bool has_ends, MblmCudaSelective *s);

/* Fills `starts`, and with d_y `ends`, where there are several pieces. */
void mblm_cuda_selective_join (MblmQueue *queue, const MblmCudaSelective *s,
    const MblmCudaCarry *carry, const float *d_y,
    const MblmCudaCarryGradient *d_carry);

/* Begins the pass over the states from s->first_state on. */
static inline void
mblm_cuda_selective_pass (MblmCudaSelective *s)
{
  s->states = (unsigned) min_size (
      SELECTIVE_STATES, s->a.state - s->first_state);
}

/* The blocks of `threads` for all channels and pieces of a sequence. */
static inline unsigned
mblm_cuda_selective_blocks (const MblmCudaSelective *s, unsigned threads)
{
  return (
      unsigned) (divide_up (s->a.width, threads / SELECTIVE_LANES) * s->pieces);
}

/* ------------------------------------------------------------------------- */
/* Functions of a number                                                     */
/* ------------------------------------------------------------------------- */

/* 1 / (1 + exp (-x)) and the rest to 1, which isn't found by subtraction. */
struct SelectiveSigmoid {
  float value, rest;
};

__device__ static inline SelectiveSigmoid
selective_sigmoid (float x)
{
  float e = expf (-fabsf (x)), large = __fdividef (1.0f, 1.0f + e);
  float small = e * large;

  return x < 0.0f ? SelectiveSigmoid{small, large}
                  : SelectiveSigmoid{large, small};
}

__device__ static inline float
selective_silu (float x)
{
  return x * selective_sigmoid (x).value;
}

__device__ static inline float
selective_softplus (float x)
{
  return x > 20.0f ? x : log1pf (expf (x));
}

/* ------------------------------------------------------------------------- */
/* States                                                                    */
/* ------------------------------------------------------------------------- */

/* Of sequence `sequence` of the batch; grids have pieces and channels in x. */
__device__ static inline SelectivePlace
selective_place (const MblmCudaSelective &s, size_t sequence)
{
  unsigned channels = blockDim.x / SELECTIVE_LANES;
  unsigned blocks = (unsigned) divide_up (s.a.width, channels);
  SelectivePlace p;
  size_t first;

  p.piece = blockIdx.x / blocks;
  p.e = (size_t) (blockIdx.x % blocks) * channels +
      threadIdx.x / SELECTIVE_LANES;
  p.is_in = p.e < s.a.width;
  p.lane = threadIdx.x % SELECTIVE_LANES;
  p.states = p.is_in && 4 * p.lane < s.states ? s.states - 4 * p.lane : 0;
  p.at = p.e * s.a.state + s.first_state + 4 * p.lane;
  first = p.piece * s.piece_rows;
  p.row = sequence * s.a.rows + first;
  p.rows = min_size (s.piece_rows, s.a.rows - first);
  return p;
}

/* The entry of `starts` and `ends` for sequence i of the launch. */
__device__ static inline size_t
selective_slot (const MblmCudaSelective &s, const SelectivePlace &p, size_t i)
{
  return ((i * s.pieces + p.piece) * s.a.width + p.e) * SELECTIVE_LANES +
      p.lane;
}

__device__ static inline void
selective_unpack (float4 from, float (&to)[4])
{
  to[0] = from.x;
  to[1] = from.y;
  to[2] = from.z;
  to[3] = from.w;
}

__device__ static inline float4
selective_pack (const float (&from)[4])
{
  return make_float4 (from[0], from[1], from[2], from[3]);
}

/* The thread's part of from [width, state]; zeros for NULL and what is beyond. */
__device__ static inline void
selective_load (const SelectivePlace &p, const float *from, float (&to)[4])
{
  if (from && p.states >= 4 && ((uintptr_t) (from + p.at) & 15) == 0) {
    selective_unpack (*(const float4 *) (from + p.at), to);
    return;
  }
#pragma unroll
  for (unsigned k = 0; k < 4; k++)
    to[k] = from && k < p.states ? from[p.at + k] : 0.0f;
}

__device__ static inline void
selective_store (const SelectivePlace &p, const float (&from)[4], float *to)
{
  if (p.states >= 4 && ((uintptr_t) (to + p.at) & 15) == 0) {
    *(float4 *) (to + p.at) = selective_pack (from);
    return;
  }
#pragma unroll
  for (unsigned k = 0; k < 4; k++)
    if (k < p.states)
      to[p.at + k] = from[k];
}

/* What has been loaded of a_log becomes rates. They are finite, for dt may be 0. */
__device__ static inline void
selective_rates (float (&rate)[4])
{
#pragma unroll
  for (unsigned k = 0; k < 4; k++)
    rate[k] = -fminf (expf (rate[k]) * SELECTIVE_LOG2_E, FLT_MAX);
}

/* ------------------------------------------------------------------------- */
/* Rows                                                                      */
/* ------------------------------------------------------------------------- */

/* The thread's own of the rows t .. t + 3 of the piece. */
template <bool GATE, bool BACK>
__device__ static inline SelectiveRow
selective_row (const MblmCudaSelective &s, const SelectivePlace &p, size_t t,
    const float *d_y)
{
  size_t row = p.row + t + p.lane;
  SelectiveRow own = {0.0f, -INFINITY, 0.0f, 0.0f};

  if (!p.is_in || t + p.lane >= p.rows)
    return own;
  own.x = s.a.x[row * s.a.x_stride + p.e];
  own.delta = s.a.delta[row * s.a.delta_stride + p.e];
  if (GATE)
    own.z = s.a.z[row * s.a.z_stride + p.e];
  if (BACK)
    own.d_y = d_y[row * s.a.width + p.e];
  return own;
}

/* B and C of the rows of a piece from t on; zeros after the last and for states
 * that there aren't. The whole block calls this, and reads while it waits. */
template <unsigned THREADS>
__device__ static inline void
selective_fill (const MblmCudaSelective &s, const SelectivePlace &p, size_t t,
    SelectiveTile *tile)
{
  constexpr unsigned step = THREADS / SELECTIVE_STATES; /* rows at once */
  constexpr unsigned steps = SELECTIVE_TILE / step;
  unsigned first = threadIdx.x / SELECTIVE_STATES;
  unsigned n = threadIdx.x % SELECTIVE_STATES;
  float b[steps], c[steps];

#pragma unroll
  for (unsigned i = 0; i < steps; i++) {
    size_t row = t + first + i * step;
    bool is_in = row < p.rows && n < s.states;
    size_t at = (p.row + row) * s.a.bc_stride + s.first_state + n;

    b[i] = is_in ? s.a.b[at] : 0.0f;
    c[i] = is_in ? s.a.c[at] : 0.0f;
  }
  __syncthreads ();
#pragma unroll
  for (unsigned i = 0; i < steps; i++) {
    tile->b[first + i * step][n] = b[i];
    tile->c[first + i * step][n] = c[i];
  }
  __syncthreads ();
}

/* The thread's part of a row of B or C. */
__device__ static inline void
selective_four (
    const float (&row)[SELECTIVE_STATES], unsigned lane, float (&to)[4])
{
  selective_unpack (*(const float4 *) &row[4 * lane], to);
}

/* The value of the thread which has row r of the group. */
__device__ static inline float
selective_of (float value, unsigned r)
{
  return __shfl_sync (MBLM_CUDA_EVERY_LANE, value, r, SELECTIVE_LANES);
}

/* Thread i of COUNT, which are STEP lanes apart, gets the sum of values[i] over
 * all of them. */
template <int COUNT, int STEP>
__device__ static inline float
selective_sum (float (&values)[COUNT])
{
  unsigned lane = threadIdx.x / STEP % COUNT;

#pragma unroll
  for (unsigned half = COUNT / 2; half > 0; half /= 2) {
#pragma unroll
    for (unsigned i = 0; i < half; i++) {
      bool is_upper = lane & half;
      float given = is_upper ? values[i] : values[i + half];
      float kept = is_upper ? values[i + half] : values[i];

      values[i] = kept +
          __shfl_xor_sync (MBLM_CUDA_EVERY_LANE, given, half * STEP);
    }
  }
  return values[0];
}
