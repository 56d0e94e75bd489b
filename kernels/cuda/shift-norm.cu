/* shift-norm.cu: token shift and MEGABYTE's RMS norm.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A warp or a block has a row, see norms.h, and reads the second part of the row
 * before from memory again: neighbours run at the same time, so the cache still
 * has it. The floor is memory: 8 bytes an entry forward, or 6 where it gives
 * bfloat16; backward 12, or 16 where d_x is added to.
 *
 * Each entry of what is written has one thread. What a sequence leaves is written
 * by those that read what it starts from, with row 0, as both may be the same
 * memory.
 */

#include "bf16.h"
#include "norms.h"
#include "sequences.h"

/* What is carried isn't aligned as rows are. */
template <typename V>
__device__ static inline V
load (const float *from)
{
  if constexpr (std::is_same_v<V, float>)
    return *from;
  else
    return make_float4 (from[0], from[1], from[2], from[3]);
}

__device__ static inline void
store (float *to, float v)
{
  *to = v;
}

__device__ static inline void
store (float *to, float4 v)
{
  to[0] = v.x;
  to[1] = v.y;
  to[2] = v.z;
  to[3] = v.w;
}

/* Column j of a row that is given, float32 or bfloat16. */
template <typename V>
__device__ static inline void
give_out (float *out, size_t j, V v)
{
  reinterpret_cast<V *> (out)[j] = v;
}

__device__ static inline void
give_out (uint16_t *out, size_t j, float v)
{
  out[j] = mblm_cuda_to_bf16 (v);
}

__device__ static inline void
give_out (uint16_t *out, size_t j, float4 v)
{
  reinterpret_cast<uint2 *> (out)[j] = make_uint2 (
      mblm_cuda_to_bf16x2 (v.x, v.y), mblm_cuda_to_bf16x2 (v.z, v.w));
}

/* Columns from `own` on are those of the row before. */
template <typename V> struct Shifted {
  const V *row;
  const float *from; /* what comes before row 0, or NULL: zeros */
  bool is_first;
  size_t own, columns;

  __device__ V
  operator[] (size_t j) const
  {
    if (j < own)
      return row[j];
    if (!is_first)
      return row[(ptrdiff_t) j - (ptrdiff_t) columns];
    return from ? load<V> (from + (j - own) * norm_lanes<V>) : V ();
  }
};

template <typename V> struct ShiftNorm {
  const V *x, *gain;
  size_t rows, columns, own;
  float epsilon;
};

/* 1 / max (sqrt (mean of squares), epsilon) */
__device__ static inline double
scale_of (double mean, double epsilon)
{
  return mean >= epsilon * epsilon ? norm_rsqrt (mean) : 1.0 / epsilon;
}

/* O is float or uint16_t, a bfloat16. */
template <typename V, typename O>
__global__ static void
__launch_bounds__ (NORM_THREADS)
    shift_norm_kernel (ShiftNorm<V> a, O *out, MblmCudaCarry carry)
{
  size_t columns = a.columns, first = (carry.first + blockIdx.y) * a.rows;
  double part = 1.0 / (double) (columns * norm_lanes<V>);
  NormRow<V> gain (a.gain, columns);
  float *to = carry.to_of (blockIdx.y);

  for (size_t t = mblm_cuda_row (); t < a.rows; t += mblm_cuda_row_step ()) {
    const V *x = a.x + (first + t) * columns;
    O *row_out = out + (first + t) * columns * norm_lanes<V>;
    Shifted<V> shifted = {
        x, carry.from_of (blockIdx.y), t == 0, a.own, columns};
    NormRow<V, Shifted<V>> row (shifted, columns);
    float squares[1] = {0.0f}, scale;

    norm_each<V> (columns, [&] (int k, size_t j) {
      squares[0] += norm_total (
          norm_map ([] (float v) { return v * v; }, row.get (k, j)));
    });
    norm_sum (squares);
    scale = (float) scale_of (squares[0] * part, a.epsilon);
    norm_each<V> (columns, [&] (int k, size_t j) {
      V v = norm_map ([=] (float p, float g) { return p * scale * g; },
          row.get (k, j), gain.get (k, j));

      give_out (row_out, j, v);
    });
    if (t > 0 || !to)
      continue;
    norm_each<V> (columns, [&] (int k, size_t j) {
      if (j >= a.own)
        store (to + (j - a.own) * norm_lanes<V>, x[(a.rows - 1) * columns + j]);
    });
  }
}

/* Without rows, what comes in is carried on. */
__global__ static void
pass_on_kernel (size_t size, MblmCudaCarry carry)
{
  const float *from = carry.from_of (blockIdx.y);
  float *to = carry.to_of (blockIdx.y);

  for (size_t j = mblm_cuda_thread (); j < size && to;
       j += mblm_cuda_threads ())
    to[j] = from ? from[j] : 0.0f;
}

/* The columns of a row that are its own: of an odd width, one more. */
static size_t
own_of (const MblmShiftNorm *a)
{
  return a->shift ? a->width - a->width / 2 : a->width;
}

/* Nothing is carried where nothing is shifted. */
static MblmCarry
carry_of (const MblmShiftNorm *a)
{
  return a->shift ? a->carry : MblmCarry{};
}

template <typename V>
static ShiftNorm<V>
args_of (const MblmShiftNorm *a)
{
  constexpr size_t lanes = norm_lanes<V>;

  return {(const V *) a->x, (const V *) a->gain, a->rows, a->width / lanes,
      own_of (a) / lanes, a->epsilon};
}

/* A block has rows of one sequence. */
template <typename V, typename O>
static void
run_forward (
    MblmQueue *queue, const MblmShiftNorm *a, const MblmCudaCarry *carry)
{
  MblmCudaPlane plane = norm_plane (a->rows, a->width);

  plane.grid.y = (unsigned) carry->count;
  mblm_cuda_launch (queue, shift_norm_kernel<V, O>, plane.grid, plane.block, 0,
      args_of<V> (a), (O *) a->out, *carry);
}

template <typename V>
static void
run_piece (MblmQueue *queue, const MblmShiftNorm *a, const MblmCudaCarry *carry)
{
  if (a->out_type == MBLM_TYPE_F32)
    run_forward<V, float> (queue, a, carry);
  else
    run_forward<V, uint16_t> (queue, a, carry);
}

static void
pass_on (MblmQueue *queue, size_t size, const MblmCudaCarry *carry)
{
  dim3 grid (mblm_cuda_blocks (size, 256), (unsigned) carry->count);

  if (carry->has_to)
    mblm_cuda_launch (queue, pass_on_kernel, grid, 256, 0, size, *carry);
}

void
mblm_cuda_shift_norm (MblmQueue *queue, const MblmShiftNorm *a)
{
  MblmCarry carried = carry_of (a);
  size_t own = own_of (a), size = a->width - own;
  MblmCudaScratch scratch = {queue};
  size_t part = mblm_cuda_carry_part (&scratch, &carried, a->batch, size);
  bool is_aligned = mblm_cuda_aligned (a->width | own, a->x, a->gain, a->out);
  const float *start;
  MblmCudaCarry carry;

  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  start = mblm_cuda_carry_start (&scratch, part, &carried, a->batch, size);
  for (size_t b = 0; b < a->batch; b += carry.count) {
    mblm_cuda_carry_piece (&carry, &carried, start, b, a->batch);
    if (a->rows == 0)
      pass_on (queue, size, &carry);
    else if (is_aligned)
      run_piece<float4> (queue, a, &carry);
    else
      run_piece<float> (queue, a, &carry);
  }
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

template <typename V> struct ShiftBack {
  ShiftNorm<V> forward;
  const V *d_out;
  bool accumulate;
  V *d_x;       /* NULL: not wanted */
  V *gain_rows; /* [blocks, columns]; NULL: not wanted */
};

template <typename V>
__device__ static inline NormBack
shift_norm_back (const NormRow<V, Shifted<V>> &s, const NormRow<V> &d_out,
    const NormRow<V> &gain, size_t columns, double epsilon)
{
  double part = 1.0 / (double) (columns * norm_lanes<V>), mean, scale, back;
  float sums[2];

  norm_products (sums, s, d_out, gain, columns);
  mean = sums[0] * part;
  scale = scale_of (mean, epsilon);
  back = scale * scale * scale * part * sums[1];
  return {(float) scale, mean >= epsilon * epsilon ? (float) back : 0.0f};
}

__device__ static inline void
give (const MblmCudaCarryGradient &gradient, size_t i, size_t j, float v)
{
  gradient.give (i, j, v);
}

__device__ static inline void
give (const MblmCudaCarryGradient &gradient, size_t i, size_t j, float4 v)
{
  gradient.give (i, 4 * j, v.x);
  gradient.give (i, 4 * j + 1, v.y);
  gradient.give (i, 4 * j + 2, v.z);
  gradient.give (i, 4 * j + 3, v.w);
}

/* The second part of the last row of sequence b of the piece: no row comes after
 * it, only what is carried on. `d_x` is that row. */
template <typename V>
__device__ static inline void
give_last (const ShiftBack<V> &a, const MblmCudaCarryGradient &gradient,
    size_t b, V *d_x)
{
  const float *to = gradient.to_of (b);
  size_t own = a.forward.own;

  norm_give<V> (
      a.forward.columns, a.accumulate,
      [=] (size_t j) { return j < own ? NULL : d_x + j; },
      [=] (int k, size_t j) {
        return to && j >= own ? load<V> (to + (j - own) * norm_lanes<V>) : V ();
      });
}

/* The first part of the gradient of s belongs to its own row, the second to the
 * row before: that of row 0 to what was carried in. */
template <typename V>
__global__ static void
__launch_bounds__ (NORM_BACK_THREADS) shift_norm_backward_kernel (
    ShiftBack<V> a, MblmCudaCarry carry, MblmCudaCarryGradient gradient)
{
  const ShiftNorm<V> &f = a.forward;
  size_t columns = f.columns, own = f.own;
  NormRow<V> gain (f.gain, columns);
  NormTotals<V> gains (a.gain_rows, columns);

  for (size_t i = mblm_cuda_row (); i < carry.count * f.rows;
       i += mblm_cuda_row_step ()) {
    size_t b = i / f.rows, t = i % f.rows;
    size_t row = (carry.first * f.rows + i) * columns;
    Shifted<V> shifted = {f.x + row, carry.from_of (b), t == 0, own, columns};
    NormRow<V, Shifted<V>> s (shifted, columns);
    NormRow<V> d (a.d_out + row, columns);
    NormBack back = shift_norm_back (s, d, gain, columns, f.epsilon);
    auto d_s = [&] (int k, size_t j) {
      return norm_map (back, s.get (k, j), d.get (k, j), gain.get (k, j));
    };

    norm_each<V> (columns, [&] (int k, size_t j) {
      gains.add (k, j,
          norm_map ([=] (float u, float v) { return u * v * back.scale; },
              d.get (k, j), s.get (k, j)));
      if (t == 0 && j >= own)
        give (gradient, b, j - own, d_s (k, j));
    });
    if (!a.d_x)
      continue;
    norm_give<V> (
        columns, a.accumulate,
        [&] (size_t j) {
          return j < own ? a.d_x + row + j
              : t > 0    ? a.d_x + row + j - columns
                         : NULL;
        },
        d_s);
    if (t == f.rows - 1 && own < columns)
      give_last (a, gradient, b, a.d_x + row);
  }
  gains.finish (columns);
}

/* Without rows, the gradient of what was carried on is that of what came in. */
__global__ static void
pass_back_kernel (size_t size, MblmCudaCarryGradient gradient)
{
  const float *to = gradient.to_of (blockIdx.y);

  for (size_t j = mblm_cuda_thread (); j < size; j += mblm_cuda_threads ())
    gradient.give (blockIdx.y, j, to ? to[j] : 0.0f);
}

template <typename V>
static void
run_backward (MblmQueue *queue, const MblmShiftNormBackward *a,
    const MblmCudaPlane *plane, const MblmCudaCarry *carry,
    const MblmCudaCarryGradient *gradient, float *gain_rows)
{
  ShiftBack<V> args = {args_of<V> (&a->forward), (const V *) a->d_out,
      a->accumulate, (V *) a->d_x, (V *) gain_rows};

  mblm_cuda_launch (queue, shift_norm_backward_kernel<V>, plane->grid,
      plane->block, 0, args, *carry, *gradient);
}

static void
run_piece_back (MblmQueue *queue, const MblmShiftNormBackward *a,
    const MblmCudaPlane *plane, const MblmCudaCarry *carry,
    const MblmCudaCarryGradient *gradient, float *gain_rows)
{
  const MblmShiftNorm *f = &a->forward;
  size_t own = own_of (f), size = f->width - own;
  dim3 grid (mblm_cuda_blocks (size, 256), (unsigned) carry->count);

  if (f->rows == 0)
    mblm_cuda_launch (queue, pass_back_kernel, grid, 256, 0, size, *gradient);
  else if (mblm_cuda_aligned (f->width | own, f->x, f->gain, a->d_out, a->d_x))
    run_backward<float4> (queue, a, plane, carry, gradient, gain_rows);
  else
    run_backward<float> (queue, a, plane, carry, gradient, gain_rows);
}

/* Every piece of the batch adds its partial sums to d_gain. */
void
mblm_cuda_shift_norm_backward (MblmQueue *queue, const MblmShiftNormBackward *a)
{
  const MblmShiftNorm *f = &a->forward;
  MblmCarry carried = carry_of (f);
  MblmCarryGradient given = f->shift ? a->d_carry : MblmCarryGradient{};
  size_t size = f->width - own_of (f), w = f->width;
  size_t all = min_size (f->batch, MBLM_CUDA_MOST_SEQUENCES) * f->rows;
  MblmCudaPlane most = norm_back_plane (all, w);
  MblmCudaScratch scratch = {queue};
  size_t rows_part = mblm_cuda_carry_rows_part (
      &scratch, &carried, &given, f->batch, size);
  size_t gain_part = norm_part (&scratch, &most, w, a->d_gain);
  size_t part = mblm_cuda_sum_rows_part (
      &scratch, max_size (most.grid.x, f->batch), w);
  MblmCudaCarry carry;
  MblmCudaCarryGradient gradient;

  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  if (!carried.to)
    given.to = NULL;
  for (size_t b = 0; b < f->batch; b += carry.count) {
    float *rows = mblm_cuda_at<float> (&scratch, rows_part);
    float *sums = a->d_gain ? mblm_cuda_at<float> (&scratch, gain_part) : NULL;
    MblmCudaPlane plane;

    mblm_cuda_carry_piece (&carry, &carried,
        carried.from && carried.shared ? carried.from[0] : NULL, b, f->batch);
    mblm_cuda_carry_gradient_piece (
        &gradient, &carried, &given, &carry, rows, size);
    plane = norm_back_plane (carry.count * f->rows, w);
    run_piece_back (queue, a, &plane, &carry, &gradient, sums);
    mblm_cuda_sum_rows_to (&scratch, part, sums, plane.grid.x, w, w, a->d_gain);
  }
  if (mblm_cuda_carry_sums (&carried, &given))
    mblm_cuda_sum_rows_to (&scratch, part,
        mblm_cuda_at<float> (&scratch, rows_part), f->batch, size, size,
        given.from[0]);
}
