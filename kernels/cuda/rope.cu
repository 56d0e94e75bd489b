/* rope.cu: rotary embedding: angles and rotation.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A thread turns one pair, or four (of neighbours two) that lie next to each other
 * where all is aligned. The floor is memory: 8 bytes an entry; the angles of a row
 * are read from the cache for all heads but the first.
 */

#include "plane.h"

#include <math.h>

#define THREADS 256

/* The sine and cosine of the library reduce any angle in full. */
__global__ static void
rope_angles_kernel (const float *frequency, size_t half, size_t first,
    size_t count, float *cosine, float *sine)
{
  for (size_t i = mblm_cuda_thread (); i < count; i += mblm_cuda_threads ()) {
    float angle = (float) (first + i / half) * frequency[i % half];

    sincosf (angle, &sine[i], &cosine[i]);
  }
}

void
mblm_cuda_rope_angles (MblmQueue *queue, const MblmRopeAngles *a)
{
  size_t count = a->rows * a->half;

  if (mblm_cuda_begin (queue))
    mblm_cuda_launch (queue, rope_angles_kernel,
        mblm_cuda_blocks (count, THREADS), THREADS, 0, a->frequency, a->half,
        a->first, count, a->cosine, a->sine);
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
  float *x, sign;
};

/* (p, q) = (p cos - q sin, q cos + p sin) */
__device__ static inline void
turn (float &p, float &q, float cosine, float sine)
{
  float u = p;

  p = fmaf (u, cosine, -(q * sine));
  q = fmaf (q, cosine, u * sine);
}

/* V is float or float4: pairs (x[j], x[j + half]). */
template <typename V>
__device__ static inline void
turn_halves (const Rope &a, float *row, size_t angle, size_t pair)
{
  V *p = (V *) (row + pair / a.half * a.half + pair);
  V *q = (V *) (row + pair / a.half * a.half + pair + a.half);
  V u = *p, v = *q, cosine = *(const V *) (a.cosine + angle);
  V sine = *(const V *) (a.sine + angle) * a.sign;

  if constexpr (std::is_same_v<V, float>) {
    turn (u, v, cosine, sine);
  } else {
    turn (u.x, v.x, cosine.x, sine.x);
    turn (u.y, v.y, cosine.y, sine.y);
    turn (u.z, v.z, cosine.z, sine.z);
    turn (u.w, v.w, cosine.w, sine.w);
  }
  *p = u;
  *q = v;
}

/* Pairs (x[2j], x[2j + 1]), two of them for float4. */
template <typename V>
__device__ static inline void
turn_neighbours (const Rope &a, float *row, size_t angle, size_t pair)
{
  if constexpr (std::is_same_v<V, float>) {
    turn (row[2 * pair], row[2 * pair + 1], a.cosine[angle],
        a.sine[angle] * a.sign);
  } else {
    float4 *at = (float4 *) (row + 2 * pair), v = *at;

    turn (v.x, v.y, a.cosine[angle], a.sine[angle] * a.sign);
    turn (v.z, v.w, a.cosine[angle + 1], a.sine[angle + 1] * a.sign);
    *at = v;
  }
}

/* The pairs that a thread turns at once. */
template <MblmRopeForm form, typename V>
constexpr size_t pairs_of = std::is_same_v<V, float> ? 1
    : form == MBLM_ROPE_PAIRS                        ? 2
                                                     : 4;

template <MblmRopeForm form, typename V>
__global__ static void
rope_kernel (Rope a)
{
  constexpr size_t at_once = pairs_of<form, V>;

  for (size_t i = mblm_cuda_row (); i < a.all; i += mblm_cuda_row_step ()) {
    float *row = a.x + i * a.x_stride;
    size_t angles = (i / a.rows * a.angle_stride + i % a.rows) * a.half;

    for (size_t c = mblm_cuda_column (); c < a.pairs / at_once;
         c += mblm_cuda_column_step ()) {
      size_t pair = c * at_once, angle = angles + pair % a.half;

      if constexpr (form == MBLM_ROPE_HALVES)
        turn_halves<V> (a, row, angle, pair);
      else
        turn_neighbours<V> (a, row, angle, pair);
    }
  }
}

template <MblmRopeForm form, typename V>
static void
run_form (MblmQueue *queue, const MblmRope *a, float sign)
{
  Rope args = {a->rows, a->batch * a->rows, a->heads * a->half, a->half,
      a->x_stride, a->angle_stride, a->cosine, a->sine, a->x, sign};
  MblmCudaPlane plane = mblm_cuda_plane (
      args.all, args.pairs / pairs_of<form, V>);

  mblm_cuda_launch (
      queue, rope_kernel<form, V>, plane.grid, plane.block, 0, args);
}

template <MblmRopeForm form>
static void
run (MblmQueue *queue, const MblmRope *a, float sign)
{
  bool is_aligned = form == MBLM_ROPE_HALVES
      ? mblm_cuda_aligned (a->half | a->x_stride, a->x, a->cosine, a->sine)
      : a->half % 2 == 0 && mblm_cuda_aligned (a->x_stride, a->x);

  if (is_aligned)
    run_form<form, float4> (queue, a, sign);
  else
    run_form<form, float> (queue, a, sign);
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
