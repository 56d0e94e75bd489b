/* sequences.h: arrays of pointers, one for each sequence of a batch, as arguments
 * of kernels.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Such arrays are host memory that is read before the call returns, and arguments
 * of a kernel are at most 4096 bytes: so a batch is run in pieces, each a launch
 * of its own, in their order. Where no array is needed, one piece is all of it.
 *
 *   MblmCudaCarry carry;
 *   const float *start;
 *
 *   ... start = mblm_cuda_carry_start (...) ...
 *   for (size_t b = 0; b < a->batch; b += carry.count) {
 *     mblm_cuda_carry_piece (&carry, &a->carry, start, b, a->batch);
 *     mblm_cuda_launch (queue, x_kernel, dim3 (carry.count, ...), ..., carry);
 *   }
 *
 * A kernel takes `carry` by value; sequence i of the piece is carry.first + i of
 * the batch. What a sequence starts from and what it leaves may be the same
 * memory: it must all be read before any of it is written.
 */

#pragma once

#include "cuda.h"

/* Of a piece, where there are arrays; where there is one array alone; and the most
 * where there are none, so that the count fits any dimension of a grid. */
#define MBLM_CUDA_SEQUENCES 64
#define MBLM_CUDA_POINTERS 256
#define MBLM_CUDA_MOST_SEQUENCES 65535

/* One array's part in a piece. */
template <typename T, size_t most = MBLM_CUDA_SEQUENCES> struct MblmCudaList {
  T at[most];
};

/* The sequences from `first` on that a piece takes. */
static inline size_t
mblm_cuda_piece_count (bool has_arrays, size_t first, size_t batch)
{
  return min_size (batch - first,
      has_arrays ? MBLM_CUDA_SEQUENCES : MBLM_CUDA_MOST_SEQUENCES);
}

/* Entries `first` .. `first` + `count` - 1 of a host array; zeros for NULL. */
template <typename T, size_t most>
static inline void
mblm_cuda_list (
    MblmCudaList<T, most> *list, const T *array, size_t first, size_t count)
{
  for (size_t i = 0; i < most; i++)
    list->at[i] = array && i < count ? array[first + i] : T ();
}

/* ------------------------------------------------------------------------- */
/* Carries                                                                   */
/* ------------------------------------------------------------------------- */

struct MblmCudaCarry {
  size_t first, count;
  bool has_from, has_to;
  const float *start; /* of all sequences, or NULL */
  MblmCudaList<const float *> from;
  MblmCudaList<float *> to;

  /* What sequence i of the piece starts from, or NULL for zeros. */
  __device__ const float *
  from_of (size_t i) const
  {
    return has_from ? from.at[i] : start;
  }

  /* Where it leaves its state, or NULL. */
  __device__ float *
  to_of (size_t i) const
  {
    return has_to ? to.at[i] : NULL;
  }
};

/* Whether a sequence leaves its state where all of several start from: then the
 * start must be copied away. */
static inline bool
mblm_cuda_carry_clashes (const MblmCarry *carry, size_t batch)
{
  bool clash = false;

  if (carry->from && carry->shared && carry->to && batch > 1)
    for (size_t b = 0; b < batch; b++)
      clash |= carry->to[b] == carry->from[0];
  return clash;
}

/* Adds to the scratch memory of the operation what a carry of `size` floats needs
 * of it; a part for mblm_cuda_carry_start (). */
static inline size_t
mblm_cuda_carry_part (
    MblmCudaScratch *scratch, const MblmCarry *carry, size_t batch, size_t size)
{
  return mblm_cuda_part (scratch,
      mblm_cuda_carry_clashes (carry, batch) ? size : 0, sizeof (float));
}

/* The state that all sequences start from; NULL where they have their own, or
 * start from zeros. */
static inline const float *
mblm_cuda_carry_start (MblmCudaScratch *scratch, size_t part,
    const MblmCarry *carry, size_t batch, size_t size)
{
  if (!carry->from || !carry->shared || batch == 0)
    return NULL;
  if (!mblm_cuda_carry_clashes (carry, batch))
    return carry->from[0];
  mblm_cuda_copy (scratch->queue, mblm_cuda_at<float> (scratch, part),
      carry->from[0], mblm_cuda_count (size, sizeof (float)));
  return mblm_cuda_at<float> (scratch, part);
}

static inline void
mblm_cuda_carry_piece (MblmCudaCarry *self, const MblmCarry *carry,
    const float *start, size_t first, size_t batch)
{
  self->has_from = carry->from && !carry->shared;
  self->has_to = carry->to;
  self->start = start;
  self->first = first;
  self->count = mblm_cuda_piece_count (
      self->has_from || self->has_to, first, batch);
  mblm_cuda_list (
      &self->from, self->has_from ? carry->from : NULL, first, self->count);
  mblm_cuda_list (&self->to, carry->to, first, self->count);
}

/* ------------------------------------------------------------------------- */
/* Their gradients                                                           */
/* ------------------------------------------------------------------------- */

/* The gradient of a shared start is a sum over the batch: each sequence writes a
 * row of scratch memory, [batch, size], and mblm_cuda_sum_rows_to () (sums.h) adds
 * the rows to `from[0]` after the last piece. */
struct MblmCudaCarryGradient {
  bool has_from, has_to;
  float *rows; /* of this piece, [count, size], or NULL */
  size_t size;
  MblmCudaList<const float *> to;
  MblmCudaList<float *> from;

  /* The gradient of what sequence i of the piece leaves, or NULL for zeros. */
  __device__ const float *
  to_of (size_t i) const
  {
    return has_to ? to.at[i] : NULL;
  }

  /* Lets the gradient of entry j of what sequence i starts from be `value`. */
  __device__ void
  give (size_t i, size_t j, float value) const
  {
    if (rows)
      rows[i * size + j] = value;
    else if (has_from && from.at[i])
      from.at[i][j] += value;
  }
};

/* Whether there is such a sum to do. */
static inline bool
mblm_cuda_carry_sums (const MblmCarry *carry, const MblmCarryGradient *gradient)
{
  return carry->from && carry->shared && gradient->from;
}

/* The rows, as a part of the scratch memory. */
static inline size_t
mblm_cuda_carry_rows_part (MblmCudaScratch *scratch, const MblmCarry *carry,
    const MblmCarryGradient *gradient, size_t batch, size_t size)
{
  bool sums = mblm_cuda_carry_sums (carry, gradient);

  return mblm_cuda_part (
      scratch, sums ? mblm_cuda_count (batch, size) : 0, sizeof (float));
}

/* For the sequences of `piece`; `rows` is all of that part. A sequence that starts
 * from zeros passes no gradient on. */
static inline void
mblm_cuda_carry_gradient_piece (MblmCudaCarryGradient *self,
    const MblmCarry *carry, const MblmCarryGradient *gradient,
    const MblmCudaCarry *piece, float *rows, size_t size)
{
  bool sums = mblm_cuda_carry_sums (carry, gradient);

  self->has_to = gradient->to;
  self->has_from = gradient->from && carry->from && !carry->shared;
  self->rows = sums ? rows + piece->first * size : NULL;
  self->size = size;
  mblm_cuda_list (&self->to, gradient->to, piece->first, piece->count);
  mblm_cuda_list (&self->from, self->has_from ? gradient->from : NULL,
      piece->first, piece->count);
}
