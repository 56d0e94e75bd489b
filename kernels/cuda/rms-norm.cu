/* rms-norm.cu: the RMS norm of the Mamba blocks.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A warp or a block has a row, see norms.h. The floor is memory: 8 bytes an entry
 * forward; backward 12, or 16 where d_x is added to.
 */

#include "norms.h"

template <typename V>
__global__ static void
__launch_bounds__ (NORM_THREADS) rms_norm_kernel (const V *x, const V *gain,
    size_t rows, size_t columns, float epsilon, V *out)
{
  NormRow<V> gains (gain, columns);
  double part = 1.0 / (double) (columns * norm_lanes<V>);

  for (size_t i = mblm_cuda_row (); i < rows; i += mblm_cuda_row_step ()) {
    NormRow<V> row (x + i * columns, columns);
    float squares[1] = {0.0f}, scale;

    norm_each<V> (columns, [&] (int k, size_t j) {
      squares[0] += norm_total (
          norm_map ([] (float v) { return v * v; }, row.get (k, j)));
    });
    norm_sum (squares);
    scale = (float) norm_rsqrt (squares[0] * part + epsilon);
    norm_each<V> (columns, [&] (int k, size_t j) {
      out[i * columns + j] = norm_map (
          [=] (float v, float g) { return v * scale * g; }, row.get (k, j),
          gains.get (k, j));
    });
  }
}

template <typename V>
static void
run_forward (MblmQueue *queue, const MblmRmsNorm *a)
{
  MblmCudaPlane plane = norm_plane (a->rows, a->width);

  mblm_cuda_launch (queue, rms_norm_kernel<V>, plane.grid, plane.block, 0,
      (const V *) a->x, (const V *) a->gain, a->rows, a->width / norm_lanes<V>,
      a->epsilon, (V *) a->out);
}

void
mblm_cuda_rms_norm (MblmQueue *queue, const MblmRmsNorm *a)
{
  if (!mblm_cuda_begin (queue))
    return;
  if (mblm_cuda_aligned (a->width, a->x, a->gain, a->out))
    run_forward<float4> (queue, a);
  else
    run_forward<float> (queue, a);
}

/* ------------------------------------------------------------------------- */
/* Backward                                                                  */
/* ------------------------------------------------------------------------- */

template <typename V> struct RmsBack {
  const V *x, *gain, *d_out;
  size_t rows, columns;
  float epsilon;
  bool accumulate;
  V *d_x;
  V *gain_rows; /* [blocks, columns]; NULL: not wanted */
};

template <typename V>
__global__ static void
__launch_bounds__ (NORM_BACK_THREADS) rms_norm_backward_kernel (RmsBack<V> a)
{
  size_t columns = a.columns;
  NormRow<V> gain (a.gain, columns);
  NormTotals<V> gains (a.gain_rows, columns);

  for (size_t i = mblm_cuda_row (); i < a.rows; i += mblm_cuda_row_step ()) {
    NormRow<V> x (a.x + i * columns, columns);
    NormRow<V> d (a.d_out + i * columns, columns);
    NormBack back = norm_back (x, d, gain, columns, a.epsilon);

    norm_each<V> (columns, [&] (int k, size_t j) {
      gains.add (k, j,
          norm_map ([=] (float u, float v) { return u * v * back.scale; },
              d.get (k, j), x.get (k, j)));
    });
    if (!a.d_x)
      continue;
    norm_give<V> (
        columns, a.accumulate,
        [&] (size_t j) { return a.d_x + i * columns + j; },
        [&] (int k, size_t j) {
          return norm_map (back, x.get (k, j), d.get (k, j), gain.get (k, j));
        });
  }
  gains.finish (columns);
}

template <typename V>
static void
run_backward (MblmQueue *queue, const MblmRmsNormBackward *a,
    const MblmCudaPlane *plane, float *gain_rows)
{
  const MblmRmsNorm *f = &a->forward;
  RmsBack<V> args = {(const V *) f->x, (const V *) f->gain,
      (const V *) a->d_out, f->rows, f->width / norm_lanes<V>, f->epsilon,
      a->accumulate, (V *) a->d_x, (V *) gain_rows};

  mblm_cuda_launch (
      queue, rms_norm_backward_kernel<V>, plane->grid, plane->block, 0, args);
}

void
mblm_cuda_rms_norm_backward (MblmQueue *queue, const MblmRmsNormBackward *a)
{
  const MblmRmsNorm *f = &a->forward;
  MblmCudaPlane plane = norm_back_plane (f->rows, f->width);
  MblmCudaScratch scratch = {queue};
  size_t gain_part = norm_part (&scratch, &plane, f->width, a->d_gain);
  size_t part = mblm_cuda_sum_rows_part (&scratch, plane.grid.x, f->width);
  float *gain_rows;

  if (!mblm_cuda_begin (queue) || !mblm_cuda_scratch (&scratch))
    return;
  gain_rows = a->d_gain ? mblm_cuda_at<float> (&scratch, gain_part) : NULL;
  if (mblm_cuda_aligned (f->width, f->x, f->gain, a->d_out, a->d_x))
    run_backward<float4> (queue, a, &plane, gain_rows);
  else
    run_backward<float> (queue, a, &plane, gain_rows);
  mblm_cuda_sum_rows_to (
      &scratch, part, gain_rows, plane.grid.x, f->width, f->width, a->d_gain);
}
