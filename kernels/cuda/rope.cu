/* rope.cu: rotary embedding: angles and rotation.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A thread turns one pair, or four (of neighbours two) that lie next to each other
 * where all is aligned. The floor is memory: 8 bytes an entry, of bfloat16 4; the
 * angles of a row are read from the cache for all heads but the first.
 */

#include "plane.h"
#include "sequences.h"
#include "typed.h"

#include <math.h>

#define THREADS 256

/* Of some sequences, which begin where a list says. */
struct Angles {
  const float *frequency;
  size_t half, rows, count; /* `count`: angles of these sequences together */
  float *cosine, *sine;
  MblmCudaList<size_t, MBLM_CUDA_POINTERS> first;
};

/* The sine and cosine of the library reduce any angle in full. */
__global__ static void
rope_angles_kernel (const Angles a)
{
  for (size_t i = mblm_cuda_thread (); i < a.count; i += mblm_cuda_threads ()) {
    size_t row = i / a.half;
    size_t position = a.first.at[row / a.rows] + row % a.rows;
    float angle = (float) position * a.frequency[i % a.half];

    sincosf (angle, &a.sine[i], &a.cosine[i]);
  }
}

void
mblm_cuda_rope_angles (MblmQueue *queue, const MblmRopeAngles *a)
{
  size_t each = a->rows * a->half, count;
  Angles angles = {.frequency = a->frequency, .half = a->half, .rows = a->rows};

  if (!mblm_cuda_begin (queue))
    return;
  for (size_t b = 0; b < a->batch; b += count) {
    count = min_size (a->batch - b, MBLM_CUDA_POINTERS);
    angles.count = count * each;
    angles.cosine = a->cosine + b * each;
    angles.sine = a->sine + b * each;
    mblm_cuda_list (&angles.first, a->first, b, count);
    mblm_cuda_launch (queue, rope_angles_kernel,
        mblm_cuda_blocks (angles.count, THREADS), THREADS, 0, angles);
  }
}

/* ------------------------------------------------------------------------- */
/* Rotation                                                                  */
/* ------------------------------------------------------------------------- */

/* Backward turns by the negated angle: `sign` is -1. */
struct Rope {
  size_t rows, all; /* of a sequence, and of all sequences */
  size_t pairs;     /* of a row: heads * half */
  size_t half, x_stride, angle_stride;
  const float *cosine, *sine;
  void *x;
  MblmType type;
  float sign;
};

/* (p, q) = (p cos - q sin, q cos + p sin) */
__device__ static inline void
turn (float &p, float &q, float cosine, float sine)
{
  float u = p;

  p = fmaf (u, cosine, -(q * sine));
  q = fmaf (q, cosine, u * sine);
}

/* Pairs (x[j], x[j + half]) of a row that begins with entry `row`; `lanes` of them
 * that lie side by side. */
template <int lanes>
__device__ static inline void
turn_halves (const Rope &a, size_t row, size_t angle, size_t pair)
{
  size_t p = row + pair / a.half * a.half + pair, q = p + a.half;
  float u[lanes], v[lanes], cosine[lanes], sine[lanes];

  mblm_cuda_get<lanes> (a.type, a.x, p, u);
  mblm_cuda_get<lanes> (a.type, a.x, q, v);
  mblm_cuda_get<lanes> (MBLM_TYPE_F32, a.cosine, angle, cosine);
  mblm_cuda_get<lanes> (MBLM_TYPE_F32, a.sine, angle, sine);
#pragma unroll
  for (int i = 0; i < lanes; i++)
    turn (u[i], v[i], cosine[i], sine[i] * a.sign);
  mblm_cuda_put<lanes> (a.type, a.x, p, u);
  mblm_cuda_put<lanes> (a.type, a.x, q, v);
}

/* Pairs (x[2j], x[2j + 1]): one, or two in four lanes. */
template <int lanes>
__device__ static inline void
turn_neighbours (const Rope &a, size_t row, size_t angle, size_t pair)
{
  size_t at = row + 2 * pair;

  if constexpr (lanes == 1) {
    float u[1], v[1];

    mblm_cuda_get<1> (a.type, a.x, at, u);
    mblm_cuda_get<1> (a.type, a.x, at + 1, v);
    turn (u[0], v[0], a.cosine[angle], a.sine[angle] * a.sign);
    mblm_cuda_put<1> (a.type, a.x, at, u);
    mblm_cuda_put<1> (a.type, a.x, at + 1, v);
  } else {
    float v[4];

    mblm_cuda_get<4> (a.type, a.x, at, v);
    turn (v[0], v[1], a.cosine[angle], a.sine[angle] * a.sign);
    turn (v[2], v[3], a.cosine[angle + 1], a.sine[angle + 1] * a.sign);
    mblm_cuda_put<4> (a.type, a.x, at, v);
  }
}

/* The pairs that a thread turns at once. */
template <MblmRopeForm form, int lanes>
constexpr size_t pairs_of = lanes == 1 ? 1
    : form == MBLM_ROPE_PAIRS          ? 2
                                       : 4;

template <MblmRopeForm form, int lanes>
__global__ static void
rope_kernel (Rope a)
{
  constexpr size_t at_once = pairs_of<form, lanes>;

  for (size_t i = mblm_cuda_row (); i < a.all; i += mblm_cuda_row_step ()) {
    size_t row = i * a.x_stride;
    size_t angles = (i / a.rows * a.angle_stride + i % a.rows) * a.half;

    for (size_t c = mblm_cuda_column (); c < a.pairs / at_once;
         c += mblm_cuda_column_step ()) {
      size_t pair = c * at_once, angle = angles + pair % a.half;

      if constexpr (form == MBLM_ROPE_HALVES)
        turn_halves<lanes> (a, row, angle, pair);
      else
        turn_neighbours<lanes> (a, row, angle, pair);
    }
  }
}

template <MblmRopeForm form, int lanes>
static void
run_form (MblmQueue *queue, const MblmRope *a, float sign)
{
  Rope args = {a->rows, a->batch * a->rows, a->heads * a->half, a->half,
      a->x_stride, a->angle_stride, a->cosine, a->sine, a->x, a->x_type, sign};
  MblmCudaPlane plane = mblm_cuda_plane (
      args.all, args.pairs / pairs_of<form, lanes>);

  mblm_cuda_launch (
      queue, rope_kernel<form, lanes>, plane.grid, plane.block, 0, args);
}

template <MblmRopeForm form>
static void
run (MblmQueue *queue, const MblmRope *a, float sign)
{
  bool is_aligned = mblm_cuda_in_fours (a->x_type, a->x, a->x_stride) &&
      (form == MBLM_ROPE_HALVES
              ? mblm_cuda_aligned (a->half, a->cosine, a->sine)
              : a->half % 2 == 0);

  if (is_aligned)
    run_form<form, 4> (queue, a, sign);
  else
    run_form<form, 1> (queue, a, sign);
}

static void
rotate (MblmQueue *queue, const MblmRope *a, float sign)
{
  if (!mblm_cuda_begin (queue))
    return;
  switch (a->form) {
    case MBLM_ROPE_HALVES:
      run<MBLM_ROPE_HALVES> (queue, a, sign);
      break;
    case MBLM_ROPE_PAIRS:
      run<MBLM_ROPE_PAIRS> (queue, a, sign);
      break;
  }
}

void
mblm_cuda_rope (MblmQueue *queue, const MblmRope *a)
{
  rotate (queue, a, 1.0f);
}

/* A rotation's transpose turns by the negated angle. */
void
mblm_cuda_rope_backward (MblmQueue *queue, const MblmRope *a)
{
  rotate (queue, a, -1.0f);
}
